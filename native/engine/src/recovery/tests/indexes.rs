use super::files::Files;
use super::one;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Made};
use crate::recovery::{index_due, rebuild_index, verify_segment, VerifyOptions};

const LEN: usize = 16 * 1024;

/// A segment of thirty batches, more than a thousand bytes apart here and there, and where its files are.
fn thirty(files: &Files, indexed: usize) -> (Batches, Vec<Made>) {
    put_topic(files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(30);
    let bytes = segment(&made, LEN);
    put_segment(files, "t", &batches.segment, &bytes, &made[..indexed]);
    (batches, made)
}

/// Recovers and checks that the index is right, dense enough and what recovery says it is.
fn check(files: &Files, batches: &Batches, codes: &[&str]) {
    let (found, said) = one(files);
    assert_eq!(said, codes);
    assert_eq!(found.next, batches.next);
    let report = verify_segment(
        files,
        &batches.segment.path("t", "lnc"),
        &VerifyOptions::default(),
    )
    .expect("reads");
    assert_eq!(report.problems, []);
    assert_eq!(report.index.valid, report.index.entries);
    let positions = positions(files, batches);
    assert_eq!(positions.first(), Some(&0));
    assert_eq!(positions.last().copied(), found.indexed_to);
}

fn positions(files: &Files, batches: &Batches) -> Vec<u64> {
    let pos = files.get(&batches.segment.path("t", "pos"));
    pos.chunks_exact(24)
        .map(|entry| u64::from_le_bytes(entry[16..].try_into().expect("eight")))
        .collect()
}

#[test]
fn there_is_an_entry_at_least_every_so_many_bytes() {
    let files = Files::new();
    let (batches, made) = thirty(&files, 0);
    check(&files, &batches, &[]);
    let positions = positions(&files, &batches);
    for pair in positions.windows(2) {
        let alone = made
            .iter()
            .any(|batch| batch.place.position == pair[0] && batch.end() == pair[1]);
        assert!(pair[1] - pair[0] <= 1000 || alone, "{pair:?}");
    }
    assert!(positions.len() < made.len());
    assert!(
        index_due(None, 0, 10, 1000)
            && !index_due(Some(0), 10, 1000, 1000)
            && index_due(Some(0), 10, 1001, 1000)
    );
}

#[test]
fn a_missing_index_is_written_anew() {
    for gone in [&["idx"][..], &["pos"], &["idx", "pos"]] {
        let files = Files::new();
        let (batches, _) = thirty(&files, 5);
        for extension in gone {
            std::fs::remove_file(files.root.join(batches.segment.path("t", extension)))
                .expect("removes");
        }
        check(&files, &batches, &["index-rebuilt"]);
    }
}

#[test]
fn an_index_that_ends_in_the_middle_or_in_zeros_is_completed() {
    for (extension, change) in [("idx", -5), ("pos", -24), ("idx", 24), ("pos", 240)] {
        let files = Files::new();
        let (batches, _) = thirty(&files, 5);
        let path = batches.segment.path("t", extension);
        let mut bytes = files.get(&path);
        bytes.resize((bytes.len() as i64 + change) as usize, 0);
        files.put(&path, &bytes);
        check(&files, &batches, &[]);
    }
    let files = Files::new();
    let (batches, _) = thirty(&files, 5);
    for extension in ["idx", "pos"] {
        let path = batches.segment.path("t", extension);
        let mut bytes = files.get(&path);
        bytes.extend([0; 48]);
        files.put(&path, &bytes);
    }
    check(&files, &batches, &[]);
}

#[test]
fn a_lying_index_is_not_believed() {
    // Every byte of the last entry, in either file.
    for extension in ["idx", "pos"] {
        for byte in 0..24 {
            let files = Files::new();
            let (batches, _) = thirty(&files, 5);
            let path = batches.segment.path("t", extension);
            let mut bytes = files.get(&path);
            let at = bytes.len() - 24 + byte;
            bytes[at] ^= 0x21;
            files.put(&path, &bytes);
            check(&files, &batches, &["index-rebuilt"]);
        }
    }
}

#[test]
fn an_index_of_another_segment_or_one_that_begins_late_is_not_believed() {
    let files = Files::new();
    let (batches, made) = thirty(&files, 0);
    let bytes = segment(&made, LEN);
    put_segment(&files, "t", &batches.segment, &bytes, &made[3..7]);
    check(&files, &batches, &["index-rebuilt"]);
    let mut other = Batches::new(7);
    other.tick = 50;
    let others = other.several(4);
    put_segment(&files, "t", &batches.segment, &bytes, &others);
    check(&files, &batches, &["index-rebuilt"]);
}

#[test]
fn entries_beyond_a_cut_are_cut_with_it() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let mut made = batches.several(12);
    let all = made.clone();
    batches.next = crate::recovery::Position {
        offset: all[8].header.base_offset,
        record: all[8].header.base_record,
        key: all[7].header.last_key(),
        chain: all[8].header.previous,
    };
    made.remove(8);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, LEN),
        &all[..0],
    );
    // Entries for batches that were never durable: somebody wrote them too early.
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made[..8], LEN),
        &all,
    );
    check(&files, &batches, &[]);
}

#[test]
fn a_sealed_segment_without_an_index_gets_it_again() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(10);
    let sealed = batches.rotate();
    files.put(&sealed.path("t", "lnc"), &segment(&made, 0));
    let (found, codes) = one(&files);
    assert_eq!(codes, ["index-rebuilt"]);
    assert_eq!(found.next, batches.next);
    let report =
        verify_segment(&files, &sealed.path("t", "lnc"), &VerifyOptions::default()).expect("reads");
    assert_eq!(
        (report.problems, report.index.entries),
        (vec![], report.index.valid)
    );
    assert!(report.index.valid > 2);
    let entries = rebuild_index(&files, "t", &sealed, 1000).expect("rebuilds");
    assert_eq!(entries, report.index.entries);
}
