//! The journal as recovery sees it: what it holds for each topic, by segment and position.
//!
//! The bytes stay on disk; only where they stand is kept.

use std::collections::BTreeMap;

use super::batches::Owner;
use super::blocks::{look_at, order, scan, Block, Gap, Look, Order};
use super::disk::{Disk, File};
use super::error::RecoveryError;
use super::kept;
use super::obsolete::Obsolete;
use super::overlay::Extents;
use super::{CommittedOffset, Finding, JournalStart, Severity};
use crate::format::batch::{BatchHeader, BATCH_HEADER};
use crate::format::journal::{entries, Entry, EntryProblem, Place, BLOCK_HEADER};
use crate::format::names::{chunk_number, chunk_path, JOURNAL_DIR};

/// Bytes that the journal holds for a place in a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Byte position in the segment.
    pub position: u64,
    pub len: u32,
    /// For a whole batch: its base offset. None for a tail.
    pub base_offset: Option<u64>,
    chunk: u32,
    at: u64,
}

impl Extent {
    pub fn end(&self) -> u64 {
        self.position + u64::from(self.len)
    }
}

/// What the journal holds for one topic.
#[derive(Debug, Default)]
pub(super) struct TopicEntries {
    /// Everything below this offset was durable.
    pub durable: u64,
    /// By base offset of the segment.
    pub segments: BTreeMap<u64, Extents>,
}

/// The journal, read.
pub(super) struct Journal<'a> {
    disk: Disk<'a>,
    chunks: Vec<File<'a>>,
    pub topics: BTreeMap<Owner, TopicEntries>,
    pub commits: Vec<CommittedOffset>,
    /// Blocks that were durable are missing: a gap in a topic may be theirs.
    pub damaged: bool,
    pub start: JournalStart,
    /// Chunks of another size than the node's, to be removed when nothing needs them; newest first.
    misfits: Vec<String>,
}

impl<'a> Journal<'a> {
    /// Reads all chunks but for what is obsolete. `chunk_bytes` is the size that the node goes on with.
    ///
    /// # Errors
    /// `Io`, `NewerFormat`, `Invalid` for an entry of unknown kind.
    pub fn read(
        disk: Disk<'a>,
        chunk_bytes: u64,
        obsolete: Obsolete,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, RecoveryError> {
        let mut journal = Self {
            disk,
            chunks: Vec::new(),
            topics: BTreeMap::new(),
            commits: Vec::new(),
            damaged: false,
            start: JournalStart {
                chunks: Vec::new(),
                next_generation: obsolete.next_generation,
                next_sequence: obsolete.next_sequence,
            },
            misfits: Vec::new(),
        };
        let mut sizes = Vec::new();
        for name in disk.list(JOURNAL_DIR)? {
            let path = format!("{JOURNAL_DIR}/{name}");
            if kept::is_leftover(&name) {
                disk.unlink(&path)?;
            } else if let Some(number) = chunk_number(&name).filter(|&n| chunk_path(n) == path) {
                let file = disk.read(&path)?;
                sizes.push((number, file.len()?));
                journal.chunks.push(file);
            }
        }
        let blocks = journal.all_blocks(obsolete.next_sequence)?;
        for block in &blocks {
            let start = &mut journal.start;
            start.next_generation = start
                .next_generation
                .max(block.header.generation.saturating_add(1));
            start.next_sequence = start
                .next_sequence
                .max(block.header.sequence.saturating_add(1));
        }
        journal.sort_chunks(&sizes, chunk_bytes, &blocks);
        let order = order(blocks);
        for block in &order.blocks {
            journal.take(block)?;
        }
        for (owner, durable) in obsolete.durable {
            let topic = journal.topics.entry(owner).or_default();
            topic.durable = topic.durable.max(durable);
        }
        for topic in journal.topics.values_mut() {
            topic.segments.values_mut().for_each(Extents::sort);
        }
        journal.tell(&order, findings)?;
        Ok(journal)
    }

    /// Every block that counts from number `first` on; of a chunk whose first block another calls free, only that one.
    fn all_blocks(&self, first: u64) -> Result<Vec<Block>, RecoveryError> {
        let mut blocks = Vec::new();
        let mut firsts = Vec::with_capacity(self.chunks.len());
        for (chunk, file) in self.chunks.iter().enumerate() {
            firsts.push(match look_at(file, chunk, 0)? {
                Look::Block(block) => Some(block),
                Look::Nothing(_) => None,
            });
        }
        let oldest = firsts
            .iter()
            .flatten()
            .map(|first| first.header.oldest_generation)
            .max();
        for (chunk, (file, head)) in self.chunks.iter().zip(firsts).enumerate() {
            match head {
                Some(head) if head.header.sequence < first => {} // nothing was written over it since
                Some(head) if Some(head.header.generation) < oldest => blocks.push(head),
                _ => scan(file, chunk, &mut blocks)?,
            }
        }
        blocks.retain(|block| block.header.sequence >= first);
        Ok(blocks)
    }

    fn sort_chunks(&mut self, sizes: &[(u64, u64)], chunk_bytes: u64, blocks: &[Block]) {
        let mut misfits = Vec::new();
        for (chunk, &(number, len)) in sizes.iter().enumerate() {
            if len == chunk_bytes {
                self.start.chunks.push(number);
            } else {
                let newest = blocks
                    .iter()
                    .filter(|block| block.chunk == chunk)
                    .map(|block| block.header.sequence)
                    .max();
                misfits.push((newest, chunk_path(number)));
            }
        }
        misfits.sort_by(|a, b| b.cmp(a));
        self.misfits = misfits.into_iter().map(|(_, path)| path).collect();
    }

    /// Notes what the entries of a block are, and where.
    fn take(&mut self, block: &Block) -> Result<(), RecoveryError> {
        let file = &self.chunks[block.chunk];
        let mut bytes = vec![0; block.header.length as usize];
        let start = block.position + BLOCK_HEADER as u64;
        file.read_at(&mut bytes, start)?;
        for entry in entries(&bytes) {
            let entry = entry.map_err(|problem| unreadable(&file.path, block, problem))?;
            match entry {
                Entry::Batch { place, bytes: body } => {
                    let header = body
                        .first_chunk::<BATCH_HEADER>()
                        .and_then(|head| BatchHeader::decode(head).ok())
                        .map(|(header, _)| header);
                    // A tail has no header: what is none here is laid over as bytes, and judged where it stands.
                    let at = start + offset_in(&bytes, body);
                    let topic = note(&mut self.topics, place, body.len(), header, block.chunk, at);
                    if let Some(header) = header {
                        topic.durable = topic.durable.max(header.durable_offset);
                    }
                }
                Entry::Tail { place, bytes: body } => {
                    let at = start + offset_in(&bytes, body);
                    note(&mut self.topics, place, body.len(), None, block.chunk, at);
                }
                Entry::Watermark {
                    topic,
                    epoch,
                    durable_offset,
                } => {
                    let topic = self.topics.entry(Owner { topic, epoch }).or_default();
                    topic.durable = topic.durable.max(durable_offset);
                }
                Entry::Commit {
                    topic,
                    epoch,
                    consumer,
                    offset,
                    at_s,
                } => self.commits.push(CommittedOffset {
                    topic,
                    epoch,
                    consumer,
                    offset,
                    at_s,
                }),
            }
        }
        Ok(())
    }

    /// Reads an extent's bytes from `from` (counted in the extent) on, until `to` is full.
    pub fn bytes_of(&self, extent: &Extent, from: u64, to: &mut [u8]) -> Result<(), RecoveryError> {
        assert!(from + to.len() as u64 <= u64::from(extent.len));
        let file = &self.chunks[extent.chunk as usize];
        if file.read_at(to, extent.at + from)? < to.len() {
            return Err(RecoveryError::Invalid {
                path: file.path.clone(),
                at: Some(extent.at),
                detail: "the chunk became shorter while it was read".to_owned(),
            });
        }
        Ok(())
    }

    /// Removes chunks of another size, when all they held is in flushed segments.
    pub fn remove_misfits(&mut self, findings: &mut Vec<Finding>) -> Result<(), RecoveryError> {
        self.chunks.clear();
        for path in std::mem::take(&mut self.misfits) {
            self.disk.unlink(&path)?;
            self.disk.flush_dir(JOURNAL_DIR)?;
            findings.push(Finding {
                severity: Severity::Info,
                code: "chunk-removed",
                path,
                at: None,
                detail:
                    "it has another size than journal.chunk_bytes, and nothing needs it any more"
                        .to_owned(),
            });
        }
        Ok(())
    }

    /// Reports what is missing and what lies beyond the end.
    fn tell(&mut self, order: &Order, findings: &mut Vec<Finding>) -> Result<(), RecoveryError> {
        for gap in &order.gaps {
            self.damaged = true;
            findings.push(self.keep_gap(gap)?);
        }
        if let Some(beyond) = order.beyond.first() {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "journal-torn",
                path: self.chunks[beyond.chunk].path.clone(),
                at: Some(beyond.position),
                detail: format!(
                    "{} blocks from number {} on follow a write that never reached the disk: nothing in them was acknowledged",
                    order.beyond.len(),
                    beyond.header.sequence
                ),
            });
        } else if let Some(last) = order.blocks.last() {
            let file = &self.chunks[last.chunk];
            if let Look::Nothing(Some(claimed)) = look_at(file, last.chunk, last.end())? {
                if claimed.generation == last.header.generation
                    && claimed.sequence == last.header.sequence + 1
                {
                    findings.push(Finding {
                        severity: Severity::Warning,
                        code: "journal-torn",
                        path: file.path.clone(),
                        at: Some(last.end()),
                        detail: format!(
                            "block {} is not whole: it was being written when the node stopped, or it is damaged; no later block can tell",
                            claimed.sequence
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// Keeps the bytes of damaged blocks beside the chunk, which will be written over.
    fn keep_gap(&self, gap: &Gap) -> Result<Finding, RecoveryError> {
        let behind = &gap.behind;
        let (chunk, from, to) = match gap.before {
            Some(before) if before.chunk == behind.chunk => {
                (behind.chunk, before.end(), behind.position)
            }
            Some(before) if behind.position == 0 => {
                (before.chunk, before.end(), self.chunks[before.chunk].len()?)
            }
            _ => (behind.chunk, 0, behind.position),
        };
        let file = &self.chunks[chunk];
        let name = format!("{}.~damage-{from}", file.path);
        let bytes = kept::Patched {
            file: Some(file),
            extents: &[],
            journal: self,
        };
        let copied = kept::keep(self.disk, JOURNAL_DIR, &name, &bytes, from..to)?;
        let missing = match gap.before {
            Some(before) if before.header.sequence + 1 < behind.header.sequence => format!(
                "blocks {} to {}",
                before.header.sequence + 1,
                behind.header.sequence - 1
            ),
            Some(_) => "what stood between two blocks that do not chain".to_owned(),
            None => format!("blocks before number {}", behind.header.sequence),
        };
        Ok(Finding {
            severity: Severity::Error,
            code: "journal-damage",
            path: file.path.clone(),
            at: Some(from),
            detail: format!(
                "{missing} were durable and are gone (bytes {from} to {to}{}). Topics whose batches break off are frozen; others had theirs in segments",
                copied.map_or(String::new(), |copy| format!(", kept in {copy}"))
            ),
        })
    }
}

fn offset_in(whole: &[u8], part: &[u8]) -> u64 {
    (part.as_ptr() as usize - whole.as_ptr() as usize) as u64
}

fn note(
    topics: &mut BTreeMap<Owner, TopicEntries>,
    place: Place,
    len: usize,
    batch: Option<BatchHeader>,
    chunk: usize,
    at: u64,
) -> &mut TopicEntries {
    let owner = Owner {
        topic: place.topic,
        epoch: place.epoch,
    };
    let topic = topics.entry(owner).or_default();
    if len > 0 {
        topic
            .segments
            .entry(place.segment)
            .or_default()
            .push(Extent {
                position: place.position,
                len: len as u32,
                base_offset: batch
                    .filter(|header| Owner::of(header) == owner)
                    .map(|header| header.base_offset),
                chunk: chunk as u32,
                at,
            });
    }
    topic
}

fn unreadable(path: &str, block: &Block, problem: EntryProblem) -> RecoveryError {
    match problem {
        EntryProblem::UnknownKind(kind) => RecoveryError::NewerFormat {
            path: path.to_owned(),
            at: Some(block.position),
            found: format!("a journal entry of kind {kind}"),
        },
        EntryProblem::Length(at) => RecoveryError::Invalid {
            path: path.to_owned(),
            at: Some(block.position + (BLOCK_HEADER + at) as u64),
            detail: "a journal entry of impossible length in a block whose checksum holds"
                .to_owned(),
        },
    }
}
