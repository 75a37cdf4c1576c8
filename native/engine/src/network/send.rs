//! Sending: acks and small answers of a connection gathered into one send, large answers from where they lie.
//!
//! Nothing is laid out before it can be sent: acks wait in the window and answers in their place, both of bounded number,
//! so a peer that does not read holds nothing else, and its own reading stops when those are used up.

use crate::checksum::{checksum, checksum_of_parts, combine};
use crate::limits::RESPONSE_HEADROOM;
use crate::lwp::control::{self, code, FETCH_HEADER};
use crate::lwp::error::{ErrorText, MAX_ERROR};
use crate::lwp::header::{flag, Header, HEADER};
use crate::messages::{ChecksumKind, FetchData, ToIo};
use crate::ring::NetRing;

use super::agent::{kind, NetworkAgent};
use super::chunks::CHUNK;
use super::connection::{Sending, State, Want, OUT_AREA};
use super::inflight::Outcome;
use super::requests::{Answer, Order, Request};

// Any error fits the memory that every connection has.
const _: () = assert!(HEADER + MAX_ERROR <= OUT_AREA);

/// Frames laid out one behind the other.
struct Out<'a> {
    to: &'a mut [u8],
    len: usize,
    frames: u64,
    kind: ChecksumKind,
}

impl Out<'_> {
    fn room(&self) -> usize {
        self.to.len() - self.len
    }
    /// Appends a frame; the caller saw that there is room.
    fn put(&mut self, header: &Header, payload: &[u8]) {
        let header = header.encode(self.kind);
        for bytes in [header.as_slice(), payload] {
            self.to[self.len..self.len + bytes.len()].copy_from_slice(bytes);
            self.len += bytes.len();
        }
        self.frames += 1;
    }
    fn put_control(&mut self, code: u64, timestamp_ns: u64, payload: &[u8]) {
        let sum = checksum(self.kind, payload);
        let header = Header::control(code, timestamp_ns, payload.len() as u32, sum);
        self.put(&header, payload);
    }
}

impl NetworkAgent {
    /// Sends what is ready, if nothing is under way.
    pub(super) fn flush<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let conn = &self.connections[c as usize];
        let can = matches!(
            conn.state,
            State::Open | State::Finishing | State::Discarding(_)
        );
        if !can || !matches!(conn.sending, Sending::Nothing) {
            return;
        }
        let big = self.big_answer(c);
        let big_first = big.filter(|_| conn.big_next);
        let sends = match big_first {
            Some(at) => self.send_big(ring, c, at),
            None => self.send_small(ring, c) || big.is_some_and(|at| self.send_big(ring, c, at)),
        };
        let conn = &self.connections[c as usize];
        if conn.want == Want::Window && sends {
            // Not as one being resumed: others may stand in line for what it wants next.
            self.proceed(ring, c);
        } else if !sends && !conn.is_open() && !conn.owes() {
            self.farewell(ring, c);
        }
    }

    /// The place of the next answer that is sent from where it lies, if there is one.
    fn big_answer(&self, c: u32) -> Option<u32> {
        let conn = &self.connections[c as usize];
        [Order::Engine, Order::Plane, Order::Wait]
            .into_iter()
            .find_map(|order| {
                let at = self.requests.ready(&conn.requests, order)?;
                is_big(&self.requests.at(at).answer).then_some(at)
            })
    }

    fn send_small<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) -> bool {
        let (memory, at, len) = match self.chunks.take() {
            Some(chunk) => (Sending::Chunk(chunk), self.chunks.at(chunk), CHUNK),
            None => (Sending::Area, self.areas.output(c), OUT_AREA),
        };
        // SAFETY: a chunk fresh from the pool, or the area of a connection that sends nothing: `len` bytes, ours alone.
        let to = unsafe { std::slice::from_raw_parts_mut(at, len) };
        let laid = self.gather(c, to);
        if laid == 0 {
            if let Sending::Chunk(chunk) = memory {
                self.chunks.put(chunk);
            }
            return false;
        }
        self.conn(c).big_next = true;
        self.begin_send(ring, c, memory, at, laid as u32);
        true
    }

    /// Lays out keepalives, acks and errors of ingests, and answers, as far as they fit. Returns how many bytes.
    fn gather(&mut self, c: u32, to: &mut [u8]) -> usize {
        let now = self.clock.now().mono_ns;
        let conn = &mut self.connections[c as usize];
        let counters = &self.ends.counters;
        let mut out = Out {
            to,
            len: 0,
            frames: 0,
            kind: conn.checksum_kind(),
        };
        while conn.keepalives.due() > 0 && out.room() >= HEADER {
            conn.keepalives.sent();
            out.put(&Header::bare(flag::KEEPALIVE), &[]);
        }
        if conn.backpressure_due && out.room() >= HEADER {
            conn.backpressure_due = false;
            counters.backpressure_frames.inc();
            out.put(&Header::bare(flag::BACKPRESSURE), &[]);
        }
        let mut cursor = self.tickets.look(&conn.window);
        let mut acks = 0;
        while let Some(frame) = self.tickets.find(conn.by_topic, &mut cursor) {
            match frame.outcome {
                Outcome::Refused(refusal) => {
                    if out.room() < HEADER + MAX_ERROR {
                        break;
                    }
                    counters.errors.count(refusal.code as u8);
                    let text = ErrorText::of(&refusal, Some(frame.batch_id));
                    out.put_control(code::ERROR_RESPONSE, 0, text.bytes());
                }
                Outcome::Waiting => unreachable!("only settled frames are found"),
                Outcome::Acked { stable_ns } => {
                    if out.room() < HEADER {
                        break;
                    }
                    acks += 1;
                    counters.complete_ack.record(now.saturating_sub(stable_ns));
                    counters
                        .receive_ack
                        .record(now.saturating_sub(frame.received_ns));
                    out.put(&Header::ack(frame.batch_id, 0), &[]);
                }
            }
            self.tickets.take(&mut conn.window, &mut cursor);
        }
        counters.acks.add(acks);
        for order in [Order::Engine, Order::Plane, Order::Wait] {
            while let Some(at) = self.requests.ready(&conn.requests, order) {
                let request = self.requests.at(at);
                if is_big(&request.answer) || out.room() < small_len(&request.answer) {
                    break;
                }
                if let Answer::Refused(refusal) = &request.answer {
                    counters.errors.count(refusal.code as u8);
                }
                lay_out(request, &mut out);
                let answer = self.requests.take(&mut conn.requests, at);
                if let Answer::Plane { payload, .. } = answer {
                    let _ = self.ends.spent.push(payload);
                    self.told.control = true;
                }
            }
        }
        counters.frames_out.add(out.frames);
        out.len
    }

    /// Sends one large answer. Returns whether it does.
    fn send_big<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, at: u32) -> bool {
        let conn = &mut self.connections[c as usize];
        conn.big_next = false;
        let kind = conn.checksum_kind();
        let request = self.requests.at(at);
        let (asked, timestamp_ns) = (request.code, request.timestamp_ns);
        self.ends.counters.frames_out.inc();
        match self.requests.take(&mut conn.requests, at) {
            Answer::Fetched(data) => {
                let slab = data.slab.expect("a large fetch response has a slab");
                let from = self.front(&data, kind, fetch_code(asked), timestamp_ns);
                let len = (HEADER + FETCH_HEADER) as u32 + data.len;
                self.begin_send(ring, c, Sending::Slab(slab), from, len);
                true
            }
            Answer::Plane { code, payload } => {
                let sum = checksum(kind, &payload);
                let header = Header::control(code, timestamp_ns, payload.len() as u32, sum);
                let to = self.areas.output(c);
                // SAFETY: the area of a connection that sends nothing, longer than a header.
                unsafe { std::slice::from_raw_parts_mut(to, HEADER) }
                    .copy_from_slice(&header.encode(kind));
                self.begin_send(ring, c, Sending::HeaderOf(payload), to, HEADER as u32);
                true
            }
            _ => unreachable!("is_big holds only for these"),
        }
    }

    /// Writes frame header and fetch header right in front of a response's data. Returns where the frame starts.
    fn front(
        &mut self,
        data: &FetchData,
        kind: ChecksumKind,
        code: u64,
        timestamp_ns: u64,
    ) -> *mut u8 {
        const FRONT: usize = HEADER + FETCH_HEADER;
        const _: () = assert!(FRONT <= RESPONSE_HEADROOM as usize);
        let slab = data.slab.expect("the caller saw a slab");
        assert!(RESPONSE_HEADROOM + data.len <= self.ends.slabs.bytes(slab));
        let at = self.ends.slabs.at(slab);
        // SAFETY: the io agent handed the slab over; `len` bytes of data lie behind the headroom, see the assertion.
        let bytes = unsafe {
            std::slice::from_raw_parts(at.add(RESPONSE_HEADROOM as usize), data.len as usize)
        };
        let fetch = control::fetch_header(data.next_offset, data.len, data.records);
        let sum = match data.sum {
            Some(sum) => combine(kind, checksum(kind, &fetch), sum, u64::from(data.len)),
            None => checksum_of_parts(kind, &[&fetch, bytes]),
        };
        let len = FETCH_HEADER as u32 + data.len;
        let header = Header::control(code, timestamp_ns, len, sum).encode(kind);
        // SAFETY: the headroom is inside the slab and distinct from the data behind it.
        let front = unsafe {
            let from = at.add(RESPONSE_HEADROOM as usize - FRONT);
            std::slice::from_raw_parts_mut(from, FRONT)
        };
        front[..HEADER].copy_from_slice(&header);
        front[HEADER..].copy_from_slice(&fetch);
        front.as_mut_ptr()
    }

    fn begin_send<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        c: u32,
        memory: Sending,
        from: *const u8,
        len: u32,
    ) {
        let now = self.now.mono_ns;
        let conn = self.conn(c);
        conn.sending = memory;
        conn.send_from = from;
        conn.send_len = len;
        conn.send_ns = now;
        self.submit_send(ring, c);
    }

    fn submit_send<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let token = self.token(kind::SEND, c);
        let conn = self.conn(c);
        // SAFETY: `sending` owns the memory and is kept until the completion.
        unsafe { ring.send(conn.socket, conn.send_from, conn.send_len, token) };
    }

    /// A send is complete, wholly or in part.
    pub(super) fn sent<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, result: i32) {
        let now = self.now.mono_ns;
        if self.conn(c).state == State::Closing {
            self.release_send(c);
            return self.try_finish(ring, c);
        }
        if result == -libc::EAGAIN || result == -libc::EINTR {
            return self.submit_send(ring, c);
        }
        if result <= 0 {
            self.release_send(c);
            return self.close(ring, c);
        }
        self.ends.counters.bytes_out.add(result as u64);
        let conn = self.conn(c);
        conn.send_ns = now;
        conn.send_len -= result as u32;
        if conn.send_len > 0 {
            conn.send_from = conn.send_from.wrapping_add(result as usize);
            return self.submit_send(ring, c);
        }
        match std::mem::replace(&mut conn.sending, Sending::Nothing) {
            Sending::HeaderOf(payload) => {
                let (from, len) = (payload.as_ptr(), payload.len() as u32);
                return self.begin_send(ring, c, Sending::Payload(payload), from, len);
            }
            sent => conn.sending = sent,
        }
        self.release_send(c);
        self.dirty.push(c);
    }

    /// Gives back the memory of a send that is over.
    pub(super) fn release_send(&mut self, c: u32) {
        match std::mem::replace(&mut self.conn(c).sending, Sending::Nothing) {
            Sending::Nothing | Sending::Area => {}
            Sending::Chunk(chunk) => self.chunks.put(chunk),
            Sending::Slab(slab) => {
                self.responses -= 1;
                self.tell_io(ToIo::Release(slab));
            }
            Sending::HeaderOf(payload) | Sending::Payload(payload) => self.spend(payload),
        }
    }
}

/// Whether an answer is sent from where it lies.
fn is_big(answer: &Answer) -> bool {
    match answer {
        Answer::Fetched(data) => data.slab.is_some(),
        Answer::Plane { payload, .. } => HEADER + payload.len() > OUT_AREA,
        _ => false,
    }
}

/// Room that a small answer takes at most.
fn small_len(answer: &Answer) -> usize {
    HEADER
        + match answer {
            Answer::Refused(_) => MAX_ERROR,
            Answer::Plane { payload, .. } => payload.len(),
            _ => 32,
        }
}

fn fetch_code(asked: u64) -> u64 {
    if asked == code::FETCH_BATCHES {
        code::FETCH_BATCHES_RESPONSE
    } else {
        code::FETCH_RESPONSE
    }
}

fn lay_out(request: &Request, out: &mut Out<'_>) {
    let echo = request.timestamp_ns;
    match &request.answer {
        Answer::Refused(refusal) => {
            let text = ErrorText::of(refusal, None);
            out.put_control(code::ERROR_RESPONSE, echo, text.bytes());
        }
        Answer::Fetched(data) => {
            let payload = control::fetch_header(data.next_offset, 0, 0);
            out.put_control(fetch_code(request.code), echo, &payload);
        }
        &Answer::Located {
            offset,
            record,
            timestamp_ns,
            node_actor_sequence,
        } => {
            let payload = control::location(offset, record, timestamp_ns, node_actor_sequence);
            out.put_control(code::LOCATE_RESPONSE, echo, &payload);
        }
        &Answer::Consumer {
            code,
            consumer,
            offset,
        } => out.put_control(code, echo, &control::consumer_offset(consumer, offset)),
        &Answer::Unsubscribed { consumer } => out.put(&Header::ack(consumer, echo), &[]),
        Answer::Plane { code, payload } => out.put_control(*code, echo, payload),
        Answer::Waiting => unreachable!("only answers leave"),
    }
}
