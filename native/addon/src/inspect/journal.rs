//! Journal chunks, their blocks and entries (docs/formats.md, "Journal").

use std::path::Path;

use lance_engine::recovery::{self, EntrySeen};
use lance_engine::storage::OsStorage;
use napi::bindgen_prelude::{AsyncTask, BigInt};
use napi::{Env, Result, Task};
use napi_derive::napi;

use super::DirectoryError;

/// A journal chunk, or why it could not be read (docs/formats.md, "Journal").
#[napi(object, object_from_js = false)]
pub struct ChunkReport {
    pub file_bytes: i64,
    pub generation: Option<BigInt>,
    pub blocks: i64,
    pub first_sequence: Option<BigInt>,
    pub last_sequence: Option<BigInt>,
    /// Byte position behind the last block of the newest generation.
    pub end: i64,
    pub batches: i64,
    pub tails: i64,
    pub watermarks: i64,
    pub commits: i64,
    pub problems: Vec<ChunkProblem>,
    pub error: Option<DirectoryError>,
}

/// Something in a chunk that does not hold.
#[napi(object, object_from_js = false)]
pub struct ChunkProblem {
    pub kind: String,
    pub at: i64,
    pub detail: String,
}

/// Reads the journal chunk `name` in the directory at `directory`.
#[napi(ts_return_type = "Promise<ChunkReport>")]
pub fn inspect_chunk(directory: String, name: String) -> AsyncTask<InspectChunk> {
    AsyncTask::new(InspectChunk { directory, name })
}

/// Runs on a worker thread of libuv.
pub struct InspectChunk {
    directory: String,
    name: String,
}

impl Task for InspectChunk {
    type Output = std::result::Result<recovery::ChunkReport, DirectoryError>;
    type JsValue = ChunkReport;
    fn compute(&mut self) -> Result<Self::Output> {
        let storage = OsStorage::new(Path::new(&self.directory), false)?;
        Ok(recovery::inspect_chunk(&storage, &self.name).map_err(Into::into))
    }
    fn resolve(&mut self, _env: Env, outcome: Self::Output) -> Result<ChunkReport> {
        let (report, error) = match outcome {
            Ok(report) => (report, None),
            Err(error) => (recovery::ChunkReport::default(), Some(error)),
        };
        Ok(ChunkReport {
            file_bytes: report.file_bytes.cast_signed(),
            generation: report.generation.map(Into::into),
            blocks: report.blocks.cast_signed(),
            first_sequence: report.first_sequence.map(Into::into),
            last_sequence: report.last_sequence.map(Into::into),
            end: report.end.cast_signed(),
            batches: report.batches.cast_signed(),
            tails: report.tails.cast_signed(),
            watermarks: report.watermarks.cast_signed(),
            commits: report.commits.cast_signed(),
            problems: report
                .problems
                .into_iter()
                .map(|problem| ChunkProblem {
                    kind: problem.kind.to_owned(),
                    at: problem.at.cast_signed(),
                    detail: problem.detail,
                })
                .collect(),
            error,
        })
    }
}

/// A block of a journal chunk.
#[napi(object, object_from_js = false)]
pub struct BlockSeen {
    pub position: i64,
    pub length: i64,
    pub checksum: u32,
    pub previous: u32,
    pub generation: BigInt,
    pub sequence: BigInt,
    pub oldest_generation: BigInt,
    pub durable_sequence: BigInt,
    pub first_sequence: BigInt,
    pub entries: Vec<EntryOfBlock>,
}

/// An entry of a journal block; what its kind does not have is left out.
#[napi(object, object_from_js = false)]
pub struct EntryOfBlock {
    #[napi(ts_type = "'batch' | 'tail' | 'watermark' | 'commit' | 'unreadable'")]
    pub kind: String,
    pub topic: Option<u32>,
    pub epoch: Option<u32>,
    /// Base offset of the segment, for a batch or a tail.
    pub segment: Option<BigInt>,
    /// Byte position in it.
    pub position: Option<BigInt>,
    /// Where its bytes stand in the chunk, and how many.
    pub at: Option<i64>,
    pub length: Option<i64>,
    /// Of a watermark: the durable offset. Of a commit: the committed one.
    pub offset: Option<BigInt>,
    pub consumer: Option<BigInt>,
    /// Seconds since 1970.
    pub committed_at: Option<i64>,
}

impl From<&EntrySeen> for EntryOfBlock {
    fn from(entry: &EntrySeen) -> Self {
        let empty = |kind: &str| Self {
            kind: kind.to_owned(),
            topic: None,
            epoch: None,
            segment: None,
            position: None,
            at: None,
            length: None,
            offset: None,
            consumer: None,
            committed_at: None,
        };
        match *entry {
            EntrySeen::Batch { place, at, len } | EntrySeen::Tail { place, at, len } => Self {
                topic: Some(place.topic),
                epoch: Some(place.epoch),
                segment: Some(place.segment.into()),
                position: Some(place.position.into()),
                at: Some(at.cast_signed()),
                length: Some(len.cast_signed()),
                ..empty(match entry {
                    EntrySeen::Batch { .. } => "batch",
                    _ => "tail",
                })
            },
            EntrySeen::Watermark {
                topic,
                epoch,
                durable_offset,
            } => Self {
                topic: Some(topic),
                epoch: Some(epoch),
                offset: Some(durable_offset.into()),
                ..empty("watermark")
            },
            EntrySeen::Commit {
                topic,
                epoch,
                consumer,
                offset,
                at_s,
            } => Self {
                topic: Some(topic),
                epoch: Some(epoch),
                offset: Some(offset.into()),
                consumer: Some(consumer.into()),
                committed_at: Some(at_s.cast_signed()),
                ..empty("commit")
            },
            EntrySeen::Unreadable => empty("unreadable"),
        }
    }
}

/// Up to `most` blocks of a journal chunk from byte `from` on; none where it cannot be read.
#[napi]
pub fn chunk_blocks(
    directory: String,
    name: String,
    from: i64,
    most: u32,
) -> Result<Vec<BlockSeen>> {
    let storage = OsStorage::new(Path::new(&directory), false)?;
    let blocks = recovery::chunk_blocks(&storage, &name, from.cast_unsigned(), most as usize)
        .unwrap_or_default();
    let seen = |block: &recovery::BlockSeen| BlockSeen {
        position: block.position.cast_signed(),
        length: i64::from(block.header.length),
        checksum: block.checksum,
        previous: block.header.previous,
        generation: block.header.generation.into(),
        sequence: block.header.sequence.into(),
        oldest_generation: block.header.oldest_generation.into(),
        durable_sequence: block.header.durable_sequence.into(),
        first_sequence: block.header.first_sequence.into(),
        entries: block.entries.iter().map(Into::into).collect(),
    };
    Ok(blocks.iter().map(seen).collect())
}
