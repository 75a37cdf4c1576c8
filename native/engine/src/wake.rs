//! Who waits, and how to wake it: the protocol of design.md, section 3 ("No wake-up tax").

use std::sync::atomic::{fence, AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::ring::{WakeRing, Waker};

/// Shared by a thread that may park and those that push work to it.
///
/// The parker raises its flag, fences, looks at its queues once more and only then waits; a producer pushes, fences, and
/// wakes only if it takes the flag down. So either the parker sees the work or the producer sees the flag.
#[derive(Clone, Default)]
pub struct WakeHandle(Arc<Inner>);

#[derive(Default)]
struct Inner {
    parked: AtomicBool,
    waker: OnceLock<Waker>,
    nobody: bool,
}

impl WakeHandle {
    /// Of a thread that has not parked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Of no thread: there is nobody to wake.
    #[must_use]
    pub fn nobody() -> Self {
        Self(Arc::new(Inner {
            nobody: true,
            ..Inner::default()
        }))
    }
    /// The parker, once its ring or eventfd is there: how it is woken. Set once.
    pub fn set_waker(&self, waker: Waker) {
        let first = self.0.waker.set(waker).is_ok();
        assert!(first, "a thread has one waker");
    }
    /// The parker, before it looks at its queues for the last time.
    pub fn raise(&self) {
        self.0.parked.store(true, Ordering::Relaxed);
        // Orders the flag before the last look at the queues; pairs with the fence in `take_down`.
        fence(Ordering::SeqCst);
    }
    /// The parker, when it is up again.
    pub fn lower(&self) {
        self.0.parked.store(false, Ordering::Relaxed);
    }
    /// A producer, after its push: the waker to use, if the parker waits and nobody else wakes it already.
    #[must_use]
    pub fn take_down(&self) -> Option<Waker> {
        if self.0.nobody {
            return None;
        }
        // Orders the push before the look at the flag; pairs with the fence in `raise`.
        fence(Ordering::SeqCst);
        if self.0.parked.load(Ordering::Relaxed) && self.0.parked.swap(false, Ordering::AcqRel) {
            return self.0.waker.get().copied();
        }
        None
    }
    /// A producer that has a ring, after its push.
    pub fn notify<R: WakeRing + ?Sized>(&self, ring: &mut R) {
        if let Some(waker) = self.take_down() {
            ring.wake(waker);
        }
    }
}
