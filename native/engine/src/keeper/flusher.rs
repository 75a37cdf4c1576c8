//! The flusher: makes everything durable with one call, for agents that never block.
//!
//! Thread: one of its own, no agent: such a call may take long, and neither names nor look-ups wait for it.

use std::sync::Arc;

use crate::queue::{Receiver, Sender};
use crate::storage::{Handle, Storage};

/// Io -> Flusher: make durable what was written of all files. One is asked for at a time.
#[derive(Clone, Copy, Debug)]
pub struct FlushAll {
    /// One of them; it stays open until the answer.
    pub one: Handle,
    /// How many of them wait for it.
    pub files: u32,
}

/// Flusher -> Io.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushedAll {
    /// What was written before it was asked is on stable storage.
    Done,
    /// One call for all is no help here, or not now: nothing is known of any file.
    NoHelp,
    /// The disk failed (errno): of everything that was not flushed before nothing is known.
    Failed(i32),
}

/// Flushes, when it is asked.
pub struct Flusher {
    storage: Arc<dyn Storage>,
    asked: Receiver<FlushAll>,
    answers: Sender<FlushedAll>,
}

impl Flusher {
    /// A flusher of the files under `storage`.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        asked: Receiver<FlushAll>,
        answers: Sender<FlushedAll>,
    ) -> Self {
        Self {
            storage,
            asked,
            answers,
        }
    }

    /// Does what was asked. Returns how much that was.
    pub fn work(&mut self) -> usize {
        let Some(FlushAll { one, files }) = self.asked.pop() else {
            return 0;
        };
        let answer = match self.storage.flush_all(one, files) {
            Ok(true) => FlushedAll::Done,
            Ok(false) => FlushedAll::NoHelp,
            Err(error) => FlushedAll::Failed(super::jobs::errno(error)),
        };
        let room = self.answers.push(answer).is_ok();
        assert!(room, "one is asked for at a time");
        1
    }
}
