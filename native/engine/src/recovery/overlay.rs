//! The journal laid over a segment: bytes that it holds stand where the segment's own do not hold (design.md, section 8).

use std::ops::Range;

use super::batches::{batch_in_memory, Batch, Link, Owner};
use super::disk::File;
use super::error::RecoveryError;
use super::journal::{Extent, Journal};
use super::kept::Patched;
use crate::format::batch::{BatchHeader, HeaderProblem, BATCH_HEADER};
use crate::limits::MAX_BATCH_PAYLOAD;

/// What the journal holds for one segment, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Extents {
    list: Vec<Extent>,
    longest: u64,
}

impl Extents {
    /// None at all.
    pub const fn none() -> Self {
        Self {
            list: Vec::new(),
            longest: 0,
        }
    }
    /// Takes an extent; `sort` follows when all are in.
    pub fn push(&mut self, extent: Extent) {
        self.longest = self.longest.max(u64::from(extent.len));
        self.list.push(extent);
    }
    /// Orders by position; what the journal holds twice for a place stays in the journal's order.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|extent| extent.position);
    }
    pub fn all(&self) -> &[Extent] {
        &self.list
    }
    /// Those that reach into a range, and perhaps neighbours.
    pub fn over(&self, range: &Range<u64>) -> &[Extent] {
        let from = self
            .list
            .partition_point(|extent| extent.position + self.longest <= range.start);
        let to = self
            .list
            .partition_point(|extent| extent.position < range.end);
        &self.list[from.min(to)..to]
    }
    /// The header of the whole batch that the journal holds for a position, if it continues the chain there.
    pub fn header_at(
        &self,
        position: u64,
        owner: Owner,
        link: &Link,
        journal: &Journal,
    ) -> Result<Option<(Extent, BatchHeader)>, RecoveryError> {
        for extent in self.over(&(position..position + 1)) {
            if extent.position != position || extent.base_offset != Some(link.offset) {
                continue;
            }
            let mut bytes = vec![0; extent.len as usize];
            journal.bytes_of(extent, 0, &mut bytes)?;
            if let Ok(batch) = batch_in_memory(&bytes, owner, position) {
                if link.check(&batch.header).is_ok() {
                    return Ok(Some((*extent, batch.header)));
                }
            }
        }
        Ok(None)
    }
}

/// The batch at a position as it is with the journal laid over the segment, and its bytes; none if that does not make
/// it whole, or does not continue the chain.
pub(super) fn patched_batch(
    file: &File,
    extents: &Extents,
    journal: &Journal,
    owner: Owner,
    at: u64,
    link: &Link,
) -> Result<Option<(Batch, Vec<u8>)>, RecoveryError> {
    let most = at..at + BATCH_HEADER as u64 + u64::from(MAX_BATCH_PAYLOAD);
    if extents.over(&most).is_empty() {
        return Ok(None);
    }
    let patched = |range: &Range<u64>| -> Result<Vec<u8>, RecoveryError> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        Patched {
            file: Some(file),
            extents: extents.over(range),
            journal,
        }
        .read(&mut bytes, range.start)?;
        Ok(bytes)
    };
    let head = patched(&(at..at + BATCH_HEADER as u64))?;
    let header = match head.first_chunk::<BATCH_HEADER>().map(BatchHeader::decode) {
        Some(Ok((header, _))) => header,
        Some(Err(HeaderProblem::NewerVersion(version))) => {
            return Err(RecoveryError::NewerFormat {
                path: file.path.clone(),
                at: Some(at),
                found: format!(
                    "a batch of version {:?} in the journal",
                    char::from(version)
                ),
            })
        }
        _ => return Ok(None),
    };
    if Owner::of(&header) != owner || link.check(&header).is_err() {
        return Ok(None);
    }
    let bytes = patched(&(at..at + header.batch_len()))?;
    Ok(batch_in_memory(&bytes, owner, at)
        .ok()
        .map(|batch| (batch, bytes)))
}
