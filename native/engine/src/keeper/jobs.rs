//! The keeper's work.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use super::files::{Catalogue, TopicFiles};
use super::indexes::{Index, IndexKey, Unwritten};
use super::names::Named;
use super::recycled::{Begun, Recycled};
use super::remains::Remains;
use super::spare::{make_chunk, make_reserve, DIRECT, FRESH_SPARES, REGION, SPARES};
use super::{Job, Report};
use crate::clock::Clock;
use crate::format::names::{SegmentName, SEGMENTS_DIR};
use crate::queue::{Receiver, Sender};
use crate::recovery::write_checkpoint;
use crate::storage::{Handle, Storage};
use crate::topics::TopicSlot;

/// Jobs done before their names are flushed together.
const GROUP: usize = 256;

/// Creations that are made durable with one call for the whole file system, at least: fewer are flushed one by one, which
/// leaves alone what others write there.
const TOGETHER: usize = 8;

/// Turns without a job after which nothing more is expected for a while: its thread takes two before it sleeps, two more when it
/// was woken for what it had done already, and a fifth when nobody woke it then.
const IDLE: u32 = 5;

/// Carries out jobs, one after the other.
pub struct Keeper {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) catalogue: Catalogue,
    jobs: Receiver<Job>,
    reports: Sender<Report>,
    pub(super) index_every_bytes: u64,
    pub(super) indexes: HashMap<IndexKey, Index>,
    pub(super) unwritten: BTreeMap<IndexKey, Unwritten>,
    /// Segments with enough unwritten entries.
    pub(super) enough: Vec<IndexKey>,
    /// Turns without a job, one after the other.
    idle: u32,
    /// Segments whose index lacks an entry: made anew when they are sealed.
    pub(super) torn: Vec<IndexKey>,
    /// The reserve was made, or could not be.
    reserved: bool,
    pub(super) spares: Vec<String>,
    /// Files for the creations of the group at hand: neither written nor flushed.
    pub(super) raw: Vec<String>,
    /// Creations of a group that are made durable together, at least.
    pub(super) together: usize,
    /// Topics that have no segment yet: their first batches will want one each.
    pub(super) fresh: usize,
    pub(super) next_spare: u64,
    /// Files of removed segments that wait for the next ones.
    pub(super) recycled: Vec<Recycled>,
    /// Segments that each topic began.
    pub(super) begun: HashMap<TopicSlot, Begun>,
    /// Files whose blocks the remover gives back, and how many there were.
    pub(super) remains: Remains,
    pub(super) moved: u64,
    pub(super) clock: Arc<dyn Clock>,
    /// Counts uses of indexes.
    pub(super) uses: u64,
    /// Reports that the queue had no room for.
    unsaid: std::collections::VecDeque<Report>,
}

impl Keeper {
    /// A keeper of the files under `storage`. What it removes in steps, the remover of `remains` does.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        catalogue: Catalogue,
        (jobs, reports): (Receiver<Job>, Sender<Report>),
        index_every_bytes: u64,
        clock: Arc<dyn Clock>,
        remains: Remains,
    ) -> Self {
        Self {
            storage,
            catalogue,
            jobs,
            reports,
            index_every_bytes,
            indexes: HashMap::new(),
            unwritten: BTreeMap::new(),
            enough: Vec::new(),
            idle: 0,
            torn: Vec::new(),
            reserved: false,
            spares: Vec::new(),
            raw: Vec::new(),
            together: TOGETHER,
            fresh: 0,
            next_spare: 0,
            recycled: Vec::new(),
            begun: HashMap::new(),
            remains,
            moved: 0,
            clock,
            uses: 0,
            unsaid: std::collections::VecDeque::new(),
        }
    }

    /// Makes groups of this many creations durable together: the simulator's are small.
    #[must_use]
    pub fn together_from(mut self, creations: usize) -> Self {
        self.together = creations;
        self
    }

    /// Does what there is to do. Returns how much that was; 0: it may sleep.
    pub fn work(&mut self) -> usize {
        let mut named = Vec::new();
        let mut group = Vec::new();
        self.jobs.measure();
        while group.len() < GROUP {
            let Some(job) = self.jobs.pop() else { break };
            group.push(job);
        }
        let mut done = group.len();
        // A write waits for each of these, and nothing in the group comes before it: its file is open.
        for job in group.extract_if(.., |job| matches!(job, Job::Extend { .. })) {
            self.carry_out(job, &mut named);
        }
        let creates = group.iter().filter(|job| matches!(job, Job::Create { .. }));
        self.spares_for(creates.count());
        for job in group {
            self.carry_out(job, &mut named);
        }
        done += usize::from(!named.is_empty());
        self.write_full_indexes();
        self.settle_names(named);
        self.drop_raw();
        self.let_recycled_go(None);
        while let Some(report) = self.unsaid.pop_front() {
            if let Err(report) = self.reports.push(report) {
                self.unsaid.push_front(report);
                break;
            }
        }
        self.idle = if done > 0 {
            0
        } else {
            self.idle.saturating_add(1)
        };
        if self.idle >= IDLE {
            done += self.write_some_indexes();
        }
        if done == 0 {
            done += self.mend_index();
        }
        if done == 0 && !self.reserved {
            self.reserved = true;
            // Without it everything works but a restart on a full disk.
            let _ = make_reserve(&*self.storage);
        }
        let wanted = SPARES + self.fresh.min(FRESH_SPARES);
        if done == 0 && self.spares.len() < wanted && !self.spares_failed() {
            done += 1;
            // A few at a time: jobs that come meanwhile wait for them.
            self.add_spares((wanted - self.spares.len()).min(SPARES));
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
                self.fresh += usize::from(sealed.is_empty() && active.is_none());
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
            } => match self.name_spare(segment, slot, &name) {
                Ok(file) => named.push(file),
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
                let reserved = self.with_room(|storage| storage.allocate(file, to));
                let result = reserved.map(|()| to).map_err(errno);
                self.say(Report::Extended {
                    segment,
                    slot,
                    result,
                });
            }
            Job::Index { slot, name, entry } => {
                self.index(slot, &name, entry);
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
                let made = self.with_room(|storage| make_chunk(storage, number, bytes));
                let result = made.map_err(errno);
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

    pub(super) fn say(&mut self, report: Report) {
        if let Err(report) = self.reports.push(report) {
            self.unsaid.push_back(report);
        }
    }

    pub(super) fn open(&self, path: &str) -> io::Result<(Handle, u64)> {
        let file = self.storage.open(path, DIRECT)?;
        let len = self
            .storage
            .len(file)
            .inspect_err(|_| self.storage.close(file))?;
        // Only whole blocks can be written without extending the file.
        Ok((file, len / crate::limits::BLOCK * crate::limits::BLOCK))
    }

    pub(super) fn topic(&self, slot: TopicSlot) -> io::Result<String> {
        self.catalogue
            .with(slot, |files| files.name.clone())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn dir(&self, slot: TopicSlot) -> io::Result<String> {
        Ok(format!("{SEGMENTS_DIR}/{}", self.topic(slot)?))
    }

    pub(super) fn path(
        &self,
        slot: TopicSlot,
        name: &SegmentName,
        extension: &str,
    ) -> io::Result<String> {
        Ok(name.path(&self.topic(slot)?, extension))
    }
}

impl Drop for Keeper {
    /// A directory that was stopped cleanly has whole indexes.
    fn drop(&mut self) {
        while self.write_some_indexes() > 0 {}
        self.remains.close();
    }
}

pub(super) fn errno(error: io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

const _: () = assert!(REGION.is_multiple_of(crate::limits::BLOCK));
