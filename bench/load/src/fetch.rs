//! One connection that reads a log, on a socket that never blocks: it checks what comes and asks for more while it still comes.

use crate::error::LoadError;
use crate::stream::connect;
use crate::wire::{control, refusal, Reply, KIND};
use lance_engine::checksum::Running;
use lance_engine::lwp::header::{decode, flag, Header, HEADER};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

const FETCH_RESPONSE: u64 = 0x11;
const CATCHING_UP: u64 = 0x12;
const HELLO: u64 = 0x30;
const HELLO_RESPONSE: u64 = 0x31;
const FETCH_WAIT: u64 = 0x32;
const ERROR_RESPONSE: u64 = 0xFF;
/// `next_offset:8 | bytes:4 | records:4` before the data of a response.
const ANSWER_HEAD: usize = 16;
const SCRATCH: usize = 256 << 10;

/// What to ask for each time.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub topic: u32,
    pub max_bytes: u32,
    /// 0: an answer at once, even an empty one.
    pub min_bytes: u32,
    pub max_wait_ms: u32,
}

/// One answer, whole and with a checksum that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub next_offset: u64,
    pub bytes: u32,
    pub records: u32,
}

/// A frame that is coming in.
#[derive(Debug)]
struct Incoming {
    header: Header,
    /// Bytes of its payload that are still to come.
    left: usize,
    sum: Running,
    /// The first bytes of the payload; all of it for what is no data.
    head: Vec<u8>,
    /// What follows it was asked for.
    asked: bool,
}

/// A connection. Requests go out by themselves; at most two are under way, the second sent while the first's answer
/// still comes.
#[derive(Debug)]
pub struct Fetcher {
    socket: TcpStream,
    wanted: Wanted,
    /// No more is asked for from here on.
    end: u64,
    header: Vec<u8>,
    incoming: Option<Incoming>,
    under_way: u32,
    scratch: Vec<u8>,
}

impl Fetcher {
    /// Connects, says Hello (FetchWait wants it) and asks from `offset` on; `end` is where to stop asking.
    ///
    /// # Errors
    /// Nobody there, or no LANCE node.
    pub fn start(endpoint: &str, wanted: Wanted, offset: u64, end: u64) -> Result<Self, LoadError> {
        let socket = connect(endpoint)?;
        let mut fetcher = Self {
            socket,
            wanted,
            end,
            header: Vec::with_capacity(HEADER),
            incoming: None,
            under_way: 0,
            scratch: vec![0; SCRATCH],
        };
        let hello =
            json!({ "client": "lance-load", "version": env!("CARGO_PKG_VERSION"), "features": [] });
        fetcher.write(&control(HELLO, hello.to_string().as_bytes()))?;
        fetcher.ask(offset)?;
        fetcher
            .socket
            .set_nonblocking(true)
            .map_err(LoadError::system("making a socket non-blocking"))?;
        Ok(fetcher)
    }

    /// The descriptor, to wait on.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether everything that was asked for has come.
    #[must_use]
    pub fn done(&self) -> bool {
        self.under_way == 0
    }

    /// Takes what is there and tells each answer when its last byte has come.
    ///
    /// # Errors
    /// The connection broke, the node refused, or a checksum does not hold.
    pub fn receive(&mut self, mut answered: impl FnMut(Answer)) -> Result<(), LoadError> {
        loop {
            let mut scratch = std::mem::take(&mut self.scratch);
            let read = self.socket.read(&mut scratch);
            let outcome = match &read {
                Ok(0) => Err(LoadError::Protocol("it closed a connection".into())),
                Ok(count) => self.take(scratch.get(..*count).unwrap_or_default(), &mut answered),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
                Err(error) => Err(LoadError::Protocol(format!("receiving: {error}"))),
            };
            let more = matches!(&read, Ok(count) if *count == scratch.len())
                || matches!(&read, Err(error) if error.kind() == ErrorKind::Interrupted);
            self.scratch = scratch;
            outcome?;
            if !more {
                return Ok(());
            }
        }
    }

    fn take(
        &mut self,
        mut bytes: &[u8],
        answered: &mut impl FnMut(Answer),
    ) -> Result<(), LoadError> {
        while !bytes.is_empty() || self.incoming.as_ref().is_some_and(|frame| frame.left == 0) {
            let Some(mut frame) = self.incoming.take() else {
                let (now, later) = bytes.split_at(bytes.len().min(HEADER - self.header.len()));
                self.header.extend_from_slice(now);
                bytes = later;
                if let Some(whole) = self.header.first_chunk::<HEADER>() {
                    let (header, _) = decode(whole, Some(KIND)).map_err(|broken| {
                        LoadError::Protocol(format!("an answer whose {} is wrong", broken.name()))
                    })?;
                    self.header.clear();
                    self.incoming = Some(Incoming {
                        left: header.payload_len as usize,
                        header,
                        sum: Running::new(KIND),
                        head: Vec::new(),
                        asked: false,
                    });
                }
                continue;
            };
            let (now, later) = bytes.split_at(bytes.len().min(frame.left));
            bytes = later;
            frame.sum.update(now);
            frame.left -= now.len();
            let is_data =
                frame.header.flags == flag::CONTROL && frame.header.batch_id == FETCH_RESPONSE;
            let keep = if is_data {
                ANSWER_HEAD - frame.head.len().min(ANSWER_HEAD)
            } else {
                now.len()
            };
            frame.head.extend(now.iter().take(keep));
            // While an answer still comes the next one is asked for. One that is whole is told first: the call that asks takes
            // as long as a way over loopback.
            if frame.left > 0 {
                if is_data && !frame.asked && frame.head.len() == ANSWER_HEAD {
                    frame.asked = true;
                    self.ask_behind(&frame)?;
                }
                self.incoming = Some(frame);
                continue;
            }
            if frame.header.payload_len > 0 && frame.sum.value() != frame.header.payload_checksum {
                return Err(LoadError::Protocol(
                    "an answer whose payload checksum is wrong".into(),
                ));
            }
            self.finish(&frame, answered)?;
            if is_data && !frame.asked {
                self.ask_behind(&frame)?;
            }
        }
        Ok(())
    }

    /// Asks for what follows an answer whose head is here, unless that was all that is wanted.
    fn ask_behind(&mut self, frame: &Incoming) -> Result<(), LoadError> {
        let next = answer_of(&frame.head).next_offset;
        if next < self.end {
            self.ask(next)?;
        }
        Ok(())
    }

    fn finish(
        &mut self,
        frame: &Incoming,
        answered: &mut impl FnMut(Answer),
    ) -> Result<(), LoadError> {
        match frame.header.batch_id {
            FETCH_RESPONSE if frame.head.len() == ANSWER_HEAD => {
                self.under_way -= 1;
                answered(answer_of(&frame.head));
                Ok(())
            }
            CATCHING_UP => Err(LoadError::Protocol("it has not caught up itself".into())),
            HELLO_RESPONSE => Ok(()),
            ERROR_RESPONSE => match refusal(&frame.head) {
                Reply::Error(code, message) => Err(LoadError::Refused(code, message)),
                other => Err(LoadError::Protocol(format!("{other:?} to a fetch"))),
            },
            other => Err(LoadError::Protocol(format!(
                "an answer with code 0x{other:02x} to a fetch"
            ))),
        }
    }

    fn ask(&mut self, offset: u64) -> Result<(), LoadError> {
        let wanted = self.wanted;
        let mut payload = Vec::with_capacity(24);
        payload.extend_from_slice(&wanted.topic.to_le_bytes());
        payload.extend_from_slice(&offset.to_le_bytes());
        for field in [wanted.max_bytes, wanted.min_bytes, wanted.max_wait_ms] {
            payload.extend_from_slice(&field.to_le_bytes());
        }
        self.under_way += 1;
        self.write(&control(FETCH_WAIT, &payload))
    }

    /// Requests are small and answered one by one, so that the socket has room for them.
    fn write(&mut self, frame: &[u8]) -> Result<(), LoadError> {
        self.socket
            .write_all(frame)
            .map_err(LoadError::system("sending a request"))
    }
}

fn answer_of(head: &[u8]) -> Answer {
    let u32_at = |at: usize| {
        head.get(at..at + 4)
            .and_then(|field| field.try_into().ok())
            .map_or(0, u32::from_le_bytes)
    };
    Answer {
        next_offset: u64::from(u32_at(0)) | u64::from(u32_at(4)) << 32,
        bytes: u32_at(8),
        records: u32_at(12),
    }
}
