//! `metadata.json` of a topic (formats.md, "Files"; key by key in docs/formats.md).

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::error::RecoveryError;
use super::{Durability, Position, TopicMetadata};
use crate::format::batch::SortKey;
use crate::format::names::SEGMENTS_DIR;
use crate::storage::Storage;

/// Name of the file in a topic's directory.
pub const METADATA: &str = "metadata.json";
/// The format that this build reads and writes.
pub const METADATA_FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Written {
    format: u64,
    id: u32,
    name: String,
    created_at: u64,
    topic_epoch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention: Option<Retention>,
    durability: WrittenDurability,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<Resume>,
}

#[derive(Serialize, Deserialize)]
struct Retention {
    #[serde(default)]
    max_age_secs: u64,
    #[serde(default)]
    max_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenDurability {
    Durable,
    Written,
}

#[derive(Serialize, Deserialize)]
struct Resume {
    offset: u64,
    record: u64,
    /// 32 hexadecimal digits: JavaScript's numbers would lose the low bits.
    key: String,
    chain: u32,
}

/// The file's bytes for a topic.
#[must_use]
pub fn metadata_to_json(metadata: &TopicMetadata) -> Vec<u8> {
    let written = Written {
        format: METADATA_FORMAT,
        id: metadata.id,
        name: metadata.name.clone(),
        created_at: metadata.created_at,
        topic_epoch: metadata.epoch,
        retention: metadata
            .retention
            .map(|(max_age_secs, max_bytes)| Retention {
                max_age_secs,
                max_bytes,
            }),
        durability: match metadata.durability {
            Durability::Durable => WrittenDurability::Durable,
            Durability::Written => WrittenDurability::Written,
        },
        resume: metadata.resume.map(|at| Resume {
            offset: at.offset,
            record: at.record,
            key: format!(
                "{:016x}{:016x}",
                at.key.timestamp_ns, at.key.node_actor_sequence
            ),
            chain: at.chain,
        }),
    };
    let mut bytes = serde_json::to_vec_pretty(&written).unwrap_or_default(); // of plain data: it cannot fail
    bytes.push(b'\n');
    bytes
}

/// Reads the file's bytes; `path` is for the message.
///
/// # Errors
/// `NewerFormat`, or `Invalid` with line and column.
pub fn metadata_from_json(bytes: &[u8], path: &str) -> Result<TopicMetadata, RecoveryError> {
    let invalid = |detail: String| RecoveryError::Invalid {
        path: path.to_owned(),
        at: None,
        detail,
    };
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|e| invalid(format!("no JSON: {e}")))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(METADATA_FORMAT) => {}
        Some(format) if format > METADATA_FORMAT => {
            return Err(RecoveryError::NewerFormat {
                path: path.to_owned(),
                at: None,
                found: format!("format {format}"),
            })
        }
        _ => return Err(invalid("`format` is not 1".to_owned())),
    }
    let written: Written =
        serde_json::from_slice(bytes).map_err(|e| invalid(format!("no topic's metadata: {e}")))?;
    let resume = match written.resume {
        None => None,
        Some(resume) => Some(Position {
            offset: resume.offset,
            record: resume.record,
            key: key_from_hex(&resume.key)
                .ok_or_else(|| invalid("`resume.key` is not 32 hexadecimal digits".to_owned()))?,
            chain: resume.chain,
        }),
    };
    Ok(TopicMetadata {
        id: written.id,
        name: written.name,
        created_at: written.created_at,
        epoch: written.topic_epoch,
        durability: match written.durability {
            WrittenDurability::Durable => Durability::Durable,
            WrittenDurability::Written => Durability::Written,
        },
        retention: written
            .retention
            .map(|kept| (kept.max_age_secs, kept.max_bytes)),
        resume,
    })
}

fn key_from_hex(hex: &str) -> Option<SortKey> {
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(SortKey {
        timestamp_ns: u64::from_str_radix(&hex[..16], 16).ok()?,
        node_actor_sequence: u64::from_str_radix(&hex[16..], 16).ok()?,
    })
}

/// Writes a topic's metadata.json so that a crash leaves the old or the new one, whole and durable. The directory
/// `segments/{name}` is there already.
///
/// # Errors
/// `Io`.
pub fn write_metadata(
    storage: &dyn Storage,
    metadata: &TopicMetadata,
) -> Result<(), RecoveryError> {
    Disk(storage).replace(
        &format!("{SEGMENTS_DIR}/{}", metadata.name),
        METADATA,
        &metadata_to_json(metadata),
    )
}

/// Reads a topic's metadata.json; `None` if there is none.
///
/// # Errors
/// `Io`, `NewerFormat`, `Invalid`.
pub fn read_metadata(
    storage: &dyn Storage,
    topic: &str,
) -> Result<Option<TopicMetadata>, RecoveryError> {
    let path = format!("{SEGMENTS_DIR}/{topic}/{METADATA}");
    match Disk(storage).contents(&path)? {
        None => Ok(None),
        Some(bytes) => metadata_from_json(&bytes, &path).map(Some),
    }
}
