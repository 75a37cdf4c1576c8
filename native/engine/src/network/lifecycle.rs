//! Connections come and go: accepting, finishing after the peer, throwing away, closing, draining.

use std::os::fd::RawFd;

use crate::messages::ToIo;
use crate::node::LogEvent;
use crate::ring::{Completion, NetRing};

use super::agent::{kind, NetworkAgent};
use super::connection::{Connection, Place, Receiving, State, Want, IN_AREA};
use super::listen::peer_of;

/// After an accept that failed (no descriptors, no memory): when to try again.
const ACCEPT_RETRY_NS: u64 = 100_000_000;

impl NetworkAgent {
    /// Asks for connections where that is not under way; stops it in a drain.
    pub(super) fn mind_listeners<R: NetRing + ?Sized>(&mut self, ring: &mut R) -> usize {
        let draining = self.ends.drain.draining();
        let mut done = 0;
        for i in 0..self.listeners.len() {
            let (token, cancel) = (
                self.token(kind::ACCEPT, i as u32),
                self.token(kind::CANCEL_ACCEPT, i as u32),
            );
            let now = self.now.mono_ns;
            let listener = &mut self.listeners[i];
            if draining {
                if std::mem::replace(&mut listener.cancelled, true) || !listener.accepting {
                    continue;
                }
                ring.cancel(token, cancel);
                done += 1;
            } else if !listener.accepting && now >= listener.retry_ns {
                listener.accepting = true;
                ring.accept(listener.socket, token);
                done += 1;
            }
        }
        done
    }

    pub(super) fn accepted<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        listener: u32,
        completion: &Completion,
    ) {
        let now = self.now.mono_ns;
        if !completion.more {
            self.listeners[listener as usize].accepting = false;
        }
        if completion.result < 0 {
            if !completion.more {
                let retry = now + ACCEPT_RETRY_NS;
                self.listeners[listener as usize].retry_ns = retry;
                self.check_at(retry);
            }
            return;
        }
        let socket = completion.result;
        if self.ends.drain.draining() {
            ring.close(socket);
            return;
        }
        self.ends.counters.accepted.inc();
        let refused = self.live.len() >= self.limits.connections;
        if refused {
            self.turn_away(socket);
        }
        let Some(c) = self.free.pop() else {
            ring.close(socket);
            return;
        };
        let mut connection = Connection::open(socket, now);
        connection.refused = refused;
        self.connections[c as usize] = connection;
        self.live.push(c);
        self.ends.counters.open.set(u64::from(self.live.len()));
        self.check_at(now + self.limits.frame_timeout_ns);
        if self.limits.idle_timeout_ns > 0 {
            self.check_at(now + self.limits.idle_timeout_ns);
        }
        self.proceed(ring, c);
    }

    fn turn_away(&mut self, socket: RawFd) {
        self.ends.counters.refused.inc();
        if self.now.mono_ns < self.limit_report_ns {
            return;
        }
        if let Some(peer) = peer_of(socket) {
            self.limit_report_ns = self.now.mono_ns + 1_000_000_000;
            let limit = self.limits.connections;
            self.log(LogEvent::ConnectionLimit { peer, limit });
        }
    }

    /// The peer sends nothing more: what is owed goes out, then the connection is closed.
    pub(super) fn finish<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        self.conn(c).state = State::Finishing;
        // It asked to wait for what may never come, and it may be gone altogether.
        loop {
            let conn = &mut self.connections[c as usize];
            let Some(request) = self.requests.orphan_wait(&mut conn.requests) else {
                break;
            };
            self.tell_io(ToIo::Forget(request));
        }
        self.discard(ring, c);
    }

    /// Throws away what was received, and in the last second of a connection what still comes.
    pub(super) fn discard<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let area = self.areas.input(c);
        let conn = &mut self.connections[c as usize];
        self.buffers.drop_all(ring, &mut conn.held);
        conn.area_len = 0;
        conn.frame = None;
        conn.began_ns = 0;
        if conn.receiving != Receiving::Slab {
            self.put_place(c);
        }
        let conn = self.conn(c);
        match conn.state {
            State::Discarding(_) if conn.receiving == Receiving::Not && !conn.eof => {
                conn.receiving = Receiving::Area;
                let socket = conn.socket;
                let token = self.token(kind::RECV_AREA, c);
                // SAFETY: the connection's own area, in which nothing else is under way.
                unsafe { ring.recv_into(socket, area, IN_AREA as u32, false, token) };
            }
            State::Finishing | State::Discarding(_) => self.dirty.push(c),
            _ => {}
        }
    }

    /// Nothing is owed any more to a peer that was told its error or sends no more.
    pub(super) fn farewell<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let conn = self.conn(c);
        let throws_away = matches!(conn.state, State::Discarding(_)) && !conn.eof;
        if !throws_away {
            self.close(ring, c);
        }
    }

    /// Gives up a connection: nothing more is sent, what others hold of it is given back as it comes.
    pub(super) fn close<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let conn = &mut self.connections[c as usize];
        if matches!(conn.state, State::Closing | State::Free) {
            return;
        }
        conn.state = State::Closing;
        let want = std::mem::replace(&mut conn.want, Want::Nothing);
        if want != Want::Nothing {
            self.ends.counters.paused.sub(1);
        }
        if let Some(queue) = self.queue_of(want) {
            queue.remove(c);
        }
        self.dirty.remove(c);
        let conn = &mut self.connections[c as usize];
        self.tickets.orphan(&mut conn.window);
        self.pins.drop_all(&mut conn.pins);
        self.buffers.drop_all(ring, &mut conn.held);
        loop {
            let conn = &mut self.connections[c as usize];
            let Some((request, waits, answer)) = self.requests.orphan(&mut conn.requests) else {
                break;
            };
            if waits {
                self.tell_io(ToIo::Forget(request));
            }
            self.drop_answer(answer);
        }
        let socket = self.conn(c).socket;
        ring.shutdown(socket);
        self.try_finish(ring, c);
    }

    /// Frees the place of a closed connection when no operation refers to it any more.
    pub(super) fn try_finish<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let conn = &self.connections[c as usize];
        if conn.state != State::Closing || conn.is_busy() {
            return;
        }
        ring.close(conn.socket);
        self.put_place(c);
        *self.conn(c) = Connection::free();
        self.live.remove(c);
        self.free.push(c);
        self.ends.counters.closed.inc();
        self.ends.counters.open.set(u64::from(self.live.len()));
    }

    /// Gives back the slab of a frame that was not whole.
    fn put_place(&mut self, c: u32) {
        let conn = self.conn(c);
        conn.got = 0;
        if let Place::Slab(slab) = conn.place {
            conn.place = Place::Area;
            self.places.put(&self.ends.slabs, slab);
            self.slab_look_ns = 0;
        }
    }

    /// Says how far a drain is, and closes what is owed nothing when told to.
    pub(super) fn mind_drain<R: NetRing + ?Sized>(&mut self, ring: &mut R) {
        if !self.ends.drain.draining() {
            return;
        }
        let mut sending = false;
        let mut next = self.live.front();
        while let Some(c) = next {
            next = self.live.next(c);
            let conn = &self.connections[c as usize];
            let busy = conn.state != State::Closing && conn.owes();
            sending |= busy;
            if self.ends.drain.closing() && !busy {
                self.close(ring, c);
            }
        }
        let finished = self.tickets.in_flight() == 0 && !sending;
        let closed = self.live.is_empty();
        if self.ends.drain.report(finished, closed) {
            self.told.control = true;
        }
    }
}
