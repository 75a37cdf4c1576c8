//! The files, byte by byte: formats.md in shared/, docs/formats.md for what only LANCE reads.
//!
//! Pure: bytes in, values out. Nothing here opens a file.

pub mod batch;
pub mod index;
pub mod journal;
pub mod names;
#[cfg(test)]
mod tests;

/// Reads a little-endian u16 at a position that the caller has checked.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

/// Reads a little-endian u32 at a position that the caller has checked.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads a little-endian u64 at a position that the caller has checked.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
