//! Topics by id, in memory that is there from the start.
//!
//! Ids are dense and never used again, so one below `next_id` that is not in the map was deleted.

use crate::error::{ErrorCode, Reason, Refusal};
use crate::memory::approach;

/// A topic's place in every per-topic table of the node; used again after the topic is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicSlot(pub u32);

impl TopicSlot {
    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

const EMPTY: u32 = u32::MAX;
/// What this many topics need is more than a near cache holds; tests and the simulator have fewer, and are to come there all the same.
const MANY: u32 = if cfg!(test) { 4 } else { 64 };
/// Entries of as many bytes as a cache line has: neighbours in one or two of them.
const GROUP: u32 = 8;

/// Open addressing with linear probing, at most half full; removal shifts back, so there are no tombstones.
pub struct TopicMap {
    /// `(topic id, slot)`; slot `EMPTY` where nothing stands.
    entries: Vec<(u32, u32)>,
    mask: u32,
    len: u32,
    capacity: u32,
    next_id: u32,
}

impl TopicMap {
    /// A map for at most `capacity` topics; ids below `next_id` have been given before.
    #[must_use]
    pub fn new(capacity: u32, next_id: u32) -> Self {
        let size = (capacity.max(4) * 2).next_power_of_two();
        Self {
            entries: vec![(0, EMPTY); size as usize],
            mask: size - 1,
            len: 0,
            capacity,
            next_id,
        }
    }
    /// The slot of a live topic.
    ///
    /// # Errors
    /// 0x13 for an id that was deleted, 0x10 for one that never was.
    pub fn find(&self, id: u32) -> Result<TopicSlot, Refusal> {
        self.look(id).ok_or_else(|| self.missing(id))
    }
    /// Asks for where an id is looked for ahead.
    pub fn approach(&self, id: u32) {
        approach(&self.entries[self.home(id) as usize]);
    }
    /// Where a topic stands, if it does: for whoever is not asked why not.
    #[must_use]
    pub fn look(&self, id: u32) -> Option<TopicSlot> {
        let mut at = self.home(id);
        loop {
            let (key, slot) = self.entries[at as usize];
            if slot == EMPTY {
                return None;
            }
            if key == id {
                return Some(TopicSlot(slot));
            }
            at = (at + 1) & self.mask;
        }
    }
    /// Adds a topic. False when the map is full or has it already.
    pub fn insert(&mut self, id: u32, slot: TopicSlot) -> bool {
        assert_ne!(slot.0, EMPTY);
        if self.len == self.capacity || self.find(id).is_ok() {
            return false;
        }
        let mut at = self.home(id);
        while self.entries[at as usize].1 != EMPTY {
            at = (at + 1) & self.mask;
        }
        self.entries[at as usize] = (id, slot.0);
        self.len += 1;
        self.next_id = self.next_id.max(id.saturating_add(1));
        true
    }
    /// Takes a topic out; its id counts as deleted from now on.
    pub fn remove(&mut self, id: u32) -> Option<TopicSlot> {
        let mut at = self.home(id);
        let slot = loop {
            let (key, slot) = self.entries[at as usize];
            if slot == EMPTY {
                return None;
            }
            if key == id {
                break slot;
            }
            at = (at + 1) & self.mask;
        };
        let mut hole = at;
        let mut next = (at + 1) & self.mask;
        while self.entries[next as usize].1 != EMPTY {
            let home = self.home(self.entries[next as usize].0);
            // Move an entry into the hole unless its home lies cyclically behind the hole.
            if next.wrapping_sub(home) & self.mask >= next.wrapping_sub(hole) & self.mask {
                self.entries[hole as usize] = self.entries[next as usize];
                hole = next;
            }
            next = (next + 1) & self.mask;
        }
        self.entries[hole as usize] = (0, EMPTY);
        self.len -= 1;
        Some(TopicSlot(slot))
    }
    /// Live topics.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }
    /// Whether there are so many that what is known of one is in no near cache when its turn comes.
    #[must_use]
    pub fn are_many(&self) -> bool {
        self.len >= MANY
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn missing(&self, id: u32) -> Refusal {
        let (code, reason) = if id < self.next_id {
            (ErrorCode::TopicDeleted, Reason::TopicDeleted)
        } else {
            (ErrorCode::TopicNotFound, Reason::TopicUnknown)
        };
        Refusal {
            code,
            reason,
            value: u64::from(id),
            bound: 0,
        }
    }
    fn home(&self, id: u32) -> u32 {
        // Fibonacci hashing by groups: dense ids spread over the table, and those of a cache line stay together.
        let group = (id / GROUP).wrapping_mul(0x9E37_79B9) >> 7;
        (group.wrapping_mul(GROUP) + id % GROUP) & self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn the_map_agrees_with_a_hash_map(steps in prop::collection::vec((any::<bool>(), 0u32..40), 0..300)) {
            let mut map = TopicMap::new(16, 0);
            let mut model = HashMap::new();
            for (add, id) in steps {
                if add {
                    let fits = model.len() < 16 && !model.contains_key(&id);
                    prop_assert_eq!(map.insert(id, TopicSlot(id + 1)), fits);
                    if fits {
                        model.insert(id, id + 1);
                    }
                } else {
                    prop_assert_eq!(map.remove(id).map(|slot| slot.0), model.remove(&id));
                }
                for id in 0..40 {
                    prop_assert_eq!(map.find(id).ok().map(|slot| slot.0), model.get(&id).copied());
                }
            }
        }
    }

    #[test]
    fn a_deleted_topic_is_told_apart_from_one_that_never_was() {
        let mut map = TopicMap::new(16, 3);
        assert!(map.insert(5, TopicSlot(0)));
        assert_eq!(map.find(2).unwrap_err().code, ErrorCode::TopicDeleted);
        assert_eq!(map.find(6).unwrap_err().code, ErrorCode::TopicNotFound);
        map.remove(5);
        assert_eq!(map.find(5).unwrap_err().code, ErrorCode::TopicDeleted);
    }
}
