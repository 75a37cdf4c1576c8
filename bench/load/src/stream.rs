//! One connection that sends ingests without waiting and gets their acks, on a socket that never blocks.

use crate::error::LoadError;
use crate::wire::{Batch, Inbox, Reply};
use lance_engine::lwp::header::HEADER;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

/// Frames that one write carries at most: two pieces each, well below IOV_MAX.
const FRAMES_A_WRITE: usize = 64;

/// Nanoseconds since a common start.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// When a frame was due and when its first byte was given to the socket, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub due: u64,
    /// Equal to `due` until then.
    pub sent: u64,
}

/// What came back for one frame.
#[derive(Debug)]
pub enum Outcome {
    Acked,
    Refused(u64, String),
}

/// A connection. Frames wait in `headers` until the socket takes them, and in `stamps` until they are answered.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    headers: VecDeque<[u8; HEADER]>,
    /// Bytes of the first waiting frame that are sent already.
    sent: usize,
    stamps: VecDeque<Stamp>,
    /// Batch id of the oldest frame without an answer: acks come in the order of the frames.
    oldest: u64,
    inbox: Inbox,
    scratch: Vec<u8>,
}

impl Stream {
    /// Connects to a node.
    ///
    /// # Errors
    /// Nobody listens there, or the socket refuses to be set up.
    pub fn connect(endpoint: &str) -> Result<Self, LoadError> {
        let socket = connect(endpoint)?;
        socket
            .set_nonblocking(true)
            .map_err(LoadError::system("making a socket non-blocking"))?;
        Ok(Self {
            socket,
            headers: VecDeque::with_capacity(1_024),
            sent: 0,
            stamps: VecDeque::with_capacity(1_024),
            oldest: 1,
            inbox: Inbox::default(),
            scratch: vec![0; 64 << 10],
        })
    }

    /// The descriptor, to wait on.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Frames without an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.stamps.len()
    }

    /// Frames that the socket has not taken whole.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.headers.len()
    }

    /// The frames without an answer, oldest first.
    pub fn unanswered(&self) -> impl Iterator<Item = &Stamp> {
        self.stamps.iter()
    }

    /// Puts a frame in line; its response time counts from `due`.
    pub fn queue(&mut self, batch: &Batch, topic: u32, due: u64) {
        let id = self.oldest + self.stamps.len() as u64;
        self.headers.push_back(batch.header(id, topic));
        self.stamps.push_back(Stamp { due, sent: due });
    }

    /// Frames of which the socket has not taken a byte.
    fn not_begun(&self) -> usize {
        self.headers.len() - usize::from(self.sent > 0)
    }

    /// Sends as much as the socket takes; what begins to leave does so at `now`.
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self, batch: &Batch, now: u64) -> Result<(), LoadError> {
        let waiting = self.not_begun();
        let flushed = self.send(batch);
        let first = self.stamps.len() - waiting;
        for stamp in self
            .stamps
            .range_mut(first..self.stamps.len() - self.not_begun())
        {
            stamp.sent = now;
        }
        flushed
    }

    fn send(&mut self, batch: &Batch) -> Result<(), LoadError> {
        let payload = batch.payload();
        while !self.headers.is_empty() {
            let mut pieces = [IoSlice::new(&[]); 2 * FRAMES_A_WRITE];
            let mut used = 0;
            let mut skip = self.sent;
            for header in self.headers.iter().take(FRAMES_A_WRITE) {
                for part in [&header[..], payload] {
                    let from = skip.min(part.len());
                    skip -= from;
                    if from < part.len() {
                        pieces[used] = IoSlice::new(&part[from..]);
                        used += 1;
                    }
                }
            }
            match self.socket.write_vectored(&pieces[..used]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(LoadError::System("sending to the node".into(), error)),
            }
            let frame = HEADER + payload.len();
            while self.sent >= frame {
                self.sent -= frame;
                self.headers.pop_front();
            }
        }
        Ok(())
    }

    /// Reads what is there and tells each answer with the stamp of its frame.
    ///
    /// # Errors
    /// The connection broke or was closed, or an answer is not the one that is due.
    pub fn receive(&mut self, mut answered: impl FnMut(Stamp, Outcome)) -> Result<(), LoadError> {
        loop {
            let count = match self.socket.read(&mut self.scratch) {
                Ok(0) => return Err(LoadError::Protocol("it closed a connection".into())),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(LoadError::System("receiving from the node".into(), error))
                }
            };
            self.inbox.push(&self.scratch[..count]);
            while let Some(reply) = self.inbox.next()? {
                let outcome = match reply {
                    Reply::Ack(id) if id == self.oldest => Outcome::Acked,
                    Reply::Error(code, message) => Outcome::Refused(code, message),
                    other => {
                        let due = self.oldest;
                        return Err(LoadError::Protocol(format!(
                            "{other:?} where batch {due} was due"
                        )));
                    }
                };
                let Some(stamp) = self.stamps.pop_front() else {
                    return Err(LoadError::Protocol("an answer to nothing".into()));
                };
                self.oldest += 1;
                answered(stamp, outcome);
            }
            // A short read emptied the socket: with edge-triggered waiting that is as good as EAGAIN.
            if count < self.scratch.len() {
                return Ok(());
            }
        }
    }
}

/// A connected socket without Nagle's delay.
///
/// # Errors
/// Nobody listens at `endpoint`.
pub fn connect(endpoint: &str) -> Result<TcpStream, LoadError> {
    let socket = TcpStream::connect(endpoint)
        .map_err(LoadError::system(format!("connecting to {endpoint}")))?;
    socket
        .set_nodelay(true)
        .map_err(LoadError::system("setting TCP_NODELAY"))?;
    Ok(socket)
}
