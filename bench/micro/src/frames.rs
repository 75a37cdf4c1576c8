//! Frames as they come in: parsed, checksummed, copied, given a batch header.

use crate::Operation;
use lance_engine::checksum::{checksum, combine};
use lance_engine::format::batch::{BatchHeader, SortKey, BATCH_HEADER};
use lance_engine::lwp::header::{decode, flag, Header, HEADER};
use lance_engine::lwp::tlv::{self, Tiling, TYPE_RAW};
use lance_engine::messages::ChecksumKind;
use std::hint::black_box;

const KIND: ChecksumKind = ChecksumKind::Crc32c;

/// So many records of so many bytes, as TLVs.
fn payload(records: u32, size: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..records {
        bytes.extend_from_slice(&tlv::header(TYPE_RAW, size));
        bytes.extend((0..size).map(|at| (at.wrapping_mul(31) + number) as u8));
    }
    bytes
}

/// What the network agent judges of a whole ingest frame: header, payload checksum, and how its TLVs tile.
pub struct Parse {
    header: [u8; HEADER],
    payload: Vec<u8>,
}

impl Parse {
    pub fn new(records: u32, size: u32) -> Self {
        let payload = payload(records, size);
        let header = Header {
            flags: flag::BATCH,
            batch_id: 7,
            timestamp_ns: 1_700_000_000_000_000_000,
            record_count: records,
            payload_len: payload.len() as u32,
            payload_checksum: checksum(KIND, &payload),
            topic: 1,
        };
        Self {
            header: header.encode(KIND),
            payload,
        }
    }
}

impl Operation for Parse {
    fn run(&mut self) -> u64 {
        let (header, kind) = decode(black_box(&self.header), Some(KIND)).expect("our own header");
        assert_eq!(
            checksum(kind, black_box(&self.payload)),
            header.payload_checksum
        );
        match tlv::walk(&self.payload) {
            Tiling::Records { count, largest } => u64::from(count) + u64::from(largest),
            other => panic!("{other:?}"),
        }
    }
}

/// How the TLVs of a payload tile, without its checksum, which would hide what the walk costs.
pub struct Walk(Vec<u8>);

impl Walk {
    pub fn new(records: u32, size: u32) -> Self {
        Self(payload(records, size))
    }
}

impl Operation for Walk {
    fn run(&mut self) -> u64 {
        match tlv::walk(black_box(&self.0)) {
            Tiling::Records { count, largest } => u64::from(count) + u64::from(largest),
            other => panic!("{other:?}"),
        }
    }
}

/// A frame's header alone.
pub struct Head([u8; HEADER]);

impl Head {
    pub fn new() -> Self {
        Self(Header::ack(7, 1).encode(KIND))
    }
}

impl Operation for Head {
    fn run(&mut self) -> u64 {
        let (header, _) = decode(black_box(&self.0), Some(KIND)).expect("our own header");
        header.batch_id
    }
}

/// One payload on its way into a slab: its checksum verified, its bytes copied once.
pub struct Copy {
    payload: Vec<u8>,
    slab: Vec<u8>,
}

impl Copy {
    pub fn new(bytes: u32) -> Self {
        let mut payload = payload(1, bytes - 5);
        payload.truncate(bytes as usize);
        Self {
            slab: vec![0; payload.len()],
            payload,
        }
    }
}

impl Operation for Copy {
    fn run(&mut self) -> u64 {
        let sum = checksum(KIND, black_box(&self.payload));
        self.slab.copy_from_slice(&self.payload);
        u64::from(sum) + u64::from(black_box(&self.slab)[self.payload.len() - 1])
    }
}

/// The checksum of a batch that a second frame joins.
pub struct Combine {
    sums: [u32; 2],
    len: u64,
}

impl Combine {
    pub fn new() -> Self {
        let (first, second) = (payload(1, 300), payload(3, 300));
        Self {
            sums: [checksum(KIND, &first), checksum(KIND, &second)],
            len: second.len() as u64,
        }
    }
}

impl Operation for Combine {
    fn run(&mut self) -> u64 {
        let [first, second] = black_box(self.sums);
        u64::from(combine(KIND, first, second, black_box(self.len)))
    }
}

/// The header of a batch, encoded.
pub struct BatchHead {
    header: BatchHeader,
    bytes: [u8; BATCH_HEADER],
}

impl BatchHead {
    pub fn new() -> Self {
        Self {
            header: batch_header(3, 64, 64 * 1_029),
            bytes: [0; BATCH_HEADER],
        }
    }
}

impl Operation for BatchHead {
    fn run(&mut self) -> u64 {
        u64::from(black_box(&self.header).encode(black_box(&mut self.bytes)))
    }
}

/// The header of the batch `number` of a topic whose batches are all alike. Its chain and payload checksum are left out.
pub fn batch_header(number: u64, records: u32, payload_len: u32) -> BatchHeader {
    BatchHeader {
        previous: 0,
        payload_checksum: 0,
        payload_kind: KIND,
        payload_len,
        record_count: records,
        topic: 1,
        epoch: 1,
        key: SortKey::new(1_700_000_000_000_000_000 + number * 1_000, 1, 0, 0),
        base_record: number * u64::from(records),
        base_offset: number * u64::from(payload_len),
        producer_ns: 0,
        durable_offset: 0,
        term: 0,
        log_index: 0,
        producer_id: 0,
        producer_sequence: 0,
    }
}

/// A batch of such a topic as it stands in its segment, and its header.
pub fn batch(number: u64, records: u32, size: u32) -> (Vec<u8>, BatchHeader) {
    let payload = payload(records, size);
    let header = BatchHeader {
        payload_checksum: checksum(KIND, &payload),
        ..batch_header(number, records, payload.len() as u32)
    };
    let mut bytes = [0; BATCH_HEADER];
    header.encode(&mut bytes);
    ([bytes.as_slice(), &payload].concat(), header)
}
