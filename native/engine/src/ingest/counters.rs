//! What the ingest agent counts.

use crate::counters::{keys, Counter, CountersFile, Gauge};
use crate::memory::Pool;

pub(super) struct IngestCounters {
    pub records: Counter,
    pub bytes: Counter,
    pub batches: Counter,
    pub wrapped: Counter,
    pub inflated: Counter,
    pub mismatches: Counter,
    pub exhausted: Counter,
    pub topics: Gauge,
    slabs_used: Vec<Gauge>,
}

impl IngestCounters {
    pub fn new(file: &CountersFile, actor: u8, pool: &Pool) -> Self {
        let label = format!("agent=ingest-{actor}");
        let mut slabs_used = Vec::new();
        for (bytes, count, _) in pool.usage() {
            let label = format!("pool=topics,class={bytes}");
            file.gauge(keys::SLABS_TOTAL, &label).set(u64::from(count));
            slabs_used.push(file.gauge(keys::SLABS_USED, &label));
        }
        Self {
            records: file.counter(keys::RECORDS_IN, &label),
            bytes: file.counter(keys::RECORD_BYTES_IN, &label),
            batches: file.counter(keys::BATCHES, &label),
            wrapped: file.counter(keys::PAYLOADS_WRAPPED, &label),
            inflated: file.counter(keys::PAYLOADS_INFLATED, &label),
            mismatches: file.counter(keys::RECORD_COUNT_MISMATCHES, &label),
            exhausted: file.counter(keys::SLABS_EXHAUSTED, "pool=topics"),
            topics: file.gauge(keys::TOPICS, ""),
            slabs_used,
        }
    }

    pub fn pool(&self, pool: &Pool) {
        for (gauge, (_, count, free)) in self.slabs_used.iter().zip(pool.usage()) {
            gauge.set(u64::from(count - free));
        }
    }
}
