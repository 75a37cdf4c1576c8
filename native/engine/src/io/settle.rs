//! Bringing what only the journal holds into the segments, so that chunks and slabs become free.

use super::agent::IoAgent;
use super::segment::File;
use super::slabs::Rank;
use super::topic::{Phase, Settle};
use crate::handoff::FromDisk;
use crate::keeper::SegmentRef;
use crate::limits::SMALL_SLAB;
use crate::memory::SlabId;
use crate::topics::TopicSlot;

/// Topics looked at in one duty cycle at most.
const BURST: usize = 256;
/// Settlings under way at once, at most: each holds a slab and waits for a flush.
const AT_ONCE: u32 = 128;
/// Files that are closed at once, at most, and segments that are brought to rest for the want of a file.
const CLOSED_AT_ONCE: usize = 64;
const RESTING: usize = 16;

/// How fast the topics of an old chunk are settled: thousands at once would stop the device, and the journal with it, again and
/// again; so they are spread over the time in which two thirds of the chunk of now fill.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// How many have to.
    topics: u32,
    /// How many have begun.
    begun: u32,
}

impl Pace {
    pub const fn new(topics: u32) -> Self {
        Self { topics, begun: 0 }
    }
    /// How many may have begun with this much of the chunk of now written.
    fn due(&self, written: u64, chunk_bytes: u64) -> u32 {
        assert!(written <= chunk_bytes, "a chunk has an end");
        let due = u64::from(self.topics) * written * 3 / (chunk_bytes * 2);
        due as u32 + AT_ONCE / 4
    }
}

impl IoAgent {
    /// Starts to settle a topic, if there is anything to: to write it, and on request to flush it.
    pub(super) fn settle(&mut self, slot: TopicSlot, flush: bool) {
        let generation = self.journal.generation();
        let topic = &mut self.topics[slot.index()];
        if topic.phase != Phase::Live || topic.settle.asks(flush) {
            return;
        }
        let dirty = topic.last_slab.filter(|&last| !self.slabs[last].clean);
        let Some(last) = dirty else {
            // All of it is written: what may be wanting is the flush.
            let (wanted, appended) = (topic.flush_wanted, topic.appended);
            if flush && !wanted && self.flushed_log(slot) < appended {
                // All of it, the last block too.
                if let Some(at) = self.topics[slot.index()].last_segment {
                    let segment = &mut self.segments[at];
                    segment.left_out = Some(segment.last_block());
                }
                self.topics[slot.index()].flush_wanted = true;
                self.ready.add(slot.0);
            }
            return;
        };
        let held = &self.slabs[last];
        if held.closed {
            topic.settle = Settle::Writing {
                to: topic.appended,
                generation,
                flush,
            };
        } else {
            if self
                .ends
                .to_ingest
                .push(FromDisk::CloseSlab { slot })
                .is_err()
            {
                return;
            }
            topic.settle = Settle::Closing { flush };
        }
        self.settling += 1;
        self.ready.add(slot.0);
    }

    /// Notices that a topic is settled.
    pub(super) fn settled(&mut self, slot: TopicSlot) {
        self.let_journal_go(slot);
        let low = self.topics[slot.index()].journal.low;
        if self.draining || low > 0 && low < self.journal.settling_below {
            self.unprotect(slot);
        }
        if let Settle::Writing { to, flush, .. } = self.topics[slot.index()].settle {
            let reached = match flush {
                true => self.flushed_log(slot),
                false => self.accepted_log(slot),
            };
            if reached >= to {
                self.topics[slot.index()].settle = Settle::No;
                self.settling -= 1;
            }
        }
    }

    /// Goes round the topics and settles those that a chunk, a drain or the want of slabs waits for.
    pub(super) fn settle_some(&mut self) -> usize {
        let below = self.journal.settling_below;
        // Without the count, a frame that waits for a slab would keep the agent going round until the device is done; and a device
        // with much to do is about to give some back.
        let pressure = self.pressure && self.pressed > 0 && !self.device.completes_soon();
        if below == 0 && !self.draining && !pressure {
            return 0;
        }
        let burst = BURST.min(self.topics.len());
        if pressure {
            // A look that was for a chunk alone has changed nothing for the one that waits for a slab.
            self.pressed = self.pressed.saturating_sub(burst as u32);
        }
        let mut started = 0;
        let due = if self.draining || pressure {
            u32::MAX
        } else {
            self.settle_due()
        };
        for _ in 0..burst {
            if self.settling >= AT_ONCE || self.pace.begun >= due {
                break;
            }
            let slot = TopicSlot(self.settle_cursor);
            self.settle_cursor = (self.settle_cursor + 1) % self.topics.len() as u32;
            if !self.live[slot.index()] {
                continue;
            }
            let topic = &self.topics[slot.index()];
            let needed = topic.journal.low > 0 && topic.journal.low < below;
            // Slabs that are on their way to the segment come free by themselves; settling would only break the stream.
            let under_way = topic.last_segment.is_some_and(|at| {
                let segment = &self.segments[at];
                segment.writes > 0 || segment.flushing.is_some()
            });
            let pressure = pressure && !under_way;
            // What is durable in the journal alone stays in memory until it is flushed.
            let held = pressure && topic.durable > self.flushed_log(slot);
            let flush = needed || self.draining || held;
            if needed && topic.phase == Phase::Frozen {
                started += usize::from(self.carry(slot));
            } else if flush || pressure {
                let before = self.settling;
                self.settle(slot, flush);
                let begun = self.settling - before;
                if needed {
                    self.pace.begun += begun;
                }
                started += begun as usize;
                started += usize::from(flush && self.unprotect(slot));
            }
        }
        started
    }

    /// How many topics may have begun to settle for the chunk that is wanted next.
    fn settle_due(&self) -> u32 {
        if self.journal.settling_below == self.journal.generation() {
            // None is free, and the journal waits for it.
            return u32::MAX;
        }
        let bytes = self.config.chunk_bytes;
        let written = bytes - self.journal.chunks.room();
        self.pace.due(written, bytes)
    }

    /// Gives slabs back while too many are held, or while the ingest agent waits for one.
    pub(super) fn recycle(&mut self) -> usize {
        use std::sync::atomic::Ordering::Relaxed;
        let mut done = 0;
        let starved = self.shared.starved.load(Relaxed);
        // A small one for each topic that there is, beside those that are there from the start.
        let small = self.small_slabs.min(self.topics.len() as u64) * u64::from(SMALL_SLAB);
        let budget = self.slab_budget + small;
        let keep = if starved { budget / 2 } else { budget / 4 * 3 };
        while self.ends.to_ingest.room() > 8 {
            let oldest = self.slabs.oldest_clean();
            let over = oldest.filter(|_| self.slabs.bytes_held() > keep);
            let waited_for = oldest.filter(|_| starved && done == 0);
            let Some(slab) = over.or(self.scarce_clean(starved)).or(waited_for) else {
                break;
            };
            if starved && done == 0 {
                // Before it has the slab: then it may find that this is not the right one and say so again, and that must
                // not be erased.
                self.shared.starved.store(false, Relaxed);
            }
            self.evict_up_to(slab);
            done += 1;
        }
        // Nothing clean is left to give: some dirty slabs must become clean, as long as a frame waits.
        let pressure = starved && done == 0;
        if pressure && !self.pressure {
            self.counters.pressure.inc();
            self.pressed = self.topics.len() as u32;
        }
        self.pressure = pressure;
        done
    }

    /// The oldest clean slab of a rank that is running out. Of the largest, a busy topic needs one after the other: some are given
    /// back before it has to wait. Those of one direct write are kept for readers while few topics write directly.
    fn scarce_clean(&self, starved: bool) -> Option<SlabId> {
        let many = starved || self.device.takes_direct_writes();
        let direct = || {
            many.then(|| self.slabs.scarce_clean(Rank::Direct))
                .flatten()
        };
        self.slabs.scarce_clean(Rank::Largest).or_else(direct)
    }

    /// Closes the files of segments that rest, so that others can be opened; where none does, brings some to rest. Returns
    /// for how many it did something.
    pub(super) fn rest_files(&mut self) -> usize {
        let mut closed = 0;
        for slot in 0..self.topics.len() {
            if closed == CLOSED_AT_ONCE || self.ends.to_keeper.room() == 0 {
                break;
            }
            let Some((at, handle)) = self.idle_file(slot) else {
                continue;
            };
            let segment = &self.segments[at];
            if segment.submitted == segment.flushed && self.all_clean(slot) {
                self.drop_file(at);
                let _ = self.tell_keeper(crate::keeper::Job::Close { file: handle });
                closed += 1;
            }
        }
        if closed > 0 {
            return closed;
        }
        // Those come first that only a flush is wanting: while nobody's slabs are, nobody else asks for it.
        let (flushes, coming) = self.bring_to_rest(RESTING, true);
        flushes + self.bring_to_rest(RESTING.saturating_sub(coming), false).0
    }

    /// Has topics with an open file flushed, or settled if they hold anything that is not written, until so many come to
    /// rest. Returns how many it asked, and how many will rest with those that were asked before.
    fn bring_to_rest(&mut self, enough: usize, written: bool) -> (usize, usize) {
        let (mut asked, mut coming) = (0, 0);
        for slot in 0..self.topics.len() {
            if coming >= enough {
                break;
            }
            let topic = &self.topics[slot];
            if topic.phase != Phase::Live || self.idle_file(slot).is_none() {
                continue;
            }
            if topic.flush_wanted || topic.settle != Settle::No {
                coming += usize::from(written);
            } else if self.all_clean(slot) == written {
                self.settle(TopicSlot(slot as u32), true);
                asked += 1;
                coming += 1;
            }
        }
        (asked, coming)
    }

    /// A topic's last segment with an open file that nothing is under way in.
    fn idle_file(&self, slot: usize) -> Option<(SegmentRef, crate::storage::Handle)> {
        let at = self.topics[slot].last_segment.filter(|_| self.live[slot])?;
        let segment = &self.segments[at];
        let File::Open { handle, .. } = segment.file else {
            return None;
        };
        let busy = segment.writes > 0
            || segment.flushing.is_some()
            || segment.extending
            || segment.sealing;
        (!busy).then_some((at, handle))
    }

    fn all_clean(&self, slot: usize) -> bool {
        let last = self.topics[slot].last_slab;
        last.is_none_or(|slab| self.slabs[slab].clean)
    }

    /// Takes a segment's file out of the ring's table; the handle is the caller's to close.
    pub(super) fn drop_file(&mut self, at: SegmentRef) {
        if let File::Open { slot, .. } = std::mem::take(&mut self.segments[at].file) {
            self.uninstall.push(slot);
        }
    }
}
