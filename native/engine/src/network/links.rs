//! Lists over numbered places: membership costs two numbers a place, allocated at start-up, and removal is O(1).

/// No place.
pub const NONE: u32 = u32::MAX;

/// Neighbours of the places of one table. A place is in at most one list of its table at a time.
pub struct Links {
    prev: Vec<u32>,
    next: Vec<u32>,
}

impl Links {
    /// For `count` places.
    pub fn new(count: usize) -> Self {
        Self {
            prev: vec![NONE; count],
            next: vec![NONE; count],
        }
    }
    /// The place behind `at` in its list.
    pub fn next(&self, at: u32) -> Option<u32> {
        Some(self.next[at as usize]).filter(|&next| next != NONE)
    }
}

/// A list: ends and length; the rest is in the links.
#[derive(Clone, Copy, Debug)]
pub struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl List {
    pub const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
        len: 0,
    };

    pub fn front(&self) -> Option<u32> {
        Some(self.head).filter(|&head| head != NONE)
    }
    pub fn len(&self) -> u32 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    pub fn push_back(&mut self, links: &mut Links, at: u32) {
        links.prev[at as usize] = self.tail;
        links.next[at as usize] = NONE;
        match self.tail {
            NONE => self.head = at,
            tail => links.next[tail as usize] = at,
        }
        self.tail = at;
        self.len += 1;
    }
    pub fn remove(&mut self, links: &mut Links, at: u32) {
        let (prev, next) = (links.prev[at as usize], links.next[at as usize]);
        match prev {
            NONE => {
                assert_eq!(self.head, at, "the place is in this list");
                self.head = next;
            }
            prev => links.next[prev as usize] = next,
        }
        match next {
            NONE => self.tail = prev,
            next => links.prev[next as usize] = prev,
        }
        links.prev[at as usize] = NONE;
        links.next[at as usize] = NONE;
        self.len -= 1;
    }
    pub fn pop_front(&mut self, links: &mut Links) -> Option<u32> {
        let at = self.front()?;
        self.remove(links, at);
        Some(at)
    }
}

/// A list with links of its own whose members know that they are in it: connections that wait or have something to send.
pub struct Queue {
    links: Links,
    list: List,
    member: Vec<bool>,
}

impl Queue {
    pub fn new(count: usize) -> Self {
        Self {
            links: Links::new(count),
            list: List::EMPTY,
            member: vec![false; count],
        }
    }
    /// Appends; one that is in already keeps its place.
    pub fn push(&mut self, at: u32) {
        if !std::mem::replace(&mut self.member[at as usize], true) {
            self.list.push_back(&mut self.links, at);
        }
    }
    pub fn pop(&mut self) -> Option<u32> {
        let at = self.list.pop_front(&mut self.links)?;
        self.member[at as usize] = false;
        Some(at)
    }
    pub fn front(&self) -> Option<u32> {
        self.list.front()
    }
    /// The member behind `at`.
    pub fn next(&self, at: u32) -> Option<u32> {
        self.links.next(at)
    }
    /// Takes out; one that is not in is left alone.
    pub fn remove(&mut self, at: u32) {
        if std::mem::replace(&mut self.member[at as usize], false) {
            self.list.remove(&mut self.links, at);
        }
    }
    pub fn len(&self) -> u32 {
        self.list.len()
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_leave_in_order_and_from_the_middle() {
        let mut queue = Queue::new(5);
        for at in [3, 1, 4, 1] {
            queue.push(at);
        }
        assert_eq!(queue.len(), 3);
        queue.remove(1);
        queue.remove(0);
        assert_eq!((queue.front(), queue.next(3)), (Some(3), Some(4)));
        assert_eq!(
            (queue.pop(), queue.pop(), queue.pop()),
            (Some(3), Some(4), None)
        );
        queue.push(1);
        assert_eq!(queue.pop(), Some(1));
    }
}
