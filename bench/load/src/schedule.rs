//! When requests are due in an open loop, whatever became of those before.

const SECOND: f64 = 1e9;

/// How arrivals are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// The same time between any two.
    Even,
    /// Independent of each other: exponential gaps.
    Poisson,
}

/// The times, in nanoseconds since a start, at which requests are due. The same seed gives the same times.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    gap_ns: f64,
    number: u64,
    at_ns: f64,
    random: u64,
}

impl Schedule {
    /// `rate` requests a second, the first due at the start (even) or one gap behind it (Poisson).
    ///
    /// # Panics
    /// `rate` is not a positive number.
    #[must_use]
    pub fn new(rate: f64, arrivals: Arrivals, seed: u64) -> Self {
        assert!(rate.is_finite() && rate > 0.0, "a rate is above 0");
        let mut schedule = Self {
            arrivals,
            gap_ns: SECOND / rate,
            number: 0,
            at_ns: 0.0,
            // xorshift never leaves 0.
            random: seed | 1,
        };
        if arrivals == Arrivals::Poisson {
            schedule.at_ns = schedule.gap();
        }
        schedule
    }

    /// When the next request is due.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.at_ns as u64
    }

    /// Goes on to the one after it.
    pub fn advance(&mut self) {
        self.number += 1;
        self.at_ns = match self.arrivals {
            // From the number and not by adding up, so that rounding does not add up either.
            Arrivals::Even => self.number as f64 * self.gap_ns,
            Arrivals::Poisson => self.at_ns + self.gap(),
        };
    }

    fn gap(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // 53 bits make a double in (0, 1].
        let uniform = ((self.random >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -uniform.ln() * self.gap_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(schedule: &mut Schedule, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let due = schedule.due();
                schedule.advance();
                due
            })
            .collect()
    }

    proptest! {
        #[test]
        fn even_arrivals_do_not_drift(rate in 1.0_f64..5e6, number in 1_u64..100_000_000) {
            let mut schedule = Schedule::new(rate, Arrivals::Even, 1);
            schedule.number = number - 1;
            schedule.advance();
            let exact = number as f64 / rate * 1e9;
            prop_assert!((schedule.due() as f64 - exact).abs() <= 1.0 + exact * 1e-12);
        }

        #[test]
        fn arrivals_never_go_back(rate in 1.0_f64..5e6, poisson: bool, seed: u64) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Even };
            let due = times(&mut Schedule::new(rate, arrivals, seed), 1_000);
            prop_assert!(due.windows(2).all(|two| two[0] <= two[1]));
        }
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let due = times(&mut Schedule::new(10_000.0, Arrivals::Poisson, 42), 200_000);
        let gaps: Vec<f64> = due.windows(2).map(|two| (two[1] - two[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let spread =
            (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean - 100_000.0).abs() < 1_000.0, "mean {mean}");
        assert!(
            (spread / mean - 1.0).abs() < 0.02,
            "spread {spread}, mean {mean}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let of = |seed| times(&mut Schedule::new(1_000.0, Arrivals::Poisson, seed), 100);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(9));
    }
}
