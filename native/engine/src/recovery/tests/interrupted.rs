use super::files::Files;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Journal, Made};
use super::{options, recovered};
use crate::format::journal::Entry;
use crate::recovery::{recover, RecoveryError};

const LEN: usize = 16 * 1024;

/// A directory in which everything is to be done: a rotation, a torn tail, damage, leftovers, commits, unknown topics.
pub fn everything() -> Files {
    let files = Files::new();
    let mut journal = Journal::new();
    // A rotation out of the journal.
    put_topic(&files, &metadata(1, "rotated"));
    let mut batches = Batches::new(1);
    let old = batches.several(4);
    put_segment(
        &files,
        "rotated",
        &batches.segment,
        &segment(&old[..2], LEN),
        &old[..1],
    );
    batches.rotate();
    let new = batches.several(3);
    journal.block(&old.iter().chain(&new).map(Made::entry).collect::<Vec<_>>());
    journal.flushed();
    // A torn tail with a later batch, in the segment and in the journal.
    put_topic(&files, &metadata(2, "torn"));
    let mut batches = Batches::new(2);
    let mut made = batches.several(6);
    let journaled = made.pop().expect("six");
    made.remove(3);
    journal.block(&[
        journaled.entry(),
        Entry::Commit {
            topic: 2,
            epoch: 1,
            consumer: 9,
            offset: 10,
            at_s: 11,
        },
    ]);
    put_segment(&files, "torn", &batches.segment, &segment(&made, LEN), &[]);
    // Damage, told by a watermark, with a batch beyond it in the journal.
    put_topic(&files, &metadata(3, "damaged"));
    let mut batches = Batches::new(3);
    let made = batches.several(5);
    let durable_offset = made[4].header.base_offset;
    journal.block(&[
        made[4].entry(),
        Entry::Watermark {
            topic: 3,
            epoch: 1,
            durable_offset,
        },
    ]);
    let mut bytes = segment(&made[..4], LEN);
    bytes[made[2].place.position as usize + 140] ^= 1;
    put_segment(&files, "damaged", &batches.segment, &bytes, &[]);
    // An empty segment, a missing metadata.json, an unknown topic, a deleted one, and what was never finished.
    put_topic(&files, &metadata(4, "empty"));
    put_segment(&files, "empty", &Batches::new(4).segment, &[0; LEN], &[]);
    let mut batches = Batches::new(5);
    let made = batches.several(2);
    put_segment(
        &files,
        "nameless",
        &batches.segment,
        &segment(&made, LEN),
        &[],
    );
    journal.block(&[Batches::new(1000).make(1, 20).entry()]);
    files.put("segments/gone~/metadata.json", b"{}");
    files.put("segments/gone~/x.lnc", b"x");
    files.put("segments/torn/metadata.json~", b"{");
    files.put("spare/1", &[0; 100]);
    files.put("consumers/offsets.lco~", b"half");
    journal.put(&files);
    files
}

#[test]
fn recovery_interrupted_at_any_change_ends_in_the_same_state() {
    let files = everything();
    let start = files.snapshot();
    let expected = recovered(&files);
    assert_eq!(expected.topics.len(), 5);
    assert_eq!(
        expected.topics.iter().map(|t| t.frozen).collect::<Vec<_>>(),
        [false, false, true, false, false]
    );
    let end = files.snapshot();
    let mut stopped = 0;
    for changes in 0.. {
        files.restore(&start);
        files.stop_after(changes);
        let result = recover(&files, &options());
        files.stop_after(-1);
        match result {
            Ok(_) => break,
            Err(RecoveryError::Io { .. }) => stopped += 1,
            Err(other) => panic!("{other}"),
        }
        let again = recovered(&files);
        assert_eq!(again.topics, expected.topics, "after {changes} changes");
        assert_eq!(again.commits, expected.commits);
        assert_eq!(again.journal, expected.journal);
        let now = files.snapshot();
        let mut differ: Vec<_> = end
            .keys()
            .chain(now.keys())
            .filter(|path| end.get(*path) != now.get(*path))
            .collect();
        differ.dedup();
        assert!(differ.is_empty(), "after {changes} changes: {differ:?}");
    }
    assert!(stopped > 60, "{stopped}");
}

#[test]
fn a_second_recovery_changes_nothing() {
    let files = everything();
    let first = recovered(&files);
    let end = files.snapshot();
    let second = recovered(&files);
    assert_eq!(
        (second.topics, second.commits, second.journal),
        (first.topics, first.commits, first.journal)
    );
    assert_eq!(files.snapshot(), end);
}
