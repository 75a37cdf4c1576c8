//! Committed offsets, as the I/O agent's table has them: read by other processes.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::layout::commit;
use super::region::Region;
use super::rows::Rows;
use crate::recovery::CommittedOffset;

const CELLS: usize = commit::ROW / 8;

/// A row for each place of the table of committed offsets, as far as there is room. One writer.
pub struct CommitRows(Rows<CELLS>);

impl CommitRows {
    pub(super) fn new(region: Arc<Region>, at: usize, rows: u32) -> Self {
        Self(Rows::new(region, at, rows))
    }

    /// Shows what stands at a place of the table.
    #[inline]
    pub fn show(&self, place: usize, commit: Option<&CommittedOffset>) {
        let Some((cells, first)) = self.0.row(place) else {
            return;
        };
        let set =
            |field: usize, value: u64| cells.at(first + field / 8).store(value, Ordering::Relaxed);
        let Some(shown) = commit else {
            return set(commit::AT_S, 0);
        };
        set(
            commit::TOPIC_EPOCH,
            u64::from(shown.topic) | u64::from(shown.epoch) << 32,
        );
        set(commit::CONSUMER, shown.consumer);
        set(commit::OFFSET, shown.offset);
        set(commit::AT_S, shown.at_s.max(1));
    }
}
