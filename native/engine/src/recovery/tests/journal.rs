use super::files::Files;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Journal, CHUNK};
use super::{one, options, recovered};
use crate::format::journal::{Entry, Place, BLOCK_HEADER};
use crate::recovery::{recover, CommittedOffset, RecoveryError, Severity};

const LEN: usize = 16 * 1024;

#[test]
fn batches_that_stand_only_in_the_journal_come_into_the_segment() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(6);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made[..2], LEN),
        &made[..1],
    );
    let mut journal = Journal::new();
    for pair in made[1..].chunks(2) {
        journal.block(&pair.iter().map(|batch| batch.entry()).collect::<Vec<_>>());
        journal.flushed();
    }
    journal.put(&files);
    let found = recovered(&files);
    assert_eq!(found.topics[0].next, batches.next);
    assert_eq!(
        files.get(&batches.segment.path("t", "lnc")),
        segment(&made, LEN)
    );
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    assert_eq!(found.findings[0].code, "journal-replayed");
    assert_eq!(found.journal.chunks, [0]);
    assert_eq!(
        (found.journal.next_generation, found.journal.next_sequence),
        (2, 4)
    );
    // The journal is still there, as after a crash right now.
    let again = recovered(&files);
    assert_eq!(again.topics, found.topics);
    assert_eq!(again.journal, found.journal);
    assert!(again.findings.is_empty(), "{:?}", again.findings);
}

#[test]
fn a_damaged_batch_that_the_journal_has_is_whole_again_and_named() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(3);
    let whole = segment(&made, LEN);
    let mut damaged = whole.clone();
    damaged[made[1].end() as usize - 1] ^= 4;
    put_segment(&files, "t", &batches.segment, &damaged, &made[..1]);
    let mut journal = Journal::new();
    for batch in &made[1..] {
        journal.block(&[batch.entry()]);
    }
    journal.put(&files);
    let found = recovered(&files);
    let path = batches.segment.path("t", "lnc");
    assert_eq!(files.get(&path), whole);
    let healed: Vec<_> = found
        .findings
        .iter()
        .filter(|finding| finding.code == "batch-healed")
        .map(|finding| (finding.path.clone(), finding.at, finding.severity))
        .collect();
    let at = Some(made[1].place.position);
    assert_eq!(healed, [(path, at, Severity::Info)]);
}

#[test]
fn a_tail_completes_a_batch_whose_last_block_was_never_written() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = [
        batches.make(1, 9000),
        batches.make(2, 300),
        batches.make(1, 10),
    ];
    let whole = segment(&made, LEN);
    let last_block = batches.at as usize / 4096 * 4096;
    let mut written = whole.clone();
    written[last_block..].fill(0);
    put_segment(&files, "t", &batches.segment, &written, &[]);
    let mut journal = Journal::new();
    let place = Place {
        topic: 7,
        epoch: 1,
        segment: 0,
        position: last_block as u64,
    };
    // First the shorter tail of the first write, then the longer one of the next.
    journal.block(&[Entry::Tail {
        place,
        bytes: &whole[last_block..made[0].end() as usize],
    }]);
    journal.block(&[Entry::Tail {
        place,
        bytes: &whole[last_block..batches.at as usize],
    }]);
    journal.put(&files);
    let (found, _) = one(&files);
    assert_eq!(found.next, batches.next);
    assert_eq!(files.get(&batches.segment.path("t", "lnc")), whole);
}

#[test]
fn entries_of_recycled_and_older_chunks_are_not_needed() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let mut journal = Journal::new();
    let first = batches.several(3);
    for batch in &first {
        journal.block(&[batch.entry()]);
    }
    // They reached their segment: their chunk is free.
    journal.chunk();
    journal.header.oldest_generation = 2;
    let second = batches.several(2);
    for batch in &second {
        journal.block(&[batch.entry()]);
    }
    // A damaged block in what is free is nobody's business.
    journal.flip(0, 100);
    journal.put(&files);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&first, LEN),
        &first[..1],
    );
    let (found, codes) = one(&files);
    assert_eq!(found.next, batches.next);
    assert_eq!(codes, ["journal-replayed"]);
}

#[test]
fn blocks_of_before_the_newest_start_do_not_count() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(2);
    let mut abandoned = batches.clone();
    let mut old = Journal::new();
    old.block(&[abandoned.make(1, 100).entry()]);
    // After a restart another batch has that place.
    let mut journal = Journal::starting_at(2, 2);
    let third = batches.make(1, 200);
    journal.block(&[third.entry()]);
    journal.put(&files);
    files.put("journal/00000001.lnj", &old.chunks[0]);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, LEN),
        &made[..1],
    );
    let (found, _) = one(&files);
    assert_eq!(found.next, batches.next);
}

#[test]
fn the_journal_ends_at_a_block_that_was_not_flushed_whatever_comes_after() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(3);
    put_segment(&files, "t", &batches.segment, &vec![0; LEN], &[]);
    let mut journal = Journal::new();
    for batch in &made {
        journal.block(&[batch.entry()]);
    }
    journal.lose(1);
    journal.put(&files);
    // The segment of the first batch is named; the third is not in it, and nobody was told that it is.
    let recovered = recovered(&files);
    assert_eq!(recovered.topics[0].next.offset, made[1].header.base_offset);
    assert!(!recovered.topics[0].frozen);
    assert!(recovered
        .findings
        .iter()
        .any(|f| f.code == "journal-torn" && f.severity == Severity::Warning));
    assert_eq!(recovered.journal.next_sequence, 4, "beyond everything seen");
}

#[test]
fn a_damaged_block_below_what_was_durable_freezes_the_topics_that_break_off() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "broken"));
    put_topic(&files, &metadata(8, "whole"));
    let (mut broken, mut whole) = (Batches::new(7), Batches::new(8));
    let (a, b) = (broken.several(3), whole.several(3));
    // Of the whole topic everything is in its segment already.
    put_segment(
        &files,
        "broken",
        &broken.segment,
        &segment(&a[..1], LEN),
        &a[..1],
    );
    put_segment(&files, "whole", &whole.segment, &segment(&b, LEN), &b[..1]);
    let mut journal = Journal::new();
    for (a, b) in a.iter().zip(&b) {
        journal.block(&[a.entry(), b.entry()]);
        journal.flushed();
    }
    journal.flip(1, 300);
    journal.put(&files);
    let found = recovered(&files);
    assert!(found.topics[0].frozen);
    assert!(!found.topics[1].frozen);
    assert_eq!(found.topics[1].next, whole.next);
    let damage = found
        .findings
        .iter()
        .find(|f| f.code == "journal-damage")
        .expect("said");
    assert_eq!(
        (damage.path.as_str(), damage.at),
        ("journal/00000000.lnj", Some(journal.blocks[1].1 as u64))
    );
    // The block itself is kept, because the chunk will be written over.
    let kept = format!("journal/00000000.lnj.~damage-{}", journal.blocks[1].1);
    assert_eq!(
        files.get(&kept)[300],
        journal.chunks[0][journal.blocks[1].1 + 300]
    );
    // The batch beyond the damage is readable where it belongs.
    assert_eq!(found.topics[0].next, broken.next);
    let bytes = files.get(&broken.segment.path("broken", "lnc"));
    assert_eq!(
        bytes[a[2].place.position as usize..a[2].end() as usize],
        a[2].bytes
    );
    // The next node does not know this journal any more, and still does not write.
    files.put("journal/00000000.lnj", &vec![0; CHUNK as usize]);
    assert!(recovered(&files).topics[0].frozen);
}

#[test]
fn a_chunk_that_is_gone_although_it_was_needed_is_damage() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(3);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, LEN),
        &made[..1],
    );
    let mut journal = Journal::new();
    for batch in &made {
        journal.block(&[batch.entry()]);
        journal.flushed();
        journal.chunk();
    }
    journal.put(&files);
    std::fs::remove_file(files.root.join("journal/00000001.lnj")).expect("removes");
    let found = recovered(&files);
    assert!(found.findings.iter().any(|f| f.code == "journal-damage"));
    assert!(
        !found.topics[0].frozen,
        "all its batches are in the segment"
    );
}

#[test]
fn a_last_block_that_is_not_whole_is_said() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(2);
    let mut journal = Journal::new();
    for batch in &made {
        journal.block(&[batch.entry()]);
    }
    journal.flip(1, BLOCK_HEADER + 20);
    journal.put(&files);
    let found = recovered(&files);
    assert_eq!(found.topics[0].next.offset, made[1].header.base_offset);
    let torn = found
        .findings
        .iter()
        .find(|f| f.code == "journal-torn")
        .expect("said");
    assert_eq!(torn.at, Some(journal.blocks[1].1 as u64));
}

#[test]
fn a_newer_block_or_an_unknown_entry_is_refused() {
    for entry in [false, true] {
        let files = Files::new();
        let mut batches = Batches::new(7);
        let mut journal = Journal::new();
        journal.block(&[batches.make(1, 10).entry()]);
        if entry {
            journal.chunks[0][BLOCK_HEADER] = 99;
            let mut header = journal.header;
            header.sequence = 1;
            header.previous = 0;
            header.seal(&mut journal.chunks[0][..4096]);
        } else {
            journal.chunks[0][3] = b'2';
        }
        journal.put(&files);
        let error = recover(&files, &options()).expect_err("refused");
        assert!(matches!(error, RecoveryError::NewerFormat { .. }));
        let said = error.to_string();
        let what = if entry {
            "entry of kind 99"
        } else {
            "block of version '2'"
        };
        assert!(
            said.starts_with("journal/00000000.lnj at byte 0: a journal ") && said.contains(what),
            "{said}"
        );
    }
}

#[test]
fn commits_of_the_journal_go_over_those_of_the_checkpoint() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let commit = |topic, consumer, offset| CommittedOffset {
        topic,
        epoch: 1,
        consumer,
        offset,
        at_s: 5,
    };
    files.put("consumers/x", &[]);
    let before = [commit(7, 1, 10), commit(7, 2, 20), commit(9, 1, 30)];
    super::super::write_checkpoint(&files, &before).expect("written");
    assert_eq!(
        super::super::read_checkpoint(&files).expect("read"),
        Ok(before.to_vec())
    );
    let mut journal = Journal::new();
    for offset in [15, 12] {
        journal.block(&[Entry::Commit {
            topic: 7,
            epoch: 1,
            consumer: 1,
            offset,
            at_s: 5,
        }]);
    }
    journal.put(&files);
    let found = recovered(&files);
    assert_eq!(
        found.commits,
        [commit(7, 1, 12), commit(7, 2, 20)],
        "and none of a topic that is gone"
    );
    // They outlive the journal.
    files.put("journal/00000000.lnj", &vec![0; CHUNK as usize]);
    assert_eq!(recovered(&files).commits, found.commits);
}

#[test]
fn a_damaged_checkpoint_is_kept_and_said_and_a_newer_one_refused() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    files.put("consumers/x", &[]);
    let commit = CommittedOffset {
        topic: 7,
        epoch: 1,
        consumer: 1,
        offset: 2,
        at_s: 3,
    };
    super::super::write_checkpoint(&files, &[commit]).expect("written");
    let mut bytes = files.get("consumers/offsets.lco");
    bytes[30] ^= 4;
    files.put("consumers/offsets.lco", &bytes);
    let found = recovered(&files);
    assert!(found.commits.is_empty());
    assert_eq!(found.findings[0].code, "commits-damaged");
    assert_eq!(files.get("consumers/offsets.lco.~damaged"), bytes);
    bytes[30] ^= 4;
    bytes[3] = b'2';
    files.put("consumers/offsets.lco", &bytes);
    let error = recover(&files, &options()).expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("consumers/offsets.lco: version '2'"),
        "{error}"
    );
}

#[test]
fn batches_of_an_unknown_topic_are_kept_and_those_of_a_deleted_one_dropped() {
    let files = Files::new();
    let (mut unknown, mut deleted) = (Batches::new(100), Batches::new(99));
    let made = unknown.several(3);
    let mut journal = Journal::new();
    for batch in &made {
        journal.block(&[batch.entry(), deleted.make(1, 10).entry()]);
    }
    journal.put(&files);
    let found = recovered(&files);
    assert_eq!(found.findings.len(), 1);
    assert_eq!(found.findings[0].code, "unknown-topic");
    assert_eq!(files.get("journal/topic-100-1.~kept"), segment(&made, 0));
    assert_eq!(
        files.names("journal"),
        ["00000000.lnj", "start.lns", "topic-100-1.~kept"]
    );
    recovered(&files);
    assert_eq!(
        files.names("journal"),
        ["00000000.lnj", "start.lns", "topic-100-1.~kept"],
        "once"
    );
}

#[test]
fn chunks_of_another_size_are_removed_when_nothing_needs_them() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let mut journal = Journal::new();
    let made = batches.several(2);
    journal.block(&[made[0].entry(), made[1].entry()]);
    journal.put(&files);
    let mut resized = options();
    resized.chunk_bytes = 2 * CHUNK;
    let found = recover(&files, &resized).expect("recovers");
    assert_eq!(found.topics[0].next, batches.next);
    assert!(found.journal.chunks.is_empty());
    assert_eq!(files.names("journal"), ["start.lns"]);
    assert_eq!(
        recover(&files, &resized).expect("recovers").topics,
        found.topics
    );
}

#[test]
fn a_first_block_torn_over_an_old_one_is_no_damage_of_the_old_journal() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(4);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made[..1], LEN),
        &made[..1],
    );
    let mut journal = Journal::new();
    for batch in &made {
        journal.block(&[batch.entry()]);
        journal.flushed();
    }
    journal.put(&files);
    let before = recovered(&files);
    assert_eq!(before.topics[0].next, batches.next);
    // The node starts, writes its first block over the oldest chunk's, and a batch to its segment: neither gets whole.
    let next = batches.make(1, 3000);
    let mut first =
        Journal::starting_at(before.journal.next_generation, before.journal.next_sequence);
    first.block(&[next.entry()]);
    let mut chunk = files.get("journal/00000000.lnj");
    chunk[..512].copy_from_slice(&first.chunks[0][..512]);
    files.put("journal/00000000.lnj", &chunk);
    let path = batches.segment.path("t", "lnc");
    let mut bytes = files.get(&path);
    let at = next.place.position as usize;
    bytes[at..at + 700].copy_from_slice(&next.bytes[..700]);
    files.put(&path, &bytes);
    let found = recovered(&files);
    let codes: Vec<_> = found.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["torn-tail"]);
    assert_eq!(found.topics[0], before.topics[0]);
}

#[test]
fn what_a_topic_had_at_the_last_start_is_known_without_a_watermark() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(4);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, LEN),
        &made[..1],
    );
    assert!(!recovered(&files).topics[0].frozen);
    let path = batches.segment.path("t", "lnc");
    files.put(&path, &segment(&made[..3], LEN));
    let found = recovered(&files);
    assert!(found.topics[0].frozen);
    assert_eq!(found.findings[0].code, "damage");
    // A damaged start file is said, a newer one refused.
    let mut start = files.get("journal/start.lns");
    start[3] = b'2';
    files.put("journal/start.lns", &start);
    let error = recover(&files, &options()).expect_err("refused");
    assert!(
        error.to_string().contains("journal/start.lns: version '2'"),
        "{error}"
    );
    start[9] ^= 1;
    files.put("journal/start.lns", &start);
    assert_eq!(recovered(&files).findings[0].code, "start-damaged");
}
