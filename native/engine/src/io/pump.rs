//! Slabs to segments: what is written when, and what a completion means (design.md, section 5).

use super::agent::{IoAgent, IoRing, Kind};
use super::device::Write;
use super::segment::File;
use super::topic::{Phase, Settle};
use crate::agent::Cx;
use crate::keeper::{Job, SegmentRef, REGION};
use crate::limits::{BLOCK, DIRECT_BYTES};
use crate::memory::SlabId;
use crate::recovery::Durability;
use crate::ring::Completion;
use crate::topics::TopicSlot;

/// Unflushed bytes of a segment that the journal holds too, before they are flushed all the same.
const LAZY_FLUSH: u64 = 1 << 20;
/// Unflushed bytes of a `written` topic's segment, before they are flushed ahead of the interval: a flush stops the device
/// for as long as it takes, and a reader finds its way over unflushed bytes without index entries.
const WRITTEN_FLUSH: u64 = 256 << 20;
/// A segment's blocks are reserved in steps that double it, up to this.
const LARGEST_STEP: u64 = 64 << 20;
/// The first steps are as large as what a file begins with, and go up to here. Each may be an extent of its own; ext4 keeps four
/// in the inode, and a write into reserved blocks makes one more for a moment. A file that stays at four gets a block for its
/// extents and gives it back with every write, so it should be past them soon.
const SMALL_STEPS_TO: u64 = 4 * REGION;

impl IoAgent {
    /// Brings a topic forward as far as it goes now.
    pub(super) fn advance<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, slot: TopicSlot) {
        if !self.live[slot.index()] {
            return;
        }
        self.refresh(slot);
        self.deliver(slot, cx.now.mono_ns);
        self.clean(slot);
        self.settled(slot);
        if self.topics[slot.index()].phase == Phase::Live {
            self.create_segments(slot);
            self.pump(cx, slot);
            self.flush_due(cx, slot);
            self.protect_ahead(slot);
            self.seal_due(slot);
            if self.journal_due(slot) {
                self.dirty.add(slot.0);
            }
        }
    }

    /// A segment gets its file as soon as it has a batch; until its name is durable, batches stand in the journal.
    fn create_segments(&mut self, slot: TopicSlot) {
        let mut next = self.topics[slot.index()].first_segment;
        while let Some(at) = next {
            next = self.segments[at].next;
            if !self.segments[at].created {
                self.ensure_open(slot, at);
            }
        }
    }

    /// Log position up to which everything is handed to journal or segment.
    pub(super) fn covered(&self, slot: TopicSlot) -> u64 {
        let topic = &self.topics[slot.index()];
        let journal = topic.journal.end();
        topic.last_segment.map_or(journal, |at| {
            let segment = &self.segments[at];
            journal.max(segment.log(segment.submitted))
        })
    }

    /// Whether what nobody has yet of a topic is enough for its segment alone, and goes there as soon as it may.
    pub(super) fn goes_direct(&self, slot: TopicSlot) -> bool {
        let topic = &self.topics[slot.index()];
        let pending = topic.appended - self.covered(slot).min(topic.appended);
        pending >= DIRECT_BYTES
            && topic
                .last_segment
                .is_some_and(|at| self.segments[at].open().is_some())
    }

    fn pump<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, slot: TopicSlot) {
        // While topics are settled for a chunk that is wanted, that is counted, and nothing else should be.
        let crowded = self.slabs.open() > self.crowd && self.journal.settling_below == 0;
        if crowded && self.goes_direct(slot) {
            // Its slab would be held for the end of its last block until the topic gets more; others need it before that.
            self.settle(slot, false);
        }
        while let Some(slab) = self.topics[slot.index()].write_slab {
            let Some((to, next)) = self.wanted(slot, slab) else {
                break;
            };
            let held = self.slabs[slab];
            let from = self.segments[held.segment].submitted.max(held.base) / BLOCK * BLOCK;
            if to <= self.segments[held.segment].submitted.max(held.base) {
                if !next {
                    break;
                }
                self.topics[slot.index()].write_slab = held.next;
                continue;
            }
            if !self.writable(cx, slot, slab, to) {
                break;
            }
            self.write(cx, slot, slab, from, to);
        }
    }

    /// How far a slab's bytes should be written now, and whether the slab is done with then. `None`: not now.
    fn wanted(&self, slot: TopicSlot, slab: SlabId) -> Option<(u64, bool)> {
        let topic = &self.topics[slot.index()];
        let held = &self.slabs[slab];
        let segment = &self.segments[held.segment];
        let settling =
            matches!(topic.settle, Settle::Writing { to, .. } if segment.log(held.end) == to);
        let last = held
            .next
            .is_none_or(|next| self.slabs[next].segment != held.segment);
        let complete = last && segment.end.is_some();
        if held.closed && (complete || settling) {
            return Some((held.end, held.next.is_some() || complete));
        }
        let blocks = (held.end / BLOCK * BLOCK).max(held.base);
        if held.closed {
            return Some((blocks, held.next.is_some()));
        }
        if matches!(topic.settle, Settle::Closing { .. }) {
            // What is there goes out in one write, when the slab is closed.
            return None;
        }
        // An open slab is written on only for a busy topic, or to settle what was there when that was asked.
        let pending = topic.appended - self.covered(slot).min(topic.appended);
        (pending >= DIRECT_BYTES).then_some((blocks, false))
    }

    /// Whether the blocks may be written now; starts whatever is missing for it.
    fn writable<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        slot: TopicSlot,
        slab: SlabId,
        to: u64,
    ) -> bool {
        let held = self.slabs[slab];
        let at = held.segment;
        if !self.ensure_open(slot, at) || !self.fill(cx, slot, slab) {
            return false;
        }
        let segment = &self.segments[at];
        // A block that holds acknowledged bytes is written again only while a flushed journal entry holds them, if they are
        // promised to be on stable storage.
        if segment.settled > held.base && segment.submitted == segment.settled {
            if segment.accepted < segment.settled {
                return false;
            }
            if !segment.protected && !self.is_block_free(slot, at, held.base) {
                self.topics[slot.index()].needs_tail = true;
                return false;
            }
        }
        let end = to.next_multiple_of(BLOCK);
        if end > segment.allocated {
            self.extend(at, end);
            return false;
        }
        if end + segment.allocated.min(LARGEST_STEP) / 4 > segment.allocated
            && segment.allocated > DIRECT_BYTES * 8
            && !segment.tight
        {
            self.extend(at, end);
        }
        // By a frame for memory, or by acks, which what the journal holds does not wait for.
        let journaled = self.topics[slot.index()].journal.end();
        let waited_for = self.pressure || self.segments[at].log(to) > journaled;
        if !self.device.has_room(waited_for) {
            self.stalled.add(slot.0);
            return false;
        }
        true
    }

    /// Whether a segment's file is there and open; asks the keeper otherwise.
    pub(super) fn ensure_open(&mut self, slot: TopicSlot, at: SegmentRef) -> bool {
        let segment = &self.segments[at];
        match segment.file {
            File::Open { .. } => true,
            File::Opening => false,
            // A file that is there is opened only when it has a place; one that is not is made all the same, for its name.
            File::Closed if segment.created && self.file_slots.is_empty() => {
                self.files_wanted = true;
                self.stalled.add(slot.0);
                false
            }
            File::Closed => {
                let name = segment.name;
                let job = if segment.created {
                    Job::Open {
                        segment: at,
                        slot,
                        name,
                    }
                } else {
                    Job::Create {
                        segment: at,
                        slot,
                        name,
                    }
                };
                if self.tell_keeper(job) {
                    self.segments[at].file = File::Opening;
                } else {
                    self.stalled.add(slot.0);
                }
                false
            }
        }
    }

    fn extend(&mut self, at: SegmentRef, needed: u64) {
        let segment = &self.segments[at];
        let File::Open { handle, .. } = segment.file else {
            return;
        };
        if segment.extending {
            return;
        }
        let step = match segment.tight {
            true => 0,
            false if segment.allocated < SMALL_STEPS_TO => REGION,
            false => segment.allocated.min(LARGEST_STEP),
        };
        // What is reserved beyond the segment's end is freed when it is sealed, and the device may stand still for that.
        let to = (segment.allocated + step)
            .min(self.config.segment_max_bytes)
            .max(needed)
            .next_multiple_of(BLOCK);
        if to <= segment.allocated {
            return;
        }
        if self.tell_keeper(Job::Extend {
            segment: at,
            slot: segment.slot,
            file: handle,
            to,
        }) {
            self.segments[at].extending = true;
        } else {
            let slot = self.segments[at].slot;
            self.stalled.add(slot.0);
        }
    }

    /// Room came up somewhere: topics that waited for it look again.
    pub(super) fn unstall(&mut self) {
        while let Some(waiting) = self.stalled.take() {
            self.ready.add(waiting);
        }
    }

    fn write<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        slot: TopicSlot,
        slab: SlabId,
        from: u64,
        to: u64,
    ) {
        let held = self.slabs[slab];
        let end = to.next_multiple_of(BLOCK);
        if end != to {
            self.slabs.pad(slab);
        }
        let segment = &mut self.segments[held.segment];
        let file = segment.open().expect("ensure_open");
        let over = match segment.submitted > from && !segment.protected {
            true => segment.submitted,
            false => 0,
        };
        if end != to {
            segment.settled = to;
            segment.protected = false;
        }
        let covered = segment.log(to);
        debug_assert!(
            from >= segment.settled || !self.topics[slot.index()].needs_tail,
            "a tail that is still asked for would be taken for one of what is written now"
        );
        segment.submitted = to;
        segment.writes += 1;
        let now_ns = self.config.clock.mono_ns();
        let write = Write {
            segment: held.segment,
            slab,
            from,
            to: end,
            over,
            submitted_ns: now_ns,
        };
        let number = self.device.start(write);
        self.counters.segment_writes.inc();
        self.counters.segment_bytes.add(end - from);
        if covered > self.topics[slot.index()].journal.to {
            self.counters.direct_writes.inc();
        }
        self.mark_submitted(slot, covered, now_ns);
        let token = self.token(Kind::Write, number);
        // SAFETY: these blocks of the slab are complete or padded; the slab is released only after the write is over.
        unsafe {
            cx.ring.write(
                file,
                from,
                self.slabs.at(slab, from),
                (end - from) as u32,
                false,
                token,
            )
        };
    }

    pub(super) fn write_completed<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        completion: Completion,
    ) {
        let number = completion.token.id();
        let write = self.device.get(number);
        let slot = self.segments[write.segment].slot;
        let done = u64::try_from(completion.result).unwrap_or(0) / BLOCK * BLOCK;
        if done > 0 && write.from + done < write.to {
            // Short: the rest is written too.
            let from = write.from + done;
            self.device.shorten(number, from);
            self.unstall();
            let file = self.segments[write.segment]
                .open()
                .expect("files with writes in flight stay open");
            let address = self.slabs.at(write.slab, from);
            // SAFETY: as for the whole write, of which this is the rest.
            unsafe {
                cx.ring.write(
                    file,
                    from,
                    address,
                    (write.to - from) as u32,
                    false,
                    completion.token,
                )
            };
            return;
        }
        self.device.finish(number);
        self.counters
            .write_latency
            .record(cx.now.mono_ns.saturating_sub(write.submitted_ns));
        let segment = &mut self.segments[write.segment];
        segment.writes -= 1;
        if done == 0 {
            let errno = if completion.result < 0 {
                -completion.result
            } else {
                libc::EIO
            };
            self.freeze(slot, errno, "writing a segment");
            self.endanger(slot, &write);
        } else {
            let accepted = self
                .device
                .lowest(write.segment)
                .unwrap_or(segment.submitted);
            segment.accepted = segment.accepted.max(accepted.min(segment.submitted));
            self.unflushed_bytes += write.to - write.from;
            self.topics[slot.index()].flush_wanted |= self.takes_early_flush();
        }
        self.ready.add(slot.0);
        self.unstall();
    }

    fn flush_due<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, slot: TopicSlot) {
        let mut next = self.topics[slot.index()].first_segment;
        while let Some(at) = next {
            let segment = &self.segments[at];
            next = segment.next;
            if segment.accepted <= segment.flushed {
                let topic = &mut self.topics[slot.index()];
                topic.flush_wanted &= topic.last_segment != Some(at);
                continue;
            }
            if self.is_flush_due(slot, at) {
                if self.together.is_under_way() && !self.is_flush_waited_for(slot, at) {
                    self.together.patient.add(slot.0);
                    continue;
                }
                if self.flushes == self.config.flushes.single {
                    self.together.waiting.add(slot.0);
                    return;
                }
                self.flush(cx, slot, at);
            }
        }
    }

    /// Whether a segment should be flushed now.
    pub(super) fn is_flush_due(&self, slot: TopicSlot, at: SegmentRef) -> bool {
        let (topic, segment) = (&self.topics[slot.index()], &self.segments[at]);
        let unflushed = segment.accepted.saturating_sub(segment.flushed);
        if unflushed == 0 || segment.flushing.is_some() || topic.phase != Phase::Live {
            return false;
        }
        let lazy = match topic.durability {
            Durability::Durable => LAZY_FLUSH,
            Durability::Written => WRITTEN_FLUSH,
        };
        let settling = matches!(topic.settle, Settle::Writing { flush: true, .. });
        self.is_flush_waited_for(slot, at)
            || settling
            || segment.end.is_some()
            || topic.flush_wanted
            || unflushed >= lazy
    }

    /// Whether acks wait for a segment's flush.
    fn is_flush_waited_for(&self, slot: TopicSlot, at: SegmentRef) -> bool {
        let (topic, segment) = (&self.topics[slot.index()], &self.segments[at]);
        topic.durability == Durability::Durable && segment.log(segment.accepted) > topic.durable
    }

    /// A flush that covers what the device has accepted of a segment goes out. False: there is nothing to gain by one yet.
    ///
    /// Of a `written` topic that goes on, its last block is left out if it is not full: it is written again with the next
    /// batch, and a block that is durable could be so only with a durable copy in the journal.
    pub(super) fn begin_flush(&mut self, slot: TopicSlot, at: SegmentRef) -> bool {
        let (topic, segment) = (&mut self.topics[slot.index()], &mut self.segments[at]);
        // What is accepted from now on waits for the next interval.
        topic.flush_wanted &= topic.last_segment != Some(at);
        let goes_on = topic.durability == Durability::Written
            && topic.settle == Settle::No
            && segment.end.is_none()
            && segment.left_out != Some(segment.last_block());
        let written_again = self.device.lowest(at).unwrap_or(u64::MAX);
        let mut covered = segment.accepted.min(written_again);
        if goes_on {
            segment.left_out = Some(segment.last_block());
            covered = covered / BLOCK * BLOCK;
        }
        if covered <= segment.flushed {
            self.unflushed.add(slot.0);
            return false;
        }
        segment.flushing = Some(covered);
        self.mark_flush(slot);
        true
    }

    /// Whether a segment's last block, which was written padded, may go with the power when it is written again: none of it counts
    /// as durable, and none will by a flush that is under way, here or of a segment before. If only the write fails, what was
    /// acknowledged of it is journaled then. No tail was asked for either: that
    /// would protect what is written now, which it does not hold.
    fn is_block_free(&self, slot: TopicSlot, at: SegmentRef, block: u64) -> bool {
        let (topic, segment) = (&self.topics[slot.index()], &self.segments[at]);
        topic.durability == Durability::Written
            && !topic.needs_tail
            && topic.durable <= segment.log(block)
            && segment.flushed <= block
            && segment.flushing.is_none_or(|covered| covered <= block)
    }

    fn flush<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, slot: TopicSlot, at: SegmentRef) {
        let Some(file) = self.segments[at].open() else {
            return;
        };
        if !self.begin_flush(slot, at) {
            return;
        }
        self.flushes += 1;
        self.unflushed_bytes = 0;
        let token = self.token(Kind::Flush, u64::from(at));
        self.flush_started[at as usize] = cx.now.mono_ns;
        cx.ring.flush(file, token);
    }

    pub(super) fn flush_completed<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        completion: Completion,
    ) {
        let at = completion.token.id() as SegmentRef;
        self.flushes -= 1;
        self.counters.flushes.inc();
        self.counters.flush_latency.record(
            cx.now
                .mono_ns
                .saturating_sub(self.flush_started[at as usize]),
        );
        let segment = &mut self.segments[at];
        let slot = segment.slot;
        let covered = segment.flushing.take().expect("a flush completes once");
        if completion.result < 0 {
            // Never retried: the kernel may have dropped the pages.
            self.freeze(slot, -completion.result, "flushing a segment");
        } else if !self.together.has_failed() {
            segment.flushed = segment.flushed.max(covered);
        }
        self.ready.add(slot.0);
        self.unstall();
    }

    fn seal_due(&mut self, slot: TopicSlot) {
        let Some(at) = self.topics[slot.index()].first_segment else {
            return;
        };
        let segment = &self.segments[at];
        let Some(end) = segment.end else { return };
        let quiet = segment.writes == 0
            && segment.flushing.is_none()
            && !segment.extending
            && !segment.sealing;
        if !quiet || segment.flushed < end || !segment.created {
            return;
        }
        let file = match segment.file {
            File::Open { handle, .. } => Some(handle),
            File::Closed => None,
            File::Opening => return,
        };
        let (name, end_ns, whole_index) = (segment.name, segment.end_ns, segment.whole_index);
        if self.tell_keeper(Job::Seal {
            segment: at,
            slot,
            name,
            end_ns,
            end,
            file,
            whole_index,
        }) {
            self.segments[at].sealing = true;
            self.drop_file(at);
        } else {
            self.stalled.add(slot.0);
        }
    }
}
