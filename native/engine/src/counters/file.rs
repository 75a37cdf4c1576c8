//! The counters file itself: made, found its place, copied, taken away.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::capacity::Capacity;
use super::events::EVENT_ROWS;
use super::layout::{commit, event, header, topic, DESCRIPTOR_BYTES, HEADER_BYTES, MAGIC, VERSION};
use super::region::Region;

/// A counters file, or memory of the same layout. Cheap to clone; the handles keep the memory alive.
#[derive(Clone)]
pub struct CountersFile {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) region: Arc<Region>,
    path: Option<PathBuf>,
    pub(super) capacity: Capacity,
    pub(super) taken: Mutex<Taken>,
}

/// What is registered: only start-up touches it.
#[derive(Default)]
pub(super) struct Taken {
    /// Key, label, position of the value.
    pub(super) names: Vec<(u32, String, usize)>,
    pub(super) values_end: usize,
    /// Tables (by their field in the header) that have their writer.
    pub(super) tables: Vec<usize>,
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
