//! From a data directory as it was left to the state that agents start from (design.md, section 8).

use crate::format::batch::SortKey;
use crate::format::names::SegmentName;

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
