//! napi-rs bindings over `lance-engine`: types only. Nothing here decides anything.
//!
//! What cannot be a JavaScript number crosses as BigInt. Errors cross as data with a code, never as a thrown string.

// Under `cfg(test)` napi-derive exports nothing, so that every binding looks unused to clippy.
#![cfg_attr(test, allow(dead_code))]

mod command;
mod config;
mod event;
mod inspect;
mod load;
mod node;
mod outcome;
mod placement;
mod process;
mod topic;

/// Tables that belong on a NUMA node lie in mappings of their own; all else is the system allocator's.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: lance_engine::place::TableAllocator = lance_engine::place::TableAllocator;
