//! The bare read pipeline: read, checksum, send, and a sink at the other end that receives and checksums. It reads the file
//! of the floors round and round, or a part of a log once, as cold as a reader of that log finds it.

use crate::arguments::Arguments;
use crate::blocks::{Blocks, READ};
use crate::error::LoadError;
use crate::events::Events;
use crate::plant::{
    drive, listen, open_file, open_log, open_ring, open_ring_of, Step, FILE, MOST_FILES,
};
use crate::stream::{connect, Clock};
use crate::tally::cpu_ns;
use crate::wire::KIND;
use lance_engine::checksum::{checksum, Running};
use lance_engine::ring::{Completion, FileSlot, Ring, Token};
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
    source: Source,
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

/// What is sent.
enum Source {
    /// A block of memory, over and over, as a cache would.
    Memory,
    /// So many bytes of the floors' file, whole blocks, over and over.
    File(u64),
    /// These places, once.
    Log(Vec<(FileSlot, u64)>),
}

impl Source {
    /// Where block number `next` lies; `None`: it was the last.
    fn place(&self, next: u64, block: u32) -> Option<(FileSlot, u64)> {
        match self {
            Self::Memory => None,
            Self::File(bytes) => Some((FILE, next * u64::from(block) % bytes)),
            Self::Log(places) => places.get(usize::try_from(next).ok()?).copied(),
        }
    }
}

/// The whole blocks between the bytes `from` and `to` of a log whose files have these lengths, each with its file.
fn places(lengths: &[u64], from: u64, to: u64, block: u32) -> Vec<(FileSlot, u64)> {
    let block = u64::from(block);
    let mut places = Vec::new();
    let mut start = 0;
    for (file, &length) in (0..).zip(lengths) {
        let blocks = (0..length / block).map(|number| number * block);
        places.extend(
            blocks
                .filter(|at| start + at >= from && start + at + block <= to)
                .map(|at| (FileSlot(file), at)),
        );
        start += length;
    }
    places
}

/// Serves one connection on a free port, which it tells, until that ends or the run is stopped: the file of the floors in `--dir`,
/// memory (`--cold 0`), or what lies from byte `--from` to `--to` of the segments in `--log`, once.
///
/// # Errors
/// Wrong flags, no file, no whole block of a log in that place, or a disk that fails.
pub fn run(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let dir = PathBuf::from(arguments.required("dir")?);
    let cold = arguments.number("cold", 1_u8, 0, 1)? == 1;
    let block = arguments.number("block", 1_u32 << 20, 1 << 16, 1 << 24)? / 4096 * 4096;
    let depth = arguments.number("depth", 4_u32, 1, 64)?;
    let file_bytes = arguments.number("file-bytes", 1_u64 << 30, u64::from(block), 1 << 40)?;
    let log = arguments.text("log").map(PathBuf::from);
    let (from, to) = (
        arguments.number("from", 0, 0, u64::MAX)?,
        arguments.number("to", u64::MAX, 0, u64::MAX)?,
    );
    arguments.finish()?;
    let mut ring = match log {
        Some(_) => open_ring_of(Some(&dir), (0, 0), MOST_FILES)?,
        None => open_ring(Some(&dir), (0, 0))?,
    };
    let files = match &log {
        Some(log) => open_log(log)?,
        None => vec![(open_file(&dir)?, file_bytes)],
    };
    for (slot, &(file, _)) in (0..).zip(&files) {
        ring.install(FileSlot(slot), file)
            .map_err(LoadError::system("handing the file to the ring"))?;
    }
    let source = match &log {
        Some(log) => {
            let lengths: Vec<u64> = files.iter().map(|&(_, length)| length).collect();
            let places = places(&lengths, from, to, block);
            if places.is_empty() {
                return Err(LoadError::Usage(format!(
                    "{} has no whole block of {block} bytes between {from} and {to}",
                    log.display()
                )));
            }
            Source::Log(places)
        }
        None if cold => Source::File(file_bytes / u64::from(block) * u64::from(block)),
        None => Source::Memory,
    };
    let (_listener, endpoint) = listen(&mut *ring, Token::new(0, ACCEPT, 0))?;
    let mut server = Server {
        blocks: Blocks::new(block as usize, depth as usize)?,
        block,
        source,
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
            if matches!(self.source, Source::Memory) {
                self.take(block);
                self.under_way.push_back((block, true));
                continue;
            }
            let Some((file, at)) = self.source.place(self.next, self.block) else {
                self.free.push(block);
                if self.under_way.is_empty() {
                    return Ok(Step::Done);
                }
                break;
            };
            self.next += 1;
            self.under_way.push_back((block, false));
            // SAFETY: the block is off the free list until it is sent.
            unsafe {
                ring.read(
                    file,
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

/// The other end: receives and checksums for `--seconds`, or until the sender has sent all.
///
/// # Errors
/// Wrong flags, nobody there, or a sender that sends nothing.
pub fn sink(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let endpoint = arguments.required("endpoint")?;
    let seconds = arguments.number("seconds", 2.0, 0.05, 3_600.0)?;
    arguments.finish()?;
    let mut socket = connect(&endpoint)?;
    let mut piece = vec![0; PIECE];
    let mut sum = Running::new(KIND);
    let mut bytes = 0_u64;
    let mut last = 1;
    let clock = Clock::start();
    while (clock.now() as f64) < seconds * 1e9 && !events.stopped() {
        let count = socket
            .read(&mut piece)
            .map_err(LoadError::system("receiving"))?;
        if count == 0 && bytes == 0 {
            return Err(LoadError::Protocol("the sender ended".into()));
        }
        if count == 0 {
            break;
        }
        sum.update(&piece[..count]);
        bytes += count as u64;
        last = clock.now();
    }
    let elapsed = last as f64 / 1e9;
    Ok(
        json!({ "bytesPerSecond": bytes as f64 / elapsed, "cpuSeconds": cpu_ns() as f64 / 1e9, "sum": sum.value() }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_log_is_the_whole_blocks_of_its_files() {
        let at = |file, at| (FileSlot(file), at);
        // A block that would reach over a file's end is left out, wherever the log goes on.
        let all = places(&[10, 3, 8], 0, u64::MAX, 4);
        assert_eq!(all, [at(0, 0), at(0, 4), at(2, 0), at(2, 4)]);
        // What was reserved beyond the end of the log is none of it.
        assert_eq!(
            places(&[10, 3, 8], 0, 17, 4),
            [at(0, 0), at(0, 4), at(2, 0)]
        );
        assert_eq!(places(&[10, 3, 8], 1, 17, 4), [at(0, 4), at(2, 0)]);
        assert_eq!(places(&[10], 8, 10, 4), []);
    }
}
