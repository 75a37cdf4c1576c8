//! What happens when time is up: frames that stay incomplete, idle connections, owed keepalives, peers that do not read.

use crate::lwp::header::HEADER;
use crate::ring::NetRing;

use super::agent::NetworkAgent;
use super::connection::{Sending, State, Want};
use super::places::ARRIVED;

/// Deadlines are looked at together: none is met more than this late.
const GRAIN_NS: u64 = 20_000_000;
/// While memory is short, a peer that has read nothing for so long makes way.
const STALLED_NS: u64 = 1_000_000_000;
/// How often that is looked at.
const STALLED_LOOK_NS: u64 = 100_000_000;

impl NetworkAgent {
    /// Makes sure that deadlines are looked at by then.
    pub(super) fn check_at(&mut self, deadline_ns: u64) {
        let rounded = deadline_ns.div_ceil(GRAIN_NS) * GRAIN_NS;
        self.next_check_ns = self.next_check_ns.min(rounded);
    }

    /// Looks at the deadlines of all connections.
    pub(super) fn check_deadlines<R: NetRing + ?Sized>(&mut self, ring: &mut R) {
        let now = self.now.mono_ns;
        self.next_check_ns = u64::MAX;
        for i in 0..self.listeners.len() {
            let listener = &self.listeners[i];
            if !listener.accepting && listener.retry_ns > now {
                self.check_at(listener.retry_ns);
            }
        }
        let mut next = self.live.front();
        while let Some(c) = next {
            next = self.live.next(c);
            self.check_connection(ring, c);
        }
        if self.is_short() {
            self.make_way(ring);
            self.check_at(now + STALLED_LOOK_NS);
        }
    }

    fn check_connection<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) {
        let now = self.now.mono_ns;
        match self.conn(c).state {
            State::Open => {}
            State::Discarding(until) if now >= until => return self.close(ring, c),
            State::Discarding(until) => return self.check_at(until),
            State::Free | State::Finishing | State::Closing => return,
        }
        self.conn(c).keepalives.refill(now);
        if self.conn(c).keepalives.due() > 0 {
            self.dirty.push(c);
        }
        if let Some(deadline) = self.conn(c).keepalives.deadline_ns() {
            self.check_at(deadline);
        }
        if let Some((deadline, what)) = self.frame_deadline(c) {
            if now < deadline {
                self.check_at(deadline);
            } else if self.waits_for_us(ring, c) {
                self.conn(c).began_ns = now;
                self.check_at(now + self.limits.frame_timeout_ns);
            } else {
                self.ends.counters.timed_out.inc();
                self.report_peer(c, what);
                return self.close(ring, c);
            }
        }
        let idle = self.limits.idle_timeout_ns;
        if idle > 0 {
            let conn = self.conn(c);
            if conn.owes() || conn.want != Want::Nothing {
                conn.last_ns = now;
            }
            let deadline = conn.last_ns + idle;
            if now < deadline {
                self.check_at(deadline);
            } else {
                self.ends.counters.timed_out.inc();
                self.close(ring, c);
            }
        }
    }

    /// Until when the first frame, or the rest of a begun one, must be there.
    fn frame_deadline(&self, c: u32) -> Option<(u64, &'static str)> {
        let conn = &self.connections[c as usize];
        let timeout = self.limits.frame_timeout_ns;
        if !conn.spoke && matches!(conn.want, Want::Nothing | Want::Slab(_)) {
            // Without a valid first frame it makes no difference when its bytes came.
            return Some((conn.accepted_ns + timeout, "first-frame-timeout"));
        }
        (conn.began_ns > 0).then_some((conn.began_ns + timeout, "frame-timeout"))
    }

    /// Its frame has arrived, and only our slabs are missing.
    fn waits_for_us<R: NetRing + ?Sized>(&mut self, ring: &mut R, c: u32) -> bool {
        let conn = &self.connections[c as usize];
        let Want::Slab(payload) = conn.want else {
            return false;
        };
        let held = self.buffers.bytes(&conn.held);
        let missing = (HEADER as u32 + payload).saturating_sub(conn.area_len + held);
        ring.readable(conn.socket) >= missing.min(ARRIVED)
    }

    /// Peers that do not read hold so much that others feel it.
    pub(super) fn is_short(&self) -> bool {
        let slabs: u32 = self.limits.response_slabs.iter().sum::<u32>() + self.limits.jumbo_slabs;
        let asked = self.now.mono_ns < self.short_until_ns;
        asked || self.responses > slabs / 2 || self.tickets.room() == 0 || !self.requests.room()
    }

    /// Closes the connection whose peer has been reading nothing for the longest time.
    fn make_way<R: NetRing + ?Sized>(&mut self, ring: &mut R) {
        let now = self.now.mono_ns;
        let mut longest: Option<(u64, u32)> = None;
        let mut next = self.live.front();
        while let Some(c) = next {
            next = self.live.next(c);
            let conn = &self.connections[c as usize];
            let sends = !matches!(conn.sending, Sending::Nothing) && conn.state != State::Closing;
            if sends && now.saturating_sub(conn.send_ns) >= STALLED_NS {
                longest = longest.max(Some((u64::MAX - conn.send_ns, c)));
            }
        }
        if let Some((_, c)) = longest {
            self.ends.counters.timed_out.inc();
            self.report_peer(c, "does-not-read");
            self.close(ring, c);
        }
    }
}
