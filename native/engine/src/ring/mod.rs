//! The ring: the one door of a thread to sockets, files and other threads (design.md, section 3).
//!
//! Three implementations serve behind these traits: io_uring, `pwritev2` + epoll, and the simulator's. Submitting never
//! fails and never blocks; what goes wrong arrives as the completion's `-errno`.

mod buffers;
mod config;
mod discard;
mod disk_workers;
mod enter;
mod posix;
mod probe;
mod registered;
mod socket_ops;
mod sync_choice;
mod sync_writes;
mod uring;
mod waker;

use std::io;
use std::os::fd::RawFd;

pub use config::{Chosen, RingConfig};
pub use posix::PosixRing;
pub use probe::Features;
pub use uring::{UringRing, TURN_COMPLETIONS};
pub(crate) use waker::signal;
pub use waker::ControlWaker;

use crate::storage::Handle;

/// Names an operation to the agent that submitted it: `agent:8 | kind:8 | id:48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl Token {
    /// `agent` is the agent's number on its runner, `kind` and `id` are the agent's own.
    #[must_use]
    pub const fn new(agent: u8, kind: u8, id: u64) -> Self {
        assert!(id < 1 << 48);
        Self((agent as u64) << 56 | (kind as u64) << 48 | id)
    }
    /// Which agent of the runner the completion goes to.
    #[must_use]
    pub const fn agent(self) -> u8 {
        (self.0 >> 56) as u8
    }
    /// The agent's own kind of operation.
    #[must_use]
    pub const fn kind(self) -> u8 {
        (self.0 >> 48) as u8
    }
    /// The agent's own number: a connection, a slab, a topic.
    #[must_use]
    pub const fn id(self) -> u64 {
        self.0 & ((1 << 48) - 1)
    }
}

/// A buffer of the ring's shared receive pool, lent until `return_buffer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvBuffer(pub u16);

/// What became of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// The operation's token.
    pub token: Token,
    /// Bytes, a new descriptor, 0, or `-errno`.
    pub result: i32,
    /// For `recv_shared`: the lent buffer that holds the `result` bytes (absent at end of stream and on errors).
    pub buffer: Option<RecvBuffer>,
    /// For multishot operations: more completions follow without asking again.
    pub more: bool,
}

/// A place in the ring's table of registered files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileSlot(pub u32);

/// Operations on sockets.
pub trait NetRing {
    /// Accepts until cancelled or until it fails (`-EMFILE`...: ask again later): one completion a connection, its
    /// descriptor as result.
    fn accept(&mut self, listener: RawFd, token: Token);
    /// Receives into buffers of the shared pool: once, or until cancelled. `-ENOBUFS` ends it when the pool is empty.
    fn recv_shared(&mut self, socket: RawFd, multishot: bool, token: Token);
    /// Receives into the caller's memory; with `wait_all` only when it is full, at end of stream or on an error.
    ///
    /// # Safety
    /// `to..to+len` stays valid and untouched until the completion.
    unsafe fn recv_into(
        &mut self,
        socket: RawFd,
        to: *mut u8,
        len: u32,
        wait_all: bool,
        token: Token,
    );
    /// Sends from the caller's memory; may send less (the result says how much). Never raises SIGPIPE.
    ///
    /// # Safety
    /// `from..from+len` stays valid and unchanged until the completion.
    unsafe fn send(&mut self, socket: RawFd, from: *const u8, len: u32, token: Token);
    /// Asks that the operation with `target` ends; it completes with `-ECANCELED` if it still could. The cancellation
    /// itself completes with `token`.
    fn cancel(&mut self, target: Token, token: Token);
    /// Shuts a socket down in both directions, so that its pending operations end. No completion.
    fn shutdown(&mut self, socket: RawFd);
    /// Closes a socket that has no operation pending. No completion.
    fn close(&mut self, socket: RawFd);
    /// Bytes that wait in the kernel for this socket. Asked only where slabs are scarce: one goes to who can fill it.
    fn readable(&self, socket: RawFd) -> u32 {
        let mut bytes: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int through the pointer.
        let failed = unsafe { libc::ioctl(socket, libc::FIONREAD, &mut bytes) };
        if failed == 0 {
            bytes.max(0) as u32
        } else {
            0
        }
    }
    /// The bytes of a lent buffer, whole capacity.
    fn recv_buffer(&self, buffer: RecvBuffer) -> *const u8;
    /// Capacity of a shared receive buffer, bytes.
    fn recv_buffer_len(&self) -> u32;
    /// Gives a lent buffer back to the pool.
    fn return_buffer(&mut self, buffer: RecvBuffer);
}

/// Operations on files. Positions, lengths and addresses are multiples of 4,096 (`O_DIRECT`).
pub trait DiskRing {
    /// Puts an open file into the table; replaces what stood there (which the caller closes).
    ///
    /// # Errors
    /// The table refuses the slot or the handle.
    fn install(&mut self, slot: FileSlot, file: Handle) -> io::Result<()>;
    /// Takes a file out of the table; nothing may be pending on it.
    fn uninstall(&mut self, slot: FileSlot);
    /// Writes; with `sync` the completion means stable storage (`RWF_DSYNC`, or a linked flush). A short result is
    /// possible; then it means stable storage only with the rest, written with `sync` too.
    ///
    /// # Safety
    /// `from..from+len` stays valid and unchanged until the completion.
    unsafe fn write(
        &mut self,
        file: FileSlot,
        at: u64,
        from: *const u8,
        len: u32,
        sync: bool,
        token: Token,
    );
    /// Reads; a short result means end of file.
    ///
    /// # Safety
    /// `to..to+len` stays valid and untouched until the completion.
    unsafe fn read(&mut self, file: FileSlot, at: u64, to: *mut u8, len: u32, token: Token);
    /// `fdatasync`: covers exactly the writes whose completions were reaped before this call.
    fn flush(&mut self, file: FileSlot, token: Token);
}

/// Ending the wait of another thread.
pub trait WakeRing {
    /// Wakes another thread from this ring: `IORING_OP_MSG_RING` to a ring, a write through this ring to an eventfd.
    fn wake(&mut self, other: Waker);
}

/// The whole ring, as a runner owns it.
pub trait Ring: NetRing + DiskRing + WakeRing {
    /// Hands what was queued to the kernel and moves every completion that is there to `out`. Does not wait.
    fn turn(&mut self, out: &mut Vec<Completion>) -> usize;
    /// Parks the thread until a completion, a wake-up through `waker`, or `timeout_ns`.
    fn park(&mut self, timeout_ns: u64);
    /// A handle by which other threads end this ring's `park`.
    fn waker(&self) -> Waker;
    /// What serves: `io_uring` or `pwritev2`; `discard` where files keep nothing.
    fn backend(&self) -> &'static str;
    /// What it did so far, for the counters.
    fn stats(&self) -> RingStats {
        RingStats::default()
    }
}

/// How to end the `park` of a ring that another thread owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waker {
    /// An io_uring, by its descriptor.
    Ring(RawFd),
    /// An eventfd.
    Event(RawFd),
}

/// Totals of a ring since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RingStats {
    /// Operations handed to the kernel.
    pub submissions: u64,
    /// Completions handed to agents.
    pub completions: u64,
    /// System calls that drive the ring.
    pub enters: u64,
    /// Times that completions had to wait in the kernel.
    pub overflows: u64,
    /// Times the thread waited.
    pub parks: u64,
    /// Wake-ups sent.
    pub wakes: u64,
}

/// `O_DIRECT`'s rule, asserted for every file: some file systems let a violation pass, others answer EINVAL.
fn assert_aligned(at: u64, memory: *const u8, len: u32) {
    let all = at | memory as u64 | u64::from(len);
    assert!(
        all.is_multiple_of(4096),
        "position {at}, address {memory:p} and length {len} are multiples of 4096"
    );
}

#[cfg(test)]
mod tests;
