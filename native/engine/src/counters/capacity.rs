//! How much a file holds, and where each part of it begins.

use super::events::EVENT_ROWS;
use super::handle::HISTOGRAM_CELLS;
use super::layout::{commit, event, topic, CACHE_LINE, DESCRIPTOR_BYTES, HEADER_BYTES};
use crate::limits::Limits;

/// How many values a file has room for; all of it is allocated at start-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Values of any kind.
    pub descriptors: u32,
    /// How many of them may be histograms (30 KiB each).
    pub histograms: u32,
    /// Topics that have a row (128 bytes).
    pub topics: u32,
    /// Places in the table of committed offsets that have a row (32 bytes).
    pub commits: u32,
}

/// Rows of topics and of committed offsets at most, whatever the limits say: 8 and 4 MiB.
const MOST_TOPICS: u32 = 1 << 16;
const MOST_COMMITS: u32 = 1 << 17;

impl Default for Capacity {
    fn default() -> Self {
        Self {
            descriptors: 768,
            histograms: 48,
            topics: 64,
            commits: 256,
        }
    }
}

impl Capacity {
    /// For a node with these limits.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        Self {
            topics: limits.topics.min(MOST_TOPICS),
            commits: limits.commit_places().min(MOST_COMMITS),
            ..Self::default()
        }
    }
    pub(super) fn topics_at(self) -> usize {
        HEADER_BYTES + self.descriptors as usize * DESCRIPTOR_BYTES
    }
    pub(super) fn commits_at(self) -> usize {
        self.topics_at() + self.topics as usize * topic::ROW
    }
    pub(super) fn events_at(self) -> usize {
        (self.commits_at() + self.commits as usize * commit::ROW).next_multiple_of(CACHE_LINE)
    }
    pub(super) fn values_at(self) -> usize {
        (self.events_at() + EVENT_ROWS * event::ROW).next_multiple_of(CACHE_LINE)
    }
    pub(super) fn file_bytes(self) -> usize {
        let histograms = self.histograms as usize * histogram_bytes();
        (self.values_at() + self.descriptors as usize * CACHE_LINE + histograms)
            .next_multiple_of(4096)
    }
}

/// What a histogram takes.
pub(super) fn histogram_bytes() -> usize {
    (HISTOGRAM_CELLS * 8).next_multiple_of(CACHE_LINE)
}
