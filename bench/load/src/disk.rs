//! The disk's floors: best bandwidth over a small grid of ways to write a log, and the time of one small durable write.

use crate::arguments::Arguments;
use crate::blocks::{BlockWriter, Blocks, Flush, Policy, AGENT, READ};
use crate::error::LoadError;
use crate::events::Events;
use crate::latencies::Latencies;
use crate::plant::{drive, open_file, open_ring, reserve, Step, FILE};
use crate::stream::Clock;
use lance_engine::ring::{Ring, Token};
use lance_engine::storage::Handle;
use serde_json::{json, Value};
use std::path::PathBuf;

const SECOND: f64 = 1e9;
const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;
const SMALL: usize = 4_096;
/// Times kept in the order in which they were measured, for replaying.
const KEPT: usize = 20_000;

const fn policy(block: u32, depth: u32, flush: Flush) -> Policy {
    Policy {
        block,
        depth,
        flush,
    }
}

const DURABLE: [Policy; 7] = [
    policy(256 * KIB, 4, Flush::EachWrite),
    policy(MIB, 4, Flush::EachWrite),
    policy(256 * KIB, 4, Flush::Every(MIB as u64)),
    policy(256 * KIB, 8, Flush::Every(4 * MIB as u64)),
    policy(MIB, 4, Flush::Every(4 * MIB as u64)),
    policy(MIB, 8, Flush::Every(16 * MIB as u64)),
    policy(4 * MIB, 2, Flush::Every(32 * MIB as u64)),
];
const WRITTEN: [Policy; 5] = [
    policy(256 * KIB, 2, Flush::Never),
    policy(256 * KIB, 8, Flush::Never),
    policy(MIB, 2, Flush::Never),
    policy(MIB, 8, Flush::Never),
    policy(4 * MIB, 2, Flush::Never),
];

/// What is measured, with the shares of the time that the parts get.
struct Floor<'a> {
    dir: PathBuf,
    file: Handle,
    file_bytes: u64,
    seconds: f64,
    events: &'a Events,
}

/// Runs it in `--dir`, whose file `floor` is made, written once and left there.
///
/// # Errors
/// Wrong flags, no room, or a disk that fails.
pub fn run(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let dir = PathBuf::from(arguments.required("dir")?);
    let seconds = arguments.number("seconds", 8.0, 0.1, 3_600.0)?;
    let file_bytes = arguments.number("file-bytes", 1_u64 << 30, 64 << 20, 1 << 40)?;
    let only = arguments.policies()?;
    arguments.finish()?;
    let floor = Floor {
        file: open_file(&dir)?,
        dir,
        file_bytes: file_bytes / u64::from(4 * MIB) * u64::from(4 * MIB),
        seconds,
        events,
    };
    floor.run(only)
}

impl Arguments {
    /// `--durable-policy` and `--written-policy`: the ways to measure again, found best in an earlier run.
    fn policies(&mut self) -> Result<Option<(Policy, Policy)>, LoadError> {
        let durable = self.policy("durable-policy")?;
        let written = self.policy("written-policy")?;
        Ok(durable.zip(written))
    }

    /// A way to write, `BLOCK:DEPTH:never|each|BYTES`, the last what stands written before a flush.
    ///
    /// # Errors
    /// It is no such word.
    pub fn policy(&mut self, name: &str) -> Result<Option<Policy>, LoadError> {
        let text = self.text(name);
        let parse = |text: &str| -> Option<Policy> {
            let mut parts = text.split(':');
            let block = parts.next()?.parse().ok()?;
            let depth = parts.next()?.parse().ok()?;
            let flush = match parts.next()? {
                "never" => Flush::Never,
                "each" => Flush::EachWrite,
                bytes => Flush::Every(bytes.parse().ok()?),
            };
            parts.next().is_none().then_some(Policy {
                block,
                depth,
                flush,
            })
        };
        match text {
            None => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or_else(|| {
                LoadError::Usage(format!(
                    "--{name} is `{text}`, expected BLOCK:DEPTH:never|each|BYTES"
                ))
            }),
        }
    }
}

/// A way to write as one word, as `--durable-policy` reads it.
fn word(policy: Policy) -> String {
    let flush = match policy.flush {
        Flush::Never => "never".to_owned(),
        Flush::EachWrite => "each".to_owned(),
        Flush::Every(bytes) => bytes.to_string(),
    };
    format!("{}:{}:{flush}", policy.block, policy.depth)
}

/// Block and depth of the ways to read; the best counts. A block below 1 MiB is one operation of a virtio disk, whose requests
/// have 254 pages.
const READ_WAYS: [(u32, u32); 2] = [(MIB, 4), (MIB / 2, 8)];

/// A measured way.
struct Found {
    policy: Policy,
    bytes: f64,
}

impl Floor<'_> {
    fn run(&self, only: Option<(Policy, Policy)>) -> Result<Value, LoadError> {
        self.prepare()?;
        let (durable, written) = match only {
            Some((durable, written)) => (vec![durable], vec![written]),
            None => (DURABLE.to_vec(), WRITTEN.to_vec()),
        };
        // Half of the time for the grid and the winners, the rest for single operations.
        let grid = self.seconds * 0.35 / (durable.len() + written.len()) as f64;
        let durable = self.best(&durable, grid, self.seconds * 0.15)?;
        let written = self.best(&written, grid, self.seconds * 0.1)?;
        self.events.tell("floor", json!({ "part": "4 KiB writes" }));
        let sync = self.best_sync(self.seconds * 0.25)?;
        let plain = self.singles(self.seconds * 0.05, Single::Plain)?;
        self.events.tell("floor", json!({ "part": "reading" }));
        let mut read = 0.0_f64;
        for (block, depth) in READ_WAYS {
            read = read.max(self.read(block, depth, self.seconds * 0.05)?);
        }
        Ok(json!({
            "durableBytes": durable.iter().map(|found| found.bytes).fold(0.0, f64::max),
            "writtenBytes": written.iter().map(|found| found.bytes).fold(0.0, f64::max),
            "readBytes": read,
            "durable": list(&durable),
            "written": list(&written),
            "dsync4k": sync.times.report(),
            "dsync4kHow": sync.how,
            "dsync4kTimes": sync.kept,
            "write4k": plain.times.report(),
            "write4kTimes": plain.kept,
            "fileBytes": self.file_bytes,
        }))
    }

    /// Reserves the file and writes all of it once, so that no measured write converts an extent.
    fn prepare(&self) -> Result<(), LoadError> {
        self.events
            .tell("floor", json!({ "part": "making the file" }));
        reserve(&self.dir, self.file, self.file_bytes)?;
        let policy = policy(4 * MIB, 2, Flush::Never);
        self.write(
            policy,
            f64::INFINITY,
            self.file_bytes / u64::from(policy.block),
        )?;
        Ok(())
    }

    /// Measures all, then the two best again and longer; only these second figures count, so that luck is not picked.
    fn best(&self, all: &[Policy], each: f64, again: f64) -> Result<Vec<Found>, LoadError> {
        let mut found = Vec::new();
        for &policy in all {
            if self.events.stopped() {
                break;
            }
            found.push(self.measure(policy, each)?);
        }
        found.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
        let mut best = Vec::new();
        for first in found.iter().take(2) {
            if !self.events.stopped() {
                best.push(self.measure(first.policy, again / 2.0)?);
            }
        }
        best.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
        Ok(if best.is_empty() { found } else { best })
    }

    fn measure(&self, policy: Policy, seconds: f64) -> Result<Found, LoadError> {
        let bytes = self.write(policy, seconds, u64::MAX)?;
        self.events.tell(
            "floor",
            json!({ "part": "writing", "policy": word(policy), "bytes": bytes }),
        );
        Ok(Found { policy, bytes })
    }

    /// Writes for so long, or so many blocks. Returns bytes a second that count.
    fn write(&self, policy: Policy, seconds: f64, most: u64) -> Result<f64, LoadError> {
        let ring = self.ring()?;
        let mut writer = BlockWriter::new(policy, FILE, self.file_bytes, 0)?;
        let clock = Clock::start();
        let until = seconds * SECOND;
        let mut end = 0;
        drive(ring, |ring, completions| {
            for &completion in completions.iter() {
                writer.completed(completion);
            }
            writer.check()?;
            let now = clock.now();
            let over = now as f64 >= until || writer.next() >= most || self.events.stopped();
            if over {
                writer.flush_if_due(ring, false);
                if writer.idle() {
                    end = clock.now();
                    return Ok(Step::Done);
                }
                return Ok(Step::Idle);
            }
            while writer.has_turn() && writer.next() < most {
                let Some(block) = writer.take() else { break };
                writer.submit(ring, block);
            }
            writer.flush_if_due(ring, true);
            Ok(Step::Idle)
        })?;
        Ok(writer.stable() as f64 * f64::from(policy.block) / (end as f64 / SECOND))
    }

    /// Reads in large blocks, past the page cache; bytes a second.
    fn read(&self, block_bytes: u32, depth: u32, seconds: f64) -> Result<f64, LoadError> {
        let ring = self.ring()?;
        let blocks = Blocks::new(block_bytes as usize, depth as usize)?;
        // Whole blocks: none reaches over the end.
        let file_bytes = self.file_bytes / u64::from(block_bytes) * u64::from(block_bytes);
        let clock = Clock::start();
        let mut done = 0_u64;
        let mut submitted = 0_u64;
        let mut free: Vec<u32> = (0..depth).collect();
        drive(ring, |ring, completions| {
            for completion in completions.iter() {
                if completion.result < 0 {
                    let error = std::io::Error::from_raw_os_error(-completion.result);
                    return Err(LoadError::System("reading the floor's file".into(), error));
                }
                done += completion.result as u64;
                free.push(completion.token.id() as u32);
            }
            if clock.now() as f64 >= seconds * SECOND || self.events.stopped() {
                return Ok(if free.len() as u32 == depth {
                    Step::Done
                } else {
                    Step::Idle
                });
            }
            while let Some(block) = free.pop() {
                let at = submitted * u64::from(block_bytes) % file_bytes;
                submitted += 1;
                // SAFETY: the block is off the free list until its completion.
                unsafe {
                    ring.read(
                        FILE,
                        at,
                        blocks.at(block),
                        block_bytes,
                        Token::new(AGENT, READ, u64::from(block)),
                    );
                }
            }
            Ok(Step::Idle)
        })?;
        Ok(done as f64 / (clock.now() as f64 / SECOND))
    }

    fn ring(&self) -> Result<Box<dyn Ring>, LoadError> {
        let mut ring = open_ring(Some(&self.dir), (0, 0))?;
        ring.install(FILE, self.file)
            .map_err(LoadError::system("handing the file to the ring"))?;
        Ok(ring)
    }

    /// A small durable write in the two ways there are; the one with the lower median stands.
    fn best_sync(&self, seconds: f64) -> Result<Singles, LoadError> {
        let dsync = self.singles(seconds / 2.0, Single::Dsync)?;
        let flushed = self.singles(seconds / 2.0, Single::ThenFlush)?;
        let median = |singles: &Singles| singles.times.report()["p50"].as_u64().unwrap_or(u64::MAX);
        Ok(if median(&flushed) < median(&dsync) {
            flushed
        } else {
            dsync
        })
    }

    /// Single 4 KiB writes one after the other, by this thread alone.
    fn singles(&self, seconds: f64, how: Single) -> Result<Singles, LoadError> {
        let mut memory = Blocks::new(SMALL, 1)?;
        let from = memory.bytes(0);
        let mut times = Latencies::new()?;
        let mut kept = Vec::with_capacity(KEPT);
        let clock = Clock::start();
        let places = self.file_bytes / SMALL as u64;
        let mut place = 0_u64;
        let mut before = clock.now();
        while (before as f64) < seconds * SECOND && !self.events.stopped() {
            write_once(self.file, from, place * SMALL as u64, how)
                .map_err(LoadError::system("writing 4 KiB"))?;
            let now = clock.now();
            times.add(now - before);
            if kept.len() < KEPT {
                kept.push(now - before);
            }
            before = now;
            place = (place + 1) % places;
        }
        let how = match how {
            Single::Dsync => "pwritev2 with RWF_DSYNC",
            Single::ThenFlush => "pwrite, then fdatasync",
            Single::Plain => "pwrite",
        };
        Ok(Singles { how, times, kept })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Single {
    Dsync,
    ThenFlush,
    Plain,
}

struct Singles {
    how: &'static str,
    times: Latencies,
    kept: Vec<u64>,
}

fn write_once(file: Handle, from: &[u8], at: u64, how: Single) -> std::io::Result<()> {
    let piece = libc::iovec {
        iov_base: from.as_ptr() as *mut libc::c_void,
        iov_len: from.len(),
    };
    let flags = if how == Single::Dsync {
        libc::RWF_DSYNC
    } else {
        0
    };
    // SAFETY: one iovec over memory that lives through the call; the kernel only reads it.
    let written = unsafe { libc::pwritev2(file.0, &piece, 1, at as libc::off_t, flags) };
    if written < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: fdatasync takes no pointers.
    if how == Single::ThenFlush && unsafe { libc::fdatasync(file.0) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

fn list(found: &[Found]) -> Value {
    Value::Array(
        found
            .iter()
            .map(|found| json!({ "policy": word(found.policy), "bytes": found.bytes }))
            .collect(),
    )
}
