//! Segment writes in flight.

use crate::keeper::SegmentRef;
use crate::memory::SlabId;

/// Segment writes that are in flight at once, at most.
pub const DEPTH: usize = 64;
/// Bytes of them from which no further one starts: what is more would only wait in the device instead of in memory, and the
/// journal behind it.
pub const IN_FLIGHT_BYTES: u64 = 4 << 20;

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
    bytes: u64,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            writes: [None; DEPTH],
            in_flight: 0,
            bytes: 0,
        }
    }
}

impl Device {
    /// Whether another write may start.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_flight < DEPTH && self.bytes < IN_FLIGHT_BYTES
    }
    /// Whether it has so many that some slabs come free in a moment.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.in_flight >= DEPTH / 2
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
        self.bytes += write.to - write.from;
        at as u64
    }
    /// The write of that number goes on with what is left of it, from `from`.
    pub fn shorten(&mut self, number: u64, from: u64) {
        let write = self.writes[number as usize].as_mut().expect("in flight");
        assert!(from > write.from && from < write.to);
        self.bytes -= from - write.from;
        write.from = from;
    }
    /// The write of that number.
    #[must_use]
    pub fn get(&self, number: u64) -> Write {
        self.writes[number as usize].expect("a completion names a write in flight")
    }
    /// The write of that number is over.
    pub fn finish(&mut self, number: u64) -> Write {
        let write = self.writes[number as usize]
            .take()
            .expect("a write completes once");
        self.in_flight -= 1;
        self.bytes -= write.to - write.from;
        write
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

#[cfg(test)]
mod tests {
    use super::*;

    fn write(from: u64, bytes: u64) -> Write {
        Write {
            segment: 1,
            slab: SlabId(1),
            from,
            to: from + bytes,
            submitted_ns: 0,
        }
    }

    fn fill(bytes: u64) -> (Device, Vec<u64>) {
        let (mut device, mut numbers) = (Device::default(), Vec::new());
        while device.has_room() {
            numbers.push(device.start(write(numbers.len() as u64 * bytes, bytes)));
        }
        (device, numbers)
    }

    #[test]
    fn thousands_of_topics_keep_the_device_as_busy_as_one() {
        let (device, small) = fill(68 << 10);
        assert!(small.len() as u64 * (68 << 10) >= IN_FLIGHT_BYTES);
        assert!(device.is_busy());
        let (_, tiny) = fill(4096);
        assert_eq!(tiny.len(), DEPTH);
        let (_, large) = fill(256 << 10);
        assert_eq!(large.len(), 16);
    }

    #[test]
    fn what_is_done_of_a_write_makes_room() {
        let (mut device, numbers) = fill(1 << 20);
        device.shorten(numbers[0], 4096);
        assert!(device.has_room());
        let again = device.start(write(1 << 30, 4096));
        assert!(!device.has_room());
        for number in numbers.into_iter().chain([again]) {
            device.finish(number);
        }
        assert_eq!((device.in_flight(), device.bytes), (0, 0));
    }
}
