//! Reads: fetches from memory and from disk, addresses, and those who wait (design.md, section 6).

mod ahead;
mod cold;
mod copy;
mod cursors;
mod judge;
mod locate;
mod requests;
mod tail;
mod wait;

pub use locate::{reaches, within};

use ahead::{Ahead, Closing, AHEAD};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::limits::Limits;
use crate::list::SlotQueue;
use crate::memory::{Pool, SlabId};
use crate::messages::{ChecksumKind, FetchMode, FetchRequest};
use crate::ring::FileSlot;
use crate::storage::Handle;
use crate::topics::TopicSlot;

/// Cold reads under way at once, at most.
const READS: usize = 16;
/// Places on disk that are remembered between fetches, at most; each keeps a file open.
pub const CURSORS: usize = 64;

/// A fetch that waits for data.
#[derive(Clone, Copy, Debug)]
struct Waiter {
    fetch: FetchRequest,
    slot: TopicSlot,
}

/// A place on disk: where the batch that holds an offset starts.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// Its number, by which what is read ahead for it is known.
    id: u64,
    slot: TopicSlot,
    /// The next record to hand out.
    offset: u64,
    /// Offset of the first record of the batch at `position`.
    base_offset: u64,
    position: u64,
    handle: Handle,
    file: FileSlot,
    /// A read buffer that holds bytes of the file, verified up to the batch at `position`.
    buffer: Option<Buffer>,
    /// Bytes of the largest batch seen.
    batch: u32,
    /// A fetch went on where the one before ended.
    in_order: bool,
    used_ns: u64,
}

/// Bytes of a file in a read slab.
#[derive(Clone, Copy, Debug)]
struct Buffer {
    slab: SlabId,
    /// Place in the slab of the first byte.
    at: u32,
    /// Position in the file of the first byte.
    base: u64,
    /// Bytes that were asked for; fewer come only where the file ends.
    asked: u32,
    len: u32,
    /// Position behind the last batch whose checksums were verified.
    verified: u64,
    /// Offset below which the segment was complete on disk when the bytes were read: nothing is judged by later ones.
    below: u64,
}

/// A response while it is put together.
#[derive(Clone, Copy, Debug)]
struct Response {
    slab: SlabId,
    /// Bytes it may have.
    budget: u32,
    len: u32,
    records: u32,
    next_offset: u64,
    mode: FetchMode,
    /// Checksum of its first `summed` bytes, in the kind that its connection speaks.
    sum: u32,
    summed: u32,
    kind: ChecksumKind,
    /// A batch's own checksum is in it.
    combined: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The finder looks for the place.
    Finding,
    /// The ring reads into the cursor's buffer.
    Reading,
    /// What comes next is being read ahead.
    Awaiting,
    /// Retention removes all that is on disk.
    Vanished,
    /// A buffer or a response is wanting.
    Starved,
}

/// A cold read.
#[derive(Clone, Copy, Debug)]
struct ColdRead {
    slot: TopicSlot,
    fetch: FetchRequest,
    stage: Stage,
    cursor: Option<Cursor>,
    response: Option<Response>,
    started_ns: u64,
}

/// What the agent keeps for its readers.
pub struct Reader {
    responses: Pool,
    reads: Pool,
    waiters: Vec<Option<Waiter>>,
    free_waiters: Vec<u32>,
    /// By topic slot: its first waiter; the rest follow in `next_waiter`.
    first_waiter: Vec<u32>,
    next_waiter: Vec<u32>,
    /// Deadlines, earliest first. An entry may be out of date: its request tells.
    deadlines: BinaryHeap<Reverse<(u64, u32, RequestOrder)>>,
    /// Topics with new data that somebody may wait for.
    fresh: SlotQueue,
    cold: [Option<ColdRead>; READS],
    /// Fetches that wait for a cold read to end, or for a response slab.
    queued: VecDeque<FetchRequest>,
    cursors: Vec<Cursor>,
    next_cursor: u64,
    ahead: Vec<Ahead>,
    closing: Vec<Closing>,
    free_files: Vec<FileSlot>,
    waiting: u64,
    /// Removals of old segments that the keeper has not told the outcome of.
    retaining: u32,
    /// A fetch was put off; the network agent is told so now and then.
    short: bool,
    short_said_ns: u64,
}

/// A request's number, so that it can stand in the heap.
type RequestOrder = u64;

const NONE: u32 = u32::MAX;

impl Reader {
    /// All memory is allocated here.
    #[must_use]
    pub fn new(limits: &Limits, responses: Pool, reads: Pool) -> Self {
        Self {
            responses,
            reads,
            waiters: vec![None; limits.waiters as usize],
            free_waiters: (0..limits.waiters).rev().collect(),
            first_waiter: vec![NONE; limits.topics as usize],
            next_waiter: vec![NONE; limits.waiters as usize],
            deadlines: BinaryHeap::with_capacity(limits.waiters as usize * 2),
            fresh: SlotQueue::new(limits.topics),
            cold: [None; READS],
            queued: VecDeque::with_capacity(limits.waiters as usize),
            cursors: Vec::with_capacity(CURSORS),
            next_cursor: 0,
            ahead: Vec::with_capacity(AHEAD),
            closing: Vec::with_capacity(AHEAD + 1),
            free_files: limits.reader_files().rev().map(FileSlot).collect(),
            waiting: 0,
            retaining: 0,
            short: false,
            short_said_ns: 0,
        }
    }
    /// Slabs for responses, and for cold reads.
    #[must_use]
    pub fn pools(&self) -> [&Pool; 2] {
        [&self.responses, &self.reads]
    }
    /// More of a topic is readable.
    pub fn advanced(&mut self, slot: TopicSlot) {
        if self.first_waiter[slot.index()] != NONE {
            self.fresh.add(slot.0);
        }
    }
    /// The keeper is told to remove old segments.
    pub fn retains(&mut self) {
        self.retaining += 1;
    }
    /// The topic is being removed: whoever waits for it is answered.
    pub fn removed(&mut self, slot: TopicSlot) {
        self.advanced(slot);
    }
    /// The earliest time at which a waiting fetch is answered with what there is.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.deadlines.peek().map(|Reverse((at, ..))| *at)
    }
    /// Whether the ring or the finder works for a reader of the topic.
    #[must_use]
    pub fn reads_of(&self, slot: TopicSlot) -> bool {
        self.cold.iter().flatten().any(|read| read.slot == slot)
    }
}
