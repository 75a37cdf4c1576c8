//! The remover: gives back the blocks of files whose names are gone, a step at a time.
//!
//! Where a file system tells the device of blocks that became free (`discard`), the device does nothing else meanwhile: for
//! 1 GiB that took 180 ms here, and a write beside it 70 ms instead of 0.1 (docs/performance.md, 2026-11-30).
//!
//! Thread: one of its own, no agent; it rests between steps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::storage::{Handle, Open, Others, Storage};

/// Bytes that are given back at once.
pub const STEP: u64 = 8 << 20;
/// The remover rests so many times as long as its step took: the device is everybody's.
const SHARE: u32 = 4;
/// Never shorter and never longer than this.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);
/// Where less is free it does not rest.
const LOW: u64 = 2 << 30;
/// How files are opened whose contents are no more.
pub(super) const CUT: Open = Open {
    write: true,
    create: false,
    direct: false,
};
/// Where so many files wait it does not rest: they come faster than they go.
const MANY: usize = 4;

/// Files that nobody looks for any more, by the path they have now: shared by keeper and remover. Recovery removes what a
/// stopped node leaves of them.
#[derive(Clone)]
pub struct Remains(Arc<Shared>);

struct Shared {
    /// Larger files are given back in such steps.
    step: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    paths: VecDeque<String>,
    /// Those that somebody still reads.
    held: VecDeque<String>,
    closed: bool,
}

impl Remains {
    /// None so far; files of more than `step` bytes are to be cut.
    #[must_use]
    pub fn new(step: u64) -> Self {
        assert!(step > 0, "a step gives something back");
        Self(Arc::new(Shared {
            step,
            state: Mutex::default(),
        }))
    }
    /// Bytes that can be given back at once.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.0.step
    }
    /// A file whose old name is durably gone.
    pub fn add(&self, path: String) {
        self.lock().paths.push_back(path);
    }
    /// The node stops: what is left is recovery's.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// The disk is full: removes all that wait, whole. Returns whether there were any.
    pub(super) fn remove_all(&self, storage: &dyn Storage) -> bool {
        let mut state = self.lock();
        // A reader keeps what it has open.
        let State { paths, held, .. } = &mut *state;
        let all: Vec<String> = paths.drain(..).chain(held.drain(..)).collect();
        drop(state);
        for path in &all {
            let _ = storage.unlink(path);
        }
        !all.is_empty()
    }

    fn take(&self) -> Option<String> {
        self.lock().paths.pop_front()
    }
    fn is_closed(&self) -> bool {
        self.lock().closed
    }
    fn len(&self) -> usize {
        self.lock().paths.len()
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives blocks back. Thread: one of its own, no agent.
pub struct Remover {
    storage: Arc<dyn Storage>,
    remains: Remains,
    /// The file at hand, and how long it still is.
    cutting: Option<(String, Handle, u64)>,
}

impl Remover {
    /// A remover of files under `storage`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, remains: Remains) -> Self {
        Self {
            storage,
            remains,
            cutting: None,
        }
    }

    /// Takes a step. Returns 0 if there is nothing to do, or nothing yet: somebody still reads what is left.
    pub fn work(&mut self) -> usize {
        if self.remains.is_closed() {
            return 0;
        }
        if self.cutting.is_none() {
            self.cutting = self.next();
        }
        let Some((path, file, len)) = self.cutting.take() else {
            return 0;
        };
        let left = len.saturating_sub(1) / self.remains.step() * self.remains.step();
        if left > 0 && self.storage.truncate(file, left).is_ok() {
            self.cutting = Some((path, file, left));
            return 1;
        }
        // The last step, or one that failed: all that is left goes at once. A file that cannot be removed is recovery's.
        self.storage.close(file);
        let _ = self.storage.unlink(&path);
        1
    }

    /// How long it rests after a step that took so long.
    #[must_use]
    pub fn rest(&self, step: Duration) -> Duration {
        if self.remains.len() >= MANY || self.storage.free_bytes().is_ok_and(|free| free < LOW) {
            return Duration::ZERO;
        }
        step.saturating_mul(SHARE).clamp(SHORTEST, LONGEST)
    }

    /// A file that nobody else has open. What cannot be cut goes as a whole.
    fn next(&mut self) -> Option<(String, Handle, u64)> {
        while let Some(path) = self.remains.take() {
            if let Some(found) = self.look_at(path) {
                return Some(found);
            }
        }
        // Those that were read at the last look, each once.
        let held = self.remains.lock().held.len();
        for _ in 0..held {
            let held = self.remains.lock().held.pop_front();
            if let Some(found) = held.and_then(|path| self.look_at(path)) {
                return Some(found);
            }
        }
        None
    }

    fn look_at(&self, path: String) -> Option<(String, Handle, u64)> {
        let Ok(file) = self.storage.open(&path, CUT) else {
            let _ = self.storage.unlink(&path);
            return None;
        };
        let others = self.storage.others(file);
        if let (Ok(len), Others::Nobody) = (self.storage.len(file), others) {
            return Some((path, file, len));
        }
        self.storage.close(file);
        if others == Others::Readers {
            // A reader that is behind goes on in what it has open.
            self.remains.lock().held.push_back(path);
        } else {
            let _ = self.storage.unlink(&path);
        }
        None
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        if let Some((_, file, _)) = self.cutting.take() {
            self.storage.close(file);
        }
    }
}
