//! The keeper: names, seals and removes files, for agents that never block.
//!
//! Thread: one of its own, no agent; it may block and allocate. The simulator runs it inline. The finder, a second such
//! thread, looks addresses up on disk, so that a slow rename never delays a reader; the flusher, a third one, waits for
//! calls that make everything durable; the remover, a fourth one, gives blocks back.

mod files;
mod find;
mod flusher;
mod indexes;
mod jobs;
mod names;
mod recycled;
mod remains;
#[cfg(test)]
mod removal_tests;
mod sealed;
mod search;
mod spare;
#[cfg(test)]
mod trial;

pub use files::{Catalogue, TopicFiles};
pub use find::Finder;
pub use flusher::{FlushAll, FlushedAll, Flusher};
pub use jobs::Keeper;
pub use remains::{Remains, Remover, STEP};
pub use spare::{make_chunk, REGION};

use crate::error::Refusal;
use crate::format::batch::SortKey;
use crate::format::index::IndexEntry;
use crate::format::names::SegmentName;
use crate::messages::{LocateBy, RequestId};
use crate::recovery::{CommittedOffset, TopicMetadata};
use crate::storage::Handle;
use crate::topics::TopicSlot;

/// A segment that is being written, by the I/O agent's number.
pub type SegmentRef = u32;

/// Io -> Keeper.
#[derive(Debug)]
pub enum Job {
    /// A topic whose directory is there; `sealed` are its sealed segments.
    AddTopic {
        slot: TopicSlot,
        metadata: Box<TopicMetadata>,
        sealed: Vec<(SegmentName, u64)>,
        active: Option<SegmentName>,
    },
    /// Removes the topic's directory durably.
    RemoveTopic {
        slot: TopicSlot,
    },
    /// Makes the file of a new active segment and its name durable. Answered by `Opened`.
    Create {
        segment: SegmentRef,
        slot: TopicSlot,
        name: SegmentName,
    },
    /// Opens an active segment for writing. Answered by `Opened`.
    Open {
        segment: SegmentRef,
        slot: TopicSlot,
        name: SegmentName,
    },
    /// Reserves blocks up to `to`. Answered by `Extended`.
    Extend {
        segment: SegmentRef,
        slot: TopicSlot,
        file: Handle,
        to: u64,
    },
    /// Appends to the indexes of an active segment; the batch is durable.
    Index {
        slot: TopicSlot,
        name: SegmentName,
        entry: IndexEntry,
    },
    /// Cuts to `end`, flushes, gives the final name; all bytes are flushed already. Closes the file. `whole_index` says
    /// that every entry was given. Answered by `Sealed`.
    Seal {
        segment: SegmentRef,
        slot: TopicSlot,
        name: SegmentName,
        end_ns: u64,
        end: u64,
        file: Option<Handle>,
        whole_index: bool,
    },
    /// Removes sealed segments that end at or below the offset; `end` is the end of the topic. Answered by `Removed`.
    Retain {
        slot: TopicSlot,
        below_offset: u64,
        end: u64,
        query: u64,
    },
    /// Makes another journal chunk. Answered by `Chunk`.
    Chunk {
        number: u64,
        bytes: u64,
    },
    /// Writes all committed offsets. Answered by `Commits`.
    Commits {
        all: Vec<CommittedOffset>,
    },
    Close {
        file: Handle,
    },
}

/// Keeper -> Io. `Err` carries the errno.
#[derive(Debug)]
pub enum Report {
    /// `allocated` bytes of the file can be written without extending it.
    Opened {
        segment: SegmentRef,
        slot: TopicSlot,
        result: Result<(Handle, u64), i32>,
    },
    Extended {
        segment: SegmentRef,
        slot: TopicSlot,
        result: Result<u64, i32>,
    },
    Sealed {
        segment: SegmentRef,
        slot: TopicSlot,
        result: Result<(), i32>,
    },
    /// What is left: first offset and record (`None`: no sealed segment is left), bytes and number of sealed segments.
    Removed {
        slot: TopicSlot,
        query: u64,
        result: Result<Kept, i32>,
    },
    TopicRemoved {
        slot: TopicSlot,
        result: Result<(), i32>,
    },
    Chunk {
        number: u64,
        result: Result<Handle, i32>,
    },
    /// The memory of the job comes back, emptied.
    Commits {
        result: Result<(), i32>,
        memory: Vec<CommittedOffset>,
    },
}

/// The sealed segments that are left after a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub first: Option<(u64, u64)>,
    pub bytes: u64,
    pub segments: u32,
    pub removed_segments: u32,
    pub removed_bytes: u64,
}

/// Io -> Finder. Everything of a topic below `below` is on disk for good.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    /// Where to read on: the batch that holds the offset, which lies below what is in memory.
    Read {
        read: u32,
        slot: TopicSlot,
        offset: u64,
    },
    /// The first record at or after an address, among those below `below`.
    Locate {
        request: RequestId,
        topic: u32,
        slot: TopicSlot,
        by: LocateBy,
        below: u64,
    },
    Close {
        file: Handle,
    },
}

/// Finder -> Io.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// `None`: no segment is left, retention took them all.
    Read {
        read: u32,
        slot: TopicSlot,
        result: Result<Option<Found>, Refusal>,
    },
    /// `None`: everything below `below` lies before the address.
    Locate {
        request: RequestId,
        topic: u32,
        by: LocateBy,
        result: Result<Option<Located>, Refusal>,
    },
}

/// A batch on disk, and the file to read it from (open, `O_DIRECT`; given back by `Question::Close`).
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub file: Handle,
    /// Position of the batch header.
    pub position: u64,
    /// Offset of the batch's first record.
    pub base_offset: u64,
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    pub offset: u64,
    pub record: u64,
    pub key: SortKey,
}
