//! Sparse indexes: believed as far as the segment confirms them, else written anew (formats.md, "Sparse indexes").

use super::batches::{read_batch, read_header, Batch, Link, Owner};
use super::disk::{Disk, File};
use super::error::RecoveryError;
use super::lookahead::{look_ahead, next_header};
use super::window::{nonzero, Window};
use crate::format::batch::{BatchHeader, BATCH_HEADER};
use crate::format::index::{IndexEntry, ENTRY};
use crate::format::names::{SegmentName, SEGMENTS_DIR};
use crate::storage::Storage;

/// Whether a batch gets an index entry, so that there is at least one every `every` bytes: `last` is the position of
/// the last batch that has one, `position..end` are the batch's own bytes.
#[must_use]
pub fn index_due(last: Option<u64>, position: u64, end: u64, every: u64) -> bool {
    last.is_none_or(|last| position > last && end > last.saturating_add(every))
}

/// How far an index agrees with its segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Entries that stay.
    pub entries: u64,
    /// The last of them.
    pub last: Option<IndexEntry>,
    /// Entries that there are.
    pub total: u64,
    /// An entry contradicts the segment: none is believed.
    pub lies: bool,
    /// The files are not there, or not both.
    pub missing: bool,
    /// The files are of different length, or end inside an entry.
    pub ragged: bool,
}

/// Path of a segment's file; `dir` is the topic's directory.
pub(super) fn path_of(dir: &str, name: &SegmentName, extension: &str) -> String {
    match dir {
        "" => format!("{}.{extension}", name.stem()),
        _ => format!("{dir}/{}.{extension}", name.stem()),
    }
}

enum Said {
    True(IndexEntry),
    /// It tells of bytes that are not there (yet): the journal may have them, or it was never written out.
    Nothing,
    Lie,
}

/// Compares an index with its segment, from its end, until an entry at or below `limit` is confirmed. Entries tell of
/// what is durable, in the segment or in the journal: before the first byte that the journal holds it is the segment.
pub(super) fn agreement(
    disk: Disk,
    dir: &str,
    name: &SegmentName,
    segment: &File,
    owner: Owner,
    limit: u64,
) -> Result<Agreement, RecoveryError> {
    let (idx, pos) = (path_of(dir, name, "idx"), path_of(dir, name, "pos"));
    if !disk.exists(&idx)? || !disk.exists(&pos)? {
        return Ok(Agreement {
            missing: true,
            ..Agreement::default()
        });
    }
    let (idx, pos) = (disk.read(&idx)?, disk.read(&pos)?);
    let (idx_len, pos_len) = (idx.len()?, pos.len()?);
    let total = idx_len.min(pos_len) / ENTRY as u64;
    let mut found = Agreement {
        total,
        ragged: idx_len != pos_len || idx_len % ENTRY as u64 != 0,
        ..Agreement::default()
    };
    for ordinal in (0..total).rev() {
        match said(&idx, &pos, ordinal, segment, owner)? {
            Said::Nothing => {}
            Said::Lie => {
                found.lies = true;
                return Ok(found);
            }
            Said::True(entry) if entry.position > limit => {}
            Said::True(entry) => {
                found.entries = ordinal + 1;
                found.last = Some(entry);
                break;
            }
        }
    }
    // An index that does not begin at the beginning cannot be searched.
    if found.entries > 0 {
        let first = said(&idx, &pos, 0, segment, owner)?;
        let whole = ascends(&idx, &pos, found.entries)?;
        if !whole || !matches!(first, Said::True(entry) if entry.position == 0) {
            found = Agreement {
                total,
                lies: true,
                ..Agreement::default()
            };
        }
    }
    Ok(found)
}

/// Whether the halves of the first `entries` agree and their positions ascend: unflushed pages survive a power cut in any
/// combination, so the last entry says nothing about those before it.
fn ascends(idx: &File, pos: &File, entries: u64) -> Result<bool, RecoveryError> {
    let bytes = entries as usize * ENTRY;
    let (mut keys, mut places) = (vec![0; bytes], vec![0; bytes]);
    idx.read_at(&mut keys, 0)?;
    pos.read_at(&mut places, 0)?;
    let (keys, _) = keys.as_chunks::<ENTRY>();
    let (places, _) = places.as_chunks::<ENTRY>();
    let mut last = None;
    for (key, place) in keys.iter().zip(places) {
        let position = IndexEntry::decode(key, place).map(|entry| entry.position);
        if position.is_none() || (last.is_some() && position <= last) {
            return Ok(false);
        }
        last = position;
    }
    Ok(true)
}

fn said(
    idx: &File,
    pos: &File,
    ordinal: u64,
    segment: &File,
    owner: Owner,
) -> Result<Said, RecoveryError> {
    let (mut key, mut place) = ([0; ENTRY], [0; ENTRY]);
    let at = ordinal * ENTRY as u64;
    // What cannot be read is written anew.
    if idx.read_raw(&mut key, at).is_err() || pos.read_raw(&mut place, at).is_err() {
        return Ok(Said::Lie);
    }
    // Only the very first batch of a topic is at place 0, 0, 0.
    if nonzero(&key).is_none() || (ordinal > 0 && nonzero(&place).is_none()) {
        return Ok(Said::Nothing);
    }
    let Some(entry) = IndexEntry::decode(&key, &place) else {
        return Ok(Said::Lie);
    };
    let mut head = [0; BATCH_HEADER];
    if let Err(error) = segment.read_raw(&mut head, entry.position) {
        return match error.raw_os_error() {
            // A position that no file can have.
            Some(libc::EINVAL | libc::EOVERFLOW) => Ok(Said::Lie),
            _ => Ok(Said::Nothing),
        };
    }
    if nonzero(&head).is_none() {
        return Ok(Said::Nothing);
    }
    Ok(match BatchHeader::decode(&head) {
        Ok((header, _)) if confirms(&header, owner, &entry) => Said::True(entry),
        _ => Said::Lie,
    })
}

/// Whether an entry says of a batch what its header says.
pub(super) fn confirms(header: &BatchHeader, owner: Owner, entry: &IndexEntry) -> bool {
    Owner::of(header) == owner
        && header.key == entry.key
        && header.base_offset == entry.base_offset
        && header.base_record == entry.base_record
}

/// Entries on their way into an index.
#[derive(Debug)]
pub(super) struct IndexWriter {
    every: u64,
    /// Entries that stand in the files and stay.
    kept: u64,
    last: Option<u64>,
    idx: Vec<u8>,
    pos: Vec<u8>,
    /// The files have more than is kept, or are not there.
    dirty: bool,
}

impl IndexWriter {
    pub fn new(every: u64, agreement: &Agreement) -> Self {
        Self {
            every,
            kept: agreement.entries,
            last: agreement.last.map(|entry| entry.position),
            idx: Vec::new(),
            pos: Vec::new(),
            dirty: agreement.missing || agreement.ragged || agreement.entries != agreement.total,
        }
    }
    /// Takes the next batch of the segment.
    pub fn note(&mut self, batch: &Batch) {
        if index_due(self.last, batch.position, batch.end(), self.every) {
            let entry = IndexEntry {
                key: batch.header.key,
                base_offset: batch.header.base_offset,
                base_record: batch.header.base_record,
                position: batch.position,
            };
            self.idx.extend_from_slice(&entry.idx());
            self.pos.extend_from_slice(&entry.pos());
            self.last = Some(batch.position);
        }
    }
    /// Position of the last batch with an entry.
    pub fn last(&self) -> Option<u64> {
        self.last
    }
    /// Writes what came and flushes all of it. The segment's own bytes are durable already; the names are made so by the caller.
    pub fn finish(
        &mut self,
        disk: Disk,
        dir: &str,
        name: &SegmentName,
    ) -> Result<(), RecoveryError> {
        if !self.dirty && self.idx.is_empty() {
            // What stands there may be the page cache's alone, if only the process died.
            for extension in ["idx", "pos"] {
                disk.write(&path_of(dir, name, extension))?.flush()?;
            }
            return Ok(());
        }
        if name.end_ns.is_some() {
            self.finish_sealed(disk, dir, name)?;
        } else {
            self.append(disk, dir, name)?;
        }
        self.kept += (self.idx.len() / ENTRY) as u64;
        self.idx.clear();
        self.pos.clear();
        self.dirty = false;
        Ok(())
    }

    /// In place: the index of an active segment is compared with it at every start.
    fn append(&self, disk: Disk, dir: &str, name: &SegmentName) -> Result<(), RecoveryError> {
        let kept = self.kept * ENTRY as u64;
        for (extension, bytes) in [("idx", &self.idx), ("pos", &self.pos)] {
            let path = path_of(dir, name, extension);
            let file = if disk.exists(&path)? {
                disk.write(&path)?
            } else {
                disk.create(&path)?
            };
            file.truncate(kept)?;
            file.write_at(bytes, kept)?;
            file.flush()?;
        }
        Ok(())
    }

    fn finish_sealed(
        &self,
        disk: Disk,
        dir: &str,
        name: &SegmentName,
    ) -> Result<(), RecoveryError> {
        let mut halves = Vec::with_capacity(2);
        for (extension, bytes) in [("idx", &self.idx), ("pos", &self.pos)] {
            let mut whole = vec![0; self.kept as usize * ENTRY];
            if self.kept > 0 {
                disk.read(&path_of(dir, name, extension))?
                    .read_at(&mut whole, 0)?;
            }
            whole.extend_from_slice(bytes);
            halves.push(whole);
        }
        replace_both(disk, dir, name, &halves[0], &halves[1])
    }
}

/// Puts both indexes of a segment in the place of the old ones. A sealed segment's index is believed without a look at
/// it, so a crash leaves the old ones, the new ones, or a missing one, which is written anew: never a half of each.
fn replace_both(
    disk: Disk,
    dir: &str,
    name: &SegmentName,
    idx: &[u8],
    pos: &[u8],
) -> Result<(), RecoveryError> {
    let old = path_of(dir, name, "pos");
    if disk.exists(&old)? {
        disk.unlink(&old)?;
        disk.flush_dir(dir)?;
    }
    disk.replace(dir, &format!("{}.idx", name.stem()), idx)?;
    disk.replace(dir, &format!("{}.pos", name.stem()), pos)
}

/// Writes both indexes of a segment anew from the segment alone, so that a crash leaves no half of each, and who has the
/// old ones open keeps them. Beyond damage it goes on at the next whole batch. Returns how many entries that
/// made.
///
/// # Errors
/// `Io`.
pub fn rebuild_index(
    storage: &dyn Storage,
    topic: &str,
    name: &SegmentName,
    index_every_bytes: u64,
) -> Result<u64, RecoveryError> {
    let dir = format!("{SEGMENTS_DIR}/{topic}");
    rebuild_index_in(storage, &dir, name, index_every_bytes)
}

/// As `rebuild_index`, for a segment in any directory of the storage; `""` is the storage's own.
///
/// # Errors
/// `Io`.
pub fn rebuild_index_in(
    storage: &dyn Storage,
    dir: &str,
    name: &SegmentName,
    index_every_bytes: u64,
) -> Result<u64, RecoveryError> {
    let disk = Disk(storage);
    let file = disk.read(&path_of(dir, name, "lnc"))?;
    let mut writer = IndexWriter::new(index_every_bytes, &Agreement::default());
    let mut window = Window::new(&file);
    let mut link = Link {
        offset: name.base_offset,
        record: name.base_record,
        key: None,
        chain: None,
    };
    if let Some(owner) = owner_of(&mut window) {
        let mut at = 0;
        while let Ok(batch) = read_batch(&mut window, owner, at) {
            if link.check(&batch.header).is_err() {
                break;
            }
            writer.note(&batch);
            link = Link::after(&batch);
            at = batch.end();
        }
        look_ahead(&mut window, owner, at, &link, |batch| writer.note(batch)).map_err(
            |source| RecoveryError::Io {
                action: "read",
                path: file.path.clone(),
                source,
            },
        )?;
    }
    replace_both(disk, dir, name, &writer.idx, &writer.pos)?;
    Ok((writer.idx.len() / ENTRY) as u64)
}

/// Whose batches a segment has, by the first header that can be read.
pub(super) fn owner_of(window: &mut Window) -> Option<Owner> {
    let mut at = 0;
    loop {
        let position = next_header(window, at).ok()??;
        if let Ok((header, _)) = read_header(window, position) {
            return Some(Owner::of(&header));
        }
        at = position + 1;
    }
}
