use super::{disk_with, outcomes, HALF, NEW};
use crate::memory::{Backing, SlabClass, SlabTableBuilder};
use crate::ring::{DiskRing as _, FileSlot, Token};
use crate::sim::{Fault, FileKind, IoKind, SimClock, SimDisk, SimRing, Survival};
use crate::storage::{Open, Storage as _};

fn code<T>(result: std::io::Result<T>) -> i32 {
    result
        .err()
        .and_then(|error| error.raw_os_error())
        .unwrap_or(0)
}

#[test]
fn the_planned_io_fails_once_and_only_on_the_kind_of_file_it_is_planned_for() {
    let disk = SimDisk::new(1);
    disk.make_dir("journal").unwrap();
    let journal = disk.open("journal/1.lnj", NEW).unwrap();
    let other = disk.open("other", NEW).unwrap();
    disk.fail(IoKind::Write, Some(FileKind::Journal), 1, Fault::Eio);
    disk.write_at(other, b"x", 0).unwrap();
    disk.write_at(journal, b"x", 0).unwrap();
    disk.write_at(other, b"x", 0).unwrap();
    assert_eq!(code(disk.write_at(journal, b"x", 0)), libc::EIO);
    disk.write_at(journal, b"x", 0).unwrap();
    disk.fail(IoKind::Read, None, 1, Fault::Eio);
    let mut byte = [0];
    disk.read_at(journal, &mut byte, 0).unwrap();
    assert_eq!(code(disk.read_at(journal, &mut byte, 0)), libc::EIO);
    disk.read_at(journal, &mut byte, 0).unwrap();
}

#[test]
fn after_a_failed_flush_a_second_one_does_not_bring_back_what_was_dropped() {
    let (disk, file) = disk_with("a", &[0; 32_768]);
    for i in 0..8 {
        disk.write_at(file, &[1; 4096], i * 4096).unwrap();
    }
    disk.fail(IoKind::Flush, None, 0, Fault::Eio);
    assert_eq!(code(disk.flush(file)), libc::EIO);
    disk.flush(file).unwrap();
    let live = disk.contents("a").unwrap();
    assert!(
        live.iter().all(|byte| *byte == 1),
        "readers see what is lost all the same"
    );
    let kept = disk
        .after_crash(Survival::EVERYTHING, 1)
        .contents("a")
        .unwrap();
    let pages: Vec<u8> = kept.chunks(4096).map(|page| page[0]).collect();
    assert!(pages.contains(&0) && pages.contains(&1), "{pages:?}");
}

#[test]
fn a_full_disk_refuses_new_blocks_and_takes_what_has_its_blocks() {
    let (disk, file) = disk_with("a", &[0; 4096]);
    disk.allocate(file, 16_384).unwrap();
    disk.fill_up_from(Some(disk.io_count()));
    assert_eq!(disk.free_bytes().unwrap(), 0);
    disk.write_at(file, &[1; 4096], 0).unwrap();
    disk.write_at(file, &[1; 4096], 12_288).unwrap();
    assert_eq!(code(disk.write_at(file, &[1; 4096], 16_384)), libc::ENOSPC);
    assert_eq!(code(disk.allocate(file, 20_480)), libc::ENOSPC);
    disk.fill_up_from(None);
    disk.write_at(file, &[1; 4096], 16_384).unwrap();
}

#[test]
fn a_flipped_bit_is_there_for_readers_and_after_a_crash() {
    let (disk, file) = disk_with("a", b"abc");
    disk.write_at(file, b"d", 0).unwrap();
    assert!(disk.flip("a", 1, 0));
    assert!(!disk.flip("a", 3, 0));
    assert_eq!(disk.contents("a").unwrap(), b"dcc");
    assert_eq!(
        disk.after_crash(Survival::NOTHING, 1)
            .contents("a")
            .unwrap(),
        b"acc"
    );
}

#[test]
fn when_the_power_goes_at_an_io_it_is_in_flight_and_nothing_follows_it() {
    let (disk, file) = disk_with("a", &[0; 8192]);
    disk.cut_power_at(disk.io_count() + 1);
    disk.write_at(file, &[1; 512], 0).unwrap();
    assert_eq!(code(disk.write_at(file, &[2; 8192], 0)), libc::EIO);
    assert_eq!(code(disk.flush(file)), libc::EIO);
    assert_eq!(code(disk.list("")), libc::EIO);
    assert!(!disk.is_powered());
    let torn = outcomes(&disk, "a", HALF, 20).into_iter().flatten();
    assert!(torn
        .into_iter()
        .any(|bytes| bytes.contains(&2) && bytes.contains(&0)));
}

#[test]
fn the_images_of_a_run_are_the_disks_of_runs_that_were_cut_at_each_io() {
    let run = |disk: &SimDisk| -> std::io::Result<()> {
        let file = disk.open("a~", NEW)?;
        disk.write_at(file, &[1; 9000], 0)?;
        disk.flush(file)?;
        disk.rename("a~", "a")?;
        disk.flush_dir("")?;
        disk.unlink("a")
    };
    let whole = SimDisk::new(1);
    whole.record_images();
    run(&whole).unwrap();
    let images = whole.take_images();
    assert_eq!(images.len(), 6);
    for image in images {
        let cut = SimDisk::new(1);
        cut.cut_power_at(image.io);
        assert!(run(&cut).is_err());
        for seed in 0..20 {
            let (a, b) = (image.after_crash(HALF, seed), cut.after_crash(HALF, seed));
            assert_eq!(a.list("").unwrap(), b.list("").unwrap());
            for name in ["a~", "a"] {
                assert_eq!(
                    a.contents(name),
                    b.contents(name),
                    "{name} at I/O {}",
                    image.io
                );
            }
        }
    }
}

#[test]
fn ring_writes_fail_or_stop_short_by_plan() {
    let (disk, _) = disk_with("a", &[0; 8192]);
    let clock = SimClock::default();
    let mut ring = SimRing::new(&disk, &clock, 1);
    let how = Open {
        write: true,
        direct: true,
        create: false,
    };
    ring.install(FileSlot(0), disk.open("a", how).unwrap())
        .unwrap();
    let mut builder = SlabTableBuilder::default();
    let class = SlabClass {
        bytes: 8192,
        count: 1,
        backing: Backing::Start,
    };
    let slab = builder.pool(&[class]).take(1).unwrap();
    let table = builder.build().unwrap();
    let mut write = |fault| {
        disk.fail(IoKind::Write, None, 0, fault);
        // SAFETY: the slab has 8 KiB, is used by one write at a time and outlives the ring.
        unsafe {
            table.at(slab).write_bytes(1, 8192);
            ring.write(
                FileSlot(0),
                0,
                table.at(slab),
                8192,
                false,
                Token::new(0, 0, 0),
            );
        }
        clock.advance(1_000_000_000);
        ring.reap().unwrap().result
    };
    let short = write(Fault::Short);
    assert!(short > 0 && short < 8192 && short % 512 == 0, "{short}");
    assert_eq!(
        disk.contents("a")
            .unwrap()
            .iter()
            .filter(|byte| **byte == 1)
            .count(),
        short as usize
    );
    assert_eq!(write(Fault::Eio), -libc::EIO);
}
