use super::batch::{BatchHeader, HeaderProblem, SortKey, BATCH_HEADER};
use super::journal::{
    entries, BlockHeader, BlockProblem, Entry, EntryProblem, Place, BLOCK_HEADER,
};
use super::names::SegmentName;
use crate::messages::ChecksumKind;
use proptest::prelude::*;

fn header() -> BatchHeader {
    BatchHeader {
        previous: 7,
        payload_checksum: 9,
        payload_kind: ChecksumKind::Crc32,
        payload_len: 100,
        record_count: 3,
        topic: 5,
        epoch: 1,
        key: SortKey::new(1_700_000_000_000_000_000, 3, 2, 40),
        base_record: 11,
        base_offset: 12,
        producer_ns: 13,
        durable_offset: 14,
        term: 15,
        log_index: 16,
        producer_id: 17,
        producer_sequence: 18,
    }
}

#[test]
fn a_batch_header_reads_back_as_it_was_written() {
    let mut bytes = [0; BATCH_HEADER];
    let checksum = header().encode(&mut bytes);
    assert_eq!(BatchHeader::decode(&bytes), Ok((header(), checksum)));
    // formats.md: the fields' positions, counted from the value.
    assert_eq!(&bytes[..9], &[0, 128, 0, 0, 0, b'L', b'N', b'B', b'1']);
    assert_eq!(&bytes[5 + 12..5 + 16], &9u32.to_le_bytes());
    assert_eq!(bytes[5 + 24], 1, "bit 0: the checksum is CRC-32");
    assert_eq!(&bytes[5 + 80..5 + 88], &14u64.to_le_bytes());
}

#[test]
fn every_flipped_bit_of_a_batch_header_is_noticed() {
    let mut bytes = [0; BATCH_HEADER];
    header().encode(&mut bytes);
    for bit in 0..BATCH_HEADER * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let decoded = BatchHeader::decode(&bytes);
        assert!(decoded.is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn zeros_are_fill_and_a_newer_version_is_told_apart() {
    assert_eq!(
        BatchHeader::decode(&[0; BATCH_HEADER]),
        Err(HeaderProblem::Fill)
    );
    let mut bytes = [0; BATCH_HEADER];
    header().encode(&mut bytes);
    bytes[5 + 3] = b'2';
    assert_eq!(
        BatchHeader::decode(&bytes),
        Err(HeaderProblem::NewerVersion(b'2'))
    );
}

#[test]
fn segment_names_sort_as_their_offsets_do_and_read_back() {
    let active = SegmentName {
        base_offset: 9,
        base_record: 2,
        start_ns: 5,
        end_ns: None,
    };
    let sealed = SegmentName {
        base_offset: 10,
        end_ns: Some(8),
        ..active
    };
    assert!(active.stem() < sealed.stem());
    assert_eq!(SegmentName::parse(&active.stem()), Some(active));
    assert_eq!(SegmentName::parse(&sealed.stem()), Some(sealed));
    assert_eq!(SegmentName::parse("1_2_3"), None);
    assert_eq!(SegmentName::parse(&active.stem().replace('_', "-")), None);
}

#[test]
fn an_unknown_kind_of_journal_entry_is_refused() {
    let mut bytes = [0; 16];
    bytes[0] = 99;
    bytes[4] = 8;
    let all: Vec<_> = entries(&bytes).collect();
    assert_eq!(all, [Err(EntryProblem::UnknownKind(99))]);
}

proptest! {
    #[test]
    fn a_journal_block_reads_back_as_it_was_written(batches in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..8)) {
        let place = Place { topic: 1, epoch: 1, segment: 77, position: 88 };
        let mut expected: Vec<Entry<'_>> = batches.iter().map(|bytes| Entry::Batch { place, bytes }).collect();
        expected.push(Entry::Tail { place, bytes: &batches[0] });
        expected.push(Entry::Watermark { topic: 2, epoch: 1, durable_offset: 3 });
        expected.push(Entry::Commit { topic: 2, epoch: 1, consumer: 4, offset: 5, at_s: 6 });
        let mut block = vec![0; 16 * 1024];
        let mut at = BLOCK_HEADER;
        for entry in &expected {
            at += entry.encode(&mut block[at..]);
        }
        let header = BlockHeader {
            generation: 3,
            sequence: 4,
            previous: 5,
            length: (at - BLOCK_HEADER) as u32,
            entries: expected.len() as u32,
            oldest_generation: 2,
            durable_sequence: 3,
            first_sequence: 1,
        };
        let checksum = header.seal(&mut block);
        prop_assert_eq!(BlockHeader::decode(&block), Ok((header, checksum)));
        let read: Result<Vec<_>, _> = entries(&block[BLOCK_HEADER..at]).collect();
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn arbitrary_bytes_never_make_a_block_nor_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(BlockHeader::decode(&bytes).is_err());
        let _ = entries(&bytes).count();
    }
}

#[test]
fn a_block_of_zeros_is_empty() {
    assert_eq!(BlockHeader::decode(&[0; 4096]), Err(BlockProblem::Empty));
}
