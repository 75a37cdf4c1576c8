//! A ring whose files keep nothing: it measures an engine without its device (`lance bench ingest --discard`).
//!
//! Sockets and wake-ups are those of the ring below. A write or a flush is over as soon as it is asked for, and no file is
//! touched. What was written cannot be read: a read fails, but for the kind by which the I/O agent gets the last block of a
//! segment back, which nothing depends on here.

use std::io;
use std::os::fd::RawFd;

use super::{
    assert_aligned, Completion, DiskRing, FileSlot, NetRing, RecvBuffer, Ring, RingStats, Token,
    WakeRing, Waker,
};
use crate::storage::Handle;

/// Disk operations that may end between two turns before the list has to grow: more than an agent has in flight.
const AT_ONCE: usize = 1024;

/// See the module.
pub(super) struct Discarding<R> {
    ring: R,
    /// What is over since the last turn.
    done: Vec<Completion>,
    /// Reads of this kind get zeros.
    blank: u8,
    completions: u64,
}

impl<R> Discarding<R> {
    pub(super) fn new(ring: R, blank: u8) -> Self {
        Self {
            ring,
            done: Vec::with_capacity(AT_ONCE),
            blank,
            completions: 0,
        }
    }

    fn end(&mut self, token: Token, result: i32) {
        self.completions += 1;
        self.done.push(Completion {
            token,
            result,
            buffer: None,
            more: false,
        });
    }
}

impl<R: NetRing> NetRing for Discarding<R> {
    fn accept(&mut self, listener: RawFd, token: Token) {
        self.ring.accept(listener, token);
    }
    fn recv_shared(&mut self, socket: RawFd, multishot: bool, token: Token) {
        self.ring.recv_shared(socket, multishot, token);
    }
    unsafe fn recv_into(
        &mut self,
        socket: RawFd,
        to: *mut u8,
        len: u32,
        wait_all: bool,
        token: Token,
    ) {
        // SAFETY: the caller's promise is the one that the ring below asks for.
        unsafe { self.ring.recv_into(socket, to, len, wait_all, token) };
    }
    unsafe fn send(&mut self, socket: RawFd, from: *const u8, len: u32, token: Token) {
        // SAFETY: as above.
        unsafe { self.ring.send(socket, from, len, token) };
    }
    fn cancel(&mut self, target: Token, token: Token) {
        self.ring.cancel(target, token);
    }
    fn shutdown(&mut self, socket: RawFd) {
        self.ring.shutdown(socket);
    }
    fn close(&mut self, socket: RawFd) {
        self.ring.close(socket);
    }
    fn readable(&self, socket: RawFd) -> u32 {
        self.ring.readable(socket)
    }
    fn recv_buffer(&self, buffer: RecvBuffer) -> *const u8 {
        self.ring.recv_buffer(buffer)
    }
    fn recv_buffer_len(&self) -> u32 {
        self.ring.recv_buffer_len()
    }
    fn return_buffer(&mut self, buffer: RecvBuffer) {
        self.ring.return_buffer(buffer);
    }
}

impl<R: DiskRing> DiskRing for Discarding<R> {
    fn install(&mut self, slot: FileSlot, file: Handle) -> io::Result<()> {
        self.ring.install(slot, file)
    }
    fn uninstall(&mut self, slot: FileSlot) {
        self.ring.uninstall(slot);
    }
    unsafe fn write(
        &mut self,
        _: FileSlot,
        at: u64,
        from: *const u8,
        len: u32,
        _sync: bool,
        token: Token,
    ) {
        assert_aligned(at, from, len);
        self.end(token, len as i32);
    }
    unsafe fn read(&mut self, _: FileSlot, at: u64, to: *mut u8, len: u32, token: Token) {
        assert_aligned(at, to, len);
        if token.kind() != self.blank {
            return self.end(token, -libc::EIO);
        }
        // SAFETY: the caller keeps `to..to+len` for this read until it completes, which it does below.
        unsafe { to.write_bytes(0, len as usize) };
        self.end(token, len as i32);
    }
    fn flush(&mut self, _: FileSlot, token: Token) {
        self.end(token, 0);
    }
}

impl<R: WakeRing> WakeRing for Discarding<R> {
    fn wake(&mut self, other: Waker) {
        self.ring.wake(other);
    }
}

impl<R: Ring> Ring for Discarding<R> {
    fn turn(&mut self, out: &mut Vec<Completion>) -> usize {
        let done = self.done.len();
        out.append(&mut self.done);
        done + self.ring.turn(out)
    }
    fn park(&mut self, timeout_ns: u64) {
        if self.done.is_empty() {
            self.ring.park(timeout_ns);
        }
    }
    fn waker(&self) -> Waker {
        self.ring.waker()
    }
    fn backend(&self) -> &'static str {
        "discard"
    }
    fn stats(&self) -> RingStats {
        let below = self.ring.stats();
        RingStats {
            completions: below.completions + self.completions,
            ..below
        }
    }
}
