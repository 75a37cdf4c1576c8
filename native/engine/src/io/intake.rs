//! Takes over what the ingest agent laid out.

use super::agent::{IoAgent, FAR, NEAR};
use super::segment::Segment;
use super::slabs::Held;
use super::topic::{Batch, End, Frame, Phase, Settle};
use crate::error::{ErrorCode, Reason, Refusal};
use crate::format::batch::BATCH_HEADER;
use crate::format::names::SegmentName;
use crate::handoff::{BatchPlace, FromDisk, ToDisk};
use crate::memory::SlabId;
use crate::messages::FromIo;
use crate::recovery::Position;
use crate::topics::TopicSlot;

/// Messages taken in one duty cycle at most.
const BURST: usize = 1024;

/// Messages that a frame makes, mostly: looking ahead counts frames.
const MESSAGES: usize = 2;

impl IoAgent {
    /// Takes what is there. Returns how much that was.
    pub(super) fn intake(&mut self) -> usize {
        let mut done = 0;
        let many = self.map.are_many();
        while done < BURST && self.ends.to_network.room() > 1 && self.ends.to_ingest.room() > 8 {
            let Some(message) = self.ends.from_ingest.pop() else {
                break;
            };
            if many {
                self.look_at_coming();
            }
            done += 1;
            match message {
                ToDisk::Segment {
                    slot,
                    base_offset,
                    base_record,
                    start_ns,
                } => {
                    let name = SegmentName {
                        base_offset,
                        base_record,
                        start_ns,
                        end_ns: None,
                    };
                    self.begin_segment(slot, name);
                }
                ToDisk::Slab {
                    slot,
                    slab,
                    base,
                    first,
                } => self.attach_slab(slot, slab, base, first),
                ToDisk::Frame {
                    slot,
                    ticket,
                    end,
                    enqueued_mono_ns,
                    complete_mono_ns,
                } => {
                    let topic = &mut self.topics[slot.index()];
                    if topic.phase == Phase::Live {
                        let segment =
                            &self.segments[topic.last_segment.expect("a frame is in a segment")];
                        let frame = Frame {
                            ticket,
                            end: segment.log(end),
                            enqueued_ns: enqueued_mono_ns,
                            complete_ns: complete_mono_ns,
                            submitted_ns: 0,
                        };
                        let room = self.frames.push(&mut topic.frames, frame);
                        assert!(room, "as many nodes as frames can be in flight");
                    } else {
                        self.fail_frame(slot, ticket);
                    }
                }
                ToDisk::Batch(place) => self.note_batch(&place),
                ToDisk::Closed { slot } => self.slab_closed(slot),
                ToDisk::Sealed { slot } => {
                    self.close_last_slab(slot);
                    self.end_segment(slot);
                }
                ToDisk::Removed { slot } => self.ingest_let_go(slot),
            }
        }
        done
    }

    /// Asks for what the messages behind this one are about: of a far one its topic, of a nearer one what that names.
    fn look_at_coming(&self) {
        let slot_of = |message: &ToDisk| match *message {
            ToDisk::Frame { slot, .. } | ToDisk::Batch(BatchPlace { slot, .. }) => Some(slot),
            _ => None,
        };
        let coming = self.ends.from_ingest.coming();
        let slot = |topics| coming.get(topics * MESSAGES).and_then(slot_of);
        self.approach_topics(slot(FAR), slot(NEAR));
    }

    fn begin_segment(&mut self, slot: TopicSlot, name: SegmentName) {
        if self.topics[slot.index()].phase != Phase::Live {
            return;
        }
        self.close_last_slab(slot);
        self.end_segment(slot);
        let topic = &mut self.topics[slot.index()];
        let segment = Segment::new(slot, name, topic.appended);
        let at = self
            .segments
            .add(segment)
            .expect("rotation is paused before the table is full");
        match topic.last_segment.replace(at) {
            Some(last) => self.segments[last].next = Some(at),
            None => topic.first_segment = Some(at),
        }
        topic.unsealed += 1;
        self.shared.set_unsealed(slot, topic.unsealed);
        self.note_segment_room();
        self.counters.rotations.add(u64::from(name.base_offset > 0));
        self.ready.add(slot.0);
    }

    /// The last segment of the topic is complete.
    fn end_segment(&mut self, slot: TopicSlot) {
        let topic = &self.topics[slot.index()];
        if let Some(last) = topic.last_segment {
            let segment = &mut self.segments[last];
            segment.end.get_or_insert(topic.appended - segment.log_base);
            self.ready.add(slot.0);
        }
    }

    fn attach_slab(&mut self, slot: TopicSlot, slab: SlabId, base: u64, first: u64) {
        let topic = &mut self.topics[slot.index()];
        if topic.phase != Phase::Live {
            self.give_back(slab);
            return;
        }
        let held = Held {
            slot,
            segment: topic.last_segment.unwrap_or(0),
            base,
            first,
            end: first,
            closed: false,
            filled: base == first,
            filling: false,
            first_offset: topic.next.offset,
            clean: false,
            log_end: 0,
            cleaned: 0,
            next: None,
        };
        self.slabs.take(slab, held);
        let last = topic.last_slab.replace(slab);
        topic.write_slab = topic.write_slab.or(Some(slab));
        match last {
            Some(last) => {
                self.slabs.close(last);
                self.slabs[last].next = Some(slab);
                self.fill_from_memory(last, slab);
            }
            None => topic.first_slab = Some(slab),
        }
        self.ready.add(slot.0);
    }

    fn note_batch(&mut self, place: &BatchPlace) {
        let topic = &mut self.topics[place.slot.index()];
        if topic.phase != Phase::Live {
            return;
        }
        let (Some(slab), Some(at)) = (topic.last_slab, topic.last_segment) else {
            unreachable!("a batch is in a slab of a segment");
        };
        let segment = &mut self.segments[at];
        let end = place.position + u64::from(place.len);
        assert_eq!(
            segment.log(place.position),
            topic.appended,
            "a topic's bytes have no gap"
        );
        self.slabs[slab].end = end;
        segment.end_ns = place.key.timestamp_ns;
        topic.appended = segment.log(end);
        let next = End {
            offset: place.base_offset + u64::from(place.len) - BATCH_HEADER as u64,
            record: place.base_record + u64::from(place.records),
        };
        topic.next = Position {
            offset: next.offset,
            record: next.record,
            key: place.key.plus(u64::from(place.records) - 1),
            chain: place.chain,
        };
        let batch = Batch {
            segment: at,
            position: place.position,
            len: place.len,
            end: topic.appended,
            base: End {
                offset: place.base_offset,
                record: place.base_record,
            },
            next,
            timestamp_ns: place.key.timestamp_ns,
            node_actor_sequence: place.key.node_actor_sequence,
        };
        let room = self.batches.push(&mut topic.batches, batch);
        assert!(
            room,
            "no more batches than frames, twice for those that were split"
        );
        self.ready.add(place.slot.0);
    }

    fn slab_closed(&mut self, slot: TopicSlot) {
        self.close_last_slab(slot);
        self.ready.add(slot.0);
        let generation = self.journal.generation();
        let topic = &mut self.topics[slot.index()];
        if let Settle::Closing { flush } = topic.settle {
            topic.settle = Settle::Writing {
                to: topic.appended,
                generation,
                flush,
            };
        }
    }

    fn close_last_slab(&mut self, slot: TopicSlot) {
        if let Some(last) = self.topics[slot.index()].last_slab {
            self.slabs.close(last);
            self.ready.add(slot.0);
        }
    }

    /// A slab goes back to the ingest agent's pool.
    pub(super) fn give_back(&mut self, slab: SlabId) {
        let room = self.ends.to_ingest.push(FromDisk::Free(slab)).is_ok();
        assert!(room, "the queue holds every slab there is");
    }

    /// Answers a frame of a topic that takes nothing any more.
    pub(super) fn fail_frame(&mut self, slot: TopicSlot, ticket: crate::messages::Ticket) {
        let topic = &self.topics[slot.index()];
        let (code, reason) = match topic.phase {
            Phase::Removing => (ErrorCode::TopicDeleted, Reason::TopicDeleted),
            Phase::Live | Phase::Frozen => (ErrorCode::Storage, Reason::TopicFrozen),
        };
        let refusal = Refusal {
            code,
            reason,
            value: u64::from(topic.id),
            bound: topic.readable.offset,
        };
        let room = self
            .ends
            .to_network
            .push(FromIo::Failed { ticket, refusal })
            .is_ok();
        assert!(room, "the queue holds an answer to every frame in flight");
    }
}
