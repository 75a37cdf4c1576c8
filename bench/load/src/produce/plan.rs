//! What is to be run: the flags of a scenario, read and made whole.

use super::SECOND;
use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::schedule::{Arrivals, Schedule};
use crate::topics;
use crate::wire::{Batch, Compression};

/// How requests are paced.
pub(super) enum Pace {
    /// Closed loop: each connection keeps so many frames in flight.
    Window(usize),
    /// Open loop: frames leave by the schedule, round-robin over the connections.
    Open(Schedule),
}

/// One run, before it is connected.
pub struct Plan {
    pub(super) endpoint: String,
    pub(super) topics: Vec<u32>,
    pub(super) connections: usize,
    pub(super) pace: Pace,
    pub(super) rate: f64,
    pub(super) warmup: u64,
    pub(super) duration: u64,
    pub(super) max_frames: u64,
    pub(super) spin: bool,
    pub(super) batch: Batch,
}

/// What a scenario's flags default to.
pub struct Defaults {
    pub connections: usize,
    pub record_size: u32,
    pub batch_bytes: u32,
    /// Records a second; 0 is as fast as answers come.
    pub rate: f64,
}

/// `ingest` of cli.md.
pub const INGEST: Defaults = Defaults {
    connections: 16,
    record_size: 1_024,
    batch_bytes: 65_536,
    rate: 0.0,
};

/// `latency` of cli.md.
pub const LATENCY: Defaults = Defaults {
    connections: 1,
    record_size: 300,
    batch_bytes: 1,
    rate: 5_000.0,
};

impl Plan {
    /// Reads the flags of a scenario, and creates topics if none are named.
    ///
    /// # Errors
    /// Wrong flags, or a node that is not there or refuses topics.
    pub fn parse(mut arguments: Arguments, defaults: &Defaults) -> Result<Self, LoadError> {
        let endpoint = arguments.required("endpoint")?;
        let connections = arguments.number("connections", defaults.connections, 1, 60_000)?;
        let window = arguments.number("in-flight", 8_usize, 1, 65_536)?;
        let record_size = arguments.number("record-size", defaults.record_size, 0, 16 << 20)?;
        let batch_bytes = arguments.number("batch-bytes", defaults.batch_bytes, 1, 16 << 20)?;
        let compression = arguments.choice(
            "compression",
            Compression::None,
            &[
                ("none", Compression::None),
                ("lz4", Compression::Lz4),
                ("zstd", Compression::Zstd),
            ],
        )?;
        let arrivals = arguments.choice(
            "arrivals",
            Arrivals::Even,
            &[("even", Arrivals::Even), ("poisson", Arrivals::Poisson)],
        )?;
        let rate = arguments.number("rate", defaults.rate, 0.0, 1e9)?;
        let seed = arguments.number("seed", 0x9E37_79B9_7F4A_7C15_u64, 0, u64::MAX)?;
        let warmup = arguments.number("warmup", 1.0, 0.0, 3_600.0)?;
        let seconds = arguments.number("seconds", 5.0, 0.01, 86_400.0)?;
        let max_bytes = arguments.number("max-bytes", u64::MAX, 1, u64::MAX)?;
        let spin = arguments.number("spin", 0_u8, 0, 1)? == 1;
        let topic_count = arguments.number("topics", 1_u32, 1, 65_536)?;
        let topic_ids = arguments.ids("topic-ids")?;
        arguments.finish()?;

        let batch = Batch::new(record_size, batch_bytes, compression)?;
        let frames_a_second = rate / batch.records() as f64;
        Ok(Self {
            topics: if topic_ids.is_empty() {
                topics::create(&endpoint, topic_count)?
            } else {
                topic_ids
            },
            endpoint,
            connections,
            pace: if rate > 0.0 {
                Pace::Open(Schedule::new(frames_a_second, arrivals, seed))
            } else {
                Pace::Window(window)
            },
            rate,
            warmup: (warmup * SECOND as f64) as u64,
            duration: (seconds * SECOND as f64) as u64,
            max_frames: (max_bytes / batch.value_bytes().max(1)).max(1),
            spin,
            batch,
        })
    }
}
