//! Distributions of times: HDR histograms of three significant digits, from 1 ns to an hour.

use crate::error::LoadError;
use hdrhistogram::Histogram;
use serde_json::{json, Value};

const LONGEST_NS: u64 = 3_600_000_000_000;
/// Points of a curve to each tenfold step towards 100%.
const POINTS_A_DECADE: i32 = 10;
const DECADES: i32 = 6;

/// Times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet. All memory is taken here, so that measuring does not allocate.
    ///
    /// # Errors
    /// Never with these bounds; the library's type says it might.
    pub fn new() -> Result<Self, LoadError> {
        Histogram::new_with_bounds(1, LONGEST_NS, 3)
            .map(Self)
            .map_err(|error| LoadError::Protocol(format!("a histogram cannot be made: {error}")))
    }

    /// Takes one time.
    pub fn add(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// `{"p50","p90","p99","p999","max","count"}` in nanoseconds (cli.md, "Bench"); `null` where there was nothing.
    #[must_use]
    pub fn report(&self) -> Value {
        let of = |ns: u64| (!self.0.is_empty()).then_some(ns);
        json!({
            "p50": of(self.0.value_at_quantile(0.5)),
            "p90": of(self.0.value_at_quantile(0.9)),
            "p99": of(self.0.value_at_quantile(0.99)),
            "p999": of(self.0.value_at_quantile(0.999)),
            "max": of(self.0.max()),
            "count": self.0.len(),
        })
    }

    /// The distribution as `[[quantile, ns], ...]`, denser towards 1, as far as there are samples to tell.
    #[must_use]
    pub fn curve(&self) -> Value {
        let mut points = Vec::new();
        for step in 0..DECADES * POINTS_A_DECADE {
            let above = 10_f64.powf(-f64::from(step) / f64::from(POINTS_A_DECADE));
            if above * (self.0.len() as f64) < 1.0 {
                break;
            }
            points.push(json!([1.0 - above, self.0.value_at_quantile(1.0 - above)]));
        }
        if !self.0.is_empty() {
            points.push(json!([1.0, self.0.max()]));
        }
        Value::Array(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_thousandth() {
        let mut times = Latencies::new().expect("makes one");
        (1..=100_000).for_each(|ns| times.add(ns));
        let report = times.report();
        for (name, ns) in [
            ("p50", 50_000),
            ("p99", 99_000),
            ("p999", 99_900),
            ("max", 100_000),
        ] {
            let found = report[name].as_u64().expect("a number");
            assert!(found.abs_diff(ns) <= ns / 1_000, "{name}: {found}");
        }
    }

    #[test]
    fn without_times_there_is_no_quantile_and_no_curve() {
        let times = Latencies::new().expect("makes one");
        assert!(times.report()["p99"].is_null() && times.report()["max"].is_null());
        assert_eq!(times.curve(), json!([]));
    }

    #[test]
    fn a_curve_ends_at_the_longest_time_and_never_falls() {
        let mut times = Latencies::new().expect("makes one");
        (1..=5_000).for_each(|ns| times.add(ns * ns));
        let curve = times.curve();
        let points: Vec<(f64, u64)> = curve
            .as_array()
            .expect("an array")
            .iter()
            .map(|point| {
                (
                    point[0].as_f64().expect("q"),
                    point[1].as_u64().expect("ns"),
                )
            })
            .collect();
        assert!(points
            .windows(2)
            .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1));
        assert!(points
            .last()
            .is_some_and(|last| last.0 == 1.0 && last.1 >= 25_000_000));
    }
}
