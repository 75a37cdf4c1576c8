//! Crashes and kills, and what the next start finds.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::model::{Life, Model};
use super::node::recover_directory;
use super::run::{Crashes, Mutation, Outcome, Run, Settings, LIVES};
use super::verify::{verify, Stream};
use crate::sim::{Image, Rng, SimDisk, Survival};
use crate::storage::Storage as _;

/// Steps of a life after a crash, and of a hundred of its points how many are crashed at.
const LATER_STEPS: u32 = 8;
const LATER_CRASHES: u8 = 25;

thread_local! {
    /// The point that was crashed at last on this thread, for whoever catches a panic.
    pub(super) static LAST_POINT: Cell<u64> = const { Cell::new(0) };
}

impl Run {
    /// A directory that was stopped cleanly is complete without its journal (formats.md, "Journal").
    pub(super) fn without_journal(&mut self) -> Outcome<()> {
        let disk = self.disk.after_crash(Survival::NOTHING, 0);
        let unlinked = disk.list("journal").and_then(|names| {
            names
                .iter()
                .filter(|name| name.ends_with(".lnj"))
                .try_for_each(|name| disk.unlink(&format!("journal/{name}")))
        });
        unlinked.map_err(|error| self.violated(format!("journal: {error}")))?;
        self.after_recovery_of(&disk)
            .map(|_| ())
            .map_err(|mut violation| {
                violation.what =
                    format!("without its journal after a clean stop: {}", violation.what);
                violation
            })
    }

    /// Goes through the I/Os since the last look.
    pub(super) fn look(&mut self) -> Outcome<()> {
        for image in self.disk.take_images() {
            self.point(|_| image)?;
        }
        Ok(())
    }

    /// Somebody was told something: from now on it is a promise.
    pub(super) fn promised(&mut self) -> Outcome<()> {
        self.point(|run| run.disk.image())
    }

    fn point(&mut self, image: impl FnOnce(&Self) -> Image) -> Outcome<()> {
        self.points += 1;
        let point = self.points;
        let mut rng = Rng::new(self.chance ^ point.wrapping_mul(0x9FB2_1C65_1E98_DF25));
        // What happens at a point must not depend on why it was chosen.
        let (draw, mut rng) = (rng.below(100), rng.fork());
        let chosen = match self.settings.crashes {
            Crashes::Percent(percent) => draw < u64::from(percent),
            Crashes::At(at) => point == at,
        };
        if !chosen {
            return Ok(());
        }
        if self.lives == LIVES {
            LAST_POINT.set(point);
        }
        let image = image(self);
        self.crash(&image, &mut rng).map_err(|mut violation| {
            violation.point = point;
            violation
        })
    }

    /// Lets the power go, or the process die, and looks at what the next start finds.
    fn crash(&mut self, image: &Image, rng: &mut Rng) -> Outcome<()> {
        let seed = rng.next_u64();
        let survival = if rng.percent(50) {
            Survival::NOTHING
        } else {
            Survival::random(rng)
        };
        let killed = rng.percent(10);
        self.report.crashes += 1;
        let left = if killed {
            image.after_kill(seed)
        } else {
            image.after_crash(survival, seed)
        };
        self.next_life(left, rng).map_err(|mut violation| {
            let how = if killed {
                "killed".to_owned()
            } else {
                format!("{survival:?}")
            };
            violation.what = format!("crash at I/O {} ({how}): {}", image.io, violation.what);
            violation
        })
    }

    fn next_life(&mut self, left: SimDisk, rng: &mut Rng) -> Outcome<()> {
        let watched = rng.percent(20);
        if watched {
            left.record_images();
        }
        let model = self.after_recovery_of(&left)?;
        for image in left.take_images() {
            if rng.percent(30) {
                let seed = rng.next_u64();
                let survival = Survival::random(rng);
                self.report.crashes += 1;
                self.after_recovery_of(&image.after_crash(survival, seed))
                    .map_err(|mut violation| {
                        violation.what = format!(
                            "crash at I/O {} of recovery ({survival:?}): {}",
                            image.io, violation.what
                        );
                        violation
                    })?;
            }
        }
        if rng.percent(30) {
            // What recovery found is readable, so it is a promise now.
            let again = left.after_crash(Survival::NOTHING, 0);
            recover_and_verify(&again, &model, self.settings, self.next_topic).map_err(
                |mut violation| {
                    violation.what = format!("crash right after recovery: {}", violation.what);
                    violation
                },
            )?;
            self.report.crashes += 1;
            self.report.recoveries += 1;
        }
        if self.lives > 0 && rng.percent(2) {
            let settings = Settings {
                crashes: Crashes::Percent(LATER_CRASHES),
                ..self.settings
            };
            let image = left.image().after_kill(0);
            let mut next = Self::start(settings, self.lives - 1, image, model, rng)?;
            next.look()
                .and_then(|()| next.workload(LATER_STEPS))
                .map_err(|mut violation| {
                    violation.what = format!("in the next life: {}", violation.what);
                    violation
                })?;
            self.report.add_lives(&next.report);
        }
        Ok(())
    }

    /// Recovers, compares, and returns what is promised from then on.
    pub(super) fn after_recovery_of(&mut self, disk: &SimDisk) -> Outcome<Model> {
        self.report.recoveries += 1;
        let streams = recover_and_verify(disk, &self.model, self.settings, self.next_topic)?;
        let mut model = self.model.clone();
        for topic in model.topics.values_mut() {
            match (streams.get(&topic.id), topic.life) {
                (_, Life::Removing | Life::Removed) => {}
                (Some(stream), _) => {
                    topic.cut(stream.end());
                    topic.retained_from = topic.retained_from.max(stream.first_offset);
                }
                (None, _) => topic.life = Life::Removed,
            }
        }
        Ok(model)
    }
}

pub(super) fn prepare(disk: &SimDisk, mutation: Mutation) {
    if let Mutation::Suppress(barrier) = mutation {
        disk.suppress(barrier);
    }
}

fn recover_and_verify(
    disk: &SimDisk,
    model: &Model,
    settings: Settings,
    next_topic: u32,
) -> Outcome<BTreeMap<u32, Stream>> {
    prepare(disk, settings.mutation);
    let recovered = recover_directory(disk, settings.sizes(), next_topic)
        .map_err(|what| settings.violated(disk, what))?;
    verify(disk, &recovered, model).map_err(|what| settings.violated(disk, what))
}
