//! Threads that do the blocking disk calls of the `pwritev2` backend.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{fence, AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::waker::signal;
use super::Token;
use crate::named::spawn_named;

/// One call.
pub(super) struct Job {
    pub(super) fd: RawFd,
    pub(super) at: u64,
    pub(super) call: Call,
    pub(super) token: Token,
}

/// Which call. The memory is promised to stay by whoever asked.
pub(super) enum Call {
    Write {
        from: *const u8,
        len: u32,
        sync: bool,
    },
    Read {
        to: *mut u8,
        len: u32,
    },
    Flush,
}

// SAFETY: the memory behind the pointers is the operation's until its completion, and a job is with one thread at a time.
unsafe impl Send for Job {}

/// Calls that are under way at once in all likelihood: room for them is made at the start.
pub(super) const AT_ONCE: usize = 1024;

struct Jobs {
    queue: VecDeque<Job>,
    stop: bool,
}

struct Shared {
    jobs: Mutex<Jobs>,
    some: Condvar,
    done: Mutex<Vec<(Token, i32)>>,
    /// How many are in `done`: looked at without the lock.
    done_count: AtomicUsize,
    /// The ring's thread waits, or is about to.
    parked: AtomicBool,
    event: RawFd,
}

/// The threads and what goes in and out. Owned by the ring; calls are finished before it goes.
pub(super) struct DiskWorkers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl DiskWorkers {
    /// Starts `count` threads, with the calling thread's signal mask. They write to `event` to end the ring's wait.
    pub(super) fn new(count: u32, event: RawFd) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            jobs: Mutex::new(Jobs {
                queue: VecDeque::with_capacity(AT_ONCE),
                stop: false,
            }),
            some: Condvar::new(),
            done: Mutex::new(Vec::with_capacity(AT_ONCE)),
            done_count: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            event,
        });
        let mut workers = Self {
            shared,
            threads: Vec::new(),
        };
        for i in 0..count.max(1) {
            let shared = workers.shared.clone();
            let thread = spawn_named(&format!("lance-disk-{i}"), move || work(&shared))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    pub(super) fn submit(&self, job: Job) {
        lock(&self.shared.jobs).queue.push_back(job);
        self.shared.some.notify_one();
    }

    /// Whether something is there to take.
    pub(super) fn any_done(&self) -> bool {
        self.shared.done_count.load(Ordering::Acquire) > 0
    }

    /// Moves what is done to `out`.
    pub(super) fn take(&self, out: &mut Vec<(Token, i32)>) {
        if self.any_done() {
            let mut done = lock(&self.shared.done);
            out.append(&mut done);
            self.shared.done_count.store(0, Ordering::Release);
        }
    }

    /// Before the ring's thread waits: false if something is done already.
    pub(super) fn raise(&self) -> bool {
        self.shared.parked.store(true, Ordering::Relaxed);
        // Pairs with the fence in `work`: it sees the flag, or we see what it did.
        fence(Ordering::SeqCst);
        !self.any_done()
    }

    /// When it is up again.
    pub(super) fn lower(&self) {
        self.shared.parked.store(false, Ordering::Relaxed);
    }
}

impl Drop for DiskWorkers {
    fn drop(&mut self) {
        lock(&self.shared.jobs).stop = true;
        self.shared.some.notify_all();
        for thread in self.threads.drain(..) {
            // A worker cannot panic but in the system calls' wrappers; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(shared: &Shared) {
    loop {
        let mut jobs = lock(&shared.jobs);
        let job = loop {
            if let Some(job) = jobs.queue.pop_front() {
                break job;
            }
            if jobs.stop {
                return;
            }
            jobs = shared
                .some
                .wait(jobs)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(jobs);
        let result = call(&job);
        {
            let mut done = lock(&shared.done);
            done.push((job.token, result));
            shared.done_count.store(done.len(), Ordering::Release);
        }
        fence(Ordering::SeqCst);
        if shared.parked.load(Ordering::Relaxed) && shared.parked.swap(false, Ordering::AcqRel) {
            // The eventfd lives as long as the ring, which joins us before it closes it.
            let _ = signal(shared.event);
        }
    }
}

/// Makes the call. Returns bytes or `-errno`.
fn call(job: &Job) -> i32 {
    loop {
        // SAFETY: the memory is valid until the completion, which comes after this; a bad descriptor is an error.
        let result = unsafe {
            match job.call {
                Call::Write { from, len, sync } => {
                    let iov = libc::iovec {
                        iov_base: from.cast_mut().cast(),
                        iov_len: len as usize,
                    };
                    let flags = if sync { libc::RWF_DSYNC } else { 0 };
                    libc::pwritev2(job.fd, &iov, 1, job.at as libc::off_t, flags)
                }
                Call::Read { to, len } => {
                    libc::pread(job.fd, to.cast(), len as usize, job.at as libc::off_t)
                }
                Call::Flush => libc::fdatasync(job.fd) as isize,
            }
        };
        if result >= 0 {
            return result as i32;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return -error.raw_os_error().unwrap_or(libc::EIO);
        }
    }
}
