//! A data directory that is only read: what is written to it goes elsewhere and is forgotten.
//!
//! Recovery on top of it says what a start would do, and does nothing (`lance segment repair --dry-run`, and `inspect`
//! of a directory whose journal is not in the segments yet).
//!
//! Thread: any; every call may block.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Handle, Open, OsStorage, Storage};

/// The directory at hand with everything that was "changed" laid over it. Bytes written are in files without a name in the
/// system's directory for temporary files, so that memory stays constant.
pub struct Rehearsal {
    base: OsStorage,
    state: Mutex<State>,
}

struct State {
    /// Files and directories by path; of the data directory itself there is none.
    names: BTreeMap<String, Node>,
    open: Vec<Option<Arc<Mutex<Overlay>>>>,
}

#[derive(Clone)]
enum Node {
    Dir,
    File(Arc<Mutex<Overlay>>),
}

/// A file's own bytes with others over them.
struct Overlay {
    /// Where its own bytes are; none for a new file.
    base: Option<String>,
    handle: Option<Handle>,
    /// How many of them count.
    base_len: u64,
    len: u64,
    scratch: Option<File>,
    /// What was written: start to end, apart from each other.
    written: BTreeMap<u64, u64>,
}

impl Rehearsal {
    /// Over the directory at `root`, as it is now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn new(root: &Path) -> io::Result<Self> {
        if !fs::metadata(root)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let base = OsStorage::new(root, false)?;
        let mut names = BTreeMap::new();
        list(base.root(), "", &mut names)?;
        Ok(Self {
            base,
            state: Mutex::new(State {
                names,
                open: Vec::new(),
            }),
        })
    }
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; a poisoned one is as good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn with<T>(
        &self,
        handle: Handle,
        run: impl FnOnce(&OsStorage, &mut Overlay) -> io::Result<T>,
    ) -> io::Result<T> {
        let file = usize::try_from(handle.0)
            .ok()
            .and_then(|at| self.state().open.get(at).cloned().flatten())
            .ok_or_else(|| errno(libc::EBADF))?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        run(&self.base, &mut file)
    }
}

/// Every name below a directory; `below` is its path, with `/` behind it unless it is the data directory itself.
fn list(root: &Path, below: &str, names: &mut BTreeMap<String, Node>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue; // no name of LANCE's
        };
        let path = format!("{below}{name}");
        let metadata = match fs::metadata(entry.path()) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            list(root, &format!("{path}/"), names)?;
            names.insert(path, Node::Dir);
        } else {
            let overlay = Overlay {
                base: Some(path.clone()),
                handle: None,
                base_len: metadata.len(),
                len: metadata.len(),
                scratch: None,
                written: BTreeMap::new(),
            };
            names.insert(path, Node::File(Arc::new(Mutex::new(overlay))));
        }
    }
    Ok(())
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl Overlay {
    fn new() -> Self {
        Self {
            base: None,
            handle: None,
            base_len: 0,
            len: 0,
            scratch: None,
            written: BTreeMap::new(),
        }
    }
    fn read(&mut self, base: &OsStorage, to: &mut [u8], at: u64) -> io::Result<usize> {
        let most = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = most.min(to.len());
        let to = &mut to[..len];
        to.fill(0);
        let own = usize::try_from(self.base_len.saturating_sub(at)).unwrap_or(usize::MAX);
        let own = own.min(len);
        if let (Some(path), true) = (&self.base, own > 0) {
            let handle = match self.handle {
                Some(handle) => handle,
                None => *self.handle.insert(base.open(path, Open::default())?),
            };
            base.read_at(handle, &mut to[..own], at)?;
        }
        let Some(scratch) = &self.scratch else {
            return Ok(len);
        };
        let end = at + len as u64;
        for (&from, &until) in self.written.range(..end) {
            let (from, until) = (from.max(at), until.min(end));
            if from < until {
                let to = &mut to[(from - at) as usize..(until - at) as usize];
                scratch.read_exact_at(to, from)?;
            }
        }
        Ok(len)
    }
    fn write(&mut self, from: &[u8], at: u64) -> io::Result<()> {
        let scratch = match &mut self.scratch {
            Some(scratch) => scratch,
            // Without a name: a killed process leaves nothing that a later one of its pid would trip over.
            none => none.insert(tempfile::tempfile()?),
        };
        scratch.write_all_at(from, at)?;
        let (mut start, mut end) = (at, at + from.len() as u64);
        self.len = self.len.max(end);
        let touching: Vec<u64> = self
            .written
            .range(..=end)
            .filter(|(_, &until)| until >= start)
            .map(|(&from, _)| from)
            .collect();
        for from in touching {
            if let Some(until) = self.written.remove(&from) {
                start = start.min(from);
                end = end.max(until);
            }
        }
        self.written.insert(start, end);
        Ok(())
    }
    fn truncate(&mut self, len: u64) {
        self.base_len = self.base_len.min(len);
        self.len = len;
        self.written.retain(|&from, _| from < len);
        for until in self.written.values_mut() {
            *until = (*until).min(len);
        }
    }
}

impl Storage for Rehearsal {
    fn open(&self, path: &str, how: Open) -> io::Result<Handle> {
        let mut state = self.state();
        let file = match state.names.get(path) {
            Some(_) if how.create => return Err(errno(libc::EEXIST)),
            Some(Node::Dir) => return Err(errno(libc::EISDIR)),
            Some(Node::File(file)) => file.clone(),
            None if how.create => {
                let file = Arc::new(Mutex::new(Overlay::new()));
                state
                    .names
                    .insert(path.to_owned(), Node::File(file.clone()));
                file
            }
            None => return Err(errno(libc::ENOENT)),
        };
        let at = match state.open.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                state.open.push(None);
                state.open.len() - 1
            }
        };
        state.open[at] = Some(file);
        i32::try_from(at)
            .map(Handle)
            .map_err(|_| errno(libc::EMFILE))
    }
    fn close(&self, handle: Handle) {
        let mut state = self.state();
        let Some(slot) = usize::try_from(handle.0)
            .ok()
            .and_then(|at| state.open.get_mut(at))
        else {
            return;
        };
        // Its own descriptor goes with it, so that a directory of many segments needs few.
        if let Some(file) = slot.take() {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(handle) = file.handle.take() {
                self.base.close(handle);
            }
        }
    }
    fn read_at(&self, handle: Handle, to: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(handle, |base, file| file.read(base, to, at))
    }
    fn write_at(&self, handle: Handle, from: &[u8], at: u64) -> io::Result<()> {
        self.with(handle, |_, file| file.write(from, at))
    }
    fn len(&self, handle: Handle) -> io::Result<u64> {
        self.with(handle, |_, file| Ok(file.len))
    }
    fn truncate(&self, handle: Handle, len: u64) -> io::Result<()> {
        self.with(handle, |_, file| {
            file.truncate(len);
            Ok(())
        })
    }
    fn allocate(&self, handle: Handle, len: u64) -> io::Result<()> {
        self.with(handle, |_, file| {
            file.len = file.len.max(len);
            Ok(())
        })
    }
    fn flush(&self, handle: Handle) -> io::Result<()> {
        self.with(handle, |_, _| Ok(()))
    }
    fn flush_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let node = state
            .names
            .remove(from)
            .ok_or_else(|| errno(libc::ENOENT))?;
        let inside: Vec<String> = state
            .names
            .keys()
            .filter(|path| path.strip_prefix(from).is_some_and(|p| p.starts_with('/')))
            .cloned()
            .collect();
        for path in inside {
            if let Some(node) = state.names.remove(&path) {
                state
                    .names
                    .insert(format!("{to}{}", &path[from.len()..]), node);
            }
        }
        state.names.insert(to.to_owned(), node);
        Ok(())
    }
    fn unlink(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        match state.names.get(path) {
            Some(Node::File(_)) => {
                state.names.remove(path);
                Ok(())
            }
            Some(Node::Dir) => Err(errno(libc::EISDIR)),
            None => Err(errno(libc::ENOENT)),
        }
    }
    fn make_dir(&self, path: &str) -> io::Result<()> {
        self.state()
            .names
            .entry(path.to_owned())
            .or_insert(Node::Dir);
        Ok(())
    }
    fn remove_dir(&self, path: &str) -> io::Result<()> {
        if !self.list(path)?.is_empty() {
            return Err(errno(libc::ENOTEMPTY));
        }
        self.state().names.remove(path);
        Ok(())
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        match state.names.get(dir) {
            None if !dir.is_empty() => return Err(errno(libc::ENOENT)),
            Some(Node::File(_)) => return Err(errno(libc::ENOTDIR)),
            _ => {}
        }
        let inside = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        Ok(state
            .names
            .range(inside.clone()..)
            .map_while(|(path, _)| path.strip_prefix(&inside))
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }
    fn exists(&self, path: &str) -> io::Result<bool> {
        Ok(path.is_empty() || self.state().names.contains_key(path))
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.base.free_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!(
            "lance-rehearsal-test-{}-{name}",
            std::process::id()
        ));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("sub")).expect("a directory");
        fs::write(path.join("sub/a"), b"0123456789").expect("a file");
        path
    }

    #[test]
    fn what_is_written_is_read_back_and_the_files_stay_as_they_are() {
        let path = directory("write");
        let storage = Rehearsal::new(&path).expect("it is there");
        let write = Open {
            write: true,
            ..Open::default()
        };
        let file = storage.open("sub/a", write).expect("it opens");
        storage.write_at(file, b"xy", 3).expect("it writes");
        storage.write_at(file, b"z", 5).expect("it writes");
        storage.write_at(file, b"end", 12).expect("it writes");
        let mut bytes = [9; 20];
        assert_eq!(storage.read_at(file, &mut bytes, 0).expect("it reads"), 15);
        assert_eq!(&bytes[..15], b"012xyz6789\0\0end");
        storage.truncate(file, 4).expect("it cuts");
        storage.truncate(file, 6).expect("it extends");
        assert_eq!(storage.read_at(file, &mut bytes, 0).expect("it reads"), 6);
        assert_eq!(&bytes[..6], b"012x\0\0");
        storage.close(file);
        assert_eq!(
            fs::read(path.join("sub/a")).expect("it is there"),
            b"0123456789"
        );
        fs::remove_dir_all(&path).expect("it goes");
    }

    #[test]
    fn names_change_in_the_rehearsal_alone() {
        let path = directory("names");
        let storage = Rehearsal::new(&path).expect("it is there");
        storage.rename("sub", "other").expect("it is renamed");
        assert_eq!(storage.list("").expect("it lists"), ["other"]);
        assert_eq!(storage.list("other").expect("it lists"), ["a"]);
        storage.rename("other/a", "other/b").expect("it is renamed");
        assert!(storage.exists("other/b").expect("it looks"));
        assert!(storage.remove_dir("other").is_err());
        storage.unlink("other/b").expect("it is removed");
        storage.remove_dir("other").expect("it is removed");
        assert_eq!(storage.list("").expect("it lists"), Vec::<String>::new());
        assert!(path.join("sub/a").exists());
        fs::remove_dir_all(&path).expect("it goes");
    }
}
