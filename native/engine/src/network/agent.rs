//! The network agent itself: its duty cycle and where completions go.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::Arc;

use crate::agent::{Agent, Cx};
use crate::clock::{Clock, Now};
use crate::limits::Limits;
use crate::messages::{FromIngest, FromIo, Source, ToIo};
use crate::ring::{Completion, NetRing, Token, WakeRing};

use super::buffers::SharedBuffers;
use super::chunks::Chunks;
use super::connection::{Areas, Connection};
use super::control_plane::{ControlSlots, CONTROL_SLOTS};
use super::inflight::{Outcome, Tickets};
use super::links::Queue;
use super::pins::Pins;
use super::places::Places;
use super::requests::Requests;
use super::{NetworkConfig, NetworkEnds};

/// Kinds of operations, as the tokens carry them.
pub mod kind {
    pub const ACCEPT: u8 = 1;
    pub const RECV_SHARED: u8 = 2;
    pub const RECV_AREA: u8 = 3;
    pub const RECV_SLAB: u8 = 4;
    pub const SEND: u8 = 5;
    pub const CANCEL: u8 = 6;
    pub const CANCEL_ACCEPT: u8 = 7;
}

/// Connections beyond the limit that are told so; what comes beyond them is closed without a word.
pub const TURNED_AWAY: u32 = 64;
/// Control requests under way of all connections, waiting fetches apart.
const ORDERED_REQUESTS: u32 = 8192;
/// How soon peers that do not read are looked for when memory is short.
const SHORT_LOOK_NS: u64 = 100_000_000;
/// While others' queues are full, they are looked at again so often: who empties one need not tell.
const FULL_LOOK_NS: u64 = 1_000_000;
/// Messages taken from one queue in one duty cycle.
const BURST: usize = 1024;
/// How long the io agent's word counts that fetches wait for memory.
const SHORT_NS: u64 = 300_000_000;

/// A listening socket.
pub(super) struct Listening {
    pub socket: RawFd,
    pub accepting: bool,
    /// A drain has begun.
    pub cancelled: bool,
    /// After an error: when to try again, monotonic ns.
    pub retry_ns: u64,
}

/// Accepts, receives, parses LWP, checks, answers, sends. One a node.
pub struct NetworkAgent {
    pub(super) agent: u8,
    pub(super) limits: Limits,
    pub(super) listeners: Vec<Listening>,
    pub(super) ends: NetworkEnds,
    pub(super) now: Now,
    pub(super) clock: Arc<dyn Clock>,

    pub(super) connections: Vec<Connection>,
    pub(super) free: Vec<u32>,
    /// Every connection that has a place, for the deadlines.
    pub(super) live: Queue,
    pub(super) areas: Areas,
    pub(super) chunks: Chunks,
    pub(super) buffers: SharedBuffers,
    pub(super) places: Places,
    pub(super) tickets: Tickets,
    pub(super) requests: Requests,
    pub(super) pins: Pins,
    pub(super) slots: Arc<ControlSlots>,
    pub(super) free_slots: Vec<u16>,

    /// Connections with something to send.
    pub(super) dirty: Queue,
    /// Connections that are not read, by what they want, in the order in which they began to want it.
    pub(super) wants_ingest: Queue,
    pub(super) wants_io: Queue,
    pub(super) wants_plane: Queue,
    pub(super) wants_slab: Queue,
    /// The one being resumed stands before those who wait.
    pub(super) resuming: bool,
    /// When the line for slabs is next looked at, monotonic ns; a slab that comes back brings it forward.
    pub(super) slab_look_ns: u64,
    pub(super) frames_taken: u64,

    /// For the io agent, when its queue was full: what must not be lost.
    pub(super) owed_to_io: VecDeque<ToIo>,
    pub(super) inflight_bytes: u64,
    /// Response slabs in our hands.
    pub(super) responses: u32,
    /// Until then the io agent's word counts that fetches wait for memory, monotonic ns.
    pub(super) short_until_ns: u64,
    /// When deadlines are next looked at, monotonic ns.
    pub(super) next_check_ns: u64,
    pub(super) bad_peer_ns: u64,
    pub(super) bad_peers_unreported: u64,
    pub(super) limit_report_ns: u64,
    pub(super) told: Told,
}

/// Whom the duty cycle gave work.
#[derive(Clone, Copy, Default)]
pub(super) struct Told {
    pub ingest: bool,
    pub io: bool,
    pub control: bool,
}

impl NetworkAgent {
    /// Allocates everything that it will ever use.
    #[must_use]
    pub fn new(config: NetworkConfig, mut ends: NetworkEnds) -> Self {
        let limits = config.limits;
        let count = limits.connections + TURNED_AWAY;
        let pool = std::mem::replace(&mut ends.frames, crate::memory::Pool::empty());
        let regular = limits.frame_classes();
        let regular = regular
            .iter()
            .filter(|class| class.backing == crate::memory::Backing::Start);
        let largest = regular.map(|class| class.bytes).max().unwrap_or(0);
        let places = Places::new(pool, &ends.slabs, largest);
        let response_slabs: u32 = limits.response_slabs.iter().sum::<u32>() + limits.jumbo_slabs;
        let owed = (limits.waiters + response_slabs) as usize;
        Self {
            agent: config.agent,
            listeners: config
                .listeners
                .iter()
                .map(|&socket| Listening {
                    socket,
                    accepting: false,
                    cancelled: false,
                    retry_ns: 0,
                })
                .collect(),
            now: Now::default(),
            clock: config.clock,
            connections: (0..count).map(|_| Connection::free()).collect(),
            free: (0..count).rev().collect(),
            live: Queue::new(count as usize),
            areas: Areas::new(count as usize),
            chunks: Chunks::new(),
            buffers: SharedBuffers::new(limits.recv_buffers),
            places,
            tickets: Tickets::new(limits.inflight_frames),
            requests: Requests::new(ORDERED_REQUESTS, limits.waiters),
            pins: Pins::new(2 * limits.connections),
            slots: ControlSlots::new(),
            free_slots: (0..CONTROL_SLOTS as u16).rev().collect(),
            dirty: Queue::new(count as usize),
            wants_ingest: Queue::new(count as usize),
            wants_io: Queue::new(count as usize),
            wants_plane: Queue::new(count as usize),
            wants_slab: Queue::new(count as usize),
            resuming: false,
            slab_look_ns: 0,
            frames_taken: 0,
            owed_to_io: VecDeque::with_capacity(owed),
            inflight_bytes: 0,
            responses: 0,
            short_until_ns: 0,
            next_check_ns: u64::MAX,
            bad_peer_ns: 0,
            bad_peers_unreported: 0,
            limit_report_ns: 0,
            told: Told::default(),
            limits,
            ends,
        }
    }

    pub(super) fn conn(&mut self, c: u32) -> &mut Connection {
        &mut self.connections[c as usize]
    }
    pub(super) fn token(&self, kind: u8, id: u32) -> Token {
        Token::new(self.agent, kind, u64::from(id))
    }

    /// Sends to the io agent what must arrive, now or as soon as there is room.
    pub(super) fn tell_io(&mut self, message: ToIo) {
        self.told.io = true;
        if self.owed_to_io.is_empty() {
            if let Err(message) = self.ends.to_io.push(message) {
                self.owed_to_io.push_back(message);
            }
        } else {
            self.owed_to_io.push_back(message);
        }
    }
    pub(super) fn io_room(&self) -> bool {
        self.owed_to_io.is_empty() && self.ends.to_io.room() > 0
    }

    fn pay_io(&mut self) {
        while let Some(&message) = self.owed_to_io.front() {
            if self.ends.to_io.push(message).is_err() {
                return;
            }
            self.owed_to_io.pop_front();
            self.told.io = true;
        }
    }

    fn take_from_ingest<R: NetRing + ?Sized>(&mut self, ring: &mut R) -> usize {
        let mut done = 0;
        while done < BURST {
            match self.ends.from_ingest.pop() {
                Some(FromIngest::Consumed(source)) => self.consumed(ring, source),
                Some(FromIngest::Refused { ticket, refusal }) => {
                    self.settle(ticket, Outcome::Refused(refusal));
                }
                None => break,
            }
            done += 1;
        }
        done
    }

    fn consumed<R: NetRing + ?Sized>(&mut self, ring: &mut R, source: Source) {
        let bytes = match source {
            Source::Shared(buffer) => self.buffers.give_back(ring, buffer),
            Source::Slab(slab) => {
                self.slab_look_ns = 0;
                self.places.give_back(&self.ends.slabs, slab)
            }
        };
        self.inflight_bytes -= bytes;
    }

    fn settle(&mut self, ticket: crate::messages::Ticket, outcome: Outcome) {
        if let Some(c) = self.tickets.settle(ticket, outcome) {
            self.dirty.push(c);
        }
    }

    fn take_from_io(&mut self) -> usize {
        let mut done = 0;
        while done < BURST {
            let Some(message) = self.ends.from_io.pop() else {
                break;
            };
            done += 1;
            match message {
                FromIo::Acked { ticket, stable_ns } => {
                    self.settle(ticket, Outcome::Acked { stable_ns });
                }
                FromIo::Failed { ticket, refusal } => {
                    self.settle(ticket, Outcome::Refused(refusal));
                }
                FromIo::Short => {
                    self.short_until_ns = self.now.mono_ns + SHORT_NS;
                    self.check_at(self.now.mono_ns);
                }
                answer => self.answered_by_io(&answer),
            }
        }
        done
    }

    fn flush_dirty<R: NetRing + ?Sized>(&mut self, ring: &mut R) -> usize {
        let mut done = 0;
        for _ in 0..self.dirty.len() {
            let Some(c) = self.dirty.pop() else { break };
            self.flush(ring, c);
            done += 1;
        }
        done
    }

    fn wake_others<R: WakeRing + ?Sized>(&mut self, ring: &mut R) {
        let told = std::mem::take(&mut self.told);
        let wakes = [
            (told.ingest, &self.ends.wake_ingest),
            (told.io, &self.ends.wake_io),
            (told.control, &self.ends.wake_control),
        ];
        for (told, wake) in wakes {
            if let (true, Some(wake)) = (told, wake) {
                wake.notify(ring);
            }
        }
    }

    fn publish(&self) {
        let counters = &self.ends.counters;
        counters
            .inflight_frames
            .set(self.tickets.in_flight() as u64);
        counters.inflight_bytes.set(self.inflight_bytes);
        counters.buffers_lent.set(u64::from(self.buffers.lent()));
        for (gauge, (_, count, free)) in counters.slabs_used.iter().zip(self.places.usage()) {
            gauge.set(u64::from(count - free));
        }
    }
}

impl<R: NetRing + WakeRing + ?Sized> Agent<R> for NetworkAgent {
    fn name(&self) -> &'static str {
        "network"
    }

    fn do_work(&mut self, cx: &mut Cx<'_, R>) -> usize {
        self.now = cx.now;
        self.ends.from_ingest.measure();
        self.ends.from_io.measure();
        let ring = &mut *cx.ring;
        let mut done = self.mind_listeners(ring);
        done += self.take_from_ingest(ring);
        done += self.take_from_io();
        done += self.take_from_control();
        self.pay_io();
        done += self.resume(ring);
        if self.is_short() {
            self.check_at(self.now.mono_ns + SHORT_LOOK_NS);
        }
        if self.now.mono_ns >= self.next_check_ns {
            self.check_deadlines(ring);
        }
        done += self.flush_dirty(ring);
        self.mind_drain(ring);
        self.wake_others(ring);
        if done > 0 {
            self.publish();
        }
        done
    }

    fn on_completion(&mut self, cx: &mut Cx<'_, R>, completion: Completion) {
        self.now = cx.now;
        let ring = &mut *cx.ring;
        let id = completion.token.id() as u32;
        match completion.token.kind() {
            kind::ACCEPT => self.accepted(ring, id, &completion),
            kind::RECV_SHARED => self.received_shared(ring, id, &completion),
            kind::RECV_AREA => self.received_area(ring, id, completion.result),
            kind::RECV_SLAB => self.received_slab(ring, id, completion.result),
            kind::SEND => self.sent(ring, id, completion.result),
            kind::CANCEL => {
                self.conn(id).cancels -= 1;
                self.try_finish(ring, id);
            }
            kind::CANCEL_ACCEPT => {}
            other => unreachable!("no operation of kind {other} is submitted"),
        }
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        let slabs = (!self.wants_slab.is_empty()).then_some(self.slab_look_ns);
        let full = !self.owed_to_io.is_empty()
            || !self.wants_ingest.is_empty()
            || !self.wants_io.is_empty()
            || !self.wants_plane.is_empty();
        let full = full.then_some(self.now.mono_ns + FULL_LOOK_NS);
        let check = Some(self.next_check_ns).filter(|&at| at != u64::MAX);
        slabs.into_iter().chain(full).chain(check).min()
    }
}
