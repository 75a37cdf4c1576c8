//! Threads beside the agents: keeper, finder, flusher and remover. They may block; agents wake the first three through an eventfd.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::{self, JoinHandle};

use crate::ring::{signal, Chosen, ControlWaker, Waker};
use crate::runner::{die, with_signals_blocked};
use crate::wake::WakeHandle;

/// Longest sleep without looking around, ms.
const LONGEST_SLEEP_MS: i32 = 1000;

/// An eventfd that a thread sleeps on.
pub struct Bell(OwnedFd);

impl Bell {
    /// A fresh one, with `wake` set up to ring it.
    ///
    /// # Errors
    /// The system refuses the descriptor.
    pub fn new(wake: &WakeHandle) -> io::Result<Self> {
        // SAFETY: plain system call; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let bell = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        wake.set_waker(Waker::Event(fd));
        Ok(bell)
    }
    /// Sleeps until it rings or `ms` are over.
    pub fn sleep(&self, ms: i32) {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut count = 0u64;
        // SAFETY: one pollfd, and eight bytes for the count; both calls are bounded.
        unsafe {
            if libc::poll(&mut poll, 1, ms) > 0 {
                libc::read(self.0.as_raw_fd(), std::ptr::from_mut(&mut count).cast(), 8);
            }
        }
    }
    /// Rings it.
    pub fn ring(&self) {
        // An eventfd of ours takes an increment.
        let _ = signal(self.0.as_raw_fd());
    }
}

/// A running helper thread.
pub struct Helper {
    name: String,
    tid: i32,
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    /// Starts a thread that calls `work` until it returns 0, wakes `listener` after each call that did something, and
    /// sleeps until `wake` is used.
    ///
    /// # Errors
    /// The system refuses the thread, its eventfd or its ring.
    pub fn start(
        name: &str,
        wake: &WakeHandle,
        listener: WakeHandle,
        chosen: Chosen,
        mut work: impl FnMut() -> usize + Send + 'static,
    ) -> io::Result<Self> {
        let bell = Arc::new(Bell::new(wake)?);
        let stop = Arc::new(AtomicBool::new(false));
        let mut waker = ControlWaker::new(&chosen)?;
        let (ready, started) = mpsc::sync_channel(1);
        let thread = with_signals_blocked(|| {
            let (name, bell, stop, wake) =
                (name.to_owned(), bell.clone(), stop.clone(), wake.clone());
            thread::Builder::new().name(name.clone()).spawn(move || {
                // SAFETY: plain system call.
                let _ = ready.send(unsafe { libc::gettid() });
                let outcome = catch_unwind(AssertUnwindSafe(|| loop {
                    while work() > 0 {
                        // The listener is gone only when the node is.
                        let _ = waker.notify(&listener);
                    }
                    wake.raise();
                    let more = work();
                    if more > 0 {
                        let _ = waker.notify(&listener);
                    } else if stop.load(Ordering::Acquire) {
                        return;
                    } else {
                        bell.sleep(LONGEST_SLEEP_MS);
                    }
                    wake.lower();
                }));
                outcome.unwrap_or_else(|panic| die(&name, &name, &*panic));
            })
        })?;
        let tid = started
            .recv()
            .map_err(|_| io::Error::other("a helper thread ended at its start"))?;
        Ok(Self {
            name: name.to_owned(),
            tid,
            stop,
            bell,
            thread: Some(thread),
        })
    }
    /// Name and thread id.
    #[must_use]
    pub fn id(&self) -> (String, i32) {
        (self.name.clone(), self.tid)
    }
}

impl Drop for Helper {
    /// Waits until everything that was asked is done.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A panic has aborted the process.
            let _ = thread.join();
        }
    }
}
