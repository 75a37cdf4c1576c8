//! A thread with its ring and its agents: set up, started, ended (design.md, section 3).

mod counters;
mod cycle;

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::{self, JoinHandle};

pub use self::counters::RunnerCounters;
use self::cycle::Cycle;
use crate::agent::Agent;
use crate::clock::Clock;
use crate::counters::Heartbeat;
use crate::idle::IdleStrategy;
use crate::place::Seat;
use crate::ring::{Ring, Waker};
use crate::wake::WakeHandle;

/// An agent as a runner drives it.
pub type BoxedAgent = Box<dyn Agent<dyn Ring>>;

/// How a runner is set up.
pub struct RunnerConfig {
    /// The thread's name, at most 15 bytes.
    pub name: String,
    /// Where it belongs.
    pub seat: Seat,
    pub idle: IdleStrategy,
    /// By which others wake it; its waker is set when the ring is there.
    pub wake: WakeHandle,
    /// Ends it, with all that share the flag.
    pub stop: Arc<AtomicBool>,
    pub clock: Arc<dyn Clock>,
    pub counters: RunnerCounters,
    /// One runner of the node beats.
    pub heartbeat: Option<Heartbeat>,
}

/// A running thread. Dropped without `join`, it is stopped and waited for all the same.
pub struct Runner {
    name: String,
    tid: i32,
    pinned: bool,
    fifo: bool,
    backend: &'static str,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<BoxedAgent>>>,
}

impl Runner {
    /// Starts the thread, which makes its ring with `ring` and then drives the agents; the agent with number `i` is the
    /// one at place `i`. Also returns what `ring` has to announce, and the runner itself (what its seat was refused).
    ///
    /// # Errors
    /// The system refuses the thread or the ring.
    pub fn start<F>(
        config: RunnerConfig,
        agents: Vec<BoxedAgent>,
        ring: F,
    ) -> io::Result<(Self, Vec<String>)>
    where
        F: FnOnce() -> io::Result<(Box<dyn Ring>, Vec<String>)> + Send + 'static,
    {
        assert!(agents.len() < usize::from(u8::MAX), "agents have 8 bits");
        assert_eq!(agents.len(), config.counters.agents.len());
        let name = config.name.clone();
        let stop = config.stop.clone();
        let (ready, started) = mpsc::sync_channel(1);
        let thread = with_signals_blocked(|| {
            thread::Builder::new()
                .name(config.name.clone())
                .spawn(move || run(config, agents, ring, &ready))
        })?;
        // A thread that ends without a word has aborted the process.
        let ready = started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the engine thread ended at its start")));
        match ready {
            Ok(ready) => {
                let runner = Self {
                    name,
                    tid: ready.tid,
                    pinned: ready.pinned,
                    fifo: ready.fifo,
                    backend: ready.backend,
                    stop,
                    thread: Some(thread),
                };
                Ok((runner, ready.announcements))
            }
            Err(e) => {
                drop(thread.join());
                Err(e)
            }
        }
    }

    /// The thread's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The thread's id, as in `/proc/self/task`.
    #[must_use]
    pub fn tid(&self) -> i32 {
        self.tid
    }
    /// Whether it is pinned to its seat's CPU.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }
    /// Whether it has SCHED_FIFO.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.fifo
    }
    /// What its ring says it is.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// Raises the stop flag, waits for the thread to end its cycle and its ring, and returns the agents. A parked thread
    /// sees the flag within 100 ms, or at once if it is woken.
    pub fn join(mut self) -> Vec<BoxedAgent> {
        self.end().unwrap_or_default()
    }

    fn end(&mut self) -> Option<Vec<BoxedAgent>> {
        self.stop.store(true, Ordering::Release);
        // A panic has aborted the process, so there is nothing but an end.
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.end();
    }
}

struct Ready {
    tid: i32,
    pinned: bool,
    fifo: bool,
    backend: &'static str,
    announcements: Vec<String>,
}

/// The thread.
fn run<F>(
    mut config: RunnerConfig,
    agents: Vec<BoxedAgent>,
    ring: F,
    ready: &mpsc::SyncSender<io::Result<Ready>>,
) -> Vec<BoxedAgent>
where
    F: FnOnce() -> io::Result<(Box<dyn Ring>, Vec<String>)>,
{
    let thread = config.name.clone();
    // Which agent has the thread, for the last words.
    let current = Cell::new("runner");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let taken = config.seat.take(&config.name, config.idle);
        if config.seat.cpu.is_some() && !taken.pinned && config.idle == IdleStrategy::Spin {
            // A core to spin on was granted, and is not to be had.
            config.idle = IdleStrategy::Park;
        }
        let mut announcements = taken.announcements;
        let ring = match ring() {
            Ok((ring, said)) => {
                announcements.extend(said);
                ring
            }
            Err(e) => {
                // The starter waits for exactly this.
                let _ = ready.send(Err(e));
                return agents;
            }
        };
        let waker = ring.waker();
        if let Waker::Ring(fd) = waker {
            announcements.extend(config.seat.keep_workers_off(&config.name, fd));
        }
        config.counters.whereabouts.begin(taken.pinned);
        config.wake.set_waker(waker);
        // SAFETY: plain system call.
        let tid = unsafe { libc::gettid() };
        let backend = ring.backend();
        let _ = ready.send(Ok(Ready {
            tid,
            pinned: taken.pinned,
            fifo: taken.fifo,
            backend,
            announcements,
        }));
        Cycle::new(config, agents, ring, &current).run()
    }));
    outcome.unwrap_or_else(|panic| die(&thread, current.get(), &*panic))
}

/// A half-dead node is worse than a dead one.
pub(crate) fn die(thread: &str, agent: &str, panic: &(dyn Any + Send)) -> ! {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    eprintln!(
        "lance: fatal: agent {agent} on thread {thread} panicked: {message}; the process aborts"
    );
    std::process::abort()
}

/// Runs `spawn` with every signal blocked: the new thread inherits that, and never runs a handler of Node's.
pub(crate) fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: the sets are valid for the calls; the mask is put back below.
    let before = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        before
    };
    let spawned = spawn();
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    spawned
}

#[cfg(test)]
mod tests;
