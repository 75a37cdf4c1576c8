use std::collections::BTreeSet;

use super::{disk_with, outcomes, HALF, NEW};
use crate::sim::{SimDisk, Survival};
use crate::storage::Storage as _;

fn names_after(disk: &SimDisk, dir: &str, count: u64) -> BTreeSet<Vec<String>> {
    (0..count)
        .map(|seed| disk.after_crash(HALF, seed).list(dir).unwrap())
        .collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_new_name_may_be_lost_until_its_directory_is_flushed() {
    let disk = SimDisk::new(1);
    let file = disk.open("a", NEW).unwrap();
    disk.write_at(file, b"bytes", 0).unwrap();
    disk.flush(file).unwrap();
    assert_eq!(
        names_after(&disk, "", 50),
        BTreeSet::from([names(&[]), names(&["a"])])
    );
    disk.flush_dir("").unwrap();
    assert_eq!(names_after(&disk, "", 50), BTreeSet::from([names(&["a"])]));
}

#[test]
fn a_durable_name_says_nothing_about_the_bytes() {
    let disk = SimDisk::new(1);
    let file = disk.open("a", NEW).unwrap();
    disk.write_at(file, b"bytes", 0).unwrap();
    disk.flush_dir("").unwrap();
    assert_eq!(
        disk.after_crash(Survival::NOTHING, 1)
            .contents("a")
            .unwrap(),
        b""
    );
}

#[test]
fn one_call_makes_all_names_and_lengths_durable_and_no_bytes() {
    let disk = SimDisk::new(1);
    disk.make_dir("dir").unwrap();
    let file = disk.open("a", NEW).unwrap();
    disk.allocate(file, 8).unwrap();
    disk.write_at(file, b"bytes", 0).unwrap();
    disk.rename("a", "dir/b").unwrap();
    disk.sync_names().unwrap();
    let left = disk.after_crash(Survival::NOTHING, 1);
    assert_eq!(left.list("").unwrap(), names(&["dir"]));
    assert_eq!(left.contents("dir/b").unwrap(), [0; 8]);
}

#[test]
fn a_rename_shows_one_name_never_both_or_neither() {
    let (disk, _) = disk_with("a", b"bytes");
    disk.rename("a", "b").unwrap();
    assert_eq!(
        names_after(&disk, "", 50),
        BTreeSet::from([names(&["a"]), names(&["b"])])
    );
    disk.flush_dir("").unwrap();
    assert_eq!(names_after(&disk, "", 50), BTreeSet::from([names(&["b"])]));
}

#[test]
fn a_rename_over_a_file_leaves_the_old_or_the_new_one() {
    let (disk, _) = disk_with("a", b"old");
    let new = disk.open("a~", NEW).unwrap();
    disk.write_at(new, b"new", 0).unwrap();
    disk.flush(new).unwrap();
    disk.rename("a~", "a").unwrap();
    let seen: BTreeSet<_> = outcomes(&disk, "a", HALF, 50)
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(seen, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]));
    disk.flush_dir("").unwrap();
    assert_eq!(
        outcomes(&disk, "a", HALF, 50),
        vec![Some(b"new".to_vec()); 50]
    );
}

#[test]
fn an_unlink_may_be_lost_until_its_directory_is_flushed() {
    let (disk, _) = disk_with("a", b"bytes");
    disk.unlink("a").unwrap();
    assert!(!disk.exists("a").unwrap());
    assert_eq!(names_after(&disk, "", 50).len(), 2);
    disk.flush_dir("").unwrap();
    assert_eq!(names_after(&disk, "", 50), BTreeSet::from([names(&[])]));
}

#[test]
fn a_rename_across_directories_is_durable_with_its_new_directory() {
    let disk = SimDisk::new(1);
    disk.make_dir("spare").unwrap();
    disk.make_dir("topic").unwrap();
    disk.flush_dir("").unwrap();
    disk.open("spare/1", NEW).unwrap();
    disk.rename("spare/1", "topic/2").unwrap();
    disk.flush_dir("spare").unwrap();
    let both = |disk: &SimDisk| {
        (
            disk.list("spare").unwrap().len(),
            disk.list("topic").unwrap().len(),
        )
    };
    let seen: BTreeSet<_> = (0..50)
        .map(|seed| both(&disk.after_crash(HALF, seed)))
        .collect();
    assert_eq!(
        seen,
        BTreeSet::from([(1, 0), (0, 1)]),
        "the old directory alone does not make it durable"
    );
    disk.flush_dir("topic").unwrap();
    assert_eq!(both(&disk.after_crash(Survival::NOTHING, 1)), (0, 1));
}

#[test]
fn changes_of_different_directories_are_lost_independently() {
    let disk = SimDisk::new(1);
    for dir in ["x", "y"] {
        disk.make_dir(dir).unwrap();
    }
    disk.flush_dir("").unwrap();
    disk.open("x/1", NEW).unwrap();
    disk.open("y/1", NEW).unwrap();
    let seen: BTreeSet<_> = (0..50)
        .map(|seed| {
            let crashed = disk.after_crash(HALF, seed);
            (
                crashed.exists("x/1").unwrap(),
                crashed.exists("y/1").unwrap(),
            )
        })
        .collect();
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_name_freed_by_a_lost_rename_and_durably_taken_again_keeps_both_files() {
    let disk = SimDisk::new(1);
    disk.make_dir("d").unwrap();
    let first = disk.open("a", NEW).unwrap();
    disk.write_at(first, b"first", 0).unwrap();
    disk.flush(first).unwrap();
    disk.flush_dir("").unwrap();
    disk.rename("a", "d/b").unwrap();
    disk.open("a", NEW).unwrap();
    disk.flush_dir("").unwrap();
    let crashed = disk.after_crash(Survival::NOTHING, 1);
    assert_eq!(crashed.contents("a").unwrap(), b"");
    assert_eq!(crashed.contents("d/b").unwrap(), b"first");
}

#[test]
fn a_lost_directory_takes_what_is_in_it_along() {
    let disk = SimDisk::new(1);
    disk.make_dir("d").unwrap();
    disk.open("d/a", NEW).unwrap();
    disk.flush_dir("d").unwrap();
    assert!(!disk.after_crash(Survival::NOTHING, 1).exists("d").unwrap());
    disk.flush_dir("").unwrap();
    assert!(disk
        .after_crash(Survival::NOTHING, 1)
        .exists("d/a")
        .unwrap());
}

#[test]
fn names_answer_as_a_file_system_does() {
    let (disk, _) = disk_with("a", b"bytes");
    let code = |result: std::io::Result<()>| result.unwrap_err().raw_os_error().unwrap();
    assert_eq!(code(disk.open("a", NEW).map(|_| ())), libc::EEXIST);
    assert_eq!(
        code(disk.open("no", crate::storage::Open::default()).map(|_| ())),
        libc::ENOENT
    );
    assert_eq!(code(disk.unlink("no")), libc::ENOENT);
    assert_eq!(code(disk.rename("no", "b")), libc::ENOENT);
    assert_eq!(code(disk.open("no/a", NEW).map(|_| ())), libc::ENOENT);
    assert_eq!(code(disk.list("a").map(|_| ())), libc::ENOTDIR);
    disk.make_dir("d").unwrap();
    disk.make_dir("d").unwrap();
    disk.open("d/a", NEW).unwrap();
    assert_eq!(code(disk.remove_dir("d")), libc::ENOTEMPTY);
    disk.unlink("d/a").unwrap();
    disk.remove_dir("d").unwrap();
    assert_eq!(disk.list("").unwrap(), names(&["a"]));
}

#[test]
fn of_one_directorys_changes_the_first_few_survive() {
    let disk = SimDisk::new(1);
    for name in ["1", "2", "3"] {
        disk.open(name, NEW).unwrap();
    }
    let seen = names_after(&disk, "", 100);
    let expected = [&[][..], &["1"], &["1", "2"], &["1", "2", "3"]];
    assert_eq!(seen, expected.iter().map(|all| names(all)).collect());
}
