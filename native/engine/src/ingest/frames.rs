//! What becomes of a frame: admitted, examined, laid out as part of a batch in its topic's slab.

use std::sync::atomic::Ordering;

use super::agent::{IngestAgent, BURST, ROOM, UNSEALED};
use super::key::next_key;
use super::layout::{OpenSegment, Piece};
use super::payload::{examine, split, Accepted};
use crate::error::{ErrorCode, Reason, Refusal};
use crate::format::batch::BATCH_HEADER;
use crate::handoff::{Frozen, ToDisk};
use crate::memory::{approach, SlabId};
use crate::messages::{FromIngest, IngestFrame};
use crate::topics::TopicSlot;

/// Frames between two steps of looking ahead, one frame at a time, since a processor has few misses under way: enough for what is far to come, few enough for it to be still there.
const STEP: usize = 4;
/// Bytes of a slab that are asked for: what is longer, the processor sees coming.
const APPROACHED: usize = 512;

/// A frame cannot be taken yet.
struct Later;

impl IngestAgent {
    #[inline]
    pub(super) fn wait_no_more(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.shared.starved.store(false, Ordering::Relaxed);
        }
    }

    /// Takes what frames there are, a burst at most, while there is room for what they make. Returns how many.
    pub(super) fn frames(&mut self) -> usize {
        let mut done = 0;
        // Reading the frame again would find the same; only whether its topic still takes it may change meanwhile.
        let still = |frame: &&IngestFrame| self.admit(frame).is_ok();
        if self.waiting && self.ends.frames.peek().filter(still).is_some() {
            return 0;
        }
        self.wait_no_more();
        let many = self.topics.are_many();
        while done < BURST
            && self.ends.replies.room() > 2
            && self.ends.to_disk.room() > ROOM + 2 * self.growing.len()
        {
            let Some(&frame) = self.ends.frames.peek() else {
                break;
            };
            if many {
                self.look_ahead();
            }
            match self.take(&frame) {
                Err(Later) => {
                    self.shared.starved.store(true, Ordering::Relaxed);
                    self.waiting = true;
                    self.counters.exhausted.inc();
                    break;
                }
                Ok(outcome) => {
                    self.ends.frames.pop();
                    if let Err(refusal) = outcome {
                        self.reply(FromIngest::Refused {
                            ticket: frame.ticket,
                            refusal,
                        });
                    }
                    self.reply(FromIngest::Consumed(frame.source));
                    done += 1;
                }
            }
        }
        done
    }

    /// Asks for what the frames behind the next one need, step by step as they come nearer, since each step names what the next
    /// one asks for: where its topic stands, the topic, the slab's address, the end of what is in the slab.
    fn look_ahead(&self) {
        let state = |frame: &IngestFrame| {
            let slot = self.topics.look(frame.topic)?;
            self.states.get(slot.index())?.as_ref()
        };
        let coming = self.ends.frames.coming();
        if let Some(frame) = coming.get(4 * STEP) {
            self.topics.approach(frame.topic);
        }
        if let Some(frame) = coming.get(3 * STEP) {
            // Its address alone: it is not near yet.
            let slot = self.topics.look(frame.topic);
            if let Some(state) = slot.and_then(|slot| self.states.get(slot.index())) {
                approach(state);
            }
        }
        if let Some(topic) = coming.get(2 * STEP).and_then(state) {
            topic.approach_slab(&self.slabs);
        }
        if let Some(frame) = coming.get(STEP) {
            let bytes = BATCH_HEADER + frame.len as usize;
            if let Some(topic) = state(frame) {
                topic.approach_end(&self.slabs, bytes.min(APPROACHED));
            }
        }
    }

    /// Stores a frame, or says why it is not stored.
    fn take(&mut self, frame: &IngestFrame) -> Result<Result<(), Refusal>, Later> {
        let slot = match self.admit(frame) {
            Ok(slot) => slot,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // SAFETY: the network agent lends these bytes, whole and unchanged, until `Consumed`.
        let payload = unsafe { std::slice::from_raw_parts(frame.payload, frame.len as usize) };
        let mut scratch = self.scratch.take().expect("it is put back below");
        let result = match examine(frame, payload, &mut scratch, self.config.bare_payload) {
            Err(refusal) => Ok(Err(refusal)),
            Ok(accepted) => self.store(slot, frame, &accepted).map(Ok),
        };
        self.scratch = Some(scratch);
        result
    }

    fn admit(&self, frame: &IngestFrame) -> Result<TopicSlot, Refusal> {
        let slot = self.topics.find(frame.topic)?;
        let refuse = |code, reason| {
            Err(Refusal {
                code,
                reason,
                value: u64::from(frame.topic),
                bound: 0,
            })
        };
        if self.shared.draining.load(Ordering::Relaxed) {
            return refuse(ErrorCode::Backpressure, Reason::Draining);
        }
        if self.shared.refuse_writes.load(Ordering::Relaxed) {
            return refuse(ErrorCode::Storage, Reason::DiskFull);
        }
        match self.shared.frozen(slot) {
            Frozen::No => {}
            Frozen::Error => return refuse(ErrorCode::Storage, Reason::TopicFrozen),
            Frozen::Damage => return refuse(ErrorCode::Storage, Reason::TopicQuarantined),
        }
        if self.shared.journal_failed.load(Ordering::Relaxed) {
            return refuse(ErrorCode::Storage, Reason::JournalFailed);
        }
        Ok(slot)
    }

    fn store(
        &mut self,
        slot: TopicSlot,
        frame: &IngestFrame,
        accepted: &Accepted<'_>,
    ) -> Result<(), Later> {
        let piece = accepted.piece;
        // A frame is stored whole or not at all: the slabs for all its parts must be there before the first is laid out.
        if piece.len() > self.largest && self.pool.free_of_largest() < split(piece).count() as u32 {
            return Err(Later);
        }
        let mut end = 0;
        for part in split(piece) {
            end = self.append(slot, frame, &part)?;
        }
        self.tell(ToDisk::Frame {
            slot,
            ticket: frame.ticket,
            end,
            enqueued_mono_ns: frame.enqueued_mono_ns,
            complete_mono_ns: frame.complete_mono_ns,
        });
        self.counters.records.add(u64::from(piece.records));
        self.counters.bytes.add(u64::from(piece.len()));
        self.counters.wrapped.add(u64::from(accepted.wrapped));
        self.counters.inflated.add(u64::from(frame.compressed));
        self.counters
            .mismatches
            .add(u64::from(frame.records != piece.records));
        Ok(())
    }

    fn append(
        &mut self,
        slot: TopicSlot,
        frame: &IngestFrame,
        piece: &Piece<'_>,
    ) -> Result<u64, Later> {
        let topic = self.states[slot.index()]
            .as_mut()
            .expect("a slot in the map has a state");
        if topic.can_join(piece, self.config.segment_max_bytes) {
            return Ok(topic.join(&self.slabs, piece));
        }
        self.finish(slot);
        let topic = self.states[slot.index()].as_mut().expect("as before");
        let key = next_key(
            topic.next.key,
            frame.received_ns,
            piece.records,
            self.config.node_id,
            self.config.actor_id,
        );
        let len = BATCH_HEADER as u64 + u64::from(piece.len());
        let full = topic.segment.is_none_or(|segment| {
            let age = key.timestamp_ns.saturating_sub(segment.start_ns);
            let old = self.config.segment_max_age_ns > 0 && age >= self.config.segment_max_age_ns;
            segment.end > 0
                && (segment.end + len > self.config.segment_max_bytes || old)
                && self.shared.unsealed(slot) < UNSEALED
                && !self.shared.rotation_paused.load(Ordering::Relaxed)
        });
        if full {
            // The slab first: a segment that was announced gets its batch.
            let need = BATCH_HEADER as u32 + piece.len();
            let slab = self.take_slab(need, need)?;
            let topic = self.states[slot.index()].as_mut().expect("as before");
            topic.detach();
            topic.segment = Some(OpenSegment {
                end: 0,
                start_ns: key.timestamp_ns,
            });
            let (base_offset, base_record) = (topic.next.offset, topic.next.record);
            let (base, first) = topic.attach(&self.slabs, slab, self.largest);
            self.tell(ToDisk::Segment {
                slot,
                base_offset,
                base_record,
                start_ns: key.timestamp_ns,
            });
            self.tell(ToDisk::Slab {
                slot,
                slab,
                base,
                first,
            });
        } else {
            self.ensure_slab(slot, piece.len())?;
        }
        let topic = self.states[slot.index()].as_mut().expect("as before");
        let end = topic.start(&self.slabs, piece, key, frame.producer_ns);
        self.growing.push(slot);
        Ok(end)
    }

    fn ensure_slab(&mut self, slot: TopicSlot, len: u32) -> Result<(), Later> {
        let topic = self.states[slot.index()]
            .as_mut()
            .expect("a slot in the map has a state");
        if topic.slab_fits(len) {
            return Ok(());
        }
        let (need, wanted) = topic.slab_wanted(len, self.largest);
        let slab = self.take_slab(need, wanted)?;
        let topic = self.states[slot.index()].as_mut().expect("as before");
        let (base, first) = topic.attach(&self.slabs, slab, self.largest);
        self.tell(ToDisk::Slab {
            slot,
            slab,
            base,
            first,
        });
        Ok(())
    }

    /// A slab of `wanted` bytes or somewhat more, or in need any with at least `need`. A jumbo one only for what fits in no
    /// other: its memory is mapped and given back each time, and large frames wait for it.
    fn take_slab(&mut self, need: u32, wanted: u32) -> Result<SlabId, Later> {
        let regular = self
            .pool
            .take_regular(wanted, wanted.saturating_mul(4))
            .or_else(|| self.pool.take_regular(need, u32::MAX));
        regular
            .or_else(|| {
                (need > self.largest)
                    .then(|| self.pool.take(need))
                    .flatten()
            })
            .ok_or(Later)
    }

    /// Writes the header of a topic's growing batch and hands the batch over.
    pub(super) fn finish(&mut self, slot: TopicSlot) {
        let durable = self.shared.durable_offset(slot);
        let Some(topic) = self.states[slot.index()].as_mut() else {
            return;
        };
        if let Some(place) = topic.finish(&self.slabs, slot, durable) {
            self.counters.batches.inc();
            self.tell(ToDisk::Batch(place));
        }
    }

    pub(super) fn finish_all(&mut self) {
        while let Some(slot) = self.growing.pop() {
            self.finish(slot);
        }
    }

    #[inline(always)]
    fn reply(&mut self, message: FromIngest) {
        let room = self.ends.replies.push(message).is_ok();
        assert!(room, "room was made sure of before");
    }
}
