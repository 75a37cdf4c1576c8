//! Memory that is there from the start: regions, slabs, and the pools they circulate through (design.md, section 4).

mod slab;

pub use slab::{Pool, SlabClass, SlabId, SlabTable, SlabTableBuilder};
