//! A node that runs short of slabs or of places for files: nobody waits for ever, and no memory goes that need not.

use super::endure::Endured;
use super::model::Model;
use super::node::{Part, Sizes};
use super::run::{Outcome, Run, Settings};
use crate::io::IoCommand;
use crate::recovery::Durability;
use crate::sim::{Barrier, FileKind, IoKind, Rng, SimDisk};

/// More than the node has places for files of segments.
const MORE_THAN_FILES: u32 = 22;
/// More than the slabs of a node hold, and less than its segment.
const MORE_THAN_SLABS: u64 = 1_850_000;
const LARGE: (u64, u64) = (100_000, 150_000);

/// A node whose segments are large, without topics.
pub(super) fn started_large(nth: usize, lives: u8, faults: bool) -> Outcome<Run> {
    let seed = (0..)
        .filter(|&seed| Sizes::of(seed).segment_max_bytes == 2 << 20)
        .nth(nth)
        .expect("one of four");
    let settings = Settings::directed(seed, faults);
    let (disk, mut rng) = (SimDisk::new(seed), Rng::new(seed));
    Run::start(settings, lives, disk, Model::default(), &mut rng)
}

/// Such a node with so many `written` topics.
pub(super) fn started_with(nth: usize, topics: u32, lives: u8) -> Outcome<Run> {
    let mut run = started_large(nth, lives, false)?;
    for _ in 0..topics {
        run.create_topic_that_is(Durability::Written)?;
    }
    Ok(run)
}

fn started(nth: usize, topics: u32) -> Run {
    kept(started_with(nth, topics, 0))
}

pub(super) fn kept<T>(outcome: Outcome<T>) -> T {
    outcome.unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn more_topics_than_places_for_files_all_get_their_acks() {
    for nth in 0..4 {
        let mut run = started(nth, MORE_THAN_FILES);
        for _ in 0..4 {
            for topic in 1..=MORE_THAN_FILES {
                kept(run.send_quiet(topic, (1, 3000)));
            }
        }
        kept(run.nobody_waits());
        kept(run.acknowledged_is_served(&mut Endured::default()));
    }
}

#[test]
fn the_slabs_of_a_written_topic_come_back_when_their_writes_complete_not_when_they_are_flushed() {
    let mut run = started(0, 1);
    while run.model.topics[&1].acked_end < MORE_THAN_SLABS {
        let flushed = run.disk.barriers();
        assert!(
            !flushed.contains(&Barrier::Flush(FileKind::Segment)),
            "nothing asks for a flush yet"
        );
        kept(run.send_quiet(1, LARGE));
    }
}

#[test]
fn large_frames_of_more_topics_than_slabs_are_written_once_and_nothing_is_read_for_them() {
    let topics = 9;
    let mut run = started(0, topics);
    let round = |run: &mut Run| {
        for topic in 1..=topics {
            kept(run.send_quiet(topic, (60_000, 64_000)));
        }
    };
    // The first round makes the segments, and goes through the journal until they are there.
    round(&mut run);
    round(&mut run);
    let from = run.disk.trace().len();
    let sent = |run: &Run| -> u64 { run.model.topics.values().map(|topic| topic.acked_end).sum() };
    let before = sent(&run);
    for _ in 0..4 {
        round(&mut run);
    }
    let sent = sent(&run) - before;
    let trace = run.disk.trace();
    let bytes = |path: &str| -> u64 {
        let writes = trace[from..].iter().filter(|io| io.kind == IoKind::Write);
        let of = writes.filter(|io| io.path.starts_with(path));
        of.map(|io| io.len).sum()
    };
    let reads = trace[from..].iter().filter(|io| io.kind == IoKind::Read);
    assert_eq!(reads.count(), 0, "the last blocks are in memory");
    assert!(
        bytes("segments") < sent + sent / 4,
        "{} of {sent}",
        bytes("segments")
    );
    assert!(
        bytes("journal") < sent / 4,
        "{} of {sent}",
        bytes("journal")
    );
}

#[test]
fn a_busy_topic_does_not_take_the_memory_in_which_others_are_read() {
    let (quiet, busy) = (1, 2);
    let mut run = started(0, 2);
    kept(run.send_quiet(quiet, (1000, 3000)));
    run.queries.insert(77, quiet);
    run.node.command(IoCommand::Seal {
        query: 77,
        topic: quiet,
    });
    kept(run.idle());
    for _ in 0..10 {
        kept(run.send_quiet(busy, LARGE));
    }
    let reads = |run: &Run| {
        let all = run.disk.trace();
        all.iter().filter(|io| io.kind == IoKind::Read).count()
    };
    let before = reads(&run);
    let answer = kept(run.ask_for(quiet, 0));
    assert!(answer.is_ok_and(|(bytes, _)| bytes.len() > 1000));
    assert_eq!(reads(&run), before, "it is still in memory");
}

#[test]
fn a_frame_waits_for_a_slab_until_one_was_given() {
    let mut run = started(0, 1);
    let payload = |run: &mut Run| super::frames::Payload::sized(&mut run.rng, LARGE.0, LARGE.1);
    while !run.node.is_starved() {
        let payload = payload(&mut run);
        assert!(run.send_payload(1, payload), "there is room for a frame");
        // No write completes meanwhile, so no slab comes back.
        for part in [Part::Ingest, Part::Io] {
            run.node.tick(part);
        }
        kept(run.hear());
        run.clock.advance(1000);
    }
    for _ in 0..3 {
        run.node.tick(Part::Io);
        assert!(run.node.is_starved(), "nothing was given yet");
    }
    kept(run.settle());
    assert!(!run.node.is_starved());
    kept(run.nobody_waits());
}
