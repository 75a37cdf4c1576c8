//! Shared receive buffers that the ring lent us: who still needs them, and when they go back.

use crate::ring::{NetRing, RecvBuffer};

use super::links::{Links, List};

/// One lent buffer.
#[derive(Clone, Copy, Default)]
struct Lent {
    /// Bytes in it.
    len: u32,
    /// Bytes already parsed.
    at: u32,
    /// Frames in it that the ingest agent has not consumed.
    frames: u32,
    /// Payload bytes of those frames since it was last without any.
    bytes: u64,
    /// Parsing is not finished: it stands in a connection's list.
    held: bool,
}

/// State of every buffer of the shared pool, by its number.
pub struct SharedBuffers {
    lent: Vec<Lent>,
    links: Links,
    out: u32,
}

impl SharedBuffers {
    pub fn new(count: u16) -> Self {
        Self {
            lent: vec![Lent::default(); count as usize],
            links: Links::new(count as usize),
            out: 0,
        }
    }

    /// Buffers lent out now.
    pub fn lent(&self) -> u32 {
        self.out
    }

    /// Takes a buffer with `len` bytes and appends it to what a connection has not parsed.
    pub fn hold(&mut self, held: &mut List, buffer: RecvBuffer, len: u32) {
        let lent = &mut self.lent[buffer.0 as usize];
        assert!(!lent.held && lent.frames == 0, "a buffer is lent once");
        *lent = Lent {
            len,
            held: true,
            ..Lent::default()
        };
        self.out += 1;
        held.push_back(&mut self.links, u32::from(buffer.0));
    }

    /// What a connection is to parse next: the buffer, where its unparsed bytes start, and how many they are (at least 1).
    pub fn front(&self, held: &List) -> Option<(RecvBuffer, u32, u32)> {
        let buffer = held.front()?;
        let lent = &self.lent[buffer as usize];
        Some((RecvBuffer(buffer as u16), lent.at, lent.len - lent.at))
    }

    /// All bytes that a connection is to parse. A walk over its buffers, which are few.
    pub fn bytes(&self, held: &List) -> u32 {
        let mut bytes = 0;
        let mut next = held.front();
        while let Some(buffer) = next {
            let lent = &self.lent[buffer as usize];
            bytes += lent.len - lent.at;
            next = self.links.next(buffer);
        }
        bytes
    }

    /// Bytes at the front are parsed. A buffer that is through leaves the list, and goes back unless a frame still needs it.
    pub fn consume<R: NetRing + ?Sized>(&mut self, ring: &mut R, held: &mut List, bytes: u32) {
        let buffer = held.front().expect("bytes are consumed from a buffer");
        let lent = &mut self.lent[buffer as usize];
        lent.at += bytes;
        assert!(lent.at <= lent.len, "no more is consumed than is there");
        if lent.at == lent.len {
            lent.held = false;
            held.remove(&mut self.links, buffer);
            self.return_if_free(ring, RecvBuffer(buffer as u16));
        }
    }

    /// A frame inside the buffer goes to the ingest agent.
    pub fn lend(&mut self, buffer: RecvBuffer, bytes: u64) {
        let lent = &mut self.lent[buffer.0 as usize];
        lent.frames += 1;
        lent.bytes += bytes;
    }

    /// The ingest agent is done with one frame. Returns the bytes that are no longer in flight: those of all frames of
    /// the buffer, with its last one.
    pub fn give_back<R: NetRing + ?Sized>(&mut self, ring: &mut R, buffer: RecvBuffer) -> u64 {
        let lent = &mut self.lent[buffer.0 as usize];
        lent.frames = lent
            .frames
            .checked_sub(1)
            .expect("a frame is consumed once");
        if lent.frames > 0 {
            return 0;
        }
        let bytes = std::mem::take(&mut lent.bytes);
        self.return_if_free(ring, buffer);
        bytes
    }

    /// Gives up everything that a connection has not parsed.
    pub fn drop_all<R: NetRing + ?Sized>(&mut self, ring: &mut R, held: &mut List) {
        while let Some((_, _, len)) = self.front(held) {
            self.consume(ring, held, len);
        }
    }

    fn return_if_free<R: NetRing + ?Sized>(&mut self, ring: &mut R, buffer: RecvBuffer) {
        let lent = &self.lent[buffer.0 as usize];
        if !lent.held && lent.frames == 0 {
            self.out -= 1;
            ring.return_buffer(buffer);
        }
    }
}
