//! Which memory is registered with a ring, by address: what lies inside is read and written without pinning pages anew.

use std::io;

use io_uring::Submitter;

use crate::memory::SlabTable;

/// The kernel's most for one registered buffer.
const LARGEST: usize = 1 << 30;

/// Registered ranges, ascending. Empty: nothing is registered.
#[derive(Default)]
pub(super) struct RegisteredMemory {
    /// First address, address behind the last, index at the kernel.
    ranges: Vec<(usize, usize, u16)>,
}

impl RegisteredMemory {
    /// Registers the eager memory of a table.
    ///
    /// # Errors
    /// The kernel refuses it, mostly for RLIMIT_MEMLOCK; the ring works without.
    pub(super) fn register(submitter: &Submitter<'_>, table: &SlabTable) -> io::Result<Self> {
        let mut pieces = Vec::new();
        for (at, bytes) in table.registrable() {
            for from in (0..bytes).step_by(LARGEST) {
                pieces.push((at as usize + from, LARGEST.min(bytes - from)));
            }
        }
        if pieces.is_empty() {
            return Ok(Self::default());
        }
        pieces.sort_unstable();
        let iovecs: Vec<libc::iovec> = pieces
            .iter()
            .map(|&(at, len)| libc::iovec {
                iov_base: at as *mut libc::c_void,
                iov_len: len,
            })
            .collect();
        // SAFETY: the ranges are mappings that the table keeps for as long as the node runs; the kernel pins their pages,
        // so that it never touches others even if they were unmapped.
        unsafe { submitter.register_buffers(&iovecs)? };
        let ranges = pieces
            .iter()
            .enumerate()
            .map(|(i, &(at, len))| (at, at + len, i as u16))
            .collect();
        Ok(Self { ranges })
    }

    /// The kernel's index of the range that holds all of `at..at+len`.
    #[inline]
    pub(super) fn find(&self, at: *const u8, len: u32) -> Option<u16> {
        let (first, end) = (at as usize, at as usize + len as usize);
        let i = self.ranges.partition_point(|range| range.0 <= first);
        let (_, range_end, index) = *self.ranges.get(i.checked_sub(1)?)?;
        (end <= range_end).then_some(index)
    }
}
