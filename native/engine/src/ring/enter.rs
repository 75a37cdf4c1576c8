//! The system call `io_uring_enter`, through the ring's place among the thread's registered rings where there is one.

use std::io;
use std::os::fd::RawFd;

const ENTER_GETEVENTS: u32 = 1 << 0;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_REGISTERED_RING: u32 = 1 << 4;
const REGISTER_RING_FDS: libc::c_uint = 20;
const UNREGISTER_RING_FDS: libc::c_uint = 21;

/// `struct io_uring_getevents_arg` of the kernel's interface.
#[repr(C)]
struct GetEvents {
    sigmask: u64,
    sigmask_sz: u32,
    min_wait_usec: u32,
    ts: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct KernelTimespec {
    tv_sec: i64,
    tv_nsec: i64,
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct Update {
    offset: u32,
    resv: u32,
    data: u64,
}

const _: () = assert!(size_of::<GetEvents>() == 24 && size_of::<Update>() == 16);

/// How the owning thread enters its ring.
pub(super) struct Door {
    ring: RawFd,
    /// What is entered: the descriptor, or its place in the thread's table.
    entered: RawFd,
    flags: u32,
}

impl Door {
    /// For a ring of the calling thread; with `register`, its descriptor is looked up once and for all.
    pub(super) fn new(ring: RawFd, register: bool) -> Self {
        let plain = Self {
            ring,
            entered: ring,
            flags: 0,
        };
        if !register {
            return plain;
        }
        let mut update = Update {
            offset: u32::MAX,
            resv: 0,
            data: ring as u64,
        };
        // SAFETY: `update` is valid for the call, which fills in the place it chose.
        let registered = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                ring,
                REGISTER_RING_FDS,
                &mut update as *mut Update,
                1 as libc::c_uint,
            )
        };
        if registered == 1 {
            Self {
                ring,
                entered: update.offset as RawFd,
                flags: ENTER_REGISTERED_RING,
            }
        } else {
            plain
        }
    }

    /// Hands over `submit` entries. Returns how many were taken.
    ///
    /// # Errors
    /// As `io_uring_enter(2)`.
    pub(super) fn submit(&self, submit: u32) -> io::Result<u32> {
        self.call(submit, 0, None)
    }

    /// Hands over `submit` entries, runs the kernel's deferred work, and waits for `want` completions, at most
    /// `timeout_ns`. Returns how many entries were taken.
    ///
    /// # Errors
    /// As `io_uring_enter(2)`: ETIME when the time was up.
    #[inline]
    pub(super) fn enter(&self, submit: u32, want: u32, timeout_ns: Option<u64>) -> io::Result<u32> {
        let time = KernelTimespec {
            tv_sec: (timeout_ns.unwrap_or(0) / 1_000_000_000) as i64,
            tv_nsec: (timeout_ns.unwrap_or(0) % 1_000_000_000) as i64,
        };
        let arg = GetEvents {
            sigmask: 0,
            sigmask_sz: 0,
            min_wait_usec: 0,
            ts: if timeout_ns.is_some() {
                std::ptr::from_ref(&time) as u64
            } else {
                0
            },
        };
        self.call(submit, want, Some(&arg))
    }

    /// With `events`, whose time lives across the call, also looks for completions.
    #[inline]
    fn call(&self, submit: u32, want: u32, events: Option<&GetEvents>) -> io::Result<u32> {
        let (flags, arg, arg_bytes) = match events {
            Some(events) => (
                ENTER_GETEVENTS | ENTER_EXT_ARG,
                std::ptr::from_ref(events),
                size_of::<GetEvents>(),
            ),
            None => (0, std::ptr::null(), 0),
        };
        // SAFETY: `events` and the time in it live across the call; what the submitted entries refer to is promised by whoever
        // queued them.
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.entered,
                submit,
                want,
                self.flags | flags,
                arg,
                arg_bytes,
            )
        };
        if taken < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(taken as u32)
    }
}

impl Drop for Door {
    /// Takes the ring out of the thread's table, which holds a reference to it. The ring is still open.
    fn drop(&mut self) {
        if self.flags & ENTER_REGISTERED_RING == 0 {
            return;
        }
        let update = Update {
            offset: self.entered as u32,
            resv: 0,
            data: 0,
        };
        // SAFETY: `update` is valid for the call; the ring is not entered through this place again.
        unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.ring,
                UNREGISTER_RING_FDS,
                &update as *const Update,
                1 as libc::c_uint,
            )
        };
    }
}
