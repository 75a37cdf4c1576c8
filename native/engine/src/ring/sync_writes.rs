//! Synchronous writes under way: a plain write and a flush linked to it, or one write through the cache.

use std::time::Instant;

use super::sync_choice::Way;
use super::{FileSlot, Token};

/// One synchronous write until all of it has completed, of two halves where it is flushed.
#[derive(Clone, Copy)]
struct Pair {
    token: Token,
    file: FileSlot,
    len: u32,
    way: Way,
    begun: Instant,
    written: Option<i32>,
    /// The flush may have started before the write ended: its success means nothing.
    torn: bool,
}

/// What follows from a completion.
pub(super) enum Step {
    /// The other half is outstanding.
    Wait,
    /// The flush has to be made again, on its own.
    FlushAgain(FileSlot),
    /// The write is over.
    Done(Ended),
}

/// A synchronous write that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub token: Token,
    /// Bytes or `-errno`.
    pub result: i32,
    pub way: Way,
    pub len: u32,
    pub took_ns: u64,
}

/// All of a ring's, by place.
pub(super) struct SyncWrites {
    pairs: Vec<Option<Pair>>,
    free: Vec<usize>,
}

impl SyncWrites {
    pub(super) fn new() -> Self {
        // More than an agent ever has in flight; it grows if one does.
        Self {
            pairs: Vec::with_capacity(256),
            free: Vec::with_capacity(256),
        }
    }

    /// Takes a place for a write that is about to be queued.
    pub(super) fn begin(&mut self, token: Token, file: FileSlot, len: u32, way: Way) -> usize {
        let pair = Some(Pair {
            token,
            file,
            len,
            way,
            begun: Instant::now(),
            written: None,
            torn: false,
        });
        if let Some(place) = self.free.pop() {
            self.pairs[place] = pair;
            return place;
        }
        self.pairs.push(pair);
        self.pairs.len() - 1
    }

    /// The kernel took only a part of what was submitted: a link may have been cut, so no flush under way counts.
    pub(super) fn tear(&mut self) {
        for pair in self.pairs.iter_mut().flatten() {
            pair.torn = true;
        }
    }

    /// The write ended.
    pub(super) fn written(&mut self, place: usize, result: i32) -> Step {
        self.pair(place).written = Some(result);
        Step::Wait
    }

    /// A write through the cache ended.
    pub(super) fn through(&mut self, place: usize, result: i32) -> Step {
        self.end(place, result)
    }

    /// The flush ended, or never began because the write failed or was short.
    pub(super) fn flushed(&mut self, place: usize, result: i32) -> Step {
        let pair = self.pair(place);
        let file = pair.file;
        let Some(written) = pair.written else {
            // Linked, the write ends first; so it was not. This flush means nothing, nor does one that starts before then.
            pair.torn = true;
            return Step::FlushAgain(file);
        };
        let whole = written >= 0 && written as u32 == pair.len;
        if whole && result >= 0 && std::mem::take(&mut pair.torn) {
            return Step::FlushAgain(file);
        }
        let failed = whole && result < 0;
        self.end(place, if failed { result } else { written })
    }

    fn end(&mut self, place: usize, result: i32) -> Step {
        let pair = *self.pair(place);
        self.pairs[place] = None;
        self.free.push(place);
        Step::Done(Ended {
            token: pair.token,
            result,
            way: pair.way,
            len: pair.len,
            took_ns: pair.begun.elapsed().as_nanos() as u64,
        })
    }

    fn pair(&mut self, place: usize) -> &mut Pair {
        let pair = self.pairs.get_mut(place).and_then(Option::as_mut);
        pair.expect("a completion for a synchronous write in flight")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token::new(1, 2, 3);

    fn is_done(step: &Step, with: i32) -> bool {
        matches!(step, Step::Done(ended) if ended.token == TOKEN && ended.result == with)
    }

    fn begun() -> (SyncWrites, usize) {
        let mut writes = SyncWrites::new();
        let place = writes.begin(TOKEN, FileSlot(9), 4096, Way::Flushed);
        (writes, place)
    }

    #[test]
    fn the_write_is_done_when_its_flush_is() {
        let (mut writes, place) = begun();
        assert!(matches!(writes.written(place, 4096), Step::Wait));
        assert!(is_done(&writes.flushed(place, 0), 4096));
        assert_eq!(writes.begin(TOKEN, FileSlot(1), 4096, Way::Flushed), place);
    }

    #[test]
    fn a_failed_write_or_flush_is_the_result() {
        let (mut writes, place) = begun();
        writes.written(place, -libc::EIO);
        let step = writes.flushed(place, -libc::ECANCELED);
        assert!(is_done(&step, -libc::EIO));
        let (mut writes, place) = begun();
        writes.written(place, 4096);
        let step = writes.flushed(place, -libc::ENOSPC);
        assert!(is_done(&step, -libc::ENOSPC));
    }

    #[test]
    fn a_write_through_the_cache_has_no_second_half() {
        let mut writes = SyncWrites::new();
        let place = writes.begin(TOKEN, FileSlot(9), 4096, Way::Through);
        // What tears links apart does not concern it.
        writes.tear();
        assert!(is_done(&writes.through(place, 4096), 4096));
        let place = writes.begin(TOKEN, FileSlot(9), 4096, Way::Through);
        assert!(is_done(&writes.through(place, -libc::EIO), -libc::EIO));
    }

    #[test]
    fn a_short_write_is_told_as_it_is() {
        let (mut writes, place) = begun();
        writes.written(place, 512);
        let step = writes.flushed(place, -libc::ECANCELED);
        assert!(is_done(&step, 512));
    }

    #[test]
    fn a_flush_that_may_have_overtaken_its_write_is_made_again() {
        let (mut writes, place) = begun();
        writes.tear();
        writes.written(place, 4096);
        assert!(matches!(
            writes.flushed(place, 0),
            Step::FlushAgain(FileSlot(9))
        ));
        assert!(is_done(&writes.flushed(place, 0), 4096));
        let (mut writes, place) = begun();
        let again = |step| matches!(step, Step::FlushAgain(FileSlot(9)));
        assert!(again(writes.flushed(place, 0)));
        writes.written(place, 4096);
        assert!(
            again(writes.flushed(place, 0)),
            "it began before the write ended"
        );
        assert!(is_done(&writes.flushed(place, 0), 4096));
    }
}
