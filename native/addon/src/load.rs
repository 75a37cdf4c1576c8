//! The load generator and the floors of `lance bench`, for a process that does nothing else.

use napi_derive::napi;

/// Runs a scenario of `lance-load` on this thread until it ends; its lines go to stdout. Returns the exit code.
#[napi]
pub fn run_load(words: Vec<String>) -> u32 {
    u32::from(lance_load::run(words))
}
