//! Up to where the journal is obsolete, and what every topic had then (docs/formats.md, "start.lns").
//!
//! Without it, a power cut during a node's very first block, which may go over an old one, would look like damage in the
//! old journal. It also keeps the durable offset of topics that have been quiet since the start.

use std::collections::BTreeMap;

use super::batches::{crc32c, Owner};
use super::disk::Disk;
use super::error::RecoveryError;
use super::{Finding, JournalStart, RecoveredTopic, Severity};
use crate::format::names::JOURNAL_DIR;
use crate::format::{u32_at, u64_at};

/// Name of the file in `journal/`.
pub const START: &str = "start.lns";
/// `LNS1`.
const MAGIC: [u8; 4] = *b"LNS1";
/// `magic:4 | checksum of what follows:4 | next_generation:8 | next_sequence:8 | count:4 | 0:4`.
const HEADER: usize = 32;
/// `topic:4 | epoch:4 | durable_offset:8`.
const ENTRY: usize = 16;

/// What the last recovery left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obsolete {
    pub next_generation: u64,
    /// Blocks below this sequence are obsolete.
    pub next_sequence: u64,
    /// Everything of a topic below its offset is durable.
    pub durable: BTreeMap<Owner, u64>,
}

impl Default for Obsolete {
    fn default() -> Self {
        Self {
            next_generation: 1,
            next_sequence: 1,
            durable: BTreeMap::new(),
        }
    }
}

impl Obsolete {
    /// After this recovery. What a frozen topic had is in its quarantine.
    pub fn now(journal: &JournalStart, topics: &[RecoveredTopic]) -> Self {
        let durable = topics
            .iter()
            .filter(|topic| !topic.frozen && topic.next.offset > 0)
            .map(|topic| {
                let owner = Owner {
                    topic: topic.metadata.id,
                    epoch: topic.metadata.epoch,
                };
                (owner, topic.next.offset)
            })
            .collect();
        Self {
            next_generation: journal.next_generation,
            next_sequence: journal.next_sequence,
            durable,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.durable.len()).expect("topic ids are u32");
        let mut bytes = Vec::with_capacity(HEADER + self.durable.len() * ENTRY);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.next_generation.to_le_bytes());
        bytes.extend_from_slice(&self.next_sequence.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for (owner, offset) in &self.durable {
            bytes.extend_from_slice(&owner.topic.to_le_bytes());
            bytes.extend_from_slice(&owner.epoch.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        let checksum = crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(HEADER..)?;
        let count = u32_at(bytes, 24) as usize;
        if Some(body.len()) != count.checked_mul(ENTRY) {
            return None;
        }
        let entry = |entry: &[u8]| {
            let owner = Owner {
                topic: u32_at(entry, 0),
                epoch: u32_at(entry, 4),
            };
            (owner, u64_at(entry, 8))
        };
        Some(Self {
            next_generation: u64_at(bytes, 8),
            next_sequence: u64_at(bytes, 16),
            durable: body.chunks_exact(ENTRY).map(entry).collect(),
        })
    }
}

/// Reads the file. Without it, or where it is damaged, the whole journal counts: that lays nothing over a segment that
/// does not belong there, but it may take an old block that was written over for damage.
///
/// # Errors
/// `Io`, `NewerFormat`.
pub(super) fn read(disk: Disk, findings: &mut Vec<Finding>) -> Result<Obsolete, RecoveryError> {
    let path = format!("{JOURNAL_DIR}/{START}");
    let Some(bytes) = disk.contents(&path)? else {
        return Ok(Obsolete::default());
    };
    let holds = bytes.len() >= HEADER
        && bytes[0..3] == MAGIC[0..3]
        && u32_at(&bytes, 4) == crc32c(&bytes[8..]);
    if holds && matches!(bytes[3], b'2'..=b'9') {
        return Err(RecoveryError::NewerFormat {
            path,
            at: None,
            found: format!("version {:?}", char::from(bytes[3])),
        });
    }
    let decoded = Obsolete::decode(&bytes).filter(|_| holds && bytes[3] == MAGIC[3]);
    Ok(decoded.unwrap_or_else(|| {
        findings.push(Finding {
            severity: Severity::Warning,
            code: "start-damaged",
            path,
            at: None,
            detail: "the file is damaged: all of the journal is looked at, and what quiet topics had is not known"
                .to_owned(),
        });
        Obsolete::default()
    }))
}

/// Writes the file, durably, unless it says so already. What the journal has must be in flushed segments by now.
pub(super) fn write(disk: Disk, obsolete: &Obsolete) -> Result<(), RecoveryError> {
    let bytes = obsolete.encode();
    if disk.contents(&format!("{JOURNAL_DIR}/{START}"))?.as_deref() == Some(&bytes) {
        return Ok(());
    }
    disk.replace(JOURNAL_DIR, START, &bytes)
}
