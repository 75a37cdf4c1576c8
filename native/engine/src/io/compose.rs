//! What goes into a journal block: batches, tails, committed offsets, watermarks (formats.md, "Journal").

use super::agent::IoAgent;
use super::topic::Phase;
use crate::format::journal::{Entry, Place, BLOCK_HEADER};
use crate::keeper::SegmentRef;
use crate::memory::SlabId;
use crate::recovery::Durability;
use crate::topics::TopicSlot;

/// The block while entries are put into it.
pub(super) struct Block {
    pub at: *mut u8,
    /// Bytes so far, header included.
    pub used: usize,
    pub capacity: usize,
    pub entries: u32,
    /// An entry asks for stable storage.
    pub durable: bool,
}

impl Block {
    /// An empty block in a buffer of `capacity` bytes that nothing else refers to until the block is over.
    pub fn new(at: *mut u8, capacity: usize) -> Self {
        Self {
            at,
            used: BLOCK_HEADER,
            capacity,
            entries: 0,
            durable: false,
        }
    }
    /// Adds an entry; false: it does not fit.
    pub fn put(&mut self, entry: &Entry<'_>) -> bool {
        let len = entry.encoded_len();
        if self.used + len > self.capacity {
            return false;
        }
        // SAFETY: `at` is the journal's own buffer of `capacity` bytes and more; nothing else refers to it while no
        // write is in flight, and the entry's bytes lie in topics' slabs.
        let to = unsafe { std::slice::from_raw_parts_mut(self.at.add(self.used), len) };
        entry.encode(to);
        self.used += len;
        self.entries += 1;
        true
    }
}

impl IoAgent {
    /// Whether the topic has something for the journal now.
    pub(super) fn journal_due(&self, slot: TopicSlot) -> bool {
        let topic = &self.topics[slot.index()];
        if topic.phase != Phase::Live {
            return false;
        }
        if topic.needs_tail && !topic.tail_pending {
            return true;
        }
        let covered = self.covered(slot);
        if covered >= topic.appended || topic.journal.pending > 0 || self.goes_direct(slot) {
            return false;
        }
        // While direct writes of the topic are on their way, what comes behind them waits for the next one, or for them.
        let in_segment = topic
            .last_segment
            .map_or(0, |at| self.segments[at].log(self.segments[at].submitted));
        in_segment <= topic.journal.to || in_segment <= topic.level()
    }

    /// Puts in what fits, and asks for stable storage if somebody in it does.
    pub(super) fn compose(&mut self, block: &mut Block) {
        self.compose_endangered(block);
        self.compose_carried(block);
        for _ in 0..self.dirty.len() {
            let Some(slot) = self.dirty.take() else { break };
            self.look_ahead(&self.dirty);
            let slot = TopicSlot(slot);
            if self.live[slot.index()] && self.journal_due(slot) && !self.compose_topic(block, slot)
            {
                self.dirty.add(slot.0);
                break;
            }
        }
        self.compose_commits(block);
        for _ in 0..self.unstated.len() {
            let Some(slot) = self.unstated.take() else {
                break;
            };
            let topic = &mut self.topics[slot as usize];
            if !self.live[slot as usize] || topic.durable_offset <= topic.stated {
                continue;
            }
            let entry = Entry::Watermark {
                topic: topic.id,
                epoch: topic.epoch,
                durable_offset: topic.durable_offset,
            };
            if !block.put(&entry) {
                self.unstated.add(slot);
                break;
            }
            topic.stated = topic.durable_offset;
        }
        let ahead = self.compose_ahead(block);
        // Watermarks alone: nobody waits, but an unflushed block would cost the next one its DSYNC. Tails ahead are worth that: a
        // flush for each rest of a topic is what they save.
        block.durable |= self.journal.members.is_empty() && !ahead;
    }

    /// Puts in nothing but the tails that topics need before they can settle.
    pub(super) fn compose_tails(&mut self, block: &mut Block) {
        for _ in 0..self.dirty.len() {
            let Some(slot) = self.dirty.take() else { break };
            self.dirty.add(slot);
            let slot = TopicSlot(slot);
            let topic = &self.topics[slot.index()];
            let wanted = self.live[slot.index()] && topic.phase == Phase::Live;
            if wanted && topic.needs_tail && !topic.tail_pending {
                self.compose_settled_tail(block, slot);
            }
        }
    }

    /// Puts what the journal should have of a topic into the block. False: not all of it fits.
    fn compose_topic(&mut self, block: &mut Block, slot: TopicSlot) -> bool {
        let topic = &self.topics[slot.index()];
        if topic.needs_tail && !topic.tail_pending && !self.compose_settled_tail(block, slot) {
            return false;
        }
        if self.goes_direct(slot) {
            return true;
        }
        let covered = self.covered(slot);
        let topic = &self.topics[slot.index()];
        let mut end = covered;
        let mut whole = true;
        for batch in self.batches.iter(&topic.batches) {
            if batch.end <= covered {
                continue;
            }
            let segment = &self.segments[batch.segment];
            let start = segment.log(batch.position);
            // The start of a batch that a direct write has already stays there; its rest is a tail.
            let from = batch.position + covered.saturating_sub(start);
            let to = batch.position + u64::from(batch.len);
            let Some(slab) = self.slab_of(slot, batch.segment, from) else {
                break;
            };
            let bytes = self.slabs.bytes(slab, from, to);
            let place = Place {
                topic: topic.id,
                epoch: topic.epoch,
                segment: segment.name.base_offset,
                position: from,
            };
            let entry = if from == batch.position {
                Entry::Batch { place, bytes }
            } else {
                Entry::Tail { place, bytes }
            };
            if !block.put(&entry) {
                // What no block can hold goes straight to its segment, as soon as that is there.
                whole = entry.encoded_len() > block.capacity - BLOCK_HEADER;
                break;
            }
            end = batch.end;
        }
        if end > covered {
            let topic = &mut self.topics[slot.index()];
            topic.journal.pending_from = covered;
            topic.journal.pending = end;
            block.durable |= topic.durability == Durability::Durable;
            self.hold(slot, end);
            self.join_block(slot);
        }
        whole
    }

    /// The acknowledged bytes of a block that was written padded, before it is written again.
    fn compose_settled_tail(&mut self, block: &mut Block, slot: TopicSlot) -> bool {
        let topic = &self.topics[slot.index()];
        let Some(slab) = topic.write_slab else {
            return true;
        };
        let held = self.slabs[slab];
        let segment = &self.segments[held.segment];
        if !held.filled {
            return true; // Asked for again when it is.
        }
        let place = Place {
            topic: topic.id,
            epoch: topic.epoch,
            segment: segment.name.base_offset,
            position: held.base,
        };
        let settled = segment.log(segment.settled);
        if !block.put(&Entry::Tail {
            place,
            bytes: self.slabs.bytes(slab, held.base, held.first),
        }) {
            return false;
        }
        block.durable = true;
        self.topics[slot.index()].tail_pending = true;
        self.hold(slot, settled + 1);
        self.join_block(slot);
        true
    }

    /// The slab that holds a position of a segment.
    fn slab_of(&self, slot: TopicSlot, segment: SegmentRef, position: u64) -> Option<SlabId> {
        let mut next = self.topics[slot.index()].first_slab;
        while let Some(slab) = next {
            let held = &self.slabs[slab];
            if held.segment == segment && !held.clean && (held.first..held.end).contains(&position)
            {
                return Some(slab);
            }
            next = held.next;
        }
        None
    }

    fn join_block(&mut self, slot: TopicSlot) {
        if self.journal.members.last() != Some(&slot) {
            self.journal.members.push(slot);
        }
    }

    /// The topic needs the current chunk until its segment is flushed to `until`.
    pub(super) fn hold(&mut self, slot: TopicSlot, until: u64) {
        let generation = self.journal.generation();
        let topic = &mut self.topics[slot.index()];
        topic.journal.hold = topic.journal.hold.max(until);
        if topic.journal.low == 0 {
            topic.journal.low = generation;
            self.journal.chunks.hold(0, generation);
        }
    }
}
