//! Framing: where frames begin and end in what came, be it in shared buffers, the connection's own area or a slab.

use crate::lwp::header::{self, Header, HEADER};
use crate::ring::NetRing;

use super::agent::NetworkAgent;
use super::connection::{Place, Receiving, Want, IN_AREA};
use super::frames::{Origin, Verdict};

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
    /// Parses what came, frame by frame.
    #[inline]
    pub(super) fn advance<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) -> Progress {
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
#[inline]
pub(super) fn offset(at: *mut u8, bytes: usize) -> *mut u8 {
    at.wrapping_add(bytes)
}
