//! One node a data directory: `LOCK`, held by the kernel as long as the process lives.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use super::OsStorage;

/// The file whose lock says that a node runs here (formats.md).
const LOCK: &str = "LOCK";

/// Held as long as this lives, and by the kernel no longer than the process does.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Why a data directory could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// A node runs on it. Its process id, if it wrote one.
    Held { root: PathBuf, pid: Option<u32> },
    /// The system refuses the file.
    Io { path: PathBuf, error: io::Error },
}

impl std::fmt::Display for LockError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held { root, pid } => {
                let by = pid.map_or(String::from("another process"), |pid| {
                    format!("process {pid}")
                });
                write!(
                    f,
                    "data directory {} is in use by {by}; stop it, or give this node a directory of its own (node.data_dir)",
                    root.display()
                )
            }
            Self::Io { path, error } => write!(f, "cannot lock {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for LockError {}

impl OsStorage {
    /// Takes the directory for this process.
    ///
    /// # Errors
    /// Another process has it, or LOCK cannot be opened.
    pub fn lock(&self) -> Result<DirLock, LockError> {
        let path = self.root().join(LOCK);
        let failed = |error| LockError::Io {
            path: path.clone(),
            error,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        // SAFETY: plain system call on a descriptor that is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(failed(error));
            }
            let mut text = String::new();
            // Only for the message: a pid that cannot be read is left out.
            let _ = (&file).take(32).read_to_string(&mut text);
            return Err(LockError::Held {
                root: self.root().to_owned(),
                pid: text.trim().parse().ok(),
            });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(DirLock { _file: file })
    }
}
