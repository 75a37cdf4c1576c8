//! What a node promised: all that a client was told, and all that it may have stored without telling yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::recovery::Durability;

/// A frame as it will stand in the topic's stream.
#[derive(Clone)]
pub struct SentFrame {
    pub ticket: u32,
    /// TLVs, wrapped where the client sent bare bytes.
    pub stored: Arc<[u8]>,
}

/// Whether a topic must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its creation was begun.
    Creating,
    Live,
    /// Its removal was begun.
    Removing,
    Removed,
}

/// A topic as its clients know it.
#[derive(Clone)]
pub struct TopicModel {
    pub id: u32,
    pub name: String,
    pub durability: Durability,
    pub life: Life,
    /// Accepted frames in the order in which they were sent; the first starts at `base`.
    pub sent: Vec<SentFrame>,
    /// Offset of the first byte that the model still knows.
    pub base: u64,
    /// How many of `sent` are acknowledged, and the offset they end at.
    pub acked: usize,
    pub acked_end: u64,
    /// The highest durable offset that the node announced.
    pub durable: u64,
    /// Segments that end at or below it may be gone.
    pub retained_from: u64,
    /// By consumer.
    pub commits: BTreeMap<u64, CommitModel>,
    /// An I/O error froze it, or damage: what was not acknowledged is open.
    pub frozen: bool,
}

/// A committed offset: what was acknowledged last, and what was asked for since.
#[derive(Clone, Default)]
pub struct CommitModel {
    pub acked: Option<u64>,
    pub asked: Vec<u64>,
}

impl TopicModel {
    /// A topic that is being created.
    #[must_use]
    pub fn new(id: u32, durability: Durability) -> Self {
        Self {
            id,
            name: format!("topic-{id}"),
            durability,
            life: Life::Creating,
            sent: Vec::new(),
            base: 0,
            acked: 0,
            acked_end: 0,
            durable: 0,
            retained_from: 0,
            commits: BTreeMap::new(),
            frozen: false,
        }
    }
    /// The offset that must survive a crash now.
    #[must_use]
    pub fn promised_end(&self) -> u64 {
        match self.durability {
            Durability::Durable => self.acked_end.max(self.durable),
            Durability::Written => self.durable,
        }
    }
    /// A frame was acknowledged.
    ///
    /// # Errors
    /// It overtook another one of the topic, or was never sent.
    pub fn ack(&mut self, ticket: u32) -> Result<(), String> {
        match self.sent.get(self.acked) {
            Some(frame) if frame.ticket == ticket => {
                self.acked_end = self.acked_end.max(self.base) + frame.stored.len() as u64;
                self.acked += 1;
                Ok(())
            }
            next => Err(format!(
                "{}: ticket {ticket} is acknowledged, the next in order is {:?}",
                self.name,
                next.map(|frame| frame.ticket)
            )),
        }
    }
    /// A frame was refused: nothing of it is stored.
    pub fn refuse(&mut self, ticket: u32) {
        let before = self.sent.len();
        self.sent.retain(|frame| frame.ticket != ticket);
        assert_eq!(self.sent.len() + 1, before, "a refused frame was sent once");
    }
    /// After a recovery that ended at `end`: what lies behind it is gone and its offsets are given again.
    pub fn cut(&mut self, end: u64) {
        let mut at = self.base;
        let mut kept = 0;
        for frame in &mut self.sent {
            if at >= end {
                break;
            }
            kept += 1;
            // The next life counts its tickets anew.
            frame.ticket = u32::MAX;
            let next = at + frame.stored.len() as u64;
            if next > end {
                frame.stored = Arc::from(&frame.stored[..(end - at) as usize]);
            }
            at = next;
        }
        self.sent.truncate(kept);
        self.acked = kept;
        self.acked_end = end;
        self.durable = end;
        self.frozen = false;
        self.life = Life::Live;
    }
}

/// Everything that a node promised.
#[derive(Clone, Default)]
pub struct Model {
    pub topics: BTreeMap<u32, TopicModel>,
}

impl Model {
    /// The power does not go: what is acknowledged of `written` topics stays too.
    pub fn promise_accepted(&mut self) {
        for topic in self.topics.values_mut() {
            topic.durable = topic.durable.max(topic.acked_end);
        }
    }
}
