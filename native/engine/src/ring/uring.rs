//! The ring on io_uring: made, driven and dropped by the one thread that owns it.
//!
//! In the steady state the thread makes one system call, `io_uring_enter`, and only when there is something to hand over
//! or the kernel asks for it.

mod operations;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use io_uring::{cqueue, opcode, squeue, types, IoUring};

use super::buffers::{BufferRing, RecvMemory};
use super::config::RingConfig;
use super::enter::Door;
use super::probe::{is_memory, Features};
use super::registered::RegisteredMemory;
use super::sync_choice::SyncChoice;
use super::sync_writes::{Ended, Step, SyncWrites};
use super::{Completion, FileSlot, RecvBuffer, Ring, RingStats, Token, Waker};
use crate::memory::SlabTable;

/// The agent number of the ring's own operations; no agent has it.
const OWN: u8 = u8::MAX;
/// A wake-up: sent by us, or arrived from another thread.
pub(super) const WAKE: Token = Token::new(OWN, 0, 0);
/// A close of which nobody waits for the end.
const CLOSE: Token = Token::new(OWN, 1, 0);
/// Cancels everything when the ring goes.
const CANCEL_ALL: Token = Token::new(OWN, 2, 0);

/// The write of a synchronous write; the id is its place.
const SYNC_WRITE: u8 = 3;
/// The flush linked to it.
const SYNC_FLUSH: u8 = 4;
/// A synchronous write through the cache, whole.
const SYNC_THROUGH: u8 = 5;

/// Most completions handed out in one turn, so that agents get theirs in between.
pub const TURN_COMPLETIONS: usize = 1024;
/// Rings are not made smaller than this for want of memory.
const SMALLEST_SQ: u32 = 128;
/// The group of the one pool of receive buffers.
const GROUP: u16 = 0;
/// Transfers of so many bytes let others go first.
const HEAVY: u32 = 48 * 1024;
/// How long a ring that goes waits for its operations to end.
const DRAIN: Duration = Duration::from_secs(10);

/// A standing accept, and whether the kernel wants it submitted again.
struct Accept {
    token: Token,
    listener: RawFd,
    again: bool,
}

/// See the module.
pub struct UringRing {
    // Before the ring, so that it goes first.
    door: Door,
    ring: IoUring,
    features: Features,
    memory: RegisteredMemory,
    /// By slot; -1: empty. With registered files the kernel knows them by slot too.
    files: Vec<RawFd>,
    files_registered: bool,
    recv: RecvMemory,
    /// `None`: a ring without sockets.
    free: Option<BufferRing>,
    accepts: Vec<Accept>,
    /// Transfers of many bytes that are not queued yet: the kernel copies while it takes them.
    heavy: Vec<squeue::Entry>,
    /// Something for the device is queued.
    for_device: bool,
    /// Completions taken off the queue to make room while submitting, older than those in it.
    spill: Vec<cqueue::Entry>,
    sync_writes: SyncWrites,
    sync_choice: SyncChoice,
    /// Operations whose last completion is outstanding, the ring's own apart.
    pending: u64,
    stats: RingStats,
}

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

    /// Queues an operation; hands the queue over first when it is full.
    fn push(&mut self, entry: &squeue::Entry) {
        self.make_room(1);
        // SAFETY: the callers of the unsafe operations promise that memory outlives them; the others refer to none.
        let pushed = unsafe { self.ring.submission().push(entry) };
        assert!(pushed.is_ok(), "room was made");
    }

    fn make_room(&mut self, entries: usize) {
        loop {
            let queue = self.ring.submission();
            let waiting = queue.len();
            if queue.capacity() - waiting >= entries {
                return;
            }
            drop(queue);
            self.enter(0, None);
            if self.ring.submission().len() == waiting {
                // Nothing was taken: the kernel wants completions reaped, or memory.
                self.spill();
            }
        }
    }

    /// Queues a transfer that an agent waits for; one of many bytes behind all else.
    fn push_transfer(&mut self, entry: squeue::Entry, len: u32, token: Token) {
        if len < HEAVY {
            return self.push_for(entry, token);
        }
        self.begin(token);
        if self.heavy.len() == self.heavy.capacity() {
            self.line_up();
        }
        self.heavy.push(entry.user_data(token.0));
    }

    /// Queues the transfers of many bytes. What is queued for the device goes out before: it would lie in the kernel's plug, and
    /// the device idle, until the last byte of the batch is copied.
    fn line_up(&mut self) {
        if self.heavy.is_empty() {
            return;
        }
        if self.for_device {
            self.submit();
        }
        let mut heavy = std::mem::take(&mut self.heavy);
        for entry in heavy.drain(..) {
            self.push(&entry);
        }
        self.heavy = heavy;
    }

    /// Counts an operation whose end an agent is told.
    fn begin(&mut self, token: Token) {
        assert_ne!(token.agent(), OWN, "agent 255 is the ring itself");
        self.pending += 1;
    }

    /// Queues an operation that an agent waits for.
    fn push_for(&mut self, entry: squeue::Entry, token: Token) {
        self.begin(token);
        self.push(&entry.user_data(token.0));
    }

    /// Queues an operation of the ring's own, of which only failures are reported.
    fn push_own(&mut self, entry: squeue::Entry, token: Token) {
        let flags = if self.features.skip_success {
            squeue::Flags::SKIP_SUCCESS
        } else {
            squeue::Flags::empty()
        };
        self.push(&entry.flags(flags).user_data(token.0));
    }

    /// Hands over what is queued, and no more.
    fn submit(&mut self) {
        let submit = self.ring.submission().len() as u32;
        let entered = self.door.submit(submit);
        self.entered(submit, entered);
    }

    /// Hands over what is queued and runs the kernel's work for us; waits for `want` completions at most `timeout_ns`.
    fn enter(&mut self, want: u32, timeout_ns: Option<u64>) {
        let submit = self.ring.submission().len() as u32;
        let entered = self.door.enter(submit, want, timeout_ns);
        self.entered(submit, entered);
    }

    fn entered(&mut self, submit: u32, entered: io::Result<u32>) {
        self.stats.enters += 1;
        self.for_device = false;
        match entered {
            Ok(taken) => {
                self.stats.submissions += u64::from(taken);
                if taken < submit {
                    self.sync_writes.tear();
                }
            }
            // What was not taken stays queued and goes with the next call.
            Err(e) => match e.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM) => {}
                // A completion was lost (EBADR), or the ring is not this thread's: nothing can be trusted any more.
                _ => panic!("io_uring_enter: {e}"),
            },
        }
    }

    fn spill(&mut self) {
        let spill = &mut self.spill;
        spill.extend(self.ring.completion());
    }

    /// What a completion means to the agents; `None`: nothing, it is the ring's own.
    fn translate(&mut self, entry: &cqueue::Entry) -> Option<Completion> {
        let token = Token(entry.user_data());
        let (result, flags) = (entry.result(), entry.flags());
        if token.agent() == OWN {
            return self.translate_own(token, result);
        }
        let mut more = cqueue::more(flags);
        let mut buffer = cqueue::buffer_select(flags).map(RecvBuffer);
        if let (Some(unused), true) = (buffer, result <= 0) {
            self.give(unused);
            buffer = None;
        }
        if !more {
            if let Some(i) = self.accepts.iter().position(|a| a.token == token) {
                if result >= 0 {
                    // The kernel stopped for reasons of its own (single shot, a full queue): the agent need not know.
                    self.accepts[i].again = true;
                    more = true;
                } else {
                    self.accepts.swap_remove(i);
                    self.pending -= 1;
                }
            } else {
                self.pending -= 1;
            }
        }
        self.stats.completions += 1;
        Some(Completion {
            token,
            result,
            buffer,
            more,
        })
    }

    fn translate_own(&mut self, token: Token, result: i32) -> Option<Completion> {
        let place = token.id() as usize;
        let step = match token.kind() {
            SYNC_WRITE => self.sync_writes.written(place, result),
            SYNC_FLUSH => self.sync_writes.flushed(place, result),
            SYNC_THROUGH => self.sync_writes.through(place, result),
            _ => return None,
        };
        match step {
            Step::Wait => None,
            Step::FlushAgain(file) => {
                self.push_flush(file, Token::new(OWN, SYNC_FLUSH, place as u64));
                None
            }
            Step::Done(Ended {
                token,
                result,
                way,
                len,
                took_ns,
            }) => {
                self.sync_choice.took(way, len, took_ns);
                self.pending -= 1;
                self.stats.completions += 1;
                Some(Completion {
                    token,
                    result,
                    buffer: None,
                    more: false,
                })
            }
        }
    }

    fn push_flush(&mut self, file: FileSlot, token: Token) {
        let (fd, flags) = self.file(file);
        let entry = opcode::Fsync::new(fd)
            .flags(types::FsyncFlags::DATASYNC)
            .build();
        self.push(&entry.flags(flags).user_data(token.0));
        self.for_device = true;
    }

    fn give(&mut self, buffer: RecvBuffer) {
        let free = self.free.as_mut().expect("a ring with receive buffers");
        free.give(&self.recv, buffer);
    }

    fn submit_accept(&mut self, listener: RawFd, token: Token) {
        let fd = types::Fd(listener);
        let entry = if self.features.multishot_accept {
            opcode::AcceptMulti::new(fd)
                .flags(libc::SOCK_CLOEXEC)
                .build()
        } else {
            opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut())
                .flags(libc::SOCK_CLOEXEC)
                .build()
        };
        self.push(&entry.user_data(token.0));
    }

    /// The descriptor field and the flags for an operation on a slot.
    fn file(&self, slot: FileSlot) -> (types::Fd, squeue::Flags) {
        let fd = self.files[slot.0 as usize];
        assert!(fd >= 0, "slot {} holds a file", slot.0);
        if self.files_registered {
            (types::Fd(slot.0 as i32), squeue::Flags::FIXED_FILE)
        } else {
            (types::Fd(fd), squeue::Flags::empty())
        }
    }

    fn slot(&mut self, slot: FileSlot, fd: RawFd) -> io::Result<()> {
        let Some(place) = self.files.get_mut(slot.0 as usize) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("file slot {} of {}", slot.0, self.files.len()),
            ));
        };
        if self.files_registered {
            self.ring.submitter().register_files_update(slot.0, &[fd])?;
        }
        *place = fd;
        Ok(())
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

impl Ring for UringRing {
    fn turn(&mut self, out: &mut Vec<Completion>) -> usize {
        let before = out.len();
        self.line_up();
        let queue = self.ring.submission();
        let overflow = queue.cq_overflow();
        if !queue.is_empty() || queue.taskrun() || overflow {
            drop(queue);
            self.stats.overflows += u64::from(overflow);
            self.enter(0, None);
        } else {
            drop(queue);
        }
        let spilled = self.spill.len().min(TURN_COMPLETIONS);
        for i in 0..spilled {
            let entry = self.spill[i].clone();
            out.extend(self.translate(&entry));
        }
        self.spill.drain(..spilled);
        let mut left = TURN_COMPLETIONS - spilled;
        while left > 0 {
            let mut batch = [const { MaybeUninit::<cqueue::Entry>::uninit() }; 64];
            let room = left.min(batch.len());
            let entries = self.ring.completion().fill(&mut batch[..room]);
            if entries.is_empty() {
                break;
            }
            left -= entries.len();
            for entry in entries {
                out.extend(self.translate(entry));
            }
        }
        for i in 0..self.accepts.len() {
            if std::mem::take(&mut self.accepts[i].again) {
                let Accept {
                    token, listener, ..
                } = self.accepts[i];
                self.submit_accept(listener, token);
            }
        }
        out.len() - before
    }

    fn park(&mut self, timeout_ns: u64) {
        if !self.spill.is_empty() || !self.ring.completion().is_empty() {
            return;
        }
        self.line_up();
        if !self.spill.is_empty() {
            return;
        }
        self.stats.parks += 1;
        self.enter(1, Some(timeout_ns));
    }

    fn waker(&self) -> Waker {
        Waker::Ring(self.ring.as_raw_fd())
    }
    fn backend(&self) -> &'static str {
        "io_uring"
    }
    fn stats(&self) -> RingStats {
        self.stats
    }
}

impl Drop for UringRing {
    /// Ends what is pending and waits for it: the kernel must not write to memory that is somebody else's by then.
    fn drop(&mut self) {
        if self.pending == 0 {
            return;
        }
        self.line_up();
        // No longer known as standing ones, so that none is submitted again.
        let accepts: Vec<Token> = self.accepts.drain(..).map(|a| a.token).collect();
        let all = opcode::AsyncCancel2::new(types::CancelBuilder::any()).build();
        self.push(&all.user_data(CANCEL_ALL.0));
        let deadline = Instant::now() + DRAIN;
        let mut out = Vec::with_capacity(TURN_COMPLETIONS);
        while self.pending > 0 && Instant::now() < deadline {
            self.park(10_000_000);
            self.turn(&mut out);
            for ended in out.drain(..) {
                if ended.result >= 0 && accepts.contains(&ended.token) {
                    // SAFETY: a connection that nobody has been told of.
                    unsafe { libc::close(ended.result) };
                }
            }
        }
        if self.pending > 0 {
            self.recv.leak();
            std::mem::forget(self.free.take());
        }
    }
}
