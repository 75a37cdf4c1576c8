//! A node that stores nothing: what it answers, what is left of it, and where it may run.

use super::*;
use crate::error::ErrorCode;
use crate::format::names::DISCARDS;

fn discarding(dir: &Dir, backend: Backend) -> NodeConfig {
    let ordinary = config(&dir.0, backend, Layout::Shared);
    NodeConfig {
        discard: true,
        // Little memory, so that what is old has left it.
        limits: Limits {
            topic_slabs: [8, 8, 4, 4],
            ..ordinary.limits.clone()
        },
        ..ordinary
    }
}

fn marked() -> Dir {
    let dir = Dir::new().with_topic(0, "default", Durability::Durable);
    std::fs::write(dir.0.join(DISCARDS), "").unwrap();
    dir
}

/// Every file below a directory, with its bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn it_acknowledges_everything_serves_what_is_in_memory_and_keeps_nothing() {
    for backend in [Backend::Auto, Backend::Pwritev2] {
        let dir = marked();
        let (node, started) = start(discarding(&dir, backend));
        assert_eq!(started.backend, "discard");
        let mut client = Client::connect(&started);
        let mut end = 0;
        let secret = b"a value that must not be found on the disk".to_vec();
        // Through the journal, then straight to segments, several of them.
        for id in 0..64 {
            let of = |longest| [records(id + 1, 3, longest), vec![secret.clone()]].concat();
            let records = of(if id < 32 { 100 } else { 60_000 });
            end += tlvs(&records).len() as u64;
            client.ingest(id, 0, &records);
            client.acked(id);
        }
        let last = [secret.clone()];
        client.ingest(64, 0, &last);
        client.acked(64);
        assert_eq!(client.fetch(0, end, 1 << 20).1, tlvs(&last));
        // What only a file could have is refused, never made up.
        let mut payload = 0u32.to_le_bytes().to_vec();
        payload.extend(0u64.to_le_bytes());
        payload.extend((1u32 << 20).to_le_bytes());
        client.send(flag::CONTROL, code::FETCH, 0, &payload);
        let (header, payload) = client.receive();
        let text = String::from_utf8_lossy(&payload);
        assert_eq!(
            (header.flags, header.batch_id),
            (flag::CONTROL, code::ERROR_RESPONSE),
            "{text}"
        );
        let storage = format!("\"code\":{}", ErrorCode::Storage as u8);
        assert!(text.contains(&storage), "{text}");
        drain(node);
        for (path, bytes) in files(&dir.0) {
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn it_runs_only_where_a_bench_said_so_and_no_other_node_does_there() {
    let refused = |config| {
        let outcome = Node::start(config).map(|_| ());
        outcome.expect_err("refused").code
    };
    let ordinary = Dir::new().with_topic(0, "default", Durability::Durable);
    let (node, started) = start(config(&ordinary.0, Backend::Auto, Layout::Shared));
    let mut client = Client::connect(&started);
    client.ingest(1, 0, &[b"kept".to_vec()]);
    client.acked(1);
    drain(node);
    let before = files(&ordinary.0);
    assert_eq!(
        refused(discarding(&ordinary, Backend::Auto)),
        "data-dir-discards"
    );
    assert_eq!(files(&ordinary.0), before, "nothing was touched");

    let dir = marked();
    let before = files(&dir.0);
    let other = config(&dir.0, Backend::Auto, Layout::Shared);
    assert_eq!(refused(other), "data-dir-discards");
    assert_eq!(files(&dir.0), before);
}
