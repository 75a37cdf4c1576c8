//! Damage: never cut, quarantined, said, and read around (design.md, section 8).

use super::active::{scan, Question, Scan, Start};
use super::batches::{batch_in_memory, Batch, Link};
use super::error::RecoveryError;
use super::journal::Extent;
use super::lookahead::{look_ahead, Run};
use super::quarantine::{self, Quarantine};
use super::segments::create;
use super::topic::{Topic, Walk};
use super::window::Window;
use super::Severity;
use crate::format::names::SegmentName;

impl<'a> Topic<'_, 'a> {
    /// Takes a quarantine away whose damage is gone: a person put the bytes back, or retention took the segment.
    pub fn heal(&mut self) -> Result<(), RecoveryError> {
        if let Some(known) = self.quarantine.take() {
            quarantine::lift(self.disk, &self.dir)?;
            let path = format!("{}/{}", self.dir, quarantine::QUARANTINE);
            let detail = format!(
                "nothing is missing any more at offset {}: the topic takes writes again",
                known.offset
            );
            self.find(Severity::Info, "damage-healed", path, None, detail);
        }
        Ok(())
    }

    /// Freezes the topic: remembers the damage, brings what the journal has beyond it into the segments (the journal is
    /// obsolete after recovery), and finds the batches beyond, so that they can be read.
    pub fn freeze(
        &mut self,
        walk: &mut Walk<'a>,
        durable: u64,
        reason: &'static str,
    ) -> Result<(), RecoveryError> {
        let offset = walk.link.offset;
        let name = walk.reached.checked_sub(1).map(|last| self.names[last]);
        let from = walk.tail.as_ref().map_or(0, |scan| scan.end);
        let why = walk.tail.as_ref().map(|scan| scan.stop.to_string());
        let segment = name.map_or(offset, |name| name.base_offset);
        let same = |known: &Quarantine| (known.segment, known.from) == (segment, from);
        let known = self.quarantine.clone().filter(same).unwrap_or(Quarantine {
            format: 0,
            segment,
            from,
            to: from,
            offset,
            durable_offset: durable,
            found_ns: self.options.now_ns,
            node: self.options.node_id,
            reason: reason.to_owned(),
        });
        // First of all: what the journal proves is not proved any more once it goes on.
        quarantine::write(
            self.disk,
            &self.dir,
            Quarantine {
                durable_offset: durable,
                ..known.clone()
            },
        )?;
        let mut to = from;
        if let (Some(name), Some(scan)) = (name, &mut walk.tail) {
            let runs = self.salvage(&name, scan)?;
            to = runs.first().map_or(scan.len, Run::start);
            walk.link = scan.link;
        }
        let to = to.max(known.to);
        quarantine::write(
            self.disk,
            &self.dir,
            Quarantine {
                to,
                durable_offset: durable,
                ..known
            },
        )?;
        self.salvage_later(walk)?;
        let path = name.map_or(self.dir.clone(), |name| self.path(&name));
        let detail = format!(
            "{reason}: bytes {from} to {to} are quarantined ({}), offsets from {offset} on are missing and {durable} was durable. The topic takes no writes; what is whole is served",
            why.unwrap_or_else(|| "there is no segment for them".to_owned()),
        );
        self.find(Severity::Error, "damage", path, Some(from), detail);
        Ok(())
    }

    /// Lays what the journal has beyond a gap where no whole batch stands, then goes on to the last whole batch.
    fn salvage(
        &mut self,
        name: &SegmentName,
        scan: &mut Scan<'a>,
    ) -> Result<Vec<Run>, RecoveryError> {
        let mut window = Window::new(&scan.file);
        // Where the device cannot read, nothing is looked for.
        let Ok(runs) = look_ahead(&mut window, self.owner, scan.end, &scan.link, |_| {}) else {
            return Ok(Vec::new());
        };
        let extents: Vec<Extent> = self.beyond(name, scan).collect();
        if !extents.is_empty() && name.end_ns.is_none() {
            for extent in &extents {
                self.lay_around(scan, extent, &runs)?;
            }
            scan.len = scan.file.len()?;
        }
        let mut window = Window::new(&scan.file);
        let index = &mut scan.index;
        let note = |batch: &Batch| index.note(batch);
        let Ok(runs) = look_ahead(&mut window, self.owner, scan.end, &scan.link, note) else {
            return Ok(Vec::new());
        };
        if let Some(last) = runs.last() {
            scan.end = last.end();
            scan.link = Link::after(&last.last);
            scan.last = Some(last.last);
        }
        Ok(runs)
    }

    /// Writes the parts of an extent that lie beyond the gap and outside of whole batches.
    fn lay_around(&self, scan: &Scan, extent: &Extent, runs: &[Run]) -> Result<(), RecoveryError> {
        let mut at = extent.position.max(scan.end);
        while at < extent.end() {
            let inside = runs.iter().find(|run| run.start() <= at && at < run.end());
            if let Some(run) = inside {
                at = run.end();
                continue;
            }
            let next = runs.iter().map(Run::start).find(|&start| start > at);
            let until = extent.end().min(next.unwrap_or(u64::MAX));
            let mut bytes = vec![0; (until - at) as usize];
            self.journal
                .bytes_of(extent, at - extent.position, &mut bytes)?;
            scan.file.write_at(&bytes, at)?;
            at = until;
        }
        Ok(())
    }

    /// Reads the segments beyond the damage, those that only the journal has too.
    fn salvage_later(&mut self, walk: &mut Walk<'a>) -> Result<(), RecoveryError> {
        self.create_later(walk)?;
        while walk.reached < self.names.len() {
            if let Some(mut done) = walk.tail.take() {
                done.file.flush()?;
                let name = self.names[walk.reached - 1];
                done.index.finish(self.disk, &self.dir, &name)?;
                if name.end_ns.is_none() {
                    self.unsealed_ends.insert(name.base_offset, done.end);
                }
            }
            let name = self.names[walk.reached];
            let agreement =
                super::active::start(self.disk, &self.dir, &name, self.owner, true, u64::MAX)?
                    .agreement;
            let what = Question {
                disk: self.disk,
                dir: &self.dir,
                name,
                owner: self.owner,
                extents: self.extents(&name),
                journal: self.journal,
                every: self.options.index_every_bytes,
            };
            let mut scan = scan(&what, &Start { agreement, at: 0 }, None)?;
            self.laid += scan.laid;
            let (from, missing) = (scan.end, scan.link.offset);
            if let Some(next) = self.salvage(&name, &mut scan)?.first() {
                let to = next.start();
                let detail = format!(
                    "more damage behind the first: bytes {from} to {to}, offsets from {missing} on"
                );
                self.find(
                    Severity::Error,
                    "damage",
                    self.path(&name),
                    Some(from),
                    detail,
                );
            }
            walk.link = scan.link;
            walk.tail = Some(scan);
            walk.reached += 1;
        }
        Ok(())
    }

    /// Makes the segments beyond the damage whose first batch the journal has; of others, keeps what it has.
    fn create_later(&mut self, walk: &Walk) -> Result<(), RecoveryError> {
        let firsts: Vec<Extent> = self
            .stray(walk)
            .filter(|(base, extent)| extent.position == 0 && extent.base_offset == Some(*base))
            .map(|(_, extent)| extent)
            .collect();
        for extent in firsts {
            let mut bytes = vec![0; extent.len as usize];
            self.journal.bytes_of(&extent, 0, &mut bytes)?;
            let Ok(batch) = batch_in_memory(&bytes, self.owner, 0) else {
                continue;
            };
            let name = SegmentName {
                base_offset: batch.header.base_offset,
                base_record: batch.header.base_record,
                start_ns: batch.header.key.timestamp_ns,
                end_ns: None,
            };
            if self.names.iter().any(|n| n.base_offset == name.base_offset) {
                continue;
            }
            create(self.disk, &self.dir, &name, &bytes)?;
            self.names.push(name);
            self.names.sort();
        }
        let unnamed = self
            .stray(walk)
            .any(|(base, _)| self.names.iter().all(|name| name.base_offset != base));
        if unnamed {
            self.keep_stray(walk)?;
        }
        Ok(())
    }
}
