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
