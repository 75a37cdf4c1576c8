//! Compressed payloads (flag 0x01; lwp.md, "Compressed payloads").

use lz4_flex::block::DecompressError;

use crate::error::{ErrorCode, Reason, Refusal};

/// First byte of a payload that holds an LZ4 block with its length.
pub const LZ4: u8 = 1;
/// First byte of a payload that holds a zstd frame with its length.
pub const ZSTD: u8 = 2;
/// Format and original length.
const PREFIX: usize = 5;

/// Inflates payloads within a bound. Owns the zstd context, so that nothing is allocated for a frame.
///
/// Thread: one for each ingest agent.
pub struct Inflater {
    max: usize,
    zstd: zstd_safe::DCtx<'static>,
}

impl Inflater {
    /// `max` is the most bytes that anything may inflate to: `limits.max_frame`.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self {
            max: max as usize,
            zstd: zstd_safe::DCtx::create(),
        }
    }

    /// How much room [`Self::inflate`] needs for this payload: what it declares, or the whole bound where it declares nothing.
    ///
    /// # Errors
    /// 0x04 for an empty or cut payload, 0x03 for a declared length over the bound.
    pub fn room(&self, payload: &[u8]) -> Result<usize, Refusal> {
        Ok(self.declared(payload)?.unwrap_or(self.max))
    }

    fn declared(&self, payload: &[u8]) -> Result<Option<usize>, Refusal> {
        let declared = match payload {
            [] => return Err(refuse(Reason::PayloadEmpty, 0)),
            &[LZ4 | ZSTD, a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]) as usize,
            [LZ4 | ZSTD, ..] => return Err(refuse(Reason::InflateFailed, 0)),
            _ => return Ok(None),
        };
        if declared > self.max {
            return Err(self.too_large(declared));
        }
        Ok(Some(declared))
    }

    /// Inflates into the front of `out`, which has at least [`Self::room`] bytes. Returns how many there are, at least 1.
    /// What the payload is, record by record, is for the caller to judge.
    ///
    /// # Errors
    /// 0x03: more than the bound, declared or reached. 0x04: garbage, truncated, empty, or of another length than declared.
    pub fn inflate(&mut self, payload: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
        let declared = self.declared(payload)?;
        let room = declared.unwrap_or(self.max);
        assert!(out.len() >= room, "the caller asked how much room it takes");
        let out = &mut out[..room];
        let Some(declared) = declared else {
            return match lz4_flex::block::decompress_into(payload, out) {
                Ok(0) => Err(refuse(Reason::InflatedEmpty, 0)),
                Ok(len) => Ok(len),
                Err(DecompressError::OutputTooSmall { expected, .. }) => {
                    Err(self.too_large(expected))
                }
                Err(_) => Err(refuse(Reason::InflateFailed, 0)),
            };
        };
        let data = payload.get(PREFIX..).unwrap_or_default();
        let reached = if payload.first() == Some(&LZ4) {
            lz4_flex::block::decompress_into(data, out).ok()
        } else {
            self.zstd.decompress(out, data).ok()
        };
        match reached {
            Some(0) if declared == 0 => Err(refuse(Reason::InflatedEmpty, 0)),
            Some(len) if len == declared => Ok(len),
            _ => Err(refuse(Reason::InflateFailed, declared as u64)),
        }
    }

    fn too_large(&self, bytes: usize) -> Refusal {
        Refusal {
            code: ErrorCode::PayloadTooLarge,
            reason: Reason::InflatedTooLarge,
            value: bytes as u64,
            bound: self.max as u64,
        }
    }
}

fn refuse(reason: Reason, value: u64) -> Refusal {
    Refusal {
        code: ErrorCode::InvalidPayload,
        reason,
        value,
        bound: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: u32 = 64 * 1024;

    fn prefixed(format: u8, declared: u32, data: &[u8]) -> Vec<u8> {
        [&[format], declared.to_le_bytes().as_slice(), data].concat()
    }

    fn lz4(bytes: &[u8]) -> Vec<u8> {
        lz4_flex::block::compress(bytes)
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0; zstd_safe::compress_bound(bytes.len())];
        let len = zstd_safe::compress(out.as_mut_slice(), bytes, 3).expect("compresses");
        out.truncate(len);
        out
    }

    fn inflate(payload: &[u8]) -> Result<Vec<u8>, Reason> {
        let mut out = vec![0xEE; MAX as usize];
        let len = Inflater::new(MAX)
            .inflate(payload, &mut out)
            .map_err(|refusal| {
                let too_large = refusal.reason == Reason::InflatedTooLarge;
                let code = [ErrorCode::InvalidPayload, ErrorCode::PayloadTooLarge];
                assert_eq!(refusal.code, code[usize::from(too_large)]);
                refusal.reason
            })?;
        out.truncate(len);
        Ok(out)
    }

    #[test]
    fn all_three_forms_inflate_to_the_same_bytes() {
        let bytes = b"hello hello hello hello hello hello".repeat(20);
        for payload in [
            prefixed(LZ4, bytes.len() as u32, &lz4(&bytes)),
            prefixed(ZSTD, bytes.len() as u32, &zstd(&bytes)),
            lz4(&bytes),
        ] {
            assert_eq!(inflate(&payload).as_ref(), Ok(&bytes));
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_whole() {
        let bomb = vec![0u8; MAX as usize + 1];
        let declared = MAX + 1;
        for payload in [
            prefixed(LZ4, declared, &lz4(&bomb)),
            prefixed(ZSTD, declared, &zstd(&bomb)),
            prefixed(ZSTD, u32::MAX, b""),
            lz4(&bomb),
        ] {
            assert_eq!(inflate(&payload), Err(Reason::InflatedTooLarge));
        }
        let fits = vec![0u8; MAX as usize];
        assert_eq!(inflate(&lz4(&fits)), Ok(fits));
    }

    #[test]
    fn a_wrong_length_and_truncated_or_garbage_data_fail() {
        let bytes = b"abcabcabcabcabcabcabcabcabcabcabcabcabcabc";
        let len = bytes.len() as u32;
        for (format, data) in [(LZ4, lz4(bytes)), (ZSTD, zstd(bytes))] {
            for wrong in [0, 1, len - 1, len + 1, MAX] {
                let payload = prefixed(format, wrong, &data);
                assert_eq!(inflate(&payload), Err(Reason::InflateFailed), "{wrong}");
            }
            for cut in 0..PREFIX + data.len() {
                let payload = &prefixed(format, len, &data)[..cut];
                assert!(inflate(payload).is_err(), "cut at {cut}");
            }
            assert_eq!(
                inflate(&prefixed(format, 7, b"garbage")),
                Err(Reason::InflateFailed)
            );
        }
        // A bare block that refers to bytes before its start.
        assert_eq!(inflate(&[0x10, b'x', 9, 0, 0]), Err(Reason::InflateFailed));
        assert_eq!(inflate(&[0xF0, 200, 1, 2, 3]), Err(Reason::InflateFailed));
    }

    #[test]
    fn what_inflates_to_nothing_is_refused() {
        assert_eq!(inflate(&[]), Err(Reason::PayloadEmpty));
        assert_eq!(inflate(&[0]), Err(Reason::InflatedEmpty));
        assert_eq!(
            inflate(&prefixed(LZ4, 0, &lz4(b""))),
            Err(Reason::InflatedEmpty)
        );
        assert_eq!(
            inflate(&prefixed(ZSTD, 0, &zstd(b""))),
            Err(Reason::InflatedEmpty)
        );
    }

    #[test]
    fn the_room_is_what_is_declared_or_the_bound() {
        let inflater = Inflater::new(MAX);
        assert_eq!(inflater.room(&prefixed(LZ4, 99, b"")), Ok(99));
        assert_eq!(inflater.room(&[0xF0, 1]), Ok(MAX as usize));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_overrun(
            payload in proptest::collection::vec(any::<u8>(), 0..400),
            first in 0u8..4,
        ) {
            let _ = inflate(&payload);
            let _ = inflate(&[&[first], payload.as_slice()].concat());
            let _ = inflate(&prefixed(first, 300, &payload));
        }
    }
}
