//! A workload: clients and an operator on one side, the disk and its crashes on the other, chance in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::endure::Harm;
use super::frames::Payload;
use super::lives::prepare;
use super::model::{Life, Model, SentFrame, TopicModel};
use super::node::{Part, SimNode, Sizes, PARTS};
use super::verify::verify;
use crate::clock::Clock as _;
use crate::io::IoCommand;
use crate::messages::{IngestFrame, RequestId, Source, Ticket, ToIo};
use crate::recovery::{write_metadata, Durability, Recovered, TopicMetadata};
use crate::ring::RecvBuffer;
use crate::sim::{Barrier, Rng, SimClock, SimDisk, Survival};
use crate::storage::Storage as _;

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    Nothing,
    /// A class of flush does nothing.
    Suppress(Barrier),
    /// Completions come before what they promise.
    Early,
}

/// Which of a workload's points are crashed at: every I/O is one, and every promise that a client or operator hears.
/// What happens at a point depends on the seed and the point alone, so one that broke a promise is seen again alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crashes {
    /// Of a hundred points, so many.
    Percent(u8),
    /// That one.
    At(u64),
}

/// How many lives in a row may follow a crash.
pub(super) const LIVES: u8 = 1;

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub seed: u64,
    /// What clients and operator do, in steps.
    pub steps: u32,
    pub crashes: Crashes,
    pub mutation: Mutation,
    /// I/O goes wrong now and then.
    pub faults: bool,
}

/// A broken promise, and how to see it again.
#[derive(Clone, Debug)]
pub struct Violation {
    pub seed: u64,
    /// The point of the workload; the last one before it for what no crash showed.
    pub point: u64,
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, point, what } = self;
        write!(f, "seed {seed}, point {point}: {what}")
    }
}

/// What a run went through.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// I/Os of the node, its start-ups included.
    pub ios: u64,
    /// Points: those, and promises heard.
    pub points: u64,
    /// How many crashes or kills were looked at, those of later lives and of recoveries counted.
    pub crashes: u64,
    pub recoveries: u64,
    pub frames: u64,
    pub acks: u64,
    pub barriers: BTreeSet<Barrier>,
}

impl Report {
    /// What was looked at in another life.
    pub(super) fn add_lives(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.recoveries += other.recoveries;
    }
}

pub(super) type Outcome<T> = Result<T, Violation>;

/// A node under way.
pub struct Run {
    pub(super) settings: Settings,
    /// How many more lives a crashed image may get.
    pub(super) lives: u8,
    /// What decides about the crash at each point.
    pub(super) chance: u64,
    pub(super) points: u64,
    pub(super) disk: SimDisk,
    pub(super) clock: SimClock,
    pub(super) rng: Rng,
    pub(super) node: SimNode,
    pub(super) model: Model,
    pub(super) next_topic: u32,
    pub(super) next_ticket: u32,
    pub(super) next_buffer: u16,
    pub(super) tickets: BTreeMap<u32, u32>,
    pub(super) buffers: BTreeMap<u16, Arc<[u8]>>,
    pub(super) commits: BTreeMap<u64, (u32, u64, u64)>,
    pub(super) queries: BTreeMap<u64, u32>,
    pub(super) next_number: u64,
    pub(super) drained: bool,
    /// What failing I/O did, and answers to fetches.
    pub(super) harm: Harm,
    pub(super) report: Report,
}

/// Runs one workload from an empty directory, crashing it on the way.
///
/// # Errors
/// The first broken promise.
pub fn run(settings: Settings) -> Outcome<Report> {
    let disk = SimDisk::new(settings.seed);
    let mut rng = Rng::new(settings.seed);
    let mut run = Run::start(settings, LIVES, disk, Model::default(), &mut rng)?;
    run.look()?;
    run.workload(settings.steps)?;
    run.report.ios += run.disk.io_count();
    run.report.points = run.points;
    run.report.barriers = run.disk.barriers();
    Ok(run.report)
}

impl Run {
    pub(super) fn start(
        settings: Settings,
        lives: u8,
        disk: SimDisk,
        model: Model,
        rng: &mut Rng,
    ) -> Outcome<Self> {
        let (run, recovered) = Self::resume(settings, lives, disk, model, rng)?;
        verify(&run.disk, &recovered, &run.model)
            .map_err(|what| settings.violated(&run.disk, what))?;
        Ok(run)
    }

    /// The same without a look at what recovery made of the directory.
    pub(super) fn resume(
        settings: Settings,
        lives: u8,
        disk: SimDisk,
        model: Model,
        rng: &mut Rng,
    ) -> Outcome<(Self, Recovered)> {
        let clock = SimClock::default();
        let mut rng = rng.fork();
        let chance = rng.next_u64();
        let next_topic = model.topics.keys().next_back().map_or(1, |last| last + 1);
        prepare(&disk, settings.mutation);
        disk.record_images();
        let early = settings.mutation == Mutation::Early;
        let started = SimNode::start(
            &disk,
            &clock,
            settings.sizes(),
            rng.next_u64(),
            next_topic,
            early,
        );
        let (node, recovered) = started.map_err(|what| settings.violated(&disk, what))?;
        let run = Self {
            settings,
            lives,
            chance,
            points: 0,
            disk,
            clock,
            rng,
            node,
            model,
            next_topic,
            next_ticket: 0,
            next_buffer: 0,
            tickets: BTreeMap::new(),
            buffers: BTreeMap::new(),
            commits: BTreeMap::new(),
            queries: BTreeMap::new(),
            next_number: 0,
            drained: false,
            harm: Harm::default(),
            report: Report::default(),
        };
        Ok((run, recovered))
    }

    pub(super) fn workload(&mut self, steps: u32) -> Outcome<()> {
        while self.next_topic < 3 {
            self.create_topic()?;
        }
        for _ in 0..steps {
            self.act()?;
            for _ in 0..self.rng.below(40) {
                self.tick()?;
            }
        }
        self.settle()?;
        self.promised()?;
        if self.rng.percent(50) {
            self.restart()?;
        }
        Ok(())
    }

    pub(super) fn act(&mut self) -> Outcome<()> {
        match self.rng.below(100) {
            0..60 => self.send(),
            60..68 => self.commit(),
            68..74 => return self.idle(),
            74..88 if self.settings.faults => {}
            74..78 if self.model.topics.len() < 5 => return self.create_topic(),
            78..80 => self.remove_topic(),
            80..84 => self.with_topic(|query, topic, _| IoCommand::Seal {
                query,
                topic: topic.id,
            }),
            84..88 => self.with_topic(|query, topic, rng| {
                topic.retained_from = topic.retained_from.max(rng.below(topic.acked_end + 1));
                IoCommand::Retain {
                    query,
                    topic: topic.id,
                    below_offset: topic.retained_from,
                }
            }),
            88..91 if !self.settings.faults => return self.restart(),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn some_topic(&mut self) -> Option<u32> {
        let live: Vec<u32> = self
            .model
            .topics
            .values()
            .filter(|topic| topic.life == Life::Live)
            .map(|topic| topic.id)
            .collect();
        (!live.is_empty()).then(|| *self.rng.pick(&live))
    }

    pub(super) fn with_topic(
        &mut self,
        command: impl FnOnce(u64, &mut TopicModel, &mut Rng) -> IoCommand,
    ) {
        let Some(topic) = self
            .some_topic()
            .and_then(|id| self.model.topics.get_mut(&id))
        else {
            return;
        };
        self.next_number += 1;
        let command = command(self.next_number, topic, &mut self.rng);
        self.queries.insert(self.next_number, topic.id);
        self.node.command(command);
    }

    pub(super) fn send(&mut self) {
        let Some(first) = self.some_topic() else {
            return;
        };
        for _ in 0..self.rng.within(1, 6) {
            let topic = if self.rng.percent(70) {
                Some(first)
            } else {
                self.some_topic()
            };
            if !self.send_to(topic.unwrap_or(first)) {
                return;
            }
        }
    }

    /// Sends one frame. False: there is no room.
    pub(super) fn send_to(&mut self, topic: u32) -> bool {
        let payload = Payload::random(&mut self.rng);
        self.send_payload(topic, payload)
    }

    pub(super) fn send_payload(&mut self, topic: u32, payload: Payload) -> bool {
        let now = self.clock.now();
        let frame = IngestFrame {
            ticket: Ticket(self.next_ticket),
            topic,
            payload: payload.sent.as_ptr(),
            len: payload.sent.len() as u32,
            checksum: payload.checksum,
            kind: payload.kind,
            compressed: false,
            records: payload.records,
            producer_ns: now.wall_ns,
            received_ns: now.wall_ns,
            enqueued_mono_ns: now.mono_ns,
            complete_mono_ns: now.mono_ns,
            source: Source::Shared(RecvBuffer(self.next_buffer)),
        };
        if !self.node.send(frame) {
            return false;
        }
        self.buffers.insert(self.next_buffer, payload.sent);
        self.tickets.insert(self.next_ticket, frame.topic);
        let topic = self
            .model
            .topics
            .get_mut(&frame.topic)
            .expect("a live topic");
        topic.sent.push(SentFrame {
            ticket: self.next_ticket,
            stored: payload.stored,
        });
        self.next_ticket += 1;
        self.next_buffer = self.next_buffer.wrapping_add(1);
        self.report.frames += 1;
        true
    }

    pub(super) fn commit(&mut self) {
        let Some(topic) = self.some_topic() else {
            return;
        };
        let (consumer, offset) = (self.rng.below(3), self.rng.below(10_000));
        self.next_number += 1;
        let request = RequestId(self.next_number);
        let asked = ToIo::Commit {
            request,
            topic,
            consumer,
            offset,
        };
        if self.node.ask(asked) {
            self.commits.insert(request.0, (topic, consumer, offset));
            let known = self.model.topics.get_mut(&topic).expect("a live topic");
            known
                .commits
                .entry(consumer)
                .or_default()
                .asked
                .push(offset);
        }
    }

    /// What the control plane does: the directory and its metadata are durable before the engine hears of the topic.
    pub(super) fn create_topic(&mut self) -> Outcome<()> {
        let durability = if self.rng.percent(70) {
            Durability::Durable
        } else {
            Durability::Written
        };
        self.create_topic_that_is(durability)
    }

    pub(super) fn create_topic_that_is(&mut self, durability: Durability) -> Outcome<()> {
        let topic = TopicModel::new(self.next_topic, durability);
        let metadata = TopicMetadata {
            id: topic.id,
            name: topic.name.clone(),
            created_at: 1_764_000_000,
            epoch: 1,
            durability,
            retention: None,
            resume: None,
        };
        self.next_topic += 1;
        self.next_number += 1;
        self.queries.insert(self.next_number, topic.id);
        let made = self.disk.make_dir(&format!("segments/{}", topic.name));
        self.model.topics.insert(topic.id, topic);
        made.map_err(|error| self.violated(format!("make_dir: {error}")))?;
        write_metadata(&self.disk, &metadata)
            .map_err(|error| self.violated(format!("metadata: {error}")))?;
        let flushed = self.disk.flush_dir("segments");
        flushed.map_err(|error| self.violated(format!("flush_dir: {error}")))?;
        self.look()?;
        self.node.add_topic(self.next_number, metadata);
        self.settle()
    }

    pub(super) fn remove_topic(&mut self) {
        self.with_topic(|query, topic, _| {
            topic.life = Life::Removing;
            IoCommand::Remove {
                query,
                topic: topic.id,
            }
        });
    }

    pub(super) fn tick(&mut self) -> Outcome<()> {
        let part = *self.rng.pick(&[
            Part::Ingest,
            Part::Io,
            Part::Io,
            Part::Reap,
            Part::Reap,
            Part::Keeper,
            Part::Finder,
            Part::Flusher,
        ]);
        self.node.tick(part);
        self.look()?;
        self.hear()?;
        self.clock.advance(self.rng.within(100, 40_000));
        Ok(())
    }

    /// Until nothing moves any more.
    pub(super) fn settle(&mut self) -> Outcome<()> {
        let mut quiet = 0;
        for _ in 0..4000 {
            let mut done = 0;
            for part in PARTS {
                done += self.node.tick(part);
                self.look()?;
                self.hear()?;
            }
            let now = self.clock.now().mono_ns;
            match self.node.next_completion_ns() {
                _ if done > 0 => quiet = 0,
                Some(at) => self.clock.advance(at.saturating_sub(now).max(1)),
                None if quiet > 3 => return Ok(()),
                None => {
                    quiet += 1;
                    self.clock.advance(1000);
                }
            }
        }
        let last: Vec<_> = self
            .disk
            .trace()
            .into_iter()
            .rev()
            .take(8)
            .map(|io| (io.kind, io.path, io.at, io.len))
            .collect();
        Err(self.violated(format!(
            "the node never comes to rest; its last I/Os: {last:?}"
        )))
    }

    /// Some seconds without clients.
    pub(super) fn idle(&mut self) -> Outcome<()> {
        for _ in 0..3 {
            self.settle()?;
            self.clock.advance(1_100_000_000);
        }
        self.settle()
    }

    /// A clean stop and a start on what it left.
    pub(super) fn restart(&mut self) -> Outcome<()> {
        self.node.refuse_frames();
        self.settle()?;
        self.node.command(IoCommand::Drain);
        for _ in 0..5 {
            self.settle()?;
            if self.drained {
                break;
            }
            self.clock.advance(500_000_000);
        }
        if !self.drained {
            return Err(self.violated("a drain never ends".into()));
        }
        if let Some((ticket, topic)) = self.tickets.first_key_value() {
            return Err(self.violated(format!(
                "ticket {ticket} of topic {topic} got no answer before the drain ended"
            )));
        }
        self.without_journal()?;
        let killed = self.disk.image().after_kill(self.rng.next_u64());
        let model = self.after_recovery_of(&killed.after_crash(Survival::EVERYTHING, 0))?;
        let mut next = Self::start(self.settings, self.lives, killed, model, &mut self.rng)?;
        self.report.ios += self.disk.io_count();
        std::mem::swap(&mut self.report, &mut next.report);
        next.report.add_lives(&self.report);
        next.report.barriers.extend(self.disk.barriers());
        next.points = self.points;
        *self = next;
        self.look()
    }

    pub(super) fn violated(&self, what: String) -> Violation {
        let point = self.points;
        Violation {
            point,
            ..self.settings.violated(&self.disk, what)
        }
    }
}

impl Settings {
    /// Of a run whose test says itself what happens, when it crashes included.
    pub(super) fn directed(seed: u64, faults: bool) -> Self {
        Self {
            seed,
            steps: 0,
            crashes: Crashes::Percent(0),
            mutation: Mutation::Nothing,
            faults,
        }
    }
    pub(super) fn sizes(&self) -> Sizes {
        Sizes::of(self.seed)
    }
    pub(super) fn violated(&self, disk: &SimDisk, what: String) -> Violation {
        Violation {
            seed: self.seed,
            point: disk.io_count(),
            what,
        }
    }
}
