//! Looking at files as they are: `lance segment`, offline and beside a running node.
//!
//! The control plane decides what to look at and what it means; here windows of a file are read and checked. No file is
//! mapped: one may be cut while it is looked at.

mod chunk;
mod confirm;
mod file;
mod follow;

pub use chunk::{chunk_blocks, inspect_chunk, BlockSeen, ChunkReport, EntrySeen};
pub use file::LogFile;
pub use follow::{BatchSeen, Odd, Stop, Stretch, Wanted};
