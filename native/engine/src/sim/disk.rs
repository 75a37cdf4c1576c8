//! The simulated disk: `Storage` for what blocks, and the operations that `SimRing` completes later.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::faults::{Fault, FaultPlan, IoKind};
use super::file::{tear_into, Change};
use super::labels::{Barrier, FileKind};
use super::medium::{InFlight, Medium, Survival};
use super::names::Ino;
use super::rng::Rng;
use crate::limits::BLOCK;
use crate::storage::Handle;

/// One I/O that changes something or makes it durable, as the trace remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Io {
    /// 0, 1, 2, ... for the life of the disk.
    pub index: u64,
    pub kind: IoKind,
    /// The file or directory; for a rename its old name.
    pub path: String,
    /// What it makes durable, if that is its purpose.
    pub barrier: Option<Barrier>,
    /// Position in the file.
    pub at: u64,
    /// Bytes.
    pub len: u64,
}

/// A disk at one moment: everything that decides what a crash then leaves.
#[derive(Clone)]
pub struct Image {
    /// The I/O that was about to happen: it is in flight in this image.
    pub io: u64,
    medium: Medium,
}

impl Image {
    /// The disk that a machine finds when the power is back: one of many, chosen by the seed.
    #[must_use]
    pub fn after_crash(&self, survival: Survival, seed: u64) -> SimDisk {
        let mut rng = Rng::new(seed);
        SimDisk::on(self.medium.after_crash(&survival, &mut rng), rng.fork())
    }

    /// The disk that the next process finds after this one was killed while the machine went on: what was not flushed
    /// is still there, and still not flushed.
    #[must_use]
    pub fn after_kill(&self, seed: u64) -> SimDisk {
        let mut rng = Rng::new(seed);
        SimDisk::on(self.medium.after_kill(&mut rng), rng.fork())
    }
}

#[derive(Clone, Copy)]
pub(super) struct OpenFile {
    pub ino: Ino,
    pub write: bool,
    pub direct: bool,
}

/// What stands behind all clones of a `SimDisk`.
pub(super) struct State {
    pub medium: Medium,
    pub handles: BTreeMap<i32, OpenFile>,
    pub rng: Rng,
    pub powered: bool,
    next_handle: i32,
    next_op: u64,
    trace: Vec<Io>,
    faults: FaultPlan,
    suppressed: BTreeSet<Barrier>,
    power_cut: Option<u64>,
    full_from: Option<u64>,
    /// The next file that is removed makes room.
    room_by_unlink: bool,
    images: Option<Vec<Image>>,
    /// Files of which a flush failed, and those that were flushed again all the same.
    unflushable: BTreeSet<Ino>,
    flushed_again: Vec<String>,
}

/// A disk with one data directory on it. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk. The seed decides what failing I/O leaves behind.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::on(Medium::default(), Rng::new(seed))
    }
    fn on(medium: Medium, rng: Rng) -> Self {
        Self(Arc::new(Mutex::new(State {
            medium,
            handles: BTreeMap::new(),
            rng,
            powered: true,
            next_handle: 3,
            next_op: 0,
            trace: Vec::new(),
            faults: FaultPlan::default(),
            suppressed: BTreeSet::new(),
            power_cut: None,
            full_from: None,
            room_by_unlink: false,
            images: None,
            unflushable: BTreeSet::new(),
            flushed_again: Vec::new(),
        })))
    }
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that changed or flushed something so far.
    #[must_use]
    pub fn trace(&self) -> Vec<Io> {
        self.state().trace.clone()
    }
    /// How many of those there are: the index of the next one.
    #[must_use]
    pub fn io_count(&self) -> u64 {
        self.state().trace.len() as u64
    }
    /// The barriers met so far, each class once.
    #[must_use]
    pub fn barriers(&self) -> BTreeSet<Barrier> {
        self.state()
            .trace
            .iter()
            .filter_map(|io| io.barrier)
            .collect()
    }
    /// From now on barriers of this class succeed and do nothing.
    pub fn suppress(&self, barrier: Barrier) {
        self.state().suppressed.insert(barrier);
    }
    /// The power goes while I/O `index` is in flight: it and all later ones fail, nothing completes any more.
    pub fn cut_power_at(&self, index: u64) {
        self.state().power_cut = Some(index);
    }
    /// The power goes now.
    pub fn cut_power(&self) {
        self.state().powered = false;
    }
    /// Whether there is power.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.state().powered
    }
    /// Whatever takes new blocks fails with ENOSPC from I/O `index` on; `None` ends that.
    pub fn fill_up_from(&self, index: Option<u64>) {
        self.state().full_from = index;
    }
    /// The same from now on until a file is removed.
    pub fn fill_up_until_unlink(&self) {
        let mut state = self.state();
        (state.full_from, state.room_by_unlink) = (Some(0), true);
    }
    /// The `nth` (from 0) I/O of this kind from now on, on files of kind `of` if given, goes wrong once.
    pub fn fail(&self, kind: IoKind, of: Option<FileKind>, nth: u64, fault: Fault) {
        self.state().faults.add(kind, of, nth, fault);
    }
    /// Nothing goes wrong from now on.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults = FaultPlan::default();
        state.full_from = None;
    }
    /// Files of which a flush failed.
    #[must_use]
    pub fn failed_flushes(&self) -> usize {
        self.state().unflushable.len()
    }
    /// Paths of files that were flushed although a flush of theirs had failed.
    #[must_use]
    pub fn flushed_again(&self) -> Vec<String> {
        self.state().flushed_again.clone()
    }
    /// Flips a bit of a stored byte. False if there is no such byte.
    pub fn flip(&self, path: &str, byte: u64, bit: u8) -> bool {
        let mut state = self.state();
        let ino = state.medium.find(path);
        ino.and_then(|ino| state.medium.file_mut(ino))
            .is_some_and(|file| file.flip(byte, bit))
    }
    /// All of a file's bytes, without going through a handle; `None` if there is no such file.
    #[must_use]
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let live = state.medium.file(state.medium.find(path)?)?.live();
        let mut bytes = vec![0; live.len() as usize];
        live.read(0, &mut bytes);
        Some(bytes)
    }
    /// Files that are open, each handle counted.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.state().handles.len()
    }
    /// The disk as it is now.
    #[must_use]
    pub fn image(&self) -> Image {
        let state = self.state();
        Image {
            io: state.trace.len() as u64,
            medium: state.medium.clone(),
        }
    }
    /// From now on keeps an image of every I/O while it is in flight.
    pub fn record_images(&self) {
        self.state().images = Some(Vec::new());
    }
    /// Hands over the images kept since the last call.
    #[must_use]
    pub fn take_images(&self) -> Vec<Image> {
        self.state()
            .images
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }
    /// What the machine finds after a power cut now; this disk stays as it is.
    #[must_use]
    pub fn after_crash(&self, survival: Survival, seed: u64) -> Self {
        self.image().after_crash(survival, seed)
    }
}

/// `errno` as an error.
pub(super) fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// What an I/O is, for the trace.
pub(super) struct What {
    pub kind: IoKind,
    pub path: String,
    pub barrier: Option<Barrier>,
    pub at: u64,
    pub len: u64,
}

impl State {
    /// Counts an I/O, keeps its image, and fails if the power goes at it. What is `in_flight` stays so until `end`.
    pub fn begin(&mut self, what: What, in_flight: Option<InFlight>) -> io::Result<u64> {
        if !self.powered {
            return Err(errno(libc::EIO));
        }
        let index = self.trace.len() as u64;
        let op = self.next_op;
        self.next_op += 1;
        if let Some(in_flight) = in_flight {
            self.check_overlap(&what, &in_flight);
            self.medium.in_flight.insert(op, in_flight);
        }
        self.trace.push(Io {
            index,
            kind: what.kind,
            path: what.path,
            barrier: what.barrier,
            at: what.at,
            len: what.len,
        });
        if let Some(images) = &mut self.images {
            images.push(Image {
                io: index,
                medium: self.medium.clone(),
            });
        }
        if self.power_cut.is_some_and(|cut| index >= cut) {
            self.powered = false;
            return Err(errno(libc::EIO));
        }
        Ok(op)
    }
    /// An I/O is no longer in flight.
    pub fn end(&mut self, op: u64) {
        self.medium.in_flight.remove(&op);
    }
    /// What the plan has for an I/O on this path.
    pub fn meet_fault(&mut self, kind: IoKind, path: &str) -> Option<Fault> {
        self.faults.meet(kind, FileKind::of(path))
    }
    /// Whether a test took this barrier away.
    pub fn is_suppressed(&self, barrier: Barrier) -> bool {
        self.suppressed.contains(&barrier)
    }
    /// Whether the I/O that was begun last is refused new blocks.
    pub fn is_full(&self) -> bool {
        self.full_from
            .is_some_and(|from| self.trace.len() as u64 > from)
    }
    /// Whether the next I/O will be.
    pub fn will_be_full(&self) -> bool {
        self.full_from
            .is_some_and(|from| self.trace.len() as u64 >= from)
    }
    /// A file was removed.
    pub fn made_room(&mut self) {
        if std::mem::take(&mut self.room_by_unlink) {
            self.full_from = None;
        }
    }
    /// An open file.
    pub fn open_file(&self, handle: Handle) -> io::Result<OpenFile> {
        self.handles
            .get(&handle.0)
            .copied()
            .ok_or_else(|| errno(libc::EBADF))
    }
    /// Its path now; of an unlinked file something that says so.
    pub fn path_of(&self, ino: Ino) -> String {
        self.medium
            .path_of(ino)
            .unwrap_or_else(|| format!("unlinked {ino}"))
    }
    /// Gives out a handle.
    pub fn add_handle(&mut self, file: OpenFile) -> Handle {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.handles.insert(handle, file);
        Handle(handle)
    }
    /// Puts written bytes where readers see them, unless there is no room.
    pub fn store(&mut self, ino: Ino, at: u64, data: &Arc<[u8]>, durable: bool) -> io::Result<()> {
        let full = self.is_full();
        let file = self
            .medium
            .file_mut(ino)
            .ok_or_else(|| errno(libc::EISDIR))?;
        if full && file.needs_blocks(at, data.len() as u64) {
            return Err(errno(libc::ENOSPC));
        }
        let data = Arc::clone(data);
        file.apply(Change::Bytes { at, data }, durable);
        Ok(())
    }
    /// A write failed: some of its sectors may have changed all the same, and some be `garbled`.
    pub fn store_remains(&mut self, ino: Ino, at: u64, data: &Arc<[u8]>, garbled: bool) {
        if let Some(file) = self.medium.file_mut(ino) {
            let each = |change| file.apply(change, false);
            tear_into(at, data, garbled, &mut self.rng, each);
        }
    }
    /// A flush ends: what it covers is durable, or on failure some of it is dropped.
    pub fn finish_flush(&mut self, ino: Ino, covers: u64, fault: Option<Fault>) -> io::Result<()> {
        let barrier = Barrier::Flush(FileKind::of(&self.path_of(ino)));
        if self.is_suppressed(barrier) {
            return Ok(());
        }
        let mut rng = self.rng.fork();
        if self.unflushable.contains(&ino) {
            let path = self.path_of(ino);
            self.flushed_again.push(path);
        }
        if fault.is_some() {
            self.unflushable.insert(ino);
        }
        let file = self
            .medium
            .file_mut(ino)
            .ok_or_else(|| errno(libc::EISDIR))?;
        if fault.is_some() {
            file.flush_failed(covers, &mut rng);
            return Err(errno(libc::EIO));
        }
        file.flushed(covers);
        Ok(())
    }

    /// A flush of all files ends, as that of one. A failure is one of the device: it hits what agents write.
    pub fn finish_flush_all(
        &mut self,
        covers: Vec<(Ino, u64)>,
        fault: Option<Fault>,
    ) -> io::Result<()> {
        if self.is_suppressed(Barrier::AllFiles) {
            return Ok(());
        }
        for (ino, covers) in covers {
            let kind = FileKind::of(&self.path_of(ino));
            let hit = fault.filter(|_| matches!(kind, FileKind::Segment | FileKind::Journal));
            // It goes over all files, those too that their owners gave up after a flush that failed.
            let given_up = self.unflushable.contains(&ino);
            if !given_up && (fault.is_none() || hit.is_some()) {
                // Whether this file's flush failed is what the whole one says.
                let _ = self.finish_flush(ino, covers, hit);
            }
        }
        fault.map_or(Ok(()), |_| Err(errno(libc::EIO)))
    }

    /// Writes in flight never share a block, and nothing cuts a file that is being written (design.md, section 5).
    fn check_overlap(&self, what: &What, new: &InFlight) {
        let InFlight::Contents { ino, change } = new else {
            return;
        };
        for op in self.medium.in_flight.values() {
            let InFlight::Contents {
                ino: of,
                change: old,
            } = op
            else {
                continue;
            };
            if of != ino {
                continue;
            }
            let (Change::Bytes { at: a, data: x }, Change::Bytes { at: b, data: y }) =
                (change, old)
            else {
                assert!(
                    !matches!(change, Change::Cut(_)),
                    "{} is cut while a write of it is in flight",
                    what.path
                );
                continue;
            };
            let blocks = |at: u64, len: usize| (at / BLOCK, (at + len as u64).div_ceil(BLOCK));
            let ((a0, a1), (b0, b1)) = (blocks(*a, x.len()), blocks(*b, y.len()));
            assert!(
                a1 <= b0 || b1 <= a0,
                "two writes in flight share a block of {}: {a}+{} and {b}+{}",
                what.path,
                x.len(),
                y.len()
            );
        }
    }
}
