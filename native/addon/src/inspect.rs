//! Windows of files for `lance segment`: read and checked here, judged in TypeScript.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lance_engine::format::batch::SortKey;
use lance_engine::format::names::SegmentName;
use lance_engine::recovery::{self, EntrySeen, RecoveryOptions};
use lance_engine::storage::{OsStorage, Rehearsal};
use napi::bindgen_prelude::{AsyncTask, BigInt, Buffer};
use napi::{Env, Result, Task};
use napi_derive::napi;

use crate::config::{u64_of, Finding};

/// What went wrong when the system refused something.
#[napi(object, object_from_js = false)]
pub struct FileError {
    /// The system's number; 0 where it was none of its errors.
    pub errno: i32,
    pub message: String,
}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        Self {
            errno: error.raw_os_error().unwrap_or(0),
            message: error.to_string(),
        }
    }
}

/// A batch header and where it stands (formats.md, "Segment").
#[napi(object, object_from_js = false)]
pub struct BatchSeen {
    /// Byte position of the header.
    pub position: i64,
    /// Bytes of the whole batch, its header included.
    pub length: i64,
    /// The header's own checksum.
    pub checksum: u32,
    pub previous: u32,
    pub payload_checksum: u32,
    #[napi(ts_type = "'crc32' | 'crc32c'")]
    pub payload_kind: String,
    pub payload_length: u32,
    pub record_count: u32,
    pub topic: u32,
    pub epoch: u32,
    pub timestamp_ns: BigInt,
    pub node_actor_sequence: BigInt,
    pub base_record: BigInt,
    pub base_offset: BigInt,
    pub producer_ns: BigInt,
    pub durable_offset: BigInt,
    pub term: BigInt,
    pub log_index: BigInt,
    pub producer_id: BigInt,
    pub producer_sequence: BigInt,
}

impl From<&recovery::BatchSeen> for BatchSeen {
    fn from(batch: &recovery::BatchSeen) -> Self {
        let header = &batch.header;
        Self {
            position: batch.position.cast_signed(),
            length: header.batch_len().cast_signed(),
            checksum: batch.checksum,
            previous: header.previous,
            payload_checksum: header.payload_checksum,
            payload_kind: match header.payload_kind {
                lance_engine::messages::ChecksumKind::Crc32 => "crc32",
                lance_engine::messages::ChecksumKind::Crc32c => "crc32c",
            }
            .to_owned(),
            payload_length: header.payload_len,
            record_count: header.record_count,
            topic: header.topic,
            epoch: header.epoch,
            timestamp_ns: header.key.timestamp_ns.into(),
            node_actor_sequence: header.key.node_actor_sequence.into(),
            base_record: header.base_record.into(),
            base_offset: header.base_offset.into(),
            producer_ns: header.producer_ns.into(),
            durable_offset: header.durable_offset.into(),
            term: header.term.into(),
            log_index: header.log_index.into(),
            producer_id: header.producer_id.into(),
            producer_sequence: header.producer_sequence.into(),
        }
    }
}

/// What the first batch of a stretch must continue; what is left out is not asked for.
#[napi(object, object_to_js = false)]
pub struct WantedBatch {
    pub topic: Option<u32>,
    pub epoch: Option<u32>,
    pub offset: Option<BigInt>,
    pub record: Option<BigInt>,
    /// Key of the last record before it.
    pub timestamp_ns: Option<BigInt>,
    pub node_actor_sequence: Option<BigInt>,
    /// Header checksum of the batch before it.
    pub chain: Option<u32>,
}

impl From<WantedBatch> for recovery::Wanted {
    fn from(wanted: WantedBatch) -> Self {
        let number = |value: &Option<BigInt>| value.as_ref().map(u64_of);
        Self {
            owner: wanted.topic.zip(wanted.epoch),
            place: number(&wanted.offset).zip(number(&wanted.record)),
            key: number(&wanted.timestamp_ns)
                .zip(number(&wanted.node_actor_sequence))
                .map(|(timestamp_ns, node_actor_sequence)| SortKey {
                    timestamp_ns,
                    node_actor_sequence,
                }),
            chain: wanted.chain,
        }
    }
}

/// Records of one type.
#[napi(object, object_from_js = false)]
pub struct TypeCount {
    pub kind: u32,
    pub records: i64,
}

/// Something about a whole batch that formats.md does not allow.
#[napi(object, object_from_js = false)]
pub struct Odd {
    pub position: i64,
    #[napi(ts_type = "'records' | 'header'")]
    pub kind: String,
    pub detail: String,
}

/// Why a stretch ends.
#[napi(object, object_from_js = false)]
pub struct Stop {
    #[napi(
        ts_type = "'budget' | 'end' | 'fill' | 'cut' | 'header' | 'newer' | 'payload' | 'foreign' | 'chain' | 'read'"
    )]
    pub kind: String,
    /// One sentence; empty for `budget` and `end`.
    pub detail: String,
    /// The batch that it ended at, where its header could be read.
    pub batch: Option<BatchSeen>,
}

/// Batches that hold and continue one another.
#[napi(object, object_from_js = false)]
pub struct Stretch {
    pub first: Option<BatchSeen>,
    pub last: Option<BatchSeen>,
    pub batches: i64,
    pub records: i64,
    pub record_bytes: i64,
    pub types: Vec<TypeCount>,
    /// The highest durable offset that a header tells.
    pub durable: BigInt,
    /// Byte position behind the last batch.
    pub end: i64,
    pub odd: Vec<Odd>,
    pub stop: Stop,
}

impl From<recovery::Stretch> for Stretch {
    fn from(stretch: recovery::Stretch) -> Self {
        let types = stretch.types.iter().map(|(&kind, &records)| TypeCount {
            kind: u32::from(kind),
            records: records.cast_signed(),
        });
        Self {
            first: stretch.first.as_ref().map(Into::into),
            last: stretch.last.as_ref().map(Into::into),
            batches: stretch.batches.cast_signed(),
            records: stretch.records.cast_signed(),
            record_bytes: stretch.record_bytes.cast_signed(),
            types: types.collect(),
            durable: stretch.durable.into(),
            end: stretch.end.cast_signed(),
            odd: stretch
                .odd
                .into_iter()
                .map(|odd| Odd {
                    position: odd.position.cast_signed(),
                    kind: odd.kind.to_owned(),
                    detail: odd.detail,
                })
                .collect(),
            stop: Stop {
                kind: stretch.stop.kind().to_owned(),
                detail: stretch.stop.detail(),
                batch: stretch.stop.batch().map(Into::into),
            },
        }
    }
}

/// A file that is looked at. It is opened once, so that a rename or a removal meanwhile changes nothing.
#[napi]
pub struct LogFile {
    file: Option<Arc<recovery::LogFile>>,
}

#[napi]
impl LogFile {
    #[napi(constructor)]
    #[allow(clippy::new_without_default)] // for JavaScript
    pub fn new() -> Self {
        Self { file: None }
    }
    /// Opens the regular file at `path`; nothing is returned when that went well.
    #[napi]
    pub fn open(&mut self, path: String) -> Option<FileError> {
        match recovery::LogFile::open(Path::new(&path)) {
            Ok(file) => {
                self.file = Some(Arc::new(file));
                None
            }
            Err(error) => Some(error.into()),
        }
    }
    /// Closes it as soon as nothing reads it any more.
    #[napi]
    pub fn close(&mut self) {
        self.file = None;
    }
    /// Bytes in the file now.
    #[napi]
    pub fn size(&self) -> Result<i64> {
        let length = self.inner()?.len()?;
        Ok(length.cast_signed())
    }
    /// Follows batches from byte `from` on, at most `budget` bytes and one batch, and checks everything about each.
    #[napi(ts_return_type = "Promise<Stretch>")]
    pub fn follow(&self, from: i64, wanted: WantedBatch, budget: i64) -> Result<AsyncTask<Follow>> {
        Ok(AsyncTask::new(Follow {
            file: self.inner()?,
            from: from.cast_unsigned(),
            wanted: wanted.into(),
            budget: budget.cast_unsigned(),
        }))
    }
    /// Up to `most` headers from byte `from` on, each behind the batch before it; payloads are not read.
    #[napi]
    pub fn headers(&self, from: i64, most: u32) -> Result<Vec<BatchSeen>> {
        let found = self.inner()?.headers(from.cast_unsigned(), most as usize)?;
        Ok(found.iter().map(Into::into).collect())
    }
    /// The first batch header from byte `from` on that holds, of the topic and epoch if they are given.
    #[napi(ts_return_type = "Promise<BatchSeen | null>")]
    pub fn find_header(
        &self,
        from: i64,
        topic: Option<u32>,
        epoch: Option<u32>,
    ) -> Result<AsyncTask<FindHeader>> {
        Ok(AsyncTask::new(FindHeader {
            file: self.inner()?,
            from: from.cast_unsigned(),
            owner: topic.zip(epoch),
        }))
    }
    /// The first byte from `from` on that is not zero.
    #[napi(ts_return_type = "Promise<number | null>")]
    pub fn first_nonzero(&self, from: i64) -> Result<AsyncTask<FirstNonzero>> {
        Ok(AsyncTask::new(FirstNonzero {
            file: self.inner()?,
            from: from.cast_unsigned(),
        }))
    }
    /// Ordinals in a stretch of both indexes whose entries this segment, whose batches end at byte `end`, does not confirm.
    #[napi(ts_return_type = "Promise<number[]>")]
    pub fn unconfirmed(&self, idx: Buffer, pos: Buffer, end: i64) -> Result<AsyncTask<Confirm>> {
        Ok(AsyncTask::new(Confirm {
            file: self.inner()?,
            idx: idx.to_vec(),
            pos: pos.to_vec(),
            end: end.cast_unsigned(),
        }))
    }
    /// `length` bytes from `at` on; fewer at the end of the file.
    #[napi]
    pub fn read(&self, at: i64, length: u32) -> Result<Buffer> {
        let mut bytes = vec![0; length as usize];
        let got = self.inner()?.read_at(&mut bytes, at.cast_unsigned())?;
        bytes.truncate(got);
        Ok(bytes.into())
    }
}

impl LogFile {
    fn inner(&self) -> Result<Arc<recovery::LogFile>> {
        self.file
            .clone()
            .ok_or_else(|| napi::Error::from_reason("the file is not open"))
    }
}

/// Runs on a worker thread of libuv.
pub struct Follow {
    file: Arc<recovery::LogFile>,
    from: u64,
    wanted: recovery::Wanted,
    budget: u64,
}

impl Task for Follow {
    type Output = recovery::Stretch;
    type JsValue = Stretch;
    fn compute(&mut self) -> Result<recovery::Stretch> {
        Ok(self.file.follow(self.from, &self.wanted, self.budget))
    }
    fn resolve(&mut self, _env: Env, stretch: recovery::Stretch) -> Result<Stretch> {
        Ok(stretch.into())
    }
}

/// Runs on a worker thread of libuv.
pub struct FindHeader {
    file: Arc<recovery::LogFile>,
    from: u64,
    owner: Option<(u32, u32)>,
}

impl Task for FindHeader {
    type Output = Option<recovery::BatchSeen>;
    type JsValue = Option<BatchSeen>;
    fn compute(&mut self) -> Result<Option<recovery::BatchSeen>> {
        Ok(self.file.find_header(self.from, self.owner)?)
    }
    fn resolve(&mut self, _env: Env, found: Self::Output) -> Result<Option<BatchSeen>> {
        Ok(found.as_ref().map(Into::into))
    }
}

/// Runs on a worker thread of libuv.
pub struct FirstNonzero {
    file: Arc<recovery::LogFile>,
    from: u64,
}

impl Task for FirstNonzero {
    type Output = Option<i64>;
    type JsValue = Option<i64>;
    fn compute(&mut self) -> Result<Option<i64>> {
        Ok(self.file.first_nonzero(self.from)?.map(u64::cast_signed))
    }
    fn resolve(&mut self, _env: Env, found: Option<i64>) -> Result<Option<i64>> {
        Ok(found)
    }
}

/// Runs on a worker thread of libuv.
pub struct Confirm {
    file: Arc<recovery::LogFile>,
    idx: Vec<u8>,
    pos: Vec<u8>,
    end: u64,
}

impl Task for Confirm {
    type Output = Vec<u32>;
    type JsValue = Vec<u32>;
    fn compute(&mut self) -> Result<Vec<u32>> {
        Ok(self.file.unconfirmed(&self.idx, &self.pos, self.end)?)
    }
    fn resolve(&mut self, _env: Env, found: Vec<u32>) -> Result<Vec<u32>> {
        Ok(found)
    }
}

/// What went wrong in a data directory, in the engine's words.
#[napi(object, object_from_js = false)]
pub struct DirectoryError {
    /// `io`, `newer-format`, `data-dir-invalid`.
    pub code: String,
    pub message: String,
    pub hint: String,
    pub errno: i32,
}

impl From<recovery::RecoveryError> for DirectoryError {
    fn from(error: recovery::RecoveryError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            hint: error.hint().to_owned(),
            errno: error.errno(),
        }
    }
}

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

/// Recovery outside of a node: what it is told, and whether it only says what it would do.
#[napi(object, object_to_js = false)]
pub struct RecoverOptions {
    pub data_dir: String,
    pub next_topic_id: u32,
    pub node_id: u16,
    pub chunk_bytes: i64,
    pub index_every_bytes: i64,
    /// Nothing in the directory is changed.
    pub rehearse: bool,
}

/// How it ended: what was found and done, or what stopped it.
#[napi(object, object_from_js = false)]
pub struct RecoverOutcome {
    pub findings: Vec<Finding>,
    pub topics: Vec<RecoveredEnd>,
    pub error: Option<DirectoryError>,
}

/// A topic after recovery.
#[napi(object, object_from_js = false)]
pub struct RecoveredEnd {
    pub id: u32,
    pub name: String,
    pub epoch: u32,
    pub end_offset: BigInt,
    pub end_record: BigInt,
    pub frozen: bool,
}

/// Recovers a data directory as a start of a node does. The caller holds its lock, unless it is a rehearsal.
#[napi(ts_return_type = "Promise<RecoverOutcome>")]
pub fn recover_directory(options: RecoverOptions) -> AsyncTask<Recover> {
    AsyncTask::new(Recover { options })
}

/// Runs on a worker thread of libuv.
pub struct Recover {
    options: RecoverOptions,
}

type Recovery = std::result::Result<recovery::Recovered, recovery::RecoveryError>;

impl Task for Recover {
    type Output = Recovery;
    type JsValue = RecoverOutcome;
    fn compute(&mut self) -> Result<Recovery> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let options = RecoveryOptions {
            next_topic_id: self.options.next_topic_id,
            node_id: self.options.node_id,
            now_ns: now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)),
            chunk_bytes: self.options.chunk_bytes.cast_unsigned(),
            index_every_bytes: self.options.index_every_bytes.cast_unsigned(),
            verify: false,
        };
        let root = PathBuf::from(&self.options.data_dir);
        Ok(if self.options.rehearse {
            recovery::recover(&Rehearsal::new(&root)?, &options)
        } else {
            recovery::recover(&OsStorage::new(&root, false)?, &options)
        })
    }
    fn resolve(&mut self, _env: Env, outcome: Recovery) -> Result<RecoverOutcome> {
        Ok(match outcome {
            Ok(recovered) => RecoverOutcome {
                findings: recovered.findings.into_iter().map(Into::into).collect(),
                topics: recovered
                    .topics
                    .into_iter()
                    .map(|topic| RecoveredEnd {
                        id: topic.metadata.id,
                        name: topic.metadata.name,
                        epoch: topic.metadata.epoch,
                        end_offset: topic.next.offset.into(),
                        end_record: topic.next.record.into(),
                        frozen: topic.frozen,
                    })
                    .collect(),
                error: None,
            },
            Err(error) => RecoverOutcome {
                findings: Vec::new(),
                topics: Vec::new(),
                error: Some(error.into()),
            },
        })
    }
}

/// Writes both indexes of the segment `stem` in `directory` anew from the segment alone; how many entries that made, or why not.
#[napi(ts_return_type = "Promise<IndexOutcome>")]
pub fn rebuild_index(directory: String, stem: String, every_bytes: i64) -> AsyncTask<RebuildIndex> {
    AsyncTask::new(RebuildIndex {
        directory,
        stem,
        every_bytes: every_bytes.cast_unsigned(),
    })
}

/// How `rebuildIndex` ended.
#[napi(object, object_from_js = false)]
pub struct IndexOutcome {
    pub entries: i64,
    pub error: Option<DirectoryError>,
}

/// Runs on a worker thread of libuv.
pub struct RebuildIndex {
    directory: String,
    stem: String,
    every_bytes: u64,
}

impl Task for RebuildIndex {
    type Output = std::result::Result<u64, DirectoryError>;
    type JsValue = IndexOutcome;
    fn compute(&mut self) -> Result<Self::Output> {
        let Some(name) = SegmentName::parse(&self.stem) else {
            return Err(napi::Error::from_reason("this is no segment's name"));
        };
        let storage = OsStorage::new(Path::new(&self.directory), false)?;
        Ok(recovery::rebuild_index_in(&storage, "", &name, self.every_bytes).map_err(Into::into))
    }
    fn resolve(&mut self, _env: Env, outcome: Self::Output) -> Result<IndexOutcome> {
        Ok(match outcome {
            Ok(entries) => IndexOutcome {
                entries: entries.cast_signed(),
                error: None,
            },
            Err(error) => IndexOutcome {
                entries: 0,
                error: Some(error),
            },
        })
    }
}
