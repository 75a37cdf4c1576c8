//! A topic that froze, in a node that goes on for a long time: its journal entries must not stop the others.

use std::collections::BTreeSet;

use super::endure::Endured;
use super::frames::Payload;
use super::model::Model;
use super::run::{Outcome, Run, Settings};
use crate::recovery::Durability;
use crate::sim::{Fault, FileKind, IoKind, Rng, SimDisk, Survival};

/// The topic that freezes, and the one that goes on.
const FROZEN: u32 = 1;
const LIVING: u32 = 2;
/// Chunks that the living one's records fill, more than a ring may have.
const CHUNKS: u64 = 12;
/// Of what no flush covers, neither old nor new bytes are left.
pub(super) const GARBLED: Survival = Survival {
    garbled: 100,
    ..Survival::NOTHING
};
/// What is quiet enough for the journal.
const QUIET: (u64, u64) = (20_000, 50_000);

impl Run {
    pub(super) fn send_quiet(&mut self, topic: u32, (least, most): (u64, u64)) -> Outcome<()> {
        let payload = Payload::sized(&mut self.rng, least, most);
        assert!(self.send_payload(topic, payload), "one frame at a time");
        self.settle()
    }

    /// Lets the living topic fill so many chunks.
    pub(super) fn go_round(&mut self, chunks: u64) -> Outcome<()> {
        let end = self.model.topics[&LIVING].acked_end + chunks * self.settings.sizes().chunk_bytes;
        while self.model.topics[&LIVING].acked_end < end {
            let before = self.model.topics[&LIVING].acked;
            self.send_quiet(LIVING, QUIET)?;
            if self.model.topics[&LIVING].acked == before {
                let what = format!("topic {LIVING} takes nothing any more");
                return Err(self.violated(what));
            }
        }
        Ok(())
    }

    /// Has I/O of the topic's segment fail while acknowledged records of it are in the journal alone.
    fn freeze_one(&mut self, written: bool) -> Outcome<()> {
        let kind = *self.rng.pick(&[IoKind::Write, IoKind::Flush]);
        if written {
            // Quiet records in a slab that leaves memory before its segment is flushed, while the journal is.
            let parted = self.rng.percent(50);
            if parted {
                self.send_quiet(FROZEN, (1, 15_000))?;
            }
            // More than all slabs hold: what was written and not flushed is not in memory any more.
            for number in 0..self.rng.within(14, 20) {
                self.send_quiet(FROZEN, (100_000, 150_000))?;
                if parted && number == 2 {
                    self.send_quiet(LIVING, (1, 15_000))?;
                }
            }
        }
        for _ in 0..self.rng.within(1, 5) {
            self.send_quiet(FROZEN, (1, 15_000))?;
        }
        self.disk.fail(kind, Some(FileKind::Segment), 0, Fault::Eio);
        while !self.harm.frozen.contains(&FROZEN) {
            if written {
                // The interval's flush; the journal's comes with it, and then the last quiet records are durable.
                self.idle()?;
            }
            if !self.harm.frozen.contains(&FROZEN) {
                self.send_quiet(FROZEN, (100_000, 150_000))?;
            }
        }
        self.disk.heal();
        self.harm.healed = true;
        assert_eq!(self.harm.frozen, BTreeSet::from([FROZEN]));
        Ok(())
    }
}

/// Freezes a topic, goes on for a long time, and lets the power go or the process die.
fn outlived(seed: u64, written: bool) -> Outcome<Run> {
    let settings = Settings::directed(seed, true);
    let mut rng = Rng::new(seed);
    let disk = SimDisk::new(seed);
    let mut run = Run::start(settings, 0, disk, Model::default(), &mut rng)?;
    if written {
        run.create_topic_that_is(Durability::Written)?;
    }
    while run.next_topic <= LIVING {
        run.create_topic()?;
    }
    // Now and then the topic was settled before, and its last block is one that was written padded.
    if run.rng.percent(60) {
        run.send_quiet(FROZEN, (1, 15_000))?;
        run.go_round(3)?;
    }
    run.freeze_one(written)?;
    run.go_round(CHUNKS)?;
    run.nobody_waits()?;
    run.acknowledged_is_served(&mut Endured::default())?;
    let (image, seed) = (run.disk.image(), run.rng.next_u64());
    let left = match run.disk.failed_flushes() == 0 && run.rng.percent(50) {
        true => image.after_kill(seed),
        false => image.after_crash(*run.rng.pick(&[Survival::NOTHING, GARBLED]), seed),
    };
    let model = run.after_recovery_of(&left.after_crash(Survival::EVERYTHING, 0))?;
    Run::start(settings, 0, left, model, &mut run.rng)?;
    Ok(run)
}

fn the_ring_stays_small(seeds: std::ops::Range<u64>, written: bool) {
    for seed in seeds {
        let run = outlived(seed, written).unwrap_or_else(|violation| panic!("{violation}"));
        let chunks: BTreeSet<String> = run
            .disk
            .trace()
            .into_iter()
            .map(|io| io.path)
            .filter(|path| path.ends_with(".lnj"))
            .collect();
        assert!(
            chunks.len() <= 4,
            "seed {seed}: the ring grew to {chunks:?}"
        );
    }
}

#[test]
fn a_frozen_topic_does_not_keep_the_journal_from_going_round() {
    the_ring_stays_small(0..12, false);
}

#[test]
fn neither_does_one_whose_written_bytes_left_memory_before_they_were_flushed() {
    the_ring_stays_small(0..8, true);
}
