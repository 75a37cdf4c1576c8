//! The journal, `.lnj` (formats.md, "Journal"; byte by byte in docs/formats.md).
//!
//! A chunk is a sequence of blocks, each a multiple of 4,096 bytes: a header of 64 bytes, then entries, then zeros.

use super::{u32_at, u64_at};
use crate::limits::BLOCK;
use crate::messages::ChecksumKind;

/// Bytes of a block header.
pub const BLOCK_HEADER: usize = 64;
/// `LNJ1`.
pub const MAGIC: [u8; 4] = *b"LNJ1";
/// Bytes in front of an entry's body.
pub const ENTRY_HEADER: usize = 8;
/// Entries start on multiples of this.
pub const ENTRY_ALIGN: usize = 8;
/// Bytes in front of the batch or tail bytes in the body of a batch or tail entry.
pub const PLACE: usize = 24;

/// What a block header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Generation of the chunk: grows by one each time the ring moves on to a chunk.
    pub generation: u64,
    /// Number of the block, without gaps over all chunks.
    pub sequence: u64,
    /// Checksum of the block before this one (0 for the first after a start).
    pub previous: u32,
    /// Bytes of entries behind the header.
    pub length: u32,
    /// How many entries.
    pub entries: u32,
    /// The oldest generation that recovery still needs; chunks below it are free.
    pub oldest_generation: u64,
    /// Every block up to this sequence was durable when this one was made (0: none known).
    pub durable_sequence: u64,
    /// Sequence of the first block after the node's start; the chain of `previous` starts anew there.
    pub first_sequence: u64,
}

/// What is wrong with bytes that should be a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockProblem {
    /// Zeros: nothing was written here yet.
    Empty,
    NotABlock,
    /// `LNJ` of another version. The byte is its version character.
    NewerVersion(u8),
    /// The length goes past the bytes at hand.
    Length(u32),
    Checksum {
        stored: u32,
        computed: u32,
    },
}

impl BlockHeader {
    /// Bytes that the block takes in the chunk.
    #[must_use]
    pub const fn block_len(&self) -> u64 {
        (BLOCK_HEADER as u64 + self.length as u64).next_multiple_of(BLOCK)
    }

    /// Writes the header into the start of a block whose entries stand already behind it, and returns the checksum.
    /// The rest of the last 4 KiB must be zeros.
    pub fn seal(&self, block: &mut [u8]) -> u32 {
        assert!(block.len() as u64 >= self.block_len());
        block[..BLOCK_HEADER].fill(0);
        block[0..4].copy_from_slice(&MAGIC);
        block[8..16].copy_from_slice(&self.generation.to_le_bytes());
        block[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        block[24..28].copy_from_slice(&self.previous.to_le_bytes());
        block[28..32].copy_from_slice(&self.length.to_le_bytes());
        block[32..36].copy_from_slice(&self.entries.to_le_bytes());
        block[40..48].copy_from_slice(&self.oldest_generation.to_le_bytes());
        block[48..56].copy_from_slice(&self.durable_sequence.to_le_bytes());
        block[56..64].copy_from_slice(&self.first_sequence.to_le_bytes());
        let end = BLOCK_HEADER + self.length as usize;
        let checksum = crate::checksum::checksum(ChecksumKind::Crc32c, &block[8..end]);
        block[4..8].copy_from_slice(&checksum.to_le_bytes());
        checksum
    }

    /// Reads the block that starts `bytes`, and returns it with its checksum.
    ///
    /// # Errors
    /// What is wrong with it; see `BlockProblem`. Generation, sequence and chain are the caller's to judge.
    pub fn decode(bytes: &[u8]) -> Result<(Self, u32), BlockProblem> {
        if bytes.len() < BLOCK_HEADER {
            return Err(BlockProblem::NotABlock);
        }
        if bytes[..BLOCK_HEADER].iter().all(|&byte| byte == 0) {
            return Err(BlockProblem::Empty);
        }
        if bytes[0..3] != MAGIC[0..3] {
            return Err(BlockProblem::NotABlock);
        }
        let header = Self {
            generation: u64_at(bytes, 8),
            sequence: u64_at(bytes, 16),
            previous: u32_at(bytes, 24),
            length: u32_at(bytes, 28),
            entries: u32_at(bytes, 32),
            oldest_generation: u64_at(bytes, 40),
            durable_sequence: u64_at(bytes, 48),
            first_sequence: u64_at(bytes, 56),
        };
        let Some(end) = BLOCK_HEADER
            .checked_add(header.length as usize)
            .filter(|&end| end <= bytes.len())
        else {
            return Err(BlockProblem::Length(header.length));
        };
        let stored = u32_at(bytes, 4);
        let computed = crate::checksum::checksum(ChecksumKind::Crc32c, &bytes[8..end]);
        if stored != computed {
            return Err(BlockProblem::Checksum { stored, computed });
        }
        match bytes[3] {
            b'1' => {}
            version @ b'2'..=b'9' => return Err(BlockProblem::NewerVersion(version)),
            _ => return Err(BlockProblem::NotABlock), // a flipped bit: the checksum does not cover the magic
        }
        Ok((header, stored))
    }
}

/// Where the bytes of a batch or tail entry belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub topic: u32,
    pub epoch: u32,
    /// Base offset of the segment: its name.
    pub segment: u64,
    /// Byte position in it.
    pub position: u64,
}

/// An entry of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// Kind 1: a whole batch, exactly as it will stand in its segment.
    Batch { place: Place, bytes: &'a [u8] },
    /// Kind 2: bytes of a segment's last partial block, from the block's start on.
    Tail { place: Place, bytes: &'a [u8] },
    /// Kind 3: everything of the topic below `durable_offset` is durable.
    Watermark {
        topic: u32,
        epoch: u32,
        durable_offset: u64,
    },
    /// Kind 4: a committed offset. `at_s` is when, seconds since 1970.
    Commit {
        topic: u32,
        epoch: u32,
        consumer: u64,
        offset: u64,
        at_s: u64,
    },
}

/// Bytes of a Watermark's body.
pub const WATERMARK: usize = 16;
/// Bytes of a Commit's body.
pub const COMMIT: usize = 32;

impl Entry<'_> {
    /// Bytes of an entry whose body has `body` bytes.
    #[must_use]
    pub const fn len_of(body: usize) -> usize {
        (ENTRY_HEADER + body).next_multiple_of(ENTRY_ALIGN)
    }
    /// Bytes that the entry takes.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        Self::len_of(match self {
            Self::Batch { bytes, .. } | Self::Tail { bytes, .. } => PLACE + bytes.len(),
            Self::Watermark { .. } => WATERMARK,
            Self::Commit { .. } => COMMIT,
        })
    }
    /// Writes the entry to the start of `to` and returns how much that was.
    pub fn encode(&self, to: &mut [u8]) -> usize {
        let len = self.encoded_len();
        let to = &mut to[..len];
        to[..ENTRY_HEADER].fill(0);
        let (kind, body) = match *self {
            Self::Batch { place, bytes } => (1, put_placed(to, place, bytes)),
            Self::Tail { place, bytes } => (2, put_placed(to, place, bytes)),
            Self::Watermark {
                topic,
                epoch,
                durable_offset,
            } => {
                put_topic(to, topic, epoch);
                to[16..24].copy_from_slice(&durable_offset.to_le_bytes());
                (3, WATERMARK)
            }
            Self::Commit {
                topic,
                epoch,
                consumer,
                offset,
                at_s,
            } => {
                put_topic(to, topic, epoch);
                to[16..24].copy_from_slice(&consumer.to_le_bytes());
                to[24..32].copy_from_slice(&offset.to_le_bytes());
                to[32..40].copy_from_slice(&at_s.to_le_bytes());
                (4, COMMIT)
            }
        };
        to[0] = kind;
        to[4..8].copy_from_slice(&(body as u32).to_le_bytes());
        to[ENTRY_HEADER + body..].fill(0);
        len
    }
}

fn put_topic(to: &mut [u8], topic: u32, epoch: u32) {
    to[8..12].copy_from_slice(&topic.to_le_bytes());
    to[12..16].copy_from_slice(&epoch.to_le_bytes());
}

fn put_placed(to: &mut [u8], place: Place, bytes: &[u8]) -> usize {
    put_topic(to, place.topic, place.epoch);
    to[16..24].copy_from_slice(&place.segment.to_le_bytes());
    to[24..32].copy_from_slice(&place.position.to_le_bytes());
    to[32..32 + bytes.len()].copy_from_slice(bytes);
    PLACE + bytes.len()
}

/// What is wrong inside a block whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryProblem {
    /// A kind that this version does not know: refused, not skipped.
    UnknownKind(u8),
    /// The body is cut or of the wrong length; byte position in the entries.
    Length(usize),
}

/// The entries of a block, in order.
pub struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Walks the entries of a decoded block; `bytes` are the `length` bytes behind its header.
#[must_use]
pub fn entries(bytes: &[u8]) -> Entries<'_> {
    Entries { bytes, at: 0 }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, EntryProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let at = self.at;
        self.at = self.bytes.len(); // after a problem there is nothing more
        if rest.len() < ENTRY_HEADER {
            return Some(Err(EntryProblem::Length(at)));
        }
        let body_len = u32_at(rest, 4) as usize;
        let Some(body) = rest
            .get(ENTRY_HEADER..)
            .and_then(|rest| rest.get(..body_len))
        else {
            return Some(Err(EntryProblem::Length(at)));
        };
        let entry = match (rest[0], body_len) {
            (1, PLACE..) => Entry::Batch {
                place: place(body),
                bytes: &body[PLACE..],
            },
            (2, PLACE..) => Entry::Tail {
                place: place(body),
                bytes: &body[PLACE..],
            },
            (3, WATERMARK) => Entry::Watermark {
                topic: u32_at(body, 0),
                epoch: u32_at(body, 4),
                durable_offset: u64_at(body, 8),
            },
            (4, COMMIT) => Entry::Commit {
                topic: u32_at(body, 0),
                epoch: u32_at(body, 4),
                consumer: u64_at(body, 8),
                offset: u64_at(body, 16),
                at_s: u64_at(body, 24),
            },
            (1..=4, _) => return Some(Err(EntryProblem::Length(at))),
            (kind, _) => return Some(Err(EntryProblem::UnknownKind(kind))),
        };
        self.at = at + Entry::len_of(body_len);
        Some(Ok(entry))
    }
}

fn place(body: &[u8]) -> Place {
    Place {
        topic: u32_at(body, 0),
        epoch: u32_at(body, 4),
        segment: u64_at(body, 8),
        position: u64_at(body, 16),
    }
}
