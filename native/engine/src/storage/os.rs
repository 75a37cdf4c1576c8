//! The system's files, under one directory.
//!
//! Thread: any; every call may block, so no agent makes one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, IntoRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::whole::WholeSync;
use super::{write_zeros, Handle, Open, Others, Storage};
use crate::format::names::{SEGMENTS_DIR, SPARE_DIR};

/// `fcntl` that chooses the signal of a lease (Linux, `asm-generic/fcntl.h`; the libc crate lacks it).
const F_SETSIG: libc::c_int = 10;

/// A data directory of this machine.
pub struct OsStorage {
    root: PathBuf,
    /// `io.o_direct`; false leaves every file in the page cache.
    direct: bool,
    /// The file system refused O_DIRECT at least once.
    refused: AtomicBool,
    names: WholeSync,
    all: WholeSync,
}

impl OsStorage {
    /// The directory at `root`, made if it is not there. With `direct` false, `Open::direct` is not heeded.
    ///
    /// # Errors
    /// It cannot be made, or is no directory.
    pub fn new(root: &Path, direct: bool) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self {
            // Absolute, so that a later change of the working directory changes nothing.
            root: fs::canonicalize(root)?,
            direct,
            refused: AtomicBool::new(false),
            names: WholeSync::default(),
            all: WholeSync::default(),
        })
    }

    /// The directory's absolute path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the device below can write single writes through its cache (FUA), so that a synchronous write needs no
    /// flush. False where the system does not tell.
    #[must_use]
    pub fn writes_through(&self) -> bool {
        let Ok(device) = fs::metadata(&self.root).map(|m| m.dev()) else {
            return false;
        };
        let device = format!(
            "/sys/dev/block/{}:{}",
            libc::major(device),
            libc::minor(device)
        );
        // A partition's queue is its disk's.
        ["queue/fua", "../queue/fua"]
            .iter()
            .find_map(|fact| fs::read_to_string(Path::new(&device).join(fact)).ok())
            .is_some_and(|fua| fua.trim() == "1")
    }

    /// What is to be announced, of what was opened so far.
    #[must_use]
    pub fn announcements(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.refused.load(Ordering::Relaxed) {
            sentences.push(format!(
                "{} is on a file system without O_DIRECT (tmpfs before Linux 6.6?): files go through the page cache",
                self.root.display()
            ));
        }
        sentences
    }

    /// The absolute path of a name in the directory.
    fn path(&self, path: &str) -> io::Result<PathBuf> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        let plain = path
            .split('/')
            .all(|name| !matches!(name, "" | "." | "..") && !name.contains('\0'));
        if !plain {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("path {path:?} leaves the data directory"),
            ));
        }
        Ok(self.root.join(path))
    }
}

/// A handle as a file that is not closed.
fn file(handle: Handle) -> ManuallyDrop<File> {
    // SAFETY: the handle is a descriptor that `open` gave out and `close` has not taken back; ManuallyDrop keeps it open.
    ManuallyDrop::new(unsafe { File::from_raw_fd(handle.0) })
}

/// The first position from `at` on that is no hole of the file (`SEEK_DATA`); `None` behind the last one. `at` where the
/// file system does not tell. Moves the descriptor's own position, which nothing here uses.
///
/// # Errors
/// The system's.
pub fn next_data(descriptor: BorrowedFd, at: u64) -> io::Result<Option<u64>> {
    let Ok(from) = libc::off_t::try_from(at) else {
        return Ok(None);
    };
    // SAFETY: plain system call on a descriptor that is open.
    let data = unsafe { libc::lseek(descriptor.as_raw_fd(), from, libc::SEEK_DATA) };
    if let Ok(data) = u64::try_from(data) {
        return Ok(Some(data));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENXIO) => Ok(None),
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ESPIPE) => Ok(Some(at)),
        _ => Err(error),
    }
}

/// The kernel's number for the file system of a file.
fn file_system(file: &File) -> io::Result<libc::c_long> {
    // SAFETY: all-zero is a valid statfs for the kernel to fill.
    let mut facts: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `facts` is valid for the call, and the descriptor is open.
    if unsafe { libc::fstatfs(file.as_raw_fd(), &mut facts) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(facts.f_type)
}

/// `fallocate` from the start of the file up to `len`.
fn fallocate(file: &File, mode: libc::c_int, len: u64) -> io::Result<()> {
    loop {
        // SAFETY: plain system call on a descriptor that is open.
        if unsafe { libc::fallocate(file.as_raw_fd(), mode, 0, len as libc::off_t) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

impl Storage for OsStorage {
    fn open(&self, path: &str, how: Open) -> io::Result<Handle> {
        let path = self.path(path)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(how.write || how.create)
            .create_new(how.create);
        if how.direct && self.direct {
            let mut direct = options.clone();
            match direct.custom_flags(libc::O_DIRECT).open(&path) {
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                    self.refused.store(true, Ordering::Relaxed);
                    // Some file systems make the file before they refuse the flag.
                    options.create_new(false).create(how.create);
                }
                done => return done.map(|file| Handle(file.into_raw_fd())),
            }
        }
        options.open(&path).map(|file| Handle(file.into_raw_fd()))
    }

    fn close(&self, handle: Handle) {
        drop(ManuallyDrop::into_inner(file(handle)));
    }

    fn read_at(&self, handle: Handle, to: &mut [u8], at: u64) -> io::Result<usize> {
        let file = file(handle);
        let mut done = 0;
        while done < to.len() {
            match file.read_at(&mut to[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A direct read that stopped at the end of the file, which lies inside a block.
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) && done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn next_data(&self, handle: Handle, at: u64) -> io::Result<Option<u64>> {
        next_data(file(handle).as_fd(), at)
    }

    fn write_at(&self, handle: Handle, from: &[u8], at: u64) -> io::Result<()> {
        file(handle).write_all_at(from, at)
    }

    fn len(&self, handle: Handle) -> io::Result<u64> {
        Ok(file(handle).metadata()?.len())
    }

    fn truncate(&self, handle: Handle, len: u64) -> io::Result<()> {
        file(handle).set_len(len)
    }

    fn allocate(&self, handle: Handle, len: u64) -> io::Result<()> {
        let file = file(handle);
        match fallocate(&file, 0, len) {
            // No reservation on this file system; the writes of zeros that follow take the blocks.
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                if file.metadata()?.len() < len {
                    file.set_len(len)?;
                }
                Ok(())
            }
            done => done,
        }
    }

    fn blank(&self, handle: Handle, len: u64, written: u64) -> io::Result<()> {
        let file = file(handle);
        // Others punch holes or take other blocks for it.
        if file_system(&file)? != libc::EXT4_SUPER_MAGIC {
            return Err(io::ErrorKind::Unsupported.into());
        }
        fallocate(&file, libc::FALLOC_FL_ZERO_RANGE, len)?;
        if file.metadata()?.len() > len {
            file.set_len(len)?;
        }
        write_zeros(self, handle, written)?;
        // ext4 without a journal writes an inode's extents out only where its times have changed, and `fdatasync` not even then.
        file.set_modified(std::time::SystemTime::now())?;
        file.sync_all()
    }

    fn others(&self, handle: Handle) -> Others {
        let file = file(handle);
        if file.metadata().map_or(0, |m| m.nlink()) != 1 {
            return Others::Unknown;
        }
        // Whoever opens a file with a lease on it has the holder sent a signal: SIGIO, which ends a process, unless another
        // one is chosen, which nothing minds.
        // SAFETY: plain system call on a descriptor that is open.
        if unsafe { libc::fcntl(handle.0, F_SETSIG, libc::SIGURG) } != 0 {
            return Others::Unknown;
        }
        // SAFETY: as above.
        if unsafe { libc::fcntl(handle.0, libc::F_SETLEASE, libc::F_WRLCK) } != 0 {
            return match io::Error::last_os_error().kind() {
                io::ErrorKind::WouldBlock => Others::Readers,
                _ => Others::Unknown,
            };
        }
        // SAFETY: as above.
        unsafe { libc::fcntl(handle.0, libc::F_SETLEASE, libc::F_UNLCK) };
        Others::Nobody
    }

    fn flush(&self, handle: Handle) -> io::Result<()> {
        file(handle).sync_data()
    }

    fn flush_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir)?)?.sync_all()
    }

    fn sync_names(&self) -> io::Result<()> {
        // The files that are to be named come from there, whatever else is on other file systems.
        self.names.sync(&self.path(SPARE_DIR)?, 0)
    }

    fn flush_all(&self, one: Handle, files: u32) -> io::Result<bool> {
        // What the page cache holds may have failed before this call looks: each file's own flush tells.
        if !self.direct || self.refused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let synced = self.all.sync(&self.path(SEGMENTS_DIR)?, files);
        if let Err(error) = synced {
            return match error.raw_os_error() {
                // Not tried; or somebody else's file found no room for what he wrote.
                None | Some(libc::ENOSYS | libc::EPERM | libc::ENOMEM) => Ok(false),
                Some(libc::ENOSPC | libc::EDQUOT) => Ok(false),
                Some(_) => Err(error),
            };
        }
        // The call may find names and lengths as they were, and leave the device's cache alone then.
        self.flush(one).map(|()| true)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path)?)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let path = self.path(path)?;
        match fs::create_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.path(path)?)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(dir)?)? {
            let name = entry?.file_name();
            names.push(String::from_utf8_lossy(name.as_bytes()).into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        self.path(path)?.try_exists()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let dir = File::open(&self.root)?;
        // SAFETY: all-zero is a valid statvfs for the kernel to fill.
        let mut facts: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: `facts` is valid for the call.
        if unsafe { libc::fstatvfs(dir.as_raw_fd(), &mut facts) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // What is reserved for root is not counted.
        Ok(facts.f_bavail * facts.f_frsize)
    }
}

#[cfg(test)]
mod tests;
