//! Whole nodes over real sockets and files, on both backends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::checksum::checksum;
use crate::limits::Limits;
use crate::lwp::control::{code, FETCH_HEADER};
use crate::lwp::header::{decode, flag, Header, HEADER};
use crate::lwp::tlv;
use crate::messages::ChecksumKind;
use crate::recovery::{write_metadata, Durability, TopicMetadata};
use crate::storage::{OsStorage, Storage};

mod allocations;
mod discard;
mod shown;

const KIND: ChecksumKind = ChecksumKind::Crc32c;

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("lance-node-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn with_topic(self, id: u32, name: &str, durability: Durability) -> Self {
        let storage = OsStorage::new(&self.0, true).unwrap();
        storage.make_dir("segments").unwrap();
        storage.make_dir(&format!("segments/{name}")).unwrap();
        let metadata = TopicMetadata {
            id,
            name: name.into(),
            created_at: 1,
            epoch: 1,
            durability,
            retention: None,
            resume: None,
        };
        write_metadata(&storage, &metadata).unwrap();
        self
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(dir: &Path, backend: Backend, layout: Layout) -> NodeConfig {
    NodeConfig {
        data_dir: dir.to_owned(),
        bind: "127.0.0.1:0".parse().unwrap(),
        node_id: 1,
        next_topic_id: 10,
        backend,
        layout,
        idle: Idle::Auto,
        sq_depth: 256,
        o_direct: true,
        flush_interval_ns: 50_000_000,
        chunk_bytes: 4 << 20,
        segment_max_bytes: 1 << 20,
        segment_max_age_ns: 0,
        index_every_bytes: 64 * 1024,
        bare_payload: BarePayload::Wrap,
        counters: dir.join("live.lcf"),
        limits: Limits {
            connections: 64,
            topics: 16,
            inflight_frames: 4096,
            waiters: 64,
            ..Limits::default()
        },
        placement: crate::place::Placement::default(),
        discard: false,
    }
}

struct Client(TcpStream);

impl Client {
    fn connect(started: &Started) -> Self {
        let stream = TcpStream::connect(started.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(stream)
    }
    fn send(&mut self, flags: u8, batch_id: u64, topic: u32, payload: &[u8]) {
        let header = Header {
            flags,
            batch_id,
            timestamp_ns: 0,
            record_count: 1,
            payload_len: payload.len() as u32,
            payload_checksum: if payload.is_empty() {
                0
            } else {
                checksum(KIND, payload)
            },
            topic,
        };
        self.0.write_all(&header.encode(KIND)).unwrap();
        self.0.write_all(payload).unwrap();
    }
    fn receive(&mut self) -> (Header, Vec<u8>) {
        let mut bytes = [0; HEADER];
        self.0.read_exact(&mut bytes).unwrap();
        let (header, _) = decode(&bytes, Some(KIND)).unwrap();
        let mut payload = vec![0; header.payload_len as usize];
        self.0.read_exact(&mut payload).unwrap();
        if !payload.is_empty() {
            assert_eq!(header.payload_checksum, checksum(KIND, &payload));
        }
        (header, payload)
    }
    fn ingest(&mut self, batch_id: u64, topic: u32, records: &[Vec<u8>]) {
        self.send(flag::BATCH, batch_id, topic, &tlvs(records));
    }
    fn acked(&mut self, batch_id: u64) {
        let (header, payload) = self.receive();
        let text = String::from_utf8_lossy(&payload);
        assert_eq!(
            (header.flags, header.batch_id),
            (flag::ACK, batch_id),
            "{text}"
        );
    }
    fn fetch(&mut self, topic: u32, offset: u64, max_bytes: u32) -> (u64, Vec<u8>) {
        let mut payload = topic.to_le_bytes().to_vec();
        payload.extend(offset.to_le_bytes());
        payload.extend(max_bytes.to_le_bytes());
        self.send(flag::CONTROL, code::FETCH, 0, &payload);
        let (header, payload) = self.receive();
        let text = String::from_utf8_lossy(&payload);
        assert_eq!(
            (header.flags, header.batch_id),
            (flag::CONTROL, code::FETCH_RESPONSE),
            "{text}"
        );
        let next = u64::from_le_bytes(payload[..8].try_into().unwrap());
        (next, payload[FETCH_HEADER..].to_vec())
    }
    /// Everything of a topic from an offset on.
    fn read_all(&mut self, topic: u32, mut offset: u64) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let (next, data) = self.fetch(topic, offset, 300_000);
            if data.is_empty() {
                return all;
            }
            assert_eq!(next, offset + data.len() as u64);
            all.extend(data);
            offset = next;
        }
    }
}

fn tlvs(records: &[Vec<u8>]) -> Vec<u8> {
    let each = records.iter().flat_map(|r| {
        tlv::header(tlv::TYPE_RAW, r.len() as u32)
            .into_iter()
            .chain(r.clone())
    });
    each.collect()
}

/// Records of all sizes, told apart by their content.
fn records(seed: u64, count: usize, longest: usize) -> Vec<Vec<u8>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count)
        .map(|_| {
            (0..random() as usize % longest)
                .map(|_| random() as u8)
                .collect()
        })
        .collect()
}

fn drain(node: Node) {
    node.command(Command::Drain).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3_000 {
        let mut events = Vec::new();
        node.next_events(&mut events, Duration::from_millis(20));
        if events.contains(&Event::Drained) {
            return node.stop();
        }
        seen.extend(events);
    }
    panic!("the node does not drain: {seen:?}");
}

fn start(config: NodeConfig) -> (Node, Started) {
    Node::start(config)
        .map_err(|e| format!("{}: {}", e.code, e.message))
        .unwrap()
}

fn serves(backend: Backend, layout: Layout, durability: Durability) {
    let dir = Dir::new().with_topic(0, "default", durability);
    let (node, started) = start(config(&dir.0, backend, layout));
    let mut client = Client::connect(&started);
    let mut expected = Vec::new();
    // Small and large frames, pipelined, over several segments.
    for round in 0..40u64 {
        let (count, longest) = [(1, 40), (20, 300), (60, 3000), (1, 400_000)][round as usize % 4];
        let records = records(round + 1, count, longest);
        expected.extend(tlvs(&records));
        client.ingest(round, 0, &records);
        if round % 8 == 7 {
            (round - 7..=round).for_each(|round| client.acked(round));
        }
    }
    assert_eq!(client.read_all(0, 0), expected);
    drain(node);

    let (node, started) = start(config(&dir.0, backend, layout));
    let mut client = Client::connect(&started);
    assert_eq!(client.read_all(0, 0), expected, "after a clean restart");
    let more = records(99, 10, 500);
    client.ingest(7, 0, &more);
    client.acked(7);
    let end = expected.len() as u64;
    expected.extend(tlvs(&more));
    assert_eq!(client.read_all(0, end), tlvs(&more));
    node.stop(); // as good as a crash: nothing is drained

    let (node, started) = start(config(&dir.0, backend, layout));
    assert_eq!(
        Client::connect(&started).read_all(0, 0),
        expected,
        "after a hard stop"
    );
    drain(node);
}

#[test]
fn what_is_acknowledged_is_served_and_survives_restarts_on_io_uring() {
    serves(Backend::Auto, Layout::Shared, Durability::Durable);
}

#[test]
fn what_is_acknowledged_is_served_and_survives_restarts_on_pwritev2() {
    serves(Backend::Pwritev2, Layout::Shared, Durability::Durable);
}

#[test]
fn what_is_acknowledged_is_served_and_survives_restarts_with_dedicated_threads() {
    serves(Backend::Auto, Layout::Dedicated, Durability::Durable);
}

#[test]
fn a_written_topic_serves_what_the_device_accepted() {
    serves(Backend::Auto, Layout::Shared, Durability::Written);
}
