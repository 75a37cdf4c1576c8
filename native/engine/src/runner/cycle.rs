//! The cycle that drives a runner's ring and agents until it is told to stop.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::thread;

use super::{BoxedAgent, RunnerConfig};
use crate::agent::Cx;
use crate::clock::Now;
use crate::idle::IdleStrategy;
use crate::ring::{Completion, Ring, TURN_COMPLETIONS};

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

/// A runner's ring and agents, while its thread drives them.
pub(super) struct Cycle<'a> {
    config: RunnerConfig,
    agents: Vec<BoxedAgent>,
    ring: Box<dyn Ring>,
    out: Vec<Completion>,
    current: &'a Cell<&'static str>,
    /// The present cycle is one of those that are timed.
    timed: bool,
}

impl<'a> Cycle<'a> {
    /// A cycle that has not run yet; `current` tells which agent has the thread.
    pub(super) fn new(
        config: RunnerConfig,
        agents: Vec<BoxedAgent>,
        ring: Box<dyn Ring>,
        current: &'a Cell<&'static str>,
    ) -> Self {
        Self {
            config,
            agents,
            ring,
            out: Vec::with_capacity(TURN_COMPLETIONS),
            current,
            timed: false,
        }
    }

    pub(super) fn run(mut self) -> Vec<BoxedAgent> {
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
