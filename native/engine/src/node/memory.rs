//! The memory that a node will ever have: the slab table with a pool for each owner, and the counters.

use std::io;
use std::sync::Arc;

use super::start::failed;
use super::wiring::{Places, INGEST, IO, NETWORK};
use super::{NodeConfig, StartError};
use crate::counters::{Capacity, CountersFile};
use crate::io::IoPools;
use crate::limits::Limits;
use crate::memory::{Pool, SlabTable, SlabTableBuilder};

/// All slabs, and the pools in which they are now. A pool has one owner; a slab goes back to the pool it came from.
pub(super) struct Memory {
    pub table: Arc<SlabTable>,
    pub pools: Pools,
}

/// Each agent's pools.
pub(super) struct Pools {
    /// The ingest agent's.
    pub topics: Pool,
    /// The network agent's.
    pub frames: Pool,
    pub io: IoPools,
}

impl Memory {
    /// Maps and populates everything but jumbo slabs, each pool on the NUMA node of the agent that owns it.
    ///
    /// # Errors
    /// `memory`: the system does not give that much.
    pub fn new(limits: &Limits, places: &Places) -> Result<Self, StartError> {
        let mut builder = SlabTableBuilder::default();
        let mut pool = |owner, classes: &[_]| {
            builder.on_node(places.node(owner));
            builder.pool(classes)
        };
        let topics = pool(INGEST, &limits.topic_classes());
        let frames = pool(NETWORK, &limits.frame_classes());
        let responses = pool(IO, &limits.response_classes());
        let reads = pool(IO, &limits.read_classes());
        let journal = pool(IO, &limits.journal_classes());
        let table = builder.build().map_err(|e| unavailable(&e))?;
        let table = Arc::new(table);
        let io = IoPools {
            responses,
            reads,
            journal,
        };
        let pools = Pools { topics, frames, io };
        Ok(Self { table, pools })
    }
}

fn unavailable(error: &io::Error) -> StartError {
    failed(
        "memory",
        format!("the node's memory cannot be had: {error}"),
        "lower [limits]",
    )
}

/// The live counters where the configuration wants them, else where they can be had. Also returns what is to be
/// announced.
pub(super) fn open_counters(config: &NodeConfig) -> (CountersFile, Vec<String>) {
    let capacity = Capacity::of(&config.limits);
    match CountersFile::create(&config.counters, capacity) {
        Ok(counters) => (counters, Vec::new()),
        Err(_) => CountersFile::live(&config.data_dir, capacity),
    }
}

/// Keeps slabs and counters from being paged out, so that no agent waits for a page fault. Returns what is to be
/// announced if the system does not allow it.
pub(super) fn lock(table: &SlabTable, counters: &CountersFile) -> Option<String> {
    let what = match (table.lock(), counters.lock()) {
        (true, true) => return None,
        (false, true) => "the slabs are",
        (true, false) => "the counters are",
        (false, false) => "slabs and counters are",
    };
    Some(format!(
        "memory: {what} not locked (memlock limit): raise it with `ulimit -l` or LimitMEMLOCK="
    ))
}
