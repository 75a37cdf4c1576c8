//! Large tables (queues, connection slots, waiters...) in mappings of their own, so that they can be put on a node and
//! looked after: an allocator that the addon installs.
//!
//! Pages of a table come when they are first used, wherever the thread that does so runs; the policy of the mapping
//! is what keeps them on the node of the agent that the table belongs to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use super::numa::{bind, prefer_on_this_thread, Policy};

/// From here on a table is a mapping of its own, if it is made for a node.
const LARGE: usize = 128 * 1024;
/// Pages are not larger than this on any machine with 64-bit Linux that we run on.
const PAGE: usize = 64 * 1024;
/// Ranges that are remembered; a node with default limits has about sixty.
const MOST_REGIONS: usize = 1024;

/// What a range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Slabs,
    /// Populated on first use.
    JumboSlabs,
    Tables,
    ReceiveBuffers,
}

impl Kind {
    /// As the counters and the log name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slabs => "slabs",
            Self::JumboSlabs => "jumbo-slabs",
            Self::Tables => "tables",
            Self::ReceiveBuffers => "receive-buffers",
        }
    }
}

/// A range of memory that belongs on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub at: usize,
    pub bytes: usize,
    pub node: u32,
    pub kind: Kind,
}

/// Never grows, so that remembering a range allocates nothing.
static REGIONS: Mutex<Regions> = Mutex::new(Regions {
    list: [None; MOST_REGIONS],
    used: 0,
});

struct Regions {
    list: [Option<Region>; MOST_REGIONS],
    used: usize,
}

impl Regions {
    /// The place of the table that starts at this address.
    fn table(&self, at: *mut u8) -> Option<usize> {
        let is = |r: &Region| r.at == at as usize && r.kind == Kind::Tables;
        let mut list = self.list[..self.used].iter();
        list.position(|region| region.as_ref().is_some_and(is))
    }
}

thread_local! {
    // Const and without a destructor: reading it never allocates.
    static NODE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Runs `make` with all memory that it asks for on `node`: large tables in mappings with that policy, the rest as pages
/// are first used. `None`: wherever the system puts it.
pub fn on_node<T>(node: Option<u32>, make: impl FnOnce() -> T) -> T {
    if node.is_none() {
        return make();
    }
    let before = NODE.replace(node);
    // Where it is refused, the slabs' binding says so.
    let _ = prefer_on_this_thread(node);
    let made = make();
    let _ = prefer_on_this_thread(before);
    NODE.set(before);
    made
}

/// As `on_node`, for the rest of the calling thread's life.
pub(super) fn stay_on_node(node: Option<u32>) {
    if node.is_some() {
        let _ = prefer_on_this_thread(node);
        NODE.set(node);
    }
}

/// The node that the calling thread works for.
fn node_here() -> Option<u32> {
    NODE.try_with(Cell::get).ok().flatten()
}

/// Remembers a range; `false`: there is no room to.
fn record(at: *mut u8, bytes: usize, node: u32, kind: Kind) -> bool {
    let mut regions = REGIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let used = regions.used;
    let region = Region {
        at: at as usize,
        bytes,
        node,
        kind,
    };
    let free = regions.list[..used].iter().position(Option::is_none);
    match free {
        Some(place) => regions.list[place] = Some(region),
        None if used < MOST_REGIONS => {
            regions.list[used] = Some(region);
            regions.used += 1;
        }
        None => return false,
    }
    true
}

/// Forgets the range that starts there, before it is unmapped.
pub(crate) fn forget(at: *mut u8) {
    let mut regions = REGIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let used = regions.used;
    let list = &mut regions.list[..used];
    if let Some(place) = list
        .iter_mut()
        .find(|r| r.is_some_and(|r| r.at == at as usize))
    {
        *place = None;
    }
}

/// Every range that is remembered now.
#[must_use]
pub fn regions() -> Vec<Region> {
    let mut all = Vec::with_capacity(MOST_REGIONS);
    let regions = REGIONS.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(regions.list[..regions.used].iter().flatten());
    all
}

/// The system's allocator, but for tables that are made for a node: those are mappings of their own, and remembered.
/// Where nothing is placed it is the system's and nothing else.
pub struct TableAllocator;

fn is_table(bytes: usize, align: usize) -> bool {
    bytes >= LARGE && align <= 4096
}

fn whole_pages(bytes: usize) -> usize {
    // A layout is at most isize::MAX, so this cannot wrap.
    bytes.next_multiple_of(PAGE)
}

/// A table on the calling thread's node, zeroed; `None`: the thread works for none, or it cannot be had.
fn map(bytes: usize) -> Option<*mut u8> {
    let node = node_here()?;
    let bytes = whole_pages(bytes);
    // SAFETY: a fresh anonymous mapping; no existing memory is touched.
    let at = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return None;
    }
    // Who frees it finds it by this.
    if !record(at.cast(), bytes, node, Kind::Tables) {
        // SAFETY: the mapping of just now, which nobody else knows.
        unsafe { libc::munmap(at, bytes) };
        return None;
    }
    let _ = bind(at.cast(), bytes, Policy::Prefer(node));
    Some(at.cast())
}

/// Whether `map` made the table that starts there.
fn is_mapped(at: *mut u8) -> bool {
    let regions = REGIONS.lock().unwrap_or_else(PoisonError::into_inner);
    regions.table(at).is_some()
}

/// Gives a mapping of `map` another size, maybe elsewhere, with its policy; `None` leaves it as it is.
fn resize(at: *mut u8, new: usize) -> Option<*mut u8> {
    let mut regions = REGIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let place = regions.table(at)?;
    let region = regions.list[place].as_mut()?;
    if region.bytes == new {
        return Some(at);
    }
    // SAFETY: `at` is a mapping of ours of exactly this length. Under the lock: its old address may be another's at once.
    let moved = unsafe { libc::mremap(at.cast(), region.bytes, new, libc::MREMAP_MAYMOVE) };
    if moved == libc::MAP_FAILED {
        return None;
    }
    (region.at, region.bytes) = (moved as usize, new);
    Some(moved.cast())
}

/// Puts a mapping on the calling thread's node, if it works for one, and remembers it. Preferred, never bound: a table is populated
/// as it fills, and a full node must not end the process.
pub(crate) fn settle(at: *mut u8, bytes: usize, kind: Kind) {
    if let Some(node) = node_here() {
        let _ = bind(at, bytes, Policy::Prefer(node));
        // Without room it is placed all the same, only not looked at.
        record(at, bytes, node, kind);
    }
}

// SAFETY: a block is a mapping of ours exactly while it is remembered as a table, and else the system's; mappings are fresh,
// zeroed, page aligned and at least as long as asked for.
unsafe impl GlobalAlloc for TableAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_table(layout.size(), layout.align()) {
            if let Some(at) = map(layout.size()) {
                return at;
            }
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_table(layout.size(), layout.align()) {
            if let Some(at) = map(layout.size()) {
                return at;
            }
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let large = is_table(bytes, layout.align());
        let was_large = is_table(layout.size(), layout.align());
        let mapped = was_large && is_mapped(at);
        if mapped && large {
            return resize(at, whole_pages(bytes)).unwrap_or(ptr::null_mut());
        }
        let becomes_mapped = large && !was_large && node_here().is_some();
        if !mapped && !becomes_mapped {
            // SAFETY: a block of the system's; the caller's promise, passed on.
            return unsafe { System.realloc(at, layout, bytes) };
        }
        // SAFETY: the new layout has the old alignment and a size that the caller vouches for; the blocks are
        // different, and both at least as long as what is copied.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(at, new, layout.size().min(bytes));
                self.dealloc(at, layout);
            }
            new
        }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if is_table(layout.size(), layout.align()) && is_mapped(at) {
            forget(at);
            // SAFETY: a mapping of exactly this length that `map` made for this layout.
            unsafe { libc::munmap(at.cast(), whole_pages(layout.size())) };
        } else {
            // SAFETY: the caller's promise, passed on.
            unsafe { System.dealloc(at, layout) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 16).unwrap()
    }

    proptest! {
        #[test]
        fn blocks_keep_their_bytes_through_every_change_of_size_and_node(
            steps in prop::collection::vec((1usize..400_000, prop::option::of(Just(0u32))), 1..12),
        ) {
            let a = TableAllocator;
            let (sizes, nodes): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
            let mut now = sizes[0];
            // SAFETY: each block is used within its layout, and given back with it.
            unsafe {
                let mut at = on_node(nodes[0], || a.alloc_zeroed(layout(now)));
                prop_assert!((0..now).all(|i| *at.add(i) == 0));
                let mut kept = 0;
                for (&size, &node) in sizes.iter().zip(&nodes).skip(1) {
                    for i in kept..now { *at.add(i) = (i % 251) as u8; }
                    at = on_node(node, || a.realloc(at, layout(now), size));
                    prop_assert!(!at.is_null());
                    kept = now.min(size);
                    prop_assert!((0..kept).all(|i| *at.add(i) == (i % 251) as u8));
                    now = size;
                }
                a.dealloc(at, layout(now));
            }
        }
    }

    #[test]
    fn a_table_is_remembered_for_the_node_it_was_made_for_until_it_is_freed() {
        let a = TableAllocator;
        // SAFETY: as above.
        unsafe {
            let outside = a.alloc(layout(LARGE));
            let (small, table) =
                on_node(Some(0), || (a.alloc(layout(4096)), a.alloc(layout(LARGE))));
            let known = |at: *mut u8| regions().into_iter().find(|r| r.at == at as usize);
            assert_eq!(known(outside), None);
            assert_eq!(known(small), None);
            assert_eq!(
                known(table).map(|r| (r.node, r.kind)),
                Some((0, Kind::Tables))
            );
            let moved = a.realloc(table, layout(LARGE), 64 * LARGE);
            assert_eq!(known(moved).map(|r| r.bytes), Some(64 * LARGE));
            a.dealloc(moved, layout(64 * LARGE));
            assert_eq!(known(moved), None);
            a.dealloc(outside, layout(LARGE));
            a.dealloc(small, layout(4096));
        }
    }
}
