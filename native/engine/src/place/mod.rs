//! Where threads run and memory lies: the system calls behind a placement (design.md, sections 1 and 4).
//!
//! The control plane plans (docs/topology.md); here it is carried out, and looked after whether it holds.

mod affinity;
mod check;
mod numa;
mod seat;
mod slice;
mod tables;

pub use affinity::{allowed_cpus, keep_ring_workers_on, pin_thread};
pub use check::{look_at, MemoryReport};
pub use numa::Policy;
pub use seat::{Seat, Taken, Whereabouts};
pub use slice::ask_for_turns;
pub use tables::{on_node, regions, Kind, Region, TableAllocator};

pub(crate) use numa::{bind, has_room, reason};
pub(crate) use tables::{forget, settle};

use crate::layout::Role;

/// Where one agent belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: Role,
    pub cpu: u32,
    /// The CPU's NUMA node; `None`: not known, the agent's memory lies where the system puts it.
    pub node: Option<u32>,
}

/// What the control plane grants to a node's engine.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Placement {
    /// One for each agent; agents with the same CPU share a thread. Empty: threads run where the system puts them.
    pub agents: Vec<Grant>,
    /// Cores the process may count on, the agents' included: fewer than three, and no thread spins by itself.
    pub cores: u32,
    /// CPUs for everything that is no agent, the kernel's workers for our rings included. Empty: wherever.
    pub others: Vec<u32>,
    /// Pinned threads ask for SCHED_FIFO (`runtime.scheduling`).
    pub fifo: bool,
}
