//! Copying what this CPU does not read again: past its caches.

/// Copies like `copy_nonoverlapping`, but leaves the bytes in memory and the caches to what was in them. For what is large and
/// read next by a device: through the cache, each line would be fetched before it is overwritten, and written back later.
///
/// # Safety
/// As `std::ptr::copy_nonoverlapping` for `len` bytes.
#[cfg(target_arch = "x86_64")]
pub unsafe fn copy_past_cache(from: *const u8, to: *mut u8, len: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};
    /// A cache line: what a whole one is made of leaves in one piece.
    const LINE: usize = 64;
    let head = to.align_offset(LINE).min(len);
    let lines = (len - head) / LINE;
    // SAFETY: head + lines * LINE <= len, so all of it is inside the caller's ranges; every store is to a whole aligned line.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, head);
        let (mut source, mut line) = (from.add(head), to.add(head));
        for _ in 0..lines {
            let part = |i: usize| _mm_loadu_si128(source.cast::<__m128i>().add(i));
            let parts = [part(0), part(1), part(2), part(3)];
            for (i, part) in parts.into_iter().enumerate() {
                _mm_stream_si128(line.cast::<__m128i>().add(i), part);
            }
            source = source.add(LINE);
            line = line.add(LINE);
        }
        std::ptr::copy_nonoverlapping(source, line, len - head - lines * LINE);
        // These stores keep no order with later ones: whoever is told of the bytes must find them.
        _mm_sfence();
    }
}

/// Elsewhere a copy is a copy.
///
/// # Safety
/// As `std::ptr::copy_nonoverlapping` for `len` bytes.
#[cfg(not(target_arch = "x86_64"))]
pub unsafe fn copy_past_cache(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives_and_none_beside_them_whatever_the_alignment() {
        let from: Vec<u8> = (0..1000u32).map(|i| (i % 251) as u8).collect();
        for start in 0..70 {
            for len in [0, 1, 15, 63, 64, 65, 127, 128, 500, 900] {
                let mut to = vec![0xEE; 1100];
                // SAFETY: start + len is inside both, which are apart.
                unsafe {
                    copy_past_cache(from[start..].as_ptr(), to[start + 5..].as_mut_ptr(), len)
                };
                assert_eq!(to[start + 5..start + 5 + len], from[start..start + len]);
                let beside = to[..start + 5].iter().chain(&to[start + 5 + len..]);
                assert!(beside.into_iter().all(|&byte| byte == 0xEE));
            }
        }
    }
}
