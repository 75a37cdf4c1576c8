//! Why a data directory cannot be started from.

use std::fmt;
use std::io;

use crate::format::names::DISCARDS;

/// What stops recovery. Everything milder is a `Finding`, and the node starts.
#[derive(Debug)]
pub enum RecoveryError {
    /// The system refused something.
    Io {
        /// What was tried: `open`, `write`, `flush`, ...
        action: &'static str,
        /// File or directory, relative to the data directory.
        path: String,
        source: io::Error,
    },
    /// A whole file, block or header of a version that this build does not know.
    NewerFormat {
        path: String,
        /// Byte position, where there is one.
        at: Option<u64>,
        /// What it says it is.
        found: String,
    },
    /// A file that only LANCE writes says what it cannot say.
    Invalid {
        path: String,
        at: Option<u64>,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// The directory is marked as one whose node stores nothing.
    Discards,
    /// A node that is to store nothing finds a directory without that mark.
    Stores,
}

impl RecoveryError {
    /// Stable and short, as `node::StartError::code` has it: `io`, `newer-format`, `data-dir-invalid`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NewerFormat { .. } => "newer-format",
            Self::Invalid { .. } => "data-dir-invalid",
            Self::Discards | Self::Stores => "data-dir-discards",
        }
    }
    /// The system's error number; EIO for what is no error of the system.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Io { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
            _ => libc::EIO,
        }
    }
    /// What an operator can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { source, .. } => match source.raw_os_error() {
                Some(libc::ENOSPC | libc::EDQUOT) => {
                    "recovery writes before it frees: make room on the file system and start again"
                }
                Some(libc::EROFS | libc::EACCES | libc::EPERM) => {
                    "the data directory must be writable for the user that runs the node"
                }
                Some(libc::EMFILE | libc::ENFILE) => "raise the limit of open files (ulimit -n)",
                _ => "look at the kernel's log for the device under the data directory",
            },
            Self::NewerFormat { .. } => {
                "a newer LANCE wrote this: start that version, this one would misread it"
            }
            Self::Invalid { .. } => {
                "restore the file, or move it out of the data directory and start again"
            }
            Self::Discards => "remove the directory: nothing in it was ever stored",
            Self::Stores => "leave the directory to an ordinary node",
        }
    }
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |f: &mut fmt::Formatter<'_>, path: &str, at: Option<u64>| match at {
            Some(at) => write!(f, "{path} at byte {at}"),
            None => write!(f, "{path}"),
        };
        match self {
            Self::Io {
                action,
                path,
                source,
            } => write!(f, "cannot {action} {path}: {source}"),
            Self::NewerFormat { path, at, found } => {
                place(f, path, *at)?;
                write!(f, ": {found}, which is newer than this LANCE reads")
            }
            Self::Invalid { path, at, detail } => {
                place(f, path, *at)?;
                write!(f, ": {detail}")
            }
            Self::Discards => write!(
                f,
                "{DISCARDS}: a bench made this directory for a node that stores nothing; its files are no data"
            ),
            Self::Stores => write!(
                f,
                "{DISCARDS} is missing: a node that stores nothing runs only on a directory that a bench made for it"
            ),
        }
    }
}

impl std::error::Error for RecoveryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
