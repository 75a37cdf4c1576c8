//! The last block of each topic, where batches end inside it: the next one begins with a copy of it, and thousands of
//! topics have no slab in between that would still hold it.

use std::ops::Range;

use crate::limits::BLOCK;
use crate::topics::TopicSlot;

/// What of a block is there.
#[derive(Clone, Copy, Default)]
struct Known {
    /// Log position of the block's start.
    log: u64,
    /// Bytes of it; 0: nothing is known.
    len: u64,
}

/// A block for each topic.
pub(super) struct Tails {
    /// By slot; zeros of the system's, populated as slots are used.
    blocks: Vec<u8>,
    known: Vec<Known>,
}

impl Tails {
    /// Room for so many topics.
    #[must_use]
    pub fn new(topics: u32) -> Self {
        Self {
            blocks: vec![0; topics as usize * BLOCK as usize],
            known: vec![Known::default(); topics as usize],
        }
    }
    /// Keeps the first bytes of a topic's block.
    pub fn keep(&mut self, slot: TopicSlot, log: u64, bytes: &[u8]) {
        let len = bytes.len() as u64;
        assert!(len < BLOCK, "the block is not full");
        self.blocks[place(slot, len)].copy_from_slice(bytes);
        self.known[slot.index()] = Known { log, len };
    }
    /// The first `len` bytes of a topic's block, if they are there.
    #[must_use]
    pub fn find(&self, slot: TopicSlot, log: u64, len: u64) -> Option<&[u8]> {
        let known = self.known[slot.index()];
        (known.log == log && (1..=known.len).contains(&len)).then(|| &self.blocks[place(slot, len)])
    }
    /// What is there of a topic's block, as log positions; empty: nothing.
    #[must_use]
    pub fn known(&self, slot: TopicSlot) -> Range<u64> {
        let Known { log, len } = self.known[slot.index()];
        log..log + len
    }
    /// The topic is gone.
    pub fn forget(&mut self, slot: TopicSlot) {
        self.known[slot.index()] = Known::default();
    }
}

/// Where the first `len` bytes of a topic's block are.
fn place(slot: TopicSlot, len: u64) -> Range<usize> {
    let from = slot.index() * BLOCK as usize;
    from..from + len as usize
}
