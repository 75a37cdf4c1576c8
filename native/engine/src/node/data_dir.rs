//! What the last run left in the data directory: recovered topics, and journal chunks to go on with.

use std::io;
use std::sync::Arc;

use super::start::failed;
use super::{NodeConfig, StartError};
use crate::clock::{Clock, SystemClock};
use crate::format::names::chunk_path;
use crate::keeper::make_chunk;
use crate::recovery::{recover, Recovered, RecoveryOptions};
use crate::storage::{Handle, Open, OsStorage, Storage};

/// Most chunk files that are taken over from the last run.
const CHUNKS: usize = 3;

/// A data directory after recovery.
pub(super) struct DataDir {
    pub storage: Arc<OsStorage>,
    pub recovered: Recovered,
    /// Chunk files, all free, by number; at least one.
    pub chunks: Vec<(u64, Handle)>,
}

impl DataDir {
    /// Recovers the directory and opens the journal's chunks.
    ///
    /// # Errors
    /// `data-dir-unusable`, or what recovery says.
    pub fn open(config: &NodeConfig) -> Result<Self, StartError> {
        let storage =
            OsStorage::new(&config.data_dir, config.o_direct).map_err(|e| unusable(config, &e))?;
        let recovered = recover_all(config, &storage)?;
        let chunks = open_chunks(config, &storage, &recovered).map_err(|e| unusable(config, &e))?;
        Ok(Self {
            storage: Arc::new(storage),
            recovered,
            chunks,
        })
    }
}

fn recover_all(config: &NodeConfig, storage: &dyn Storage) -> Result<Recovered, StartError> {
    let options = RecoveryOptions {
        next_topic_id: config.next_topic_id,
        node_id: config.node_id,
        now_ns: SystemClock.now().wall_ns,
        chunk_bytes: config.chunk_bytes,
        index_every_bytes: config.index_every_bytes,
        verify: false,
        discard: config.discard,
    };
    recover(storage, &options).map_err(|error| StartError {
        code: error.code(),
        message: format!("recovery of {}: {error}", config.data_dir.display()),
        hint: error.hint().to_owned(),
    })
}

/// Opens the chunks that are there; makes the first one on a fresh directory.
fn open_chunks(
    config: &NodeConfig,
    storage: &dyn Storage,
    recovered: &Recovered,
) -> io::Result<Vec<(u64, Handle)>> {
    const EXISTING: Open = Open {
        write: true,
        create: false,
        direct: true,
    };
    let mut chunks = Vec::new();
    for &number in &recovered.journal.chunks {
        let path = chunk_path(number);
        if chunks.len() == CHUNKS {
            storage.unlink(&path)?;
            continue;
        }
        chunks.push((number, storage.open(&path, EXISTING)?));
    }
    if chunks.is_empty() {
        chunks.push((0, make_chunk(storage, 0, config.chunk_bytes)?));
    }
    Ok(chunks)
}

fn unusable(config: &NodeConfig, error: &io::Error) -> StartError {
    let hint = match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => {
            "make room on the file system, or lower journal.chunk_bytes"
        }
        Some(libc::EROFS | libc::EACCES | libc::EPERM) => {
            "the data directory must be writable for this user"
        }
        _ => "choose another node.data_dir",
    };
    failed(
        "data-dir-unusable",
        format!(
            "the data directory {} cannot be used: {error}",
            config.data_dir.display()
        ),
        hint,
    )
}
