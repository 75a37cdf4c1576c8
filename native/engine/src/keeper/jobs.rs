//! The keeper's work.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::files::{Catalogue, TopicFiles};
use super::spare::{make_chunk, make_spare, DIRECT, REGION, SPARES};
use super::{Job, Kept, Report, SegmentRef};
use crate::format::index::{IndexEntry, ENTRY};
use crate::format::names::{SegmentName, SEGMENTS_DIR, SPARE_DIR, TEMPORARY};
use crate::queue::{Receiver, Sender};
use crate::recovery::{rebuild_index, write_checkpoint};
use crate::storage::{Handle, Open, Storage};
use crate::topics::TopicSlot;

/// Jobs done before their names are flushed together.
const GROUP: usize = 256;
/// Index files that stay open between entries, at most.
const OPEN_INDEXES: usize = 256;

/// The indexes of an active segment.
struct Index {
    idx: Handle,
    pos: Handle,
    entries: u64,
    used: u64,
}

/// Carries out jobs, one after the other.
pub struct Keeper {
    storage: Arc<dyn Storage>,
    catalogue: Catalogue,
    jobs: Receiver<Job>,
    reports: Sender<Report>,
    index_every_bytes: u64,
    indexes: HashMap<(TopicSlot, u64), Index>,
    /// Segments whose index lacks an entry: made anew when they are sealed.
    torn: Vec<(TopicSlot, u64)>,
    spares: Vec<String>,
    next_spare: u64,
    clock: u64,
    /// Reports that the queue had no room for.
    unsaid: std::collections::VecDeque<Report>,
}

/// A segment whose file has its name, but not durably yet.
struct Named {
    segment: SegmentRef,
    slot: TopicSlot,
    dir: String,
    path: String,
}

impl Keeper {
    /// A keeper of the files under `storage`.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        catalogue: Catalogue,
        jobs: Receiver<Job>,
        reports: Sender<Report>,
        index_every_bytes: u64,
    ) -> Self {
        Self {
            storage,
            catalogue,
            jobs,
            reports,
            index_every_bytes,
            indexes: HashMap::new(),
            torn: Vec::new(),
            spares: Vec::new(),
            next_spare: 0,
            clock: 0,
            unsaid: std::collections::VecDeque::new(),
        }
    }

    /// Does what there is to do. Returns how much that was; 0: it may sleep.
    pub fn work(&mut self) -> usize {
        let mut done = 0;
        let mut named = Vec::new();
        while done < GROUP {
            let Some(job) = self.jobs.pop() else { break };
            done += 1;
            self.carry_out(job, &mut named);
        }
        done += usize::from(!named.is_empty());
        self.settle_names(named);
        while let Some(report) = self.unsaid.pop_front() {
            if let Err(report) = self.reports.push(report) {
                self.unsaid.push_front(report);
                break;
            }
        }
        if done == 0 {
            done += self.mend_index();
        }
        if done == 0 && self.spares.len() < SPARES && !self.spares_failed() {
            done += 1;
            self.add_spare();
        }
        done
    }

    /// Whether a report still waits for room.
    #[must_use]
    pub fn has_unsaid(&self) -> bool {
        !self.unsaid.is_empty()
    }

    fn carry_out(&mut self, job: Job, named: &mut Vec<Named>) {
        match job {
            Job::AddTopic {
                slot,
                metadata,
                sealed,
                active,
            } => {
                let files = TopicFiles {
                    id: metadata.id,
                    name: metadata.name,
                    sealed,
                    active: active.into_iter().collect(),
                    suspect: Vec::new(),
                };
                self.catalogue.add(slot, files);
            }
            Job::RemoveTopic { slot } => {
                let result = self.remove_topic(slot).map_err(errno);
                self.say(Report::TopicRemoved { slot, result });
            }
            Job::Create {
                segment,
                slot,
                name,
            } => match self.name_spare(slot, &name) {
                Ok((dir, path)) => named.push(Named {
                    segment,
                    slot,
                    dir,
                    path,
                }),
                Err(error) => self.say(Report::Opened {
                    segment,
                    slot,
                    result: Err(errno(error)),
                }),
            },
            Job::Open {
                segment,
                slot,
                name,
            } => {
                let result = self
                    .path(slot, &name, "lnc")
                    .and_then(|path| self.open(&path))
                    .map_err(errno);
                self.say(Report::Opened {
                    segment,
                    slot,
                    result,
                });
            }
            Job::Extend {
                segment,
                slot,
                file,
                to,
            } => {
                let result = self.storage.allocate(file, to).map(|()| to).map_err(errno);
                self.say(Report::Extended {
                    segment,
                    slot,
                    result,
                });
            }
            Job::Index { slot, name, entry } => {
                if self.index(slot, &name, &entry).is_err() {
                    self.torn.push((slot, name.base_offset));
                }
            }
            Job::Seal {
                segment,
                slot,
                name,
                end_ns,
                end,
                file,
                whole_index,
            } => {
                // A segment whose name is still on its way is sealed under the name it gets.
                self.settle_names(std::mem::take(named));
                let result = self
                    .seal(slot, &name, end_ns, end, file, whole_index)
                    .map_err(errno);
                self.say(Report::Sealed {
                    segment,
                    slot,
                    result,
                });
            }
            Job::Retain {
                slot,
                below_offset,
                end,
                query,
            } => {
                let result = self.retain(slot, below_offset, end).map_err(errno);
                self.say(Report::Removed {
                    slot,
                    query,
                    result,
                });
            }
            Job::Chunk { number, bytes } => {
                let result = make_chunk(&*self.storage, number, bytes).map_err(errno);
                self.say(Report::Chunk { number, result });
            }
            Job::Commits { all } => {
                let result = write_checkpoint(&*self.storage, &all).map_err(|error| error.errno());
                let mut memory = all;
                memory.clear();
                self.say(Report::Commits { result, memory });
            }
            Job::Close { file } => self.storage.close(file),
        }
    }

    fn say(&mut self, report: Report) {
        if let Err(report) = self.reports.push(report) {
            self.unsaid.push_back(report);
        }
    }

    fn name_spare(&mut self, slot: TopicSlot, name: &SegmentName) -> io::Result<(String, String)> {
        let path = self.path(slot, name, "lnc")?;
        let dir = self.dir(slot)?;
        if self.spares.is_empty() {
            let number = self.spare_number();
            let spare = make_spare(&*self.storage, number)?;
            self.spares.push(spare);
        }
        let Some(spare) = self.spares.pop() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.storage.rename(&spare, &path)?;
        self.catalogue.with(slot, |files| files.active.push(*name));
        Ok((dir, path))
    }

    /// Makes names durable, those of one group together: the first flush of a directory carries most of the others.
    fn settle_names(&mut self, named: Vec<Named>) {
        if named.is_empty() {
            return;
        }
        let spare = self.storage.flush_dir(SPARE_DIR);
        for Named {
            segment,
            slot,
            dir,
            path,
        } in named
        {
            let flushed = match &spare {
                Ok(()) => self.storage.flush_dir(&dir),
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

    fn open(&self, path: &str) -> io::Result<(Handle, u64)> {
        let file = self.storage.open(path, DIRECT)?;
        let len = self
            .storage
            .len(file)
            .inspect_err(|_| self.storage.close(file))?;
        // Only whole blocks can be written without extending the file.
        Ok((file, len / crate::limits::BLOCK * crate::limits::BLOCK))
    }

    fn index(&mut self, slot: TopicSlot, name: &SegmentName, entry: &IndexEntry) -> io::Result<()> {
        self.clock += 1;
        let key = (slot, name.base_offset);
        if !self.indexes.contains_key(&key) {
            if self.indexes.len() >= OPEN_INDEXES {
                let oldest = self
                    .indexes
                    .iter()
                    .min_by_key(|(_, index)| index.used)
                    .map(|(key, _)| *key);
                self.close_index(oldest.unwrap_or(key));
            }
            let idx = self.open_index(slot, name, "idx")?;
            let pos = self
                .open_index(slot, name, "pos")
                .inspect_err(|_| self.storage.close(idx))?;
            let len = self.storage.len(idx)?.min(self.storage.len(pos)?);
            self.indexes.insert(
                key,
                Index {
                    idx,
                    pos,
                    entries: len / ENTRY as u64,
                    used: 0,
                },
            );
        }
        let Some(index) = self.indexes.get_mut(&key) else {
            return Ok(());
        };
        index.used = self.clock;
        let at = index.entries * ENTRY as u64;
        self.storage.write_at(index.idx, &entry.idx(), at)?;
        self.storage.write_at(index.pos, &entry.pos(), at)?;
        index.entries += 1;
        Ok(())
    }

    fn open_index(
        &self,
        slot: TopicSlot,
        name: &SegmentName,
        extension: &str,
    ) -> io::Result<Handle> {
        let path = self.path(slot, name, extension)?;
        let create = !self.storage.exists(&path)?;
        self.storage.open(
            &path,
            Open {
                write: true,
                create,
                direct: false,
            },
        )
    }

    fn close_index(&mut self, key: (TopicSlot, u64)) -> Option<Index> {
        let index = self.indexes.remove(&key)?;
        self.storage.close(index.idx);
        self.storage.close(index.pos);
        Some(index)
    }

    fn seal(
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
        let cut = storage
            .truncate(file, end)
            .and_then(|()| storage.flush(file));
        storage.close(file);
        cut?;
        let (dir, topic) = (self.dir(slot)?, self.topic(slot)?);
        let key = (slot, name.base_offset);
        let torn = self
            .torn
            .iter()
            .position(|other| *other == key)
            .map(|at| self.torn.swap_remove(at));
        if let Some(index) = self.indexes.get(&key) {
            storage.flush(index.idx)?;
            storage.flush(index.pos)?;
        }
        let written = self.close_index(key).is_some();
        let there = written || storage.exists(&name.path(&topic, "idx"))?;
        if !whole_index || torn.is_some() || !there {
            rebuild_index(&*storage, &topic, name, self.index_every_bytes)
                .map_err(|error| io::Error::from_raw_os_error(error.errno()))?;
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

    fn retain(&mut self, slot: TopicSlot, below_offset: u64, end: u64) -> io::Result<Kept> {
        let topic = self.topic(slot)?;
        let dir = self.dir(slot)?;
        let doomed: Vec<(SegmentName, u64)> = self
            .catalogue
            .with(slot, |files| {
                let bases: Vec<u64> = files
                    .all()
                    .map(|name| name.base_offset)
                    .skip(1)
                    .chain([end])
                    .collect();
                let doomed = bases
                    .iter()
                    .zip(&files.sealed)
                    .take_while(|(next, _)| **next <= below_offset)
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
        for (i, (name, len)) in doomed.iter().enumerate() {
            // Oldest first, so that a crash in between leaves no gap.
            if let Err(error) = self.unlink(name, &topic) {
                self.catalogue.with(slot, |files| {
                    files.sealed.splice(..0, doomed[i..].to_vec()).count()
                });
                return Err(error);
            }
            kept.removed_segments += 1;
            kept.removed_bytes += len;
        }
        if !doomed.is_empty() {
            self.storage.flush_dir(&dir)?;
        }
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

    /// Makes the index of one sealed segment anew that the finder caught lying. Idle work.
    fn mend_index(&mut self) -> usize {
        let Some((topic, name)) = self.catalogue.take_suspect() else {
            return 0;
        };
        // One that cannot be mended is searched without: slower, never wrong.
        let _ = rebuild_index(&*self.storage, &topic, &name, self.index_every_bytes);
        1
    }

    fn unlink(&self, name: &SegmentName, topic: &str) -> io::Result<()> {
        for extension in ["lnc", "idx", "pos"] {
            match self.storage.unlink(&name.path(topic, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn remove_topic(&mut self, slot: TopicSlot) -> io::Result<()> {
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
        self.torn.retain(|(other, _)| *other != slot);
        let dir = format!("{SEGMENTS_DIR}/{}", files.name);
        let doomed = format!("{dir}{TEMPORARY}{}", files.id);
        self.storage.rename(&dir, &doomed)?;
        self.storage.flush_dir(SEGMENTS_DIR)?;
        // From here on it is gone; what is left over, recovery removes.
        for name in self.storage.list(&doomed).unwrap_or_default() {
            let _ = self.storage.unlink(&format!("{doomed}/{name}"));
        }
        let _ = self.storage.remove_dir(&doomed);
        Ok(())
    }

    fn add_spare(&mut self) {
        let number = self.spare_number();
        match make_spare(&*self.storage, number) {
            Ok(spare) => self.spares.push(spare),
            // Tried again when one is needed; then the error has somebody to go to.
            Err(_) => self.next_spare = u64::MAX,
        }
    }

    fn spares_failed(&self) -> bool {
        self.next_spare == u64::MAX
    }

    fn spare_number(&mut self) -> u64 {
        self.next_spare = if self.spares_failed() {
            self.clock + 1
        } else {
            self.next_spare + 1
        };
        self.next_spare
    }

    fn topic(&self, slot: TopicSlot) -> io::Result<String> {
        self.catalogue
            .with(slot, |files| files.name.clone())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn dir(&self, slot: TopicSlot) -> io::Result<String> {
        Ok(format!("{SEGMENTS_DIR}/{}", self.topic(slot)?))
    }

    fn path(&self, slot: TopicSlot, name: &SegmentName, extension: &str) -> io::Result<String> {
        Ok(name.path(&self.topic(slot)?, extension))
    }
}

fn errno(error: io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

const _: () = assert!(REGION.is_multiple_of(crate::limits::BLOCK));
