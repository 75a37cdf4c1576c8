//! The end of a topic's recovery: bytes, then indexes, then names are durable.

use super::error::RecoveryError;
use super::index::path_of;
use super::topic::{Topic, Walk};
use super::{RecoveredTopic, SegmentInfo, Severity, TopicMetadata};
use crate::format::names::{SegmentName, SEGMENTS_DIR};
use crate::limits::BLOCK;

impl<'a> Topic<'_, 'a> {
    /// Brings everything to rest: bytes, then indexes, then names.
    pub fn settle(
        &mut self,
        walk: Walk<'a>,
        metadata: TopicMetadata,
        frozen: bool,
    ) -> Result<RecoveredTopic, RecoveryError> {
        let mut active = None;
        let mut indexed_to = None;
        if let Some(mut scan) = walk.tail {
            let name = self.names[walk.reached - 1];
            let rounded = scan.len.max(scan.end).next_multiple_of(BLOCK);
            if name.end_ns.is_none() && !frozen && rounded != scan.len {
                scan.file.truncate(rounded)?;
            }
            scan.file.flush()?;
            scan.index.finish(self.disk, &self.dir, &name)?;
            let info = SegmentInfo {
                name,
                end: scan.end,
            };
            if name.end_ns.is_none() {
                active = Some(info);
                indexed_to = scan.index.last();
            }
        }
        self.disk.flush_dir(&self.dir)?;
        let mut sealed = Vec::with_capacity(self.names.len());
        for name in self.names.clone() {
            if active.is_some_and(|info: SegmentInfo| info.name == name) {
                continue;
            }
            let end = match self.unsealed_ends.get(&name.base_offset) {
                Some(&end) => end,
                None => self.disk.read(&self.path(&name))?.len()?,
            };
            sealed.push(SegmentInfo { name, end });
            self.sealed_index(&name)?;
        }
        Ok(RecoveredTopic {
            metadata,
            next: walk.link.position(),
            sealed,
            active,
            indexed_to,
            frozen,
        })
    }

    /// A sealed segment without its index gets it again; with `verify` everything in it is read.
    fn sealed_index(&mut self, name: &SegmentName) -> Result<(), RecoveryError> {
        let topic = self.dir[SEGMENTS_DIR.len() + 1..].to_owned();
        if self.options.verify {
            super::verify::verify_sealed(self, name)?;
        }
        let idx = path_of(&self.dir, name, "idx");
        if self.disk.exists(&idx)? && self.disk.exists(&path_of(&self.dir, name, "pos"))? {
            return Ok(());
        }
        super::index::rebuild_index(self.disk.0, &topic, name, self.options.index_every_bytes)?;
        let detail = "the index was missing: it was written anew from the segment".to_owned();
        self.find(Severity::Warning, "index-rebuilt", idx, None, detail);
        Ok(())
    }
}
