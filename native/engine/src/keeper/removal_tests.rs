//! What becomes of segments that retention removes, on the simulated disk.

use std::sync::Arc;

use super::spare::REGION;
use super::{Catalogue, Finder, Job, Keeper, Question, Remains, Remover, Report, TopicFiles};
use crate::clock::Clock as _;
use crate::format::names::{SegmentName, SEGMENTS_DIR, SPARE_DIR};
use crate::queue::{queue, Receiver, Sender};
use crate::sim::{Barrier, DirKind, Fault, FileKind, IoKind, SimClock, SimDisk, Survival};
use crate::storage::{Handle, Open, Storage as _};
use crate::topics::TopicSlot;

const STEP: u64 = 2 * 4096;
/// A segment: two whole steps and a bit, its end inside a block.
const LEN: u64 = 2 * STEP + 4096 + 100;
const SLOT: TopicSlot = TopicSlot(0);
const SECOND: u64 = 1_000_000_000;

/// A topic with sealed segments, and those who care for it.
struct Trial {
    disk: SimDisk,
    clock: SimClock,
    keeper: Keeper,
    remover: Remover,
    catalogue: Catalogue,
    jobs: Sender<Job>,
    reports: Receiver<Report>,
}

fn name(number: u64) -> SegmentName {
    SegmentName {
        base_offset: number * LEN,
        base_record: number,
        start_ns: 1,
        end_ns: Some(2),
    }
}

fn active(number: u64) -> SegmentName {
    SegmentName {
        end_ns: None,
        ..name(number)
    }
}

fn path(name: SegmentName) -> String {
    name.path("events", "lnc")
}

impl Trial {
    /// With `sealed` segments, full of ones.
    fn new(sealed: u64) -> Self {
        let disk = SimDisk::new(1);
        for dir in [SPARE_DIR, SEGMENTS_DIR] {
            disk.make_dir(dir).unwrap();
        }
        disk.make_dir(&format!("{SEGMENTS_DIR}/events")).unwrap();
        let new = Open {
            write: true,
            create: true,
            direct: false,
        };
        for number in 0..sealed {
            let file = disk.open(&path(name(number)), new).unwrap();
            disk.write_at(file, &[1; LEN as usize], 0).unwrap();
            disk.flush(file).unwrap();
            disk.close(file);
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
    fn ask(&mut self, job: Job) -> Report {
        assert!(self.jobs.push(job).is_ok());
        self.keeper.work();
        self.reports.pop().expect("an answer")
    }
    /// Begins a segment; returns how much of it can be written as it is.
    fn begin(&mut self, number: u64) -> u64 {
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
    fn retain(&mut self, number: u64) {
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
    fn removed(&self) -> Vec<u64> {
        let names = self.disk.list(SPARE_DIR).unwrap().into_iter();
        names
            .filter(|name| name.starts_with("removed-"))
            .map(|name| self.disk.contents(&format!("{SPARE_DIR}/{name}")))
            .map(|bytes| bytes.map_or(0, |bytes| bytes.len() as u64))
            .collect()
    }
    fn read(&self, number: u64) -> Handle {
        self.disk
            .open(&path(name(number)), Open::default())
            .unwrap()
    }
}

#[test]
fn a_removed_segment_gives_its_blocks_back_in_steps() {
    let mut trial = Trial::new(2);
    trial.retain(1);
    assert_eq!(trial.disk.contents(&path(name(0))), None);
    let mut seen = Vec::new();
    while trial.remover.work() > 0 {
        seen.extend(trial.removed());
    }
    assert_eq!(seen, [2 * STEP, STEP]);
    assert_eq!(trial.disk.open_handles(), 0);
    assert!(trial.disk.contents(&path(name(1))).is_some());
}

#[test]
fn a_segment_is_whole_under_every_name_that_a_crash_brings_back() {
    for begin in [false, true] {
        let mut trial = Trial::new(2);
        if begin {
            trial.begin(2);
        }
        trial.disk.record_images();
        trial.retain(1);
        while trial.remover.work() > 0 {}
        for image in trial.disk.take_images() {
            for seed in 0..20 {
                let left = image.after_crash(Survival::NOTHING, seed);
                let bytes = left.contents(&path(name(0)));
                assert!(
                    bytes.is_none_or(|bytes| bytes == [1; LEN as usize]),
                    "at I/O {}",
                    image.io
                );
            }
        }
    }
}

#[test]
fn what_somebody_reads_stays_as_it_is_until_it_is_closed() {
    // Begun once: the removed segment would wait as a file for the next one.
    let mut trial = Trial::new(2);
    trial.begin(2);
    let reader = trial.read(0);
    trial.retain(1);
    assert_eq!(trial.remover.work(), 0);
    let mut bytes = [0; LEN as usize];
    assert_eq!(
        trial.disk.read_at(reader, &mut bytes, 0).unwrap(),
        LEN as usize
    );
    assert_eq!(bytes, [1; LEN as usize]);
    trial.disk.close(reader);
    while trial.remover.work() > 0 {}
    assert_eq!(trial.removed(), [0; 0]);
}

#[test]
fn the_finder_opens_no_segment_that_was_removed() {
    let mut trial = Trial::new(2);
    let (mut ask, questions) = queue(4);
    let (answers, _found) = queue(4);
    let storage = Arc::new(trial.disk.clone());
    let mut finder = Finder::new(storage, trial.catalogue.clone(), questions, answers);
    trial.retain(2);
    let read = Question::Read {
        read: 0,
        slot: SLOT,
        offset: 0,
    };
    assert!(ask.push(read).is_ok());
    finder.work();
    assert_eq!(trial.disk.open_handles(), 0);
}

#[test]
fn the_next_segment_of_the_topic_gets_the_file_and_it_reads_as_zeros_even_after_a_crash() {
    let mut trial = Trial::new(2);
    assert_eq!(trial.begin(2), REGION);
    trial.retain(1);
    assert_eq!(trial.remover.work(), 0);
    let whole = LEN.next_multiple_of(4096);
    assert_eq!(trial.removed(), [whole]);
    assert_eq!(trial.begin(3), whole);
    assert_eq!(trial.removed(), [0; 0]);
    for disk in [
        trial.disk.clone(),
        trial.disk.after_crash(Survival::NOTHING, 1),
    ] {
        let bytes = disk.contents(&path(active(3))).expect("it is there");
        assert_eq!(bytes, vec![0; whole as usize]);
    }
    // One was begun, one was kept: the next one is a spare again.
    assert_eq!(trial.begin(4), REGION);
}

#[test]
fn zeros_that_were_not_flushed_would_bring_old_records_back() {
    // The test above can fail.
    let mut trial = Trial::new(2);
    trial.begin(2);
    trial.disk.suppress(Barrier::Flush(FileKind::Spare));
    trial.retain(1);
    trial.begin(3);
    let left = trial.disk.after_crash(Survival::NOTHING, 1);
    assert!(left
        .contents(&path(active(3)))
        .is_some_and(|bytes| bytes.contains(&1)));
}

#[test]
fn only_as_many_wait_as_the_topic_began() {
    let mut trial = Trial::new(6);
    trial.begin(6);
    trial.begin(7);
    let whole = LEN.next_multiple_of(4096);
    // None was begun after the first removal: the third one lets both go.
    for (below, left) in [(4, 2), (5, 2), (6, 0)] {
        trial.retain(below);
        while trial.remover.work() > 0 {}
        assert_eq!(trial.removed(), vec![whole; left], "below {below}");
    }
}

#[test]
fn a_file_waits_for_a_minute_at_most() {
    let mut trial = Trial::new(2);
    trial.begin(2);
    trial.retain(1);
    trial.clock.advance(59 * SECOND);
    trial.keeper.work();
    assert_eq!(trial.remover.work(), 0, "at {}", trial.clock.mono_ns());
    trial.clock.advance(SECOND);
    trial.keeper.work();
    while trial.remover.work() > 0 {}
    assert_eq!(trial.removed(), [0; 0]);
}

#[test]
fn the_files_of_a_deleted_topic_go_too() {
    let mut trial = Trial::new(3);
    trial.begin(3);
    trial.retain(1);
    let report = trial.ask(Job::RemoveTopic { slot: SLOT });
    assert!(
        matches!(report, Report::TopicRemoved { result: Ok(()), .. }),
        "{report:?}"
    );
    assert_eq!(trial.disk.list(SEGMENTS_DIR).unwrap(), Vec::<String>::new());
    assert_eq!(
        trial.removed().len(),
        4,
        "one waited, two were sealed, one active"
    );
    while trial.remover.work() > 0 {}
    assert_eq!(trial.removed(), [0; 0]);
}

#[test]
fn on_a_full_disk_what_waits_goes_first() {
    let mut trial = Trial::new(2);
    trial.begin(2);
    trial.retain(1);
    assert_eq!(trial.removed().len(), 1);
    let file = trial
        .disk
        .open(
            &path(active(2)),
            Open {
                write: true,
                ..Open::default()
            },
        )
        .unwrap();
    trial.disk.fill_up_from(Some(0));
    let report = trial.ask(Job::Extend {
        segment: 0,
        slot: SLOT,
        file,
        to: 1 << 30,
    });
    let Report::Extended {
        result: Err(errno), ..
    } = report
    else {
        panic!("{report:?}");
    };
    assert_eq!(errno, libc::ENOSPC);
    assert_eq!(trial.removed(), [0; 0]);
}

#[test]
fn a_disk_that_fails_keeps_no_file_that_may_hold_old_records() {
    let mut trial = Trial::new(2);
    trial.begin(2);
    trial
        .disk
        .fail(IoKind::Flush, Some(FileKind::Spare), 0, Fault::Eio);
    trial.retain(1);
    trial.disk.heal();
    assert_eq!(trial.begin(3), REGION);
}

#[test]
fn the_names_are_durable_before_anything_is_cut_or_made_zero() {
    let mut trial = Trial::new(3);
    trial.begin(3);
    let from = trial.disk.trace().len();
    trial.retain(2);
    while trial.remover.work() > 0 {}
    let trace = trial.disk.trace().split_off(from);
    let first = |what: &dyn Fn(&crate::sim::Io) -> bool| trace.iter().position(what);
    let cut = first(&|io| io.kind == IoKind::Truncate).expect("something was cut");
    for dir in [DirKind::Spare, DirKind::Topic] {
        let flushed = first(&|io| io.barrier == Some(Barrier::Names(dir)));
        assert!(flushed.is_some_and(|at| at < cut), "{dir:?}");
    }
}
