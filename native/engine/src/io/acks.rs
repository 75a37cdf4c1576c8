//! Watermarks: what is accepted and durable, and so acknowledged, readable and indexed.

use super::agent::IoAgent;
use super::topic::{End, Phase};
use crate::format::batch::SortKey;
use crate::format::index::IndexEntry;
use crate::keeper::{Job, SegmentRef};
use crate::limits::BLOCK;
use crate::memory::SlabId;
use crate::messages::FromIo;
use crate::recovery::index_due;
use crate::topics::TopicSlot;

/// The keeper is woken for so many index entries; fewer wait until it wakes anyway, within a second (`node/helper.rs`).
const ENTRIES_TOLD: u32 = 64;

/// An index entry of a batch that is not durable yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct PendingEntry {
    /// Log position of the batch's end.
    pub end: u64,
    pub segment: SegmentRef,
    pub position: u64,
    pub base: End,
    pub key: SortKey,
}

impl IoAgent {
    /// Moves the watermarks over what segments and journal have without a gap.
    pub(super) fn refresh(&mut self, slot: TopicSlot) {
        let flushed_blocks = self.journal.flushed_sequence();
        let topic = &mut self.topics[slot.index()];
        let (mut accepted, mut durable) = (topic.accepted, topic.durable);
        // Twice: a segment may start where the journal's run ends.
        for _ in 0..2 {
            let mut next = topic.first_segment;
            while let Some(at) = next {
                let segment = &self.segments[at];
                if accepted >= segment.log_base {
                    accepted = accepted.max(segment.log(segment.accepted));
                }
                if durable >= segment.log_base {
                    durable = durable.max(segment.log(segment.flushed));
                }
                next = segment.next;
            }
            if accepted >= topic.journal.from {
                accepted = accepted.max(topic.journal.to);
            }
            // Not beyond a gap in memory: what an unflushed segment has alone could not be carried on if its flush failed.
            let from = topic.journal.from.max(topic.parted);
            if durable >= from && topic.journal.sequence <= flushed_blocks {
                durable = durable.max(topic.journal.to);
            }
        }
        assert!(
            durable <= topic.appended && accepted <= topic.appended,
            "nothing is durable before it is there"
        );
        topic.durable = durable;
        topic.accepted = accepted.max(durable);
    }

    /// Hands on what the watermarks allow: readable batches, acks, index entries.
    pub(super) fn deliver(&mut self, slot: TopicSlot, now_ns: u64) {
        let level = self.topics[slot.index()].level();
        let topic = &self.topics[slot.index()];
        let (before, durable_before) = (topic.readable.offset, topic.durable_offset);
        while let Some(&batch) = self
            .batches
            .front(&self.topics[slot.index()].batches)
            .filter(|b| b.end <= level)
        {
            let topic = &mut self.topics[slot.index()];
            self.batches.pop(&mut topic.batches);
            topic.readable = batch.next;
            topic.readable_log = batch.end;
            let segment = &mut self.segments[batch.segment];
            let end = batch.position + u64::from(batch.len);
            if index_due(
                segment.indexed,
                batch.position,
                end,
                self.config.index_every_bytes,
            ) {
                let entry = PendingEntry {
                    end: batch.end,
                    segment: batch.segment,
                    position: batch.position,
                    base: batch.base,
                    key: SortKey {
                        timestamp_ns: batch.timestamp_ns,
                        node_actor_sequence: batch.node_actor_sequence,
                    },
                };
                segment.indexed = Some(batch.position);
                segment.whole_index &= self.entries.push(&mut topic.entries, entry);
            }
        }
        if self.topics[slot.index()].readable.offset > before {
            self.reader.advanced(slot);
        }
        self.acknowledge(slot, now_ns);
        self.index(slot);
        self.state_durable(slot);
        let topic = &self.topics[slot.index()];
        if topic.readable.offset > before || topic.durable_offset > durable_before {
            self.show_topic(slot);
        }
    }

    /// Frames share a batch, and recovery keeps whole batches only: a frame counts when its batch does.
    fn acknowledge(&mut self, slot: TopicSlot, now_ns: u64) {
        let topic = &mut self.topics[slot.index()];
        let level = topic.readable_log;
        while let Some(&frame) = self
            .frames
            .front(&topic.frames)
            .filter(|frame| frame.end <= level)
        {
            if self
                .ends
                .to_network
                .push(FromIo::Acked {
                    ticket: frame.ticket,
                    stable_ns: now_ns,
                })
                .is_err()
            {
                self.ready.add(slot.0);
                return;
            }
            self.frames.pop(&mut topic.frames);
            self.acked = true;
            if frame.submitted_ns > 0 {
                self.counters
                    .enqueue_submit
                    .record(frame.submitted_ns.saturating_sub(frame.enqueued_ns));
                self.counters
                    .submit_complete
                    .record(now_ns.saturating_sub(frame.submitted_ns));
            }
        }
    }

    /// Index entries count only what is durable.
    fn index(&mut self, slot: TopicSlot) {
        let durable = self.topics[slot.index()].durable;
        while let Some(&entry) = self
            .entries
            .front(&self.topics[slot.index()].entries)
            .filter(|e| e.end <= durable)
        {
            self.entries.pop(&mut self.topics[slot.index()].entries);
            let job = Job::Index {
                slot,
                name: self.segments[entry.segment].name,
                entry: IndexEntry {
                    key: entry.key,
                    base_offset: entry.base.offset,
                    base_record: entry.base.record,
                    position: entry.position,
                },
            };
            if self.ends.to_keeper.push(job).is_err() {
                // The keeper makes the index anew when it seals the segment.
                self.segments[entry.segment].whole_index = false;
            }
            // Nobody waits for one but for a segment's first, without which there is no index: the keeper finds it when it
            // looks around.
            self.entries_pushed = (self.entries_pushed + 1) % ENTRIES_TOLD;
            self.kept |= self.entries_pushed == 0 || entry.position == 0;
        }
    }

    fn state_durable(&mut self, slot: TopicSlot) {
        let topic = &mut self.topics[slot.index()];
        let marked = topic.mark.0 > 0 && topic.durable >= topic.mark.0;
        let reached = if topic.durable >= topic.readable_log {
            topic.readable.offset
        } else if marked {
            topic.mark.1
        } else {
            // Only written so far: the next flush makes it durable.
            topic.durable_offset
        };
        if topic.mark.0 > 0 && topic.durable >= topic.mark.0 {
            topic.mark = (0, 0);
        }
        if reached > topic.durable_offset {
            topic.durable_offset = reached;
            self.shared.set_durable_offset(slot, reached);
            self.unstated.add(slot.0);
        }
        if topic.durable < topic.accepted {
            self.unflushed.add(slot.0);
        }
    }

    /// A flush is submitted now: what is readable already becomes durable with it.
    pub(super) fn mark_flush(&mut self, slot: TopicSlot) {
        let topic = &mut self.topics[slot.index()];
        if topic.mark.0 == 0 {
            topic.mark = (topic.readable_log, topic.readable.offset);
        }
    }

    /// A write that covers everything of the topic below a log position was submitted.
    pub(super) fn mark_submitted(&mut self, slot: TopicSlot, covered: u64, now_ns: u64) {
        let frames = self.topics[slot.index()].frames;
        let (own, at_rest_ns) = (&self.counters.own, self.at_rest_ns);
        self.frames.for_each_mut(&frames, |frame| {
            if frame.end <= covered && frame.submitted_ns == 0 {
                frame.submitted_ns = now_ns;
                if frame.complete_ns > at_rest_ns {
                    own.record(now_ns.saturating_sub(frame.complete_ns));
                }
            }
            frame.end <= covered
        });
    }

    /// Slabs whose bytes are all in their segment, and as safe as the topic asks for, are kept for readers only; but for
    /// what is durable in the journal alone, which must be carried on if the segment's flush fails.
    pub(super) fn clean(&mut self, slot: TopicSlot) {
        let topic = &self.topics[slot.index()];
        let (level, durable) = (topic.level(), topic.durable);
        let mut next = topic.first_slab;
        while let Some(slab) = next {
            let held = self.slabs[slab];
            next = held.next;
            if held.clean {
                continue;
            }
            if !held.closed || held.filling {
                return;
            }
            let segment = &self.segments[held.segment];
            // What is frozen is read and carried from memory until it is flushed.
            let flushed = segment.flushed >= held.end;
            let there = flushed
                || self.topics[slot.index()].phase == Phase::Live
                    && segment.accepted >= held.end
                    && segment.log(held.end) <= level
                    && durable <= segment.log(held.first.max(segment.flushed));
            if !there {
                return;
            }
            if !flushed && !self.keep_written_over(slot, slab) {
                return;
            }
            // Written to its end: if the last block was padded, the next slab starts in it.
            let segment = &self.segments[held.segment];
            let log_end = segment.log(held.end);
            let last = (held.end / BLOCK * BLOCK).max(held.base);
            if held.next.is_none() && last < held.end && held.filled {
                let bytes = self.slabs.bytes(slab, last, held.end);
                self.tails.keep(slot, segment.log(last), bytes);
            }
            let topic = &mut self.topics[slot.index()];
            if !flushed {
                // From here on it may go at any time: a journal block flushed later must not make its bytes durable alone.
                topic.parted = log_end;
            }
            if topic.write_slab == Some(slab) {
                topic.write_slab = held.next;
            }
            self.slabs.mark_clean(slab, log_end);
        }
    }

    /// Gives a clean slab back, and what its topic has before it: they become clean in order, and go in order.
    pub(super) fn evict_up_to(&mut self, last: SlabId) {
        let slot = self.slabs[last].slot;
        while let Some(slab) = self.topics[slot.index()].first_slab {
            self.slabs.forget_clean(slab);
            let held = self.slabs.release(slab);
            let topic = &mut self.topics[slot.index()];
            topic.first_slab = held.next;
            if topic.last_slab == Some(slab) {
                topic.last_slab = None;
            }
            self.give_back(slab);
            if slab == last {
                return;
            }
        }
    }
}
