//! What this kernel's io_uring can do, each feature tried alone (design.md, section 3).

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use io_uring::{cqueue, opcode, squeue, types, IoUring, Probe};

use super::buffers::{BufferRing, RecvMemory};
use super::RecvBuffer;

/// What was found. Those above the blank line must all be there for the backend to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Features {
    /// The system call exists and is allowed.
    pub io_uring: bool,
    /// Enough memory may be locked for small rings at least.
    pub memory: bool,
    /// Waiting with a time-out (5.11).
    pub ext_arg: bool,
    /// Completions are never dropped (5.5).
    pub nodrop: bool,
    /// The ring of provided buffers (5.19).
    pub buffer_ring: bool,
    /// `IORING_OP_MSG_RING` (5.18).
    pub msg_ring: bool,
    /// Every operation that we submit.
    pub operations: bool,

    /// One thread submits (6.0).
    pub single_issuer: bool,
    /// Completion work only when the thread enters (6.1).
    pub defer_taskrun: bool,
    /// Completion work without interrupting the thread (5.19).
    pub coop_taskrun: bool,
    /// A faulty operation does not hold up those behind it (5.18).
    pub submit_all: bool,
    /// No completion for what succeeds in the background (5.17).
    pub skip_success: bool,
    /// The ring itself as a registered file (5.18).
    pub registered_ring: bool,
    /// A sparse table of registered files (5.19).
    pub registered_files: bool,
    /// Accept until cancelled (5.19).
    pub multishot_accept: bool,
    /// Receive until cancelled (6.0).
    pub multishot_recv: bool,
}

const OPERATIONS: [(u8, &str); 11] = [
    (opcode::Write::CODE, "write"),
    (opcode::Read::CODE, "read"),
    (opcode::WriteFixed::CODE, "write_fixed"),
    (opcode::ReadFixed::CODE, "read_fixed"),
    (opcode::Fsync::CODE, "fsync"),
    (opcode::Accept::CODE, "accept"),
    (opcode::Recv::CODE, "recv"),
    (opcode::Send::CODE, "send"),
    (opcode::AsyncCancel::CODE, "async_cancel"),
    (opcode::Close::CODE, "close"),
    (opcode::Nop::CODE, "nop"),
];

impl Features {
    /// Tries everything; takes about a millisecond.
    #[must_use]
    pub fn probe() -> Self {
        let mut features = Self {
            memory: true,
            ..Self::default()
        };
        // As large as a node that is short of lockable memory makes its own.
        let mut builder: io_uring::Builder = IoUring::builder();
        let ring = match builder.setup_cqsize(4096).build(1024) {
            Ok(ring) => ring,
            Err(e) => {
                features.memory = !is_memory(&e);
                return features;
            }
        };
        features.io_uring = true;
        features.ext_arg = ring.params().is_feature_ext_arg();
        features.nodrop = ring.params().is_feature_nodrop();
        features.skip_success = ring.params().is_feature_skip_cqe_on_success();
        let mut probe = Probe::new();
        if ring.submitter().register_probe(&mut probe).is_ok() {
            features.operations = OPERATIONS.iter().all(|(code, _)| probe.is_supported(*code));
            features.msg_ring = probe.is_supported(opcode::MsgRingData::CODE);
        }
        features.registered_files = ring.submitter().register_files_sparse(4).is_ok();
        features.registered_ring = ring.submitter().register_ring_fd().is_ok();
        features.submit_all = accepts(|b| b.setup_submit_all());
        features.coop_taskrun = accepts(|b| b.setup_coop_taskrun().setup_taskrun_flag());
        features.single_issuer = accepts(|b| b.setup_single_issuer());
        features.defer_taskrun = accepts(|b| {
            b.setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag()
        });
        let buffers = buffer_ring();
        features.memory = !buffers.as_ref().is_err_and(is_memory);
        features.buffer_ring = buffers.is_ok();
        features.multishot_accept = multishot_accept().unwrap_or(false);
        features.multishot_recv = features.buffer_ring && multishot_recv().unwrap_or(false);
        features
    }

    /// What must be there and is not; `None`: the backend can serve.
    #[must_use]
    pub fn lacking(&self) -> Option<&'static str> {
        let needed = [
            (
                self.memory,
                "too little memory may be locked for its rings (raise LimitMEMLOCK, ulimit -l)",
            ),
            (
                self.io_uring,
                "the kernel has no io_uring or forbids it (kernel.io_uring_disabled, seccomp)",
            ),
            (self.ext_arg && self.nodrop, "the kernel is older than 5.11"),
            (
                self.buffer_ring,
                "the kernel has no provided-buffer rings (Linux 5.19)",
            ),
            (self.msg_ring, "the kernel has no MSG_RING (Linux 5.18)"),
            (self.operations, "the kernel's io_uring lacks an operation"),
        ];
        needed
            .iter()
            .find(|(there, _)| !there)
            .map(|(_, what)| *what)
    }

    /// A sentence for each feature that is absent and not needed.
    #[must_use]
    pub fn announcements(&self) -> Vec<String> {
        let optional = [
            (self.single_issuer, "SINGLE_ISSUER", "6.0"),
            (self.defer_taskrun, "DEFER_TASKRUN", "6.1"),
            (self.coop_taskrun, "COOP_TASKRUN", "5.19"),
            (self.submit_all, "SUBMIT_ALL", "5.18"),
            (self.skip_success, "CQE_SKIP", "5.17"),
            (self.registered_ring, "registered ring descriptors", "5.18"),
            (self.registered_files, "sparse registered files", "5.19"),
            (self.multishot_accept, "multishot accept", "5.19"),
            (self.multishot_recv, "multishot receive", "6.0"),
        ];
        optional
            .iter()
            .filter(|(there, _, _)| !there)
            .map(|(_, what, since)| {
                format!("io_uring without {what} (Linux {since}): works, with more system calls")
            })
            .collect()
    }
}

/// The limit of locked memory, which newer kernels charge rings to.
pub(super) fn is_memory(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOMEM)
}

/// Whether a ring can be made with these flags.
fn accepts(setup: impl FnOnce(&mut io_uring::Builder) -> &mut io_uring::Builder) -> bool {
    let mut builder = IoUring::builder();
    setup(&mut builder);
    builder.build(4).is_ok()
}

fn buffer_ring() -> io::Result<()> {
    let ring = IoUring::new(4)?;
    let memory = RecvMemory::new(1, 4096)?;
    register_buffers(&ring, &BufferRing::new(&memory)?)
}

fn register_buffers(ring: &IoUring, buffers: &BufferRing) -> io::Result<()> {
    let (at, entries) = buffers.address();
    // SAFETY: the entries are mapped; every caller drops the ring first or keeps both to its end.
    unsafe {
        ring.submitter()
            .register_buf_ring_with_flags(at, entries, 0, 0)
    }
}

fn multishot_accept() -> io::Result<bool> {
    // A port that the system picks is nobody else's: a name made of a pid is, in containers that share a network.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let _client = TcpStream::connect(listener.local_addr()?)?;
    let mut ring = IoUring::new(4)?;
    let entry = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build();
    let (result, flags) = first_completion(&mut ring, &entry)?;
    if result >= 0 {
        close(result);
    }
    Ok(result >= 0 && cqueue::more(flags))
}

fn multishot_recv() -> io::Result<bool> {
    let (mut ours, theirs) = UnixStream::pair()?;
    io::Write::write_all(&mut ours, b"?")?;
    let memory = RecvMemory::new(1, 4096)?;
    let mut buffers = BufferRing::new(&memory)?;
    buffers.give(&memory, RecvBuffer(0));
    let mut ring = IoUring::new(4)?;
    register_buffers(&ring, &buffers)?;
    let entry = opcode::RecvMulti::new(types::Fd(theirs.as_raw_fd()), 0).build();
    let (result, flags) = first_completion(&mut ring, &entry)?;
    // The ring goes before its buffers: nothing is received into memory that is gone.
    drop(ring);
    Ok(result == 1 && cqueue::more(flags))
}

fn first_completion(ring: &mut IoUring, entry: &squeue::Entry) -> io::Result<(i32, u32)> {
    // SAFETY: the operations above refer to descriptors and registered buffers only, which outlive the ring's answer.
    unsafe { ring.submission().push(entry) }.map_err(io::Error::other)?;
    let timeout = types::Timespec::new().sec(1);
    let args = types::SubmitArgs::new().timespec(&timeout);
    ring.submitter().submit_with_args(1, &args)?;
    let completion = ring.completion().next();
    completion
        .map(|c| (c.result(), c.flags()))
        .ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))
}

fn close(fd: RawFd) {
    // SAFETY: a descriptor that the kernel just gave us and nobody else knows.
    unsafe { libc::close(fd) };
}
