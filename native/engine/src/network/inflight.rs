//! Ingest frames in flight: a ticket each, from receipt to the sending of its ack (lwp.md, "Frames": order of acks).

use crate::error::Refusal;
use crate::messages::Ticket;

use super::links::{Links, List};

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    Waiting,
    /// Stored as the topic asks, known at this monotonic time, ns.
    Acked {
        stable_ns: u64,
    },
    Refused(Refusal),
}

/// One frame in flight.
#[derive(Clone, Copy)]
pub struct InFlight {
    /// Its connection; `None` when that is gone.
    pub connection: Option<u32>,
    pub topic: u32,
    pub batch_id: u64,
    /// Monotonic ns of receipt.
    pub received_ns: u64,
    pub outcome: Outcome,
}

/// The node's window: every frame in flight of every connection, in preallocated places.
pub struct Tickets {
    frames: Vec<InFlight>,
    links: Links,
    free: Vec<u32>,
    /// For acks in order by topic: the scan that last met an unfinished frame of the topics that fall on this place.
    blocked: Vec<u64>,
    scan: u64,
}

/// Places in the table of topics met during a scan; two topics on one place only delay each other.
const BLOCKED: usize = 1024;

impl Tickets {
    pub fn new(count: u32) -> Self {
        let none = InFlight {
            connection: None,
            topic: 0,
            batch_id: 0,
            received_ns: 0,
            outcome: Outcome::Waiting,
        };
        Self {
            frames: vec![none; count as usize],
            links: Links::new(count as usize),
            free: (0..count).rev().collect(),
            blocked: vec![0; BLOCKED],
            scan: 0,
        }
    }

    /// How many more frames fit.
    pub fn room(&self) -> usize {
        self.free.len()
    }
    /// Frames in flight of all connections, gone ones included.
    pub fn in_flight(&self) -> usize {
        self.frames.len() - self.free.len()
    }

    /// Issues a ticket at the end of a connection's window. The caller saw that there is room.
    pub fn issue(&mut self, window: &mut List, frame: InFlight) -> Ticket {
        let at = self.free.pop().expect("the caller saw room");
        self.frames[at as usize] = frame;
        window.push_back(&mut self.links, at);
        Ticket(at)
    }

    /// Notes what became of a frame. Returns its connection, if that is still there; else the ticket is free again.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome) -> Option<u32> {
        let frame = &mut self.frames[ticket.0 as usize];
        assert_eq!(frame.outcome, Outcome::Waiting, "a frame has one outcome");
        frame.outcome = outcome;
        if frame.connection.is_none() {
            self.free.push(ticket.0);
        }
        frame.connection
    }

    /// Starts a look through a window for what may leave.
    pub fn look(&mut self, window: &List) -> Option<u32> {
        self.scan += 1;
        window.front()
    }

    /// Moves the cursor to the next frame whose ack or error may leave, and leaves it there. `by_topic` after Hello asked
    /// for that order.
    pub fn find(&mut self, by_topic: bool, cursor: &mut Option<u32>) -> Option<&InFlight> {
        while let Some(at) = *cursor {
            let frame = &self.frames[at as usize];
            let place = frame.topic as usize % BLOCKED;
            if frame.outcome != Outcome::Waiting && (!by_topic || self.blocked[place] != self.scan)
            {
                return Some(&self.frames[at as usize]);
            }
            self.blocked[place] = self.scan;
            *cursor = if by_topic { self.links.next(at) } else { None };
        }
        None
    }

    /// Takes the frame under the cursor out of its window: its ack or error leaves now.
    pub fn take(&mut self, window: &mut List, cursor: &mut Option<u32>) {
        if let Some(at) = *cursor {
            *cursor = self.links.next(at);
            window.remove(&mut self.links, at);
            self.free.push(at);
        }
    }

    /// The connection is gone: what is settled is free, the rest when it is.
    pub fn orphan(&mut self, window: &mut List) {
        while let Some(at) = window.pop_front(&mut self.links) {
            let frame = &mut self.frames[at as usize];
            frame.connection = None;
            if frame.outcome != Outcome::Waiting {
                self.free.push(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(topic: u32, batch_id: u64) -> InFlight {
        InFlight {
            connection: Some(1),
            topic,
            batch_id,
            received_ns: 0,
            outcome: Outcome::Waiting,
        }
    }

    fn out(tickets: &mut Tickets, window: &mut List, by_topic: bool) -> Vec<u64> {
        let mut cursor = tickets.look(window);
        let mut out = Vec::new();
        while let Some(frame) = tickets.find(by_topic, &mut cursor) {
            out.push(frame.batch_id);
            tickets.take(window, &mut cursor);
        }
        out
    }

    #[test]
    fn acks_leave_in_the_order_of_the_frames() {
        let mut tickets = Tickets::new(3);
        let mut window = List::EMPTY;
        let issued: Vec<_> = (0..3)
            .map(|i| tickets.issue(&mut window, frame(7, i)))
            .collect();
        assert_eq!(tickets.room(), 0);
        tickets.settle(issued[1], Outcome::Acked { stable_ns: 0 });
        assert!(out(&mut tickets, &mut window, false).is_empty());
        tickets.settle(issued[0], Outcome::Acked { stable_ns: 0 });
        assert_eq!(out(&mut tickets, &mut window, false), [0, 1]);
        tickets.settle(issued[2], Outcome::Acked { stable_ns: 0 });
        assert_eq!(out(&mut tickets, &mut window, false), [2]);
        assert_eq!(tickets.room(), 3);
    }

    #[test]
    fn by_topic_an_ack_waits_only_for_its_own_topic() {
        let mut tickets = Tickets::new(4);
        let mut window = List::EMPTY;
        let topics = [1, 2, 1, 2];
        let issued: Vec<_> = (0..4)
            .map(|i| tickets.issue(&mut window, frame(topics[i], i as u64)))
            .collect();
        tickets.settle(issued[1], Outcome::Acked { stable_ns: 0 });
        tickets.settle(issued[2], Outcome::Acked { stable_ns: 0 });
        tickets.settle(issued[3], Outcome::Acked { stable_ns: 0 });
        assert_eq!(out(&mut tickets, &mut window, true), [1, 3]);
        tickets.settle(issued[0], Outcome::Acked { stable_ns: 0 });
        assert_eq!(out(&mut tickets, &mut window, true), [0, 2]);
    }

    #[test]
    fn a_ticket_whose_connection_is_gone_is_free_when_it_is_settled() {
        let mut tickets = Tickets::new(2);
        let mut window = List::EMPTY;
        let first = tickets.issue(&mut window, frame(7, 0));
        let second = tickets.issue(&mut window, frame(7, 1));
        tickets.settle(second, Outcome::Acked { stable_ns: 0 });
        tickets.orphan(&mut window);
        assert_eq!(tickets.room(), 1);
        assert_eq!(tickets.settle(first, Outcome::Acked { stable_ns: 0 }), None);
        assert_eq!(tickets.room(), 2);
    }
}
