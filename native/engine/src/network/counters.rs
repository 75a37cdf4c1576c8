//! What the network agent counts.

use crate::counters::{keys, Counter, CountersFile, ErrorCounters, Gauge, Histogram};
use crate::lwp::header::Broken;
use crate::memory::SlabClass;

/// Every counter of the agent, registered once at start-up.
pub struct NetworkCounters {
    pub frames_in: Counter,
    pub frames_out: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub ingest_frames: Counter,
    pub acks: Counter,
    pub errors: ErrorCounters,
    pub accepted: Counter,
    pub closed: Counter,
    pub refused: Counter,
    pub timed_out: Counter,
    pub open: Gauge,
    pub pauses: Counter,
    pub paused: Gauge,
    pub backpressure_frames: Counter,
    pub keepalives_in: Counter,
    pub keepalives_absorbed: Counter,
    pub inflight_frames: Gauge,
    pub inflight_bytes: Gauge,
    pub control_requests: Counter,
    pub buffers_lent: Gauge,
    pub buffers_exhausted: Counter,
    pub receive_enqueue: Histogram,
    pub complete_ack: Histogram,
    pub receive_ack: Histogram,
    /// Frame slabs in use, by ascending class.
    pub slabs_used: Vec<Gauge>,
    pub slabs_exhausted: Counter,
    bad_magic: Counter,
    bad_version: Counter,
    bad_header_checksum: Counter,
    pub bad_length: Counter,
    pub bad_payload_checksum: Counter,
    pub bad_flags: Counter,
}

impl NetworkCounters {
    /// Registers everything; `label` tells several agents apart (`agent=network`), `classes` are those of the frame pool.
    #[must_use]
    pub fn register(file: &CountersFile, label: &str, classes: &[SlabClass]) -> Self {
        let comma = if label.is_empty() { "" } else { "," };
        let bad =
            |kind: &str| file.counter(keys::BAD_FRAMES, &format!("{label}{comma}kind={kind}"));
        Self {
            frames_in: file.counter(keys::FRAMES_IN, label),
            frames_out: file.counter(keys::FRAMES_OUT, label),
            bytes_in: file.counter(keys::BYTES_IN, label),
            bytes_out: file.counter(keys::BYTES_OUT, label),
            ingest_frames: file.counter(keys::INGEST_FRAMES, label),
            acks: file.counter(keys::ACKS, label),
            errors: ErrorCounters::new(file, label),
            accepted: file.counter(keys::CONNECTIONS_ACCEPTED, label),
            closed: file.counter(keys::CONNECTIONS_CLOSED, label),
            refused: file.counter(keys::CONNECTIONS_REFUSED, label),
            timed_out: file.counter(keys::CONNECTIONS_TIMED_OUT, label),
            open: file.gauge(keys::CONNECTIONS_OPEN, label),
            pauses: file.counter(keys::BACKPRESSURE_PAUSES, label),
            paused: file.gauge(keys::PAUSED_CONNECTIONS, label),
            backpressure_frames: file.counter(keys::BACKPRESSURE_FRAMES, label),
            keepalives_in: file.counter(keys::KEEPALIVES_IN, label),
            keepalives_absorbed: file.counter(keys::KEEPALIVES_ABSORBED, label),
            inflight_frames: file.gauge(keys::INFLIGHT_FRAMES, label),
            inflight_bytes: file.gauge(keys::INFLIGHT_BYTES, label),
            control_requests: file.counter(keys::CONTROL_REQUESTS, label),
            buffers_lent: file.gauge(keys::RECV_BUFFERS_LENT, label),
            buffers_exhausted: file.counter(keys::RECV_BUFFERS_EXHAUSTED, label),
            receive_enqueue: file.histogram(keys::STAGE_RECEIVE_ENQUEUE, label),
            complete_ack: file.histogram(keys::STAGE_COMPLETE_ACK, label),
            receive_ack: file.histogram(keys::STAGE_RECEIVE_ACK, label),
            slabs_used: classes
                .iter()
                .map(|class| {
                    let label = format!("pool=frames,class={}", class.bytes);
                    file.gauge(keys::SLABS_TOTAL, &label)
                        .set(u64::from(class.count));
                    file.gauge(keys::SLABS_USED, &label)
                })
                .collect(),
            slabs_exhausted: file.counter(keys::SLABS_EXHAUSTED, "pool=frames"),
            bad_magic: bad("magic"),
            bad_version: bad("version"),
            bad_header_checksum: bad("header-checksum"),
            bad_length: bad("length"),
            bad_payload_checksum: bad("payload-checksum"),
            bad_flags: bad("flags"),
        }
    }

    pub(super) fn broken(&self, broken: Broken) {
        match broken {
            Broken::Magic => self.bad_magic.inc(),
            Broken::Version => self.bad_version.inc(),
            Broken::Checksum => self.bad_header_checksum.inc(),
        }
    }
}
