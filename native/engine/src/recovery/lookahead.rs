//! Looking beyond a gap for batches that are whole (design.md, section 8).

use std::io;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::batches::{read_batch, read_header, Batch, Link, Owner};
use super::window::Window;
use crate::format::batch::{BATCH_HEADER, HEADER_VALUE, MAGIC};

/// Batches that follow one another without a gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub first: Batch,
    pub last: Batch,
    pub batches: u64,
    /// The highest durable offset that one of their headers tells.
    pub durable: u64,
}

impl Run {
    pub fn start(&self) -> u64 {
        self.first.position
    }
    pub fn end(&self) -> u64 {
        self.last.end()
    }
}

/// Finds the whole batches of a topic from `from` on, where one that continues `link` should stand, and hands each to
/// `each`.
///
/// A batch counts only where its topic's own batches could stand: every byte between is either header or payload of
/// batches that are missing. Records that look like batches (somebody stored a segment in a topic) do not.
pub(super) fn look_ahead(
    window: &mut Window,
    owner: Owner,
    from: u64,
    link: &Link,
    mut each: impl FnMut(&Batch),
) -> io::Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    // A header that holds tells where its own batch ends: what stands in that one's payload is somebody's record.
    let mut at = match read_header(window, from) {
        Ok((header, _)) if Owner::of(&header) == owner && link.check(&header).is_ok() => {
            from + header.batch_len()
        }
        _ => from,
    };
    while let Some(position) = next_header(window, at)? {
        let Ok(batch) = read_batch(window, owner, position) else {
            at = position + 1;
            continue;
        };
        match runs.last_mut() {
            Some(run)
                if run.end() == position && Link::after(&run.last).check(&batch.header).is_ok() =>
            {
                run.last = batch;
                run.batches += 1;
                run.durable = run.durable.max(batch.header.durable_offset);
            }
            _ if could_stand(&batch, from, link) => runs.push(Run {
                first: batch,
                last: batch,
                batches: 1,
                durable: batch.header.durable_offset,
            }),
            _ => {
                at = position + 1;
                continue;
            }
        }
        each(&batch);
        at = batch.end();
    }
    Ok(runs)
}

/// Whether `n` missing batches, of at least a record each, fill exactly what lies between.
fn could_stand(batch: &Batch, from: u64, link: &Link) -> bool {
    let header = &batch.header;
    let (Some(bytes), Some(payload), Some(records)) = (
        batch.position.checked_sub(from),
        header.base_offset.checked_sub(link.offset),
        header.base_record.checked_sub(link.record),
    ) else {
        return false;
    };
    let Some(headers) = bytes.checked_sub(payload) else {
        return false;
    };
    headers % BATCH_HEADER as u64 == 0
        && headers / BATCH_HEADER as u64 <= records
        && header.durable_offset <= header.base_offset
}

/// The next position at or after `at` where the first bytes of a batch header stand.
pub(super) fn next_header(window: &mut Window, mut at: u64) -> io::Result<Option<u64>> {
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| {
        let mut first = vec![0];
        first.extend_from_slice(&(HEADER_VALUE as u32).to_le_bytes());
        first.extend_from_slice(&MAGIC);
        Finder::new(&first).into_owned()
    });
    let overlap = FINDER.needle().len() - 1;
    loop {
        match window.next_data(at)? {
            // A header begins with a zero, which may be the last of a hole.
            Some(data) => at = at.max(data.saturating_sub(overlap as u64)),
            None => return Ok(None),
        }
        let bytes = window.bytes(at, Window::MOST)?;
        if bytes.len() <= overlap {
            return Ok(None);
        }
        if let Some(found) = FINDER.find(bytes) {
            return Ok(Some(at + found as u64));
        }
        at += (bytes.len() - overlap) as u64;
    }
}
