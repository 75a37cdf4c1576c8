//! A file as two things: what a reader sees now, and what a power cut would leave.

use std::collections::VecDeque;
use std::sync::Arc;

use super::medium::Survival;
use super::pages::{Pages, PAGE};
use super::rng::Rng;

/// What a disk tears at.
pub const SECTOR: usize = 512;

/// A change of a file's contents.
#[derive(Clone)]
pub enum Change {
    /// Bytes at a position.
    Bytes { at: u64, data: Arc<[u8]> },
    /// `truncate` to this length.
    Cut(u64),
    /// `allocate` up to this length.
    Grow(u64),
}

#[derive(Clone)]
struct Logged {
    change: Change,
    durable: bool,
}

/// A file: its contents for readers, those on stable storage, and the changes in between, in the order they completed.
#[derive(Clone, Default)]
pub struct File {
    live: Pages,
    durable: Pages,
    log: VecDeque<Logged>,
    /// Number of the log's first change; they are numbered from 0 for the life of the file.
    first: u64,
    /// Blocks are reserved up to here.
    reserved: u64,
}

impl File {
    /// What readers see.
    pub fn live(&self) -> &Pages {
        &self.live
    }
    /// Takes a completed change; `durable` if it reached stable storage by itself.
    pub fn apply(&mut self, change: Change, durable: bool) {
        perform(&mut self.live, &change);
        match change {
            Change::Grow(len) => self.reserved = self.reserved.max(len),
            Change::Cut(len) => self.reserved = self.reserved.min(len),
            Change::Bytes { .. } => {}
        }
        self.log.push_back(Logged { change, durable });
        self.settle();
    }
    /// The changes completed so far, as a number: what a flush submitted now will cover.
    pub fn completed(&self) -> u64 {
        self.first + self.log.len() as u64
    }
    /// A flush that covers the changes below `covers` is through.
    pub fn flushed(&mut self, covers: u64) {
        let count = covers.saturating_sub(self.first) as usize;
        self.log
            .iter_mut()
            .take(count)
            .for_each(|logged| logged.durable = true);
        self.settle();
    }
    /// Its length and its reserved blocks are durable, whatever becomes of the bytes.
    pub fn length_flushed(&mut self) {
        self.log
            .iter_mut()
            .filter(|logged| matches!(logged.change, Change::Grow(_) | Change::Cut(_)))
            .for_each(|logged| logged.durable = true);
        self.settle();
    }
    /// A flush failed: of what it would have covered some is dropped for good, though readers go on seeing it.
    pub fn flush_failed(&mut self, covers: u64, rng: &mut Rng) {
        for (number, logged) in (self.first..).zip(&mut self.log) {
            if number < covers && !logged.durable && rng.percent(50) {
                // An empty change keeps the numbers of the others.
                logged.change = Change::Grow(0);
            }
        }
    }
    /// Whether a write there takes blocks that the file does not have yet.
    pub fn needs_blocks(&self, at: u64, len: u64) -> bool {
        let end = at + len;
        end > self.reserved
            && (at / PAGE..end.div_ceil(PAGE))
                .any(|page| page * PAGE >= self.reserved && !self.live.has_page(page))
    }
    /// Bytes reserved or written, roughly: for the free space of the disk.
    pub fn used(&self) -> u64 {
        self.reserved.max(self.live.len())
    }
    /// What a crash leaves of it. `in_flight` are the changes that had not completed.
    pub fn after_crash(&self, in_flight: &[&Change], survival: &Survival, rng: &mut Rng) -> Self {
        let mut left = self.durable.clone();
        for logged in &self.log {
            if logged.durable {
                perform(&mut left, &logged.change);
            } else if survival.scatter {
                tear(&mut left, &logged.change, PAGE as usize, survival, rng);
            } else if rng.percent(survival.data) {
                perform(&mut left, &logged.change);
            } else if survival.garbled > 0 {
                let nothing = Survival {
                    data: 0,
                    ..*survival
                };
                tear(&mut left, &logged.change, SECTOR, &nothing, rng);
            }
        }
        for change in in_flight {
            tear(&mut left, change, SECTOR, survival, rng);
        }
        Self::of(left)
    }
    /// What a killed process leaves: a change in flight happened or not, what was not flushed stays so.
    pub fn after_kill(&mut self, in_flight: &Change, rng: &mut Rng) {
        if rng.percent(50) {
            self.apply(in_flight.clone(), false);
        }
    }
    /// A file with these contents, all of them durable.
    pub fn of(pages: Pages) -> Self {
        Self {
            reserved: pages.len(),
            live: pages.clone(),
            durable: pages,
            ..Self::default()
        }
    }
    /// Flips one bit, for readers and on stable storage. False beyond the end.
    pub fn flip(&mut self, byte: u64, bit: u8) -> bool {
        let mut value = [0];
        if self.live.read(byte, &mut value) == 0 {
            return false;
        }
        value[0] ^= 1 << bit;
        self.live.write(byte, &value);
        // Through the log: what is logged for this byte and not durable yet must not undo it.
        let data = Arc::from(&value[..]);
        self.log.push_back(Logged {
            change: Change::Bytes { at: byte, data },
            durable: true,
        });
        true
    }

    fn settle(&mut self) {
        while self.log.front().is_some_and(|logged| logged.durable) {
            if let Some(logged) = self.log.pop_front() {
                perform(&mut self.durable, &logged.change);
                self.first += 1;
            }
        }
    }
}

fn perform(on: &mut Pages, change: &Change) {
    match change {
        Change::Bytes { at, data } => on.write(*at, data),
        Change::Cut(len) => on.truncate(*len),
        Change::Grow(len) => on.grow(*len),
    }
}

/// Lets each piece of `unit` bytes of a write survive or not on its own.
fn tear(on: &mut Pages, change: &Change, unit: usize, survival: &Survival, rng: &mut Rng) {
    match change {
        Change::Bytes { at, data } => {
            let garbled = if are_blocks(*at, data.len()) {
                survival.garbled
            } else {
                0
            };
            let mut done = 0;
            while done < data.len() {
                let within = (*at as usize + done) % unit;
                let end = data.len().min(done + unit - within);
                if rng.percent(survival.data) {
                    on.write(at + done as u64, &data[done..end]);
                } else if garbled > 0 {
                    garble(on, at + done as u64..at + end as u64, garbled, rng);
                }
                done = end;
            }
        }
        Change::Cut(_) | Change::Grow(_) => {
            if rng.percent(survival.data) {
                perform(on, change);
            }
        }
    }
}

/// Leaves some of the sectors of a range with what nobody wrote.
fn garble(on: &mut Pages, range: std::ops::Range<u64>, percent: u8, rng: &mut Rng) {
    for sector in range.step_by(SECTOR) {
        if rng.percent(percent) {
            on.write(sector, &garbage(rng));
        }
    }
}

/// Whether a write is one of whole blocks, which goes to the device as it is.
fn are_blocks(at: u64, len: usize) -> bool {
    at.is_multiple_of(PAGE) && len.is_multiple_of(PAGE as usize)
}

/// What a sector holds that nobody wrote.
fn garbage(rng: &mut Rng) -> [u8; SECTOR] {
    let mut bytes = [0; SECTOR];
    rng.fill(&mut bytes);
    bytes
}

/// Hands on about half of the sectors of a write that failed, each as a change of its own; `garbled` ones of blocks as what
/// nobody wrote.
pub fn tear_into(
    at: u64,
    data: &Arc<[u8]>,
    garbled: bool,
    rng: &mut Rng,
    mut each: impl FnMut(Change),
) {
    let garbled = garbled && are_blocks(at, data.len());
    for (i, sector) in data.chunks(SECTOR).enumerate() {
        if rng.percent(50) {
            let data = match garbled && rng.percent(50) {
                true => Arc::from(&garbage(rng)[..]),
                false => Arc::from(sector),
            };
            let at = at + (i * SECTOR) as u64;
            each(Change::Bytes { at, data });
        }
    }
}
