//! CRC-32 and CRC-32C: of bytes, of parts, running, and combined without the bytes (lwp.md, "Which checksum").
//!
//! The sums themselves are crc-fast's. Combining is ours: crc-fast squares matrices for every call, while responses and
//! shared batches combine on the hot path, so the powers of x that it takes stand in a table here.

use crate::messages::ChecksumKind;

fn algorithm(kind: ChecksumKind) -> crc_fast::CrcAlgorithm {
    match kind {
        ChecksumKind::Crc32 => crc_fast::CrcAlgorithm::Crc32IsoHdlc,
        ChecksumKind::Crc32c => crc_fast::CrcAlgorithm::Crc32Iscsi,
    }
}

/// The checksum of `bytes`.
#[must_use]
pub fn checksum(kind: ChecksumKind, bytes: &[u8]) -> u32 {
    match kind {
        ChecksumKind::Crc32 => crc_fast::crc32_iso_hdlc(bytes),
        ChecksumKind::Crc32c => crc_fast::crc32_iscsi(bytes),
    }
}

/// The checksum of several pieces one behind the other, as if they were one.
#[must_use]
pub fn checksum_of_parts(kind: ChecksumKind, parts: &[&[u8]]) -> u32 {
    let mut running = Running::new(kind);
    for part in parts {
        running.update(part);
    }
    running.value()
}

/// A checksum that grows with the bytes that come.
#[derive(Clone, Copy, Debug)]
pub struct Running(crc_fast::Digest);

impl Running {
    /// Of nothing yet.
    #[must_use]
    pub fn new(kind: ChecksumKind) -> Self {
        Self(crc_fast::Digest::new(algorithm(kind)))
    }
    /// Takes the bytes that follow.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// The checksum of everything so far.
    #[must_use]
    pub fn value(&self) -> u32 {
        self.0.finalize() as u32
    }
}

/// The checksum of A followed by B, from the checksums `a` and `b` alone; `len_b` is the length of B in bytes.
#[must_use]
pub fn combine(kind: ChecksumKind, a: u32, b: u32, len_b: u64) -> u32 {
    let powers = match kind {
        ChecksumKind::Crc32 => &CRC32_POWERS,
        ChecksumKind::Crc32c => &CRC32C_POWERS,
    };
    let mut shifted = a;
    let mut rest = len_b;
    let mut digit = 0;
    while rest != 0 {
        let value = (rest & 0xFF) as usize;
        if value != 0 {
            shifted = multiply(powers.polynomial, shifted, powers.of(digit, value));
        }
        rest >>= 8;
        digit += 1;
    }
    shifted ^ b
}

/// Digits in base 256 that a length may have before the table would not reach: 4 GiB, far above any frame or batch.
const TABLED_DIGITS: usize = 4;

/// x^(8 * value * 256^digit) modulo a polynomial, in the bit order of reflected CRCs (x^0 is the top bit).
struct Powers {
    polynomial: u32,
    tabled: [[u32; 256]; TABLED_DIGITS],
    /// x^(8 * 256^digit) for all digits of a u64.
    steps: [u32; 8],
}

impl Powers {
    const fn new(polynomial: u32) -> Self {
        let one = 1 << 31;
        let mut steps = [0; 8];
        let mut step = one >> 8; // x^8: shifting one byte
        let mut digit = 0;
        while digit < 8 {
            steps[digit] = step;
            let mut squared = 0;
            while squared < 8 {
                step = multiply(polynomial, step, step);
                squared += 1;
            }
            digit += 1;
        }
        let mut tabled = [[one; 256]; TABLED_DIGITS];
        let mut digit = 0;
        while digit < TABLED_DIGITS {
            let mut value = 1;
            while value < 256 {
                tabled[digit][value] = multiply(polynomial, tabled[digit][value - 1], steps[digit]);
                value += 1;
            }
            digit += 1;
        }
        Self {
            polynomial,
            tabled,
            steps,
        }
    }

    fn of(&self, digit: usize, value: usize) -> u32 {
        if digit < TABLED_DIGITS {
            return self.tabled[digit][value];
        }
        (1..value).fold(self.steps[digit], |power, _| {
            multiply(self.polynomial, power, self.steps[digit])
        })
    }
}

static CRC32_POWERS: Powers = Powers::new(0xEDB8_8320);
static CRC32C_POWERS: Powers = Powers::new(0x82F6_3B78);

/// Product of two polynomials modulo a third, all reflected. No branch depends on the data.
const fn multiply(polynomial: u32, a: u32, b: u32) -> u32 {
    let mut product = 0;
    let mut power = b;
    let mut bit = 0;
    while bit < 32 {
        product ^= power & ((a << bit) as i32 >> 31) as u32;
        power = (power >> 1) ^ (polynomial & (power & 1).wrapping_neg());
        bit += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [ChecksumKind; 2] = [ChecksumKind::Crc32, ChecksumKind::Crc32c];

    #[test]
    fn the_standard_check_values_come_out() {
        assert_eq!(checksum(ChecksumKind::Crc32, b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum(ChecksumKind::Crc32c, b"123456789"), 0xE306_9283);
        for kind in KINDS {
            assert_eq!(checksum(kind, b""), 0);
            assert_eq!(Running::new(kind).value(), 0);
        }
    }

    #[test]
    fn combining_reaches_over_lengths_beyond_the_table() {
        // A checksum shifted over 2^32 zero bytes, once at a stroke and once in two halves of 2^31.
        for kind in KINDS {
            let zeros_half = combine(kind, checksum(kind, b"x"), 0, 1 << 31);
            let zeros = combine(kind, zeros_half, 0, 1 << 31);
            assert_eq!(combine(kind, checksum(kind, b"x"), 0, 1 << 32), zeros);
            assert_eq!(
                combine(kind, combine(kind, zeros, 0, 1 << 32), 0, 1 << 32),
                combine(kind, checksum(kind, b"x"), 0, 3 << 32)
            );
        }
    }

    proptest! {
        #[test]
        fn parts_combine_to_the_whole(
            a in proptest::collection::vec(any::<u8>(), 0..3000),
            b in proptest::collection::vec(any::<u8>(), 0..70_000),
        ) {
            for kind in KINDS {
                let whole = [a.as_slice(), b.as_slice()].concat();
                let expected = checksum(kind, &whole);
                let combined = combine(kind, checksum(kind, &a), checksum(kind, &b), b.len() as u64);
                prop_assert_eq!(combined, expected);
                prop_assert_eq!(checksum_of_parts(kind, &[&a, &b]), expected);
            }
        }
    }

    /// By hand: `cargo test --release -p lance-engine checksum -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement, not a check"]
    fn measure() {
        let bytes = vec![7u8; 1 << 20];
        for kind in KINDS {
            let start = std::time::Instant::now();
            let mut sum = 0u32;
            for i in 0..1_000_000u64 {
                sum = combine(kind, sum, 0x1234_5678, (i & 0xFF_FFFF) + 1000);
            }
            let combined = start.elapsed();
            let start = std::time::Instant::now();
            for _ in 0..1000 {
                sum ^= checksum(kind, std::hint::black_box(&bytes));
            }
            let summed = start.elapsed();
            let start = std::time::Instant::now();
            for _ in 0..1_000_000 {
                sum ^= checksum(kind, std::hint::black_box(&bytes[..8]));
            }
            let header = start.elapsed();
            println!(
                "{kind:?}: combine {} ns, 1 MiB in {} us, 8 bytes {} ns ({sum})",
                combined.as_nanos() / 1_000_000,
                summed.as_micros() / 1000,
                header.as_nanos() / 1_000_000
            );
        }
    }
}
