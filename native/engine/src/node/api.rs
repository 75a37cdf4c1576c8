//! What the control plane says to a node and hears from it: plain data, so that the addon only converts types.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::Refusal;
use crate::layout::ThreadPlan;
use crate::limits::Limits;
use crate::place::Placement;
use crate::recovery::{Durability, Finding, Position, RecoveredTopic, TopicMetadata};

/// Which ring serves (`io.backend`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// io_uring where the kernel has it, else `pwritev2` + epoll, which is said in `Started::announcements`.
    #[default]
    Auto,
    IoUring,
    Pwritev2,
}

/// How agents are laid out on threads (`runtime.layout`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Layout {
    #[default]
    Auto,
    Shared,
    Dedicated,
}

/// What a runner does when there is nothing to do (`runtime.idle`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Idle {
    #[default]
    Auto,
    Spin,
    Yield,
    Park,
}

/// What becomes of a payload that no TLVs tile (`ingest.bare_payload`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BarePayload {
    /// Stored as one RawData record.
    #[default]
    Wrap,
    /// Refused with 0x04.
    Reject,
}

/// All that a node is started with.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub data_dir: PathBuf,
    /// Port 0 picks one; `Started::address` tells.
    pub bind: SocketAddr,
    pub node_id: u16,
    /// From node.json: ids below it that are not there were deleted.
    pub next_topic_id: u32,
    pub backend: Backend,
    pub layout: Layout,
    pub idle: Idle,
    /// `io.uring_sq_depth`.
    pub sq_depth: u32,
    pub o_direct: bool,
    pub flush_interval_ns: u64,
    pub chunk_bytes: u64,
    pub segment_max_bytes: u64,
    /// 0: segments do not age.
    pub segment_max_age_ns: u64,
    pub index_every_bytes: u64,
    pub bare_payload: BarePayload,
    /// File of the live counters, normally on /dev/shm.
    pub counters: PathBuf,
    pub limits: Limits,
    /// Where threads and memory belong; the default leaves both to the system.
    pub placement: Placement,
    /// Stores nothing: for measuring the engine without its device, on a directory that is marked for it (`DISCARDS`).
    pub discard: bool,
}

/// A node that serves.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where it listens.
    pub address: SocketAddr,
    /// `io_uring` or `pwritev2`; `discard` where nothing is stored.
    pub backend: &'static str,
    /// The live counters' file: where the configuration wants it, or where it could be had. `None`: in memory only.
    pub counters: Option<PathBuf>,
    /// Topics as recovered, by id.
    pub topics: Vec<RecoveredTopic>,
    /// What recovery did and saw.
    pub findings: Vec<Finding>,
    /// What this machine lacks and what serves instead, one sentence each.
    pub announcements: Vec<String>,
    /// The runners: their plan as it was carried out.
    pub runners: Vec<RunnerReport>,
    /// Thread ids of the helpers, by name.
    pub helpers: Vec<(String, i32)>,
}

/// A runner's thread as it is.
#[derive(Clone, Debug)]
pub struct RunnerReport {
    /// As `/proc/self/task` has it.
    pub tid: i32,
    /// `cpu` is `None` where the system refused to pin it.
    pub plan: ThreadPlan,
    /// Whether it has SCHED_FIFO.
    pub fifo: bool,
}

/// Why a node does not start.
#[derive(Clone, Debug)]
pub struct StartError {
    /// Stable: `data-dir-in-use`, `data-dir-unusable`, `newer-format`, `address`, `memory`, `io`.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A number by which the control plane knows its own question again.
pub type Query = u64;

/// Control plane -> engine.
#[derive(Debug)]
pub enum Command {
    /// A topic whose directory and metadata.json are durable already. Answered by `Event::Done`.
    AddTopic {
        query: Query,
        metadata: TopicMetadata,
    },
    /// Takes nothing more for the topic, answers what waits with 0x13, closes its files, removes its directory durably.
    /// Answered by `Event::Done`.
    RemoveTopic { query: Query, topic: u32 },
    /// Answered by `Event::Done`.
    SetDurability {
        query: Query,
        topic: u32,
        durability: Durability,
    },
    /// Answered by `Event::Described`.
    Describe { query: Query, topic: u32 },
    /// Removes the sealed segments that end at or below the offset. Answered by `Event::Done`.
    Retain {
        query: Query,
        topic: u32,
        below_offset: u64,
    },
    /// Seals the active segment; the next batch starts a new one. Answered by `Event::Done` when it is sealed.
    Seal { query: Query, topic: u32 },
    /// Answered by `Event::Commits`.
    ListCommits { query: Query, topic: u32 },
    /// Takes no writes (less than `limits.min_free_disk` is left), or takes them again.
    RefuseWrites(bool),
    /// The answer to an `Event::Control`.
    Answer(ControlAnswer),
    /// Stops accepting and taking writes, finishes what is in flight, brings the journal into the segments, flushes:
    /// then `Event::Drained`. Connections close after it.
    Drain,
}

/// A control frame that only the control plane can answer (lwp.md, "Control commands").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    /// Echoed in the answer.
    pub id: ControlId,
    /// Command code: 0x01..=0x08, 0x30, 0x36, 0x37.
    pub code: u64,
    pub payload: Vec<u8>,
}

/// Names a control request to the network agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlId {
    pub connection: u32,
    pub generation: u32,
    pub sequence: u32,
}

/// Answer to a control request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlAnswer {
    pub id: ControlId,
    /// Answer code: 0x80, 0x81, 0x09, 0x31, 0xFF.
    pub code: u64,
    pub payload: Box<[u8]>,
    /// With an accepted Hello: what the connection asked for.
    pub hello: Option<HelloSettings>,
}

/// What a Hello settles for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HelloSettings {
    /// Acks in order per topic instead of per connection.
    pub order_by_topic: bool,
    /// Reads go through the leader (no difference on a single node).
    pub linearizable: bool,
}

/// What DescribeTopic tells of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    pub first_offset: u64,
    /// End of what is readable.
    pub end_offset: u64,
    pub first_record: u64,
    pub end_record: u64,
    /// Bytes of its segment files, batch headers included, fill not.
    pub bytes: u64,
    pub segments: u32,
    /// Timestamp of the last record, ns; 0: none.
    pub last_timestamp_ns: u64,
    /// Where the topic goes on, for `resume`.
    pub next: Position,
    pub frozen: bool,
}

/// A committed offset, for `lance consumer list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub consumer: u64,
    pub offset: u64,
    /// Seconds since 1970.
    pub at_s: u64,
}

/// Engine -> control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Control(ControlRequest),
    /// A command is carried out, or why not.
    Done {
        query: Query,
        result: Result<(), Refusal>,
    },
    Described {
        query: Query,
        result: Result<Description, Refusal>,
    },
    Commits {
        query: Query,
        result: Result<Vec<Commit>, Refusal>,
    },
    /// For the log.
    Log(LogEvent),
    Drained,
}

/// Something an operator may want to know. Numbers only; the control plane makes the sentence of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A connection was closed for what it sent. `what` is `magic`, `version`, `header-checksum`, `first-frame-timeout`, ...
    BadPeer {
        peer: SocketAddr,
        what: &'static str,
        unreported: u64,
    },
    ConnectionLimit {
        peer: SocketAddr,
        limit: u32,
    },
    SegmentOpened {
        topic: u32,
        base_offset: u64,
    },
    SegmentSealed {
        topic: u32,
        base_offset: u64,
        end: u64,
    },
    SegmentsRemoved {
        topic: u32,
        below_offset: u64,
        segments: u32,
        bytes: u64,
    },
    /// An I/O error froze the topic until a restart. `errno` as the system gave it.
    TopicFrozen {
        topic: u32,
        offset: u64,
        errno: i32,
        what: &'static str,
    },
    JournalFailed {
        errno: i32,
        what: &'static str,
    },
    DamageFound {
        topic: u32,
        offset: u64,
    },
    /// A limit of `[limits]` was hit; its name.
    LimitHit {
        limit: &'static str,
        times: u64,
    },
    /// Sockets were left unread for want of a resource: how often since the last such event, and how many are now.
    Backpressure {
        pauses: u64,
        paused: u64,
    },
    /// A background task failed and will be tried again.
    Background {
        what: &'static str,
        path: String,
        errno: i32,
    },
}
