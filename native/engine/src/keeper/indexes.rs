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

/// The indexes of an active segment.
pub(super) struct Index {
    pub idx: Handle,
    pub pos: Handle,
    entries: u64,
    used: u64,
}

impl Keeper {
    /// Appends an entry to both indexes.
    pub(super) fn index(
        &mut self,
        slot: TopicSlot,
        name: &SegmentName,
        entry: &IndexEntry,
    ) -> io::Result<()> {
        self.clock += 1;
        let key = (slot, name.base_offset);
        if !self.indexes.contains_key(&key) {
            if self.indexes.len() >= OPEN_INDEXES {
                let oldest = self
                    .indexes
                    .iter()
                    .min_by_key(|(_, index)| index.used)
                    .map(|(key, _)| *key);
                self.close_index(oldest.unwrap_or(key));
            }
            let idx = self.open_index(slot, name, "idx")?;
            let pos = self
                .open_index(slot, name, "pos")
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
        index.used = self.clock;
        let at = index.entries * ENTRY as u64;
        self.storage.write_at(index.idx, &entry.idx(), at)?;
        self.storage.write_at(index.pos, &entry.pos(), at)?;
        index.entries += 1;
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
