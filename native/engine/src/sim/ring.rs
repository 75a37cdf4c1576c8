//! The simulated ring: file operations that complete later, in an order that the seed chooses.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::clock::SimClock;
use super::disk::{errno, OpenFile, SimDisk, What};
use super::faults::{Fault, IoKind};
use super::file::{Change, File, SECTOR};
use super::labels::{Barrier, FileKind};
use super::medium::InFlight;
use super::names::Ino;
use super::rng::Rng;
use super::storage::assert_aligned;
use crate::clock::Clock as _;
use crate::ring::{Completion, DiskRing, FileSlot, Token, WakeRing, Waker};
use crate::storage::Handle;

enum Work {
    Write {
        at: u64,
        from: *const u8,
        data: Arc<[u8]>,
        sync: bool,
    },
    Read {
        at: u64,
        to: *mut u8,
        len: u32,
    },
    Flush {
        covers: u64,
    },
    /// What `complete_early` left for later. Nobody hears of it.
    Late {
        covers: u64,
    },
}

struct Op {
    due_ns: u64,
    order: u64,
    /// Its number on the disk; none for reads.
    number: Option<u64>,
    /// None when it is no agent's any more.
    slot: Option<u32>,
    ino: Ino,
    path: String,
    token: Token,
    fault: Option<Fault>,
    work: Work,
}

/// A `DiskRing` over a `SimDisk`. Completions are taken one at a time with `reap`, which is when a write counts as
/// completed: what is submitted before that is not covered by it, exactly as the trait says.
pub struct SimRing {
    disk: SimDisk,
    clock: SimClock,
    rng: Rng,
    slots: BTreeMap<u32, OpenFile>,
    pending: Vec<Op>,
    submitted: u64,
    early: bool,
}

impl SimRing {
    /// A ring whose latencies, and with them the order of completions, come from the seed.
    #[must_use]
    pub fn new(disk: &SimDisk, clock: &SimClock, seed: u64) -> Self {
        Self {
            disk: disk.clone(),
            clock: clock.clone(),
            rng: Rng::new(seed),
            slots: BTreeMap::new(),
            pending: Vec::new(),
            submitted: 0,
            early: false,
        }
    }
    /// From now on flushes and sync writes complete before they are durable: what a node amounts to that acknowledges
    /// too early. For tests that show that this is noticed.
    pub fn complete_early(&mut self) {
        self.early = true;
    }
    /// Operations in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }
    /// When the next completion is there, monotonic nanoseconds.
    #[must_use]
    pub fn next_completion_ns(&self) -> Option<u64> {
        self.pending.iter().map(|op| op.due_ns).min()
    }
    /// The oldest completion that is there by now. None while the disk has no power.
    pub fn reap(&mut self) -> Option<Completion> {
        let now = self.clock.now().mono_ns;
        if !self.disk.is_powered() {
            return None;
        }
        let next = (0..self.pending.len())
            .filter(|&i| self.pending[i].due_ns <= now)
            .min_by_key(|&i| (self.pending[i].due_ns, self.pending[i].order))?;
        let op = self.pending.swap_remove(next);
        if self.early {
            if let Some(later) = self.defer(&op) {
                self.pending.push(later);
            }
        }
        let token = op.token;
        if let Work::Late { covers } = op.work {
            let _ = self.disk.state().finish_flush(op.ino, covers, None);
            return self.reap();
        }
        let result = match self.finish(op) {
            Ok(done) => done as i32,
            Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
        };
        Some(Completion {
            token,
            result,
            buffer: None,
            more: false,
        })
    }

    fn finish(&mut self, op: Op) -> io::Result<usize> {
        let mut state = self.disk.state();
        if let Some(number) = op.number {
            state.end(number);
        }
        match op.work {
            Work::Write {
                at,
                from,
                data,
                sync,
            } => {
                // SAFETY: the submitter keeps the buffer valid and unchanged until the completion, which is now.
                let now = unsafe { std::slice::from_raw_parts(from, data.len()) };
                assert!(
                    *now == *data,
                    "a buffer was modified while its write to {} was in flight",
                    op.path
                );
                let durable = sync
                    && !self.early
                    && !state.is_suppressed(Barrier::SyncWrite(FileKind::of(&op.path)));
                match op.fault {
                    None => state.store(op.ino, at, &data, durable).map(|()| data.len()),
                    Some(fault @ (Fault::Eio | Fault::Garbled)) => {
                        state.store_remains(op.ino, at, &data, fault == Fault::Garbled);
                        Err(errno(libc::EIO))
                    }
                    Some(Fault::Short) => {
                        let sectors =
                            state.rng.within(1, (data.len() / SECTOR) as u64 - 1) as usize;
                        let short: Arc<[u8]> = Arc::from(&data[..sectors * SECTOR]);
                        state
                            .store(op.ino, at, &short, durable)
                            .map(|()| short.len())
                    }
                }
            }
            Work::Read { at, to, len } => {
                if op.fault.is_some() {
                    return Err(errno(libc::EIO));
                }
                // SAFETY: the submitter keeps the buffer valid and untouched until the completion, which is now.
                let to = unsafe { std::slice::from_raw_parts_mut(to, len as usize) };
                let file = state
                    .medium
                    .file(op.ino)
                    .ok_or_else(|| errno(libc::EISDIR))?;
                Ok(file.live().read(at, to))
            }
            Work::Flush { .. } if self.early => Ok(0),
            Work::Flush { covers } => state.finish_flush(op.ino, covers, op.fault).map(|()| 0),
            Work::Late { .. } => unreachable!("`reap` takes it"),
        }
    }

    /// What completes before it is durable becomes durable by an operation of its own.
    fn defer(&mut self, op: &Op) -> Option<Op> {
        let covers = match op.work {
            Work::Flush { covers } => covers,
            // It is about to be stored as the next change of its file.
            Work::Write { sync: true, .. } => {
                self.disk.state().medium.file(op.ino)?.completed() + 1
            }
            _ => return None,
        };
        Some(Op {
            due_ns: op.due_ns + self.latency_ns(),
            order: op.order,
            number: None,
            slot: None,
            ino: op.ino,
            path: op.path.clone(),
            token: op.token,
            fault: None,
            work: Work::Late { covers },
        })
    }

    /// Mostly quick, now and then slow enough for everything else to overtake.
    fn latency_ns(&mut self) -> u64 {
        if self.rng.percent(10) {
            self.rng.within(200_000, 5_000_000)
        } else {
            self.rng.within(10_000, 200_000)
        }
    }

    fn submit(
        &mut self,
        slot: FileSlot,
        kind: IoKind,
        token: Token,
        at: u64,
        len: u32,
        work: impl FnOnce(&File) -> Work,
    ) {
        let open = *self
            .slots
            .get(&slot.0)
            .unwrap_or_else(|| panic!("slot {} has no file", slot.0));
        let due_ns = self.clock.now().mono_ns + self.latency_ns();
        let mut state = self.disk.state();
        if !state.powered {
            return;
        }
        let path = state.path_of(open.ino);
        let file = state.medium.file(open.ino).expect("a slot holds a file");
        let work = work(file);
        let label = FileKind::of(&path);
        let (barrier, change) = match &work {
            Work::Write { data, sync, .. } => {
                assert!(open.write, "{path} is not open for writing");
                let change = Change::Bytes {
                    at,
                    data: Arc::clone(data),
                };
                (sync.then_some(Barrier::SyncWrite(label)), Some(change))
            }
            Work::Flush { .. } => (Some(Barrier::Flush(label)), None),
            Work::Read { .. } | Work::Late { .. } => (None, None),
        };
        let number = if kind == IoKind::Read {
            None
        } else {
            let what = What {
                kind,
                path: path.clone(),
                barrier,
                at,
                len: u64::from(len),
            };
            let in_flight = change.map(|change| InFlight::Contents {
                ino: open.ino,
                change,
            });
            match state.begin(what, in_flight) {
                Ok(number) => Some(number),
                // The power went at this very operation: it stays in flight for ever.
                Err(_) => return,
            }
        };
        let fault = state.meet_fault(kind, &path);
        drop(state);
        self.submitted += 1;
        self.pending.push(Op {
            due_ns,
            order: self.submitted,
            number,
            slot: Some(slot.0),
            ino: open.ino,
            path,
            token,
            fault,
            work,
        });
    }
}

impl DiskRing for SimRing {
    fn install(&mut self, slot: FileSlot, file: Handle) -> io::Result<()> {
        assert!(
            self.pending.iter().all(|op| op.slot != Some(slot.0)),
            "slot {} is replaced with operations pending on it",
            slot.0
        );
        let open = self.disk.state().open_file(file)?;
        self.slots.insert(slot.0, open);
        Ok(())
    }
    fn uninstall(&mut self, slot: FileSlot) {
        assert!(
            self.pending.iter().all(|op| op.slot != Some(slot.0)),
            "slot {} is taken out with operations pending on it",
            slot.0
        );
        let removed = self.slots.remove(&slot.0);
        assert!(removed.is_some(), "slot {} is empty", slot.0);
    }
    unsafe fn write(
        &mut self,
        file: FileSlot,
        at: u64,
        from: *const u8,
        len: u32,
        sync: bool,
        token: Token,
    ) {
        assert_aligned("a slot", at, len as usize, from);
        // SAFETY: the caller's own promise: valid and unchanged until the completion.
        let data: Arc<[u8]> = Arc::from(unsafe { std::slice::from_raw_parts(from, len as usize) });
        self.submit(file, IoKind::Write, token, at, len, |_| Work::Write {
            at,
            from,
            data,
            sync,
        });
    }
    unsafe fn read(&mut self, file: FileSlot, at: u64, to: *mut u8, len: u32, token: Token) {
        assert_aligned("a slot", at, len as usize, to);
        self.submit(file, IoKind::Read, token, at, len, |_| Work::Read {
            at,
            to,
            len,
        });
    }
    fn flush(&mut self, file: FileSlot, token: Token) {
        self.submit(file, IoKind::Flush, token, 0, 0, |file| Work::Flush {
            covers: file.completed(),
        });
    }
}

impl WakeRing for SimRing {
    /// Whoever drives the simulation looks at every agent anyway.
    fn wake(&mut self, _: Waker) {}
}
