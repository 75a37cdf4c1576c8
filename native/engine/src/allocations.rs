//! Counts allocations by thread, to prove that a path makes none (design.md, section 4). For tests only.
//!
//! This crate's own tests run under it. A test elsewhere installs it with `#[global_allocator]` (feature `sim`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Thread ids map to places by their low bits; two threads of one test practically never share one.
const PLACES: usize = 1 << 14;

static BY_THREAD: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];

thread_local! {
    // Const and without a destructor: reading it never allocates.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The system's allocator, counting.
pub struct CountingAllocator;

// SAFETY: every call goes to the system's allocator as it is; counting touches no memory of its caller's.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(at, layout, bytes) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

fn count() {
    // At a thread's very end its locals are gone; nobody counts there.
    let _ = PLACE.try_with(|place| {
        if place.get() == usize::MAX {
            // SAFETY: plain system call.
            let tid = unsafe { libc::gettid() };
            place.set(place_of(tid));
        }
        BY_THREAD[place.get()].fetch_add(1, Ordering::Relaxed);
    });
}

fn place_of(tid: i32) -> usize {
    tid.unsigned_abs() as usize % PLACES
}

/// Allocations of a thread since it started (more exactly: since its place was first used), by its id.
#[must_use]
pub fn of_thread(tid: i32) -> u64 {
    BY_THREAD[place_of(tid)].load(Ordering::Relaxed)
}

/// What `work` returns, and how often the calling thread allocated in it.
pub fn during<T>(work: impl FnOnce() -> T) -> (T, u64) {
    // SAFETY: plain system call.
    let tid = unsafe { libc::gettid() };
    let before = of_thread(tid);
    let done = work();
    (done, of_thread(tid) - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_counted_for_the_thread_that_makes_them() {
        let (kept, made) = during(|| vec![1u8; 100]);
        assert!(made >= 1);
        let (_, none) = during(|| kept.iter().map(|&b| u64::from(b)).sum::<u64>());
        assert_eq!(none, 0);
        let (_, elsewhere) = during(|| BY_THREAD[0].load(Ordering::Relaxed));
        assert_eq!(elsewhere, 0);
        let other = std::thread::spawn(|| {
            drop(std::hint::black_box(Box::new(7)));
            // SAFETY: plain system call.
            of_thread(unsafe { libc::gettid() })
        });
        assert!(other.join().unwrap() >= 1);
    }
}
