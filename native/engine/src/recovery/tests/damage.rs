use super::files::Files;
use super::write::{metadata, put_segment, put_topic, segment, Batches, Journal, Made, CHUNK};
use super::{one, options, recovered};
use crate::format::journal::Entry;
use crate::recovery::{recover, Severity};

const LEN: usize = 16 * 1024;

fn watermark(durable_offset: u64) -> Entry<'static> {
    Entry::Watermark {
        topic: 7,
        epoch: 1,
        durable_offset,
    }
}

/// Five batches, of which the last header tells that the first four were durable.
fn told() -> (Batches, Vec<Made>) {
    let mut batches = Batches::new(7);
    let mut made = batches.several(4);
    batches.durable = batches.next.offset;
    made.extend(batches.several(1));
    (batches, made)
}

#[test]
fn a_flipped_bit_below_a_later_headers_durable_offset_is_damage_and_nothing_is_cut() {
    let (batches, made) = told();
    let hit = &made[2];
    for byte in (0..hit.bytes.len()).step_by(3) {
        let files = Files::new();
        put_topic(&files, &metadata(7, "t"));
        let mut bytes = segment(&made, LEN);
        bytes[hit.place.position as usize + byte] ^= 0x40;
        put_segment(&files, "t", &batches.segment, &bytes, &made[..1]);
        let found = recovered(&files);
        let topic = &found.topics[0];
        assert!(topic.frozen, "byte {byte}");
        assert_eq!(files.get(&batches.segment.path("t", "lnc")), bytes);
        let damage = found
            .findings
            .iter()
            .find(|f| f.code == "damage")
            .expect("said");
        assert_eq!(damage.severity, Severity::Error);
        assert_eq!(damage.path, batches.segment.path("t", "lnc"));
        assert_eq!(damage.at, Some(hit.place.position));
        let range = format!("bytes {} to {}", hit.place.position, hit.end());
        assert!(damage.detail.contains(&range), "{}", damage.detail);
        // What is whole beyond it is served.
        assert_eq!(topic.next, batches.next);
        assert_eq!(topic.active.map(|a| a.end), Some(batches.at));
        assert_eq!(
            recovered(&files).topics[0],
            *topic,
            "it stays so at the next start"
        );
    }
}

#[test]
fn a_zero_filled_range_below_a_watermark_is_damage_even_at_the_very_end() {
    for kept in 0..5 {
        let files = Files::new();
        put_topic(&files, &metadata(7, "t"));
        let mut batches = Batches::new(7);
        let made = batches.several(5);
        let bytes = segment(&made[..kept], LEN);
        put_segment(&files, "t", &batches.segment, &bytes, &made[..kept.min(1)]);
        let mut journal = Journal::new();
        journal.block(&[watermark(batches.next.offset)]);
        journal.put(&files);
        let (found, codes) = one(&files);
        assert!(found.frozen, "{kept} batches are left");
        assert!(codes.contains(&"damage"));
        assert_eq!(found.next.offset, made[kept].header.base_offset);
        // The journal goes on without the watermark; the topic stays frozen.
        files.put("journal/00000000.lnj", &vec![0; CHUNK as usize]);
        assert!(one(&files).0.frozen);
        assert_eq!(files.get(&batches.segment.path("t", "lnc")), bytes);
    }
}

#[test]
fn a_watermark_that_the_topic_reaches_is_no_damage() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(3);
    let end = batches.next.offset;
    let torn = batches.make(1, 500);
    let mut bytes = segment(&made, LEN);
    let at = torn.place.position as usize;
    bytes[at..at + 300].copy_from_slice(&torn.bytes[..300]);
    put_segment(&files, "t", &batches.segment, &bytes, &made[..1]);
    let mut journal = Journal::new();
    journal.block(&[watermark(end)]);
    journal.put(&files);
    let (found, codes) = one(&files);
    assert_eq!((found.frozen, found.next.offset), (false, end));
    assert_eq!(codes, ["torn-tail"]);
}

#[test]
fn a_missing_segment_below_a_watermark_is_damage() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut journal = Journal::new();
    journal.block(&[watermark(1000)]);
    journal.put(&files);
    let (found, codes) = one(&files);
    assert!(found.frozen);
    assert_eq!(codes, ["damage"]);
}

#[test]
fn a_topic_thaws_when_the_bytes_are_put_back() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let (batches, made) = told();
    let whole = segment(&made, LEN);
    let mut bytes = whole.clone();
    bytes[made[1].place.position as usize + 200] ^= 1;
    put_segment(&files, "t", &batches.segment, &bytes, &made[..1]);
    assert!(one(&files).0.frozen);
    files.put(&batches.segment.path("t", "lnc"), &whole);
    let (found, codes) = one(&files);
    assert!(!found.frozen);
    assert_eq!(codes, ["damage-healed"]);
    assert_eq!(found.next, batches.next);
    assert_eq!(one(&files).1, Vec::<&str>::new());
}

#[test]
fn damage_does_not_touch_other_topics() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "bad"));
    put_topic(&files, &metadata(8, "good"));
    let (batches, made) = told();
    let mut bytes = segment(&made, LEN);
    bytes[made[0].place.position as usize + 150] ^= 1;
    put_segment(&files, "bad", &batches.segment, &bytes, &[]);
    let mut good = Batches::new(8);
    let others = good.several(3);
    put_segment(
        &files,
        "good",
        &good.segment,
        &segment(&others, LEN),
        &others[..1],
    );
    let found = recovered(&files);
    assert_eq!(
        found.topics.iter().map(|t| t.frozen).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(found.topics[1].next, good.next);
}

#[test]
fn segments_beyond_the_damage_stay_and_are_served() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let mut old = batches.several(4);
    let open = batches.segment;
    batches.rotate();
    batches.durable = batches.next.offset;
    let new = batches.several(3);
    let lost = old.remove(3);
    put_segment(&files, "t", &open, &segment(&old, LEN), &old[..1]);
    // The new one's first batch is in its file, the others in the journal.
    let active = batches.segment;
    put_segment(&files, "t", &active, &segment(&new[..1], LEN), &[]);
    let mut journal = Journal::new();
    journal.block(&new[1..].iter().map(Made::entry).collect::<Vec<_>>());
    journal.put(&files);
    let (found, codes) = one(&files);
    assert!(found.frozen);
    assert!(codes.contains(&"damage"));
    assert_eq!(
        found
            .sealed
            .iter()
            .map(|s| (s.name, s.end))
            .collect::<Vec<_>>(),
        [(open, lost.place.position)]
    );
    assert_eq!(
        found.active.map(|a| (a.name, a.end)),
        Some((active, batches.at))
    );
    assert_eq!(found.next, batches.next);
    assert_eq!(files.get(&active.path("t", "lnc")), segment(&new, LEN));
    assert_eq!(recovered(&files).topics[0], found);
}

#[test]
fn a_sealed_segment_that_breaks_off_is_damage_where_it_is_the_newest() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(5);
    let sealed = batches.rotate();
    let mut bytes = segment(&made, 0);
    let at = made[4].place.position as usize;
    bytes[at + 20] ^= 1;
    put_segment(&files, "t", &sealed, &bytes, &made[..1]);
    let (found, codes) = one(&files);
    assert!(found.frozen);
    assert!(codes.contains(&"damage"));
    assert_eq!(found.next.offset, made[4].header.base_offset);
    assert_eq!(files.get(&sealed.path("t", "lnc")), bytes);
}

#[test]
fn damage_in_a_sealed_segment_is_found_when_everything_is_verified() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(5);
    let sealed = batches.rotate();
    let mut bytes = segment(&made, 0);
    bytes[made[1].place.position as usize + 150] ^= 1;
    put_segment(&files, "t", &sealed, &bytes, &made[..5]);
    assert!(one(&files).1.is_empty(), "not at an ordinary start");
    let mut all = options();
    all.verify = true;
    let found = recover(&files, &all).expect("recovers");
    assert_eq!(found.findings.len(), 1);
    assert_eq!(found.findings[0].code, "damage");
    assert_eq!(found.findings[0].at, Some(made[1].place.position));
}
