use super::files::Files;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Journal};
use super::{one, recovered};

const LEN: usize = 16 * 1024;

fn topic(files: &Files) -> Batches {
    put_topic(files, &metadata(7, "t"));
    Batches::new(7)
}

#[test]
fn an_empty_directory_is_a_node_without_topics() {
    let files = Files::new();
    let found = recovered(&files);
    assert!(found.topics.is_empty() && found.findings.is_empty());
    assert_eq!(
        (found.journal.next_generation, found.journal.next_sequence),
        (1, 1)
    );
    assert_eq!(
        files.names(""),
        ["consumers", "journal", "segments", "spare"]
    );
}

#[test]
fn a_topic_without_batches_starts_at_zero_or_where_it_resumes() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    assert_eq!(one(&files).0.next, Default::default());
    let mut resumed = metadata(7, "t");
    let mut batches = Batches::new(7);
    batches.several(3);
    resumed.resume = Some(batches.next);
    put_topic(&files, &resumed);
    assert_eq!(one(&files).0.next, batches.next);
}

#[test]
fn a_clean_segment_goes_on_behind_its_last_batch_and_is_not_touched() {
    let files = Files::new();
    let mut batches = topic(&files);
    let made = batches.several(20);
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, LEN),
        &made[..5],
    );
    let before = files.get(&batches.segment.path("t", "lnc"));
    let (found, codes) = one(&files);
    assert_eq!(codes, Vec::<&str>::new());
    assert_eq!(found.next, batches.next);
    assert_eq!(
        found.active.map(|a| (a.name, a.end)),
        Some((batches.segment, batches.at))
    );
    assert!(!found.frozen);
    assert_eq!(files.get(&batches.segment.path("t", "lnc")), before);
}

#[test]
fn a_tail_torn_at_any_byte_of_the_last_batch_is_cut_and_kept() {
    let mut batches = Batches::new(7);
    let made = batches.several(3);
    let (whole, last) = made.split_at(2);
    let last = &last[0];
    let path = batches.segment.path("t", "lnc");
    for torn in 0..last.bytes.len() {
        let files = Files::new();
        put_topic(&files, &metadata(7, "t"));
        let mut bytes = segment(whole, LEN);
        let at = last.place.position as usize;
        bytes[at..at + torn].copy_from_slice(&last.bytes[..torn]);
        put_segment(&files, "t", &batches.segment, &bytes, &made[..1]);
        let (found, codes) = one(&files);
        assert_eq!(found.next.offset, last.header.base_offset, "torn at {torn}");
        assert!(!found.frozen);
        assert_eq!(files.get(&path), segment(whole, LEN), "torn at {torn}");
        // A batch header begins with the byte 0: one byte of it is like fill.
        let expected: &[&str] = if torn > 1 { &["torn-tail"] } else { &[] };
        assert_eq!(codes, expected, "torn at {torn}");
        if torn > 1 {
            let mut kept = files.get(&format!("{path}.~cut-{at}"));
            kept.resize(torn, 0); // zeros at its end are not kept
            assert_eq!(kept, last.bytes[..torn]);
        }
    }
}

#[test]
fn a_file_that_ends_inside_the_last_batch_is_a_torn_tail_and_gets_whole_blocks() {
    let files = Files::new();
    let mut batches = topic(&files);
    let made = batches.several(5);
    let mut bytes = segment(&made, 0);
    bytes.truncate(bytes.len() - 10);
    put_segment(&files, "t", &batches.segment, &bytes, &[]);
    let (found, codes) = one(&files);
    assert!(codes.contains(&"torn-tail"));
    assert_eq!(found.active.map(|a| a.end), Some(made[4].place.position));
    assert_eq!(
        files.get(&batches.segment.path("t", "lnc")),
        segment(&made[..4], 4096)
    );
}

#[test]
fn a_later_batch_alone_proves_nothing_it_is_cut_with_the_gap_and_kept() {
    for hole in 0..4 {
        let files = Files::new();
        let mut batches = topic(&files);
        let mut made = batches.several(5);
        let lost = made.remove(hole);
        put_segment(
            &files,
            "t",
            &batches.segment,
            &segment(&made, LEN),
            &made[..0],
        );
        let (found, codes) = one(&files);
        assert_eq!(found.next.offset, lost.header.base_offset);
        assert!(codes.contains(&"torn-tail"), "{codes:?}");
        let path = batches.segment.path("t", "lnc");
        let kept = files.get(&format!("{path}.~cut-{}", lost.place.position));
        for batch in made
            .iter()
            .filter(|batch| batch.place.position > lost.place.position)
        {
            let at = (batch.place.position - lost.place.position) as usize;
            assert_eq!(kept[at..at + batch.bytes.len()], batch.bytes);
        }
        if hole == 0 {
            assert_eq!(found.active, None, "a name without its first batch goes");
            assert!(!files
                .names("segments/t")
                .contains(&format!("{}.lnc", batches.segment.stem())));
        } else {
            assert_eq!(files.get(&path), segment(&made[..hole], LEN));
        }
        assert_eq!(recovered(&files).topics[0], found, "a second time");
    }
}

#[test]
fn every_bit_flipped_in_the_last_unflushed_batch_cuts_it() {
    let mut batches = Batches::new(7);
    let made = batches.several(3);
    let at = made[2].place.position as usize;
    for byte in 0..made[2].bytes.len() {
        let files = Files::new();
        put_topic(&files, &metadata(7, "t"));
        let mut bytes = segment(&made, LEN);
        bytes[at + byte] ^= 1 << (byte % 8);
        put_segment(&files, "t", &batches.segment, &bytes, &made[..1]);
        let (found, codes) = one(&files);
        assert_eq!(found.next.offset, made[2].header.base_offset, "byte {byte}");
        assert_eq!(codes, ["torn-tail"]);
    }
}

#[test]
fn old_batches_of_the_same_topic_never_look_like_data() {
    // Bytes of another life of the topic: whole, right topic, right position, but another chain.
    let files = Files::new();
    let mut batches = topic(&files);
    let made = batches.several(2);
    let mut other = batches.clone();
    other.next.chain ^= 1;
    let stale = other.make(1, 50);
    let all = [made.as_slice(), &[stale]].concat();
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&all, LEN),
        &made[..1],
    );
    let (found, codes) = one(&files);
    assert_eq!(found.next, batches.next);
    assert_eq!(codes, ["torn-tail"]);
}

#[test]
fn a_batch_of_another_topic_or_epoch_does_not_count() {
    for (topic, epoch) in [(8, 1), (7, 2)] {
        let files = Files::new();
        put_topic(&files, &metadata(7, "t"));
        let mut batches = Batches::new(7);
        let made = batches.several(2);
        let mut header = batches.clone().make(1, 50).header;
        header.topic = topic;
        header.epoch = epoch;
        let mut foreign = batches.clone().make(1, 50);
        header.encode(foreign.bytes.first_chunk_mut().expect("a header"));
        let all = [made.as_slice(), &[foreign]].concat();
        put_segment(
            &files,
            "t",
            &batches.segment,
            &segment(&all, LEN),
            &made[..1],
        );
        assert_eq!(one(&files).0.next, batches.next);
    }
}

#[test]
fn what_the_journal_holds_beyond_the_gap_is_kept_too() {
    let files = Files::new();
    let mut batches = topic(&files);
    let mut made = batches.several(4);
    let journaled = made.pop().expect("four");
    made.pop(); // written straight to the segment under a flush that never came
    put_segment(
        &files,
        "t",
        &batches.segment,
        &segment(&made, LEN),
        &made[..1],
    );
    let mut journal = Journal::new();
    journal.block(&[journaled.entry()]);
    journal.put(&files);
    let (found, codes) = one(&files);
    assert_eq!(codes, ["torn-tail"]);
    assert_eq!(found.next.offset, made[1].header.next_offset());
    let path = batches.segment.path("t", "lnc");
    let kept = files.get(&format!("{path}.~cut-{}", made[1].end()));
    assert!(kept.ends_with(&journaled.bytes));
    assert_eq!(files.get(&path), segment(&made, LEN));
}

#[test]
fn a_record_that_looks_like_a_batch_is_no_proof_of_damage() {
    // Somebody stored a segment of another cluster's topic 7 in topic 7, and that write is torn.
    let files = Files::new();
    let mut batches = topic(&files);
    let made = batches.several(2);
    let mut elsewhere = Batches::new(7);
    elsewhere.next.offset = 1 << 30;
    elsewhere.next.record = 1 << 20;
    elsewhere.durable = 1 << 30;
    let inner = elsewhere.make(1, 60);
    let mut bytes = segment(&made, LEN);
    let at = batches.at as usize;
    // The header is gone, the payload is there.
    bytes[at + 200..at + 200 + inner.bytes.len()].copy_from_slice(&inner.bytes);
    put_segment(&files, "t", &batches.segment, &bytes, &made[..1]);
    let (found, codes) = one(&files);
    assert_eq!(codes, ["torn-tail"]);
    assert!(!found.frozen);
    assert_eq!(found.next, batches.next);
}
