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
mod process;
