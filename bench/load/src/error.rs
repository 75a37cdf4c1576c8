//! What can go wrong in a run, as one sentence each.

use std::fmt;
use std::io;

/// Why a run ended without a result.
#[derive(Debug)]
pub enum LoadError {
    /// A flag that is missing, unknown or out of range: exit code 2.
    Usage(String),
    /// The system refused something; the text says what was tried.
    System(String, io::Error),
    /// The node answered with what no node should.
    Protocol(String),
    /// The node refused: its code and message.
    Refused(u64, String),
}

impl LoadError {
    /// Wraps an I/O error with what was tried.
    pub fn system(tried: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let tried = tried.into();
        move |error| Self::System(tried, error)
    }

    /// A word for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::System(_, error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "unreachable"
            }
            Self::System(_, error) if error.kind() == io::ErrorKind::StorageFull => "disk-full",
            Self::System(..) => "system",
            Self::Protocol(_) => "protocol",
            Self::Refused(..) => "refused",
        }
    }

    /// 2 for wrong usage, 1 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => write!(f, "{what}; `lance-load --help` lists the flags"),
            Self::System(tried, error) => write!(f, "{tried}: {error}"),
            Self::Protocol(what) => write!(f, "the node broke the protocol: {what}"),
            Self::Refused(code, message) => write!(f, "the node refused (0x{code:02x}): {message}"),
        }
    }
}
