//! From an address to a place on disk, in O(1) expected probes of a sparse index and a hop over a few batch headers.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use super::files::Catalogue;
use super::{Answer, Found, Located, Question};
use crate::error::{ErrorCode, Reason, Refusal};
use crate::format::batch::{BatchHeader, SortKey, BATCH_HEADER};
use crate::format::index::{IndexEntry, ENTRY};
use crate::format::names::SegmentName;
use crate::io::{reaches, within};
use crate::messages::LocateBy;
use crate::queue::{Receiver, Sender};
use crate::storage::{Handle, Open, Storage};
use crate::topics::TopicSlot;

const READ: Open = Open {
    write: false,
    create: false,
    direct: false,
};
const READ_DIRECT: Open = Open {
    write: false,
    create: false,
    direct: true,
};

/// Answers questions, one after the other. Thread: one of its own, no agent.
pub struct Finder {
    storage: Arc<dyn Storage>,
    catalogue: Catalogue,
    questions: Receiver<Question>,
    answers: Sender<Answer>,
}

impl Finder {
    /// A finder in the files under `storage`.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        catalogue: Catalogue,
        questions: Receiver<Question>,
        answers: Sender<Answer>,
    ) -> Self {
        Self {
            storage,
            catalogue,
            questions,
            answers,
        }
    }

    /// Answers what was asked. Returns how many questions that was.
    pub fn work(&mut self) -> usize {
        let mut done = 0;
        self.questions.measure();
        while self.answers.room() > 0 {
            let Some(question) = self.questions.pop() else {
                break;
            };
            done += 1;
            let answer = match question {
                Question::Read { read, slot, offset } => Answer::Read {
                    read,
                    slot,
                    result: self.again(slot, offset, || self.place(slot, offset)),
                },
                Question::Locate {
                    request,
                    topic,
                    slot,
                    by,
                    below,
                } => Answer::Locate {
                    request,
                    topic,
                    by,
                    result: self.again(slot, below, || self.locate(slot, by, below)),
                },
                Question::Close { file } => {
                    self.storage.close(file);
                    continue;
                }
            };
            let room = self.answers.push(answer).is_ok();
            assert!(room, "room was made sure of");
        }
        done
    }

    /// Tries again where a file went while it was looked for: sealed under another name, or removed as too old.
    fn again<T>(
        &self,
        slot: TopicSlot,
        offset: u64,
        look: impl Fn() -> Result<T, Failure>,
    ) -> Result<T, Refusal> {
        for _ in 0..ATTEMPTS {
            match look() {
                Ok(found) => return Ok(found),
                Err(Failure::Refused(refusal)) => return Err(refusal),
                Err(Failure::System(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(Failure::System(_)) => break,
            }
        }
        let id = self.catalogue.with(slot, |files| files.id).unwrap_or(0);
        Err(refusal(id, Reason::ReadFailed, offset))
    }

    fn place(&self, slot: TopicSlot, offset: u64) -> Result<Option<Found>, Failure> {
        let (topic, id, segments) = self.segments(slot, offset)?;
        // Below the first kept offset: the first kept one.
        let name = segments
            .iter()
            .rev()
            .find(|name| name.base_offset <= offset)
            .or(segments.first());
        let Some(&name) = name else {
            return Ok(None);
        };
        let by = LocateBy::Offset(offset.max(name.base_offset));
        let segment = self.open(slot, &topic, name)?;
        let found = segment.search(by)?;
        self.suspect(slot, &segment, name);
        let (position, header) = found.ok_or(refusal(id, Reason::Damaged, offset))?;
        let file = self.storage.open(&name.path(&topic, "lnc"), READ_DIRECT)?;
        Ok(Some(Found {
            file,
            position,
            base_offset: header.base_offset,
        }))
    }

    fn locate(
        &self,
        slot: TopicSlot,
        by: LocateBy,
        below: u64,
    ) -> Result<Option<Located>, Failure> {
        let (topic, id, segments) = self.segments(slot, below)?;
        let from = segments.iter().rposition(|name| match by {
            LocateBy::Record(record) => name.base_record <= record,
            LocateBy::Offset(offset) => name.base_offset <= offset,
            LocateBy::Time(ns) | LocateBy::Key(ns, _) => name.start_ns < ns,
        });
        for name in segments.into_iter().skip(from.unwrap_or(0)) {
            if name.base_offset >= below {
                break;
            }
            let segment = self.open(slot, &topic, name)?;
            let found = segment.search(by)?;
            self.suspect(slot, &segment, name);
            let Some((position, header)) = found else {
                continue;
            };
            if header.next_offset() > below {
                return Ok(None);
            }
            let mut payload = vec![0; header.payload_len as usize];
            let read =
                self.storage
                    .read_at(segment.file, &mut payload, position + BATCH_HEADER as u64);
            let whole = read? == payload.len()
                && crate::checksum::checksum(header.payload_kind, &payload)
                    == header.payload_checksum;
            if !whole {
                return Err(refusal(id, Reason::Damaged, header.base_offset).into());
            }
            return Ok(within(&header, &payload, by));
        }
        Ok(None)
    }

    /// Opens a segment under the catalogue's lock: no file is open whose segment went before, so that the keeper can tell by
    /// looking whether somebody reads what it is about to change.
    fn open(&self, slot: TopicSlot, topic: &str, name: SegmentName) -> io::Result<Segment<'_>> {
        let opened = self.catalogue.with(slot, |files| {
            files
                .has(&name)
                .then(|| Segment::open(&*self.storage, topic, name))
        });
        opened
            .flatten()
            .unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// The index of a sealed segment that lies is made anew by the keeper; an active one's is still being written.
    fn suspect(&self, slot: TopicSlot, segment: &Segment<'_>, name: SegmentName) {
        if segment.lies.get() && name.end_ns.is_some() {
            self.catalogue.suspect(slot, name);
        }
    }

    fn segments(
        &self,
        slot: TopicSlot,
        offset: u64,
    ) -> Result<(String, u32, Vec<SegmentName>), Refusal> {
        self.catalogue
            .with(slot, |files| {
                (files.name.clone(), files.id, files.all().collect())
            })
            .ok_or(refusal(0, Reason::ReadFailed, offset))
    }
}

/// How often a file that went meanwhile is looked for again.
const ATTEMPTS: usize = 4;

/// Why nothing was found.
enum Failure {
    System(io::Error),
    Refused(Refusal),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn refusal(topic: u32, reason: Reason, offset: u64) -> Refusal {
    Refusal {
        code: ErrorCode::Storage,
        reason,
        value: u64::from(topic),
        bound: offset,
    }
}

/// A segment that is searched.
struct Segment<'a> {
    storage: &'a dyn Storage,
    file: Handle,
    index: Option<(Handle, Handle)>,
    entries: u64,
    /// The index is not there, not whole, or says what the segment does not.
    lies: Cell<bool>,
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
    fn open(storage: &'a dyn Storage, topic: &str, name: SegmentName) -> io::Result<Self> {
        let file = storage.open(&name.path(topic, "lnc"), READ)?;
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
    fn search(&self, by: LocateBy) -> io::Result<Option<(u64, BatchHeader)>> {
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
