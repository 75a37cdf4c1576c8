//! Names of files and directories (formats.md, "Files").

/// Directory of the journal's chunks.
pub const JOURNAL_DIR: &str = "journal";
/// Directory of segment files prepared ahead.
pub const SPARE_DIR: &str = "spare";
/// Directory of committed offsets.
pub const CONSUMERS_DIR: &str = "consumers";
/// Directory of the topics.
pub const SEGMENTS_DIR: &str = "segments";
/// Marks a data directory whose node stores nothing: its files are no data (formats.md, "Files").
pub const DISCARDS: &str = "DISCARDS";
/// Marks a name that is not final; no topic name contains it.
pub const TEMPORARY: char = '~';

/// What the name of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    pub base_offset: u64,
    pub base_record: u64,
    /// Timestamp of the first record, ns.
    pub start_ns: u64,
    /// Timestamp of the last record, ns, once the segment is sealed.
    pub end_ns: Option<u64>,
}

impl SegmentName {
    /// The name without extension.
    #[must_use]
    pub fn stem(&self) -> String {
        let Self {
            base_offset,
            base_record,
            start_ns,
            end_ns,
        } = self;
        match end_ns {
            None => format!("{base_offset:020}_{base_record:020}_{start_ns}"),
            Some(end) => format!("{base_offset:020}_{base_record:020}_{start_ns}-{end}"),
        }
    }
    /// Path of the segment relative to the data directory; `extension` is `lnc`, `idx` or `pos`.
    #[must_use]
    pub fn path(&self, topic: &str, extension: &str) -> String {
        format!("{SEGMENTS_DIR}/{topic}/{}.{extension}", self.stem())
    }
    /// Reads a stem; `None` if it is no segment's.
    #[must_use]
    pub fn parse(stem: &str) -> Option<Self> {
        let (base_offset, rest) = stem.split_once('_')?;
        let (base_record, times) = rest.split_once('_')?;
        if base_offset.len() != 20 || base_record.len() != 20 {
            return None;
        }
        let (start, end) = match times.split_once('-') {
            Some((start, end)) => (start, Some(number(end)?)),
            None => (times, None),
        };
        Some(Self {
            base_offset: number(base_offset)?,
            base_record: number(base_record)?,
            start_ns: number(start)?,
            end_ns: end,
        })
    }
}

/// Path of a journal chunk.
#[must_use]
pub fn chunk_path(number: u64) -> String {
    format!("{JOURNAL_DIR}/{number:08}.lnj")
}

/// The number in the name of a journal chunk.
#[must_use]
pub fn chunk_number(name: &str) -> Option<u64> {
    number(name.strip_suffix(".lnj")?)
}

fn number(digits: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}
