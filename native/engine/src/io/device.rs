//! Segment writes in flight.

use crate::keeper::SegmentRef;
use crate::memory::SlabId;

/// Segment writes that are in flight at once, at most.
pub const DEPTH: usize = 64;
/// So many may be in flight whatever they are; further ones only where something waits for them: the journal would wait behind others
/// in the device, and acks for the journal.
const PATIENT_DEPTH: usize = 16;
/// Bytes in flight from which none beyond those starts: what is more would only wait in the device instead of in memory.
const IN_FLIGHT_BYTES: u64 = 4 << 20;

/// A segment write.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    pub segment: SegmentRef,
    pub slab: SlabId,
    /// Position in the segment, a multiple of 4,096.
    pub from: u64,
    /// Position behind its last block.
    pub to: u64,
    /// Where bytes end that its first block had before, and that are nowhere else if this fails; 0: there are none.
    pub over: u64,
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
    /// Whether another write may start. `waited_for`: acks wait for it, or a frame for its slab.
    #[must_use]
    pub fn has_room(&self, waited_for: bool) -> bool {
        let further = waited_for && self.in_flight < DEPTH && self.bytes < IN_FLIGHT_BYTES;
        self.in_flight < PATIENT_DEPTH || further
    }
    /// Whether it has more than it may have of those that nothing waits for.
    #[must_use]
    pub fn takes_direct_writes(&self) -> bool {
        self.in_flight > PATIENT_DEPTH
    }
    /// Whether it has so many that some complete in a moment.
    #[must_use]
    pub fn completes_soon(&self) -> bool {
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
        // Its first block is written.
        write.over = 0;
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
        self.all().any(|write| write.slab == slab)
    }
    /// Lowest position of a segment that is still in flight.
    #[must_use]
    pub fn lowest(&self, segment: SegmentRef) -> Option<u64> {
        self.all()
            .filter(|write| write.segment == segment)
            .map(|write| write.from)
            .min()
    }
    /// Those in flight. The lowest places are taken first, so most of the table is behind the last of them.
    fn all(&self) -> impl Iterator<Item = &Write> {
        self.writes.iter().flatten().take(self.in_flight)
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
            over: 0,
            submitted_ns: 0,
        }
    }

    fn fill(bytes: u64, waited_for: bool) -> (Device, Vec<u64>) {
        let (mut device, mut numbers) = (Device::default(), Vec::new());
        while device.has_room(waited_for) {
            numbers.push(device.start(write(numbers.len() as u64 * bytes, bytes)));
        }
        (device, numbers)
    }

    #[test]
    fn thousands_of_topics_keep_the_device_as_busy_as_one() {
        let (device, small) = fill(68 << 10, true);
        assert!(small.len() as u64 * (68 << 10) >= IN_FLIGHT_BYTES);
        assert!(device.completes_soon());
        let (_, tiny) = fill(4096, true);
        assert_eq!(tiny.len(), DEPTH);
        let (_, large) = fill(256 << 10, true);
        assert_eq!(large.len(), 16);
    }

    #[test]
    fn what_the_journal_holds_leaves_the_device_to_the_journal() {
        let (device, patient) = fill(28 << 10, false);
        assert_eq!(patient.len(), PATIENT_DEPTH);
        assert!(device.has_room(true));
    }

    #[test]
    fn large_writes_keep_no_other_topic_from_the_device() {
        let (device, large) = fill(1 << 20, true);
        assert_eq!(large.len(), PATIENT_DEPTH);
        assert!(!device.completes_soon());
    }

    #[test]
    fn what_is_done_of_a_write_is_in_flight_no_more() {
        let (mut device, numbers) = fill(68 << 10, true);
        assert!(!device.has_room(true));
        device.shorten(numbers[1], (68 << 10) + 4096);
        device.finish(numbers[0]);
        assert!(device.has_room(true));
        for &number in &numbers[1..] {
            device.finish(number);
        }
        assert_eq!((device.in_flight(), device.bytes), (0, 0));
    }
}
