//! A process was killed and left names in the page cache alone; then the power went during the next start, or after it.

use super::files::Files;
use super::options;
use super::power::on_sim;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Journal};
use crate::format::journal::Entry;
use crate::recovery::{
    rebuild_index, recover, write_checkpoint, CommittedOffset, Recovered, Severity,
};
use crate::sim::{Barrier, DirKind, SimDisk, Survival};
use crate::storage::Storage as _;

/// Of everything that was not flushed, only some names survive, in their order.
fn cuts() -> impl Iterator<Item = (Survival, u64)> {
    [0, 50, 100].into_iter().flat_map(|names| {
        let survival = Survival {
            names,
            ..Survival::NOTHING
        };
        (0..8).map(move |seed| (survival, seed))
    })
}

fn recovered(disk: &SimDisk) -> Recovered {
    let found = recover(disk, &options()).expect("recovers");
    let errors: Vec<_> = found
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    found
}

#[test]
fn committed_offsets_of_a_killed_process_survive_a_power_cut_after_the_next_start() {
    let files = Files::new();
    put_topic(&files, &metadata(1, "t"));
    let disk = on_sim(&files, true);
    recovered(&disk);
    let commit = CommittedOffset {
        topic: 1,
        epoch: 1,
        consumer: 7,
        offset: 70,
        at_s: 1,
    };
    disk.suppress(Barrier::Names(DirKind::Consumers));
    write_checkpoint(&disk, &[commit]).expect("writes");
    let killed = disk.image().after_kill(1);
    assert_eq!(recovered(&killed).commits, [commit]);
    let cut = killed.after_crash(Survival::NOTHING, 1);
    assert_eq!(recovered(&cut).commits, [commit]);
}

#[test]
fn a_power_cut_while_the_removal_of_a_topic_is_finished_leaves_no_damage() {
    let files = Files::new();
    put_topic(&files, &metadata(1, "t"));
    let mut batches = Batches::new(1);
    let made = batches.several(4);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, 16 * 1024),
        &made[..2],
    );
    let mut journal = Journal::new();
    journal.block(&[Entry::Watermark {
        topic: 1,
        epoch: 1,
        durable_offset: batches.next.offset,
    }]);
    journal.put(&files);
    let disk = on_sim(&files, true);
    let before = recovered(&disk).topics;
    disk.rename("segments/t", "segments/t~1").expect("renames");
    let killed = disk.image().after_kill(1);
    killed.record_images();
    assert!(recovered(&killed).topics.is_empty());
    for image in killed.take_images() {
        for (survival, seed) in cuts() {
            let found = recovered(&image.after_crash(survival, seed)).topics;
            assert!(found.is_empty() || found == before, "{found:?}");
        }
    }
}

#[test]
fn a_power_cut_while_a_sealed_segments_index_is_written_anew_leaves_no_half_of_each() {
    let files = Files::new();
    put_topic(&files, &metadata(1, "t"));
    let mut batches = Batches::new(1);
    let made = batches.several(12);
    let sealed = batches.rotate();
    // Entries that point at batches, but not at those that a new index would.
    put_segment(&files, "t", &sealed, &segment(&made, 0), &made);
    let disk = on_sim(&files, true);
    let every = options().index_every_bytes;
    let running = disk.after_crash(Survival::EVERYTHING, 1);
    running.record_images();
    rebuild_index(&running, "t", &sealed, every).expect("writes");
    let halves = |disk: &SimDisk| {
        ["idx", "pos"].map(|extension| disk.contents(&sealed.path("t", extension)).expect("there"))
    };
    let (old, new) = (halves(&disk), halves(&running));
    assert_ne!(old, new);
    for image in running.take_images() {
        for (survival, seed) in cuts() {
            let left = image.after_crash(survival, seed);
            recovered(&left);
            let found = halves(&left);
            assert!(found == old || found == new, "at I/O {}", image.io);
        }
    }
}
