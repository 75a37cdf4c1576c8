//! Whatever peers do, nothing leaks, nothing panics, and acks stay in order.

use std::collections::HashMap;
use std::os::fd::RawFd;

use proptest::prelude::*;

use super::world::*;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::lwp::control::code;
use crate::lwp::header::flag;
use crate::messages::{FromIngest, FromIo, Ticket, ToIo};
use crate::network::control_plane::HelloSettings;

#[derive(Clone, Debug)]
enum Step {
    Connect {
        trickle: usize,
    },
    Ingest {
        peer: usize,
        len: usize,
        topic: u32,
    },
    Damaged {
        peer: usize,
        len: usize,
        at: usize,
    },
    Garbage {
        peer: usize,
        bytes: Vec<u8>,
    },
    Partial {
        peer: usize,
        len: usize,
        sent: usize,
    },
    Flags {
        peer: usize,
        flags: u8,
    },
    Fetch {
        peer: usize,
    },
    Wait {
        peer: usize,
    },
    Hello {
        peer: usize,
        by_topic: bool,
    },
    List {
        peer: usize,
    },
    Keepalive {
        peer: usize,
    },
    Reads {
        peer: usize,
        bytes: usize,
    },
    HalfClose {
        peer: usize,
    },
    Reset {
        peer: usize,
    },
    Consume {
        refuse: bool,
    },
    Ack {
        newest: bool,
    },
    AnswerIo {
        len: usize,
    },
    AnswerPlane {
        len: usize,
    },
    Pass {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0usize..6;
    let len = prop_oneof![
        0usize..40,
        400usize..700,
        2000usize..9000,
        60_000usize..70_000,
        Just(300_000)
    ];
    prop_oneof![
        2 => prop_oneof![Just(0usize), 1usize..100, Just(3000)].prop_map(|trickle| Step::Connect { trickle }),
        8 => (peer.clone(), len.clone(), 0u32..4).prop_map(|(peer, len, topic)| Step::Ingest { peer, len, topic }),
        1 => (peer.clone(), len.clone(), 0usize..80).prop_map(|(peer, len, at)| Step::Damaged { peer, len, at }),
        1 => (peer.clone(), proptest::collection::vec(any::<u8>(), 1..90)).prop_map(|(peer, bytes)| Step::Garbage { peer, bytes }),
        1 => (peer.clone(), len.clone(), 1usize..50_000).prop_map(|(peer, len, sent)| Step::Partial { peer, len, sent }),
        1 => (peer.clone(), any::<u8>()).prop_map(|(peer, flags)| Step::Flags { peer, flags }),
        2 => peer.clone().prop_map(|peer| Step::Fetch { peer }),
        2 => peer.clone().prop_map(|peer| Step::Wait { peer }),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, by_topic)| Step::Hello { peer, by_topic }),
        2 => peer.clone().prop_map(|peer| Step::List { peer }),
        1 => peer.clone().prop_map(|peer| Step::Keepalive { peer }),
        1 => (peer.clone(), prop_oneof![0usize..200, Just(usize::MAX)]).prop_map(|(peer, bytes)| Step::Reads { peer, bytes }),
        1 => peer.clone().prop_map(|peer| Step::HalfClose { peer }),
        1 => peer.prop_map(|peer| Step::Reset { peer }),
        4 => any::<bool>().prop_map(|refuse| Step::Consume { refuse }),
        6 => any::<bool>().prop_map(|newest| Step::Ack { newest }),
        3 => len.clone().prop_map(|len| Step::AnswerIo { len }),
        3 => len.prop_map(|len| Step::AnswerPlane { len: len.min(9000) }),
        1 => prop_oneof![1u64..100, 900u64..40_000].prop_map(|ms| Step::Pass { ms }),
    ]
}

/// The world with what the test owes it.
struct Play {
    world: World,
    peers: Vec<RawFd>,
    next_batch: u64,
    unacked: Vec<Ticket>,
    to_answer: Vec<ToIo>,
    /// With whether it is a Hello that asks for the order by topic.
    plane: Vec<(crate::node::ControlId, u64, bool)>,
    last_ack: HashMap<RawFd, u64>,
    by_topic: Vec<RawFd>,
}

impl Play {
    fn peer(&self, peer: usize) -> Option<RawFd> {
        let socket = *self.peers.get(peer % self.peers.len().max(1))?;
        (!self.world.is_closed(socket)).then_some(socket)
    }
    fn send(&mut self, peer: usize, bytes: &[u8]) {
        if let Some(socket) = self.peer(peer) {
            self.world.send(socket, bytes);
        }
    }
    fn batch(&mut self) -> u64 {
        self.next_batch += 1;
        self.next_batch
    }
    fn collect(&mut self) {
        let asked = self.world.asked();
        self.to_answer
            .extend(asked.into_iter().filter(|m| !matches!(m, ToIo::Forget(_))));
        let plane = self.world.asked_plane();
        self.plane.extend(
            plane
                .into_iter()
                .map(|(id, code, payload)| (id, code, payload == b"topic")),
        );
        while self.world.spent.pop().is_some() {}
        while self.world.log.pop().is_some() {}
    }
    fn consume(&mut self, refuse: bool) {
        let refusal = Refusal {
            code: ErrorCode::TopicNotFound,
            reason: Reason::TopicUnknown,
            value: 1,
            bound: 0,
        };
        while let Some(frame) = self.world.ingest.pop() {
            let ticket = frame.ticket;
            let source = frame.source;
            assert!(self
                .world
                .from_ingest
                .push(FromIngest::Consumed(source))
                .is_ok());
            if refuse {
                let refused = FromIngest::Refused { ticket, refusal };
                assert!(self.world.from_ingest.push(refused).is_ok());
            } else {
                self.unacked.push(ticket);
            }
        }
        self.world.run();
    }
    fn answer_io(&mut self, len: usize) {
        let Some(message) = self.to_answer.pop() else {
            return;
        };
        match message {
            ToIo::Fetch(fetch) => {
                let data = if self
                    .world
                    .responses
                    .take(70_000)
                    .map(|s| self.world.responses.put(&self.world.slabs, s))
                    .is_some()
                {
                    record(len.min(60_000), 3)
                } else {
                    Vec::new()
                };
                self.world.fetched(fetch.request, &data, 9);
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }
    fn answer_plane(&mut self, len: usize) {
        let Some((id, code, by_topic)) = self.plane.pop() else {
            return;
        };
        let hello = (code == code::HELLO).then_some(HelloSettings {
            order_by_topic: by_topic,
            linearizable: false,
        });
        self.world
            .answer_plane_with(id, code::TOPIC_RESPONSE, &vec![b' '; len], hello);
    }
    /// Checks what came back: whole frames, acks in order unless the peer asked otherwise.
    fn check(&mut self) {
        for &socket in &self.peers {
            let stuck = self.world.ring.sockets[&socket].reads.is_some();
            if stuck || self.world.is_closed(socket) {
                // Cut in the middle of a frame, possibly.
                continue;
            }
            for (header, _) in self.world.answers(socket) {
                if header.flags == flag::ACK && !self.by_topic.contains(&socket) {
                    let last = self.last_ack.entry(socket).or_default();
                    assert!(header.batch_id > *last, "acks are in order");
                    *last = header.batch_id;
                }
            }
        }
    }
    fn step(&mut self, step: Step) {
        match step {
            Step::Connect { trickle } => {
                let socket = self.world.connect();
                let fake = self.world.ring.sockets.get_mut(&socket).expect("a socket");
                fake.trickle = (trickle > 0).then_some(trickle);
                self.peers.push(socket);
            }
            Step::Ingest { peer, len, topic } => {
                let batch = self.batch();
                self.send(peer, &ingest(batch, topic, &record(len, len as u8)));
            }
            Step::Damaged { peer, len, at } => {
                let batch = self.batch();
                let mut bytes = ingest(batch, 1, &record(len, 1));
                let at = at % bytes.len();
                // Another batch id would only be another batch.
                let at = if (12..20).contains(&at) { at - 12 } else { at };
                bytes[at] ^= 1;
                self.send(peer, &bytes);
            }
            Step::Garbage { peer, bytes } => self.send(peer, &bytes),
            Step::Partial { peer, len, sent } => {
                let bytes = ingest(u64::MAX, 1, &record(len, 1));
                let sent = sent.min(bytes.len() - 1);
                self.send(peer, &bytes[..sent]);
            }
            Step::Flags { peer, flags } => self.send(peer, &frame(flags, 1 << 60, 0, 1, b"x")),
            Step::Fetch { peer } => self.send(peer, &fetch(1, 0, 100, 1)),
            Step::Wait { peer } => self.send(peer, &fetch_wait(1, 0, 1, 1000, 1)),
            Step::Hello { peer, by_topic } => {
                if let (Some(socket), true) = (self.peer(peer), by_topic) {
                    self.by_topic.push(socket);
                }
                let payload: &[u8] = if by_topic { b"topic" } else { b"connection" };
                self.send(peer, &control(code::HELLO, 0, payload));
            }
            Step::List { peer } => self.send(peer, &control(code::LIST_TOPICS, 0, &[])),
            Step::Keepalive { peer } => self.send(peer, &keepalive()),
            Step::Reads { peer, bytes } => {
                if let Some(socket) = self.peer(peer) {
                    let fake = self.world.ring.sockets.get_mut(&socket).expect("a socket");
                    fake.reads = Some(bytes);
                    self.world.run();
                }
            }
            Step::HalfClose { peer } => {
                if let Some(socket) = self.peer(peer) {
                    self.world.ring.peer_closes(socket);
                    self.world.run();
                }
            }
            Step::Reset { peer } => {
                if let Some(socket) = self.peer(peer) {
                    self.world.ring.reset(socket);
                    self.world.run();
                }
            }
            Step::Consume { refuse } => self.consume(refuse),
            Step::Ack { newest } => {
                let at = if newest {
                    self.unacked.len().checked_sub(1)
                } else {
                    Some(0)
                };
                if let Some(at) = at.filter(|&at| at < self.unacked.len()) {
                    let ticket = self.unacked.remove(at);
                    self.world.ack(ticket);
                }
            }
            Step::AnswerIo { len } => self.answer_io(len),
            Step::AnswerPlane { len } => self.answer_plane(len),
            Step::Pass { ms } => self.world.pass(ms * 1_000_000),
        }
        self.collect();
        self.check();
    }
    /// Everyone goes; what was owed is settled; then nothing is held.
    fn end(mut self) {
        for socket in std::mem::take(&mut self.peers) {
            if !self.world.is_closed(socket) {
                self.world.ring.reset(socket);
            }
        }
        for _ in 0..200 {
            self.world.pass(SECOND);
            self.collect();
            self.consume(false);
            for ticket in std::mem::take(&mut self.unacked) {
                assert!(self
                    .world
                    .from_io
                    .push(FromIo::Acked {
                        ticket,
                        stable_ns: 0
                    })
                    .is_ok());
            }
            while !self.to_answer.is_empty() {
                self.answer_io(10);
            }
            while !self.plane.is_empty() {
                self.answer_plane(10);
            }
        }
        self.collect();
        assert_eq!(self.world.agent.live.len(), 0, "every connection is closed");
        assert_eq!(self.world.agent.tickets.in_flight(), 0);
        assert_eq!(self.world.agent.free_slots.len(), 256);
        assert!(self.world.agent.requests.is_unused());
        assert_eq!(self.world.count("paused_connections", ""), 0);
        self.world.assert_all_is_back();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn whatever_peers_do_nothing_leaks_and_acks_stay_in_order(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut play = Play {
            world: World::new(),
            peers: Vec::new(),
            next_batch: 0,
            unacked: Vec::new(),
            to_answer: Vec::new(),
            plane: Vec::new(),
            last_ack: HashMap::new(),
            by_topic: Vec::new(),
        };
        for step in steps {
            play.step(step);
        }
        play.end();
    }
}
