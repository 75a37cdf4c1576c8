//! Places on disk that are remembered between fetches, with their files and read slabs.

use super::Cursor;
use crate::agent::Cx;
use crate::io::agent::{IoAgent, IoRing};
use crate::keeper::Question;
use crate::memory::SlabId;
use crate::ring::FileSlot;
use crate::storage::Handle;
use crate::topics::TopicSlot;

impl IoAgent {
    /// A slab to read into: a free one, that of the place used longest ago, or one that was read ahead for later.
    pub(super) fn take_read_slab(&mut self, bytes: u32) -> Option<SlabId> {
        loop {
            if let Some(slab) = self.reader.reads.take(bytes) {
                return Some(slab);
            }
            let with_buffer = self
                .reader
                .cursors
                .iter_mut()
                .filter(|cursor| cursor.buffer.is_some());
            if let Some(cursor) = with_buffer.min_by_key(|cursor| cursor.used_ns) {
                let (id, buffer) = (cursor.id, cursor.buffer.take()?);
                self.reader.reads.put(&self.table, buffer.slab);
                self.forget_ahead(id);
            } else if !self.give_ahead_back() {
                return None;
            }
        }
    }

    pub(super) fn close_oldest<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) {
        let oldest = self
            .reader
            .cursors
            .iter()
            .enumerate()
            .min_by_key(|(_, cursor)| cursor.used_ns)
            .map(|(i, _)| i);
        if let Some(at) = oldest {
            let cursor = self.reader.cursors.swap_remove(at);
            self.close_cursor(cx, cursor);
        }
    }

    pub(super) fn close_cursor<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, cursor: Cursor) {
        if let Some(buffer) = cursor.buffer {
            self.reader.reads.put(&self.table, buffer.slab);
        }
        self.close_file(cx, &cursor);
    }

    pub(super) fn let_file_go<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        file: FileSlot,
        handle: Handle,
    ) {
        cx.ring.uninstall(file);
        self.reader.free_files.push(file);
        self.ask_finder(Question::Close { file: handle });
    }

    /// What lies below this offset is on disk, and not in memory.
    pub(super) fn on_disk_below(&self, slot: TopicSlot) -> u64 {
        self.tail_start(slot)
            .unwrap_or(self.topics[slot.index()].readable.offset)
    }

    /// Forgets the places of a topic that goes.
    pub(in crate::io) fn close_cursors<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        slot: TopicSlot,
    ) {
        while let Some(at) = self
            .reader
            .cursors
            .iter()
            .position(|cursor| cursor.slot == slot)
        {
            let cursor = self.reader.cursors.swap_remove(at);
            self.close_cursor(cx, cursor);
        }
    }
}
