//! Pinned ends: what 2^63-1 means to a connection and topic after its first use (lwp.md, "Fetch at the edges").

use super::links::NONE;

#[derive(Clone, Copy)]
struct Pin {
    topic: u32,
    next: u32,
    offset: u64,
}

/// All pins of all connections, in preallocated places.
pub struct Pins {
    pins: Vec<Pin>,
    free: Vec<u32>,
}

/// A connection's pins: the first, the others follow it.
#[derive(Clone, Copy, Debug)]
pub struct PinList(u32);

impl Default for PinList {
    fn default() -> Self {
        Self(NONE)
    }
}

impl Pins {
    pub fn new(count: u32) -> Self {
        let none = Pin {
            topic: 0,
            next: NONE,
            offset: 0,
        };
        Self {
            pins: vec![none; count as usize],
            free: (0..count).rev().collect(),
        }
    }

    /// Where the end of a topic is pinned for a connection.
    pub fn get(&self, list: PinList, topic: u32) -> Option<u64> {
        let mut at = list.0;
        while at != NONE {
            let pin = &self.pins[at as usize];
            if pin.topic == topic {
                return Some(pin.offset);
            }
            at = pin.next;
        }
        None
    }

    /// Pins the end of a topic, if it is not pinned yet. Without room for it the next fetch at 2^63-1 asks for the end anew.
    pub fn set(&mut self, list: &mut PinList, topic: u32, offset: u64) {
        if self.get(*list, topic).is_some() {
            return;
        }
        if let Some(at) = self.free.pop() {
            self.pins[at as usize] = Pin {
                topic,
                next: list.0,
                offset,
            };
            list.0 = at;
        }
    }
    pub fn room(&self) -> bool {
        !self.free.is_empty()
    }
    pub fn count(&self) -> u32 {
        self.pins.len() as u32
    }

    /// The connection is gone.
    pub fn drop_all(&mut self, list: &mut PinList) {
        while list.0 != NONE {
            self.free.push(list.0);
            list.0 = self.pins[list.0 as usize].next;
        }
    }
}
