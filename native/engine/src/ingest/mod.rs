//! From frames to ordered batches in slabs (design.md, sections 5 and 7).

mod agent;
mod counters;
mod frames;
mod key;
mod layout;
mod payload;
#[cfg(test)]
mod tests;

pub use agent::{IngestAgent, IngestConfig, IngestEnds};
