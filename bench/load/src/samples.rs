//! Latencies, all of them kept: quantiles are exact and nothing is rounded into buckets.

use serde_json::{json, Value};

/// Measured times in nanoseconds.
#[derive(Debug, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    /// Room for `count` samples, so that measuring does not allocate.
    #[must_use]
    pub fn with_room_for(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Takes one time in nanoseconds.
    pub fn add(&mut self, ns: u64) {
        self.0.push(ns);
    }

    /// `{"p50","p90","p99","p999","max","count"}` in nanoseconds (cli.md, "Bench"); quantiles are `null` without samples.
    #[must_use]
    pub fn report(mut self) -> Value {
        self.0.sort_unstable();
        json!({
            "p50": self.quantile(0.5),
            "p90": self.quantile(0.9),
            "p99": self.quantile(0.99),
            "p999": self.quantile(0.999),
            "max": self.0.last(),
            "count": self.0.len(),
        })
    }

    /// The smallest sample that at least the share `q` of all do not exceed. Needs sorted samples.
    fn quantile(&self, q: f64) -> Option<u64> {
        let rank = (self.0.len() as f64 * q).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_and_not_between_them() {
        let mut samples = Samples::default();
        (1..=1_000).rev().for_each(|ns| samples.add(ns));
        let report = samples.report();
        let expected = [
            ("p50", 500),
            ("p90", 900),
            ("p99", 990),
            ("p999", 999),
            ("max", 1_000),
        ];
        for (name, ns) in expected {
            assert_eq!(report[name], ns, "{name}");
        }
    }

    #[test]
    fn without_samples_there_is_no_quantile() {
        let report = Samples::default().report();
        assert!(report["p99"].is_null() && report["max"].is_null());
        assert_eq!(report["count"], 0);
    }
}
