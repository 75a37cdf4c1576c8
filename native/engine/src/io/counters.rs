//! What the I/O agent counts.

use crate::counters::{keys, Counter, CountersFile, Gauge, Histogram, TopicRows};
use crate::memory::Pool;

pub(super) struct IoCounters {
    pub journal_writes: Counter,
    pub journal_bytes: Counter,
    pub journal_chunk: Gauge,
    pub journal_busy: Gauge,
    pub flushes: Counter,
    pub durable_writes: Counter,
    pub segment_writes: Counter,
    pub segment_bytes: Counter,
    pub direct_writes: Counter,
    pub rotations: Counter,
    pub sealed: Counter,
    pub write_latency: Histogram,
    pub flush_latency: Histogram,
    pub read_latency: Histogram,
    pub in_flight: Gauge,
    pub errors: Counter,
    pub frozen: Gauge,
    pub enqueue_submit: Histogram,
    pub submit_complete: Histogram,
    pub own: Histogram,
    pub fetch_latency: Histogram,
    pub fetches: Counter,
    pub fetched_bytes: Counter,
    pub fetched_records: Counter,
    pub hits: Counter,
    pub misses: Counter,
    pub cold_reads: Counter,
    pub cold_bytes: Counter,
    pub waiters: Gauge,
    pub waits_expired: Counter,
    pub locates: Counter,
    pub commits: Counter,
    pub commits_refused: Counter,
    pub responses_exhausted: Counter,
    pub pressure: Counter,
    pub damaged: Counter,
    pub topics: TopicRows,
    /// By pool (responses, reads) and class.
    slabs_used: [Vec<Gauge>; 2],
}

impl IoCounters {
    /// Counts what `responses` and `reads` lend out, besides.
    pub fn new(file: &CountersFile, responses: &Pool, reads: &Pool) -> Self {
        let gauges = |name: &str, pool: &Pool| -> Vec<Gauge> {
            pool.usage()
                .map(|(bytes, count, _)| {
                    let label = format!("pool={name},class={bytes}");
                    file.gauge(keys::SLABS_TOTAL, &label).set(u64::from(count));
                    file.gauge(keys::SLABS_USED, &label)
                })
                .collect()
        };
        Self {
            journal_writes: file.counter(keys::JOURNAL_WRITES, ""),
            journal_bytes: file.counter(keys::JOURNAL_BYTES, ""),
            journal_chunk: file.gauge(keys::JOURNAL_CHUNK, ""),
            journal_busy: file.gauge(keys::JOURNAL_CHUNKS_BUSY, ""),
            flushes: file.counter(keys::FLUSHES, ""),
            durable_writes: file.counter(keys::DURABLE_WRITES, ""),
            segment_writes: file.counter(keys::SEGMENT_WRITES, ""),
            segment_bytes: file.counter(keys::SEGMENT_BYTES, ""),
            direct_writes: file.counter(keys::DIRECT_WRITES, ""),
            rotations: file.counter(keys::SEGMENT_ROTATIONS, ""),
            sealed: file.counter(keys::SEGMENTS_SEALED, ""),
            write_latency: file.histogram(keys::DEVICE_WRITE_LATENCY, ""),
            flush_latency: file.histogram(keys::DEVICE_FLUSH_LATENCY, ""),
            read_latency: file.histogram(keys::DEVICE_READ_LATENCY, ""),
            in_flight: file.gauge(keys::DEVICE_WRITES_INFLIGHT, ""),
            errors: file.counter(keys::DEVICE_ERRORS, ""),
            frozen: file.gauge(keys::TOPICS_FROZEN, ""),
            enqueue_submit: file.histogram(keys::STAGE_ENQUEUE_SUBMIT, ""),
            submit_complete: file.histogram(keys::STAGE_SUBMIT_COMPLETE, ""),
            own: file.histogram(keys::STAGE_OWN, ""),
            fetch_latency: file.histogram(keys::FETCH_LATENCY, ""),
            fetches: file.counter(keys::FETCHES, ""),
            fetched_bytes: file.counter(keys::FETCHED_BYTES, ""),
            fetched_records: file.counter(keys::FETCHED_RECORDS, ""),
            hits: file.counter(keys::TAIL_CACHE_HITS, ""),
            misses: file.counter(keys::TAIL_CACHE_MISSES, ""),
            cold_reads: file.counter(keys::COLD_READS, ""),
            cold_bytes: file.counter(keys::COLD_READ_BYTES, ""),
            waiters: file.gauge(keys::WAITERS, ""),
            waits_expired: file.counter(keys::WAITS_EXPIRED, ""),
            locates: file.counter(keys::LOCATES, ""),
            commits: file.counter(keys::COMMITS, ""),
            commits_refused: file.counter(keys::COMMITS_REFUSED, ""),
            pressure: file.counter(keys::SLAB_PRESSURE, "pool=topics"),
            responses_exhausted: file.counter(keys::SLABS_EXHAUSTED, "pool=responses"),
            damaged: file.counter(keys::DAMAGED_READS, ""),
            topics: file.topic_rows(),
            slabs_used: [gauges("responses", responses), gauges("reads", reads)],
        }
    }

    /// What the pools lend out now.
    pub fn pools(&self, pools: [&Pool; 2]) {
        for (gauges, pool) in self.slabs_used.iter().zip(pools) {
            for (gauge, (_, count, free)) in gauges.iter().zip(pool.usage()) {
                gauge.set(u64::from(count - free));
            }
        }
    }
}
