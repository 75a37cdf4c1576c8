//! Memory in which acks and small answers of one connection are gathered into one send.

use std::ptr::NonNull;

/// Bytes of a chunk: some ninety acks.
pub const CHUNK: usize = 4096;
/// How many there are. Where none is free, a connection's own area serves.
pub const CHUNKS: u16 = 256;

/// All chunks, and which are free.
pub struct Chunks {
    at: NonNull<u8>,
    free: Vec<u16>,
}

// SAFETY: one agent owns it; the kernel reads only chunks that a send under way owns.
unsafe impl Send for Chunks {}

impl Chunks {
    pub fn new() -> Self {
        let memory = vec![0u8; CHUNK * CHUNKS as usize].into_boxed_slice();
        let at = NonNull::new(Box::into_raw(memory).cast::<u8>()).expect("a box is never null");
        Self {
            at,
            free: (0..CHUNKS).rev().collect(),
        }
    }
    pub fn take(&mut self) -> Option<u16> {
        self.free.pop()
    }
    pub fn put(&mut self, chunk: u16) {
        self.free.push(chunk);
    }
    pub fn at(&self, chunk: u16) -> *mut u8 {
        assert!(chunk < CHUNKS);
        // SAFETY: inside the allocation, see the assertion.
        unsafe { self.at.as_ptr().add(chunk as usize * CHUNK) }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        let len = CHUNK * CHUNKS as usize;
        let slice = std::ptr::slice_from_raw_parts_mut(self.at.as_ptr(), len);
        // SAFETY: made by `Box::into_raw` from a box of exactly this length.
        drop(unsafe { Box::from_raw(slice) });
    }
}
