//! Control commands and their answers (lwp.md, "Control commands").

use crate::error::{ErrorCode, Reason, Refusal};
use crate::messages::LocateBy;

/// Command and answer codes.
pub mod code {
    pub const CREATE_TOPIC: u64 = 0x01;
    pub const DELETE_TOPIC: u64 = 0x02;
    pub const LIST_TOPICS: u64 = 0x03;
    pub const GET_TOPIC: u64 = 0x04;
    pub const SET_RETENTION: u64 = 0x05;
    pub const CREATE_TOPIC_WITH_RETENTION: u64 = 0x06;
    pub const GET_CLUSTER_STATUS: u64 = 0x07;
    pub const AUTHENTICATE: u64 = 0x08;
    pub const AUTHENTICATE_RESPONSE: u64 = 0x09;
    pub const FETCH: u64 = 0x10;
    pub const FETCH_RESPONSE: u64 = 0x11;
    pub const CATCHING_UP: u64 = 0x12;
    pub const SUBSCRIBE: u64 = 0x20;
    pub const UNSUBSCRIBE: u64 = 0x21;
    pub const COMMIT_OFFSET: u64 = 0x22;
    pub const SUBSCRIBE_ACK: u64 = 0x23;
    pub const COMMIT_ACK: u64 = 0x24;
    pub const HELLO: u64 = 0x30;
    pub const HELLO_RESPONSE: u64 = 0x31;
    pub const FETCH_WAIT: u64 = 0x32;
    pub const LOCATE: u64 = 0x33;
    pub const LOCATE_RESPONSE: u64 = 0x34;
    pub const GET_COMMITTED: u64 = 0x35;
    pub const SET_TOPIC: u64 = 0x36;
    pub const DESCRIBE_TOPIC: u64 = 0x37;
    pub const FETCH_BATCHES: u64 = 0x38;
    pub const FETCH_BATCHES_RESPONSE: u64 = 0x39;
    pub const TOPIC_RESPONSE: u64 = 0x80;
    pub const CLUSTER_STATUS_RESPONSE: u64 = 0x81;
    pub const ERROR_RESPONSE: u64 = 0xFF;
}

/// Asks where the end is.
pub const OFFSET_END: u64 = u64::MAX;
/// The Python client's END, which the first use pins for its connection and topic.
pub const OFFSET_PINNED_END: u64 = (1 << 63) - 1;
/// Bytes of a topic name at most.
pub const MAX_NAME: usize = 249;
/// Bytes of the payload of a request that the control plane answers, at most.
pub const MAX_PLANE_REQUEST: usize = 8 * 1024;
/// What a fetch response has in front of its data.
pub const FETCH_HEADER: usize = 16;
/// Most data of one fetch response: the published clients take no frame above 16 MiB.
pub const MAX_FETCH_DATA: u32 = 16 * 1024 * 1024 - 60;

/// A command whose payload has the right form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// For the control plane, payload as it is.
    Plane,
    Fetch {
        topic: u32,
        offset: u64,
        max_bytes: u32,
    },
    /// FetchWait and, with `batches`, FetchBatches.
    FetchWait {
        topic: u32,
        offset: u64,
        max_bytes: u32,
        min_bytes: u32,
        max_wait_ms: u32,
        batches: bool,
    },
    Subscribe {
        topic: u32,
        offset: u64,
        consumer: u64,
    },
    Unsubscribe {
        consumer: u64,
    },
    Commit {
        topic: u32,
        consumer: u64,
        offset: u64,
    },
    Locate {
        topic: u32,
        by: LocateBy,
    },
    GetCommitted {
        topic: u32,
        consumer: u64,
    },
}

/// Whether the answer to a code takes the control plane: it then stands in that order, also where it is a refusal.
#[must_use]
pub fn is_plane(code: u64) -> bool {
    matches!(
        code,
        code::CREATE_TOPIC
            ..=code::AUTHENTICATE | code::HELLO | code::SET_TOPIC | code::DESCRIBE_TOPIC
    )
}

/// Whether a code is a fetch that waits: matched by its echo, outside of both orders, and only after Hello.
#[must_use]
pub fn is_wait(code: u64) -> bool {
    matches!(code, code::FETCH_WAIT | code::FETCH_BATCHES)
}

/// Decodes the payload of a command.
///
/// # Errors
/// 0x01: no command. 0x04: cut short, too long, an unknown Locate kind. 0x12: an empty or impossible topic name.
pub fn decode(code: u64, payload: &[u8]) -> Result<Request, Refusal> {
    let mut fields = Fields(payload);
    let request = match code {
        code::CREATE_TOPIC => {
            check_name(payload)?;
            return Ok(Request::Plane);
        }
        code::DELETE_TOPIC | code::GET_TOPIC | code::DESCRIBE_TOPIC => {
            fields.fixed(4)?;
            return Ok(Request::Plane);
        }
        code::LIST_TOPICS | code::GET_CLUSTER_STATUS => {
            fields.fixed(0)?;
            return Ok(Request::Plane);
        }
        code::SET_RETENTION => {
            fields.fixed(20)?;
            return Ok(Request::Plane);
        }
        code::CREATE_TOPIC_WITH_RETENTION => {
            fields.at_least(2)?;
            let name = fields.u16() as usize;
            Fields(payload).fixed(2 + name + 16)?;
            check_name(payload.get(2..2 + name).unwrap_or_default())?;
            return Ok(Request::Plane);
        }
        code::AUTHENTICATE | code::HELLO => {
            fields.at_most(MAX_PLANE_REQUEST)?;
            return Ok(Request::Plane);
        }
        code::SET_TOPIC => {
            fields.at_least(4)?;
            fields.at_most(MAX_PLANE_REQUEST)?;
            return Ok(Request::Plane);
        }
        code::FETCH => {
            fields.fixed(16)?;
            Request::Fetch {
                topic: fields.u32(),
                offset: fields.u64(),
                max_bytes: fields.u32(),
            }
        }
        code::FETCH_WAIT | code::FETCH_BATCHES => {
            fields.fixed(24)?;
            Request::FetchWait {
                topic: fields.u32(),
                offset: fields.u64(),
                max_bytes: fields.u32(),
                min_bytes: fields.u32(),
                max_wait_ms: fields.u32(),
                batches: code == code::FETCH_BATCHES,
            }
        }
        code::SUBSCRIBE => {
            fields.fixed(24)?;
            let topic = fields.u32();
            let offset = fields.u64();
            let _max_batch = fields.u32();
            Request::Subscribe {
                topic,
                offset,
                consumer: fields.u64(),
            }
        }
        code::UNSUBSCRIBE => {
            fields.fixed(12)?;
            let _topic = fields.u32();
            Request::Unsubscribe {
                consumer: fields.u64(),
            }
        }
        code::COMMIT_OFFSET => {
            fields.fixed(20)?;
            Request::Commit {
                topic: fields.u32(),
                consumer: fields.u64(),
                offset: fields.u64(),
            }
        }
        code::LOCATE => {
            fields.fixed(21)?;
            Request::Locate {
                topic: fields.u32(),
                by: fields.locate()?,
            }
        }
        code::GET_COMMITTED => {
            fields.fixed(12)?;
            Request::GetCommitted {
                topic: fields.u32(),
                consumer: fields.u64(),
            }
        }
        _ => {
            return Err(Refusal {
                code: ErrorCode::Unknown,
                reason: Reason::CommandUnknown,
                value: code,
                bound: 0,
            })
        }
    };
    Ok(request)
}

fn check_name(name: &[u8]) -> Result<(), Refusal> {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    if name.is_empty()
        || name.len() > MAX_NAME
        || !name.iter().all(allowed)
        || name == b"."
        || name == b".."
    {
        return Err(Refusal {
            code: ErrorCode::InvalidTopicName,
            reason: Reason::NameInvalid,
            value: name.len() as u64,
            bound: MAX_NAME as u64,
        });
    }
    Ok(())
}

/// Fields of a payload, taken from the front. The length is checked first; a field beyond it reads as 0.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn at_least(&self, bytes: usize) -> Result<(), Refusal> {
        self.form(self.0.len() >= bytes, Reason::RequestCut, bytes)
    }
    fn at_most(&self, bytes: usize) -> Result<(), Refusal> {
        self.form(self.0.len() <= bytes, Reason::RequestTooLong, bytes)
    }
    fn fixed(&self, bytes: usize) -> Result<(), Refusal> {
        self.at_least(bytes)?;
        self.at_most(bytes)
    }
    fn form(&self, holds: bool, reason: Reason, bound: usize) -> Result<(), Refusal> {
        if holds {
            return Ok(());
        }
        Err(Refusal {
            code: ErrorCode::InvalidPayload,
            reason,
            value: self.0.len() as u64,
            bound: bound as u64,
        })
    }
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else {
            return [0; N];
        };
        self.0 = rest;
        *field
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
    fn locate(&mut self) -> Result<LocateBy, Refusal> {
        let [kind] = self.take();
        let (first, second) = (self.u64(), self.u64());
        match kind {
            0 => Ok(LocateBy::Record(first)),
            1 => Ok(LocateBy::Time(first)),
            2 => Ok(LocateBy::Key(first, second)),
            3 => Ok(LocateBy::Offset(first)),
            _ => Err(Refusal {
                code: ErrorCode::InvalidPayload,
                reason: Reason::LocateKindUnknown,
                value: u64::from(kind),
                bound: 3,
            }),
        }
    }
}

/// What stands in front of the data of a FetchResponse: next_offset, bytes, records.
#[must_use]
pub fn fetch_header(next_offset: u64, bytes: u32, records: u32) -> [u8; FETCH_HEADER] {
    let mut out = [0; FETCH_HEADER];
    out[..8].copy_from_slice(&next_offset.to_le_bytes());
    out[8..12].copy_from_slice(&bytes.to_le_bytes());
    out[12..].copy_from_slice(&records.to_le_bytes());
    out
}

/// Payload of SubscribeAck and CommitAck: consumer, offset.
#[must_use]
pub fn consumer_offset(consumer: u64, offset: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&consumer.to_le_bytes());
    out[8..].copy_from_slice(&offset.to_le_bytes());
    out
}

/// Payload of LocateResponse: offset, record, sort key as in `.idx`.
#[must_use]
pub fn location(offset: u64, record: u64, timestamp_ns: u64, node_actor_sequence: u64) -> [u8; 32] {
    let mut out = [0; 32];
    out[..8].copy_from_slice(&offset.to_le_bytes());
    out[8..16].copy_from_slice(&record.to_le_bytes());
    out[16..24].copy_from_slice(&timestamp_ns.to_le_bytes());
    out[24..].copy_from_slice(&node_actor_sequence.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(code: u64, payload: &[u8]) -> (ErrorCode, Reason) {
        let refusal = decode(code, payload).expect_err("is refused");
        (refusal.code, refusal.reason)
    }

    const FIXED: [(u64, usize); 15] = [
        (code::DELETE_TOPIC, 4),
        (code::LIST_TOPICS, 0),
        (code::GET_TOPIC, 4),
        (code::SET_RETENTION, 20),
        (code::GET_CLUSTER_STATUS, 0),
        (code::FETCH, 16),
        (code::SUBSCRIBE, 24),
        (code::UNSUBSCRIBE, 12),
        (code::COMMIT_OFFSET, 20),
        (code::FETCH_WAIT, 24),
        (code::LOCATE, 21),
        (code::GET_COMMITTED, 12),
        (code::DESCRIBE_TOPIC, 4),
        (code::FETCH_BATCHES, 24),
        (code::CREATE_TOPIC_WITH_RETENTION, 2 + 16 + 1),
    ];

    #[test]
    fn a_payload_that_is_cut_short_or_too_long_is_invalid() {
        for (code, len) in FIXED {
            let mut payload = vec![0; len];
            if code == code::CREATE_TOPIC_WITH_RETENTION {
                payload[0] = 1;
                payload[2] = b'x';
            }
            assert!(decode(code, &payload).is_ok(), "{code:#x}");
            for cut in 0..len {
                let expected = (ErrorCode::InvalidPayload, Reason::RequestCut);
                assert_eq!(
                    refused(code, &payload[..cut]),
                    expected,
                    "{code:#x} at {cut}"
                );
            }
            payload.push(0);
            let expected = (ErrorCode::InvalidPayload, Reason::RequestTooLong);
            assert_eq!(refused(code, &payload), expected, "{code:#x}");
        }
    }

    #[test]
    fn a_name_that_is_empty_foreign_or_a_path_is_an_invalid_name() {
        let long = "n".repeat(250);
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../etc",
            "a b",
            "ä",
            "a\0",
            long.as_str(),
        ] {
            let expected = (ErrorCode::InvalidTopicName, Reason::NameInvalid);
            assert_eq!(
                refused(code::CREATE_TOPIC, name.as_bytes()),
                expected,
                "{name}"
            );
            let mut payload = (name.len() as u16).to_le_bytes().to_vec();
            payload.extend(name.as_bytes());
            payload.extend([0; 16]);
            assert_eq!(
                refused(code::CREATE_TOPIC_WITH_RETENTION, &payload),
                expected
            );
        }
        assert_eq!(
            refused(code::CREATE_TOPIC, &[0xFF, 0xFE]),
            (ErrorCode::InvalidTopicName, Reason::NameInvalid)
        );
        for name in ["a", "...", "my-events_1.x", &long[..249]] {
            assert_eq!(
                decode(code::CREATE_TOPIC, name.as_bytes()),
                Ok(Request::Plane)
            );
        }
    }

    #[test]
    fn all_64_bits_of_a_code_are_compared_and_answers_are_no_commands() {
        for code in [
            0,
            code::FETCH | 1 << 32,
            code::FETCH | 1 << 8,
            code::AUTHENTICATE_RESPONSE,
            code::FETCH_RESPONSE,
            code::CATCHING_UP,
            code::SUBSCRIBE_ACK,
            code::COMMIT_ACK,
            code::HELLO_RESPONSE,
            code::LOCATE_RESPONSE,
            code::FETCH_BATCHES_RESPONSE,
            code::TOPIC_RESPONSE,
            code::CLUSTER_STATUS_RESPONSE,
            code::ERROR_RESPONSE,
            u64::MAX,
        ] {
            let refusal = decode(code, &[0; 16]).expect_err("is no command");
            assert_eq!(refusal.code, ErrorCode::Unknown);
            assert_eq!(
                (refusal.reason, refusal.value),
                (Reason::CommandUnknown, code)
            );
            assert!(!is_plane(code) && !is_wait(code));
        }
    }

    #[test]
    fn locate_knows_four_kinds() {
        let payload = |kind: u8| {
            let mut payload = vec![7, 0, 0, 0, kind];
            payload.extend(5u64.to_le_bytes());
            payload.extend(6u64.to_le_bytes());
            payload
        };
        let by = [
            LocateBy::Record(5),
            LocateBy::Time(5),
            LocateBy::Key(5, 6),
            LocateBy::Offset(5),
        ];
        for (kind, by) in by.into_iter().enumerate() {
            let decoded = decode(code::LOCATE, &payload(kind as u8));
            assert_eq!(decoded, Ok(Request::Locate { topic: 7, by }));
        }
        assert_eq!(
            refused(code::LOCATE, &payload(4)),
            (ErrorCode::InvalidPayload, Reason::LocateKindUnknown)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            code in 0u64..0x100,
            payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = decode(code, &payload);
        }
    }
}
