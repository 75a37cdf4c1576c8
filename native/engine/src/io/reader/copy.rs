//! Copies records or batches into a response, never more than it may have, and whole ones only.

use super::Response;
use crate::checksum::{checksum, combine};
use crate::format::batch::{BatchHeader, BATCH_HEADER};
use crate::limits::RESPONSE_HEADROOM;
use crate::lwp::tlv;
use crate::memory::SlabTable;
use crate::messages::FetchMode;

/// Payloads from here on give their checksum to the response's; below, going over the bytes is as fast.
const COMBINED: usize = 4096;

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
        let (head, payload) = whole.split_at(BATCH_HEADER);
        self.put(table, head);
        self.put_payload(table, header, payload);
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
            self.put_payload(table, header, payload);
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
        if from == 0 && end == payload.len() {
            // One record alone, larger than what was asked for.
            self.put_payload(table, header, payload);
        } else {
            self.put(table, &payload[from..end]);
        }
        self.records += records;
        self.next_offset = header.base_offset + end as u64;
        if end == payload.len() && self.len < self.budget {
            Copied::Whole
        } else {
            Copied::Full
        }
    }

    /// Puts a batch's whole payload, whose checksum was verified when it entered memory.
    fn put_payload(&mut self, table: &SlabTable, header: &BatchHeader, payload: &[u8]) {
        let known = payload.len() >= COMBINED && header.payload_kind == self.kind;
        if known {
            self.sum_up(table);
        }
        self.put(table, payload);
        if known {
            let (sum, len) = (header.payload_checksum, payload.len() as u64);
            self.sum = combine(self.kind, self.sum, sum, len);
            self.summed = self.len;
            self.combined = true;
        }
    }

    /// Brings the checksum up to what is there.
    fn sum_up(&mut self, table: &SlabTable) {
        let len = (self.len - self.summed) as usize;
        if len == 0 {
            return;
        }
        let at = (RESPONSE_HEADROOM + self.summed) as usize;
        // SAFETY: `put` wrote these bytes into the slab, which is this agent's until it is handed over.
        let rest = unsafe { std::slice::from_raw_parts(table.at(self.slab).add(at), len) };
        self.sum = combine(self.kind, self.sum, checksum(self.kind, rest), len as u64);
        self.summed = self.len;
    }

    /// The checksum of the data, where batches' own ones save going over all of it.
    pub fn checksum(&mut self, table: &SlabTable) -> Option<u32> {
        self.combined.then(|| {
            self.sum_up(table);
            self.sum
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::batch::{SortKey, TLV_HEADER};
    use crate::memory::{Backing, SlabClass, SlabTableBuilder};
    use crate::messages::ChecksumKind;
    use proptest::prelude::*;

    fn batch(base: u64, kind: ChecksumKind, lens: &[usize]) -> (BatchHeader, Vec<u8>) {
        let mut payload = Vec::new();
        for (i, &len) in lens.iter().enumerate() {
            payload.extend(tlv::header(tlv::TYPE_RAW, len as u32));
            payload.extend((0..len).map(|at| (at * 7 + i * 31 + lens.len()) as u8));
        }
        let header = BatchHeader {
            previous: 0,
            payload_checksum: checksum(kind, &payload),
            payload_kind: kind,
            payload_len: payload.len() as u32,
            record_count: lens.len() as u32,
            topic: 1,
            epoch: 1,
            key: SortKey::new(1, 1, 0, 0),
            base_record: 0,
            base_offset: base,
            producer_ns: 0,
            durable_offset: 0,
            term: 0,
            log_index: 0,
            producer_id: 0,
            producer_sequence: 0,
        };
        let mut whole = vec![0; BATCH_HEADER];
        header.encode(whole.first_chunk_mut().expect("room for a header"));
        whole.extend(payload);
        (header, whole)
    }

    fn kinds() -> impl Strategy<Value = ChecksumKind> {
        prop_oneof![Just(ChecksumKind::Crc32), Just(ChecksumKind::Crc32c)]
    }

    proptest! {
        /// Batches of both kinds, large and small, from the middle of the first to wherever the response is full.
        #[test]
        fn a_response_s_checksum_is_that_of_its_bytes(
            batches in proptest::collection::vec(
                (kinds(), proptest::collection::vec(0_usize..6000, 1..6)), 1..8),
            kind in kinds(),
            mode in prop_oneof![Just(FetchMode::Records), Just(FetchMode::Batches)],
            budget in 1_u32..60_000,
            skip in 0_usize..5,
        ) {
            let mut builder = SlabTableBuilder::default();
            let class = SlabClass { bytes: 256 * 1024, count: 1, backing: Backing::Start };
            let mut pool = builder.pool(&[class]);
            let table = builder.build().expect("memory");
            let slab = pool.take(1).expect("a slab");
            let first = &batches[0].1;
            let skipped = first.iter().take(skip.min(first.len() - 1)).map(|len| TLV_HEADER + len).sum::<usize>();
            let mut response = Response {
                slab,
                budget,
                len: 0,
                records: 0,
                next_offset: skipped as u64,
                mode,
                sum: 0,
                summed: 0,
                kind,
                combined: false,
            };
            let capacity = table.bytes(slab) - RESPONSE_HEADROOM;
            let (mut base, mut large) = (0, false);
            for (own, lens) in &batches {
                let (header, whole) = batch(base, *own, lens);
                let before = response.len;
                let copied = response.copy(&table, &header, &whole, capacity);
                let took_all = response.len - before >= header.payload_len;
                large |= took_all && *own == kind && whole.len() - BATCH_HEADER >= COMBINED;
                base = header.next_offset();
                if copied != Copied::Whole {
                    break;
                }
            }
            // SAFETY: `len` bytes were put there.
            let bytes = unsafe {
                let from = table.at(slab).add(RESPONSE_HEADROOM as usize);
                std::slice::from_raw_parts(from, response.len as usize)
            };
            let sum = response.checksum(&table);
            prop_assert_eq!(sum.is_some(), large);
            if let Some(sum) = sum {
                prop_assert_eq!(sum, checksum(kind, bytes));
            }
        }
    }
}
