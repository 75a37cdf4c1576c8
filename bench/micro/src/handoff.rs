//! What happens between agents: frames through a ring, times into histograms.

use crate::Operation;
use lance_engine::counters::{keys, CountersFile, Histogram};
use lance_engine::memory::SlabId;
use lance_engine::messages::{ChecksumKind, IngestFrame, Source, Ticket};
use lance_engine::queue::{counted_queue, Receiver, Sender};
use std::hint::black_box;

/// A ring between two agents that share a thread.
pub struct Ring {
    sender: Sender<IngestFrame>,
    receiver: Receiver<IngestFrame>,
    count: u32,
}

impl Ring {
    pub fn new(count: u32) -> Self {
        let file = CountersFile::heap();
        let (sender, receiver) = counted_queue(count as usize, &file, "micro");
        Self {
            sender,
            receiver,
            count,
        }
    }
}

/// A frame as the network agent hands it over; nobody looks at its payload here.
#[must_use]
pub fn frame(number: u32) -> IngestFrame {
    IngestFrame {
        ticket: Ticket(number),
        topic: 1,
        payload: std::ptr::null(),
        len: 305,
        checksum: number,
        kind: ChecksumKind::Crc32c,
        compressed: false,
        records: 1,
        producer_ns: 0,
        received_ns: 1,
        enqueued_mono_ns: 1,
        complete_mono_ns: 1,
        source: Source::Slab(SlabId(number)),
    }
}

impl Operation for Ring {
    fn run(&mut self) -> u64 {
        for number in 0..self.count {
            assert!(self.sender.push(black_box(frame(number))).is_ok());
        }
        let mut sum = 0;
        while let Some(frame) = self.receiver.pop() {
            sum += u64::from(black_box(frame).ticket.0);
        }
        sum
    }
}

/// A stage histogram of the counters file.
pub struct Times {
    histogram: Histogram,
    at: u64,
}

impl Times {
    pub fn new() -> Self {
        Self {
            histogram: CountersFile::heap().histogram(keys::STAGE_RECEIVE_ENQUEUE, ""),
            at: 1,
        }
    }
}

impl Operation for Times {
    fn run(&mut self) -> u64 {
        self.at = self.at % 1_000_000 + 997;
        self.histogram.record(black_box(self.at));
        self.at
    }
}
