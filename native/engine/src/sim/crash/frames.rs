//! What clients send: payloads of every shape and size, no two alike.

use std::sync::Arc;

use crate::checksum::checksum;
use crate::format::batch::TLV_HEADER;
use crate::messages::ChecksumKind;
use crate::sim::Rng;

/// Bytes as a client sends them, and as they are stored.
pub struct Payload {
    pub sent: Arc<[u8]>,
    pub stored: Arc<[u8]>,
    pub records: u32,
    pub kind: ChecksumKind,
    pub checksum: u32,
}

const RAW: u8 = 1;

impl Payload {
    /// A payload of a random shape: bare or of records, a byte or several hundred KiB.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        let kind = *rng.pick(&[ChecksumKind::Crc32, ChecksumKind::Crc32c]);
        let shape = rng.below(100);
        let (sent, stored, records) = match shape {
            0..10 => bare(rng),
            10..50 => records(rng, 1, 300),
            50..80 => records(rng, 8, 1500),
            80..93 => records(rng, 20, 8000),
            93..98 => one(rng, 60_000, 140_000),
            _ => one(rng, 260_000, 400_000),
        };
        Self::of(kind, sent, stored, records)
    }
    /// One record of a size within bounds.
    #[must_use]
    pub fn sized(rng: &mut Rng, least: u64, most: u64) -> Self {
        let (sent, stored, records) = one(rng, least, most);
        Self::of(ChecksumKind::Crc32c, sent, stored, records)
    }
    fn of(kind: ChecksumKind, sent: Vec<u8>, stored: Vec<u8>, records: u32) -> Self {
        let checksum = checksum(kind, &sent);
        Self {
            sent: Arc::from(sent),
            stored: Arc::from(stored),
            records,
            kind,
            checksum,
        }
    }
}

fn record(rng: &mut Rng, len: usize, to: &mut Vec<u8>) {
    let kind = *rng.pick(&[RAW, 2, 3, 0x80]);
    to.push(kind);
    to.extend_from_slice(&(len as u32).to_le_bytes());
    let start = to.len();
    to.resize(start + len, 0);
    rng.fill(&mut to[start..]);
}

/// Bytes that are no TLVs: an odd first byte makes the first length absurd.
fn bare(rng: &mut Rng) -> (Vec<u8>, Vec<u8>, u32) {
    let len = rng.within(1, 2000) as usize;
    let mut sent = vec![0xEE; len];
    rng.fill(&mut sent[len.min(TLV_HEADER)..]);
    let mut stored = vec![RAW];
    stored.extend_from_slice(&(len as u32).to_le_bytes());
    stored.extend_from_slice(&sent);
    (sent, stored, 1)
}

fn records(rng: &mut Rng, most: u64, largest: u64) -> (Vec<u8>, Vec<u8>, u32) {
    let count = rng.within(1, most);
    let mut bytes = Vec::new();
    for _ in 0..count {
        let len = rng.below(largest) as usize;
        record(rng, len, &mut bytes);
    }
    (bytes.clone(), bytes, count as u32)
}

fn one(rng: &mut Rng, least: u64, most: u64) -> (Vec<u8>, Vec<u8>, u32) {
    let len = rng.within(least, most) as usize;
    let mut bytes = Vec::new();
    record(rng, len, &mut bytes);
    (bytes.clone(), bytes, 1)
}
