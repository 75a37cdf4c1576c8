//! Sort keys (design.md, section 7).

use crate::format::batch::SortKey;

/// The key of a batch's first record: the time of receipt, unless the last key forbids it.
///
/// `last` is the key of the topic's last record, `records` how many keys the batch takes.
#[must_use]
pub fn next_key(
    last: SortKey,
    received_ns: u64,
    records: u32,
    node_id: u16,
    actor_id: u8,
) -> SortKey {
    assert!(records >= 1);
    let timestamp = received_ns.max(last.timestamp_ns);
    let fresh = SortKey::new(timestamp, node_id, actor_id, 0);
    if fresh > last {
        return fresh;
    }
    // Same time: go on counting, if this node's keys sort behind the last one and the sequence holds that many.
    let sequence = last.sequence() + 1;
    if sequence + u64::from(records) - 1 <= SortKey::MAX_SEQUENCE {
        let counted = SortKey::new(timestamp, node_id, actor_id, sequence);
        if counted > last {
            return counted;
        }
    }
    SortKey::new(timestamp + 1, node_id, actor_id, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sequence_that_would_overflow_moves_the_time_on() {
        let last = SortKey::new(50, 1, 0, SortKey::MAX_SEQUENCE - 3);
        assert_eq!(
            next_key(last, 10, 3, 1, 0),
            SortKey::new(50, 1, 0, SortKey::MAX_SEQUENCE - 2)
        );
        assert_eq!(next_key(last, 10, 4, 1, 0), SortKey::new(51, 1, 0, 0));
    }

    #[test]
    fn the_time_of_receipt_is_the_key_when_it_is_later() {
        assert_eq!(
            next_key(SortKey::new(50, 9, 9, 7), 60, 5, 1, 2),
            SortKey::new(60, 1, 2, 0)
        );
    }

    proptest! {
        #[test]
        fn keys_strictly_increase_whatever_the_clock_and_the_node_do(
            last in (0u64..5, 0u16..3, 0u8..3, prop_oneof![0u64..5, SortKey::MAX_SEQUENCE - 5..=SortKey::MAX_SEQUENCE]),
            received in 0u64..6, records in 1u32..8, node in 0u16..3, actor in 0u8..3,
        ) {
            let last = SortKey::new(last.0, last.1, last.2, last.3);
            let key = next_key(last, received, records, node, actor);
            prop_assert!(key > last);
            prop_assert!(key.timestamp_ns >= received);
            prop_assert!(key.plus(u64::from(records) - 1) >= key);
        }
    }
}
