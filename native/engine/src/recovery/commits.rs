//! Committed offsets: the checkpoint in `consumers/` (byte by byte in docs/formats.md) and what the journal has since.

use std::collections::BTreeMap;

use super::batches::crc32c;
use super::disk::Disk;
use super::error::RecoveryError;
use super::{CommittedOffset, Finding, Severity};
use crate::format::names::CONSUMERS_DIR;
use crate::format::{u32_at, u64_at};
use crate::storage::Storage;

/// Name of the checkpoint in `consumers/`.
pub const CHECKPOINT: &str = "offsets.lco";
/// `LCO1`.
const MAGIC: [u8; 4] = *b"LCO1";
/// `magic:4 | checksum of what follows:4 | count:4 | 0:4`.
const HEADER: usize = 16;
/// `topic:4 | epoch:4 | consumer:8 | offset:8 | at_s:8`.
const ENTRY: usize = 32;

/// Puts all committed offsets into the checkpoint, so that a crash leaves the old or the new one, whole and durable.
///
/// # Errors
/// `Io`.
pub fn write_checkpoint(
    storage: &dyn Storage,
    commits: &[CommittedOffset],
) -> Result<(), RecoveryError> {
    Disk(storage).replace(CONSUMERS_DIR, CHECKPOINT, &encode(commits))
}

fn encode(commits: &[CommittedOffset]) -> Vec<u8> {
    let count = u32::try_from(commits.len()).expect("limits.commits is a u32");
    let mut bytes = Vec::with_capacity(HEADER + commits.len() * ENTRY);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for commit in commits {
        bytes.extend_from_slice(&commit.topic.to_le_bytes());
        bytes.extend_from_slice(&commit.epoch.to_le_bytes());
        bytes.extend_from_slice(&commit.consumer.to_le_bytes());
        bytes.extend_from_slice(&commit.offset.to_le_bytes());
        bytes.extend_from_slice(&commit.at_s.to_le_bytes());
    }
    let checksum = crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads the checkpoint; none is an empty one. `Err(detail)` inside: it is damaged.
///
/// # Errors
/// `Io`, `NewerFormat`.
pub fn read_checkpoint(
    storage: &dyn Storage,
) -> Result<Result<Vec<CommittedOffset>, String>, RecoveryError> {
    let path = format!("{CONSUMERS_DIR}/{CHECKPOINT}");
    let Some(bytes) = Disk(storage).contents(&path)? else {
        return Ok(Ok(Vec::new()));
    };
    if bytes.len() < HEADER || bytes[0..3] != MAGIC[0..3] {
        return Ok(Err("this is no checkpoint of committed offsets".to_owned()));
    }
    let (stored, computed) = (u32_at(&bytes, 4), crc32c(&bytes[8..]));
    if stored != computed {
        return Ok(Err(format!(
            "the checksum does not hold (stored {stored:08x}, computed {computed:08x})"
        )));
    }
    match bytes[3] {
        b'1' => {}
        b'2'..=b'9' => {
            return Err(RecoveryError::NewerFormat {
                path,
                at: None,
                found: format!("version {:?}", char::from(bytes[3])),
            })
        }
        _ => return Ok(Err("this is no checkpoint of committed offsets".to_owned())),
    }
    let count = u32_at(&bytes, 8) as usize;
    let body = &bytes[HEADER..];
    if Some(body.len()) != count.checked_mul(ENTRY) {
        return Ok(Err(format!(
            "{count} entries do not fill {} bytes",
            body.len()
        )));
    }
    let entry = |entry: &[u8]| CommittedOffset {
        topic: u32_at(entry, 0),
        epoch: u32_at(entry, 4),
        consumer: u64_at(entry, 8),
        offset: u64_at(entry, 16),
        at_s: u64_at(entry, 24),
    };
    Ok(Ok(body.chunks_exact(ENTRY).map(entry).collect()))
}

/// The checkpoint with the journal's commits laid over it, in the journal's order, for the topics that `lives` knows;
/// by topic, then consumer. What came out is the new checkpoint, because the journal is obsolete after recovery.
pub(super) fn recover_commits(
    disk: Disk,
    journal: &[CommittedOffset],
    lives: impl Fn(u32, u32) -> bool,
    findings: &mut Vec<Finding>,
) -> Result<Vec<CommittedOffset>, RecoveryError> {
    let before = read_checkpoint(disk.0)?;
    let mut all = BTreeMap::new();
    match &before {
        Ok(commits) => all.extend(commits.iter().map(|c| ((c.topic, c.consumer), *c))),
        Err(detail) => {
            let path = format!("{CONSUMERS_DIR}/{CHECKPOINT}");
            let kept = format!("{path}.~damaged");
            disk.rename(&path, &kept)?;
            disk.flush_dir(CONSUMERS_DIR)?;
            findings.push(Finding {
                severity: Severity::Error,
                code: "commits-damaged",
                path,
                at: None,
                detail: format!("{detail}; kept as {kept}. Committed offsets come from the journal alone, others start over"),
            });
        }
    }
    all.extend(journal.iter().map(|c| ((c.topic, c.consumer), *c)));
    let commits: Vec<_> = all
        .into_values()
        .filter(|c| lives(c.topic, c.epoch))
        .collect();
    if before.as_deref() != Ok(commits.as_slice()) {
        write_checkpoint(disk.0, &commits)?;
    }
    Ok(commits)
}
