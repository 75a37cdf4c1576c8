//! napi-rs bindings over `lance-engine`: types only. Nothing here decides anything.
//!
//! What cannot be a JavaScript number crosses as BigInt. Errors cross as data with a code, never as a thrown string.

mod command;
mod config;
mod event;
mod node;
mod process;
