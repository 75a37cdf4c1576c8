//! One call for everything that a file system has not made durable yet.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call that takes longer had others' files to write back too.
const SLOW: Duration = Duration::from_millis(250);
/// After such a one, flushes one by one are the better way for so long.
const SHUNNED: Duration = Duration::from_secs(10);

/// `syncfs`, while that is quick: it writes back whatever anybody left in the page cache of the same file system.
#[derive(Default)]
pub(super) struct WholeSync {
    shunned_until: Mutex<Option<Instant>>,
}

impl WholeSync {
    /// Syncs the file system that `root` is on.
    ///
    /// # Errors
    /// The system's, or `WouldBlock` while the call is shunned.
    pub(super) fn sync(&self, root: &Path) -> io::Result<()> {
        let mut until = self
            .shunned_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        if until.is_some_and(|until| began < until) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let root = File::open(root)?;
        // SAFETY: plain system call on a descriptor that is open.
        if unsafe { libc::syncfs(root.as_raw_fd()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        *until = (began.elapsed() > SLOW).then(|| Instant::now() + SHUNNED);
        Ok(())
    }
}
