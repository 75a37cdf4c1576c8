//! Counters, gauges and histograms in a mapped file that others read while we write (design.md, section 9).
//!
//! Thread: registered at start-up by whoever builds the agents, written by one agent each, read by anyone.

pub mod buckets;
mod capacity;
mod commits;
mod errors;
pub mod events;
mod file;
mod handle;
pub mod keys;
pub mod layout;
pub mod read;
pub mod read_tables;
mod region;
mod register;
mod rows;
mod topics;

pub use capacity::Capacity;
pub use commits::CommitRows;
pub use errors::ErrorCounters;
pub use events::{EventRing, EVENT_ROWS};
pub use file::CountersFile;
pub use handle::{Counter, Gauge, Heartbeat, Histogram, Watched};
pub use topics::{TopicRow, TopicRows, TopicState};

// The file is little-endian and written through native atomics.
const _: () = assert!(cfg!(target_endian = "little"));

#[cfg(test)]
mod tests;
