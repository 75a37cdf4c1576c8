//! Segments that retention took away, as files for the next segments of their topic: they keep their blocks and read as zeros.
//!
//! A block that is written for the first time costs more than one that was written before, on any storage that is given out
//! as it is used, and one that is given back stalls the device (docs/performance.md, 2026-11-30).

use std::io;

use super::jobs::Keeper;
use super::spare::CUT;
use crate::limits::BLOCK;
use crate::storage::Others;
use crate::topics::TopicSlot;

/// How long a file waits for the next segment of its topic, ns.
const WAITS_NS: u64 = 60_000_000_000;
/// What waits is at most such a part of what is free.
const PART_OF_FREE: u64 = 8;

/// Segments that a topic began since retention last removed some, and before that since the time before.
#[derive(Default)]
pub(super) struct Begun {
    pub now: u32,
    before: u32,
}

/// A file that waits.
pub(super) struct Recycled {
    slot: TopicSlot,
    path: String,
    len: u64,
    until_ns: u64,
}

impl Keeper {
    /// Takes care of files that retention moved to `spare/`, by path and length, durably: as many as the topic began segments
    /// since the last time, or before, wait for its next ones, the others go.
    pub(super) fn recycle(&mut self, slot: TopicSlot, moved: Vec<(String, u64)>) {
        let begun = self.begun.entry(slot).or_default();
        // The more of two, so that a round that removes one more or fewer than it needs changes nothing.
        let mut wanted = begun.now.max(begun.before);
        *begun = Begun {
            now: 0,
            before: begun.now,
        };
        let now_ns = self.clock.mono_ns();
        self.let_go(|file| {
            let mine = file.slot == slot;
            let keep = now_ns < file.until_ns && !(mine && wanted == 0);
            wanted -= u32::from(keep && mine);
            keep
        });
        let free = self.storage.free_bytes().unwrap_or(0);
        for (path, len) in moved {
            let waiting: u64 = self.recycled.iter().map(|file| file.len).sum();
            let room = (waiting + len).saturating_mul(PART_OF_FREE) <= free;
            if wanted == 0 || !room || !matches!(self.blank(&path, len), Ok(true)) {
                self.remains.add(path);
                continue;
            }
            wanted -= 1;
            self.recycled.push(Recycled {
                slot,
                path,
                len,
                until_ns: now_ns + WAITS_NS,
            });
        }
    }

    /// A file for the next segment of a topic.
    pub(super) fn take_recycled(&mut self, slot: TopicSlot) -> Option<String> {
        let at = self.recycled.iter().position(|file| file.slot == slot)?;
        Some(self.recycled.remove(at).path)
    }

    /// Files that waited long enough, and those of a topic that is gone, give their blocks back.
    pub(super) fn let_recycled_go(&mut self, gone: Option<TopicSlot>) {
        if !self.recycled.is_empty() {
            let now_ns = self.clock.mono_ns();
            self.let_go(|file| Some(file.slot) != gone && now_ns < file.until_ns);
        }
    }

    /// The disk is full: removes what waits, at once. Returns whether that was anything.
    pub(super) fn free_recycled(&mut self) -> bool {
        let any = !self.recycled.is_empty();
        for file in self.recycled.drain(..) {
            let _ = self.storage.unlink(&file.path);
        }
        any
    }

    fn let_go(&mut self, mut keep: impl FnMut(&mut Recycled) -> bool) {
        for file in self.recycled.extract_if(.., |file| !keep(file)) {
            self.remains.add(file.path);
        }
    }

    /// Makes a file read as zeros; false if somebody would see that.
    fn blank(&self, path: &str, len: u64) -> io::Result<bool> {
        let file = self.storage.open(path, CUT)?;
        let blank = match self.storage.others(file) {
            Others::Nobody => self
                .storage
                .blank(file, len.next_multiple_of(BLOCK))
                .map(|()| true),
            Others::Readers | Others::Unknown => Ok(false),
        };
        self.storage.close(file);
        blank
    }
}
