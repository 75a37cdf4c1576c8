use super::files::Files;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Journal, Made};
use super::{one, recovered};
use crate::format::names::SegmentName;

const LEN: usize = 16 * 1024;

/// Two segments: the batches of each, the old one's sealed name, and where the topic ends.
struct Rotated {
    old: Vec<Made>,
    new: Vec<Made>,
    open: SegmentName,
    sealed: SegmentName,
    batches: Batches,
}

fn rotated(files: &Files) -> Rotated {
    put_topic(files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let old = batches.several(4);
    let open = batches.segment;
    let sealed = batches.rotate();
    let new = batches.several(3);
    Rotated {
        old,
        new,
        open,
        sealed,
        batches,
    }
}

fn check(files: &Files, all: &Rotated) {
    let (found, _) = one(files);
    assert_eq!(found.next, all.batches.next);
    assert_eq!(
        found.sealed.iter().map(|s| s.name).collect::<Vec<_>>(),
        [all.sealed]
    );
    assert_eq!(
        found.active.map(|a| (a.name, a.end)),
        Some((all.batches.segment, all.batches.at))
    );
    assert_eq!(
        files.get(&all.sealed.path("t", "lnc")),
        segment(&all.old, 0)
    );
    assert_eq!(
        files.get(&all.batches.segment.path("t", "lnc")),
        segment(&all.new, 1)
    );
    let names = files.names("segments/t");
    assert_eq!(
        names.len(),
        7,
        "two segments with two indexes each, and the metadata: {names:?}"
    );
    assert_eq!(recovered(files).topics[0], found, "a second time");
}

#[test]
fn a_new_segment_that_stands_only_in_the_journal_is_made_and_the_old_one_sealed() {
    let files = Files::new();
    let all = rotated(&files);
    put_segment(
        &files,
        "t",
        &all.open,
        &segment(&all.old, LEN),
        &all.old[..1],
    );
    let mut journal = Journal::new();
    journal.block(&all.new.iter().map(Made::entry).collect::<Vec<_>>());
    journal.put(&files);
    check(&files, &all);
}

#[test]
fn both_segments_may_come_out_of_the_journal() {
    let files = Files::new();
    let all = rotated(&files);
    let mut journal = Journal::new();
    journal.block(
        &all.old
            .iter()
            .chain(&all.new)
            .map(Made::entry)
            .collect::<Vec<_>>(),
    );
    journal.put(&files);
    check(&files, &all);
}

#[test]
fn an_old_segment_without_its_final_name_is_sealed_when_the_new_one_is_there() {
    let files = Files::new();
    let all = rotated(&files);
    put_segment(
        &files,
        "t",
        &all.open,
        &segment(&all.old, LEN),
        &all.old[..1],
    );
    put_segment(
        &files,
        "t",
        &all.batches.segment,
        &segment(&all.new, 1),
        &[],
    );
    check(&files, &all);
}

#[test]
fn sealing_is_finished_from_any_of_its_states() {
    for renamed in 0..8 {
        let files = Files::new();
        let all = rotated(&files);
        let name = |bit| {
            if renamed & bit != 0 {
                all.sealed
            } else {
                all.open
            }
        };
        put_segment(&files, "t", &all.open, &segment(&all.old, 0), &all.old[..1]);
        for (bit, extension) in [(1, "lnc"), (2, "idx"), (4, "pos")] {
            let (from, to) = (
                all.open.path("t", extension),
                name(bit).path("t", extension),
            );
            std::fs::rename(files.root.join(from), files.root.join(to)).expect("renames");
        }
        put_segment(
            &files,
            "t",
            &all.batches.segment,
            &segment(&all.new, 1),
            &[],
        );
        check(&files, &all);
    }
}

#[test]
fn where_the_active_segment_is_missing_the_newest_sealed_ones_last_header_tells() {
    let files = Files::new();
    let all = rotated(&files);
    put_segment(
        &files,
        "t",
        &all.sealed,
        &segment(&all.old, 0),
        &all.old[..2],
    );
    let (found, codes) = one(&files);
    let last = &all.old[3];
    assert_eq!(found.next.offset, last.header.next_offset());
    assert_eq!(found.next.key, last.header.last_key());
    assert_eq!(found.active, None);
    assert!(codes.is_empty());
}

#[test]
fn a_new_segment_beyond_a_gap_is_set_aside_with_all_its_bytes() {
    let files = Files::new();
    let all = rotated(&files);
    // The last batch of the old segment was under the flush that never came, as was all of the new one.
    put_segment(
        &files,
        "t",
        &all.open,
        &segment(&all.old[..3], LEN),
        &all.old[..1],
    );
    let new = all.batches.segment;
    put_segment(&files, "t", &new, &segment(&all.new, LEN), &[]);
    let (found, codes) = one(&files);
    assert!(!found.frozen);
    assert_eq!(found.next.offset, all.old[2].header.next_offset());
    assert_eq!(found.active.map(|a| a.name), Some(all.open));
    assert!(codes.contains(&"torn-tail"));
    assert_eq!(
        files.get(&format!("{}.~cut-0", new.path("t", "lnc"))),
        segment(&all.new, LEN)
    );
    assert_eq!(recovered(&files).topics[0], found);
}

#[test]
fn a_new_segment_in_the_journal_beyond_a_gap_is_kept() {
    let files = Files::new();
    let all = rotated(&files);
    put_segment(
        &files,
        "t",
        &all.open,
        &segment(&all.old[..3], LEN),
        &all.old[..1],
    );
    let mut journal = Journal::new();
    journal.block(&all.new.iter().map(Made::entry).collect::<Vec<_>>());
    journal.put(&files);
    let (found, _) = one(&files);
    assert_eq!(found.next.offset, all.old[2].header.next_offset());
    let kept = format!(
        "segments/t/{:020}.lnc.~cut-0",
        all.batches.segment.base_offset
    );
    assert_eq!(files.get(&kept), segment(&all.new, 0));
    assert_eq!(recovered(&files).topics[0], found);
}

#[test]
fn what_retention_removed_does_not_come_back_from_the_journal() {
    let files = Files::new();
    let all = rotated(&files);
    let mut resumed = metadata(7, "t");
    resumed.resume = Some(all.batches.next);
    put_topic(&files, &resumed);
    let mut journal = Journal::new();
    journal.block(
        &all.old
            .iter()
            .chain(&all.new)
            .map(Made::entry)
            .collect::<Vec<_>>(),
    );
    journal.put(&files);
    let (found, codes) = one(&files);
    assert_eq!(found.next, all.batches.next);
    assert!(found.sealed.is_empty() && found.active.is_none());
    assert!(codes.is_empty(), "{codes:?}");
}

#[test]
fn start_up_reads_sealed_segments_by_name_alone() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    for _ in 0..50 {
        let made = batches.several(20);
        let sealed = batches.rotate();
        put_segment(&files, "t", &sealed, &segment(&made, 0), &made[..1]);
    }
    let made = batches.several(20);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, LEN),
        &made[..19],
    );
    let (found, _) = one(&files);
    assert_eq!((found.sealed.len(), found.next), (50, batches.next));
    let read = files
        .segment_bytes_read
        .load(std::sync::atomic::Ordering::Relaxed);
    assert!(read < 2 * LEN as u64, "{read} bytes");
}

#[test]
fn retention_that_was_interrupted_is_finished() {
    let files = Files::new();
    let all = rotated(&files);
    let mut resumed = metadata(7, "t");
    resumed.resume = Some(all.batches.next);
    put_topic(&files, &resumed);
    // The newer of the two doomed segments is gone already.
    put_segment(
        &files,
        "t",
        &all.sealed,
        &segment(&all.old, 0),
        &all.old[..1],
    );
    let (found, codes) = one(&files);
    assert_eq!((found.next, found.frozen), (all.batches.next, false));
    assert!(found.sealed.is_empty() && codes.is_empty(), "{codes:?}");
    assert_eq!(files.names("segments/t"), ["metadata.json"]);
}
