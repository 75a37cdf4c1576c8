//! What a node is started with (`lance_engine::node`).

use std::net::SocketAddr;
use std::path::PathBuf;

use lance_engine::limits::Limits;
use lance_engine::node as engine;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::placement::Placement;

/// `io.backend`.
#[napi(string_enum = "snake_case", skip_typescript)]
pub enum Backend {
    Auto,
    IoUring,
    #[napi(value = "pwritev2")]
    Pwritev2,
}

/// `runtime.layout`.
#[napi(string_enum = "snake_case", skip_typescript)]
pub enum Layout {
    Auto,
    Shared,
    Dedicated,
}

/// `runtime.idle`.
#[napi(string_enum = "snake_case", skip_typescript)]
pub enum Idle {
    Auto,
    Spin,
    Yield,
    Park,
}

/// `ingest.bare_payload`.
#[napi(string_enum = "snake_case", skip_typescript)]
pub enum BarePayload {
    Wrap,
    Reject,
}

/// All that a node is started with. Times in ns, sizes in bytes.
#[napi(object, object_to_js = false)]
pub struct EngineConfig {
    pub data_dir: String,
    /// Address and port, `127.0.0.1:1992`. Port 0 picks one.
    pub bind: String,
    pub node_id: u16,
    pub next_topic_id: u32,
    #[napi(ts_type = "'auto' | 'io_uring' | 'pwritev2'")]
    pub backend: Backend,
    #[napi(ts_type = "'auto' | 'shared' | 'dedicated'")]
    pub layout: Layout,
    #[napi(ts_type = "'auto' | 'spin' | 'yield' | 'park'")]
    pub idle: Idle,
    pub sq_depth: u32,
    pub o_direct: bool,
    pub flush_interval_ns: BigInt,
    pub chunk_bytes: BigInt,
    pub segment_max_bytes: BigInt,
    /// 0: segments do not age.
    pub segment_max_age_ns: BigInt,
    pub index_every_bytes: BigInt,
    #[napi(ts_type = "'wrap' | 'reject'")]
    pub bare_payload: BarePayload,
    /// Path of the live counters.
    pub counters: String,
    pub limits: EngineLimits,
    /// Absent: threads and memory are where the system puts them.
    pub placement: Option<Placement>,
    /// Stores nothing, on a directory that a bench has marked for it. Absent: it stores.
    pub discard: Option<bool>,
}

/// `[limits]`; what is left out keeps the engine's default (`lance_engine::limits::Limits`).
#[napi(object, object_to_js = false)]
pub struct EngineLimits {
    pub max_frame: Option<u32>,
    pub connections: Option<u32>,
    pub topics: Option<u32>,
    pub inflight_frames: Option<u32>,
    pub inflight_bytes: Option<BigInt>,
    pub frame_timeout_ns: Option<BigInt>,
    /// 0: never.
    pub idle_timeout_ns: Option<BigInt>,
    pub commits: Option<u32>,
    pub commits_per_topic: Option<u32>,
    pub commit_ttl_ns: Option<BigInt>,
    pub waiters: Option<u32>,
    pub recv_buffers: Option<u16>,
    pub recv_buffer_bytes: Option<u32>,
    /// Slabs of 4, 16, 64 KiB and `batchSize`.
    pub topic_slabs: Option<Vec<u32>>,
    /// Slabs of 4, 16, 64 KiB and `batchSize`.
    pub frame_slabs: Option<Vec<u32>>,
    /// Slabs of 16, 64, 256 KiB and 1 MiB.
    pub response_slabs: Option<Vec<u32>>,
    pub read_slabs: Option<u32>,
    pub journal_buffers: Option<u32>,
    pub jumbo_slabs: Option<u32>,
    pub batch_size: Option<u32>,
}

/// The lower 64 bits of a BigInt; the facade checks ranges before.
pub fn u64_of(value: &BigInt) -> u64 {
    value.get_u64().1
}

impl EngineConfig {
    /// Reads addresses and sizes; an error names the field.
    pub fn into_engine(self) -> Result<engine::NodeConfig, engine::StartError> {
        let bind: SocketAddr = self.bind.parse().map_err(|_| engine::StartError {
            code: "address",
            message: format!("{} is not an address and port.", self.bind),
            hint: "Set network.bind to something like 127.0.0.1:1992.".into(),
        })?;
        Ok(engine::NodeConfig {
            data_dir: PathBuf::from(self.data_dir),
            bind,
            node_id: self.node_id,
            next_topic_id: self.next_topic_id,
            backend: match self.backend {
                Backend::Auto => engine::Backend::Auto,
                Backend::IoUring => engine::Backend::IoUring,
                Backend::Pwritev2 => engine::Backend::Pwritev2,
            },
            layout: match self.layout {
                Layout::Auto => engine::Layout::Auto,
                Layout::Shared => engine::Layout::Shared,
                Layout::Dedicated => engine::Layout::Dedicated,
            },
            idle: match self.idle {
                Idle::Auto => engine::Idle::Auto,
                Idle::Spin => engine::Idle::Spin,
                Idle::Yield => engine::Idle::Yield,
                Idle::Park => engine::Idle::Park,
            },
            sq_depth: self.sq_depth,
            o_direct: self.o_direct,
            flush_interval_ns: u64_of(&self.flush_interval_ns),
            chunk_bytes: u64_of(&self.chunk_bytes),
            segment_max_bytes: u64_of(&self.segment_max_bytes),
            segment_max_age_ns: u64_of(&self.segment_max_age_ns),
            index_every_bytes: u64_of(&self.index_every_bytes),
            bare_payload: match self.bare_payload {
                BarePayload::Wrap => engine::BarePayload::Wrap,
                BarePayload::Reject => engine::BarePayload::Reject,
            },
            counters: PathBuf::from(self.counters),
            limits: self.limits.into_engine(),
            placement: self.placement.map(Into::into).unwrap_or_default(),
            discard: self.discard.unwrap_or(false),
        })
    }
}

impl EngineLimits {
    fn into_engine(self) -> Limits {
        let given = |value: Option<BigInt>, default: u64| value.map_or(default, |v| u64_of(&v));
        let slabs = |value: Option<Vec<u32>>, default: [u32; 4]| {
            value.and_then(|v| v.try_into().ok()).unwrap_or(default)
        };
        let d = Limits::default();
        Limits {
            max_frame: self.max_frame.unwrap_or(d.max_frame),
            connections: self.connections.unwrap_or(d.connections),
            topics: self.topics.unwrap_or(d.topics),
            inflight_frames: self.inflight_frames.unwrap_or(d.inflight_frames),
            inflight_bytes: given(self.inflight_bytes, d.inflight_bytes),
            frame_timeout_ns: given(self.frame_timeout_ns, d.frame_timeout_ns),
            idle_timeout_ns: given(self.idle_timeout_ns, d.idle_timeout_ns),
            commits: self.commits.unwrap_or(d.commits),
            commits_per_topic: self.commits_per_topic.unwrap_or(d.commits_per_topic),
            commit_ttl_ns: given(self.commit_ttl_ns, d.commit_ttl_ns),
            waiters: self.waiters.unwrap_or(d.waiters),
            recv_buffers: self.recv_buffers.unwrap_or(d.recv_buffers),
            recv_buffer_bytes: self.recv_buffer_bytes.unwrap_or(d.recv_buffer_bytes),
            topic_slabs: slabs(self.topic_slabs, d.topic_slabs),
            small_slabs: self.topics.unwrap_or(d.topics),
            frame_slabs: slabs(self.frame_slabs, d.frame_slabs),
            response_slabs: slabs(self.response_slabs, d.response_slabs),
            read_slabs: self.read_slabs.unwrap_or(d.read_slabs),
            journal_buffers: self.journal_buffers.unwrap_or(d.journal_buffers),
            jumbo_slabs: self.jumbo_slabs.unwrap_or(d.jumbo_slabs),
            batch_size: self.batch_size.unwrap_or(d.batch_size),
            // What the system gives is not configured.
            ..d
        }
    }
}
