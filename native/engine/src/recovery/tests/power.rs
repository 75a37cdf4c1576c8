//! Power cuts at every I/O of recovery, on the simulated disk.

use super::files::Files;
use super::interrupted::everything;
use super::options;
use crate::recovery::{recover, Recovered};
use crate::sim::{Barrier, DirKind, Fault, FileKind, IoKind, Rng, SimDisk, Survival};
use crate::storage::{Open, Storage};

/// The files of a directory on a simulated disk, everything durable (or nothing but the names).
pub fn on_sim(files: &Files, flushed: bool) -> SimDisk {
    let disk = SimDisk::new(1);
    let mut dirs = vec![String::new()];
    let mut paths: Vec<_> = files.snapshot().into_iter().collect();
    paths.sort();
    for (path, bytes) in paths {
        let path = path.to_str().expect("UTF-8").to_owned();
        let mut dir = String::new();
        let parts: Vec<_> = path.split('/').collect();
        for part in &parts[..parts.len() - 1] {
            dir = if dir.is_empty() {
                (*part).to_owned()
            } else {
                format!("{dir}/{part}")
            };
            disk.make_dir(&dir).expect("makes");
            if !dirs.contains(&dir) {
                dirs.push(dir.clone());
            }
        }
        let how = Open {
            write: true,
            create: true,
            direct: false,
        };
        let file = disk.open(&path, how).expect("creates");
        disk.write_at(file, &bytes, 0).expect("writes");
        if flushed || path.ends_with("metadata.json") || path.ends_with(".lnj") {
            disk.flush(file).expect("flushes");
        }
        disk.close(file);
    }
    for dir in dirs {
        disk.flush_dir(&dir).expect("flushes");
    }
    disk
}

fn state(found: Recovered) -> impl PartialEq + std::fmt::Debug {
    (found.topics, found.commits, found.journal)
}

#[test]
fn power_cut_at_any_io_of_recovery_leaves_what_recovers_to_the_same_state() {
    let disk = on_sim(&everything(), true);
    disk.record_images();
    let expected = state(recover(&disk, &options()).expect("recovers"));
    let images = disk.take_images();
    assert!(images.len() > 60);
    let mut rng = Rng::new(7);
    for image in &images {
        for survival in [
            Survival::NOTHING,
            Survival::EVERYTHING,
            Survival::random(&mut rng),
            Survival::random(&mut rng),
        ] {
            let left = image.after_crash(survival, image.io);
            let found =
                recover(&left, &options()).unwrap_or_else(|e| panic!("at I/O {}: {e}", image.io));
            assert_eq!(
                state(found),
                expected,
                "at I/O {} with {survival:?}",
                image.io
            );
            assert_eq!(left.open_handles(), 0);
        }
    }
}

/// A process was killed, recovery went over what it left in the page cache, and then the power went. Whether that ends
/// where recovery said it would.
fn killed_then_cut(without: Option<Barrier>) -> bool {
    let disk = on_sim(&everything(), false);
    if let Some(barrier) = without {
        disk.suppress(barrier);
    }
    let expected = recover(&disk, &options()).expect("recovers");
    let left = disk.after_crash(Survival::NOTHING, 3);
    // What was kept for a person is there.
    let kept = expected
        .findings
        .iter()
        .filter(|finding| finding.code == "unknown-topic");
    if kept.clone().count() != 1
        || !kept
            .into_iter()
            .all(|f| left.contents(&f.path) == disk.contents(&f.path))
    {
        return false;
    }
    // The node went on: its first block made the old journal obsolete.
    for name in left.list("journal").expect("lists") {
        if name.ends_with(".lnj") {
            left.unlink(&format!("journal/{name}")).expect("removes");
        }
    }
    recover(&left, &options())
        .is_ok_and(|found| (&found.topics, &found.commits) == (&expected.topics, &expected.commits))
}

#[test]
fn what_recovery_reports_is_durable_and_without_any_of_its_flushes_it_is_not() {
    assert!(killed_then_cut(None));
    // Not among them: the flush of a rebuilt metadata.json, for one that was lost is rebuilt again, from the same batch.
    let needed = [
        Barrier::Flush(FileKind::Segment),
        Barrier::Flush(FileKind::Consumers),
        Barrier::Flush(FileKind::Journal), // what is kept beside it
        Barrier::Flush(FileKind::Other),   // quarantine.json
        Barrier::Names(DirKind::Topic),
        Barrier::Names(DirKind::Consumers),
        Barrier::Names(DirKind::Journal),
    ];
    for barrier in needed {
        assert!(!killed_then_cut(Some(barrier)), "{barrier:?}");
    }
}

#[test]
fn a_sector_that_cannot_be_read_freezes_its_topic_and_no_other() {
    let disk = on_sim(&everything(), true);
    recover(&disk, &options()).expect("recovers");
    let first = recover(&disk, &options()).expect("recovers");
    // The reads of segments, one after the other.
    let mut frozen = 0;
    for nth in 0..40 {
        let left = disk.after_crash(Survival::EVERYTHING, 1);
        left.fail(IoKind::Read, Some(FileKind::Segment), nth, Fault::Eio);
        let found = match recover(&left, &options()) {
            Ok(found) => found,
            // A file that cannot even be opened is no bad sector.
            Err(error) if error.to_string().starts_with("cannot open ") => continue,
            Err(error) => panic!("read {nth}: {error}"),
        };
        assert_eq!(found.topics.len(), first.topics.len());
        let differ = found
            .topics
            .iter()
            .zip(&first.topics)
            .filter(|(found, first)| found.frozen != first.frozen)
            .count();
        assert!(differ <= 1, "read {nth}");
        frozen += differ;
        // The next start can read it again.
        assert_eq!(
            state(recover(&left, &options()).expect("recovers")),
            state(first.clone()),
            "read {nth}"
        );
    }
    assert!(frozen > 3, "{frozen}");
}
