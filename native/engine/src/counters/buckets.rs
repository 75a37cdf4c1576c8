//! The log-linear scale of histograms: exact below 256, then 128 buckets to each doubling.
//!
//! A bucket's width is at most 1/128 (0.8%) of its lower bound, so whichever value inside it is reported, the relative
//! error stays below 1%.

/// Each doubling is divided into `1 << SUB_BITS` buckets.
pub const SUB_BITS: u32 = 7;
/// Values below `1 << VALUE_BITS` have a bucket of their own; larger ones count in the last (68 s, in nanoseconds).
pub const VALUE_BITS: u32 = 36;
/// Number of buckets.
pub const BUCKETS: usize = bucket_of((1 << VALUE_BITS) - 1) + 1;

const SUB: u64 = 1 << SUB_BITS;

/// The bucket that counts `value`.
#[must_use]
pub const fn bucket_of(value: u64) -> usize {
    let most = (1 << VALUE_BITS) - 1;
    let value = if value > most { most } else { value };
    if value < 2 * SUB {
        return value as usize;
    }
    // The top SUB_BITS + 1 bits of the value; its leading one is counted by the shift.
    let shift = 63 - value.leading_zeros() - SUB_BITS;
    (shift as u64 * SUB + (value >> shift)) as usize
}

/// The smallest value that `bucket` counts.
#[must_use]
pub const fn lower_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB {
        return bucket;
    }
    let shift = bucket / SUB - 1;
    (bucket - shift * SUB) << shift
}

/// The largest value that `bucket` counts; the last one counts everything above its own range too.
#[must_use]
pub const fn upper_bound(bucket: usize) -> u64 {
    lower_bound(bucket + 1) - 1
}

const _: () = assert!(BUCKETS == 3840);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_lies_within_its_bucket_and_the_bucket_within_one_percent(value in 0u64..(1 << VALUE_BITS)) {
            let bucket = bucket_of(value);
            prop_assert!(bucket < BUCKETS);
            prop_assert!(lower_bound(bucket) <= value && value <= upper_bound(bucket));
            let width = (upper_bound(bucket) - lower_bound(bucket)) as f64;
            prop_assert!(width <= 0.01 * lower_bound(bucket).max(1) as f64);
        }
    }

    #[test]
    fn buckets_tile_the_scale_without_gaps() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(lower_bound(bucket)), bucket);
            assert_eq!(bucket_of(upper_bound(bucket)), bucket);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }
}
