//! Segment writes in flight.

use crate::keeper::SegmentRef;
use crate::memory::SlabId;

/// Segment writes that are in flight at once, at most: enough to keep a device busy.
pub const DEPTH: usize = 16;

/// A segment write.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    pub segment: SegmentRef,
    pub slab: SlabId,
    /// Position in the segment, a multiple of 4,096.
    pub from: u64,
    /// Position behind its last block.
    pub to: u64,
    pub submitted_ns: u64,
}

/// The table of writes in flight.
pub struct Device {
    writes: [Option<Write>; DEPTH],
    in_flight: usize,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            writes: [None; DEPTH],
            in_flight: 0,
        }
    }
}

impl Device {
    /// Whether another write may start.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_flight < DEPTH
    }
    /// Writes in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
    /// Notes a write; returns its number.
    pub fn start(&mut self, write: Write) -> u64 {
        let at = self
            .writes
            .iter()
            .position(Option::is_none)
            .expect("has_room");
        self.writes[at] = Some(write);
        self.in_flight += 1;
        at as u64
    }
    /// The write of that number goes on with what is left of it, from `from`.
    pub fn shorten(&mut self, number: u64, from: u64) {
        let write = self.writes[number as usize].as_mut().expect("in flight");
        assert!(from > write.from && from < write.to);
        write.from = from;
    }
    /// The write of that number.
    #[must_use]
    pub fn get(&self, number: u64) -> Write {
        self.writes[number as usize].expect("a completion names a write in flight")
    }
    /// The write of that number is over.
    pub fn finish(&mut self, number: u64) -> Write {
        self.in_flight -= 1;
        self.writes[number as usize]
            .take()
            .expect("a write completes once")
    }
    /// Whether a write from a slab is in flight.
    #[must_use]
    pub fn writes_from(&self, slab: SlabId) -> bool {
        self.writes.iter().flatten().any(|write| write.slab == slab)
    }
    /// Lowest position of a segment that is still in flight.
    #[must_use]
    pub fn lowest(&self, segment: SegmentRef) -> Option<u64> {
        self.writes
            .iter()
            .flatten()
            .filter(|write| write.segment == segment)
            .map(|write| write.from)
            .min()
    }
}
