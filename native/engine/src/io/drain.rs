//! Commands of the control plane: topics come and go, the node drains.

use super::agent::{IoAgent, IoRing};
use super::control::{IoCommand, IoEvent};
use super::segment::{File, Segment};
use super::topic::{End, Phase, SealQuery, Settle, Topic};
use crate::agent::Cx;
use crate::error::Refusal;
use crate::handoff::{ActiveSegment, FromDisk, Frozen};
use crate::keeper::Job;
use crate::limits::BLOCK;
use crate::recovery::RecoveredTopic;
use crate::topics::TopicSlot;

impl IoAgent {
    /// Carries commands out. Returns how many there were.
    pub(super) fn commands(&mut self, now_s: u64) -> usize {
        let mut done = 0;
        while self.ends.to_ingest.room() > 8
            && self.ends.to_keeper.room() > 8
            && self.ends.events.room() > 8
        {
            let Some(command) = self.ends.commands.pop() else {
                break;
            };
            done += 1;
            match command {
                IoCommand::Add { query, slot, topic } => {
                    self.add_topic(slot, *topic);
                    self.event(IoEvent::Done {
                        query,
                        result: Ok(()),
                    });
                }
                IoCommand::Remove { query, topic } => match self.map.find(topic) {
                    Ok(slot) => self.remove_topic(slot, query),
                    Err(refusal) => self.event(IoEvent::Done {
                        query,
                        result: Err(refusal),
                    }),
                },
                IoCommand::SetDurability {
                    query,
                    topic,
                    durability,
                } => {
                    let result = self.map.find(topic).map(|slot| {
                        self.topics[slot.index()].durability = durability;
                        self.ready.add(slot.0);
                    });
                    self.event(IoEvent::Done { query, result });
                }
                IoCommand::Describe { query, topic } => {
                    let result = self.map.find(topic).map(|slot| self.describe(slot));
                    self.event(IoEvent::Described { query, result });
                }
                IoCommand::Retain {
                    query,
                    topic,
                    below_offset,
                } => match self.map.find(topic) {
                    Ok(slot) => {
                        let topic = &self.topics[slot.index()];
                        let (end, durable) = (topic.readable.offset, topic.durable_offset);
                        // What a topic goes on from must survive a power cut: the last durable batch stays, unless all
                        // goes and the control plane wrote down where to go on (formats.md, `resume`).
                        let all = below_offset >= end && durable == end;
                        let sent = self.tell_keeper(Job::Retain {
                            slot,
                            below_offset: match all {
                                true => below_offset,
                                false => below_offset.min(durable.saturating_sub(1)),
                            },
                            end,
                            query,
                        });
                        assert!(sent, "room was made sure of");
                        self.reader.retains();
                    }
                    Err(refusal) => self.event(IoEvent::Done {
                        query,
                        result: Err(refusal),
                    }),
                },
                IoCommand::Seal { query, topic } => self.seal_topic(query, topic),
                IoCommand::ListCommits {
                    query,
                    topic,
                    memory,
                } => {
                    let result = self
                        .map
                        .find(topic)
                        .map(|slot| self.list_commits(slot, memory, now_s));
                    self.event(IoEvent::Commits { query, result });
                }
                IoCommand::Drain => {
                    self.draining = true;
                }
            }
        }
        done
    }

    fn add_topic(&mut self, slot: TopicSlot, recovered: RecoveredTopic) {
        let RecoveredTopic {
            metadata,
            next,
            sealed,
            active,
            indexed_to,
            frozen,
        } = recovered;
        let inserted = self.map.insert(metadata.id, slot);
        assert!(
            inserted && !self.live[slot.index()],
            "the control plane gives each slot and id once"
        );
        let first = sealed
            .iter()
            .map(|s| s.name)
            .chain(active.iter().map(|s| s.name))
            .next();
        let first = first.map_or(
            End {
                offset: next.offset,
                record: next.record,
            },
            |name| End {
                offset: name.base_offset,
                record: name.base_record,
            },
        );
        let mut topic = Topic {
            id: metadata.id,
            epoch: metadata.epoch,
            durability: metadata.durability,
            first,
            readable: End {
                offset: next.offset,
                record: next.record,
            },
            durable_offset: next.offset,
            stated: next.offset,
            next,
            sealed_bytes: sealed.iter().map(|s| s.end).sum(),
            sealed_segments: sealed.len() as u32,
            ..Topic::default()
        };
        if let Some(active) = active {
            let mut segment = Segment::new(slot, active.name, 0);
            segment.created = true;
            segment.end_ns = next.key.timestamp_ns;
            segment.submitted = active.end;
            segment.accepted = active.end;
            segment.flushed = active.end;
            segment.indexed = indexed_to;
            segment.whole_index = indexed_to.is_some() || active.end == 0;
            segment.settled = if active.end.is_multiple_of(BLOCK) {
                0
            } else {
                active.end
            };
            let at = self
                .segments
                .add(segment)
                .expect("one segment a topic always fits");
            topic.first_segment = Some(at);
            topic.last_segment = Some(at);
            topic.unsealed = 1;
            topic.appended = active.end;
            topic.accepted = active.end;
            topic.durable = active.end;
            topic.readable_log = active.end;
        }
        if frozen {
            topic.phase = Phase::Frozen;
            self.frozen += 1;
            self.counters.frozen.set(self.frozen);
        }
        let why = if frozen { Frozen::Damage } else { Frozen::No };
        self.shared.set_frozen(slot, why);
        self.shared.set_durable_offset(slot, next.offset);
        self.shared.set_unsealed(slot, topic.unsealed);
        let id = topic.id;
        let epoch = topic.epoch;
        while self.topics.len() <= slot.index() {
            self.topics.push(Topic::default());
        }
        self.topics[slot.index()] = topic;
        self.live[slot.index()] = true;
        self.show_added(slot);
        self.note_segment_room();
        let sealed = sealed.iter().map(|s| (s.name, s.end)).collect();
        let active_name = active.map(|s| s.name);
        let told = self.tell_keeper(Job::AddTopic {
            slot,
            metadata: Box::new(metadata),
            sealed,
            active: active_name,
        });
        assert!(told, "room was made sure of");
        let segment = active.map(|s| ActiveSegment {
            base_offset: s.name.base_offset,
            end: s.end,
            start_ns: s.name.start_ns,
        });
        let told = self
            .ends
            .to_ingest
            .push(FromDisk::Add {
                slot,
                topic: id,
                epoch,
                next,
                segment,
            })
            .is_ok();
        assert!(told, "room was made sure of");
    }

    fn seal_topic(&mut self, query: u64, topic: u32) {
        let slot = match self.map.find(topic) {
            Ok(slot) => slot,
            Err(refusal) => {
                return self.event(IoEvent::Done {
                    query,
                    result: Err(refusal),
                })
            }
        };
        let topic = &mut self.topics[slot.index()];
        if topic.phase == Phase::Frozen || topic.seal_query.is_some() {
            return self.event(IoEvent::Done {
                query,
                result: Err(self.storage_refusal(slot)),
            });
        }
        if topic.unsealed == 0 {
            return self.event(IoEvent::Done {
                query,
                result: Ok(()),
            });
        }
        topic.seal_query = Some(SealQuery {
            query,
            left: topic.unsealed,
        });
        let told = self.ends.to_ingest.push(FromDisk::Seal { slot }).is_ok();
        assert!(told, "room was made sure of");
    }

    fn remove_topic(&mut self, slot: TopicSlot, query: u64) {
        let topic = &mut self.topics[slot.index()];
        if topic.phase == Phase::Frozen {
            self.frozen -= 1;
            self.counters.frozen.set(self.frozen);
        }
        if topic.settle != Settle::No {
            topic.settle = Settle::No;
            self.settling -= 1;
        }
        topic.phase = Phase::Removing;
        let id = topic.id;
        self.show_topic(slot);
        if let Some(SealQuery { query, .. }) = self.topics[slot.index()].seal_query.take() {
            self.event(IoEvent::Done {
                query,
                result: Ok(()),
            });
        }
        self.map.remove(id);
        self.fail_all(slot);
        self.reader.removed(slot);
        self.removing.push((slot, query, false));
        let told = self
            .ends
            .to_ingest
            .push(FromDisk::Remove { slot, topic: id })
            .is_ok();
        assert!(told, "room was made sure of");
    }

    /// The ingest agent has forgotten the topic.
    pub(super) fn ingest_let_go(&mut self, slot: TopicSlot) {
        if let Some(entry) = self.removing.iter_mut().find(|entry| entry.0 == slot) {
            entry.2 = true;
        }
        self.fail_all(slot);
    }

    /// Lets go of topics on which nothing is under way any more.
    pub(super) fn removals<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> usize {
        let mut done = 0;
        for index in 0..self.removing.len() {
            let (slot, _, gone) = self.removing[index];
            if gone
                && self.live[slot.index()]
                && self.is_quiet(slot)
                && self.ends.to_keeper.room() > 16
            {
                self.let_go(cx, slot);
                done += 1;
            }
        }
        done
    }

    fn is_quiet(&self, slot: TopicSlot) -> bool {
        let topic = &self.topics[slot.index()];
        let mut next = topic.first_segment;
        while let Some(at) = next {
            let segment = &self.segments[at];
            let busy = segment.writes > 0
                || segment.flushing.is_some()
                || segment.extending
                || segment.sealing
                || segment.file == File::Opening;
            if busy {
                return false;
            }
            next = segment.next;
        }
        let filling = self
            .fills
            .iter()
            .any(|(slab, _)| self.slabs[*slab].slot == slot);
        topic.journal.pending == 0 && !topic.tail_pending && !filling && !self.reader.reads_of(slot)
    }

    fn let_go<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, slot: TopicSlot) {
        self.fail_all(slot);
        let topic = self.topics[slot.index()];
        let mut next = topic.first_slab;
        while let Some(slab) = next {
            let held = self.slabs.release(slab);
            if held.clean {
                self.slabs.forget_clean(slab);
            }
            next = held.next;
            self.give_back(slab);
        }
        let mut next = topic.first_segment;
        while let Some(at) = next {
            next = self.segments[at].next;
            if let File::Open { handle, .. } = self.segments[at].file {
                self.drop_file(at);
                let _ = self.tell_keeper(Job::Close { file: handle });
            }
            self.segments.remove(at);
        }
        self.close_cursors(cx, slot);
        self.carry_no_more(Some(slot));
        self.tails.forget(slot);
        self.protecting.forget(slot);
        self.rescue.forget(slot);
        if topic.journal.low > 0 {
            self.journal.chunks.hold(topic.journal.low, 0);
        }
        // Late answers must find nothing here.
        self.topics[slot.index()] = Topic {
            id: topic.id,
            epoch: topic.epoch,
            phase: Phase::Removing,
            ..Topic::default()
        };
        self.shared.set_unsealed(slot, 0);
        self.live[slot.index()] = false;
        self.note_segment_room();
        let told = self.tell_keeper(Job::RemoveTopic { slot });
        assert!(told, "room was made sure of");
    }

    pub(super) fn topic_removed(&mut self, slot: TopicSlot, result: Result<(), i32>) {
        let Some(at) = self.removing.iter().position(|entry| entry.0 == slot) else {
            return;
        };
        let (_, query, _) = self.removing.swap_remove(at);
        match result {
            Ok(()) => {
                self.counters.topics.clear(slot);
                self.event(IoEvent::Removed { query, slot });
            }
            Err(errno) => {
                self.log(crate::node::LogEvent::Background {
                    what: "removing a topic",
                    path: String::new(),
                    errno,
                });
                let refusal: Refusal = self.storage_refusal(slot);
                self.event(IoEvent::Done {
                    query,
                    result: Err(refusal),
                });
            }
        }
    }

    /// While draining: notices that everything is in the segments.
    pub(super) fn drain_step(&mut self) -> usize {
        if !self.draining || self.drained {
            return 0;
        }
        let busy = !self.ends.from_ingest.is_empty()
            || !self.journal.is_at_rest()
            || !self.dirty.is_empty()
            || !self.ready.is_empty()
            || self.settling > 0
            || self.device.in_flight() > 0
            || self.is_flushing_segments()
            || !self.commits.is_quiet()
            || self.rescue.is_wanted()
            || self.frames.used() > 0
            || !self.removing.is_empty();
        if busy {
            return 0;
        }
        for index in 0..self.topics.len() {
            let topic = &self.topics[index];
            if !self.live[index] || topic.phase != Phase::Live {
                continue;
            }
            let slot = TopicSlot(index as u32);
            let complete = topic
                .first_segment
                .is_some_and(|at| self.segments[at].end.is_some());
            if self.flushed_log(slot) < topic.appended || complete {
                self.ready.add(slot.0);
                return 0;
            }
        }
        if self.commits.take_changed() {
            // Committed since the checkpoint was asked for.
            self.checkpoint_commits();
            return 1;
        }
        // The last word to the journal: every topic's durable offset.
        if !self.unstated.is_empty() && self.journal.is_idle() {
            self.watermarks_at_ns = 0;
            return 1;
        }
        self.drained = true;
        self.event(IoEvent::Drained);
        1
    }
}
