//! What agents say to each other. Each message is plain data; ownership of slabs and buffers travels with it.

use crate::error::Refusal;
use crate::memory::SlabId;
use crate::ring::RecvBuffer;

/// Which CRC a connection speaks and a batch is stored with (lwp.md, "Which checksum").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// IEEE, zlib's.
    Crc32,
    /// Castagnoli.
    Crc32c,
}

/// An ingest frame on its way, by its place in the network agent's table of frames in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u32);

/// A request that waits for its answer, by the network agent's own number; others only echo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// Where the bytes of a frame lie, to be given back when they are no longer needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a shared receive buffer of the network agent's ring.
    Shared(RecvBuffer),
    /// In a frame slab, payload at its start.
    Slab(SlabId),
}

/// Network -> Ingest: a whole frame, header and payload checksum verified.
#[derive(Clone, Copy, Debug)]
pub struct IngestFrame {
    pub ticket: Ticket,
    pub topic: u32,
    pub payload: *const u8,
    pub len: u32,
    /// Checksum of the payload as it came, of this kind.
    pub checksum: u32,
    pub kind: ChecksumKind,
    /// Flag 0x01: the payload is compressed.
    pub compressed: bool,
    /// What the header claims.
    pub records: u32,
    /// The producer's timestamp from the header, ns.
    pub producer_ns: u64,
    /// Wall clock when the frame was complete, ns: the time of receipt in the sort key.
    pub received_ns: u64,
    /// Monotonic clock when the frame was handed over, ns: a stage is measured from it.
    pub enqueued_mono_ns: u64,
    /// Monotonic clock when the frame was complete, ns.
    pub complete_mono_ns: u64,
    pub source: Source,
}

// SAFETY: the payload pointer refers to memory that `source` owns, and `source` travels with it.
unsafe impl Send for IngestFrame {}

/// Ingest -> Network.
#[derive(Clone, Copy, Debug)]
pub enum FromIngest {
    /// The bytes of a frame are no longer needed (also after a refusal).
    Consumed(Source),
    /// Nothing of the frame is stored.
    Refused { ticket: Ticket, refusal: Refusal },
}

/// Network -> Io: what the engine answers without the control plane (lwp.md, "Control commands").
#[derive(Clone, Copy, Debug)]
pub enum ToIo {
    Fetch(FetchRequest),
    Locate {
        request: RequestId,
        topic: u32,
        by: LocateBy,
    },
    /// Answered by `Resolved`.
    Subscribe {
        request: RequestId,
        topic: u32,
        offset: u64,
    },
    Commit {
        request: RequestId,
        topic: u32,
        consumer: u64,
        offset: u64,
    },
    GetCommitted {
        request: RequestId,
        topic: u32,
        consumer: u64,
    },
    /// A response's buffer, sent (or its connection gone).
    Release(SlabId),
    /// A waiting fetch whose connection is gone; it is not answered.
    Forget(RequestId),
}

/// Fetch, FetchWait, FetchBatches.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest {
    pub request: RequestId,
    pub topic: u32,
    /// u64::MAX asks for the end. (2^63-1, the clients' END, is resolved by the network agent's pins.)
    pub offset: u64,
    /// Already capped at what a frame can carry.
    pub max_bytes: u32,
    pub min_bytes: u32,
    /// Monotonic deadline of a FetchWait, ns; 0: answer at once.
    pub deadline_ns: u64,
    /// Monotonic clock when the request was complete, or its wait was over, ns.
    pub asked_ns: u64,
    pub mode: FetchMode,
    /// What the connection speaks: the sums of whole batches combine to the response's.
    pub kind: ChecksumKind,
}

/// What a response is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchMode {
    /// Records, batch headers left out.
    Records,
    /// Whole batches with their headers, counted in `max_bytes`.
    Batches,
}

/// What `Locate` searches by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocateBy {
    Record(u64),
    /// Wall clock, ns.
    Time(u64),
    /// `timestamp_ns`, `node_id:16 | actor_id:8 | sequence:40`.
    Key(u64, u64),
    /// The record that holds this offset.
    Offset(u64),
}

/// Io -> Network.
#[derive(Clone, Copy, Debug)]
pub enum FromIo {
    /// The durability that the topic asks for is reached.
    Acked {
        ticket: Ticket,
        /// Monotonic clock when that was known, ns.
        stable_ns: u64,
    },
    /// An ingest that was taken over and could not be stored.
    Failed {
        ticket: Ticket,
        refusal: Refusal,
    },
    Fetched {
        request: RequestId,
        data: FetchData,
    },
    Located {
        request: RequestId,
        offset: u64,
        record: u64,
        timestamp_ns: u64,
        node_actor_sequence: u64,
    },
    Resolved {
        request: RequestId,
        offset: u64,
    },
    /// Answer to Commit and GetCommitted.
    Committed {
        request: RequestId,
        consumer: u64,
        offset: u64,
    },
    /// Fetches wait for memory of responses: whoever holds it and does not read is in the way.
    Short,
    /// Any request that failed.
    Refused {
        request: RequestId,
        refusal: Refusal,
    },
}

/// The data of a fetch response.
#[derive(Clone, Copy, Debug)]
pub struct FetchData {
    /// A slab of the response pool with the data from `RESPONSE_HEADROOM` on; none where there is no data.
    pub slab: Option<SlabId>,
    /// Bytes of data.
    pub len: u32,
    pub records: u32,
    pub next_offset: u64,
    /// Checksum of the data in the connection's kind, where it came from those of batches; otherwise the sender computes it.
    pub sum: Option<u32>,
}
