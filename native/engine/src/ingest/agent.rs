//! The ingest agent itself: its duty cycle, the I/O agent's orders, topics and segments that come and go.

use std::sync::Arc;

use super::counters::IngestCounters;
use super::layout::Topic;
use super::payload::Scratch;
use crate::agent::{Agent, Cx};
use crate::counters::CountersFile;
use crate::handoff::{FromDisk, Shared, ToDisk};
use crate::limits::{Limits, SMALL_SLAB};
use crate::memory::{Pool, SlabId, SlabTable};
use crate::messages::{FromIngest, IngestFrame};
use crate::node::BarePayload;
use crate::queue::{Receiver, Sender};
use crate::ring::{Completion, WakeRing};
use crate::topics::{TopicMap, TopicSlot};
use crate::wake::WakeHandle;

/// Frames taken in one duty cycle at most: small enough that the other agents of a shared thread get their turn.
pub(super) const BURST: usize = 256;
/// Messages that one frame can make, and some that finishing the batches of a cycle needs.
pub(super) const ROOM: usize = 16;
/// Segments of a topic that may wait for their sealing; beyond it the segment grows past its limit instead.
pub(super) const UNSEALED: u32 = 8;
/// How often idle topics are looked at for the age of their segment.
const AGE_CHECK_NS: u64 = 1_000_000_000;

/// How the agent lays out.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    pub node_id: u16,
    pub actor_id: u8,
    pub bare_payload: BarePayload,
    pub segment_max_bytes: u64,
    /// 0: segments do not age.
    pub segment_max_age_ns: u64,
    /// Ids below it were given before.
    pub next_topic_id: u32,
}

/// The agent's ends of the queues.
pub struct IngestEnds {
    pub frames: Receiver<IngestFrame>,
    pub replies: Sender<FromIngest>,
    pub to_disk: Sender<ToDisk>,
    pub from_disk: Receiver<FromDisk>,
    pub network: WakeHandle,
    pub io: WakeHandle,
}

/// Orders batches, assigns key, index and offset, fills slabs. Thread: its runner's.
pub struct IngestAgent {
    pub(super) config: IngestConfig,
    pub(super) ends: IngestEnds,
    pub(super) shared: Arc<Shared>,
    pub(super) slabs: Arc<SlabTable>,
    pub(super) pool: Pool,
    /// Small slabs for topics that are not there yet: each brings one into the pool.
    small: Vec<SlabId>,
    pub(super) largest: u32,
    pub(super) topics: TopicMap,
    /// By slot; reserved for all there may be, populated as slots are used.
    pub(super) states: Vec<Option<Topic>>,
    /// Topics with a batch that still grows, this cycle.
    pub(super) growing: Vec<TopicSlot>,
    /// Leaves while the bytes in it are borrowed.
    pub(super) scratch: Option<Box<Scratch>>,
    pub(super) counters: IngestCounters,
    /// The next frame waits for a slab, and none has come since.
    pub(super) waiting: bool,
    next_age_check_ns: u64,
}

impl IngestAgent {
    /// An agent without topics; they come as `FromDisk::Add`. All its memory is allocated here.
    #[must_use]
    pub fn new(
        config: IngestConfig,
        limits: &Limits,
        ends: IngestEnds,
        shared: Arc<Shared>,
        slabs: Arc<SlabTable>,
        mut pool: Pool,
        counters: &CountersFile,
    ) -> Self {
        let counters = IngestCounters::new(counters, config.actor_id, &pool);
        let small = pool.withhold(SMALL_SLAB);
        Self {
            topics: TopicMap::new(limits.topics, config.next_topic_id),
            states: Vec::with_capacity(limits.topics as usize),
            growing: Vec::with_capacity(2 * BURST),
            scratch: Some(Box::new(Scratch::new(limits.max_frame))),
            largest: limits.large_topic_class().bytes,
            config,
            ends,
            shared,
            slabs,
            pool,
            small,
            counters,
            waiting: false,
            next_age_check_ns: 0,
        }
    }

    fn orders(&mut self) -> usize {
        let mut done = 0;
        while self.ends.to_disk.room() > ROOM {
            let Some(message) = self.ends.from_disk.pop() else {
                break;
            };
            done += 1;
            match message {
                FromDisk::Free(slab) => {
                    self.pool.put(&self.slabs, slab);
                    self.wait_no_more();
                }
                FromDisk::Add {
                    slot,
                    topic,
                    epoch,
                    next,
                    segment,
                } => {
                    let added = self.topics.insert(topic, slot);
                    assert!(added, "a slot is given once");
                    if let Some(slab) = self.small.pop() {
                        self.pool.admit(&self.slabs, slab);
                    }
                    while self.states.len() <= slot.index() {
                        self.states.push(None);
                    }
                    self.states[slot.index()] = Some(Topic::new(topic, epoch, next, segment));
                }
                FromDisk::Remove { slot, topic } => {
                    self.finish(slot);
                    self.topics.remove(topic);
                    self.states[slot.index()] = None;
                    self.tell(ToDisk::Removed { slot });
                }
                FromDisk::CloseSlab { slot } => self.close_slab(slot),
                FromDisk::Seal { slot } => self.seal(slot),
            }
        }
        self.counters.topics.set(u64::from(self.topics.len()));
        done
    }

    fn close_slab(&mut self, slot: TopicSlot) {
        self.finish(slot);
        // Told also when none is open (a rotation was faster): the I/O agent waits for it.
        if let Some(topic) = self.states[slot.index()].as_mut() {
            topic.detach();
            self.tell(ToDisk::Closed { slot });
        }
    }

    fn seal(&mut self, slot: TopicSlot) {
        self.finish(slot);
        if let Some(topic) = self.states[slot.index()]
            .as_mut()
            .filter(|topic| topic.segment.is_some())
        {
            topic.detach();
            topic.segment = None;
            self.tell(ToDisk::Sealed { slot });
        }
    }

    /// Ends the segments that are old although nothing comes any more.
    fn age(&mut self, wall_ns: u64) {
        let max_age = self.config.segment_max_age_ns;
        for index in 0..self.states.len() {
            if self.ends.to_disk.room() <= ROOM {
                return;
            }
            let slot = TopicSlot(index as u32);
            let old = self.states[index]
                .as_ref()
                .and_then(|topic| topic.segment)
                .is_some_and(|segment| {
                    segment.end > 0 && wall_ns.saturating_sub(segment.start_ns) >= max_age
                });
            if old && self.shared.unsealed(slot) < UNSEALED {
                self.seal(slot);
            }
        }
    }

    #[inline(always)]
    pub(super) fn tell(&mut self, message: ToDisk) {
        let room = self.ends.to_disk.push(message).is_ok();
        assert!(room, "room was made sure of before");
    }
}

impl<R: WakeRing + ?Sized> Agent<R> for IngestAgent {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn do_work(&mut self, cx: &mut Cx<'_, R>) -> usize {
        self.ends.frames.measure();
        self.ends.from_disk.measure();
        let waited = self.waiting;
        let mut done = self.orders();
        done += self.frames();
        self.finish_all();
        if self.config.segment_max_age_ns > 0 && cx.now.mono_ns >= self.next_age_check_ns {
            self.next_age_check_ns = cx.now.mono_ns + AGE_CHECK_NS;
            self.age(cx.now.wall_ns);
        }
        // A frame that begins to wait is told, too: the I/O agent may be parked, and nothing else wakes it.
        if done > 0 || self.waiting && !waited {
            self.ends.io.notify(cx.ring);
        }
        if done > 0 {
            self.counters.pool(&self.pool);
            self.ends.network.notify(cx.ring);
        }
        done
    }

    fn on_completion(&mut self, _: &mut Cx<'_, R>, _: Completion) {
        unreachable!("the ingest agent submits nothing");
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        (self.config.segment_max_age_ns > 0).then_some(self.next_age_check_ns)
    }
}
