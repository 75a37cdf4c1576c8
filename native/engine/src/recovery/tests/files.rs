//! A storage over plain files, which can be told to stop after so many changes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::Mutex;

use crate::storage::{Handle, Open, Storage};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A data directory in the system's temporary directory, removed when dropped.
pub struct Files {
    pub root: PathBuf,
    open: Mutex<HashMap<i32, File>>,
    /// Changes left before everything fails; negative: no limit.
    left: AtomicI64,
    /// Bytes read from segments so far.
    pub segment_bytes_read: AtomicU64,
    segments: Mutex<Vec<i32>>,
}

impl Files {
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // In memory where that is to be had: the tests write tens of thousands of small files.
        let shm = PathBuf::from("/dev/shm");
        let dir = if shm.is_dir() {
            shm
        } else {
            std::env::temp_dir()
        };
        let root = dir.join(format!("lance-recovery-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).expect("makes a temporary directory");
        Self {
            root,
            open: Mutex::default(),
            left: AtomicI64::new(-1),
            segment_bytes_read: AtomicU64::new(0),
            segments: Mutex::default(),
        }
    }
    /// Every change after the next `changes` fails; negative: none does.
    pub fn stop_after(&self, changes: i64) {
        self.left.store(changes, Ordering::Relaxed);
    }
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("makes it");
        fs::write(path, bytes).expect("writes");
    }
    pub fn get(&self, path: &str) -> Vec<u8> {
        fs::read(self.root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
    pub fn names(&self, dir: &str) -> Vec<String> {
        self.list(dir).expect("lists")
    }
    /// All files and what is in them.
    pub fn snapshot(&self) -> HashMap<PathBuf, Vec<u8>> {
        let mut all = HashMap::new();
        let mut dirs = vec![self.root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).expect("lists") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    let bytes = fs::read(&path).expect("reads");
                    all.insert(
                        path.strip_prefix(&self.root).expect("below").to_owned(),
                        bytes,
                    );
                }
            }
        }
        all
    }
    pub fn restore(&self, snapshot: &HashMap<PathBuf, Vec<u8>>) {
        fs::remove_dir_all(&self.root).expect("removes");
        fs::create_dir_all(&self.root).expect("makes");
        for (path, bytes) in snapshot {
            self.put(path.to_str().expect("UTF-8"), bytes);
        }
    }

    fn change(&self) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::other("the power is gone"));
        }
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        Ok(())
    }
    fn with<T>(&self, file: Handle, act: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let open = self.open.lock().expect("no panic held it");
        act(open.get(&file.0).ok_or(io::ErrorKind::NotFound)?)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Storage for Files {
    fn open(&self, path: &str, how: Open) -> io::Result<Handle> {
        if how.create {
            self.change()?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(how.write)
            .create_new(how.create)
            .open(self.root.join(path))?;
        let handle = Handle(file.as_raw_fd());
        if path.ends_with(".lnc") {
            self.segments
                .lock()
                .expect("no panic held it")
                .push(handle.0);
        }
        self.open
            .lock()
            .expect("no panic held it")
            .insert(handle.0, file);
        Ok(handle)
    }
    fn close(&self, file: Handle) {
        self.segments
            .lock()
            .expect("no panic held it")
            .retain(|&segment| segment != file.0);
        self.open.lock().expect("no panic held it").remove(&file.0);
    }
    fn read_at(&self, file: Handle, to: &mut [u8], at: u64) -> io::Result<usize> {
        let got = self.with(file, |file| file.read_at(to, at))?;
        if self
            .segments
            .lock()
            .expect("no panic held it")
            .contains(&file.0)
        {
            self.segment_bytes_read
                .fetch_add(got as u64, Ordering::Relaxed);
        }
        Ok(got)
    }
    fn write_at(&self, file: Handle, from: &[u8], at: u64) -> io::Result<()> {
        self.change()?;
        self.with(file, |file| file.write_all_at(from, at))
    }
    fn len(&self, file: Handle) -> io::Result<u64> {
        self.with(file, |file| Ok(file.metadata()?.len()))
    }
    fn truncate(&self, file: Handle, len: u64) -> io::Result<()> {
        self.change()?;
        self.with(file, |file| file.set_len(len))
    }
    fn allocate(&self, file: Handle, len: u64) -> io::Result<()> {
        self.truncate(file, len)
    }
    fn flush(&self, _: Handle) -> io::Result<()> {
        self.change()
    }
    fn flush_dir(&self, _: &str) -> io::Result<()> {
        self.change()
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change()?;
        fs::rename(self.root.join(from), self.root.join(to))
    }
    fn unlink(&self, path: &str) -> io::Result<()> {
        self.change()?;
        fs::remove_file(self.root.join(path))
    }
    fn make_dir(&self, path: &str) -> io::Result<()> {
        self.change()?;
        fs::create_dir_all(self.root.join(path))
    }
    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.change()?;
        fs::remove_dir(self.root.join(path))
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(dir))? {
            names.push(entry?.file_name().into_string().expect("UTF-8"));
        }
        names.sort();
        Ok(names)
    }
    fn exists(&self, path: &str) -> io::Result<bool> {
        self.root.join(path).try_exists()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
