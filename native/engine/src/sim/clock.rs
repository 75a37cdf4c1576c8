//! Time that stands still until it is advanced by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::clock::{Clock, Now};

/// Both clocks of a simulated machine; clones share them.
#[derive(Clone, Debug)]
pub struct SimClock {
    mono_ns: Arc<AtomicU64>,
    wall_ns: Arc<AtomicU64>,
}

impl SimClock {
    /// A clock at `now`.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            mono_ns: Arc::new(AtomicU64::new(now.mono_ns)),
            wall_ns: Arc::new(AtomicU64::new(now.wall_ns)),
        }
    }
    /// Lets `ns` pass on both clocks.
    pub fn advance(&self, ns: u64) {
        self.mono_ns.fetch_add(ns, Ordering::Relaxed);
        self.wall_ns.fetch_add(ns, Ordering::Relaxed);
    }
    /// Sets the wall clock alone, backwards too, as an operator or NTP does.
    pub fn set_wall(&self, wall_ns: u64) {
        self.wall_ns.store(wall_ns, Ordering::Relaxed);
    }
}

impl Default for SimClock {
    /// One second after the start of the machine, in 2026.
    fn default() -> Self {
        Self::new(Now {
            mono_ns: 1_000_000_000,
            wall_ns: 1_764_000_000_000_000_000,
        })
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        Now {
            mono_ns: self.mono_ns.load(Ordering::Relaxed),
            wall_ns: self.wall_ns.load(Ordering::Relaxed),
        }
    }
}
