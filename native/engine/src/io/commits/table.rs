//! The table of committed offsets: found, set, expired; every place shown to readers of the counters file.

use std::collections::HashMap;

use crate::counters::CommitRows;
use crate::limits::Limits;
use crate::recovery::CommittedOffset;

/// All committed offsets of a node.
pub(super) struct Table {
    /// Open addressing over `(topic, consumer)`; linear probing, at most half full.
    places: Vec<Option<CommittedOffset>>,
    /// Where others read them.
    rows: Option<CommitRows>,
    used: u32,
    /// How many of them each topic has, the expired ones not yet swept counted. Never grows: it has room for a topic a commit.
    by_topic: HashMap<u32, u32>,
    capacity: u32,
    pub(super) per_topic: u32,
    ttl_s: u64,
}

impl Table {
    /// An empty table; all its memory is allocated here.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            places: vec![None; limits.commit_places() as usize],
            rows: None,
            used: 0,
            by_topic: HashMap::with_capacity(limits.commits as usize),
            capacity: limits.commits,
            per_topic: limits.commits_per_topic,
            ttl_s: limits.commit_ttl_ns / 1_000_000_000,
        }
    }
    /// Shows every place of the table in `rows` from now on. Before the first commit.
    pub(super) fn show_in(&mut self, rows: CommitRows) {
        self.rows = Some(rows);
    }
    fn show(&self, place: usize) {
        if let Some(rows) = &self.rows {
            rows.show(place, self.places[place].as_ref());
        }
    }
    /// The committed offset of a consumer, if it has not expired.
    #[must_use]
    pub(super) fn find(&self, topic: u32, consumer: u64, now_s: u64) -> Option<CommittedOffset> {
        let at = self.place(topic, consumer).ok()?;
        self.places[at].filter(|commit| !self.expired(commit, now_s))
    }
    /// Sets a committed offset. False: no room.
    pub(super) fn set(&mut self, commit: CommittedOffset) -> bool {
        let at = match self.place(commit.topic, commit.consumer) {
            Ok(at) => at,
            Err(at) => {
                if self.used == self.capacity {
                    return false;
                }
                self.used += 1;
                *self.by_topic.entry(commit.topic).or_default() += 1;
                at
            }
        };
        self.places[at] = Some(commit);
        self.show(at);
        true
    }
    /// Those of a topic that have not expired.
    pub(super) fn of(&self, topic: u32, now_s: u64) -> impl Iterator<Item = &CommittedOffset> + '_ {
        self.places
            .iter()
            .flatten()
            .filter(move |commit| commit.topic == topic && !self.expired(commit, now_s))
    }
    /// Forgets the expired ones and those for which `keep` is false.
    pub(super) fn sweep(&mut self, now_s: u64, keep: impl Fn(&CommittedOffset) -> bool) {
        let mut at = 0;
        while at < self.places.len() {
            match self.places[at] {
                Some(commit) if self.expired(&commit, now_s) || !keep(&commit) => self.remove(at),
                _ => at += 1,
            }
        }
    }
    /// All of them, the expired ones not yet swept too.
    pub(super) fn all(&self) -> impl Iterator<Item = &CommittedOffset> + '_ {
        self.places.iter().flatten()
    }
    /// Whether a consumer has a place, be its offset expired.
    pub(super) fn has(&self, topic: u32, consumer: u64) -> bool {
        self.place(topic, consumer).is_ok()
    }
    /// Whether another consumer fits when so many more are on their way.
    pub(super) fn has_room(&self, coming: usize) -> bool {
        self.used as usize + coming < self.capacity as usize
    }
    /// The same of a topic's own share, expired ones counted until a sweep.
    pub(super) fn has_room_in(&self, topic: u32, coming: usize) -> bool {
        let standing = self.by_topic.get(&topic).copied().unwrap_or(0) as usize;
        standing + coming < self.per_topic as usize
    }

    fn expired(&self, commit: &CommittedOffset, now_s: u64) -> bool {
        self.ttl_s > 0 && now_s.saturating_sub(commit.at_s) > self.ttl_s
    }
    fn home(&self, topic: u32, consumer: u64) -> usize {
        let hash = (consumer ^ u64::from(topic) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (hash >> 20) as usize & (self.places.len() - 1)
    }
    fn place(&self, topic: u32, consumer: u64) -> Result<usize, usize> {
        let mut at = self.home(topic, consumer);
        loop {
            match &self.places[at] {
                None => return Err(at),
                Some(commit) if commit.topic == topic && commit.consumer == consumer => {
                    return Ok(at)
                }
                Some(_) => at = (at + 1) & (self.places.len() - 1),
            }
        }
    }
    fn remove(&mut self, at: usize) {
        let topic = self.places[at].expect("what is removed is there").topic;
        match self.by_topic.get_mut(&topic) {
            Some(standing) if *standing > 1 => *standing -= 1,
            _ => drop(self.by_topic.remove(&topic)),
        }
        let mask = self.places.len() - 1;
        let mut hole = at;
        let mut next = (at + 1) & mask;
        while let Some(commit) = self.places[next] {
            let home = self.home(commit.topic, commit.consumer);
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.places[hole] = Some(commit);
                self.show(hole);
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.places[hole] = None;
        self.show(hole);
        self.used -= 1;
    }
}
