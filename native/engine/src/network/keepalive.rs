//! The bucket that keeps answered keepalives from staying in play for ever (lwp.md, "Frames").

/// Answers that may be given at once.
const TOKENS: u8 = 10;
/// One more after this long.
const REFILL_NS: u64 = 1_000_000_000;

/// A connection's bucket.
#[derive(Clone, Copy, Debug)]
pub struct Keepalives {
    tokens: u8,
    refilled_ns: u64,
    /// One answer is owed until there is a token.
    owed: bool,
    /// Answers to be sent now.
    due: u8,
}

impl Keepalives {
    pub fn new(now_ns: u64) -> Self {
        Self {
            tokens: TOKENS,
            refilled_ns: now_ns,
            owed: false,
            due: 0,
        }
    }

    /// One came. Returns false where it is absorbed.
    pub fn received(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        if self.tokens > 0 {
            self.tokens -= 1;
            self.due += 1;
            return true;
        }
        !std::mem::replace(&mut self.owed, true)
    }

    /// Pays the owed answer when its token is there.
    pub fn refill(&mut self, now_ns: u64) {
        let earned = now_ns.saturating_sub(self.refilled_ns) / REFILL_NS;
        if self.tokens as u64 + earned >= u64::from(TOKENS) {
            self.tokens = TOKENS;
            self.refilled_ns = now_ns;
        } else {
            self.tokens += earned as u8;
            self.refilled_ns += earned * REFILL_NS;
        }
        if self.owed && self.tokens > 0 {
            self.owed = false;
            self.tokens -= 1;
            self.due += 1;
        }
    }

    /// When the owed answer can be paid.
    pub fn deadline_ns(&self) -> Option<u64> {
        self.owed.then_some(self.refilled_ns + REFILL_NS)
    }
    pub fn due(&self) -> u8 {
        self.due
    }
    pub fn sent(&mut self) {
        self.due -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_answered_then_one_is_owed_and_the_others_are_absorbed() {
        let mut bucket = Keepalives::new(0);
        assert!((0..10).all(|_| bucket.received(1)));
        assert_eq!(bucket.due(), 10);
        assert!(bucket.received(2), "is owed");
        assert!(!bucket.received(3), "is absorbed");
        assert_eq!(bucket.due(), 10);
        let deadline = bucket.deadline_ns().expect("an answer is owed");
        bucket.refill(deadline - 1);
        assert_eq!(bucket.due(), 10);
        bucket.refill(deadline);
        assert_eq!((bucket.due(), bucket.deadline_ns()), (11, None));
    }

    #[test]
    fn a_second_brings_one_answer_back() {
        let mut bucket = Keepalives::new(0);
        for _ in 0..10 {
            bucket.received(0);
            bucket.sent();
        }
        for second in 1..50u64 {
            assert!(bucket.received(second * REFILL_NS));
            assert_eq!(bucket.due(), 1, "second {second}");
            bucket.sent();
        }
    }
}
