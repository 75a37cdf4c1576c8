//! Sparse indexes (formats.md, "Sparse indexes, `.idx` and `.pos`").

use super::batch::SortKey;
use super::u64_at;

/// Bytes of an entry in either file.
pub const ENTRY: usize = 24;

/// One ordinal of both arrays: where a batch header stands, and what it starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    pub key: SortKey,
    pub base_offset: u64,
    pub base_record: u64,
    /// Byte position of the batch header in the `.lnc`.
    pub position: u64,
}

impl IndexEntry {
    /// The `.idx` half.
    #[must_use]
    pub fn idx(&self) -> [u8; ENTRY] {
        three(
            self.key.timestamp_ns,
            self.key.node_actor_sequence,
            self.position,
        )
    }
    /// The `.pos` half.
    #[must_use]
    pub fn pos(&self) -> [u8; ENTRY] {
        three(self.base_offset, self.base_record, self.position)
    }
    /// Reads both halves; `None` if they point at different positions.
    #[must_use]
    pub fn decode(idx: &[u8; ENTRY], pos: &[u8; ENTRY]) -> Option<Self> {
        let position = u64_at(idx, 16);
        (position == u64_at(pos, 16)).then(|| Self {
            key: SortKey {
                timestamp_ns: u64_at(idx, 0),
                node_actor_sequence: u64_at(idx, 8),
            },
            base_offset: u64_at(pos, 0),
            base_record: u64_at(pos, 8),
            position,
        })
    }
}

fn three(a: u64, b: u64, c: u64) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[0..8].copy_from_slice(&a.to_le_bytes());
    entry[8..16].copy_from_slice(&b.to_le_bytes());
    entry[16..24].copy_from_slice(&c.to_le_bytes());
    entry
}
