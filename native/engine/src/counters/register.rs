//! Registering: each value gets its descriptor and its place in the file, each table its one writer.

use std::sync::atomic::Ordering;

use super::buckets;
use super::capacity::{histogram_bytes, Capacity};
use super::commits::CommitRows;
use super::events::EventRing;
use super::file::{CountersFile, Taken};
use super::handle::{Counter, Gauge, Heartbeat, Histogram, Watched};
use super::keys::{Key, Kind};
use super::layout::{descriptor, header, CACHE_LINE, DESCRIPTOR_BYTES, HEADER_BYTES};
use super::topics::TopicRows;

impl CountersFile {
    /// Registers a counter. `label` is `key=value` pairs with commas between, or empty.
    ///
    /// Panics when key and label are registered already, or the file is full: both are errors of start-up code.
    #[must_use]
    pub fn counter(&self, key: Key, label: &str) -> Counter {
        assert_eq!(key.kind, Kind::Counter, "{} is no counter", key.name);
        Counter::new(
            self.inner.region.clone(),
            self.register(key, label, CACHE_LINE),
        )
    }
    /// Registers a gauge; as `counter`.
    #[must_use]
    pub fn gauge(&self, key: Key, label: &str) -> Gauge {
        assert_eq!(key.kind, Kind::Gauge, "{} is no gauge", key.name);
        Gauge::new(
            self.inner.region.clone(),
            self.register(key, label, CACHE_LINE),
        )
    }
    /// Registers a histogram; as `counter`.
    #[must_use]
    pub fn histogram(&self, key: Key, label: &str) -> Histogram {
        assert_eq!(key.kind, Kind::Histogram, "{} is no histogram", key.name);
        Histogram::new(
            self.inner.region.clone(),
            self.register(key, label, histogram_bytes()),
        )
    }
    /// The heartbeat, for the one who beats it several times a second.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat::new(self.inner.region.clone(), header::HEARTBEAT_NS)
    }

    /// The topics' rows, for the one agent that writes them. Panics when they have their writer already.
    #[must_use]
    pub fn topic_rows(&self) -> TopicRows {
        let Capacity { topics, .. } = self.inner.capacity;
        let at = self.take_table(header::TOPICS);
        TopicRows::new(self.inner.region.clone(), at, topics)
    }
    /// The committed offsets' rows; as `topic_rows`.
    #[must_use]
    pub fn commit_rows(&self) -> CommitRows {
        let Capacity { commits, .. } = self.inner.capacity;
        let at = self.take_table(header::COMMITS);
        CommitRows::new(self.inner.region.clone(), at, commits)
    }
    /// The ring of events; as `topic_rows`.
    #[must_use]
    pub fn event_ring(&self) -> EventRing {
        let at = self.take_table(header::EVENTS);
        EventRing::new(&self.inner.region, at)
    }
    /// What is registered of a key by now, with the labels: to look at, by anybody.
    #[must_use]
    pub fn watch(&self, key: Key) -> Vec<(String, Watched)> {
        let region = &self.inner.region;
        self.taken()
            .names
            .iter()
            .filter(|(id, ..)| *id == key.id)
            .map(|(_, label, at)| (label.clone(), Watched::new(region.clone(), *at)))
            .collect()
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        let taken = self.inner.taken.lock();
        taken.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn take_table(&self, field: usize) -> usize {
        let mut taken = self.taken();
        assert!(!taken.tables.contains(&field), "a table has one writer");
        taken.tables.push(field);
        self.inner.region.cell(field).load(Ordering::Relaxed) as usize
    }

    fn register(&self, key: Key, label: &str, value_bytes: usize) -> usize {
        let inner = &*self.inner;
        assert!(
            label.len() <= descriptor::LABEL_MAX,
            "label too long: {label}"
        );
        let mut taken = self.taken();
        assert!(
            !taken
                .names
                .iter()
                .any(|(id, l, _)| *id == key.id && l == label),
            "{} is registered once with label {label:?}",
            key.name
        );
        let i = taken.names.len();
        let value_at = taken.values_end;
        assert!(
            i < inner.capacity.descriptors as usize
                && value_at + value_bytes <= inner.region.bytes(),
            "the counters file has room for {} values; raise counters::Capacity",
            inner.capacity.descriptors
        );
        let at = HEADER_BYTES + i * DESCRIPTOR_BYTES;
        let region = &inner.region;
        region.put(at + descriptor::KEY, &key.id.to_le_bytes());
        region.put(at + descriptor::KIND, &[key.kind as u8, key.unit as u8]);
        if key.kind == Kind::Histogram {
            let scale = [buckets::SUB_BITS as u8, buckets::VALUE_BITS as u8];
            region.put(at + descriptor::SUB_BITS, &scale);
        }
        region.put(at + descriptor::VALUE_AT, &(value_at as u64).to_le_bytes());
        region.put(
            at + descriptor::VALUE_BYTES,
            &(value_bytes as u32).to_le_bytes(),
        );
        let lengths = [
            key.name.len() as u8,
            label.len() as u8,
            key.help.len() as u8,
        ];
        region.put(at + descriptor::NAME_LEN, &lengths);
        region.put(at + descriptor::NAME, key.name.as_bytes());
        region.put(at + descriptor::LABEL, label.as_bytes());
        region.put(at + descriptor::HELP, key.help.as_bytes());
        taken.names.push((key.id, label.to_owned(), value_at));
        taken.values_end = value_at + value_bytes;
        region
            .cell(header::VALUES_END)
            .store(taken.values_end as u64, Ordering::Relaxed);
        // Released after the descriptor: a reader that sees the count sees what it counts.
        region
            .cell32(header::DESCRIPTOR_COUNT)
            .store(i as u32 + 1, Ordering::Release);
        value_at
    }
}
