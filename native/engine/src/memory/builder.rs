//! Makes the slabs of a node at its start: pools are asked for one by one, and their memory is mapped together.

use std::io;
use std::ptr::NonNull;

use super::mapping::Mapping;
use super::slab::{Arena, Backing, Pool, SlabClass, SlabTable, SLAB_ALIGN};
use crate::place::{self, Policy};

/// What lies in one arena.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sort {
    backing: Backing,
    node: Option<u32>,
}

/// Gathers what pools there are.
#[derive(Default)]
pub struct SlabTableBuilder {
    /// Of each slab its bytes and where it lies.
    slabs: Vec<(u32, Sort)>,
    node: Option<u32>,
}

impl SlabTableBuilder {
    /// The NUMA node of the pools to come; `None`: wherever the system puts them.
    pub fn on_node(&mut self, node: Option<u32>) {
        self.node = node;
    }
    /// A pool, full. Classes ascend in size; a slab is whole blocks of 4,096 bytes.
    pub fn pool(&mut self, classes: &[SlabClass]) -> Pool {
        let first = self.slabs.len() as u32;
        for class in classes {
            let whole = (class.bytes as usize).is_multiple_of(SLAB_ALIGN);
            assert!(whole, "slabs are whole blocks");
            let sort = Sort {
                backing: class.backing,
                node: self.node,
            };
            let slabs = std::iter::repeat_n((class.bytes, sort), class.count as usize);
            self.slabs.extend(slabs);
        }
        Pool::of(classes, first)
    }
    /// Maps the memory of all pools, and populates what is to be there from the start.
    ///
    /// # Errors
    /// The system refuses the memory.
    pub fn build(self) -> io::Result<SlabTable> {
        let mut table = SlabTable {
            slabs: vec![(NonNull::dangling(), 0); self.slabs.len()],
            arenas: Vec::new(),
            refused: Vec::new(),
        };
        let mut sorts: Vec<Sort> = Vec::new();
        for &(_, sort) in &self.slabs {
            if !sorts.contains(&sort) {
                sorts.push(sort);
            }
        }
        for sort in sorts {
            let of = || {
                self.slabs
                    .iter()
                    .enumerate()
                    .filter(move |s| s.1 .1 == sort)
            };
            let bytes = of().map(|(_, &(bytes, _))| bytes as usize).sum();
            let memory = map(bytes, sort, &mut table.refused)?;
            let mut before = 0;
            for (i, &(bytes, _)) in of() {
                // SAFETY: all slabs before this one and this one are inside the mapping.
                table.slabs[i] = (unsafe { memory.at().add(before) }, bytes);
                before += bytes as usize;
            }
            assert_eq!(before, bytes, "the mapping is all slabs");
            table.arenas.push(Arena {
                memory,
                backing: sort.backing,
                node: sort.node,
            });
        }
        Ok(table)
    }
}

/// Memory for slabs of a sort; what the system refuses to bind is said once.
fn map(bytes: usize, sort: Sort, refused: &mut Vec<String>) -> io::Result<Mapping> {
    let mut memory = match sort.backing {
        Backing::Start | Backing::FirstUse => Mapping::huge(bytes)?,
        Backing::EachUse => Mapping::small(bytes)?,
    };
    let now = sort.backing == Backing::Start;
    if let Some(why) = sort.node.and_then(|node| bind(&memory, now, node)) {
        if !refused.contains(&why) {
            refused.push(why);
        }
    }
    if now {
        memory.populate();
    }
    Ok(memory)
}

/// Puts memory on a node. Returns what does not work about it.
fn bind(memory: &Mapping, now: bool, node: u32) -> Option<String> {
    let bytes = memory.bytes();
    // Bound only where it is certain to fit: a bound page that cannot be had ends the process.
    let roomy = !now || place::has_room(node, bytes);
    let policy = if now && roomy {
        Policy::Bind(node)
    } else {
        Policy::Prefer(node)
    };
    if let Err(e) = place::bind(memory.at().as_ptr(), bytes, policy) {
        let why = place::reason(&e);
        return Some(format!("memory: slabs are not bound to node {node}: {why}"));
    }
    (!roomy).then(|| {
        format!(
            "memory: node {node} has little free memory; slabs that do not fit there lie on others"
        )
    })
}
