//! Memory that is there from the start: regions, slabs, and the pools they circulate through (design.md, section 4).

mod past_cache;
mod slab;

pub use past_cache::copy_past_cache;
pub use slab::{Backing, Pool, SlabClass, SlabId, SlabTable, SlabTableBuilder};
