//! A keeper and a remover on the simulated disk, with one topic whose segments they remove.

use std::sync::Arc;

use super::{Catalogue, Job, Keeper, Remains, Remover, Report, TopicFiles};
use crate::format::names::{SegmentName, SEGMENTS_DIR, SPARE_DIR};
use crate::queue::{queue, Receiver, Sender};
use crate::sim::{SimClock, SimDisk};
use crate::storage::{Handle, Open, Storage as _};
use crate::topics::TopicSlot;

pub(super) const STEP: u64 = 2 * 4096;
/// A segment: two whole steps and a bit, its end inside a block.
pub(super) const LEN: u64 = 2 * STEP + 4096 + 100;
pub(super) const SLOT: TopicSlot = TopicSlot(0);

/// A topic with sealed segments, and those who care for it.
pub(super) struct Trial {
    pub(super) disk: SimDisk,
    pub(super) clock: SimClock,
    pub(super) keeper: Keeper,
    pub(super) remover: Remover,
    pub(super) catalogue: Catalogue,
    pub(super) jobs: Sender<Job>,
    pub(super) reports: Receiver<Report>,
}

pub(super) fn name(number: u64) -> SegmentName {
    SegmentName {
        base_offset: number * LEN,
        base_record: number,
        start_ns: 1,
        end_ns: Some(2),
    }
}

pub(super) fn active(number: u64) -> SegmentName {
    SegmentName {
        end_ns: None,
        ..name(number)
    }
}

pub(super) fn path(name: SegmentName) -> String {
    name.path("events", "lnc")
}

/// Writes a sealed segment, full of ones.
pub(super) fn write(disk: &SimDisk, number: u64) {
    let new = Open {
        write: true,
        create: true,
        direct: false,
    };
    let file = disk.open(&path(name(number)), new).unwrap();
    disk.write_at(file, &[1; LEN as usize], 0).unwrap();
    disk.flush(file).unwrap();
    disk.close(file);
}

impl Trial {
    /// With `sealed` segments, full of ones.
    pub(super) fn new(sealed: u64) -> Self {
        let disk = SimDisk::new(1);
        for dir in [SPARE_DIR, SEGMENTS_DIR] {
            disk.make_dir(dir).unwrap();
        }
        disk.make_dir(&format!("{SEGMENTS_DIR}/events")).unwrap();
        for number in 0..sealed {
            write(&disk, number);
        }
        disk.sync_names().unwrap();
        let catalogue = Catalogue::new(2);
        catalogue.add(
            SLOT,
            TopicFiles {
                id: 0,
                name: "events".to_owned(),
                sealed: (0..sealed).map(|number| (name(number), LEN)).collect(),
                active: Vec::new(),
                suspect: Vec::new(),
            },
        );
        let (jobs, from) = queue(64);
        let (to, reports) = queue(64);
        let clock = SimClock::default();
        let remains = Remains::new(STEP);
        let storage = Arc::new(disk.clone());
        Self {
            keeper: Keeper::new(
                storage.clone(),
                catalogue.clone(),
                (from, to),
                4096,
                Arc::new(clock.clone()),
                remains.clone(),
            ),
            remover: Remover::new(storage, remains),
            disk,
            clock,
            catalogue,
            jobs,
            reports,
        }
    }
    pub(super) fn write(&self, number: u64) {
        write(&self.disk, number);
    }
    pub(super) fn ask(&mut self, job: Job) -> Report {
        assert!(self.jobs.push(job).is_ok());
        self.keeper.work();
        self.reports.pop().expect("an answer")
    }
    /// Begins a segment; returns how much of it can be written as it is.
    pub(super) fn begin(&mut self, number: u64) -> u64 {
        let report = self.ask(Job::Create {
            segment: 0,
            slot: SLOT,
            name: active(number),
        });
        match report {
            Report::Opened {
                result: Ok((file, allocated)),
                ..
            } => {
                self.disk.close(file);
                allocated
            }
            other => panic!("{other:?}"),
        }
    }
    /// Removes the segments below this one.
    pub(super) fn retain(&mut self, number: u64) {
        let report = self.ask(Job::Retain {
            slot: SLOT,
            below_offset: number * LEN,
            end: 100 * LEN,
            query: 1,
        });
        assert!(
            matches!(report, Report::Removed { result: Ok(_), .. }),
            "{report:?}"
        );
    }
    /// The lengths of what was moved to `spare/`.
    pub(super) fn removed(&self) -> Vec<u64> {
        let names = self.disk.list(SPARE_DIR).unwrap().into_iter();
        names
            .filter(|name| name.starts_with("removed-"))
            .map(|name| self.disk.contents(&format!("{SPARE_DIR}/{name}")))
            .map(|bytes| bytes.map_or(0, |bytes| bytes.len() as u64))
            .collect()
    }
    pub(super) fn read(&self, number: u64) -> Handle {
        self.disk
            .open(&path(name(number)), Open::default())
            .unwrap()
    }
}
