//! Wakes engine threads from threads that have no ring of their own: the control plane's side.

use std::io;
use std::os::fd::RawFd;

use io_uring::{opcode, types, IoUring};

use super::config::Chosen;
use super::uring::WAKE;
use super::Waker;
use crate::wake::WakeHandle;

/// A small io_uring for `MSG_RING`; with the `pwritev2` backend nothing but a write to an eventfd. One thread at a time.
pub struct ControlWaker {
    ring: Option<IoUring>,
}

impl ControlWaker {
    /// For the backend that serves.
    ///
    /// # Errors
    /// The system refuses the ring.
    pub fn new(chosen: &Chosen) -> io::Result<Self> {
        let ring = chosen.features.map(|_| IoUring::new(8)).transpose()?;
        Ok(Self { ring })
    }

    /// Ends the other thread's wait. One that is gone is no error: it needs no waking.
    ///
    /// # Errors
    /// The system refuses the call.
    pub fn wake(&mut self, other: Waker) -> io::Result<()> {
        match other {
            Waker::Event(fd) => signal(fd),
            Waker::Ring(fd) => {
                let ring = self.ring.as_mut().ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::Unsupported,
                        "this waker was made for the pwritev2 backend",
                    )
                })?;
                // What earlier messages answered is of no interest, but must not fill the queue.
                ring.completion().for_each(drop);
                let entry = opcode::MsgRingData::new(types::Fd(fd), 0, WAKE.0, None).build();
                // SAFETY: the entry refers to no memory.
                unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
                while let Err(e) = ring.submit() {
                    if !matches!(e.raw_os_error(), Some(libc::EINTR | libc::EAGAIN)) {
                        return Err(e);
                    }
                }
                Ok(())
            }
        }
    }

    /// After a push: wakes the receiver if it waits.
    ///
    /// # Errors
    /// As `wake`.
    pub fn notify(&mut self, receiver: &WakeHandle) -> io::Result<()> {
        receiver
            .take_down()
            .map_or(Ok(()), |waker| self.wake(waker))
    }
}

/// Adds one to an eventfd.
pub(crate) fn signal(event: RawFd) -> io::Result<()> {
    let one = 1u64;
    // SAFETY: reads 8 bytes of a local.
    let written = unsafe { libc::write(event, std::ptr::from_ref(&one).cast(), 8) };
    let failed = io::Error::last_os_error();
    // EAGAIN: its count is at the most, so whoever waits is awake.
    if written == 8 || failed.kind() == io::ErrorKind::WouldBlock {
        Ok(())
    } else {
        Err(failed)
    }
}
