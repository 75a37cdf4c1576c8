//! Which files each topic has: shared by keeper and finder, never by an agent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::format::names::SegmentName;
use crate::recovery::RecoveredTopic;
use crate::topics::TopicSlot;

/// The files of a topic.
#[derive(Clone, Debug)]
pub struct TopicFiles {
    pub id: u32,
    /// Also the name of its directory.
    pub name: String,
    /// Sealed segments with their lengths, by base offset.
    pub sealed: Vec<(SegmentName, u64)>,
    /// Segments that are not sealed, by base offset.
    pub active: Vec<SegmentName>,
    /// Sealed segments whose index was caught lying: the keeper makes it anew.
    pub suspect: Vec<SegmentName>,
}

impl TopicFiles {
    /// Those of a topic as recovery found it.
    #[must_use]
    pub fn of(topic: &RecoveredTopic) -> Self {
        Self {
            id: topic.metadata.id,
            name: topic.metadata.name.clone(),
            sealed: topic
                .sealed
                .iter()
                .map(|segment| (segment.name, segment.end))
                .collect(),
            active: topic.active.iter().map(|segment| segment.name).collect(),
            suspect: Vec::new(),
        }
    }
    /// Whether it has this segment under this name.
    #[must_use]
    pub fn has(&self, name: &SegmentName) -> bool {
        self.active.contains(name) || self.sealed.iter().any(|(other, _)| other == name)
    }
    /// All segments by base offset. One that could not be sealed keeps its place among those that were sealed since.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = SegmentName> {
        let sealed = self.sealed.iter().map(|(name, _)| *name);
        let mut names: Vec<SegmentName> = sealed.chain(self.active.iter().copied()).collect();
        names.sort_by_key(|name| name.base_offset);
        names.into_iter()
    }
}

/// The files of all topics, by slot.
#[derive(Clone)]
pub struct Catalogue(Arc<Files>);

struct Files {
    by_slot: Mutex<Vec<Option<TopicFiles>>>,
    /// Some topic may have a suspect: else the keeper need not look through all of them each time it is done.
    suspected: AtomicBool,
}

impl Catalogue {
    /// For `topics` slots.
    #[must_use]
    pub fn new(topics: u32) -> Self {
        Self(Arc::new(Files {
            by_slot: Mutex::new((0..topics).map(|_| None).collect()),
            suspected: AtomicBool::new(false),
        }))
    }
    /// Calls `f` with a topic's files; `None` if it has none any more.
    pub fn with<T>(&self, slot: TopicSlot, f: impl FnOnce(&mut TopicFiles) -> T) -> Option<T> {
        self.lock().get_mut(slot.index())?.as_mut().map(f)
    }
    /// The index of a sealed segment was caught lying.
    pub fn suspect(&self, slot: TopicSlot, name: SegmentName) {
        self.with(slot, |files| {
            if !files.suspect.contains(&name) {
                files.suspect.push(name);
            }
        });
        self.0.suspected.store(true, Ordering::Release);
    }
    /// A sealed segment whose index was caught lying, and its topic's name.
    pub fn take_suspect(&self) -> Option<(String, SegmentName)> {
        if !self.0.suspected.swap(false, Ordering::AcqRel) {
            return None;
        }
        let found = self.lock().iter_mut().flatten().find_map(|files| {
            let name = files.suspect.pop()?;
            Some((files.name.clone(), name))
        });
        if found.is_some() {
            // Perhaps not the only one.
            self.0.suspected.store(true, Ordering::Release);
        }
        found
    }
    /// A topic comes.
    pub fn add(&self, slot: TopicSlot, files: TopicFiles) {
        self.lock()[slot.index()] = Some(files);
    }
    /// A topic goes.
    pub fn remove(&self, slot: TopicSlot) -> Option<TopicFiles> {
        self.lock()[slot.index()].take()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<TopicFiles>>> {
        // A panic elsewhere aborts the process; what it left here is whole all the same.
        self.0
            .by_slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suspect_is_taken_once_whichever_topic_it_is_of() {
        let catalogue = Catalogue::new(3);
        let files = |id: u32| TopicFiles {
            id,
            name: format!("topic-{id}"),
            sealed: Vec::new(),
            active: Vec::new(),
            suspect: Vec::new(),
        };
        let name = |base_offset| SegmentName {
            base_offset,
            base_record: 0,
            start_ns: 1,
            end_ns: Some(2),
        };
        catalogue.add(TopicSlot(0), files(0));
        catalogue.add(TopicSlot(2), files(2));
        assert_eq!(catalogue.take_suspect(), None);
        for (slot, base) in [(0, 5), (2, 6), (2, 7), (2, 7), (1, 8)] {
            catalogue.suspect(TopicSlot(slot), name(base));
        }
        let mut taken: Vec<_> = std::iter::from_fn(|| catalogue.take_suspect()).collect();
        taken.sort();
        let expected = [(0, 5), (2, 6), (2, 7)];
        let expected = expected.map(|(id, base)| (format!("topic-{id}"), name(base)));
        assert_eq!(taken, expected);
        catalogue.suspect(TopicSlot(0), name(9));
        assert!(catalogue.take_suspect().is_some());
    }
}
