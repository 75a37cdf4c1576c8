//! What Node cannot do for itself: locks, affinity, leaving at once.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use lance_engine::place::{self, ask_for_turns, pin_thread};
use lance_engine::storage::{DirLock, LockError, OsStorage};
use napi_derive::napi;

/// Leaves the process at once with `code`: no handler runs, nothing is flushed.
#[napi]
pub fn exit_now(code: i32) {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Locks are held until the process ends.
static LOCKS: Mutex<Vec<DirLock>> = Mutex::new(Vec::new());

/// How `lockDataDirectory` ended.
#[napi(object, object_from_js = false)]
pub struct LockOutcome {
    pub locked: bool,
    /// Process that holds the lock, where it wrote its id into the file.
    pub holder: Option<u32>,
    /// Error of the system, where it was one.
    pub message: Option<String>,
}

/// Takes the data directory at `path` for this process; it is released when the process ends, however that happens.
#[napi]
pub fn lock_data_directory(path: String) -> LockOutcome {
    let outcome = |locked, holder, message| LockOutcome {
        locked,
        holder,
        message,
    };
    let storage = match OsStorage::new(Path::new(&path), false) {
        Ok(storage) => storage,
        Err(error) => return outcome(false, None, Some(error.to_string())),
    };
    match storage.lock() {
        Ok(lock) => {
            LOCKS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(lock);
            outcome(true, None, None)
        }
        Err(LockError::Held { pid, .. }) => outcome(false, pid, None),
        Err(LockError::Io { error, .. }) => outcome(false, None, Some(error.to_string())),
    }
}

/// Moves the threads with these ids onto `cpus`. Returns how many were moved; one that ended meanwhile is none.
#[napi]
pub fn move_threads(ids: Vec<i32>, cpus: Vec<u32>) -> u32 {
    let moved = ids.into_iter().filter(|&id| pin_thread(id, &cpus).is_ok());
    moved.count() as u32
}

/// Lets the threads with these ids ask for turns of `ns` on a CPU. Returns how many the system granted it to; on a kernel before
/// Linux 6.12 nothing changes.
#[napi]
pub fn lengthen_turns(ids: Vec<i32>, ns: u32) -> u32 {
    let asked = ids.into_iter();
    asked
        .filter(|&id| ask_for_turns(id, ns.into()).is_ok())
        .count() as u32
}

/// CPUs that the thread `id` may run on, ascending; 0 is the calling one. Empty when there is no such thread.
#[napi]
pub fn allowed_cpus(id: i32) -> Vec<u32> {
    place::allowed_cpus(id)
}

/// Keeps this thread from being the one that the system delivers a signal to: those are Node's.
pub fn block_signals() {
    // SAFETY: the set is filled before it is read; null asks for no old mask.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// Sends `state` (`READY=1`) to the service manager's socket, a path or `@name`. False when nobody took it.
#[napi]
pub fn notify_service_manager(socket: String, state: String) -> bool {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&socket),
    };
    let sent =
        UnixDatagram::unbound().and_then(|from| from.send_to_addr(state.as_bytes(), &address?));
    sent.is_ok()
}
