//! Slabs in the I/O agent's hands: what of which segment each one holds.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::keeper::SegmentRef;
use crate::limits::{Limits, BLOCK, DIRECT_BYTES};
use crate::memory::{approach, SlabClass, SlabId, SlabTable};
use crate::topics::TopicSlot;

/// What a slab holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub slot: TopicSlot,
    pub segment: SegmentRef,
    /// Position in the segment of the slab's first byte, a multiple of 4,096.
    pub base: u64,
    /// Position of its first batch; bytes between `base` and here are the end of earlier batches.
    pub first: u64,
    /// Position where its complete batches end.
    pub end: u64,
    /// The ingest agent puts nothing more into it.
    pub closed: bool,
    /// The bytes between `base` and `first` are there.
    pub filled: bool,
    /// They are being read from the disk.
    pub filling: bool,
    /// Offset of the first record of its first batch.
    pub first_offset: u64,
    /// Everything in it is in its segment, as safe as its topic asks for: it is kept only for readers.
    pub clean: bool,
    /// Log position of its end, once it is clean: it may outlive its segment.
    pub log_end: u64,
    /// Clean slabs became so in this order.
    pub cleaned: u64,
    /// The topic's next one.
    pub next: Option<SlabId>,
}

/// What a slab is wanted for, by its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Bytes that go through the journal, or in a jumbo slab a batch that fits in no other.
    Other,
    /// One direct write.
    Direct,
    /// Several: a busy topic needs one after the other.
    Largest,
}

const RANKS: usize = 3;

/// All slabs that the I/O agent holds.
pub struct Slabs {
    table: std::sync::Arc<SlabTable>,
    held: Vec<Option<Held>>,
    /// Clean ones by rank, oldest first: the tail cache, and what is given back first.
    clean: [VecDeque<SlabId>; RANKS],
    cleaned: u64,
    /// Bytes held, jumbo ones included.
    bytes: u64,
    /// How many are held of each rank.
    of_rank: [u32; RANKS],
    /// The largest regular ones.
    large: SlabClass,
    /// How many there are of `Rank::Direct`.
    direct: u32,
    /// How many are held that take direct writes and that the ingest agent still writes into: each is another topic's.
    open: u32,
}

impl Slabs {
    /// For the slabs of a table of `count` entries, topics' slabs as `limits` has them.
    #[must_use]
    pub fn new(table: std::sync::Arc<SlabTable>, count: u32, limits: &Limits) -> Self {
        let large = limits.large_topic_class();
        Self {
            table,
            held: (0..count).map(|_| None).collect(),
            clean: [count; RANKS].map(|count| VecDeque::with_capacity(count as usize)),
            cleaned: 0,
            bytes: 0,
            of_rank: [0; RANKS],
            direct: limits.direct_slabs() - large.count,
            large,
            open: 0,
        }
    }
    /// Takes a slab over.
    pub fn take(&mut self, slab: SlabId, held: Held) {
        assert!(self.held[slab.0 as usize].is_none(), "a slab has one owner");
        self.bytes += u64::from(self.table.bytes(slab));
        self.of_rank[self.rank(slab) as usize] += 1;
        self.open += u32::from(self.is_open(slab, &held));
        self.held[slab.0 as usize] = Some(held);
    }
    /// Asks for what is known of a slab ahead, its bytes apart.
    pub fn approach(&self, slab: SlabId) {
        approach(&self.held[slab.0 as usize]);
    }
    /// Lets a slab go.
    pub fn release(&mut self, slab: SlabId) -> Held {
        self.bytes -= u64::from(self.table.bytes(slab));
        self.of_rank[self.rank(slab) as usize] -= 1;
        let held = self.held[slab.0 as usize]
            .take()
            .expect("a slab is released once");
        self.open -= u32::from(self.is_open(slab, &held));
        held
    }
    /// The ingest agent puts nothing more into a slab.
    pub fn close(&mut self, slab: SlabId) {
        self.open -= u32::from(self.is_open(slab, &self[slab]));
        self[slab].closed = true;
    }
    fn is_open(&self, slab: SlabId, held: &Held) -> bool {
        !held.closed && u64::from(self.table.bytes(slab)) > DIRECT_BYTES
    }
    fn rank(&self, slab: SlabId) -> Rank {
        let bytes = self.table.bytes(slab);
        match bytes.cmp(&self.large.bytes) {
            Ordering::Equal => Rank::Largest,
            Ordering::Less if u64::from(bytes) > DIRECT_BYTES => Rank::Direct,
            Ordering::Less | Ordering::Greater => Rank::Other,
        }
    }
    /// Marks a slab, whose end is at a log position, as kept for readers only.
    pub fn mark_clean(&mut self, slab: SlabId, log_end: u64) {
        self.cleaned += 1;
        let cleaned = self.cleaned;
        let held = &mut self[slab];
        (held.clean, held.log_end, held.cleaned) = (true, log_end, cleaned);
        let rank = self.rank(slab);
        self.clean[rank as usize].push_back(slab);
    }
    /// The one that has been clean for longest.
    #[must_use]
    pub fn oldest_clean(&self) -> Option<SlabId> {
        let fronts = self.clean.iter().filter_map(VecDeque::front);
        fronts.copied().min_by_key(|&slab| self[slab].cleaned)
    }
    /// The one among those of a rank, while fewer than a quarter of all of them are free.
    #[must_use]
    pub fn scarce_clean(&self, rank: Rank) -> Option<SlabId> {
        let all = match rank {
            Rank::Largest => self.large.count,
            Rank::Direct => self.direct,
            // Nothing asks for one of these ahead.
            Rank::Other => return None,
        };
        let scarce = self.of_rank[rank as usize] > all - all / 4;
        self.clean[rank as usize]
            .front()
            .copied()
            .filter(|_| scarce)
    }
    /// Takes a slab out of the queue of clean ones, wherever it stands there.
    pub fn forget_clean(&mut self, slab: SlabId) {
        let rank = self.rank(slab);
        let queue = &mut self.clean[rank as usize];
        if queue.front() == Some(&slab) {
            queue.pop_front();
        } else {
            queue.retain(|&other| other != slab);
        }
    }
    /// Bytes held.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        self.bytes
    }
    /// How many topics have an open slab for direct writes.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open
    }
    /// Complete bytes of a slab, `from..to` in positions of its segment.
    #[must_use]
    pub fn bytes(&self, slab: SlabId, from: u64, to: u64) -> &[u8] {
        let held = &self[slab];
        let known = if held.filled { held.base } else { held.first };
        assert!(
            known <= from && from <= to && to <= held.end,
            "only complete bytes are read"
        );
        // SAFETY: the range is inside the slab, and its bytes below `end` never change: the ingest agent writes only
        // behind them, and this agent only into the part before `first` that was not filled.
        unsafe {
            std::slice::from_raw_parts(
                self.table.at(slab).add((from - held.base) as usize),
                (to - from) as usize,
            )
        }
    }
    /// Address of a position.
    #[must_use]
    pub fn at(&self, slab: SlabId, position: u64) -> *const u8 {
        let held = &self[slab];
        assert!(position >= held.base && position - held.base < u64::from(self.table.bytes(slab)));
        // SAFETY: inside the slab (asserted).
        unsafe { self.table.at(slab).add((position - held.base) as usize) }
    }
    /// Puts the bytes in front of a slab's first batch in place.
    pub fn fill(&mut self, slab: SlabId, bytes: *const u8) {
        let held = &mut self.held[slab.0 as usize].as_mut().expect("held");
        assert!(!held.filled && held.first - held.base < BLOCK);
        // SAFETY: the part before `first` is this agent's alone until it is filled; `bytes` points at as many bytes of
        // another slab or of a read buffer (the callers').
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes,
                self.table.at(slab),
                (held.first - held.base) as usize,
            )
        };
        held.filled = true;
        held.filling = false;
    }
    /// Zeros from the end of a closed slab's batches to the end of their last block, so that it can be written whole.
    pub fn pad(&mut self, slab: SlabId) {
        let held = &self[slab];
        assert!(
            held.closed,
            "the ingest agent may still write behind the end"
        );
        let from = held.end - held.base;
        let to = from.next_multiple_of(BLOCK);
        assert!(to <= u64::from(self.table.bytes(slab)));
        // SAFETY: inside the slab (asserted), behind its last batch, and the ingest agent has let it go.
        unsafe {
            std::ptr::write_bytes(
                self.table.at(slab).add(from as usize),
                0,
                (to - from) as usize,
            )
        };
    }
}

impl std::ops::Index<SlabId> for Slabs {
    type Output = Held;
    fn index(&self, slab: SlabId) -> &Held {
        self.held[slab.0 as usize]
            .as_ref()
            .expect("a topic names only slabs that are held")
    }
}

impl std::ops::IndexMut<SlabId> for Slabs {
    fn index_mut(&mut self, slab: SlabId) -> &mut Held {
        self.held[slab.0 as usize]
            .as_mut()
            .expect("a topic names only slabs that are held")
    }
}
