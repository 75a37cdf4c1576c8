//! The bare pipeline: what a node does to a frame's bytes, and nothing else. It receives on the engine's ring, checksums, copies
//! once, writes by the best policy that the disk's floor found, and acknowledges.

use crate::arguments::Arguments;
use crate::blocks::{BlockWriter, Flush, Policy, FLUSH, WRITE};
use crate::error::LoadError;
use crate::events::Events;
use crate::growth::Growth;
use crate::plant::{drive, listen, open_file, open_growing, open_ring, Step, FILE};
use crate::tally::cpu_ns;
use crate::wire::KIND;
use lance_engine::checksum::Running;
use lance_engine::lwp::header::{decode, flag, Header, HEADER};
use lance_engine::ring::{Completion, RecvBuffer, Ring, Token};
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ACCEPT: u8 = 10;
const RECV: u8 = 11;
const SEND: u8 = 12;
/// Receive buffers: as much as a node has, in larger pieces.
const RECV_BUFFERS: u16 = 128;
const RECV_BUFFER_BYTES: u32 = 64 << 10;
/// Blocks to fill while others are written.
const SPARE: u32 = 16;
/// The file is not touched when nothing is written: any size that the writer accepts.
const NO_FILE: u64 = 1 << 40;

/// Where the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nowhere.
    Discard,
    /// In circles over the floor's file.
    Write,
    /// Into a new file that grows as a log does.
    Grow,
}
const MODES: [(&str, Mode); 3] = [
    ("discard", Mode::Discard),
    ("write", Mode::Write),
    ("grow", Mode::Grow),
];

/// A connection and the frame that is coming in on it.
struct Connection {
    socket: RawFd,
    header: Vec<u8>,
    frame: Header,
    left: usize,
    sum: Running,
    /// Frames that are in, with the number of the block that holds their last byte.
    due: VecDeque<(u64, u64)>,
    /// Acks being sent and how far, and those that wait.
    sending: Vec<u8>,
    sent: usize,
    waiting: Vec<u8>,
}

/// Bytes that came and are not yet taken, because no block was free.
struct Piece {
    connection: usize,
    buffer: RecvBuffer,
    taken: u32,
    len: u32,
}

struct Receiver {
    connections: Vec<Connection>,
    pieces: VecDeque<Piece>,
    writer: BlockWriter,
    discard: bool,
    /// What was written is flushed behind the acks this often; 0: never.
    flush_every: Duration,
    flushed_at: Instant,
    /// The block being filled, and how far.
    filling: Option<(u32, usize)>,
    block_bytes: usize,
    bytes: u64,
}

/// Listens on a free port, which it tells (`{"event":"listening","endpoint"}`), until it is stopped.
///
/// # Errors
/// Wrong flags, no file, or a disk that fails.
pub fn run(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let mode = arguments.choice("mode", Mode::Discard, &MODES)?;
    let dir = arguments.text("dir").map(PathBuf::from);
    let file_bytes = arguments.number("file-bytes", NO_FILE, 1 << 20, NO_FILE)?;
    let policy = arguments.policy("policy")?.unwrap_or(Policy {
        block: 256 << 10,
        depth: 4,
        flush: Flush::Never,
    });
    let flush_seconds = arguments.number("flush-seconds", 0.0, 0.0, 3_600.0)?;
    arguments.finish()?;

    let mut ring = open_ring(dir.as_deref(), (RECV_BUFFERS, RECV_BUFFER_BYTES))?;
    let mut writer = BlockWriter::new(policy, FILE, file_bytes, SPARE)?;
    if mode != Mode::Discard {
        let dir = dir.ok_or_else(|| LoadError::Usage("--dir is missing".into()))?;
        let file = if mode == Mode::Grow {
            let file = open_growing(&dir)?;
            writer = writer.growing(Growth::of(dir, file, file_bytes)?);
            file
        } else {
            open_file(&dir)?
        };
        ring.install(FILE, file)
            .map_err(LoadError::system("handing the file to the ring"))?;
    }
    let (_listener, endpoint) = listen(&mut *ring, Token::new(0, ACCEPT, 0))?;
    let mut receiver = Receiver {
        connections: Vec::new(),
        pieces: VecDeque::new(),
        writer,
        discard: mode == Mode::Discard,
        flush_every: Duration::from_secs_f64(flush_seconds),
        flushed_at: Instant::now(),
        filling: None,
        block_bytes: policy.block as usize,
        bytes: 0,
    };
    events.tell("listening", json!({ "endpoint": endpoint }));
    drive(ring, |ring, completions| {
        if events.stopped() {
            return Ok(Step::Done);
        }
        receiver.step(ring, completions)
    })?;
    Ok(json!({ "bytes": receiver.bytes, "cpuSeconds": cpu_ns() as f64 / 1e9 }))
}

impl Receiver {
    fn step(
        &mut self,
        ring: &mut dyn Ring,
        completions: &mut Vec<Completion>,
    ) -> Result<Step, LoadError> {
        let came = !completions.is_empty();
        for completion in completions.drain(..) {
            self.complete(ring, completion)?;
        }
        self.writer.check()?;
        while let Some(mut piece) = self.pieces.pop_front() {
            if self.consume(ring, &mut piece)? {
                ring.return_buffer(piece.buffer);
            } else {
                self.pieces.push_front(piece);
                break;
            }
        }
        // The device is free: what is there is written now.
        if let Some((block, _)) = self.filling.filter(|&(_, fill)| fill > 0) {
            if !self.discard && self.writer.idle() {
                self.writer.submit(ring, block);
                self.filling = None;
            }
        }
        self.writer.flush_if_due(ring, false);
        if !self.flush_every.is_zero() && self.flushed_at.elapsed() >= self.flush_every {
            self.flushed_at = Instant::now();
            self.writer.flush_behind(ring);
        }
        self.acknowledge(ring);
        let waits = !self.pieces.is_empty() && self.writer.waits_for_room();
        Ok(if came || waits {
            Step::Busy
        } else {
            Step::Idle
        })
    }

    fn complete(&mut self, ring: &mut dyn Ring, completion: Completion) -> Result<(), LoadError> {
        let number = completion.token.id() as usize;
        match completion.token.kind() {
            WRITE | FLUSH => self.writer.completed(completion),
            ACCEPT => self.accepted(ring, completion.result)?,
            RECV => {
                if let Some(buffer) = completion.buffer {
                    self.pieces.push_back(Piece {
                        connection: number,
                        buffer,
                        taken: 0,
                        len: completion.result.max(0) as u32,
                    });
                }
                let open = completion.result > 0 || completion.result == -libc::ENOBUFS;
                if let (false, true, Some(connection)) =
                    (completion.more, open, self.connections.get(number))
                {
                    ring.recv_shared(connection.socket, true, completion.token);
                }
            }
            SEND => {
                if let Some(connection) = self.connections.get_mut(number) {
                    // A client that is gone takes no acks: the rest is dropped.
                    connection.sent = match usize::try_from(completion.result) {
                        Ok(count) => connection.sent + count,
                        Err(_) => connection.sending.len(),
                    };
                    connection.send(ring, number);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn accepted(&mut self, ring: &mut dyn Ring, socket: RawFd) -> Result<(), LoadError> {
        if socket < 0 {
            let error = std::io::Error::from_raw_os_error(-socket);
            return Err(LoadError::System("accepting".into(), error));
        }
        let one: libc::c_int = 1;
        // SAFETY: the option is one int that lives through the call. Without it acks are late, and that is measured.
        unsafe {
            libc::setsockopt(
                socket,
                libc::IPPROTO_TCP,
                libc::TCP_NODELAY,
                std::ptr::from_ref(&one).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
        let number = self.connections.len();
        self.connections.push(Connection {
            socket,
            header: Vec::with_capacity(HEADER),
            frame: Header::default(),
            left: 0,
            sum: Running::new(KIND),
            due: VecDeque::with_capacity(1_024),
            sending: Vec::with_capacity(64 << 10),
            sent: 0,
            waiting: Vec::with_capacity(64 << 10),
        });
        ring.recv_shared(socket, true, Token::new(0, RECV, number as u64));
        Ok(())
    }

    /// Takes what came in a buffer. False when no block was free for the rest.
    fn consume(&mut self, ring: &mut dyn Ring, piece: &mut Piece) -> Result<bool, LoadError> {
        let Some(connection) = self.connections.get_mut(piece.connection) else {
            return Ok(true);
        };
        while piece.taken < piece.len {
            // SAFETY: the ring lent `len` bytes there until the buffer is returned, which is after the last use of `bytes`.
            let bytes = unsafe {
                std::slice::from_raw_parts(
                    ring.recv_buffer(piece.buffer).add(piece.taken as usize),
                    (piece.len - piece.taken) as usize,
                )
            };
            if connection.left == 0 {
                let missing = HEADER - connection.header.len();
                let part = &bytes[..bytes.len().min(missing)];
                connection.header.extend_from_slice(part);
                piece.taken += part.len() as u32;
                if let Some(head) = connection.header.first_chunk::<HEADER>() {
                    let (header, _) = decode(head, Some(KIND)).map_err(|broken| {
                        LoadError::Protocol(format!("a frame whose {} is wrong", broken.name()))
                    })?;
                    if header.flags & flag::BATCH == 0 || header.payload_len == 0 {
                        return Err(LoadError::Protocol(
                            "the bare pipeline takes ingests only".into(),
                        ));
                    }
                    connection.header.clear();
                    connection.left = header.payload_len as usize;
                    connection.frame = header;
                    connection.sum = Running::new(KIND);
                }
                continue;
            }
            let Some((block, fill)) = self.filling.or_else(|| Some((self.writer.take()?, 0)))
            else {
                return Ok(false);
            };
            let room = self.block_bytes - fill;
            let part = &bytes[..bytes.len().min(room).min(connection.left)];
            connection.sum.update(part);
            self.writer.blocks.bytes(block)[fill..fill + part.len()].copy_from_slice(part);
            let holds = self.writer.next();
            let fill = fill + part.len();
            self.filling = Some((block, fill));
            if fill == self.block_bytes {
                self.filling = None;
                if self.discard {
                    self.writer.put(block);
                } else {
                    self.writer.submit(ring, block);
                }
            }
            piece.taken += part.len() as u32;
            self.bytes += part.len() as u64;
            connection.left -= part.len();
            if connection.left == 0 {
                if connection.sum.value() != connection.frame.payload_checksum {
                    return Err(LoadError::Protocol(
                        "a payload whose checksum is wrong".into(),
                    ));
                }
                connection.due.push_back((holds, connection.frame.batch_id));
            }
        }
        Ok(true)
    }

    /// Acknowledges what is where it has to be.
    fn acknowledge(&mut self, ring: &mut dyn Ring) {
        let stable = if self.discard {
            u64::MAX
        } else {
            self.writer.stable()
        };
        for (number, connection) in self.connections.iter_mut().enumerate() {
            while let Some((_, id)) = connection
                .due
                .front()
                .copied()
                .filter(|&(block, _)| block < stable)
            {
                connection.due.pop_front();
                connection
                    .waiting
                    .extend_from_slice(&Header::ack(id, 0).encode(KIND));
            }
            if connection.sending.is_empty() && !connection.waiting.is_empty() {
                connection.send(ring, number);
            }
        }
    }
}

impl Connection {
    /// Goes on sending; when all is gone, takes what waits.
    fn send(&mut self, ring: &mut dyn Ring, number: usize) {
        if self.sent >= self.sending.len() {
            self.sending.clear();
            self.sent = 0;
            std::mem::swap(&mut self.sending, &mut self.waiting);
        }
        let rest = &self.sending[self.sent..];
        if !rest.is_empty() {
            // SAFETY: `sending` is neither changed nor moved before the completion: only then `send` is called again.
            unsafe {
                ring.send(
                    self.socket,
                    rest.as_ptr(),
                    rest.len() as u32,
                    Token::new(0, SEND, number as u64),
                );
            }
        }
    }
}
