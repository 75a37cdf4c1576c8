//! Control requests and their answers, in the two orders of lwp.md ("Frames"): what the engine answers, what takes the
//! control plane, and outside of both the fetches that wait.

use crate::error::Refusal;
use crate::lwp::header::{flag, Header};
use crate::messages::{FetchData, RequestId};

use super::links::{Links, List, NONE};

/// In which order an answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Fetches, subscriptions, committed offsets, Locate, and refusals that name no command.
    Engine,
    /// What takes the control plane.
    Plane,
    /// None: FetchWait and FetchBatches, matched by their echo.
    Wait,
}

/// An answer, or that there is none yet.
#[derive(Debug)]
pub enum Answer {
    Waiting,
    Refused(Refusal),
    Fetched(FetchData),
    Located {
        offset: u64,
        record: u64,
        timestamp_ns: u64,
        node_actor_sequence: u64,
    },
    /// SubscribeAck or CommitAck, by its code.
    Consumer {
        code: u64,
        consumer: u64,
        offset: u64,
    },
    /// The ack frame that answers Unsubscribe.
    Unsubscribed {
        consumer: u64,
    },
    /// From the control plane.
    Plane {
        code: u64,
        payload: Box<[u8]>,
    },
}

/// One request.
#[derive(Debug)]
pub struct Request {
    /// `NONE` when the connection is gone (only where the control plane still works on it).
    pub connection: u32,
    pub generation: u32,
    pub order: Order,
    /// The command's code.
    pub code: u64,
    /// Echoed in the answer.
    pub timestamp_ns: u64,
    pub topic: u32,
    /// For Subscribe.
    pub consumer: u64,
    /// The answer pins the end for this connection and topic.
    pub pins_end: bool,
    /// Where the control plane reads the payload.
    pub slot: Option<u16>,
    pub answer: Answer,
}

impl Request {
    /// Of a frame, with its answer if that is known already.
    pub fn new(connection: u32, order: Order, frame: &Header, answer: Answer) -> Self {
        Self {
            connection,
            generation: 0,
            order,
            code: frame.batch_id,
            // Only control frames have a timestamp to echo.
            timestamp_ns: if frame.flags == flag::CONTROL {
                frame.timestamp_ns
            } else {
                0
            },
            topic: 0,
            consumer: 0,
            pins_end: false,
            slot: None,
            answer,
        }
    }
}

/// A connection's requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pending {
    engine: List,
    plane: List,
    /// Waiting fetches without an answer.
    waits: List,
    /// Those with one.
    ready_waits: List,
}

impl Pending {
    pub fn of(&self, order: Order) -> u32 {
        match order {
            Order::Engine => self.engine.len(),
            Order::Plane => self.plane.len(),
            Order::Wait => self.waits.len() + self.ready_waits.len(),
        }
    }
    /// Whether an answer that a closed sending side may still expect is owed: waiting fetches are not.
    pub fn owes(&self) -> bool {
        !(self.engine.is_empty() && self.plane.is_empty() && self.ready_waits.is_empty())
    }
    fn list(&mut self, order: Order) -> &mut List {
        match order {
            Order::Engine => &mut self.engine,
            Order::Plane => &mut self.plane,
            Order::Wait => &mut self.waits,
        }
    }
}

/// Every request of every connection, in preallocated places.
pub struct Requests {
    places: Vec<Request>,
    links: Links,
    free: Vec<u32>,
    waits: u32,
    max_waits: u32,
}

impl Requests {
    /// Room for `ordered` requests beside `waits` waiting fetches.
    pub fn new(ordered: u32, waits: u32) -> Self {
        let count = ordered + waits;
        let place = || Request::new(NONE, Order::Engine, &Header::default(), Answer::Waiting);
        Self {
            places: (0..count).map(|_| place()).collect(),
            links: Links::new(count as usize),
            free: (0..count).rev().collect(),
            waits: 0,
            max_waits: waits,
        }
    }

    /// Whether another request fits; for waiting fetches `wait_room` too.
    pub fn room(&self) -> bool {
        self.free.len() > self.max_waits.saturating_sub(self.waits) as usize
    }
    pub fn wait_room(&self) -> bool {
        self.waits < self.max_waits
    }
    /// No request is under way.
    #[cfg(test)]
    pub fn is_unused(&self) -> bool {
        self.free.len() == self.places.len() && self.waits == 0
    }
    pub fn max_waits(&self) -> u32 {
        self.max_waits
    }

    /// Takes a place at the end of its order. The caller saw that there is room.
    pub fn add(&mut self, pending: &mut Pending, mut request: Request) -> RequestId {
        let at = self.free.pop().expect("the caller saw room");
        let generation = self.places[at as usize].generation;
        request.generation = generation;
        if request.order == Order::Wait {
            self.waits += 1;
        }
        let answered = !matches!(request.answer, Answer::Waiting);
        let list = match request.order {
            Order::Wait if answered => &mut pending.ready_waits,
            order => pending.list(order),
        };
        list.push_back(&mut self.links, at);
        self.places[at as usize] = request;
        id(at, generation)
    }

    /// The request of an answer, unless it is no longer there.
    pub fn get(&mut self, request: RequestId) -> Option<(u32, &mut Request)> {
        let (at, generation) = (request.0 as u32, (request.0 >> 32) as u32);
        let place = self.places.get_mut(at as usize)?;
        if place.generation != generation {
            return None;
        }
        Some((at, place))
    }

    /// A waiting fetch has its answer: it may leave now.
    pub fn wait_is_ready(&mut self, pending: &mut Pending, at: u32) {
        pending.waits.remove(&mut self.links, at);
        pending.ready_waits.push_back(&mut self.links, at);
    }

    /// The place of the answer that may leave next in an order, if it is there.
    pub fn ready(&self, pending: &Pending, order: Order) -> Option<u32> {
        let list = match order {
            Order::Engine => &pending.engine,
            Order::Plane => &pending.plane,
            Order::Wait => &pending.ready_waits,
        };
        list.front()
            .filter(|&at| !matches!(self.places[at as usize].answer, Answer::Waiting))
    }
    pub fn at(&self, at: u32) -> &Request {
        &self.places[at as usize]
    }

    /// Takes an answer that leaves; its place is free again.
    pub fn take(&mut self, pending: &mut Pending, at: u32) -> Answer {
        match self.places[at as usize].order {
            Order::Wait => pending.ready_waits.remove(&mut self.links, at),
            order => pending.list(order).remove(&mut self.links, at),
        }
        self.release(at)
    }

    /// The connection is gone: takes its requests out one by one. Those that the control plane works on stay until it
    /// answers and are not returned; of the others, the id, whether it waits at the io agent, and what had been answered.
    pub fn orphan(&mut self, pending: &mut Pending) -> Option<(RequestId, bool, Answer)> {
        while let Some(at) = pending.plane.pop_front(&mut self.links) {
            let place = &mut self.places[at as usize];
            if matches!(place.answer, Answer::Waiting) {
                place.connection = NONE;
                continue;
            }
            let request = id(at, place.generation);
            return Some((request, false, self.release(at)));
        }
        let waits = pending
            .waits
            .pop_front(&mut self.links)
            .map(|at| (at, true));
        let (at, waits) = waits.or_else(|| {
            let links = &mut self.links;
            let at = pending.ready_waits.pop_front(links);
            at.or_else(|| pending.engine.pop_front(links))
                .map(|at| (at, false))
        })?;
        let request = id(at, self.places[at as usize].generation);
        Some((request, waits, self.release(at)))
    }

    /// Takes the waiting fetches alone, one by one: its peer will send nothing more.
    pub fn orphan_wait(&mut self, pending: &mut Pending) -> Option<RequestId> {
        let at = pending.waits.pop_front(&mut self.links)?;
        let request = id(at, self.places[at as usize].generation);
        self.release(at);
        Some(request)
    }

    /// Frees a place that is in no list.
    pub fn release(&mut self, at: u32) -> Answer {
        let place = &mut self.places[at as usize];
        if place.order == Order::Wait {
            self.waits -= 1;
        }
        place.order = Order::Engine;
        // Answers to what stood here are told apart from answers to what comes.
        place.generation = place.generation.wrapping_add(1);
        place.slot = None;
        self.free.push(at);
        std::mem::replace(&mut place.answer, Answer::Waiting)
    }
}

fn id(at: u32, generation: u32) -> RequestId {
    RequestId(u64::from(generation) << 32 | u64::from(at))
}
