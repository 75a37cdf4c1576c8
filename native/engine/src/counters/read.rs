//! Reads a counters file, live or copied, the way other programs do (docs/formats.md, "Counters").

use super::buckets::{lower_bound, upper_bound, BUCKETS, SUB_BITS, VALUE_BITS};
use super::layout::{
    descriptor, header, histogram, CACHE_LINE, DESCRIPTOR_BYTES, HEADER_BYTES, MAGIC, VERSION,
};

/// One value of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub key: u32,
    /// 1 counter, 2 gauge, 3 histogram.
    pub kind: u8,
    pub name: String,
    pub label: String,
    /// The value; of a histogram the number of values counted.
    pub value: u64,
    /// Of a histogram: count of each bucket; else empty.
    pub buckets: Vec<u64>,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub pid: u32,
    pub start_ns: u64,
    pub heartbeat_ns: u64,
    pub samples: Vec<Sample>,
}

impl Snapshot {
    /// The sample of this name and label.
    #[must_use]
    pub fn get(&self, name: &str, label: &str) -> Option<&Sample> {
        self.samples
            .iter()
            .find(|s| s.name == name && s.label == label)
    }
}

/// Reads the bytes of a counters file.
///
/// # Errors
/// A sentence that says which field at which byte is wrong.
pub fn read(bytes: &[u8]) -> Result<Snapshot, String> {
    if bytes.len() < HEADER_BYTES || bytes[..4] != MAGIC {
        return Err("not a counters file: magic LNCF is missing at byte 0".into());
    }
    let version = u32_at(bytes, header::VERSION)?;
    if version != VERSION {
        return Err(format!(
            "counters file of version {version}, this build reads version {VERSION}: use the lance that wrote it"
        ));
    }
    let stride = u32_at(bytes, header::DESCRIPTOR_BYTES)? as usize;
    let first = u64_at(bytes, header::DESCRIPTORS_AT)? as usize;
    let count = u32_at(bytes, header::DESCRIPTOR_COUNT)? as usize;
    if stride < DESCRIPTOR_BYTES || count > u32_at(bytes, header::DESCRIPTOR_CAPACITY)? as usize {
        return Err(format!(
            "descriptor size {stride} or count {count} cannot be"
        ));
    }
    let mut samples = Vec::with_capacity(count.min(4096));
    for i in 0..count {
        let at = i
            .checked_mul(stride)
            .and_then(|at| at.checked_add(first))
            .ok_or("descriptor beyond the file")?;
        samples.push(sample(bytes, at)?);
    }
    Ok(Snapshot {
        pid: u32_at(bytes, header::PID)?,
        start_ns: u64_at(bytes, header::START_NS)?,
        heartbeat_ns: u64_at(bytes, header::HEARTBEAT_NS)?,
        samples,
    })
}

fn sample(bytes: &[u8], at: usize) -> Result<Sample, String> {
    let fields = slice(bytes, at, DESCRIPTOR_BYTES)?;
    let text = |from: usize, len: usize, most: usize| -> Result<String, String> {
        let len = fields[len] as usize;
        if len > most {
            return Err(format!(
                "text of {len} bytes in the descriptor at byte {at}"
            ));
        }
        Ok(String::from_utf8_lossy(&fields[from..from + len]).into_owned())
    };
    let value_at = u64_at(fields, descriptor::VALUE_AT)? as usize;
    let kind = fields[descriptor::KIND];
    if !value_at.is_multiple_of(CACHE_LINE) {
        return Err(format!(
            "value position {value_at} in the descriptor at byte {at}"
        ));
    }
    let mut buckets = Vec::new();
    let mut value = u64_at(bytes, value_at)?;
    if kind == 3 {
        let scale = (fields[descriptor::SUB_BITS], fields[descriptor::VALUE_BITS]);
        if (u32::from(scale.0), u32::from(scale.1)) != (SUB_BITS, VALUE_BITS) {
            return Err(format!(
                "histogram scale {scale:?} in the descriptor at byte {at}"
            ));
        }
        for bucket in 0..BUCKETS {
            let cell = value_at.saturating_add(histogram::BUCKETS + bucket * 8);
            buckets.push(u64_at(bytes, cell)?);
        }
        // The buckets are what was counted: the count field may lag behind them.
        value = buckets.iter().sum();
    }
    Ok(Sample {
        key: u32_at(fields, descriptor::KEY)?,
        kind,
        name: text(descriptor::NAME, descriptor::NAME_LEN, descriptor::NAME_MAX)?,
        label: text(
            descriptor::LABEL,
            descriptor::LABEL_LEN,
            descriptor::LABEL_MAX,
        )?,
        value,
        buckets,
    })
}

pub(super) fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], String> {
    at.checked_add(len)
        .and_then(|end| bytes.get(at..end))
        .ok_or_else(|| format!("the file ends before byte {at} + {len}"))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    let field = slice(bytes, at, 4)?;
    Ok(u32::from_le_bytes([field[0], field[1], field[2], field[3]]))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Result<u64, String> {
    Ok(u64::from(u32_at(bytes, at)?) | u64::from(u32_at(bytes, at + 4)?) << 32)
}

/// The quantile of a histogram given by its buckets: the middle of the bucket it falls into, at most `max`.
pub(super) fn quantile(bucket: impl Fn(usize) -> u64, max: u64, quantile: f64) -> u64 {
    let total: u64 = (0..BUCKETS).map(&bucket).sum();
    if total == 0 {
        return 0;
    }
    let rank = ((quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
    let mut seen = 0;
    for i in 0..BUCKETS {
        seen += bucket(i);
        if seen >= rank {
            let last = i == BUCKETS - 1;
            let middle = lower_bound(i) + (upper_bound(i) - lower_bound(i)) / 2;
            return if last { max } else { middle.min(max) };
        }
    }
    max
}
