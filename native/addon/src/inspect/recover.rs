//! Recovery outside of a node, for real or as a rehearsal, and indexes written anew.

use std::path::{Path, PathBuf};

use lance_engine::format::names::SegmentName;
use lance_engine::recovery::{self, RecoveryOptions};
use lance_engine::storage::{OsStorage, Rehearsal};
use napi::bindgen_prelude::{AsyncTask, BigInt};
use napi::{Env, Result, Task};
use napi_derive::napi;

use super::DirectoryError;
use crate::outcome::Finding;

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
            discard: false,
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
