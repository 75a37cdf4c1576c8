//! Which files each topic has: shared by keeper and finder, never by an agent.

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
pub struct Catalogue(Arc<Mutex<Vec<Option<TopicFiles>>>>);

impl Catalogue {
    /// For `topics` slots.
    #[must_use]
    pub fn new(topics: u32) -> Self {
        Self(Arc::new(Mutex::new((0..topics).map(|_| None).collect())))
    }
    /// Calls `f` with a topic's files; `None` if it has none any more.
    pub fn with<T>(&self, slot: TopicSlot, f: impl FnOnce(&mut TopicFiles) -> T) -> Option<T> {
        self.lock().get_mut(slot.index())?.as_mut().map(f)
    }
    /// A sealed segment whose index was caught lying, and its topic's name.
    pub fn take_suspect(&self) -> Option<(String, SegmentName)> {
        self.lock().iter_mut().flatten().find_map(|files| {
            let name = files.suspect.pop()?;
            Some((files.name.clone(), name))
        })
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
