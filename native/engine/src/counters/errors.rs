//! Error responses, counted by their LWP code.

use super::{keys, Counter, CountersFile};
use crate::error::ErrorCode;

/// Every code that the engine can answer with.
const CODES: [ErrorCode; 24] = [
    ErrorCode::Unknown,
    ErrorCode::PayloadTooLarge,
    ErrorCode::InvalidPayload,
    ErrorCode::Checksum,
    ErrorCode::TopicNotFound,
    ErrorCode::TopicExists,
    ErrorCode::InvalidTopicName,
    ErrorCode::TopicDeleted,
    ErrorCode::NotLeader,
    ErrorCode::QuorumNotReached,
    ErrorCode::LeaderUnknown,
    ErrorCode::ClusterNotReady,
    ErrorCode::RateLimited,
    ErrorCode::Backpressure,
    ErrorCode::ConnectionLimit,
    ErrorCode::AuthenticationRequired,
    ErrorCode::AuthenticationFailed,
    ErrorCode::AccessDenied,
    ErrorCode::InvalidOffset,
    ErrorCode::OffsetOutOfRange,
    ErrorCode::ConsumerNotFound,
    ErrorCode::Internal,
    ErrorCode::Storage,
    ErrorCode::Timeout,
];

/// A counter for each code, and one (`code=other`) for those that this list does not know.
pub struct ErrorCounters {
    /// `by_code[code]` is the place in `counters`.
    by_code: [u8; 256],
    counters: Vec<Counter>,
}

impl ErrorCounters {
    /// Registers `keys::ERRORS` once a code, with `label` (possibly empty) before `code=0x..`.
    #[must_use]
    pub fn new(file: &CountersFile, label: &str) -> Self {
        let comma = if label.is_empty() { "" } else { "," };
        let mut by_code = [0; 256];
        let mut counters = Vec::with_capacity(CODES.len() + 1);
        counters.push(file.counter(keys::ERRORS, &format!("{label}{comma}code=other")));
        for code in CODES {
            by_code[code as usize] = counters.len() as u8;
            let label = format!("{label}{comma}code=0x{:02x}", code as u8);
            counters.push(file.counter(keys::ERRORS, &label));
        }
        Self { by_code, counters }
    }
    /// Counts one error response with this code.
    #[inline]
    pub fn count(&self, code: u8) {
        self.counters[self.by_code[code as usize] as usize].inc();
    }
}
