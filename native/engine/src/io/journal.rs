//! The shared journal: one aligned write, one flush, and the acks of every topic in it leave (design.md, section 5).

use super::agent::{IoAgent, IoRing, Kind, FAR};
use super::chunks::{Chunks, MAX_CHUNKS, WANTED_CHUNKS};
use super::compose::Block;
use super::segment::Segment;
use super::settle::Pace;
use super::topic::Settle;
use crate::agent::Cx;
use crate::format::journal::{BlockHeader, BLOCK_HEADER};
use crate::keeper::Job;
use crate::limits::BLOCK;
use crate::memory::{approach, SlabId};
use crate::ring::Completion;
use crate::topics::TopicSlot;

/// Largest block that goes out with DSYNC; a larger one is written first and flushed then.
const LARGEST_DSYNC: u64 = 128 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// A block is being written; `at` is what of it is done.
    Writing {
        position: u64,
        done: u64,
        len: u64,
        dsync: bool,
        durable: bool,
        submitted_ns: u64,
    },
    Flushing {
        started_ns: u64,
    },
    /// Nothing can be journaled any more until a restart. `under_way`: the block of before is still being written or flushed.
    Failed {
        under_way: bool,
    },
}

/// The journal's writer: one block at a time.
pub struct Journal {
    pub chunks: Chunks,
    state: State,
    buffer: SlabId,
    pub(super) buffer_bytes: u32,
    next_sequence: u64,
    first_sequence: u64,
    previous: u32,
    /// Last block that was accepted, and last that is on stable storage.
    accepted: u64,
    flushed: u64,
    /// The oldest needed generation as the last block states it, and as the last one on stable storage does.
    stating: u64,
    stated: u64,
    /// Topics with entries in the block being written.
    pub(super) members: Vec<TopicSlot>,
    pub chunk_asked: bool,
    /// One that failed is asked for again then, monotonic ns.
    pub chunk_retry_ns: u64,
    /// It is time to flush what was only written.
    pub flush_wanted: bool,
    /// The generation whose topics are being settled, so that its chunk becomes free.
    pub settling_below: u64,
}

impl Journal {
    /// A journal that goes on at `sequence`, with memory for blocks of `buffer_bytes`.
    #[must_use]
    pub fn new(
        chunks: Chunks,
        sequence: u64,
        buffer: SlabId,
        buffer_bytes: u32,
        topics: u32,
    ) -> Self {
        assert!(sequence > 0);
        Self {
            chunks,
            state: State::Idle,
            buffer,
            buffer_bytes,
            next_sequence: sequence,
            first_sequence: sequence,
            previous: 0,
            stating: 1,
            stated: 1,
            accepted: sequence - 1,
            flushed: sequence - 1,
            members: Vec::with_capacity(topics as usize),
            chunk_asked: false,
            chunk_retry_ns: 0,
            flush_wanted: false,
            settling_below: 0,
        }
    }
    /// The chunk generation being written.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.chunks.generation()
    }
    /// Sequence up to which every block is on stable storage.
    #[must_use]
    pub fn flushed_sequence(&self) -> u64 {
        self.flushed
    }
    /// Whether a block can be made now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }
    /// Whether nothing is under way, for good or for bad.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Idle | State::Failed { under_way: false })
    }
    /// Whether a flush is under way.
    #[must_use]
    pub fn is_flushing(&self) -> bool {
        matches!(self.state, State::Flushing { .. })
    }
    /// Whether nothing can be journaled any more.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed { .. })
    }
    /// If it has failed: nothing is under way any more. Returns whether it has.
    fn failed_meanwhile(&mut self) -> bool {
        let failed = self.has_failed();
        if failed {
            self.state = State::Failed { under_way: false };
        }
        failed
    }
    /// Whether the current chunk takes no further block, but tails: what is left of it is kept for them.
    #[must_use]
    pub fn is_chunk_full(&self) -> bool {
        let buffer = u64::from(self.buffer_bytes);
        self.chunks.room() < buffer + (buffer / 4).next_multiple_of(BLOCK)
    }
    /// Whether blocks were written that no flush covers.
    #[must_use]
    pub fn has_unflushed(&self) -> bool {
        self.accepted > self.flushed
    }
}

impl IoAgent {
    /// Starts a block if there is anything for one. Returns whether it did.
    pub(super) fn journal<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) -> bool {
        if !self.journal.is_idle() {
            return false;
        }
        if self.journal.flush_wanted && self.journal.has_unflushed() {
            self.flush_journal(cx);
            return true;
        }
        let watermarks = !self.unstated.is_empty() && cx.now.mono_ns >= self.watermarks_at_ns;
        let carry = self.carry_due();
        let full = self.journal.is_chunk_full();
        // What nobody waits for is no reason to look for another chunk.
        let ahead = self.protecting.is_wanted() && !full;
        let asked = !self.dirty.is_empty() || self.commits.pending() > 0 || self.rescue.is_wanted();
        if !asked && !watermarks && !carry && !ahead {
            return false;
        }
        if full && self.journal.has_unflushed() {
            // A flush covers one file: the old chunk's blocks must not be left to the next one's.
            self.flush_journal(cx);
            return true;
        }
        let ready = self.chunk_ready();
        if !self.journal.is_idle() {
            return false;
        }
        let capacity =
            u64::from(self.journal.buffer_bytes).min(self.journal.chunks.room()) as usize;
        let mut block = Block::new(self.table.at(self.journal.buffer), capacity);
        if !ready {
            // No chunk is free before topics settle, and some settle only after a tail of theirs is journaled: the rest of
            // the full chunk is kept for those.
            self.compose_tails(&mut block);
            if block.entries == 0 && self.settling == 0 {
                // One block is left for saying which chunk is free then.
                block.capacity = block.capacity.saturating_sub(BLOCK as usize);
                self.compose_endangered(&mut block);
                self.compose_carried(&mut block);
            }
            if block.entries == 0 {
                self.give_up_if_stuck();
                return false;
            }
            self.submit(cx, block);
            return true;
        }
        self.compose(&mut block);
        // In a full chunk the block is there to say which chunk is free: empty, if nothing fits.
        let full = self.journal.is_chunk_full();
        if block.entries == 0 && !full {
            return false;
        }
        block.durable |= full;
        self.submit(cx, block);
        true
    }

    /// Makes sure that the current chunk has room for a block, or moves on to the next chunk.
    fn chunk_ready(&mut self) -> bool {
        self.ask_chunk(WANTED_CHUNKS);
        // A block of the largest regular size fits, or the chunk counts as full.
        if !self.journal.is_chunk_full() {
            return true;
        }
        let chunks = &mut self.journal.chunks;
        if chunks.is_free_unsaid(self.journal.stated) && chunks.room() >= BLOCK {
            return true;
        }
        if chunks.advance() {
            self.counters.journal_chunk.set(chunks.current().number);
            // What the oldest chunk but one holds has a whole chunk's time to get into the segments.
            let below = chunks.generation().saturating_sub(1);
            self.pace = Pace::new(chunks.held_below(below));
            self.journal.settling_below = below;
            if self.journal.chunks.has_old_commits() {
                self.checkpoint_commits();
            }
            return true;
        }
        self.ask_chunk(MAX_CHUNKS);
        self.journal.settling_below = self.journal.generation();
        if self.journal.chunks.has_old_commits() {
            self.checkpoint_commits();
        }
        false
    }

    /// Asks for another chunk while there are fewer than `wanted`.
    fn ask_chunk(&mut self, wanted: usize) {
        let chunks = &self.journal.chunks;
        let due = self.now_mono_ns >= self.journal.chunk_retry_ns && !self.journal.chunk_asked;
        if chunks.count() < wanted && due {
            let (number, bytes) = (chunks.next_number(), self.config.chunk_bytes);
            self.journal.chunk_asked = self.tell_keeper(Job::Chunk { number, bytes });
        }
    }

    fn submit<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, block: Block) {
        let journal = &mut self.journal;
        journal.stating = journal.chunks.oldest_needed();
        let header = BlockHeader {
            generation: journal.chunks.generation(),
            sequence: journal.next_sequence,
            previous: journal.previous,
            length: (block.used - BLOCK_HEADER) as u32,
            entries: block.entries,
            oldest_generation: journal.stating,
            durable_sequence: journal.flushed,
            first_sequence: journal.first_sequence,
        };
        let len = header.block_len();
        // SAFETY: the buffer is the journal's own, larger than any block, and no write of it is in flight.
        let bytes = unsafe { std::slice::from_raw_parts_mut(block.at, len as usize) };
        bytes[block.used..].fill(0);
        journal.previous = header.seal(bytes);
        journal.next_sequence += 1;
        let position = journal.chunks.place(len);
        // DSYNC covers its own bytes alone: with earlier blocks unflushed, a flush has to cover them all.
        let dsync = block.durable && journal.accepted == journal.flushed && len <= LARGEST_DSYNC;
        let now_ns = self.config.clock.mono_ns();
        journal.state = State::Writing {
            position,
            done: 0,
            len,
            dsync,
            durable: block.durable,
            submitted_ns: now_ns,
        };
        for index in 0..self.journal.members.len() {
            let slot = self.journal.members[index];
            if let Some(coming) = self.journal.members.get(index + FAR) {
                approach(&self.topics[coming.index()]);
            }
            let end = self.topics[slot.index()].journal.pending;
            self.mark_submitted(slot, end, now_ns);
        }
        self.counters.journal_writes.inc();
        self.counters.journal_bytes.add(len);
        self.write_block(cx);
    }

    fn write_block<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) {
        let State::Writing {
            position,
            done,
            len,
            dsync,
            ..
        } = self.journal.state
        else {
            return;
        };
        let file = self.journal.chunks.current().file;
        let token = self.token(Kind::Journal, 0);
        // SAFETY: the buffer is not touched until the block is over; `done` is inside it.
        unsafe {
            let from = self.table.at(self.journal.buffer).add(done as usize);
            cx.ring.write(
                file,
                position + done,
                from,
                (len - done) as u32,
                dsync,
                token,
            );
        }
    }

    pub(super) fn journal_written<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        completion: Completion,
    ) {
        if self.journal.failed_meanwhile() {
            return;
        }
        let State::Writing {
            position,
            done,
            len,
            dsync,
            durable,
            submitted_ns,
        } = self.journal.state
        else {
            unreachable!("a journal write completes while it is in flight")
        };
        let written = u64::try_from(completion.result).unwrap_or(0) / BLOCK * BLOCK;
        if written == 0 {
            let errno = if completion.result < 0 {
                -completion.result
            } else {
                libc::EIO
            };
            self.journal.state = State::Idle;
            self.journal_broke(errno, "writing the journal");
            return;
        }
        if done + written < len {
            let done = done + written;
            // A synchronous write covers its own bytes alone, and not all of the block was one: a flush follows instead.
            self.journal.state = State::Writing {
                position,
                done,
                len,
                dsync: false,
                durable,
                submitted_ns,
            };
            self.write_block(cx);
            return;
        }
        self.counters
            .write_latency
            .record(cx.now.mono_ns.saturating_sub(submitted_ns));
        self.journal.accepted = self.journal.next_sequence - 1;
        if dsync {
            self.counters.durable_writes.inc();
            self.journal.flushed = self.journal.accepted;
            self.journal.stated = self.journal.stating;
            self.protected_ahead();
        } else if durable {
            // The topics in it that ask for less need not wait for the flush.
            self.accept_members();
            self.flush_journal(cx);
            return;
        } else {
            self.unflushed_bytes += len;
            self.journal.flush_wanted |= self.takes_early_flush();
        }
        self.journal.state = State::Idle;
        self.accept_members();
        self.release_members();
    }

    fn flush_journal<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>) {
        self.journal.state = State::Flushing {
            started_ns: cx.now.mono_ns,
        };
        self.journal.flush_wanted = false;
        self.unflushed_bytes = 0;
        let token = self.token(Kind::JournalFlush, 0);
        cx.ring.flush(self.journal.chunks.current().file, token);
    }

    pub(super) fn journal_flushed<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        completion: Completion,
    ) {
        if self.journal.failed_meanwhile() {
            return;
        }
        let State::Flushing { started_ns } = self.journal.state else {
            unreachable!("a journal flush completes while it is under way")
        };
        self.counters.flushes.inc();
        self.counters
            .flush_latency
            .record(cx.now.mono_ns.saturating_sub(started_ns));
        if completion.result < 0 {
            self.journal.state = State::Idle;
            self.journal_broke(-completion.result, "flushing the journal");
            return;
        }
        self.journal.flushed = self.journal.accepted;
        self.journal.stated = self.journal.stating;
        self.journal.state = State::Idle;
        self.release_members();
        self.protected_ahead();
        let unflushed = self.unflushed.len();
        for _ in 0..unflushed {
            if let Some(slot) = self.unflushed.take() {
                self.ready.add(slot);
            }
        }
    }

    /// The device has the block: its bytes belong to the topics' runs.
    fn accept_members(&mut self) {
        for index in 0..self.journal.members.len() {
            let slot = self.journal.members[index];
            if let Some(coming) = self.journal.members.get(index + FAR) {
                approach(&self.topics[coming.index()].journal);
            }
            let sequence = self.journal.accepted;
            let journal = &mut self.topics[slot.index()].journal;
            if journal.pending > 0 {
                if journal.to != journal.pending_from {
                    journal.from = journal.pending_from;
                }
                journal.to = journal.pending;
                journal.pending = 0;
                journal.sequence = sequence;
            }
            self.ready.add(slot.0);
        }
    }

    /// The block is over: tails in it protect their blocks now.
    fn release_members(&mut self) {
        while let Some(slot) = self.journal.members.pop() {
            let topic = &mut self.topics[slot.index()];
            if std::mem::take(&mut topic.tail_pending) {
                topic.needs_tail = false;
                if let Some(slab) = topic.write_slab {
                    self.segments[self.slabs[slab].segment].protected = true;
                }
            }
            self.ready.add(slot.0);
        }
        self.commits_durable();
        self.carried();
    }

    pub(super) fn journal_broke(&mut self, errno: i32, what: &'static str) {
        let under_way = !self.journal.is_at_rest();
        self.journal.state = State::Failed { under_way };
        self.counters.errors.inc();
        self.shared
            .journal_failed
            .store(true, std::sync::atomic::Ordering::Relaxed);
        self.log(crate::node::LogEvent::JournalFailed { errno, what });
        // Nobody can tell what of it is on the disk: everything that is not acknowledged fails.
        while let Some(slot) = self.journal.members.pop() {
            let topic = &mut self.topics[slot.index()];
            topic.journal.pending = 0;
            topic.tail_pending = false;
        }
        while self.dirty.take().is_some() {}
        while self.unstated.take().is_some() {}
        for index in 0..self.topics.len() {
            if self.live[index] {
                self.freeze(TopicSlot(index as u32), errno, what);
            }
        }
        self.carry_no_more(None);
        self.protecting.give_up();
        self.rescue.give_up();
        self.commits_failed();
    }

    /// Whether everything of a topic that could still need the journal is in its segment; lets the chunk go then.
    pub(super) fn let_journal_go(&mut self, slot: TopicSlot) {
        let flushed = self.flushed_log(slot);
        let topic = &mut self.topics[slot.index()];
        if topic.journal.low == 0 || topic.journal.pending > 0 || topic.tail_pending {
            return;
        }
        if flushed >= topic.journal.hold {
            let low = std::mem::take(&mut topic.journal.low);
            topic.journal.hold = 0;
            self.journal.chunks.hold(low, 0);
        } else if let Settle::Writing { to, generation, .. } = topic.settle {
            if flushed >= to && generation > topic.journal.low {
                let low = std::mem::replace(&mut topic.journal.low, generation);
                self.journal.chunks.hold(low, generation);
            }
        }
    }

    /// Log position up to which the topic's segments are flushed without a gap.
    pub(super) fn flushed_log(&self, slot: TopicSlot) -> u64 {
        self.reached_log(slot, |segment| segment.flushed)
    }

    /// Log position up to which the device has accepted the topic's segments without a gap.
    pub(super) fn accepted_log(&self, slot: TopicSlot) -> u64 {
        self.reached_log(slot, |segment| segment.accepted)
    }

    fn reached_log(&self, slot: TopicSlot, reached: impl Fn(&Segment) -> u64) -> u64 {
        let mut next = self.topics[slot.index()].first_segment;
        let mut log = u64::MAX;
        while let Some(at) = next {
            let segment = &self.segments[at];
            let to = reached(segment);
            log = segment.log(to);
            next = segment
                .next
                .filter(|_| segment.end.is_some_and(|end| to >= end));
        }
        log
    }
}
