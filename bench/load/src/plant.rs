//! The engine's own ring, for floors: what they measure is reached through the same door as the node's.

use crate::error::LoadError;
use lance_engine::node::Backend;
use lance_engine::ring::{Chosen, Completion, Features, FileSlot, Ring, RingConfig, Token};
use lance_engine::storage::{Handle, Open, OsStorage, Storage};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Places for files that a ring has, and the most that one over a log has.
const FILES: u32 = 4;
pub const MOST_FILES: u32 = 1_024;
/// The one file of every floor.
pub const FILE: FileSlot = FileSlot(0);
const NAME: &str = "floor";
/// One that grows.
const GROWING: &str = "growing";

/// A ring of this thread for one file.
///
/// # Errors
/// The system refuses it.
pub fn open_ring(dir: Option<&Path>, recv: (u16, u32)) -> Result<Box<dyn Ring>, LoadError> {
    open_ring_of(dir, recv, FILES)
}

/// A ring of this thread for `files` files.
///
/// # Errors
/// The system refuses it.
pub fn open_ring_of(
    dir: Option<&Path>,
    recv: (u16, u32),
    files: u32,
) -> Result<Box<dyn Ring>, LoadError> {
    let features = Features::probe();
    let (chosen, _) =
        Chosen::by(Backend::Auto, &features).map_err(LoadError::system("choosing a ring"))?;
    let write_through = match dir {
        Some(dir) => storage(dir)?.writes_through(),
        None => false,
    };
    let config = RingConfig {
        sq_entries: 256,
        cq_entries: 4_096,
        files,
        recv_buffers: recv.0,
        recv_buffer_bytes: recv.1,
        disk_workers: 4,
        discard: None,
        write_through,
    };
    let (ring, _) = chosen
        .open(&config, None)
        .map_err(LoadError::system("making a ring"))?;
    Ok(ring)
}

/// Listens on a free port of this machine, and has the ring accept what comes; the address is for `listening`.
///
/// # Errors
/// The system refuses it.
pub fn listen(ring: &mut dyn Ring, accept: Token) -> Result<(TcpListener, String), LoadError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(LoadError::system("listening"))?;
    let address = listener
        .local_addr()
        .map_err(LoadError::system("asking where it listens"))?;
    ring.accept(listener.as_raw_fd(), accept);
    Ok((listener, address.to_string()))
}

/// The floor's file in `dir`, past the page cache where the file system can; made if it is not there.
///
/// # Errors
/// The directory is not there, or not writable.
pub fn open_file(dir: &Path) -> Result<Handle, LoadError> {
    let storage = storage(dir)?;
    let tried = || format!("opening {}", dir.join(NAME).display());
    let create = !storage.exists(NAME).map_err(LoadError::system(tried()))?;
    let how = Open {
        write: true,
        create,
        direct: true,
    };
    storage.open(NAME, how).map_err(LoadError::system(tried()))
}

/// The segments in `dir` by offset, past the page cache, each with its length; a topic's directory (formats.md, "Files").
///
/// # Errors
/// There is no segment, there are more than `MOST_FILES`, or one cannot be opened.
pub fn open_log(dir: &Path) -> Result<Vec<(Handle, u64)>, LoadError> {
    let tried = || format!("opening the log in {}", dir.display());
    let storage = storage(dir)?;
    let mut names = storage.list("").map_err(LoadError::system(tried()))?;
    names.retain(|name| name.ends_with(".lnc"));
    if names.is_empty() || names.len() > MOST_FILES as usize {
        return Err(LoadError::Usage(format!(
            "{} has {} segments, and 1 to {MOST_FILES} can be read",
            dir.display(),
            names.len()
        )));
    }
    let how = Open {
        write: false,
        create: false,
        direct: true,
    };
    let opened = names.iter().map(|name| {
        let file = storage.open(name, how)?;
        Ok((file, storage.len(file)?))
    });
    opened
        .collect::<std::io::Result<_>>()
        .map_err(LoadError::system(tried()))
}

/// A new file in `dir` that grows. It has no name any more, so that nothing of it is left when it is closed.
///
/// # Errors
/// The directory is not there, or not writable.
pub fn open_growing(dir: &Path) -> Result<Handle, LoadError> {
    let storage = storage(dir)?;
    let tried = || format!("making {}", dir.join(GROWING).display());
    let how = Open {
        write: true,
        create: true,
        direct: true,
    };
    let file = storage
        .open(GROWING, how)
        .map_err(LoadError::system(tried()))?;
    storage
        .unlink(GROWING)
        .map_err(LoadError::system(tried()))?;
    Ok(file)
}

/// Makes the file so long, with its blocks reserved.
///
/// # Errors
/// No room on the disk.
pub fn reserve(dir: &Path, file: Handle, bytes: u64) -> Result<(), LoadError> {
    storage(dir)?
        .allocate(file, bytes)
        .map_err(LoadError::system(format!(
            "reserving {bytes} bytes in {}",
            dir.display()
        )))
}

fn storage(dir: &Path) -> Result<OsStorage, LoadError> {
    OsStorage::new(dir, true).map_err(LoadError::system(format!("opening {}", dir.display())))
}

/// Turns the ring until `step` says that it is done, and ends it, so that nothing is under way on memory that goes after it. `step` gets the completions of each turn and says whether it did something.
///
/// # Errors
/// Those of `step`.
pub fn drive(
    mut ring: Box<dyn Ring>,
    mut step: impl FnMut(&mut dyn Ring, &mut Vec<Completion>) -> Result<Step, LoadError>,
) -> Result<(), LoadError> {
    /// Longest wait without looking around.
    const PARK_NS: u64 = 20_000_000;
    let mut completions = Vec::with_capacity(4_096);
    loop {
        ring.turn(&mut completions);
        match step(&mut *ring, &mut completions)? {
            Step::Done => return Ok(()),
            Step::Idle => ring.park(PARK_NS),
            Step::Busy => {}
        }
        completions.clear();
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It did something: do not wait.
    Busy,
    /// Only a completion brings more.
    Idle,
    /// The end.
    Done,
}
