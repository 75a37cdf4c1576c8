//! Crashes and kills, and what the next start finds.

use std::collections::BTreeMap;

use super::model::{Life, Model};
use super::node::recover_directory;
use super::run::{Mutation, Outcome, Run, Settings};
use super::verify::{verify, Stream};
use crate::sim::{Image, SimDisk, Survival};
use crate::storage::Storage as _;

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

    pub(super) fn look(&mut self) -> Outcome<()> {
        for image in self.disk.take_images() {
            if self.rng.percent(self.settings.crashes) {
                self.crash(&image)?;
            }
        }
        Ok(())
    }

    pub(super) fn crash_now(&mut self) -> Outcome<()> {
        self.crash(&self.disk.image())
    }

    /// Lets the power go, or the process die, and looks at what the next start finds.
    pub(super) fn crash(&mut self, image: &Image) -> Outcome<()> {
        let seed = self.rng.next_u64();
        let survival = if self.rng.percent(50) {
            Survival::NOTHING
        } else {
            Survival::random(&mut self.rng)
        };
        let killed = self.rng.percent(10);
        let left = if killed {
            image.after_kill(seed)
        } else {
            image.after_crash(survival, seed)
        };
        self.next_life(left).map_err(|mut violation| {
            let how = if killed {
                "killed".to_owned()
            } else {
                format!("{survival:?}")
            };
            violation.what = format!(
                "crash at I/O {} ({how}, seed {seed}): {}",
                image.io, violation.what
            );
            violation.io = image.io;
            violation
        })
    }

    pub(super) fn next_life(&mut self, left: SimDisk) -> Outcome<()> {
        let watched = self.rng.percent(20);
        if watched {
            left.record_images();
        }
        let model = self.after_recovery_of(&left)?;
        for image in left.take_images() {
            if self.rng.percent(30) {
                let seed = self.rng.next_u64();
                let survival = Survival::random(&mut self.rng);
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
        if self.rng.percent(30) {
            // What recovery found is readable, so it is a promise now.
            let again = left.after_crash(Survival::NOTHING, 0);
            recover_and_verify(&again, &model, self.settings, self.next_topic).map_err(
                |mut violation| {
                    violation.what = format!("crash right after recovery: {}", violation.what);
                    violation
                },
            )?;
            self.report.recoveries += 1;
        }
        if self.lives > 0 && self.rng.percent(2) {
            let settings = Settings {
                steps: 8,
                crashes: self.settings.crashes.min(30),
                ..self.settings
            };
            let image = left.image().after_kill(0);
            let mut next = Self::start(settings, self.lives - 1, image, model, &mut self.rng)?;
            next.workload(8).map_err(|mut violation| {
                violation.what = format!("in the next life: {}", violation.what);
                violation
            })?;
            self.report.recoveries += next.report.recoveries;
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
