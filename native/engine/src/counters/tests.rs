use std::fs;
use std::path::PathBuf;

use super::layout::{descriptor, header, CACHE_LINE, DESCRIPTOR_BYTES, HEADER_BYTES};
use super::*;
use crate::node::LogEvent;
use crate::topics::TopicSlot;

fn temp(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("lance-counters-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn a_reader_sees_every_value_with_its_name_and_label() {
    let dir = temp("values");
    let path = dir.join("live.lcf");
    let counters = CountersFile::create(&path, Capacity::default()).unwrap();
    let frames = counters.counter(keys::FRAMES_IN, "agent=network-0");
    let open = counters.gauge(keys::CONNECTIONS_OPEN, "");
    let acks = counters.histogram(keys::STAGE_RECEIVE_ACK, "");
    frames.add(41);
    frames.inc();
    open.add(7);
    open.sub(3);
    for value in [100, 1_000, 1_000_000] {
        acks.record(value);
    }
    counters.heartbeat().beat(77);

    let seen = read::read(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(seen.pid, std::process::id());
    assert_eq!(seen.heartbeat_ns, 77);
    assert_eq!(
        seen.get("frames_in", "agent=network-0").map(|s| s.value),
        Some(42)
    );
    assert_eq!(
        seen.get("connections_open", "").map(|s| (s.kind, s.value)),
        Some((2, 4))
    );
    let histogram = seen.get("stage_receive_ack", "").unwrap();
    assert_eq!(histogram.value, 3);
    assert_eq!(histogram.buckets[buckets::bucket_of(1_000_000)], 1);
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn no_two_values_share_a_cache_line() {
    let counters = CountersFile::heap();
    let _first = counters.counter(keys::FRAMES_IN, "");
    let _second = counters.histogram(keys::FETCH_LATENCY, "");
    let _third = counters.gauge(keys::TOPICS, "");
    let bytes = counters.snapshot();
    let mut end = 0;
    for i in 0..3 {
        let at = HEADER_BYTES + i * DESCRIPTOR_BYTES;
        let field = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let value_at = field(at + descriptor::VALUE_AT);
        let value_bytes = field(at + descriptor::VALUE_BYTES) & 0xFFFF_FFFF;
        assert_eq!(value_at % CACHE_LINE as u64, 0);
        assert!(value_at >= end);
        end = value_at + value_bytes;
    }
}

#[test]
fn a_copy_in_the_data_directory_reads_like_the_live_file() {
    let dir = temp("copy");
    let (counters, announcements) = CountersFile::live(&dir, Capacity::default());
    assert_eq!(announcements, Vec::<String>::new());
    let live = counters.path().unwrap().to_owned();
    let flushes = counters.counter(keys::FLUSHES, "device=vda");
    flushes.add(9);
    let copy = dir.join("counters.lcf");
    counters.copy_to(&copy).unwrap();
    let from_live = read::read(&fs::read(&live).unwrap()).unwrap();
    assert_eq!(read::read(&fs::read(&copy).unwrap()).unwrap(), from_live);
    counters.retire();
    assert!(!live.exists());
    flushes.inc();
    assert_eq!(flushes.get(), 10);
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn a_restart_replaces_the_file_and_leaves_the_old_mapping_readable() {
    let dir = temp("restart");
    let path = dir.join("live.lcf");
    let old = CountersFile::create(&path, Capacity::default()).unwrap();
    let acks = old.counter(keys::ACKS, "");
    acks.add(5);
    let _new = CountersFile::create(&path, Capacity::default()).unwrap();
    acks.inc();
    assert_eq!(read::read(&old.snapshot()).unwrap().samples[0].value, 6);
    assert!(read::read(&fs::read(&path).unwrap())
        .unwrap()
        .samples
        .is_empty());
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn quantiles_stay_within_one_percent() {
    let histogram = Histogram::detached();
    for value in 1..=100_000u64 {
        histogram.record(value * 17);
    }
    for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
        let exact = quantile * 100_000.0 * 17.0;
        let error = (histogram.quantile(quantile) as f64 - exact).abs() / exact;
        assert!(error <= 0.01, "{quantile}: {error}");
    }
}

#[test]
fn damaged_files_are_refused_with_a_sentence() {
    let counters = CountersFile::heap();
    let _histogram = counters.histogram(keys::FETCH_LATENCY, "");
    let good = counters.snapshot();
    assert!(read::read(&good[..100]).unwrap_err().contains("LNCF"));
    assert!(read::read(&good[..good.len() - 8])
        .unwrap_err()
        .contains("ends before"));
    let mut newer = good.clone();
    newer[header::VERSION] = 2;
    assert!(read::read(&newer).unwrap_err().contains("version 2"));
    let mut wild = good;
    wild[HEADER_BYTES + descriptor::VALUE_AT + 7] = 0x7F;
    assert!(read::read(&wild).is_err());
}

#[test]
fn errors_are_counted_by_code_and_unknown_codes_apart() {
    let counters = CountersFile::heap();
    let errors = ErrorCounters::new(&counters, "agent=network-0");
    errors.count(0x05);
    errors.count(0x05);
    errors.count(0xEE);
    let seen = read::read(&counters.snapshot()).unwrap();
    let value = |label: &str| seen.get("errors", label).map(|s| s.value);
    assert_eq!(value("agent=network-0,code=0x05"), Some(2));
    assert_eq!(value("agent=network-0,code=other"), Some(1));
}

#[test]
#[should_panic(expected = "registered once")]
fn the_same_key_and_label_twice_is_refused() {
    let counters = CountersFile::heap();
    let _one = counters.counter(keys::ACKS, "");
    let _two = counters.counter(keys::ACKS, "");
}

#[test]
fn a_topic_s_row_says_where_it_stands_and_what_was_fetched_until_another_takes_its_slot() {
    let counters = CountersFile::heap();
    let rows = counters.topic_rows();
    let standing = TopicRow {
        id: 7,
        state: TopicState::Live,
        last_timestamp_ns: 99,
        first: (10, 1),
        end: (500, 20),
        durable_offset: 480,
        bytes: 900,
        segments: 2,
    };
    rows.begin(TopicSlot(3), &standing);
    rows.fetched(TopicSlot(3), 4, 100);
    rows.fetched(TopicSlot(3), 1, 20);
    let frozen = TopicRow {
        state: TopicState::Frozen,
        ..standing
    };
    rows.show(TopicSlot(3), &frozen);
    // Beyond what there is room for.
    rows.begin(TopicSlot(64), &standing);
    let seen = read_tables::topics(&counters.snapshot()).unwrap();
    assert_eq!(
        seen,
        vec![read_tables::Topic {
            id: 7,
            state: 2,
            last_timestamp_ns: 99,
            first: (10, 1),
            end: (500, 20),
            durable_offset: 480,
            bytes: 900,
            segments: 2,
            fetched_bytes: 120,
            fetched_records: 5,
            fetches: 2,
        }]
    );
    rows.begin(TopicSlot(3), &TopicRow { id: 8, ..standing });
    let seen = read_tables::topics(&counters.snapshot()).unwrap();
    assert_eq!((seen[0].id, seen[0].fetches), (8, 0));
    rows.clear(TopicSlot(3));
    assert!(read_tables::topics(&counters.snapshot())
        .unwrap()
        .is_empty());
}

#[test]
fn the_last_events_stand_in_the_ring_with_their_numbers_and_words() {
    let counters = CountersFile::heap();
    let mut ring = counters.event_ring();
    let extra = 3;
    for i in 0..EVENT_ROWS as u64 + extra {
        let sealed = LogEvent::SegmentSealed {
            topic: 5,
            base_offset: i,
            end: 2 * i,
        };
        ring.write(1_000 + i, &sealed);
    }
    let long = "no room ".repeat(40);
    ring.write(
        9,
        &LogEvent::Background {
            what: "removing old segments",
            path: long.clone(),
            errno: 28,
        },
    );
    let seen = read_tables::events(&counters.snapshot()).unwrap();
    assert_eq!(seen.len(), EVENT_ROWS);
    let (first, last) = (&seen[0], &seen[EVENT_ROWS - 1]);
    assert_eq!(first.number, extra + 2, "the oldest ones were written over");
    assert_eq!((first.kind, first.topic, first.at_ns), (4, 5, 1_004));
    assert_eq!(first.numbers, [4, 8, 0]);
    assert_eq!((last.kind, last.numbers), (10, [0, 28, 0]));
    let whole = format!("removing old segments\n{long}");
    assert_eq!(last.text, whole[..layout::event::TEXT_MAX]);
}

#[test]
fn a_file_of_an_older_writer_has_no_tables_and_one_with_a_wild_table_is_refused() {
    let mut bytes = CountersFile::heap().snapshot();
    let mut wild = bytes.clone();
    wild[header::TOPICS + 8..header::TOPICS + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read_tables::topics(&wild)
        .unwrap_err()
        .contains("ends before"));
    bytes[header::TOPICS..header::EVENTS_WRITTEN + 8].fill(0);
    assert_eq!(read_tables::topics(&bytes), Ok(vec![]));
    assert_eq!(read_tables::commits(&bytes), Ok(vec![]));
    assert_eq!(read_tables::events(&bytes), Ok(vec![]));
    assert!(read::read(&bytes).is_ok());
}
