//! What is asked of one socket under the `pwritev2` backend, and how it is tried without waiting.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

use super::buffers::RecvMemory;
use super::{Completion, RecvBuffer, Token};

/// Most completions of one socket in a row, so that the others get theirs.
const IN_A_ROW: usize = 16;

/// What comes out of a socket.
pub(super) enum Take {
    /// Connections, until cancelled.
    Accept,
    /// Bytes, into shared buffers.
    Shared { multishot: bool },
    /// Bytes, into the caller's memory; `done` are there.
    Into {
        to: *mut u8,
        len: u32,
        done: u32,
        wait_all: bool,
    },
}

/// Something to send; `done` bytes are gone.
pub(super) struct Give {
    pub(super) from: *const u8,
    pub(super) len: u32,
    pub(super) done: u32,
}

/// A socket with what is asked of it, oldest first.
pub(super) struct Socket {
    /// It is in the epoll set.
    pub(super) watched: bool,
    /// A read may succeed. Starts true: the first attempt finds out.
    pub(super) readable: bool,
    /// A send may succeed.
    pub(super) writable: bool,
    /// It is in the list of sockets to try.
    pub(super) listed: bool,
    pub(super) takes: VecDeque<(Token, Take)>,
    pub(super) gives: VecDeque<(Token, Give)>,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            watched: false,
            readable: true,
            writable: true,
            listed: false,
            takes: VecDeque::new(),
            gives: VecDeque::new(),
        }
    }
}

/// What an attempt found.
enum Tried {
    Done(i32),
    /// Not now: wait for readiness.
    Later,
}

impl Socket {
    /// Nothing is asked of it.
    pub(super) fn is_idle(&self) -> bool {
        self.takes.is_empty() && self.gives.is_empty()
    }

    /// Does what can be done without waiting. Returns whether to come back soon without being told.
    pub(super) fn drive(
        &mut self,
        fd: RawFd,
        memory: &RecvMemory,
        free: &mut Vec<RecvBuffer>,
        out: &mut Vec<Completion>,
    ) -> bool {
        let most = out.len() + IN_A_ROW;
        while self.writable && out.len() < most {
            let Some((token, give)) = self.gives.front_mut() else {
                break;
            };
            match send(fd, give) {
                Tried::Later => self.writable = false,
                Tried::Done(result) => {
                    out.push(done(*token, result, None, false));
                    self.gives.pop_front();
                }
            }
        }
        while self.readable && out.len() < most {
            let Some((token, take)) = self.takes.front_mut() else {
                break;
            };
            let token = *token;
            match take {
                Take::Accept => match accept(fd) {
                    Tried::Later => self.readable = false,
                    Tried::Done(result) => {
                        out.push(done(token, result, None, result >= 0));
                        if result < 0 {
                            self.takes.pop_front();
                        }
                    }
                },
                Take::Shared { multishot } => {
                    let multishot = *multishot;
                    let Some(buffer) = free.pop() else {
                        out.push(done(token, -libc::ENOBUFS, None, false));
                        self.takes.pop_front();
                        continue;
                    };
                    let tried = recv(fd, memory.at(buffer), memory.each());
                    let Tried::Done(result) = tried else {
                        free.push(buffer);
                        self.readable = false;
                        continue;
                    };
                    let more = multishot && result > 0;
                    let lent = (result > 0).then_some(buffer);
                    if lent.is_none() {
                        free.push(buffer);
                    }
                    out.push(done(token, result, lent, more));
                    if !more {
                        self.takes.pop_front();
                    }
                }
                Take::Into { .. } => match recv_into(fd, take) {
                    Tried::Later => self.readable = false,
                    Tried::Done(result) => {
                        out.push(done(token, result, None, false));
                        self.takes.pop_front();
                    }
                },
            }
        }
        (self.writable && !self.gives.is_empty()) || (self.readable && !self.takes.is_empty())
    }

    /// Forgets what `target` asked for. Returns how it ends.
    pub(super) fn cancel(&mut self, target: Token) -> Option<i32> {
        let partial = |done: u32| {
            if done > 0 {
                done as i32
            } else {
                -libc::ECANCELED
            }
        };
        if let Some(i) = self.takes.iter().position(|(token, _)| *token == target) {
            return match self.takes.remove(i)?.1 {
                Take::Into { done, .. } => Some(partial(done)),
                _ => Some(-libc::ECANCELED),
            };
        }
        let i = self.gives.iter().position(|(token, _)| *token == target)?;
        Some(partial(self.gives.remove(i)?.1.done))
    }
}

fn done(token: Token, result: i32, buffer: Option<RecvBuffer>, more: bool) -> Completion {
    Completion {
        token,
        result,
        buffer,
        more,
    }
}

fn accept(fd: RawFd) -> Tried {
    // SAFETY: no address is asked for.
    tried(|| unsafe {
        libc::accept4(
            fd,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_CLOEXEC,
        ) as isize
    })
}

fn recv(fd: RawFd, to: *mut u8, len: u32) -> Tried {
    // SAFETY: the memory is a free buffer of ours or the caller's until the completion.
    tried(|| unsafe { libc::recv(fd, to.cast(), len as usize, libc::MSG_DONTWAIT) })
}

fn recv_into(fd: RawFd, take: &mut Take) -> Tried {
    let Take::Into {
        to,
        len,
        done,
        wait_all,
    } = take
    else {
        return Tried::Later;
    };
    loop {
        // SAFETY: done <= len, so the address is inside the caller's memory or just behind it.
        let rest = unsafe { to.add(*done as usize) };
        match recv(fd, rest, *len - *done) {
            Tried::Later => return Tried::Later,
            // What came before an error or the end is told first.
            Tried::Done(result) if result <= 0 => {
                return Tried::Done(if *done > 0 { *done as i32 } else { result });
            }
            Tried::Done(received) => {
                *done += received as u32;
                if !*wait_all || *done == *len {
                    return Tried::Done(*done as i32);
                }
            }
        }
    }
}

fn send(fd: RawFd, give: &mut Give) -> Tried {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    loop {
        let rest = (give.len - give.done) as usize;
        // SAFETY: done <= len; the caller's memory stays until the completion.
        let result = tried(|| unsafe {
            let from = give.from.add(give.done as usize);
            libc::send(fd, from.cast(), rest, flags)
        });
        match result {
            Tried::Later => return Tried::Later,
            Tried::Done(result) if result < 0 => {
                let sent = give.done as i32;
                return Tried::Done(if sent > 0 { sent } else { result });
            }
            Tried::Done(sent) => {
                give.done += sent as u32;
                if give.done == give.len {
                    return Tried::Done(give.done as i32);
                }
            }
        }
    }
}

/// Repeats a call that was interrupted, and tells "not now" from other errors.
fn tried(call: impl Fn() -> isize) -> Tried {
    loop {
        let result = call();
        if result >= 0 {
            return Tried::Done(result as i32);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => return Tried::Later,
            _ => return Tried::Done(-error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }
}
