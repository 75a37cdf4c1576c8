//! The simulator: a disk, its ring and a clock that one seed determines (design.md, section 11).
//!
//! The disk forgets what was not flushed, tears what was in flight, loses names whose directory was not flushed, and
//! fails when a plan tells it to; `flip` changes what is durable. A crash is a pure function of the disk's image at that
//! moment and a seed, so that one run of a workload yields every crash point, and each point as many outcomes as one
//! cares to look at.

mod clock;
#[cfg(test)]
mod crash;
mod disk;
mod faults;
mod file;
mod labels;
mod medium;
mod names;
mod pages;
mod ring;
mod rng;
mod storage;
#[cfg(test)]
mod tests;

pub use clock::SimClock;
pub use disk::{Image, Io, SimDisk};
pub use faults::{Fault, FaultPlan, IoKind};
pub use labels::{Barrier, DirKind, FileKind};
pub use medium::Survival;
pub use ring::SimRing;
pub use rng::Rng;
