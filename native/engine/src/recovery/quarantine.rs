//! Known damage of a topic, remembered beside its segments: what proved it may be gone at the next start
//! (docs/formats.md, "quarantine.json").

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::error::RecoveryError;

/// Name of the file in a topic's directory. While it is there, the topic takes no writes and nothing of it is cut.
pub const QUARANTINE: &str = "quarantine.json";
const FORMAT: u64 = 1;

/// A damaged range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    pub format: u64,
    /// Base offset of the segment.
    pub segment: u64,
    /// Byte positions in it: the range is `from..to`.
    pub from: u64,
    pub to: u64,
    /// Offset of the first record that is missing.
    pub offset: u64,
    /// Everything below this offset was durable.
    pub durable_offset: u64,
    /// When it was found, ns since 1970, and by which node.
    pub found_ns: u64,
    pub node: u16,
    pub reason: String,
}

/// Reads a topic's quarantine; none is the rule.
pub(super) fn read(disk: Disk, dir: &str) -> Result<Option<Quarantine>, RecoveryError> {
    let path = format!("{dir}/{QUARANTINE}");
    let Some(bytes) = disk.contents(&path)? else {
        return Ok(None);
    };
    let read: Quarantine = serde_json::from_slice(&bytes).map_err(|e| RecoveryError::Invalid {
        path: path.clone(),
        at: None,
        detail: format!("not what LANCE writes about damage: {e}"),
    })?;
    if read.format > FORMAT {
        return Err(RecoveryError::NewerFormat {
            path,
            at: None,
            found: format!("format {}", read.format),
        });
    }
    Ok(Some(read))
}

/// Writes a topic's quarantine, durably.
pub(super) fn write(disk: Disk, dir: &str, known: Quarantine) -> Result<(), RecoveryError> {
    let known = Quarantine {
        format: FORMAT,
        ..known
    };
    let mut bytes = serde_json::to_vec_pretty(&known).unwrap_or_default(); // of plain data: it cannot fail
    bytes.push(b'\n');
    disk.replace(dir, QUARANTINE, &bytes)
}

/// Takes the quarantine away.
pub(super) fn lift(disk: Disk, dir: &str) -> Result<(), RecoveryError> {
    disk.unlink(&format!("{dir}/{QUARANTINE}"))?;
    disk.flush_dir(dir)
}
