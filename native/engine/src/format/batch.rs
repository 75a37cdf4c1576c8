//! Batch headers (formats.md, "Segment, `.lnc`").

use super::{u16_at, u32_at, u64_at};
use crate::limits::MAX_BATCH_PAYLOAD;
use crate::messages::ChecksumKind;

/// `type:1 | length:4` in front of every TLV.
pub const TLV_HEADER: usize = 5;
/// Bytes of a batch header's value.
pub const HEADER_VALUE: usize = 128;
/// Bytes of a batch header, its own TLV header included.
pub const BATCH_HEADER: usize = TLV_HEADER + HEADER_VALUE;
/// `LNB1`.
pub const MAGIC: [u8; 4] = *b"LNB1";

const FLAG_CRC32: u16 = 1;

/// A sort key: strictly increasing inside a topic (design.md, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SortKey {
    /// Wall clock, ns.
    pub timestamp_ns: u64,
    /// `node_id:16 | actor_id:8 | sequence:40`.
    pub node_actor_sequence: u64,
}

impl SortKey {
    /// Most a sequence can be: 40 bits.
    pub const MAX_SEQUENCE: u64 = (1 << 40) - 1;

    /// A key of its parts. `sequence` fits in 40 bits.
    #[must_use]
    pub const fn new(timestamp_ns: u64, node_id: u16, actor_id: u8, sequence: u64) -> Self {
        assert!(sequence <= Self::MAX_SEQUENCE);
        Self {
            timestamp_ns,
            node_actor_sequence: (node_id as u64) << 48 | (actor_id as u64) << 40 | sequence,
        }
    }
    /// The lower 40 bits.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.node_actor_sequence & Self::MAX_SEQUENCE
    }
    /// The key of the record `n` places after this one in the same batch.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        assert!(self.sequence() + n <= Self::MAX_SEQUENCE);
        Self {
            timestamp_ns: self.timestamp_ns,
            node_actor_sequence: self.node_actor_sequence + n,
        }
    }
}

/// What a batch header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Header checksum of the topic's previous batch, 0 for its first: the chain.
    pub previous: u32,
    pub payload_checksum: u32,
    pub payload_kind: ChecksumKind,
    pub payload_len: u32,
    pub record_count: u32,
    pub topic: u32,
    pub epoch: u32,
    /// Of the first record.
    pub key: SortKey,
    pub base_record: u64,
    pub base_offset: u64,
    pub producer_ns: u64,
    /// The topic's durable offset when this header was made.
    pub durable_offset: u64,
    pub term: u64,
    pub log_index: u64,
    pub producer_id: u64,
    pub producer_sequence: u64,
}

/// What is wrong with bytes that should be a batch header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderProblem {
    /// Zeros where a header would stand: the fill behind the last batch.
    Fill,
    /// Not type 0x00 with length 128 and magic `LNB`.
    NotAHeader,
    /// `LNB` of another version. The byte is its version character.
    NewerVersion(u8),
    /// The header checksum does not hold.
    Checksum { stored: u32, computed: u32 },
    /// The checksum holds, but a field is out of bounds; its name.
    Field(&'static str),
}

impl BatchHeader {
    /// Bytes of the whole batch in the file.
    #[must_use]
    pub const fn batch_len(&self) -> u64 {
        BATCH_HEADER as u64 + self.payload_len as u64
    }
    /// Offset of the next batch's first record.
    #[must_use]
    pub const fn next_offset(&self) -> u64 {
        self.base_offset + self.payload_len as u64
    }
    /// Index of the next batch's first record.
    #[must_use]
    pub const fn next_record(&self) -> u64 {
        self.base_record + self.record_count as u64
    }
    /// Key of the last record.
    #[must_use]
    pub const fn last_key(&self) -> SortKey {
        self.key.plus(self.record_count as u64 - 1)
    }

    /// Writes the header, TLV header first, and returns its checksum, which the next batch's `previous` repeats.
    pub fn encode(&self, to: &mut [u8; BATCH_HEADER]) -> u32 {
        assert!(
            self.record_count >= 1
                && self.payload_len >= 1
                && self.payload_len <= MAX_BATCH_PAYLOAD
        );
        to.fill(0);
        to[1..5].copy_from_slice(&(HEADER_VALUE as u32).to_le_bytes());
        let value = &mut to[TLV_HEADER..];
        value[0..4].copy_from_slice(&MAGIC);
        value[8..12].copy_from_slice(&self.previous.to_le_bytes());
        value[12..16].copy_from_slice(&self.payload_checksum.to_le_bytes());
        value[16..20].copy_from_slice(&self.payload_len.to_le_bytes());
        value[20..24].copy_from_slice(&self.record_count.to_le_bytes());
        let flags = if self.payload_kind == ChecksumKind::Crc32 {
            FLAG_CRC32
        } else {
            0
        };
        value[24..26].copy_from_slice(&flags.to_le_bytes());
        value[28..32].copy_from_slice(&self.topic.to_le_bytes());
        value[32..36].copy_from_slice(&self.epoch.to_le_bytes());
        let longs = [
            self.key.timestamp_ns,
            self.key.node_actor_sequence,
            self.base_record,
            self.base_offset,
            self.producer_ns,
            self.durable_offset,
            self.term,
            self.log_index,
            self.producer_id,
            self.producer_sequence,
        ];
        for (i, long) in longs.into_iter().enumerate() {
            value[40 + 8 * i..48 + 8 * i].copy_from_slice(&long.to_le_bytes());
        }
        let checksum = crate::checksum::checksum(ChecksumKind::Crc32c, &value[8..]);
        value[4..8].copy_from_slice(&checksum.to_le_bytes());
        checksum
    }

    /// Reads a header and returns it with its own checksum.
    ///
    /// # Errors
    /// What is wrong with it; see `HeaderProblem`.
    pub fn decode(from: &[u8; BATCH_HEADER]) -> Result<(Self, u32), HeaderProblem> {
        if from.iter().all(|&byte| byte == 0) {
            return Err(HeaderProblem::Fill);
        }
        let value = &from[TLV_HEADER..];
        if from[0] != 0 || u32_at(from, 1) != HEADER_VALUE as u32 || value[0..3] != MAGIC[0..3] {
            return Err(HeaderProblem::NotAHeader);
        }
        let stored = u32_at(value, 4);
        let computed = crate::checksum::checksum(ChecksumKind::Crc32c, &value[8..]);
        if value[3] != MAGIC[3] {
            // Only a header that is whole can claim to be newer, and only with a digit: the checksum does not cover the
            // magic, and most flipped bits in it make none.
            return Err(if stored == computed && matches!(value[3], b'2'..=b'9') {
                HeaderProblem::NewerVersion(value[3])
            } else {
                HeaderProblem::NotAHeader
            });
        }
        if stored != computed {
            return Err(HeaderProblem::Checksum { stored, computed });
        }
        let flags = u16_at(value, 24);
        let long = |i: usize| u64_at(value, 40 + 8 * i);
        let header = Self {
            previous: u32_at(value, 8),
            payload_checksum: u32_at(value, 12),
            payload_kind: if flags & FLAG_CRC32 != 0 {
                ChecksumKind::Crc32
            } else {
                ChecksumKind::Crc32c
            },
            payload_len: u32_at(value, 16),
            record_count: u32_at(value, 20),
            topic: u32_at(value, 28),
            epoch: u32_at(value, 32),
            key: SortKey {
                timestamp_ns: long(0),
                node_actor_sequence: long(1),
            },
            base_record: long(2),
            base_offset: long(3),
            producer_ns: long(4),
            durable_offset: long(5),
            term: long(6),
            log_index: long(7),
            producer_id: long(8),
            producer_sequence: long(9),
        };
        header.check(flags)?;
        Ok((header, stored))
    }

    fn check(&self, flags: u16) -> Result<(), HeaderProblem> {
        let wrong = if flags & !FLAG_CRC32 != 0 {
            "flags"
        } else if self.payload_len == 0 || self.payload_len > MAX_BATCH_PAYLOAD {
            "payload_len"
        } else if self.record_count == 0 || self.record_count > self.payload_len / TLV_HEADER as u32
        {
            "record_count"
        } else if self.key.sequence() + u64::from(self.record_count) - 1 > SortKey::MAX_SEQUENCE {
            "sequence"
        } else if self
            .base_offset
            .checked_add(u64::from(self.payload_len))
            .is_none()
        {
            "base_offset"
        } else if self
            .base_record
            .checked_add(u64::from(self.record_count))
            .is_none()
        {
            "base_record"
        } else {
            return Ok(());
        };
        Err(HeaderProblem::Field(wrong))
    }
}
