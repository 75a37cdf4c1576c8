//! Failing I/O under a whole node: what was acknowledged stays and is served, what cannot be kept freezes, everything
//! else goes on (design.md, sections 5 and 11).

use std::collections::BTreeSet;

use super::model::{Life, Model};
use super::run::{Outcome, Run, Settings};
use crate::error::{ErrorCode, Refusal};
use crate::io::IoCommand;
use crate::messages::{ChecksumKind, FetchMode, FetchRequest, RequestId, ToIo};
use crate::node::LogEvent;
use crate::sim::{Fault, FileKind, IoKind, Rng, SimDisk, Survival};

/// Lives of a workload with faults, and steps before and after a fault is planned in each.
const ROUNDS: u32 = 4;
const BEFORE: u32 = 8;
const AFTER: u32 = 12;
const MOST_BYTES: u32 = 64 * 1024;

/// What failing I/O did to a node.
#[derive(Default)]
pub struct Harm {
    /// Topics that froze, by id.
    pub frozen: BTreeSet<u32>,
    pub journal_failed: bool,
    /// Failures that froze nothing.
    pub background: u64,
    /// Nothing goes wrong any more.
    pub healed: bool,
    /// The fetch under way, and its answer: bytes and next offset.
    pub fetching: Option<RequestId>,
    pub fetched: Option<Result<(Vec<u8>, u64), Refusal>>,
}

impl Harm {
    pub fn note(&mut self, log: &LogEvent) {
        match log {
            LogEvent::TopicFrozen { topic, .. } => {
                self.frozen.insert(*topic);
            }
            LogEvent::JournalFailed { .. } => self.journal_failed = true,
            LogEvent::Background { .. } => self.background += 1,
            _ => {}
        }
    }
}

/// What a workload with faults went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endured {
    pub faults: u64,
    pub frozen: u64,
    pub journals_failed: u64,
    pub background: u64,
    pub lives: u64,
    /// Topics that took and acknowledged a frame after a fault froze another one or none.
    pub went_on: u64,
    /// Bytes read back from the running node, those of frozen topics counted apart too.
    pub read: u64,
    pub read_frozen: u64,
}

impl std::ops::AddAssign for Endured {
    fn add_assign(&mut self, other: Self) {
        self.faults += other.faults;
        self.frozen += other.frozen;
        self.journals_failed += other.journals_failed;
        self.background += other.background;
        self.lives += other.lives;
        self.went_on += other.went_on;
        self.read += other.read;
        self.read_frozen += other.read_frozen;
    }
}

/// Runs one workload whose I/O goes wrong now and then, through several lives.
///
/// # Errors
/// The first broken promise.
pub fn endure(settings: Settings) -> Outcome<Endured> {
    let mut rng = Rng::new(settings.seed);
    let disk = SimDisk::new(settings.seed);
    let mut run = Run::start(settings, 0, disk, Model::default(), &mut rng)?;
    let mut endured = Endured::default();
    while run.next_topic < 4 {
        run.create_topic()?;
    }
    for _ in 0..ROUNDS {
        run.steps(BEFORE)?;
        run.plan_faults(&mut endured);
        run.steps(AFTER)?;
        run.idle()?;
        run.disk.heal();
        run.harm.healed = true;
        run.idle()?;
        run.nobody_waits()?;
        run.acknowledged_is_served(&mut endured)?;
        run.others_go_on(&mut endured)?;
        run.live_again(&mut endured)?;
    }
    Ok(endured)
}

impl Run {
    fn steps(&mut self, steps: u32) -> Outcome<()> {
        for _ in 0..steps {
            self.act()?;
            for _ in 0..self.rng.below(40) {
                self.tick()?;
            }
        }
        Ok(())
    }

    /// Whether I/O errors explain that a frame of a topic is refused.
    pub(super) fn is_excused(&self, topic: u32, refusal: Refusal) -> bool {
        refusal.code == ErrorCode::Storage
            && (self.harm.frozen.contains(&topic) || self.harm.journal_failed || !self.harm.healed)
            && self.settings.faults
    }

    fn plan_faults(&mut self, endured: &mut Endured) {
        use FileKind::{Consumers, Index, Journal, Segment, Spare};
        const PLACES: [(IoKind, Option<FileKind>); 19] = [
            (IoKind::Write, Some(Journal)),
            (IoKind::Write, Some(Segment)),
            (IoKind::Write, Some(Segment)),
            (IoKind::Write, Some(Consumers)),
            (IoKind::Write, Some(Index)),
            (IoKind::Write, Some(Spare)),
            (IoKind::Flush, Some(Journal)),
            (IoKind::Flush, Some(Segment)),
            (IoKind::Flush, Some(Segment)),
            (IoKind::Flush, Some(Consumers)),
            (IoKind::Flush, Some(Index)),
            (IoKind::Flush, Some(Spare)),
            (IoKind::FlushAll, None),
            (IoKind::Read, None),
            (IoKind::FlushDir, None),
            (IoKind::Create, None),
            (IoKind::Rename, None),
            (IoKind::Truncate, Some(Segment)),
            (IoKind::Allocate, None),
        ];
        for _ in 0..self.rng.within(1, 2) {
            endured.faults += 1;
            if self.rng.percent(15) {
                let from = self.disk.io_count() + self.rng.below(40);
                self.disk.fill_up_from(Some(from));
                continue;
            }
            let (kind, of) = *self.rng.pick(&PLACES);
            let short = kind == IoKind::Write && self.rng.percent(40);
            let fault = match of {
                _ if short => Fault::Short,
                // Of a segment the running node would have to serve what is garbled.
                Some(Journal) => Fault::Garbled,
                _ => Fault::Eio,
            };
            self.disk.fail(kind, of, self.rng.below(5), fault);
        }
    }

    /// Every frame and commit is answered, and no flush that failed was tried again.
    pub(super) fn nobody_waits(&mut self) -> Outcome<()> {
        if let Some((ticket, topic)) = self.tickets.first_key_value() {
            let what = format!("ticket {ticket} of topic {topic} is never answered");
            return Err(self.violated(what));
        }
        if let Some((request, commit)) = self.commits.first_key_value() {
            let what = format!("commit {request} {commit:?} is never answered");
            return Err(self.violated(what));
        }
        match self.disk.flushed_again().first() {
            Some(path) => Err(self.violated(format!("a flush of {path} failed and was repeated"))),
            None => Ok(()),
        }
    }

    /// What was acknowledged can be read from the running node, byte for byte, from frozen topics too.
    pub(super) fn acknowledged_is_served(&mut self, endured: &mut Endured) -> Outcome<()> {
        let ids: Vec<u32> = self.model.topics.keys().copied().collect();
        for id in ids {
            let known = &self.model.topics[&id];
            if known.life != Life::Live {
                continue;
            }
            let (mut at, end) = (known.base, known.acked_end);
            let sent = known.sent.iter().take(known.acked);
            let expected: Vec<u8> = sent.flat_map(|frame| frame.stored.to_vec()).collect();
            while at < end {
                let (bytes, next) = self.fetch(id, at)?;
                let until = next.min(end);
                let from = (at - self.model.topics[&id].base) as usize;
                let there = &bytes[..(until - at) as usize];
                if *there != expected[from..from + there.len()] {
                    return Err(self.violated(format!("topic {id} serves wrong bytes at {at}")));
                }
                endured.read += there.len() as u64;
                if self.harm.frozen.contains(&id) || self.harm.journal_failed {
                    endured.read_frozen += there.len() as u64;
                }
                at = next;
            }
        }
        Ok(())
    }

    fn fetch(&mut self, topic: u32, offset: u64) -> Outcome<(Vec<u8>, u64)> {
        match self.ask_for(topic, offset)? {
            Ok((_, next)) if next <= offset => Err(self.violated(format!(
                "topic {topic} serves nothing at {offset}, which is acknowledged"
            ))),
            Ok(answer) => Ok(answer),
            Err(refusal) => Err(self.violated(format!(
                "topic {topic} refuses to serve {offset}, which is acknowledged: {refusal:?}"
            ))),
        }
    }

    /// Fetches from the running node: bytes and the offset behind them, or why not.
    pub(super) fn ask_for(
        &mut self,
        topic: u32,
        offset: u64,
    ) -> Outcome<Result<(Vec<u8>, u64), Refusal>> {
        self.next_number += 1;
        let request = RequestId(self.next_number);
        self.harm.fetching = Some(request);
        let asked = self.node.ask(ToIo::Fetch(FetchRequest {
            request,
            topic,
            offset,
            max_bytes: MOST_BYTES,
            min_bytes: 1,
            deadline_ns: 0,
            asked_ns: 0,
            mode: FetchMode::Records,
            kind: ChecksumKind::Crc32c,
        }));
        assert!(asked, "one request at a time");
        self.settle()?;
        let answer = self.harm.fetched.take();
        answer.ok_or_else(|| self.violated(format!("a fetch of topic {topic} is never answered")))
    }

    /// Topics that no error concerns take and acknowledge a frame.
    fn others_go_on(&mut self, endured: &mut Endured) -> Outcome<()> {
        if self.harm.journal_failed {
            return Ok(());
        }
        let live: Vec<u32> = self
            .model
            .topics
            .values()
            .filter(|known| known.life == Life::Live && !self.harm.frozen.contains(&known.id))
            .map(|known| known.id)
            .collect();
        for id in live {
            let before = self.model.topics[&id].acked;
            self.send_to(id);
            self.idle()?;
            self.nobody_waits()?;
            if self.model.topics[&id].acked == before {
                let what = format!("topic {id} is not frozen and takes nothing any more");
                return Err(self.violated(what));
            }
            endured.went_on += 1;
        }
        Ok(())
    }

    /// The next life: after a clean stop or none, a kill or a power cut.
    fn live_again(&mut self, endured: &mut Endured) -> Outcome<()> {
        endured.lives += 1;
        endured.frozen += self.harm.frozen.len() as u64;
        endured.journals_failed += u64::from(self.harm.journal_failed);
        endured.background += self.harm.background;
        if self.rng.percent(40) {
            self.node.refuse_frames();
            self.settle()?;
            self.node.command(IoCommand::Drain);
            for _ in 0..5 {
                self.idle()?;
            }
            if !self.drained {
                return Err(self.violated("a drain never ends".into()));
            }
        }
        let image = self.disk.image();
        let seed = self.rng.next_u64();
        // After a failed flush the page cache shows what no disk has: only a power cut tells the truth then.
        let left = if self.disk.failed_flushes() == 0 && self.rng.percent(50) {
            self.model.promise_accepted();
            image.after_kill(seed)
        } else if self.rng.percent(50) {
            image.after_crash(Survival::NOTHING, seed)
        } else {
            image.after_crash(Survival::random(&mut self.rng), seed)
        };
        let model = self.after_recovery_of(&left.after_crash(Survival::EVERYTHING, 0))?;
        let next = Self::start(self.settings, 0, left, model, &mut self.rng)?;
        *self = next;
        self.settle()
    }
}
