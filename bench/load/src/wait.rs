//! Waiting: on many sockets (epoll, edge-triggered) and on one until a point in time (ppoll).

use crate::error::LoadError;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

const EVENTS: usize = 64;

/// An epoll set of sockets known by their number.
#[derive(Debug)]
pub struct Poller(OwnedFd);

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn new() -> Result<Self, LoadError> {
        // SAFETY: epoll_create1 takes no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(LoadError::System(
                "creating an epoll set".into(),
                io::Error::last_os_error(),
            ));
        }
        // SAFETY: `fd` was just created and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Adds a socket: each change of what it can do is told once, under `number`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn add(&self, fd: RawFd, number: usize) -> Result<(), LoadError> {
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32,
            u64: number as u64,
        };
        // SAFETY: both descriptors are open and `event` lives through the call.
        let done =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
        if done < 0 {
            return Err(LoadError::System(
                "watching a socket".into(),
                io::Error::last_os_error(),
            ));
        }
        Ok(())
    }

    /// The set itself can be waited for.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Gives the numbers of the sockets that changed, without waiting.
    ///
    /// # Errors
    /// The system refuses.
    pub fn take(&self, ready: &mut Vec<usize>) -> Result<(), LoadError> {
        ready.clear();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: `events` has room for EVENTS entries and lives through the call.
        let count =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), EVENTS as i32, 0) };
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                return Ok(());
            }
            return Err(LoadError::System("waiting for sockets".into(), error));
        }
        ready.extend(
            events
                .iter()
                .take(count as usize)
                .map(|event| event.u64 as usize),
        );
        Ok(())
    }
}

/// Waits until `fd` can be read (or written, if `or_write`) or `limit` is over, to the nanosecond that the timer allows.
///
/// # Errors
/// The system refuses.
pub fn wait_one(fd: RawFd, or_write: bool, limit: Duration) -> Result<(), LoadError> {
    let events = if or_write {
        libc::POLLIN | libc::POLLOUT
    } else {
        libc::POLLIN
    };
    let mut watched = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
    };
    // SAFETY: one pollfd and one timespec, both alive through the call; no signal mask.
    let done = unsafe { libc::ppoll(&mut watched, 1, &limit, std::ptr::null()) };
    if done < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(LoadError::System("waiting for a socket".into(), error));
        }
    }
    Ok(())
}

/// Asks for timers without the usual 50 us of slack, for this thread: an open loop sends when a frame is due.
pub fn precise_timers() {
    // SAFETY: PR_SET_TIMERSLACK takes one number. Without it the run is less even and measures it, so a failure is no error.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}
