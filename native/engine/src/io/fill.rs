//! The bytes in front of a slab's first batch: the end of earlier batches, in the same block of the file.

use super::agent::{IoAgent, IoRing, Kind};
use crate::agent::Cx;
use crate::limits::BLOCK;
use crate::memory::SlabId;
use crate::ring::Completion;
use crate::topics::TopicSlot;

impl IoAgent {
    /// Copies them from the slab before, if they are all there.
    pub(super) fn fill_from_memory(&mut self, before: SlabId, slab: SlabId) {
        let held = self.slabs[slab];
        if held.filled || held.filling {
            return;
        }
        let earlier = &self.slabs[before];
        assert_eq!(
            earlier.end, held.first,
            "slabs of a segment follow one another"
        );
        let known = if earlier.filled {
            earlier.base
        } else {
            earlier.first
        };
        if known <= held.base {
            let bytes = self.slabs.bytes(before, held.base, held.first).as_ptr();
            self.slabs.fill(slab, bytes);
        }
    }

    /// Makes sure that they are there. False: they are on their way from the disk.
    pub(super) fn fill<R: IoRing + ?Sized>(
        &mut self,
        cx: &mut Cx<'_, R>,
        slot: TopicSlot,
        slab: SlabId,
    ) -> bool {
        let held = self.slabs[slab];
        if held.filled || held.filling {
            return held.filled;
        }
        let before = self
            .before(slot, slab)
            .filter(|&before| self.slabs[before].end == held.first);
        if let Some(before) = before {
            // Slabs that share a block lean on one another: the disk has none of it before the first of them is written.
            if !self.fill(cx, slot, before) {
                return false;
            }
            self.fill_from_memory(before, slab);
            if self.slabs[slab].filled {
                return true;
            }
        }
        let log = self.segments[held.segment].log(held.base);
        if let Some(bytes) = self.tails.find(slot, log, held.first - held.base) {
            self.slabs.fill(slab, bytes.as_ptr());
            return true;
        }
        // Everything before the slab was written before the slab that held it was let go.
        let Some(file) = self.segments[held.segment].open() else {
            return false;
        };
        let Some(scratch) = self.scratch.pop() else {
            self.stalled.add(slot.0);
            return false;
        };
        self.slabs[slab].filling = true;
        self.fills.push((slab, scratch));
        let token = self.token(Kind::Fill, u64::from(slab.0));
        // SAFETY: the scratch block is not used by anything else until the completion gives it back.
        unsafe {
            cx.ring
                .read(file, held.base, self.table.at(scratch), BLOCK as u32, token)
        };
        false
    }

    pub(super) fn filled(&mut self, completion: Completion) {
        let slab = SlabId(completion.token.id() as u32);
        let at = self
            .fills
            .iter()
            .position(|(other, _)| *other == slab)
            .expect("a fill completes once");
        let (_, scratch) = self.fills.swap_remove(at);
        self.scratch.push(scratch);
        let held = self.slabs[slab];
        self.slabs[slab].filling = false;
        if completion.result >= (held.first - held.base) as i32 {
            self.slabs.fill(slab, self.table.at(scratch));
        } else {
            let errno = if completion.result < 0 {
                -completion.result
            } else {
                libc::EIO
            };
            self.freeze(
                held.slot,
                errno,
                "reading the last block of the active segment",
            );
        }
        self.ready.add(held.slot.0);
        self.unstall();
    }

    fn before(&self, slot: TopicSlot, slab: SlabId) -> Option<SlabId> {
        let mut at = self.topics[slot.index()].first_slab?;
        loop {
            match self.slabs[at].next {
                Some(next) if next == slab => return Some(at),
                Some(next) => at = next,
                None => return None,
            }
        }
    }
}
