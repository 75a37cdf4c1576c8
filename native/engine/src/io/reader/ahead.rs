//! Reading from files: what a cursor needs now, and ahead of it.
//!
//! While one buffer of a file is handed out, the next ones are read, as far as a reader that goes on in order will want them and
//! free read slabs allow.

use super::{Buffer, Cursor, Stage};
use crate::agent::Cx;
use crate::io::agent::{IoAgent, IoRing, Kind};
use crate::limits::{BLOCK, READ_SLAB};
use crate::memory::SlabId;
use crate::ring::{Completion, FileSlot};
use crate::storage::Handle;

/// Reads ahead under way or done, of all cursors, at most.
pub(super) const AHEAD: usize = 16;
/// Of one cursor.
const AHEAD_EACH: usize = 6;
/// Responses that a reader in order is read ahead for.
const RESPONSES: u64 = 3;
/// Largest batch that is expected before one was seen: 64 KiB and its headers.
pub(super) const USUAL_BATCH: u32 = 68 * 1024;
/// Bytes that are read where nobody is known to go on.
const ONCE: u32 = 256 * 1024;
/// Least that is worth a read.
const LEAST: u64 = 64 * 1024;

/// A piece of a file behind a cursor's buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// The cursor's number.
    owner: u64,
    /// The cursor no longer wants it: its slab is given back when the ring lets go of it.
    orphan: bool,
    slab: SlabId,
    /// Place in the slab of the first byte: the part of a batch that the buffer before ends with is put in front.
    at: u32,
    base: u64,
    asked: u32,
    below: u64,
    started_ns: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// So many bytes came.
    Read(u32),
    Failed,
}

/// The file of a cursor that is gone, on which something is still under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    owner: u64,
    file: FileSlot,
    handle: Handle,
}

/// What was read ahead for a cursor whose buffer is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It is the cursor's buffer now.
    There,
    Coming,
    Nothing,
}

impl IoAgent {
    /// Sees to it that `bytes` from the cursor on are in its buffer: read ahead, or by a read of its own. True: go on.
    pub(super) fn read_on<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        index: usize,
        bytes: u64,
    ) -> bool {
        let mut cursor = self.reader.cold[index]
            .and_then(|read| read.cursor)
            .expect("read on with a place");
        let next = self.take_ahead(&mut cursor);
        let read = self.reader.cold[index].as_mut().expect("as before");
        read.cursor = Some(cursor);
        match next {
            Next::There => self.read_ahead(cx, index),
            Next::Coming => read.stage = Stage::Awaiting,
            Next::Nothing => self.read_at_cursor(cx, index, cursor, bytes),
        }
        next == Next::There
    }

    fn read_at_cursor<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        index: usize,
        mut cursor: Cursor,
        bytes: u64,
    ) {
        self.forget_ahead(cursor.id);
        let base = cursor.position / BLOCK * BLOCK;
        let needed = (cursor.position - base + bytes).next_multiple_of(BLOCK);
        let fits = cursor
            .buffer
            .filter(|buffer| u64::from(self.table.bytes(buffer.slab)) >= needed);
        let slab = match fits {
            Some(buffer) => buffer.slab,
            None => {
                if let Some(buffer) = cursor.buffer.take() {
                    self.reader.reads.put(&self.table, buffer.slab);
                    self.reader.cold[index].as_mut().expect("as before").cursor = Some(cursor);
                }
                let Some(slab) = self.take_read_slab(needed as u32) else {
                    return;
                };
                slab
            }
        };
        let capacity = self.table.bytes(slab);
        // Who looks once reads little; a jumbo slab is populated only as far as it is needed.
        let usual = if cursor.in_order { READ_SLAB } else { ONCE };
        let len = capacity.min(usual.max(needed as u32));
        let below = self.on_disk_below(cursor.slot);
        cursor.buffer = Some(Buffer {
            slab,
            at: 0,
            base,
            asked: len,
            len: 0,
            verified: cursor.position,
            below,
        });
        let read = self.reader.cold[index].as_mut().expect("as before");
        read.cursor = Some(cursor);
        read.stage = Stage::Reading;
        read.started_ns = cx.now.mono_ns;
        self.counters.cold_reads.inc();
        let token = self.token(Kind::Read, index as u64);
        // SAFETY: the slab is this read's alone until the completion.
        unsafe {
            cx.ring
                .read(cursor.file, base, self.table.at(slab), len, token)
        };
        self.read_ahead(cx, index);
    }

    /// Makes the next piece the cursor's buffer, with what is left of the old one in front.
    fn take_ahead(&mut self, cursor: &mut Cursor) -> Next {
        let Some(old) = cursor.buffer else {
            return Next::Nothing;
        };
        let end = old.base + u64::from(old.len);
        let Some(left) = end.checked_sub(cursor.position) else {
            return Next::Nothing;
        };
        // What was not written yet when it was read says nothing, and behind the end of a file nothing comes.
        if (left > 0 && cursor.base_offset >= old.below) || old.len < old.asked {
            return Next::Nothing;
        }
        let pieces = &mut self.reader.ahead;
        let Some(index) = pieces
            .iter()
            .position(|piece| piece.owner == cursor.id && !piece.orphan && piece.base == end)
        else {
            return Next::Nothing;
        };
        let piece = pieces[index];
        let left = left as u32;
        let len = match piece.state {
            _ if left > piece.at => return Next::Nothing,
            State::Failed => return Next::Nothing,
            State::Reading => return Next::Coming,
            State::Read(len) => len,
        };
        pieces.swap_remove(index);
        // SAFETY: the last `left` bytes of the old buffer, and as much room before the piece's first byte (checked above), in two
        // slabs that this agent owns.
        unsafe {
            let from = self
                .table
                .at(old.slab)
                .add((old.at + old.len - left) as usize);
            let to = self.table.at(piece.slab).add((piece.at - left) as usize);
            std::ptr::copy_nonoverlapping(from, to, left as usize);
        }
        self.reader.reads.put(&self.table, old.slab);
        cursor.buffer = Some(Buffer {
            slab: piece.slab,
            at: piece.at - left,
            base: cursor.position,
            asked: left + piece.asked,
            len: left + len,
            verified: cursor.position,
            below: piece.below,
        });
        Next::There
    }

    /// Reads on behind what a cold read's cursor has, as far as is wanted.
    pub(super) fn read_ahead<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, index: usize) {
        let Some(read) = self.reader.cold[index] else {
            return;
        };
        let (Some(cursor), Some(response)) = (read.cursor, read.response) else {
            return;
        };
        let Some(buffer) = cursor.buffer else {
            return;
        };
        let mut wanted = u64::from(response.budget.saturating_sub(response.len));
        if cursor.in_order {
            wanted += RESPONSES * u64::from(read.fetch.max_bytes);
        }
        let until = cursor.position + wanted;
        let mut next = buffer.base + u64::from(buffer.asked);
        let mut ended = buffer.len < buffer.asked && read.stage != Stage::Reading;
        let mut count = 0;
        for piece in &self.reader.ahead {
            if piece.owner == cursor.id && !piece.orphan {
                count += 1;
                next = next.max(piece.base + u64::from(piece.asked));
                ended |= match piece.state {
                    State::Reading => false,
                    State::Read(len) => len < piece.asked,
                    State::Failed => true,
                };
            }
        }
        let below = self.on_disk_below(cursor.slot);
        let head = cursor.batch.next_multiple_of(BLOCK as u32);
        while !ended && next < until && count < AHEAD_EACH && self.reader.ahead.len() < AHEAD {
            // A position grows faster than its offset: what starts below this one is on disk.
            let offset = cursor.base_offset + next.saturating_sub(cursor.position);
            if offset >= below || head > self.reader.reads.largest_eager() / 2 {
                return;
            }
            // Only what nobody needs now.
            let Some(slab) = self.reader.reads.take_eager(1) else {
                return;
            };
            let room = self.table.bytes(slab) - head;
            let len = if cursor.in_order {
                room
            } else {
                room.min((until - next).max(LEAST).next_multiple_of(BLOCK) as u32)
            };
            self.reader.ahead.push(Ahead {
                owner: cursor.id,
                orphan: false,
                slab,
                at: head,
                base: next,
                asked: len,
                below,
                started_ns: cx.now.mono_ns,
                state: State::Reading,
            });
            self.counters.cold_reads.inc();
            let token = self.token(Kind::ReadAhead, u64::from(slab.0));
            // SAFETY: the slab is this piece's alone until the completion, and `head + len` is at most what it has.
            unsafe {
                let to = self.table.at(slab).add(head as usize);
                cx.ring.read(cursor.file, next, to, len, token);
            }
            next += u64::from(len);
            count += 1;
        }
    }

    pub(in crate::io) fn ahead_completed<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        completion: Completion,
    ) {
        let slab = SlabId(completion.token.id() as u32);
        let index = self.reader.ahead.iter().position(|p| p.slab == slab);
        let index = index.expect("a read ahead completes once");
        let piece = &mut self.reader.ahead[index];
        let (owner, orphan) = (piece.owner, piece.orphan);
        self.counters
            .read_latency
            .record(cx.now.mono_ns.saturating_sub(piece.started_ns));
        // An error is met again, and told, by whoever needs these bytes.
        piece.state = match u32::try_from(completion.result) {
            Ok(len) => State::Read(len),
            Err(_) => State::Failed,
        };
        self.counters
            .cold_bytes
            .add(completion.result.max(0) as u64);
        if orphan {
            self.reader.ahead.swap_remove(index);
            self.reader.reads.put(&self.table, slab);
            return self.close_when_free(cx, owner);
        }
        let waits = self.reader.cold.iter().position(|read| {
            read.is_some_and(|read| {
                read.stage == Stage::Awaiting && read.cursor.is_some_and(|c| c.id == owner)
            })
        });
        if let Some(index) = waits {
            let read = self.reader.cold[index].as_mut().expect("found just now");
            read.stage = Stage::Starved;
            self.step(cx, index);
        }
    }

    /// A cursor goes elsewhere: what was read ahead for it is given back.
    pub(super) fn forget_ahead(&mut self, owner: u64) {
        let mut index = 0;
        while let Some(piece) = self.reader.ahead.get_mut(index) {
            if piece.owner == owner && piece.state != State::Reading {
                let slab = piece.slab;
                self.reader.ahead.swap_remove(index);
                self.reader.reads.put(&self.table, slab);
                continue;
            }
            piece.orphan |= piece.owner == owner;
            index += 1;
        }
    }

    /// Gives one piece back that lies there for later, the last of its cursor's. False: there is none.
    pub(super) fn give_ahead_back(&mut self) -> bool {
        let done = |piece: &&Ahead| piece.state != State::Reading;
        let Some(owner) = self.reader.ahead.iter().find(done).map(|piece| piece.owner) else {
            return false;
        };
        let pieces = self.reader.ahead.iter().enumerate();
        let last = pieces
            .filter(|(_, piece)| piece.owner == owner && done(piece))
            .max_by_key(|(_, piece)| piece.base);
        if let Some((index, _)) = last {
            let slab = self.reader.ahead.swap_remove(index).slab;
            self.reader.reads.put(&self.table, slab);
        }
        true
    }

    /// Closes a cursor's file, now or when nothing is under way on it any more.
    pub(super) fn close_file<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, cursor: &Cursor) {
        self.forget_ahead(cursor.id);
        self.reader.closing.push(Closing {
            owner: cursor.id,
            file: cursor.file,
            handle: cursor.handle,
        });
        self.close_when_free(cx, cursor.id);
    }

    fn close_when_free<R: IoRing + ?Sized>(&mut self, cx: &mut Cx<'_, R>, owner: u64) {
        if self.reader.ahead.iter().any(|piece| piece.owner == owner) {
            return;
        }
        let Some(at) = self.reader.closing.iter().position(|c| c.owner == owner) else {
            return;
        };
        let Closing { file, handle, .. } = self.reader.closing.swap_remove(at);
        self.let_file_go(cx, file, handle);
    }
}
