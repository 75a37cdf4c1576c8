//! A topic as the I/O agent sees it: how far its bytes have come.

use crate::keeper::SegmentRef;
use crate::list::Fifo;
use crate::memory::SlabId;
use crate::messages::Ticket;
use crate::recovery::{Durability, Position};

/// Whether a topic still takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Phase {
    #[default]
    Live,
    /// An I/O error stopped its writes until a restart; what was acknowledged is served.
    Frozen,
    /// It is being removed.
    Removing,
}

/// An address in the record stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct End {
    pub offset: u64,
    pub record: u64,
}

/// What of the topic the journal holds, in log positions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Journaled {
    /// Start of the run of bytes that blocks hold without a gap.
    pub from: u64,
    /// End of that run, as far as the blocks were accepted.
    pub to: u64,
    /// What the block being written adds; `pending` 0: nothing of the topic.
    pub pending_from: u64,
    pub pending: u64,
    /// Sequence of the last accepted block with bytes of the topic.
    pub sequence: u64,
    /// Oldest chunk generation with bytes that no flushed segment holds; 0: none.
    pub low: u64,
    /// The journal is no longer needed for the topic once the segment is flushed to here.
    pub hold: u64,
}

impl Journaled {
    /// End of what blocks hold, the one being written among them.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.to.max(self.pending)
    }
}

/// How far a topic is on the way of bringing everything into its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Settle {
    #[default]
    No,
    /// The ingest agent was asked to close the slab.
    Closing { flush: bool },
    /// Everything up to this log position goes to the segment, the last partial block too. `generation` is the journal's
    /// when that was fixed. Without `flush` it is only written: that frees a slab, and a chunk of the journal is not wanted.
    Writing {
        to: u64,
        generation: u64,
        flush: bool,
    },
}

impl Settle {
    /// Asks for stable storage too, if something is under way. False: nothing is.
    pub fn asks(&mut self, stable: bool) -> bool {
        match self {
            Self::No => false,
            Self::Closing { flush } | Self::Writing { flush, .. } => {
                *flush |= stable;
                true
            }
        }
    }
}

/// A topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Topic {
    pub id: u32,
    pub epoch: u32,
    pub durability: Durability,
    pub phase: Phase,
    /// End of complete batches.
    pub appended: u64,
    /// Accepted by the device without a gap, in the segment or the journal.
    pub accepted: u64,
    /// On stable storage without a gap.
    pub durable: u64,
    pub journal: Journaled,
    pub settle: Settle,
    /// The block that was written padded must be journaled before its segment can be written on.
    pub needs_tail: bool,
    /// A tail entry is in the block being written.
    pub tail_pending: bool,
    /// Log position of the end of a tail that is in the journal ahead of need and not flushed yet; 0: none.
    pub tail_ahead: u64,
    pub first_segment: Option<SegmentRef>,
    pub last_segment: Option<SegmentRef>,
    pub unsealed: u32,
    pub first_slab: Option<SlabId>,
    pub last_slab: Option<SlabId>,
    /// Log position up to which slabs became clean before their segment was flushed. None of them holds bytes that are durable
    /// in the journal alone.
    pub parted: u64,
    /// The slab whose bytes go to the segment next; everything in those before it was submitted.
    pub write_slab: Option<SlabId>,
    /// Complete batches that are not readable yet (`Batch`).
    pub batches: Fifo,
    /// Frames that are not acknowledged yet (`Frame`).
    pub frames: Fifo,
    /// Index entries of readable batches that are not durable yet.
    pub entries: Fifo,
    pub first: End,
    /// End of what is readable, and so of what is acknowledged.
    pub readable: End,
    /// Log position of `readable`.
    pub readable_log: u64,
    /// Offset below which everything is on stable storage.
    pub durable_offset: u64,
    /// It is time to flush what was only written.
    pub flush_wanted: bool,
    /// A flush that was submitted when this much was readable (log position, offset) will make it durable.
    pub mark: (u64, u64),
    /// Durable offset that a header or a watermark on stable storage states already.
    pub stated: u64,
    /// Where the next batch goes on, as far as complete.
    pub next: Position,
    pub sealed_bytes: u64,
    pub sealed_segments: u32,
    /// The control plane's question that waits for a seal.
    pub seal_query: Option<SealQuery>,
}

/// A question that is answered when the segments of its time are sealed.
#[derive(Clone, Copy, Debug)]
pub struct SealQuery {
    /// Its number.
    pub query: u64,
    /// How many of them are not sealed yet, at least 1.
    pub left: u32,
}

/// A complete batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    pub segment: SegmentRef,
    pub position: u64,
    pub len: u32,
    /// Log position of its end.
    pub end: u64,
    pub base: End,
    /// Where the batch after it starts.
    pub next: End,
    pub timestamp_ns: u64,
    pub node_actor_sequence: u64,
}

/// A frame that waits for its ack.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub ticket: Ticket,
    /// Log position of its end.
    pub end: u64,
    pub enqueued_ns: u64,
    /// When it had been received whole.
    pub complete_ns: u64,
    /// When a write that covers it was submitted; 0: not yet.
    pub submitted_ns: u64,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            ticket: Ticket(0),
            end: 0,
            enqueued_ns: 0,
            complete_ns: 0,
            submitted_ns: 0,
        }
    }
}

impl Topic {
    /// The log position that an ack waits for.
    #[must_use]
    pub fn level(&self) -> u64 {
        match self.durability {
            Durability::Durable => self.durable,
            Durability::Written => self.accepted,
        }
    }
}
