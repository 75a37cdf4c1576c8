//! The ring on io_uring: made, driven and dropped by the one thread that owns it.
//!
//! In the steady state the thread makes one system call, `io_uring_enter`, and only when there is something to hand over
//! or the kernel asks for it.

mod operations;
mod setup;
mod submission;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use io_uring::{cqueue, opcode, squeue, types, IoUring};

use super::buffers::{BufferRing, RecvMemory};
use super::enter::Door;
use super::probe::Features;
use super::registered::RegisteredMemory;
use super::sync_choice::SyncChoice;
use super::sync_writes::{Ended, Step, SyncWrites};
use super::{Completion, FileSlot, RecvBuffer, Ring, RingStats, Token, Waker};

/// The agent number of the ring's own operations; no agent has it.
const OWN: u8 = u8::MAX;
/// A wake-up: sent by us, or arrived from another thread.
pub(super) const WAKE: Token = Token::new(OWN, 0, 0);
/// A close of which nobody waits for the end.
const CLOSE: Token = Token::new(OWN, 1, 0);
/// Cancels everything when the ring goes.
const CANCEL_ALL: Token = Token::new(OWN, 2, 0);

/// The write of a synchronous write; the id is its place.
const SYNC_WRITE: u8 = 3;
/// The flush linked to it.
const SYNC_FLUSH: u8 = 4;
/// A synchronous write through the cache, whole.
const SYNC_THROUGH: u8 = 5;

/// Most completions handed out in one turn, so that agents get theirs in between.
pub const TURN_COMPLETIONS: usize = 1024;
/// The group of the one pool of receive buffers.
const GROUP: u16 = 0;
/// How long a ring that goes waits for its operations to end.
const DRAIN: Duration = Duration::from_secs(10);

/// A standing accept, and whether the kernel wants it submitted again.
struct Accept {
    token: Token,
    listener: RawFd,
    again: bool,
}

/// See the module.
pub struct UringRing {
    // Before the ring, so that it goes first.
    door: Door,
    ring: IoUring,
    features: Features,
    memory: RegisteredMemory,
    /// By slot; -1: empty. With registered files the kernel knows them by slot too.
    files: Vec<RawFd>,
    files_registered: bool,
    recv: RecvMemory,
    /// `None`: a ring without sockets.
    free: Option<BufferRing>,
    accepts: Vec<Accept>,
    /// Transfers of many bytes that are not queued yet: the kernel copies while it takes them.
    heavy: Vec<squeue::Entry>,
    /// Something for the device is queued.
    for_device: bool,
    /// Completions taken off the queue to make room while submitting, older than those in it.
    spill: Vec<cqueue::Entry>,
    sync_writes: SyncWrites,
    sync_choice: SyncChoice,
    /// Operations whose last completion is outstanding, the ring's own apart.
    pending: u64,
    stats: RingStats,
}

impl UringRing {
    /// What a completion means to the agents; `None`: nothing, it is the ring's own.
    fn translate(&mut self, entry: &cqueue::Entry) -> Option<Completion> {
        let token = Token(entry.user_data());
        let (result, flags) = (entry.result(), entry.flags());
        if token.agent() == OWN {
            return self.translate_own(token, result);
        }
        let mut more = cqueue::more(flags);
        let mut buffer = cqueue::buffer_select(flags).map(RecvBuffer);
        if let (Some(unused), true) = (buffer, result <= 0) {
            self.give(unused);
            buffer = None;
        }
        if !more {
            if let Some(i) = self.accepts.iter().position(|a| a.token == token) {
                if result >= 0 {
                    // The kernel stopped for reasons of its own (single shot, a full queue): the agent need not know.
                    self.accepts[i].again = true;
                    more = true;
                } else {
                    self.accepts.swap_remove(i);
                    self.pending -= 1;
                }
            } else {
                self.pending -= 1;
            }
        }
        self.stats.completions += 1;
        Some(Completion {
            token,
            result,
            buffer,
            more,
        })
    }

    fn translate_own(&mut self, token: Token, result: i32) -> Option<Completion> {
        let place = token.id() as usize;
        let step = match token.kind() {
            SYNC_WRITE => self.sync_writes.written(place, result),
            SYNC_FLUSH => self.sync_writes.flushed(place, result),
            SYNC_THROUGH => self.sync_writes.through(place, result),
            _ => return None,
        };
        match step {
            Step::Wait => None,
            Step::FlushAgain(file) => {
                self.push_flush(file, Token::new(OWN, SYNC_FLUSH, place as u64));
                None
            }
            Step::Done(Ended {
                token,
                result,
                way,
                len,
                took_ns,
            }) => {
                self.sync_choice.took(way, len, took_ns);
                self.pending -= 1;
                self.stats.completions += 1;
                Some(Completion {
                    token,
                    result,
                    buffer: None,
                    more: false,
                })
            }
        }
    }

    fn push_flush(&mut self, file: FileSlot, token: Token) {
        let (fd, flags) = self.file(file);
        let entry = opcode::Fsync::new(fd)
            .flags(types::FsyncFlags::DATASYNC)
            .build();
        self.push(&entry.flags(flags).user_data(token.0));
        self.for_device = true;
    }

    fn give(&mut self, buffer: RecvBuffer) {
        let free = self.free.as_mut().expect("a ring with receive buffers");
        free.give(&self.recv, buffer);
    }

    fn submit_accept(&mut self, listener: RawFd, token: Token) {
        let fd = types::Fd(listener);
        let entry = if self.features.multishot_accept {
            opcode::AcceptMulti::new(fd)
                .flags(libc::SOCK_CLOEXEC)
                .build()
        } else {
            opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut())
                .flags(libc::SOCK_CLOEXEC)
                .build()
        };
        self.push(&entry.user_data(token.0));
    }

    /// The descriptor field and the flags for an operation on a slot.
    fn file(&self, slot: FileSlot) -> (types::Fd, squeue::Flags) {
        let fd = self.files[slot.0 as usize];
        assert!(fd >= 0, "slot {} holds a file", slot.0);
        if self.files_registered {
            (types::Fd(slot.0 as i32), squeue::Flags::FIXED_FILE)
        } else {
            (types::Fd(fd), squeue::Flags::empty())
        }
    }

    fn slot(&mut self, slot: FileSlot, fd: RawFd) -> io::Result<()> {
        let Some(place) = self.files.get_mut(slot.0 as usize) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("file slot {} of {}", slot.0, self.files.len()),
            ));
        };
        if self.files_registered {
            self.ring.submitter().register_files_update(slot.0, &[fd])?;
        }
        *place = fd;
        Ok(())
    }
}

impl Ring for UringRing {
    fn turn(&mut self, out: &mut Vec<Completion>) -> usize {
        let before = out.len();
        self.line_up();
        let queue = self.ring.submission();
        let overflow = queue.cq_overflow();
        if !queue.is_empty() || queue.taskrun() || overflow {
            drop(queue);
            self.stats.overflows += u64::from(overflow);
            self.enter(0, None);
        } else {
            drop(queue);
        }
        let spilled = self.spill.len().min(TURN_COMPLETIONS);
        for i in 0..spilled {
            let entry = self.spill[i].clone();
            out.extend(self.translate(&entry));
        }
        self.spill.drain(..spilled);
        let mut left = TURN_COMPLETIONS - spilled;
        while left > 0 {
            let mut batch = [const { MaybeUninit::<cqueue::Entry>::uninit() }; 64];
            let room = left.min(batch.len());
            let entries = self.ring.completion().fill(&mut batch[..room]);
            if entries.is_empty() {
                break;
            }
            left -= entries.len();
            for entry in entries {
                out.extend(self.translate(entry));
            }
        }
        for i in 0..self.accepts.len() {
            if std::mem::take(&mut self.accepts[i].again) {
                let Accept {
                    token, listener, ..
                } = self.accepts[i];
                self.submit_accept(listener, token);
            }
        }
        out.len() - before
    }

    fn park(&mut self, timeout_ns: u64) {
        if !self.spill.is_empty() || !self.ring.completion().is_empty() {
            return;
        }
        self.line_up();
        if !self.spill.is_empty() {
            return;
        }
        self.stats.parks += 1;
        self.enter(1, Some(timeout_ns));
    }

    fn waker(&self) -> Waker {
        Waker::Ring(self.ring.as_raw_fd())
    }
    fn backend(&self) -> &'static str {
        "io_uring"
    }
    fn stats(&self) -> RingStats {
        self.stats
    }
}

impl Drop for UringRing {
    /// Ends what is pending and waits for it: the kernel must not write to memory that is somebody else's by then.
    fn drop(&mut self) {
        if self.pending == 0 {
            return;
        }
        self.line_up();
        // No longer known as standing ones, so that none is submitted again.
        let accepts: Vec<Token> = self.accepts.drain(..).map(|a| a.token).collect();
        let all = opcode::AsyncCancel2::new(types::CancelBuilder::any()).build();
        self.push(&all.user_data(CANCEL_ALL.0));
        let deadline = Instant::now() + DRAIN;
        let mut out = Vec::with_capacity(TURN_COMPLETIONS);
        while self.pending > 0 && Instant::now() < deadline {
            self.park(10_000_000);
            self.turn(&mut out);
            for ended in out.drain(..) {
                if ended.result >= 0 && accepts.contains(&ended.token) {
                    // SAFETY: a connection that nobody has been told of.
                    unsafe { libc::close(ended.result) };
                }
            }
        }
        if self.pending > 0 {
            self.recv.leak();
            std::mem::forget(self.free.take());
        }
    }
}
