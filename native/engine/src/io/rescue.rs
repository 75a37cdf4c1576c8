//! Acknowledged bytes whose block is written over: the device may leave neither the old block nor the new one if that write
//! fails, or if no flush ever covers it and the power goes. So what no journal entry has is journaled when the write fails, and
//! what one has stays in memory until a flush made the block certain again: a frozen topic carries it on (`io/carry.rs`).

use std::ops::Range;

use super::agent::IoAgent;
use super::compose::Block;
use super::device::Write;
use super::tails::Tails;
use super::topic::Phase;
use crate::format::journal::{Entry, Place};
use crate::keeper::SegmentRef;
use crate::memory::SlabId;
use crate::topics::TopicSlot;

/// The start of a block that a write of a `written` topic was free to lose, and may have lost.
#[derive(Clone, Copy, Debug)]
struct Endangered {
    slot: TopicSlot,
    segment: SegmentRef,
    /// The slab that was written, which begins with the block.
    slab: SlabId,
    from: u64,
    to: u64,
}

/// What is kept of such blocks.
pub(super) struct Rescue {
    /// Of each topic the durable starts of blocks that it wrote over from slabs which may be gone. Two: while a flush is to make one
    /// certain, the block in which that one's bytes end may be written over too.
    over: [Tails; 2],
    /// Those that the journal should have at once. At most one of each segment, whose topic is frozen then.
    endangered: Vec<Endangered>,
}

impl Rescue {
    /// Room for so many topics and segments.
    #[must_use]
    pub fn new(topics: u32, segments: u32) -> Self {
        Self {
            over: [(); 2].map(|()| Tails::new(topics)),
            endangered: Vec::with_capacity(segments as usize),
        }
    }
    /// Whether a journal block has something to take.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.endangered.is_empty()
    }
    /// The topic is gone.
    pub fn forget(&mut self, slot: TopicSlot) {
        self.over.iter_mut().for_each(|over| over.forget(slot));
        self.endangered.retain(|block| block.slot != slot);
    }
    /// Nothing comes to stable storage any more.
    pub fn give_up(&mut self) {
        self.endangered.clear();
    }
}

impl IoAgent {
    /// A write failed: what its first block had before, and no journal entry has, is journaled.
    pub(super) fn endanger(&mut self, slot: TopicSlot, write: &Write) {
        let frozen = self.topics[slot.index()].phase == Phase::Frozen;
        if write.over == 0 || !frozen || self.journal.has_failed() {
            return;
        }
        let endangered = &self.rescue.endangered;
        assert!(
            endangered
                .iter()
                .all(|block| block.segment != write.segment),
            "a block is written over when all before is written, and a frozen topic writes no more"
        );
        self.rescue.endangered.push(Endangered {
            slot,
            segment: write.segment,
            slab: write.slab,
            from: write.from,
            to: write.over,
        });
    }

    /// Puts in the starts of endangered blocks, as far as they fit.
    pub(super) fn compose_endangered(&mut self, block: &mut Block) {
        while let Some(&Endangered {
            slot,
            segment,
            slab,
            from,
            to,
        }) = self.rescue.endangered.last()
        {
            let topic = &self.topics[slot.index()];
            let segment = &self.segments[segment];
            let place = Place {
                topic: topic.id,
                epoch: topic.epoch,
                segment: segment.name.base_offset,
                position: from,
            };
            let until = segment.log(to);
            let bytes = self.slabs.bytes(slab, from, to);
            if !block.put(&Entry::Tail { place, bytes }) {
                return;
            }
            block.durable = true;
            self.rescue.endangered.pop();
            // The block is whole again only with a flush that covers what failed: never.
            self.hold(slot, until + 1);
        }
    }

    /// A slab that may go before it is flushed: if it was written over bytes that are durable, or are about to be, those are kept.
    /// False: there is no place for them before a flush is over.
    pub(super) fn keep_written_over(&mut self, slot: TopicSlot, slab: SlabId) -> bool {
        let held = &self.slabs[slab];
        let segment = &self.segments[held.segment];
        let durable = segment.flushed.max(segment.flushing.unwrap_or(0));
        if !held.filled || held.base == held.first || held.base >= durable {
            return true;
        }
        let start = segment.log(held.base);
        let flushed = self.flushed_log(slot);
        let place = self.rescue.over.iter_mut().find(|over| {
            let known = over.known(slot);
            known.start == start || known.end < flushed || known.is_empty()
        });
        if let Some(over) = place {
            let bytes = self.slabs.bytes(slab, held.base, held.first);
            over.keep(slot, start, bytes);
            return true;
        }
        false
    }

    /// Log positions of the first bytes behind `from` that were written over, if no flush covers that: an older journal entry alone
    /// has them for certain.
    pub(super) fn uncertain(&self, slot: TopicSlot, from: u64) -> Option<Range<u64>> {
        let flushed = self.flushed_log(slot);
        let all = self.rescue.over.iter().map(|over| over.known(slot));
        all.filter(|over| !over.is_empty() && over.end >= flushed && over.end > from)
            .min_by_key(|over| over.start)
    }

    /// Such bytes, for the journal.
    pub(super) fn written_over(&self, slot: TopicSlot, over: &Range<u64>) -> Option<Entry<'_>> {
        let len = over.end - over.start;
        let mut all = self.rescue.over.iter();
        let bytes = all.find_map(|tails| tails.find(slot, over.start, len))?;
        let mut next = self.topics[slot.index()].first_segment;
        while let Some(at) = next {
            let segment = &self.segments[at];
            let ends = segment.end.map(|end| segment.log(end));
            if segment.log_base <= over.start && ends.is_none_or(|end| over.start < end) {
                let topic = &self.topics[slot.index()];
                let place = Place {
                    topic: topic.id,
                    epoch: topic.epoch,
                    segment: segment.name.base_offset,
                    position: over.start - segment.log_base,
                };
                return Some(Entry::Tail { place, bytes });
            }
            next = segment.next;
        }
        None
    }
}
