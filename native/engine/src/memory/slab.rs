//! Slabs: fixed pieces of memory that circulate by ownership.
//!
//! Thread: the table is shared and immutable; each slab is owned by exactly one agent (or the kernel) at a time, and a
//! pool by one agent for good. Ownership travels in messages.

use std::ptr::NonNull;

use super::mapping::Mapping;
use crate::place::{Kind, Region};
use crate::system::lock_memory;

/// Every slab starts on such a boundary (`O_DIRECT`).
pub const SLAB_ALIGN: usize = 4096;

/// A slab, by its number in the node's one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlabId(pub u32);

/// When the memory of slabs is populated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// At start-up; it is locked and registered.
    Start,
    /// At the first use of each slab, for good: small ones of which there may be one for each topic.
    FirstUse,
    /// At each use; it is given back after it: the jumbo ones.
    EachUse,
}

/// One size of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlabClass {
    /// Bytes of each, a multiple of 4,096.
    pub bytes: u32,
    /// How many.
    pub count: u32,
    pub backing: Backing,
}

/// Slabs that are populated alike and belong on the same NUMA node: those of all pools share huge pages.
pub(super) struct Arena {
    pub memory: Mapping,
    pub backing: Backing,
    /// Where it belongs.
    pub node: Option<u32>,
}

/// All slabs of a node: where each one lies and how large it is.
pub struct SlabTable {
    pub(super) slabs: Vec<(NonNull<u8>, u32)>,
    pub(super) arenas: Vec<Arena>,
    pub(super) refused: Vec<String>,
}

// SAFETY: the table only hands out addresses; who may touch the memory behind one is governed by slab ownership.
unsafe impl Send for SlabTable {}
// SAFETY: as above; the table itself never changes after it is built.
unsafe impl Sync for SlabTable {}

impl SlabTable {
    /// First byte of a slab.
    #[must_use]
    pub fn at(&self, slab: SlabId) -> *mut u8 {
        self.slabs[slab.0 as usize].0.as_ptr()
    }
    /// Asks for the address of a slab ahead, not for its bytes.
    pub fn approach(&self, slab: SlabId) {
        super::approach(&self.slabs[slab.0 as usize]);
    }
    /// How many slabs there are, in all pools.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.slabs.len() as u32
    }
    /// Bytes of a slab.
    #[must_use]
    pub fn bytes(&self, slab: SlabId) -> u32 {
        self.slabs[slab.0 as usize].1
    }
    /// What the system refused to bind, a sentence each; that memory lies where the system put it.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.refused
    }
    /// The memory that is worth registering with a ring: address and length of each eager mapping.
    pub fn registrable(&self) -> impl Iterator<Item = (*mut u8, usize)> + '_ {
        self.arenas
            .iter()
            .filter(|a| a.backing == Backing::Start)
            .map(|a| (a.memory.at().as_ptr(), a.memory.bytes()))
    }
    /// The memory that belongs on a NUMA node, those populated later included.
    pub fn regions(&self) -> impl Iterator<Item = Region> + '_ {
        self.arenas.iter().filter_map(|a| {
            Some(Region {
                at: a.memory.at().as_ptr() as usize,
                bytes: a.memory.bytes(),
                node: a.node?,
                kind: match a.backing {
                    Backing::EachUse => Kind::JumboSlabs,
                    Backing::Start | Backing::FirstUse => Kind::Slabs,
                },
            })
        })
    }
    /// Bytes of all eager mappings: what the defaults of `[limits]` bound.
    #[must_use]
    pub fn eager_bytes(&self) -> usize {
        self.arenas
            .iter()
            .filter(|a| a.backing == Backing::Start)
            .map(|a| a.memory.bytes())
            .sum()
    }
    /// Locks the eager memory. Returns false, with everything still usable, where the system does not allow it.
    #[must_use]
    pub fn lock(&self) -> bool {
        self.registrable().all(|(at, bytes)| lock_memory(at, bytes))
    }
    /// Gives the pages of a slab back to the system; its contents are gone.
    pub fn evict(&self, slab: SlabId) {
        let (at, bytes) = self.slabs[slab.0 as usize];
        // SAFETY: the range is inside a private anonymous mapping of ours, page aligned, and the caller owns the slab.
        unsafe { libc::madvise(at.as_ptr().cast(), bytes as usize, libc::MADV_DONTNEED) };
    }
}

struct ClassPool {
    bytes: u32,
    backing: Backing,
    count: u32,
    free: Vec<SlabId>,
}

/// The free slabs of one owner, by class. It never grows.
pub struct Pool {
    classes: Vec<ClassPool>,
}

impl Pool {
    /// The pool of these classes, which ascend in size, with the slabs from `first` on, class by class.
    pub(super) fn of(classes: &[SlabClass], first: u32) -> Self {
        let ascend = classes.windows(2).all(|two| two[0].bytes < two[1].bytes);
        assert!(ascend, "classes ascend");
        let mut next = first;
        let classes = classes.iter().map(|class| {
            let from = next;
            next += class.count;
            ClassPool {
                bytes: class.bytes,
                backing: class.backing,
                count: class.count,
                // The first one is taken first.
                free: (from..next).rev().map(SlabId).collect(),
            }
        });
        Self {
            classes: classes.collect(),
        }
    }
    /// A pool without slabs.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            classes: Vec::new(),
        }
    }
    /// Takes a slab of at least `bytes`: of the smallest class that fits and has one. `None`: nothing free.
    pub fn take(&mut self, bytes: u32) -> Option<SlabId> {
        self.classes
            .iter_mut()
            .filter(|class| class.bytes >= bytes)
            .find_map(|class| class.free.pop())
    }
    /// Takes a slab of exactly `bytes`.
    pub fn take_exact(&mut self, bytes: u32) -> Option<SlabId> {
        self.classes
            .iter_mut()
            .find(|class| class.bytes == bytes)?
            .free
            .pop()
    }
    /// Takes a slab of at least `bytes` that is no jumbo one.
    pub fn take_eager(&mut self, bytes: u32) -> Option<SlabId> {
        self.take_regular(bytes, u32::MAX)
    }
    /// Takes a slab of at least `bytes`, but no jumbo one, and none above `most`.
    pub fn take_regular(&mut self, bytes: u32, most: u32) -> Option<SlabId> {
        self.classes
            .iter_mut()
            .filter(|class| class.backing != Backing::EachUse)
            .filter(|class| (bytes..=most).contains(&class.bytes))
            .find_map(|class| class.free.pop())
    }
    /// Takes the largest slab that is populated from the start and has at least `bytes`.
    pub fn take_most(&mut self, bytes: u32) -> Option<SlabId> {
        self.classes
            .iter_mut()
            .rev()
            .filter(|class| class.backing == Backing::Start && class.bytes >= bytes)
            .find_map(|class| class.free.pop())
    }
    /// Puts a slab of this pool back. The caller must not touch it again.
    pub fn put(&mut self, table: &SlabTable, slab: SlabId) {
        let bytes = table.bytes(slab);
        let class = self
            .classes
            .iter_mut()
            .find(|class| class.bytes == bytes)
            .expect("a slab goes back to its own pool");
        assert!(
            class.free.len() < class.count as usize,
            "a slab is put back once"
        );
        if class.backing == Backing::EachUse {
            table.evict(slab);
        }
        class.free.push(slab);
    }
    /// Takes all slabs of a class out, before any is lent, as if there were none: `admit` brings them in one by one.
    pub fn withhold(&mut self, bytes: u32) -> Vec<SlabId> {
        let class = self.classes.iter_mut().find(|class| class.bytes == bytes);
        class.map_or_else(Vec::new, |class| {
            assert_eq!(class.free.len(), class.count as usize, "none is lent");
            class.count = 0;
            let room = Vec::with_capacity(class.free.len());
            std::mem::replace(&mut class.free, room)
        })
    }
    /// Brings a slab in that was withheld.
    pub fn admit(&mut self, table: &SlabTable, slab: SlabId) {
        let bytes = table.bytes(slab);
        let class = self.classes.iter_mut().find(|class| class.bytes == bytes);
        class.expect("a slab goes back to its own pool").count += 1;
        self.put(table, slab);
    }
    /// Free slabs of the largest class.
    #[must_use]
    pub fn free_of_largest(&self) -> u32 {
        self.classes
            .last()
            .map_or(0, |class| class.free.len() as u32)
    }
    /// Bytes of the largest class that is populated from the start.
    #[must_use]
    pub fn largest_eager(&self) -> u32 {
        let eager = self
            .classes
            .iter()
            .rev()
            .find(|class| class.backing == Backing::Start);
        eager.map_or(0, |class| class.bytes)
    }
    /// Bytes of the largest class.
    #[must_use]
    pub fn largest(&self) -> u32 {
        self.classes.last().map_or(0, |class| class.bytes)
    }
    /// For the counters: of each class its bytes, how many there are, and how many are free.
    pub fn usage(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        self.classes
            .iter()
            .map(|class| (class.bytes, class.count, class.free.len() as u32))
    }
}
