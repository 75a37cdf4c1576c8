use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::*;
use crate::agent::Cx;
use crate::clock::SystemClock;
use crate::counters::{read, CountersFile};
use crate::queue::{queue, Receiver, Sender};
use crate::ring::{Chosen, Completion, Features, RingConfig, Token};

const SMALL: RingConfig = RingConfig {
    sq_entries: 8,
    cq_entries: 64,
    files: 4,
    recv_buffers: 2,
    recv_buffer_bytes: 4096,
    disk_workers: 1,
    write_through: false,
    discard: None,
};

/// Adds up what it receives and passes it on.
struct Adder {
    name: &'static str,
    from: Receiver<u64>,
    to: Option<(Sender<u64>, WakeHandle)>,
    sum: Arc<AtomicU64>,
}

impl Agent<dyn Ring> for Adder {
    fn name(&self) -> &'static str {
        self.name
    }
    fn do_work(&mut self, cx: &mut Cx<'_, dyn Ring>) -> usize {
        let mut done = 0;
        while let Some(number) = self.from.pop() {
            self.sum.fetch_add(number, Ordering::Relaxed);
            if let Some((to, wake)) = &mut self.to {
                assert_eq!(to.push(number), Ok(()));
                wake.notify(cx.ring);
            }
            done += 1;
        }
        done
    }
    fn on_completion(&mut self, _: &mut Cx<'_, dyn Ring>, _: Completion) {
        panic!("asked for nothing");
    }
}

/// Echoes what a socket says, through the ring.
struct Echo {
    socket: RawFd,
    number: u8,
    bytes: [u8; 16],
    asked: bool,
}

impl Agent<dyn Ring> for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }
    fn do_work(&mut self, cx: &mut Cx<'_, dyn Ring>) -> usize {
        if std::mem::replace(&mut self.asked, true) {
            return 0;
        }
        let (to, len) = (self.bytes.as_mut_ptr(), self.bytes.len() as u32);
        let token = Token::new(self.number, 1, 0);
        // SAFETY: the agent is boxed and outlives its runner's ring.
        unsafe { cx.ring.recv_into(self.socket, to, len, true, token) };
        1
    }
    fn on_completion(&mut self, cx: &mut Cx<'_, dyn Ring>, completion: Completion) {
        if completion.token.kind() == 2 {
            self.asked = false;
        } else if completion.result == 16 {
            let token = Token::new(self.number, 2, 0);
            // SAFETY: as above; nothing is received into it before this completes.
            unsafe { cx.ring.send(self.socket, self.bytes.as_ptr(), 16, token) };
        }
    }
}

fn backends() -> Vec<Chosen> {
    let features = thread::spawn(Features::probe).join().unwrap();
    let mut chosen = vec![Chosen { features: None }];
    if features.lacking().is_none() {
        chosen.push(Chosen {
            features: Some(features),
        });
    }
    chosen
}

fn config(name: &str, idle: IdleStrategy, agents: &[&str]) -> RunnerConfig {
    RunnerConfig {
        name: name.into(),
        seat: Seat::default(),
        idle,
        wake: WakeHandle::new(),
        stop: Arc::default(),
        clock: Arc::new(SystemClock),
        counters: RunnerCounters::new(&CountersFile::heap(), name, agents),
        heartbeat: None,
    }
}

fn start(config: RunnerConfig, agents: Vec<BoxedAgent>, chosen: Chosen) -> Runner {
    let (runner, _) = Runner::start(config, agents, move || chosen.open(&SMALL, None)).unwrap();
    runner
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn messages_cross_threads_under_every_idle_strategy() {
    for chosen in backends() {
        for idle in [IdleStrategy::Park, IdleStrategy::Yield, IdleStrategy::Spin] {
            let (mut feed, first_in) = queue(1024);
            let (first_out, second_in) = queue(1024);
            let sums = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
            let second = config("second", idle, &["last"]);
            let first = config("first", idle, &["first"]);
            let (wake_first, wake_second) = (first.wake.clone(), second.wake.clone());
            let last = Adder {
                name: "last",
                from: second_in,
                to: None,
                sum: sums[1].clone(),
            };
            let second = start(second, vec![Box::new(last)], chosen);
            let adder = Adder {
                name: "first",
                from: first_in,
                to: Some((first_out, wake_second)),
                sum: sums[0].clone(),
            };
            let first = start(first, vec![Box::new(adder)], chosen);
            let mut control = crate::ring::ControlWaker::new(&chosen).unwrap();
            for number in 1..=500u64 {
                assert_eq!(feed.push(number), Ok(()));
                control.notify(&wake_first).unwrap();
                if number % 100 == 0 {
                    // Long enough to park in between.
                    thread::sleep(Duration::from_millis(2));
                }
            }
            eventually("all numbers arrive", || {
                sums[1].load(Ordering::Relaxed) == 500 * 501 / 2
            });
            assert_eq!(first.join().len(), 1);
            assert_eq!(second.join().len(), 1);
            assert_eq!(sums[0].load(Ordering::Relaxed), 500 * 501 / 2);
        }
    }
}

#[test]
fn a_wake_up_never_waits_for_the_parks_own_time_out() {
    // With wake-ups lost, each number would take up to 100 ms: 1,000 of them, 100 seconds. The bound is far from both, also
    // where the machine has other work.
    for chosen in backends() {
        let (mut feed, from) = queue(4);
        let sum = Arc::new(AtomicU64::new(0));
        let config = config("parked", IdleStrategy::Park, &["adder"]);
        let wake = config.wake.clone();
        let adder = Adder {
            name: "adder",
            from,
            to: None,
            sum: sum.clone(),
        };
        let runner = start(config, vec![Box::new(adder)], chosen);
        let mut control = crate::ring::ControlWaker::new(&chosen).unwrap();
        let start = Instant::now();
        for number in 1..=1_000u64 {
            assert_eq!(feed.push(1), Ok(()));
            control.notify(&wake).unwrap();
            while sum.load(Ordering::Relaxed) < number {
                thread::yield_now();
            }
        }
        assert!(start.elapsed() < Duration::from_secs(60));
        runner.join();
    }
}

#[test]
fn completions_go_to_the_agent_that_asked() {
    for chosen in backends() {
        let pairs = [UnixStream::pair().unwrap(), UnixStream::pair().unwrap()];
        let agents: Vec<BoxedAgent> = (0u8..2)
            .map(|number| {
                Box::new(Echo {
                    socket: pairs[usize::from(number)].1.as_raw_fd(),
                    number,
                    bytes: [0; 16],
                    asked: false,
                }) as BoxedAgent
            })
            .collect();
        let config = config("echo", IdleStrategy::Park, &["echo-0", "echo-1"]);
        let runner = start(config, agents, chosen);
        for round in 0..20u8 {
            for (i, (ours, _)) in pairs.iter().enumerate() {
                let said = [round ^ (i as u8) << 7; 16];
                let mut heard = [0; 16];
                io::Write::write_all(&mut &*ours, &said).unwrap();
                io::Read::read_exact(&mut &*ours, &mut heard).unwrap();
                assert_eq!(heard, said);
            }
        }
        assert_eq!(runner.join().len(), 2);
    }
}

#[test]
fn the_thread_is_named_pinned_and_deaf_to_signals() {
    for chosen in backends() {
        let mut config = config("lance-test-x", IdleStrategy::Park, &[]);
        // SAFETY: plain system call.
        let cpu = unsafe { libc::sched_getcpu() };
        config.seat.cpu = u32::try_from(cpu).ok();
        let runner = start(config, Vec::new(), chosen);
        let status =
            fs::read_to_string(format!("/proc/self/task/{}/status", runner.tid())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        assert_eq!(field("Name:"), "lance-test-x");
        assert_eq!(field("Cpus_allowed_list:"), cpu.to_string());
        let blocked = u64::from_str_radix(&field("SigBlk:"), 16).unwrap();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1] {
            assert_ne!(blocked & 1 << (signal - 1), 0, "signal {signal}");
        }
        let named = match runner.backend() {
            "io_uring" => chosen.features.is_some(),
            _ => chosen.features.is_none(),
        };
        assert!(named);
        runner.join();
    }
}

#[test]
fn cycles_ring_totals_and_heartbeat_show_in_the_counters() {
    for chosen in backends() {
        let file = CountersFile::heap();
        let (mut feed, from) = queue(4);
        let sum = Arc::new(AtomicU64::new(0));
        let mut config = config("seen", IdleStrategy::Park, &[]);
        config.counters = RunnerCounters::new(&file, "seen", &["adder"]);
        let heartbeat = file.heartbeat();
        heartbeat.beat(0);
        config.heartbeat = Some(heartbeat);
        let adder = Adder {
            name: "adder",
            from,
            to: None,
            sum: sum.clone(),
        };
        assert_eq!(feed.push(7), Ok(()));
        let runner = start(config, vec![Box::new(adder)], chosen);
        eventually("the number arrives", || sum.load(Ordering::Relaxed) == 7);
        runner.join();
        let seen = read::read(&file.snapshot()).unwrap();
        let value = |name: &str, label: &str| seen.get(name, label).map(|s| s.value);
        assert_eq!(
            value("agent_busy_cycles", "runner=seen,agent=adder"),
            Some(1)
        );
        assert!(value("agent_idle_cycles", "runner=seen,agent=adder") > Some(0));
        assert!(value("runner_cycles", "runner=seen") > Some(0));
        assert!(seen.heartbeat_ns > 0);
    }
}

#[test]
fn a_ring_that_cannot_be_made_is_an_error_of_the_start() {
    let config = config("fails", IdleStrategy::Park, &[]);
    let started = Runner::start(config, Vec::new(), || {
        Err(io::Error::other("no ring today"))
    });
    let error = started.err().map(|e| e.to_string());
    assert_eq!(error.as_deref(), Some("no ring today"));
}

struct Bomb;

impl Agent<dyn Ring> for Bomb {
    fn name(&self) -> &'static str {
        "bomb"
    }
    fn do_work(&mut self, _: &mut Cx<'_, dyn Ring>) -> usize {
        panic!("boom at offset 7")
    }
    fn on_completion(&mut self, _: &mut Cx<'_, dyn Ring>, _: Completion) {}
}

#[test]
fn a_panic_in_an_agent_names_it_and_aborts_the_process() {
    const CHILD: &str = "LANCE_TEST_RUNNER_PANICS";
    if std::env::var_os(CHILD).is_some() {
        let config = config("doomed", IdleStrategy::Park, &["bomb"]);
        let _runner = start(config, vec![Box::new(Bomb)], Chosen { features: None });
        thread::sleep(Duration::from_secs(60));
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "runner::tests::a_panic_in_an_agent_names_it_and_aborts_the_process",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&child.stderr).into_owned();
    let signal = std::os::unix::process::ExitStatusExt::signal(&child.status);
    assert_eq!(signal, Some(libc::SIGABRT), "{words}");
    assert!(
        words.contains("agent bomb on thread doomed panicked: boom at offset 7"),
        "{words}"
    );
}

/// Notes when it has its turn; the first one also receives.
struct Turns {
    name: &'static str,
    log: Arc<Mutex<Vec<&'static str>>>,
    socket: Option<RawFd>,
    bytes: Vec<u8>,
}

impl Agent<dyn Ring> for Turns {
    fn name(&self) -> &'static str {
        self.name
    }
    fn do_work(&mut self, cx: &mut Cx<'_, dyn Ring>) -> usize {
        self.log.lock().unwrap().push(self.name);
        if let Some(socket) = self.socket.take() {
            let (to, len) = (self.bytes.as_mut_ptr(), self.bytes.len() as u32);
            // SAFETY: the memory is on the heap, and the agent outlives its runner's ring.
            unsafe {
                cx.ring
                    .recv_into(socket, to, len, true, Token::new(0, 1, 0))
            };
        }
        0
    }
    fn on_completion(&mut self, _: &mut Cx<'_, dyn Ring>, _: Completion) {
        self.log.lock().unwrap().push("received");
    }
}

#[test]
fn what_is_large_is_taken_by_the_next_agent_at_once() {
    for chosen in backends() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let names = ["network", "ingest", "io"];
        let agents = names.map(|name| -> BoxedAgent {
            Box::new(Turns {
                name,
                log: log.clone(),
                socket: (name == "network").then(|| theirs.as_raw_fd()),
                bytes: vec![0; 64 * 1024],
            })
        });
        let config = config("turns", IdleStrategy::Yield, &names);
        let runner = start(config, agents.into(), chosen);
        std::io::Write::write_all(&mut ours, &[7; 64 * 1024]).unwrap();
        eventually("it is received", || {
            log.lock().unwrap().contains(&"received")
        });
        runner.join();
        let log = log.lock().unwrap();
        let at = log.iter().position(|entry| *entry == "received").unwrap();
        assert_eq!(log[at + 1], "ingest");
        assert_eq!(log[at - 1], "io", "a cycle was over");
    }
}
