//! Looks at the counters of what ran out, and makes events of it: agents only count.
//!
//! Thread: the one that takes the node's events; it is no agent.

use crate::counters::keys::{self, Key};
use crate::counters::{CountersFile, Watched};
use crate::node::LogEvent;

/// How often counters are looked at.
const LOOK_NS: u64 = 1_000_000_000;
/// A limit that goes on being hit is told again after this, with the number of times since.
const QUIET_NS: u64 = 10_000_000_000;

/// What runs out: its counter, the label that the counter has, and its name in `[limits]`.
const LIMITS: [(Key, &str, &str); 5] = [
    // That none is free is everyday: the newest records are kept in them for readers until one is wanted.
    (keys::SLAB_PRESSURE, "pool=topics", "topic_slabs"),
    (keys::SLABS_EXHAUSTED, "pool=frames", "frame_slabs"),
    (keys::SLABS_EXHAUSTED, "pool=responses", "response_slabs"),
    (keys::RECV_BUFFERS_EXHAUSTED, "", "recv_buffers"),
    (keys::COMMITS_REFUSED, "", "commits_per_topic"),
];

/// A counter, and what of it was told.
struct Watch {
    counter: Watched,
    told: u64,
    /// Monotonic ns.
    quiet_until: u64,
}

impl Watch {
    /// What was counted since it was last told; 0: nothing, or it is too early.
    fn grown(&mut self, now_ns: u64) -> u64 {
        let grown = self.counter.get().wrapping_sub(self.told);
        if grown == 0 || now_ns < self.quiet_until {
            return 0;
        }
        self.told = self.told.wrapping_add(grown);
        self.quiet_until = now_ns + QUIET_NS;
        grown
    }
}

/// The watch over a node's limits.
pub(super) struct LimitsWatch {
    limits: Vec<(&'static str, Watch)>,
    pauses: Vec<Watch>,
    paused: Vec<Watched>,
    next_look_ns: u64,
}

impl LimitsWatch {
    /// Over what is registered by now.
    pub fn new(counters: &CountersFile) -> Self {
        let watch = |counter: Watched| Watch {
            told: counter.get(),
            counter,
            quiet_until: 0,
        };
        let limits = LIMITS
            .iter()
            .flat_map(|(key, label, name)| {
                let found = counters.watch(*key).into_iter();
                let labelled = found.filter(move |(of, _)| label.is_empty() || of == label);
                labelled.map(move |(_, counter)| (*name, watch(counter)))
            })
            .collect();
        let all = |key| counters.watch(key).into_iter().map(|(_, counter)| counter);
        Self {
            limits,
            pauses: all(keys::BACKPRESSURE_PAUSES).map(watch).collect(),
            paused: all(keys::PAUSED_CONNECTIONS).collect(),
            next_look_ns: 0,
        }
    }

    /// Calls `tell` for each limit that was hit since it was last told. Looks at most once a second.
    pub fn look(&mut self, now_ns: u64, mut tell: impl FnMut(LogEvent)) {
        if now_ns < self.next_look_ns {
            return;
        }
        self.next_look_ns = now_ns + LOOK_NS;
        for (limit, watch) in &mut self.limits {
            let times = watch.grown(now_ns);
            if times > 0 {
                tell(LogEvent::LimitHit { limit, times });
            }
        }
        let pauses: u64 = self
            .pauses
            .iter_mut()
            .map(|watch| watch.grown(now_ns))
            .sum();
        if pauses > 0 {
            let paused = self.paused.iter().map(Watched::get).sum();
            tell(LogEvent::Backpressure { pauses, paused });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_hit_is_told_at_once_and_then_every_ten_seconds_with_its_times() {
        let file = CountersFile::heap();
        let topics = file.counter(keys::SLAB_PRESSURE, "pool=topics");
        let _frames = file.counter(keys::SLABS_EXHAUSTED, "pool=frames");
        let pauses = file.counter(keys::BACKPRESSURE_PAUSES, "agent=network-0");
        let paused = file.gauge(keys::PAUSED_CONNECTIONS, "agent=network-0");
        let mut watch = LimitsWatch::new(&file);
        let mut at = |seconds: u64| {
            let mut told = Vec::new();
            watch.look(seconds * LOOK_NS, |event| told.push(event));
            told
        };
        let hit = |times| LogEvent::LimitHit {
            limit: "topic_slabs",
            times,
        };
        assert_eq!(at(1), vec![]);
        topics.add(3);
        assert_eq!(at(2), vec![hit(3)]);
        topics.add(5);
        pauses.inc();
        paused.set(4);
        let waits = LogEvent::Backpressure {
            pauses: 1,
            paused: 4,
        };
        assert_eq!(at(3), vec![waits], "the slabs were told a second ago");
        topics.add(1);
        assert_eq!(at(12), vec![hit(6)]);
        assert_eq!(at(40), vec![]);
    }
}
