//! Reading a segment from end to end and saying everything that does not hold: `lance segment verify`, offline.

use std::collections::BTreeMap;

use super::batches::{read_batch, read_header, Batch, Link, Owner, Wrong};
use super::disk::{Disk, File};
use super::error::RecoveryError;
use super::index::{confirms, owner_of, path_of};
use super::lookahead::next_header;
use super::topic::Topic;
use super::window::Window;
use super::{metadata_from_json, Severity, METADATA};
use crate::format::batch::{HeaderProblem, SortKey, BATCH_HEADER, TLV_HEADER};
use crate::format::index::{IndexEntry, ENTRY};
use crate::format::names::SegmentName;
use crate::format::u32_at;
use crate::storage::Storage;

/// How much a report may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Problems listed; the others are only counted.
    pub most_problems: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            most_problems: 1000,
        }
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `header`, `payload`, `chain`, `foreign`, `records`, `read`, `fill`, `name`, `index`, `newer`, `end`.
    pub kind: &'static str,
    /// Byte position in the segment; for `index` in the `.idx`.
    pub at: u64,
    pub detail: String,
}

/// What the sparse indexes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Whole entries in both files.
    pub entries: u64,
    /// Entries that the segment confirms.
    pub valid: u64,
}

/// All about a segment (cli.md, `lance segment inspect`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    pub path: String,
    pub name: SegmentName,
    pub topic: Option<u32>,
    pub epoch: Option<u32>,
    pub file_bytes: u64,
    /// Where the batches end.
    pub end: u64,
    /// Bytes of records, headers not counted.
    pub record_bytes: u64,
    pub batches: u64,
    pub records: u64,
    /// Index of the first and the last record.
    pub first_record: Option<u64>,
    pub last_record: Option<u64>,
    pub first_key: Option<SortKey>,
    pub last_key: Option<SortKey>,
    /// Records by type.
    pub types: BTreeMap<u8, u64>,
    pub index: IndexReport,
    pub problems: Vec<Problem>,
    /// Problems beyond those listed.
    pub more_problems: u64,
}

impl SegmentReport {
    fn problem(&mut self, most: usize, kind: &'static str, at: u64, detail: String) {
        if self.problems.len() < most {
            self.problems.push(Problem { kind, at, detail });
        } else {
            self.more_problems += 1;
        }
    }
    fn take(&mut self, batch: &Batch) {
        let header = &batch.header;
        self.batches += 1;
        self.records += u64::from(header.record_count);
        self.record_bytes += u64::from(header.payload_len);
        self.first_record.get_or_insert(header.base_record);
        self.first_key.get_or_insert(header.key);
        self.last_record = Some(header.next_record() - 1);
        self.last_key = Some(header.last_key());
        self.end = batch.end();
    }
}

/// Reads a segment and its indexes and checks every checksum, chain, key, offset, record and index entry, in constant
/// memory. `path` is relative to the storage: `segments/{topic}/{stem}.lnc`. A segment that is being written may be read:
/// what comes later is not seen, and its unfinished end is reported.
///
/// # Errors
/// `Io` when the file cannot be opened, `Invalid` when its name is no segment's.
pub fn verify_segment(
    storage: &dyn Storage,
    path: &str,
    options: &VerifyOptions,
) -> Result<SegmentReport, RecoveryError> {
    let disk = Disk(storage);
    let (dir, file_name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = file_name
        .strip_suffix(".lnc")
        .and_then(SegmentName::parse)
        .ok_or_else(|| RecoveryError::Invalid {
            path: path.to_owned(),
            at: None,
            detail:
                "this is no segment's name: {base_offset}_{base_record}_{start_ns}[-{end_ns}].lnc"
                    .to_owned(),
        })?;
    let file = disk.read(path)?;
    let mut report = SegmentReport {
        path: path.to_owned(),
        name,
        topic: None,
        epoch: None,
        file_bytes: file.len()?,
        end: 0,
        record_bytes: 0,
        batches: 0,
        records: 0,
        first_record: None,
        last_record: None,
        first_key: None,
        last_key: None,
        types: BTreeMap::new(),
        index: IndexReport::default(),
        problems: Vec::new(),
        more_problems: 0,
    };
    let mut window = Window::new(&file);
    let owner = expected_owner(disk, dir, &mut window);
    report.topic = owner.map(|owner| owner.topic);
    report.epoch = owner.map(|owner| owner.epoch);
    let mut entries = IndexEntries::open(disk, dir, &name, &mut report)?;
    if let Some(owner) = owner {
        Verification {
            window,
            records: Window::new(&file),
            owner,
            most: options.most_problems,
            report: &mut report,
        }
        .run(&mut entries)?;
    } else if report.file_bytes > 0 {
        report.problem(
            options.most_problems,
            "end",
            0,
            "there is no batch at all".to_owned(),
        );
    }
    entries.rest(options.most_problems, &mut report)?;
    Ok(report)
}

/// By metadata.json beside the segment, else by its own first header.
fn expected_owner(disk: Disk, dir: &str, window: &mut Window) -> Option<Owner> {
    let path = format!("{dir}/{METADATA}");
    let metadata = disk.contents(&path).ok().flatten();
    match metadata.and_then(|bytes| metadata_from_json(&bytes, &path).ok()) {
        Some(metadata) => Some(Owner {
            topic: metadata.id,
            epoch: metadata.epoch,
        }),
        None => owner_of(window),
    }
}

struct Verification<'v, 'f> {
    window: Window<'f>,
    /// For the records of a batch: a second place in the file.
    records: Window<'f>,
    owner: Owner,
    most: usize,
    report: &'v mut SegmentReport,
}

impl Verification<'_, '_> {
    fn run(&mut self, entries: &mut IndexEntries) -> Result<(), RecoveryError> {
        let name = self.report.name;
        let mut link = Link {
            offset: name.base_offset,
            record: name.base_record,
            key: None,
            chain: (name.base_offset == 0).then_some(0),
        };
        let mut at = 0;
        let mut expected = true;
        while at < self.report.file_bytes {
            match read_batch(&mut self.window, self.owner, at) {
                Ok(batch) => {
                    if let Err(wrong) = link.check(&batch.header) {
                        if expected {
                            self.wrong(at, &wrong);
                        }
                    }
                    expected = true;
                    self.batch(&batch)?;
                    entries.pass(&batch, self.owner, self.most, self.report)?;
                    link = Link::after(&batch);
                    at = batch.end();
                }
                Err(Wrong::End | Wrong::Header(HeaderProblem::Fill)) if self.fill(at)? => break,
                Err(wrong) => {
                    if expected {
                        self.wrong(at, &wrong);
                    }
                    expected = false;
                    at = match self.next(at) {
                        Some(next) => next,
                        None => break,
                    };
                }
            }
        }
        let sealed = self.report.last_key.map(|key| key.timestamp_ns);
        if name.end_ns.is_some() && name.end_ns != sealed {
            let detail = "the name's end is not the last record's timestamp".to_owned();
            let at = self.report.end;
            self.report.problem(self.most, "name", at, detail);
        }
        Ok(())
    }

    fn wrong(&mut self, at: u64, wrong: &Wrong) {
        let kind = match wrong {
            Wrong::End => "end",
            Wrong::Header(HeaderProblem::NewerVersion(_)) => "newer",
            Wrong::Header(_) => "header",
            Wrong::Payload { .. } => "payload",
            Wrong::Foreign(_) => "foreign",
            Wrong::Chain(_) => "chain",
            Wrong::Read(_) => "read",
        };
        self.report.problem(self.most, kind, at, wrong.to_string());
    }

    /// Whether zeros go on to the end of an active segment. Other zeros are a problem.
    fn fill(&mut self, at: u64) -> Result<bool, RecoveryError> {
        let first = self.window.first_nonzero(at);
        let first = first.map_err(|e| super::topic::read_failed(&self.report.path, e))?;
        if first.is_none() && self.report.name.end_ns.is_some() {
            let detail =
                "a sealed segment ends with its last batch, this one with zeros".to_owned();
            self.report.problem(self.most, "fill", at, detail);
        }
        Ok(first.is_none())
    }

    /// Where the next header of this topic holds, beyond something that did not.
    fn next(&mut self, at: u64) -> Option<u64> {
        let mut from = match read_header(&mut self.window, at) {
            Ok((header, _)) if Owner::of(&header) == self.owner => at + header.batch_len(),
            _ => at + 1,
        };
        loop {
            let position = next_header(&mut self.window, from).ok()??;
            match read_header(&mut self.window, position) {
                Ok((header, _)) if Owner::of(&header) == self.owner => return Some(position),
                _ => from = position + 1,
            }
        }
    }

    /// Counts the records of a batch.
    fn batch(&mut self, batch: &Batch) -> Result<(), RecoveryError> {
        if batch.position == 0 && batch.header.key.timestamp_ns != self.report.name.start_ns {
            let detail = "the name's start is not the first record's timestamp".to_owned();
            self.report.problem(self.most, "name", 0, detail);
        }
        let mut at = batch.position + BATCH_HEADER as u64;
        let mut records = 0u64;
        while at < batch.end() {
            let head = self.records.bytes(at, TLV_HEADER);
            let head = head.map_err(|e| super::topic::read_failed(&self.report.path, e))?;
            if head.len() < TLV_HEADER {
                break;
            }
            let kind = head[0];
            at += TLV_HEADER as u64 + u64::from(u32_at(head, 1));
            *self.report.types.entry(kind).or_default() += 1;
            records += 1;
        }
        if at != batch.end() || records != u64::from(batch.header.record_count) {
            let detail = format!(
                "{records} records are in a batch whose header counts {}{}",
                batch.header.record_count,
                if at == batch.end() {
                    ""
                } else {
                    ", and they do not fill it exactly"
                }
            );
            self.report
                .problem(self.most, "records", batch.position, detail);
        }
        self.report.take(batch);
        Ok(())
    }
}

/// Both indexes, read along with the batches.
struct IndexEntries<'a> {
    files: Option<(File<'a>, File<'a>)>,
    total: u64,
    next: u64,
}

impl<'a> IndexEntries<'a> {
    fn open(
        disk: Disk<'a>,
        dir: &str,
        name: &SegmentName,
        report: &mut SegmentReport,
    ) -> Result<Self, RecoveryError> {
        let (idx, pos) = (path_of(dir, name, "idx"), path_of(dir, name, "pos"));
        if !disk.exists(&idx)? || !disk.exists(&pos)? {
            let detail = "there is no index, or only one of its two files".to_owned();
            report.problem(1, "index", 0, detail);
            return Ok(Self {
                files: None,
                total: 0,
                next: 0,
            });
        }
        let (idx, pos) = (disk.read(&idx)?, disk.read(&pos)?);
        let (idx_len, pos_len) = (idx.len()?, pos.len()?);
        let total = idx_len.min(pos_len) / ENTRY as u64;
        if idx_len != pos_len || idx_len != total * ENTRY as u64 {
            let detail = format!("the index files have {idx_len} and {pos_len} bytes, not whole entries of {ENTRY} each");
            report.problem(1, "index", total * ENTRY as u64, detail);
        }
        report.index.entries = total;
        Ok(Self {
            files: Some((idx, pos)),
            total,
            next: 0,
        })
    }

    /// The next entry; `Some(None)` if its halves disagree.
    fn peek(&self) -> Result<Option<Option<IndexEntry>>, RecoveryError> {
        let Some((idx, pos)) = self.files.as_ref().filter(|_| self.next < self.total) else {
            return Ok(None);
        };
        let (mut key, mut place) = ([0; ENTRY], [0; ENTRY]);
        idx.read_at(&mut key, self.next * ENTRY as u64)?;
        pos.read_at(&mut place, self.next * ENTRY as u64)?;
        Ok(Some(IndexEntry::decode(&key, &place)))
    }

    /// Compares the entries up to a batch with it.
    fn pass(
        &mut self,
        batch: &Batch,
        owner: Owner,
        most: usize,
        report: &mut SegmentReport,
    ) -> Result<(), RecoveryError> {
        while let Some(entry) = self.peek()? {
            let at = self.next * ENTRY as u64;
            match entry {
                Some(entry) if entry.position > batch.position => return Ok(()),
                Some(entry) if entry.position == batch.position => {
                    if confirms(&batch.header, owner, &entry) {
                        report.index.valid += 1;
                    } else {
                        let detail = format!(
                            "entry {} does not say what the batch at byte {} does",
                            self.next, entry.position
                        );
                        report.problem(most, "index", at, detail);
                    }
                }
                Some(entry) => {
                    let detail = format!(
                        "entry {} points at byte {}, where no batch starts",
                        self.next, entry.position
                    );
                    report.problem(most, "index", at, detail);
                }
                None => {
                    let detail = format!("entry {} points at two places", self.next);
                    report.problem(most, "index", at, detail);
                }
            }
            self.next += 1;
        }
        Ok(())
    }

    /// What is left when the batches are at their end.
    fn rest(&mut self, most: usize, report: &mut SegmentReport) -> Result<(), RecoveryError> {
        while let Some(entry) = self.peek()? {
            let position = entry.map_or(0, |entry| entry.position);
            let detail = format!(
                "entry {} points at byte {position}, beyond the last batch",
                self.next
            );
            report.problem(most, "index", self.next * ENTRY as u64, detail);
            self.next += 1;
        }
        if report.batches > 0 && self.files.is_some() && report.index.valid == 0 {
            report.problem(most, "index", 0, "no entry for the first batch".to_owned());
        }
        Ok(())
    }
}

/// Verifies a sealed segment at start-up, when asked to, and turns what does not hold into findings.
pub(super) fn verify_sealed(topic: &mut Topic, name: &SegmentName) -> Result<(), RecoveryError> {
    let path = topic.path(name);
    let report = verify_segment(topic.disk.0, &path, &VerifyOptions::default())?;
    let damaged = report
        .problems
        .into_iter()
        .filter(|problem| problem.kind != "index");
    for problem in damaged {
        topic.find(
            Severity::Error,
            "damage",
            path.clone(),
            Some(problem.at),
            problem.detail,
        );
    }
    Ok(())
}
