//! The last block of each topic, where batches end inside it: the next one begins with a copy of it, and thousands of
//! topics have no slab in between that would still hold it.

use std::io;
use std::ptr::NonNull;

use crate::limits::BLOCK;
use crate::topics::TopicSlot;

/// What of a block is there.
#[derive(Clone, Copy, Default)]
struct Known {
    /// Log position of the block's start.
    log: u64,
    /// Bytes of it; 0: nothing is known.
    len: u64,
}

/// A block for each topic, populated when it is first used.
pub(super) struct Tails {
    at: NonNull<u8>,
    known: Vec<Known>,
}

// SAFETY: the mapping belongs to this value alone, and goes with it.
unsafe impl Send for Tails {}

impl Tails {
    /// Room for so many topics.
    ///
    /// # Panics
    /// The system has no addresses left, at the start of a node.
    pub fn new(topics: u32) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh anonymous mapping; no existing memory is touched.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes(topics), access, flags, -1, 0) };
        assert!(
            at != libc::MAP_FAILED,
            "no address space for the last blocks of topics: {}",
            io::Error::last_os_error()
        );
        Self {
            at: NonNull::new(at.cast()).expect("a mapping is not at 0"),
            known: vec![Known::default(); topics as usize],
        }
    }
    /// Keeps the first bytes of a topic's block.
    pub fn keep(&mut self, slot: TopicSlot, log: u64, bytes: &[u8]) {
        let len = bytes.len() as u64;
        assert!(len < BLOCK, "the block is not full");
        // SAFETY: the slot's own block (asserted), which nothing else refers to; `bytes` lies in a slab.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.block(slot), bytes.len()) };
        self.known[slot.index()] = Known { log, len };
    }
    /// The first `len` bytes of a topic's block, if they are there.
    pub fn find(&self, slot: TopicSlot, log: u64, len: u64) -> Option<*const u8> {
        let known = self.known[slot.index()];
        (known.log == log && (1..=known.len).contains(&len)).then(|| self.block(slot).cast_const())
    }
    /// The topic is gone.
    pub fn forget(&mut self, slot: TopicSlot) {
        self.known[slot.index()] = Known::default();
    }

    fn block(&self, slot: TopicSlot) -> *mut u8 {
        assert!(slot.index() < self.known.len());
        // SAFETY: inside the mapping (asserted).
        unsafe { self.at.as_ptr().add(slot.index() * BLOCK as usize) }
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this address and length, and unmapped only here.
        unsafe { libc::munmap(self.at.as_ptr().cast(), bytes(self.known.len() as u32)) };
    }
}

fn bytes(topics: u32) -> usize {
    topics.max(1) as usize * BLOCK as usize
}
