//! Torn tail or damage: what proves which (design.md, section 8).

use super::batches::{Link, Wrong};
use super::error::RecoveryError;
use super::topic::{Topic, Walk};
use super::window::Window;
use super::Position;

/// What is the matter at the end of the walk.
pub(super) enum Verdict {
    Whole,
    /// What lies beyond was never acknowledged.
    Torn,
    /// Something below `durable` was acknowledged and is not there.
    Damage {
        durable: u64,
        reason: &'static str,
    },
}

impl<'a> Topic<'_, 'a> {
    /// Finds what is wrong at the end of the walk.
    pub fn judge(
        &mut self,
        walk: &mut Walk<'a>,
        resume: Option<Position>,
    ) -> Result<Verdict, RecoveryError> {
        let mut durable = self
            .entries
            .durable
            .max(resume.map_or(0, |resume| resume.offset));
        if let Some(known) = &self.quarantine {
            durable = durable.max(known.durable_offset);
        }
        let mut more = self.stray(walk).next().is_some();
        if let Some(scan) = &walk.tail {
            if let Wrong::Read(_) = scan.stop {
                let reason = "the device could not read it";
                return Ok(Verdict::Damage { durable, reason });
            }
            if self.names[walk.reached - 1].end_ns.is_some() && scan.end < scan.len {
                let reason = "a sealed segment breaks off";
                return Ok(Verdict::Damage { durable, reason });
            }
            more |= self
                .beyond(&self.names[walk.reached - 1], scan)
                .next()
                .is_some();
            match self.told_beyond(&mut Window::new(&scan.file), scan.end, &scan.link) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    more = true;
                    durable = durable.max(told);
                }
                Err(_) => {
                    let reason = "the device could not read what lies beyond";
                    return Ok(Verdict::Damage { durable, reason });
                }
            }
        }
        for name in &self.names[walk.reached..] {
            more = true;
            let file = self.disk.read(&self.path(name))?;
            let link = Link {
                offset: name.base_offset,
                record: name.base_record,
                key: None,
                chain: None,
            };
            let told = self.told_beyond(&mut Window::new(&file), 0, &link);
            durable = durable.max(told.ok().flatten().unwrap_or(0));
        }
        Ok(if durable > walk.link.offset {
            Verdict::Damage {
                durable,
                reason: "bytes that were on stable storage are not there",
            }
        } else if more && self.journal.damaged {
            Verdict::Damage {
                durable,
                reason: "the journal is damaged, and this topic breaks off",
            }
        } else if more && self.quarantine.is_some() {
            Verdict::Damage {
                durable,
                reason: "known damage is still there",
            }
        } else if more {
            Verdict::Torn
        } else {
            Verdict::Whole
        })
    }
}
