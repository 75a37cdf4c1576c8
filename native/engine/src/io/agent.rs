//! The I/O agent: owns every file of the data plane, and what is known of each byte's way to it.

use std::sync::Arc;

use super::acks::PendingEntry;
use super::carry::Carrying;
use super::commits::Commits;
use super::control::{IoCommand, IoEvent};
use super::counters::IoCounters;
use super::device::Device;
use super::flush_all::{Flushes, Together};
use super::journal::Journal;
use super::protect::Protecting;
use super::reader::Reader;
use super::rescue::Rescue;
use super::segment::Segments;
use super::settle::Pace;
use super::slabs::Slabs;
use super::tails::Tails;
use super::topic::{Batch, Frame, Topic};
use crate::agent::{Agent, Cx};
use crate::clock::Clock;
use crate::counters::CountersFile;
use crate::error::Refusal;
use crate::handoff::{FromDisk, Shared, ToDisk};
use crate::keeper::{Answer, FlushAll, FlushedAll, Job, Question, Report};
use crate::limits::{Limits, BLOCK};
use crate::list::{Arena, SlotQueue};
use crate::memory::{approach, Pool, SlabId, SlabTable};
use crate::messages::{FromIo, RequestId, ToIo};
use crate::node::LogEvent;
use crate::queue::{Receiver, Sender};
use crate::ring::{Completion, DiskRing, FileSlot, Token, WakeRing};
use crate::storage::Handle;
use crate::topics::{TopicMap, TopicSlot};
use crate::wake::WakeHandle;

/// What the agent needs of its thread's ring.
pub trait IoRing: DiskRing + WakeRing {}
impl<T: DiskRing + WakeRing + ?Sized> IoRing for T {}

/// How the agent writes.
#[derive(Clone)]
pub struct IoConfig {
    /// The agent's number on its runner, for tokens.
    pub agent: u8,
    pub flush_interval_ns: u64,
    pub flushes: Flushes,
    pub chunk_bytes: u64,
    /// No segment is longer, unless one batch is: room is not reserved beyond.
    pub segment_max_bytes: u64,
    pub index_every_bytes: u64,
    pub next_topic_id: u32,
    /// Chunk files, all free, the first to be written first.
    pub chunks: Vec<(u64, Handle)>,
    pub generation: u64,
    pub sequence: u64,
    /// For the stages of a frame, which a duty cycle's time is too coarse for.
    pub clock: Arc<dyn Clock>,
}

/// The agent's ends of the queues.
pub struct IoEnds {
    pub from_ingest: Receiver<ToDisk>,
    pub to_ingest: Sender<FromDisk>,
    pub from_network: Receiver<ToIo>,
    pub to_network: Sender<FromIo>,
    pub to_keeper: Sender<Job>,
    pub from_keeper: Receiver<Report>,
    pub to_finder: Sender<Question>,
    pub from_finder: Receiver<Answer>,
    pub to_flusher: Sender<FlushAll>,
    pub from_flusher: Receiver<FlushedAll>,
    pub commands: Receiver<IoCommand>,
    pub events: Sender<IoEvent>,
    pub ingest: WakeHandle,
    pub network: WakeHandle,
    pub keeper: WakeHandle,
    pub finder: WakeHandle,
    pub flusher: WakeHandle,
    pub control: WakeHandle,
}

/// The pools that the agent owns.
pub struct IoPools {
    pub responses: Pool,
    pub reads: Pool,
    pub journal: Pool,
}

/// What an operation was for: the kind in its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Journal = 1,
    JournalFlush = 2,
    Write = 3,
    Flush = 4,
    Fill = 5,
    Read = 6,
    ReadAhead = 7,
}

/// The kind of reads by which the agent gets back bytes that it has written itself.
pub const FILL: u8 = Kind::Fill as u8;
/// Blocks for reading the end of a segment whose slab is gone.
const SCRATCH: usize = 32;
/// Places in the queue of events that the log leaves to answers.
const LOG_ROOM: usize = 2048;
/// How many topics ahead one is asked for, and how many what it names: as the ingest agent does.
pub(super) const FAR: usize = 8;
pub(super) const NEAR: usize = 4;
/// Journal blocks that only state watermarks are this far apart at least.
const WATERMARKS_NS: u64 = 200_000_000;

/// Journal and segment writes, flushes, watermarks, reads. Thread: its runner's.
pub struct IoAgent {
    pub(super) config: IoConfig,
    pub(super) ends: IoEnds,
    pub(super) shared: Arc<Shared>,
    pub(super) table: Arc<SlabTable>,
    pub(super) slabs: Slabs,
    pub(super) tails: Tails,
    pub(super) segments: Segments,
    /// By slot; reserved for all there may be, populated as slots are used.
    pub(super) topics: Vec<Topic>,
    pub(super) live: Vec<bool>,
    pub(super) map: TopicMap,
    pub(super) batches: Arena<Batch>,
    pub(super) frames: Arena<Frame>,
    pub(super) entries: Arena<PendingEntry>,
    /// Topics that may go forward.
    pub(super) ready: SlotQueue,
    /// Topics with something for the journal.
    pub(super) dirty: SlotQueue,
    /// Topics that wait for room at the device or in a queue.
    pub(super) stalled: SlotQueue,
    /// Topics whose durable offset nothing on stable storage states yet.
    pub(super) unstated: SlotQueue,
    /// Topics with bytes that are written and not flushed.
    pub(super) unflushed: SlotQueue,
    pub(super) device: Device,
    pub(super) journal: Journal,
    /// Flushes of single segments under way.
    pub(super) flushes: u32,
    pub(super) together: Together,
    /// By segment.
    pub(super) flush_started: Vec<u64>,
    pub(super) scratch: Vec<SlabId>,
    pub(super) fills: Vec<(SlabId, SlabId)>,
    pub(super) file_slots: Vec<FileSlot>,
    pub(super) uninstall: Vec<FileSlot>,
    /// A segment found no place for its file.
    pub(super) files_wanted: bool,
    pub(super) settling: u32,
    pub(super) settle_cursor: u32,
    pub(super) pace: Pace,
    pub(super) carrying: Carrying,
    pub(super) protecting: Protecting,
    pub(super) rescue: Rescue,
    /// Bytes of topics' slabs, jumbo ones aside.
    pub(super) slab_budget: u64,
    /// Topics' slabs that are populated as they are first used: how many there are.
    pub(super) small_slabs: u64,
    /// So many open slabs for direct writes are too many: each is closed with its first write then.
    pub(super) crowd: u32,
    /// Bytes that the device accepted since a flush of anything went out or was asked for ahead of its time: what its cache holds, as
    /// far as we know.
    pub(super) unflushed_bytes: u64,
    pub(super) pressure: bool,
    /// Topics still to be looked at under pressure, before only a completion or a report can change anything.
    pub(super) pressed: u32,
    pub(super) draining: bool,
    pub(super) drained: bool,
    /// Topics that are being removed, with the control plane's question.
    pub(super) removing: Vec<(TopicSlot, u64, bool)>,
    pub(super) frozen: u64,
    pub(super) commits: Commits,
    pub(super) reader: Reader,
    pub(super) counters: IoCounters,
    pub(super) watermarks_at_ns: u64,
    pub(super) flush_at_ns: u64,
    pub(super) now_mono_ns: u64,
    /// Since when no write or flush is under way, the last time that none was; monotonic ns.
    pub(super) at_rest_ns: u64,
    /// Something was said to the network agent, the keeper, the finder, the flusher, the control plane in this cycle.
    pub(super) acked: bool,
    pub(super) kept: bool,
    /// Index entries for the keeper since it was woken for them, their number having been reached.
    pub(super) entries_pushed: u32,
    pub(super) asked: bool,
    pub(super) called: bool,
    pub(super) told: bool,
    started: bool,
}

impl IoAgent {
    /// An agent without topics; they come as `IoCommand::Add`. All its memory is allocated here.
    #[must_use]
    #[allow(clippy::too_many_arguments)] // each is one thing the node owns
    pub fn new(
        config: IoConfig,
        limits: &Limits,
        ends: IoEnds,
        shared: Arc<Shared>,
        table: Arc<SlabTable>,
        slabs: u32,
        pools: IoPools,
        counters: &CountersFile,
    ) -> Self {
        let IoPools {
            responses,
            reads,
            mut journal,
        } = pools;
        let buffer = journal
            .take(journal.largest())
            .expect("the journal has its buffer");
        let files: Vec<_> = config
            .chunks
            .iter()
            .enumerate()
            .map(|(i, &(n, handle))| (n, handle, FileSlot(i as u32)))
            .collect();
        let chunks = super::chunks::Chunks::new(&files, config.chunk_bytes, config.generation);
        // Several blocks fit into a chunk, however small that is.
        let most = (config.chunk_bytes / 4).max(BLOCK) / BLOCK * BLOCK;
        let buffer_bytes = u64::from(table.bytes(buffer)).min(most) as u32;
        let mut scratch = Vec::with_capacity(SCRATCH);
        while let Some(block) = journal
            .take_exact(crate::limits::BLOCK as u32)
            .filter(|_| scratch.len() < SCRATCH)
        {
            scratch.push(block);
        }
        assert!(
            !scratch.is_empty(),
            "the journal's pool has blocks for filling"
        );
        let topics = limits.topics;
        let segments = limits.open_segments();
        let mut commits = Commits::new(limits);
        commits.show_in(counters.commit_rows());
        Self {
            journal: Journal::new(chunks, config.sequence, buffer, buffer_bytes, topics),
            map: TopicMap::new(topics, config.next_topic_id),
            tails: Tails::new(topics),
            slabs: Slabs::new(table.clone(), slabs, limits),
            small_slabs: u64::from(limits.small_slabs),
            crowd: limits.direct_slabs() / 2,
            unflushed_bytes: 0,
            segments: Segments::new(segments),
            topics: Vec::with_capacity(topics as usize),
            live: vec![false; topics as usize],
            batches: Arena::new(limits.inflight_frames * 2),
            frames: Arena::new(limits.inflight_frames),
            entries: Arena::new(limits.inflight_frames),
            ready: SlotQueue::new(topics),
            dirty: SlotQueue::new(topics),
            stalled: SlotQueue::new(topics),
            unstated: SlotQueue::new(topics),
            unflushed: SlotQueue::new(topics),
            device: Device::default(),
            flushes: 0,
            together: Together::new(limits),
            flush_started: vec![0; segments as usize],
            fills: Vec::with_capacity(SCRATCH),
            scratch,
            file_slots: limits.segment_files().rev().map(FileSlot).collect(),
            uninstall: Vec::with_capacity(limits.file_slots() as usize),
            files_wanted: false,
            settling: 0,
            settle_cursor: 0,
            pace: Pace::default(),
            carrying: Carrying::default(),
            protecting: Protecting::new(topics),
            rescue: Rescue::new(topics, segments),
            slab_budget: limits.topic_slab_bytes(),
            pressure: false,
            pressed: 0,
            draining: false,
            drained: false,
            removing: Vec::with_capacity(topics as usize),
            frozen: 0,
            commits,
            counters: IoCounters::new(counters, &responses, &reads),
            reader: Reader::new(limits, responses, reads),
            watermarks_at_ns: 0,
            flush_at_ns: 0,
            now_mono_ns: 0,
            at_rest_ns: 0,
            acked: false,
            kept: false,
            entries_pushed: 0,
            asked: false,
            called: false,
            told: false,
            started: false,
            config,
            ends,
            shared,
            table,
        }
    }

    /// Committed offsets as recovered; before the agent runs.
    pub fn load_commits(&mut self, commits: &[crate::recovery::CommittedOffset]) {
        for &commit in commits {
            if !self.commits.set(commit) {
                break;
            }
        }
    }

    /// The token of an operation.
    pub(super) fn token(&self, kind: Kind, id: u64) -> Token {
        Token::new(self.config.agent, kind as u8, id)
    }

    pub(super) fn tell_keeper(&mut self, job: Job) -> bool {
        self.send_keeper(job).is_ok()
    }

    pub(super) fn send_keeper(&mut self, job: Job) -> Result<(), Job> {
        self.kept = true;
        self.ends.to_keeper.push(job)
    }

    pub(super) fn ask_finder(&mut self, question: Question) -> bool {
        self.asked = true;
        self.ends.to_finder.push(question).is_ok()
    }

    pub(super) fn answer(&mut self, message: FromIo) {
        self.acked = true;
        let room = self.ends.to_network.push(message).is_ok();
        assert!(
            room,
            "the queue holds an answer to every frame and request in flight"
        );
    }

    pub(super) fn refuse(&mut self, request: RequestId, refusal: Refusal) {
        self.answer(FromIo::Refused { request, refusal });
    }

    pub(super) fn log(&mut self, event: LogEvent) {
        // What does not fit is lost for the log; the counters have it. Answers to commands always fit.
        if self.ends.events.room() > LOG_ROOM {
            let _ = self.ends.events.push(IoEvent::Log(event));
        }
        self.told = true;
    }

    pub(super) fn event(&mut self, event: IoEvent) {
        self.told = true;
        let room = self.ends.events.push(event).is_ok();
        assert!(room, "the queue holds an answer to every command under way");
    }

    /// Pauses rotation while only the first segment of each topic still fits.
    pub(super) fn note_segment_room(&mut self) {
        let paused = self.segments.free() <= self.live.len() as u32 + 64;
        self.shared
            .rotation_paused
            .store(paused, std::sync::atomic::Ordering::Relaxed);
    }

    fn timers(&mut self, now_ns: u64) {
        if now_ns >= self.flush_at_ns {
            self.flush_at_ns = now_ns + self.config.flush_interval_ns;
            for _ in 0..self.unflushed.len() {
                let Some(slot) = self.unflushed.take() else {
                    break;
                };
                self.topics[slot as usize].flush_wanted = true;
                self.ready.add(slot);
            }
            self.journal.flush_wanted = self.journal.has_unflushed();
        }
        if self.journal.settling_below > 0
            && self.journal.chunks.oldest_needed() >= self.journal.settling_below
        {
            self.journal.settling_below = 0;
        }
        self.counters.in_flight.set(self.device.in_flight() as u64);
        self.counters.journal_busy.set(self.journal.chunks.busy());
    }

    /// Nothing more may be under way now.
    pub(super) fn note_rest(&mut self, now_ns: u64) {
        if self.journal.is_at_rest() && self.device.in_flight() == 0 && !self.is_flushing_segments()
        {
            self.at_rest_ns = now_ns;
        }
    }

    /// Asks for what the topics behind the next ones in a queue need.
    pub(super) fn look_ahead(&self, queue: &SlotQueue) {
        if self.map.are_many() {
            let slot = |ahead| queue.peek_at(ahead).map(TopicSlot);
            self.approach_topics(slot(FAR), slot(NEAR));
        }
    }

    /// Asks for the topic that is far, and for what the nearer one names.
    #[inline]
    pub(super) fn approach_topics(&self, far: Option<TopicSlot>, near: Option<TopicSlot>) {
        if let Some(slot) = far {
            approach(&self.topics[slot.index()]);
        }
        if let Some(slot) = near {
            self.approach_parts(slot);
        }
    }

    /// Asks for what a topic names: its segment and its slab as they are held, and what waits in front.
    fn approach_parts(&self, slot: TopicSlot) {
        let topic = &self.topics[slot.index()];
        if let Some(at) = topic.last_segment {
            self.segments.approach(at);
        }
        if let Some(slab) = topic.last_slab {
            self.slabs.approach(slab);
        }
        if let Some(batch) = self.batches.front(&topic.batches) {
            approach(batch);
        }
        if let Some(frame) = self.frames.front(&topic.frames) {
            approach(frame);
        }
    }

    fn measure_queues(&self) {
        self.ends.from_ingest.measure();
        self.ends.from_network.measure();
        self.ends.from_keeper.measure();
        self.ends.from_finder.measure();
    }

    /// Monotonic ns, read now: an operation goes to the kernel, or an answer out.
    pub(super) fn stamp(&self) -> u64 {
        self.config.clock.mono_ns()
    }

    fn wake<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) {
        if std::mem::take(&mut self.acked) {
            self.ends.network.notify(cx.ring);
        }
        if std::mem::take(&mut self.kept) {
            self.ends.keeper.notify(cx.ring);
        }
        if std::mem::take(&mut self.asked) {
            self.ends.finder.notify(cx.ring);
        }
        if std::mem::take(&mut self.called) {
            self.ends.flusher.notify(cx.ring);
        }
        if std::mem::take(&mut self.told) {
            self.ends.control.notify(cx.ring);
        }
        if !self.ends.to_ingest.is_empty() {
            self.ends.ingest.notify(cx.ring);
        }
    }
}

impl<R: IoRing + ?Sized> Agent<R> for IoAgent {
    fn name(&self) -> &'static str {
        "io"
    }

    fn do_work(&mut self, cx: &mut Cx<'_, R>) -> usize {
        self.now_mono_ns = cx.now.mono_ns;
        if !self.started {
            self.started = true;
            let files: Vec<_> = self.journal.chunks.files().collect();
            for (handle, slot) in files {
                cx.ring.install(slot, handle).expect("the table is fresh");
            }
        }
        self.measure_queues();
        let mut done = self.intake();
        done += self.reports(cx) + self.flushed_together(cx);
        if done > 0 {
            self.pressed = self.topics.len() as u32;
        }
        done += self.commands(cx.now.wall_ns / 1_000_000_000);
        done += self.requests(cx);
        done += self.removals(cx);
        for _ in 0..self.ready.len() {
            let Some(slot) = self.ready.take() else { break };
            self.look_ahead(&self.ready);
            self.advance(cx, TopicSlot(slot));
            done += 1;
        }
        done += usize::from(self.flush_together(cx.now.mono_ns)) + self.next_flushes();
        done += self.settle_some() + self.recycle();
        self.checkpoint_due(cx.now.wall_ns / 1_000_000_000);
        if self.journal(cx) {
            self.watermarks_at_ns = cx.now.mono_ns + WATERMARKS_NS;
            done += 1;
        } else if self.watermarks_at_ns <= cx.now.mono_ns {
            // There was no chunk for them, or nothing to state: not a reason to look again at once.
            self.watermarks_at_ns = cx.now.mono_ns + WATERMARKS_NS;
        }
        done += self.read(cx);
        self.timers(cx.now.mono_ns);
        if done > 0 {
            self.counters.pools(self.reader.pools());
        }
        done += self.drain_step();
        if std::mem::take(&mut self.files_wanted) && self.file_slots.is_empty() {
            done += self.rest_files();
        }
        if !self.uninstall.is_empty() {
            done += 1;
            self.unstall();
        }
        while let Some(slot) = self.uninstall.pop() {
            cx.ring.uninstall(slot);
            self.file_slots.push(slot);
        }
        self.wake(cx);
        done
    }

    fn on_completion(&mut self, cx: &mut Cx<'_, R>, completion: Completion) {
        self.now_mono_ns = cx.now.mono_ns;
        self.pressed = self.topics.len() as u32;
        match completion.token.kind() {
            kind if kind == Kind::Journal as u8 => self.journal_written(cx, completion),
            kind if kind == Kind::JournalFlush as u8 => self.journal_flushed(cx, completion),
            kind if kind == Kind::Write as u8 => self.write_completed(cx, completion),
            kind if kind == Kind::Flush as u8 => self.flush_completed(cx, completion),
            kind if kind == Kind::Fill as u8 => self.filled(completion),
            kind if kind == Kind::Read as u8 => self.read_completed(cx, completion),
            kind if kind == Kind::ReadAhead as u8 => self.ahead_completed(cx, completion),
            kind => unreachable!("no operation of kind {kind}"),
        }
        self.note_rest(cx.now.mono_ns);
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        let flush = (!self.unflushed.is_empty() || self.journal.has_unflushed())
            .then_some(self.flush_at_ns);
        let stating = !self.unstated.is_empty() && self.journal.is_idle();
        let watermarks = stating.then_some(self.watermarks_at_ns);
        [flush, watermarks, self.reader.deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}
