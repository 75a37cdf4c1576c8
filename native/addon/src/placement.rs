//! Where threads and memory belong, and where they are (`lance_engine::place`).

use lance_engine::idle::IdleStrategy;
use lance_engine::layout::Role;
use lance_engine::node as engine;
use lance_engine::place::{self, Policy};
use napi_derive::napi;

/// An agent's job.
#[napi(string_enum = "lowercase", skip_typescript)]
pub enum AgentRole {
    Network,
    Ingest,
    Io,
}

/// Where one agent belongs; there is one of each role.
#[napi(object, object_to_js = false)]
pub struct AgentPlace {
    #[napi(ts_type = "'network' | 'ingest' | 'io'")]
    pub role: AgentRole,
    pub cpu: u32,
    /// NUMA node of the CPU, where it is known.
    pub node: Option<u32>,
}

/// What the engine is granted.
#[napi(object, object_to_js = false)]
pub struct Placement {
    /// Agents with the same CPU share a thread.
    pub agents: Vec<AgentPlace>,
    /// Cores that the process may count on, the agents' included.
    pub cores: u32,
    /// CPUs for everything that is no agent.
    pub others: Vec<u32>,
    /// Pinned threads ask for SCHED_FIFO.
    pub fifo: bool,
}

/// An agents' thread as it is.
#[napi(object, object_from_js = false)]
pub struct EngineRunner {
    pub name: String,
    pub id: i32,
    pub agents: Vec<String>,
    /// CPU that it is pinned to; absent: none.
    pub cpu: Option<u32>,
    pub node: Option<u32>,
    #[napi(ts_type = "'spin' | 'yield' | 'park'")]
    pub idle: String,
    pub fifo: bool,
}

/// What the kernel says of the memory of one kind that belongs on one node.
#[napi(object, object_from_js = false)]
pub struct PlacedMemory {
    #[napi(ts_type = "'slabs' | 'jumbo-slabs' | 'tables' | 'receive-buffers'")]
    pub kind: String,
    pub node: u32,
    pub bytes: f64,
    /// Absent where its parts differ or the kernel does not say.
    #[napi(ts_type = "'bind' | 'prefer' | 'local'")]
    pub policy: Option<String>,
    /// Pages that are there.
    pub pages: f64,
    /// Those of them on another node; absent where the kernel does not say.
    pub elsewhere: Option<f64>,
}

impl From<Placement> for place::Placement {
    fn from(placement: Placement) -> Self {
        let grant = |agent: AgentPlace| place::Grant {
            role: match agent.role {
                AgentRole::Network => Role::Network(0),
                AgentRole::Ingest => Role::Ingest(0),
                AgentRole::Io => Role::Io(0),
            },
            cpu: agent.cpu,
            node: agent.node,
        };
        Self {
            agents: placement.agents.into_iter().map(grant).collect(),
            cores: placement.cores,
            others: placement.others,
            fifo: placement.fifo,
        }
    }
}

impl From<engine::RunnerReport> for EngineRunner {
    fn from(report: engine::RunnerReport) -> Self {
        let agent = |role: &Role| match role {
            Role::Network(i) => format!("network-{i}"),
            Role::Ingest(i) => format!("ingest-{i}"),
            Role::Io(i) => format!("io-{i}"),
        };
        let plan = report.plan;
        Self {
            id: report.tid,
            agents: plan.agents.iter().map(agent).collect(),
            cpu: plan.cpu,
            node: plan.node,
            idle: match plan.idle {
                IdleStrategy::Spin => "spin",
                IdleStrategy::Yield => "yield",
                IdleStrategy::Park => "park",
            }
            .to_owned(),
            fifo: report.fifo,
            name: plan.name,
        }
    }
}

impl From<place::MemoryReport> for PlacedMemory {
    fn from(report: place::MemoryReport) -> Self {
        let policy = report.policy.map(|policy| match policy {
            Policy::Bind(_) => "bind",
            Policy::Prefer(_) => "prefer",
            Policy::Local => "local",
        });
        // Counts of pages and bytes of memory are far below 2^53.
        Self {
            kind: report.kind.name().to_owned(),
            node: report.node,
            bytes: report.bytes as f64,
            policy: policy.map(str::to_owned),
            pages: report.pages as f64,
            elsewhere: report.elsewhere.map(|pages| pages as f64),
        }
    }
}
