//! Files, past the page cache.

use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt as _;

use super::*;
use crate::memory::SlabId;

#[test]
fn what_is_written_is_read_back_through_any_memory() {
    let (table, mut pool) = slabs();
    each(SMALL, Some(&table), |driven| {
        let path = TempFile::new();
        let file = path.open_direct();
        let slot = FileSlot(5);
        driven.ring.install(slot, Handle(file.as_raw_fd())).unwrap();
        // An eager slab is registered, a lazy one is not.
        let mut memory = slabs();
        let foreign = memory.1.take(65_536).unwrap();
        for (at, to) in [(table.at(SlabId(0)), 0u64), (memory.0.at(foreign), 8192)] {
            for sync in [false, true] {
                let fill = 1 + to as u8 + u8::from(sync);
                // SAFETY: 8,192 bytes that are ours until the completions waited for below.
                unsafe {
                    at.write_bytes(fill, 8192);
                    driven.ring.write(slot, to, at, 8192, sync, token(1));
                }
                assert_eq!(driven.wait(token(1)).result, 8192);
                driven.ring.flush(slot, token(2));
                assert_eq!(driven.wait(token(2)).result, 0);
                // SAFETY: as above.
                unsafe {
                    at.write_bytes(0, 8192);
                    driven.ring.read(slot, to, at, 8192, token(3));
                }
                assert_eq!(driven.wait(token(3)).result, 8192);
                // SAFETY: as above.
                let read = unsafe { std::slice::from_raw_parts(at, 8192) };
                assert!(read.iter().all(|&byte| byte == fill));
            }
        }
        // Beyond the end: short, then nothing.
        let at = table.at(SlabId(0));
        // SAFETY: as above.
        unsafe { driven.ring.read(slot, 12_288, at, 8192, token(4)) };
        assert_eq!(driven.wait(token(4)).result, 4096);
        driven.ring.uninstall(slot);
        assert!(driven.ring.install(FileSlot(8), Handle(0)).is_err());
    });
    assert!(pool.take(4096).is_some());
}

#[test]
fn a_slot_can_be_given_another_file() {
    let (table, _pool) = slabs();
    each(SMALL, Some(&table), |driven| {
        let (first, second) = (TempFile::new(), TempFile::new());
        let at = table.at(SlabId(1));
        for (i, path) in [&first, &second].into_iter().enumerate() {
            let file = path.open_direct();
            driven
                .ring
                .install(FileSlot(0), Handle(file.as_raw_fd()))
                .unwrap();
            // SAFETY: a slab of ours, until the completion.
            unsafe {
                at.write_bytes(i as u8 + 1, 4096);
                driven.ring.write(FileSlot(0), 0, at, 4096, true, token(1));
            }
            assert_eq!(driven.wait(token(1)).result, 4096);
        }
        let mut byte = [0];
        for (i, path) in [&first, &second].into_iter().enumerate() {
            File::open(&path.0)
                .unwrap()
                .read_exact_at(&mut byte, 0)
                .unwrap();
            assert_eq!(byte[0], i as u8 + 1);
        }
    });
}

#[test]
fn a_failing_operation_completes_with_its_errno() {
    let (table, _pool) = slabs();
    each(SMALL, Some(&table), |driven| {
        let path = TempFile::new();
        drop(path.open_direct());
        let read_only = File::open(&path.0).unwrap();
        driven
            .ring
            .install(FileSlot(1), Handle(read_only.as_raw_fd()))
            .unwrap();
        let at = table.at(SlabId(2));
        // SAFETY: a slab of ours, until the completion.
        unsafe { driven.ring.write(FileSlot(1), 0, at, 4096, false, token(1)) };
        assert_eq!(driven.wait(token(1)).result, -libc::EBADF);
        driven.ring.recv_shared(-1, false, token(2));
        assert_eq!(driven.wait(token(2)).result, -libc::EBADF);
    });
}

#[test]
fn more_operations_than_both_queues_hold_all_complete_once() {
    let (table, mut pool) = slabs();
    let memory: Vec<_> = (0..64).map(|_| pool.take(8192).unwrap()).collect();
    each(SMALL, Some(&table), |driven| {
        let path = TempFile::new();
        let file = path.open_direct();
        driven
            .ring
            .install(FileSlot(0), Handle(file.as_raw_fd()))
            .unwrap();
        // 8 submissions and 16 completions fit: without a turn in between, both run over.
        for (i, slab) in memory.iter().enumerate() {
            let at = table.at(*slab);
            // SAFETY: a slab each, ours until its completion.
            unsafe {
                at.write_bytes(i as u8, 4096);
                let to = i as u64 * 4096;
                driven
                    .ring
                    .write(FileSlot(0), to, at, 4096, false, token(i as u64));
            }
        }
        for i in 0..64 {
            assert_eq!(driven.wait(token(i)).result, 4096);
        }
        driven.ring.turn(&mut driven.seen);
        assert!(driven.seen.is_empty(), "once each");
        let written = std::fs::read(&path.0).unwrap();
        assert!(written
            .chunks(4096)
            .enumerate()
            .all(|(i, block)| block.iter().all(|&byte| byte == i as u8)));
    });
}
