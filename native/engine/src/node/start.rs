//! Start-up: everything that a node will ever have is made here, from `[limits]`.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::agents::{Agents, Common};
use super::data_dir::DataDir;
use super::front::Front;
use super::helper::Bell;
use super::limits_watch::LimitsWatch;
use super::memory::{lock, open_counters, Memory};
use super::placed::Placed;
use super::threads::{start_helpers, HelperEnds, Running};
use super::wiring::{Places, Wiring, INGEST, IO, NETWORK};
use super::{Node, NodeConfig, StartError, Started};
use crate::clock::{Clock, SystemClock};
use crate::handoff::Shared;
use crate::limits::Limits;
use crate::network::{listen, Listener, NetworkCounters, NetworkDrain};
use crate::place::on_node;
use crate::ring::{Chosen, ControlWaker, Features};
use crate::system::raise_open_files;

/// Files that a process may have open where the system does not say.
const OPEN_FILES: u32 = 1024;

impl Node {
    /// Recovers the data directory, makes all memory, starts the threads and listens. Blocks; call it off Node's main
    /// thread. The caller holds the directory's LOCK.
    ///
    /// # Errors
    /// `StartError` with a code, a sentence and a hint; nothing runs then.
    pub fn start(config: NodeConfig) -> Result<(Self, Started), StartError> {
        let limits = Limits {
            open_files: open_files(),
            ..config.limits.clone()
        };
        let data = DataDir::open(&config)?;
        let mut announcements = data.storage.announcements();
        let places = Places::plan(&config);
        // Each agent's memory on its own node; what two share is the I/O agent's.
        let shared_node = places.node(IO);
        let (counters, said) = on_node(shared_node, || open_counters(&config));
        announcements.extend(said);
        let Memory { table, pools } = Memory::new(&limits, &places)?;
        announcements.extend_from_slice(table.refused());
        announcements.extend(lock(&table, &counters));
        let (chosen, said) = Chosen::by(config.backend, &Features::probe())
            .map_err(|e| failed("io", e.to_string(), "set io.backend to \"auto\""))?;
        announcements.extend(said);
        let listener = open_listener(&config)?;

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let shared = Arc::new(on_node(shared_node, || Shared::new(limits.topics)));
        let drain = NetworkDrain::new();
        let of_network =
            NetworkCounters::register(&counters, "agent=network-0", &limits.frame_classes());
        let wiring = on_node(shared_node, || {
            Wiring::new(
                &places,
                &limits,
                &table,
                pools.frames,
                of_network,
                &counters,
                drain.clone(),
            )
        });
        let common = Common {
            config: &config,
            limits: &limits,
            places: &places,
            shared: &shared,
            table: &table,
            counters: &counters,
            clock: &clock,
        };
        let agents = Agents::new(
            on_node(places.node(NETWORK), || {
                common.network(wiring.network, listener.socket.as_raw_fd())
            }),
            on_node(places.node(INGEST), || {
                common.ingest(wiring.ingest, pools.topics)
            }),
            on_node(places.node(IO), || common.io(wiring.io, pools.io, &data)),
        );

        let ends = HelperEnds {
            keeper: wiring.keeper,
            finder: wiring.finder,
            flusher: wiring.flusher,
        };
        let helpers = start_helpers(
            &config,
            &limits,
            chosen,
            &places,
            &data,
            clock.clone(),
            ends,
        )
        .map_err(no_thread)?;
        let waker = ControlWaker::new(&chosen).map_err(no_thread)?;
        let front = Front::new(
            wiring.front,
            waker,
            counters.event_ring(),
            limits.topics,
            limits.commits_per_topic,
        );
        let topics = data.recovered.topics;
        front.load(&topics, &places.wake(IO));
        let running = Running {
            config: &config,
            limits: &limits,
            places: &places,
            table: &table,
            counters: &counters,
            clock: &clock,
            chosen,
            write_through: data.storage.writes_through(),
        };
        let (runners, said) = running
            .start(agents, &front, topics.len())
            .map_err(no_thread)?;
        announcements.extend(said);
        let bell = Bell::new(&places.control).map_err(no_thread)?;
        front.wait_loaded(topics.len());

        let started = Started {
            address: listener.address,
            backend: running.backend(&runners),
            counters: counters.path().map(Path::to_owned),
            topics,
            findings: data.recovered.findings,
            announcements,
            runners: running.reports(&runners),
            helpers: helpers.iter().map(|h| h.id()).collect(),
        };
        let node = Self {
            front,
            bell,
            network_wake: places.wake(NETWORK),
            io_wake: places.wake(IO),
            wake: places.control,
            shared,
            drain,
            draining: AtomicBool::new(false),
            io_draining: AtomicBool::new(false),
            runners,
            helpers,
            placed: Placed::new(table, &counters),
            limits_watch: Mutex::new(LimitsWatch::new(&counters)),
            counters,
            _listener: listener.socket,
        };
        Ok((node, started))
    }
}

/// Raises the limit of open files as far as it goes; how many there may be then.
fn open_files() -> u32 {
    raise_open_files().map_or(OPEN_FILES, |files| u32::try_from(files).unwrap_or(u32::MAX))
}

fn open_listener(config: &NodeConfig) -> Result<Listener, StartError> {
    listen(config.bind).map_err(|e| {
        failed(
            "address",
            format!("cannot listen on {}: {e}", config.bind),
            "choose another network.bind, or stop what listens there",
        )
    })
}

fn no_thread(error: io::Error) -> StartError {
    failed(
        "io",
        format!("an engine thread does not start: {error}"),
        "see the message",
    )
}

pub(super) fn failed(code: &'static str, message: String, hint: &str) -> StartError {
    StartError {
        code,
        message,
        hint: hint.to_owned(),
    }
}
