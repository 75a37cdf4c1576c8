//! Older data comes from segments, through the ring; it is verified once, when it enters memory.

use super::ahead::USUAL_BATCH;
use super::copy::Copied;
use super::judge::AtCursor;
use super::{ColdRead, Cursor, Stage, CURSORS};
use crate::agent::Cx;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::io::agent::{IoAgent, IoRing};
use crate::keeper::{Answer, Found, Question};
use crate::limits::RESPONSE_HEADROOM;
use crate::messages::FetchRequest;
use crate::node::LogEvent;
use crate::ring::Completion;
use crate::topics::TopicSlot;

impl IoAgent {
    pub(super) fn fetch_cold(&mut self, slot: TopicSlot, fetch: FetchRequest, now_ns: u64) {
        let Some(index) = self.reader.cold.iter().position(Option::is_none) else {
            return self.later(fetch);
        };
        let place = self
            .reader
            .cursors
            .iter()
            .position(|c| c.slot == slot && c.offset == fetch.offset);
        let mut cursor = place.map(|at| self.reader.cursors.swap_remove(at));
        if let Some(cursor) = &mut cursor {
            cursor.in_order = true;
        }
        let mut read = ColdRead {
            slot,
            fetch,
            stage: Stage::Starved,
            cursor,
            response: None,
            started_ns: now_ns,
        };
        if cursor.is_none() {
            if !self.ask_finder(Question::Read {
                read: index as u32,
                slot,
                offset: fetch.offset,
            }) {
                return self.later(fetch);
            }
            read.stage = Stage::Finding;
        }
        self.reader.cold[index] = Some(read);
    }

    /// Takes the finder's answers.
    pub(super) fn answers<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> usize {
        let mut done = 0;
        while self.ends.to_finder.room() > 8 {
            let Some(answer) = self.ends.from_finder.pop() else {
                break;
            };
            done += 1;
            match answer {
                Answer::Read { read, result, .. } => match result {
                    Ok(Some(found)) => self.found(cx, read as usize, &found),
                    Ok(None) => self.vanished(read as usize),
                    Err(refusal) => {
                        // What was found before is whole: the next fetch meets the trouble, and says so.
                        let some = self.reader.cold[read as usize]
                            .and_then(|read| read.response)
                            .is_some_and(|response| response.len > 0);
                        self.end_cold(cx, read as usize, (!some).then_some(refusal));
                    }
                },
                Answer::Locate {
                    request,
                    topic,
                    by,
                    result,
                } => self.located_on_disk(request, topic, by, result),
            }
        }
        done
    }

    /// No segment is left. What the topic has instead is known when the keeper has told what it removed.
    fn vanished(&mut self, index: usize) {
        let read = self.reader.cold[index].expect("the finder answers a read that waits");
        let told = self.topics[read.slot.index()].first.offset > read.fetch.offset
            || self.map.find(read.fetch.topic).is_err();
        let begun = read.response.is_some_and(|response| response.len > 0);
        if !told && !begun && self.reader.retaining > 0 {
            let read = self.reader.cold[index].as_mut().expect("as before");
            read.stage = Stage::Vanished;
            return;
        }
        let refusal = self.read_refusal(index, Reason::Damaged);
        self.reader.cold[index] = None;
        match read.response {
            // It ends where the gap begins.
            Some(response) if begun => {
                return self.finish_response(read.slot, &read.fetch, response)
            }
            Some(response) => self.reader.responses.put(&self.table, response.slab),
            None => {}
        }
        if told {
            self.fetch_now(read.fetch, self.now_mono_ns);
        } else {
            self.refuse(read.fetch.request, refusal);
        }
    }

    /// The keeper has told what it removed.
    pub(in crate::io) fn removed_old(&mut self) {
        self.reader.retaining -= 1;
        for index in 0..self.reader.cold.len() {
            if self.reader.cold[index].is_some_and(|read| read.stage == Stage::Vanished) {
                self.vanished(index);
            }
        }
    }

    fn found<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, index: usize, found: &Found) {
        let begun = self.reader.cold[index].and_then(|read| read.response);
        if begun.is_some_and(|r| r.len > 0 && found.base_offset > r.next_offset) {
            // Retention left a gap behind what is in the response already: it ends there.
            self.ask_finder(Question::Close { file: found.file });
            return self.end_cold(cx, index, None);
        }
        if self.reader.free_files.is_empty() {
            self.close_oldest(cx);
        }
        let file = self
            .reader
            .free_files
            .pop()
            .expect("more files than cold reads");
        if cx.ring.install(file, found.file).is_err() {
            self.reader.free_files.push(file);
            self.ask_finder(Question::Close { file: found.file });
            let refusal = self.read_refusal(index, Reason::ReadFailed);
            return self.end_cold(cx, index, Some(refusal));
        }
        let read = self.reader.cold[index]
            .as_mut()
            .expect("the finder answers a read that waits");
        // Retention was faster: what is asked for is gone, the first kept record comes instead.
        read.fetch.offset = match read.response {
            None => read.fetch.offset.max(found.base_offset),
            Some(_) => read.fetch.offset,
        };
        if let Some(response) = read.response.as_mut().filter(|r| r.len == 0) {
            response.next_offset = response.next_offset.max(found.base_offset);
        }
        self.reader.next_cursor += 1;
        read.cursor = Some(Cursor {
            id: self.reader.next_cursor,
            slot: read.slot,
            offset: read
                .response
                .map_or(read.fetch.offset, |response| response.next_offset),
            base_offset: found.base_offset,
            position: found.position,
            handle: found.file,
            file,
            buffer: None,
            batch: USUAL_BATCH,
            // In a segment after the first one.
            in_order: read.response.is_some(),
            used_ns: cx.now.mono_ns,
        });
        read.stage = Stage::Starved;
        self.step(cx, index);
    }

    /// Goes on with the reads that lacked something.
    pub(super) fn resume_cold<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> usize {
        let mut done = 0;
        for index in 0..self.reader.cold.len() {
            if self.reader.cold[index].is_some_and(|read| read.stage == Stage::Starved) {
                self.step(cx, index);
                done += usize::from(
                    self.reader.cold[index].is_none_or(|read| read.stage != Stage::Starved),
                );
            }
        }
        done
    }

    pub(in crate::io) fn read_completed<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        completion: Completion,
    ) {
        let index = completion.token.id() as usize;
        let read = self.reader.cold[index]
            .as_mut()
            .expect("a read completes once");
        self.counters
            .read_latency
            .record(cx.now.mono_ns.saturating_sub(read.started_ns));
        let cursor = read.cursor.as_mut().expect("a read has its place");
        let buffer = cursor.buffer.as_mut().expect("a read has its buffer");
        if completion.result < 0 {
            let refusal = self.read_refusal(index, Reason::ReadFailed);
            self.counters.errors.inc();
            return self.end_cold(cx, index, Some(refusal));
        }
        buffer.len = completion.result as u32;
        read.stage = Stage::Starved;
        self.counters.cold_bytes.add(completion.result as u64);
        self.step(cx, index);
    }

    /// Copies what is in the buffer, reads on, or ends. Leaves the read `Starved` when something is wanting.
    pub(super) fn step<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, index: usize) {
        let mut begun = false;
        loop {
            let read = self.reader.cold[index].expect("stepped while it is there");
            let topic = &self.topics[read.slot.index()];
            if let Err(refusal) = self.map.find(read.fetch.topic) {
                return self.end_cold(cx, index, Some(refusal));
            }
            let end = topic.readable.offset;
            let mut cursor = read.cursor.expect("stepped with a place");
            let response = match read.response {
                Some(response) => response,
                None => {
                    match self.begin_response(&read.fetch, end.saturating_sub(read.fetch.offset)) {
                        Some(response) => {
                            begun = true;
                            response
                        }
                        None => {
                            self.reader.short = true;
                            return;
                        }
                    }
                }
            };
            self.reader.cold[index]
                .as_mut()
                .expect("as before")
                .response = Some(response);
            if std::mem::take(&mut begun) {
                self.read_ahead(cx, index);
            }
            let mut response = response;
            let below = self.tail_start(read.slot).unwrap_or(end);
            if response.next_offset >= below {
                if response.next_offset < end {
                    self.copy_tail(read.slot, &mut response);
                }
                self.reader.cold[index]
                    .as_mut()
                    .expect("as before")
                    .response = Some(response);
                return self.end_cold(cx, index, None);
            }
            let header = match self.at_cursor(&mut cursor, read.fetch.topic) {
                AtCursor::Batch(header) => header,
                AtCursor::Missing(bytes) => {
                    self.reader.cold[index].as_mut().expect("as before").cursor = Some(cursor);
                    if !self.read_on(cx, index, bytes) {
                        return;
                    }
                    continue;
                }
                AtCursor::End => return self.next_segment(cx, index),
                AtCursor::Damaged => {
                    self.counters.damaged.inc();
                    let offset = cursor.base_offset;
                    self.log(LogEvent::DamageFound {
                        topic: read.fetch.topic,
                        offset,
                    });
                    if response.len > 0 {
                        // What came before it is whole; the next fetch starts at the damage and says so.
                        return self.end_cold(cx, index, None);
                    }
                    let mut refusal = self.read_refusal(index, Reason::Damaged);
                    refusal.bound = offset;
                    return self.end_cold(cx, index, Some(refusal));
                }
            };
            let buffer = cursor.buffer.expect("a batch is in the buffer");
            // SAFETY: `at_cursor` saw that the whole batch is inside what was read; this agent owns the slab.
            let whole = unsafe {
                let at = self
                    .table
                    .at(buffer.slab)
                    .add(buffer.at as usize + (cursor.position - buffer.base) as usize);
                std::slice::from_raw_parts(at, header.batch_len() as usize)
            };
            let capacity = self.table.bytes(response.slab) - RESPONSE_HEADROOM;
            let copied = response.copy(&self.table, &header, whole, capacity);
            if response.next_offset == header.next_offset() {
                cursor.position += header.batch_len();
                cursor.base_offset = header.next_offset();
            }
            cursor.offset = response.next_offset;
            let kept = self.reader.cold[index].as_mut().expect("as before");
            kept.cursor = Some(cursor);
            kept.response = Some(response);
            match copied {
                Copied::Whole => {}
                Copied::Full => return self.end_cold(cx, index, None),
                Copied::InsideRecord(at) => {
                    let refusal = Refusal {
                        code: ErrorCode::InvalidOffset,
                        reason: Reason::InsideRecord,
                        value: read.fetch.offset,
                        bound: at,
                    };
                    return self.end_cold(cx, index, Some(refusal));
                }
                Copied::TooSmall(_) if response.len > 0 => return self.end_cold(cx, index, None),
                Copied::TooSmall(needed) => {
                    let Some(slab) = self.reader.responses.take(needed + RESPONSE_HEADROOM) else {
                        self.reader.short = true;
                        return;
                    };
                    self.reader.responses.put(&self.table, response.slab);
                    self.reader.cold[index]
                        .as_mut()
                        .expect("as before")
                        .response = Some(super::Response { slab, ..response });
                }
            }
        }
    }

    fn next_segment<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, index: usize) {
        let read = self.reader.cold[index].as_mut().expect("as before");
        let cursor = read.cursor.take().expect("a read has its place");
        let (slot, offset) = (read.slot, cursor.offset);
        let stuck = cursor.base_offset == offset
            && cursor
                .buffer
                .is_some_and(|b| b.verified == cursor.position && cursor.position == 0);
        self.close_cursor(cx, cursor);
        if stuck
            || !self.ask_finder(Question::Read {
                read: index as u32,
                slot,
                offset,
            })
        {
            let refusal = self.read_refusal(index, Reason::Damaged);
            return self.end_cold(cx, index, Some(refusal));
        }
        self.reader.cold[index].as_mut().expect("as before").stage = Stage::Finding;
    }

    /// Answers a cold read and keeps its place for the next fetch.
    fn end_cold<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        index: usize,
        refusal: Option<Refusal>,
    ) {
        let read = self.reader.cold[index].take().expect("a read ends once");
        match (refusal, read.response) {
            (None, Some(response)) => self.finish_response(read.slot, &read.fetch, response),
            (refusal, response) => {
                if let Some(response) = response {
                    self.reader.responses.put(&self.table, response.slab);
                }
                if let Some(refusal) = refusal {
                    self.refuse(read.fetch.request, refusal);
                }
            }
        }
        let Some(mut cursor) = read.cursor else {
            return;
        };
        let below = self.on_disk_below(read.slot);
        if refusal.is_some() || cursor.offset >= below {
            return self.close_cursor(cx, cursor);
        }
        cursor.used_ns = cx.now.mono_ns;
        if self.reader.cursors.len() == CURSORS {
            self.close_oldest(cx);
        }
        self.reader.cursors.push(cursor);
    }

    fn read_refusal(&self, index: usize, reason: Reason) -> Refusal {
        let read = self.reader.cold[index].expect("as before");
        let offset = read
            .response
            .map_or(read.fetch.offset, |response| response.next_offset);
        Refusal {
            code: ErrorCode::Storage,
            reason,
            value: u64::from(read.fetch.topic),
            bound: offset,
        }
    }
}
