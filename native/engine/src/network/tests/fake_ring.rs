//! Sockets in memory, behind the ring's traits.

use std::collections::{HashMap, VecDeque};
use std::os::fd::RawFd;

use crate::ring::{Completion, NetRing, RecvBuffer, Token, WakeRing, Waker};

/// A receive into the caller's memory.
struct Into {
    to: *mut u8,
    len: usize,
    got: usize,
    wait_all: bool,
    token: Token,
}

struct Send {
    from: *const u8,
    len: usize,
    token: Token,
}

/// One socket, seen from its peer.
#[derive(Default)]
pub struct Socket {
    inbound: VecDeque<u8>,
    eof: bool,
    shut: bool,
    reset: bool,
    pub closed: bool,
    pub outbound: Vec<u8>,
    /// Bytes that the peer still reads; `None`: all.
    pub reads: Option<usize>,
    /// At most so many bytes arrive with one receive.
    pub trickle: Option<usize>,
    shared: Option<(Token, bool)>,
    into: Option<Into>,
    send: Option<Send>,
}

impl Socket {
    fn available(&self) -> usize {
        self.inbound.len().min(self.trickle.unwrap_or(usize::MAX))
    }
}

/// The ring.
pub struct FakeRing {
    pub sockets: HashMap<RawFd, Socket>,
    buffers: Vec<Vec<u8>>,
    free: Vec<u16>,
    accept: Option<Token>,
    backlog: VecDeque<RawFd>,
    pub done: VecDeque<Completion>,
    next_socket: RawFd,
    /// Receives that were submitted, by kind: shared, into.
    pub submitted: (u64, u64),
    pub sends: u64,
    /// Bytes received into the agent's memory.
    moved: u64,
}

impl FakeRing {
    pub fn new(buffers: u16, bytes: u32) -> Self {
        Self {
            sockets: HashMap::new(),
            buffers: (0..buffers).map(|_| vec![0; bytes as usize]).collect(),
            free: (0..buffers).rev().collect(),
            accept: None,
            backlog: VecDeque::new(),
            done: VecDeque::new(),
            next_socket: 1000,
            submitted: (0, 0),
            sends: 0,
            moved: 0,
        }
    }
    pub fn connect(&mut self) -> RawFd {
        self.next_socket += 1;
        self.sockets.insert(self.next_socket, Socket::default());
        self.backlog.push_back(self.next_socket);
        self.next_socket
    }
    /// A connection whose descriptor is a real socket's.
    pub fn connect_as(&mut self, socket: RawFd) {
        self.sockets.insert(socket, Socket::default());
        self.backlog.push_back(socket);
    }
    /// The peer is gone for good: everything under way fails.
    pub fn reset(&mut self, socket: RawFd) {
        let socket = self.sockets.get_mut(&socket).expect("a socket");
        socket.inbound.clear();
        socket.reset = true;
        let tokens = [
            socket.shared.take().map(|(token, _)| token),
            socket.into.take().map(|into| into.token),
            socket.send.take().map(|send| send.token),
        ];
        for token in tokens.into_iter().flatten() {
            self.complete(token, -libc::ECONNRESET, None, false);
        }
    }
    pub fn peer_sends(&mut self, socket: RawFd, bytes: &[u8]) {
        let socket = self.sockets.get_mut(&socket).expect("a socket");
        socket.inbound.extend(bytes);
    }
    pub fn peer_closes(&mut self, socket: RawFd) {
        self.sockets.get_mut(&socket).expect("a socket").eof = true;
    }
    pub fn unread(&self, socket: RawFd) -> usize {
        self.sockets[&socket].inbound.len()
    }
    pub fn lent(&self) -> usize {
        self.buffers.len() - self.free.len()
    }
    pub fn accepts(&self) -> bool {
        self.accept.is_some()
    }

    fn complete(&mut self, token: Token, result: i32, buffer: Option<RecvBuffer>, more: bool) {
        self.done.push_back(Completion {
            token,
            result,
            buffer,
            more,
        });
    }

    /// Lets every operation get on. Returns whether one did.
    pub fn progress(&mut self) -> bool {
        let before = (self.moved, self.done.len());
        if let Some(token) = self.accept {
            while let Some(socket) = self.backlog.pop_front() {
                self.complete(token, socket, None, true);
            }
        }
        let mut sockets: Vec<RawFd> = self.sockets.keys().copied().collect();
        sockets.sort_unstable();
        for fd in sockets {
            self.progress_shared(fd);
            self.progress_into(fd);
            self.progress_send(fd);
        }
        (self.moved, self.done.len()) != before
    }

    fn progress_shared(&mut self, fd: RawFd) {
        let socket = self.sockets.get_mut(&fd).expect("a socket");
        let Some((token, multishot)) = socket.shared else {
            return;
        };
        let available = socket.available();
        if available == 0 {
            if socket.eof || socket.shut {
                socket.shared = None;
                self.complete(token, 0, None, false);
            }
            return;
        }
        let Some(buffer) = self.free.pop() else {
            socket.shared = None;
            return self.complete(token, -libc::ENOBUFS, None, false);
        };
        let len = available.min(self.buffers[buffer as usize].len());
        for (to, byte) in self.buffers[buffer as usize]
            .iter_mut()
            .zip(socket.inbound.drain(..len))
        {
            *to = byte;
        }
        if !multishot {
            socket.shared = None;
        }
        self.complete(token, len as i32, Some(RecvBuffer(buffer)), multishot);
    }

    fn progress_into(&mut self, fd: RawFd) {
        let socket = self.sockets.get_mut(&fd).expect("a socket");
        let available = socket.available();
        let Some(into) = &mut socket.into else { return };
        let take = available.min(into.len - into.got);
        for byte in socket.inbound.drain(..take) {
            // SAFETY: the agent promised `to..to+len` until the completion.
            unsafe { into.to.add(into.got).write(byte) };
            into.got += 1;
            self.moved += 1;
        }
        let ended = socket.eof || socket.shut;
        let full = into.got == into.len || (into.got > 0 && !into.wait_all);
        if full || (ended && socket.inbound.is_empty()) {
            let (token, got) = (into.token, into.got as i32);
            socket.into = None;
            self.complete(token, got, None, false);
        }
    }

    fn progress_send(&mut self, fd: RawFd) {
        let socket = self.sockets.get_mut(&fd).expect("a socket");
        let Some(send) = &socket.send else { return };
        let token = send.token;
        if socket.shut || socket.reset {
            socket.send = None;
            return self.complete(token, -libc::EPIPE, None, false);
        }
        let len = send.len.min(socket.reads.unwrap_or(usize::MAX));
        if len == 0 {
            return;
        }
        // SAFETY: the agent promised `from..from+len` until the completion.
        let bytes = unsafe { std::slice::from_raw_parts(send.from, len) };
        socket.outbound.extend_from_slice(bytes);
        if let Some(reads) = &mut socket.reads {
            *reads -= len;
        }
        socket.send = None;
        self.complete(token, len as i32, None, false);
    }
}

impl NetRing for FakeRing {
    fn accept(&mut self, _listener: RawFd, token: Token) {
        assert!(self.accept.is_none());
        self.accept = Some(token);
    }
    fn recv_shared(&mut self, socket: RawFd, multishot: bool, token: Token) {
        self.submitted.0 += 1;
        let socket = self.sockets.get_mut(&socket).expect("a socket");
        assert!(socket.shared.is_none() && socket.into.is_none());
        socket.shared = Some((token, multishot));
    }
    unsafe fn recv_into(
        &mut self,
        socket: RawFd,
        to: *mut u8,
        len: u32,
        wait_all: bool,
        token: Token,
    ) {
        self.submitted.1 += 1;
        let socket = self.sockets.get_mut(&socket).expect("a socket");
        assert!(socket.shared.is_none() && socket.into.is_none() && len > 0);
        socket.into = Some(Into {
            to,
            len: len as usize,
            got: 0,
            wait_all,
            token,
        });
    }
    unsafe fn send(&mut self, socket: RawFd, from: *const u8, len: u32, token: Token) {
        self.sends += 1;
        let socket = self.sockets.get_mut(&socket).expect("a socket");
        assert!(socket.send.is_none() && len > 0, "one send at a time");
        socket.send = Some(Send {
            from,
            len: len as usize,
            token,
        });
    }
    fn cancel(&mut self, target: Token, token: Token) {
        if self.accept == Some(target) {
            self.accept = None;
            self.complete(target, -libc::ECANCELED, None, false);
            return self.complete(token, 0, None, false);
        }
        let hit = self
            .sockets
            .values_mut()
            .find(|socket| socket.shared.is_some_and(|(shared, _)| shared == target));
        let result = match hit {
            Some(socket) => {
                socket.shared = None;
                self.complete(target, -libc::ECANCELED, None, false);
                0
            }
            None => -libc::ENOENT,
        };
        self.complete(token, result, None, false);
    }
    fn shutdown(&mut self, socket: RawFd) {
        self.sockets.get_mut(&socket).expect("a socket").shut = true;
    }
    fn close(&mut self, socket: RawFd) {
        let socket = self.sockets.get_mut(&socket).expect("a socket");
        assert!(!socket.closed, "closed once");
        assert!(
            socket.shared.is_none() && socket.into.is_none() && socket.send.is_none(),
            "nothing is pending"
        );
        socket.closed = true;
    }
    fn readable(&self, socket: RawFd) -> u32 {
        self.sockets[&socket].inbound.len() as u32
    }
    fn recv_buffer(&self, buffer: RecvBuffer) -> *const u8 {
        self.buffers[buffer.0 as usize].as_ptr()
    }
    fn recv_buffer_len(&self) -> u32 {
        self.buffers[0].len() as u32
    }
    fn return_buffer(&mut self, buffer: RecvBuffer) {
        assert!(!self.free.contains(&buffer.0), "returned once");
        // Whoever reads it from now on reads this.
        self.buffers[buffer.0 as usize].fill(0xDD);
        self.free.push(buffer.0);
    }
}

impl WakeRing for FakeRing {
    fn wake(&mut self, _other: Waker) {}
}
