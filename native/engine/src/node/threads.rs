//! The threads: helpers beside the agents, and the runners that drive these.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::agents::Agents;
use super::data_dir::DataDir;
use super::front::Front;
use super::helper::Helper;
use super::wiring::{Places, IO, NETWORK};
use super::{NodeConfig, RunnerReport};
use crate::clock::Clock;
use crate::counters::CountersFile;
use crate::io::FILL;
use crate::keeper::{
    Answer, Catalogue, Finder, FlushAll, FlushedAll, Flusher, Job, Keeper, Question, Remains,
    Remover, Report, TopicFiles, STEP,
};
use crate::layout::ThreadPlan;
use crate::limits::Limits;
use crate::memory::SlabTable;
use crate::place::Seat;
use crate::queue::{Receiver, Sender};
use crate::ring::{Chosen, RingConfig};
use crate::runner::{Runner, RunnerConfig, RunnerCounters};
use crate::topics::TopicSlot;
use crate::wake::WakeHandle;

/// The helpers' ends of the queues.
pub(super) struct HelperEnds {
    pub keeper: (Receiver<Job>, Sender<Report>),
    pub finder: (Receiver<Question>, Sender<Answer>),
    pub flusher: (Receiver<FlushAll>, Sender<FlushedAll>),
}

/// Starts the keeper, the finder, the flusher and the remover on the recovered topics.
///
/// # Errors
/// The system refuses a thread; none is left then.
pub(super) fn start_helpers(
    config: &NodeConfig,
    limits: &Limits,
    chosen: Chosen,
    places: &Places,
    data: &DataDir,
    clock: Arc<dyn Clock>,
    ends: HelperEnds,
) -> io::Result<Vec<Helper>> {
    // The finder may be asked before the keeper has heard of the topics.
    let catalogue = Catalogue::new(limits.topics);
    for (topic, slot) in data.recovered.topics.iter().zip(0..limits.topics) {
        catalogue.add(TopicSlot(slot), TopicFiles::of(topic));
    }
    let io = places.wake(IO);
    let remains = Remains::new(STEP);
    let mut keeper = Keeper::new(
        data.storage.clone(),
        catalogue.clone(),
        ends.keeper,
        config.index_every_bytes,
        clock,
        remains.clone(),
    );
    let keep = move || keeper.work();
    let (questions, found) = ends.finder;
    let mut finder = Finder::new(data.storage.clone(), catalogue, questions, found);
    let find = move || finder.work();
    let mut flusher = Flusher::new(data.storage.clone(), ends.flusher.0, ends.flusher.1);
    let flush = move || flusher.work();
    let mut remover = Remover::new(data.storage.clone(), remains);
    let remove = move || {
        let before = Instant::now();
        let done = remover.work();
        if done > 0 {
            thread::sleep(remover.rest(before.elapsed()));
        }
        done
    };
    // Nobody wakes it: a removed file waits a second at most.
    let (unwoken, nobody) = (WakeHandle::new(), WakeHandle::nobody());
    Ok(vec![
        Helper::start("lance-keeper", &places.keeper, io.clone(), chosen, keep)?,
        Helper::start("lance-finder", &places.finder, io.clone(), chosen, find)?,
        Helper::start("lance-flusher", &places.flusher, io, chosen, flush)?,
        Helper::start("lance-remover", &unwoken, nobody, chosen, remove)?,
    ])
}

/// What runners share.
pub(super) struct Running<'a> {
    pub config: &'a NodeConfig,
    pub limits: &'a Limits,
    pub places: &'a Places,
    pub table: &'a Arc<SlabTable>,
    pub counters: &'a CountersFile,
    pub clock: &'a Arc<dyn Clock>,
    pub chosen: Chosen,
    /// Writes go past the device's cache (`Storage::writes_through`).
    pub write_through: bool,
}

impl Running<'_> {
    /// Starts every thread of the plan, the network agent's last: no frame meets an agent that has not heard of its
    /// topic yet. `topics` is how many `front` has handed over. Also returns what is to be announced.
    ///
    /// # Errors
    /// The system refuses a thread or a ring; none is left then.
    pub fn start(
        &self,
        mut agents: Agents,
        front: &Front,
        topics: usize,
    ) -> io::Result<(Vec<Runner>, Vec<String>)> {
        let threads = &self.places.threads;
        let stop = Arc::new(AtomicBool::new(false));
        let mut announcements = Vec::new();
        let mut runners = Vec::with_capacity(threads.len());
        for (index, thread) in threads.iter().enumerate().rev() {
            if threads.len() > 1 && thread.agents.contains(&NETWORK) {
                front.wait_loaded(topics);
            }
            let boxed = agents.take(&thread.agents);
            let names: Vec<&str> = boxed.iter().map(|agent| agent.name()).collect();
            let runner = RunnerConfig {
                name: thread.name.clone(),
                seat: Seat {
                    cpu: thread.cpu,
                    node: thread.node,
                    fifo: self.config.placement.fifo,
                    others: self.config.placement.others.clone(),
                },
                idle: thread.idle,
                wake: self.places.wakes[index].clone(),
                stop: stop.clone(),
                clock: self.clock.clone(),
                counters: RunnerCounters::new(self.counters, &thread.name, &names),
                heartbeat: (index == 0).then(|| self.counters.heartbeat()),
            };
            let (chosen, ring, memory) = (self.chosen, self.ring(thread), self.table.clone());
            let (runner, said) =
                Runner::start(runner, boxed, move || chosen.open(&ring, Some(&memory)))?;
            announcements.extend(said);
            runners.push(runner);
        }
        Ok((runners, announcements))
    }

    /// The plan as it was carried out.
    pub fn reports(&self, runners: &[Runner]) -> Vec<RunnerReport> {
        let plan = |runner: &Runner| {
            let mut named = self.places.threads.iter();
            named.find(|thread| thread.name == runner.name()).cloned()
        };
        let report = |runner: &Runner| {
            let mut plan = plan(runner)?;
            if !runner.is_pinned() {
                (plan.cpu, plan.node) = (None, None);
            }
            Some(RunnerReport {
                tid: runner.tid(),
                plan,
                fifo: runner.is_fifo(),
            })
        };
        runners.iter().rev().filter_map(report).collect()
    }

    /// What the I/O agent's ring says it is.
    pub fn backend(&self, runners: &[Runner]) -> &'static str {
        let name = self.places.thread(IO);
        let of_io = runners.iter().find(|runner| runner.name() == name);
        of_io.map_or("", Runner::backend)
    }

    /// The ring of a thread: files for the I/O agent, sockets for the network agent.
    fn ring(&self, thread: &ThreadPlan) -> RingConfig {
        let files = if thread.agents.contains(&IO) {
            self.limits.file_slots()
        } else {
            1
        };
        let ring = RingConfig {
            sq_entries: self.config.sq_depth,
            files,
            write_through: self.write_through,
            discard: self.config.discard.then_some(FILL),
            ..RingConfig::default()
        };
        if thread.agents.contains(&NETWORK) {
            ring.with_limits(self.limits)
        } else {
            ring.without_sockets()
        }
    }
}
