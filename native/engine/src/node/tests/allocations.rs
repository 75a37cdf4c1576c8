//! No thread of the data plane allocates for a frame or a fetch once the node is warm (design.md, section 4).

use super::*;
use crate::allocations::of_thread;

const TOPICS: u32 = 12;

/// Rounds of small frames to every topic and a large one to some, then a look at what was stored: the newest from memory,
/// the oldest from disk. At 1 MiB a segment, topics rotate every few rounds.
fn load(clients: &mut [Client], rounds: std::ops::Range<u64>) {
    let small: Vec<Vec<u8>> = records(3, 4, 200);
    let large: Vec<Vec<u8>> = records(5, 1, 2)
        .into_iter()
        .chain([vec![7; 90_000]])
        .collect();
    for round in rounds {
        for (number, client) in clients.iter_mut().enumerate() {
            for topic in 0..TOPICS {
                client.ingest(round, topic, &small);
            }
            let busy = (round as u32 + number as u32) % TOPICS;
            for _ in 0..4 {
                client.ingest(round, busy, &large);
            }
        }
        for client in &mut *clients {
            (0..TOPICS + 4).for_each(|_| client.acked(round));
        }
        let topic = round as u32 % TOPICS;
        assert!(!clients[0].fetch(topic, 0, 50_000).1.is_empty());
    }
}

fn allocates_nothing(backend: Backend, layout: Layout) {
    let mut dir = Dir::new();
    for topic in 0..TOPICS {
        let durability = [Durability::Durable, Durability::Written][topic as usize % 2];
        dir = dir.with_topic(topic, &format!("topic-{topic}"), durability);
    }
    let config = NodeConfig {
        next_topic_id: TOPICS,
        ..config(&dir.0, backend, layout)
    };
    let (node, started) = start(config);
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&started)).collect();
    load(&mut clients, 0..60);
    let before: Vec<_> = started
        .runners
        .iter()
        .map(|runner| (&runner.plan.name, runner.tid, of_thread(runner.tid)))
        .collect();
    assert!(!before.is_empty());
    load(&mut clients, 60..120);
    for (name, tid, counted) in before {
        assert_eq!(of_thread(tid) - counted, 0, "allocations of {name}");
    }
    drain(node);
    let sealed = std::fs::read_dir(dir.0.join("segments/topic-0"))
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|e| e == "lnc")
        })
        .count();
    assert!(sealed > 2, "topics rotated: {sealed} segments");
}

#[test]
fn a_warm_node_on_one_thread_allocates_nothing_on_io_uring() {
    allocates_nothing(Backend::Auto, Layout::Shared);
}

#[test]
fn a_warm_node_with_a_thread_for_each_agent_allocates_nothing_on_io_uring() {
    allocates_nothing(Backend::Auto, Layout::Dedicated);
}

#[test]
fn a_warm_node_allocates_nothing_on_pwritev2() {
    allocates_nothing(Backend::Pwritev2, Layout::Shared);
}
