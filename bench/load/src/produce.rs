//! Ingests over many connections, by a schedule or as fast as answers come, and what became of them.

mod plan;

pub use plan::{Plan, INGEST, LATENCY};

use plan::Pace;

use crate::error::LoadError;
use crate::events::Events;
use crate::stream::{Clock, Stream};
use crate::tally::{cpu_ns, Tally};
use crate::wait::{precise_timers, wait_one, Poller};
use serde_json::{json, Value};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// How long answers that are still due may take once sending has stopped.
const DRAIN: u64 = 5 * SECOND;
/// The same after a stop: somebody waits for the result.
const DRAIN_STOPPED: u64 = SECOND / 2;
/// Frames that a connection may hold back unsent; what is due beyond them stays in the schedule, which needs no memory.
const UNSENT: usize = 64;
/// Connections up to which a spinning generator asks each socket itself.
const ASK_EACH: usize = 2;
const PROGRESS_EVERY: u64 = SECOND / 4;

/// A run under way.
struct Run<'a> {
    events: &'a Events,
    plan: Plan,
    streams: Vec<Stream>,
    poller: Poller,
    /// Next topic of each connection: they begin spread over the topics, so that a round over all is no wave of one topic.
    turns: Vec<usize>,
    /// The connection that takes the next scheduled frame.
    next_stream: usize,
    /// What is due has no room on any connection: only a socket can end that.
    held_back: bool,
    queued: u64,
    clock: Clock,
    /// The measured time.
    from: u64,
    until: u64,
    tally: Tally,
}

/// Runs it. The result holds rates a second over the measured time, times in nanoseconds: `latency` counts from when a frame was
/// due (closed loop: sent), `service` from when its first byte left, `lateness` is the difference.
///
/// # Errors
/// No node there, or one that breaks a connection or the protocol before anything was measured.
pub fn run(plan: Plan, events: &Events) -> Result<Value, LoadError> {
    precise_timers();
    let poller = Poller::new()?;
    let mut streams = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let stream = Stream::connect(&plan.endpoint)?;
        poller.add(stream.fd(), number)?;
        streams.push(stream);
    }
    let turns = (0..plan.connections)
        .map(|number| number * plan.topics.len() / plan.connections)
        .collect();
    let mut run = Run {
        events,
        from: plan.warmup,
        until: plan.warmup + plan.duration,
        turns,
        next_stream: 0,
        held_back: false,
        queued: 0,
        tally: Tally::new(&plan.batch, matches!(plan.pace, Pace::Open(_)))?,
        clock: Clock::start(),
        streams,
        poller,
        plan,
    };
    run.drive()?;
    Ok(run.report())
}

impl Run<'_> {
    fn drive(&mut self) -> Result<(), LoadError> {
        let mut ready: Vec<usize> = (0..self.streams.len()).collect();
        let mut next_progress = PROGRESS_EVERY;
        let mut measuring = false;
        let mut measured = false;
        let mut drain = DRAIN;
        loop {
            let now = self.clock.now();
            if !measuring && now >= self.from {
                measuring = true;
                self.tally.begin(cpu_ns());
                self.events.tell("measuring", json!({}));
            }
            if now < self.until
                && (self.events.stopped()
                    || self.tally.hopeless
                    || self.queued >= self.plan.max_frames)
            {
                self.until = now;
                if self.events.stopped() || self.tally.hopeless {
                    drain = DRAIN_STOPPED;
                }
            }
            if !measured && now >= self.until {
                measured = true;
                self.tally.end(cpu_ns());
                self.events.tell("measured", json!({}));
            }
            if now >= next_progress && !measured {
                next_progress = now + PROGRESS_EVERY;
                let phase = if measuring { "measure" } else { "warmup" };
                self.events
                    .tell("progress", self.tally.progress(phase, now));
            }
            if let Err(error) = self.turn(&ready, now) {
                if !measuring {
                    return Err(error);
                }
                self.tally.broken = Some(error.to_string());
                self.until = self.until.min(now);
                if !measured {
                    self.tally.end(cpu_ns());
                    self.events.tell("measured", json!({}));
                }
                return Ok(());
            }
            let now = self.clock.now();
            let open = self.streams.iter().any(|stream| stream.in_flight() > 0);
            if now >= self.until && measured && (!open || now > self.until + drain) {
                return Ok(());
            }
            self.wait(now, &mut ready)?;
        }
    }

    /// Takes answers and sends what is due.
    fn turn(&mut self, ready: &[usize], now: u64) -> Result<(), LoadError> {
        if let Pace::Open(_) = self.plan.pace {
            self.send_due(now)?;
        }
        for &number in ready {
            let Some(stream) = self.streams.get_mut(number) else {
                continue;
            };
            let now = self.clock.now();
            let measured = self.from..self.until;
            let tally = &mut self.tally;
            stream.receive(|stamp, outcome| tally.take(stamp, now, &measured, &outcome))?;
            if let Pace::Window(window) = self.plan.pace {
                let now = self.clock.now();
                while now < self.until
                    && stream.in_flight() < window
                    && self.queued < self.plan.max_frames
                {
                    let topic = next_topic(&self.plan.topics, &mut self.turns, number);
                    stream.queue(&self.plan.batch, topic, now);
                    self.queued += 1;
                }
            }
            if stream.unsent() > 0 {
                stream.flush(&self.plan.batch, self.clock.now())?;
            }
        }
        Ok(())
    }

    /// Gives every frame that is due to a connection with room, as far as there is one.
    fn send_due(&mut self, now: u64) -> Result<(), LoadError> {
        let Pace::Open(schedule) = &mut self.plan.pace else {
            return Ok(());
        };
        let before = now.min(self.until.saturating_sub(1));
        self.held_back = false;
        while schedule.due() <= before && self.queued < self.plan.max_frames {
            let count = self.streams.len();
            let with_room = (0..count)
                .map(|step| (self.next_stream + step) % count)
                .find(|&number| {
                    self.streams
                        .get(number)
                        .is_some_and(|s| s.unsent() < UNSENT)
                });
            let Some(number) = with_room else {
                self.held_back = true;
                return Ok(());
            };
            let due = schedule.due();
            schedule.advance();
            self.next_stream = number + 1;
            self.queued += 1;
            if due >= self.from {
                self.tally.due += 1;
                self.tally.lateness.add(now - due);
            }
            let topic = next_topic(&self.plan.topics, &mut self.turns, number);
            if let Some(stream) = self.streams.get_mut(number) {
                stream.queue(&self.plan.batch, topic, due);
                stream.flush(&self.plan.batch, now)?;
            }
        }
        Ok(())
    }

    /// Waits for an answer or the next thing to do; spinning, only asks.
    fn wait(&mut self, now: u64, ready: &mut Vec<usize>) -> Result<(), LoadError> {
        if self.plan.spin && self.streams.len() <= ASK_EACH {
            ready.clear();
            ready.extend(0..self.streams.len());
            return Ok(());
        }
        let ahead = match &self.plan.pace {
            Pace::Open(schedule) if now < self.until => schedule.due().saturating_sub(now),
            _ => SECOND / 20,
        };
        let patience = patience(self.held_back, ahead);
        if !self.plan.spin && patience > 0 {
            wait_one(self.poller.fd(), false, Duration::from_nanos(patience))?;
        }
        self.poller.take(ready)
    }

    fn report(mut self) -> Value {
        let end = self.clock.now();
        let mut unanswered = 0_u64;
        for stream in &self.streams {
            for stamp in stream.unanswered() {
                unanswered += 1;
                if stamp.due >= self.from && stamp.due < self.until {
                    // It took at least this long: leaving it out would flatter.
                    self.tally.latency.add(end - stamp.due);
                    self.tally.service.add(end.saturating_sub(stamp.sent));
                }
            }
        }
        let unsent = self.count_unsent(end);
        let seconds = self.until.saturating_sub(self.from) as f64 / SECOND as f64;
        let mut report = self.tally.report(seconds);
        let more = json!({
            "interrupted": self.events.stopped(),
            "rate": self.plan.rate,
            "unanswered": unanswered,
            "unsent": unsent,
        });
        if let (Some(report), Value::Object(more)) = (report.as_object_mut(), more) {
            report.extend(more);
        }
        report
    }

    /// Counts what was due within the measured time and never left, each with the time it has waited so far.
    fn count_unsent(&mut self, end: u64) -> u64 {
        let Pace::Open(schedule) = &mut self.plan.pace else {
            return 0;
        };
        let mut unsent = 0;
        while schedule.due() < self.until && self.tally.broken.is_none() {
            if schedule.due() >= self.from {
                unsent += 1;
                self.tally.latency.add(end - schedule.due());
            }
            schedule.advance();
        }
        self.tally.due += unsent;
        unsent
    }
}

/// How long to wait for a socket, ns: `ahead` until the next frame is due, or for room where what is due has none. What came
/// due during a turn leaves in the next one, at once.
fn patience(held_back: bool, ahead: u64) -> u64 {
    if held_back {
        SECOND / 1_000
    } else {
        ahead.min(SECOND / 20)
    }
}

fn next_topic(topics: &[u32], turns: &mut [usize], stream: usize) -> u32 {
    let Some(turn) = turns.get_mut(stream) else {
        return 0;
    };
    *turn += 1;
    topics.get((*turn - 1) % topics.len()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_came_due_meanwhile_does_not_wait_for_a_socket() {
        assert_eq!(patience(false, 0), 0);
        assert_eq!(patience(false, 150_000), 150_000);
        assert_eq!(patience(false, 10 * SECOND), SECOND / 20);
        // Without room, only a socket can end the wait; a look now and then does no harm.
        assert_eq!(patience(true, 0), SECOND / 1_000);
    }
}
