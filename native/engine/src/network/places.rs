//! Places for frames that shared buffers and areas cannot hold: slabs of the frame pool, lent to who can fill them.

use crate::memory::{Pool, SlabId, SlabTable};

use super::connection::Place;

/// Under scarcity a slab goes to whose frame has arrived, or this much of it.
pub const ARRIVED: u32 = 32 * 1024;

/// The frame pool, and what its slabs hold.
pub struct Places {
    pool: Pool,
    largest_regular: u32,
    /// Payload bytes lent to the ingest agent, by slab number.
    lent: Vec<u32>,
}

impl Places {
    pub fn new(mut pool: Pool, slabs: &SlabTable, largest_regular: u32) -> Self {
        // The pool's numbers are not ours to know: take every slab once to see the highest.
        let mut all: Vec<SlabId> = std::iter::from_fn(|| pool.take(1)).collect();
        let count = all.iter().map(|slab| slab.0 + 1).max().unwrap_or(0);
        while let Some(slab) = all.pop() {
            pool.put(slabs, slab);
        }
        Self {
            pool,
            largest_regular,
            lent: vec![0; count as usize],
        }
    }

    /// Takes a place for a payload. While slabs are scarce only for who has enough of it: `arrived` tells.
    pub fn take(
        &mut self,
        payload: u32,
        missing: u32,
        arrived: impl FnOnce() -> u32,
    ) -> Option<Place> {
        let (count, free) = self.fitting(payload);
        // Asked only where there is one to give: many wait in line for each.
        let waits = || missing > 0 && arrived() < missing.min(ARRIVED);
        if free == 0 || (free * 4 <= count && waits()) {
            return None;
        }
        // The jumbo slabs are for what fits nowhere else.
        let slab = if payload > self.largest_regular {
            self.pool.take(payload)
        } else {
            self.pool.take_eager(payload)
        };
        slab.map(Place::Slab)
    }

    /// The slabs that a payload fits into: how many there are, and how many of them are free. A quarter or less is scarce.
    fn fitting(&self, payload: u32) -> (u32, u32) {
        let jumbo = payload > self.largest_regular;
        let (mut count, mut free) = (0, 0);
        for (bytes, of, left) in self.pool.usage() {
            if bytes >= payload && (bytes > self.largest_regular) == jumbo {
                count += of;
                free += left;
            }
        }
        (count, free)
    }

    pub fn put(&mut self, slabs: &SlabTable, slab: SlabId) {
        self.pool.put(slabs, slab);
    }
    /// A slab goes to the ingest agent with this much in it.
    pub fn lend(&mut self, slab: SlabId, payload: u32) {
        self.lent[slab.0 as usize] = payload;
    }
    /// It is back: how much was in it.
    pub fn give_back(&mut self, slabs: &SlabTable, slab: SlabId) -> u64 {
        self.pool.put(slabs, slab);
        u64::from(std::mem::take(&mut self.lent[slab.0 as usize]))
    }
    /// Of each class its bytes, how many there are, and how many are free.
    pub fn usage(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        self.pool.usage()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Backing, SlabClass, SlabTableBuilder};

    #[test]
    fn a_socket_is_asked_what_arrived_only_where_a_slab_is_there_to_give() {
        let class = SlabClass {
            bytes: 4096,
            count: 4,
            backing: Backing::Start,
        };
        let mut builder = SlabTableBuilder::default();
        let pool = builder.pool(&[class]);
        let table = builder.build().unwrap();
        let mut places = Places::new(pool, &table, 4096);
        let never = || -> u32 { panic!("asked") };
        for _ in 0..3 {
            assert!(
                places.take(4096, 100, never).is_some(),
                "they are not scarce"
            );
        }
        assert!(
            places.take(4096, 100, || 99).is_none(),
            "not all of it is there"
        );
        assert!(places.take(4096, 100, || 100).is_some());
        assert!(places.take(4096, 100, never).is_none());
    }
}
