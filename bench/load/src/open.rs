//! `latency`: an open loop. Frames leave at evenly spaced times whatever the node does, and latency counts from the time at
//! which a frame was due, so that a stall is felt by every frame that it delayed (no coordinated omission).

use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::samples::Samples;
use crate::stream::{Clock, Outcome, Stream};
use crate::topics;
use crate::wait::{precise_timers, wait_one};
use crate::wire::Batch;
use serde_json::{json, Value};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// How long acks that are still due may take once the last frame was due.
const DRAIN: u64 = 15 * SECOND;

/// Runs it: `latency` is from due to ack, `sendLateness` from due to the moment the load program itself was ready to send, which is
/// the part of `latency` that is not the node's.
///
/// # Errors
/// Wrong flags, no node there, or a node that breaks the connection or the protocol.
pub fn run(mut arguments: Arguments) -> Result<Value, LoadError> {
    let endpoint = arguments.required("endpoint")?;
    let rate = arguments.number("rate", 5_000_u64, 1, 1_000_000)?;
    let record_size = arguments.number("record-size", 300_u32, 0, 16 << 20)?;
    let warmup = arguments.number("warmup", 1_u64, 0, 3_600)?;
    let seconds = arguments.number("seconds", 5_u64, 1, 86_400)?;
    arguments.finish()?;

    let batch = Batch::new(record_size, 1);
    let topics = topics::create(&endpoint, 1)?;
    let mut stream = Stream::connect(&endpoint)?;
    precise_timers();

    let total = rate * (warmup + seconds);
    let measured_from = warmup * SECOND;
    let room = usize::try_from(rate * seconds).unwrap_or(0);
    let mut latency = Samples::with_room_for(room);
    let mut lateness = Samples::with_room_for(room);
    let mut refused = 0_u64;
    let mut first_refusal = None;
    let mut acked = 0_u64;
    let clock = Clock::start();
    let due = |number: u64| number * SECOND / rate;
    let mut next = 0;
    loop {
        let now = clock.now();
        while next < total && due(next) <= now {
            stream.queue(&batch, topics[0], due(next));
            if due(next) >= measured_from {
                lateness.add(now - due(next));
            }
            next += 1;
        }
        stream.flush(&batch)?;
        stream.receive(|stamp, outcome| match outcome {
            Outcome::Acked => {
                acked += 1;
                if stamp >= measured_from {
                    latency.add(clock.now() - stamp);
                }
            }
            Outcome::Refused(code, message) => {
                refused += 1;
                first_refusal.get_or_insert_with(|| format!("0x{code:02x}: {message}"));
            }
        })?;
        let now = clock.now();
        let limit = if next < total {
            due(next).saturating_sub(now)
        } else if stream.in_flight() == 0 || now > due(total) + DRAIN {
            break;
        } else {
            SECOND / 10
        };
        if limit > 0 {
            wait_one(
                stream.fd(),
                stream.has_unsent(),
                Duration::from_nanos(limit),
            )?;
        }
    }

    Ok(json!({
        "scenario": "latency",
        "seconds": seconds,
        "config": { "rate": rate, "recordSize": record_size, "connections": 1, "warmup": warmup },
        "frames": acked,
        "latency": latency.report(),
        "sendLateness": lateness.report(),
        "errors": refused,
        "firstError": first_refusal,
        "unanswered": stream.in_flight(),
    }))
}
