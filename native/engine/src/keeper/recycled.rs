//! Segments that retention took away, as files for the next segments of their topic: they keep their blocks and read as zeros.
//!
//! A block that is written for the first time costs more than one that was written before, on any storage that is given out
//! as it is used, and one that is given back stalls the device (docs/performance.md, 2026-11-30).

use std::io;

use super::jobs::Keeper;
use super::remains::CUT;
use super::spare::REGION;
use crate::limits::BLOCK;
use crate::storage::{Others, Storage};
use crate::topics::TopicSlot;

/// How long a file waits for the next segment of its topic, ns.
const WAITS_NS: u64 = 60_000_000_000;
/// What waits is at most such a part of what is free.
const PART_OF_FREE: u64 = 8;

/// Segments that a topic began since retention last took some to `spare/`, and between that time and the one before.
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
    /// Takes care of files that retention moved to `spare/`, durably: as many as the topic began segments since the last time, or
    /// before, wait for its next ones, the others go.
    pub(super) fn recycle(&mut self, slot: TopicSlot, moved: Vec<String>) {
        let begun = self.begun.entry(slot).or_default();
        // The more of two, so that a round that removes one more or fewer than it needs changes nothing.
        let mut wanted = begun.now.max(begun.before);
        *begun = Begun {
            now: 0,
            before: begun.now,
        };
        self.let_recycled_go(None);
        self.let_go(|file| {
            let mine = file.slot == slot;
            let keep = !mine || wanted > 0;
            wanted -= u32::from(keep && mine);
            keep
        });
        let until_ns = self.clock.mono_ns() + WAITS_NS;
        let waiting: u64 = self.recycled.iter().map(|file| file.len).sum();
        let most = self.storage.free_bytes().unwrap_or(0) / PART_OF_FREE;
        let mut room = most.saturating_sub(waiting);
        for path in moved {
            let blank = match wanted {
                0 => Ok(None),
                _ => self.blank(&path, room),
            };
            let Ok(Some(len)) = blank else {
                self.remains.add(path);
                continue;
            };
            wanted -= 1;
            room -= len;
            self.recycled.push(Recycled {
                slot,
                path,
                len,
                until_ns,
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

    /// Does something that needs room on the disk; where there is none, what was removed goes first, at once.
    pub(super) fn with_room<T>(
        &mut self,
        what: impl Fn(&dyn Storage) -> io::Result<T>,
    ) -> io::Result<T> {
        match what(&*self.storage) {
            Err(error) if is_full(&error) && self.make_room() => what(&*self.storage),
            done => done,
        }
    }

    /// Removes files that wait, for a segment or for the remover. Returns whether there were any.
    fn make_room(&mut self) -> bool {
        for file in self.recycled.drain(..) {
            self.remains.add(file.path);
        }
        self.remains.remove_all(&*self.storage)
    }

    fn let_go(&mut self, mut keep: impl FnMut(&mut Recycled) -> bool) {
        for file in self.recycled.extract_if(.., |file| !keep(file)) {
            self.remains.add(file.path);
        }
    }

    /// Makes a file of at most `most` bytes read as zeros, its first blocks written once as a spare's are. Returns its length;
    /// `None` if it is longer, or somebody would see that.
    fn blank(&self, path: &str, most: u64) -> io::Result<Option<u64>> {
        let file = self.storage.open(path, CUT)?;
        let blank = self.storage.len(file).and_then(|len| {
            if len > most || self.storage.others(file) != Others::Nobody {
                return Ok(None);
            }
            self.storage
                .blank(file, len.next_multiple_of(BLOCK), REGION.min(len))
                .map(|()| Some(len))
        });
        self.storage.close(file);
        blank
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}
