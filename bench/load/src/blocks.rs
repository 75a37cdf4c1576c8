//! Aligned memory for `O_DIRECT`, and a writer that keeps so many blocks of it under way.

use crate::error::LoadError;
use crate::growth::Growth;
use lance_engine::memory::Mapping;
use lance_engine::ring::{Completion, FileSlot, Ring, Token};
use std::collections::VecDeque;

/// Alignment of everything that goes past the page cache.
pub const ALIGN: usize = 4_096;
/// The agent's number in tokens: there is one on each ring here.
pub const AGENT: u8 = 0;
/// Kinds of operations on files; those on sockets are the receiver's and begin above.
pub const WRITE: u8 = 1;
pub const FLUSH: u8 = 2;
pub const READ: u8 = 3;

/// Blocks of one size, one behind the other, in memory like the engine's slabs.
pub struct Blocks {
    memory: Mapping,
    block: usize,
}

impl Blocks {
    /// `count` blocks of `block` bytes, zeroed.
    ///
    /// # Errors
    /// There is no such memory, or `block` is no multiple of 4,096.
    pub fn new(block: usize, count: usize) -> Result<Self, LoadError> {
        if block == 0 || count == 0 || !block.is_multiple_of(ALIGN) {
            let message = format!("--block {block} is no multiple of 4096");
            return Err(LoadError::Usage(message));
        }
        let memory = Mapping::huge(block * count);
        let mut memory = memory.map_err(|e| LoadError::System("taking memory".into(), e))?;
        memory.populate();
        Ok(Self { memory, block })
    }

    /// Where a block begins. It stays there as long as this lives.
    #[must_use]
    pub fn at(&self, number: u32) -> *mut u8 {
        let offset = number as usize * self.block;
        assert!(offset < self.memory.bytes(), "block {number} exists");
        // SAFETY: within the mapping, as asserted.
        unsafe { self.memory.at().as_ptr().add(offset) }
    }

    /// A block's bytes. Not while an operation of the kernel is under way on it.
    pub fn bytes(&mut self, number: u32) -> &mut [u8] {
        // SAFETY: within the mapping, and borrowed as mutably as this.
        unsafe { std::slice::from_raw_parts_mut(self.at(number), self.block) }
    }
}

/// When what was written counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// When the device took it.
    Never,
    /// Each write is synchronous.
    EachWrite,
    /// After a flush, made when so many bytes stand written, or nothing more is under way.
    Every(u64),
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Bytes of a write.
    pub block: u32,
    /// Writes under way at once.
    pub depth: u32,
    pub flush: Flush,
}

/// Writes block after block, in circles over a file whose blocks have been written before, or that grows until it is whole.
pub struct BlockWriter {
    policy: Policy,
    file: FileSlot,
    /// Blocks that the file holds.
    places: u64,
    pub blocks: Blocks,
    free: Vec<u32>,
    /// Blocks submitted so far: the next one's number in the log.
    submitted: u64,
    /// Memory of the writes under way, oldest first, and whether the device has taken them.
    under_way: VecDeque<(u32, bool)>,
    flushing: Option<u64>,
    flushed: u64,
    failed: Option<std::io::Error>,
    growth: Option<Growth>,
}

impl BlockWriter {
    /// `spare` blocks more than are written at once can be filled meanwhile.
    ///
    /// # Errors
    /// No memory, or a file that is smaller than what is under way at once.
    pub fn new(
        policy: Policy,
        file: FileSlot,
        file_bytes: u64,
        spare: u32,
    ) -> Result<Self, LoadError> {
        let count = policy.depth + spare;
        let places = file_bytes / u64::from(policy.block.max(1));
        if places <= u64::from(count) || policy.depth == 0 {
            return Err(LoadError::Usage(format!(
                "--file-bytes {file_bytes} is too small for {} blocks of {} bytes",
                policy.depth, policy.block
            )));
        }
        Ok(Self {
            blocks: Blocks::new(policy.block as usize, count as usize)?,
            free: (0..count).collect(),
            policy,
            file,
            places,
            submitted: 0,
            under_way: VecDeque::with_capacity(count as usize),
            flushing: None,
            flushed: 0,
            failed: None,
            growth: None,
        })
    }

    /// The same into a file that grows.
    #[must_use]
    pub fn growing(mut self, growth: Growth) -> Self {
        self.growth = Some(growth);
        self
    }

    /// A block to fill, if one is free and has its place in the file.
    pub fn take(&mut self) -> Option<u32> {
        let end = (self.submitted + 1) * u64::from(self.policy.block);
        if self
            .growth
            .as_mut()
            .is_some_and(|growth| !growth.reaches(end))
        {
            return None;
        }
        self.free.pop()
    }

    /// Only a place in the file is wanting: it comes without a completion.
    #[must_use]
    pub fn waits_for_room(&self) -> bool {
        self.growth.is_some() && !self.free.is_empty()
    }

    /// Gives back a block that is not to be written.
    pub fn put(&mut self, block: u32) {
        self.free.push(block);
    }

    /// Number, in the log, of the block that is submitted next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.submitted
    }

    /// Writes that the device has not taken yet.
    #[must_use]
    pub fn writes_under_way(&self) -> u32 {
        self.under_way.len() as u32
    }

    /// Whether another write may go out now.
    #[must_use]
    pub fn has_turn(&self) -> bool {
        self.writes_under_way() < self.policy.depth
    }

    /// Nothing is under way.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.under_way.is_empty() && self.flushing.is_none()
    }

    /// Blocks at the front of the log that count, as the policy says.
    #[must_use]
    pub fn stable(&self) -> u64 {
        match self.policy.flush {
            Flush::Every(_) => self.flushed,
            Flush::Never | Flush::EachWrite => self.taken(),
        }
    }

    /// Blocks at the front of the log that the device has taken.
    fn taken(&self) -> u64 {
        self.submitted - self.under_way.len() as u64
    }

    /// Writes a block.
    pub fn submit(&mut self, ring: &mut dyn Ring, block: u32) {
        let at = (self.submitted % self.places) * u64::from(self.policy.block);
        let sync = self.policy.flush == Flush::EachWrite;
        let token = Token::new(AGENT, WRITE, self.submitted % (1 << 40));
        self.submitted += 1;
        self.under_way.push_back((block, false));
        // SAFETY: the block is off the free list until the completion, and the memory lives as long as the ring is driven.
        unsafe {
            ring.write(
                self.file,
                at,
                self.blocks.at(block),
                self.policy.block,
                sync,
                token,
            );
        }
    }

    /// Flushes if it is time; `more` tells that further writes are about to come.
    pub fn flush_if_due(&mut self, ring: &mut dyn Ring, more: bool) {
        let Flush::Every(bytes) = self.policy.flush else {
            return;
        };
        let waiting = self.taken() - self.flushed;
        let due =
            waiting * u64::from(self.policy.block) >= bytes || (self.under_way.is_empty() && !more);
        if waiting > 0 && due && self.flushing.is_none() {
            self.flushing = Some(self.taken());
            ring.flush(self.file, Token::new(AGENT, FLUSH, 0));
        }
    }

    /// Flushes what the device has taken, while further writes go on; nothing waits for it.
    pub fn flush_behind(&mut self, ring: &mut dyn Ring) {
        if self.taken() > self.flushed && self.flushing.is_none() {
            self.flushing = Some(self.taken());
            ring.flush(self.file, Token::new(AGENT, FLUSH, 0));
        }
    }

    /// Takes a completion of this writer's own.
    pub fn completed(&mut self, completion: Completion) {
        if completion.result < 0 {
            self.failed = Some(std::io::Error::from_raw_os_error(-completion.result));
            return;
        }
        if completion.token.kind() == FLUSH {
            self.flushed = self.flushing.take().unwrap_or(self.flushed);
            return;
        }
        if completion.result as u32 != self.policy.block {
            self.failed = Some(std::io::Error::other("a short write"));
            return;
        }
        let first = self.taken() % (1 << 40);
        let place = completion.token.id().wrapping_sub(first) % (1 << 40);
        if let Some(write) = self.under_way.get_mut(place as usize) {
            write.1 = true;
        }
        while let Some(&(block, true)) = self.under_way.front() {
            self.under_way.pop_front();
            self.free.push(block);
        }
    }

    /// What went wrong, if something did.
    ///
    /// # Errors
    /// A write or a flush failed: the disk is full, or broken.
    pub fn check(&mut self) -> Result<(), LoadError> {
        if let Some(error) = self.failed.take() {
            return Err(LoadError::System("writing the floor's file".into(), error));
        }
        self.growth
            .as_ref()
            .and_then(Growth::failure)
            .map_or(Ok(()), Err)
    }
}
