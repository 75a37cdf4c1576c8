//! The topics: a directory each, and what their metadata.json says (formats.md, "Files").

use std::collections::BTreeMap;
use std::io::ErrorKind;

use super::batches::Owner;
use super::disk::Disk;
use super::error::RecoveryError;
use super::index::{owner_of, path_of};
use super::kept;
use super::metadata::{metadata_from_json, write_metadata, METADATA};
use super::segments::read_directory;
use super::window::Window;
use super::{Durability, Finding, RecoveryOptions, Severity, TopicMetadata};
use crate::format::names::{CONSUMERS_DIR, JOURNAL_DIR, SEGMENTS_DIR, SPARE_DIR};

/// Makes the directories that must be there, and removes what was never finished: spare segments too, which the node
/// makes again.
pub(super) fn prepare(disk: Disk) -> Result<(), RecoveryError> {
    for dir in [JOURNAL_DIR, SPARE_DIR, CONSUMERS_DIR, SEGMENTS_DIR] {
        if !disk.exists(dir)? {
            disk.make_dir(dir)?;
        }
    }
    // Names that a killed process changed last may stand in the page cache alone: recovery must not build on one, and
    // remove what it replaces, before it is durable.
    for dir in ["", JOURNAL_DIR, CONSUMERS_DIR, SEGMENTS_DIR] {
        disk.flush_dir(dir)?;
    }
    for dir in [SPARE_DIR, CONSUMERS_DIR] {
        let mut removed = false;
        for name in disk.list(dir)? {
            if dir == SPARE_DIR || kept::is_leftover(&name) {
                disk.unlink(&format!("{dir}/{name}"))?;
                removed = true;
            }
        }
        if removed {
            disk.flush_dir(dir)?;
        }
    }
    Ok(())
}

/// What the topics' directories say.
pub(super) struct Catalogue {
    /// By id.
    pub topics: Vec<TopicMetadata>,
    /// There is a directory of which nobody can tell which topic it was: an id that is missing may be its.
    pub nameless: bool,
}

/// Reads the metadata of all topics.
pub(super) fn read_topics(
    disk: Disk,
    options: &RecoveryOptions,
    findings: &mut Vec<Finding>,
) -> Result<Catalogue, RecoveryError> {
    let mut nameless = false;
    let mut topics: BTreeMap<u32, TopicMetadata> = BTreeMap::new();
    for name in disk.list(SEGMENTS_DIR)? {
        let dir = format!("{SEGMENTS_DIR}/{name}");
        if kept::is_leftover(&name) {
            remove_topic(disk, &dir)?;
            continue;
        }
        if kept::is_kept(&name) {
            continue;
        }
        if is_file(disk, &dir) {
            findings.push(stranger(dir));
            continue;
        }
        let Some(metadata) = topic_metadata(disk, options, &dir, &name, findings)? else {
            nameless = true;
            continue;
        };
        if metadata.id >= options.next_topic_id {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "topic-beyond-next-id",
                path: format!("{dir}/{METADATA}"),
                at: None,
                detail: format!(
                    "topic {} has an id that node.json has not given yet (next is {}): node.json is older than this topic",
                    metadata.id, options.next_topic_id
                ),
            });
        }
        if let Some(other) = topics.get(&metadata.id) {
            return Err(RecoveryError::Invalid {
                path: format!("{dir}/{METADATA}"),
                at: None,
                detail: format!(
                    "topic id {} is {}'s already; move the directory that does not belong here away",
                    metadata.id, other.name
                ),
            });
        }
        topics.insert(metadata.id, metadata);
    }
    Ok(Catalogue {
        topics: topics.into_values().collect(),
        nameless,
    })
}

fn stranger(path: String) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "no-topic",
        path,
        at: None,
        detail: "a file among the topics' directories; it is left alone".to_owned(),
    }
}

fn is_file(disk: Disk, path: &str) -> bool {
    let listed = disk.0.list(path);
    listed.is_err_and(|error| error.kind() == ErrorKind::NotADirectory)
}

/// Removes a topic's directory and everything in it. Whoever calls it has given it a temporary name before.
fn remove_topic(disk: Disk, dir: &str) -> Result<(), RecoveryError> {
    if is_file(disk, dir) {
        disk.unlink(dir)?;
        return disk.flush_dir(SEGMENTS_DIR);
    }
    for file in disk.list(dir)? {
        disk.unlink(&format!("{dir}/{file}"))?;
    }
    disk.remove_dir(dir)?;
    disk.flush_dir(SEGMENTS_DIR)
}

fn topic_metadata(
    disk: Disk,
    options: &RecoveryOptions,
    dir: &str,
    name: &str,
    findings: &mut Vec<Finding>,
) -> Result<Option<TopicMetadata>, RecoveryError> {
    let path = format!("{dir}/{METADATA}");
    if let Some(bytes) = disk.contents(&path)? {
        let metadata = match metadata_from_json(&bytes, &path) {
            Err(RecoveryError::Invalid { detail, .. }) => {
                return without_metadata(disk, options, dir, name, Some(detail), findings);
            }
            metadata => metadata?,
        };
        if metadata.name != name {
            return Err(RecoveryError::Invalid {
                path,
                at: None,
                detail: format!(
                    "this says that the topic is called {:?}; rename the directory back, or correct `name`",
                    metadata.name
                ),
            });
        }
        return Ok(Some(metadata));
    }
    without_metadata(disk, options, dir, name, None, findings)
}

/// A topic whose metadata.json is missing or, as `wrong` says, none: its batches tell who it is. One topic's trouble keeps
/// no other from being served.
fn without_metadata(
    disk: Disk,
    options: &RecoveryOptions,
    dir: &str,
    name: &str,
    wrong: Option<String>,
    findings: &mut Vec<Finding>,
) -> Result<Option<TopicMetadata>, RecoveryError> {
    let path = format!("{dir}/{METADATA}");
    let state = match &wrong {
        None => "it was missing".to_owned(),
        Some(detail) => format!("it was unreadable ({detail})"),
    };
    let found = first_owner(disk, dir)?;
    let Some((owner, start_ns)) = found else {
        findings.push(Finding {
            severity: Severity::Warning,
            code: "no-topic",
            path: dir.to_owned(),
            at: None,
            detail: format!(
                "no {METADATA}: {state}; and no batch tells which topic this was; it is left alone"
            ),
        });
        return Ok(None);
    };
    let metadata = TopicMetadata {
        id: owner.topic,
        name: name.to_owned(),
        created_at: start_ns.min(options.now_ns) / 1_000_000_000,
        epoch: owner.epoch,
        durability: Durability::default(),
        retention: None,
        resume: None,
    };
    write_metadata(disk.0, &metadata)?;
    findings.push(Finding {
        severity: Severity::Warning,
        code: "metadata-rebuilt",
        path,
        at: None,
        detail: format!(
            "{state}; id {} and epoch {} are from the first batch. Retention and durability are the defaults now",
            owner.topic, owner.epoch
        ),
    });
    Ok(Some(metadata))
}

/// Whose batches the oldest segment has, and when it starts.
fn first_owner(disk: Disk, dir: &str) -> Result<Option<(Owner, u64)>, RecoveryError> {
    for name in read_directory(disk, dir)? {
        let file = disk.read(&path_of(dir, &name, "lnc"))?;
        if let Some(owner) = owner_of(&mut Window::new(&file)) {
            return Ok(Some((owner, name.start_ns)));
        }
    }
    Ok(None)
}
