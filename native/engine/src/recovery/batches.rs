//! What makes bytes in a segment a batch: header, payload, topic, epoch, and the chain (design.md, section 8).

use std::io;

use super::window::Window;
use super::Position;
use crate::checksum::{checksum, Running};
use crate::format::batch::{BatchHeader, HeaderProblem, SortKey, BATCH_HEADER};
use crate::messages::ChecksumKind;

/// A batch that is whole, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Byte position of its header in the segment.
    pub position: u64,
    pub header: BatchHeader,
    /// Checksum of its header.
    pub checksum: u32,
}

impl Batch {
    pub fn end(&self) -> u64 {
        self.position + self.header.batch_len()
    }
}

/// Whose batches are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub topic: u32,
    pub epoch: u32,
}

impl Owner {
    pub fn of(header: &BatchHeader) -> Self {
        Self {
            topic: header.topic,
            epoch: header.epoch,
        }
    }
}

/// Why there is no batch at a position.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The file ends before the header or the payload does.
    End,
    Header(HeaderProblem),
    Payload {
        stored: u32,
        computed: u32,
    },
    /// It belongs to another topic or epoch.
    Foreign(Owner),
    /// It does not continue the batch before it; the field that shows it.
    Chain(&'static str),
    /// The device gave an error.
    Read(io::Error),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::End => write!(f, "the file ends inside a batch"),
            Self::Header(HeaderProblem::Fill) => write!(f, "zeros stand where a batch should"),
            Self::Header(HeaderProblem::NotAHeader) => write!(f, "this is no batch header"),
            Self::Header(HeaderProblem::NewerVersion(version)) => {
                write!(
                    f,
                    "the batch header is of version {:?}",
                    char::from(*version)
                )
            }
            Self::Header(HeaderProblem::Checksum { stored, computed }) => write!(
                f,
                "the header checksum does not hold (stored {stored:08x}, computed {computed:08x})"
            ),
            Self::Header(HeaderProblem::Field(field)) => {
                write!(f, "the header's {field} is out of bounds")
            }
            Self::Payload { stored, computed } => write!(
                f,
                "the payload checksum does not hold (stored {stored:08x}, computed {computed:08x})"
            ),
            Self::Foreign(owner) => write!(
                f,
                "the batch belongs to topic {} of epoch {}",
                owner.topic, owner.epoch
            ),
            Self::Chain(field) => {
                write!(
                    f,
                    "the batch does not continue the one before it ({field} differs)"
                )
            }
            Self::Read(source) => write!(f, "the device could not read it: {source}"),
        }
    }
}

/// What the next batch of a topic must continue. What is not known is not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub offset: u64,
    pub record: u64,
    /// Key of the last record.
    pub key: Option<SortKey>,
    /// Header checksum of the last batch.
    pub chain: Option<u32>,
}

impl Link {
    pub fn after(batch: &Batch) -> Self {
        Self {
            offset: batch.header.next_offset(),
            record: batch.header.next_record(),
            key: Some(batch.header.last_key()),
            chain: Some(batch.checksum),
        }
    }
    pub fn from_position(position: Position) -> Self {
        Self {
            offset: position.offset,
            record: position.record,
            key: Some(position.key),
            chain: Some(position.chain),
        }
    }
    pub fn position(&self) -> Position {
        Position {
            offset: self.offset,
            record: self.record,
            key: self.key.unwrap_or_default(),
            chain: self.chain.unwrap_or_default(),
        }
    }
    /// Whether a batch with this header is the next one.
    pub fn check(&self, header: &BatchHeader) -> Result<(), Wrong> {
        let first = self.offset == 0 && self.record == 0;
        let wrong = if header.base_offset != self.offset {
            "base_offset"
        } else if header.base_record != self.record {
            "base_record"
        } else if self.chain.is_some_and(|chain| header.previous != chain) {
            "previous checksum"
        } else if !first && self.key.is_some_and(|key| header.key <= key) {
            "sort key"
        } else {
            return Ok(());
        };
        Err(Wrong::Chain(wrong))
    }
}

/// Reads the header at a position; the payload is not looked at.
pub(super) fn read_header(window: &mut Window, at: u64) -> Result<(BatchHeader, u32), Wrong> {
    let bytes = window.bytes(at, BATCH_HEADER).map_err(Wrong::Read)?;
    let Some(bytes) = bytes.first_chunk::<BATCH_HEADER>() else {
        return Err(Wrong::End);
    };
    BatchHeader::decode(bytes).map_err(Wrong::Header)
}

/// Reads the batch at a position, payload and all. The chain is the caller's to judge.
pub(super) fn read_batch(window: &mut Window, owner: Owner, at: u64) -> Result<Batch, Wrong> {
    let (header, checksum) = read_header(window, at)?;
    if Owner::of(&header) != owner {
        return Err(Wrong::Foreign(Owner::of(&header)));
    }
    let mut running = Running::new(header.payload_kind);
    let mut from = at + BATCH_HEADER as u64;
    let end = at + header.batch_len();
    while from < end {
        let piece = usize::try_from(end - from)
            .unwrap_or(usize::MAX)
            .min(Window::MOST);
        let bytes = window.bytes(from, piece).map_err(Wrong::Read)?;
        if bytes.len() < piece {
            return Err(Wrong::End);
        }
        running.update(bytes);
        from += piece as u64;
    }
    payload_holds(&header, running.value())?;
    Ok(Batch {
        position: at,
        header,
        checksum,
    })
}

/// Reads a whole batch that is in memory; `at` is where it stands in its segment.
pub(super) fn batch_in_memory(bytes: &[u8], owner: Owner, at: u64) -> Result<Batch, Wrong> {
    let head = bytes.first_chunk::<BATCH_HEADER>().ok_or(Wrong::End)?;
    let (header, sum) = BatchHeader::decode(head).map_err(Wrong::Header)?;
    if Owner::of(&header) != owner {
        return Err(Wrong::Foreign(Owner::of(&header)));
    }
    let payload = bytes
        .get(BATCH_HEADER..header.batch_len() as usize)
        .ok_or(Wrong::End)?;
    payload_holds(&header, checksum(header.payload_kind, payload))?;
    Ok(Batch {
        position: at,
        header,
        checksum: sum,
    })
}

fn payload_holds(header: &BatchHeader, computed: u32) -> Result<(), Wrong> {
    let stored = header.payload_checksum;
    if stored == computed {
        Ok(())
    } else {
        Err(Wrong::Payload { stored, computed })
    }
}

/// Checksum of bytes that LANCE alone writes.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    checksum(ChecksumKind::Crc32c, bytes)
}
