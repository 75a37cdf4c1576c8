//! From publishing to delivery: records leave by a schedule, consumers wait for them at the end of the log.

use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::events::Events;
use crate::fetch::{Fetcher, Wanted};
use crate::latencies::Latencies;
use crate::schedule::{Arrivals, Schedule};
use crate::stream::{Clock, Outcome, Stream};
use crate::tally::cpu_ns;
use crate::wait::{precise_timers, wait_one, Poller};
use crate::wire::{Batch, Compression};
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const PROGRESS_EVERY: u64 = SECOND / 4;
const DRAIN: u64 = 2 * SECOND;
const UNSENT: usize = 64;
/// Bytes that an answer holds at most: a consumer at the end gets little at a time.
const FETCH_BYTES: u32 = 256 << 10;
const WAIT_MS: u32 = 1_000;

/// A consumer and how many records it has got.
struct Follower {
    fetcher: Fetcher,
    records: u64,
}

/// Runs it on one topic that nobody else writes to, from its end at `--from` on. `latency` is publish (when due) to delivery,
/// `ack` publish to acknowledgement, of the same records.
///
/// # Errors
/// Wrong flags, no node there, or an answer that does not hold.
pub fn run(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let endpoint = arguments.required("endpoint")?;
    let topic = *arguments
        .ids("topic-ids")?
        .first()
        .ok_or_else(|| LoadError::Usage("--topic-ids is missing".into()))?;
    let connections = arguments.number("connections", 1_usize, 1, 1_024)?;
    let rate = arguments.number("rate", 5_000.0, 0.1, 1e7)?;
    let arrivals = arguments.choice(
        "arrivals",
        Arrivals::Even,
        &[("even", Arrivals::Even), ("poisson", Arrivals::Poisson)],
    )?;
    let record_size = arguments.number("record-size", 1_024_u32, 0, 16 << 20)?;
    let from = arguments.number("from", 0_u64, 0, u64::MAX)?;
    let warmup = arguments.number("warmup", 1.0, 0.0, 3_600.0)?;
    let seconds = arguments.number("seconds", 5.0, 0.01, 86_400.0)?;
    let spin = arguments.number("spin", 0_u8, 0, 1)? == 1;
    arguments.finish()?;

    let batch = Batch::new(record_size, 1, Compression::None)?;
    precise_timers();
    let poller = Poller::new()?;
    let mut producer = Stream::connect(&endpoint)?;
    poller.add(producer.fd(), 0)?;
    let wanted = Wanted {
        topic,
        max_bytes: FETCH_BYTES,
        min_bytes: 1,
        max_wait_ms: WAIT_MS,
    };
    let mut followers = Vec::with_capacity(connections);
    for number in 0..connections {
        let fetcher = Fetcher::start(&endpoint, wanted, from, u64::MAX)?;
        poller.add(fetcher.fd(), number + 1)?;
        followers.push(Follower {
            fetcher,
            records: 0,
        });
    }

    let clock = Clock::start();
    let measured_from = (warmup * SECOND as f64) as u64;
    let mut until = measured_from + (seconds * SECOND as f64) as u64;
    let mut schedule = Schedule::new(rate, arrivals, 0x51_7C_C1_B7);
    // When record number `first + i` was due; those that everybody has are forgotten.
    let mut dues: VecDeque<u64> = VecDeque::with_capacity(1 << 16);
    let mut first = 0_u64;
    let mut latency = Latencies::new()?;
    let mut ack = Latencies::new()?;
    let mut interval = Latencies::new()?;
    let (mut delivered, mut in_interval, mut refused) = (0_u64, 0_u64, 0_u64);
    let mut next_progress = PROGRESS_EVERY;
    let (mut measuring, mut measured) = (false, false);
    let mut cpu = 0..0;
    let mut ready: Vec<usize> = Vec::new();
    loop {
        let now = clock.now();
        if !measuring && now >= measured_from {
            measuring = true;
            cpu.start = cpu_ns();
            events.tell("measuring", json!({}));
        }
        if events.stopped() {
            until = until.min(now);
        }
        if !measured && now >= until {
            measured = true;
            cpu.end = cpu_ns();
            events.tell("measured", json!({}));
        }
        while schedule.due() <= now && schedule.due() < until && producer.unsent() < UNSENT {
            dues.push_back(schedule.due());
            producer.queue(&batch, topic, schedule.due());
            schedule.advance();
        }
        if producer.unsent() > 0 {
            producer.flush(&batch, now)?;
        }
        producer.receive(|stamp, outcome| match outcome {
            Outcome::Acked if stamp.due >= measured_from => ack.add(clock.now() - stamp.due),
            Outcome::Acked => {}
            Outcome::Refused(..) => refused += 1,
        })?;
        for follower in &mut followers {
            let records = &mut follower.records;
            follower.fetcher.receive(|answer| {
                let now = clock.now();
                for number in *records..*records + u64::from(answer.records) {
                    let due = dues.get((number - first) as usize).copied().unwrap_or(now);
                    interval.add(now - due);
                    in_interval += 1;
                    if due >= measured_from && due < until {
                        latency.add(now - due);
                        delivered += 1;
                    }
                }
                *records += u64::from(answer.records);
            })?;
        }
        let slowest = followers
            .iter()
            .map(|follower| follower.records)
            .min()
            .unwrap_or(0);
        while first < slowest && dues.pop_front().is_some() {
            first += 1;
        }
        let now = clock.now();
        if now >= next_progress && !measured {
            next_progress = now + PROGRESS_EVERY;
            events.tell(
                "progress",
                json!({ "phase": if measuring { "measure" } else { "warmup" }, "at": now as f64 / SECOND as f64,
                    "records": in_interval, "bytes": in_interval * batch.value_bytes(),
                    "latency": interval.report(), "errors": refused }),
            );
            interval.clear();
            in_interval = 0;
        }
        if measured && (dues.is_empty() || now > until + DRAIN) {
            break;
        }
        if !spin {
            let ahead = if measured {
                SECOND / 20
            } else {
                schedule.due().saturating_sub(now).max(1_000)
            };
            wait_one(
                poller.fd(),
                false,
                Duration::from_nanos(ahead.min(SECOND / 20)),
            )?;
            poller.take(&mut ready)?;
        }
    }
    let seconds = until.saturating_sub(measured_from) as f64 / SECOND as f64;
    let rate_of = |amount: u64| {
        if seconds > 0.0 {
            amount as f64 / seconds
        } else {
            0.0
        }
    };
    let each = delivered / connections as u64;
    Ok(json!({
        "seconds": seconds,
        "rate": rate,
        "throughput": { "records": rate_of(each), "bytes": rate_of(each * batch.value_bytes()) },
        "latency": latency.report(),
        "curve": latency.curve(),
        "ack": ack.report(),
        "ackCurve": ack.curve(),
        "errors": refused,
        "undelivered": dues.len(),
        "interrupted": events.stopped(),
        "cpuSeconds": (cpu.end.saturating_sub(cpu.start)) as f64 / SECOND as f64,
    }))
}
