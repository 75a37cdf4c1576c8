//! `ingest`: a closed loop. Each connection keeps so many frames in flight, for so long.

use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::samples::Samples;
use crate::stream::{Clock, Outcome, Stream};
use crate::topics;
use crate::wait::Poller;
use crate::wire::Batch;
use serde_json::{json, Value};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// How long acks that are still due may take once sending has stopped.
const DRAIN: u64 = 15 * SECOND;

/// One run's counts, of the measured time only.
#[derive(Debug, Default)]
struct Counts {
    frames: u64,
    refused: u64,
    first_refusal: Option<String>,
}

/// Runs it: `{"scenario","seconds","config","frames","throughput":{"records","bytes","frames"},"latency",...}`. Bytes are those
/// of record values whose frames were acknowledged within the measured time; rates are a second.
///
/// # Errors
/// Wrong flags, no node there, or a node that breaks a connection or the protocol.
pub fn run(mut arguments: Arguments) -> Result<Value, LoadError> {
    let endpoint = arguments.required("endpoint")?;
    let connections = arguments.number("connections", 16_usize, 1, 8_192)?;
    let window = arguments.number("in-flight", 8_usize, 1, 65_536)?;
    let record_size = arguments.number("record-size", 1_024_u32, 0, 16 << 20)?;
    let batch_bytes = arguments.number("batch-bytes", 65_536_u32, 1, 16 << 20)?;
    let topic_count = arguments.number("topics", 1_u32, 1, 65_536)?;
    let warmup = arguments.number("warmup", 1_u64, 0, 3_600)?;
    let seconds = arguments.number("seconds", 5_u64, 1, 86_400)?;
    arguments.finish()?;

    let batch = Batch::new(record_size, batch_bytes);
    let topics = topics::create(&endpoint, topic_count)?;
    let poller = Poller::new()?;
    let mut streams = Vec::with_capacity(connections);
    for number in 0..connections {
        let stream = Stream::connect(&endpoint)?;
        poller.add(stream.fd(), number)?;
        streams.push(stream);
    }
    // Connections begin spread over the topics, so that a round over all of them is no wave of one topic.
    let mut turns: Vec<usize> = (0..connections)
        .map(|number| number * topics.len() / connections)
        .collect();

    let clock = Clock::start();
    let from = warmup * SECOND;
    let until = from + seconds * SECOND;
    let mut counts = Counts::default();
    let mut samples = Samples::with_room_for(1 << 20);
    let mut ready: Vec<usize> = (0..connections).collect();
    loop {
        for &number in &ready {
            let (Some(stream), Some(turn)) = (streams.get_mut(number), turns.get_mut(number))
            else {
                continue;
            };
            let now = clock.now();
            stream.receive(|stamp, outcome| {
                take(&mut counts, &mut samples, stamp, now, from..until, outcome)
            })?;
            let now = clock.now();
            while now < until && stream.in_flight() < window {
                let topic = topics[*turn % topics.len()];
                *turn += 1;
                stream.queue(&batch, topic, now);
            }
            stream.flush(&batch)?;
        }
        let now = clock.now();
        let open: usize = streams.iter().map(Stream::in_flight).sum();
        if now >= until && (open == 0 || now > until + DRAIN) {
            break;
        }
        poller.wait(Duration::from_millis(100), &mut ready)?;
    }

    let unanswered: usize = streams.iter().map(Stream::in_flight).sum();
    let rate = |amount: u64| amount as f64 / seconds as f64;
    Ok(json!({
        "scenario": "ingest",
        "seconds": seconds,
        "config": {
            "connections": connections, "inFlight": window, "recordSize": record_size, "batchBytes": batch_bytes,
            "recordsPerFrame": batch.records(), "topics": topic_count, "warmup": warmup,
        },
        "frames": counts.frames,
        "throughput": {
            "records": rate(counts.frames * batch.records()),
            "bytes": rate(counts.frames * batch.value_bytes()),
            "frames": rate(counts.frames),
        },
        "latency": samples.report(),
        "errors": counts.refused,
        "firstError": counts.first_refusal,
        "unanswered": unanswered,
    }))
}

/// Counts one answer if it came within the measured time.
fn take(
    counts: &mut Counts,
    samples: &mut Samples,
    stamp: u64,
    now: u64,
    measured: std::ops::Range<u64>,
    outcome: Outcome,
) {
    match outcome {
        Outcome::Refused(code, message) => {
            counts.refused += 1;
            counts
                .first_refusal
                .get_or_insert_with(|| format!("0x{code:02x}: {message}"));
        }
        Outcome::Acked if measured.contains(&now) => {
            counts.frames += 1;
            samples.add(now - stamp);
        }
        Outcome::Acked => {}
    }
}
