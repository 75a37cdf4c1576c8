//! What becomes of segments that retention removes, on the simulated disk.

use std::sync::Arc;

use super::spare::REGION;
use super::trial::{active, name, path, Trial, LEN, SLOT, STEP};
use super::{Finder, Job, Report};
use crate::clock::Clock as _;
use crate::format::names::SEGMENTS_DIR;
use crate::queue::queue;
use crate::sim::{Barrier, DirKind, Fault, FileKind, IoKind, Survival};
use crate::storage::{Open, Storage as _};

const SECOND: u64 = 1_000_000_000;

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
fn the_finder_opens_no_segment_that_is_gone_from_the_catalogue() {
    let trial = Trial::new(2);
    let (_ask, questions) = queue(4);
    let (answers, _found) = queue(4);
    let storage = Arc::new(trial.disk.clone());
    let finder = Finder::new(storage, trial.catalogue.clone(), questions, answers);
    assert!(finder.open(SLOT, "events", name(0)).is_ok());
    // As the keeper does first: the file still has its name.
    trial.catalogue.with(SLOT, |files| files.sealed.remove(0));
    let refused = finder.open(SLOT, "events", name(0)).err();
    assert_eq!(
        refused.map(|error| error.kind()),
        Some(std::io::ErrorKind::NotFound)
    );
    assert!(finder.open(SLOT, "events", name(1)).is_ok());
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
fn on_a_full_disk_what_waits_makes_room() {
    // For the next segment, and to be cut.
    for begun in [true, false] {
        let mut trial = Trial::new(2);
        if begun {
            trial.begin(2);
        }
        trial.retain(1);
        assert_eq!(trial.removed().len(), 1);
        let how = Open {
            write: true,
            ..Open::default()
        };
        let file = trial.disk.open(&path(name(1)), how).unwrap();
        trial.disk.fill_up_until_unlink();
        let report = trial.ask(Job::Extend {
            segment: 0,
            slot: SLOT,
            file,
            to: 1 << 20,
        });
        assert!(
            matches!(report, Report::Extended { result: Ok(_), .. }),
            "{report:?}"
        );
        assert_eq!(trial.removed(), [0; 0]);
        assert_eq!(trial.remover.work(), 0);
    }
}

#[test]
fn a_segment_that_cannot_be_named_gives_its_file_back() {
    let mut trial = Trial::new(2);
    trial.begin(2);
    trial.retain(1);
    trial.disk.fail(IoKind::Rename, None, 0, Fault::Eio);
    let report = trial.ask(Job::Create {
        segment: 0,
        slot: SLOT,
        name: active(3),
    });
    assert!(
        matches!(report, Report::Opened { result: Err(_), .. }),
        "{report:?}"
    );
    while trial.remover.work() > 0 {}
    assert_eq!(trial.removed(), [0; 0]);
}

#[test]
fn what_cannot_be_moved_is_removed_and_what_cannot_be_made_durable_is_not_kept() {
    for (kind, fails) in [(IoKind::Rename, false), (IoKind::FlushDir, true)] {
        let mut trial = Trial::new(4);
        trial.begin(4);
        trial.disk.fail(kind, None, u64::from(!fails), Fault::Eio);
        let report = trial.ask(Job::Retain {
            slot: SLOT,
            below_offset: 3 * LEN,
            end: 100 * LEN,
            query: 1,
        });
        let failed = matches!(report, Report::Removed { result: Err(_), .. });
        assert_eq!(failed, fails, "{kind:?}: {report:?}");
        while trial.remover.work() > 0 {}
        let waits = usize::from(!fails);
        assert_eq!(trial.removed().len(), waits, "{kind:?}");
        for number in 0..3 {
            assert_eq!(trial.disk.contents(&path(name(number))), None);
        }
    }
}

#[test]
fn no_crash_leaves_a_gap_between_segments_large_or_small() {
    let mut trial = Trial::new(4);
    let how = Open {
        write: true,
        ..Open::default()
    };
    let small = trial.disk.open(&path(name(0)), how).unwrap();
    trial.disk.truncate(small, 100).unwrap();
    trial.disk.flush(small).unwrap();
    trial.disk.close(small);
    trial.catalogue.with(SLOT, |files| files.sealed[0].1 = 100);
    trial.disk.record_images();
    trial.retain(3);
    for image in trial.disk.take_images() {
        for seed in 0..20 {
            let left = image.after_crash(Survival::NOTHING, seed);
            let there: Vec<bool> = (0..4)
                .map(|number| left.contents(&path(name(number))).is_some())
                .collect();
            assert!(there.is_sorted(), "at I/O {}: {there:?}", image.io);
        }
    }
}

#[test]
fn another_topic_in_the_place_of_a_deleted_one_begins_without_its_files() {
    let mut trial = Trial::new(2);
    trial.begin(2);
    trial.ask(Job::RemoveTopic { slot: SLOT });
    while trial.remover.work() > 0 {}
    let again = Trial::new(2);
    let files = again.catalogue.with(SLOT, |files| files.clone()).unwrap();
    trial
        .disk
        .make_dir(&format!("{SEGMENTS_DIR}/events"))
        .unwrap();
    for number in 0..2 {
        trial.write(number);
    }
    trial.catalogue.add(SLOT, files);
    trial.retain(1);
    while trial.remover.work() > 0 {}
    assert_eq!(trial.removed(), [0; 0], "it has begun none itself");
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
    let [topic, spare] = [DirKind::Topic, DirKind::Spare]
        .map(|dir| first(&|io| io.barrier == Some(Barrier::Names(dir))).expect("it was flushed"));
    // A file with two names is worse than one with none, where a rename may be half done.
    assert!(topic < spare && spare < cut, "{topic}, {spare}, {cut}");
}
