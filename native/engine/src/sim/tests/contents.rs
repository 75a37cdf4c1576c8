use super::{disk_with, outcomes, HALF, NEW};
use crate::sim::{SimDisk, Survival};
use crate::storage::Storage as _;

#[test]
fn what_was_flushed_survives_and_what_was_not_may_be_lost() {
    let (disk, file) = disk_with("a", b"old");
    disk.write_at(file, b"new", 0).unwrap();
    let kept = |disk: &SimDisk, survival| disk.after_crash(survival, 7).contents("a").unwrap();
    assert_eq!(kept(&disk, Survival::NOTHING), b"old");
    assert_eq!(kept(&disk, Survival::EVERYTHING), b"new");
    disk.flush(file).unwrap();
    assert_eq!(kept(&disk, Survival::NOTHING), b"new");
}

#[test]
fn unflushed_writes_survive_in_any_combination() {
    let (disk, file) = disk_with("a", &[0; 12_288]);
    for i in 0..3 {
        disk.write_at(file, &[1; 4096], i * 4096).unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    for bytes in outcomes(&disk, "a", HALF, 200) {
        let bytes = bytes.unwrap();
        seen.insert([bytes[0], bytes[4096], bytes[8192]]);
    }
    assert_eq!(
        seen.len(),
        8,
        "each of three writes survives or not on its own"
    );
}

#[test]
fn a_crash_is_decided_by_its_seed() {
    let (disk, file) = disk_with("a", &[0; 65_536]);
    for i in 0..16 {
        disk.write_at(file, &[1; 4096], i * 4096).unwrap();
    }
    assert_eq!(
        outcomes(&disk, "a", HALF, 20),
        outcomes(&disk, "a", HALF, 20)
    );
    assert_ne!(
        disk.after_crash(HALF, 1).contents("a"),
        disk.after_crash(HALF, 2).contents("a")
    );
}

#[test]
fn scattered_survival_tears_a_completed_write_between_pages_only() {
    let (disk, file) = disk_with("a", &[0; 16_384]);
    disk.write_at(file, &[1; 16_384], 0).unwrap();
    let scatter = Survival {
        scatter: true,
        ..HALF
    };
    let mut torn = false;
    for bytes in outcomes(&disk, "a", scatter, 50) {
        let bytes = bytes.unwrap();
        for page in bytes.chunks(4096) {
            assert!(page.iter().all(|byte| *byte == page[0]));
        }
        torn |= bytes[0] != bytes[4096];
    }
    assert!(torn);
}

#[test]
fn sectors_of_a_write_of_whole_blocks_that_is_lost_may_hold_neither_the_old_bytes_nor_the_new() {
    let garbled = Survival {
        garbled: 50,
        ..Survival::NOTHING
    };
    let (disk, file) = disk_with("a", &[0; 8192]);
    disk.write_at(file, &[1; 4096], 0).unwrap();
    let mut seen = [0; 2];
    for bytes in outcomes(&disk, "a", garbled, 20) {
        let bytes = bytes.unwrap();
        for sector in bytes[..4096].chunks(512) {
            seen[usize::from(sector != [0; 512])] += 1;
            assert_ne!(sector, [1; 512]);
        }
        assert_eq!(bytes[4096..], [0; 4096], "nothing was written there");
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    // What is no whole block went through the cache of the system, page by page.
    let (disk, file) = disk_with("b", &[0; 4096]);
    disk.write_at(file, &[1; 100], 0).unwrap();
    for bytes in outcomes(&disk, "b", garbled, 20) {
        assert_eq!(bytes, Some(vec![0; 4096]));
    }
}

#[test]
fn an_unflushed_truncate_or_allocate_may_be_lost() {
    let (disk, file) = disk_with("a", b"0123456789");
    disk.truncate(file, 4).unwrap();
    let lengths: Vec<usize> = outcomes(&disk, "a", HALF, 50)
        .iter()
        .flatten()
        .map(Vec::len)
        .collect();
    assert!(lengths.contains(&10) && lengths.contains(&4));
    disk.flush(file).unwrap();
    disk.allocate(file, 100).unwrap();
    assert_eq!(disk.len(file).unwrap(), 100);
    assert_eq!(
        disk.after_crash(Survival::NOTHING, 1)
            .contents("a")
            .unwrap(),
        b"0123"
    );
    disk.flush(file).unwrap();
    let mut expected = b"0123".to_vec();
    expected.resize(100, 0);
    assert_eq!(
        disk.after_crash(Survival::NOTHING, 1)
            .contents("a")
            .unwrap(),
        expected
    );
}

#[test]
fn cut_bytes_do_not_come_back_when_the_file_grows_again() {
    let (disk, file) = disk_with("a", &[7; 9000]);
    disk.truncate(file, 5000).unwrap();
    disk.truncate(file, 9000).unwrap();
    let mut expected = vec![7; 5000];
    expected.resize(9000, 0);
    assert_eq!(disk.contents("a").unwrap(), expected);
}

#[test]
fn a_crashed_disk_and_the_one_before_it_are_independent() {
    let (disk, file) = disk_with("a", b"one");
    let crashed = disk.after_crash(Survival::EVERYTHING, 1);
    disk.write_at(file, b"two", 0).unwrap();
    assert_eq!(crashed.contents("a").unwrap(), b"one");
    let again = crashed
        .open(
            "a",
            crate::storage::Open {
                write: true,
                ..Default::default()
            },
        )
        .unwrap();
    crashed.write_at(again, b"six", 0).unwrap();
    assert_eq!(disk.contents("a").unwrap(), b"two");
}

#[test]
fn after_a_kill_what_was_not_flushed_is_there_and_still_not_flushed() {
    let (disk, file) = disk_with("a", b"old");
    disk.write_at(file, b"new", 0).unwrap();
    disk.open("b", NEW).unwrap();
    let killed = disk.image().after_kill(1);
    assert_eq!(killed.contents("a").unwrap(), b"new");
    assert!(killed.exists("b").unwrap());
    let crashed = killed.after_crash(Survival::NOTHING, 1);
    assert_eq!(crashed.contents("a").unwrap(), b"old");
    assert!(!crashed.exists("b").unwrap());
}
