//! What clients ask of the engine.

use super::copy::Copied;
use super::Response;
use crate::agent::Cx;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::io::agent::{IoAgent, IoRing};
use crate::limits::RESPONSE_HEADROOM;
use crate::messages::{FetchData, FetchMode, FetchRequest, FromIo, RequestId, ToIo};
use crate::topics::TopicSlot;

/// How often the network agent is told that fetches wait for memory.
const SHORT_NS: u64 = 100_000_000;
/// Requests taken in one duty cycle at most.
const BURST: usize = 256;
/// "Where is the end" (lwp.md, "Fetch at the edges"), and what Subscribe takes for it besides.
const END: u64 = u64::MAX;
const CLIENT_END: u64 = (1 << 63) - 1;

impl IoAgent {
    /// Takes requests. Returns how many.
    pub(in crate::io) fn requests<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> usize {
        let mut done = 0;
        let now_s = cx.now.wall_ns / 1_000_000_000;
        while done < BURST && self.ends.to_network.room() > BURST && self.ends.to_finder.room() > 8
        {
            let Some(message) = self.ends.from_network.pop() else {
                break;
            };
            done += 1;
            match message {
                ToIo::Fetch(fetch) => self.fetch(fetch, cx.now.mono_ns),
                ToIo::Locate { request, topic, by } => self.locate(request, topic, by),
                ToIo::Subscribe {
                    request,
                    topic,
                    offset,
                } => self.subscribe(request, topic, offset),
                ToIo::Commit {
                    request,
                    topic,
                    consumer,
                    offset,
                } => {
                    self.commit(request, topic, consumer, offset, now_s);
                }
                ToIo::GetCommitted {
                    request,
                    topic,
                    consumer,
                } => self.committed(request, topic, consumer, now_s),
                ToIo::Release(slab) => self.reader.responses.put(&self.table, slab),
                ToIo::Forget(request) => self.forget(request),
            }
        }
        done
    }

    fn subscribe(&mut self, request: RequestId, topic: u32, offset: u64) {
        match self.map.find(topic) {
            Ok(slot) => {
                let topic = &self.topics[slot.index()];
                let end = topic.readable.offset;
                let offset = if offset == END || offset == CLIENT_END {
                    end
                } else {
                    offset.max(topic.first.offset)
                };
                self.answer(FromIo::Resolved { request, offset });
            }
            Err(refusal) => self.refuse(request, refusal),
        }
    }

    /// A fetch that may wait.
    fn fetch(&mut self, fetch: FetchRequest, now_ns: u64) {
        let slot = match self.map.find(fetch.topic) {
            Ok(slot) => slot,
            Err(refusal) => return self.refuse(fetch.request, refusal),
        };
        let end = self.topics[slot.index()].readable.offset;
        let enough = u64::from(fetch.min_bytes.min(fetch.max_bytes));
        let waits =
            fetch.deadline_ns > now_ns && fetch.offset <= end && end - fetch.offset < enough;
        if waits && !self.starts_inside(slot, &fetch) && self.wait(slot, fetch) {
            return;
        }
        self.fetch_now(fetch, now_ns);
    }

    /// Whether a fetch is known to start inside a record. What is on disk is told when the wait is over.
    fn starts_inside(&self, slot: TopicSlot, fetch: &FetchRequest) -> bool {
        if fetch.mode == FetchMode::Batches {
            return false;
        }
        let Some(batch) = self.tail_at(slot, fetch.offset) else {
            return false;
        };
        let at = (fetch.offset - batch.header.base_offset) as usize;
        let payload = batch.position + crate::format::batch::BATCH_HEADER as u64;
        let payload = self.slabs.bytes(
            batch.slab,
            payload,
            payload + u64::from(batch.header.payload_len),
        );
        !crate::lwp::tlv::records(payload)
            .take_while(|record| record.at <= at)
            .any(|record| record.at == at)
    }

    /// Answers a fetch with what there is.
    pub(super) fn fetch_now(&mut self, mut fetch: FetchRequest, now_ns: u64) {
        let slot = match self.map.find(fetch.topic) {
            Ok(slot) => slot,
            Err(refusal) => return self.refuse(fetch.request, refusal),
        };
        let topic = &self.topics[slot.index()];
        let (first, end) = (topic.first.offset, topic.readable.offset);
        if fetch.offset > end && fetch.offset != END {
            let refusal = Refusal {
                code: ErrorCode::OffsetOutOfRange,
                reason: Reason::BeyondEnd,
                value: fetch.offset,
                bound: end,
            };
            return self.refuse(fetch.request, refusal);
        }
        // The first kept one may be the end: then nothing is kept.
        fetch.offset = fetch.offset.max(first);
        if fetch.offset >= end {
            return self.nothing(&fetch, end);
        }
        if self
            .tail_start(slot)
            .is_none_or(|start| fetch.offset < start)
        {
            self.counters.misses.inc();
            return self.fetch_cold(slot, fetch, now_ns);
        }
        let Some(mut response) = self.begin_response(&fetch, end - fetch.offset) else {
            return self.later(fetch);
        };
        loop {
            match self.copy_tail(slot, &mut response) {
                Copied::Whole | Copied::Full => break,
                Copied::InsideRecord(at) => {
                    self.reader.responses.put(&self.table, response.slab);
                    return self.inside(fetch.request, fetch.offset, at);
                }
                Copied::TooSmall(_) if response.len > 0 => break,
                Copied::TooSmall(needed) => {
                    self.reader.responses.put(&self.table, response.slab);
                    let Some(slab) = self.reader.responses.take(needed + RESPONSE_HEADROOM) else {
                        return self.later(fetch);
                    };
                    response.slab = slab;
                }
            }
        }
        self.counters.hits.inc();
        self.finish_response(slot, &fetch, response);
    }

    /// A slab for the answer, as large as the request and what there is allow. `None`: wait for one.
    pub(super) fn begin_response(
        &mut self,
        fetch: &FetchRequest,
        available: u64,
    ) -> Option<Response> {
        let data = u64::from(fetch.max_bytes).min(available.max(1)) as u32;
        let enough = fetch.min_bytes.min(data).max(64 * 1024);
        let pool = &mut self.reader.responses;
        // Less than what was asked for is an answer too: the client goes on at `next_offset`. A jumbo slab is for what fits
        // nowhere else: each of its pages is had anew.
        let slab = pool
            .take_eager(data + RESPONSE_HEADROOM)
            .or_else(|| match pool.largest_eager() {
                largest if data + RESPONSE_HEADROOM <= largest => {
                    pool.take_most(enough + RESPONSE_HEADROOM)
                }
                _ => None,
            })
            .or_else(|| pool.take(data + RESPONSE_HEADROOM))
            .or_else(|| pool.take_most(RESPONSE_HEADROOM + 1));
        if slab.is_none() {
            self.counters.responses_exhausted.inc();
        }
        let slab = slab?;
        let capacity = self.table.bytes(slab) - RESPONSE_HEADROOM;
        Some(Response {
            slab,
            budget: fetch.max_bytes.min(capacity),
            len: 0,
            records: 0,
            next_offset: fetch.offset,
            mode: fetch.mode,
            sum: 0,
            summed: 0,
            kind: fetch.kind,
            combined: false,
        })
    }

    pub(super) fn finish_response(
        &mut self,
        slot: TopicSlot,
        fetch: &FetchRequest,
        mut response: Response,
    ) {
        if response.len == 0 {
            self.reader.responses.put(&self.table, response.slab);
            return self.nothing(fetch, response.next_offset);
        }
        self.counters.fetched_bytes.add(u64::from(response.len));
        self.counters
            .fetched_records
            .add(u64::from(response.records));
        self.counters
            .topics
            .fetched(slot, u64::from(response.records), u64::from(response.len));
        let data = FetchData {
            slab: Some(response.slab),
            len: response.len,
            records: response.records,
            next_offset: response.next_offset,
            sum: response.checksum(&self.table),
        };
        self.answer_fetch(fetch, data);
    }

    /// An empty answer: the client goes on there.
    fn nothing(&mut self, fetch: &FetchRequest, next_offset: u64) {
        let data = FetchData {
            slab: None,
            len: 0,
            records: 0,
            next_offset,
            sum: None,
        };
        self.answer_fetch(fetch, data);
    }

    fn answer_fetch(&mut self, fetch: &FetchRequest, data: FetchData) {
        self.counters.fetches.inc();
        let taken = self.stamp().saturating_sub(fetch.asked_ns);
        self.counters.fetch_latency.record(taken);
        self.answer(FromIo::Fetched {
            request: fetch.request,
            data,
        });
    }

    pub(super) fn inside(&mut self, request: RequestId, offset: u64, record: u64) {
        let refusal = Refusal {
            code: ErrorCode::InvalidOffset,
            reason: Reason::InsideRecord,
            value: offset,
            bound: record,
        };
        self.refuse(request, refusal);
    }

    /// Nothing to answer with right now: tried again when something is given back.
    pub(super) fn later(&mut self, fetch: FetchRequest) {
        if self.reader.queued.len() < self.reader.queued.capacity() {
            self.reader.queued.push_back(fetch);
            self.reader.short = true;
        } else {
            let value = u64::from(fetch.topic);
            let code = ErrorCode::RateLimited;
            self.refuse(
                fetch.request,
                Refusal {
                    code,
                    reason: Reason::Overloaded,
                    value,
                    bound: 0,
                },
            );
        }
    }

    /// Wakes who waits and goes on with what was put off. Returns how much that was.
    pub(in crate::io) fn read<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> usize {
        if self.reader.short && cx.now.mono_ns >= self.reader.short_said_ns + SHORT_NS {
            self.reader.short = false;
            self.reader.short_said_ns = cx.now.mono_ns;
            self.answer(FromIo::Short);
        }
        let mut done = self.wake_waiters(cx.now.mono_ns);
        done += self.answers(cx);
        for _ in 0..self.reader.queued.len() {
            let Some(fetch) = self.reader.queued.pop_front() else {
                break;
            };
            let before = self.reader.queued.len();
            self.fetch_now(fetch, cx.now.mono_ns);
            if self.reader.queued.len() > before {
                break;
            }
            done += 1;
        }
        done + self.resume_cold(cx)
    }
}
