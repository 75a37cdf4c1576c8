//! The end of a topic that was being written when the node stopped: cut, kept, and said (design.md, section 8).

use std::io;

use super::active::Scan;
use super::batches::Link;
use super::error::RecoveryError;
use super::journal::Extent;
use super::kept::{keep, Patched};
use super::lookahead::look_ahead;
use super::segments::remove;
use super::topic::{read_failed, Topic, Walk};
use super::window::{nonzero, Window};
use super::Severity;
use crate::format::names::SegmentName;
use crate::storage::ZEROS;

impl<'a> Topic<'_, 'a> {
    /// What the journal holds for a segment beyond its last batch.
    pub fn beyond<'t>(
        &'t self,
        name: &SegmentName,
        scan: &'t Scan,
    ) -> impl Iterator<Item = Extent> + 't {
        self.extents(name)
            .all()
            .iter()
            .filter(|extent| match extent.base_offset {
                Some(offset) => offset >= scan.link.offset && extent.position >= scan.end,
                None => extent.end() > scan.end,
            })
            .copied()
    }
    /// What the journal holds beyond the end for segments other than the last one that was read; with their base offsets.
    pub fn stray<'t>(&'t self, walk: &Walk) -> impl Iterator<Item = (u64, Extent)> + 't {
        let last = walk
            .reached
            .checked_sub(1)
            .map(|last| self.names[last].base_offset);
        let end = walk.link.offset;
        self.entries
            .segments
            .range(end..)
            .filter(move |(base, _)| Some(**base) != last)
            .flat_map(|(base, extents)| extents.all().iter().map(|extent| (*base, *extent)))
    }
    /// The highest durable offset that whole batches beyond a gap tell, 0 if there are none; nothing if there are only
    /// zeros.
    pub fn told_beyond(
        &self,
        window: &mut Window,
        from: u64,
        link: &Link,
    ) -> io::Result<Option<u64>> {
        if window.first_nonzero(from)?.is_none() {
            return Ok(None);
        }
        let runs = look_ahead(window, self.owner, from, link, |_| {})?;
        Ok(Some(runs.iter().map(|run| run.durable).max().unwrap_or(0)))
    }

    /// Cuts a torn tail: what lies beyond the gap is kept beside the segment, then zeros go to the end of the file.
    pub fn cut(&mut self, walk: &mut Walk<'a>) -> Result<(), RecoveryError> {
        self.keep_stray(walk)?;
        self.set_aside(walk.reached)?;
        let Some(scan) = &mut walk.tail else {
            return Ok(());
        };
        let name = self.names[walk.reached - 1];
        let mut window = Window::new(&scan.file);
        let runs = look_ahead(&mut window, self.owner, scan.end, &scan.link, |_| {})
            .map_err(|source| read_failed(&scan.file.path, source))?;
        let batches: u64 = runs.iter().map(|run| run.batches).sum::<u64>()
            + self
                .beyond(&name, scan)
                .filter(|extent| extent.base_offset.is_some())
                .count() as u64;
        let kept = self.keep_rest(&name, scan)?;
        let last = zero_rest(scan)?;
        if let Some(kept) = kept {
            let detail = format!(
                "the last write was under way when the node stopped: cut at offset {}, {} bytes from here on are zeros now; {batches} whole batches lay beyond. None of it was acknowledged as durable; kept in {kept}",
                scan.link.offset,
                last - scan.end,
            );
            let at = Some(scan.end);
            self.find(Severity::Warning, "torn-tail", self.path(&name), at, detail);
        }
        self.drop_empty(walk)
    }

    /// Keeps batches for segments that never came to be.
    pub fn keep_stray(&mut self, walk: &Walk) -> Result<(), RecoveryError> {
        let mut by_segment: Vec<(u64, Vec<Extent>)> = Vec::new();
        for (base, extent) in self.stray(walk) {
            match by_segment.last_mut() {
                Some((last, extents)) if *last == base => extents.push(extent),
                _ => by_segment.push((base, vec![extent])),
            }
        }
        for (base, extents) in by_segment {
            let start = extents
                .iter()
                .map(|extent| extent.position)
                .min()
                .unwrap_or(0);
            let end = extents.iter().map(Extent::end).max().unwrap_or(0);
            let path = format!("{}/{base:020}.lnc.~cut-{start}", self.dir);
            let what = Patched {
                file: None,
                extents: &extents,
                journal: self.journal,
            };
            if let Some(kept) = keep(self.disk, &self.dir, &path, &what, start..end)? {
                let detail = format!(
                    "{} entries of the journal belong to a segment that was never begun, and do not continue the topic; kept in {kept}",
                    extents.len()
                );
                self.find(Severity::Warning, "torn-tail", kept, Some(start), detail);
            }
        }
        Ok(())
    }

    /// Takes the segments beyond the gap out of the topic. They keep their bytes under a name that no reader takes.
    fn set_aside(&mut self, reached: usize) -> Result<(), RecoveryError> {
        // The newest first: a crash in between leaves what still reaches the gap.
        while self.names.len() > reached {
            let Some(name) = self.names.pop() else { break };
            let path = self.path(&name);
            let empty = {
                let file = self.disk.read(&path)?;
                let mut window = Window::new(&file);
                window
                    .first_nonzero(0)
                    .map_err(|source| read_failed(&path, source))?
                    .is_none()
            };
            if !empty {
                let mut aside = format!("{path}.~cut-0");
                let mut number = 0;
                while self.disk.exists(&aside)? {
                    number += 1;
                    aside = format!("{path}.~cut-0.{number}");
                }
                self.disk.rename(&path, &aside)?;
                let detail = format!("the segment begins beyond a gap in what was never acknowledged; it is {aside} now");
                self.find(Severity::Warning, "torn-tail", path, Some(0), detail);
            }
            remove(self.disk, &self.dir, &name)?;
        }
        Ok(())
    }

    /// Removes an active segment without a single batch: its name tells of one that is not there.
    pub fn drop_empty(&mut self, walk: &mut Walk<'a>) -> Result<(), RecoveryError> {
        if walk.tail.as_ref().is_some_and(|scan| scan.end == 0) {
            walk.tail = None;
            if let Some(name) = self.names.pop() {
                remove(self.disk, &self.dir, &name)?;
            }
            walk.reached -= 1;
        }
        Ok(())
    }
}

/// Zeros from the last batch to the end of the file, flushed. Returns the end of what was not zero.
fn zero_rest(scan: &mut Scan) -> Result<u64, RecoveryError> {
    let mut last = scan.end;
    let mut at = scan.end;
    let mut bytes = vec![0; ZEROS.len()];
    // Nearly a whole segment may be reserved and never written.
    while let Some(data) = scan.file.data_from(at)? {
        at = at.max(data);
        let got = scan.file.read_at(&mut bytes, at)?;
        if got == 0 {
            break;
        }
        if nonzero(&bytes[..got]).is_some() {
            scan.file.write_at(&ZEROS[..got], at)?;
            last = at + got as u64;
        }
        at += got as u64;
    }
    scan.file.flush()?;
    Ok(last)
}
