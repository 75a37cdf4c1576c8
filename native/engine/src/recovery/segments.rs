//! A topic's directory: which segments there are, by name alone, and the changes of names that recovery finishes.

use std::collections::BTreeSet;

use super::batches::{read_header, Batch, Link, Owner, Wrong};
use super::disk::{Disk, File};
use super::error::RecoveryError;
use super::index::{agreement, path_of};
use super::kept;
use super::window::Window;
use crate::format::names::SegmentName;
use crate::limits::BLOCK;

/// The segments of a topic, by base offset, ascending. What was never finished is removed, an index whose segment got
/// its final name gets that too, and one whose segment is gone goes.
pub(super) fn read_directory(disk: Disk, dir: &str) -> Result<Vec<SegmentName>, RecoveryError> {
    let mut segments = Vec::new();
    let mut indexes = Vec::new();
    let mut changed = false;
    for file in disk.list(dir)? {
        if kept::is_leftover(&file) {
            disk.unlink(&format!("{dir}/{file}"))?;
            changed = true;
        } else if let Some((stem, extension)) = file.rsplit_once('.') {
            match (SegmentName::parse(stem), extension) {
                (Some(name), "lnc") if name.stem() == stem => segments.push(name),
                (Some(name), "idx" | "pos") => {
                    indexes.push((name, file.clone(), extension.to_owned()))
                }
                _ => {}
            }
        }
    }
    segments.sort();
    if let Some(pair) = segments
        .windows(2)
        .find(|pair| pair[0].base_offset == pair[1].base_offset)
    {
        return Err(RecoveryError::Invalid {
            path: path_of(dir, &pair[1], "lnc"),
            at: None,
            detail: format!(
                "{}.lnc starts at the same offset; move the one that does not belong here away",
                pair[0].stem()
            ),
        });
    }
    let names: BTreeSet<String> = segments.iter().map(SegmentName::stem).collect();
    for (name, file, extension) in indexes {
        if names.contains(&name.stem()) {
            continue;
        }
        let path = format!("{dir}/{file}");
        let segment = segments
            .iter()
            .find(|segment| segment.base_offset == name.base_offset);
        match segment.map(|segment| path_of(dir, segment, &extension)) {
            Some(right) if !disk.exists(&right)? => disk.rename(&path, &right)?,
            _ => disk.unlink(&path)?,
        }
        changed = true;
    }
    if changed {
        disk.flush_dir(dir)?;
    }
    Ok(segments)
}

/// Gives a segment that ends at `end` its final name; its bytes are cut to that length and flushed first.
pub(super) fn seal(
    disk: Disk,
    dir: &str,
    name: &SegmentName,
    end: u64,
    end_ns: u64,
) -> Result<SegmentName, RecoveryError> {
    let sealed = SegmentName {
        end_ns: Some(end_ns),
        ..*name
    };
    let file = disk.write(&path_of(dir, name, "lnc"))?;
    file.truncate(end)?;
    file.flush()?;
    drop(file);
    for extension in ["lnc", "idx", "pos"] {
        let from = path_of(dir, name, extension);
        if disk.exists(&from)? {
            disk.rename(&from, &path_of(dir, &sealed, extension))?;
        }
    }
    disk.flush_dir(dir)?;
    Ok(sealed)
}

/// Makes a segment of its first batch, filled up to a whole block: whole and durable before it has its name.
pub(super) fn create(
    disk: Disk,
    dir: &str,
    name: &SegmentName,
    first: &[u8],
) -> Result<(), RecoveryError> {
    let path = path_of(dir, name, "lnc");
    let temporary = format!("{path}~");
    let file = disk.create(&temporary)?;
    file.write_at(first, 0)?;
    file.truncate((first.len() as u64).next_multiple_of(BLOCK))?;
    file.flush()?;
    drop(file);
    disk.rename(&temporary, &path)?;
    disk.flush_dir(dir)
}

/// Removes a segment and its indexes.
pub(super) fn remove(disk: Disk, dir: &str, name: &SegmentName) -> Result<(), RecoveryError> {
    for extension in ["lnc", "idx", "pos"] {
        let path = path_of(dir, name, extension);
        if disk.exists(&path)? {
            disk.unlink(&path)?;
        }
    }
    disk.flush_dir(dir)
}

/// The last batch of a sealed segment by the headers alone, from the last index entry on.
pub(super) fn last_batch(
    disk: Disk,
    dir: &str,
    name: &SegmentName,
    owner: Owner,
) -> Result<Result<Batch, Wrong>, RecoveryError> {
    let file = disk.read(&path_of(dir, name, "lnc"))?;
    let from = agreement(disk, dir, name, &file, owner, u64::MAX)?
        .last
        .map_or(0, |entry| entry.position);
    Ok(hop_to_the_end(&file, owner, from, file.len()?))
}

fn hop_to_the_end(file: &File, owner: Owner, from: u64, len: u64) -> Result<Batch, Wrong> {
    let mut window = Window::new(file);
    let mut at = from;
    let mut link: Option<Link> = None;
    loop {
        let (header, checksum) = read_header(&mut window, at)?;
        if Owner::of(&header) != owner {
            return Err(Wrong::Foreign(Owner::of(&header)));
        }
        if let Some(link) = link {
            link.check(&header)?;
        }
        let batch = Batch {
            position: at,
            header,
            checksum,
        };
        at = batch.end();
        link = Some(Link::after(&batch));
        if at == len {
            return Ok(batch);
        }
        if at > len {
            return Err(Wrong::End);
        }
    }
}
