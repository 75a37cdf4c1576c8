//! Start-up: everything that a node will ever have is made here, from `[limits]`.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use super::front::{Front, FrontEnds};
use super::helper::{Bell, Helper};
use super::{Node, NodeConfig, StartError, Started};
use crate::clock::{Clock, SystemClock};
use crate::counters::{Capacity, CountersFile};
use crate::handoff::Shared;
use crate::ingest::{IngestAgent, IngestConfig, IngestEnds};
use crate::io::{IoAgent, IoConfig, IoEnds, IoPools};
use crate::keeper::{make_chunk, Catalogue, Finder, Keeper, TopicFiles};
use crate::layout::{plan, usable_cpus, Cores, Role, Roles, ThreadPlan};
use crate::limits::Limits;
use crate::memory::SlabTableBuilder;
use crate::network::control_plane::CONTROL_SLOTS;
use crate::network::{
    listen, NetworkAgent, NetworkConfig, NetworkCounters, NetworkDrain, NetworkEnds,
};
use crate::queue::queue;
use crate::recovery::{recover, Recovered, RecoveryError, RecoveryOptions};
use crate::ring::{Chosen, ControlWaker, Features, RingConfig};
use crate::runner::{BoxedAgent, Runner, RunnerConfig, RunnerCounters};
use crate::storage::{Handle, Open, OsStorage, Storage};
use crate::topics::TopicSlot;
use crate::wake::WakeHandle;

/// Messages between agents that wait at once.
const QUEUE: usize = 8192;
/// Jobs for the keeper that wait at once.
const JOBS: usize = 8192;
/// Commands of the control plane, and events for it, that wait at once.
const COMMANDS: usize = 4096;
/// Most chunk files that are taken over from the last run.
const CHUNKS: usize = 3;

impl Node {
    /// Recovers the data directory, makes all memory, starts the threads and listens. Blocks; call it off Node's main
    /// thread. The caller holds the directory's LOCK.
    ///
    /// # Errors
    /// `StartError` with a code, a sentence and a hint; nothing runs then.
    pub fn start(config: NodeConfig) -> Result<(Self, Started), StartError> {
        let mut announcements = Vec::new();
        let mut limits = config.limits.clone();
        limits.open_files = raise_open_files();
        let storage =
            OsStorage::new(&config.data_dir, config.o_direct).map_err(|e| unusable(&config, &e))?;
        let storage = Arc::new(storage);
        let recovered = recover_dir(&config, &*storage)?;
        let chunks =
            open_chunks(&config, &*storage, &recovered).map_err(|e| unusable(&config, &e))?;
        announcements.extend(storage.announcements());

        let (counters, said) = match CountersFile::create(&config.counters, Capacity::default()) {
            Ok(counters) => (counters, Vec::new()),
            Err(_) => CountersFile::live(&config.data_dir, Capacity::default()),
        };
        announcements.extend(said);
        let mut builder = SlabTableBuilder::default();
        let memory = |e: io::Error| {
            failed(
                "memory",
                format!("the node's memory cannot be had: {e}"),
                "lower [limits]",
            )
        };
        let topics = builder.pool(&limits.topic_classes()).map_err(memory)?;
        let frames = builder.pool(&limits.frame_classes()).map_err(memory)?;
        let responses = builder.pool(&limits.response_classes()).map_err(memory)?;
        let reads = builder.pool(&limits.read_classes()).map_err(memory)?;
        let journal = builder.pool(&limits.journal_classes()).map_err(memory)?;
        let table = Arc::new(builder.build());
        if !table.lock() {
            announcements.push(
                "memory: the slabs are not locked (memlock limit): raise it with `ulimit -l` or LimitMEMLOCK=".into(),
            );
        }
        let (chosen, said) = Chosen::by(config.backend, &Features::probe())
            .map_err(|e| failed("io", e.to_string(), "set io.backend to \"auto\""))?;
        announcements.extend(said);
        let listener = listen(config.bind).map_err(|e| {
            failed(
                "address",
                format!("cannot listen on {}: {e}", config.bind),
                "choose another network.bind, or stop what listens there",
            )
        })?;

        let roles = Roles {
            network: 1,
            ingest: 1,
            io: 1,
        };
        let cores = Cores {
            granted: Vec::new(),
            usable: usable_cpus(),
        };
        let threads = plan(config.layout, config.idle, roles, &cores);
        let wakes: Vec<WakeHandle> = threads.iter().map(|_| WakeHandle::new()).collect();
        let of = |role: Role| place(&threads, role);
        let wake_of = |role: Role| wakes[of(role).0].clone();
        let (network_wake, io_wake) = (wake_of(Role::Network(0)), wake_of(Role::Io(0)));
        // Agents of one runner take turns: they need no waking, and a runner that woke itself would never sleep.
        let from_to = |from: Role, to: Role| {
            if of(from).0 == of(to).0 {
                WakeHandle::new()
            } else {
                wake_of(to)
            }
        };
        let elsewhere = |role: Role| (of(role).0 != of(Role::Network(0)).0).then(|| wake_of(role));
        let (keeper_wake, finder_wake, control_wake) =
            (WakeHandle::new(), WakeHandle::new(), WakeHandle::new());

        let in_flight = limits.inflight_frames as usize;
        let requests = limits.waiters as usize + limits.connections as usize + QUEUE;
        let slab_count = table.count() as usize;
        let (to_ingest, frames_in) = queue(QUEUE);
        let (ingest_replies, from_ingest) = queue(in_flight + QUEUE);
        let (to_io, requests_in) = queue(requests);
        let (io_answers, from_io) = queue(in_flight + requests + QUEUE);
        let (to_disk, from_ingest_to_io) = queue(4 * QUEUE);
        let (orders, from_disk) = queue(slab_count + QUEUE);
        let (jobs, jobs_in) = queue(JOBS);
        let (reports, reports_in) = queue(JOBS);
        let (questions, questions_in) = queue(QUEUE);
        let (found, found_in) = queue(QUEUE);
        let (commands, commands_in) = queue(limits.topics as usize + COMMANDS);
        let (io_events, io_events_in) = queue(limits.topics as usize + COMMANDS);
        let (to_control, control_in) = queue(CONTROL_SLOTS);
        let (answers, from_control) = queue(CONTROL_SLOTS);
        let (spent, spent_in) = queue(CONTROL_SLOTS * 4);
        let (network_log, network_log_in) = queue(1024);

        let shared = Arc::new(Shared::new(limits.topics));
        let drain = NetworkDrain::new();
        let network = NetworkAgent::new(
            NetworkConfig {
                agent: of(Role::Network(0)).1,
                limits: limits.clone(),
                listeners: vec![listener.socket.as_raw_fd()],
            },
            NetworkEnds {
                to_ingest,
                from_ingest,
                to_io,
                from_io,
                to_control,
                from_control,
                spent,
                log: network_log,
                slabs: table.clone(),
                frames,
                counters: NetworkCounters::register(
                    &counters,
                    "agent=network-0",
                    &limits.frame_classes(),
                ),
                drain: drain.clone(),
                wake_ingest: elsewhere(Role::Ingest(0)),
                wake_io: elsewhere(Role::Io(0)),
                wake_control: Some(control_wake.clone()),
            },
        );
        let ingest = IngestAgent::new(
            IngestConfig {
                node_id: config.node_id,
                actor_id: 0,
                bare_payload: config.bare_payload,
                segment_max_bytes: config.segment_max_bytes,
                segment_max_age_ns: config.segment_max_age_ns,
                next_topic_id: config.next_topic_id,
            },
            &limits,
            IngestEnds {
                frames: frames_in,
                replies: ingest_replies,
                to_disk,
                from_disk,
                network: from_to(Role::Ingest(0), Role::Network(0)),
                io: from_to(Role::Ingest(0), Role::Io(0)),
            },
            shared.clone(),
            table.clone(),
            topics,
            &counters,
        );
        let mut io = IoAgent::new(
            IoConfig {
                agent: of(Role::Io(0)).1,
                flush_interval_ns: config.flush_interval_ns,
                chunk_bytes: config.chunk_bytes,
                index_every_bytes: config.index_every_bytes,
                next_topic_id: config.next_topic_id,
                chunks,
                generation: recovered.journal.next_generation.max(1),
                sequence: recovered.journal.next_sequence.max(1),
            },
            &limits,
            IoEnds {
                from_ingest: from_ingest_to_io,
                to_ingest: orders,
                from_network: requests_in,
                to_network: io_answers,
                to_keeper: jobs,
                from_keeper: reports_in,
                to_finder: questions,
                from_finder: found_in,
                commands: commands_in,
                events: io_events,
                ingest: from_to(Role::Io(0), Role::Ingest(0)),
                network: from_to(Role::Io(0), Role::Network(0)),
                keeper: keeper_wake.clone(),
                finder: finder_wake.clone(),
                control: control_wake.clone(),
            },
            shared.clone(),
            table.clone(),
            table.count(),
            IoPools {
                responses,
                reads,
                journal,
            },
            &counters,
        );
        io.load_commits(&recovered.commits);

        let system = |e: io::Error| {
            failed(
                "io",
                format!("an engine thread does not start: {e}"),
                "see the message",
            )
        };
        // The finder may be asked before the keeper has heard of the topics.
        let catalogue = Catalogue::new(limits.topics);
        for (topic, slot) in recovered.topics.iter().zip(0..limits.topics) {
            catalogue.add(TopicSlot(slot), TopicFiles::of(topic));
        }
        let mut keeper = Keeper::new(
            storage.clone(),
            catalogue.clone(),
            jobs_in,
            reports,
            config.index_every_bytes,
        );
        let keeper = Helper::start(
            "lance-keeper",
            &keeper_wake,
            io_wake.clone(),
            chosen,
            move || keeper.work(),
        )
        .map_err(system)?;
        let mut finder = Finder::new(storage.clone(), catalogue, questions_in, found);
        let finder = Helper::start(
            "lance-finder",
            &finder_wake,
            io_wake.clone(),
            chosen,
            move || finder.work(),
        )
        .map_err(system)?;

        let waker = ControlWaker::new(&chosen).map_err(system)?;
        let front = Front::new(
            FrontEnds {
                commands,
                answers,
                control: control_in,
                io_events: io_events_in,
                network_log: network_log_in,
                spent: spent_in,
            },
            waker,
            limits.topics,
            limits.commits_per_topic,
        );
        front.load(&recovered.topics, &io_wake);

        let mut agents: [Option<BoxedAgent>; 3] = [
            Some(Box::new(network)),
            Some(Box::new(ingest)),
            Some(Box::new(io)),
        ];
        let stop = Arc::new(AtomicBool::new(false));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut runners = Vec::with_capacity(threads.len());
        let mut backend = "";
        // The network agent comes last: no frame meets an agent that has not heard of its topic yet.
        for (index, thread) in threads.iter().enumerate().rev() {
            if threads.len() > 1 && thread.agents.contains(&Role::Network(0)) {
                front.wait_loaded(recovered.topics.len());
            }
            let boxed: Vec<BoxedAgent> = thread
                .agents
                .iter()
                .map(|role| match role {
                    Role::Network(_) => agents[0].take(),
                    Role::Ingest(_) => agents[1].take(),
                    Role::Io(_) => agents[2].take(),
                })
                .map(|agent| agent.expect("the plan names each agent once"))
                .collect();
            let names: Vec<&str> = boxed.iter().map(|agent| agent.name()).collect();
            let runner = RunnerConfig {
                name: thread.name.clone(),
                cpu: thread.cpu,
                idle: thread.idle,
                wake: wakes[index].clone(),
                stop: stop.clone(),
                clock: clock.clone(),
                counters: RunnerCounters::new(&counters, &thread.name, &names),
                heartbeat: (index == 0).then(|| counters.heartbeat()),
            };
            let ring = ring_config(&config, &limits, thread, storage.writes_through());
            let memory = table.clone();
            let (runner, said) =
                Runner::start(runner, boxed, move || chosen.open(&ring, Some(&memory)))
                    .map_err(system)?;
            if thread.agents.contains(&Role::Io(0)) {
                backend = runner.backend();
            }
            announcements.extend(said);
            runners.push(runner);
        }

        let bell = Bell::new(&control_wake).map_err(system)?;
        let mut ids: Vec<(String, i32)> = runners
            .iter()
            .map(|runner| (runner.name().to_owned(), runner.tid()))
            .collect();
        ids.extend([keeper.id(), finder.id()]);
        let started_topics = recovered.topics.len();
        let node = Self {
            front,
            bell,
            wake: control_wake,
            network_wake,
            io_wake,
            shared,
            drain,
            draining: AtomicBool::new(false),
            io_draining: AtomicBool::new(false),
            runners,
            helpers: vec![keeper, finder],
            counters,
            _listener: listener.socket,
        };
        node.front.wait_loaded(started_topics);
        let started = Started {
            address: listener.address,
            backend,
            topics: recovered.topics,
            findings: recovered.findings,
            announcements,
            threads: ids,
        };
        Ok((node, started))
    }
}

fn place(threads: &[ThreadPlan], role: Role) -> (usize, u8) {
    threads
        .iter()
        .enumerate()
        .find_map(|(i, thread)| {
            Some((
                i,
                thread.agents.iter().position(|other| *other == role)? as u8,
            ))
        })
        .expect("the plan names each agent once")
}

fn ring_config(
    config: &NodeConfig,
    limits: &Limits,
    thread: &ThreadPlan,
    write_through: bool,
) -> RingConfig {
    let files = if thread.agents.contains(&Role::Io(0)) {
        limits.file_slots()
    } else {
        1
    };
    let ring = RingConfig {
        sq_entries: config.sq_depth,
        files,
        write_through,
        ..RingConfig::default()
    };
    if thread.agents.contains(&Role::Network(0)) {
        ring.with_limits(limits)
    } else {
        ring.without_sockets()
    }
}

fn recover_dir(config: &NodeConfig, storage: &dyn Storage) -> Result<Recovered, StartError> {
    let options = RecoveryOptions {
        next_topic_id: config.next_topic_id,
        node_id: config.node_id,
        now_ns: SystemClock.now().wall_ns,
        chunk_bytes: config.chunk_bytes,
        index_every_bytes: config.index_every_bytes,
        verify: false,
    };
    recover(storage, &options).map_err(|error: RecoveryError| StartError {
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
    let mut chunks = Vec::new();
    for &number in &recovered.journal.chunks {
        let path = crate::format::names::chunk_path(number);
        if chunks.len() == CHUNKS {
            storage.unlink(&path)?;
            continue;
        }
        chunks.push((
            number,
            storage.open(
                &path,
                Open {
                    write: true,
                    create: false,
                    direct: true,
                },
            )?,
        ));
    }
    if chunks.is_empty() {
        chunks.push((0, make_chunk(storage, 0, config.chunk_bytes)?));
    }
    Ok(chunks)
}

/// Raises the limit of open files to its hard value and returns it.
fn raise_open_files() -> u32 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is valid for the calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 1024;
        }
        let wanted = libc::rlimit {
            rlim_cur: limit.rlim_max,
            rlim_max: limit.rlim_max,
        };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) == 0 {
            limit.rlim_cur = limit.rlim_max;
        }
    }
    u32::try_from(limit.rlim_cur).unwrap_or(u32::MAX)
}

fn failed(code: &'static str, message: String, hint: &str) -> StartError {
    StartError {
        code,
        message,
        hint: hint.to_owned(),
    }
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
