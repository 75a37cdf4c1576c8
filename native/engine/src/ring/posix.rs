//! The ring without io_uring: epoll tells what is ready, threads do the blocking disk calls (`pwritev2`).
//!
//! Same meaning as the io_uring backend, at the price of more system calls and copies of nothing. One thread owns it.

use std::io;
use std::os::fd::RawFd;

use super::buffers::RecvMemory;
use super::config::RingConfig;
use super::disk_workers::{self, Call, DiskWorkers, Job};
use super::socket_ops::{Give, Socket, Take};
use super::uring::TURN_COMPLETIONS;
use super::waker::signal;
use super::{
    assert_aligned, Completion, DiskRing, FileSlot, NetRing, RecvBuffer, Ring, RingStats, Token,
    WakeRing, Waker,
};
use crate::storage::Handle;

/// Readiness events taken at once.
const EVENTS: usize = 256;

/// See the module.
pub struct PosixRing {
    epoll: RawFd,
    /// Ends `park`. Never closed: another thread may be about to write to it, and its number must not be a stranger's then.
    event: RawFd,
    /// Before the descriptors it writes to are let go of.
    disk: DiskWorkers,
    /// By descriptor.
    sockets: Vec<Socket>,
    /// Sockets to try at the next turn.
    listed: Vec<RawFd>,
    trying: Vec<RawFd>,
    /// Operations on sockets that have not ended.
    asked: usize,
    files: Vec<RawFd>,
    memory: RecvMemory,
    free: Vec<RecvBuffer>,
    /// Completions that are known already.
    ready: Vec<Completion>,
    disk_done: Vec<(Token, i32)>,
    events: Vec<libc::epoll_event>,
    stats: RingStats,
}

impl PosixRing {
    /// A ring for the calling thread.
    ///
    /// # Errors
    /// The system refuses descriptors, threads or the memory of the receive buffers.
    pub fn new(config: &RingConfig) -> io::Result<Self> {
        // SAFETY: plain system calls.
        let epoll = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        let event = checked(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // Edge-triggered: every write to it is an event, and it need not be read.
        watch(epoll, event, libc::EPOLLIN | libc::EPOLLET)?;
        let memory = RecvMemory::new(config.recv_buffers, config.recv_buffer_bytes)?;
        Ok(Self {
            epoll,
            event,
            disk: DiskWorkers::new(config.disk_workers, event)?,
            sockets: Vec::new(),
            listed: Vec::with_capacity(EVENTS),
            trying: Vec::with_capacity(EVENTS),
            asked: 0,
            files: vec![-1; config.files as usize],
            free: (0..memory.count()).rev().map(RecvBuffer).collect(),
            memory,
            ready: Vec::with_capacity(EVENTS),
            disk_done: Vec::with_capacity(disk_workers::AT_ONCE),
            events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS],
            stats: RingStats::default(),
        })
    }

    fn socket(&mut self, fd: RawFd) -> &mut Socket {
        let i = usize::try_from(fd).expect("a descriptor");
        if i >= self.sockets.len() {
            self.sockets.resize_with(i + 1, Socket::default);
        }
        &mut self.sockets[i]
    }

    fn list(&mut self, fd: RawFd) {
        let socket = self.socket(fd);
        if !socket.listed {
            socket.listed = true;
            self.listed.push(fd);
        }
    }

    fn take(&mut self, fd: RawFd, token: Token, take: Take) {
        self.stats.submissions += 1;
        if fd < 0 {
            return self.ready.push(ended(token, -libc::EBADF));
        }
        self.asked += 1;
        self.socket(fd).takes.push_back((token, take));
        self.list(fd);
    }

    /// Takes readiness from epoll; waits at most `timeout_ms`.
    fn poll(&mut self, timeout_ms: i32) {
        self.stats.enters += 1;
        // SAFETY: the kernel fills at most EVENTS entries of ours.
        let got = unsafe {
            libc::epoll_wait(
                self.epoll,
                self.events.as_mut_ptr(),
                EVENTS as i32,
                timeout_ms,
            )
        };
        // An error is EINTR: nothing was ready.
        for i in 0..usize::try_from(got).unwrap_or(0) {
            let event = self.events[i];
            let fd = event.u64 as RawFd;
            if fd == self.event {
                continue;
            }
            let happened = event.events as i32;
            let broken = libc::EPOLLERR | libc::EPOLLHUP;
            let socket = self.socket(fd);
            socket.readable |= happened & (libc::EPOLLIN | libc::EPOLLRDHUP | broken) != 0;
            socket.writable |= happened & (libc::EPOLLOUT | broken) != 0;
            if !socket.is_idle() {
                self.list(fd);
            }
        }
    }

    /// Tries one socket, and watches it when it has to wait.
    fn try_socket(&mut self, fd: RawFd, out: &mut Vec<Completion>) {
        let before = out.len();
        let Some(socket) = self.sockets.get_mut(fd as usize) else {
            return;
        };
        socket.listed = false;
        let again = socket.drive(fd, &self.memory, &mut self.free, out);
        if !socket.is_idle() && !again && !socket.watched {
            let interest = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
            match watch(self.epoll, fd, interest) {
                Ok(()) => socket.watched = true,
                Err(e) => {
                    let result = -e.raw_os_error().unwrap_or(libc::EIO);
                    let takes = socket.takes.drain(..).map(|(token, _)| token);
                    let gives = socket.gives.drain(..).map(|(token, _)| token);
                    out.extend(takes.chain(gives).map(|token| ended(token, result)));
                }
            }
        }
        self.asked -= out[before..].iter().filter(|c| !c.more).count();
        // A connection is new whatever was known of its number. (What goes on without a buffer is an accept.)
        for accepted in out[before..]
            .iter()
            .filter(|c| c.more && c.buffer.is_none())
        {
            if let Some(socket) = self.sockets.get_mut(accepted.result as usize) {
                *socket = Socket::default();
            }
        }
        if again {
            self.list(fd);
        }
    }

    fn file(&self, slot: FileSlot) -> RawFd {
        let fd = self.files[slot.0 as usize];
        assert!(fd >= 0, "slot {} holds a file", slot.0);
        fd
    }

    fn slot(&mut self, slot: FileSlot, fd: RawFd) -> io::Result<()> {
        let most = self.files.len();
        let place = self.files.get_mut(slot.0 as usize).ok_or_else(|| {
            let message = format!("file slot {} of {most}", slot.0);
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        *place = fd;
        Ok(())
    }

    fn submit(&mut self, file: FileSlot, at: u64, call: Call, token: Token) {
        self.stats.submissions += 1;
        let fd = self.file(file);
        self.disk.submit(Job {
            fd,
            at,
            call,
            token,
        });
    }
}

fn ended(token: Token, result: i32) -> Completion {
    Completion {
        token,
        result,
        buffer: None,
        more: false,
    }
}

fn watch(epoll: RawFd, fd: RawFd, interest: i32) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: interest as u32,
        u64: fd as u64,
    };
    // SAFETY: `event` is valid for the call.
    checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(drop)
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

impl NetRing for PosixRing {
    fn accept(&mut self, listener: RawFd, token: Token) {
        // accept4 has no flag of its own against waiting. SAFETY: plain system calls on the caller's descriptor.
        unsafe {
            let flags = libc::fcntl(listener, libc::F_GETFL);
            libc::fcntl(listener, libc::F_SETFL, flags | libc::O_NONBLOCK);
        }
        self.take(listener, token, Take::Accept);
    }

    fn recv_shared(&mut self, socket: RawFd, multishot: bool, token: Token) {
        self.take(socket, token, Take::Shared { multishot });
    }

    unsafe fn recv_into(
        &mut self,
        socket: RawFd,
        to: *mut u8,
        len: u32,
        wait_all: bool,
        token: Token,
    ) {
        let take = Take::Into {
            to,
            len,
            done: 0,
            wait_all,
        };
        self.take(socket, token, take);
    }

    unsafe fn send(&mut self, socket: RawFd, from: *const u8, len: u32, token: Token) {
        self.stats.submissions += 1;
        if socket < 0 {
            return self.ready.push(ended(token, -libc::EBADF));
        }
        self.asked += 1;
        let give = Give { from, len, done: 0 };
        self.socket(socket).gives.push_back((token, give));
        self.list(socket);
    }

    fn cancel(&mut self, target: Token, token: Token) {
        let result = self.sockets.iter_mut().find_map(|s| s.cancel(target));
        if let Some(result) = result {
            self.asked -= 1;
            self.ready.push(ended(target, result));
        }
        // A disk call that a worker has is not to be stopped, as with io_uring.
        let found = if result.is_some() { 0 } else { -libc::ENOENT };
        self.ready.push(ended(token, found));
    }

    fn shutdown(&mut self, socket: RawFd) {
        // What was queued on the socket comes first.
        let mut ready = std::mem::take(&mut self.ready);
        self.try_socket(socket, &mut ready);
        self.ready = ready;
        // SAFETY: plain system call; an invalid descriptor is an error and no more.
        unsafe { libc::shutdown(socket, libc::SHUT_RDWR) };
        let state = self.socket(socket);
        state.readable = true;
        state.writable = true;
        if !state.is_idle() {
            self.list(socket);
        }
    }

    fn close(&mut self, socket: RawFd) {
        let state = std::mem::take(self.socket(socket));
        assert!(state.is_idle(), "a socket is closed with nothing pending");
        // SAFETY: the caller gives the descriptor up; closing takes it out of the epoll set, since it has no duplicates.
        unsafe { libc::close(socket) };
    }

    fn recv_buffer(&self, buffer: RecvBuffer) -> *const u8 {
        self.memory.at(buffer)
    }
    fn recv_buffer_len(&self) -> u32 {
        self.memory.each()
    }
    fn return_buffer(&mut self, buffer: RecvBuffer) {
        assert!(
            self.free.len() < usize::from(self.memory.count()),
            "a buffer is returned once"
        );
        self.free.push(buffer);
    }
}

impl DiskRing for PosixRing {
    fn install(&mut self, slot: FileSlot, file: Handle) -> io::Result<()> {
        self.slot(slot, file.0)
    }

    fn uninstall(&mut self, slot: FileSlot) {
        let emptied = self.slot(slot, -1);
        assert!(emptied.is_ok(), "a slot of this ring: {emptied:?}");
    }

    unsafe fn write(
        &mut self,
        file: FileSlot,
        at: u64,
        from: *const u8,
        len: u32,
        sync: bool,
        token: Token,
    ) {
        assert_aligned(at, from, len);
        self.submit(file, at, Call::Write { from, len, sync }, token);
    }

    unsafe fn read(&mut self, file: FileSlot, at: u64, to: *mut u8, len: u32, token: Token) {
        assert_aligned(at, to, len);
        self.submit(file, at, Call::Read { to, len }, token);
    }

    fn flush(&mut self, file: FileSlot, token: Token) {
        self.submit(file, 0, Call::Flush, token);
    }
}

impl WakeRing for PosixRing {
    fn wake(&mut self, other: Waker) {
        let Waker::Event(event) = other else {
            panic!("one backend serves all threads of a node");
        };
        self.stats.wakes += 1;
        // The other thread's eventfd is never closed.
        let sent = signal(event);
        assert!(sent.is_ok(), "waking another thread: {sent:?}");
    }
}

impl Ring for PosixRing {
    fn turn(&mut self, out: &mut Vec<Completion>) -> usize {
        let before = out.len();
        out.append(&mut self.ready);
        self.disk.take(&mut self.disk_done);
        let done = self.disk_done.drain(..);
        out.extend(done.map(|(token, result)| ended(token, result)));
        if self.asked > 0 {
            self.poll(0);
        }
        std::mem::swap(&mut self.listed, &mut self.trying);
        for i in 0..self.trying.len() {
            let fd = self.trying[i];
            if out.len() - before < TURN_COMPLETIONS {
                self.try_socket(fd, out);
            } else {
                self.listed.push(fd);
            }
        }
        self.trying.clear();
        self.stats.completions += (out.len() - before) as u64;
        out.len() - before
    }

    fn park(&mut self, timeout_ns: u64) {
        if !self.ready.is_empty() || !self.listed.is_empty() {
            return;
        }
        if self.disk.raise() {
            self.stats.parks += 1;
            let timeout_ms = timeout_ns.div_ceil(1_000_000).min(i32::MAX as u64);
            self.poll(timeout_ms as i32);
        }
        self.disk.lower();
    }

    fn waker(&self) -> Waker {
        Waker::Event(self.event)
    }
    fn backend(&self) -> &'static str {
        "pwritev2"
    }
    fn stats(&self) -> RingStats {
        self.stats
    }
}

impl Drop for PosixRing {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody else knows it. The workers finish their calls when they are dropped after this.
        unsafe { libc::close(self.epoll) };
    }
}
