//! Batches in the journal for a topic that is neither there nor deleted: kept beside the journal, and reported.

use super::disk::Disk;
use super::error::RecoveryError;
use super::journal::{Extent, Journal};
use super::kept::{keep, Patched};
use super::{Finding, Severity};
use crate::format::names::JOURNAL_DIR;

/// Copies the batches of unknown topics, one behind the other as in a segment, to `journal/topic-{id}-{epoch}.~kept`.
pub(super) fn keep_unknown(
    disk: Disk,
    journal: &Journal,
    alive: impl Fn(u32, u32) -> bool,
    deleted: impl Fn(u32) -> bool,
    findings: &mut Vec<Finding>,
) -> Result<(), RecoveryError> {
    for (owner, entries) in &journal.topics {
        if alive(owner.topic, owner.epoch) || deleted(owner.topic) {
            continue;
        }
        let mut end = 0;
        let mut batches: Vec<Extent> = Vec::new();
        let all = entries.segments.values().flat_map(|extents| extents.all());
        for extent in all.filter(|extent| extent.base_offset.is_some()) {
            let mut extent = *extent;
            extent.position = end;
            end = extent.end();
            batches.push(extent);
        }
        let path = format!("{JOURNAL_DIR}/topic-{}-{}.~kept", owner.topic, owner.epoch);
        let what = Patched {
            file: None,
            extents: &batches,
            journal,
        };
        if let Some(kept) = keep(disk, JOURNAL_DIR, &path, &what, 0..end)? {
            findings.push(Finding {
                severity: Severity::Error,
                code: "unknown-topic",
                path: kept,
                at: None,
                detail: format!(
                    "the journal has {} batches of topic {} (epoch {}), which is neither there nor deleted: they are kept here",
                    batches.len(),
                    owner.topic,
                    owner.epoch
                ),
            });
        }
    }
    Ok(())
}
