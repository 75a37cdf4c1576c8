//! An active segment, read from the last index entry that it confirms, with the journal laid over it.

use super::batches::{read_batch, Batch, Link, Owner, Wrong};
use super::disk::{Disk, File};
use super::error::RecoveryError;
use super::index::{agreement, path_of, Agreement, IndexWriter};
use super::journal::Journal;
use super::overlay::{patched_batch, Extents};
use super::window::Window;
use crate::format::batch::HeaderProblem;
use crate::format::names::SegmentName;

/// Batches that the journal healed are named up to so many a segment; a power cut leaves many torn ones.
const MOST_HEALED: usize = 8;

/// Where the scan of a segment begins.
pub(super) struct Start {
    pub agreement: Agreement,
    /// Byte position of the first batch to read.
    pub at: u64,
}

/// Finds where to begin, at or below `limit`; `whole` reads from the beginning whatever the index says.
pub(super) fn start(
    disk: Disk,
    dir: &str,
    name: &SegmentName,
    owner: Owner,
    whole: bool,
    limit: u64,
) -> Result<Start, RecoveryError> {
    let file = disk.read(&path_of(dir, name, "lnc"))?;
    let agreement = agreement(disk, dir, name, &file, owner, limit)?;
    if whole {
        // Read again from the start, the index is written again too: then it is right for certain.
        let agreement = Agreement {
            entries: 0,
            last: None,
            ..agreement
        };
        return Ok(Start { agreement, at: 0 });
    }
    let at = agreement.last.map_or(0, |entry| entry.position);
    Ok(Start { agreement, at })
}

/// What the scan of a segment found.
pub(super) struct Scan<'a> {
    pub file: File<'a>,
    pub len: u64,
    /// Where the batches end.
    pub end: u64,
    /// What the next batch must continue.
    pub link: Link,
    /// Why there is none at `end`.
    pub stop: Wrong,
    /// The last batch, if one was read.
    pub last: Option<Batch>,
    pub index: IndexWriter,
    /// Batches that came out of the journal.
    pub laid: u64,
    /// Where the first of them stand that took the place of something, and not of zeros.
    pub healed: Vec<u64>,
}

/// All that a scan needs to know.
pub(super) struct Question<'s, 'a> {
    pub disk: Disk<'a>,
    pub dir: &'s str,
    pub name: SegmentName,
    pub owner: Owner,
    pub extents: &'s Extents,
    pub journal: &'s Journal<'a>,
    pub every: u64,
}

/// Reads batch after batch as long as each is whole and continues the one before it; where the segment's own bytes do
/// not hold, the journal's are laid over them. `before` is what the first batch of the segment must continue.
pub(super) fn scan<'a>(
    what: &Question<'_, 'a>,
    start: &Start,
    before: Option<Link>,
) -> Result<Scan<'a>, RecoveryError> {
    let name = &what.name;
    let file = what.disk.write(&path_of(what.dir, name, "lnc"))?;
    let mut window = Window::new(&file);
    let mut index = IndexWriter::new(what.every, &start.agreement);
    let mut at = start.at;
    let mut link = match start.agreement.last.filter(|_| at > 0) {
        Some(entry) => Link {
            offset: entry.base_offset,
            record: entry.base_record,
            key: None,
            chain: None,
        },
        None => before
            .filter(|link| (link.offset, link.record) == (name.base_offset, name.base_record))
            .unwrap_or(Link {
                offset: name.base_offset,
                record: name.base_record,
                key: None,
                chain: None,
            }),
    };
    let mut laid = 0;
    let mut healed = Vec::new();
    let mut last = None;
    let stop = loop {
        let own = read_batch(&mut window, what.owner, at)
            .and_then(|batch| continues(&link, name, &batch).map(|()| batch));
        let batch = match own {
            Ok(batch) => batch,
            Err(Wrong::Header(HeaderProblem::NewerVersion(version))) => {
                return Err(RecoveryError::NewerFormat {
                    path: file.path.clone(),
                    at: Some(at),
                    found: format!("a batch of version {:?}", char::from(version)),
                })
            }
            Err(wrong) => {
                let patched =
                    patched_batch(&file, what.extents, what.journal, what.owner, at, &link);
                match patched {
                    Err(RecoveryError::Io { .. }) if matches!(wrong, Wrong::Read(_)) => {
                        break wrong
                    }
                    Err(error) => return Err(error),
                    Ok(Some((batch, bytes))) if continues(&link, name, &batch).is_ok() => {
                        file.write_at(&bytes, at)?;
                        laid += 1;
                        let zeros = matches!(wrong, Wrong::Header(HeaderProblem::Fill));
                        if !zeros && healed.len() < MOST_HEALED {
                            healed.push(at);
                        }
                        batch
                    }
                    Ok(_) => break wrong,
                }
            }
        };
        index.note(&batch);
        link = Link::after(&batch);
        at = batch.end();
        last = Some(batch);
    };
    drop(window);
    Ok(Scan {
        len: file.len()?,
        file,
        end: at,
        link,
        stop,
        last,
        index,
        laid,
        healed,
    })
}

/// Whether a batch is the next one; the first must also be the one that the segment is named after.
fn continues(link: &Link, name: &SegmentName, batch: &Batch) -> Result<(), Wrong> {
    link.check(&batch.header)?;
    if batch.position == 0 && batch.header.key.timestamp_ns != name.start_ns {
        return Err(Wrong::Chain("start in the segment's name"));
    }
    Ok(())
}
