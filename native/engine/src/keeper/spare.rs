//! Files prepared ahead: spare segments and journal chunks, their blocks written once with zeros, so that a durable write
//! into them never converts an extent (design.md, section 5).

use std::io;

use crate::format::names::{chunk_path, JOURNAL_DIR, SPARE_DIR, TEMPORARY};
use crate::storage::{write_zeros, Handle, Open, Storage};

/// Bytes of a fresh segment file that are written once; more is reserved as it grows.
pub const REGION: u64 = 256 * 1024;
/// Bytes of the reserve: a few of the largest regular batches.
pub const RESERVE: u64 = 2 << 20;
/// Spares that are kept ready.
pub const SPARES: usize = 4;

/// Further ones, one for each topic that has no segment yet, at most.
pub const FRESH_SPARES: usize = 64;

/// Makes spare segment files, flushed together: the first flush carries what the file system has to say of all. Returns
/// their paths.
///
/// # Errors
/// The storage's own; none is left then.
pub fn make_spares(storage: &dyn Storage, numbers: &[u64]) -> io::Result<Vec<String>> {
    let mut files = Vec::with_capacity(numbers.len());
    let mut made = Ok(());
    for number in numbers {
        let path = format!("{SPARE_DIR}/{number:08}.lnc");
        let file = create(storage, &path);
        made = file.and_then(|file| {
            files.push((path, file));
            fill(storage, file, REGION)
        });
        if made.is_err() {
            break;
        }
    }
    for &(_, file) in &files {
        if made.is_ok() {
            made = storage.flush(file);
        }
        storage.close(file);
    }
    let paths = files.into_iter().map(|(path, _)| path);
    if made.is_err() {
        // Half a file takes room and serves nobody.
        paths.for_each(|path| drop(storage.unlink(&path)));
        return made.map(|()| Vec::new());
    }
    Ok(paths.collect())
}

/// Makes a file for a segment that is waited for: its blocks are reserved, and neither written nor flushed.
///
/// # Errors
/// The storage's own; nothing is left then.
pub fn make_raw(storage: &dyn Storage, number: u64) -> io::Result<String> {
    let path = format!("{SPARE_DIR}/{number:08}.lnc");
    let file = create(storage, &path)?;
    let reserved = storage.allocate(file, REGION);
    storage.close(file);
    if reserved.is_err() {
        let _ = storage.unlink(&path);
    }
    reserved.map(|()| path)
}

/// Reserves room that recovery frees first: on a disk that filled to the last byte it still has to bring what the journal
/// holds into the segments.
///
/// # Errors
/// The storage's own.
pub fn make_reserve(storage: &dyn Storage) -> io::Result<()> {
    let path = format!("{SPARE_DIR}/reserve.lnc");
    let file = storage.open(
        &path,
        Open {
            write: true,
            create: true,
            direct: false,
        },
    )?;
    let reserved = storage.allocate(file, RESERVE);
    storage.close(file);
    reserved
}

/// Makes a journal chunk durable under its name and opens it for direct writes.
///
/// # Errors
/// The storage's own.
pub fn make_chunk(storage: &dyn Storage, number: u64, bytes: u64) -> io::Result<Handle> {
    let path = chunk_path(number);
    let temporary = format!("{path}{TEMPORARY}");
    make_filled(storage, &temporary, bytes)?;
    storage.rename(&temporary, &path)?;
    storage.flush_dir(JOURNAL_DIR)?;
    storage.open(&path, DIRECT)
}

/// How files are opened that a ring writes.
pub const DIRECT: Open = Open {
    write: true,
    create: false,
    direct: true,
};

fn make_filled(storage: &dyn Storage, path: &str, bytes: u64) -> io::Result<()> {
    let file = create(storage, path)?;
    let filled = fill(storage, file, bytes).and_then(|()| storage.flush(file));
    storage.close(file);
    if filled.is_err() {
        // Half a file takes room and serves nobody.
        let _ = storage.unlink(path);
    }
    filled
}

/// An empty file, whatever was there before.
fn create(storage: &dyn Storage, path: &str) -> io::Result<Handle> {
    if storage.exists(path)? {
        storage.unlink(path)?;
    }
    storage.open(
        path,
        Open {
            write: true,
            create: true,
            direct: false,
        },
    )
}

fn fill(storage: &dyn Storage, file: Handle, bytes: u64) -> io::Result<()> {
    storage.allocate(file, bytes)?;
    write_zeros(storage, file, bytes)
}
