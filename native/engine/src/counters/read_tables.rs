//! Reads the tables of a counters file: topics, committed offsets, events (docs/formats.md, "Counters").

use super::layout::{commit, event, header, topic};
use super::read::{slice, u32_at, u64_at};

/// A topic's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    pub id: u32,
    /// 1 live, 2 frozen, 3 being removed.
    pub state: u32,
    pub last_timestamp_ns: u64,
    pub first: (u64, u64),
    pub end: (u64, u64),
    pub durable_offset: u64,
    pub bytes: u64,
    pub segments: u64,
    pub fetched_bytes: u64,
    pub fetched_records: u64,
    pub fetches: u64,
}

/// A committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub topic: u32,
    pub epoch: u32,
    pub consumer: u64,
    pub offset: u64,
    pub at_s: u64,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    pub number: u64,
    pub at_ns: u64,
    pub kind: u32,
    pub topic: u32,
    pub numbers: [u64; 3],
    pub text: String,
}

/// The rows of the table that the header names at `field`.
fn rows(bytes: &[u8], field: usize, least: usize) -> Result<Vec<&[u8]>, String> {
    let at = u64_at(bytes, field)? as usize;
    let count = u32_at(bytes, field + 8)? as usize;
    let row_bytes = u32_at(bytes, field + 12)? as usize;
    if at == 0 || count == 0 {
        return Ok(Vec::new());
    }
    if row_bytes < least {
        return Err(format!(
            "rows of {row_bytes} bytes in the header at byte {field}"
        ));
    }
    let all = slice(bytes, at, count.saturating_mul(row_bytes))?;
    Ok(all.chunks_exact(row_bytes).collect())
}

/// The topics that have a row, in the order of their slots.
///
/// # Errors
/// A sentence: the file ends too early, or its header cannot be.
pub fn topics(bytes: &[u8]) -> Result<Vec<Topic>, String> {
    let mut out = Vec::new();
    for row in rows(bytes, header::TOPICS, topic::FETCHES + 8)? {
        let state = u32_at(row, topic::ID_STATE + 4)?;
        if state == 0 {
            continue;
        }
        out.push(Topic {
            id: u32_at(row, topic::ID_STATE)?,
            state,
            last_timestamp_ns: u64_at(row, topic::LAST_TIMESTAMP_NS)?,
            first: (
                u64_at(row, topic::FIRST_OFFSET)?,
                u64_at(row, topic::FIRST_RECORD)?,
            ),
            end: (
                u64_at(row, topic::END_OFFSET)?,
                u64_at(row, topic::END_RECORD)?,
            ),
            durable_offset: u64_at(row, topic::DURABLE_OFFSET)?,
            bytes: u64_at(row, topic::BYTES)?,
            segments: u64_at(row, topic::SEGMENTS)?,
            fetched_bytes: u64_at(row, topic::FETCHED_BYTES)?,
            fetched_records: u64_at(row, topic::FETCHED_RECORDS)?,
            fetches: u64_at(row, topic::FETCHES)?,
        });
    }
    Ok(out)
}

/// The committed offsets, in no order.
///
/// # Errors
/// As `topics`.
pub fn commits(bytes: &[u8]) -> Result<Vec<Committed>, String> {
    let mut out = Vec::new();
    for row in rows(bytes, header::COMMITS, commit::ROW)? {
        let at_s = u64_at(row, commit::AT_S)?;
        if at_s == 0 {
            continue;
        }
        out.push(Committed {
            topic: u32_at(row, commit::TOPIC_EPOCH)?,
            epoch: u32_at(row, commit::TOPIC_EPOCH + 4)?,
            consumer: u64_at(row, commit::CONSUMER)?,
            offset: u64_at(row, commit::OFFSET)?,
            at_s,
        });
    }
    Ok(out)
}

/// The events that are still there, oldest first.
///
/// # Errors
/// As `topics`.
pub fn events(bytes: &[u8]) -> Result<Vec<Happened>, String> {
    let mut out = Vec::new();
    for row in rows(bytes, header::EVENTS, event::TEXT)? {
        let number = u64_at(row, event::NUMBER)?;
        if number == 0 {
            continue;
        }
        let len = (u64_at(row, event::TEXT_LEN)? as usize).min(row.len() - event::TEXT);
        let mut numbers = [0; 3];
        for (i, number) in numbers.iter_mut().enumerate() {
            *number = u64_at(row, event::NUMBERS + i * 8)?;
        }
        out.push(Happened {
            number,
            at_ns: u64_at(row, event::AT_NS)?,
            kind: u32_at(row, event::KIND_TOPIC)?,
            topic: u32_at(row, event::KIND_TOPIC + 4)?,
            numbers,
            text: String::from_utf8_lossy(&row[event::TEXT..event::TEXT + len]).into_owned(),
        });
    }
    out.sort_by_key(|event| event.number);
    Ok(out)
}
