//! What a runner counts of itself, its agents and its ring.

use crate::counters::{keys, Counter, CountersFile};
use crate::place::Whereabouts;
use crate::ring::RingStats;

/// What is counted of an agent.
pub(super) struct AgentCounters {
    pub(super) busy: Counter,
    pub(super) idle: Counter,
    pub(super) busy_ns: Counter,
}

/// What a runner counts.
pub struct RunnerCounters {
    pub(super) cycles: Counter,
    pub(super) agents: Vec<AgentCounters>,
    submissions: Counter,
    completions: Counter,
    enters: Counter,
    overflows: Counter,
    parks: Counter,
    pub(super) parked_ns: Counter,
    wakes: Counter,
    pub(super) whereabouts: Whereabouts,
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

    pub(super) fn show(&self, stats: RingStats) {
        self.submissions.set(stats.submissions);
        self.completions.set(stats.completions);
        self.enters.set(stats.enters);
        self.overflows.set(stats.overflows);
        self.parks.set(stats.parks);
        self.wakes.set(stats.wakes);
        self.whereabouts.look();
    }
}
