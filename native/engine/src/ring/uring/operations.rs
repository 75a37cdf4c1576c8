//! What is submitted for each operation.

use std::io;
use std::os::fd::RawFd;

use io_uring::{opcode, squeue, types};

use super::super::sync_choice::Way;
use super::super::{
    assert_aligned, DiskRing, FileSlot, NetRing, RecvBuffer, Token, WakeRing, Waker,
};
use super::{Accept, UringRing, CLOSE, GROUP, OWN, SYNC_FLUSH, SYNC_THROUGH, SYNC_WRITE, WAKE};
use crate::storage::Handle;

impl NetRing for UringRing {
    fn accept(&mut self, listener: RawFd, token: Token) {
        self.begin(token);
        self.accepts.push(Accept {
            token,
            listener,
            again: false,
        });
        self.submit_accept(listener, token);
    }

    fn recv_shared(&mut self, socket: RawFd, multishot: bool, token: Token) {
        assert!(self.free.is_some(), "a ring with receive buffers");
        let fd = types::Fd(socket);
        let entry = if multishot && self.features.multishot_recv {
            opcode::RecvMulti::new(fd, GROUP).build()
        } else {
            opcode::Recv::new(fd, std::ptr::null_mut(), 0)
                .buf_group(GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
        };
        self.push_for(entry, token);
    }

    unsafe fn recv_into(
        &mut self,
        socket: RawFd,
        to: *mut u8,
        len: u32,
        wait_all: bool,
        token: Token,
    ) {
        let flags = if wait_all { libc::MSG_WAITALL } else { 0 };
        let entry = opcode::Recv::new(types::Fd(socket), to, len)
            .flags(flags)
            .build();
        self.push_transfer(entry, len, token);
    }

    unsafe fn send(&mut self, socket: RawFd, from: *const u8, len: u32, token: Token) {
        // WAITALL: the kernel goes on after a short send, so that the agent rarely has to.
        let entry = opcode::Send::new(types::Fd(socket), from, len)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push_transfer(entry, len, token);
    }

    fn cancel(&mut self, target: Token, token: Token) {
        self.line_up();
        if let Some(i) = self
            .accepts
            .iter()
            .position(|a| a.token == target && a.again)
        {
            // It is about to be submitted again: the kernel does not know it now, so submit it, then cancel it.
            self.accepts[i].again = false;
            let listener = self.accepts[i].listener;
            self.submit_accept(listener, target);
        }
        self.push_for(opcode::AsyncCancel::new(target.0).build(), token);
    }

    fn shutdown(&mut self, socket: RawFd) {
        // What was queued on the socket comes first. The operation itself would run on a kernel worker, and find its
        // socket only there: behind a `close`, and perhaps behind the next accept of the same number.
        self.line_up();
        if !self.ring.submission().is_empty() {
            self.enter(0, None);
        }
        // SAFETY: plain system call; an invalid descriptor is an error and no more.
        unsafe { libc::shutdown(socket, libc::SHUT_RDWR) };
    }

    fn close(&mut self, socket: RawFd) {
        self.line_up();
        self.push_own(opcode::Close::new(types::Fd(socket)).build(), CLOSE);
    }

    fn recv_buffer(&self, buffer: RecvBuffer) -> *const u8 {
        self.recv.at(buffer)
    }
    fn recv_buffer_len(&self) -> u32 {
        self.recv.each()
    }
    fn return_buffer(&mut self, buffer: RecvBuffer) {
        self.give(buffer);
    }
}

impl DiskRing for UringRing {
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
        let (fd, flags) = self.file(file);
        let way = sync.then(|| self.sync_choice.next());
        let rw = match way {
            Some(Way::Through) => libc::RWF_DSYNC,
            _ => 0,
        };
        let entry = match self.memory.find(from, len) {
            Some(index) => opcode::WriteFixed::new(fd, from, len, index)
                .offset(at)
                .rw_flags(rw)
                .build(),
            None => opcode::Write::new(fd, from, len)
                .offset(at)
                .rw_flags(rw)
                .build(),
        };
        let Some(way) = way else {
            self.push_for(entry.flags(flags), token);
            self.for_device = true;
            return;
        };
        self.begin(token);
        let place = self.sync_writes.begin(token, file, len, way) as u64;
        let half = |kind| Token::new(OWN, kind, place);
        match way {
            Way::Through => self.push(&entry.flags(flags).user_data(half(SYNC_THROUGH).0)),
            Way::Flushed => {
                // Both go in one submission, or the link between them is lost.
                self.make_room(2);
                let write = entry.flags(flags | squeue::Flags::IO_LINK);
                self.push(&write.user_data(half(SYNC_WRITE).0));
                self.push_flush(file, half(SYNC_FLUSH));
            }
        }
        self.for_device = true;
    }

    unsafe fn read(&mut self, file: FileSlot, at: u64, to: *mut u8, len: u32, token: Token) {
        assert_aligned(at, to, len);
        let (fd, flags) = self.file(file);
        let entry = match self.memory.find(to, len) {
            Some(index) => opcode::ReadFixed::new(fd, to, len, index)
                .offset(at)
                .build(),
            None => opcode::Read::new(fd, to, len).offset(at).build(),
        };
        self.push_for(entry.flags(flags), token);
        self.for_device = true;
    }

    fn flush(&mut self, file: FileSlot, token: Token) {
        self.begin(token);
        self.push_flush(file, token);
    }
}

/// What a write to an eventfd adds.
static ONE: u64 = 1;

impl WakeRing for UringRing {
    fn wake(&mut self, other: Waker) {
        self.stats.wakes += 1;
        let entry = match other {
            Waker::Ring(fd) => opcode::MsgRingData::new(types::Fd(fd), 0, WAKE.0, None).build(),
            Waker::Event(fd) => {
                opcode::Write::new(types::Fd(fd), std::ptr::from_ref(&ONE).cast(), 8).build()
            }
        };
        self.push_own(entry, WAKE);
    }
}
