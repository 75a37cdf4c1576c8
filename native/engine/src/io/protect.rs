//! Last blocks of `written` topics, put into the journal before they are written again (design.md, section 5).
//!
//! A block with bytes that count as durable is written again only while a flushed journal entry holds them. Asked for when the
//! next batch is there, that is a synchronous write for it to wait for; of thousands of topics together, a flush of the device every few
//! milliseconds. So the tail of a topic that rests goes into the journal as soon as everything before it is flushed and
//! before it counts as durable itself, and is flushed with the journal's next flush, the interval's if no other.

use super::agent::IoAgent;
use super::compose::Block;
use super::topic::{Phase, Settle};
use crate::format::journal::{Entry, Place};
use crate::limits::BLOCK;
use crate::list::SlotQueue;
use crate::recovery::Durability;
use crate::topics::TopicSlot;

/// In the place of the end of a tail on its way that protects nothing any more.
const VOID: u64 = u64::MAX;

/// A tail in a journal block that no flush covers yet.
#[derive(Clone, Copy, Debug)]
struct Tail {
    slot: TopicSlot,
    /// Log position of its end.
    end: u64,
}

/// Topics whose last block is on its way into the journal.
pub(super) struct Protecting {
    /// Those whose tail no block has yet.
    wanted: SlotQueue,
    /// At most one of each topic.
    unflushed: Vec<Tail>,
}

impl Protecting {
    /// Room for so many topics.
    #[must_use]
    pub fn new(topics: u32) -> Self {
        Self {
            wanted: SlotQueue::new(topics),
            unflushed: Vec::with_capacity(topics as usize),
        }
    }
    /// Whether a journal block has something to take.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }
    /// The topic is gone.
    pub fn forget(&mut self, slot: TopicSlot) {
        self.unflushed.retain(|tail| tail.slot != slot);
    }
    /// Nothing of it comes to stable storage any more.
    pub fn give_up(&mut self) {
        while self.wanted.take().is_some() {}
        self.unflushed.clear();
    }
}

impl IoAgent {
    /// Asks for the topic's last block in the journal, if that is worth it now.
    pub(super) fn protect_ahead(&mut self, slot: TopicSlot) {
        if self.tail_ahead(slot).is_some() {
            self.protecting.wanted.add(slot.0);
        }
    }

    /// The topic's last block as log positions, if it rests there padded, alone unflushed, and nothing has it in the journal.
    fn tail_ahead(&self, slot: TopicSlot) -> Option<(u64, u64)> {
        let topic = &self.topics[slot.index()];
        let segment = &self.segments[topic.last_segment?];
        let block = segment.settled / BLOCK * BLOCK;
        let rests = topic.durability == Durability::Written
            && topic.phase == Phase::Live
            && topic.settle == Settle::No
            && topic.appended == segment.log(segment.settled)
            && segment.submitted == segment.settled
            && segment.accepted == segment.settled
            && segment.end.is_none();
        let alone_unflushed = segment.flushed == block && segment.flushing.is_none();
        let asked = segment.protected || topic.needs_tail || topic.tail_ahead > 0;
        (segment.settled > block && rests && alone_unflushed && !asked)
            .then(|| (segment.log(block), segment.log(segment.settled)))
    }

    /// Puts in tails that nobody waits for, as far as they fit. Returns whether there was any.
    pub(super) fn compose_ahead(&mut self, block: &mut Block) -> bool {
        let mut any = false;
        for _ in 0..self.protecting.wanted.len() {
            let Some(slot) = self.protecting.wanted.take() else {
                break;
            };
            let slot = TopicSlot(slot);
            if !self.live[slot.index()] {
                continue;
            }
            let Some((start, end)) = self.tail_ahead(slot) else {
                continue;
            };
            // Of a slab that is not let go yet there is no copy: its topic is busy, or asks when it has to.
            let Some(bytes) = self.tails.find(slot, start, end - start) else {
                continue;
            };
            let topic = &self.topics[slot.index()];
            let segment = &self.segments[topic.last_segment.expect("it has a last block")];
            let place = Place {
                topic: topic.id,
                epoch: topic.epoch,
                segment: segment.name.base_offset,
                position: start - segment.log_base,
            };
            if !block.put(&Entry::Tail { place, bytes }) {
                self.protecting.wanted.add(slot.0);
                break;
            }
            assert!(
                self.protecting.unflushed.len() < self.topics.len(),
                "a topic has one tail on its way"
            );
            self.protecting.unflushed.push(Tail { slot, end });
            self.topics[slot.index()].tail_ahead = end;
            // Until the block that is written over it is flushed.
            self.hold(slot, end + 1);
            any = true;
        }
        any
    }

    /// Every block so far is on stable storage: tails in them protect their blocks, where those are as they were.
    pub(super) fn protected_ahead(&mut self) {
        while let Some(Tail { slot, end }) = self.protecting.unflushed.pop() {
            let topic = &mut self.topics[slot.index()];
            if std::mem::take(&mut topic.tail_ahead) != end {
                continue;
            }
            let Some(at) = topic.last_segment else {
                continue;
            };
            let segment = &mut self.segments[at];
            let as_it_was =
                segment.log(segment.settled) == end && segment.submitted == segment.settled;
            // A segment that begins there has no such block.
            if as_it_was && segment.settled > 0 {
                segment.protected = true;
                // Asked for meanwhile: a tail that is composed later would not hold what is written now.
                topic.needs_tail &= topic.tail_pending;
            }
            self.ready.add(slot.0);
        }
    }

    /// Lets the journal go of a topic that is flushed to its end: what is written over its last block next must ask again.
    /// Returns whether it did.
    pub(super) fn unprotect(&mut self, slot: TopicSlot) -> bool {
        let flushed = self.flushed_log(slot);
        let topic = &mut self.topics[slot.index()];
        let waits = topic.needs_tail || topic.tail_pending || topic.journal.pending > 0;
        if topic.journal.low == 0 || waits || flushed < topic.appended {
            return false;
        }
        if topic.tail_ahead > 0 {
            topic.tail_ahead = VOID;
        }
        topic.journal.hold = 0;
        let low = std::mem::take(&mut topic.journal.low);
        if let Some(at) = topic.last_segment {
            self.segments[at].protected = false;
        }
        self.journal.chunks.hold(low, 0);
        true
    }
}
