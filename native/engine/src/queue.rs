//! Bounded queues between agents: one producer, one consumer, no lock (design.md, section 4).

use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// The sending end. A full queue hands the message back: the sender stops taking in what would produce more.
pub struct Sender<T>(HeapProd<T>);

/// The receiving end.
pub struct Receiver<T>(HeapCons<T>);

/// A queue of `capacity` messages, all of its memory allocated here.
#[must_use]
pub fn queue<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a queue needs room for one message");
    let (sender, receiver) = HeapRb::new(capacity).split();
    (Sender(sender), Receiver(receiver))
}

impl<T> Sender<T> {
    /// Appends a message.
    ///
    /// # Errors
    /// The queue is full: the message comes back.
    pub fn push(&mut self, message: T) -> Result<(), T> {
        self.0.try_push(message)
    }
    /// Room for messages; the receiver can only make it larger meanwhile.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.vacant_len()
    }
    /// Whether the receiver has taken everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest message.
    pub fn pop(&mut self) -> Option<T> {
        self.0.try_pop()
    }
    /// Looks at the oldest message and leaves it.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.0.try_peek()
    }
    /// Messages waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.occupied_len()
    }
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
