//! Reading logs from their beginning as fast as they come.

use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::events::Events;
use crate::fetch::{Fetcher, Wanted};
use crate::latencies::Latencies;
use crate::stream::Clock;
use crate::tally::cpu_ns;
use crate::wait::{wait_one, Poller};
use serde_json::{json, Value};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const PROGRESS_EVERY: u64 = SECOND / 4;
/// `type:1 | length:4` before each record's value: not counted as throughput.
const TLV_HEADER: u64 = 5;

/// Runs it: connection i reads topic i (round-robin) from `--from` to `--to`, until all have or the time is over. `latency` is of
/// one fetch, from when it could be asked for to its last byte.
///
/// # Errors
/// Wrong flags, no node there, or an answer that does not hold.
pub fn run(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let endpoint = arguments.required("endpoint")?;
    let topics = arguments.ids("topic-ids")?;
    let connections = arguments.number("connections", 1_usize, 1, 60_000)?;
    let fetch_bytes = arguments.number("fetch-bytes", 1_u32 << 20, 1, 16 << 20)?;
    let from = arguments.number("from", 0_u64, 0, u64::MAX)?;
    let to = arguments.number("to", u64::MAX, 0, u64::MAX)?;
    let seconds = arguments.number("seconds", 5.0, 0.01, 86_400.0)?;
    arguments.finish()?;
    if topics.is_empty() {
        return Err(LoadError::Usage("--topic-ids is missing".into()));
    }

    let poller = Poller::new()?;
    let clock = Clock::start();
    let mut fetchers = Vec::with_capacity(connections);
    for number in 0..connections {
        let wanted = Wanted {
            topic: topics[number % topics.len()],
            max_bytes: fetch_bytes,
            min_bytes: 1,
            max_wait_ms: 100,
        };
        let fetcher = Fetcher::start(&endpoint, wanted, from, to)?;
        poller.add(fetcher.fd(), number)?;
        fetchers.push((fetcher, clock.now()));
    }
    events.tell("measuring", json!({}));
    let start = clock.now();
    let until = start + (seconds * SECOND as f64) as u64;
    let cpu = cpu_ns();
    let mut latency = Latencies::new()?;
    let mut interval = Latencies::new()?;
    let (mut records, mut bytes, mut told) = (0_u64, 0_u64, (0_u64, 0_u64));
    let mut next_progress = start + PROGRESS_EVERY;
    let mut broken = None;
    let mut ready: Vec<usize> = (0..connections).collect();
    loop {
        for &number in &ready {
            let Some((fetcher, asked)) = fetchers.get_mut(number) else {
                continue;
            };
            let received = fetcher.receive(|answer| {
                let now = clock.now();
                latency.add(now - *asked);
                interval.add(now - *asked);
                *asked = now;
                records += u64::from(answer.records);
                bytes += u64::from(answer.bytes) - TLV_HEADER * u64::from(answer.records);
            });
            if let Err(error) = received {
                if records == 0 {
                    return Err(error);
                }
                broken = Some(error.to_string());
            }
        }
        let now = clock.now();
        if now >= next_progress {
            next_progress = now + PROGRESS_EVERY;
            events.tell(
                "progress",
                json!({ "phase": "measure", "at": (now - start) as f64 / SECOND as f64,
                    "records": records - told.0, "bytes": bytes - told.1, "latency": interval.report(), "errors": 0 }),
            );
            interval.clear();
            told = (records, bytes);
        }
        let all = fetchers.iter().all(|(fetcher, _)| fetcher.done());
        if all || now >= until || events.stopped() || broken.is_some() {
            break;
        }
        wait_one(poller.fd(), false, Duration::from_millis(50))?;
        poller.take(&mut ready)?;
    }
    let elapsed = (clock.now() - start) as f64 / SECOND as f64;
    let cpu = (cpu_ns() - cpu) as f64 / SECOND as f64;
    events.tell("measured", json!({}));
    Ok(json!({
        "seconds": elapsed,
        "throughput": { "records": records as f64 / elapsed, "bytes": bytes as f64 / elapsed },
        "latency": latency.report(),
        "curve": latency.curve(),
        "errors": u64::from(broken.is_some()),
        "broken": broken,
        "interrupted": events.stopped(),
        "cpuSeconds": cpu,
    }))
}
