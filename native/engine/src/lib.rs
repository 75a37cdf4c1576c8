//! The data plane of LANCE: frames in, ordered batches on disk, acknowledgements and records out.
//!
//! Nothing here knows of Node. The pieces are *agents* (design.md, section 3) that a runner drives on a thread of its
//! own, and that tests and the simulator drive by hand with a clock and a disk of their own.

pub mod agent;
#[cfg(any(test, feature = "sim"))]
pub mod allocations;
pub mod checksum;
pub mod clock;
pub mod counters;
pub mod error;
pub mod format;
pub mod handoff;
pub mod idle;
pub mod ingest;

pub mod io;
pub mod keeper;
pub mod layout;
pub mod limits;
pub mod list;
pub mod lwp;
pub mod memory;
pub mod messages;
pub mod named;
pub mod network;
pub mod node;
pub mod place;
pub mod queue;
pub mod recovery;
pub mod ring;
pub mod runner;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod storage;
pub mod system;
pub mod topics;
pub mod wake;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: allocations::CountingAllocator = allocations::CountingAllocator;
