//! Every counter, gauge and histogram that there is, in one place: its number, name, unit and meaning.
//!
//! Numbers are for good: a reader may know some of them. Names carry no prefix; the Prometheus endpoint adds `lance_`
//! and the suffix of the unit. What comes several times (agents, pools, devices) is told apart by labels.

/// What a value is, and so how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Only grows.
    Counter = 1,
    /// Goes up and down.
    Gauge = 2,
    /// A distribution.
    Histogram = 3,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Unit {
    Count = 0,
    Bytes = 1,
    Nanoseconds = 2,
}

/// One entry of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: u32,
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub help: &'static str,
}

macro_rules! keys {
    ($($id:literal $constant:ident $kind:ident $unit:ident $name:literal $help:literal)*) => {
        $(
            #[doc = $help]
            pub const $constant: Key = Key { id: $id, name: $name, kind: Kind::$kind, unit: Unit::$unit, help: $help };
        )*
        /// The whole registry.
        pub const ALL: &[Key] = &[$($constant),*];
    };
}

keys! {
    // Network: sockets and frames. Label: agent.
    1 FRAMES_IN Counter Count "frames_in" "Frames received whole, of every kind"
    2 FRAMES_OUT Counter Count "frames_out" "Frames sent, of every kind"
    3 BYTES_IN Counter Bytes "bytes_in" "Bytes received from clients"
    4 BYTES_OUT Counter Bytes "bytes_out" "Bytes sent to clients"
    5 INGEST_FRAMES Counter Count "ingest_frames" "Ingest frames accepted for storage"
    6 ACKS Counter Count "acks" "Acknowledgements sent"
    7 ERRORS Counter Count "errors" "Error responses sent, by LWP code (label: code)"
    8 BAD_FRAMES Counter Count "bad_frames" "Frames refused before their content mattered (label: kind)"
    9 CONNECTIONS_OPEN Gauge Count "connections_open" "Client connections open now"
    10 CONNECTIONS_ACCEPTED Counter Count "connections_accepted" "Client connections accepted"
    11 CONNECTIONS_CLOSED Counter Count "connections_closed" "Client connections closed"
    12 CONNECTIONS_REFUSED Counter Count "connections_refused" "Connections turned away at limits.connections"
    13 CONNECTIONS_TIMED_OUT Counter Count "connections_timed_out" "Connections closed by frame or idle timeout"
    14 BACKPRESSURE_PAUSES Counter Count "backpressure_pauses" "Times a socket was left unread for want of a resource"
    15 BACKPRESSURE_FRAMES Counter Count "backpressure_frames" "Backpressure frames sent"
    16 PAUSED_CONNECTIONS Gauge Count "paused_connections" "Connections left unread now"
    17 KEEPALIVES_IN Counter Count "keepalives_in" "Keepalives received"
    18 KEEPALIVES_ABSORBED Counter Count "keepalives_absorbed" "Keepalives left unanswered by the rate limit"
    19 INFLIGHT_FRAMES Gauge Count "inflight_frames" "Ingest frames received and not yet acknowledged"
    20 INFLIGHT_BYTES Gauge Bytes "inflight_bytes" "Bytes of frames the ingest agents have not yet taken over"
    21 CONTROL_REQUESTS Counter Count "control_requests" "Control commands received"
    22 RECV_BUFFERS_LENT Gauge Count "recv_buffers_lent" "Shared receive buffers lent out now"
    23 RECV_BUFFERS_EXHAUSTED Counter Count "recv_buffers_exhausted" "Times the shared receive buffers ran out"

    // Ingest. Label: agent.
    100 RECORDS_IN Counter Count "records_in" "Records accepted for storage"
    101 RECORD_BYTES_IN Counter Bytes "record_bytes_in" "Bytes of records accepted for storage"
    102 BATCHES Counter Count "batches" "Batches laid out for the disk"
    103 PAYLOADS_WRAPPED Counter Count "payloads_wrapped" "Payloads that were no TLVs and became one RawData record"
    104 PAYLOADS_INFLATED Counter Count "payloads_inflated" "Payloads that came compressed"
    105 RECORD_COUNT_MISMATCHES Counter Count "record_count_mismatches" "Frames whose header claimed another record count"
    106 TOPICS Gauge Count "topics" "Topics served now"
    107 TOPICS_FROZEN Gauge Count "topics_frozen" "Topics that take no writes after an I/O error"

    // Io: journal, segments, device. Label where there are several: device.
    200 JOURNAL_WRITES Counter Count "journal_writes" "Journal blocks written"
    201 JOURNAL_BYTES Counter Bytes "journal_bytes" "Bytes written to the journal"
    202 JOURNAL_CHUNK Gauge Count "journal_chunk" "Number of the journal chunk being written"
    203 JOURNAL_CHUNKS_BUSY Gauge Count "journal_chunks_busy" "Journal chunks that cannot be recycled yet"
    204 FLUSHES Counter Count "flushes" "Flushes completed (fdatasync)"
    205 SEGMENT_WRITES Counter Count "segment_writes" "Writes to segments"
    206 SEGMENT_BYTES Counter Bytes "segment_bytes" "Bytes written to segments"
    207 SEGMENT_ROTATIONS Counter Count "segment_rotations" "Segments rotated"
    208 SEGMENTS_SEALED Counter Count "segments_sealed" "Segments sealed"
    209 DIRECT_WRITES Counter Count "direct_writes" "Slabs written straight to their segment, past the journal"
    210 DEVICE_WRITE_LATENCY Histogram Nanoseconds "device_write_latency" "Submission to completion of one device write"
    211 DEVICE_FLUSH_LATENCY Histogram Nanoseconds "device_flush_latency" "Submission to completion of one flush"
    212 DEVICE_READ_LATENCY Histogram Nanoseconds "device_read_latency" "Submission to completion of one device read"
    213 DEVICE_WRITES_INFLIGHT Gauge Count "device_writes_inflight" "Device writes submitted and not completed"
    214 DEVICE_ERRORS Counter Count "device_errors" "Device operations that failed (label: op)"
    215 DURABLE_WRITES Counter Count "durable_writes" "Writes made stable by DSYNC, without a flush of their own"

    // Reads.
    300 FETCHES Counter Count "fetches" "Fetches answered"
    301 FETCHED_BYTES Counter Bytes "fetched_bytes" "Bytes of records and batches handed to consumers"
    302 FETCHED_RECORDS Counter Count "fetched_records" "Records handed to consumers"
    303 TAIL_CACHE_HITS Counter Count "tail_cache_hits" "Fetches served from memory"
    304 TAIL_CACHE_MISSES Counter Count "tail_cache_misses" "Fetches that had to go to the disk"
    305 COLD_READS Counter Count "cold_reads" "Reads of segments from the disk"
    306 COLD_READ_BYTES Counter Bytes "cold_read_bytes" "Bytes read of segments from the disk"
    307 WAITERS Gauge Count "waiters" "Fetches that wait for data now"
    308 WAITS_EXPIRED Counter Count "waits_expired" "Waiting fetches that ran out of time"
    309 LOCATES Counter Count "locates" "Locate requests answered"
    310 COMMITS Counter Count "commits" "Committed offsets stored"
    311 DAMAGED_READS Counter Count "damaged_reads" "Reads refused because stored bytes are damaged"
    313 COMMITS_REFUSED Counter Count "commits_refused" "Commits refused at limits.commits or limits.commits_per_topic"
    312 FETCH_LATENCY Histogram Nanoseconds "fetch_latency" "Receipt of a fetch to its answer, waiting apart"

    // Stages of an ingest frame.
    400 STAGE_RECEIVE_ENQUEUE Histogram Nanoseconds "stage_receive_enqueue" "Frame received whole to handed to the ingest agent"
    401 STAGE_ENQUEUE_SUBMIT Histogram Nanoseconds "stage_enqueue_submit" "Handed to the ingest agent to submitted to the device"
    402 STAGE_SUBMIT_COMPLETE Histogram Nanoseconds "stage_submit_complete" "Submitted to the device to stable, as the topic asks"
    403 STAGE_COMPLETE_ACK Histogram Nanoseconds "stage_complete_ack" "Stable to acknowledgement queued for sending"
    404 STAGE_RECEIVE_ACK Histogram Nanoseconds "stage_receive_ack" "Frame received whole to acknowledgement queued"
    405 STAGE_OWN Histogram Nanoseconds "stage_own" "Frame received whole to submitted to the device, of frames that found it idle"

    // Memory and queues.
    500 SLABS_TOTAL Gauge Count "slabs_total" "Slabs of a pool and class (labels: pool, class)"
    501 SLABS_USED Gauge Count "slabs_used" "Slabs of a pool and class in use (labels: pool, class)"
    502 SLABS_EXHAUSTED Counter Count "slabs_exhausted" "Times a pool had no slab to give (label: pool)"
    507 SLAB_PRESSURE Counter Count "slab_pressure" "Times no slab held only what is in segments already, and a frame waited (label: pool)"
    503 QUEUE_DEPTH Gauge Count "queue_depth" "Messages waiting in a queue between agents (label: queue)"
    504 QUEUE_FULL Counter Count "queue_full" "Times a queue between agents was full (label: queue)"
    505 PLACED_PAGES Gauge Count "placed_pages" "Memory pages that belong on a NUMA node, when last looked at (label: memory)"
    506 CROSS_NODE_PAGES Gauge Count "cross_node_pages" "Those of them that lie on another node (label: memory)"

    // Rings and runners. Labels: runner, and agent where it is the agent's.
    600 RING_SUBMISSIONS Counter Count "ring_submissions" "Operations handed to the kernel"
    601 RING_COMPLETIONS Counter Count "ring_completions" "Completions reaped"
    602 RING_ENTERS Counter Count "ring_enters" "System calls made to drive the ring"
    603 RING_OVERFLOWS Counter Count "ring_overflows" "Times the completion queue ran over (nothing is lost)"
    604 RING_PARKS Counter Count "ring_parks" "Times the thread went to sleep for want of work"
    605 RING_WAKES Counter Count "ring_wakes" "Wake-ups sent to other threads"
    610 RUNNER_CYCLES Counter Count "runner_cycles" "Duty cycles of the thread"
    611 AGENT_BUSY_CYCLES Counter Count "agent_busy_cycles" "Duty cycles in which the agent had something to do"
    612 AGENT_IDLE_CYCLES Counter Count "agent_idle_cycles" "Duty cycles in which the agent had nothing to do"
    613 RUNNER_PARKED Counter Nanoseconds "runner_parked" "Time the thread slept for want of work"
    614 AGENT_BUSY Counter Nanoseconds "agent_busy" "Time in which the agent worked, estimated from every 7th duty cycle"
    620 THREAD_CPU Gauge Count "thread_cpu" "CPU on which the thread was last seen"
    621 THREAD_NODE Gauge Count "thread_node" "NUMA node of that CPU"
    622 THREAD_PINNED Gauge Count "thread_pinned" "1 when the thread is pinned to its CPU, else 0"
    623 THREAD_MIGRATIONS Counter Count "thread_migrations" "Times the thread was found on another CPU than before"
}

#[cfg(test)]
mod tests {
    use super::super::layout::descriptor;
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_fit_their_fields() {
        for (i, key) in ALL.iter().enumerate() {
            assert!(key.name.len() <= descriptor::NAME_MAX, "{}", key.name);
            assert!(key.help.len() <= descriptor::HELP_MAX, "{}", key.name);
            assert!(key.help.is_ascii(), "{}", key.name);
            assert!(
                key.name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}",
                key.name
            );
            for other in &ALL[..i] {
                assert_ne!(key.id, other.id);
                assert_ne!(key.name, other.name);
            }
        }
    }
}
