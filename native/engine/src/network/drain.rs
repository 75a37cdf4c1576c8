//! Going down in order: the node says when, the agent says how far it is.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::Arc;

/// Shared by the node and its network agent.
#[derive(Clone, Default)]
pub struct NetworkDrain(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stage: AtomicU8,
    finished: AtomicBool,
    closed: AtomicBool,
}

const DRAINING: u8 = 1;
const CLOSING: u8 = 2;

impl NetworkDrain {
    /// Serving.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Accepts no connection and no ingest any more; what is in flight is finished. Wake the agent's runner afterwards.
    pub fn begin(&self) {
        self.0.stage.fetch_max(DRAINING, Ordering::Release);
    }
    /// Whether every frame in flight has its ack or error, and these are sent (or their connections gone).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.finished.load(Ordering::Acquire)
    }
    /// Closes all connections, when what they are owed is sent. Wake the agent's runner afterwards.
    pub fn close(&self) {
        self.0.stage.fetch_max(CLOSING, Ordering::Release);
    }
    /// Whether every connection is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    pub(super) fn draining(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) >= DRAINING
    }
    pub(super) fn closing(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) >= CLOSING
    }
    /// Returns whether that is news.
    pub(super) fn report(&self, finished: bool, closed: bool) -> bool {
        let was_finished = self.0.finished.swap(finished, Ordering::AcqRel);
        let was_closed = self.0.closed.swap(closed, Ordering::AcqRel);
        (was_finished, was_closed) != (finished, closed)
    }
}
