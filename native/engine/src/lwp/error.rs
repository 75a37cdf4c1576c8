//! ErrorResponse (0xFF): a refusal as the JSON that clients show to people (lwp.md, "Control commands", "Error codes").
//!
//! Written into a fixed buffer: refusals are sent on the hot path. The sentences hold numbers only, so nothing in them
//! needs escaping.

use std::fmt::{self, Write};

use crate::error::{ErrorCode, Reason, Refusal};

/// Most bytes of the JSON of a refusal.
pub const MAX_ERROR: usize = 384;

/// The JSON of one refusal.
pub struct ErrorText {
    bytes: [u8; MAX_ERROR],
    len: usize,
}

impl ErrorText {
    /// Writes a refusal; `batch` is the batch id, where it is an ingest that failed.
    #[must_use]
    pub fn of(refusal: &Refusal, batch: Option<u64>) -> Self {
        let mut text = Self {
            bytes: [0; MAX_ERROR],
            len: 0,
        };
        let whole = text.write(refusal, batch);
        assert!(whole.is_ok(), "every sentence fits its buffer");
        text
    }

    /// The JSON.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn write(&mut self, refusal: &Refusal, batch: Option<u64>) -> fmt::Result {
        let code = refusal.code as u8;
        write!(self, "{{\"code\":{code},\"message\":\"")?;
        if means_try_again(refusal.code) {
            self.write_str("FORWARD_FAILED: ")?;
        }
        self.sentence(refusal)?;
        self.write_str("\"")?;
        let record = Some(refusal.bound).filter(|_| refusal.reason == Reason::InsideRecord);
        match (batch, record) {
            (Some(batch), _) => write!(self, ",\"details\":{{\"batch_id\":{batch}}}")?,
            (None, Some(at)) => write!(self, ",\"details\":{{\"record_offset\":{at}}}")?,
            (None, None) => {}
        }
        self.write_str("}")
    }

    #[allow(clippy::too_many_lines)] // one line a sentence
    fn sentence(&mut self, refusal: &Refusal) -> fmt::Result {
        let &Refusal { value, bound, .. } = refusal;
        match refusal.reason {
            Reason::TopicUnknown => write!(self, "Topic {value} not found"),
            Reason::TopicDeleted => write!(self, "Topic {value} was deleted"),
            Reason::PayloadEmpty => self.write_str("The payload is empty; a frame carries at least one record"),
            Reason::PayloadNotTlv => write!(
                self,
                "The payload is no sequence of TLV records: it breaks at byte {value}, and this node refuses bare bytes"
            ),
            Reason::NullWithLength => write!(
                self,
                "The Null record at byte {value} of the payload has length {bound}; it must be 0"
            ),
            Reason::RecordTooLarge => write!(
                self,
                "A record of {value} bytes is too large; at most {bound} with its header"
            ),
            Reason::InflatedTooLarge => write!(
                self,
                "The compressed payload inflates to {value} bytes or more; at most {bound} are taken"
            ),
            Reason::InflateFailed if value == 0 => {
                self.write_str("The compressed payload is damaged or truncated")
            }
            Reason::InflateFailed => write!(
                self,
                "The compressed payload is damaged, truncated, or not the {value} bytes that it declares"
            ),
            Reason::InflatedEmpty => self.write_str("The compressed payload inflates to nothing"),
            Reason::TopicFrozen => write!(
                self,
                "Topic {value} takes no writes after an I/O error; restart the node to recover it"
            ),
            Reason::TopicQuarantined => write!(
                self,
                "Topic {value} takes no writes: its stored data is damaged; run lance segment verify and repair"
            ),
            Reason::JournalFailed => write!(
                self,
                "The journal cannot be written: topic {value} takes no writes; restart the node to recover it"
            ),
            Reason::DiskFull => write!(
                self,
                "The disk is full: topic {value} takes no writes until there is room; reads go on"
            ),
            Reason::Damaged => write!(
                self,
                "Stored data of topic {value} is damaged at offset {bound}; run lance segment verify"
            ),
            Reason::ReadFailed => write!(
                self,
                "Reading topic {value} at offset {bound} failed on the device"
            ),
            Reason::BeyondEnd => write!(self, "Offset {value} is beyond the end, which is {bound}"),
            Reason::InsideRecord => write!(
                self,
                "Offset {value} is inside a record, which starts at {bound}"
            ),
            Reason::PastEnd => write!(self, "Nothing at or after {value}: it is past the end"),
            Reason::ConsumerUnknown => write!(self, "Consumer {value} has committed no offset"),
            Reason::TooManyConsumers => write!(
                self,
                "No room for an offset of consumer {value}: {bound} are kept already"
            ),
            Reason::Overloaded => write!(
                self,
                "The node has no room for topic {value} just now; nothing was stored"
            ),
            Reason::Draining => self.write_str("The node is shutting down; nothing was stored"),
            Reason::ChecksumMismatch => write!(
                self,
                "The payload has checksum {bound:08x}, its header says {value:08x}"
            ),
            Reason::FrameTooLarge => write!(
                self,
                "A payload of {value} bytes is too large; at most {bound}"
            ),
            Reason::FlagsUnknown => write!(self, "A client cannot send a frame with flags {value:#04x}"),
            Reason::Encrypted => write!(
                self,
                "Encrypted frames (flags {value:#04x}) are not supported; use TLS"
            ),
            Reason::CommandUnknown => write!(self, "{value:#04x} is no command"),
            Reason::RequestCut => write!(
                self,
                "The request is cut short: {value} bytes, at least {bound} are needed"
            ),
            Reason::RequestTooLong => write!(
                self,
                "The request is too long: {value} bytes, at most {bound} are expected"
            ),
            Reason::LocateKindUnknown => write!(
                self,
                "Locate knows the kinds 0 (record), 1 (time), 2 (key) and 3 (offset), not {value}"
            ),
            Reason::NameInvalid => write!(
                self,
                "A topic name has 1 to {MAX_NAME} of the characters A-Z a-z 0-9 . _ - and is neither . nor ..",
                MAX_NAME = super::control::MAX_NAME
            ),
            Reason::HelloInFlight => write!(
                self,
                "Hello comes before ingests or when they are acknowledged; {value} are in flight"
            ),
            Reason::HelloNeeded => write!(self, "Command {value:#04x} needs a Hello before it"),
            Reason::ConnectionLimit => write!(
                self,
                "The node has its most connections already ({bound}); raise limits.connections"
            ),
            Reason::TooManyWaiting => write!(
                self,
                "The node keeps no more than {bound} waiting fetches and pinned ends"
            ),
        }
    }
}

impl Write for ErrorText {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        let to = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        to.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Whether a code means "certainly not stored, try again": the message then holds the text on which published clients do.
#[must_use]
pub fn means_try_again(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeader
            | ErrorCode::LeaderUnknown
            | ErrorCode::ClusterNotReady
            | ErrorCode::RateLimited
            | ErrorCode::Backpressure
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASONS: [Reason; 35] = [
        Reason::TopicUnknown,
        Reason::TopicDeleted,
        Reason::PayloadEmpty,
        Reason::PayloadNotTlv,
        Reason::NullWithLength,
        Reason::RecordTooLarge,
        Reason::InflatedTooLarge,
        Reason::InflateFailed,
        Reason::InflatedEmpty,
        Reason::TopicFrozen,
        Reason::TopicQuarantined,
        Reason::JournalFailed,
        Reason::DiskFull,
        Reason::Damaged,
        Reason::ReadFailed,
        Reason::BeyondEnd,
        Reason::InsideRecord,
        Reason::PastEnd,
        Reason::ConsumerUnknown,
        Reason::TooManyConsumers,
        Reason::Overloaded,
        Reason::Draining,
        Reason::ChecksumMismatch,
        Reason::FrameTooLarge,
        Reason::FlagsUnknown,
        Reason::Encrypted,
        Reason::CommandUnknown,
        Reason::RequestCut,
        Reason::RequestTooLong,
        Reason::LocateKindUnknown,
        Reason::NameInvalid,
        Reason::HelloInFlight,
        Reason::HelloNeeded,
        Reason::ConnectionLimit,
        Reason::TooManyWaiting,
    ];

    fn parse(refusal: &Refusal, batch: Option<u64>) -> serde_json::Value {
        serde_json::from_slice(ErrorText::of(refusal, batch).bytes()).expect("is JSON")
    }

    #[test]
    fn every_sentence_fits_at_its_longest_and_is_json() {
        for reason in REASONS {
            for value in [0, u64::MAX] {
                let refusal = Refusal {
                    code: ErrorCode::Backpressure,
                    reason,
                    value,
                    bound: u64::MAX,
                };
                let json = parse(&refusal, Some(u64::MAX));
                assert_eq!(json["code"], 0x31);
                assert_eq!(json["details"]["batch_id"], u64::MAX);
                let message = json["message"].as_str().expect("a message").to_lowercase();
                // Words on which the Python client acts.
                for word in ["catching", "no data", "empty fetch"] {
                    assert!(!message.contains(word), "{message}");
                }
            }
        }
    }

    #[test]
    fn only_what_is_worth_trying_again_says_so() {
        let says = |code| {
            let refusal = Refusal {
                code,
                reason: Reason::Overloaded,
                value: 1,
                bound: 0,
            };
            let json = parse(&refusal, None);
            json["message"]
                .as_str()
                .expect("a message")
                .contains("FORWARD_FAILED")
        };
        for code in [
            ErrorCode::NotLeader,
            ErrorCode::LeaderUnknown,
            ErrorCode::ClusterNotReady,
            ErrorCode::RateLimited,
            ErrorCode::Backpressure,
        ] {
            assert!(says(code), "{code:?}");
        }
        for code in [
            ErrorCode::InvalidPayload,
            ErrorCode::PayloadTooLarge,
            ErrorCode::TopicNotFound,
            ErrorCode::TopicDeleted,
            ErrorCode::AccessDenied,
            ErrorCode::Storage,
            ErrorCode::QuorumNotReached,
            ErrorCode::Timeout,
            ErrorCode::Checksum,
        ] {
            assert!(!says(code), "{code:?}");
        }
    }

    #[test]
    fn an_offset_inside_a_record_tells_where_the_record_starts() {
        let refusal = Refusal {
            code: ErrorCode::InvalidOffset,
            reason: Reason::InsideRecord,
            value: 17,
            bound: 10,
        };
        assert_eq!(parse(&refusal, None)["details"]["record_offset"], 10);
    }
}
