//! One topic, from its directory and the journal to where it goes on.

use std::collections::BTreeMap;

use super::active::{scan, start, Question, Scan};
use super::batches::{Link, Owner};
use super::disk::Disk;
use super::error::RecoveryError;
use super::index::path_of;
use super::journal::{Journal, TopicEntries};
use super::kept::{keep, Patched};
use super::overlay::Extents;
use super::quarantine::{self, Quarantine};
use super::segments::{create, last_batch, read_directory, remove, seal};
use super::verdict::Verdict;
use super::{Finding, Position, RecoveredTopic, RecoveryOptions, Severity, TopicMetadata};
use crate::format::names::{SegmentName, SEGMENTS_DIR};

/// What the recovery of a topic works with.
pub(super) struct Topic<'s, 'a> {
    pub disk: Disk<'a>,
    /// `segments/{name}`.
    pub dir: String,
    pub owner: Owner,
    pub options: &'s RecoveryOptions,
    pub journal: &'s Journal<'a>,
    pub entries: &'s TopicEntries,
    pub quarantine: Option<Quarantine>,
    pub findings: &'s mut Vec<Finding>,
    /// All segments, by base offset.
    pub names: Vec<SegmentName>,
    /// Batches that came out of the journal.
    pub laid: u64,
    /// Where the batches of segments end that damage keeps from being sealed, by base offset.
    pub unsealed_ends: BTreeMap<u64, u64>,
}

/// How far batch follows batch.
pub(super) struct Walk<'a> {
    /// The last segment that was read.
    pub tail: Option<Scan<'a>>,
    /// How many segments that makes, from the oldest on: the others do not connect.
    pub reached: usize,
    /// What the topic's next batch must continue.
    pub link: Link,
}

/// No extents, for segments that the journal does not know.
pub(super) static NONE: Extents = Extents::none();

/// Recovers a topic.
///
/// # Errors
/// `Io`, `NewerFormat`, `Invalid`.
pub(super) fn recover_topic(
    disk: Disk,
    metadata: TopicMetadata,
    options: &RecoveryOptions,
    journal: &Journal,
    findings: &mut Vec<Finding>,
    laid: &mut u64,
) -> Result<RecoveredTopic, RecoveryError> {
    let owner = Owner {
        topic: metadata.id,
        epoch: metadata.epoch,
    };
    let dir = format!("{SEGMENTS_DIR}/{}", metadata.name);
    let nothing = TopicEntries::default();
    let mut topic = Topic {
        names: read_directory(disk, &dir)?,
        quarantine: quarantine::read(disk, &dir)?,
        entries: journal.topics.get(&owner).unwrap_or(&nothing),
        disk,
        dir,
        owner,
        options,
        journal,
        findings,
        laid: 0,
        unsealed_ends: BTreeMap::new(),
    };
    topic.finish_retention(metadata.resume)?;
    let mut walk = topic.walk(metadata.resume)?;
    let frozen = match topic.judge(&mut walk, metadata.resume)? {
        Verdict::Whole => {
            topic.heal()?;
            topic.drop_empty(&mut walk)?;
            false
        }
        Verdict::Torn => {
            topic.heal()?;
            topic.cut(&mut walk)?;
            false
        }
        Verdict::Damage { durable, reason } => {
            topic.freeze(&mut walk, durable, reason)?;
            true
        }
    };
    let recovered = topic.settle(walk, metadata, frozen)?;
    *laid += topic.laid;
    Ok(recovered)
}

impl<'a> Topic<'_, 'a> {
    pub fn path(&self, name: &SegmentName) -> String {
        path_of(&self.dir, name, "lnc")
    }
    pub fn extents(&self, name: &SegmentName) -> &Extents {
        self.entries
            .segments
            .get(&name.base_offset)
            .unwrap_or(&NONE)
    }
    pub fn find(
        &mut self,
        severity: Severity,
        code: &'static str,
        path: String,
        at: Option<u64>,
        detail: String,
    ) {
        self.findings.push(Finding {
            severity,
            code,
            path,
            at,
            detail,
        });
    }

    /// Removes what retention was about to remove when it wrote where the topic resumes: sealed segments below that.
    fn finish_retention(&mut self, resume: Option<Position>) -> Result<(), RecoveryError> {
        let Some(resume) = resume else { return Ok(()) };
        let doomed = self
            .names
            .partition_point(|name| name.base_offset < resume.offset);
        let Some(last) = doomed.checked_sub(1).map(|last| self.names[last]) else {
            return Ok(());
        };
        let below = last.end_ns.is_some()
            && last_batch(self.disk, &self.dir, &last, self.owner)?
                .is_ok_and(|batch| batch.header.next_offset() <= resume.offset);
        if below {
            // Oldest first, so that a crash in between leaves no gap.
            for name in self.names.drain(..doomed) {
                remove(self.disk, &self.dir, &name)?;
            }
        }
        Ok(())
    }

    /// Follows the batches from the oldest segment that must be read to the end, through segments that connect and those
    /// that only the journal knows yet; what has a successor is sealed.
    fn walk(&mut self, resume: Option<Position>) -> Result<Walk<'a>, RecoveryError> {
        let mut reached = self.first_to_read();
        let mut link = None;
        let mut unread = false;
        if self.names.is_empty() {
            link = Some(Link::from_position(resume.unwrap_or_default()));
        } else if reached == self.names.len() {
            match self.link_after(reached - 1)? {
                Some(after) => link = Some(after),
                None => {
                    // Its last header cannot be reached from its index: then it is read from the start.
                    reached -= 1;
                    unread = true;
                }
            }
        }
        let mut tail: Option<Scan<'a>> = None;
        loop {
            let connects = self
                .names
                .get(reached)
                .is_some_and(|name| link.is_none_or(|l: Link| l.offset == name.base_offset));
            if connects {
                if let Some(done) = tail.take() {
                    self.complete(reached - 1, done)?;
                }
                let scan = self.read(reached, link, resume, std::mem::take(&mut unread))?;
                link = Some(scan.link);
                reached += 1;
                let sealed = self.names[reached - 1].end_ns.is_some();
                let whole = scan.end == scan.len;
                tail = Some(scan);
                if sealed && !whole {
                    break;
                }
            } else if !self.begin_segment(reached, link)? {
                break;
            }
        }
        let link = link.unwrap_or(Link::from_position(Position::default()));
        Ok(Walk {
            tail,
            reached,
            link,
        })
    }

    /// The oldest segment without its final name, or the one with known damage.
    fn first_to_read(&self) -> usize {
        let damaged = self.quarantine.as_ref().map(|known| known.segment);
        self.names
            .iter()
            .position(|name| name.end_ns.is_none() || Some(name.base_offset) == damaged)
            .unwrap_or(self.names.len())
    }

    fn link_after(&mut self, segment: usize) -> Result<Option<Link>, RecoveryError> {
        let name = self.names[segment];
        match last_batch(self.disk, &self.dir, &name, self.owner)? {
            Ok(batch) => Ok(Some(Link::after(&batch))),
            Err(wrong) => {
                let detail = format!("the last batch of a sealed segment was not found: {wrong}");
                self.find(
                    Severity::Warning,
                    "sealed-unreadable",
                    self.path(&name),
                    None,
                    detail,
                );
                Ok(None)
            }
        }
    }

    fn read(
        &mut self,
        segment: usize,
        link: Option<Link>,
        resume: Option<Position>,
        whole: bool,
    ) -> Result<Scan<'a>, RecoveryError> {
        let name = self.names[segment];
        let known = self
            .quarantine
            .as_ref()
            .is_some_and(|known| known.segment == name.base_offset);
        let whole = whole || known || self.options.verify;
        let journaled = self
            .extents(&name)
            .all()
            .first()
            .map(|extent| extent.position);
        let limit = journaled.unwrap_or(u64::MAX);
        let start = start(self.disk, &self.dir, &name, self.owner, whole, limit)?;
        let before = match link {
            _ if start.at > 0 => None,
            Some(link) => Some(link),
            None if segment > 0 => {
                last_batch(self.disk, &self.dir, &self.names[segment - 1], self.owner)?
                    .ok()
                    .map(|batch| Link::after(&batch))
            }
            None if name.base_offset == 0 => Some(Link::from_position(Position::default())),
            None => resume.map(Link::from_position),
        };
        let what = Question {
            disk: self.disk,
            dir: &self.dir,
            name,
            owner: self.owner,
            extents: self.extents(&name),
            journal: self.journal,
            every: self.options.index_every_bytes,
        };
        let scan = scan(&what, &start, before)?;
        self.laid += scan.laid;
        for &at in &scan.healed {
            self.find(
                Severity::Info,
                "batch-healed",
                self.path(&name),
                Some(at),
                "what stood here did not hold: the batch came out of the journal".to_owned(),
            );
        }
        let agreement = start.agreement;
        if agreement.lies || (agreement.missing && scan.last.is_some() && scan.laid == 0) {
            let detail = if agreement.lies {
                "the index says what the segment does not: it was written anew from the segment"
            } else {
                "the index was missing: it was written anew from the segment"
            };
            self.find(
                Severity::Warning,
                "index-rebuilt",
                path_of(&self.dir, &name, "idx"),
                None,
                detail.to_owned(),
            );
        }
        Ok(scan)
    }

    /// If the journal has the first batch of the next segment, makes that segment.
    fn begin_segment(&mut self, at: usize, link: Option<Link>) -> Result<bool, RecoveryError> {
        let Some(link) = link else { return Ok(false) };
        let Some(extents) = self.entries.segments.get(&link.offset) else {
            return Ok(false);
        };
        if at > 0 && self.names[at - 1].base_offset == link.offset {
            return Ok(false); // the last segment is empty
        }
        let Some((extent, header)) = extents.header_at(0, self.owner, &link, self.journal)? else {
            return Ok(false);
        };
        let name = SegmentName {
            base_offset: header.base_offset,
            base_record: header.base_record,
            start_ns: header.key.timestamp_ns,
            end_ns: None,
        };
        let mut first = vec![0; extent.len as usize];
        self.journal.bytes_of(&extent, 0, &mut first)?;
        create(self.disk, &self.dir, &name, &first)?;
        self.names.insert(at, name);
        self.laid += 1;
        Ok(true)
    }

    /// Finishes a segment that has a successor.
    fn complete(&mut self, segment: usize, mut scan: Scan<'a>) -> Result<(), RecoveryError> {
        let name = self.names[segment];
        scan.file.flush()?;
        scan.index.finish(self.disk, &self.dir, &name)?;
        if name.end_ns.is_some() {
            return Ok(());
        }
        if let Some(kept) = self.keep_rest(&name, &scan)? {
            self.find(
                Severity::Warning,
                "torn-tail",
                self.path(&name),
                Some(scan.end),
                format!("bytes behind the last batch of a segment with a successor were cut; kept in {kept}"),
            );
        }
        let end_ns = scan.link.key.map_or(name.start_ns, |key| key.timestamp_ns);
        let end = scan.end;
        drop(scan);
        self.names[segment] = seal(self.disk, &self.dir, &name, end, end_ns)?;
        Ok(())
    }

    /// Keeps what stands in a segment's file behind its batches, before it goes.
    pub fn keep_rest(
        &self,
        name: &SegmentName,
        scan: &Scan,
    ) -> Result<Option<String>, RecoveryError> {
        let path = format!("{}.~cut-{}", self.path(name), scan.end);
        let extents: Vec<_> = self.beyond(name, scan).collect();
        let end = extents.iter().map(|extent| extent.end()).max();
        let what = Patched {
            file: Some(&scan.file),
            extents: &extents,
            journal: self.journal,
        };
        let range = scan.end..scan.len.max(end.unwrap_or(0));
        keep(self.disk, &self.dir, &path, &what, range)
    }
}

pub(super) fn read_failed(path: &str, source: std::io::Error) -> RecoveryError {
    RecoveryError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    }
}
