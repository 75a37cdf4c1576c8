//! The blocking door to the simulated disk.

use std::io;
use std::sync::Arc;

use super::disk::{errno, OpenFile, SimDisk, State, What};
use super::faults::{Fault, IoKind};
use super::file::{Change, File};
use super::labels::{Barrier, DirKind, FileKind};
use super::medium::{InFlight, Node};
use super::names::{Ino, NameChange, Place, ROOT};
use crate::limits::BLOCK;
use crate::storage::{write_zeros, Handle, Open, Others, Storage};

/// Free space of a disk that is not full.
const ROOMY: u64 = 1 << 40;

impl Storage for SimDisk {
    fn open(&self, path: &str, how: Open) -> io::Result<Handle> {
        let mut state = self.state();
        let ino = match state.medium.find(path) {
            Some(_) if how.create => return Err(errno(libc::EEXIST)),
            Some(ino) if state.medium.file(ino).is_none() => return Err(errno(libc::EISDIR)),
            Some(ino) => state.readable(path).map(|()| ino)?,
            None if how.create => {
                let at = state.place(path)?;
                let node = Node::File(Arc::new(File::default()));
                state.link(IoKind::Create, path, at, node)?
            }
            None => return Err(errno(libc::ENOENT)),
        };
        Ok(state.add_handle(OpenFile {
            ino,
            write: how.write,
            direct: how.direct,
        }))
    }

    fn close(&self, file: Handle) {
        let mut state = self.state();
        let closed = state.handles.remove(&file.0);
        assert!(closed.is_some(), "handle {} is not open", file.0);
    }

    fn read_at(&self, file: Handle, to: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.state();
        let open = state.open_file(file)?;
        let path = state.path_of(open.ino);
        if open.direct {
            assert_aligned(&path, at, to.len(), to.as_ptr());
        }
        state.readable(&path)?;
        let file = state
            .medium
            .file(open.ino)
            .ok_or_else(|| errno(libc::EISDIR))?;
        Ok(file.live().read(at, to))
    }

    fn write_at(&self, file: Handle, from: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.state();
        let (open, path) = state.writable(file)?;
        if open.direct {
            assert_aligned(&path, at, from.len(), from.as_ptr());
        }
        let data: Arc<[u8]> = Arc::from(from);
        let change = Change::Bytes {
            at,
            data: Arc::clone(&data),
        };
        let op = state.begin(
            What {
                kind: IoKind::Write,
                path: path.clone(),
                barrier: None,
                at,
                len: from.len() as u64,
            },
            Some(InFlight::Contents {
                ino: open.ino,
                change,
            }),
        )?;
        state.end(op);
        match state.meet_fault(IoKind::Write, &path) {
            None => state.store(open.ino, at, &data, false),
            Some(fault) => {
                state.store_remains(open.ino, at, &data, fault == Fault::Garbled);
                Err(errno(libc::EIO))
            }
        }
    }

    fn len(&self, file: Handle) -> io::Result<u64> {
        let state = self.state();
        let open = state.open_file(file)?;
        if !state.powered {
            return Err(errno(libc::EIO));
        }
        let file = state
            .medium
            .file(open.ino)
            .ok_or_else(|| errno(libc::EISDIR))?;
        Ok(file.live().len())
    }

    fn truncate(&self, file: Handle, len: u64) -> io::Result<()> {
        self.state()
            .resize(file, IoKind::Truncate, len, Change::Cut(len))
    }

    fn allocate(&self, file: Handle, len: u64) -> io::Result<()> {
        self.state()
            .resize(file, IoKind::Allocate, len, Change::Grow(len))
    }

    fn blank(&self, file: Handle, len: u64, written: u64) -> io::Result<()> {
        self.truncate(file, 0)?;
        self.allocate(file, len)?;
        write_zeros(self, file, written)?;
        self.flush(file)
    }

    fn others(&self, file: Handle) -> Others {
        let state = self.state();
        let Some(open) = state.handles.get(&file.0) else {
            return Others::Unknown;
        };
        match state.handles.values().filter(|o| o.ino == open.ino).count() {
            1 => Others::Nobody,
            _ => Others::Readers,
        }
    }

    fn flush(&self, file: Handle) -> io::Result<()> {
        let mut state = self.state();
        let open = state.open_file(file)?;
        let path = state.path_of(open.ino);
        let covers = state.medium.file(open.ino).map_or(0, File::completed);
        let what = What {
            kind: IoKind::Flush,
            barrier: Some(Barrier::Flush(FileKind::of(&path))),
            path: path.clone(),
            at: 0,
            len: 0,
        };
        state.begin(what, None)?;
        let fault = state.meet_fault(IoKind::Flush, &path);
        state.finish_flush(open.ino, covers, fault)
    }

    fn flush_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state();
        let ino = state.dir(dir)?;
        let barrier = Barrier::Names(DirKind::of(dir));
        state.named(IoKind::FlushDir, dir, Some(barrier), None)?;
        if !state.is_suppressed(barrier) {
            state.medium.names.flushed(ino);
        }
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        state.named(IoKind::SyncNames, "", Some(Barrier::AllNames), None)?;
        if !state.is_suppressed(Barrier::AllNames) {
            state.medium.sync_names();
        }
        Ok(())
    }

    fn flush_all(&self, one: Handle, _: u32) -> io::Result<bool> {
        let mut state = self.state();
        state.open_file(one)?;
        let what = What {
            kind: IoKind::FlushAll,
            path: String::new(),
            barrier: Some(Barrier::AllFiles),
            at: 0,
            len: 0,
        };
        let covers = state.medium.completed();
        state.begin(what, None)?;
        let fault = state.meet_fault(IoKind::FlushAll, "");
        state.finish_flush_all(covers, fault).map(|()| true)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let ino = state.medium.find(from).ok_or_else(|| errno(libc::ENOENT))?;
        if let Some(there) = state.medium.find(to) {
            assert!(
                state.medium.file(there).is_some() && state.medium.file(ino).is_some(),
                "only files replace files"
            );
        }
        let (from_at, to) = (state.place(from)?, state.place(to)?);
        let change = NameChange::Rename {
            from: from_at,
            to,
            ino,
        };
        state.named(IoKind::Rename, from, None, Some(change))
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let ino = state.medium.find(path).ok_or_else(|| errno(libc::ENOENT))?;
        if state.medium.file(ino).is_none() {
            return Err(errno(libc::EISDIR));
        }
        let at = state.place(path)?;
        state.named(
            IoKind::Unlink,
            path,
            None,
            Some(NameChange::Unlink { at, ino }),
        )?;
        state.made_room();
        Ok(())
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        match state.medium.find(path) {
            Some(ino) if state.medium.file(ino).is_some() => Err(errno(libc::EEXIST)),
            Some(_) => Ok(()),
            None => {
                let at = state.place(path)?;
                state.link(IoKind::MakeDir, path, at, Node::Dir).map(|_| ())
            }
        }
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let ino = state.dir(path)?;
        if state.medium.names.list(ino).next().is_some() {
            return Err(errno(libc::ENOTEMPTY));
        }
        let at = state.place(path)?;
        state.named(
            IoKind::RemoveDir,
            path,
            None,
            Some(NameChange::Unlink { at, ino }),
        )
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.powered {
            return Err(errno(libc::EIO));
        }
        let ino = state.dir(dir)?;
        Ok(state
            .medium
            .names
            .list(ino)
            .map(|(name, _)| name.to_owned())
            .collect())
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        let state = self.state();
        if !state.powered {
            return Err(errno(libc::EIO));
        }
        Ok(state.medium.find(path).is_some())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(if state.will_be_full() { 0 } else { ROOMY })
    }
}

/// `O_DIRECT` takes whole blocks at block boundaries from block-aligned memory.
pub(super) fn assert_aligned(path: &str, at: u64, len: usize, memory: *const u8) {
    assert!(
        at.is_multiple_of(BLOCK)
            && (len as u64).is_multiple_of(BLOCK)
            && (memory as u64).is_multiple_of(BLOCK),
        "direct I/O on {path} is not aligned: {len} bytes at {at}, memory at {memory:p}"
    );
}

impl State {
    fn dir(&self, path: &str) -> io::Result<Ino> {
        let ino = self.medium.find(path).ok_or_else(|| errno(libc::ENOENT))?;
        match self.medium.nodes.get(&ino) {
            Some(Node::Dir) => Ok(ino),
            _ => Err(errno(libc::ENOTDIR)),
        }
    }
    fn place(&self, path: &str) -> io::Result<Place> {
        match path.rsplit_once('/') {
            Some((dir, name)) => Ok((self.dir(dir)?, name.to_owned())),
            None => Ok((ROOT, path.to_owned())),
        }
    }
    /// A read: not counted among the I/Os a crash may hit, but it may fail by plan.
    fn readable(&mut self, path: &str) -> io::Result<()> {
        if !self.powered || self.meet_fault(IoKind::Read, path).is_some() {
            return Err(errno(libc::EIO));
        }
        Ok(())
    }
    fn writable(&self, handle: Handle) -> io::Result<(OpenFile, String)> {
        let open = self.open_file(handle)?;
        if !open.write {
            return Err(errno(libc::EBADF));
        }
        Ok((open, self.path_of(open.ino)))
    }
    fn resize(&mut self, handle: Handle, kind: IoKind, len: u64, change: Change) -> io::Result<()> {
        let (open, path) = self.writable(handle)?;
        let in_flight = InFlight::Contents {
            ino: open.ino,
            change: change.clone(),
        };
        let what = What {
            kind,
            path: path.clone(),
            barrier: None,
            at: 0,
            len,
        };
        let op = self.begin(what, Some(in_flight))?;
        self.end(op);
        if self.meet_fault(kind, &path).is_some() {
            return Err(errno(libc::EIO));
        }
        let full = self.is_full() && kind == IoKind::Allocate;
        let file = self
            .medium
            .file_mut(open.ino)
            .ok_or_else(|| errno(libc::EISDIR))?;
        if full && len > file.used() {
            return Err(errno(libc::ENOSPC));
        }
        file.apply(change, false);
        Ok(())
    }
    fn link(&mut self, kind: IoKind, path: &str, at: Place, node: Node) -> io::Result<Ino> {
        let ino = self.medium.next_ino;
        self.medium.next_ino += 1;
        self.medium.nodes.insert(ino, node);
        self.named(kind, path, None, Some(NameChange::Link { at, ino }))?;
        Ok(ino)
    }
    fn named(
        &mut self,
        kind: IoKind,
        path: &str,
        barrier: Option<Barrier>,
        change: Option<NameChange>,
    ) -> io::Result<()> {
        let what = What {
            kind,
            path: path.to_owned(),
            barrier,
            at: 0,
            len: 0,
        };
        let op = self.begin(what, change.clone().map(InFlight::Names))?;
        self.end(op);
        if self.meet_fault(kind, path).is_some() {
            return Err(errno(libc::EIO));
        }
        if let Some(change) = change {
            self.medium.names.apply(change);
        }
        Ok(())
    }
}
