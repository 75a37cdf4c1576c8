//! How a ring is to be made, and which backend serves.

use std::io;

use super::discard::Discarding;
use super::posix::PosixRing;
use super::probe::Features;
use super::uring::UringRing;
use super::Ring;
use crate::limits::Limits;
use crate::memory::SlabTable;
use crate::node::Backend;

/// Sizes of a ring. All of it is allocated when the ring is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Operations that can be queued between two system calls (`io.uring_sq_depth`); more are handed over early.
    pub sq_entries: u32,
    /// Completions that can wait; more are kept by the kernel until there is room.
    pub cq_entries: u32,
    /// Places in the table of registered files. The kernel refuses more than RLIMIT_NOFILE.
    pub files: u32,
    /// Shared receive buffers; 0 for a ring without sockets.
    pub recv_buffers: u16,
    /// Bytes of each.
    pub recv_buffer_bytes: u32,
    /// Threads for disk operations of the `pwritev2` backend.
    pub disk_workers: u32,
    /// The device can write through its cache (`OsStorage::writes_through`): a synchronous write is one `RWF_DSYNC` write. Else
    /// io_uring takes that or a plain write with a linked flush, by what each takes here (`sync_choice.rs`).
    pub write_through: bool,
    /// Nothing is written to files (`discard.rs`), and reads whose token has this kind get zeros.
    pub discard: Option<u8>,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            sq_entries: 4096,
            cq_entries: 16_384,
            files: 1024,
            recv_buffers: 256,
            recv_buffer_bytes: 16 * 1024,
            disk_workers: 4,
            write_through: false,
            discard: None,
        }
    }
}

impl RingConfig {
    /// The receive buffers that `[limits]` asks for.
    #[must_use]
    pub fn with_limits(self, limits: &Limits) -> Self {
        Self {
            recv_buffers: limits.recv_buffers,
            recv_buffer_bytes: limits.recv_buffer_bytes,
            ..self
        }
    }
    /// A ring for files only.
    #[must_use]
    pub fn without_sockets(self) -> Self {
        Self {
            recv_buffers: 0,
            ..self
        }
    }
}

/// What serves under a choice, and why, found out once and before any runner starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// `None`: the `pwritev2` backend.
    pub features: Option<Features>,
}

impl Chosen {
    /// Decides by what the operator asked for (`io.backend`) and the kernel offers. Also returns what is to be announced.
    ///
    /// # Errors
    /// io_uring was asked for by name and cannot serve.
    pub fn by(asked: Backend, offered: &Features) -> io::Result<(Self, Vec<String>)> {
        if asked == Backend::Pwritev2 {
            return Ok((Self { features: None }, Vec::new()));
        }
        match (offered.lacking(), asked) {
            (None, _) => {
                let features = Some(*offered);
                Ok((Self { features }, offered.announcements()))
            }
            (Some(what), Backend::IoUring) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("io.backend = \"io_uring\", but {what}; use \"auto\" or \"pwritev2\""),
            )),
            (Some(what), _) => Ok((
                Self { features: None },
                vec![format!(
                    "io_uring does not serve: {what}; using pwritev2 and epoll"
                )],
            )),
        }
    }

    /// Makes a ring on the calling thread, which is to own it. `memory` is what its disk operations use mostly. Also
    /// returns what is to be announced.
    ///
    /// # Errors
    /// The system refuses the ring or its memory.
    pub fn open(
        &self,
        config: &RingConfig,
        memory: Option<&SlabTable>,
    ) -> io::Result<(Box<dyn Ring>, Vec<String>)> {
        match self.features {
            Some(features) => {
                let (ring, announcements) = UringRing::new(config, features, memory)?;
                Ok((boxed(ring, config), announcements))
            }
            None => Ok((boxed(PosixRing::new(config)?, config), Vec::new())),
        }
    }
}

fn boxed(ring: impl Ring + 'static, config: &RingConfig) -> Box<dyn Ring> {
    match config.discard {
        Some(blank) => Box::new(Discarding::new(ring, blank)),
        None => Box::new(ring),
    }
}
