//! The three agents, each with its ends of the queues and its pools.

use std::os::fd::RawFd;
use std::sync::Arc;

use super::data_dir::DataDir;
use super::wiring::{Places, IO, NETWORK};
use super::NodeConfig;
use crate::clock::Clock;
use crate::counters::CountersFile;
use crate::handoff::Shared;
use crate::ingest::{IngestAgent, IngestConfig, IngestEnds};
use crate::io::{Flushes, IoAgent, IoConfig, IoEnds, IoPools};
use crate::layout::Role;
use crate::limits::Limits;
use crate::memory::{Pool, SlabTable};
use crate::network::{NetworkAgent, NetworkConfig, NetworkEnds};
use crate::runner::BoxedAgent;

/// What every agent is made with.
pub(super) struct Common<'a> {
    pub config: &'a NodeConfig,
    pub limits: &'a Limits,
    pub places: &'a Places,
    pub shared: &'a Arc<Shared>,
    pub table: &'a Arc<SlabTable>,
    pub counters: &'a CountersFile,
    pub clock: &'a Arc<dyn Clock>,
}

impl Common<'_> {
    /// Listens on `listener`, which outlives it.
    pub fn network(&self, ends: NetworkEnds, listener: RawFd) -> NetworkAgent {
        let config = NetworkConfig {
            agent: self.places.number(NETWORK),
            limits: self.limits.clone(),
            listeners: vec![listener],
            clock: self.clock.clone(),
        };
        NetworkAgent::new(config, ends)
    }

    pub fn ingest(&self, ends: IngestEnds, topics: Pool) -> IngestAgent {
        let config = IngestConfig {
            node_id: self.config.node_id,
            actor_id: 0,
            bare_payload: self.config.bare_payload,
            segment_max_bytes: self.config.segment_max_bytes,
            segment_max_age_ns: self.config.segment_max_age_ns,
            next_topic_id: self.config.next_topic_id,
        };
        IngestAgent::new(
            config,
            self.limits,
            ends,
            self.shared.clone(),
            self.table.clone(),
            topics,
            self.counters,
        )
    }

    /// Goes on where recovery ended.
    pub fn io(&self, ends: IoEnds, pools: IoPools, data: &DataDir) -> IoAgent {
        let journal = &data.recovered.journal;
        let config = IoConfig {
            agent: self.places.number(IO),
            flush_interval_ns: self.config.flush_interval_ns,
            flushes: Flushes::DEFAULT,
            segment_max_bytes: self.config.segment_max_bytes,
            chunk_bytes: self.config.chunk_bytes,
            index_every_bytes: self.config.index_every_bytes,
            next_topic_id: self.config.next_topic_id,
            chunks: data.chunks.clone(),
            generation: journal.next_generation.max(1),
            sequence: journal.next_sequence.max(1),
            clock: self.clock.clone(),
        };
        let mut agent = IoAgent::new(
            config,
            self.limits,
            ends,
            self.shared.clone(),
            self.table.clone(),
            self.table.count(),
            pools,
            self.counters,
        );
        agent.load_commits(&data.recovered.commits);
        agent
    }
}

/// The agents, until their threads take them.
pub(super) struct Agents {
    network: Option<BoxedAgent>,
    ingest: Option<BoxedAgent>,
    io: Option<BoxedAgent>,
}

impl Agents {
    pub fn new(network: NetworkAgent, ingest: IngestAgent, io: IoAgent) -> Self {
        Self {
            network: Some(Box::new(network)),
            ingest: Some(Box::new(ingest)),
            io: Some(Box::new(io)),
        }
    }

    /// Those of one thread, in its order. Each can be had once.
    pub fn take(&mut self, roles: &[Role]) -> Vec<BoxedAgent> {
        let mut take = |role: &Role| match role {
            Role::Network(_) => self.network.take(),
            Role::Ingest(_) => self.ingest.take(),
            Role::Io(_) => self.io.take(),
        };
        roles
            .iter()
            .map(|role| take(role).expect("the plan names each agent once"))
            .collect()
    }
}
