//! The agent on real sockets, under every backend that this machine has; the test plays the other agents.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::world::{fetch, ingest, keepalive, record};
use crate::agent::{Agent, Cx};
use crate::allocations;
use crate::clock::{Clock, SystemClock};
use crate::counters::CountersFile;
use crate::limits::{Limits, RESPONSE_HEADROOM};
use crate::lwp::header::{decode, flag, Header, HEADER};
use crate::memory::{Pool, SlabTable, SlabTableBuilder};
use crate::messages::{FetchData, FromIngest, FromIo, IngestFrame, ToIo};
use crate::network::{
    listen, NetworkAgent, NetworkConfig, NetworkCounters, NetworkDrain, NetworkEnds,
};
use crate::queue::{queue, Receiver, Sender};
use crate::ring::{Chosen, Features, Ring, RingConfig};

/// A node of a network agent alone: whatever comes is acknowledged, every fetch gets a record.
struct Echo {
    ring: Box<dyn Ring>,
    agent: NetworkAgent,
    ingest: Receiver<IngestFrame>,
    from_ingest: Sender<FromIngest>,
    io: Receiver<ToIo>,
    from_io: Sender<FromIo>,
    slabs: Arc<SlabTable>,
    responses: Pool,
    done: Vec<crate::ring::Completion>,
    frames: u64,
    _listener: OwnedFd,
}

fn chosen() -> Vec<Chosen> {
    let features = thread::spawn(Features::probe).join().expect("probes");
    let mut all = vec![Chosen { features: None }];
    if features.lacking().is_none() {
        all.push(Chosen {
            features: Some(features),
        });
    }
    all
}

impl Echo {
    fn new(chosen: Chosen, limits: &Limits) -> (Self, SocketAddr) {
        let mut builder = SlabTableBuilder::default();
        let classes = limits.frame_classes();
        let frames = builder.pool(&classes);
        let responses = builder.pool(&limits.response_classes());
        let slabs = Arc::new(builder.build().expect("memory"));
        let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("listens");
        let (to_ingest, ingest) = queue(1024);
        let (from_ingest, ingest_back) = queue(65_536);
        let (to_io, io) = queue(1024);
        let (from_io, io_back) = queue(65_536);
        let (to_control, _) = queue(256);
        let (_, from_control) = queue(256);
        let (spent, _) = queue(256);
        let (log, _) = queue(256);
        let config = RingConfig {
            files: 4,
            ..RingConfig::default()
        };
        let (ring, _) = chosen
            .open(&config.with_limits(limits), None)
            .expect("a ring");
        let agent = NetworkAgent::new(
            NetworkConfig {
                agent: 0,
                limits: limits.clone(),
                listeners: vec![listener.socket.as_raw_fd()],
                clock: Arc::new(SystemClock),
            },
            NetworkEnds {
                to_ingest,
                from_ingest: ingest_back,
                to_io,
                from_io: io_back,
                to_control,
                from_control,
                spent,
                log,
                slabs: slabs.clone(),
                frames,
                counters: NetworkCounters::register(&CountersFile::heap(), "", &classes),
                drain: NetworkDrain::new(),
                wake_ingest: None,
                wake_io: None,
                wake_control: None,
            },
        );
        let echo = Self {
            ring,
            agent,
            ingest,
            from_ingest,
            io,
            from_io,
            slabs,
            responses,
            done: Vec::with_capacity(4096),
            frames: 0,
            _listener: listener.socket,
        };
        (echo, listener.address)
    }

    fn cycle(&mut self) {
        let now = SystemClock.now();
        self.ring.turn(&mut self.done);
        let mut moved = !self.done.is_empty();
        for completion in self.done.drain(..) {
            let ring = &mut *self.ring;
            self.agent.on_completion(&mut Cx { now, ring }, completion);
        }
        moved |= self.agent.do_work(&mut Cx {
            now,
            ring: &mut *self.ring,
        }) > 0;
        moved |= self.play();
        if !moved {
            self.ring.park(1_000_000);
        }
    }

    fn play(&mut self) -> bool {
        let mut moved = false;
        while let Some(frame) = self.ingest.pop() {
            moved = true;
            self.frames += 1;
            // SAFETY: the agent keeps the payload in place until it is consumed, below.
            let payload = unsafe { std::slice::from_raw_parts(frame.payload, frame.len as usize) };
            assert!(payload.ends_with(&payload[5..6]), "the fill is whole");
            assert!(self
                .from_ingest
                .push(FromIngest::Consumed(frame.source))
                .is_ok());
            assert!(self
                .from_io
                .push(FromIo::Acked {
                    ticket: frame.ticket,
                    stable_ns: 0
                })
                .is_ok());
        }
        while let Some(message) = self.io.pop() {
            moved = true;
            match message {
                ToIo::Release(slab) => self.responses.put(&self.slabs, slab),
                ToIo::Fetch(asked) => {
                    let slab = self
                        .responses
                        .take(RESPONSE_HEADROOM + 1000)
                        .expect("a slab");
                    let data = FetchData {
                        slab: Some(slab),
                        len: 1000,
                        records: 1,
                        next_offset: asked.offset + 1000,
                        sum: None,
                    };
                    let request = asked.request;
                    assert!(self.from_io.push(FromIo::Fetched { request, data }).is_ok());
                }
                other => panic!("nobody asked for {other:?}"),
            }
        }
        moved
    }
}

fn read_frame(client: &mut TcpStream) -> (Header, Vec<u8>) {
    let mut front = [0; HEADER];
    client.read_exact(&mut front).expect("a header");
    let (header, _) = decode(&front, None).expect("a header");
    let mut payload = vec![0; header.payload_len as usize];
    client.read_exact(&mut payload).expect("a payload");
    (header, payload)
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("connects");
    client
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("is set");
    client
}

/// Sends frames without waiting, reads the acks beside it, and checks their order.
fn produce(address: SocketAddr, frames: u64, len: impl Fn(u64) -> usize + Send + 'static) {
    let mut client = connect(address);
    let mut sender = client.try_clone().expect("clones");
    let writes = thread::spawn(move || {
        for i in 0..frames {
            sender
                .write_all(&ingest(i, 7, &record(len(i), i as u8)))
                .expect("sends");
        }
    });
    for i in 0..frames {
        let (header, _) = read_frame(&mut client);
        assert_eq!((header.flags, header.batch_id), (flag::ACK, i));
    }
    writes.join().expect("wrote");
}

/// Runs the node until the clients are done.
fn until_done(echo: &mut Echo, clients: Vec<thread::JoinHandle<()>>) {
    while !clients.iter().all(thread::JoinHandle::is_finished) {
        echo.cycle();
    }
    for client in clients {
        client.join().expect("the client is content");
    }
}

#[test]
fn frames_of_all_sizes_from_many_connections_are_acknowledged_in_order() {
    for chosen in chosen() {
        let (mut echo, address) = Echo::new(chosen, &Limits::default());
        let sizes = [
            10, 300, 500, 1000, 5000, 15_000, 20_000, 65_000, 130_000, 600_000,
        ];
        let clients = (0..8u64)
            .map(|c| {
                thread::spawn(move || {
                    produce(address, 300, move |i| sizes[((i / 10 + c) % 10) as usize]);
                })
            })
            .collect();
        until_done(&mut echo, clients);
        assert_eq!(echo.frames, 8 * 300);
    }
}

#[test]
fn fetches_keepalives_and_a_half_closed_connection_work_on_real_sockets() {
    for chosen in chosen() {
        let (mut echo, address) = Echo::new(chosen, &Limits::default());
        let client = thread::spawn(move || {
            let mut client = connect(address);
            for i in 0..200 {
                client
                    .write_all(&fetch(7, i * 1000, 4096, i))
                    .expect("sends");
                let (header, payload) = read_frame(&mut client);
                assert_eq!((header.timestamp_ns, payload.len()), (i, 1016));
            }
            client.write_all(&keepalive()).expect("sends");
            assert_eq!(read_frame(&mut client).0.flags, flag::KEEPALIVE);
            client
                .write_all(&ingest(9, 7, &record(10, 1)))
                .expect("sends");
            client.shutdown(std::net::Shutdown::Write).expect("shuts");
            assert_eq!(read_frame(&mut client).0.batch_id, 9);
            assert_eq!(client.read(&mut [0]).expect("ends"), 0);
        });
        until_done(&mut echo, vec![client]);
    }
}

#[test]
fn nothing_is_allocated_for_a_frame_once_the_agent_is_warm() {
    for chosen in chosen() {
        let (mut echo, address) = Echo::new(chosen, &Limits::default());
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = [20usize, 900, 40_000, 300_000]
            .into_iter()
            .map(|len| {
                let stop = stop.clone();
                thread::spawn(move || {
                    let mut client = connect(address);
                    let frame = ingest(1, 7, &record(len, 5));
                    let mut damaged = ingest(2, 7, &record(20, 5));
                    *damaged.last_mut().expect("bytes") ^= 1;
                    while !stop.load(Ordering::Relaxed) {
                        for frame in [&frame, &damaged, &fetch(7, 0, 4096, 1)] {
                            client.write_all(frame).expect("sends");
                        }
                        for _ in 0..3 {
                            read_frame(&mut client);
                        }
                    }
                })
            })
            .collect();
        while echo.frames < 2000 {
            echo.cycle();
        }
        let ((), made) = allocations::during(|| {
            let until = echo.frames + 4000;
            while echo.frames < until {
                echo.cycle();
            }
        });
        assert_eq!(made, 0, "{}", echo.ring.backend());
        stop.store(true, Ordering::Relaxed);
        until_done(&mut echo, clients);
    }
}

/// By hand: `cargo test --release -p lance-engine network::tests::sockets -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn measure() {
    for chosen in chosen() {
        for (clients, len, frames) in [
            (1, 20, 400_000),
            (16, 1024, 20_000),
            (16, 65_536, 4000),
            (4, 1 << 20, 500),
        ] {
            let (mut echo, address) = Echo::new(chosen, &Limits::default());
            let start = std::time::Instant::now();
            let threads = (0..clients)
                .map(|_| {
                    thread::spawn(move || {
                        let frame = ingest(0, 7, &record(len, 1));
                        let mut client = connect(address);
                        let mut sender = client.try_clone().expect("clones");
                        let many = frame.repeat((64 * 1024 / frame.len()).max(1));
                        let times = frames * frame.len() / many.len();
                        let expected = times * (many.len() / frame.len()) * HEADER;
                        thread::spawn(move || {
                            for _ in 0..times {
                                sender.write_all(&many).expect("sends");
                            }
                        });
                        let mut bytes = vec![0; 65_536];
                        let mut acked = 0;
                        while acked < expected {
                            acked += client.read(&mut bytes).expect("acks");
                        }
                    })
                })
                .collect();
            until_done(&mut echo, threads);
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{}: {clients} clients, {len} B: {:.0} frames/s, {:.0} MB/s; {:?}",
                echo.ring.backend(),
                echo.frames as f64 / seconds,
                echo.frames as f64 * len as f64 / seconds / 1e6,
                echo.ring.stats(),
            );
        }
    }
}
