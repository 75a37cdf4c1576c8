//! From an address to a place on disk, in O(1) expected probes of a sparse index and a hop over a few batch headers.

use std::io;
use std::sync::Arc;

use super::files::Catalogue;
use super::search::{Segment, READ};
use super::{Answer, Found, Located, Question};
use crate::error::{ErrorCode, Reason, Refusal};
use crate::format::batch::BATCH_HEADER;
use crate::format::names::SegmentName;
use crate::io::within;
use crate::messages::LocateBy;
use crate::queue::{Receiver, Sender};
use crate::storage::{Open, Storage};
use crate::topics::TopicSlot;

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

    /// Opens a segment, under the catalogue's lock: none is opened that is gone from there, so that the keeper can look
    /// whether somebody reads what it is about to change.
    pub(super) fn open(
        &self,
        slot: TopicSlot,
        topic: &str,
        name: SegmentName,
    ) -> io::Result<Segment<'_>> {
        let open = || self.storage.open(&name.path(topic, "lnc"), READ);
        let opened = self.catalogue.with(slot, |f| f.has(&name).then(open));
        let file = opened.flatten().ok_or(io::ErrorKind::NotFound)??;
        Segment::new(&*self.storage, topic, name, file)
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
