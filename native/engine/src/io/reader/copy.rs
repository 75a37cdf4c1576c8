//! Copies records or batches into a response, never more than it may have, and whole ones only.

use super::Response;
use crate::format::batch::{BatchHeader, BATCH_HEADER};
use crate::limits::RESPONSE_HEADROOM;
use crate::lwp::tlv;
use crate::memory::SlabTable;
use crate::messages::FetchMode;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// All of it that was asked for is in the response: go on with the next batch.
    Whole,
    /// The response is full.
    Full,
    /// The offset lies inside the record that starts here.
    InsideRecord(u64),
    /// Not even the first record fits into the response's slab; it needs this many bytes.
    TooSmall(u32),
}

impl Response {
    /// Copies from a batch what the response lacks, from `next_offset` on. `payload` are the batch's records, `whole` the
    /// batch with its header. `capacity` is what the slab holds.
    pub fn copy(
        &mut self,
        table: &SlabTable,
        header: &BatchHeader,
        whole: &[u8],
        capacity: u32,
    ) -> Copied {
        assert!(header.base_offset <= self.next_offset && self.next_offset < header.next_offset());
        match self.mode {
            FetchMode::Batches => self.copy_batch(table, header, whole, capacity),
            FetchMode::Records => {
                self.copy_records(table, header, &whole[BATCH_HEADER..], capacity)
            }
        }
    }

    fn copy_batch(
        &mut self,
        table: &SlabTable,
        header: &BatchHeader,
        whole: &[u8],
        capacity: u32,
    ) -> Copied {
        let len = whole.len() as u32;
        if self.len > 0 && self.len + len > self.budget {
            return Copied::Full;
        }
        if self.len + len > capacity {
            return Copied::TooSmall(len);
        }
        self.put(table, whole);
        self.records += header.record_count;
        self.next_offset = header.next_offset();
        Copied::Whole
    }

    fn copy_records(
        &mut self,
        table: &SlabTable,
        header: &BatchHeader,
        payload: &[u8],
        capacity: u32,
    ) -> Copied {
        let from = (self.next_offset - header.base_offset) as usize;
        let rest = payload.len() - from;
        let room = self.budget.saturating_sub(self.len) as usize;
        if from == 0 && rest <= room {
            self.put(table, payload);
            self.records += header.record_count;
            self.next_offset = header.next_offset();
            return Copied::Whole;
        }
        let mut end = from;
        let mut records = 0;
        for record in tlv::records(payload) {
            let behind = record.at + record.bytes.len();
            if behind <= from {
                continue;
            }
            if record.at < from {
                return Copied::InsideRecord(header.base_offset + record.at as u64);
            }
            let fits = behind - from <= room || (self.len == 0 && records == 0);
            if !fits {
                break;
            }
            if self.len as usize + behind - from > capacity as usize {
                return Copied::TooSmall((behind - from) as u32);
            }
            end = behind;
            records += 1;
        }
        self.put(table, &payload[from..end]);
        self.records += records;
        self.next_offset = header.base_offset + end as u64;
        if end == payload.len() && self.len < self.budget {
            Copied::Whole
        } else {
            Copied::Full
        }
    }

    fn put(&mut self, table: &SlabTable, bytes: &[u8]) {
        let at = RESPONSE_HEADROOM as usize + self.len as usize;
        assert!(
            at + bytes.len() <= table.bytes(self.slab) as usize,
            "the caller knows the capacity"
        );
        // SAFETY: inside the response's slab (asserted), which this agent owns until it is handed over.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), table.at(self.slab).add(at), bytes.len())
        };
        self.len += bytes.len() as u32;
    }
}
