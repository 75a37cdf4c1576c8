//! Writes segments and journals as the engine does.

use super::files::Files;
use crate::checksum::checksum;
use crate::format::batch::{BatchHeader, SortKey, BATCH_HEADER};
use crate::format::index::IndexEntry;
use crate::format::journal::{BlockHeader, Entry, Place, BLOCK_HEADER};
use crate::format::names::{chunk_path, SegmentName};
use crate::messages::ChecksumKind;
use crate::recovery::{metadata_to_json, Durability, Position, TopicMetadata};

pub const CHUNK: u64 = 256 * 1024;
pub const START_NS: u64 = 1_700_000_000_000_000_000;

pub fn metadata(id: u32, name: &str) -> TopicMetadata {
    TopicMetadata {
        id,
        name: name.to_owned(),
        created_at: 1_700_000_000,
        epoch: 1,
        durability: Durability::Durable,
        retention: None,
        resume: None,
    }
}

/// A batch and where it belongs.
#[derive(Clone)]
pub struct Made {
    pub header: BatchHeader,
    pub bytes: Vec<u8>,
    pub place: Place,
}

impl Made {
    pub fn entry(&self) -> Entry<'_> {
        Entry::Batch {
            place: self.place,
            bytes: &self.bytes,
        }
    }
    pub fn end(&self) -> u64 {
        self.place.position + self.bytes.len() as u64
    }
}

/// Makes the batches of a topic, one behind the other.
#[derive(Clone)]
pub struct Batches {
    pub topic: u32,
    pub next: Position,
    /// What the next headers tell.
    pub durable: u64,
    pub segment: SegmentName,
    pub at: u64,
    pub tick: u64,
}

impl Batches {
    pub fn new(topic: u32) -> Self {
        Self {
            topic,
            next: Position::default(),
            durable: 0,
            segment: SegmentName {
                base_offset: 0,
                base_record: 0,
                start_ns: START_NS + 1,
                end_ns: None,
            },
            at: 0,
            tick: 0,
        }
    }
    /// A batch of `records` records of `len` bytes each.
    pub fn make(&mut self, records: u32, len: usize) -> Made {
        self.tick += 1;
        let mut payload = Vec::new();
        for record in 0..records {
            payload.push(0x01);
            payload.extend_from_slice(&(len as u32).to_le_bytes());
            payload.extend(
                (0..len).map(|i| (self.tick as usize * 31 + record as usize * 7 + i) as u8 | 1),
            );
        }
        let kind = if self.tick.is_multiple_of(2) {
            ChecksumKind::Crc32
        } else {
            ChecksumKind::Crc32c
        };
        let header = BatchHeader {
            previous: self.next.chain,
            payload_checksum: checksum(kind, &payload),
            payload_kind: kind,
            payload_len: payload.len() as u32,
            record_count: records,
            topic: self.topic,
            epoch: 1,
            key: SortKey::new(START_NS + self.tick, 1, 0, 5),
            base_record: self.next.record,
            base_offset: self.next.offset,
            producer_ns: 0,
            durable_offset: self.durable,
            term: 0,
            log_index: 0,
            producer_id: 0,
            producer_sequence: 0,
        };
        let mut head = [0; BATCH_HEADER];
        let chain = header.encode(&mut head);
        self.next = Position {
            offset: header.next_offset(),
            record: header.next_record(),
            key: header.last_key(),
            chain,
        };
        let bytes = [head.as_slice(), &payload].concat();
        let place = Place {
            topic: self.topic,
            epoch: 1,
            segment: self.segment.base_offset,
            position: self.at,
        };
        self.at += bytes.len() as u64;
        Made {
            header,
            bytes,
            place,
        }
    }
    /// The next batch starts a new segment. Returns the sealed name of the old one.
    pub fn rotate(&mut self) -> SegmentName {
        let sealed = SegmentName {
            end_ns: Some(self.next.key.timestamp_ns),
            ..self.segment
        };
        self.segment = SegmentName {
            base_offset: self.next.offset,
            base_record: self.next.record,
            start_ns: START_NS + self.tick + 1,
            end_ns: None,
        };
        self.at = 0;
        sealed
    }
    /// Several batches of different sizes.
    pub fn several(&mut self, count: usize) -> Vec<Made> {
        (0..count)
            .map(|i| self.make(1 + i as u32 % 3, 40 + 37 * i))
            .collect()
    }
}

/// The bytes of a segment's file with these batches at their places, zeros up to `len` (0: none).
pub fn segment(batches: &[Made], len: usize) -> Vec<u8> {
    let end = batches.iter().map(Made::end).max().unwrap_or(0) as usize;
    let mut bytes = vec![
        0;
        if len == 0 {
            end
        } else {
            len.max(end.next_multiple_of(4096))
        }
    ];
    for batch in batches {
        let at = batch.place.position as usize;
        bytes[at..at + batch.bytes.len()].copy_from_slice(&batch.bytes);
    }
    bytes
}

/// Writes a segment with an index entry for each of the `indexed` first batches.
pub fn put_segment(files: &Files, topic: &str, name: &SegmentName, bytes: &[u8], indexed: &[Made]) {
    files.put(&name.path(topic, "lnc"), bytes);
    let entries: Vec<IndexEntry> = indexed
        .iter()
        .map(|batch| IndexEntry {
            key: batch.header.key,
            base_offset: batch.header.base_offset,
            base_record: batch.header.base_record,
            position: batch.place.position,
        })
        .collect();
    files.put(
        &name.path(topic, "idx"),
        &entries.iter().flat_map(IndexEntry::idx).collect::<Vec<_>>(),
    );
    files.put(
        &name.path(topic, "pos"),
        &entries.iter().flat_map(IndexEntry::pos).collect::<Vec<_>>(),
    );
}

pub fn put_topic(files: &Files, metadata: &TopicMetadata) {
    files.put(
        &format!("segments/{}/metadata.json", metadata.name),
        &metadata_to_json(metadata),
    );
}

/// Writes the journal, block by block, into chunks of `CHUNK` bytes.
pub struct Journal {
    pub chunks: Vec<Vec<u8>>,
    /// Byte position in the last chunk.
    pub at: usize,
    pub header: BlockHeader,
    /// Position of every block: chunk, byte, length.
    pub blocks: Vec<(usize, usize, usize)>,
}

impl Journal {
    pub fn new() -> Self {
        Self::starting_at(1, 1)
    }
    pub fn starting_at(generation: u64, sequence: u64) -> Self {
        Self {
            chunks: vec![vec![0; CHUNK as usize]],
            at: 0,
            header: BlockHeader {
                generation,
                sequence,
                previous: 0,
                length: 0,
                entries: 0,
                oldest_generation: generation,
                durable_sequence: 0,
                first_sequence: sequence,
            },
            blocks: Vec::new(),
        }
    }
    /// A block with these entries.
    pub fn block(&mut self, entries: &[Entry]) {
        let body: usize = entries.iter().map(Entry::encoded_len).sum();
        self.header.length = body as u32;
        self.header.entries = entries.len() as u32;
        let len = self.header.block_len() as usize;
        if self.at + len > CHUNK as usize {
            self.chunk();
        }
        let mut block = vec![0; len];
        let mut at = BLOCK_HEADER;
        for entry in entries {
            at += entry.encode(&mut block[at..]);
        }
        let checksum = self.header.seal(&mut block);
        let chunk = self.chunks.len() - 1;
        self.chunks[chunk][self.at..self.at + len].copy_from_slice(&block);
        self.blocks.push((chunk, self.at, len));
        self.at += len;
        self.header.sequence += 1;
        self.header.previous = checksum;
    }
    /// Moves on to a new chunk.
    pub fn chunk(&mut self) {
        self.chunks.push(vec![0; CHUNK as usize]);
        self.at = 0;
        self.header.generation += 1;
    }
    /// What was written is durable: the next blocks say so.
    pub fn flushed(&mut self) {
        self.header.durable_sequence = self.header.sequence - 1;
    }
    /// Zeros a block; the one that is not whole is not there.
    pub fn lose(&mut self, block: usize) {
        let (chunk, at, len) = self.blocks[block];
        self.chunks[chunk][at..at + len].fill(0);
    }
    pub fn flip(&mut self, block: usize, byte: usize) {
        let (chunk, at, _) = self.blocks[block];
        self.chunks[chunk][at + byte] ^= 0x10;
    }
    pub fn put(&self, files: &Files) {
        for (number, chunk) in self.chunks.iter().enumerate() {
            files.put(&chunk_path(number as u64), chunk);
        }
    }
}
