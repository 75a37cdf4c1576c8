use super::*;

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
