//! Memory that is there from the start: regions, slabs, and the pools they circulate through (design.md, section 4).

mod builder;
mod mapping;
mod near;
mod past_cache;
mod slab;

pub use builder::SlabTableBuilder;
pub use mapping::Mapping;
pub use near::{approach, approach_bytes};
pub use past_cache::copy_past_cache;
pub use slab::{Backing, Pool, SlabClass, SlabId, SlabTable};
