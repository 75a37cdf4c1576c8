//! Bringing what only the journal holds into the segments, so that chunks and slabs become free.

use super::agent::IoAgent;
use super::segment::File;
use super::topic::{Phase, Settle};
use crate::handoff::FromDisk;
use crate::keeper::SegmentRef;
use crate::topics::TopicSlot;

/// Topics looked at in one duty cycle at most.
const BURST: usize = 256;
/// Settlings under way at once, at most: each holds a slab and waits for a flush.
const AT_ONCE: u32 = 128;

impl IoAgent {
    /// Starts to settle a topic, if there is anything to.
    pub(super) fn settle(&mut self, slot: TopicSlot) {
        let generation = self.journal.generation();
        let topic = &mut self.topics[slot.index()];
        if topic.settle != Settle::No || topic.phase != Phase::Live {
            return;
        }
        let Some(last) = topic.last_slab else { return };
        let held = &self.slabs[last];
        if held.clean {
            return;
        }
        if held.closed {
            topic.settle = Settle::Writing {
                to: topic.appended,
                generation,
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
            topic.settle = Settle::Closing;
        }
        self.settling += 1;
        self.ready.add(slot.0);
    }

    /// Notices that a topic is settled.
    pub(super) fn settled(&mut self, slot: TopicSlot) {
        self.let_journal_go(slot);
        if let Settle::Writing { to, .. } = self.topics[slot.index()].settle {
            if self.flushed_log(slot) >= to {
                self.topics[slot.index()].settle = Settle::No;
                self.settling -= 1;
            }
        }
    }

    /// Goes round the topics and settles those that a chunk, a drain or the want of slabs waits for.
    pub(super) fn settle_some(&mut self) -> usize {
        let below = self.journal.settling_below;
        // Without this, a frame that waits for a slab would keep the agent going round until the device is done.
        let pressure = self.pressure && self.pressed > 0;
        if below == 0 && !self.draining && !pressure {
            return 0;
        }
        let burst = BURST.min(self.topics.len());
        if pressure {
            // A look that was for a chunk alone has changed nothing for the one that waits for a slab.
            self.pressed = self.pressed.saturating_sub(burst as u32);
        }
        let mut started = 0;
        for _ in 0..burst {
            if self.settling >= AT_ONCE {
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
            if pressure && topic.first_slab.is_some() {
                // What was written of it is flushed.
                self.ready.add(slot.0);
            }
            if needed && topic.phase == Phase::Frozen {
                started += usize::from(self.carry(slot));
            } else if needed || self.draining || pressure {
                let before = self.settling;
                self.settle(slot);
                started += (self.settling - before) as usize;
            }
        }
        started
    }

    /// Gives slabs back while too many are held, or while the ingest agent waits for one.
    pub(super) fn recycle(&mut self) -> usize {
        use std::sync::atomic::Ordering::Relaxed;
        let mut done = 0;
        let starved = self.shared.starved.load(Relaxed);
        let keep = if starved {
            self.slab_budget / 2
        } else {
            self.slab_budget / 4 * 3
        };
        while self.slabs.bytes_held() > keep && self.ends.to_ingest.room() > 8 {
            if !self.evict() {
                break;
            }
            done += 1;
        }
        if starved {
            if done == 0 && self.ends.to_ingest.room() > 8 && self.evict() {
                done += 1;
            }
            self.shared.starved.store(false, Relaxed);
        }
        // Nothing clean is left to give: some dirty slabs must become clean, as long as a frame waits.
        let pressure = starved && done == 0;
        if pressure && !self.pressure {
            self.counters.pressure.inc();
        }
        self.pressure = pressure;
        done
    }

    /// Closes the files of segments that rest, so that others can be opened.
    pub(super) fn rest_files(&mut self) {
        let mut closed = 0;
        for slot in 0..self.topics.len() {
            if !self.live[slot] || closed == 64 {
                continue;
            }
            let Some(at) = self.topics[slot].last_segment else {
                continue;
            };
            let segment = &self.segments[at];
            let rests = segment.writes == 0
                && segment.flushing.is_none()
                && !segment.extending
                && !segment.sealing
                && segment.submitted == segment.flushed
                && self.topics[slot]
                    .last_slab
                    .is_none_or(|slab| self.slabs[slab].clean);
            if let (true, File::Open { handle, .. }) = (rests, segment.file) {
                self.drop_file(at);
                let _ = self.tell_keeper(crate::keeper::Job::Close { file: handle });
                closed += 1;
            }
        }
    }

    /// Takes a segment's file out of the ring's table; the handle is the caller's to close.
    pub(super) fn drop_file(&mut self, at: SegmentRef) {
        if let File::Open { slot, .. } = std::mem::take(&mut self.segments[at].file) {
            self.uninstall.push(slot);
        }
    }
}
