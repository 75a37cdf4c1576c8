//! Receiving: shared buffers while frames are small, header first and then straight into a slab while they are large
//! (design.md, section 4). Nothing is received that has no place.

use crate::lwp::header::{self, Header, HEADER};
use crate::ring::{Completion, NetRing};

use super::agent::{kind, NetworkAgent};
use super::connection::{Place, Receiving, State, Want, IN_AREA};
use super::frames::{Origin, Verdict};

/// Small frames in a row that bring a connection back to shared buffers.
const SMALL_IN_A_ROW: u8 = 4;

/// How far parsing came.
pub(super) enum Progress {
    /// Everything that came is parsed.
    NeedBytes,
    /// The next frame has no room.
    Blocked(Want),
    /// The connection takes no frames any more.
    Over,
}

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

    fn pause<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, was: Want, want: Want) {
        let counters = &self.ends.counters;
        if was == Want::Nothing {
            counters.pauses.inc();
            counters.paused.add(1);
            let conn = &mut self.connections[c as usize];
            if conn.hello && want != Want::Window {
                conn.backpressure_due = true;
                self.dirty.push(c);
            }
        }
        self.conn(c).want = want;
        if matches!(want, Want::Slab(_)) {
            self.note_partial(c);
        } else {
            self.conn(c).began_ns = 0; // it is us who do not read
        }
        if std::mem::discriminant(&was) != std::mem::discriminant(&want) {
            if let Some(queue) = self.queue_of(was) {
                queue.remove(c);
            }
        }
        if let Some(queue) = self.queue_of(want) {
            queue.push(c);
        }
        self.cancel_shared(ring, c);
    }

    fn cancel_shared<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
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
    fn note_partial(&mut self, c: u32) {
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

    /// Parses what came, frame by frame.
    fn advance<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) -> Progress {
        loop {
            let conn = &self.connections[c as usize];
            let step = if conn.place != Place::Area {
                self.advance_slab(ring, c)
            } else if conn.area_len > 0 {
                self.advance_area(ring, c)
            } else if !conn.held.is_empty() {
                self.advance_shared(ring, c)
            } else {
                return Progress::NeedBytes;
            };
            if let Some(progress) = step {
                return progress;
            }
        }
    }

    /// Copies unparsed shared bytes, at most `most`, to `to`. Returns how many.
    ///
    /// # Safety
    /// `to..to+most` belongs to the connection and nothing is under way in it.
    unsafe fn pull<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        c: u32,
        to: *mut u8,
        most: u32,
    ) -> u32 {
        let conn = &mut self.connections[c as usize];
        let Some((buffer, at, len)) = self.buffers.front(&conn.held) else {
            return 0;
        };
        let len = len.min(most);
        // SAFETY: the buffer is lent to us and holds at least at + len bytes; `to` has room for them (see above).
        unsafe {
            let from = ring.recv_buffer(buffer).add(at as usize);
            std::ptr::copy_nonoverlapping(from, to, len as usize);
        }
        self.buffers.consume(ring, &mut conn.held, len);
        len
    }

    /// The frame under way has a slab.
    fn advance_slab<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) -> Option<Progress> {
        let conn = &self.connections[c as usize];
        let frame = conn.frame.expect("a slab is taken for a frame");
        let Place::Slab(slab) = conn.place else {
            return None;
        };
        let payload = self.ends.slabs.at(slab);
        let missing = frame.payload_len - conn.got;
        if missing > 0 {
            if conn.held.is_empty() || conn.receiving == Receiving::Slab {
                return Some(Progress::NeedBytes);
            }
            let to = offset(payload, conn.got as usize);
            // SAFETY: the slab has room for the whole payload and nothing is being received into it.
            let pulled = unsafe { self.pull(ring, c, to, missing) };
            self.conn(c).got += pulled;
            return None;
        }
        // SAFETY: payload_len bytes have been received there, and the slab is this connection's.
        let bytes = unsafe { std::slice::from_raw_parts(payload, frame.payload_len as usize) };
        match self.judge(c, &frame, bytes, Origin::Slab(slab)) {
            Verdict::Taken { kept } => {
                let conn = self.conn(c);
                conn.place = Place::Area;
                conn.frame = None;
                conn.got = 0;
                if !kept {
                    self.places.put(&self.ends.slabs, slab);
                    self.slab_look_ns = 0;
                }
                self.frame_is_through(ring, c, &frame);
                None
            }
            Verdict::Blocked(want) => Some(Progress::Blocked(want)),
        }
    }

    /// A frame begins in the connection's own area.
    fn advance_area<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) -> Option<Progress> {
        let area = self.areas.input(c);
        let have = self.conn(c).area_len;
        if have < HEADER as u32 {
            // SAFETY: the area is IN_AREA long, and in this mode nothing is being received into it.
            let pulled =
                unsafe { self.pull(ring, c, area.add(have as usize), HEADER as u32 - have) };
            self.conn(c).area_len += pulled;
            // SAFETY: the first area_len bytes of the area are received.
            let front = unsafe { std::slice::from_raw_parts(area, (have + pulled) as usize) };
            if !header::magic_holds(front) {
                self.broken(ring, c, header::Broken::Magic);
                return Some(Progress::Over);
            }
            return (pulled == 0).then_some(Progress::NeedBytes);
        }
        if self.conn(c).frame.is_none() {
            // SAFETY: at least HEADER bytes of the area are received.
            let front = unsafe { &*area.cast::<[u8; HEADER]>() };
            match self.header(ring, c, front) {
                Some(frame) => self.conn(c).frame = Some(frame),
                None => return Some(Progress::Over),
            }
        }
        let frame = self.conn(c).frame.expect("just decoded");
        let total = HEADER as u32 + frame.payload_len;
        if total as usize > IN_AREA {
            let there = have - HEADER as u32;
            let from = offset(area, HEADER);
            let behind = self.buffers.bytes(&self.connections[c as usize].held);
            if let Err(progress) = self.begin_slab(ring, c, &frame, (from, there), behind) {
                return Some(progress);
            }
            self.conn(c).area_len = 0;
            return None;
        }
        if have < total {
            // SAFETY: total <= IN_AREA, and nothing is being received into the area.
            let pulled = unsafe { self.pull(ring, c, area.add(have as usize), total - have) };
            self.conn(c).area_len += pulled;
            return (pulled == 0).then_some(Progress::NeedBytes);
        }
        // SAFETY: the frame's bytes are in the area, and nothing is being received into them.
        let bytes =
            unsafe { std::slice::from_raw_parts(area.add(HEADER), frame.payload_len as usize) };
        match self.judge(c, &frame, bytes, Origin::Area) {
            Verdict::Taken { .. } => {
                let conn = self.conn(c);
                conn.frame = None;
                conn.area_len -= total;
                let rest = conn.area_len as usize;
                // SAFETY: both ranges are inside the area; they may overlap.
                unsafe { std::ptr::copy(area.add(total as usize), area, rest) };
                self.frame_is_through(ring, c, &frame);
                None
            }
            Verdict::Blocked(want) => Some(Progress::Blocked(want)),
        }
    }

    /// A frame begins in a shared buffer.
    fn advance_shared<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) -> Option<Progress> {
        let (buffer, at, len) = self
            .buffers
            .front(&self.connections[c as usize].held)
            .expect("the caller saw bytes");
        if len < HEADER as u32 {
            let to = self.areas.input(c);
            // SAFETY: the area is empty and longer than a header; nothing is being received into it.
            let pulled = unsafe { self.pull(ring, c, to, len) };
            self.conn(c).area_len = pulled;
            return None;
        }
        // SAFETY: the buffer is lent to us until it is given back, which outlives this call's use of it.
        let bytes = unsafe {
            std::slice::from_raw_parts(ring.recv_buffer(buffer).add(at as usize), len as usize)
        };
        let (front, rest) = bytes.split_first_chunk::<HEADER>()?;
        let Some(frame) = self.header(ring, c, front) else {
            return Some(Progress::Over);
        };
        let total = HEADER as u32 + frame.payload_len;
        let Some(payload) = rest.get(..frame.payload_len as usize) else {
            if total as usize <= IN_AREA {
                let to = self.areas.input(c);
                // SAFETY: len < total <= IN_AREA; the area is empty.
                let pulled = unsafe { self.pull(ring, c, to, len) };
                let conn = self.conn(c);
                conn.area_len = pulled;
                conn.frame = Some(frame);
                return None;
            }
            let there = (rest.as_ptr(), rest.len() as u32);
            let behind = self.buffers.bytes(&self.connections[c as usize].held) - len;
            if let Err(progress) = self.begin_slab(ring, c, &frame, there, behind) {
                return Some(progress);
            }
            let conn = &mut self.connections[c as usize];
            self.buffers.consume(ring, &mut conn.held, len);
            return None;
        };
        match self.judge(c, &frame, payload, Origin::Shared(buffer)) {
            Verdict::Taken { .. } => {
                let conn = &mut self.connections[c as usize];
                self.buffers.consume(ring, &mut conn.held, total);
                self.frame_is_through(ring, c, &frame);
                None
            }
            Verdict::Blocked(want) => Some(Progress::Blocked(want)),
        }
    }

    /// Takes a slab for a frame whose payload begins with the bytes `there`, and copies them. `behind` more bytes are
    /// held in shared buffers: they have arrived, though the socket does not tell of them any more.
    fn begin_slab<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        c: u32,
        frame: &Header,
        (from, there): (*const u8, u32),
        behind: u32,
    ) -> Result<(), Progress> {
        let large = HEADER as u32 + frame.payload_len > ring.recv_buffer_len() / 2;
        let conn = &mut self.connections[c as usize];
        if large {
            conn.direct = true;
            conn.small_frames = 0;
        }
        let want = Want::Slab(frame.payload_len);
        if !self.resuming && !self.wants_slab.is_empty() {
            return Err(Progress::Blocked(want));
        }
        let socket = conn.socket;
        let missing = frame.payload_len - there;
        let place = self
            .places
            .take(frame.payload_len, missing, || {
                ring.readable(socket).saturating_add(behind)
            })
            .ok_or_else(|| {
                if !self.resuming {
                    self.ends.counters.slabs_exhausted.inc();
                }
                Progress::Blocked(want)
            })?;
        let Place::Slab(slab) = place else {
            unreachable!("places are slabs");
        };
        let at = self.ends.slabs.at(slab);
        // SAFETY: the slab has room for the payload, of which `there` bytes are at `from`; the memory is distinct.
        unsafe { std::ptr::copy_nonoverlapping(from, at, there as usize) };
        conn.frame = Some(*frame);
        conn.place = place;
        conn.got = there;
        Ok(())
    }

    /// A frame is taken: the connection has spoken, and its clocks start anew.
    fn frame_is_through<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32, frame: &Header) {
        let small = HEADER as u32 + frame.payload_len <= ring.recv_buffer_len() / 2;
        let now = self.now.mono_ns;
        self.frames_taken += 1;
        self.ends.counters.frames_in.inc();
        let conn = self.conn(c);
        conn.spoke = true;
        conn.last_ns = now;
        conn.began_ns = 0;
        conn.small_frames = if small {
            conn.small_frames.saturating_add(1)
        } else {
            0
        };
    }
}

/// An address inside a slab or area; whoever dereferences it says why it may.
fn offset(at: *mut u8, bytes: usize) -> *mut u8 {
    at.wrapping_add(bytes)
}
