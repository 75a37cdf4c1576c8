//! The bare read pipeline: read, checksum, send, and a sink at the other end that receives and checksums.

use crate::arguments::Arguments;
use crate::blocks::{Blocks, READ};
use crate::error::LoadError;
use crate::events::Events;
use crate::plant::{drive, listen, open_file, open_ring, Step, FILE};
use crate::stream::{connect, Clock};
use crate::tally::cpu_ns;
use crate::wire::KIND;
use lance_engine::checksum::{checksum, Running};
use lance_engine::ring::{Completion, Ring, Token};
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::RawFd;
use std::path::PathBuf;

const ACCEPT: u8 = 10;
const SEND: u8 = 12;
const PIECE: usize = 256 << 10;

struct Server {
    blocks: Blocks,
    block: u32,
    /// Bytes of the file; 0 to send memory, as a cache would.
    file_bytes: u64,
    socket: Option<RawFd>,
    free: Vec<u32>,
    /// Blocks in the order of their places in the file, and whether they are read.
    under_way: VecDeque<(u32, bool)>,
    next: u64,
    sent: u32,
    sending: bool,
    /// The other end is gone.
    over: bool,
    sums: u32,
}

/// Serves one connection on a free port, which it tells, until that ends or the run is stopped.
///
/// # Errors
/// Wrong flags, no file, or a disk that fails.
pub fn run(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let dir = PathBuf::from(arguments.required("dir")?);
    let cold = arguments.number("cold", 1_u8, 0, 1)? == 1;
    let block = arguments.number("block", 1_u32 << 20, 1 << 16, 1 << 24)? / 4096 * 4096;
    let depth = arguments.number("depth", 4_u32, 1, 64)?;
    let file_bytes = arguments.number("file-bytes", 1_u64 << 30, u64::from(block), 1 << 40)?;
    arguments.finish()?;
    let mut ring = open_ring(Some(&dir), (0, 0))?;
    ring.install(FILE, open_file(&dir)?)
        .map_err(LoadError::system("handing the file to the ring"))?;
    let (_listener, endpoint) = listen(&mut *ring, Token::new(0, ACCEPT, 0))?;
    let mut server = Server {
        blocks: Blocks::new(block as usize, depth as usize)?,
        block,
        file_bytes: if cold {
            file_bytes / u64::from(block) * u64::from(block)
        } else {
            0
        },
        socket: None,
        free: (0..depth).collect(),
        under_way: VecDeque::new(),
        next: 0,
        sent: 0,
        sending: false,
        over: false,
        sums: 0,
    };
    events.tell("listening", json!({ "endpoint": endpoint }));
    drive(ring, |ring, completions| {
        if events.stopped() || server.over {
            return Ok(Step::Done);
        }
        server.step(ring, completions)
    })?;
    Ok(json!({ "cpuSeconds": cpu_ns() as f64 / 1e9, "sums": server.sums }))
}

impl Server {
    fn step(
        &mut self,
        ring: &mut dyn Ring,
        completions: &mut Vec<Completion>,
    ) -> Result<Step, LoadError> {
        for completion in completions.drain(..) {
            self.complete(completion)?;
        }
        let Some(socket) = self.socket else {
            return Ok(Step::Idle);
        };
        while let Some(block) = self.free.pop() {
            if self.file_bytes == 0 {
                self.take(block);
                self.under_way.push_back((block, true));
                continue;
            }
            let at = self.next * u64::from(self.block) % self.file_bytes;
            self.next += 1;
            self.under_way.push_back((block, false));
            // SAFETY: the block is off the free list until it is sent.
            unsafe {
                ring.read(
                    FILE,
                    at,
                    self.blocks.at(block),
                    self.block,
                    Token::new(0, READ, u64::from(block)),
                );
            }
        }
        if let (false, Some(&(block, true))) = (self.sending, self.under_way.front()) {
            self.sending = true;
            // SAFETY: the block stays as it is until it is sent whole.
            unsafe {
                let from = self.blocks.at(block).add(self.sent as usize);
                ring.send(socket, from, self.block - self.sent, Token::new(0, SEND, 0));
            }
        }
        Ok(Step::Idle)
    }

    fn complete(&mut self, completion: Completion) -> Result<(), LoadError> {
        match completion.token.kind() {
            ACCEPT if self.socket.is_none() && completion.result >= 0 => {
                self.socket = Some(completion.result)
            }
            READ if completion.result != self.block as i32 => {
                return Err(LoadError::Protocol(format!(
                    "a read of {} bytes gave {}",
                    self.block, completion.result
                )));
            }
            READ => {
                let block = completion.token.id() as u32;
                self.take(block);
                if let Some(read) = self
                    .under_way
                    .iter_mut()
                    .find(|(number, _)| *number == block)
                {
                    read.1 = true;
                }
            }
            SEND if completion.result <= 0 => self.over = true,
            SEND => {
                self.sending = false;
                self.sent += completion.result as u32;
                if self.sent == self.block {
                    self.sent = 0;
                    if let Some((block, _)) = self.under_way.pop_front() {
                        self.free.push(block);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, block: u32) {
        self.sums ^= checksum(KIND, self.blocks.bytes(block));
    }
}

/// The other end: receives and checksums for `--seconds`.
///
/// # Errors
/// Wrong flags, or nobody there.
pub fn sink(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let endpoint = arguments.required("endpoint")?;
    let seconds = arguments.number("seconds", 2.0, 0.05, 3_600.0)?;
    arguments.finish()?;
    let mut socket = connect(&endpoint)?;
    let mut piece = vec![0; PIECE];
    let mut sum = Running::new(KIND);
    let mut bytes = 0_u64;
    let clock = Clock::start();
    while (clock.now() as f64) < seconds * 1e9 && !events.stopped() {
        let count = socket
            .read(&mut piece)
            .map_err(LoadError::system("receiving"))?;
        if count == 0 {
            return Err(LoadError::Protocol("the sender ended".into()));
        }
        sum.update(&piece[..count]);
        bytes += count as u64;
    }
    let elapsed = clock.now() as f64 / 1e9;
    Ok(
        json!({ "bytesPerSecond": bytes as f64 / elapsed, "cpuSeconds": cpu_ns() as f64 / 1e9, "sum": sum.value() }),
    )
}
