//! Where a topic's bytes go: its position in the segment, its slab, and the batch that still grows.

use crate::format::batch::{BatchHeader, SortKey, BATCH_HEADER};
use crate::handoff::{ActiveSegment, BatchPlace};
use crate::limits::{BLOCK, MAX_BATCH_PAYLOAD};
use crate::memory::{approach_bytes, copy_past_cache, SlabId, SlabTable};
use crate::messages::ChecksumKind;
use crate::recovery::Position;
use crate::topics::TopicSlot;

/// Frames share a batch up to this much payload: enough to make headers cheap, little enough to read back alone.
const SHARED_BATCH: u32 = 64 * 1024;

/// A piece this large is not read by a CPU again before the device has it: with little more it goes straight to its segment.
const LARGE: usize = 48 * 1024;

/// The payload of one batch, ready to be copied.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    /// TLV header of a wrapped payload.
    pub prefix: Option<[u8; 5]>,
    pub bytes: &'a [u8],
    /// Of prefix and bytes.
    pub checksum: u32,
    pub kind: ChecksumKind,
    pub records: u32,
}

impl Piece<'_> {
    /// Bytes of payload.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.bytes.len() as u32 + self.prefix.map_or(0, |prefix| prefix.len() as u32)
    }
}

/// The segment a topic writes to.
#[derive(Clone, Copy, Debug)]
pub struct OpenSegment {
    /// Position of the next byte.
    pub end: u64,
    pub start_ns: u64,
}

/// The slab a topic writes to.
#[derive(Clone, Copy, Debug)]
pub struct OpenSlab {
    pub id: SlabId,
    /// Position in the segment of its first byte.
    pub base: u64,
    pub capacity: u32,
}

/// A batch whose header is not written yet.
#[derive(Clone, Copy, Debug)]
struct OpenBatch {
    position: u64,
    key: SortKey,
    records: u32,
    payload: u32,
    checksum: u32,
    kind: ChecksumKind,
    producer_ns: u64,
}

/// A topic as the ingest agent sees it.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    pub id: u32,
    pub epoch: u32,
    /// Where the next record goes; the batch that still grows is counted in.
    pub next: Position,
    pub segment: Option<OpenSegment>,
    pub slab: Option<OpenSlab>,
    batch: Option<OpenBatch>,
    /// Bytes of the next slab: grows while slabs fill, so that busy topics write large.
    hint: u32,
}

impl Topic {
    /// A topic that goes on at `next`, in `segment` if that is open.
    #[must_use]
    pub fn new(id: u32, epoch: u32, next: Position, segment: Option<ActiveSegment>) -> Self {
        let segment = segment.map(|s| OpenSegment {
            end: s.end,
            start_ns: s.start_ns,
        });
        Self {
            id,
            epoch,
            next,
            segment,
            slab: None,
            batch: None,
            hint: BLOCK as u32,
        }
    }
    /// Whether a piece can join the batch that still grows.
    #[must_use]
    pub fn can_join(&self, piece: &Piece<'_>, max_segment: u64) -> bool {
        let (Some(batch), Some(slab), Some(segment)) = (&self.batch, &self.slab, &self.segment)
        else {
            return false;
        };
        let len = piece.len();
        batch.kind == piece.kind
            && batch.payload + len <= SHARED_BATCH
            && segment.end + u64::from(len)
                <= (slab.base + u64::from(slab.capacity)).min(max_segment)
            && batch.key.sequence() + u64::from(batch.records) + u64::from(piece.records)
                <= SortKey::MAX_SEQUENCE
    }
    /// Adds a piece to the batch that still grows; `can_join` held. Returns the position of its end.
    pub fn join(&mut self, slabs: &SlabTable, piece: &Piece<'_>) -> u64 {
        let batch = self.batch.as_mut().expect("can_join");
        batch.checksum = crate::checksum::combine(
            piece.kind,
            batch.checksum,
            piece.checksum,
            u64::from(piece.len()),
        );
        batch.payload += piece.len();
        batch.records += piece.records;
        self.next.key = batch.key.plus(u64::from(batch.records) - 1);
        self.put(slabs, piece)
    }
    /// Whether the slab has room for a batch of `len` payload bytes.
    #[must_use]
    pub fn slab_fits(&self, len: u32) -> bool {
        let (Some(slab), Some(segment)) = (&self.slab, &self.segment) else {
            return false;
        };
        segment.end + BATCH_HEADER as u64 + u64::from(len) <= slab.base + u64::from(slab.capacity)
    }
    /// Bytes that a new slab must have for a batch of `len` payload bytes, and bytes that it should have.
    #[must_use]
    pub fn slab_wanted(&self, len: u32, largest: u32) -> (u32, u32) {
        let lead = self.segment.map_or(0, |segment| segment.end % BLOCK) as u32;
        let need = lead + BATCH_HEADER as u32 + len;
        let hint = if self.slab.is_some() {
            self.hint.saturating_mul(4)
        } else {
            self.hint
        };
        (need, need.max(hint.min(largest)))
    }
    /// Takes a new slab for the topic; the one before is closed. Returns base and first batch's position.
    pub fn attach(&mut self, slabs: &SlabTable, id: SlabId, largest: u32) -> (u64, u64) {
        let end = self
            .segment
            .as_ref()
            .expect("a slab belongs to a segment")
            .end;
        if self.slab.is_some() {
            self.hint = self.hint.saturating_mul(4).min(largest);
        }
        let base = end - end % BLOCK;
        self.slab = Some(OpenSlab {
            id,
            base,
            capacity: slabs.bytes(id),
        });
        (base, end)
    }
    /// Lets the slab go: the I/O agent wants its last block, or the segment ends. The next one starts small again.
    pub fn detach(&mut self) {
        assert!(
            self.batch.is_none(),
            "a batch is complete before its slab is closed"
        );
        self.slab = None;
        self.hint = BLOCK as u32;
    }
    /// Asks for the address of the slab ahead.
    pub fn approach_slab(&self, slabs: &SlabTable) {
        if let Some(slab) = &self.slab {
            slabs.approach(slab.id);
        }
    }
    /// Asks for the memory that the next `bytes` go to ahead.
    pub fn approach_end(&self, slabs: &SlabTable, bytes: usize) {
        let (Some(slab), Some(segment)) = (&self.slab, &self.segment) else {
            return;
        };
        let at = (segment.end - slab.base) as usize;
        approach_bytes(slabs.at(slab.id).wrapping_add(at), bytes);
    }
    /// Starts a batch with its first piece; the slab fits. Returns the position of its end.
    pub fn start(
        &mut self,
        slabs: &SlabTable,
        piece: &Piece<'_>,
        key: SortKey,
        producer_ns: u64,
    ) -> u64 {
        assert!(self.batch.is_none() && self.slab_fits(piece.len()));
        assert!(key > self.next.key, "keys strictly increase");
        let segment = self.segment.as_mut().expect("slab_fits");
        self.batch = Some(OpenBatch {
            position: segment.end,
            key,
            records: piece.records,
            payload: piece.len(),
            checksum: piece.checksum,
            kind: piece.kind,
            producer_ns,
        });
        segment.end += BATCH_HEADER as u64;
        self.next.key = key.plus(u64::from(piece.records) - 1);
        self.put(slabs, piece)
    }
    /// Writes the header of the batch that still grew. `None` if there is none.
    pub fn finish(
        &mut self,
        slabs: &SlabTable,
        slot: TopicSlot,
        durable_offset: u64,
    ) -> Option<BatchPlace> {
        let batch = self.batch.take()?;
        let slab = self.slab.as_ref().expect("a batch is in a slab");
        let header = BatchHeader {
            previous: self.next.chain,
            payload_checksum: batch.checksum,
            payload_kind: batch.kind,
            payload_len: batch.payload,
            record_count: batch.records,
            topic: self.id,
            epoch: self.epoch,
            key: batch.key,
            base_record: self.next.record - u64::from(batch.records),
            base_offset: self.next.offset - u64::from(batch.payload),
            producer_ns: batch.producer_ns,
            durable_offset,
            term: 0,
            log_index: 0,
            producer_id: 0,
            producer_sequence: 0,
        };
        let mut bytes = [0; BATCH_HEADER];
        let chain = header.encode(&mut bytes);
        write(slabs, slab, batch.position, &bytes);
        self.next.chain = chain;
        Some(BatchPlace {
            slot,
            position: batch.position,
            len: BATCH_HEADER as u32 + batch.payload,
            records: batch.records,
            base_offset: header.base_offset,
            base_record: header.base_record,
            key: batch.key,
            chain,
        })
    }

    fn put(&mut self, slabs: &SlabTable, piece: &Piece<'_>) -> u64 {
        assert!(piece.len() <= MAX_BATCH_PAYLOAD && piece.records >= 1);
        let slab = self.slab.as_ref().expect("a batch is in a slab");
        let segment = self.segment.as_mut().expect("a slab belongs to a segment");
        if let Some(prefix) = &piece.prefix {
            write(slabs, slab, segment.end, prefix);
            segment.end += prefix.len() as u64;
        }
        write(slabs, slab, segment.end, piece.bytes);
        segment.end += piece.bytes.len() as u64;
        self.next.offset += u64::from(piece.len());
        self.next.record += u64::from(piece.records);
        segment.end
    }
}

fn write(slabs: &SlabTable, slab: &OpenSlab, position: u64, bytes: &[u8]) {
    let at = position - slab.base;
    assert!(
        at + bytes.len() as u64 <= u64::from(slab.capacity),
        "a batch fits in its slab"
    );
    // SAFETY: the range is inside the slab (asserted), the ingest agent owns the slab's bytes from its last complete
    // batch on, and `bytes` lies in a receive buffer, a frame slab or on the stack, never in a topic's slab.
    unsafe {
        let to = slabs.at(slab.id).add(at as usize);
        if bytes.len() < LARGE {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        } else {
            copy_past_cache(bytes.as_ptr(), to, bytes.len());
        }
    };
}
