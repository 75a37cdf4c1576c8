//! Whole frames: checked field by field and passed on, in the order and with the results of lwp.md ("Which checksum").

use crate::checksum::checksum;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::lwp::control;
use crate::lwp::header::{self, flag, Broken, Header, HEADER};
use crate::memory::SlabId;
use crate::messages::{IngestFrame, Source};
use crate::node::LogEvent;
use crate::ring::{NetRing, RecvBuffer};

use super::agent::NetworkAgent;
use super::connection::{Place, State, Want};
use super::inflight::{InFlight, Outcome};
use super::listen::peer_of;
use super::requests::{Answer, Order, Request};

/// What follows an error before the connection is closed is read and thrown away for so long.
const DISCARD_NS: u64 = 1_000_000_000;
/// The same complaint about peers is logged once in so long.
const REPORT_NS: u64 = 1_000_000_000;

/// Where the bytes of a frame are.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    Shared(RecvBuffer),
    Area,
    Slab(SlabId),
}

/// What became of a frame.
pub(super) enum Verdict {
    /// It is dealt with; `kept`: its slab went on.
    Taken { kept: bool },
    /// Nothing is done yet for want of room.
    Blocked(Want),
}

const TAKEN: Verdict = Verdict::Taken { kept: false };

impl NetworkAgent {
    /// Decodes the header of a frame that begins. `None`: the connection takes no frames any more.
    pub(super) fn header<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        c: u32,
        bytes: &[u8; HEADER],
    ) -> Option<Header> {
        let frame = match header::decode(bytes, self.conn(c).kind) {
            Ok((frame, kind)) => {
                self.conn(c).kind = Some(kind);
                frame
            }
            Err(broken) => {
                self.broken(ring, c, broken);
                return None;
            }
        };
        if self.conn(c).refused {
            let limit = u64::from(self.limits.connections);
            let refusal = refusal(
                ErrorCode::ConnectionLimit,
                Reason::ConnectionLimit,
                0,
                limit,
            );
            self.last_word(ring, c, &frame, refusal);
            return None;
        }
        let most = u64::from(self.limits.max_frame) - HEADER as u64;
        let len = u64::from(frame.payload_len);
        if len > most {
            self.ends.counters.bad_length.inc();
            let refusal = refusal(ErrorCode::PayloadTooLarge, Reason::FrameTooLarge, len, most);
            self.last_word(ring, c, &frame, refusal);
            return None;
        }
        Some(frame)
    }

    /// Closed at once, without a reply; logged at most once a second.
    pub(super) fn broken<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, broken: Broken) {
        self.ends.counters.broken(broken);
        self.report_peer(c, broken.name());
        self.close(ring, c);
    }

    pub(super) fn report_peer(&mut self, c: u32, what: &'static str) {
        let now = self.now.mono_ns;
        if now < self.bad_peer_ns {
            self.bad_peers_unreported += 1;
            return;
        }
        let socket = self.conn(c).socket;
        if let Some(peer) = peer_of(socket) {
            let unreported = std::mem::take(&mut self.bad_peers_unreported);
            self.bad_peer_ns = now + REPORT_NS;
            self.log(LogEvent::BadPeer {
                peer,
                what,
                unreported,
            });
        }
    }

    pub(super) fn log(&mut self, event: LogEvent) {
        // A log that is full drops its newest; the counters have everything.
        let _ = self.ends.log.push(event);
        self.told.control = true;
    }

    /// An error in its place in the order, after which the connection is only read to throw away.
    fn last_word<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        c: u32,
        frame: &Header,
        refusal: Refusal,
    ) {
        if self.refusal_want(c, frame).is_some() {
            return self.close(ring, c);
        }
        self.refuse(c, frame, refusal);
        let until = self.now.mono_ns + DISCARD_NS;
        self.conn(c).state = State::Discarding(until);
        self.check_at(until);
    }

    /// Deals with a whole frame. `payload` stays where it is until `origin` is given back.
    pub(super) fn judge(
        &mut self,
        c: u32,
        frame: &Header,
        payload: &[u8],
        origin: Origin,
    ) -> Verdict {
        const INGEST: u8 = flag::BATCH;
        const COMPRESSED: u8 = flag::BATCH | flag::COMPRESSED;
        match frame.flags {
            INGEST | COMPRESSED => self.judge_ingest(c, frame, payload, origin),
            flag::CONTROL => self.judge_control(c, frame, payload),
            flag::KEEPALIVE => {
                self.ends.counters.keepalives_in.inc();
                let now = self.now.mono_ns;
                if !self.conn(c).keepalives.received(now) {
                    self.ends.counters.keepalives_absorbed.inc();
                }
                if let Some(deadline) = self.conn(c).keepalives.deadline_ns() {
                    self.check_at(deadline);
                }
                self.dirty.push(c);
                TAKEN
            }
            flags => {
                if let Some(want) = self.refusal_want(c, frame) {
                    return Verdict::Blocked(want);
                }
                let refusal = self.checksum_refusal(c, frame, payload).unwrap_or_else(|| {
                    self.ends.counters.bad_flags.inc();
                    let reason = if flags & flag::ENCRYPTED != 0 {
                        Reason::Encrypted
                    } else {
                        Reason::FlagsUnknown
                    };
                    refusal(ErrorCode::Unknown, reason, u64::from(flags), 0)
                });
                self.refuse(c, frame, refusal);
                TAKEN
            }
        }
    }

    fn judge_ingest(&mut self, c: u32, frame: &Header, payload: &[u8], origin: Origin) -> Verdict {
        if let Some(want) = self.ingest_want(c, payload.len() as u64) {
            return Verdict::Blocked(want);
        }
        let refused = if payload.is_empty() {
            Some(refusal(
                ErrorCode::InvalidPayload,
                Reason::PayloadEmpty,
                0,
                0,
            ))
        } else if let Some(refusal) = self.checksum_refusal(c, frame, payload) {
            Some(refusal)
        } else if self.ends.drain.draining() {
            Some(refusal(ErrorCode::Backpressure, Reason::Draining, 0, 0))
        } else {
            None
        };
        if let Some(refusal) = refused {
            self.refuse(c, frame, refusal);
            return TAKEN;
        }
        let len = payload.len() as u32;
        let (payload, source, kept) = match origin {
            Origin::Shared(buffer) => {
                self.buffers.lend(buffer, u64::from(len));
                (payload.as_ptr(), Source::Shared(buffer), false)
            }
            Origin::Slab(slab) => {
                self.places.lend(slab, len);
                (payload.as_ptr(), Source::Slab(slab), true)
            }
            Origin::Area => {
                // The area is needed for what comes next: the ingest agent gets a copy in the smallest slab.
                let waits = !self.resuming && !self.wants_slab.is_empty();
                let place = if waits {
                    None
                } else {
                    self.places.take(len, 0, || 0)
                };
                let Some(Place::Slab(slab)) = place else {
                    return Verdict::Blocked(Want::Slab(len));
                };
                let to = self.ends.slabs.at(slab);
                // SAFETY: the slab is ours, fresh from the pool, and has at least `len` bytes.
                unsafe { std::ptr::copy_nonoverlapping(payload.as_ptr(), to, len as usize) };
                self.places.lend(slab, len);
                (to.cast_const(), Source::Slab(slab), false)
            }
        };
        let now = self.now;
        let enqueued_mono_ns = self.clock.mono_ns();
        let conn = &mut self.connections[c as usize];
        let ticket = self.tickets.issue(
            &mut conn.window,
            InFlight {
                connection: Some(c),
                topic: frame.topic,
                batch_id: frame.batch_id,
                received_ns: now.mono_ns,
                outcome: Outcome::Waiting,
            },
        );
        let sent = self.ends.to_ingest.push(IngestFrame {
            ticket,
            topic: frame.topic,
            payload,
            len,
            checksum: frame.payload_checksum,
            kind: conn.checksum_kind(),
            compressed: frame.flags & flag::COMPRESSED != 0,
            records: frame.record_count,
            producer_ns: frame.timestamp_ns,
            received_ns: now.wall_ns,
            enqueued_mono_ns,
            complete_mono_ns: now.mono_ns,
            source,
        });
        assert!(sent.is_ok(), "room was seen in ingest_want");
        self.inflight_bytes += u64::from(len);
        self.told.ingest = true;
        let counters = &self.ends.counters;
        counters.ingest_frames.inc();
        counters
            .receive_enqueue
            .record(enqueued_mono_ns.saturating_sub(now.mono_ns));
        Verdict::Taken { kept }
    }

    /// What an ingest of `len` bytes lacks, if anything.
    fn ingest_want(&self, c: u32, len: u64) -> Option<Want> {
        let conn = &self.connections[c as usize];
        if conn.window.len() >= self.window_frames() {
            return Some(Want::Window);
        }
        let over =
            self.inflight_bytes > 0 && self.inflight_bytes + len > self.limits.inflight_bytes;
        let behind = !self.resuming && !self.wants_ingest.is_empty();
        if over || behind || self.tickets.room() == 0 || self.ends.to_ingest.room() == 0 {
            return Some(Want::Ingest);
        }
        None
    }

    /// Frames in flight that one connection may have: no one takes the whole window.
    fn window_frames(&self) -> u32 {
        (self.limits.inflight_frames / 16).max(1)
    }

    /// 0x05, if the payload is not what the header says.
    pub(super) fn checksum_refusal(
        &self,
        c: u32,
        frame: &Header,
        payload: &[u8],
    ) -> Option<Refusal> {
        if payload.is_empty() {
            return None;
        }
        let found = checksum(self.connections[c as usize].checksum_kind(), payload);
        if found == frame.payload_checksum {
            return None;
        }
        self.ends.counters.bad_payload_checksum.inc();
        Some(refusal(
            ErrorCode::Checksum,
            Reason::ChecksumMismatch,
            u64::from(frame.payload_checksum),
            u64::from(found),
        ))
    }

    /// What a refusal of this frame lacks, if anything: it takes a place in the order of its kind.
    pub(super) fn refusal_want(&self, c: u32, frame: &Header) -> Option<Want> {
        let conn = &self.connections[c as usize];
        if frame.flags & flag::BATCH != 0 {
            if conn.window.len() >= self.window_frames() {
                return Some(Want::Window);
            }
            return (self.tickets.room() == 0).then_some(Want::Ingest);
        }
        self.request_want(c, order_of(frame))
    }

    /// Refuses a frame in its place in the order: an ingest among the acks, a command among the answers of its kind.
    pub(super) fn refuse(&mut self, c: u32, frame: &Header, refusal: Refusal) {
        let conn = &mut self.connections[c as usize];
        if frame.flags & flag::BATCH != 0 {
            self.tickets.issue(
                &mut conn.window,
                InFlight {
                    connection: Some(c),
                    topic: frame.topic,
                    batch_id: frame.batch_id,
                    received_ns: self.now.mono_ns,
                    outcome: Outcome::Refused(refusal),
                },
            );
            self.dirty.push(c);
            return;
        }
        let request = Request::new(c, order_of(frame), frame, Answer::Refused(refusal));
        self.requests.add(&mut conn.requests, request);
        self.dirty.push(c);
    }
}

/// In which order a frame that is no ingest is answered.
pub(super) fn order_of(frame: &Header) -> Order {
    if frame.flags != flag::CONTROL {
        Order::Engine
    } else if control::is_plane(frame.batch_id) {
        Order::Plane
    } else if control::is_wait(frame.batch_id) {
        Order::Wait
    } else {
        Order::Engine
    }
}

pub(super) fn refusal(code: ErrorCode, reason: Reason, value: u64, bound: u64) -> Refusal {
    Refusal {
        code,
        reason,
        value,
        bound,
    }
}
