//! Control commands: to the io agent, to the control plane, or answered here.

use crate::error::{ErrorCode, Reason, Refusal};
use crate::lwp::control::{
    self, code, Request as Command, MAX_FETCH_DATA, OFFSET_END, OFFSET_PINNED_END,
};
use crate::lwp::header::Header;
use crate::messages::{FetchMode, FetchRequest, RequestId, ToIo};
use crate::node::ControlId;

use super::agent::NetworkAgent;
use super::connection::Want;
use super::control_plane::ControlRequest;
use super::frames::{order_of, refusal, Verdict};
use super::requests::{Answer, Order, Request};

/// Requests of one connection that the engine answers, under way at once.
const ENGINE_REQUESTS: u32 = 64;
/// Fetches of one connection under way at once: their answers take memory that slow readers must not hoard.
const FETCHES: u32 = 2;
/// Requests of one connection that the control plane answers, under way at once.
const PLANE_REQUESTS: u32 = 32;

impl NetworkAgent {
    /// What a command of this order lacks, if anything.
    pub(super) fn request_want(&self, c: u32, order: Order) -> Option<Want> {
        let conn = &self.connections[c as usize];
        let most = match order {
            Order::Engine => ENGINE_REQUESTS,
            Order::Plane => PLANE_REQUESTS,
            // Bounded for all connections together, and refused rather than left unread.
            Order::Wait => u32::MAX,
        };
        if conn.requests.of(order) >= most {
            return Some(Want::Window);
        }
        let behind = !self.resuming;
        match order {
            Order::Plane => {
                let behind = behind && !self.wants_plane.is_empty();
                let full = self.free_slots.is_empty() || self.ends.to_control.room() == 0;
                if behind || full || !self.requests.room() {
                    return Some(Want::Plane);
                }
            }
            Order::Engine | Order::Wait => {
                let behind = behind && !self.wants_io.is_empty();
                if behind || !self.io_room() || !self.requests.room() {
                    return Some(Want::Io);
                }
            }
        }
        None
    }

    /// Deals with a whole control frame.
    pub(super) fn judge_control(&mut self, c: u32, frame: &Header, payload: &[u8]) -> Verdict {
        const TAKEN: Verdict = Verdict::Taken { kept: false };
        let order = order_of(frame);
        if let Some(want) = self.request_want(c, order) {
            return Verdict::Blocked(want);
        }
        let fetching = self.connections[c as usize].requests.of(Order::Engine);
        if frame.batch_id == code::FETCH && fetching >= FETCHES {
            return Verdict::Blocked(Want::Window);
        }
        self.ends.counters.control_requests.inc();
        let checked = match self.checksum_refusal(c, frame, payload) {
            Some(refusal) => Err(refusal),
            None => control::decode(frame.batch_id, payload),
        };
        let done = checked.and_then(|command| self.command(c, order, frame, command, payload));
        if let Err(refusal) = done {
            self.refuse(c, frame, refusal);
        }
        TAKEN
    }

    fn command(
        &mut self,
        c: u32,
        order: Order,
        frame: &Header,
        command: Command,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        match command {
            Command::Plane => self.ask_plane(c, frame, payload)?,
            Command::Fetch {
                topic,
                offset,
                max_bytes,
            } => {
                let (offset, pins_end) = self.resolve_end(c, topic, offset)?;
                let kind = self.conn(c).checksum_kind();
                let request = self.ask_io(c, order, frame, topic, 0, pins_end);
                self.tell_io(ToIo::Fetch(FetchRequest {
                    request,
                    topic,
                    offset,
                    kind,
                    max_bytes: self.cap(max_bytes),
                    min_bytes: 0,
                    deadline_ns: 0,
                    asked_ns: self.now.mono_ns,
                    mode: FetchMode::Records,
                }));
            }
            Command::FetchWait {
                topic,
                offset,
                max_bytes,
                min_bytes,
                max_wait_ms,
                batches,
            } => {
                let conn = self.conn(c);
                if !conn.hello && conn.hellos_pending == 0 {
                    let code = frame.batch_id;
                    return Err(refusal(ErrorCode::Unknown, Reason::HelloNeeded, code, 0));
                }
                if !self.requests.wait_room() {
                    let most = u64::from(self.requests.max_waits());
                    return Err(refusal(
                        ErrorCode::Backpressure,
                        Reason::TooManyWaiting,
                        0,
                        most,
                    ));
                }
                let (offset, pins_end) = self.resolve_end(c, topic, offset)?;
                let kind = self.conn(c).checksum_kind();
                let max_bytes = self.cap(max_bytes);
                let min_bytes = min_bytes.min(max_bytes);
                let at_once = min_bytes == 0 || max_wait_ms == 0;
                let deadline = self.now.mono_ns + u64::from(max_wait_ms) * 1_000_000;
                let request = self.ask_io(c, order, frame, topic, 0, pins_end);
                self.tell_io(ToIo::Fetch(FetchRequest {
                    request,
                    topic,
                    offset,
                    kind,
                    max_bytes,
                    min_bytes,
                    deadline_ns: if at_once { 0 } else { deadline },
                    asked_ns: self.now.mono_ns,
                    mode: if batches {
                        FetchMode::Batches
                    } else {
                        FetchMode::Records
                    },
                }));
            }
            Command::Subscribe {
                topic,
                offset,
                consumer,
            } => {
                let offset = if offset == OFFSET_PINNED_END {
                    OFFSET_END
                } else {
                    offset
                };
                let request = self.ask_io(c, order, frame, topic, consumer, false);
                self.tell_io(ToIo::Subscribe {
                    request,
                    topic,
                    offset,
                });
            }
            Command::Unsubscribe { consumer } => {
                let answer = Answer::Unsubscribed { consumer };
                let conn = &mut self.connections[c as usize];
                self.requests
                    .add(&mut conn.requests, Request::new(c, order, frame, answer));
                self.dirty.push(c);
            }
            Command::Commit {
                topic,
                consumer,
                offset,
            } => {
                let request = self.ask_io(c, order, frame, topic, consumer, false);
                self.tell_io(ToIo::Commit {
                    request,
                    topic,
                    consumer,
                    offset,
                });
            }
            Command::Locate { topic, by } => {
                let request = self.ask_io(c, order, frame, topic, 0, false);
                self.tell_io(ToIo::Locate { request, topic, by });
            }
            Command::GetCommitted { topic, consumer } => {
                let request = self.ask_io(c, order, frame, topic, consumer, false);
                self.tell_io(ToIo::GetCommitted {
                    request,
                    topic,
                    consumer,
                });
            }
        }
        Ok(())
    }

    /// Takes a place for an answer that the io agent gives.
    fn ask_io(
        &mut self,
        c: u32,
        order: Order,
        frame: &Header,
        topic: u32,
        consumer: u64,
        pins_end: bool,
    ) -> RequestId {
        let mut request = Request::new(c, order, frame, Answer::Waiting);
        request.topic = topic;
        request.consumer = consumer;
        request.pins_end = pins_end;
        let conn = &mut self.connections[c as usize];
        self.requests.add(&mut conn.requests, request)
    }

    fn ask_plane(&mut self, c: u32, frame: &Header, payload: &[u8]) -> Result<(), Refusal> {
        let conn = &mut self.connections[c as usize];
        if frame.batch_id == code::HELLO {
            if !conn.window.is_empty() {
                let frames = u64::from(conn.window.len());
                return Err(refusal(
                    ErrorCode::Unknown,
                    Reason::HelloInFlight,
                    frames,
                    0,
                ));
            }
            conn.hellos_pending += 1;
        }
        let slot = self
            .free_slots
            .pop()
            .expect("room was seen in request_want");
        self.slots.write(slot, payload);
        let mut request = Request::new(c, Order::Plane, frame, Answer::Waiting);
        request.slot = Some(slot);
        let id = self.requests.add(&mut conn.requests, request);
        let sent = self.ends.to_control.push(ControlRequest {
            id: ControlId {
                connection: c,
                generation: (id.0 >> 32) as u32,
                sequence: id.0 as u32,
            },
            code: frame.batch_id,
            slots: self.slots.clone(),
            slot,
            len: payload.len() as u16,
        });
        assert!(sent.is_ok(), "room was seen in request_want");
        self.told.control = true;
        Ok(())
    }

    /// 2^63-1 is the end when this connection first asked for it (client: Python's END).
    fn resolve_end(&self, c: u32, topic: u32, offset: u64) -> Result<(u64, bool), Refusal> {
        if offset != OFFSET_PINNED_END {
            return Ok((offset, false));
        }
        match self.pins.get(self.connections[c as usize].pins, topic) {
            Some(pinned) => Ok((pinned, false)),
            None if self.pins.room() => Ok((OFFSET_END, true)),
            None => {
                let most = u64::from(self.pins.count());
                Err(refusal(
                    ErrorCode::Backpressure,
                    Reason::TooManyWaiting,
                    0,
                    most,
                ))
            }
        }
    }

    /// What a response may carry: a frame of ours is no larger than one of theirs.
    fn cap(&self, max_bytes: u32) -> u32 {
        max_bytes
            .min(MAX_FETCH_DATA)
            .min(self.limits.max_frame - 60)
    }
}
