//! Files, the blocking way: start-up, recovery and the keeper thread use it, agents never do.
//!
//! Injected, so that the simulated disk (design.md, section 11) stands behind recovery and the keeper too. Paths are
//! relative to the data directory, with `/` between names.

mod lock;
mod os;
mod rehearsal;
mod whole;

use std::io;

pub use lock::{DirLock, LockError};
pub use os::{next_data, OsStorage};
pub use rehearsal::Rehearsal;

/// An open file. For the system's storage it is a file descriptor, so that a ring can take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub i32);

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Open {
    /// For writing as well as reading.
    pub write: bool,
    /// It must not exist yet, and is made.
    pub create: bool,
    /// Past the page cache (`O_DIRECT`): positions, lengths and addresses are multiples of 4,096.
    pub direct: bool,
}

/// Who, besides the one who asks, can see what becomes of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    Nobody,
    /// It is open elsewhere, in this process or in another.
    Readers,
    /// The file has a second name (a backup's hard link), or the file system does not tell.
    Unknown,
}

/// A data directory and what a node does to its files. Every call may block.
///
/// A change of names (create, rename, unlink, make_dir) is durable only after `flush_dir` of the directory it is in; the
/// bytes and the length of a file only after its `flush`.
#[allow(clippy::missing_errors_doc)] // every call fails with the system's own error
pub trait Storage: Send + Sync {
    fn open(&self, path: &str, how: Open) -> io::Result<Handle>;
    fn close(&self, file: Handle);
    /// Reads up to `to.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, file: Handle, to: &mut [u8], at: u64) -> io::Result<usize>;
    /// The first position from `at` on that may hold anything but zeros, told without reading; `None` if there is none up
    /// to the end of the file. Storage that cannot tell says `at`.
    fn next_data(&self, file: Handle, at: u64) -> io::Result<Option<u64>> {
        let _ = file;
        Ok(Some(at))
    }
    /// Writes all of `from`.
    fn write_at(&self, file: Handle, from: &[u8], at: u64) -> io::Result<()>;
    /// Bytes in the file.
    #[allow(clippy::len_without_is_empty)]
    fn len(&self, file: Handle) -> io::Result<u64>;
    /// Cuts or extends (with zeros).
    fn truncate(&self, file: Handle, len: u64) -> io::Result<()>;
    /// Reserves blocks up to `len` and extends the file to it; new bytes read as zeros.
    fn allocate(&self, file: Handle, len: u64) -> io::Result<()>;
    /// Makes the file read as zeros from its start to `len`, its new length, and keeps its blocks, of which the first
    /// `written` bytes are written with zeros; durable when it returns. Storage that cannot says `Unsupported`.
    fn blank(&self, file: Handle, len: u64, written: u64) -> io::Result<()> {
        let _ = (file, len, written);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Who else can see a file that is open for writing here.
    fn others(&self, file: Handle) -> Others {
        let _ = file;
        Others::Unknown
    }
    /// `fdatasync`, the length included.
    fn flush(&self, file: Handle) -> io::Result<()>;
    /// Makes the names in a directory durable. `""` is the data directory itself.
    fn flush_dir(&self, dir: &str) -> io::Result<()>;
    /// Makes all names, lengths and reserved blocks of the data directory durable at once; bytes are not promised. An error
    /// says of nothing that it failed, only that this was no help: whoever needs something durable flushes it by itself then.
    fn sync_names(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Makes durable what was written of all files, their lengths too; `one` is one of them, `files` are how many it is asked
    /// for. `false`: this is no help, or not now, and nothing is known of any file. An error is a failed flush of all of them.
    fn flush_all(&self, one: Handle, files: u32) -> io::Result<bool> {
        let _ = (one, files);
        Ok(false)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn unlink(&self, path: &str) -> io::Result<()>;
    /// Makes a directory; one that exists is no error.
    fn make_dir(&self, path: &str) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &str) -> io::Result<()>;
    /// Names in a directory, sorted.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Whether there is a file or directory of this name.
    fn exists(&self, path: &str) -> io::Result<bool>;
    /// Free bytes on the file system.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// Zeros written at once.
pub static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Writes zeros from the start of a file on.
///
/// # Errors
/// The storage's own.
pub fn write_zeros(storage: &dyn Storage, file: Handle, bytes: u64) -> io::Result<()> {
    let mut at = 0;
    while at < bytes {
        let len = ZEROS.len().min((bytes - at) as usize);
        storage.write_at(file, &ZEROS[..len], at)?;
        at += len as u64;
    }
    Ok(())
}
