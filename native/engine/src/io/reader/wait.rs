//! Fetches that wait on the server instead of polling.

use std::cmp::Reverse;

use super::{Waiter, NONE};
use crate::io::agent::IoAgent;
use crate::messages::{FetchRequest, RequestId};
use crate::topics::TopicSlot;

impl IoAgent {
    /// Lets a fetch wait. False: there is no room for another one, it is answered at once.
    pub(super) fn wait(&mut self, slot: TopicSlot, fetch: FetchRequest) -> bool {
        let reader = &mut self.reader;
        if reader.deadlines.len() == reader.deadlines.capacity() {
            // Entries of waiters that were answered by data; the live ones are at most half of them.
            let waiters = &reader.waiters;
            reader.deadlines.retain(|Reverse((_, at, request))| {
                waiters[*at as usize].is_some_and(|waiter| waiter.fetch.request.0 == *request)
            });
        }
        let Some(at) = reader.free_waiters.pop() else {
            return false;
        };
        reader.waiters[at as usize] = Some(Waiter { fetch, slot });
        reader.next_waiter[at as usize] = reader.first_waiter[slot.index()];
        reader.first_waiter[slot.index()] = at;
        reader
            .deadlines
            .push(Reverse((fetch.deadline_ns, at, fetch.request.0)));
        reader.waiting += 1;
        true
    }

    /// Takes a waiter out. The request tells whether the place still is its own.
    fn unwait(&mut self, at: u32, request: RequestId) -> Option<Waiter> {
        let reader = &mut self.reader;
        let waiter =
            reader.waiters[at as usize].filter(|waiter| waiter.fetch.request == request)?;
        reader.waiters[at as usize] = None;
        reader.free_waiters.push(at);
        reader.waiting -= 1;
        let mut before = NONE;
        let mut next = reader.first_waiter[waiter.slot.index()];
        while next != at {
            before = next;
            next = reader.next_waiter[next as usize];
        }
        let behind = reader.next_waiter[at as usize];
        match before {
            NONE => reader.first_waiter[waiter.slot.index()] = behind,
            before => reader.next_waiter[before as usize] = behind,
        }
        Some(waiter)
    }

    /// Answers those for whom enough is there, and those whose time is up.
    pub(super) fn wake_waiters(&mut self, now_ns: u64) -> usize {
        let mut done = 0;
        for _ in 0..self.reader.fresh.len() {
            let Some(slot) = self.reader.fresh.take() else {
                break;
            };
            let slot = TopicSlot(slot);
            let gone = self.map.find(self.topics[slot.index()].id).is_err();
            let end = self.topics[slot.index()].readable.offset;
            let mut at = self.reader.first_waiter[slot.index()];
            while at != NONE {
                let next = self.reader.next_waiter[at as usize];
                let waiter = self.reader.waiters[at as usize].expect("a listed waiter is there");
                let fetch = FetchRequest {
                    asked_ns: now_ns,
                    ..waiter.fetch
                };
                if gone
                    || end.saturating_sub(fetch.offset)
                        >= u64::from(fetch.min_bytes.min(fetch.max_bytes).max(1))
                {
                    self.unwait(at, fetch.request);
                    self.fetch_now(fetch, now_ns);
                    done += 1;
                }
                at = next;
            }
        }
        while let Some(&Reverse((deadline, at, request))) = self.reader.deadlines.peek() {
            // Entries of waiters that were answered go when they come up, or when there are too many of them.
            let stale = self.reader.waiters[at as usize]
                .is_none_or(|waiter| waiter.fetch.request.0 != request);
            if deadline > now_ns && !stale {
                break;
            }
            self.reader.deadlines.pop();
            if let Some(waiter) = self.unwait(at, RequestId(request)) {
                self.counters.waits_expired.inc();
                let fetch = FetchRequest {
                    asked_ns: now_ns,
                    ..waiter.fetch
                };
                self.fetch_now(fetch, now_ns);
                done += 1;
            }
        }
        self.counters.waiters.set(self.reader.waiting);
        done
    }

    /// The connection of a waiting fetch is gone.
    pub(super) fn forget(&mut self, request: RequestId) {
        if self.reader.waiting == 0 {
            return;
        }
        let at = self
            .reader
            .waiters
            .iter()
            .position(|w| w.is_some_and(|w| w.fetch.request == request));
        if let Some(at) = at {
            self.unwait(at as u32, request);
        }
    }
}
