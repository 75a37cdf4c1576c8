//! Synchronous writes made of a plain write and a flush linked to it.

use super::{FileSlot, Token};

/// The two halves of one synchronous write, until both have completed.
#[derive(Clone, Copy)]
struct Pair {
    token: Token,
    file: FileSlot,
    len: u32,
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
    /// The write is over, with this result.
    Done(Token, i32),
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

    /// Takes a place for a write whose halves are about to be queued.
    pub(super) fn begin(&mut self, token: Token, file: FileSlot, len: u32) -> usize {
        let pair = Some(Pair {
            token,
            file,
            len,
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

    /// The flush ended, or never began because the write failed or was short.
    pub(super) fn flushed(&mut self, place: usize, result: i32) -> Step {
        let pair = self.pair(place);
        let (token, file) = (pair.token, pair.file);
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
        self.pairs[place] = None;
        self.free.push(place);
        Step::Done(token, if failed { result } else { written })
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

    fn begun() -> (SyncWrites, usize) {
        let mut writes = SyncWrites::new();
        let place = writes.begin(TOKEN, FileSlot(9), 4096);
        (writes, place)
    }

    #[test]
    fn the_write_is_done_when_its_flush_is() {
        let (mut writes, place) = begun();
        assert!(matches!(writes.written(place, 4096), Step::Wait));
        assert!(matches!(writes.flushed(place, 0), Step::Done(TOKEN, 4096)));
        assert_eq!(writes.begin(TOKEN, FileSlot(1), 4096), place);
    }

    #[test]
    fn a_failed_write_or_flush_is_the_result() {
        let (mut writes, place) = begun();
        writes.written(place, -libc::EIO);
        let step = writes.flushed(place, -libc::ECANCELED);
        assert!(matches!(step, Step::Done(TOKEN, result) if result == -libc::EIO));
        let (mut writes, place) = begun();
        writes.written(place, 4096);
        let step = writes.flushed(place, -libc::ENOSPC);
        assert!(matches!(step, Step::Done(TOKEN, result) if result == -libc::ENOSPC));
    }

    #[test]
    fn a_short_write_is_told_as_it_is() {
        let (mut writes, place) = begun();
        writes.written(place, 512);
        let step = writes.flushed(place, -libc::ECANCELED);
        assert!(matches!(step, Step::Done(TOKEN, 512)));
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
        assert!(matches!(writes.flushed(place, 0), Step::Done(TOKEN, 4096)));
        let (mut writes, place) = begun();
        let again = |step| matches!(step, Step::FlushAgain(FileSlot(9)));
        assert!(again(writes.flushed(place, 0)));
        writes.written(place, 4096);
        assert!(
            again(writes.flushed(place, 0)),
            "it began before the write ended"
        );
        assert!(matches!(writes.flushed(place, 0), Step::Done(TOKEN, 4096)));
    }
}
