//! A file that is looked at: opened once, so that a rename or a removal meanwhile changes nothing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::super::window::Source;

/// An open file, for reading.
#[derive(Debug)]
pub struct LogFile {
    file: File,
}

impl LogFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// The system's; `InvalidInput` for what is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A pipe without a writer would wait for one.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        if file.metadata()?.is_file() {
            Ok(Self { file })
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "this is no regular file",
            ))
        }
    }
    /// Bytes in the file now.
    ///
    /// # Errors
    /// The system's.
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    /// Whether there are none.
    ///
    /// # Errors
    /// The system's.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads from `at` on until `to` is full or the file ends.
    ///
    /// # Errors
    /// The system's.
    pub fn read_at(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < to.len() {
            match self.file.read_at(&mut to[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

impl Source for LogFile {
    fn read_raw(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        self.read_at(to, at)
    }
    fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        crate::storage::next_data(self.file.as_fd(), at)
    }
}
