//! Receiving: shared buffers while frames are small, header first and then straight into a slab while they are large
//! (design.md, section 4). Nothing is received that has no place.

use crate::ring::{Completion, NetRing};

use super::agent::{kind, NetworkAgent};
use super::connection::{Place, Receiving, State, Want, IN_AREA};
use super::framing::{offset, Progress};

/// Small frames in a row that bring a connection back to shared buffers.
const SMALL_IN_A_ROW: u8 = 4;

impl NetworkAgent {
    pub(super) fn received_shared<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        c: u32,
        completion: &Completion,
    ) {
        if !completion.more {
            self.conn(c).receiving = Receiving::Not;
        }
        let result = completion.result;
        if let Some(buffer) = completion.buffer {
            let conn = &mut self.connections[c as usize];
            if result > 0 && conn.is_open() {
                self.ends.counters.bytes_in.add(result as u64);
                self.buffers.hold(&mut conn.held, buffer, result as u32);
            } else {
                ring.return_buffer(buffer);
            }
        }
        if result == -libc::ENOBUFS {
            // Others hold the shared buffers: go on with what is the connection's own.
            self.ends.counters.buffers_exhausted.inc();
            let conn = self.conn(c);
            conn.direct = true;
            conn.small_frames = 0;
        }
        self.after_receive(ring, c, result);
    }

    pub(super) fn received_area<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, result: i32) {
        let conn = self.conn(c);
        conn.receiving = Receiving::Not;
        if result > 0 && conn.is_open() {
            conn.area_len += result as u32;
            assert!(conn.area_len as usize <= IN_AREA);
            self.ends.counters.bytes_in.add(result as u64);
        }
        self.after_receive(ring, c, result);
    }

    pub(super) fn received_slab<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, result: i32) {
        let conn = self.conn(c);
        conn.receiving = Receiving::Not;
        if result > 0 && conn.is_open() {
            conn.got += result as u32;
            self.ends.counters.bytes_in.add(result as u64);
        }
        self.after_receive(ring, c, result);
    }

    fn after_receive<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, result: i32) {
        const GOES_ON: [i32; 4] = [
            -libc::ENOBUFS,
            -libc::ECANCELED,
            -libc::EAGAIN,
            -libc::EINTR,
        ];
        if self.conn(c).state == State::Closing {
            return self.try_finish(ring, c);
        }
        if result == 0 {
            self.conn(c).eof = true;
        } else if result < 0 && !GOES_ON.contains(&result) {
            return self.close(ring, c);
        }
        // While it is paused, what it sent waits for room; also an end of stream is minded when that is through.
        if self.conn(c).want == Want::Nothing {
            self.proceed(ring, c);
        }
    }

    /// Parses what came and asks for more, or leaves the connection unread for want of room.
    pub(super) fn proceed<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        match self.conn(c).state {
            State::Open => {}
            State::Finishing | State::Discarding(_) => return self.discard(ring, c),
            State::Free | State::Closing => return,
        }
        let was = std::mem::replace(&mut self.conn(c).want, Want::Nothing);
        match self.advance(ring, c) {
            Progress::NeedBytes => {
                if was != Want::Nothing {
                    self.ends.counters.paused.sub(1);
                }
                self.note_partial(c);
                self.ask(ring, c);
            }
            Progress::Blocked(want) => self.pause(ring, c, was, want),
            Progress::Over => {
                if was != Want::Nothing {
                    self.ends.counters.paused.sub(1);
                }
                self.discard(ring, c);
            }
        }
    }

    pub(super) fn cancel_shared<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        if self.conn(c).receiving != (Receiving::Shared { cancelled: false }) {
            return;
        }
        let conn = self.conn(c);
        conn.receiving = Receiving::Shared { cancelled: true };
        conn.cancels += 1;
        let (target, token) = (
            self.token(kind::RECV_SHARED, c),
            self.token(kind::CANCEL, c),
        );
        ring.cancel(target, token);
    }

    /// Starts the clock of a frame that is not complete, or stops it.
    pub(super) fn note_partial(&mut self, c: u32) {
        let now = self.now.mono_ns;
        let timeout = self.limits.frame_timeout_ns;
        let conn = self.conn(c);
        if !conn.has_partial() {
            conn.began_ns = 0;
        } else if conn.began_ns == 0 {
            conn.began_ns = now;
            self.check_at(now + timeout);
        }
    }

    /// Asks for the bytes that come next, into where they belong.
    fn ask<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let area = self.areas.input(c);
        let recv_buffer = ring.recv_buffer_len();
        let conn = &mut self.connections[c as usize];
        if conn.eof {
            return self.finish(ring, c);
        }
        if conn.receiving != Receiving::Not {
            // A large frame leaves the shared buffers: what still arrives in them is copied, the rest comes straight.
            if conn.direct {
                self.cancel_shared(ring, c);
            }
            return;
        }
        let socket = conn.socket;
        if let (Place::Slab(slab), Some(frame)) = (conn.place, conn.frame) {
            let missing = frame.payload_len - conn.got;
            assert!(frame.payload_len <= self.ends.slabs.bytes(slab));
            conn.receiving = Receiving::Slab;
            let to = offset(self.ends.slabs.at(slab), conn.got as usize);
            let token = self.token(kind::RECV_SLAB, c);
            // SAFETY: the connection owns the slab until the operation completes; `to..to+missing` is inside it.
            unsafe { ring.recv_into(socket, to, missing, true, token) };
            return;
        }
        if conn.direct && conn.small_frames >= SMALL_IN_A_ROW && recv_buffer > 0 {
            conn.direct = false;
        }
        if conn.direct {
            let room = IN_AREA as u32 - conn.area_len;
            assert!(room > 0, "a full area holds a whole frame or has a slab");
            conn.receiving = Receiving::Area;
            // SAFETY: area_len < IN_AREA.
            let to = unsafe { area.add(conn.area_len as usize) };
            let token = self.token(kind::RECV_AREA, c);
            // SAFETY: the rest of the connection's own area, untouched until the operation completes.
            unsafe { ring.recv_into(socket, to, room, false, token) };
        } else {
            conn.receiving = Receiving::Shared { cancelled: false };
            let token = self.token(kind::RECV_SHARED, c);
            ring.recv_shared(socket, true, token);
        }
    }
}
