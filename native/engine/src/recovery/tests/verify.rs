use std::collections::BTreeMap;

use super::files::Files;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Journal, Made};
use crate::format::journal::Entry;
use crate::format::names::SegmentName;
use crate::recovery::{inspect_chunk, verify_segment, SegmentReport, VerifyOptions};

fn sealed() -> (Vec<Made>, SegmentName, Vec<u8>) {
    let mut batches = Batches::new(7);
    let made = batches.several(6);
    let name = batches.rotate();
    let bytes = segment(&made, 0);
    (made, name, bytes)
}

fn verified(name: &SegmentName, bytes: &[u8], indexed: &[Made]) -> SegmentReport {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    put_segment(&files, "t", name, bytes, indexed);
    verify_segment(&files, &name.path("t", "lnc"), &VerifyOptions::default()).expect("reads")
}

fn kinds(report: &SegmentReport) -> Vec<(&'static str, u64)> {
    report
        .problems
        .iter()
        .map(|problem| (problem.kind, problem.at))
        .collect()
}

#[test]
fn a_whole_segment_is_counted_and_has_no_problem() {
    let (made, name, bytes) = sealed();
    let report = verified(&name, &bytes, &made);
    assert_eq!(report.problems, []);
    assert_eq!((report.batches, report.records), (6, 12));
    assert_eq!(report.types, BTreeMap::from([(0x01, 12)]));
    assert_eq!(
        (report.end, report.file_bytes),
        (bytes.len() as u64, bytes.len() as u64)
    );
    assert_eq!(report.record_bytes + 6 * 133, report.file_bytes);
    assert_eq!(
        (report.first_record, report.last_record),
        (Some(0), Some(11))
    );
    assert_eq!(report.first_key, Some(made[0].header.key));
    assert_eq!(report.last_key, Some(made[5].header.last_key()));
    assert_eq!((report.index.entries, report.index.valid), (6, 6));
    assert_eq!((report.topic, report.epoch), (Some(7), Some(1)));
}

#[test]
fn every_flipped_bit_is_a_problem_of_the_batch_that_it_hits() {
    let (made, name, bytes) = sealed();
    for byte in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[byte] ^= 1 << (byte % 8);
        if byte == 8 && damaged[byte] == b'0' {
            damaged[byte] = b'3'; // another version
        }
        let report = verified(&name, &damaged, &[]);
        let hit = made
            .iter()
            .find(|batch| (byte as u64) < batch.end())
            .expect("one");
        assert_eq!(
            report.problems[0].at, hit.place.position,
            "byte {byte}: {:?}",
            report.problems
        );
        assert_eq!(report.batches, 5, "the others are found");
    }
}

#[test]
fn zeros_in_the_middle_and_behind_the_end_of_a_sealed_segment_are_problems() {
    let (made, name, mut bytes) = sealed();
    let (from, to) = (made[2].place.position as usize, made[3].end() as usize);
    bytes[from..to].fill(0);
    assert_eq!(
        kinds(&verified(&name, &bytes, &made[..2])),
        [("header", from as u64)]
    );
    let (_, name, mut bytes) = sealed();
    let end = bytes.len();
    bytes.resize(end + 100, 0);
    assert_eq!(
        kinds(&verified(&name, &bytes, &made)),
        [("fill", end as u64)]
    );
}

#[test]
fn an_active_segment_may_end_in_zeros_and_in_nothing_else() {
    let (made, name, mut bytes) = sealed();
    let open = SegmentName {
        end_ns: None,
        ..name
    };
    let end = bytes.len();
    bytes.resize(end + 5000, 0);
    assert_eq!(kinds(&verified(&open, &bytes, &made)), []);
    bytes[end + 4000] = 1;
    assert_eq!(
        kinds(&verified(&open, &bytes, &made)),
        [("header", end as u64)]
    );
}

#[test]
fn names_chains_foreign_batches_and_records_are_checked() {
    let (made, name, bytes) = sealed();
    let late = SegmentName {
        start_ns: name.start_ns + 1,
        ..name
    };
    assert_eq!(kinds(&verified(&late, &bytes, &made)), [("name", 0)]);
    let early = SegmentName {
        end_ns: Some(1),
        ..name
    };
    assert_eq!(
        kinds(&verified(&early, &bytes, &made)),
        [("name", bytes.len() as u64)]
    );
    let moved = SegmentName {
        base_offset: 5,
        ..name
    };
    assert_eq!(kinds(&verified(&moved, &bytes, &made)), [("chain", 0)]);

    let rewrite = |at: usize, change: &dyn Fn(&mut crate::format::batch::BatchHeader)| {
        let mut header = made[at].header;
        change(&mut header);
        let mut bytes = bytes.clone();
        let from = made[at].place.position as usize;
        header.encode(bytes[from..].first_chunk_mut().expect("a header"));
        (from as u64, kinds(&verified(&name, &bytes, &made[..1])))
    };
    let (at, found) = rewrite(5, &|header| header.previous ^= 1);
    assert_eq!(found, [("chain", at)]);
    let (at, found) = rewrite(5, &|header| header.key = made[4].header.key);
    assert_eq!(found[0], ("chain", at));
    let (at, found) = rewrite(5, &|header| header.topic = 8);
    assert_eq!(found[0], ("foreign", at));
    let (at, found) = rewrite(5, &|header| header.record_count -= 1);
    assert_eq!(found[0], ("records", at));
}

#[test]
fn every_wrong_index_entry_is_named() {
    let (made, name, bytes) = sealed();
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    put_segment(&files, "t", &name, &bytes, &made);
    let path = name.path("t", "idx");
    let mut idx = files.get(&path);
    idx[24] ^= 1; // the key of entry 1
    idx[2 * 24 + 16] ^= 1; // the position of entry 2, in one file only
    idx.extend([9; 3]);
    files.put(&path, &idx);
    let report =
        verify_segment(&files, &name.path("t", "lnc"), &VerifyOptions::default()).expect("reads");
    assert_eq!((report.index.entries, report.index.valid), (6, 4));
    assert_eq!(
        kinds(&report),
        [("index", 144), ("index", 24), ("index", 48)]
    );
}

#[test]
fn the_list_of_problems_is_bounded_and_the_rest_counted() {
    let (made, name, mut bytes) = sealed();
    for batch in &made {
        bytes[batch.place.position as usize + 140] ^= 1;
    }
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    put_segment(&files, "t", &name, &bytes, &made);
    let report = verify_segment(
        &files,
        &name.path("t", "lnc"),
        &VerifyOptions { most_problems: 2 },
    )
    .expect("reads");
    assert_eq!(report.problems.len(), 2);
    assert!(report.more_problems >= 4);
}

#[test]
fn a_name_that_is_no_segments_is_refused() {
    let files = Files::new();
    files.put("segments/t/metadata.json", b"");
    let error = verify_segment(
        &files,
        "segments/t/metadata.json",
        &VerifyOptions::default(),
    )
    .expect_err("refused");
    assert!(error.to_string().contains("this is no segment's name"));
}

#[test]
fn a_chunk_is_counted_and_its_gaps_are_named() {
    let files = Files::new();
    let mut batches = Batches::new(7);
    let mut journal = Journal::new();
    for batch in batches.several(3) {
        journal.block(&[
            batch.entry(),
            Entry::Commit {
                topic: 7,
                epoch: 1,
                consumer: 1,
                offset: 2,
                at_s: 3,
            },
        ]);
    }
    journal.put(&files);
    let report = inspect_chunk(&files, "journal/00000000.lnj").expect("reads");
    assert_eq!((report.generation, report.blocks), (Some(1), 3));
    assert_eq!(
        (
            report.batches,
            report.tails,
            report.watermarks,
            report.commits
        ),
        (3, 0, 0, 3)
    );
    assert_eq!(
        (report.first_sequence, report.last_sequence),
        (Some(1), Some(3))
    );
    assert_eq!((report.end, report.problems), (journal.at as u64, vec![]));
    journal.flip(1, 100);
    journal.put(&files);
    let report = inspect_chunk(&files, "journal/00000000.lnj").expect("reads");
    assert_eq!((report.blocks, report.problems.len()), (2, 1));
    assert_eq!(
        (report.problems[0].kind, report.problems[0].at),
        ("gap", journal.blocks[1].1 as u64)
    );
    files.put("journal/00000001.lnj", &[0; 8192]);
    let report = inspect_chunk(&files, "journal/00000001.lnj").expect("reads");
    assert_eq!((report.generation, report.end), (None, 0));
}
