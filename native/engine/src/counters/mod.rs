//! Counters, gauges and histograms in a mapped file that others read while we write (design.md, section 9).
//!
//! Thread: registered at start-up by whoever builds the agents, written by one agent each, read by anyone.

pub mod buckets;
mod commits;
mod errors;
pub mod events;
mod handle;
pub mod keys;
pub mod layout;
pub mod read;
pub mod read_tables;
mod region;
mod rows;
mod topics;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

pub use commits::CommitRows;
pub use errors::ErrorCounters;
pub use events::{EventRing, EVENT_ROWS};
pub use handle::{Counter, Gauge, Heartbeat, Histogram, Watched};
pub use topics::{TopicRow, TopicRows, TopicState};

use self::keys::{Key, Kind};
use self::layout::{
    commit, descriptor, event, header, topic, CACHE_LINE, DESCRIPTOR_BYTES, HEADER_BYTES, MAGIC,
    VERSION,
};
use self::region::Region;
use crate::limits::Limits;

// The file is little-endian and written through native atomics.
const _: () = assert!(cfg!(target_endian = "little"));

/// How many values a file has room for; all of it is allocated at start-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Values of any kind.
    pub descriptors: u32,
    /// How many of them may be histograms (30 KiB each).
    pub histograms: u32,
    /// Topics that have a row (128 bytes).
    pub topics: u32,
    /// Places in the table of committed offsets that have a row (32 bytes).
    pub commits: u32,
}

/// Rows of topics and of committed offsets at most, whatever the limits say: 8 and 4 MiB.
const MOST_TOPICS: u32 = 1 << 16;
const MOST_COMMITS: u32 = 1 << 17;

impl Default for Capacity {
    fn default() -> Self {
        Self {
            descriptors: 768,
            histograms: 48,
            topics: 64,
            commits: 256,
        }
    }
}

impl Capacity {
    /// For a node with these limits.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        Self {
            topics: limits.topics.min(MOST_TOPICS),
            commits: limits.commit_places().min(MOST_COMMITS),
            ..Self::default()
        }
    }
    fn topics_at(self) -> usize {
        HEADER_BYTES + self.descriptors as usize * DESCRIPTOR_BYTES
    }
    fn commits_at(self) -> usize {
        self.topics_at() + self.topics as usize * topic::ROW
    }
    fn events_at(self) -> usize {
        (self.commits_at() + self.commits as usize * commit::ROW).next_multiple_of(CACHE_LINE)
    }
    fn values_at(self) -> usize {
        (self.events_at() + EVENT_ROWS * event::ROW).next_multiple_of(CACHE_LINE)
    }
    fn file_bytes(self) -> usize {
        let histograms = self.histograms as usize * histogram_bytes();
        (self.values_at() + self.descriptors as usize * CACHE_LINE + histograms)
            .next_multiple_of(4096)
    }
}

fn histogram_bytes() -> usize {
    (handle::HISTOGRAM_CELLS * 8).next_multiple_of(CACHE_LINE)
}

/// A counters file, or memory of the same layout. Cheap to clone; the handles keep the memory alive.
#[derive(Clone)]
pub struct CountersFile {
    inner: Arc<Inner>,
}

struct Inner {
    region: Arc<Region>,
    path: Option<PathBuf>,
    capacity: Capacity,
    taken: Mutex<Taken>,
}

/// What is registered: only start-up touches it.
#[derive(Default)]
struct Taken {
    /// Key, label, position of the value.
    names: Vec<(u32, String, usize)>,
    values_end: usize,
    /// Tables (by their field in the header) that have their writer.
    tables: Vec<usize>,
}

impl CountersFile {
    /// A file at `path`; one that is there is replaced, and whoever has it mapped keeps the old one.
    ///
    /// # Errors
    /// The file cannot be made, or the file system has no room for it.
    pub fn create(path: &Path, capacity: Capacity) -> io::Result<Self> {
        let mut draft = path.as_os_str().to_owned();
        draft.push("~");
        let draft = PathBuf::from(draft);
        let region = Region::file(&draft, capacity.file_bytes())?;
        let counters = Self::format(region, Some(path.to_owned()), capacity);
        // Renamed when its header is whole, so that no reader meets half of one.
        fs::rename(&draft, path).inspect_err(|_| {
            let _ = fs::remove_file(&draft);
        })?;
        Ok(counters)
    }

    /// The same without a file: for tests and tools.
    #[must_use]
    pub fn heap() -> Self {
        let capacity = Capacity::default();
        let region = Region::anonymous(capacity.file_bytes())
            .expect("memory for counters outside of any file");
        Self::format(region, None, capacity)
    }

    /// The live file of the node on `data_dir`: on `/dev/shm`, else in the data directory, else in memory only. The name
    /// follows from the directory's identity, so that a node that was killed leaves no more than one behind. Also returns
    /// what is to be announced.
    #[must_use]
    pub fn live(data_dir: &Path, capacity: Capacity) -> (Self, Vec<String>) {
        let mut announcements = Vec::new();
        let shm = fs::metadata(data_dir)
            .map(|m| PathBuf::from(format!("/dev/shm/lance-{:x}-{:x}.lcf", m.dev(), m.ino())));
        let places = [shm, Ok(data_dir.join("counters.live.lcf"))];
        for place in places {
            match place
                .and_then(|path| Self::create(&path, capacity).map_err(|e| at_path(e, &path)))
            {
                Ok(counters) => return (counters, announcements),
                Err(e) => announcements.push(format!(
                    "counters: no live file there ({e}); trying the next place"
                )),
            }
        }
        announcements.push(
            "counters: in memory only; `lance top` and the copies in the data directory show nothing"
                .into(),
        );
        (Self::heap(), announcements)
    }

    fn format(region: Region, path: Option<PathBuf>, capacity: Capacity) -> Self {
        let now = crate::clock::Clock::now(&crate::clock::SystemClock);
        let store = |at: usize, value: u64| region.cell(at).store(value, Ordering::Relaxed);
        let store32 = |at: usize, value: u32| region.cell32(at).store(value, Ordering::Relaxed);
        store32(header::VERSION, VERSION);
        store32(header::PID, std::process::id());
        store32(header::DESCRIPTOR_BYTES, DESCRIPTOR_BYTES as u32);
        store(header::START_NS, now.wall_ns);
        store(header::DESCRIPTORS_AT, HEADER_BYTES as u64);
        store(header::VALUES_AT, capacity.values_at() as u64);
        store(header::FILE_BYTES, region.bytes() as u64);
        store32(header::DESCRIPTOR_CAPACITY, capacity.descriptors);
        store(header::VALUES_END, capacity.values_at() as u64);
        store(header::HEARTBEAT_NS, now.wall_ns);
        let tables = [
            (
                header::TOPICS,
                capacity.topics_at(),
                capacity.topics,
                topic::ROW,
            ),
            (
                header::COMMITS,
                capacity.commits_at(),
                capacity.commits,
                commit::ROW,
            ),
            (
                header::EVENTS,
                capacity.events_at(),
                EVENT_ROWS as u32,
                event::ROW,
            ),
        ];
        for (field, at, rows, row_bytes) in tables {
            store(field, at as u64);
            store32(field + 8, rows);
            store32(field + 12, row_bytes as u32);
        }
        region
            .cell32(header::MAGIC)
            .store(u32::from_le_bytes(MAGIC), Ordering::Release);
        Self {
            inner: Arc::new(Inner {
                region: Arc::new(region),
                path,
                capacity,
                taken: Mutex::new(Taken {
                    values_end: capacity.values_at(),
                    ..Taken::default()
                }),
            }),
        }
    }

    /// Where the live file is; `None` when it is memory only.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// Locks the values in memory; false where the system does not allow it.
    #[must_use]
    pub fn lock(&self) -> bool {
        self.inner.region.lock()
    }

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

    /// The file's bytes as they are now, as far as there are values.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let end = self
            .inner
            .region
            .cell(header::VALUES_END)
            .load(Ordering::Acquire);
        self.inner.region.copy(end as usize)
    }

    /// Copies the live values to `to` (under a temporary name, flushed, renamed): for the post-mortem. Blocks; not for agents.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn copy_to(&self, to: &Path) -> io::Result<()> {
        let mut draft = to.as_os_str().to_owned();
        draft.push("~");
        let draft = PathBuf::from(draft);
        let mut file = File::create(&draft)?;
        file.write_all(&self.snapshot())?;
        file.sync_data()?;
        fs::rename(&draft, to)
    }

    /// Takes the live file's name away at a clean exit; the values stay readable to who has them mapped.
    pub fn retire(&self) {
        if let Some(path) = &self.inner.path {
            // Already gone is as good.
            let _ = fs::remove_file(path);
        }
    }
}

fn at_path(e: io::Error, path: &Path) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests;
