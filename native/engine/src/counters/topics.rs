//! What the I/O agent knows of each topic, beside the counters: read by other processes, also after the node is gone.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::layout::topic;
use super::region::Region;
use super::rows::Rows;
use crate::topics::TopicSlot;

/// Whether a topic takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TopicState {
    Live = 1,
    /// An I/O error stopped its writes until a restart.
    Frozen = 2,
    Removing = 3,
}

/// Where a topic stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicRow {
    pub id: u32,
    pub state: TopicState,
    /// Of the last record, ns; 0: none.
    pub last_timestamp_ns: u64,
    /// First readable offset and record, and the end of both.
    pub first: (u64, u64),
    pub end: (u64, u64),
    /// Everything below is on stable storage.
    pub durable_offset: u64,
    /// Of its segment files, headers included, fill not.
    pub bytes: u64,
    pub segments: u32,
}

const CELLS: usize = topic::ROW / 8;

/// A row for each topic slot, as far as there is room. One relaxed store a field; one writer.
pub struct TopicRows(Rows<CELLS>);

impl TopicRows {
    pub(super) fn new(region: Arc<Region>, at: usize, rows: u32) -> Self {
        Self(Rows::new(region, at, rows))
    }

    /// A topic takes the slot: what it has been asked for is counted from 0 on.
    pub fn begin(&self, slot: TopicSlot, row: &TopicRow) {
        self.clear(slot);
        self.show(slot, row);
    }

    /// Shows where the topic stands.
    pub fn show(&self, slot: TopicSlot, row: &TopicRow) {
        let Some((cells, first)) = self.0.row(slot.index()) else {
            return;
        };
        let set =
            |field: usize, value: u64| cells.at(first + field / 8).store(value, Ordering::Relaxed);
        set(topic::LAST_TIMESTAMP_NS, row.last_timestamp_ns);
        set(topic::FIRST_OFFSET, row.first.0);
        set(topic::FIRST_RECORD, row.first.1);
        set(topic::END_OFFSET, row.end.0);
        set(topic::END_RECORD, row.end.1);
        set(topic::DURABLE_OFFSET, row.durable_offset);
        set(topic::BYTES, row.bytes);
        set(topic::SEGMENTS, u64::from(row.segments));
        let id_state = u64::from(row.id) | (row.state as u64) << 32;
        // Last, so that whoever sees the id sees the topic's numbers.
        cells
            .at(first + topic::ID_STATE / 8)
            .store(id_state, Ordering::Release);
    }

    /// A fetch was answered with `records` in `bytes`.
    #[inline]
    pub fn fetched(&self, slot: TopicSlot, records: u64, bytes: u64) {
        if let Some((cells, first)) = self.0.row(slot.index()) {
            cells.add(first + topic::FETCHES / 8, 1);
            cells.add(first + topic::FETCHED_RECORDS / 8, records);
            cells.add(first + topic::FETCHED_BYTES / 8, bytes);
        }
    }

    /// The topic is gone.
    pub fn clear(&self, slot: TopicSlot) {
        if let Some((cells, first)) = self.0.row(slot.index()) {
            for cell in first..first + CELLS {
                cells.at(cell).store(0, Ordering::Relaxed);
            }
        }
    }
}
