//! `written` topics whose last blocks rest padded until an interval's flush, and are written again then: what of them counts
//! as durable by then is in the journal first.

use super::frames::Payload;
use super::node::Part;
use super::pressed::{kept, started_with};
use super::run::{Crashes, Outcome, Run, LIVES};
use super::tests::number;
use crate::sim::{Barrier, FileKind, IoKind};

/// Of more than half as many topics as there are slabs for direct writes, one beyond is closed with its first write, padded.
const TOPICS: u32 = 9;
/// What goes to its segment without the journal.
const LARGE: (u64, u64) = (60_000, 64_000);
const SMALL: (u64, u64) = (1, 3000);
/// More than `io.flush_interval`, ns.
const INTERVAL: u64 = 1_100_000_000;

fn started(nth: usize) -> Outcome<Run> {
    started_with(nth, TOPICS, LIVES)
}

fn round(run: &mut Run) -> Outcome<()> {
    (1..=TOPICS).try_for_each(|topic| run.send_quiet(topic, LARGE))
}

/// The first batches stand in the journal until their segments are there, the second ones go straight to those.
fn begin(run: &mut Run) -> Outcome<()> {
    (0..2).try_for_each(|_| round(run))
}

/// Synchronous writes and flushes of the journal so far.
fn journal_barriers(run: &Run) -> usize {
    let journal = [
        Some(Barrier::SyncWrite(FileKind::Journal)),
        Some(Barrier::Flush(FileKind::Journal)),
    ];
    let trace = run.disk.trace();
    trace
        .iter()
        .filter(|io| journal.contains(&io.barrier))
        .count()
}

#[test]
fn a_topic_that_rested_over_an_interval_is_written_again_without_a_wait_for_the_journal() {
    for nth in 0..4 {
        let mut run = kept(started(nth));
        kept(begin(&mut run));
        let from = run.disk.trace().len();
        kept(run.idle());
        let trace = run.disk.trace();
        let ahead = trace[from..].iter().filter(|io| {
            io.kind == IoKind::Write && io.path.starts_with("journal") && io.barrier.is_none()
        });
        assert!(ahead.count() > 0, "last blocks rest padded");
        let before = journal_barriers(&run);
        kept(round(&mut run));
        assert_eq!(
            journal_barriers(&run) - before,
            0,
            "the flush that covered the last blocks covered their copies too"
        );
    }
}

/// Bursts of frames between intervals: the first one leaves last blocks out and has them in the journal, the second one flushes
/// both, and frames come before it is over.
fn bursts(run: &mut Run, steps: u32) -> Outcome<()> {
    begin(run)?;
    for _ in 0..steps {
        for interval in 0..2 {
            if interval == 0 || run.rng.percent(90) {
                run.settle()?;
            }
            run.clock.advance(INTERVAL);
        }
        some_ticks(run, 20)?;
        let few = run.rng.percent(30);
        for _ in 0..run.rng.within(1, 12) {
            let topic = run.rng.within(1, if few { 2 } else { u64::from(TOPICS) }) as u32;
            let (least, most) = *run.rng.pick(&[LARGE, LARGE, LARGE, SMALL]);
            let payload = Payload::sized(&mut run.rng, least, most);
            run.send_payload(topic, payload);
            some_ticks(run, 12)?;
        }
        if run.rng.percent(20) {
            run.idle()?;
        }
    }
    run.settle()?;
    run.nobody_waits()?;
    run.promised()?;
    run.restart()
}

fn some_ticks(run: &mut Run, most: u64) -> Outcome<()> {
    (0..run.rng.below(most)).try_for_each(|_| run.tick())
}

fn kept_through(workloads: std::ops::Range<usize>, steps: u32, crashes: Crashes) {
    let (mut broken, mut looked_at) = (0, 0);
    for nth in workloads {
        let outcome = started(nth).and_then(|mut run| {
            run.settings.crashes = crashes;
            bursts(&mut run, steps)?;
            Ok(run.report.crashes)
        });
        match outcome {
            Ok(crashes) => looked_at += crashes,
            Err(violation) => {
                println!("{violation}");
                broken += 1;
            }
        }
    }
    println!("{looked_at} crashes, {broken} workloads broke a promise");
    assert_eq!(broken, 0, "workloads that broke a promise");
    assert!(looked_at > 0);
}

#[test]
fn whatever_io_the_power_goes_at_what_was_durable_of_a_block_that_is_written_again_is_there() {
    kept_through(0..6, 8, Crashes::Percent(5));
}

/// Frames for all topics, right when the flushes of an interval are on their way to the last blocks and to their copies.
fn races(run: &mut Run) -> Outcome<()> {
    run.clock.advance(INTERVAL);
    run.settle()?;
    run.clock.advance(INTERVAL);
    for _ in 0..run.rng.within(1, 3) {
        run.node.tick(Part::Io);
    }
    let crashes = std::mem::replace(&mut run.settings.crashes, Crashes::Percent(100));
    for topic in 1..=TOPICS {
        let payload = Payload::sized(&mut run.rng, LARGE.0, LARGE.1);
        run.send_payload(topic, payload);
        if run.rng.percent(30) {
            some_ticks(run, 6)?;
        }
    }
    run.settle()?;
    run.settings.crashes = crashes;
    Ok(())
}

#[test]
fn a_block_is_not_written_again_before_its_copy_in_the_journal_is_flushed() {
    for nth in 0..3 {
        let mut run = kept(started(nth));
        kept(begin(&mut run));
        for _ in 0..2 {
            kept(races(&mut run));
        }
    }
}

/// `LANCE_CRASH_WORKLOADS=20 [LANCE_CRASH_PERCENT=30] cargo test --release -- --ignored rested_topics --nocapture`
#[test]
#[ignore = "takes as long as one lets it: set LANCE_CRASH_WORKLOADS"]
fn all_workloads_of_rested_topics_keep_their_promises() {
    let percent = number("LANCE_CRASH_PERCENT").unwrap_or(100).min(100) as u8;
    let workloads = number("LANCE_CRASH_WORKLOADS").unwrap_or(4) as usize;
    kept_through(0..workloads, 20, Crashes::Percent(percent));
}
