//! Lists in memory that is there from the start: many short queues share one arena of nodes.

const NONE: u32 = u32::MAX;

struct Node<T> {
    value: T,
    next: u32,
}

/// The nodes of many queues. It never grows.
pub struct Arena<T> {
    nodes: Vec<Node<T>>,
    free: u32,
    used: u32,
    capacity: u32,
}

/// A queue whose nodes are in an `Arena`. Every call on it names the same arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fifo {
    head: u32,
    tail: u32,
}

impl Default for Fifo {
    fn default() -> Self {
        Self {
            head: NONE,
            tail: NONE,
        }
    }
}

impl<T: Copy> Arena<T> {
    /// Nodes for `capacity` values, over all queues.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        assert!(capacity > 0 && capacity < NONE);
        // Reserved, and populated as it is used: an idle node keeps few of these pages.
        Self {
            nodes: Vec::with_capacity(capacity as usize),
            free: NONE,
            used: 0,
            capacity,
        }
    }
    /// Whether another value fits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.used < self.capacity
    }
    /// Values in all queues.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used
    }
    /// Appends a value; false when the arena is full.
    #[must_use]
    pub fn push(&mut self, fifo: &mut Fifo, value: T) -> bool {
        let node = Node { value, next: NONE };
        let at = match self.free {
            _ if !self.has_room() => return false,
            NONE => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
            at => {
                self.free = self.nodes[at as usize].next;
                self.nodes[at as usize] = node;
                at
            }
        };
        if fifo.tail == NONE {
            fifo.head = at;
        } else {
            self.nodes[fifo.tail as usize].next = at;
        }
        fifo.tail = at;
        self.used += 1;
        true
    }
    /// Takes the oldest value.
    pub fn pop(&mut self, fifo: &mut Fifo) -> Option<T> {
        let at = fifo.head;
        if at == NONE {
            return None;
        }
        fifo.head = self.nodes[at as usize].next;
        if fifo.head == NONE {
            fifo.tail = NONE;
        }
        self.nodes[at as usize].next = self.free;
        self.free = at;
        self.used -= 1;
        Some(self.nodes[at as usize].value)
    }
    /// The oldest value.
    #[must_use]
    pub fn front(&self, fifo: &Fifo) -> Option<&T> {
        self.nodes
            .get(fifo.head as usize)
            .filter(|_| fifo.head != NONE)
            .map(|node| &node.value)
    }
    /// The oldest value, to change it.
    pub fn front_mut(&mut self, fifo: &Fifo) -> Option<&mut T> {
        if fifo.head == NONE {
            return None;
        }
        self.nodes
            .get_mut(fifo.head as usize)
            .map(|node| &mut node.value)
    }
    /// The newest value.
    #[must_use]
    pub fn back(&self, fifo: &Fifo) -> Option<&T> {
        self.nodes
            .get(fifo.tail as usize)
            .filter(|_| fifo.tail != NONE)
            .map(|node| &node.value)
    }
    /// The newest value, to change it.
    pub fn back_mut(&mut self, fifo: &Fifo) -> Option<&mut T> {
        if fifo.tail == NONE {
            return None;
        }
        self.nodes
            .get_mut(fifo.tail as usize)
            .map(|node| &mut node.value)
    }
    /// All values, oldest first.
    pub fn iter(&self, fifo: &Fifo) -> impl Iterator<Item = &T> + '_ {
        let mut at = fifo.head;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize).filter(|_| at != NONE)?;
            at = node.next;
            Some(&node.value)
        })
    }
    /// Calls `f` on each value, oldest first, until it returns false.
    pub fn for_each_mut(&mut self, fifo: &Fifo, mut f: impl FnMut(&mut T) -> bool) {
        let mut at = fifo.head;
        while at != NONE {
            let node = &mut self.nodes[at as usize];
            if !f(&mut node.value) {
                return;
            }
            at = node.next;
        }
    }
}

impl Fifo {
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

/// A set of topic slots that is taken from in the order of joining; each is in it at most once.
pub struct SlotQueue {
    ring: std::collections::VecDeque<u32>,
    queued: Vec<bool>,
}

impl SlotQueue {
    /// For slots below `slots`.
    #[must_use]
    pub fn new(slots: u32) -> Self {
        Self {
            ring: std::collections::VecDeque::with_capacity(slots as usize),
            queued: vec![false; slots as usize],
        }
    }
    /// Adds a slot unless it is in already.
    pub fn add(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.queued[slot as usize], true) {
            self.ring.push_back(slot);
        }
    }
    /// Takes the slot that has been in longest.
    pub fn take(&mut self) -> Option<u32> {
        let slot = self.ring.pop_front()?;
        self.queued[slot as usize] = false;
        Some(slot)
    }
    /// The slot that is taken after `ahead` others.
    #[must_use]
    pub fn peek_at(&self, ahead: usize) -> Option<u32> {
        self.ring.get(ahead).copied()
    }
    /// Slots in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }
    /// Whether none is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}
