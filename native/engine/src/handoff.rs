//! Between the ingest agent and the I/O agent: what stands where, in the order in which it was laid out.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};

use crate::format::batch::SortKey;
use crate::memory::SlabId;
use crate::messages::Ticket;
use crate::recovery::Position;
use crate::topics::TopicSlot;

/// Ingest -> Io. Of one topic they arrive in the order of its bytes.
#[derive(Clone, Copy, Debug)]
pub enum ToDisk {
    /// The next batch starts a new segment; the one before is complete.
    Segment {
        slot: TopicSlot,
        base_offset: u64,
        base_record: u64,
        start_ns: u64,
    },
    /// A slab that holds bytes of the current segment. The topic's earlier slab, if any, is closed.
    Slab {
        slot: TopicSlot,
        slab: SlabId,
        /// Position in the segment of the slab's first byte, a multiple of 4,096.
        base: u64,
        /// Position of the slab's first batch; what lies between `base` and here belongs to earlier batches and is not
        /// in the slab yet.
        first: u64,
    },
    /// A frame whose bytes end at this position of the current segment: acknowledge it when that is reached.
    Frame {
        slot: TopicSlot,
        ticket: Ticket,
        end: u64,
        enqueued_mono_ns: u64,
        complete_mono_ns: u64,
    },
    /// A batch that is complete, header and all, and never changes again.
    Batch(BatchPlace),
    /// The topic's slab takes no more (the answer to every `FromDisk::CloseSlab`).
    Closed { slot: TopicSlot },
    /// The current segment is complete; there is no next one yet.
    Sealed { slot: TopicSlot },
    /// The last message of a topic that is being removed.
    Removed { slot: TopicSlot },
}

/// Where a batch stands, and what it starts with.
#[derive(Clone, Copy, Debug)]
pub struct BatchPlace {
    pub slot: TopicSlot,
    /// Position of its header in the current segment.
    pub position: u64,
    /// Bytes, header included.
    pub len: u32,
    pub records: u32,
    pub base_offset: u64,
    pub base_record: u64,
    pub key: SortKey,
    /// The header's checksum.
    pub chain: u32,
}

/// Io -> Ingest.
#[derive(Clone, Copy, Debug)]
pub enum FromDisk {
    /// A slab is free again.
    Free(SlabId),
    /// A topic to take frames for, and where it goes on. `segment` is its active one, with the position of its end.
    Add {
        slot: TopicSlot,
        topic: u32,
        epoch: u32,
        next: Position,
        segment: Option<ActiveSegment>,
    },
    /// Take nothing more for the topic; answered by `ToDisk::Removed`.
    Remove { slot: TopicSlot, topic: u32 },
    /// Close the topic's slab, so that its last block can be written. Always answered by `ToDisk::Closed`.
    CloseSlab { slot: TopicSlot },
    /// End the segment. Answered by `ToDisk::Sealed` if it has any batch.
    Seal { slot: TopicSlot },
}

/// The active segment of a recovered topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSegment {
    pub base_offset: u64,
    /// Position of the next batch.
    pub end: u64,
    /// Wall clock of the first record, ns.
    pub start_ns: u64,
}

/// Whether a topic takes writes, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Frozen {
    No,
    /// An I/O error: a restart recovers it.
    Error,
    /// Recovery found damage: it stays until that is repaired.
    Damage,
}

/// What both agents look at without asking each other.
pub struct Shared {
    /// By topic slot: everything of the topic below this offset is on stable storage. Written by Io.
    durable_offset: Vec<AtomicU64>,
    /// By topic slot: a `Frozen`. Written by Io.
    frozen: Vec<AtomicU8>,
    /// By topic slot: segments that are not sealed yet. Written by Io; bounds how far rotation runs ahead.
    unsealed: Vec<AtomicU32>,
    /// The disk is too full. Written by the control plane.
    pub refuse_writes: AtomicBool,
    /// The node goes down: nothing new is taken. Written by the control plane.
    pub draining: AtomicBool,
    /// The ingest agent waits for a slab: Io recycles what it can. Written by Ingest.
    pub starved: AtomicBool,
    /// The table of unsealed segments has room only for first ones: no rotation. Written by Io.
    pub rotation_paused: AtomicBool,
    /// Journal alone cannot take anything more: writes are refused. Written by Io.
    pub journal_failed: AtomicBool,
}

impl Shared {
    /// For `topics` slots.
    #[must_use]
    pub fn new(topics: u32) -> Self {
        Self {
            durable_offset: (0..topics).map(|_| AtomicU64::new(0)).collect(),
            frozen: (0..topics).map(|_| AtomicU8::new(0)).collect(),
            unsealed: (0..topics).map(|_| AtomicU32::new(0)).collect(),
            refuse_writes: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            rotation_paused: AtomicBool::new(false),
            journal_failed: AtomicBool::new(false),
        }
    }
    // All of these are hints or monotonic: what they announce travels in messages, so `Relaxed` is enough.
    pub fn durable_offset(&self, slot: TopicSlot) -> u64 {
        self.durable_offset[slot.index()].load(Ordering::Relaxed)
    }
    pub fn set_durable_offset(&self, slot: TopicSlot, offset: u64) {
        self.durable_offset[slot.index()].store(offset, Ordering::Relaxed);
    }
    pub fn frozen(&self, slot: TopicSlot) -> Frozen {
        match self.frozen[slot.index()].load(Ordering::Relaxed) {
            0 => Frozen::No,
            1 => Frozen::Error,
            _ => Frozen::Damage,
        }
    }
    pub fn set_frozen(&self, slot: TopicSlot, frozen: Frozen) {
        self.frozen[slot.index()].store(frozen as u8, Ordering::Relaxed);
    }
    pub fn unsealed(&self, slot: TopicSlot) -> u32 {
        self.unsealed[slot.index()].load(Ordering::Relaxed)
    }
    pub fn set_unsealed(&self, slot: TopicSlot, segments: u32) {
        self.unsealed[slot.index()].store(segments, Ordering::Relaxed);
    }
}
