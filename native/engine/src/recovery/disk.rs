//! The storage with paths in its errors, files that close themselves, and the one way a file is replaced.

use std::io;

use super::error::RecoveryError;
use super::window::Source;
use crate::storage::{Handle, Open, Storage};

/// A data directory, seen by recovery.
#[derive(Clone, Copy)]
pub(super) struct Disk<'a>(pub &'a dyn Storage);

/// An open file, closed when it is dropped.
pub(super) struct File<'a> {
    disk: Disk<'a>,
    handle: Handle,
    pub path: String,
}

fn failed(action: &'static str, path: &str) -> impl FnOnce(io::Error) -> RecoveryError {
    let path = if path.is_empty() {
        "the data directory".to_owned()
    } else {
        path.to_owned()
    };
    move |source| RecoveryError::Io {
        action,
        path,
        source,
    }
}

type Outcome<T> = Result<T, RecoveryError>;

impl<'a> Disk<'a> {
    fn opened(self, path: &str, how: Open) -> Outcome<File<'a>> {
        let handle = self.0.open(path, how).map_err(failed("open", path))?;
        Ok(File {
            disk: self,
            handle,
            path: path.to_owned(),
        })
    }
    pub fn read(self, path: &str) -> Outcome<File<'a>> {
        self.opened(path, Open::default())
    }
    pub fn write(self, path: &str) -> Outcome<File<'a>> {
        self.opened(
            path,
            Open {
                write: true,
                ..Open::default()
            },
        )
    }
    /// A new file; what stood under the name before goes.
    pub fn create(self, path: &str) -> Outcome<File<'a>> {
        if self.exists(path)? {
            self.unlink(path)?;
        }
        self.opened(
            path,
            Open {
                write: true,
                create: true,
                direct: false,
            },
        )
    }
    pub fn exists(self, path: &str) -> Outcome<bool> {
        self.0.exists(path).map_err(failed("look at", path))
    }
    pub fn list(self, dir: &str) -> Outcome<Vec<String>> {
        self.0.list(dir).map_err(failed("list", dir))
    }
    pub fn rename(self, from: &str, to: &str) -> Outcome<()> {
        self.0.rename(from, to).map_err(failed("rename", from))
    }
    pub fn unlink(self, path: &str) -> Outcome<()> {
        self.0.unlink(path).map_err(failed("remove", path))
    }
    pub fn make_dir(self, path: &str) -> Outcome<()> {
        self.0.make_dir(path).map_err(failed("make", path))
    }
    pub fn remove_dir(self, path: &str) -> Outcome<()> {
        self.0.remove_dir(path).map_err(failed("remove", path))
    }
    pub fn flush_dir(self, dir: &str) -> Outcome<()> {
        self.0.flush_dir(dir).map_err(failed("flush", dir))
    }

    /// The whole of a small file; `None` if there is none.
    pub fn contents(self, path: &str) -> Outcome<Option<Vec<u8>>> {
        if !self.exists(path)? {
            return Ok(None);
        }
        let file = self.read(path)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
        let got = file.read_at(&mut bytes, 0)?;
        bytes.truncate(got);
        Ok(Some(bytes))
    }
    /// Puts a file in the place of another, or of none, so that a crash leaves the one or the other, whole:
    /// written under its temporary name, flushed, renamed, the directory flushed.
    pub fn replace(self, dir: &str, name: &str, bytes: &[u8]) -> Outcome<()> {
        let path = match dir {
            "" => name.to_owned(),
            _ => format!("{dir}/{name}"),
        };
        let temporary = format!("{path}~");
        let file = self.create(&temporary)?;
        file.write_at(bytes, 0)?;
        file.flush()?;
        drop(file);
        self.rename(&temporary, &path)?;
        self.flush_dir(dir)
    }
}

impl File<'_> {
    /// Reads until `to` is full or the file ends.
    pub fn read_at(&self, to: &mut [u8], at: u64) -> Outcome<usize> {
        self.read_raw(to, at).map_err(failed("read", &self.path))
    }
    /// As `read_at`, for callers to whom a failed read is a finding.
    pub fn read_raw(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        let mut got = 0;
        while got < to.len() {
            let more = self
                .disk
                .0
                .read_at(self.handle, &mut to[got..], at + got as u64)?;
            if more == 0 {
                break;
            }
            got += more;
        }
        Ok(got)
    }
    /// As `Source::next_data`.
    pub fn data_from(&self, at: u64) -> Outcome<Option<u64>> {
        self.next_data(at).map_err(failed("read", &self.path))
    }
    pub fn write_at(&self, from: &[u8], at: u64) -> Outcome<()> {
        self.disk
            .0
            .write_at(self.handle, from, at)
            .map_err(failed("write", &self.path))
    }
    pub fn len(&self) -> Outcome<u64> {
        self.disk
            .0
            .len(self.handle)
            .map_err(failed("measure", &self.path))
    }
    pub fn truncate(&self, len: u64) -> Outcome<()> {
        self.disk
            .0
            .truncate(self.handle, len)
            .map_err(failed("set the length of", &self.path))
    }
    pub fn flush(&self) -> Outcome<()> {
        self.disk
            .0
            .flush(self.handle)
            .map_err(failed("flush", &self.path))
    }
}

impl Source for File<'_> {
    fn read_raw(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        File::read_raw(self, to, at)
    }
    fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        self.disk.0.next_data(self.handle, at)
    }
}

impl Drop for File<'_> {
    fn drop(&mut self) {
        self.disk.0.close(self.handle);
    }
}
