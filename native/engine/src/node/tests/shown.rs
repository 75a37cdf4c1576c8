//! What other processes see in the counters file, without asking anybody.

use super::*;
use crate::counters::read::read;
use crate::counters::read_tables::{commits, events, topics};

/// COMMIT's payload (lwp.md, "Control commands").
fn commit(topic: u32, consumer: u64, offset: u64) -> Vec<u8> {
    let mut payload = topic.to_le_bytes().to_vec();
    payload.extend(consumer.to_le_bytes());
    payload.extend(offset.to_le_bytes());
    payload
}

fn shown(backend: Backend) {
    let dir = Dir::new()
        .with_topic(0, "orders", Durability::Durable)
        .with_topic(1, "quiet", Durability::Durable);
    let config = config(&dir.0, backend, Layout::Shared);
    let file = config.counters.clone();
    let (node, started) = start(config);
    let mut client = Client::connect(&started);
    let mut stored = 0;
    // More than a segment of 1 MiB.
    for round in 0..40u64 {
        let records = records(round + 1, 8, 9_000);
        stored += tlvs(&records).len() as u64;
        client.ingest(round, 0, &records);
        client.acked(round);
    }
    let (next, fetched) = client.fetch(0, 0, 50_000);
    client.send(flag::CONTROL, code::COMMIT_OFFSET, 0, &commit(0, 77, next));
    let (header, _) = client.receive();
    assert_eq!(header.flags, flag::CONTROL);
    let mut heard = Vec::new();
    // The keeper may still be sealing.
    for _ in 0..6_000 {
        node.next_events(&mut heard, Duration::from_millis(10));
        let sealed = |e: &Event| matches!(e, Event::Log(LogEvent::SegmentSealed { .. }));
        if heard.iter().any(sealed) {
            break;
        }
    }

    let bytes = std::fs::read(&file).unwrap();
    let seen = topics(&bytes).unwrap();
    let by_id = |id| *seen.iter().find(|topic| topic.id == id).unwrap();
    let orders = by_id(0);
    assert_eq!((seen.len(), orders.state), (2, 1));
    assert_eq!((orders.first, orders.end), ((0, 0), (stored, 40 * 8)));
    assert_eq!(orders.durable_offset, stored);
    assert!(orders.bytes > stored && orders.segments > 1);
    let tasted = (orders.fetches, orders.fetched_bytes);
    assert_eq!(tasted, (1, fetched.len() as u64));
    assert_eq!(by_id(1).end, (0, 0));
    let committed = commits(&bytes).unwrap();
    assert_eq!(committed.len(), 1);
    let one = committed[0];
    assert_eq!((one.topic, one.consumer, one.offset), (0, 77, next));
    let kinds: Vec<u32> = events(&bytes).unwrap().iter().map(|e| e.kind).collect();
    assert!(kinds.contains(&3) && kinds.contains(&4), "{kinds:?}");
    let samples = read(&bytes).unwrap().samples;
    let total = |name: &str| -> u64 {
        let of_name = samples.iter().filter(|s| s.name == name);
        of_name.map(|s| s.value).sum()
    };
    assert!(total("runner_parked") > 0, "with nothing to do it sleeps");
    assert!(total("agent_busy") > 0, "it has worked");
    drain(node);
}

#[test]
fn the_counters_file_says_where_topics_and_consumers_stand_and_what_happened_on_io_uring() {
    shown(Backend::Auto);
}

#[test]
fn the_counters_file_says_where_topics_and_consumers_stand_and_what_happened_on_pwritev2() {
    shown(Backend::Pwritev2);
}
