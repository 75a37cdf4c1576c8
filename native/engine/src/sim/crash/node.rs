//! A whole node without sockets, on one thread: agents, keeper and finder are driven by hand, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::{Agent as _, Cx};
use crate::checksum::checksum;
use crate::clock::Clock as _;
use crate::counters::CountersFile;
use crate::format::names::chunk_path;
use crate::handoff::Shared;
use crate::ingest::{IngestAgent, IngestConfig, IngestEnds};
use crate::io::{Flushes, IoAgent, IoCommand, IoConfig, IoEnds, IoEvent, IoPools};
use crate::keeper::{make_chunk, Catalogue, Finder, Flusher, Keeper, Remains, Remover};
use crate::limits::{Limits, RESPONSE_HEADROOM};
use crate::memory::{SlabClass, SlabTable, SlabTableBuilder};
use crate::messages::{ChecksumKind, FetchData, FromIngest, FromIo, IngestFrame, ToIo};
use crate::node::BarePayload;
use crate::queue::{queue, Receiver, Sender};
use crate::recovery::{
    recover, Position, Recovered, RecoveredTopic, RecoveryOptions, TopicMetadata,
};
use crate::sim::{Rng, SimClock, SimDisk, SimRing};
use crate::storage::{Open, Storage};
use crate::topics::TopicSlot;
use crate::wake::WakeHandle;

/// What of a node gets its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Ingest,
    Io,
    /// One completion of the ring.
    Reap,
    Keeper,
    Finder,
    Flusher,
    Remover,
}

/// All of them.
pub const PARTS: [Part; 7] = [
    Part::Ingest,
    Part::Io,
    Part::Reap,
    Part::Keeper,
    Part::Finder,
    Part::Flusher,
    Part::Remover,
];

/// Small, so that chunks and segments come to their ends all the time.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub chunk_bytes: u64,
    pub segment_max_bytes: u64,
    pub index_every_bytes: u64,
    /// Larger segments are removed in such steps.
    pub remove_step: u64,
}

impl Sizes {
    /// Sizes of a node, by its seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            chunk_bytes: *rng.pick(&[1 << 20, (1 << 20) + 65_536, 2 << 20]),
            segment_max_bytes: *rng.pick(&[20_000, 100_000, 400_000, 2 << 20]),
            index_every_bytes: *rng.pick(&[4096, 65_536]),
            remove_step: *rng.pick(&[4096, 65_536, 1 << 20]),
        }
    }
}

const NODE_ID: u16 = 1;
const TOPICS: u32 = 24;

fn limits(seed: u64) -> Limits {
    Limits {
        max_frame: 512 * 1024,
        connections: 8,
        topics: TOPICS,
        // Places for the files of 16 segments.
        open_files: 0,
        inflight_frames: 256,
        commits: 32,
        commits_per_topic: 8,
        waiters: 8,
        topic_slabs: [24, 8, 6, 4],
        // A quarter of the nodes has some more, where most nodes run short of them.
        small_slabs: if seed % 4 == 3 { 12 } else { 0 },
        frame_slabs: [1, 1, 1, 1],
        response_slabs: [2, 2, 1, 1],
        read_slabs: 1 + (seed % 12) as u32,
        jumbo_slabs: 4,
        ..Limits::default()
    }
}

/// Brings a directory to rest.
///
/// # Errors
/// Why it cannot be started from.
pub fn recover_directory(
    disk: &SimDisk,
    sizes: Sizes,
    next_topic_id: u32,
) -> Result<Recovered, String> {
    let options = RecoveryOptions {
        next_topic_id,
        node_id: NODE_ID,
        now_ns: 1_764_000_000_000_000_000,
        chunk_bytes: sizes.chunk_bytes,
        index_every_bytes: sizes.index_every_bytes,
        verify: false,
        discard: false,
    };
    recover(disk, &options).map_err(|error| format!("recovery gives up: {error}"))
}

/// The node.
pub struct SimNode {
    clock: SimClock,
    ring: SimRing,
    ingest: IngestAgent,
    io: IoAgent,
    keeper: Keeper,
    finder: Finder,
    flusher: Flusher,
    remover: Remover,
    shared: Arc<Shared>,
    table: Arc<SlabTable>,
    frames: Sender<IngestFrame>,
    replies: Receiver<FromIngest>,
    requests: Sender<ToIo>,
    answers: Receiver<FromIo>,
    commands: Sender<IoCommand>,
    events: Receiver<IoEvent>,
    slots: BTreeMap<u32, TopicSlot>,
}

impl SimNode {
    /// Recovers and starts.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn start(
        disk: &SimDisk,
        clock: &SimClock,
        sizes: Sizes,
        seed: u64,
        next_topic_id: u32,
        early: bool,
    ) -> Result<(Self, Recovered), String> {
        let recovered = recover_directory(disk, sizes, next_topic_id)?;
        let chunks =
            open_chunks(disk, sizes, &recovered).map_err(|error| format!("chunks: {error}"))?;
        let limits = limits(seed);
        let mut builder = SlabTableBuilder::default();
        let mut slabs = 0;
        let mut pool = |classes: &[SlabClass]| {
            slabs += classes.iter().map(|class| class.count).sum::<u32>();
            builder.pool(classes)
        };
        let topics = pool(&limits.topic_classes());
        let pools = IoPools {
            responses: pool(&limits.response_classes()),
            reads: pool(&limits.read_classes()),
            journal: pool(&limits.journal_classes()),
        };
        let table = Arc::new(builder.build().expect("memory for a small node"));
        let counters = CountersFile::heap();
        let shared = Arc::new(Shared::new(limits.topics));
        let wake = WakeHandle::new;
        let (frames, frames_in) = queue(64);
        let (ingest_replies, replies) = queue(512);
        let (requests, requests_in) = queue(64);
        let (to_network, answers) = queue(1024);
        let (to_disk, from_ingest) = queue(1024);
        let (to_ingest, from_disk) = queue(1024);
        let (to_keeper, jobs) = queue(256);
        let (reports, from_keeper) = queue(256);
        let (to_finder, questions) = queue(64);
        let (found, from_finder) = queue(64);
        let (to_flusher, asked) = queue(2);
        let (flushed, from_flusher) = queue(2);
        // Half of the nodes make names durable all at once, as one with many topics does; half flush segments together.
        let together = [usize::MAX, usize::MAX, 1, 2][(seed % 4) as usize];
        let flushes = [(4, u32::MAX), (1, 1), (2, 2), (4, 8)][(seed / 4 % 4) as usize];
        // A third of the nodes flushes ahead of the interval all the time.
        let early_bytes = if seed % 3 == 2 { 64 << 10 } else { 4 << 20 };
        let (commands, commands_in) = queue(64);
        // The log leaves 2,048 places to answers.
        let (events_out, events) = queue(4096);
        let ingest = IngestAgent::new(
            IngestConfig {
                node_id: NODE_ID,
                actor_id: 0,
                bare_payload: BarePayload::Wrap,
                segment_max_bytes: sizes.segment_max_bytes,
                segment_max_age_ns: 0,
                next_topic_id,
            },
            &limits,
            IngestEnds {
                frames: frames_in,
                replies: ingest_replies,
                to_disk,
                from_disk,
                network: wake(),
                io: wake(),
            },
            shared.clone(),
            table.clone(),
            topics,
            &counters,
        );
        let mut io = IoAgent::new(
            IoConfig {
                agent: 1,
                flush_interval_ns: 1_000_000_000,
                flushes: Flushes {
                    single: flushes.0,
                    together: flushes.1,
                    early_bytes,
                },
                segment_max_bytes: sizes.segment_max_bytes,
                chunk_bytes: sizes.chunk_bytes,
                index_every_bytes: sizes.index_every_bytes,
                next_topic_id,
                chunks,
                generation: recovered.journal.next_generation.max(1),
                sequence: recovered.journal.next_sequence.max(1),
                clock: Arc::new(clock.clone()),
            },
            &limits,
            IoEnds {
                from_ingest,
                to_ingest,
                from_network: requests_in,
                to_network,
                to_keeper,
                from_keeper,
                to_finder,
                from_finder,
                to_flusher,
                from_flusher,
                commands: commands_in,
                events: events_out,
                ingest: wake(),
                network: wake(),
                keeper: wake(),
                finder: wake(),
                flusher: wake(),
                control: wake(),
            },
            shared.clone(),
            table.clone(),
            slabs,
            pools,
            &counters,
        );
        io.load_commits(&recovered.commits);
        let catalogue = Catalogue::new(limits.topics);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let remains = Remains::new(sizes.remove_step);
        let mut ring = SimRing::new(disk, clock, seed);
        if early {
            ring.complete_early();
        }
        let mut node = Self {
            clock: clock.clone(),
            ring,
            ingest,
            io,
            keeper: Keeper::new(
                storage.clone(),
                catalogue.clone(),
                (jobs, reports),
                sizes.index_every_bytes,
                Arc::new(clock.clone()),
                remains.clone(),
            )
            .together_from(together),
            finder: Finder::new(storage.clone(), catalogue, questions, found),
            flusher: Flusher::new(storage.clone(), asked, flushed),
            remover: Remover::new(storage, remains),
            shared,
            table,
            frames,
            replies,
            requests,
            answers,
            commands,
            events,
            slots: BTreeMap::new(),
        };
        for topic in &recovered.topics {
            node.add(0, topic.clone());
        }
        Ok((node, recovered))
    }

    /// Adds a topic whose directory and metadata are durable. Answered by `Done`.
    pub fn add_topic(&mut self, query: u64, metadata: TopicMetadata) {
        let topic = RecoveredTopic {
            metadata,
            next: Position::default(),
            sealed: Vec::new(),
            active: None,
            indexed_to: None,
            frozen: false,
        };
        self.add(query, topic);
    }

    fn add(&mut self, query: u64, topic: RecoveredTopic) {
        let slot = (0..TOPICS)
            .map(TopicSlot)
            .find(|slot| !self.slots.values().any(|used| used == slot));
        let slot = slot.expect("a slot for every topic of a workload");
        self.slots.insert(topic.metadata.id, slot);
        let topic = Box::new(topic);
        self.command(IoCommand::Add { query, slot, topic });
    }

    /// Asks for something as the control plane does.
    pub fn command(&mut self, command: IoCommand) {
        assert!(
            self.commands.push(command).is_ok(),
            "the queue of commands is full"
        );
    }
    /// Hands a frame over as the network agent does. False: there is no room.
    pub fn send(&mut self, frame: IngestFrame) -> bool {
        self.frames.push(frame).is_ok()
    }
    /// Asks the I/O agent as the network agent does. False: there is no room.
    pub fn ask(&mut self, request: ToIo) -> bool {
        self.requests.push(request).is_ok()
    }
    /// What the ingest agent says.
    pub fn ingest_reply(&mut self) -> Option<FromIngest> {
        self.replies.pop()
    }
    /// What the I/O agent says to the network agent.
    pub fn io_answer(&mut self) -> Option<FromIo> {
        self.answers.pop()
    }
    /// The bytes of a fetch response, whose memory goes back.
    pub fn fetched(&mut self, data: FetchData) -> Vec<u8> {
        let Some(slab) = data.slab else {
            return Vec::new();
        };
        let mut bytes = vec![0; data.len as usize];
        // SAFETY: the slab is lent to the network agent, which this stands for, with `len` bytes behind the headroom.
        unsafe {
            let from = self.table.at(slab).add(RESPONSE_HEADROOM as usize);
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len());
        }
        if let Some(sum) = data.sum {
            assert_eq!(
                sum,
                checksum(ChecksumKind::Crc32c, &bytes),
                "a response's checksum"
            );
        }
        assert!(self.ask(ToIo::Release(slab)), "one request at a time");
        bytes
    }
    /// What the I/O agent says to the control plane.
    pub fn event(&mut self) -> Option<IoEvent> {
        let event = self.events.pop();
        if let Some(IoEvent::Removed { slot, .. }) = event {
            self.slots.retain(|_, used| *used != slot);
        }
        event
    }
    /// Nothing is taken any more from now on.
    pub fn refuse_frames(&self) {
        self.shared
            .draining
            .store(true, std::sync::atomic::Ordering::Relaxed);
    }
    /// Whether a frame waits for a slab.
    pub fn is_starved(&self) -> bool {
        self.shared
            .starved
            .load(std::sync::atomic::Ordering::Relaxed)
    }
    /// Everything of a topic below this offset is on stable storage, says the node.
    pub fn durable_offset(&self, topic: u32) -> u64 {
        self.slots
            .get(&topic)
            .map_or(0, |slot| self.shared.durable_offset(*slot))
    }
    /// When the ring has its next completion, monotonic ns.
    pub fn next_completion_ns(&self) -> Option<u64> {
        self.ring.next_completion_ns()
    }
    /// Gives one part its turn. Returns how much it did.
    pub fn tick(&mut self, part: Part) -> usize {
        let mut cx = Cx {
            now: self.clock.now(),
            ring: &mut self.ring,
        };
        match part {
            Part::Ingest => self.ingest.do_work(&mut cx),
            Part::Io => self.io.do_work(&mut cx),
            Part::Reap => match cx.ring.reap() {
                Some(completion) => {
                    self.io.on_completion(&mut cx, completion);
                    1
                }
                None => 0,
            },
            Part::Keeper => self.keeper.work(),
            Part::Finder => self.finder.work(),
            Part::Flusher => self.flusher.work(),
            Part::Remover => self.remover.work(),
        }
    }
}

fn open_chunks(
    disk: &SimDisk,
    sizes: Sizes,
    recovered: &Recovered,
) -> std::io::Result<Vec<(u64, crate::storage::Handle)>> {
    let how = Open {
        write: true,
        create: false,
        direct: true,
    };
    let mut chunks = Vec::new();
    for &number in recovered.journal.chunks.iter().take(3) {
        chunks.push((number, disk.open(&chunk_path(number), how)?));
    }
    if chunks.is_empty() {
        chunks.push((0, make_chunk(disk, 0, sizes.chunk_bytes)?));
    }
    Ok(chunks)
}
