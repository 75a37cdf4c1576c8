//! Readers of what is on disk alone: in order, beside each other, over damage, and while retention removes it.

use std::sync::Arc;

use super::frames::Payload;
use super::node::{Part, SimNode, Sizes, PARTS};
use crate::clock::{Clock as _, Now};
use crate::error::{ErrorCode, Refusal};
use crate::io::{IoCommand, IoEvent};
use crate::messages::{
    ChecksumKind, FetchMode, FetchRequest, FromIo, IngestFrame, RequestId, Source, Ticket, ToIo,
};
use crate::recovery::{write_metadata, Durability, TopicMetadata};
use crate::ring::RecvBuffer;
use crate::sim::{Fault, IoKind, Rng, SimClock, SimDisk};
use crate::storage::Storage;

const TOPIC: u32 = 1;
const NAME: &str = "read";

type Fetched = Result<(Vec<u8>, u64), Refusal>;

struct World {
    disk: SimDisk,
    clock: SimClock,
    sizes: Sizes,
    rng: Rng,
    node: SimNode,
    /// What was stored, from offset 0 on.
    stored: Vec<u8>,
    requests: u64,
    answers: Vec<(RequestId, Fetched)>,
}

impl World {
    /// A topic with so many bytes at least, all of them sealed, on a node that has just been started.
    fn new(seed: u64, bytes: usize) -> Self {
        let disk = SimDisk::new(seed);
        let clock = SimClock::new(Now {
            mono_ns: 1_000_000,
            wall_ns: 1_764_000_000_000_000_000,
        });
        let sizes = Sizes::of(seed);
        let (node, _) = SimNode::start(&disk, &clock, sizes, seed, 1, false).expect("a start");
        let mut world = Self {
            disk,
            clock,
            sizes,
            rng: Rng::new(seed),
            node,
            stored: Vec::new(),
            requests: 0,
            answers: Vec::new(),
        };
        world.add_topic();
        world.fill(bytes);
        world.restart(seed);
        world
    }

    fn add_topic(&mut self) {
        let metadata = TopicMetadata {
            id: TOPIC,
            name: NAME.into(),
            created_at: 1,
            epoch: 1,
            durability: Durability::Durable,
            retention: None,
            resume: None,
        };
        self.disk
            .make_dir(&format!("segments/{NAME}"))
            .expect("a directory");
        write_metadata(&self.disk, &metadata).expect("metadata");
        self.disk.flush_dir("segments").expect("a flush");
        self.node.add_topic(1, metadata);
        self.settle();
    }

    fn fill(&mut self, bytes: usize) {
        let mut lent: Vec<Arc<[u8]>> = Vec::new();
        while self.stored.len() < bytes {
            let payload = Payload::random(&mut self.rng);
            let now = self.clock.now();
            let sent = self.node.send(IngestFrame {
                ticket: Ticket(lent.len() as u32),
                topic: TOPIC,
                payload: payload.sent.as_ptr(),
                len: payload.sent.len() as u32,
                checksum: payload.checksum,
                kind: payload.kind,
                compressed: false,
                records: payload.records,
                producer_ns: now.wall_ns,
                received_ns: now.wall_ns,
                enqueued_mono_ns: now.mono_ns,
                complete_mono_ns: now.mono_ns,
                source: Source::Shared(RecvBuffer(lent.len() as u16)),
            });
            assert!(sent, "one frame at a time");
            lent.push(payload.sent);
            self.stored.extend_from_slice(&payload.stored);
            self.settle();
        }
        self.node.command(IoCommand::Seal {
            query: 2,
            topic: TOPIC,
        });
        self.settle();
    }

    fn restart(&mut self, seed: u64) {
        self.node.refuse_frames();
        self.node.command(IoCommand::Drain);
        for _ in 0..5 {
            self.settle();
            self.clock.advance(1_100_000_000);
        }
        let disk = self.disk.image().after_kill(seed);
        let started = SimNode::start(&disk, &self.clock, self.sizes, seed, TOPIC + 1, false);
        self.node = started.expect("a start").0;
        self.disk = disk;
        self.settle();
    }

    fn hear(&mut self) {
        while self.node.ingest_reply().is_some() {}
        while let Some(event) = self.node.event() {
            if let IoEvent::Done { query, result } = event {
                assert!(result.is_ok(), "query {query}: {result:?}");
            }
        }
        while let Some(answer) = self.node.io_answer() {
            match answer {
                FromIo::Fetched { request, data } => {
                    let bytes = self.node.fetched(data);
                    self.answers.push((request, Ok((bytes, data.next_offset))));
                }
                FromIo::Refused { request, refusal } => self.answers.push((request, Err(refusal))),
                _ => {}
            }
        }
    }

    fn tick(&mut self, part: Part) -> usize {
        let done = self.node.tick(part);
        self.hear();
        done
    }

    fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..100_000 {
            if quiet == 3 {
                return;
            }
            let done: usize = PARTS.into_iter().map(|part| self.tick(part)).sum();
            let now = self.clock.now().mono_ns;
            quiet = match self.node.next_completion_ns() {
                _ if done > 0 => 0,
                Some(at) => {
                    self.clock.advance(at.saturating_sub(now).max(1));
                    0
                }
                None => quiet + 1,
            };
        }
        panic!("the node never comes to rest");
    }

    fn ask(&mut self, offset: u64, max_bytes: u32) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        let asked = self.node.ask(ToIo::Fetch(FetchRequest {
            request,
            topic: TOPIC,
            offset,
            max_bytes,
            min_bytes: 0,
            deadline_ns: 0,
            asked_ns: 0,
            mode: FetchMode::Records,
            kind: ChecksumKind::Crc32c,
        }));
        assert!(asked, "few requests at a time");
        request
    }

    /// Some part gets its turn.
    fn wander(&mut self) {
        let part = *self.rng.pick(&PARTS);
        self.tick(part);
        self.clock.advance(self.rng.within(100, 40_000));
    }

    fn answer(&mut self, request: RequestId) -> Option<Fetched> {
        let at = self.answers.iter().position(|(id, _)| *id == request)?;
        Some(self.answers.swap_remove(at).1)
    }

    /// Asks and waits for the answer.
    fn fetch(&mut self, offset: u64, max_bytes: u32) -> Fetched {
        let request = self.ask(offset, max_bytes);
        self.settle();
        self.answer(request).expect("an answer")
    }
}

#[test]
fn readers_in_order_get_every_byte_and_leave_nothing_open() {
    for seed in 0..24 {
        let mut world = World::new(seed, 1_500_000);
        let end = world.stored.len() as u64;
        let open = world.disk.open_handles();
        let most = [200, 5_000, 70_000, 300_000, 1 << 20];
        let mut readers: Vec<(u64, Option<RequestId>)> = vec![(0, None); 1 + seed as usize % 4];
        while readers.iter().any(|(at, _)| *at < end) {
            for reader in &mut readers {
                let (at, asked) = *reader;
                match asked.map(|request| world.answer(request)) {
                    None if at < end => {
                        let max_bytes = *world.rng.pick(&most);
                        reader.1 = Some(world.ask(at, max_bytes));
                    }
                    Some(Some(answer)) => {
                        let (bytes, next) = answer.expect("nothing is damaged");
                        assert_eq!(next, at + bytes.len() as u64, "seed {seed}");
                        assert!(bytes == world.stored[at as usize..next as usize] && next > at);
                        *reader = (next, None);
                    }
                    _ => {}
                }
            }
            world.wander();
        }
        world.settle();
        assert_eq!(world.disk.open_handles(), open, "seed {seed}");
    }
}

#[test]
fn a_reader_in_order_gets_what_stands_before_damage_and_then_is_told_where_it_is() {
    let mut damaged = 0;
    for seed in 0..12 {
        let mut world = World::new(seed, 600_000);
        let files = world
            .disk
            .list(&format!("segments/{NAME}"))
            .expect("a list");
        let files: Vec<_> = files.into_iter().filter(|f| f.ends_with(".lnc")).collect();
        let path = format!("segments/{NAME}/{}", world.rng.pick(&files));
        let len = world.disk.contents(&path).expect("a file").len() as u64;
        let byte = world.rng.below(len);
        assert!(world.disk.flip(&path, byte, 3));
        let (mut at, end) = (0, world.stored.len() as u64);
        while at < end {
            match world.fetch(at, 100_000) {
                Ok((bytes, next)) => {
                    assert!(bytes == world.stored[at as usize..next as usize] && next > at);
                    at = next;
                }
                Err(refusal) => {
                    assert_eq!(
                        (refusal.code, refusal.value),
                        (ErrorCode::Storage, TOPIC.into())
                    );
                    assert!(refusal.bound <= at, "{refusal:?} at {at}");
                    damaged += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(damaged, 12);
}

#[test]
fn a_read_that_fails_ahead_of_need_is_tried_again_when_it_is_needed() {
    for nth in 1..6 {
        let mut world = World::new(7, 1_000_000);
        let (mut at, end) = (0, world.stored.len() as u64);
        // Places are found by another thread; of the reads through the ring one fails.
        let mut refused = 0;
        world.disk.fail(IoKind::Read, None, nth * 3, Fault::Eio);
        while at < end {
            match world.fetch(at, 300_000) {
                Ok((bytes, next)) => {
                    assert!(bytes == world.stored[at as usize..next as usize] && next > at);
                    at = next;
                }
                Err(refusal) => {
                    assert_eq!(refusal.code, ErrorCode::Storage);
                    refused += 1;
                    assert!(refused < 2, "one read failed: {refusal:?}");
                }
            }
        }
    }
}

#[test]
fn a_fetch_beside_which_retention_removes_every_segment_is_told_where_the_log_goes_on() {
    for late in [false, true] {
        let mut world = World::new(3, 300_000);
        let end = world.stored.len() as u64;
        let request = world.ask(0, 100_000);
        world.tick(Part::Io);
        world.node.command(IoCommand::Retain {
            query: 3,
            topic: TOPIC,
            below_offset: end,
        });
        world.tick(Part::Io);
        world.tick(Part::Keeper);
        if late {
            // The report is there before the finder looks.
            world.tick(Part::Io);
        }
        world.tick(Part::Finder);
        world.settle();
        let answer = world.answer(request).expect("an answer");
        assert_eq!(answer.expect("no damage"), (Vec::new(), end));
        assert_eq!(world.fetch(0, 1000).expect("no damage"), (Vec::new(), end));
    }
}
