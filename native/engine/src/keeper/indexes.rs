//! Indexes: entries of active segments come one by one, and as many files stay open as are worth it; one that lied is
//! made anew.

use std::io;

use super::jobs::Keeper;
use crate::format::index::{IndexEntry, ENTRY};
use crate::format::names::SegmentName;
use crate::recovery::rebuild_index;
use crate::storage::{Handle, Open};
use crate::topics::TopicSlot;

/// Index files that stay open between entries, at most.
const OPEN_INDEXES: usize = 256;
/// Entries of a segment that are written together; a reader and a recovery find their way over what fewer have left out, from
/// batch to batch. The first one does not wait: a segment has an index as soon as it has something durable.
const TOGETHER: usize = 8;
/// Segments whose entries are written in one idle turn, at most: jobs that come meanwhile wait for them.
const AT_ONCE: usize = 64;

/// The indexes of an active segment.
pub(super) struct Index {
    pub idx: Handle,
    pub pos: Handle,
    entries: u64,
    used: u64,
}

/// An active segment.
pub(super) type IndexKey = (TopicSlot, u64);

/// Entries of an active segment that its indexes do not have yet.
pub(super) struct Unwritten {
    name: SegmentName,
    entries: Vec<IndexEntry>,
}

impl Keeper {
    /// Takes an entry for both indexes of an active segment.
    pub(super) fn index(&mut self, slot: TopicSlot, name: &SegmentName, entry: IndexEntry) {
        let key = (slot, name.base_offset);
        let unwritten = self.unwritten.entry(key).or_insert_with(|| Unwritten {
            name: *name,
            entries: Vec::with_capacity(TOGETHER),
        });
        unwritten.entries.push(entry);
        if entry.position == 0 || unwritten.entries.len() == TOGETHER {
            self.enough.push(key);
        }
    }

    /// Writes the entries of segments that have enough of them: a write of two files for each of thousands of topics' entries
    /// is as much work for the disk as their records.
    pub(super) fn write_full_indexes(&mut self) {
        while let Some(key) = self.enough.pop() {
            self.write_index(key);
        }
    }

    /// Writes entries that wait for more, of some segments. Returns of how many.
    pub(super) fn write_some_indexes(&mut self) -> usize {
        let keys: Vec<IndexKey> = self.unwritten.keys().copied().take(AT_ONCE).collect();
        for &key in &keys {
            self.write_index(key);
        }
        keys.len()
    }

    /// Writes the entries of a segment that wait. Where that fails, the index is made anew at the seal.
    pub(super) fn write_index(&mut self, key: IndexKey) {
        let Some(unwritten) = self.unwritten.remove(&key) else {
            return;
        };
        if self.append_index(key, &unwritten).is_err() && !self.torn.contains(&key) {
            self.torn.push(key);
        }
    }

    fn append_index(&mut self, key: IndexKey, unwritten: &Unwritten) -> io::Result<()> {
        let Unwritten { name, entries } = unwritten;
        self.uses += 1;
        if !self.indexes.contains_key(&key) {
            if self.indexes.len() >= OPEN_INDEXES {
                let oldest = self
                    .indexes
                    .iter()
                    .min_by_key(|(_, index)| index.used)
                    .map(|(key, _)| *key);
                self.close_index(oldest.unwrap_or(key));
            }
            let idx = self.open_index(key.0, name, "idx")?;
            let pos = self
                .open_index(key.0, name, "pos")
                .inspect_err(|_| self.storage.close(idx))?;
            let len = self.storage.len(idx)?.min(self.storage.len(pos)?);
            self.indexes.insert(
                key,
                Index {
                    idx,
                    pos,
                    entries: len / ENTRY as u64,
                    used: 0,
                },
            );
        }
        let Some(index) = self.indexes.get_mut(&key) else {
            return Ok(());
        };
        index.used = self.uses;
        let at = index.entries * ENTRY as u64;
        let idx: Vec<u8> = entries.iter().flat_map(IndexEntry::idx).collect();
        let pos: Vec<u8> = entries.iter().flat_map(IndexEntry::pos).collect();
        self.storage.write_at(index.idx, &idx, at)?;
        self.storage.write_at(index.pos, &pos, at)?;
        index.entries += entries.len() as u64;
        Ok(())
    }

    pub(super) fn open_index(
        &self,
        slot: TopicSlot,
        name: &SegmentName,
        extension: &str,
    ) -> io::Result<Handle> {
        let path = self.path(slot, name, extension)?;
        let create = !self.storage.exists(&path)?;
        self.storage.open(
            &path,
            Open {
                write: true,
                create,
                direct: false,
            },
        )
    }

    pub(super) fn close_index(&mut self, key: (TopicSlot, u64)) -> Option<Index> {
        let index = self.indexes.remove(&key)?;
        self.storage.close(index.idx);
        self.storage.close(index.pos);
        Some(index)
    }

    /// Makes the index of one sealed segment anew that the finder caught lying. Idle work.
    pub(super) fn mend_index(&mut self) -> usize {
        let Some((topic, name)) = self.catalogue.take_suspect() else {
            return 0;
        };
        // One that cannot be mended is searched without: slower, never wrong.
        let _ = rebuild_index(&*self.storage, &topic, &name, self.index_every_bytes);
        1
    }
}
