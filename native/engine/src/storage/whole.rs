//! One call for everything that a file system has not made durable yet.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call that takes longer than this and `SLOW_FILE` for each file that waits for it had others' files to write back too.
const SLOW: Duration = Duration::from_millis(250);
/// What a flush of one file takes at least, among many.
const SLOW_FILE: Duration = Duration::from_micros(500);
/// After such a one, flushes one by one are the better way for so long.
const SHUNNED: Duration = Duration::from_secs(10);

/// `syncfs`, while that is quick: it writes back whatever anybody left in the page cache of the same file system.
#[derive(Default)]
pub(super) struct WholeSync {
    shunned_until: Mutex<Option<Instant>>,
}

impl WholeSync {
    /// Syncs the file system that the directory is on, for so many files.
    ///
    /// # Errors
    /// The system's; without a number of its own, so that nothing was tried: `WouldBlock` while the call is shunned, and
    /// `Unsupported` where it is not known to reach the disk.
    pub(super) fn sync(&self, dir: &Path, files: u32) -> io::Result<()> {
        let mut until = self
            .shunned_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        if until.is_some_and(|until| began < until) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Before the call nothing was tried, whatever the system says.
        let untried = |error: io::Error| io::Error::from(error.kind());
        let dir = File::open(dir).map_err(untried)?;
        if !reaches_the_disk(&dir).map_err(untried)? {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // SAFETY: plain system call on a descriptor that is open.
        let result = match unsafe { libc::syncfs(dir.as_raw_fd()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        };
        let shun = result.is_err() || began.elapsed() > SLOW + SLOW_FILE * files;
        *until = shun.then(|| Instant::now() + SHUNNED);
        result
    }
}

/// Whether `syncfs` makes names durable here. On others, FUSE and 9p among them, it may return without asking anybody.
fn reaches_the_disk(dir: &File) -> io::Result<bool> {
    // statfs(2)'s numbers, as 32 bits: the field's type differs by architecture.
    const EXT: u32 = 0xef53;
    const XFS: u32 = 0x5846_5342;
    const BTRFS: u32 = 0x9123_683e;
    const F2FS: u32 = 0xf2f5_2010;
    let mut found = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the descriptor is open, and the kernel writes a whole `statfs` there.
    if unsafe { libc::fstatfs(dir.as_raw_fd(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: written by the call that succeeded.
    let kind = unsafe { found.assume_init() }.f_type as u32;
    Ok([EXT, XFS, BTRFS, F2FS].contains(&kind))
}
