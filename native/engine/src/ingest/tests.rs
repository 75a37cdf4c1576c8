//! The agent by hand: frames in at one end, places and replies out at the other.

use std::sync::Arc;

use super::*;
use crate::agent::{Agent, Cx};
use crate::checksum::checksum;
use crate::clock::Now;
use crate::counters::CountersFile;
use crate::error::{ErrorCode, Refusal};
use crate::handoff::{BatchPlace, FromDisk, Shared, ToDisk};
use crate::limits::{Limits, BLOCK};
use crate::lwp::tlv;
use crate::memory::{SlabId, SlabTable, SlabTableBuilder};
use crate::messages::{ChecksumKind, FromIngest, IngestFrame, Source, Ticket};
use crate::node::BarePayload;
use crate::queue::{queue, Receiver, Sender};
use crate::recovery::Position;
use crate::ring::{WakeRing, Waker};
use crate::topics::TopicSlot;
use crate::wake::WakeHandle;

/// Counts whom it wakes.
#[derive(Default)]
struct Woken(u32);

impl WakeRing for Woken {
    fn wake(&mut self, _: Waker) {
        self.0 += 1;
    }
}

struct Bench {
    agent: IngestAgent,
    frames: Sender<IngestFrame>,
    replies: Receiver<FromIngest>,
    to_disk: Receiver<ToDisk>,
    orders: Sender<FromDisk>,
    slabs: Arc<SlabTable>,
    shared: Arc<Shared>,
    payloads: Vec<Vec<u8>>,
    /// The I/O agent's.
    io: WakeHandle,
    woken: Woken,
    now_ns: u64,
}

impl Bench {
    fn new(bare_payload: BarePayload, topic_slabs: [u32; 4]) -> Self {
        let limits = Limits {
            topics: 8,
            topic_slabs,
            small_slabs: 0,
            jumbo_slabs: 2,
            max_frame: 1 << 20,
            ..Limits::default()
        };
        let mut builder = SlabTableBuilder::default();
        let pool = builder.pool(&limits.topic_classes());
        let slabs = Arc::new(builder.build().unwrap());
        let (frames, frames_in) = queue(64);
        let (replies, replies_out) = queue(256);
        let (to_disk, to_disk_out) = queue(512);
        let (mut orders, from_disk) = queue(256);
        let shared = Arc::new(Shared::new(8));
        let config = IngestConfig {
            node_id: 7,
            actor_id: 3,
            bare_payload,
            segment_max_bytes: 256 * 1024,
            segment_max_age_ns: 0,
            next_topic_id: 5,
        };
        let io = WakeHandle::new();
        let ends = IngestEnds {
            frames: frames_in,
            replies,
            to_disk,
            from_disk,
            network: WakeHandle::new(),
            io: io.clone(),
        };
        let agent = IngestAgent::new(
            config,
            &limits,
            ends,
            shared.clone(),
            slabs.clone(),
            pool,
            &CountersFile::heap(),
        );
        let add = FromDisk::Add {
            slot: TopicSlot(0),
            topic: 5,
            epoch: 1,
            next: Position::default(),
            segment: None,
        };
        orders.push(add).unwrap_or_else(|_| panic!("room"));
        Self {
            agent,
            frames,
            replies: replies_out,
            to_disk: to_disk_out,
            orders,
            slabs,
            shared,
            payloads: Vec::new(),
            io,
            woken: Woken::default(),
            now_ns: 1000,
        }
    }
    fn frame(&mut self, topic: u32, payload: Vec<u8>) {
        let frame = IngestFrame {
            ticket: Ticket(self.payloads.len() as u32),
            topic,
            payload: payload.as_ptr(),
            len: payload.len() as u32,
            checksum: checksum(ChecksumKind::Crc32c, &payload),
            kind: ChecksumKind::Crc32c,
            compressed: false,
            records: 1,
            producer_ns: 1,
            received_ns: self.now_ns,
            enqueued_mono_ns: self.now_ns,
            complete_mono_ns: self.now_ns,
            source: Source::Slab(SlabId(0)),
        };
        // Moving a Vec leaves its bytes where they are.
        self.payloads.push(payload);
        assert!(self.frames.push(frame).is_ok());
    }
    fn cycle(&mut self) -> (Vec<ToDisk>, Vec<FromIngest>) {
        let now = Now {
            mono_ns: self.now_ns,
            wall_ns: self.now_ns,
        };
        self.agent.do_work(&mut Cx {
            now,
            ring: &mut self.woken,
        });
        let disk = std::iter::from_fn(|| self.to_disk.pop()).collect();
        (disk, std::iter::from_fn(|| self.replies.pop()).collect())
    }
}

fn raw(len: usize) -> Vec<u8> {
    let mut bytes = tlv::header(tlv::TYPE_RAW, len as u32).to_vec();
    bytes.resize(len + 5, 0xA5);
    bytes
}

fn batches(messages: &[ToDisk]) -> Vec<BatchPlace> {
    let each = messages.iter().filter_map(|message| match message {
        ToDisk::Batch(place) => Some(*place),
        _ => None,
    });
    each.collect()
}

fn refusals(replies: &[FromIngest]) -> Vec<Refusal> {
    let each = replies.iter().filter_map(|reply| match reply {
        FromIngest::Refused { refusal, .. } => Some(*refusal),
        FromIngest::Consumed(_) => None,
    });
    each.collect()
}

#[test]
fn frames_of_one_cycle_share_a_batch_and_each_keeps_its_own_end() {
    let mut bench = Bench::new(BarePayload::Wrap, [16, 4, 4, 4]);
    for _ in 0..3 {
        bench.frame(5, raw(100));
    }
    let (disk, replies) = bench.cycle();
    let places = batches(&disk);
    assert_eq!(places.len(), 1);
    assert_eq!((places[0].records, places[0].len), (3, 133 + 3 * 105));
    let ends: Vec<u64> = disk
        .iter()
        .filter_map(|message| match message {
            ToDisk::Frame { end, .. } => Some(*end),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [133 + 105, 133 + 210, 133 + 315]);
    assert_eq!(replies.len(), 3, "every frame's memory is given back");
    // The header is whole and its checksum the combined one.
    let slab = disk.iter().find_map(|message| match message {
        ToDisk::Slab { slab, .. } => Some(*slab),
        _ => None,
    });
    // SAFETY: the agent has finished the batch; nothing writes to its bytes any more.
    let bytes = unsafe {
        std::slice::from_raw_parts(bench.slabs.at(slab.unwrap()), places[0].len as usize)
    };
    let (header, chain) =
        crate::format::batch::BatchHeader::decode(bytes.first_chunk().unwrap()).unwrap();
    assert_eq!(chain, places[0].chain);
    assert_eq!(
        header.payload_checksum,
        checksum(ChecksumKind::Crc32c, &bytes[133..])
    );
}

#[test]
fn offsets_records_and_keys_go_on_over_cycles_and_segments() {
    let mut bench = Bench::new(BarePayload::Wrap, [16, 8, 8, 8]);
    let (mut offset, mut record, mut segments) = (0, 0, 0);
    let mut last = None;
    for round in 0..40 {
        if round == 20 {
            bench.now_ns -= 500; // the clock steps back
        }
        bench.frame(5, raw(20_000));
        let (disk, _) = bench.cycle();
        for message in &disk {
            if let ToDisk::Segment { base_offset, .. } = message {
                assert_eq!(*base_offset, offset);
                segments += 1;
            }
            if let ToDisk::Slab { slab, .. } = message {
                // As the I/O agent would, once it is on the disk.
                assert!(bench.orders.push(FromDisk::Free(*slab)).is_ok() || round > 0);
            }
        }
        for place in batches(&disk) {
            assert_eq!((place.base_offset, place.base_record), (offset, record));
            assert!(last.is_none_or(|last| place.key > last));
            last = Some(place.key);
            offset += u64::from(place.len) - 133;
            record += u64::from(place.records);
        }
        // The slab that is open must not be given back; close it so that each round starts a fresh one.
        assert!(bench
            .orders
            .push(FromDisk::CloseSlab { slot: TopicSlot(0) })
            .is_ok());
    }
    assert_eq!((offset, record), (40 * 20_005, 40));
    assert!(segments >= 3, "256 KiB segments rotate: {segments}");
}

#[test]
fn without_a_slab_a_frame_waits_and_is_stored_once_one_is_free() {
    let mut bench = Bench::new(BarePayload::Wrap, [1, 0, 0, 0]);
    bench.frame(5, raw(3000));
    let (disk, _) = bench.cycle();
    let slab = disk.iter().find_map(|message| match message {
        ToDisk::Slab { slab, .. } => Some(*slab),
        _ => None,
    });
    // Two jumbo slabs serve in need; then nothing is left.
    bench.frame(5, raw(BLOCK as usize * 120));
    bench.frame(5, raw(BLOCK as usize * 250));
    bench.frame(5, raw(BLOCK as usize * 250));
    bench.frame(5, raw(BLOCK as usize * 250));
    let (disk, replies) = bench.cycle();
    assert!(replies.len() < 4 && !disk.is_empty());
    assert!(bench
        .shared
        .starved
        .load(std::sync::atomic::Ordering::Relaxed));
    let (disk, _) = bench.cycle();
    assert!(batches(&disk).is_empty(), "nothing is half stored");
    assert!(bench.orders.push(FromDisk::Free(slab.unwrap())).is_ok());
}

#[test]
fn a_parked_io_agent_hears_of_a_frame_that_waits_for_a_slab() {
    let mut bench = Bench::new(BarePayload::Wrap, [1, 0, 0, 0]);
    bench.io.set_waker(Waker::Event(-1));
    for _ in 0..2 {
        bench.frame(5, raw(BLOCK as usize * 250));
        assert_eq!(batches(&bench.cycle().0).len(), 1);
    }
    bench.frame(5, raw(BLOCK as usize * 250));
    bench.io.raise();
    assert!(bench.cycle().0.is_empty(), "no slab is left");
    assert_eq!(bench.woken.0, 1);
    bench.io.raise();
    bench.cycle();
    assert_eq!(bench.woken.0, 1, "it knows");
}

#[test]
fn what_cannot_be_stored_is_refused_with_its_code() {
    let mut bench = Bench::new(BarePayload::Reject, [16, 4, 4, 4]);
    bench.frame(4, raw(1)); // deleted: below the next id
    bench.frame(6, raw(1)); // never was
    bench.frame(5, b"no tlv at all".to_vec());
    bench.frame(5, vec![0xFF, 1, 0, 0, 0, 9]);
    bench.frame(5, raw(10));
    let (disk, replies) = bench.cycle();
    let codes: Vec<ErrorCode> = refusals(&replies)
        .iter()
        .map(|refusal| refusal.code)
        .collect();
    let expected = [
        ErrorCode::TopicDeleted,
        ErrorCode::TopicNotFound,
        ErrorCode::InvalidPayload,
        ErrorCode::InvalidPayload,
    ];
    assert_eq!(codes, expected);
    assert_eq!(batches(&disk).len(), 1, "the good one is stored");
    bench
        .shared
        .refuse_writes
        .store(true, std::sync::atomic::Ordering::Relaxed);
    bench.frame(5, raw(10));
    assert_eq!(refusals(&bench.cycle().1)[0].code, ErrorCode::Storage);
}
