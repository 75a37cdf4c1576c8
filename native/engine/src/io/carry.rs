//! What the journal alone holds of a frozen topic goes along from chunk to chunk, so that one topic's I/O error does not
//! keep the ring from going round (design.md, section 5).
//!
//! Its durable bytes that no flushed segment has for certain are all in memory still. They, and what of the acknowledged is in
//! slabs, are journaled again into the current chunk; once that is flushed, the topic needs no older one.

use super::agent::IoAgent;
use super::chunks::MAX_CHUNKS;
use super::compose::Block;
use super::slabs::Held;
use super::topic::Phase;
use crate::format::batch::{BatchHeader, BATCH_HEADER};
use crate::format::journal::{Entry, Place, BLOCK_HEADER, ENTRY_ALIGN, PLACE};
use crate::limits::BLOCK;
use crate::memory::SlabId;
use crate::topics::TopicSlot;

/// One part in so many of each chunk may be carried bytes; the rest is for the living.
const SHARE: u64 = 2;

/// A topic on its way into the current chunk; one at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carry {
    slot: TopicSlot,
    /// Of the first block with bytes of it; 0: none yet.
    generation: u64,
    /// Everything that is needed below this log position is carried.
    from: u64,
    /// The block being written has bytes of it.
    in_block: bool,
}

/// What is carried, and how much of the current chunk that took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carrying {
    now: Option<Carry>,
    generation: u64,
    spent: u64,
}

impl IoAgent {
    /// Begins to carry a frozen topic, if it is one of those that keep the oldest chunk and none is under way. Whether
    /// it did.
    pub(super) fn carry(&mut self, slot: TopicSlot) -> bool {
        let topic = &self.topics[slot.index()];
        let low = topic.journal.low;
        let wanted = topic.phase == Phase::Frozen && low > 0 && low < self.journal.generation();
        if !wanted || self.carrying.now.is_some() || low > self.journal.chunks.oldest_needed() {
            return false;
        }
        if topic.journal.pending > 0 || topic.tail_pending {
            return false;
        }
        let Some(from) = self.needed_from(slot) else {
            // Nothing that was acknowledged stands in the journal alone.
            self.move_on(slot, 0);
            return true;
        };
        self.carrying.now = Some(Carry {
            slot,
            generation: 0,
            from,
            in_block: false,
        });
        true
    }

    /// Whether the next block should have carried bytes.
    pub(super) fn carry_due(&self) -> bool {
        let spent = match self.carrying.generation == self.journal.generation() {
            true => self.carrying.spent,
            false => 0,
        };
        spent < self.config.chunk_bytes / SHARE
            && self.carrying.now.is_some_and(|carry| !carry.in_block)
    }

    /// Puts carried bytes into a block, half of it at most where more than one entry is needed.
    pub(super) fn compose_carried(&mut self, block: &mut Block) {
        if !self.carry_due() {
            return;
        }
        let Some(mut carry) = self.carrying.now else {
            return;
        };
        if !self.is_left(&carry) {
            // A flush that was under way when it froze had the rest.
            self.carrying.now = None;
            return self.move_on(carry.slot, carry.generation);
        }
        let (before, entries) = (block.used, block.entries);
        let most = block.capacity / 2;
        while block.entries == entries || block.used < most {
            let room = block.capacity.saturating_sub(block.used);
            let Some((entry, end)) = self.next_carried(&carry, room) else {
                break;
            };
            if !block.put(&entry) {
                break;
            }
            carry.from = end;
        }
        if block.entries == entries {
            return;
        }
        block.durable = true;
        carry.in_block = true;
        let generation = self.journal.generation();
        if carry.generation == 0 {
            carry.generation = generation;
        }
        let carrying = &mut self.carrying;
        if carrying.generation != generation {
            (carrying.generation, carrying.spent) = (generation, 0);
        }
        carrying.spent += (block.used - before) as u64;
        carrying.now = Some(carry);
    }

    /// The block is over and flushed: when all of the topic is in such blocks, its older chunks may go.
    pub(super) fn carried(&mut self) {
        let Some(carry) = self.carrying.now.as_mut().filter(|carry| carry.in_block) else {
            return;
        };
        carry.in_block = false;
        let carry = *carry;
        if !self.is_left(&carry) {
            self.carrying.now = None;
            self.move_on(carry.slot, carry.generation);
        }
    }

    /// Whether anything needed is not carried yet.
    fn is_left(&self, carry: &Carry) -> bool {
        self.uncertain(carry.slot, carry.from).is_some()
            || self.slab_at(carry.slot, carry.from).is_some()
    }

    /// The topic needs no chunk below a generation (0: none at all).
    fn move_on(&mut self, slot: TopicSlot, generation: u64) {
        let journal = &mut self.topics[slot.index()].journal;
        if journal.low > 0 {
            let low = std::mem::replace(&mut journal.low, generation);
            self.journal.chunks.hold(low, generation);
        }
    }

    /// A topic goes, or the journal does: nothing of it is carried any more.
    pub(super) fn carry_no_more(&mut self, slot: Option<TopicSlot>) {
        self.carrying
            .now
            .take_if(|carry| slot.is_none_or(|slot| slot == carry.slot));
    }

    /// Gives up the journal if a frozen topic keeps the oldest chunk for good and every other chunk is full: better that
    /// clients hear of it than that they wait for ever.
    pub(super) fn give_up_if_stuck(&mut self) {
        if self.journal.chunks.count() < MAX_CHUNKS || self.settling > 0 {
            return;
        }
        let oldest = self.journal.chunks.oldest_needed();
        let keeps = (0..self.topics.len()).find(|&index| {
            let topic = &self.topics[index];
            topic.phase == Phase::Frozen && topic.journal.low == oldest
        });
        // What has just begun to be carried may fit into the rest of the chunk.
        if keeps.is_some_and(|index| !self.carry(TopicSlot(index as u32))) {
            self.journal_broke(
                libc::ENOSPC,
                "keeping frozen topics' records in the journal",
            );
        }
    }

    /// Where the acknowledged bytes start that no flushed segment holds, or whose block may have been written over.
    fn needed_from(&self, slot: TopicSlot) -> Option<u64> {
        let over = self.uncertain(slot, 0).map(|over| over.start);
        over.into_iter().chain(self.needed_in_slabs(slot)).min()
    }

    fn needed_in_slabs(&self, slot: TopicSlot) -> Option<u64> {
        let slab = self.slab_at(slot, 0)?;
        let segment = &self.segments[self.slabs[slab].segment];
        let flushed = segment.log(segment.flushed / BLOCK * BLOCK);
        let from = self.known_from(slab).max(flushed);
        self.slab_at(slot, from).map(|_| from)
    }

    /// Log position from which on a slab has its bytes.
    fn known_from(&self, slab: SlabId) -> u64 {
        let held = &self.slabs[slab];
        let known = if held.filled { held.base } else { held.first };
        self.segments[held.segment].log(known)
    }

    /// The first slab with needed bytes from a log position on.
    fn slab_at(&self, slot: TopicSlot, from: u64) -> Option<SlabId> {
        let topic = &self.topics[slot.index()];
        let mut next = topic.first_slab;
        while let Some(slab) = next {
            let held = &self.slabs[slab];
            next = held.next;
            if held.clean {
                continue;
            }
            let segment = &self.segments[held.segment];
            let end = match segment.log(held.first) < topic.readable_log {
                true => segment.log(held.end).min(topic.readable_log),
                false if self.wrote_over(held) => segment.log(held.first),
                false => 0,
            };
            if from < end && segment.flushed < held.end {
                return Some(slab);
            }
        }
        None
    }

    /// Whether a slab was written from its first block on, which has the end of acknowledged batches: if that write
    /// failed, only a journal entry has them for certain.
    pub(super) fn wrote_over(&self, held: &Held) -> bool {
        let shared = held.filled && held.base < held.first;
        shared && self.segments[held.segment].submitted > held.first
    }

    /// The next entry for a block with `room`, and the log position where it ends.
    fn next_carried(&self, carry: &Carry, room: usize) -> Option<(Entry<'_>, u64)> {
        // What went into a block whole does so again: a segment without a name is made of its first batch.
        let largest = self.journal.buffer_bytes as usize - BLOCK_HEADER;
        let slab = self.slab_at(carry.slot, carry.from);
        let in_slab = slab.map(|slab| self.known_from(slab).max(carry.from));
        let over = self.uncertain(carry.slot, carry.from);
        if let Some(over) = over.filter(|over| in_slab.is_none_or(|from| over.start <= from)) {
            return Some((self.written_over(carry.slot, &over)?, over.end));
        }
        let slab = slab?;
        let held = &self.slabs[slab];
        let segment = &self.segments[held.segment];
        let topic = &self.topics[carry.slot.index()];
        let place = |position| Place {
            topic: topic.id,
            epoch: topic.epoch,
            segment: segment.name.base_offset,
            position,
        };
        let at = carry.from.max(self.known_from(slab)) - segment.log_base;
        let (mut start, mut end) = (held.base, held.first);
        while end <= at {
            start = end;
            end += self.batch_len(slab, start);
        }
        let at = at.max(start);
        if at == start && start >= held.first {
            let bytes = self.slabs.bytes(slab, start, end);
            let batch = Entry::Batch {
                place: place(start),
                bytes,
            };
            if batch.encoded_len() <= largest {
                return Some((batch, segment.log(end)));
            }
        }
        // The rest of a batch, or of one that no block can hold, in pieces where it must be.
        let least = Entry::len_of(PLACE) + ENTRY_ALIGN;
        let most = room.checked_sub(least).filter(|&most| most > 0)? as u64;
        let whole = Entry::len_of(PLACE + (end - at) as usize);
        let to = match whole <= largest {
            true => end,
            false => end.min(at + most),
        };
        let bytes = self.slabs.bytes(slab, at, to);
        let place = place(at);
        Some((Entry::Tail { place, bytes }, segment.log(to)))
    }

    /// Length of the batch at a position of a slab, where one starts.
    fn batch_len(&self, slab: SlabId, at: u64) -> u64 {
        let head = self.slabs.bytes(slab, at, at + BATCH_HEADER as u64);
        let head = head.first_chunk().expect("as long as a header");
        let (header, _) = BatchHeader::decode(head).expect("the ingest agent laid it out");
        header.batch_len()
    }
}
