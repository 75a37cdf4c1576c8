//! Memory that is about to be touched is asked for ahead: with thousands of topics each frame is another one's, and nothing of
//! it is in a near cache.

/// Bytes of a cache line; where lines are longer, some are asked for twice.
const LINE: usize = 64;

/// Asks for all lines of a value. Nothing waits, and nothing is read.
#[inline]
pub fn approach<T>(value: &T) {
    approach_bytes(std::ptr::from_ref(value).cast(), size_of::<T>());
}

/// Asks for the lines of some bytes. The address need not be one: then nothing happens.
#[inline]
pub fn approach_bytes(at: *const u8, bytes: usize) {
    let lead = at.addr() % LINE;
    for offset in (0..lead + bytes).step_by(LINE) {
        line(at.wrapping_sub(lead).wrapping_add(offset));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn line(at: *const u8) {
    use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
    // SAFETY: a hint, which no address makes wrong.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn line(at: *const u8) {
    // SAFETY: a hint, which no address makes wrong.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
    };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn line(_: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_may_be_asked_for() {
        let value = [0u8; 300];
        approach(&value);
        for bytes in [0, 1, 64, 65] {
            approach_bytes(std::ptr::null(), bytes);
            approach_bytes(value.as_ptr().wrapping_add(63), bytes);
            approach_bytes(std::ptr::without_provenance(usize::MAX - 200), bytes);
        }
        assert_eq!(value, [0; 300]);
    }
}
