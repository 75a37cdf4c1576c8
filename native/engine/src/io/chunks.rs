//! The journal's ring of chunks: which one is written, which ones are free.

use crate::ring::FileSlot;
use crate::storage::Handle;

/// Most chunks of a node.
pub const MAX_CHUNKS: usize = 8;
/// Chunks that are made ahead.
pub const WANTED_CHUNKS: usize = 3;

/// A chunk file, opened for direct writes, its blocks written once.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    pub number: u64,
    pub handle: Handle,
    pub file: FileSlot,
    /// 0: not used since the start.
    pub generation: u64,
    /// Topics whose `journal.low` is this generation.
    pub topics: u32,
    /// It holds committed offsets that no checkpoint has.
    pub commits: bool,
}

/// The ring.
pub struct Chunks {
    all: Vec<Chunk>,
    current: usize,
    /// Next free byte of the current chunk.
    position: u64,
    bytes: u64,
    generation: u64,
}

impl Chunks {
    /// A ring of chunks of `bytes` each, all free; the first is current, with `generation`.
    #[must_use]
    pub fn new(files: &[(u64, Handle, FileSlot)], bytes: u64, generation: u64) -> Self {
        assert!(!files.is_empty() && files.len() <= MAX_CHUNKS && generation > 0);
        let mut all = Vec::with_capacity(MAX_CHUNKS);
        for &(number, handle, file) in files {
            all.push(Chunk {
                number,
                handle,
                file,
                generation: 0,
                topics: 0,
                commits: false,
            });
        }
        all[0].generation = generation;
        Self {
            all,
            current: 0,
            position: 0,
            bytes,
            generation,
        }
    }
    /// Adds a chunk that the keeper made.
    pub fn add(&mut self, number: u64, handle: Handle, file: FileSlot) {
        assert!(self.all.len() < MAX_CHUNKS);
        self.all.push(Chunk {
            number,
            handle,
            file,
            generation: 0,
            topics: 0,
            commits: false,
        });
    }
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }
    /// The number that the next new chunk gets.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.all
            .iter()
            .map(|chunk| chunk.number)
            .max()
            .map_or(0, |number| number + 1)
    }
    /// The chunk being written.
    #[must_use]
    pub fn current(&self) -> &Chunk {
        &self.all[self.current]
    }
    /// The generation being written.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }
    /// Bytes left in the current chunk.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.bytes - self.position
    }
    /// Takes the place for a block of `len` bytes; there is room. Returns its position in the current chunk.
    pub fn place(&mut self, len: u64) -> u64 {
        assert!(len <= self.room());
        let at = self.position;
        self.position += len;
        at
    }
    /// Whether a chunk is free that no block on stable storage calls free yet: `stated` is the oldest needed generation
    /// as such a block states it. Writing over it then, a power cut could leave blocks that seem to miss it.
    #[must_use]
    pub fn is_free_unsaid(&self, stated: u64) -> bool {
        let oldest = self.oldest_needed();
        let others = || {
            (0..self.all.len())
                .filter(|&i| i != self.current)
                .map(|i| self.all[i].generation)
        };
        others().any(|generation| generation < oldest)
            && !others().any(|generation| generation < stated.min(oldest))
    }
    /// Moves on to a free chunk. False: none is free, nothing changed.
    pub fn advance(&mut self) -> bool {
        // A topic is counted at its oldest generation alone, and may have entries in every later one.
        let oldest = self.oldest_needed();
        let free = (0..self.all.len())
            .filter(|&i| i != self.current && self.all[i].generation < oldest)
            .min_by_key(|&i| self.all[i].generation);
        let Some(next) = free else { return false };
        self.generation += 1;
        self.current = next;
        self.position = 0;
        self.all[next].generation = self.generation;
        true
    }
    /// The oldest generation that recovery would need: chunks below it are free.
    #[must_use]
    pub fn oldest_needed(&self) -> u64 {
        let held = self
            .all
            .iter()
            .filter(|chunk| chunk.topics > 0 || chunk.commits)
            .map(|chunk| chunk.generation);
        held.min().unwrap_or(self.generation).min(self.generation)
    }
    /// How many topics need a generation below this one.
    #[must_use]
    pub fn held_below(&self, generation: u64) -> u32 {
        let below = self.all.iter().filter(|c| c.generation < generation);
        below.map(|chunk| chunk.topics).sum()
    }
    /// Chunks that cannot be used again yet.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.all
            .iter()
            .filter(|chunk| chunk.topics > 0 || chunk.commits)
            .count() as u64
    }
    /// A topic's oldest needed generation changes from `from` to `to` (0: none).
    pub fn hold(&mut self, from: u64, to: u64) {
        if from == to {
            return;
        }
        for chunk in &mut self.all {
            if from > 0 && chunk.generation == from {
                assert!(chunk.topics > 0, "a hold is let go once");
                chunk.topics -= 1;
            }
            if to > 0 && chunk.generation == to {
                chunk.topics += 1;
            }
        }
    }
    /// Whether a chunk other than the current one holds committed offsets that no checkpoint has.
    #[must_use]
    pub fn has_old_commits(&self) -> bool {
        let old = |chunk: &&Chunk| chunk.generation < self.generation;
        self.all.iter().filter(old).any(|chunk| chunk.commits)
    }
    /// The current chunk holds committed offsets now.
    pub fn hold_commits(&mut self) {
        self.all[self.current].commits = true;
    }
    /// A checkpoint of the committed offsets is durable that has all of generations below `generation`.
    pub fn release_commits(&mut self, generation: u64) {
        for chunk in &mut self.all {
            chunk.commits &= chunk.generation >= generation;
        }
    }
    /// All files, to be closed.
    pub fn files(&self) -> impl Iterator<Item = (Handle, FileSlot)> + '_ {
        self.all.iter().map(|chunk| (chunk.handle, chunk.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_used_again_only_when_nothing_needs_it() {
        let files: Vec<_> = (0..2)
            .map(|n| (n, Handle(n as i32), FileSlot(n as u32)))
            .collect();
        let mut chunks = Chunks::new(&files, 8192, 5);
        chunks.place(8192);
        chunks.hold(0, 5);
        assert!(chunks.advance(), "the other one is free");
        assert_eq!(
            (
                chunks.generation(),
                chunks.current().number,
                chunks.oldest_needed()
            ),
            (6, 1, 5)
        );
        assert!(!chunks.advance(), "generation 5 is needed");
        chunks.hold(5, 6);
        assert_eq!(chunks.oldest_needed(), 6);
        assert!(chunks.advance());
        assert_eq!((chunks.generation(), chunks.current().number), (7, 0));
    }
}
