//! A network agent and everything around it, played by the test.

use std::os::fd::RawFd;
use std::sync::Arc;

use super::fake_ring::FakeRing;
use crate::agent::{Agent, Cx};
use crate::checksum::checksum;
use crate::clock::Now;
use crate::counters::read::{read, Snapshot};
use crate::counters::CountersFile;
use crate::error::Refusal;
use crate::limits::{Limits, RESPONSE_HEADROOM};
use crate::lwp::control::{code, FETCH_HEADER};
use crate::lwp::header::{decode, flag, Header, HEADER};
use crate::lwp::tlv;
use crate::memory::{Pool, SlabTable, SlabTableBuilder};
use crate::messages::{
    ChecksumKind, FetchData, FromIngest, FromIo, IngestFrame, RequestId, Ticket, ToIo,
};
use crate::network::control_plane::{ControlAnswer, ControlRequest, HelloSettings};
use crate::network::{NetworkAgent, NetworkConfig, NetworkCounters, NetworkDrain, NetworkEnds};
use crate::node::LogEvent;
use crate::queue::{queue, Receiver, Sender};
use crate::sim::SimClock;

pub const SECOND: u64 = 1_000_000_000;
pub const KIND: ChecksumKind = ChecksumKind::Crc32;

/// An ingest frame as the ingest agent saw it, its bytes copied.
pub struct Taken {
    pub frame: IngestFrame,
    pub payload: Vec<u8>,
}

pub struct World {
    pub agent: NetworkAgent,
    pub ring: FakeRing,
    pub now: Now,
    /// Shows `now`.
    clock: SimClock,
    pub ingest: Receiver<IngestFrame>,
    pub from_ingest: Sender<FromIngest>,
    pub io: Receiver<ToIo>,
    pub from_io: Sender<FromIo>,
    pub control: Receiver<ControlRequest>,
    pub from_control: Sender<ControlAnswer>,
    pub spent: Receiver<Box<[u8]>>,
    pub log: Receiver<LogEvent>,
    pub drain: NetworkDrain,
    pub slabs: Arc<SlabTable>,
    pub responses: Pool,
    pub released: u32,
    counters: CountersFile,
}

/// Small limits, so that tests reach them.
pub fn limits() -> Limits {
    Limits {
        connections: 8,
        inflight_frames: 1024,
        inflight_bytes: 64 * 1024,
        waiters: 4,
        recv_buffers: 8,
        recv_buffer_bytes: 4096,
        frame_slabs: [8, 4, 4, 4],
        response_slabs: [2, 2, 2, 2],
        jumbo_slabs: 4,
        ..Limits::default()
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(limits())
    }

    pub fn with(limits: Limits) -> Self {
        let mut builder = SlabTableBuilder::default();
        let classes = limits.frame_classes();
        let frames = builder.pool(&classes);
        let responses = builder.pool(&limits.response_classes());
        let slabs = Arc::new(builder.build().expect("memory"));
        let counters = CountersFile::heap();
        let (to_ingest, ingest) = queue(64);
        let (from_ingest, ingest_back) = queue(4096);
        let (to_io, io) = queue(64);
        let (from_io, io_back) = queue(4096);
        let (to_control, control) = queue(256);
        let (from_control, control_back) = queue(256);
        let (spend, spent) = queue(256);
        let (to_log, log) = queue(16);
        let drain = NetworkDrain::new();
        let ring = FakeRing::new(limits.recv_buffers, limits.recv_buffer_bytes);
        let now = Now {
            mono_ns: 1000 * SECOND,
            wall_ns: 1_700_000_000 * SECOND,
        };
        let clock = SimClock::new(now);
        let agent = NetworkAgent::new(
            NetworkConfig {
                agent: 0,
                limits,
                listeners: vec![3],
                clock: Arc::new(clock.clone()),
            },
            NetworkEnds {
                to_ingest,
                from_ingest: ingest_back,
                to_io,
                from_io: io_back,
                to_control,
                from_control: control_back,
                spent: spend,
                log: to_log,
                slabs: slabs.clone(),
                frames,
                counters: NetworkCounters::register(&counters, "", &classes),
                drain: drain.clone(),
                wake_ingest: None,
                wake_io: None,
                wake_control: None,
            },
        );
        Self {
            agent,
            ring,
            now,
            clock,
            ingest,
            from_ingest,
            io,
            from_io,
            control,
            from_control,
            spent,
            log,
            drain,
            slabs,
            responses,
            released: 0,
            counters,
        }
    }

    /// Runs until nothing moves any more.
    pub fn run(&mut self) {
        loop {
            let mut moved = self.ring.progress() || !self.ring.done.is_empty();
            while let Some(completion) = self.ring.done.pop_front() {
                let mut cx = Cx {
                    now: self.now,
                    ring: &mut self.ring,
                };
                self.agent.on_completion(&mut cx, completion);
            }
            let mut cx = Cx {
                now: self.now,
                ring: &mut self.ring,
            };
            moved |= self.agent.do_work(&mut cx) > 0;
            if !moved && !self.ring.progress() && self.ring.done.is_empty() {
                return;
            }
        }
    }

    /// Lets time pass, then runs.
    pub fn pass(&mut self, ns: u64) {
        self.now.mono_ns += ns;
        self.now.wall_ns += ns;
        self.clock.advance(ns);
        self.run();
    }
    /// When the agent wants to be woken.
    pub fn deadline(&self) -> Option<u64> {
        Agent::<FakeRing>::next_deadline_ns(&self.agent)
    }

    pub fn connect(&mut self) -> RawFd {
        let socket = self.ring.connect();
        self.run();
        socket
    }
    pub fn send(&mut self, socket: RawFd, bytes: &[u8]) {
        self.ring.peer_sends(socket, bytes);
        self.run();
    }
    pub fn is_closed(&self, socket: RawFd) -> bool {
        self.ring.sockets[&socket].closed
    }

    /// The frames that came back, each checked.
    pub fn answers(&mut self, socket: RawFd) -> Vec<(Header, Vec<u8>)> {
        let outbound = &mut self
            .ring
            .sockets
            .get_mut(&socket)
            .expect("a socket")
            .outbound;
        let bytes = std::mem::take(outbound);
        let mut rest = bytes.as_slice();
        let mut frames = Vec::new();
        while let Some((front, behind)) = rest.split_first_chunk::<HEADER>() {
            let (header, kind) = decode(front, None).expect("a header");
            let (payload, next) = behind.split_at(header.payload_len as usize);
            if !payload.is_empty() {
                assert_eq!(header.payload_checksum, checksum(kind, payload));
            }
            frames.push((header, payload.to_vec()));
            rest = next;
        }
        assert!(rest.is_empty(), "whole frames come back");
        frames
    }

    /// What the ingest agent got, taken over and given back at once.
    pub fn taken(&mut self) -> Vec<Taken> {
        let mut all = Vec::new();
        while let Some(frame) = self.ingest.pop() {
            // SAFETY: the agent keeps the payload where it is until it is consumed, below.
            let payload =
                unsafe { std::slice::from_raw_parts(frame.payload, frame.len as usize) }.to_vec();
            assert_eq!(frame.checksum, checksum(frame.kind, &payload));
            self.from_ingest
                .push(FromIngest::Consumed(frame.source))
                .expect("room");
            all.push(Taken { frame, payload });
        }
        self.run();
        all
    }
    pub fn ack(&mut self, ticket: Ticket) {
        self.from_io
            .push(FromIo::Acked {
                ticket,
                stable_ns: 0,
            })
            .expect("room");
        self.run();
    }
    pub fn refuse_ingest(&mut self, ticket: Ticket, refusal: Refusal) {
        self.from_ingest
            .push(FromIngest::Refused { ticket, refusal })
            .expect("room");
        self.run();
    }

    /// What the io agent was asked; releases are taken care of.
    pub fn asked(&mut self) -> Vec<ToIo> {
        let mut all = Vec::new();
        while let Some(message) = self.io.pop() {
            if let ToIo::Release(slab) = message {
                self.responses.put(&self.slabs, slab);
                self.released += 1;
            } else {
                all.push(message);
            }
        }
        all
    }
    pub fn answer_io(&mut self, message: FromIo) {
        self.from_io.push(message).expect("room");
        self.run();
    }
    /// A fetch response with this data.
    pub fn fetched(&mut self, request: RequestId, data: &[u8], next_offset: u64) {
        self.fetched_with(request, data, next_offset, None);
    }
    /// The same, with a checksum of the data that is known already.
    pub fn fetched_with(
        &mut self,
        request: RequestId,
        data: &[u8],
        next_offset: u64,
        sum: Option<u32>,
    ) {
        let slab = (!data.is_empty()).then(|| {
            let bytes = RESPONSE_HEADROOM + data.len() as u32;
            let slab = self.responses.take(bytes).expect("a response slab");
            // SAFETY: the slab has room for headroom and data, and is the test's until it is handed over.
            unsafe {
                let to = self.slabs.at(slab).add(RESPONSE_HEADROOM as usize);
                std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len());
            }
            slab
        });
        self.answer_io(FromIo::Fetched {
            request,
            data: FetchData {
                slab,
                len: data.len() as u32,
                records: tlv::records(data).count() as u32,
                next_offset,
                sum,
            },
        });
    }

    /// What the control plane was asked: id, code, payload.
    pub fn asked_plane(&mut self) -> Vec<(crate::node::ControlId, u64, Vec<u8>)> {
        std::iter::from_fn(|| self.control.pop())
            .map(|request| (request.id, request.code, request.payload().to_vec()))
            .collect()
    }
    pub fn answer_plane(&mut self, id: crate::node::ControlId, code: u64, payload: &[u8]) {
        self.answer_plane_with(id, code, payload, None);
    }
    pub fn answer_plane_with(
        &mut self,
        id: crate::node::ControlId,
        code: u64,
        payload: &[u8],
        hello: Option<HelloSettings>,
    ) {
        self.from_control
            .push(ControlAnswer {
                id,
                code,
                payload: payload.into(),
                hello,
            })
            .expect("room");
        self.run();
    }
    /// Says Hello and has it accepted.
    pub fn hello(&mut self, socket: RawFd, settings: HelloSettings) {
        self.send(socket, &control(code::HELLO, 0, b"{}"));
        let (id, code, _) = self.asked_plane().pop().expect("a Hello");
        assert_eq!(code, code::HELLO);
        self.answer_plane_with(id, code::HELLO_RESPONSE, b"{}", Some(settings));
        let (header, _) = self.answers(socket).pop().expect("a HelloResponse");
        assert_eq!(header.batch_id, code::HELLO_RESPONSE);
    }

    /// A counter or gauge, without label.
    pub fn count(&self, name: &str, label: &str) -> u64 {
        let snapshot: Snapshot = read(&self.counters.snapshot()).expect("reads");
        snapshot.get(name, label).expect("is there").value
    }
    /// Nothing is held any more: every buffer and every frame slab is back.
    pub fn assert_all_is_back(&self) {
        assert_eq!(self.ring.lent(), 0, "shared buffers");
        for (bytes, count, free) in self.agent.places.usage() {
            assert_eq!(free, count, "frame slabs of {bytes}");
        }
        assert_eq!(self.agent.inflight_bytes, 0);
        assert_eq!(self.agent.responses, 0);
    }
}

/// A frame as a client sends it.
pub fn frame(flags: u8, batch_id: u64, timestamp_ns: u64, topic: u32, payload: &[u8]) -> Vec<u8> {
    frame_of(KIND, flags, batch_id, timestamp_ns, topic, payload)
}

pub fn frame_of(
    kind: ChecksumKind,
    flags: u8,
    batch_id: u64,
    timestamp_ns: u64,
    topic: u32,
    payload: &[u8],
) -> Vec<u8> {
    let header = Header {
        flags,
        batch_id,
        timestamp_ns,
        record_count: 1,
        payload_len: payload.len() as u32,
        payload_checksum: if payload.is_empty() {
            0
        } else {
            checksum(kind, payload)
        },
        topic,
    };
    [header.encode(kind).as_slice(), payload].concat()
}

pub fn ingest(batch_id: u64, topic: u32, payload: &[u8]) -> Vec<u8> {
    frame(flag::BATCH, batch_id, 77, topic, payload)
}

pub fn control(code: u64, timestamp_ns: u64, payload: &[u8]) -> Vec<u8> {
    frame(flag::CONTROL, code, timestamp_ns, 0, payload)
}

pub fn keepalive() -> Vec<u8> {
    frame(flag::KEEPALIVE, 0, 0, 0, &[])
}

pub fn fetch(topic: u32, offset: u64, max_bytes: u32, timestamp_ns: u64) -> Vec<u8> {
    let mut payload = topic.to_le_bytes().to_vec();
    payload.extend(offset.to_le_bytes());
    payload.extend(max_bytes.to_le_bytes());
    control(code::FETCH, timestamp_ns, &payload)
}

pub fn fetch_wait(topic: u32, offset: u64, min: u32, wait_ms: u32, timestamp_ns: u64) -> Vec<u8> {
    let mut payload = topic.to_le_bytes().to_vec();
    payload.extend(offset.to_le_bytes());
    for field in [65_536, min, wait_ms] {
        payload.extend(field.to_le_bytes());
    }
    control(code::FETCH_WAIT, timestamp_ns, &payload)
}

/// next_offset and data of a FetchResponse.
pub fn fetch_response(payload: &[u8]) -> (u64, Vec<u8>) {
    let (front, data) = payload.split_at(FETCH_HEADER);
    let next = u64::from_le_bytes(front[..8].try_into().expect("8 bytes"));
    let len = u32::from_le_bytes(front[8..12].try_into().expect("4 bytes"));
    assert_eq!(len as usize, data.len());
    (next, data.to_vec())
}

/// Payload of one raw record with `len` bytes of value.
pub fn record(len: usize, fill: u8) -> Vec<u8> {
    let mut payload = tlv::header(tlv::TYPE_RAW, len as u32).to_vec();
    payload.resize(payload.len() + len, fill);
    payload
}

/// An ErrorResponse's JSON.
pub fn error(answer: &(Header, Vec<u8>)) -> serde_json::Value {
    assert_eq!(answer.0.batch_id, code::ERROR_RESPONSE);
    assert_eq!(answer.0.flags, flag::CONTROL);
    serde_json::from_slice(&answer.1).expect("is JSON")
}
