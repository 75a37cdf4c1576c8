//! Backpressure: connections that are not read for want of room, the lines they wait in, and who goes on first.

use crate::ring::NetRing;

use super::agent::NetworkAgent;
use super::connection::Want;
use super::links::Queue;

/// How often the line for slabs is looked at while none comes back: a peer may have sent more meanwhile.
const SLAB_LOOK_NS: u64 = 1_000_000;

impl NetworkAgent {
    /// Leaves a connection unread until it gets what it wants, in the line for that.
    pub(super) fn pause<R: NetRing + ?Sized>(
        &mut self,
        ring: &mut R,
        c: u32,
        was: Want,
        want: Want,
    ) {
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

    /// Lets connections on whose wants can be met, in the order in which they began to want it.
    pub(super) fn resume<R: NetRing + ?Sized>(&mut self, ring: &mut R) -> usize {
        let before = self.frames_taken;
        for want in [Want::Ingest, Want::Io, Want::Plane] {
            for _ in 0..self.queue_of(want).map_or(0, |queue| queue.len()) {
                let Some(c) = self.queue_of(want).and_then(|queue| queue.front()) else {
                    break;
                };
                let taken = self.frames_taken;
                self.resume_one(ring, c);
                let still = self.conn(c).want == want;
                if still && self.frames_taken == taken {
                    break;
                }
                if let Some(queue) = self.queue_of(want) {
                    queue.remove(c);
                    if still {
                        queue.push(c);
                    }
                }
            }
        }
        self.resume_slabs(ring);
        (self.frames_taken - before) as usize
    }

    /// Slabs go to the first in line that can fill one; a few of the line are looked at.
    fn resume_slabs<R: NetRing + ?Sized>(&mut self, ring: &mut R) {
        const LOOK: usize = 32;
        if self.now.mono_ns < self.slab_look_ns {
            return;
        }
        self.slab_look_ns = self.now.mono_ns + SLAB_LOOK_NS;
        let mut next = self.wants_slab.front();
        for _ in 0..LOOK {
            let Some(c) = next else { return };
            next = self.wants_slab.next(c);
            self.resume_one(ring, c);
            if !matches!(self.conn(c).want, Want::Slab(_)) {
                self.wants_slab.remove(c);
            }
        }
        // Who was looked at in vain goes to the end of the line, so that those behind are seen too.
        for _ in 0..LOOK {
            let front = self.wants_slab.front();
            if next.is_none() || front == next {
                return;
            }
            if let Some(c) = self.wants_slab.pop() {
                self.wants_slab.push(c);
            }
        }
    }

    fn resume_one<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        self.resuming = true;
        self.proceed(ring, c);
        self.resuming = false;
    }

    pub(super) fn queue_of(&mut self, want: Want) -> Option<&mut Queue> {
        match want {
            Want::Ingest => Some(&mut self.wants_ingest),
            Want::Io => Some(&mut self.wants_io),
            Want::Plane => Some(&mut self.wants_plane),
            Want::Slab(_) => Some(&mut self.wants_slab),
            Want::Nothing | Want::Window => None,
        }
    }
}
