//! Anonymous memory, on huge pages where there are some.
//!
//! What a device is given is a list of pieces without a gap in physical memory: of small pages one piece each, and a virtual disk
//! may take longer for the pieces than for their bytes (docs/performance.md, "huge pages").

use std::io;
use std::ptr::NonNull;

/// Huge pages of x86-64, and of arm64 with small pages of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;
/// The smallest page of any machine we run on.
const SMALL_PAGE: usize = 4096;

/// Zeroed memory of this process alone, reserved and not populated.
pub struct Mapping {
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory is owned like a Vec's; who may touch what of it is for the owner to say.
unsafe impl Send for Mapping {}
// SAFETY: as above; the mapping itself never changes.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes`, above 0. Memory that holds a huge page starts on the boundary of one, and the kernel is asked for huge pages
    /// there; it may say no, or have none. For memory that stays: the first touch of any byte zeroes a huge page.
    ///
    /// # Errors
    /// The system refuses the memory.
    pub fn huge(bytes: usize) -> io::Result<Self> {
        let bytes = bytes.next_multiple_of(SMALL_PAGE);
        let slack = if bytes < HUGE_PAGE { 0 } else { HUGE_PAGE };
        Self::map(bytes, slack)
    }
    /// Maps `bytes`, above 0, on the system's smallest pages: for memory that comes and goes.
    ///
    /// # Errors
    /// The system refuses the memory.
    pub fn small(bytes: usize) -> io::Result<Self> {
        Self::map(bytes, 0)
    }
    /// With `slack`, a huge page, it starts on a boundary and asks for huge pages.
    fn map(bytes: usize, slack: usize) -> io::Result<Self> {
        let bytes = bytes.next_multiple_of(SMALL_PAGE);
        // SAFETY: a fresh anonymous mapping; no existing memory is touched.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes + slack,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mut at = at.cast::<u8>();
        if slack > 0 {
            let before = at.align_offset(HUGE_PAGE);
            assert!(before < slack, "a boundary is within the slack");
            // SAFETY: what is cut off at both ends is inside the mapping of just now, which nobody knows yet. Advice changes no contents.
            unsafe {
                cut(at, before);
                at = at.add(before);
                cut(at.add(bytes), slack - before);
                libc::madvise(at.cast(), bytes, libc::MADV_HUGEPAGE);
            }
        }
        let at = NonNull::new(at).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { at, bytes })
    }
    /// Its first byte.
    #[must_use]
    pub fn at(&self) -> NonNull<u8> {
        self.at
    }
    /// How long it is: what was asked for, in whole pages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// Writes to every page of memory that holds nothing yet, so that it is there: on the node that a policy says, or else the
    /// calling thread's.
    pub fn populate(&mut self) {
        for page in (0..self.bytes).step_by(SMALL_PAGE) {
            // SAFETY: inside the mapping, which is borrowed as nobody else's.
            unsafe { self.at.add(page).write_volatile(0) };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with exactly this address and length, and unmapped only here.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.bytes) };
    }
}

/// Unmaps an end of a mapping that is not needed.
///
/// # Safety
/// `at..at+bytes` is part of a mapping of the caller's that nobody uses.
unsafe fn cut(at: *mut u8, bytes: usize) {
    if bytes > 0 {
        // SAFETY: the caller's promise. Where it is refused, address space is lost and nothing else.
        unsafe { libc::munmap(at.cast(), bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_whole_pages_zeroed_and_a_large_piece_starts_at_a_huge_page() {
        for bytes in [1, HUGE_PAGE - 1, HUGE_PAGE, 3 * HUGE_PAGE + 1] {
            let mut memory = Mapping::huge(bytes).unwrap();
            assert_eq!(memory.bytes(), bytes.next_multiple_of(SMALL_PAGE));
            let at = memory.at().as_ptr();
            assert!(memory.bytes() < HUGE_PAGE || at.align_offset(HUGE_PAGE) == 0);
            memory.populate();
            // SAFETY: the mapping is that long, and this test's alone.
            let all = unsafe { std::slice::from_raw_parts_mut(at, memory.bytes()) };
            assert!(all.iter().all(|&byte| byte == 0));
            all.fill(1);
        }
    }
}
