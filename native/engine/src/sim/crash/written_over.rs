//! Last blocks whose acknowledged bytes are written over, and what a failure then leaves of them: a copy stays until the block
//! is certain again.

use std::collections::BTreeSet;

use super::frozen::GARBLED;
use super::pressed::{kept, started_large};
use super::run::{Outcome, Run};
use crate::io::IoCommand;
use crate::recovery::Durability;
use crate::sim::{Fault, FileKind, Image, IoKind, Survival};

/// The topic whose block is written over; the second one goes on.
const OVER: u32 = 1;
/// Of more than half as many topics as there are slabs for direct writes, one beyond is closed with its first write, padded.
const TOPICS: u32 = 9;
/// What goes to its segment without the journal.
const LARGE: (u64, u64) = (60_000, 64_000);
const SMALL: (u64, u64) = (1, 3000);
/// More than the slabs of a node hold, and less than its segment.
const MORE_THAN_SLABS: u64 = 1_700_000;
/// Chunks that are filled meanwhile, more than a ring may have.
const CHUNKS: u64 = 12;

/// How many writes to segments went over blocks that earlier ones had written, from an I/O on.
fn written_over(run: &Run, from: u64) -> usize {
    let trace = run.disk.trace();
    let of_segments: Vec<_> = trace
        .iter()
        .filter(|io| io.kind == IoKind::Write && io.path.ends_with(".lnc"))
        .collect();
    let over = of_segments.iter().filter(|io| {
        io.index >= from
            && of_segments.iter().any(|earlier| {
                earlier.index < io.index
                    && earlier.path == io.path
                    && earlier.at + earlier.len > io.at
            })
    });
    over.count()
}

impl Run {
    /// Starts now, and when no chunk of now is left.
    fn finds_it_while_the_ring_goes_round(&mut self, killed: bool) -> Outcome<()> {
        for chunks in [0, CHUNKS] {
            self.go_round(chunks)?;
            let image = self.disk.image();
            for _ in 0..8 {
                let found = self.next_start_finds(&image, killed);
                found.map_err(|mut violation| {
                    violation.what = format!("after {chunks} chunks: {}", violation.what);
                    violation
                })?;
            }
        }
        Ok(())
    }

    /// What the next start on an image must find: what was promised, without a power cut all that was acknowledged.
    fn next_start_finds(&mut self, image: &Image, killed: bool) -> Outcome<()> {
        let seed = self.rng.next_u64();
        let before = self.model.clone();
        let left = if killed {
            self.model.promise_accepted();
            image.after_kill(seed).after_crash(Survival::EVERYTHING, 0)
        } else {
            image.after_crash(GARBLED, seed)
        };
        let found = self.after_recovery_of(&left);
        self.model = before;
        found.map(|_| ())
    }
}

/// The last block of a `written` topic that no flush covers yet is written again, and that fails. Whether it was one.
fn a_free_block_is_garbled(nth: usize, over: u32, drained: bool) -> Outcome<bool> {
    let mut run = started_large(nth, 0, true)?;
    while run.next_topic <= TOPICS {
        run.create_topic_that_is(Durability::Written)?;
    }
    for _ in 0..2 {
        (1..=TOPICS).try_for_each(|topic| run.send_quiet(topic, LARGE))?;
    }
    let from = run.disk.io_count();
    run.disk
        .fail(IoKind::Write, Some(FileKind::Segment), 0, Fault::Garbled);
    run.send_quiet(over, LARGE)?;
    run.disk.heal();
    run.harm.healed = true;
    assert_eq!(run.harm.frozen, BTreeSet::from([over]));
    if drained {
        run.node.refuse_frames();
        run.node.command(IoCommand::Drain);
        run.idle()?;
        assert!(run.drained, "a drain ends");
    }
    run.nobody_waits()?;
    let image = run.disk.image();
    run.next_start_finds(&image, true)?;
    run.next_start_finds(&image, false)?;
    Ok(written_over(&run, from) > 0)
}

#[test]
fn what_was_acknowledged_of_a_block_is_there_after_writing_it_again_failed_and_a_restart() {
    let mut over = 0;
    for nth in 0..4 {
        for topic in 1..=TOPICS {
            let drained = (nth + topic as usize).is_multiple_of(2);
            over += u32::from(kept(a_free_block_is_garbled(nth, topic, drained)));
        }
    }
    assert!(over > 4, "last blocks are written again");
}

/// A last block that counts as durable is written over by a slab that leaves memory, and what was written is never flushed.
fn a_certain_block_is_garbled(nth: usize, kind: IoKind) -> Outcome<()> {
    let mut run = started_large(nth, 0, true)?;
    run.create_topic_that_is(Durability::Written)?;
    run.create_topic_that_is(Durability::Durable)?;
    run.send_quiet(OVER, SMALL)?;
    run.go_round(3)?;
    run.idle()?;
    let durable = run.model.topics[&OVER].durable;
    assert_eq!(durable, run.model.topics[&OVER].acked_end);
    let from = run.disk.io_count();
    while run.model.topics[&OVER].acked_end < MORE_THAN_SLABS {
        run.send_quiet(OVER, LARGE)?;
    }
    assert!(written_over(&run, from) > 0);
    run.disk.fail(kind, Some(FileKind::Segment), 0, Fault::Eio);
    run.send_quiet(OVER, LARGE)?;
    run.idle()?;
    run.disk.heal();
    run.harm.healed = true;
    assert_eq!(run.harm.frozen, BTreeSet::from([OVER]));
    run.finds_it_while_the_ring_goes_round(false)
}

#[test]
fn what_was_durable_of_a_block_is_kept_while_it_may_be_garbled_by_what_was_written_over_it() {
    for nth in 0..6 {
        kept(a_certain_block_is_garbled(nth, IoKind::Flush));
        kept(a_certain_block_is_garbled(nth, IoKind::Write));
    }
}

/// A last block of a `durable` topic is written again, and that fails.
fn a_journaled_block_is_garbled(nth: usize, killed: bool) -> Outcome<()> {
    let mut run = started_large(nth, 0, true)?;
    for _ in 0..2 {
        run.create_topic_that_is(Durability::Durable)?;
    }
    run.send_quiet(OVER, SMALL)?;
    run.go_round(3)?;
    run.idle()?;
    let from = run.disk.io_count();
    run.disk
        .fail(IoKind::Write, Some(FileKind::Segment), 0, Fault::Garbled);
    run.send_quiet(OVER, LARGE)?;
    run.disk.heal();
    run.harm.healed = true;
    assert_eq!(run.harm.frozen, BTreeSet::from([OVER]));
    assert!(written_over(&run, from) > 0);
    run.finds_it_while_the_ring_goes_round(killed)
}

#[test]
fn what_was_durable_of_a_block_is_there_after_writing_it_again_failed() {
    for nth in 0..6 {
        kept(a_journaled_block_is_garbled(nth, false));
        kept(a_journaled_block_is_garbled(nth, true));
    }
}
