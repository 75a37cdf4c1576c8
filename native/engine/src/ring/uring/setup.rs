//! Making the ring: as large as locked memory allows, with what can be registered registered.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::IoUring;

use super::super::buffers::{BufferRing, RecvMemory};
use super::super::config::RingConfig;
use super::super::enter::Door;
use super::super::probe::{is_memory, Features};
use super::super::registered::RegisteredMemory;
use super::super::sync_choice::SyncChoice;
use super::super::sync_writes::SyncWrites;
use super::super::{RecvBuffer, RingStats};
use super::{UringRing, GROUP};
use crate::memory::SlabTable;

/// Rings are not made smaller than this for want of memory.
const SMALLEST_SQ: u32 = 128;

impl UringRing {
    /// A ring on the calling thread. Also returns what is to be announced.
    ///
    /// # Errors
    /// The system refuses the ring or the memory of its receive buffers.
    pub fn new(
        config: &RingConfig,
        features: Features,
        memory: Option<&SlabTable>,
    ) -> io::Result<(Self, Vec<String>)> {
        let mut announcements = Vec::new();
        let ring = build_what_fits(config, &features, &mut announcements)?;
        let door = Door::new(ring.as_raw_fd(), features.registered_ring);
        let files_registered = features.registered_files
            && match ring.submitter().register_files_sparse(config.files) {
                Ok(()) => true,
                Err(e) => {
                    announcements.push(format!(
                        "files are not registered with io_uring ({e}): the table of {} is larger than the limit of open \
                         files allows (RLIMIT_NOFILE)",
                        config.files
                    ));
                    false
                }
            };
        let recv = RecvMemory::new(config.recv_buffers, config.recv_buffer_bytes)?;
        let mut free = None;
        if recv.count() > 0 {
            let mut buffers = BufferRing::new(&recv)?;
            let (at, entries) = buffers.address();
            // SAFETY: the entries stay mapped until `drop` has seen every operation end, or for good.
            unsafe {
                ring.submitter()
                    .register_buf_ring_with_flags(at, entries, GROUP, 0)?;
            }
            for buffer in 0..recv.count() {
                buffers.give(&recv, RecvBuffer(buffer));
            }
            free = Some(buffers);
        }
        let memory = match memory.map(|table| RegisteredMemory::register(&ring.submitter(), table))
        {
            None => RegisteredMemory::default(),
            Some(Ok(memory)) => memory,
            Some(Err(e)) => {
                announcements.push(format!(
                    "slabs are not registered with io_uring ({e}): works, slower; raise the limit of locked memory \
                     (LimitMEMLOCK, ulimit -l)"
                ));
                RegisteredMemory::default()
            }
        };
        // After the slabs, which matter more where the limit is low.
        if !recv.lock() {
            announcements.push(
                "receive buffers are not locked in memory: works, but they can be paged out; raise the limit of locked \
                 memory (LimitMEMLOCK, ulimit -l)"
                    .into(),
            );
        }
        let spill = Vec::with_capacity(ring.params().cq_entries() as usize);
        let ring = Self {
            door,
            ring,
            features,
            memory,
            files: vec![-1; config.files as usize],
            files_registered,
            recv,
            free,
            accepts: Vec::with_capacity(16),
            heavy: Vec::with_capacity(config.sq_entries as usize),
            for_device: false,
            spill,
            sync_writes: SyncWrites::new(),
            sync_choice: SyncChoice::new(config.write_through),
            pending: 0,
            stats: RingStats::default(),
        };
        Ok((ring, announcements))
    }
}

/// The ring that was asked for, or a smaller one where locked memory is short.
fn build_what_fits(
    config: &RingConfig,
    features: &Features,
    announcements: &mut Vec<String>,
) -> io::Result<IoUring> {
    let mut smaller = *config;
    loop {
        match build(&smaller, features) {
            Err(e) if is_memory(&e) && smaller.sq_entries > SMALLEST_SQ => {
                smaller.sq_entries /= 2;
                smaller.cq_entries /= 2;
            }
            Err(e) if is_memory(&e) => {
                return Err(io::Error::new(
                    e.kind(),
                    "too little memory may be locked for io_uring: raise LimitMEMLOCK (ulimit -l), or set io.backend = \
                     \"pwritev2\"",
                ));
            }
            Ok(ring) => {
                if smaller.sq_entries < config.sq_entries {
                    announcements.push(format!(
                        "io_uring with {} entries instead of {}: little memory may be locked; raise LimitMEMLOCK (ulimit -l)",
                        smaller.sq_entries, config.sq_entries
                    ));
                }
                return Ok(ring);
            }
            failed => return failed,
        }
    }
}

fn build(config: &RingConfig, features: &Features) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .setup_clamp()
        .setup_cqsize(config.cq_entries.max(config.sq_entries))
        .dontfork();
    if features.submit_all {
        builder.setup_submit_all();
    }
    if features.single_issuer {
        builder.setup_single_issuer();
    }
    if features.coop_taskrun {
        builder.setup_coop_taskrun();
    }
    if features.defer_taskrun && features.single_issuer {
        builder.setup_defer_taskrun();
    }
    if features.coop_taskrun || features.defer_taskrun && features.single_issuer {
        builder.setup_taskrun_flag();
    }
    builder.build(config.sq_entries)
}
