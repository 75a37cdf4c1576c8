//! What every backend promises, asked of each of them, and of io_uring with features taken away.

use std::fs::{File, OpenOptions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::*;
use crate::memory::{Backing, Pool, SlabClass, SlabTable, SlabTableBuilder};

mod allocations;
mod files;
mod sockets;
mod waiting;

const SMALL: RingConfig = RingConfig {
    sq_entries: 8,
    cq_entries: 16,
    files: 8,
    recv_buffers: 4,
    recv_buffer_bytes: 4096,
    disk_workers: 2,
    write_through: false,
    discard: None,
};

fn token(id: u64) -> Token {
    Token::new(3, 7, id)
}

/// What there is here, asked on another thread: the end of the probe's rings would interrupt this one's next wait.
fn features() -> Features {
    static FOUND: OnceLock<Features> = OnceLock::new();
    *FOUND.get_or_init(|| std::thread::spawn(Features::probe).join().unwrap())
}

/// A ring with what it handed out and nobody asked for yet.
struct Driven {
    ring: Box<dyn Ring>,
    seen: Vec<Completion>,
}

impl Driven {
    /// Turns and parks until a completion with this token is there.
    fn wait(&mut self, token: Token) -> Completion {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.ring.turn(&mut self.seen);
            if let Some(i) = self.seen.iter().position(|c| c.token == token) {
                return self.seen.remove(i);
            }
            assert!(Instant::now() < deadline, "no completion of {token:?}");
            self.ring.park(10_000_000);
        }
    }
    fn bytes(&self, completion: &Completion) -> Vec<u8> {
        let at = self.ring.recv_buffer(completion.buffer.expect("a buffer"));
        // SAFETY: the buffer is lent to us and holds `result` bytes.
        unsafe { std::slice::from_raw_parts(at, completion.result as usize) }.to_vec()
    }
}

/// Every backend, and io_uring as older kernels have it.
fn each(config: RingConfig, table: Option<&SlabTable>, test: impl Fn(&mut Driven)) {
    let all = features();
    let mut kinds: Vec<(&str, Option<Features>, bool)> = vec![("pwritev2", None, false)];
    if all.lacking().is_none() {
        let plain = Features {
            single_issuer: false,
            defer_taskrun: false,
            coop_taskrun: false,
            submit_all: false,
            skip_success: false,
            registered_ring: false,
            registered_files: false,
            multishot_accept: false,
            multishot_recv: false,
            ..all
        };
        let coop = Features {
            defer_taskrun: false,
            ..all
        };
        kinds.extend([
            ("io_uring", Some(all), false),
            ("io_uring on a device that writes through", Some(all), true),
            ("io_uring, cooperative", Some(coop), false),
            ("io_uring, nothing optional", Some(plain), false),
        ]);
    } else {
        eprintln!("io_uring is not tested here: {:?}", all.lacking());
    }
    for (kind, features, write_through) in kinds {
        eprintln!("with {kind}");
        let config = RingConfig {
            write_through,
            ..config
        };
        let (ring, _) = Chosen { features }.open(&config, table).unwrap();
        let seen = Vec::with_capacity(TURN_COMPLETIONS);
        test(&mut Driven { ring, seen });
    }
}

fn loopback() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

struct TempFile(PathBuf);

impl TempFile {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lance-ring-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
    fn open_direct(&self) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_DIRECT)
            .open(&self.0)
            .unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn slabs() -> (SlabTable, Pool) {
    let mut builder = SlabTableBuilder::default();
    let classes = [
        SlabClass {
            bytes: 8192,
            count: 80,
            backing: Backing::Start,
        },
        SlabClass {
            bytes: 65_536,
            count: 2,
            backing: Backing::EachUse,
        },
    ];
    let pool = builder.pool(&classes);
    (builder.build().unwrap(), pool)
}
