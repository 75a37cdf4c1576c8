//! When the device is flushed beside what acks ask for: segments of many topics with one call, since thousands of flushes one by
//! one would take it for seconds, and ahead of the interval, since a second's worth would stop it for long.

use super::agent::{IoAgent, IoRing};
use super::segment::File;
use crate::agent::Cx;
use crate::keeper::{FlushAll, FlushedAll, SegmentRef};
use crate::limits::Limits;
use crate::list::SlotQueue;
use crate::topics::TopicSlot;

/// Where one call for all was no help, flushes go one by one for so long.
const SHUNNED_NS: u64 = 10_000_000_000;
/// With more segment writes in flight the device is kept busy.
const ALMOST_IDLE: usize = 2;

/// How many flushes go out.
#[derive(Clone, Copy, Debug)]
pub struct Flushes {
    /// Flushes of single segments that are under way at once, at most.
    pub single: u32,
    /// Topics that wait for one before they are flushed together, at least.
    pub together: u32,
    /// Bytes in the device's cache, of all files, from which one goes out ahead of the interval: what comes while it is under
    /// way waits some milliseconds for it, and would wait for hundreds behind a second's worth.
    pub early_bytes: u64,
}

impl Flushes {
    /// Those of a node.
    pub const DEFAULT: Self = Self {
        single: 4,
        together: 8,
        early_bytes: 4 << 20,
    };
}

/// Topics whose flush is due, and those that are being flushed together.
pub(super) struct Together {
    /// Topics with a flush that is due and found no place.
    pub waiting: SlotQueue,
    /// Those that came due during a call, and whose acks do not wait for a flush: the next call is for them.
    pub patient: SlotQueue,
    /// The segments of the call under way.
    members: Vec<SegmentRef>,
    started_ns: Option<u64>,
    shunned_until_ns: u64,
    failed: bool,
}

impl Together {
    /// Nothing waits.
    pub fn new(limits: &Limits) -> Self {
        Self {
            waiting: SlotQueue::new(limits.topics),
            patient: SlotQueue::new(limits.topics),
            members: Vec::with_capacity(limits.open_segments() as usize),
            started_ns: None,
            shunned_until_ns: 0,
            failed: false,
        }
    }
    /// Whether a call is under way.
    pub fn is_under_way(&self) -> bool {
        self.started_ns.is_some()
    }
    /// Whether a call failed: a flush that ends after it says nothing, since the disk may have lost what it would cover.
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}

impl IoAgent {
    /// Starts a call for all that wait, if they are enough. Returns whether it did.
    pub(super) fn flush_together(&mut self, now_ns: u64) -> bool {
        let together = &self.together;
        if together.is_under_way()
            || together.waiting.len() < self.config.flushes.together as usize
            || now_ns < together.shunned_until_ns
            || self.together.has_failed()
        {
            return false;
        }
        let mut one = None;
        while let Some(slot) = self.together.waiting.take() {
            let slot = TopicSlot(slot);
            if !self.live[slot.index()] {
                continue;
            }
            let mut next = self.topics[slot.index()].first_segment;
            while let Some(at) = next {
                next = self.segments[at].next;
                let File::Open { handle, .. } = self.segments[at].file else {
                    continue;
                };
                if self.is_flush_due(slot, at) && self.begin_flush(slot, at) {
                    self.together.members.push(at);
                    one = Some(handle);
                }
            }
        }
        let Some(one) = one else { return false };
        let files = self.together.members.len() as u32;
        let room = self.ends.to_flusher.push(FlushAll { one, files }).is_ok();
        assert!(room, "one is asked for at a time");
        self.together.started_ns = Some(now_ns);
        self.unflushed_bytes = 0;
        self.called = true;
        true
    }

    /// Takes the flusher's answer. Returns how many there were.
    pub(super) fn flushed_together<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> usize {
        let Some(answer) = self.ends.from_flusher.pop() else {
            return 0;
        };
        let started_ns = self.together.started_ns.take().expect("it was asked for");
        match answer {
            FlushedAll::Done => {
                self.counters.flushes.inc();
                let took = cx.now.mono_ns.saturating_sub(started_ns);
                self.counters.flush_latency.record(took);
            }
            FlushedAll::NoHelp => self.together.shunned_until_ns = cx.now.mono_ns + SHUNNED_NS,
            // Before any segment counts as flushed: nobody can tell what of all that was not flushed is on the disk.
            FlushedAll::Failed(errno) => {
                self.together.failed = true;
                self.journal_broke(errno, "flushing all segments");
            }
        }
        while let Some(at) = self.together.members.pop() {
            let segment = &mut self.segments[at];
            let covered = segment.flushing.take().expect("a flush completes once");
            let slot = segment.slot;
            match answer {
                FlushedAll::Done => segment.flushed = segment.flushed.max(covered),
                FlushedAll::NoHelp => self.topics[slot.index()].flush_wanted = true,
                FlushedAll::Failed(_) => {}
            }
            self.ready.add(slot.0);
        }
        while let Some(slot) = self.together.patient.take() {
            self.together.waiting.add(slot);
        }
        self.note_rest(cx.now.mono_ns);
        1
    }

    /// As many topics that wait as may start a flush look again; one that finds nothing to flush leaves its place to the
    /// next. Returns how many they are.
    pub(super) fn next_flushes(&mut self) -> usize {
        let mut woken = 0;
        for _ in self.flushes..self.config.flushes.single {
            let Some(slot) = self.together.waiting.take() else {
                break;
            };
            self.ready.add(slot);
            woken += 1;
        }
        woken
    }

    /// Whether segments are being flushed, one by one or together.
    pub(super) fn is_flushing_segments(&self) -> bool {
        self.flushes > 0 || self.together.is_under_way()
    }

    /// Whether a flush should go out before the interval ends, since the one at its end would stop the device for long; the
    /// caller asks for it then. Not while the device is kept busy, a flush is under way, or memory waits for writes: then
    /// throughput is what counts.
    pub(super) fn takes_early_flush(&mut self) -> bool {
        let starved = self
            .shared
            .starved
            .load(std::sync::atomic::Ordering::Relaxed);
        let flushing = self.is_flushing_segments() || self.journal.is_flushing();
        let due = self.unflushed_bytes >= self.config.flushes.early_bytes
            && self.device.in_flight() <= ALMOST_IDLE
            && !flushing
            && !starved;
        if due {
            // One is enough.
            self.unflushed_bytes = 0;
        }
        due
    }
}
