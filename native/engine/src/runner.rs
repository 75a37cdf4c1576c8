//! A thread with its ring and its agents, and the cycle that drives them (design.md, section 3).

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::{self, JoinHandle};

use crate::agent::{Agent, Cx};
use crate::clock::{Clock, Now};
use crate::counters::{keys, Counter, CountersFile, Heartbeat};
use crate::idle::IdleStrategy;
use crate::place::{Seat, Whereabouts};
use crate::ring::{Completion, Ring, RingStats, Waker, TURN_COMPLETIONS};
use crate::wake::WakeHandle;

/// An agent as a runner drives it.
pub type BoxedAgent = Box<dyn Agent<dyn Ring>>;

/// Longest wait without looking around: the heartbeat beats by it, and a stop without a wake-up is heeded.
const LONGEST_PARK_NS: u64 = 100_000_000;
/// Passes over the agents before what they queued is handed to the kernel, while each finds something to do. Under `Park`
/// the last one finds nothing, and submitting and waiting become one system call.
const PASSES: usize = 4;
/// Every so many duty cycles are timed: what an agent takes is known well enough, and the clock costs next to nothing.
const TIMED_CYCLES: u64 = 7;
/// What a completion of so many bytes brought is passed on and copied at once, while it is in the cache. Smaller frames share
/// batches, so they are better taken together.
const LARGE: i32 = 48 * 1024;
/// Duty cycles between two looks at the ring's totals.
const STATS_CYCLES: u64 = 4096;

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

/// What is counted of an agent.
struct AgentCounters {
    busy: Counter,
    idle: Counter,
    busy_ns: Counter,
}

/// What a runner counts.
pub struct RunnerCounters {
    cycles: Counter,
    agents: Vec<AgentCounters>,
    submissions: Counter,
    completions: Counter,
    enters: Counter,
    overflows: Counter,
    parks: Counter,
    parked_ns: Counter,
    wakes: Counter,
    whereabouts: Whereabouts,
}

impl RunnerCounters {
    /// Registers them for the runner of this name and its agents, in their order.
    #[must_use]
    pub fn new(file: &CountersFile, runner: &str, agents: &[&str]) -> Self {
        let label = format!("runner={runner}");
        let of_ring = |key| file.counter(key, &label);
        Self {
            cycles: of_ring(keys::RUNNER_CYCLES),
            agents: agents
                .iter()
                .map(|agent| {
                    let label = format!("{label},agent={agent}");
                    AgentCounters {
                        busy: file.counter(keys::AGENT_BUSY_CYCLES, &label),
                        idle: file.counter(keys::AGENT_IDLE_CYCLES, &label),
                        busy_ns: file.counter(keys::AGENT_BUSY, &label),
                    }
                })
                .collect(),
            submissions: of_ring(keys::RING_SUBMISSIONS),
            completions: of_ring(keys::RING_COMPLETIONS),
            enters: of_ring(keys::RING_ENTERS),
            overflows: of_ring(keys::RING_OVERFLOWS),
            parks: of_ring(keys::RING_PARKS),
            parked_ns: of_ring(keys::RUNNER_PARKED),
            wakes: of_ring(keys::RING_WAKES),
            whereabouts: Whereabouts::new(file, &label),
        }
    }

    fn show(&self, stats: RingStats) {
        self.submissions.set(stats.submissions);
        self.completions.set(stats.completions);
        self.enters.set(stats.enters);
        self.overflows.set(stats.overflows);
        self.parks.set(stats.parks);
        self.wakes.set(stats.wakes);
        self.whereabouts.look();
    }
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
        Cycle {
            config,
            agents,
            ring,
            out: Vec::with_capacity(TURN_COMPLETIONS),
            current: &current,
            timed: false,
        }
        .run()
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

struct Cycle<'a> {
    config: RunnerConfig,
    agents: Vec<BoxedAgent>,
    ring: Box<dyn Ring>,
    out: Vec<Completion>,
    current: &'a Cell<&'static str>,
    /// The present cycle is one of those that are timed.
    timed: bool,
}

impl Cycle<'_> {
    fn run(mut self) -> Vec<BoxedAgent> {
        let mut cycles = 0u64;
        while !self.config.stop.load(Ordering::Acquire) {
            let now = self.config.clock.now();
            if let Some(heartbeat) = &self.config.heartbeat {
                heartbeat.beat(now.wall_ns);
            }
            cycles += 1;
            self.config.counters.cycles.set(cycles);
            self.timed = cycles.is_multiple_of(TIMED_CYCLES);
            if cycles.is_multiple_of(STATS_CYCLES) {
                self.config.counters.show(self.ring.stats());
            }
            let (completed, now) = self.complete(now);
            let mut idle = completed + self.work(now) == 0;
            if self.config.idle == IdleStrategy::Park {
                for _ in 1..PASSES {
                    if idle {
                        break;
                    }
                    let now = self.config.clock.now();
                    idle = self.work(now) == 0;
                }
            }
            if idle {
                self.idle();
            }
        }
        // Nobody takes the flag down from here on; a wake-up that is under way finds the ring or nothing.
        self.config.wake.lower();
        self.config.counters.show(self.ring.stats());
        let Self { ring, agents, .. } = self;
        // Before the agents, whose memory its operations use.
        drop(ring);
        agents
    }

    /// Submits what is queued and hands the completions that are there to their agents. Also returns the time since.
    fn complete(&mut self, mut now: Now) -> (usize, Now) {
        let completed = self.ring.turn(&mut self.out);
        if completed > 0 {
            // They are there now, not since the turn began: meanwhile the kernel copied what sockets had.
            now = self.config.clock.now();
        }
        let mut since = self.time();
        for i in 0..self.out.len() {
            let completion = self.out[i];
            let number = usize::from(completion.token.agent());
            let agent = self
                .agents
                .get_mut(number)
                .unwrap_or_else(|| panic!("a completion for agent {number}, which is not here"));
            self.current.set(agent.name());
            let ring = &mut *self.ring;
            agent.on_completion(&mut Cx { now, ring }, completion);
            since = self.worked(number, since);
            if completion.result >= LARGE && number + 1 < self.agents.len() {
                self.work_of(number + 1, now);
                since = self.time();
            }
        }
        self.out.clear();
        self.current.set("runner");
        (completed, now)
    }

    /// One duty cycle of every agent.
    fn work(&mut self, now: Now) -> usize {
        let mut done = 0;
        for number in 0..self.agents.len() {
            done += self.work_of(number, now);
        }
        self.current.set("runner");
        done
    }

    /// One duty cycle of one agent.
    fn work_of(&mut self, number: usize, now: Now) -> usize {
        let since = self.time();
        let agent = &mut self.agents[number];
        self.current.set(agent.name());
        let ring = &mut *self.ring;
        let work = agent.do_work(&mut Cx { now, ring });
        let counters = &self.config.counters.agents[number];
        if work == 0 {
            counters.idle.inc();
        } else {
            counters.busy.inc();
            self.worked(number, since);
        }
        work
    }

    /// Monotonic ns in a cycle that is timed, else 0.
    fn time(&self) -> u64 {
        if self.timed {
            self.config.clock.mono_ns()
        } else {
            0
        }
    }

    /// An agent has worked since then; returns the time now, as `time`.
    fn worked(&self, number: usize, since: u64) -> u64 {
        let now = self.time();
        if self.timed {
            let took = now.saturating_sub(since) * TIMED_CYCLES;
            self.config.counters.agents[number].busy_ns.add(took);
        }
        now
    }

    fn idle(&mut self) {
        match self.config.idle {
            IdleStrategy::Spin => std::hint::spin_loop(),
            IdleStrategy::Yield => thread::yield_now(),
            IdleStrategy::Park => self.park(),
        }
    }

    fn park(&mut self) {
        self.config.wake.raise();
        // Once more, now that the flag is up: what was pushed before is seen here, what comes later wakes us.
        let now = self.config.clock.now();
        let work = self.work(now);
        if work == 0 && !self.config.stop.load(Ordering::Acquire) {
            let deadline = self
                .agents
                .iter()
                .filter_map(|a| a.next_deadline_ns())
                .min();
            let wait = deadline.map_or(LONGEST_PARK_NS, |at| at.saturating_sub(now.mono_ns));
            if wait > 0 {
                self.config.counters.show(self.ring.stats());
                self.ring.park(wait.min(LONGEST_PARK_NS));
                let slept = self.config.clock.mono_ns().saturating_sub(now.mono_ns);
                self.config.counters.parked_ns.add(slept);
            }
        }
        self.config.wake.lower();
    }
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
