//! From a data directory as it was left to the state that agents start from (design.md, section 8).
//!
//! `recover` can itself be interrupted anywhere: every step may be done again, what is cut is kept beside the file
//! first, and names change only when what they name is durable. Start-up reads sealed segments by name alone, so its
//! time follows their number, not their bytes.

mod active;
mod batches;
mod blocks;
mod catalogue;
mod commits;
mod damage;
mod disk;
mod error;
mod index;
mod inspect;
mod journal;
mod kept;
mod lookahead;
mod metadata;
mod obsolete;
mod overlay;
mod quarantine;
mod segments;
mod settle;
#[cfg(test)]
mod tests;
mod topic;
mod torn;
mod unknown;
mod verdict;
mod verify;
mod window;

pub use commits::{read_checkpoint, write_checkpoint, CHECKPOINT};
pub use error::RecoveryError;
pub use index::{index_due, rebuild_index, rebuild_index_in};
pub use inspect::{
    chunk_blocks, inspect_chunk, BatchSeen, BlockSeen, ChunkReport, EntrySeen, LogFile, Odd, Stop,
    Stretch, Wanted,
};
pub use metadata::{
    metadata_from_json, metadata_to_json, read_metadata, write_metadata, METADATA, METADATA_FORMAT,
};
pub use obsolete::START;
pub use quarantine::{Quarantine, QUARANTINE};
pub use verify::{verify_segment, IndexReport, Problem, SegmentReport, VerifyOptions};

use crate::format::batch::SortKey;
use crate::format::names::{SegmentName, DISCARDS, JOURNAL_DIR, SEGMENTS_DIR};
use crate::storage::Storage;
use disk::Disk;
use journal::Journal;
use obsolete::Obsolete;

/// When an ack leaves (design.md, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// On stable storage.
    #[default]
    Durable,
    /// Accepted by the device, flushed in the background.
    Written,
}

/// What `metadata.json` of a topic says (formats.md, "Files").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    pub id: u32,
    pub name: String,
    /// Seconds since 1970.
    pub created_at: u64,
    pub epoch: u32,
    pub durability: Durability,
    /// `max_age_secs`, `max_bytes`; 0 is none.
    pub retention: Option<(u64, u64)>,
    /// Where a topic without any batch goes on.
    pub resume: Option<Position>,
}

/// Where a topic goes on: the four things that the next batch continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Position {
    pub offset: u64,
    pub record: u64,
    /// Key of the last record.
    pub key: SortKey,
    /// Header checksum of the last batch, 0 if there was none.
    pub chain: u32,
}

/// A segment on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    pub name: SegmentName,
    /// Bytes of batches: where the next one would stand. For a sealed segment the length of the file.
    pub end: u64,
}

/// A topic, ready to be written and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredTopic {
    pub metadata: TopicMetadata,
    pub next: Position,
    /// Sealed segments by base offset, ascending.
    pub sealed: Vec<SegmentInfo>,
    pub active: Option<SegmentInfo>,
    /// Byte position of the last batch that the active segment's index has an entry for.
    pub indexed_to: Option<u64>,
    /// Damage was found: the topic serves what is whole, and takes nothing.
    pub frozen: bool,
}

/// A committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub topic: u32,
    pub epoch: u32,
    pub consumer: u64,
    pub offset: u64,
    /// When, seconds since 1970.
    pub at_s: u64,
}

/// Where the journal goes on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct JournalStart {
    /// Numbers of the chunk files that are there, all of them free now.
    pub chunks: Vec<u64>,
    pub next_generation: u64,
    pub next_sequence: u64,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// Something that recovery did or saw, for the log and for `lance segment repair`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Stable and short: `torn-tail`, `damage`, `index-rebuilt`, `unknown-topic`, ...
    pub code: &'static str,
    /// File, relative to the data directory.
    pub path: String,
    /// Byte position, where there is one.
    pub at: Option<u64>,
    /// One sentence for a person.
    pub detail: String,
}

/// All that the node starts from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Recovered {
    /// By id, ascending.
    pub topics: Vec<RecoveredTopic>,
    pub commits: Vec<CommittedOffset>,
    pub journal: JournalStart,
    pub findings: Vec<Finding>,
}

/// What recovery must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryOptions {
    /// From node.json: topics with lower ids that are not there were deleted.
    pub next_topic_id: u32,
    pub node_id: u16,
    /// Wall clock, ns since 1970.
    pub now_ns: u64,
    /// `journal.chunk_bytes`: chunks of another size are removed.
    pub chunk_bytes: u64,
    /// `index.every_bytes`.
    pub index_every_bytes: u64,
    /// Read everything, sealed segments too, and report what does not hold.
    pub verify: bool,
    /// The node will store nothing: only on a directory that is marked for it, and no other node there.
    pub discard: bool,
}

/// Brings a data directory to rest and says where everything goes on. Blocks; nothing else uses the directory.
///
/// Afterwards the journal is obsolete: every batch of it that counts is in a flushed segment, every committed offset in
/// the checkpoint. Interrupted, it is called again.
///
/// # Errors
/// `Io` when the storage refuses, `NewerFormat` for what a newer version wrote, `Invalid` for files that say what they
/// cannot say, `Discards` and `Stores` where node and directory do not agree on storing. Torn tails and damage are no errors
/// but findings.
pub fn recover(
    storage: &dyn Storage,
    options: &RecoveryOptions,
) -> Result<Recovered, RecoveryError> {
    let disk = Disk(storage);
    let mut findings = Vec::new();
    match (disk.exists(DISCARDS)?, options.discard) {
        (true, false) => return Err(RecoveryError::Discards),
        (false, true) => return Err(RecoveryError::Stores),
        (true, true) | (false, false) => {}
    }
    catalogue::prepare(disk)?;
    let obsolete = obsolete::read(disk, &mut findings)?;
    let mut journal = Journal::read(disk, options.chunk_bytes, obsolete, &mut findings)?;
    let catalogue = catalogue::read_topics(disk, options, &mut findings)?;
    let mut topics = Vec::with_capacity(catalogue.topics.len());
    let mut laid = 0;
    for metadata in catalogue.topics {
        let topic =
            topic::recover_topic(disk, metadata, options, &journal, &mut findings, &mut laid)?;
        topics.push(topic);
    }
    if laid > 0 {
        findings.push(Finding {
            severity: Severity::Info,
            code: "journal-replayed",
            path: JOURNAL_DIR.to_owned(),
            at: None,
            detail: match laid {
                1 => "a batch came out of the journal into its segment".to_owned(),
                _ => format!("{laid} batches came out of the journal into their segments"),
            },
        });
    }
    let alive = |id: u32, epoch: u32| {
        topics
            .binary_search_by_key(&id, |topic| topic.metadata.id)
            .is_ok_and(|at| topics[at].metadata.epoch == epoch)
    };
    // The topic `default`, 0, is never deleted.
    let deleted = |id: u32| (1..options.next_topic_id).contains(&id) && !catalogue.nameless;
    unknown::keep_unknown(disk, &journal, alive, deleted, &mut findings)?;
    disk.flush_dir(SEGMENTS_DIR)?;
    disk.flush_dir(JOURNAL_DIR)?;
    let commits = commits::recover_commits(disk, &journal.commits, alive, &mut findings)?;
    // From here on the journal is obsolete.
    obsolete::write(disk, &Obsolete::now(&journal.start, &topics))?;
    journal.remove_misfits(&mut findings)?;
    Ok(Recovered {
        topics,
        commits,
        journal: journal.start,
        findings,
    })
}
