//! Bounded queues between agents: one producer, one consumer, no lock (design.md, section 4).

use std::cell::Cell;

use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::counters::{keys, Counter, CountersFile, Gauge};

/// The sending end. A full queue hands the message back: the sender stops taking in what would produce more.
pub struct Sender<T> {
    ring: HeapProd<T>,
    /// It was full when last looked at: one stretch of fullness is counted once.
    full: Cell<bool>,
    times_full: Option<Counter>,
}

/// The receiving end.
pub struct Receiver<T> {
    ring: HeapCons<T>,
    depth: Option<Gauge>,
}

/// Messages that wait, oldest first.
pub struct Coming<'a, T> {
    front: &'a [T],
    back: &'a [T],
}

impl<T> Coming<'_, T> {
    /// The message that is taken after `ahead` others.
    #[must_use]
    pub fn get(&self, ahead: usize) -> Option<&T> {
        self.front
            .get(ahead)
            .or_else(|| self.back.get(ahead - self.front.len()))
    }
}

/// A queue of `capacity` messages, all of its memory allocated here.
#[must_use]
pub fn queue<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a queue needs room for one message");
    let (sender, receiver) = HeapRb::new(capacity).split();
    let sender = Sender {
        ring: sender,
        full: Cell::new(false),
        times_full: None,
    };
    let receiver = Receiver {
        ring: receiver,
        depth: None,
    };
    (sender, receiver)
}

/// A queue whose depth and fullness stand in the counters file as `queue=name`.
#[must_use]
pub fn counted_queue<T>(
    capacity: usize,
    file: &CountersFile,
    name: &str,
) -> (Sender<T>, Receiver<T>) {
    let (mut sender, mut receiver) = queue(capacity);
    let label = format!("queue={name}");
    sender.times_full = Some(file.counter(keys::QUEUE_FULL, &label));
    receiver.depth = Some(file.gauge(keys::QUEUE_DEPTH, &label));
    (sender, receiver)
}

impl<T> Sender<T> {
    /// Appends a message.
    ///
    /// # Errors
    /// The queue is full: the message comes back.
    // Inlined, so that a message is made in its place: one that is put together elsewhere and copied from there waits for every
    // store before it, those into memory that is far among them.
    #[inline(always)]
    pub fn push(&mut self, message: T) -> Result<(), T> {
        let result = self.ring.try_push(message);
        self.note(result.is_err());
        result
    }
    /// Room for messages; the receiver can only make it larger meanwhile.
    #[must_use]
    pub fn room(&self) -> usize {
        let room = self.ring.vacant_len();
        self.note(room == 0);
        room
    }
    fn note(&self, full: bool) {
        if self.full.replace(full) || !full {
            return;
        }
        if let Some(times) = &self.times_full {
            times.inc();
        }
    }
    /// Whether the receiver has taken everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest message.
    pub fn pop(&mut self) -> Option<T> {
        self.ring.try_pop()
    }
    /// Shows in the counters what waits now: once a duty cycle, before anything is taken.
    pub fn measure(&self) {
        if let Some(depth) = &self.depth {
            depth.set(self.len() as u64);
        }
    }
    /// Looks at the oldest message and leaves it.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.ring.try_peek()
    }
    /// What is there, to look at messages behind the oldest. This asks the sender's core, so do it once for several.
    #[must_use]
    pub fn coming(&self) -> Coming<'_, T> {
        let (front, back) = self.ring.as_slices();
        Coming { front, back }
    }
    /// Messages waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.occupied_len()
    }
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::read::read;

    #[test]
    fn what_comes_later_is_seen_wherever_the_ring_turns() {
        let (mut sender, mut receiver) = queue(4);
        for first in 0..9 {
            for message in first..first + 3 {
                sender.push(message).expect("room");
            }
            let coming = receiver.coming();
            let seen: Vec<_> = (0..5).map(|ahead| coming.get(ahead).copied()).collect();
            let expected = [Some(first), Some(first + 1), Some(first + 2), None, None];
            assert_eq!(seen, expected);
            while receiver.pop().is_some() {}
        }
    }

    #[test]
    fn a_stretch_of_fullness_is_counted_once_and_the_depth_is_what_waited_at_the_look() {
        let file = CountersFile::heap();
        let (mut sender, mut receiver) = counted_queue(2, &file, "test");
        assert_eq!(sender.room(), 2);
        sender.push(1).expect("room");
        sender.push(2).expect("room");
        receiver.measure();
        for _ in 0..3 {
            assert_eq!(sender.push(3), Err(3));
            assert_eq!(sender.room(), 0);
        }
        assert_eq!(receiver.pop(), Some(1));
        sender.push(4).expect("room again");
        assert_eq!(sender.push(5), Err(5));

        let seen = read(&file.snapshot()).expect("our own file");
        let value = |key: keys::Key| seen.get(key.name, "queue=test").map(|sample| sample.value);
        assert_eq!(value(keys::QUEUE_FULL), Some(2));
        assert_eq!(value(keys::QUEUE_DEPTH), Some(2));
    }
}
