//! New segments: a prepared file gets its name, and the name becomes durable.

use std::io;

use super::jobs::{errno, Keeper};
use super::spare::{make_raw, make_spares, DIRECT};
use super::{Report, SegmentRef};
use crate::format::names::{SegmentName, SPARE_DIR};
use crate::topics::TopicSlot;

/// A segment whose file has its name, but not durably yet.
pub(super) struct Named {
    pub segment: SegmentRef,
    pub slot: TopicSlot,
    pub dir: String,
    pub path: String,
    /// Its length is not durable either.
    pub raw: bool,
}

impl Keeper {
    /// Gives a prepared file the name, one made for the group at hand before a spare.
    pub(super) fn name_spare(
        &mut self,
        segment: SegmentRef,
        slot: TopicSlot,
        name: &SegmentName,
    ) -> io::Result<Named> {
        let path = self.path(slot, name, "lnc")?;
        let dir = self.dir(slot)?;
        let recycled = self.take_recycled(slot);
        let raw = recycled.is_none() && !self.raw.is_empty();
        if recycled.is_none() && !raw && self.spares.is_empty() {
            let number = self.spare_number();
            let made = self.with_room(|storage| make_spares(storage, &[number]))?;
            self.spares.extend(made);
        }
        let spare = recycled
            .or_else(|| self.raw.pop())
            .or_else(|| self.spares.pop());
        let Some(spare) = spare else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = self.with_room(|storage| storage.rename(&spare, &path)) {
            // Nobody knows its name any more, and another spare may get it.
            let _ = self.storage.unlink(&spare);
            return Err(error);
        }
        self.begun.entry(slot).or_default().now += 1;
        self.catalogue.with(slot, |files| files.active.push(*name));
        if name.base_offset == 0 {
            self.fresh = self.fresh.saturating_sub(1);
        }
        Ok(Named {
            segment,
            slot,
            dir,
            path,
            raw,
        })
    }

    /// Makes names durable, those of one group together.
    pub(super) fn settle_names(&mut self, named: Vec<Named>) {
        if named.is_empty() {
            return;
        }
        let together = named.len() >= self.together && self.storage.sync_names().is_ok();
        let spare = match together {
            true => Ok(()),
            // The first flush of a directory carries most of the others.
            false => self.storage.flush_dir(SPARE_DIR),
        };
        for Named {
            segment,
            slot,
            dir,
            path,
            raw,
        } in named
        {
            let flushed = match &spare {
                Ok(()) if together => Ok(()),
                Ok(()) => self
                    .flush_raw(&path, raw)
                    .and_then(|()| self.storage.flush_dir(&dir)),
                Err(error) => Err(io::Error::from_raw_os_error(
                    error.raw_os_error().unwrap_or(libc::EIO),
                )),
            };
            let result = flushed.and_then(|()| self.open(&path)).map_err(errno);
            self.say(Report::Opened {
                segment,
                slot,
                result,
            });
        }
    }

    fn flush_raw(&self, path: &str, raw: bool) -> io::Result<()> {
        if !raw {
            return Ok(());
        }
        let file = self.storage.open(path, DIRECT)?;
        let flushed = self.storage.flush(file);
        self.storage.close(file);
        flushed
    }

    /// Files that no creation of the group took: nothing flushed them, so they are no spares.
    pub(super) fn drop_raw(&mut self) {
        for path in self.raw.drain(..) {
            let _ = self.storage.unlink(&path);
        }
    }

    /// Makes the files that a group of creations lacks, together. Many are waited for by frames that wait for memory: zeros
    /// would cost more than the extents they save, since 256 KiB of them come before the first 64 of data.
    pub(super) fn spares_for(&mut self, creates: usize) {
        if self.spares_failed() {
            return;
        }
        let missing = creates.saturating_sub(self.spares.len());
        if creates >= self.together {
            for _ in 0..missing {
                let number = self.spare_number();
                // Whoever finds none makes one, and then the error has somebody to go to.
                let Ok(path) = make_raw(&*self.storage, number) else {
                    break;
                };
                self.raw.push(path);
            }
        } else if missing > 1 {
            self.add_spares(missing);
        }
    }

    pub(super) fn add_spares(&mut self, count: usize) {
        let numbers: Vec<u64> = (0..count).map(|_| self.spare_number()).collect();
        match make_spares(&*self.storage, &numbers) {
            Ok(spares) => self.spares.extend(spares),
            // Tried again when one is needed; then the error has somebody to go to.
            Err(_) => self.next_spare = u64::MAX,
        }
    }

    pub(super) fn spares_failed(&self) -> bool {
        self.next_spare == u64::MAX
    }

    fn spare_number(&mut self) -> u64 {
        self.next_spare = if self.spares_failed() {
            self.uses + 1
        } else {
            self.next_spare + 1
        };
        self.next_spare
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::spare::REGION;
    use super::super::{Catalogue, Job, Keeper, Remains, Report, TopicFiles, STEP};
    use crate::format::names::{SegmentName, SEGMENTS_DIR, SPARE_DIR};
    use crate::queue::queue;
    use crate::sim::{Barrier, DirKind, Fault, IoKind, SimClock, SimDisk, Survival};
    use crate::storage::Storage as _;
    use crate::topics::TopicSlot;

    /// More than enough to be made durable together.
    const TOPICS: u32 = 20;

    const NAME: SegmentName = SegmentName {
        base_offset: 0,
        base_record: 0,
        start_ns: 1,
        end_ns: None,
    };

    fn path(topic: u32) -> String {
        NAME.path(&format!("topic-{topic}"), "lnc")
    }

    /// First segments of many topics, created in one group.
    fn create_all(disk: &SimDisk) {
        for dir in [SPARE_DIR, SEGMENTS_DIR] {
            disk.make_dir(dir).unwrap();
        }
        let catalogue = Catalogue::new(TOPICS);
        for topic in 0..TOPICS {
            let name = format!("topic-{topic}");
            disk.make_dir(&format!("{SEGMENTS_DIR}/{name}")).unwrap();
            let files = TopicFiles {
                id: topic,
                name,
                sealed: Vec::new(),
                active: Vec::new(),
                suspect: Vec::new(),
            };
            catalogue.add(TopicSlot(topic), files);
        }
        disk.flush_dir(SEGMENTS_DIR).unwrap();
        disk.flush_dir("").unwrap();
        let (mut to, jobs) = queue(64);
        let (reports, mut from) = queue(64);
        let mut keeper = Keeper::new(
            Arc::new(disk.clone()),
            catalogue,
            (jobs, reports),
            4096,
            Arc::new(SimClock::default()),
            Remains::new(STEP),
        );
        for topic in 0..TOPICS {
            let job = Job::Create {
                segment: topic,
                slot: TopicSlot(topic),
                name: NAME,
            };
            assert!(to.push(job).is_ok());
        }
        keeper.work();
        let mut opened = 0;
        while let Some(report) = from.pop() {
            assert!(
                matches!(
                    report,
                    Report::Opened {
                        result: Ok((_, REGION)),
                        ..
                    }
                ),
                "{report:?}"
            );
            opened += 1;
        }
        assert_eq!(opened, TOPICS);
        let left = disk.after_crash(Survival::NOTHING, 1);
        for topic in 0..TOPICS {
            let bytes = left.contents(&path(topic)).map(|bytes| bytes.len() as u64);
            assert_eq!(bytes, Some(REGION), "{}", path(topic));
        }
        assert_eq!(disk.list(SPARE_DIR).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn segments_that_many_topics_wait_for_become_durable_together() {
        let disk = SimDisk::new(1);
        create_all(&disk);
        let flushes = |barrier| {
            let trace = disk.trace();
            trace
                .iter()
                .filter(|io| io.barrier == Some(barrier))
                .count()
        };
        assert_eq!(flushes(Barrier::AllNames), 1);
        assert_eq!(flushes(Barrier::Names(DirKind::Topic)), 0);
        assert!(!disk.trace().iter().any(|io| io.kind == IoKind::Write));
    }

    #[test]
    fn where_one_call_for_all_is_no_help_each_segment_is_flushed_by_itself() {
        let disk = SimDisk::new(1);
        disk.fail(IoKind::SyncNames, None, 0, Fault::Eio);
        create_all(&disk);
    }
}
