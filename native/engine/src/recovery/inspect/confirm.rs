//! Which entries of a segment's indexes the segment confirms (formats.md, "Sparse indexes").

use std::io;

use super::LogFile;
use crate::format::batch::{BatchHeader, BATCH_HEADER};
use crate::format::index::{IndexEntry, ENTRY};

impl LogFile {
    /// Ordinals of entries that are not plainly right: `idx` and `pos` are the same stretch of both indexes of this segment,
    /// whose batches end at byte `end`. An entry is right if it points below `end`, beyond the entry before it, at the batch
    /// header that it tells of. The first one has none before it here.
    ///
    /// # Errors
    /// The system's.
    pub fn unconfirmed(&self, idx: &[u8], pos: &[u8], end: u64) -> io::Result<Vec<u32>> {
        let (idx, pos) = (idx.as_chunks::<ENTRY>().0, pos.as_chunks::<ENTRY>().0);
        let mut found = Vec::new();
        let mut least = 0;
        let mut head = [0; BATCH_HEADER];
        for (ordinal, (idx, pos)) in (0u32..).zip(idx.iter().zip(pos)) {
            let entry = IndexEntry::decode(idx, pos);
            let right = match entry {
                Some(entry) if (least..end).contains(&entry.position) => {
                    self.read_at(&mut head, entry.position)? == BATCH_HEADER
                        && BatchHeader::decode(&head).is_ok_and(|(header, _)| {
                            entry.key == header.key
                                && entry.base_offset == header.base_offset
                                && entry.base_record == header.base_record
                        })
                }
                _ => false,
            };
            if !right {
                found.push(ordinal);
            }
            least = entry.map_or(least, |entry| entry.position.saturating_add(1));
        }
        Ok(found)
    }
}
