//! From slabs to stable storage and back: journal, segments, watermarks, reads (design.md, sections 5 and 6).
//!
//! Positions: a topic's bytes have a *log position*, which goes on over segments without gap and exists in memory only;
//! inside a segment a *position* is a byte of the file. `Segment::log_base` is the difference.

mod acks;
mod agent;
mod carry;
mod chunks;
mod commits;
mod compose;
mod control;
mod counters;
mod device;
mod drain;
mod fill;
mod flush_all;
mod intake;
mod journal;
mod protect;
mod pump;
mod reader;
mod reports;
mod rescue;
mod segment;
mod settle;
mod shown;
mod slabs;
mod tails;
mod topic;

pub use agent::{IoAgent, IoConfig, IoEnds, FILL};
pub use agent::{IoPools, IoRing};
pub use control::{IoCommand, IoEvent};
pub use flush_all::Flushes;
pub use reader::{reaches, within};
