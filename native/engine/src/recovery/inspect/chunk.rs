//! Reading a journal chunk and saying what is in it: `lance segment inspect journal/...`, offline.

use super::super::blocks::{scan, Block};
use super::super::disk::Disk;
use super::super::error::RecoveryError;
use super::super::verify::Problem;
use crate::format::journal::{entries, BlockHeader, Entry, EntryProblem, Place, BLOCK_HEADER};
use crate::storage::Storage;

/// What the blocks of a chunk's newest generation hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkReport {
    /// Relative to the storage.
    pub path: String,
    pub file_bytes: u64,
    /// The newest one; none if there is no block at all.
    pub generation: Option<u64>,
    pub blocks: u64,
    pub first_sequence: Option<u64>,
    pub last_sequence: Option<u64>,
    /// Byte position behind the last block.
    pub end: u64,
    /// Entries by kind.
    pub batches: u64,
    pub tails: u64,
    pub watermarks: u64,
    pub commits: u64,
    /// `gap`: blocks are missing between two; `chain`: two do not follow; `entry`: a body of impossible length; `newer`.
    pub problems: Vec<Problem>,
}

/// Reads a chunk, `journal/{number}.lnj`. Whether a missing block was ever durable only recovery can tell, which sees all
/// chunks.
///
/// # Errors
/// `Io` when the file cannot be read, `NewerFormat` for a block of a newer version.
pub fn inspect_chunk(storage: &dyn Storage, path: &str) -> Result<ChunkReport, RecoveryError> {
    let file = Disk(storage).read(path)?;
    let mut blocks = Vec::new();
    scan(&file, 0, &mut blocks)?;
    let generation = blocks.iter().map(|block| block.header.generation).max();
    blocks.retain(|block| Some(block.header.generation) == generation);
    let mut report = ChunkReport {
        path: path.to_owned(),
        file_bytes: file.len()?,
        generation,
        blocks: blocks.len() as u64,
        first_sequence: blocks.first().map(|block| block.header.sequence),
        last_sequence: blocks.last().map(|block| block.header.sequence),
        end: blocks.last().map_or(0, Block::end),
        ..ChunkReport::default()
    };
    let mut end = 0;
    let mut before: Option<Block> = None;
    for block in &blocks {
        if block.position != end {
            let detail = format!(
                "bytes {end} to {} hold no whole block of this generation",
                block.position
            );
            report.problem("gap", end, detail);
        } else if before.is_some_and(|before| {
            block.header.sequence != before.header.sequence + 1
                || block.header.previous != before.checksum
        }) {
            let detail = format!(
                "block {} does not follow the one before it",
                block.header.sequence
            );
            report.problem("chain", block.position, detail);
        }
        let mut bytes = vec![0; block.header.length as usize];
        file.read_at(&mut bytes, block.position + BLOCK_HEADER as u64)?;
        report.count(block, &bytes);
        end = block.end();
        before = Some(*block);
    }
    Ok(report)
}

impl ChunkReport {
    fn problem(&mut self, kind: &'static str, at: u64, detail: String) {
        self.problems.push(Problem { kind, at, detail });
    }
    fn count(&mut self, block: &Block, bytes: &[u8]) {
        for entry in entries(bytes) {
            match entry {
                Ok(Entry::Batch { .. }) => self.batches += 1,
                Ok(Entry::Tail { .. }) => self.tails += 1,
                Ok(Entry::Watermark { .. }) => self.watermarks += 1,
                Ok(Entry::Commit { .. }) => self.commits += 1,
                Err(EntryProblem::UnknownKind(kind)) => {
                    self.problem(
                        "newer",
                        block.position,
                        format!("an entry of kind {kind}, which this LANCE does not know"),
                    );
                }
                Err(EntryProblem::Length(at)) => {
                    let at = block.position + (BLOCK_HEADER + at) as u64;
                    self.problem("entry", at, "an entry of impossible length".to_owned());
                }
            }
        }
    }
}

/// A block of a chunk and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSeen {
    /// Byte position in the chunk.
    pub position: u64,
    pub header: BlockHeader,
    pub checksum: u32,
    pub entries: Vec<EntrySeen>,
}

/// An entry, without the bytes it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntrySeen {
    /// `len` bytes from `at` on, counted in the chunk.
    Batch {
        place: Place,
        at: u64,
        len: u64,
    },
    Tail {
        place: Place,
        at: u64,
        len: u64,
    },
    Watermark {
        topic: u32,
        epoch: u32,
        durable_offset: u64,
    },
    Commit {
        topic: u32,
        epoch: u32,
        consumer: u64,
        offset: u64,
        at_s: u64,
    },
    /// Of a kind that this version does not know, or of an impossible length.
    Unreadable,
}

/// Up to `most` whole blocks of a chunk from byte `from` on, of whatever generation, in the order in which they stand.
///
/// # Errors
/// `Io`, `NewerFormat`.
pub fn chunk_blocks(
    storage: &dyn Storage,
    path: &str,
    from: u64,
    most: usize,
) -> Result<Vec<BlockSeen>, RecoveryError> {
    let file = Disk(storage).read(path)?;
    let mut blocks = Vec::new();
    scan(&file, 0, &mut blocks)?;
    let wanted = blocks.iter().filter(|block| block.position >= from);
    let mut seen = Vec::new();
    for block in wanted.take(most) {
        let start = block.position + BLOCK_HEADER as u64;
        let mut bytes = vec![0; block.header.length as usize];
        file.read_at(&mut bytes, start)?;
        let place_of = |body: &[u8]| {
            let at = body.as_ptr() as usize - bytes.as_ptr() as usize;
            (start + at as u64, body.len() as u64)
        };
        let entry = |entry| match entry {
            Ok(Entry::Batch { place, bytes: body }) => {
                let (at, len) = place_of(body);
                EntrySeen::Batch { place, at, len }
            }
            Ok(Entry::Tail { place, bytes: body }) => {
                let (at, len) = place_of(body);
                EntrySeen::Tail { place, at, len }
            }
            Ok(Entry::Watermark {
                topic,
                epoch,
                durable_offset,
            }) => EntrySeen::Watermark {
                topic,
                epoch,
                durable_offset,
            },
            Ok(Entry::Commit {
                topic,
                epoch,
                consumer,
                offset,
                at_s,
            }) => EntrySeen::Commit {
                topic,
                epoch,
                consumer,
                offset,
                at_s,
            },
            Err(_) => EntrySeen::Unreadable,
        };
        seen.push(BlockSeen {
            position: block.position,
            header: block.header,
            checksum: block.checksum,
            entries: entries(&bytes).map(entry).collect(),
        });
    }
    Ok(seen)
}
