//! What a run counts, and how it is told.

use crate::error::LoadError;
use crate::latencies::Latencies;
use crate::stream::{Outcome, Stamp};
use crate::wire::Batch;
use serde_json::{json, Value};
use std::ops::Range;

const SECOND: f64 = 1e9;
/// LWP's code for a full or broken disk (lwp.md, "Error codes"): more load tells nothing more.
const STORAGE: u64 = 0x61;

/// Counts and times of one run. Only what falls into the measured time counts, refusals apart.
pub struct Tally {
    /// Latency counts for frames that were *due* within the measured time; in a closed loop for those answered within it.
    open: bool,
    /// Frames that the schedule asked for within the measured time.
    pub due: u64,
    acked: u64,
    pub latency: Latencies,
    pub service: Latencies,
    pub lateness: Latencies,
    refused: u64,
    first_refusal: Option<(u64, String)>,
    /// The node cannot store anything more.
    pub hopeless: bool,
    /// Why the run ended before its time.
    pub broken: Option<String>,
    cpu: Range<u64>,
    records_a_frame: u64,
    bytes_a_frame: u64,
    interval: Latencies,
    acked_in_interval: u64,
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// As [`Latencies::new`].
    pub fn new(batch: &Batch, open: bool) -> Result<Self, LoadError> {
        Ok(Self {
            open,
            due: 0,
            acked: 0,
            latency: Latencies::new()?,
            service: Latencies::new()?,
            lateness: Latencies::new()?,
            refused: 0,
            first_refusal: None,
            hopeless: false,
            broken: None,
            cpu: 0..0,
            records_a_frame: batch.records(),
            bytes_a_frame: batch.value_bytes(),
            interval: Latencies::new()?,
            acked_in_interval: 0,
        })
    }

    /// The measured time begins; `cpu` is what the process has used so far, ns.
    pub fn begin(&mut self, cpu: u64) {
        self.cpu = cpu..cpu;
    }

    /// The measured time ends.
    pub fn end(&mut self, cpu: u64) {
        self.cpu.end = cpu;
    }

    /// Counts one answer that came at `now`.
    pub fn take(&mut self, stamp: Stamp, now: u64, measured: &Range<u64>, outcome: &Outcome) {
        match outcome {
            Outcome::Refused(code, message) => {
                self.refused += 1;
                self.hopeless |= *code == STORAGE;
                self.first_refusal
                    .get_or_insert_with(|| (*code, message.clone()));
            }
            Outcome::Acked => {
                self.acked_in_interval += 1;
                self.interval.add(now - stamp.due);
                if measured.contains(&now) {
                    self.acked += 1;
                }
                if measured.contains(if self.open { &stamp.due } else { &now }) {
                    self.latency.add(now - stamp.due);
                    self.service.add(now.saturating_sub(stamp.sent));
                }
            }
        }
    }

    /// What came since the last call, counts and not rates.
    pub fn progress(&mut self, phase: &str, now: u64) -> Value {
        let told = json!({
            "phase": phase,
            "at": now as f64 / SECOND,
            "records": self.acked_in_interval * self.records_a_frame,
            "bytes": self.acked_in_interval * self.bytes_a_frame,
            "latency": self.interval.report(),
            "errors": self.refused,
        });
        self.interval.clear();
        self.acked_in_interval = 0;
        told
    }

    /// Everything, `seconds` being the measured time. Bytes are those of record values.
    #[must_use]
    pub fn report(&self, seconds: f64) -> Value {
        let rate = |amount: u64| {
            if seconds > 0.0 {
                amount as f64 / seconds
            } else {
                0.0
            }
        };
        json!({
            "seconds": seconds,
            "frames": self.acked,
            "due": self.due,
            "recordsPerFrame": self.records_a_frame,
            "throughput": {
                "records": rate(self.acked * self.records_a_frame),
                "bytes": rate(self.acked * self.bytes_a_frame),
                "frames": rate(self.acked),
            },
            "latency": self.latency.report(),
            "curve": self.latency.curve(),
            "service": self.service.report(),
            "serviceCurve": self.service.curve(),
            "lateness": self.lateness.report(),
            "errors": self.refused,
            "firstError": self.first_refusal.as_ref().map(|(code, message)| json!({ "code": code, "message": message })),
            "broken": self.broken,
            "cpuSeconds": self.cpu.end.saturating_sub(self.cpu.start) as f64 / SECOND,
        })
    }
}

/// CPU time that this process has used, user and system, ns.
#[must_use]
pub fn cpu_ns() -> u64 {
    let mut used = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `used` lives through the call. The clock exists on every Linux; else the time stays 0.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}
