//! Segments that are being written: from their first batch until they are sealed.

use crate::format::names::SegmentName;
use crate::keeper::SegmentRef;
use crate::limits::BLOCK;
use crate::memory::approach;
use crate::ring::FileSlot;
use crate::storage::Handle;
use crate::topics::TopicSlot;

/// The file of a segment, as the ring knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum File {
    /// Not open, or its name is not durable yet.
    #[default]
    Closed,
    /// The keeper is at it.
    Opening,
    Open {
        handle: Handle,
        slot: FileSlot,
    },
}

/// A segment of a topic that is not sealed.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub slot: TopicSlot,
    pub name: SegmentName,
    /// Its file is there under its name, durably.
    pub created: bool,
    pub file: File,
    /// Log position of its first byte.
    pub log_base: u64,
    /// Position where it ends, once it is complete.
    pub end: Option<u64>,
    /// Timestamp of its last record, ns.
    pub end_ns: u64,
    /// Blocks are reserved up to here.
    pub allocated: u64,
    pub extending: bool,
    /// Space ran out for a step ahead: only what is needed is reserved from now on.
    pub tight: bool,
    /// Every byte below was handed to the device.
    pub submitted: u64,
    /// Every byte below was accepted by the device.
    pub accepted: u64,
    /// Every byte below is covered by a reaped flush.
    pub flushed: u64,
    /// A flush is under way that covers everything below.
    pub flushing: Option<u64>,
    /// The block that a flush left out of what it makes durable, since it was not full: a block is left out once.
    pub left_out: Option<u64>,
    pub writes: u32,
    /// The last block was written padded, with acknowledged bytes up to here; 0: not so.
    pub settled: u64,
    /// A flushed journal entry holds the acknowledged bytes of that block, so it may be written again.
    pub protected: bool,
    pub sealing: bool,
    /// Position of the last batch that has an index entry, or is about to.
    pub indexed: Option<u64>,
    /// Every entry that the index should have was given to the keeper.
    pub whole_index: bool,
    /// The topic's next one.
    pub next: Option<SegmentRef>,
}

impl Segment {
    /// A segment that starts with the next batch.
    #[must_use]
    pub fn new(slot: TopicSlot, name: SegmentName, log_base: u64) -> Self {
        Self {
            slot,
            name,
            created: false,
            file: File::Closed,
            log_base,
            end: None,
            end_ns: name.start_ns,
            allocated: 0,
            extending: false,
            tight: false,
            submitted: 0,
            accepted: 0,
            flushed: 0,
            flushing: None,
            left_out: None,
            writes: 0,
            settled: 0,
            protected: false,
            sealing: false,
            indexed: None,
            whole_index: true,
            next: None,
        }
    }
    /// Log position of a position.
    #[must_use]
    pub fn log(&self, position: u64) -> u64 {
        self.log_base + position
    }
    /// Number of the block in which what was accepted ends.
    #[must_use]
    pub fn last_block(&self) -> u64 {
        self.accepted / BLOCK
    }
    /// The ring's slot of the file, if it is open.
    #[must_use]
    pub fn open(&self) -> Option<FileSlot> {
        match self.file {
            File::Open { slot, .. } => Some(slot),
            File::Closed | File::Opening => None,
        }
    }
}

/// All segments of a node that are not sealed, by number. It never grows.
pub struct Segments {
    all: Vec<Option<Segment>>,
    free: Vec<SegmentRef>,
    capacity: u32,
}

impl Segments {
    /// Room for `capacity` segments.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        // Reserved, and populated as it is used.
        Self {
            all: Vec::with_capacity(capacity as usize),
            free: Vec::with_capacity(capacity as usize),
            capacity,
        }
    }
    /// Adds one. `None`: no room.
    pub fn add(&mut self, segment: Segment) -> Option<SegmentRef> {
        if let Some(at) = self.free.pop() {
            self.all[at as usize] = Some(segment);
            return Some(at);
        }
        let at = self.all.len() as u32;
        (at < self.capacity).then(|| {
            self.all.push(Some(segment));
            at
        })
    }
    /// Takes one out.
    pub fn remove(&mut self, at: SegmentRef) -> Segment {
        let segment = self.all[at as usize]
            .take()
            .expect("a segment is removed once");
        self.free.push(at);
        segment
    }
    /// How many more fit.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.capacity - self.all.len() as u32 + self.free.len() as u32
    }
    /// Asks for a segment's memory ahead.
    pub fn approach(&self, at: SegmentRef) {
        approach(&self.all[at as usize]);
    }
    /// One that may be gone: a late report names it.
    #[must_use]
    pub fn find(&mut self, at: SegmentRef) -> Option<&mut Segment> {
        self.all.get_mut(at as usize)?.as_mut()
    }
}

impl std::ops::Index<SegmentRef> for Segments {
    type Output = Segment;
    fn index(&self, at: SegmentRef) -> &Segment {
        self.all[at as usize]
            .as_ref()
            .expect("a topic names only segments that are there")
    }
}

impl std::ops::IndexMut<SegmentRef> for Segments {
    fn index_mut(&mut self, at: SegmentRef) -> &mut Segment {
        self.all[at as usize]
            .as_mut()
            .expect("a topic names only segments that are there")
    }
}
