//! Which blocks of the journal count, and in which order (docs/formats.md, "Journal").

use std::cmp::Reverse;

use super::disk::File;
use super::error::RecoveryError;
use super::window::Window;
use crate::format::journal::{BlockHeader, BlockProblem, BLOCK_HEADER, MAGIC};
use crate::format::{u32_at, u64_at};
use crate::limits::BLOCK;

/// A block whose checksum holds, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Which of the chunks at hand.
    pub chunk: usize,
    /// Byte position in it.
    pub position: u64,
    pub header: BlockHeader,
    pub checksum: u32,
}

impl Block {
    pub fn end(&self) -> u64 {
        self.position + self.header.block_len()
    }
}

/// What a look at one position gave.
pub(super) enum Look {
    Block(Block),
    /// Nothing that counts; what it claims to be, if it has a block's magic.
    Nothing(Option<Claim>),
}

/// Generation and sequence by a header whose checksum does not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub generation: u64,
    pub sequence: u64,
}

/// Reads the block at a position of a chunk.
///
/// # Errors
/// `Io`, `NewerFormat`.
pub(super) fn look_at(file: &File, chunk: usize, position: u64) -> Result<Look, RecoveryError> {
    let mut head = [0; BLOCK_HEADER];
    if file.read_at(&mut head, position)? < BLOCK_HEADER || head[0..3] != MAGIC[0..3] {
        return Ok(Look::Nothing(None));
    }
    let claimed = Claim {
        generation: u64_at(&head, 8),
        sequence: u64_at(&head, 16),
    };
    let end = BLOCK_HEADER as u64 + u64::from(u32_at(&head, 28));
    if position + end > file.len()? {
        return Ok(Look::Nothing(Some(claimed)));
    }
    let mut bytes = vec![0; end as usize];
    file.read_at(&mut bytes, position)?;
    match BlockHeader::decode(&bytes) {
        Ok((header, checksum)) => Ok(Look::Block(Block {
            chunk,
            position,
            header,
            checksum,
        })),
        Err(BlockProblem::NewerVersion(version)) => Err(RecoveryError::NewerFormat {
            path: file.path.clone(),
            at: Some(position),
            found: format!("a journal block of version {:?}", char::from(version)),
        }),
        Err(_) => Ok(Look::Nothing(Some(claimed))),
    }
}

/// All blocks of a chunk whose checksums hold, whatever stands between them.
///
/// # Errors
/// `Io`, `NewerFormat`.
pub(super) fn scan(
    file: &File,
    chunk: usize,
    blocks: &mut Vec<Block>,
) -> Result<(), RecoveryError> {
    let mut window = Window::new(file);
    let mut position = 0;
    loop {
        let magic = window
            .bytes(position, 3)
            .map_err(|source| RecoveryError::Io {
                action: "read",
                path: file.path.clone(),
                source,
            })?;
        if magic.len() < 3 {
            return Ok(());
        }
        position = match magic == &MAGIC[0..3] {
            false => position + BLOCK,
            true => match look_at(file, chunk, position)? {
                Look::Nothing(_) => position + BLOCK,
                Look::Block(block) => {
                    blocks.push(block);
                    block.end()
                }
            },
        };
    }
}

/// A place where blocks are missing although they were durable.
#[derive(Debug)]
pub(super) struct Gap {
    /// The block before it; none at the start of what is needed.
    pub before: Option<Block>,
    /// The block behind it.
    pub behind: Block,
}

/// The blocks to be replayed.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub blocks: Vec<Block>,
    /// Proved damage.
    pub gaps: Vec<Gap>,
    /// Blocks beyond the end whose checksums hold: written under a flush that never came.
    pub beyond: Vec<Block>,
}

/// Puts the blocks that count into order: those of the newest start, from the oldest generation on that its newest
/// block names. A missing block ends the journal unless a later one tells that it was durable.
pub(super) fn order(mut all: Vec<Block>) -> Order {
    let Some(newest) = all
        .iter()
        .max_by_key(|block| block.header.sequence)
        .copied()
    else {
        return Order::default();
    };
    let (oldest, first) = (
        newest.header.oldest_generation,
        newest.header.first_sequence,
    );
    all.retain(|block| block.header.generation >= oldest && block.header.sequence >= first);
    all.sort_by_key(|block| (block.header.sequence, Reverse(block.header.generation)));
    all.dedup_by_key(|block| block.header.sequence);
    let mut order = Order::default();
    for (i, &block) in all.iter().enumerate() {
        let before = order.blocks.last().copied();
        let (follows, missing) = match before {
            Some(before) => (
                block.header.sequence == before.header.sequence + 1
                    && block.header.previous == before.checksum,
                before.header.sequence + 1,
            ),
            // Where the chunk before was recycled, nobody can tell what its last block was called: if the first of its
            // successor is missing, that one was durable, or its predecessor would not have been let go.
            None => (
                block.header.sequence == first
                    || (block.position == 0 && block.header.generation == oldest),
                first,
            ),
        };
        if !follows {
            let durable = all[i..]
                .iter()
                .map(|block| block.header.durable_sequence)
                .max();
            if durable < Some(missing) {
                order.beyond = all[i..].to_vec();
                return order;
            }
            order.gaps.push(Gap {
                before,
                behind: block,
            });
        }
        order.blocks.push(block);
    }
    order
}
