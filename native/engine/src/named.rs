//! Threads that bear their names from the start.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// Starts a thread and waits until it bears its name. A thread gives itself that, and by it those of the engine are told from the
/// ones that give way to them.
///
/// # Errors
/// The system refuses the thread.
pub fn spawn_named(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let (named, ready) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name(name.into()).spawn(move || {
        let _ = named.send(());
        work();
    })?;
    let _ = ready.recv();
    Ok(thread)
}
