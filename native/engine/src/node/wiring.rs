//! Which thread an agent is on, who wakes whom, and every queue between two of them.

use std::sync::Arc;

use super::front::FrontEnds;
use super::NodeConfig;
use crate::counters::CountersFile;
use crate::handoff::{FromDisk, ToDisk};
use crate::ingest::IngestEnds;
use crate::io::IoEnds;
use crate::keeper::{Answer, FlushAll, FlushedAll, Job, Question, Report};
use crate::layout::{plan, Role, Roles, ThreadPlan};
use crate::limits::Limits;
use crate::memory::{Pool, SlabTable};
use crate::network::control_plane::CONTROL_SLOTS;
use crate::network::{NetworkCounters, NetworkDrain, NetworkEnds};
use crate::queue::{counted_queue, queue, Receiver, Sender};
use crate::wake::WakeHandle;

/// Messages between agents that wait at once.
const QUEUE: usize = 8192;
/// Jobs for the keeper that wait at once.
const JOBS: usize = 8192;
/// Commands of the control plane, and events for it, that wait at once.
const COMMANDS: usize = 4096;
/// Log events of the network agent that wait at once.
const LOG: usize = 1024;

pub(super) const NETWORK: Role = Role::Network(0);
pub(super) const INGEST: Role = Role::Ingest(0);
pub(super) const IO: Role = Role::Io(0);

/// The threads of the plan, and what wakes each of them and the threads beside.
pub(super) struct Places {
    pub threads: Vec<ThreadPlan>,
    /// By thread.
    pub wakes: Vec<WakeHandle>,
    pub keeper: WakeHandle,
    pub finder: WakeHandle,
    pub flusher: WakeHandle,
    pub control: WakeHandle,
}

impl Places {
    /// Plans one agent of each role.
    pub fn plan(config: &NodeConfig) -> Self {
        let roles = Roles {
            network: 1,
            ingest: 1,
            io: 1,
        };
        let threads = plan(config.layout, config.idle, roles, &config.placement);
        Self {
            wakes: threads.iter().map(|_| WakeHandle::new()).collect(),
            threads,
            keeper: WakeHandle::new(),
            finder: WakeHandle::new(),
            flusher: WakeHandle::new(),
            control: WakeHandle::new(),
        }
    }

    /// The agent's number on its thread, for tokens.
    pub fn number(&self, role: Role) -> u8 {
        self.find(role).1
    }

    /// What wakes the agent's thread.
    pub fn wake(&self, role: Role) -> WakeHandle {
        self.wakes[self.find(role).0].clone()
    }

    /// The name of the agent's thread.
    pub fn thread(&self, role: Role) -> &str {
        &self.threads[self.find(role).0].name
    }

    /// The NUMA node of the agent's CPU, where it has one of its own and that is known.
    pub fn node(&self, role: Role) -> Option<u32> {
        self.threads[self.find(role).0].node
    }

    /// Thread and number on it.
    fn find(&self, role: Role) -> (usize, u8) {
        let on = |thread: &ThreadPlan| thread.agents.iter().position(|other| *other == role);
        let mut threads = self.threads.iter().enumerate();
        threads
            .find_map(|(i, thread)| Some((i, on(thread)? as u8)))
            .expect("the plan names each agent once")
    }

    /// What `from` wakes `to` with; `None` on one thread: agents there take turns and need no waking, and a runner that
    /// woke itself would never sleep.
    fn elsewhere(&self, from: Role, to: Role) -> Option<WakeHandle> {
        (self.find(from).0 != self.find(to).0).then(|| self.wake(to))
    }

    /// As `elsewhere`, with a handle that wakes nobody for `None`.
    fn wake_between(&self, from: Role, to: Role) -> WakeHandle {
        self.elsewhere(from, to).unwrap_or_else(WakeHandle::nobody)
    }
}

/// Everybody's ends of the queues.
pub(super) struct Wiring {
    pub network: NetworkEnds,
    pub ingest: IngestEnds,
    pub io: IoEnds,
    pub keeper: (Receiver<Job>, Sender<Report>),
    pub finder: (Receiver<Question>, Sender<Answer>),
    pub flusher: (Receiver<FlushAll>, Sender<FlushedAll>),
    pub front: FrontEnds,
}

impl Wiring {
    /// Makes all queues. Their lengths follow from `[limits]`, so that whoever must not wait finds room. `frames` is the
    /// network agent's pool of `slabs`.
    pub fn new(
        places: &Places,
        limits: &Limits,
        slabs: &Arc<SlabTable>,
        frames: Pool,
        counters: NetworkCounters,
        file: &CountersFile,
        drain: NetworkDrain,
    ) -> Self {
        let in_flight = limits.inflight_frames as usize;
        let requests = limits.waiters as usize + limits.connections as usize + QUEUE;
        let commands = limits.topics as usize + COMMANDS;
        let (to_ingest, frames_in) = counted_queue(QUEUE, file, "network-ingest");
        let (replies, from_ingest) = counted_queue(in_flight + QUEUE, file, "ingest-network");
        let (to_io, from_network) = counted_queue(requests, file, "network-io");
        let (to_network, from_io) = counted_queue(in_flight + requests + QUEUE, file, "io-network");
        let (to_disk, disk_orders) = counted_queue::<ToDisk>(4 * QUEUE, file, "ingest-io");
        let (disk_reports, from_disk) =
            counted_queue::<FromDisk>(slabs.count() as usize + QUEUE, file, "io-ingest");
        let (to_keeper, jobs) = counted_queue(JOBS, file, "io-keeper");
        let (reports, from_keeper) = counted_queue(JOBS, file, "keeper-io");
        let (to_finder, questions) = counted_queue(QUEUE, file, "io-finder");
        let (found, from_finder) = counted_queue(QUEUE, file, "finder-io");
        // One is asked for at a time.
        let (to_flusher, asked) = queue(2);
        let (flushed, from_flusher) = queue(2);
        let (to_io_commands, commands_in) = queue(commands);
        let (events, io_events) = queue(commands);
        let (to_control, control) = queue(CONTROL_SLOTS);
        let (answers, from_control) = queue(CONTROL_SLOTS);
        let (spent, spent_in) = queue(CONTROL_SLOTS * 4);
        let (log, network_log) = queue(LOG);
        Self {
            network: NetworkEnds {
                to_ingest,
                from_ingest,
                to_io,
                from_io,
                to_control,
                from_control,
                spent,
                log,
                slabs: slabs.clone(),
                frames,
                counters,
                drain,
                wake_ingest: places.elsewhere(NETWORK, INGEST),
                wake_io: places.elsewhere(NETWORK, IO),
                wake_control: Some(places.control.clone()),
            },
            ingest: IngestEnds {
                frames: frames_in,
                replies,
                to_disk,
                from_disk,
                network: places.wake_between(INGEST, NETWORK),
                io: places.wake_between(INGEST, IO),
            },
            io: IoEnds {
                from_ingest: disk_orders,
                to_ingest: disk_reports,
                from_network,
                to_network,
                to_keeper,
                from_keeper,
                to_finder,
                from_finder,
                to_flusher,
                from_flusher,
                commands: commands_in,
                events,
                ingest: places.wake_between(IO, INGEST),
                network: places.wake_between(IO, NETWORK),
                keeper: places.keeper.clone(),
                finder: places.finder.clone(),
                flusher: places.flusher.clone(),
                control: places.control.clone(),
            },
            keeper: (jobs, reports),
            finder: (questions, found),
            flusher: (asked, flushed),
            front: FrontEnds {
                commands: to_io_commands,
                answers,
                control,
                io_events,
                network_log,
                spent: spent_in,
            },
        }
    }
}
