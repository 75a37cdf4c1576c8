//! The newest slabs are a cache: a consumer that keeps up never touches the disk.

use super::copy::Copied;
use super::Response;
use crate::format::batch::{BatchHeader, BATCH_HEADER};
use crate::io::agent::IoAgent;
use crate::limits::RESPONSE_HEADROOM;
use crate::memory::SlabId;
use crate::topics::TopicSlot;

/// A batch in memory.
#[derive(Clone, Copy, Debug)]
pub struct TailBatch {
    pub slab: SlabId,
    pub position: u64,
    pub header: BatchHeader,
}

impl IoAgent {
    /// Offset of the first record in memory; `None`: nothing is.
    pub(super) fn tail_start(&self, slot: TopicSlot) -> Option<u64> {
        let first = self.topics[slot.index()].first_slab?;
        let held = &self.slabs[first];
        (held.end > held.first).then_some(held.first_offset)
    }

    /// The last slab whose batches start at or before an address, by `reached`.
    pub(super) fn tail_slab(
        &self,
        slot: TopicSlot,
        reached: impl Fn(&TailBatch) -> bool,
    ) -> Option<SlabId> {
        let mut next = self.topics[slot.index()].first_slab;
        let mut last = None;
        while let Some(slab) = next {
            next = self.slabs[slab].next;
            match self.tail_batch(slab, self.slabs[slab].first) {
                Some(batch) if reached(&batch) => last = Some(slab),
                Some(_) => break,
                None => {}
            }
        }
        last
    }

    /// The batch at a position of a slab; `None` at the end of its batches.
    pub(super) fn tail_batch(&self, slab: SlabId, position: u64) -> Option<TailBatch> {
        let held = &self.slabs[slab];
        if position >= held.end {
            return None;
        }
        let bytes = self
            .slabs
            .bytes(slab, position, position + BATCH_HEADER as u64);
        let header = bytes
            .try_into()
            .ok()
            .and_then(|bytes| BatchHeader::decode(bytes).ok());
        let (header, _) = header.expect("batches in memory are as they were laid out");
        Some(TailBatch {
            slab,
            position,
            header,
        })
    }

    /// The batch behind another one, in the same slab or the next.
    pub(super) fn tail_next(&self, batch: &TailBatch) -> Option<TailBatch> {
        let position = batch.position + batch.header.batch_len();
        self.tail_batch(batch.slab, position).or_else(|| {
            let next = self.slabs[batch.slab].next?;
            self.tail_batch(next, self.slabs[next].first)
        })
    }

    /// The batch in memory that holds an offset.
    pub(super) fn tail_at(&self, slot: TopicSlot, offset: u64) -> Option<TailBatch> {
        let slab = self.tail_slab(slot, |batch| batch.header.base_offset <= offset)?;
        let mut batch = self.tail_batch(slab, self.slabs[slab].first);
        while let Some(at) = batch {
            if offset < at.header.next_offset() {
                return Some(at);
            }
            batch = self.tail_next(&at);
        }
        None
    }

    /// Copies what is in memory and readable into a response that goes on there.
    pub(super) fn copy_tail(&mut self, slot: TopicSlot, response: &mut Response) -> Copied {
        let end = self.topics[slot.index()].readable.offset;
        let capacity = self.table.bytes(response.slab) - RESPONSE_HEADROOM;
        let mut batch = self.tail_at(slot, response.next_offset);
        while let Some(at) = batch.filter(|at| at.header.next_offset() <= end) {
            let whole = self
                .slabs
                .bytes(at.slab, at.position, at.position + at.header.batch_len());
            match response.copy(&self.table, &at.header, whole, capacity) {
                Copied::Whole => batch = self.tail_next(&at),
                other => return other,
            }
        }
        Copied::Whole
    }
}
