//! The way into the kernel: room in the queue, what goes in behind all else, and the call that hands it over.

use std::io;

use io_uring::squeue;

use super::super::Token;
use super::{UringRing, OWN};

/// Transfers of so many bytes let others go first.
const HEAVY: u32 = 48 * 1024;

impl UringRing {
    /// Queues an operation; hands the queue over first when it is full.
    #[inline]
    pub(super) fn push(&mut self, entry: &squeue::Entry) {
        self.make_room(1);
        // SAFETY: the callers of the unsafe operations promise that memory outlives them; the others refer to none.
        let pushed = unsafe { self.ring.submission().push(entry) };
        assert!(pushed.is_ok(), "room was made");
    }

    #[inline]
    pub(super) fn make_room(&mut self, entries: usize) {
        loop {
            let queue = self.ring.submission();
            let waiting = queue.len();
            if queue.capacity() - waiting >= entries {
                return;
            }
            drop(queue);
            self.enter(0, None);
            if self.ring.submission().len() == waiting {
                // Nothing was taken: the kernel wants completions reaped, or memory.
                self.spill();
            }
        }
    }

    /// Queues a transfer that an agent waits for; one of many bytes behind all else.
    #[inline]
    pub(super) fn push_transfer(&mut self, entry: squeue::Entry, len: u32, token: Token) {
        if len < HEAVY {
            return self.push_for(entry, token);
        }
        self.begin(token);
        if self.heavy.len() == self.heavy.capacity() {
            self.line_up();
        }
        self.heavy.push(entry.user_data(token.0));
    }

    /// Queues the transfers of many bytes. What is queued for the device goes out before: it would lie in the kernel's plug, and
    /// the device idle, until the last byte of the batch is copied.
    #[inline]
    pub(super) fn line_up(&mut self) {
        if self.heavy.is_empty() {
            return;
        }
        if self.for_device {
            self.submit();
        }
        let mut heavy = std::mem::take(&mut self.heavy);
        for entry in heavy.drain(..) {
            self.push(&entry);
        }
        self.heavy = heavy;
    }

    /// Counts an operation whose end an agent is told.
    #[inline]
    pub(super) fn begin(&mut self, token: Token) {
        assert_ne!(token.agent(), OWN, "agent 255 is the ring itself");
        self.pending += 1;
    }

    /// Queues an operation that an agent waits for.
    #[inline]
    pub(super) fn push_for(&mut self, entry: squeue::Entry, token: Token) {
        self.begin(token);
        self.push(&entry.user_data(token.0));
    }

    /// Queues an operation of the ring's own, of which only failures are reported.
    #[inline]
    pub(super) fn push_own(&mut self, entry: squeue::Entry, token: Token) {
        let flags = if self.features.skip_success {
            squeue::Flags::SKIP_SUCCESS
        } else {
            squeue::Flags::empty()
        };
        self.push(&entry.flags(flags).user_data(token.0));
    }

    /// Hands over what is queued, and no more.
    fn submit(&mut self) {
        let submit = self.ring.submission().len() as u32;
        let entered = self.door.submit(submit);
        self.entered(submit, entered);
    }

    /// Hands over what is queued and runs the kernel's work for us; waits for `want` completions at most `timeout_ns`.
    pub(super) fn enter(&mut self, want: u32, timeout_ns: Option<u64>) {
        let submit = self.ring.submission().len() as u32;
        let entered = self.door.enter(submit, want, timeout_ns);
        self.entered(submit, entered);
    }

    fn entered(&mut self, submit: u32, entered: io::Result<u32>) {
        self.stats.enters += 1;
        self.for_device = false;
        match entered {
            Ok(taken) => {
                self.stats.submissions += u64::from(taken);
                if taken < submit {
                    self.sync_writes.tear();
                }
            }
            // What was not taken stays queued and goes with the next call.
            Err(e) => match e.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM) => {}
                // A completion was lost (EBADR), or the ring is not this thread's: nothing can be trusted any more.
                _ => panic!("io_uring_enter: {e}"),
            },
        }
    }

    fn spill(&mut self) {
        let spill = &mut self.spill;
        spill.extend(self.ring.completion());
    }
}
