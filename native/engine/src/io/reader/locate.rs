//! From a record index, a time, a key or an offset to a record (lwp.md, Locate).

use super::tail::TailBatch;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::format::batch::{BatchHeader, SortKey, BATCH_HEADER};
use crate::io::agent::IoAgent;
use crate::keeper::{Located, Question};
use crate::lwp::tlv;
use crate::messages::{FromIo, LocateBy, RequestId};
use crate::topics::TopicSlot;

/// Whether a batch holds a record at or after the address.
#[must_use]
pub fn reaches(header: &BatchHeader, by: LocateBy) -> bool {
    match by {
        LocateBy::Record(record) => header.next_record() > record,
        LocateBy::Offset(offset) => header.next_offset() > offset,
        LocateBy::Time(ns) => header.key.timestamp_ns >= ns,
        LocateBy::Key(ns, rest) => {
            header.last_key()
                >= SortKey {
                    timestamp_ns: ns,
                    node_actor_sequence: rest,
                }
        }
    }
}

/// The record of a batch that `reaches` the address: the first at or after it, or for an offset the one that holds it.
#[must_use]
pub fn within(header: &BatchHeader, payload: &[u8], by: LocateBy) -> Option<Located> {
    let index = match by {
        LocateBy::Record(record) => record.saturating_sub(header.base_record),
        LocateBy::Time(_) => 0,
        LocateBy::Key(ns, rest) => {
            let key = SortKey {
                timestamp_ns: ns,
                node_actor_sequence: rest,
            };
            if key <= header.key {
                0
            } else {
                rest - header.key.node_actor_sequence
            }
        }
        LocateBy::Offset(offset) => {
            let at = offset.saturating_sub(header.base_offset) as usize;
            tlv::records(payload)
                .take_while(|record| record.at <= at)
                .count()
                .saturating_sub(1) as u64
        }
    };
    let record = tlv::records(payload).nth(index as usize)?;
    Some(Located {
        offset: header.base_offset + record.at as u64,
        record: header.base_record + index,
        key: header.key.plus(index),
    })
}

impl IoAgent {
    pub(super) fn locate(&mut self, request: RequestId, topic: u32, by: LocateBy) {
        self.counters.locates.inc();
        let slot = match self.map.find(topic) {
            Ok(slot) => slot,
            Err(refusal) => return self.refuse(request, refusal),
        };
        let topic = &self.topics[slot.index()];
        let (first, end) = (topic.first, topic.readable);
        let by = match by {
            LocateBy::Record(record) => LocateBy::Record(record.max(first.record)),
            LocateBy::Offset(offset) => LocateBy::Offset(offset.max(first.offset)),
            other => other,
        };
        let past = match by {
            LocateBy::Record(record) => record >= end.record,
            LocateBy::Offset(offset) => offset >= end.offset,
            LocateBy::Time(_) | LocateBy::Key(..) => first.offset == end.offset,
        };
        if past {
            return self.past_end(request, by);
        }
        let tail = topic
            .first_slab
            .and_then(|slab| self.tail_batch(slab, self.slabs[slab].first));
        // What lies on disk comes before what is in memory, so one look at the first batch there decides.
        let in_memory = tail.filter(|batch| {
            let header = &batch.header;
            match by {
                LocateBy::Record(record) => header.base_record <= record,
                LocateBy::Offset(offset) => header.base_offset <= offset,
                LocateBy::Time(ns) => header.key.timestamp_ns < ns,
                LocateBy::Key(ns, rest) => {
                    header.key
                        <= SortKey {
                            timestamp_ns: ns,
                            node_actor_sequence: rest,
                        }
                }
            }
        });
        let nothing_on_disk = tail.is_some_and(|batch| batch.header.base_offset <= first.offset);
        if in_memory.is_some() || nothing_on_disk {
            return self.locate_in_memory(request, slot, by);
        }
        let below = self.tail_start(slot).unwrap_or(end.offset);
        let topic = self.topics[slot.index()].id;
        if !self.ask_finder(Question::Locate {
            request,
            topic,
            slot,
            by,
            below,
        }) {
            let code = ErrorCode::RateLimited;
            let value = u64::from(topic);
            self.refuse(
                request,
                Refusal {
                    code,
                    reason: Reason::Overloaded,
                    value,
                    bound: 0,
                },
            );
        }
    }

    pub(super) fn located_on_disk(
        &mut self,
        request: RequestId,
        topic: u32,
        by: LocateBy,
        result: Result<Option<Located>, Refusal>,
    ) {
        // The topic may have gone, and its slot be another's, while the finder looked.
        match (self.map.find(topic), result) {
            (Err(refusal), _) | (Ok(_), Err(refusal)) => self.refuse(request, refusal),
            (Ok(_), Ok(Some(located))) => self.located(request, located),
            (Ok(slot), Ok(None)) => self.locate_in_memory(request, slot, by),
        }
    }

    fn locate_in_memory(&mut self, request: RequestId, slot: TopicSlot, by: LocateBy) {
        let end = self.topics[slot.index()].readable.offset;
        let mut next = self.tail_slab(slot, |batch: &TailBatch| match by {
            LocateBy::Record(record) => batch.header.base_record <= record,
            LocateBy::Offset(offset) => batch.header.base_offset <= offset,
            LocateBy::Time(ns) => batch.header.key.timestamp_ns < ns,
            LocateBy::Key(ns, rest) => {
                batch.header.key
                    <= SortKey {
                        timestamp_ns: ns,
                        node_actor_sequence: rest,
                    }
            }
        });
        next = next.or(self.topics[slot.index()].first_slab);
        let mut batch = next.and_then(|slab| self.tail_batch(slab, self.slabs[slab].first));
        while let Some(at) = batch.filter(|at| at.header.next_offset() <= end) {
            if reaches(&at.header, by) {
                let payload = at.position + BATCH_HEADER as u64;
                let bytes =
                    self.slabs
                        .bytes(at.slab, payload, payload + u64::from(at.header.payload_len));
                if let Some(located) = within(&at.header, bytes, by) {
                    return self.located(request, located);
                }
            }
            batch = self.tail_next(&at);
        }
        self.past_end(request, by);
    }

    fn located(&mut self, request: RequestId, located: Located) {
        let Located {
            offset,
            record,
            key,
        } = located;
        let SortKey {
            timestamp_ns,
            node_actor_sequence,
        } = key;
        self.answer(FromIo::Located {
            request,
            offset,
            record,
            timestamp_ns,
            node_actor_sequence,
        });
    }

    fn past_end(&mut self, request: RequestId, by: LocateBy) {
        let value = match by {
            LocateBy::Record(value)
            | LocateBy::Time(value)
            | LocateBy::Offset(value)
            | LocateBy::Key(value, _) => value,
        };
        self.refuse(
            request,
            Refusal {
                code: ErrorCode::OffsetOutOfRange,
                reason: Reason::PastEnd,
                value,
                bound: 0,
            },
        );
    }
}
