//! An address in one segment: a search in its sparse index, then a hop over a few batch headers.

use std::cell::Cell;
use std::io;

use crate::format::batch::{BatchHeader, SortKey, BATCH_HEADER};
use crate::format::index::{IndexEntry, ENTRY};
use crate::format::names::SegmentName;
use crate::io::reaches;
use crate::messages::LocateBy;
use crate::storage::{Handle, Open, Storage};

/// How files are opened that are searched.
pub(super) const READ: Open = Open {
    write: false,
    create: false,
    direct: false,
};

/// A segment that is searched.
pub(super) struct Segment<'a> {
    storage: &'a dyn Storage,
    pub(super) file: Handle,
    index: Option<(Handle, Handle)>,
    entries: u64,
    /// The index is not there, not whole, or says what the segment does not.
    pub(super) lies: Cell<bool>,
}

impl Drop for Segment<'_> {
    fn drop(&mut self) {
        self.storage.close(self.file);
        if let Some((idx, pos)) = self.index {
            self.storage.close(idx);
            self.storage.close(pos);
        }
    }
}

impl<'a> Segment<'a> {
    /// An open file of the topic; closed with this.
    pub(super) fn new(
        storage: &'a dyn Storage,
        topic: &str,
        name: SegmentName,
        file: Handle,
    ) -> io::Result<Self> {
        let mut segment = Self {
            storage,
            file,
            index: None,
            entries: 0,
            lies: Cell::new(true),
        };
        // Without an index the search starts at the first header: slower, never wrong.
        if let Ok(idx) = storage.open(&name.path(topic, "idx"), READ) {
            match storage.open(&name.path(topic, "pos"), READ) {
                Ok(pos) => {
                    segment.index = Some((idx, pos));
                    let (keys, places) = (storage.len(idx)?, storage.len(pos)?);
                    segment.entries = keys.min(places) / ENTRY as u64;
                    let whole = keys == places && keys > 0 && keys.is_multiple_of(ENTRY as u64);
                    segment.lies.set(!whole);
                }
                Err(_) => storage.close(idx),
            }
        }
        Ok(segment)
    }

    /// The first batch that reaches the address, with its position.
    pub(super) fn search(&self, by: LocateBy) -> io::Result<Option<(u64, BatchHeader)>> {
        let mut at = self.start(by)?;
        while let Some(header) = self.header(at)? {
            if reaches(&header, by) {
                return Ok(Some((at, header)));
            }
            at += header.batch_len();
        }
        Ok(None)
    }

    /// Position of a batch at or before the one that is searched.
    fn start(&self, by: LocateBy) -> io::Result<u64> {
        let target = rank(by);
        let (mut low, mut high) = (0, self.entries);
        let mut best = 0;
        let mut probes = 0;
        // `low` is the first entry that may still be too far; everything below it lies before the target.
        while low < high {
            let probe = match probes {
                0..8 if high - low > 8 => self.interpolate(low, high - 1, target, by)?,
                _ => low + (high - low) / 2,
            };
            probes += 1;
            let Some(entry) = self.entry(probe)? else {
                self.lies.set(true);
                return Ok(0);
            };
            if entry_rank(&entry, by) <= target {
                best = probe + 1;
                low = probe + 1;
            } else {
                high = probe;
            }
        }
        // For times and keys equal ones may stand before: one entry further back is always before them.
        let best = if matches!(by, LocateBy::Time(_) | LocateBy::Key(..)) {
            best.saturating_sub(1)
        } else {
            best
        };
        let Some(entry) = best
            .checked_sub(1)
            .map(|ordinal| self.entry(ordinal))
            .transpose()?
            .flatten()
        else {
            return Ok(0);
        };
        // An entry is verified against the header it points at, and never believed.
        let honest = entry_rank(&entry, by) <= target
            && self.header(entry.position)?.is_some_and(|header| {
                header.base_offset == entry.base_offset
                    && header.base_record == entry.base_record
                    && header.key == entry.key
            });
        if !honest {
            self.lies.set(true);
            return Ok(0);
        }
        Ok(entry.position)
    }

    fn interpolate(&self, low: u64, high: u64, target: u128, by: LocateBy) -> io::Result<u64> {
        let (Some(first), Some(last)) = (self.entry(low)?, self.entry(high)?) else {
            return Ok(low);
        };
        let (first, last) = (entry_rank(&first, by), entry_rank(&last, by));
        if target <= first || last <= first {
            return Ok(low);
        }
        if target >= last {
            return Ok(high);
        }
        let share = (target - first) as f64 / (last - first) as f64;
        Ok((low + (share * (high - low) as f64) as u64).clamp(low, high))
    }

    fn entry(&self, ordinal: u64) -> io::Result<Option<IndexEntry>> {
        let Some((idx, pos)) = self.index else {
            return Ok(None);
        };
        let (mut key, mut place) = ([0; ENTRY], [0; ENTRY]);
        let at = ordinal * ENTRY as u64;
        let read =
            self.storage.read_at(idx, &mut key, at)? + self.storage.read_at(pos, &mut place, at)?;
        Ok(if read == 2 * ENTRY {
            IndexEntry::decode(&key, &place)
        } else {
            None
        })
    }

    fn header(&self, at: u64) -> io::Result<Option<BatchHeader>> {
        let mut bytes = [0; BATCH_HEADER];
        if self.storage.read_at(self.file, &mut bytes, at)? < BATCH_HEADER {
            return Ok(None);
        }
        Ok(BatchHeader::decode(&bytes).ok().map(|(header, _)| header))
    }
}

fn rank(by: LocateBy) -> u128 {
    match by {
        LocateBy::Record(value) | LocateBy::Offset(value) => u128::from(value),
        LocateBy::Time(ns) => u128::from(ns) << 64,
        LocateBy::Key(ns, rest) => u128::from(ns) << 64 | u128::from(rest),
    }
}

fn entry_rank(entry: &IndexEntry, by: LocateBy) -> u128 {
    match by {
        LocateBy::Record(_) => u128::from(entry.base_record),
        LocateBy::Offset(_) => u128::from(entry.base_offset),
        LocateBy::Time(_) | LocateBy::Key(..) => key_rank(entry.key),
    }
}

fn key_rank(key: SortKey) -> u128 {
    u128::from(key.timestamp_ns) << 64 | u128::from(key.node_actor_sequence)
}
