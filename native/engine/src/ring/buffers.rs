//! The shared receive buffers of a ring: their memory, and the kernel's ring of those that are free.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::RecvBuffer;
use crate::memory::Mapping;
use crate::place::{self, Kind};
use crate::system::lock_memory;

/// Memory that the kernel fills or reads, populated.
struct Pages(Mapping);

impl Pages {
    fn new(bytes: usize) -> io::Result<Self> {
        let mut memory = Mapping::huge(bytes)?;
        place::settle(memory.at().as_ptr(), bytes, Kind::ReceiveBuffers);
        memory.populate();
        Ok(Self(memory))
    }
    fn at(&self) -> NonNull<u8> {
        self.0.at()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        place::forget(self.0.at().as_ptr());
    }
}

/// The memory of `count` buffers of `each` bytes.
pub(super) struct RecvMemory {
    pages: Option<Pages>,
    count: u16,
    each: u32,
}

impl RecvMemory {
    /// Populated by the calling thread, so on its NUMA node.
    pub(super) fn new(count: u16, each: u32) -> io::Result<Self> {
        let bytes = usize::from(count) * each as usize;
        let pages = (bytes > 0).then(|| Pages::new(bytes)).transpose()?;
        Ok(Self { pages, count, each })
    }
    pub(super) fn count(&self) -> u16 {
        self.count
    }
    pub(super) fn each(&self) -> u32 {
        self.each
    }
    /// First byte of a buffer.
    pub(super) fn at(&self, buffer: RecvBuffer) -> *mut u8 {
        assert!(buffer.0 < self.count, "a receive buffer of this ring");
        let pages = self.pages.as_ref().expect("a ring with receive buffers");
        // SAFETY: buffer < count (checked above), so the address is inside the mapping.
        unsafe {
            pages
                .at()
                .as_ptr()
                .add(usize::from(buffer.0) * self.each as usize)
        }
    }
    /// Locks it; false where the system does not allow that.
    pub(super) fn lock(&self) -> bool {
        let pages = self.pages.as_ref();
        pages.is_none_or(|pages| lock_memory(pages.at().as_ptr(), pages.0.bytes()))
    }
    /// Leaves the memory mapped for good: the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        std::mem::forget(self.pages.take());
    }
}

/// The ring through which free buffers are handed to the kernel (`IORING_REGISTER_PBUF_RING`). One thread.
pub(super) struct BufferRing {
    entries: Pages,
    mask: u16,
    tail: u16,
}

impl BufferRing {
    /// An empty ring with room for all of `memory`'s buffers.
    pub(super) fn new(memory: &RecvMemory) -> io::Result<Self> {
        // 32,768 is the most that the kernel takes.
        let size = memory.count().max(1).checked_next_power_of_two();
        let size = size.filter(|&size| size <= 1 << 15).ok_or_else(|| {
            let message = "limits.recv_buffers is at most 32768";
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let entries = Pages::new(usize::from(size) * size_of::<BufRingEntry>())?;
        Ok(Self {
            entries,
            mask: size - 1,
            tail: 0,
        })
    }
    /// For registration: address and number of entries.
    pub(super) fn address(&self) -> (u64, u16) {
        (self.entries.at().as_ptr() as u64, self.mask + 1)
    }
    /// Gives a buffer to the kernel.
    pub(super) fn give(&mut self, memory: &RecvMemory, buffer: RecvBuffer) {
        let first = self.entries.at().as_ptr().cast::<BufRingEntry>();
        // SAFETY: masked, so inside the mapping of mask + 1 entries; the kernel reads an entry only once the tail passes
        // it, and entries between tail and its head are as many as there are buffers, so this one is free.
        let entry = unsafe { &mut *first.add(usize::from(self.tail & self.mask)) };
        entry.set_addr(memory.at(buffer) as u64);
        entry.set_len(memory.each());
        entry.set_bid(buffer.0);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry's reserved field, inside the mapping, aligned to 2; kernel and we use
        // it atomically.
        let tail = unsafe { &*BufRingEntry::tail(first).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}
