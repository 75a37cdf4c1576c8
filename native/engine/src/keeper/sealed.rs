//! How segments end: sealed under their final names, and removed by retention or with their topic.

use std::io;

use super::jobs::Keeper;
use super::remains::STEP;
use super::Kept;
use crate::format::names::{SegmentName, SEGMENTS_DIR, SPARE_DIR, TEMPORARY};
use crate::recovery::rebuild_index;
use crate::storage::{Handle, Open, Storage};
use crate::topics::TopicSlot;

impl Keeper {
    pub(super) fn seal(
        &mut self,
        slot: TopicSlot,
        name: &SegmentName,
        end_ns: u64,
        end: u64,
        file: Option<Handle>,
        whole_index: bool,
    ) -> io::Result<()> {
        let storage = self.storage.clone();
        let file = match file {
            Some(file) => file,
            None => self.open(&self.path(slot, name, "lnc")?)?.0,
        };
        let cut = cut(&*storage, file, end).and_then(|()| storage.flush(file));
        storage.close(file);
        cut?;
        let (dir, topic) = (self.dir(slot)?, self.topic(slot)?);
        let key = (slot, name.base_offset);
        self.write_index(key);
        let torn = self
            .torn
            .iter()
            .position(|other| *other == key)
            .map(|at| self.torn.swap_remove(at));
        self.close_index(key);
        let there = storage.exists(&name.path(&topic, "idx"))?
            && storage.exists(&name.path(&topic, "pos"))?;
        if !whole_index || torn.is_some() || !there {
            rebuild_index(&*storage, &topic, name, self.index_every_bytes)
                .map_err(|error| io::Error::from_raw_os_error(error.errno()))?;
        } else {
            // Flushed here whoever wrote them and whenever: a sealed segment's index is never looked at again at start-up.
            for extension in ["idx", "pos"] {
                let index = self.open_index(slot, name, extension)?;
                let flushed = storage.flush(index);
                storage.close(index);
                flushed?;
            }
        }
        let sealed = SegmentName {
            end_ns: Some(end_ns),
            ..*name
        };
        // The segment last: while it has its old name, recovery makes up for whatever is missing.
        for extension in ["idx", "pos"] {
            storage.rename(
                &name.path(&topic, extension),
                &sealed.path(&topic, extension),
            )?;
        }
        // Under the catalogue's lock: the finder never has a name that the file has no more.
        let renamed = self.catalogue.with(slot, |files| {
            storage.rename(&name.path(&topic, "lnc"), &sealed.path(&topic, "lnc"))?;
            files
                .active
                .retain(|other| other.base_offset != name.base_offset);
            files.sealed.push((sealed, end));
            Ok::<(), io::Error>(())
        });
        renamed.unwrap_or(Ok(()))?;
        storage.flush_dir(&dir)
    }

    pub(super) fn retain(
        &mut self,
        slot: TopicSlot,
        below_offset: u64,
        end: u64,
    ) -> io::Result<Kept> {
        let topic = self.topic(slot)?;
        let dir = self.dir(slot)?;
        let doomed: Vec<(SegmentName, u64)> = self
            .catalogue
            .with(slot, |files| {
                let names: Vec<SegmentName> = files.all().collect();
                let next = names.iter().skip(1).map(|name| name.base_offset);
                // Up to the first that is not sealed.
                let doomed = names
                    .iter()
                    .zip(next.chain([end]))
                    .zip(&files.sealed)
                    .take_while(|((name, next), (sealed, _))| {
                        *name == sealed && *next <= below_offset
                    })
                    .count();
                // Out of the catalogue first: nobody looks for a file that is about to go.
                files.sealed.drain(..doomed).collect()
            })
            .unwrap_or_default();
        let mut kept = Kept {
            first: None,
            bytes: 0,
            segments: 0,
            removed_segments: 0,
            removed_bytes: 0,
        };
        // All or none of a round: a crash could keep what became of the one kind and not of the other, and leave a gap.
        let in_steps = doomed.iter().any(|(_, len)| *len > self.remains.step());
        let mut moved = Vec::new();
        let mut taken = Ok(());
        for (i, (name, len)) in doomed.iter().enumerate() {
            // Oldest first, so that a crash in between leaves no gap.
            if let Err(error) = self.take_away(name, &topic, in_steps, &mut moved) {
                self.catalogue.with(slot, |files| {
                    files.sealed.splice(..0, doomed[i..].to_vec()).count()
                });
                taken = Err(error);
                break;
            }
            kept.removed_segments += 1;
            kept.removed_bytes += len;
        }
        if kept.removed_segments > 0 {
            self.settle_removed(&dir, &moved)?;
        }
        if !moved.is_empty() {
            self.recycle(slot, moved);
        }
        taken?;
        self.catalogue.with(slot, |files| {
            kept.first = files
                .sealed
                .first()
                .map(|(name, _)| (name.base_offset, name.base_record));
            kept.bytes = files.sealed.iter().map(|(_, len)| len).sum();
            kept.segments = files.sealed.len() as u32;
        });
        Ok(kept)
    }

    /// Takes a segment out of its topic. If it is not gone then, `moved` gets where it is.
    ///
    /// # Errors
    /// It is where it was.
    fn take_away(
        &mut self,
        name: &SegmentName,
        topic: &str,
        in_steps: bool,
        moved: &mut Vec<String>,
    ) -> io::Result<()> {
        let path = name.path(topic, "lnc");
        match in_steps.then(|| self.move_away(&path)).flatten() {
            Some(to) => moved.push(to),
            None => {
                if !moved.is_empty() {
                    // Those before it first: this one has no name then that could go alone.
                    self.settle_removed(&format!("{SEGMENTS_DIR}/{topic}"), moved)?;
                }
                self.unlink(&path)?;
            }
        }
        for extension in ["idx", "pos"] {
            // Without its segment an index is nothing; a start removes what is left.
            let _ = self.storage.unlink(&name.path(topic, extension));
        }
        Ok(())
    }

    /// Gives a file a name in `spare/`. `None`: it has its old one, since that may need room where removing it needs none.
    fn move_away(&mut self, path: &str) -> Option<String> {
        self.moved += 1;
        let to = format!("{SPARE_DIR}/removed-{:08}.lnc", self.moved);
        self.storage.rename(path, &to).is_ok().then_some(to)
    }

    /// Makes durable that files are gone from `dir`, and where those are that moved. Before that none is cut or made zero: under
    /// a name that a crash brings back, a segment is whole.
    fn settle_removed(&self, dir: &str, moved: &[String]) -> io::Result<()> {
        // The old names first: a file without any is lost room, one with two, on a file system without a journal, is broken.
        let mut settled = self.storage.flush_dir(dir);
        if !moved.is_empty() {
            settled = settled.and_then(|()| self.storage.flush_dir(SPARE_DIR));
        }
        if settled.is_err() {
            for path in moved {
                let _ = self.storage.unlink(path);
            }
        }
        settled
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        match self.storage.unlink(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether a file is removed in steps.
    fn is_large(&self, path: &str) -> bool {
        let Ok(file) = self.storage.open(path, Open::default()) else {
            return false;
        };
        let len = self.storage.len(file);
        self.storage.close(file);
        len.is_ok_and(|len| len > self.remains.step())
    }

    pub(super) fn remove_topic(&mut self, slot: TopicSlot) -> io::Result<()> {
        let Some(files) = self.catalogue.remove(slot) else {
            return Ok(());
        };
        let open: Vec<_> = self
            .indexes
            .keys()
            .copied()
            .filter(|(other, _)| *other == slot)
            .collect();
        for key in open {
            self.close_index(key);
        }
        self.unwritten.retain(|(other, _), _| *other != slot);
        self.enough.retain(|(other, _)| *other != slot);
        self.torn.retain(|(other, _)| *other != slot);
        self.begun.remove(&slot);
        self.let_recycled_go(Some(slot));
        let dir = format!("{SEGMENTS_DIR}/{}", files.name);
        let doomed = format!("{dir}{TEMPORARY}{}", files.id);
        self.storage.rename(&dir, &doomed)?;
        self.storage.flush_dir(SEGMENTS_DIR)?;
        // From here on it is gone; what is left over, recovery removes.
        let mut moved = Vec::new();
        for name in self.storage.list(&doomed).unwrap_or_default() {
            let path = format!("{doomed}/{name}");
            let large = name.ends_with(".lnc") && self.is_large(&path);
            match large.then(|| self.move_away(&path)).flatten() {
                Some(to) => moved.push(to),
                None => drop(self.storage.unlink(&path)),
            }
        }
        if !moved.is_empty() && self.settle_removed(&doomed, &moved).is_ok() {
            moved.into_iter().for_each(|path| self.remains.add(path));
        }
        let _ = self.storage.remove_dir(&doomed);
        Ok(())
    }
}

/// Cuts a file to `end`, by steps: what was reserved beyond may be nearly a whole segment.
fn cut(storage: &dyn Storage, file: Handle, end: u64) -> io::Result<()> {
    let mut len = storage.len(file)?;
    while len > end + STEP {
        len -= STEP;
        storage.truncate(file, len)?;
    }
    storage.truncate(file, end)
}
