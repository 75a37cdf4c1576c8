//! The memory that counters live in: a mapped file, or anonymous memory of the same layout.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};

use crate::system::lock_memory;

/// A mapping of fixed length. Everything in it is read and written through atomics, by any thread and process.
pub(super) struct Region {
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the region hands out atomics only.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Zeroed memory without a file.
    ///
    /// # Errors
    /// The system refuses the memory.
    pub(super) fn anonymous(bytes: usize) -> io::Result<Self> {
        Self::map(bytes, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
    }

    /// A zeroed file of `bytes`, with all of its blocks: a store into a sparse file on a full tmpfs would be a SIGBUS.
    ///
    /// # Errors
    /// The file cannot be made, or there is no room for it.
    pub(super) fn file(path: &Path, bytes: usize) -> io::Result<Self> {
        // A reader may have the old file mapped: it must not be cut under it.
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Self::allocated(&file, bytes).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    }

    fn allocated(file: &File, bytes: usize) -> io::Result<Self> {
        // SAFETY: plain system call on a descriptor that is open.
        let error = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, bytes as libc::off_t) };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        Self::map(
            bytes,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            file.as_raw_fd(),
        )
    }

    fn map(bytes: usize, flags: i32, fd: i32) -> io::Result<Self> {
        assert!(bytes > 0 && bytes.is_multiple_of(8));
        // SAFETY: a fresh mapping; no existing memory is touched.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                fd,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at =
            NonNull::new(at.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self { at, bytes })
    }

    pub(super) fn lock(&self) -> bool {
        lock_memory(self.at.as_ptr(), self.bytes)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The 8-byte cell at a position.
    pub(super) fn cell(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.bytes);
        // SAFETY: inside the mapping and aligned (checked above; the mapping is page aligned), and only ever used
        // through atomics. The reference cannot outlive the mapping.
        unsafe { &*self.at.as_ptr().add(at).cast::<AtomicU64>() }
    }

    /// The 4-byte cell at a position.
    pub(super) fn cell32(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.bytes);
        // SAFETY: as in `cell`.
        unsafe { &*self.at.as_ptr().add(at).cast::<AtomicU32>() }
    }

    /// Stores bytes that no reader looks at yet.
    pub(super) fn put(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.bytes);
        for (i, &byte) in bytes.iter().enumerate() {
            // SAFETY: inside the mapping (checked above); a byte needs no alignment.
            let cell = unsafe { &*self.at.as_ptr().add(at + i).cast::<AtomicU8>() };
            cell.store(byte, Ordering::Relaxed);
        }
    }

    /// The first `bytes` as they are now; each 8 bytes are of one moment, no more.
    pub(super) fn copy(&self, bytes: usize) -> Vec<u8> {
        let bytes = bytes.min(self.bytes).next_multiple_of(8);
        let mut out = Vec::with_capacity(bytes);
        for at in (0..bytes).step_by(8) {
            // Native order: the file is little-endian, as are the machines we run on (asserted in mod.rs).
            out.extend_from_slice(&self.cell(at).load(Ordering::Relaxed).to_ne_bytes());
        }
        out
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: mapped with exactly this address and length, and unmapped only here; handles keep the region alive.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.bytes) };
    }
}
