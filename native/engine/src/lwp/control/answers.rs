//! Payloads of the answers that the data plane makes itself.

/// What a fetch response has in front of its data.
pub const FETCH_HEADER: usize = 16;

/// What stands in front of the data of a FetchResponse: next_offset, bytes, records.
#[inline]
#[must_use]
pub fn fetch_header(next_offset: u64, bytes: u32, records: u32) -> [u8; FETCH_HEADER] {
    let mut out = [0; FETCH_HEADER];
    out[..8].copy_from_slice(&next_offset.to_le_bytes());
    out[8..12].copy_from_slice(&bytes.to_le_bytes());
    out[12..].copy_from_slice(&records.to_le_bytes());
    out
}

/// Payload of SubscribeAck and CommitAck: consumer, offset.
#[inline]
#[must_use]
pub fn consumer_offset(consumer: u64, offset: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&consumer.to_le_bytes());
    out[8..].copy_from_slice(&offset.to_le_bytes());
    out
}

/// Payload of LocateResponse: offset, record, sort key as in `.idx`.
#[inline]
#[must_use]
pub fn location(offset: u64, record: u64, timestamp_ns: u64, node_actor_sequence: u64) -> [u8; 32] {
    let mut out = [0; 32];
    out[..8].copy_from_slice(&offset.to_le_bytes());
    out[8..16].copy_from_slice(&record.to_le_bytes());
    out[16..24].copy_from_slice(&timestamp_ns.to_le_bytes());
    out[24..].copy_from_slice(&node_actor_sequence.to_le_bytes());
    out
}
