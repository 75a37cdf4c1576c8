//! Every golden frame of `test/vectors/lwp.json`, decoded and encoded.

use serde_json::Value;

use super::control::{self, code, Request};
use super::error::ErrorText;
use super::header::{decode, flag, Header, HEADER};
use super::inflate::Inflater;
use super::tlv::{self, Tiling};
use crate::checksum::checksum;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::messages::{ChecksumKind, LocateBy};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/lwp.json");

fn vectors() -> Value {
    let text = std::fs::read_to_string(FILE).expect("test/vectors/lwp.json");
    serde_json::from_str(&text).expect("is JSON")
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hex");
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex"))
        .collect()
}

struct Frame {
    name: String,
    kind: ChecksumKind,
    header: Header,
    payload: Vec<u8>,
    bytes: Vec<u8>,
    fields: Value,
}

/// The frames of a list; each is decoded, checked, and encoded to the same bytes on the way.
fn frames(list: &str, kind: ChecksumKind) -> Vec<Frame> {
    let all = vectors();
    let list = all[list].as_array().expect("a list").clone();
    assert!(!list.is_empty());
    list.into_iter()
        .map(|frame| {
            let bytes = hex(&frame["hex"]);
            let name = frame["name"].as_str().expect("a name").to_owned();
            let (front, payload) = bytes.split_first_chunk::<HEADER>().expect("44 bytes");
            let (header, settled) = decode(front, None).expect("decodes");
            assert_eq!(settled, kind, "{name}");
            assert_eq!(header.payload_len as usize, payload.len(), "{name}");
            if !payload.is_empty() {
                assert_eq!(header.payload_checksum, checksum(kind, payload), "{name}");
            }
            assert_eq!(&header.encode(kind), front, "{name}");
            Frame {
                name,
                kind,
                header,
                payload: payload.to_vec(),
                bytes: bytes.clone(),
                fields: frame,
            }
        })
        .collect()
}

fn both(list: &str) -> Vec<Frame> {
    let mut all = frames(list, ChecksumKind::Crc32);
    all.extend(frames(&format!("{list}_crc32c"), ChecksumKind::Crc32c));
    all
}

#[test]
fn the_checksums_agree() {
    for entry in vectors()["checksums"].as_array().expect("a list") {
        let bytes = hex(&entry["input_hex"]);
        let crc32 = u64::from(checksum(ChecksumKind::Crc32, &bytes));
        let crc32c = u64::from(checksum(ChecksumKind::Crc32c, &bytes));
        assert_eq!(
            (Some(crc32), Some(crc32c)),
            (entry["crc32"].as_u64(), entry["crc32c"].as_u64())
        );
    }
}

#[test]
fn headers_decode_to_the_fields_that_are_given() {
    let mut compared = 0;
    for frame in both("frames") {
        let fields = &frame.fields["header"];
        if fields.is_null() {
            continue;
        }
        compared += 1;
        let h = frame.header;
        assert_eq!(fields["flags"], u64::from(h.flags), "{}", frame.name);
        assert_eq!(fields["batch_id"], h.batch_id, "{}", frame.name);
        assert_eq!(fields["timestamp_ns"], h.timestamp_ns, "{}", frame.name);
        assert_eq!(fields["record_count"], u64::from(h.record_count));
        assert_eq!(fields["payload_length"], u64::from(h.payload_len));
        assert_eq!(fields["payload_crc"], u64::from(h.payload_checksum));
        assert_eq!(fields["topic_id"], u64::from(h.topic));
        assert_eq!(hex(&frame.fields["payload_hex"]), frame.payload);
    }
    assert!(compared > 0);
}

#[test]
fn ingest_payloads_are_what_their_names_say() {
    let inflated = hex(&vectors()["decompressed_payload_hex"]);
    let mut seen = 0;
    for frame in both("frames") {
        let tiling = tlv::walk(&frame.payload);
        match frame.name.as_str() {
            "ingest-one-raw-record" => {
                assert_eq!(
                    tiling,
                    Tiling::Records {
                        count: 1,
                        largest: 10
                    }
                );
            }
            "ingest-five-mixed-records" => {
                assert!(matches!(tiling, Tiling::Records { count: 5, .. }));
            }
            "ingest-payload-not-tlv" => assert!(matches!(tiling, Tiling::Bare { .. })),
            "ingest-compressed-lz4-prefixed" | "ingest-compressed-lz4-bare" => {
                assert_eq!(frame.header.flags, flag::BATCH | flag::COMPRESSED);
                let mut inflater = Inflater::new(4096);
                let mut out = vec![0; inflater.room(&frame.payload).expect("has room")];
                let len = inflater
                    .inflate(&frame.payload, &mut out)
                    .expect("inflates");
                assert_eq!(&out[..len], inflated);
                assert!(matches!(
                    tlv::walk(&out[..len]),
                    Tiling::Records { count: 2, .. }
                ));
            }
            _ => continue,
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
}

fn request(frame: &Frame) -> Request {
    assert_eq!(frame.header.flags, flag::CONTROL, "{}", frame.name);
    control::decode(frame.header.batch_id, &frame.payload).expect("is a command")
}

#[test]
fn every_command_decodes() {
    let mut seen = 0;
    for frame in both("frames") {
        if frame.header.flags != flag::CONTROL {
            continue;
        }
        seen += 1;
        let expected = match frame.name.as_str() {
            "fetch" => Request::Fetch {
                topic: 7,
                offset: 4096,
                max_bytes: 65536,
            },
            "fetch-end-u64-max" => Request::Fetch {
                topic: 7,
                offset: control::OFFSET_END,
                max_bytes: 1,
            },
            "fetch-end-2-63-minus-1" => Request::Fetch {
                topic: 7,
                offset: control::OFFSET_PINNED_END,
                max_bytes: 65536,
            },
            "subscribe" => Request::Subscribe {
                topic: 7,
                offset: 0,
                consumer: 1001,
            },
            "unsubscribe" => Request::Unsubscribe { consumer: 1001 },
            "commit-offset" => Request::Commit {
                topic: 7,
                consumer: 1001,
                offset: 4096,
            },
            _ => Request::Plane,
        };
        assert_eq!(request(&frame), expected, "{}", frame.name);
    }
    assert_eq!(seen, 2 * 14);
}

#[test]
fn our_own_commands_decode_too() {
    for frame in frames("additions_crc32c", ChecksumKind::Crc32c) {
        let expected = match frame.name.as_str() {
            "hello-response" => continue,
            "locate-response" => {
                let payload = control::location(
                    4096,
                    12345,
                    1_700_000_000_123_456_789,
                    u64::from_le_bytes([0x4d, 0, 0, 0, 0, 2, 1, 0]),
                );
                assert_eq!(frame.payload, payload);
                assert_eq!(
                    frame.bytes,
                    control_frame(&frame, code::LOCATE_RESPONSE, 4, &payload)
                );
                continue;
            }
            "fetch-wait" => Request::FetchWait {
                topic: 7,
                offset: 4096,
                max_bytes: 65536,
                min_bytes: 1,
                max_wait_ms: 500,
                batches: false,
            },
            "locate-record-index" => Request::Locate {
                topic: 7,
                by: LocateBy::Record(12345),
            },
            "locate-time" => Request::Locate {
                topic: 7,
                by: LocateBy::Time(1_700_000_000_123_456_789),
            },
            "get-committed" => Request::GetCommitted {
                topic: 7,
                consumer: 1001,
            },
            _ => Request::Plane,
        };
        assert_eq!(request(&frame), expected, "{}", frame.name);
    }
}

fn control_frame(like: &Frame, code: u64, timestamp_ns: u64, payload: &[u8]) -> Vec<u8> {
    let sum = checksum(like.kind, payload);
    let header = Header::control(code, timestamp_ns, payload.len() as u32, sum);
    [header.encode(like.kind).as_slice(), payload].concat()
}

#[test]
fn every_answer_encodes_to_the_same_bytes() {
    let inflated = hex(&vectors()["decompressed_payload_hex"]);
    let unknown = Refusal {
        code: ErrorCode::TopicNotFound,
        reason: Reason::TopicUnknown,
        value: 42,
        bound: 0,
    };
    for frame in both("server_frames") {
        let control = |code, payload: &[u8]| control_frame(&frame, code, 0, payload);
        let encoded = match frame.name.as_str() {
            "ack" => Header::ack(2, 0).encode(frame.kind).to_vec(),
            "unsubscribe-answer" => Header::ack(1001, 0).encode(frame.kind).to_vec(),
            "backpressure" => Header::bare(flag::BACKPRESSURE).encode(frame.kind).to_vec(),
            "keepalive-answer" => Header::bare(flag::KEEPALIVE).encode(frame.kind).to_vec(),
            "topic-response" | "topic-list" | "topic-deleted" => {
                control(code::TOPIC_RESPONSE, &frame.payload)
            }
            "fetch-response-two-records" => {
                let front = control::fetch_header(4127, 31, 2);
                control(
                    code::FETCH_RESPONSE,
                    &[&front, inflated.as_slice()].concat(),
                )
            }
            "fetch-response-empty" => {
                control(code::FETCH_RESPONSE, &control::fetch_header(4096, 0, 0))
            }
            "subscribe-ack" => control(code::SUBSCRIBE_ACK, &control::consumer_offset(1001, 0)),
            "commit-ack" => control(code::COMMIT_ACK, &control::consumer_offset(1001, 4096)),
            "authenticate-response" => control(code::AUTHENTICATE_RESPONSE, b"\x01not required"),
            "error-topic-not-found" => {
                control(code::ERROR_RESPONSE, ErrorText::of(&unknown, None).bytes())
            }
            "error-of-an-ingest" => control(
                code::ERROR_RESPONSE,
                ErrorText::of(&unknown, Some(3)).bytes(),
            ),
            name => panic!("a golden frame that nobody encodes: {name}"),
        };
        assert_eq!(encoded, frame.bytes, "{}", frame.name);
    }
}
