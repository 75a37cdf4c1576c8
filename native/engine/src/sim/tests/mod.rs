//! What the simulated disk promises to be capable of, property by property.

mod contents;
mod faults;
mod names;
mod ring;

use super::{SimDisk, Survival};
use crate::storage::{Handle, Open, Storage};

const NEW: Open = Open {
    write: true,
    create: true,
    direct: false,
};

/// A disk with one durable file of `bytes` and its handle.
fn disk_with(path: &str, bytes: &[u8]) -> (SimDisk, Handle) {
    let disk = SimDisk::new(1);
    let file = disk.open(path, NEW).unwrap();
    disk.write_at(file, bytes, 0).unwrap();
    disk.flush(file).unwrap();
    disk.flush_dir("").unwrap();
    (disk, file)
}

/// What a file holds after each of `count` different crashes.
fn outcomes(disk: &SimDisk, path: &str, survival: Survival, count: u64) -> Vec<Option<Vec<u8>>> {
    (0..count)
        .map(|seed| disk.after_crash(survival, seed).contents(path))
        .collect()
}

/// Survival of one in two.
const HALF: Survival = Survival {
    data: 50,
    names: 50,
    ..Survival::NOTHING
};
