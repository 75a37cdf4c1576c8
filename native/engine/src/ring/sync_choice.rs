//! Which of two ways a synchronous write takes on a device without FUA, chosen by what they take here (design.md, section 5).
//!
//! One `RWF_DSYNC` write: the kernel makes its flush on a worker bound to the CPU that took the interrupt, which is quick
//! where that CPU is free and waits for milliseconds where it is busy. A plain write with a linked flush: a worker of
//! io_uring makes the flush, free to move, and the ring's thread is woken once more. Measured both ways round on two
//! machines, so neither can be fixed (docs/performance.md).

/// How a synchronous write is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One write with `RWF_DSYNC`.
    Through,
    /// A plain write and a flush linked to it.
    Flushed,
}

/// Writes of the first trial, half of them each way.
const FIRST_TRIAL: u32 = 128;
/// Writes of a later one.
const TRIAL: u32 = 8;
/// Synchronous writes from one trial to the next: the worse way takes a thousandth of them.
const BETWEEN: u32 = 4096;
/// A time counts for so much of its way's mean.
const WEIGHT: f64 = 1.0 / 16.0;
/// The other way has to be better by this to be taken: noise alone changes nothing.
const CLEARLY: f64 = 0.9;
/// Larger writes are not compared: they take longer either way.
const COMPARED_BYTES: u32 = 16 * 1024;

/// The choice of one ring.
pub(super) struct SyncChoice {
    /// The device writes through its cache: one way is right, and nothing is tried.
    fixed: bool,
    preferred: Way,
    /// Mean time by way, ns; 0: none yet.
    through_ns: f64,
    flushed_ns: f64,
    trial_left: u32,
    until_trial: u32,
}

impl SyncChoice {
    /// For a device that writes through its cache (FUA), or not.
    pub(super) fn new(write_through: bool) -> Self {
        Self {
            fixed: write_through,
            preferred: if write_through {
                Way::Through
            } else {
                Way::Flushed
            },
            through_ns: 0.0,
            flushed_ns: 0.0,
            trial_left: FIRST_TRIAL,
            until_trial: BETWEEN,
        }
    }

    /// The way of the next write.
    pub(super) fn next(&mut self) -> Way {
        if self.fixed {
            return Way::Through;
        }
        if self.trial_left > 0 {
            self.trial_left -= 1;
            return if self.trial_left.is_multiple_of(2) {
                Way::Through
            } else {
                Way::Flushed
            };
        }
        self.until_trial -= 1;
        if self.until_trial == 0 {
            self.until_trial = BETWEEN;
            self.trial_left = TRIAL;
        }
        self.preferred
    }

    /// A write of `len` bytes took `ns` from its submission to its last completion.
    pub(super) fn took(&mut self, way: Way, len: u32, ns: u64) {
        if self.fixed || len > COMPARED_BYTES {
            return;
        }
        let mean = match way {
            Way::Through => &mut self.through_ns,
            Way::Flushed => &mut self.flushed_ns,
        };
        *mean = if *mean == 0.0 {
            ns as f64
        } else {
            *mean + (ns as f64 - *mean) * WEIGHT
        };
        if self.through_ns == 0.0 || self.flushed_ns == 0.0 {
            return;
        }
        let (now, other, instead) = match self.preferred {
            Way::Through => (self.through_ns, self.flushed_ns, Way::Flushed),
            Way::Flushed => (self.flushed_ns, self.through_ns, Way::Through),
        };
        if other < now * CLEARLY {
            self.preferred = instead;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drives `writes` writes whose time is what `takes` says of their way; counts those that went through.
    fn drive(choice: &mut SyncChoice, writes: u32, takes: impl Fn(Way) -> u64) -> u32 {
        (0..writes)
            .map(|_| {
                let way = choice.next();
                choice.took(way, 4096, takes(way));
                u32::from(way == Way::Through)
            })
            .sum()
    }

    fn slow_through(way: Way) -> u64 {
        if way == Way::Through {
            3_000_000
        } else {
            110_000
        }
    }
    fn slow_flushed(way: Way) -> u64 {
        if way == Way::Through {
            130_000
        } else {
            220_000
        }
    }

    #[test]
    fn both_ways_are_tried_and_the_quicker_one_is_taken() {
        let mut choice = SyncChoice::new(false);
        assert_eq!(
            drive(&mut choice, FIRST_TRIAL, slow_flushed),
            FIRST_TRIAL / 2
        );
        assert_eq!(drive(&mut choice, 1_000, slow_flushed), 1_000);
        let mut choice = SyncChoice::new(false);
        drive(&mut choice, FIRST_TRIAL, slow_through);
        assert_eq!(drive(&mut choice, 1_000, slow_through), 0);
    }

    #[test]
    fn the_worse_way_takes_a_thousandth_and_a_machine_that_changes_changes_the_choice() {
        let mut choice = SyncChoice::new(false);
        drive(&mut choice, FIRST_TRIAL, slow_flushed);
        let rounds = 10 * (BETWEEN + TRIAL);
        let flushed = rounds - drive(&mut choice, rounds, slow_flushed);
        assert!(flushed <= 10 * TRIAL / 2, "{flushed} of {rounds}");
        // The CPU that the kernel's worker is bound to becomes busy.
        drive(&mut choice, 64, slow_through);
        assert_eq!(drive(&mut choice, 1_000, slow_through), 0);
    }

    #[test]
    fn a_device_that_writes_through_is_never_flushed() {
        let mut choice = SyncChoice::new(true);
        let all = FIRST_TRIAL + 3 * BETWEEN;
        assert_eq!(drive(&mut choice, all, slow_through), all);
    }

    #[test]
    fn large_writes_and_noise_change_nothing() {
        let mut choice = SyncChoice::new(false);
        drive(&mut choice, FIRST_TRIAL, slow_flushed);
        for _ in 0..1_000 {
            choice.took(Way::Through, 128 * 1024, 10_000_000);
            choice.took(Way::Flushed, 4096, 125_000);
        }
        assert_eq!(choice.preferred, Way::Through);
    }
}
