//! What the keeper reports, and what an error does to a topic.

use super::agent::{IoAgent, IoRing};
use super::control::IoEvent;
use super::segment::File;
use super::topic::{Phase, SealQuery, Settle};
use crate::agent::Cx;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::handoff::Frozen;
use crate::keeper::{Kept, Report, SegmentRef};
use crate::node::LogEvent;
use crate::storage::Handle;
use crate::topics::TopicSlot;

/// How long after a failure a background task is tried again.
pub(super) const RETRY_NS: u64 = 1_000_000_000;

impl IoAgent {
    /// Takes the keeper's reports. Returns how many there were.
    pub(super) fn reports<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> usize {
        let mut done = 0;
        while let Some(report) = self.ends.from_keeper.pop() {
            done += 1;
            match report {
                Report::Opened {
                    segment,
                    slot,
                    result,
                } => self.opened(cx, segment, slot, result),
                Report::Extended {
                    segment,
                    slot,
                    result,
                } => {
                    let Some(node) = self.segments.find(segment) else {
                        continue;
                    };
                    node.extending = false;
                    match result {
                        Ok(to) => node.allocated = node.allocated.max(to),
                        // A step ahead of need: whoever needs more asks again, for just that.
                        Err(_) if !node.tight => node.tight = true,
                        Err(errno) => self.freeze(slot, errno, "reserving space for a segment"),
                    }
                    self.ready.add(slot.0);
                }
                Report::Sealed {
                    segment,
                    slot,
                    result,
                } => self.sealed(segment, slot, result),
                Report::Removed {
                    slot,
                    query,
                    result,
                } => {
                    self.retained(slot, query, result);
                    self.removed_old();
                }
                Report::TopicRemoved { slot, result } => self.topic_removed(slot, result),
                Report::Chunk { number, result } => self.chunk_made(cx, number, result),
                Report::Commits { result, memory } => self.commits_saved(result, memory),
            }
        }
        if done > 0 {
            self.unstall();
        }
        done
    }

    fn opened<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        at: SegmentRef,
        slot: TopicSlot,
        result: Result<(Handle, u64), i32>,
    ) {
        match result {
            Ok((handle, allocated)) => {
                let installed = self.file_slots.pop();
                let segment = &mut self.segments[at];
                segment.created = true;
                segment.allocated = segment.allocated.max(allocated);
                segment.file = File::Closed;
                if let Some(file) = installed {
                    match cx.ring.install(file, handle) {
                        Ok(()) => segment.file = File::Open { handle, slot: file },
                        Err(error) => {
                            self.file_slots.push(file);
                            self.freeze(
                                slot,
                                error.raw_os_error().unwrap_or(libc::EIO),
                                "registering a segment",
                            );
                        }
                    }
                } else {
                    self.files_wanted = true;
                    let _ = self.tell_keeper(crate::keeper::Job::Close { file: handle });
                    self.stalled.add(slot.0);
                }
                self.log(LogEvent::SegmentOpened {
                    topic: self.topics[slot.index()].id,
                    base_offset: self.segments[at].name.base_offset,
                });
            }
            Err(errno) => {
                self.segments[at].file = File::Closed;
                self.freeze(slot, errno, "creating a segment");
            }
        }
        self.ready.add(slot.0);
    }

    fn sealed(&mut self, at: SegmentRef, slot: TopicSlot, result: Result<(), i32>) {
        if let Err(errno) = result {
            // Its bytes are safe under the old name; recovery seals it.
            self.log(LogEvent::Background {
                what: "sealing a segment",
                path: String::new(),
                errno,
            });
        }
        let topic = &mut self.topics[slot.index()];
        assert_eq!(
            topic.first_segment,
            Some(at),
            "segments are sealed in order"
        );
        let segment = self.segments.remove(at);
        let end = segment.end.expect("only complete segments are sealed");
        topic.first_segment = segment.next;
        if topic.last_segment == Some(at) {
            topic.last_segment = None;
        }
        topic.unsealed -= 1;
        topic.sealed_bytes += end;
        topic.sealed_segments += 1;
        self.shared.set_unsealed(slot, topic.unsealed);
        self.counters.sealed.inc();
        let id = topic.id;
        // Segments are sealed in order; those that began after the question do not count: a busy topic always has one.
        let answered = topic.seal_query.take_if(|asked| {
            asked.left -= 1;
            asked.left == 0
        });
        self.note_segment_room();
        self.show_topic(slot);
        self.log(LogEvent::SegmentSealed {
            topic: id,
            base_offset: segment.name.base_offset,
            end,
        });
        if let Some(SealQuery { query, .. }) = answered {
            self.event(IoEvent::Done {
                query,
                result: Ok(()),
            });
        }
        self.ready.add(slot.0);
    }

    fn retained(&mut self, slot: TopicSlot, query: u64, result: Result<Kept, i32>) {
        if !self.live[slot.index()] {
            // Deleted meanwhile, and with it everything old.
            return self.event(IoEvent::Done {
                query,
                result: Ok(()),
            });
        }
        let topic = &mut self.topics[slot.index()];
        match result {
            Ok(kept) => {
                topic.sealed_bytes = kept.bytes;
                topic.sealed_segments = kept.segments;
                let first = kept.first.or_else(|| {
                    let name = self.segments[topic.first_segment?].name;
                    Some((name.base_offset, name.base_record))
                });
                let (offset, record) = first.unwrap_or((topic.next.offset, topic.next.record));
                topic.first = super::topic::End { offset, record };
                let topic = topic.id;
                let below = offset;
                self.show_topic(slot);
                if kept.removed_segments > 0 {
                    self.log(LogEvent::SegmentsRemoved {
                        topic,
                        below_offset: below,
                        segments: kept.removed_segments,
                        bytes: kept.removed_bytes,
                    });
                }
                self.event(IoEvent::Done {
                    query,
                    result: Ok(()),
                });
            }
            Err(errno) => {
                self.log(LogEvent::Background {
                    what: "removing old segments",
                    path: String::new(),
                    errno,
                });
                self.event(IoEvent::Done {
                    query,
                    result: Err(self.storage_refusal(slot)),
                });
            }
        }
    }

    fn chunk_made<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        number: u64,
        result: Result<Handle, i32>,
    ) {
        self.journal.chunk_asked = false;
        self.journal.chunk_retry_ns = if result.is_ok() {
            0
        } else {
            self.now_mono_ns + RETRY_NS
        };
        match result {
            Ok(handle) => {
                let file = crate::ring::FileSlot(self.journal.chunks.count() as u32);
                match cx.ring.install(file, handle) {
                    Ok(()) => self.journal.chunks.add(number, handle, file),
                    Err(_) => {
                        let _ = self.tell_keeper(crate::keeper::Job::Close { file: handle });
                    }
                }
            }
            // Without it the ring is smaller: writes wait more often.
            Err(errno) => {
                self.log(LogEvent::Background {
                    what: "making a journal chunk",
                    path: String::new(),
                    errno,
                });
            }
        }
    }

    /// An I/O error: the topic takes nothing until a restart recovers it; what was acknowledged is served.
    pub(super) fn freeze(&mut self, slot: TopicSlot, errno: i32, what: &'static str) {
        self.counters.errors.inc();
        let topic = &mut self.topics[slot.index()];
        if topic.phase != Phase::Live {
            return;
        }
        topic.phase = Phase::Frozen;
        if topic.settle != Settle::No {
            topic.settle = Settle::No;
            self.settling -= 1;
        }
        self.shared.set_frozen(slot, Frozen::Error);
        self.frozen += 1;
        self.counters.frozen.set(self.frozen);
        let (id, offset) = (topic.id, topic.readable.offset);
        self.show_topic(slot);
        self.fail_all(slot);
        self.keep_unflushed(slot);
        self.release_unreadable(slot);
        self.log(LogEvent::TopicFrozen {
            topic: id,
            offset,
            errno,
            what,
        });
        if let Some(SealQuery { query, .. }) = self.topics[slot.index()].seal_query.take() {
            self.event(IoEvent::Done {
                query,
                result: Err(self.storage_refusal(slot)),
            });
        }
    }

    /// What was accepted and never flushed may not be on the disk: it is served from memory, as far as that still has it.
    fn keep_unflushed(&mut self, slot: TopicSlot) {
        let flushed = self.flushed_log(slot);
        let mut next = self.topics[slot.index()].first_slab;
        while let Some(slab) = next {
            let held = &mut self.slabs[slab];
            next = held.next;
            if held.clean && held.log_end > flushed {
                held.clean = false;
                self.slabs.forget_clean(slab);
            }
        }
    }

    /// A frozen topic keeps only the slabs with acknowledged bytes, or with those that its last write went over; the others
    /// are for the living.
    fn release_unreadable(&mut self, slot: TopicSlot) {
        let readable = self.topics[slot.index()].readable.offset;
        let (mut kept, mut rest) = (None, self.topics[slot.index()].first_slab);
        let mut next = rest;
        while let Some(slab) = next {
            let held = self.slabs[slab];
            next = held.next;
            let busy = held.filling || held.clean || self.device.writes_from(slab);
            if busy || held.first_offset < readable || self.wrote_over(&held) {
                (kept, rest) = (Some(slab), next);
            }
        }
        let topic = &mut self.topics[slot.index()];
        topic.write_slab = None;
        topic.last_slab = kept;
        match kept {
            Some(kept) => {
                self.slabs.close(kept);
                self.slabs[kept].next = None;
            }
            None => topic.first_slab = None,
        }
        while let Some(slab) = rest {
            rest = self.slabs.release(slab).next;
            // The ingest agent sees that the topic is frozen before it sees this.
            self.give_back(slab);
        }
    }

    /// Answers every frame of a topic that waits, and forgets its batches that are not readable.
    pub(super) fn fail_all(&mut self, slot: TopicSlot) {
        while let Some(frame) = self.frames.pop(&mut self.topics[slot.index()].frames) {
            self.fail_frame(slot, frame.ticket);
        }
        let topic = &mut self.topics[slot.index()];
        while self.batches.pop(&mut topic.batches).is_some() {}
        while self.entries.pop(&mut topic.entries).is_some() {}
    }

    pub(super) fn storage_refusal(&self, slot: TopicSlot) -> Refusal {
        let topic = &self.topics[slot.index()];
        Refusal {
            code: ErrorCode::Storage,
            reason: Reason::TopicFrozen,
            value: u64::from(topic.id),
            bound: topic.readable.offset,
        }
    }
}
