//! What is cut or about to be written over is kept beside the file first (docs/formats.md, "Names with `~`").

use std::ops::Range;

use super::disk::{Disk, File};
use super::error::RecoveryError;
use super::journal::{Extent, Journal};
use super::window::nonzero;

/// Bytes handled at once.
const PIECE: usize = 256 * 1024;
/// In the name of a file or directory that recovery kept; any other `~` marks a leftover.
const MARKS: [&str; 3] = [".~cut-", ".~damage", ".~kept"];

/// Whether a name is of something that was never finished, and goes.
pub(super) fn is_leftover(name: &str) -> bool {
    name.contains('~') && !is_kept(name)
}

/// Whether a name is of something kept for a person.
pub(super) fn is_kept(name: &str) -> bool {
    !name.ends_with('~') && MARKS.iter().any(|mark| name.contains(mark))
}

/// Bytes of a file with the journal's laid over them, by position.
pub(super) struct Patched<'s, 'a> {
    /// Zeros where there is none, and beyond its end.
    pub file: Option<&'s File<'a>>,
    /// In the order of the journal: later ones win.
    pub extents: &'s [Extent],
    pub journal: &'s Journal<'a>,
}

impl Patched<'_, '_> {
    /// Fills `to` with the bytes from position `at` on.
    pub fn read(&self, to: &mut [u8], at: u64) -> Result<(), RecoveryError> {
        let got = match self.file {
            Some(file) => file.read_at(to, at)?,
            None => 0,
        };
        to[got..].fill(0);
        let end = at + to.len() as u64;
        for extent in self.extents {
            let (from, until) = (extent.position.max(at), extent.end().min(end));
            if from < until {
                let to = &mut to[(from - at) as usize..(until - at) as usize];
                self.journal.bytes_of(extent, from - extent.position, to)?;
            }
        }
        Ok(())
    }
    /// Gives the bytes of a range piece by piece, without those that are zeros for sure, and stops when `each` says so.
    fn pieces(
        &self,
        range: &Range<u64>,
        mut each: impl FnMut(&[u8], u64) -> Result<bool, RecoveryError>,
    ) -> Result<bool, RecoveryError> {
        let mut buffer = vec![0; PIECE];
        let mut at = range.start;
        loop {
            at = self.next(at)?;
            if at >= range.end {
                return Ok(true);
            }
            let len = (range.end - at).min(PIECE as u64) as usize;
            self.read(&mut buffer[..len], at)?;
            if !each(&buffer[..len], at)? {
                return Ok(false);
            }
            at += len as u64;
        }
    }
    /// The first position from `at` on that may hold anything but zeros.
    fn next(&self, at: u64) -> Result<u64, RecoveryError> {
        let of_file = match self.file {
            Some(file) => file.data_from(at)?,
            None => None,
        };
        let extents = self.extents.iter().filter(|extent| extent.end() > at);
        let of_journal = extents.map(|extent| extent.position).min();
        let first = of_file.into_iter().chain(of_journal).min();
        Ok(first.map_or(u64::MAX, |first| first.max(at)))
    }
}

/// Copies a range into a file of its own, durably, and returns its path; none if there are only zeros. A copy that an
/// earlier, interrupted recovery made is not made again; another copy under the same name stays, and this one gets `.1`.
pub(super) fn keep(
    disk: Disk,
    dir: &str,
    path: &str,
    what: &Patched,
    range: Range<u64>,
) -> Result<Option<String>, RecoveryError> {
    let mut end = range.start;
    what.pieces(&range, |piece, at| {
        if let Some(last) = piece.iter().rposition(|&byte| byte != 0) {
            end = at + last as u64 + 1;
        }
        Ok(true)
    })?;
    let range = range.start..end;
    if range.is_empty() {
        return Ok(None);
    }
    let mut name = path.to_owned();
    for number in 1.. {
        if !disk.exists(&name)? {
            break;
        }
        if holds(disk, &name, what, &range)? {
            return Ok(Some(name));
        }
        name = format!("{path}.{number}");
    }
    let temporary = format!("{name}~");
    let copy = disk.create(&temporary)?;
    what.pieces(&range, |piece, at| {
        if nonzero(piece).is_some() {
            copy.write_at(piece, at - range.start)?;
        }
        Ok(true)
    })?;
    copy.flush()?;
    drop(copy);
    disk.rename(&temporary, &name)?;
    disk.flush_dir(dir)?;
    Ok(Some(name))
}

/// Whether a copy has all that is in the range now. (Part of it may have been zeroed since the copy was made.)
fn holds(
    disk: Disk,
    copy: &str,
    what: &Patched,
    range: &Range<u64>,
) -> Result<bool, RecoveryError> {
    let copy = disk.read(copy)?;
    let mut buffer = vec![0; PIECE];
    what.pieces(range, |piece, at| {
        let kept = &mut buffer[..piece.len()];
        kept.fill(0);
        copy.read_at(kept, at - range.start)?;
        Ok(piece
            .iter()
            .zip(kept)
            .all(|(now, kept)| *now == 0 || now == kept))
    })
}
