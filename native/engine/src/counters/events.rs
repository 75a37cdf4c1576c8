//! The last events of a node, in a ring beside the counters: what led to a crash can be read after it.
//!
//! Thread: the one that takes the agents' events for the control plane (node/front.rs). It is no agent, and goes on while
//! Node's main thread hangs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::layout::{event, header};
use super::region::Region;
use crate::node::LogEvent;

/// Events that are kept.
pub const EVENT_ROWS: usize = 512;

/// Writes events; the oldest are written over.
pub struct EventRing {
    region: Arc<Region>,
    at: usize,
    written: u64,
}

/// An event as it stands in a row (docs/formats.md, "Counters"). Numbers of kinds are for good.
struct Row<'a> {
    kind: u32,
    topic: u32,
    numbers: [u64; 3],
    /// With a line feed between, where there are two.
    texts: [&'a str; 2],
}

impl EventRing {
    pub(super) fn new(region: &Arc<Region>, at: usize) -> Self {
        Self {
            region: region.clone(),
            at,
            written: 0,
        }
    }

    /// Adds an event that happened at `wall_ns`.
    pub fn write(&mut self, wall_ns: u64, event: &LogEvent) {
        let mut peer = String::new();
        if let LogEvent::BadPeer { peer: of, .. } | LogEvent::ConnectionLimit { peer: of, .. } =
            event
        {
            peer = of.to_string();
        }
        self.put(wall_ns, &row_of(event, &peer));
    }

    fn put(&mut self, wall_ns: u64, row: &Row<'_>) {
        let at = self.at + (self.written as usize % EVENT_ROWS) * event::ROW;
        let cell = |field: usize| -> &AtomicU64 { self.region.cell(at + field) };
        cell(event::NUMBER).store(0, Ordering::Relaxed);
        // What follows must not be seen under the old number.
        std::sync::atomic::fence(Ordering::Release);
        cell(event::AT_NS).store(wall_ns, Ordering::Relaxed);
        let kind_topic = u64::from(row.kind) | u64::from(row.topic) << 32;
        cell(event::KIND_TOPIC).store(kind_topic, Ordering::Relaxed);
        for (i, number) in row.numbers.iter().enumerate() {
            cell(event::NUMBERS + i * 8).store(*number, Ordering::Relaxed);
        }
        let text = text_of(row.texts);
        cell(event::TEXT_LEN).store(text.len() as u64, Ordering::Relaxed);
        self.region.put(at + event::TEXT, text.as_bytes());
        self.written += 1;
        cell(event::NUMBER).store(self.written, Ordering::Release);
        self.region
            .cell(header::EVENTS_WRITTEN)
            .store(self.written, Ordering::Release);
    }
}

/// The texts as far as they fit, cut between characters.
fn text_of([first, second]: [&str; 2]) -> String {
    let mut text = first.to_owned();
    if !second.is_empty() {
        text.push('\n');
        text.push_str(second);
    }
    let end = (0..=text.len().min(event::TEXT_MAX))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

fn row_of<'a>(event: &'a LogEvent, peer: &'a str) -> Row<'a> {
    let row = |kind, topic, numbers, texts| Row {
        kind,
        topic,
        numbers,
        texts,
    };
    let errno = |errno: i32| u64::from(errno.unsigned_abs());
    match event {
        LogEvent::BadPeer {
            what, unreported, ..
        } => row(1, 0, [*unreported, 0, 0], [what, peer]),
        LogEvent::ConnectionLimit { limit, .. } => row(2, 0, [u64::from(*limit), 0, 0], [peer, ""]),
        LogEvent::SegmentOpened { topic, base_offset } => {
            row(3, *topic, [*base_offset, 0, 0], ["", ""])
        }
        LogEvent::SegmentSealed {
            topic,
            base_offset,
            end,
        } => row(4, *topic, [*base_offset, *end, 0], ["", ""]),
        LogEvent::SegmentsRemoved {
            topic,
            below_offset,
            segments,
            bytes,
        } => {
            let numbers = [*below_offset, u64::from(*segments), *bytes];
            row(5, *topic, numbers, ["", ""])
        }
        LogEvent::TopicFrozen {
            topic,
            offset,
            errno: code,
            what,
        } => row(6, *topic, [*offset, errno(*code), 0], [what, ""]),
        LogEvent::JournalFailed { errno: code, what } => {
            row(7, 0, [0, errno(*code), 0], [what, ""])
        }
        LogEvent::DamageFound { topic, offset } => row(8, *topic, [*offset, 0, 0], ["", ""]),
        LogEvent::LimitHit { limit, times } => row(9, 0, [*times, 0, 0], [limit, ""]),
        LogEvent::Background {
            what,
            path,
            errno: code,
        } => row(10, 0, [0, errno(*code), 0], [what, path]),
        LogEvent::Backpressure { pauses, paused } => row(11, 0, [*pauses, *paused, 0], ["", ""]),
    }
}
