use std::collections::BTreeSet;

use super::{disk_with, outcomes, HALF};
use crate::memory::{Backing, SlabClass, SlabId, SlabTable, SlabTableBuilder};
use crate::ring::{Completion, DiskRing as _, FileSlot, Token};
use crate::sim::{Barrier, FileKind, SimClock, SimDisk, SimRing, Survival};
use crate::storage::{Open, Storage as _};

const SLOT: FileSlot = FileSlot(0);

/// A disk with a durable file of 32 KiB of zeros in a ring's slot, and four slabs of 8 KiB.
struct Bench {
    disk: SimDisk,
    clock: SimClock,
    ring: SimRing,
    slabs: SlabTable,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let (disk, _) = disk_with("journal", &[0; 32_768]);
        let clock = SimClock::default();
        let mut ring = SimRing::new(&disk, &clock, seed);
        let how = Open {
            write: true,
            direct: true,
            create: false,
        };
        ring.install(SLOT, disk.open("journal", how).unwrap())
            .unwrap();
        let mut builder = SlabTableBuilder::default();
        let class = SlabClass {
            bytes: 8192,
            count: 4,
            backing: Backing::Start,
        };
        let _pool = builder.pool(&[class]);
        Self {
            disk,
            clock,
            ring,
            slabs: builder.build().unwrap(),
        }
    }
    fn write(&mut self, slab: u32, value: u8, at: u64, len: u32, sync: bool) {
        let from = self.slabs.at(SlabId(slab));
        // SAFETY: the slab has 8 KiB, nobody else uses it, and it lives as long as the ring.
        unsafe {
            from.write_bytes(value, 8192);
            self.ring
                .write(SLOT, at, from, len, sync, Token::new(0, 1, u64::from(slab)));
        }
    }
    fn flush(&mut self) {
        self.ring.flush(SLOT, Token::new(0, 2, 0));
    }
    fn finish(&mut self) -> Vec<Completion> {
        self.clock.advance(1_000_000_000);
        std::iter::from_fn(|| self.ring.reap()).collect()
    }
    fn kept(&self) -> Vec<u8> {
        self.disk
            .after_crash(Survival::NOTHING, 1)
            .contents("journal")
            .unwrap()
    }
}

#[test]
fn a_flush_covers_the_writes_reaped_before_it_and_no_others() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 4096, false);
    bench.finish();
    bench.write(1, 2, 4096, 4096, false);
    bench.flush();
    assert_eq!(bench.finish().len(), 2);
    assert_eq!((bench.kept()[0], bench.kept()[4096]), (1, 0));
    bench.flush();
    bench.finish();
    assert_eq!((bench.kept()[0], bench.kept()[4096]), (1, 2));
}

#[test]
fn a_flush_that_is_still_in_flight_promises_nothing() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 4096, false);
    bench.finish();
    bench.flush();
    assert_eq!(bench.kept()[0], 0);
}

#[test]
fn a_sync_write_is_durable_when_it_completes_and_older_bytes_never_come_back_over_it() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 4096, false);
    bench.finish();
    bench.write(1, 2, 0, 4096, true);
    assert_eq!(bench.kept()[0], 0);
    bench.finish();
    for bytes in outcomes(&bench.disk, "journal", HALF, 50) {
        assert_eq!(bytes.unwrap()[0], 2);
    }
}

#[test]
fn a_write_in_flight_is_torn_at_sectors() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 8192, true);
    let mut shapes = BTreeSet::new();
    for bytes in outcomes(&bench.disk, "journal", HALF, 50) {
        let bytes = bytes.unwrap();
        let sectors: Vec<u8> = bytes[..8192].chunks(512).map(|sector| sector[0]).collect();
        assert!(bytes
            .chunks(512)
            .all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        shapes.insert(sectors);
    }
    assert!(shapes.len() > 40, "torn in only {} ways", shapes.len());
}

#[test]
fn completions_come_in_an_order_that_the_seed_chooses() {
    let order = |seed| {
        let mut bench = Bench::new(seed);
        for i in 0..4 {
            bench.write(i, 1, u64::from(i) * 4096, 4096, false);
        }
        bench
            .finish()
            .iter()
            .map(|done| done.token.id())
            .collect::<Vec<_>>()
    };
    let orders: BTreeSet<_> = (0..50).map(order).collect();
    assert!(orders.len() > 10);
    assert_eq!(order(3), order(3));
}

#[test]
fn nothing_completes_before_its_time() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 4096, false);
    assert!(bench.ring.reap().is_none());
    let due = bench.ring.next_completion_ns().unwrap();
    bench.clock.advance(due - 1_000_000_000);
    assert_eq!(bench.ring.reap().unwrap().result, 4096);
    assert_eq!(bench.ring.in_flight(), 0);
}

#[test]
fn a_read_returns_the_bytes_and_stops_at_the_end_of_the_file() {
    let mut bench = Bench::new(1);
    bench.write(0, 9, 28_672, 4096, false);
    bench.finish();
    let to = bench.slabs.at(SlabId(1));
    // SAFETY: slab 1 has 8 KiB and nobody else uses it.
    let bytes = unsafe {
        bench.ring.read(SLOT, 28_672, to, 8192, Token::new(0, 3, 0));
        assert_eq!(bench.finish()[0].result, 4096);
        std::slice::from_raw_parts(to, 4096)
    };
    assert!(bytes.iter().all(|byte| *byte == 9));
}

#[test]
fn a_suppressed_barrier_succeeds_and_does_nothing() {
    let mut bench = Bench::new(1);
    bench.disk.suppress(Barrier::Flush(FileKind::Other));
    bench.disk.suppress(Barrier::SyncWrite(FileKind::Other));
    bench.write(0, 1, 0, 4096, true);
    bench.finish();
    bench.flush();
    assert_eq!(bench.finish()[0].result, 0);
    assert_eq!(bench.kept()[0], 0);
}

#[test]
#[should_panic(expected = "share a block")]
fn two_writes_in_flight_in_one_block_are_caught() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 8192, false);
    bench.write(1, 2, 4096, 4096, false);
}

#[test]
#[should_panic(expected = "modified while its write")]
fn a_buffer_that_changes_in_flight_is_caught() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 4096, false);
    // SAFETY: inside the slab. It breaks the ring's rule on purpose, which the simulator is to notice.
    unsafe { bench.slabs.at(SlabId(0)).add(100).write(2) };
    bench.finish();
}

#[test]
#[should_panic(expected = "not aligned")]
fn an_unaligned_length_is_caught() {
    Bench::new(1).write(0, 1, 0, 100, false);
}

#[test]
#[should_panic(expected = "not aligned")]
fn an_unaligned_position_is_caught() {
    Bench::new(1).write(0, 1, 512, 4096, false);
}

#[test]
#[should_panic(expected = "not aligned")]
fn unaligned_memory_behind_a_direct_handle_is_caught() {
    let (disk, _) = disk_with("a", &[0; 4096]);
    let how = Open {
        direct: true,
        ..Open::default()
    };
    let file = disk.open("a", how).unwrap();
    let mut bytes = vec![0; 8192];
    let odd = 1 + bytes.as_ptr().align_offset(4096);
    let _ = disk.read_at(file, &mut bytes[odd..odd + 4096], 0);
}

#[test]
#[should_panic(expected = "operations pending")]
fn a_slot_that_is_in_use_stays_where_it_is() {
    let mut bench = Bench::new(1);
    bench.write(0, 1, 0, 4096, false);
    bench.ring.uninstall(SLOT);
}

#[test]
fn a_ring_that_completes_early_is_durable_only_later() {
    let mut bench = Bench::new(1);
    bench.ring.complete_early();
    bench.write(0, 1, 0, 4096, true);
    bench
        .clock
        .advance(bench.ring.next_completion_ns().unwrap() - 1_000_000_000);
    assert_eq!(bench.ring.reap().unwrap().result, 4096);
    assert_eq!(bench.kept()[0], 0);
    assert_eq!(bench.finish().len(), 0);
    assert_eq!(bench.kept()[0], 1);
}
