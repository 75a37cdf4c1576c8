//! The system's files, on this machine's.

use super::*;
use crate::storage::LockError;

struct Dir(PathBuf);

impl Dir {
    fn new(under: &Path, name: &str) -> Self {
        let dir = under.join(format!("lance-storage-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NEW: Open = Open {
    write: true,
    create: true,
    direct: false,
};

#[test]
fn names_and_bytes_come_back_as_they_were_put() {
    let dir = Dir::new(&std::env::temp_dir(), "bytes");
    let storage = OsStorage::new(&dir.0, true).unwrap();
    storage.make_dir("segments").unwrap();
    storage.make_dir("segments").unwrap();
    storage.make_dir("segments/events").unwrap();
    let file = storage.open("segments/events/b~", NEW).unwrap();
    storage.allocate(file, 10_000).unwrap();
    assert_eq!(storage.len(file).unwrap(), 10_000);
    storage.write_at(file, b"hello", 9_998).unwrap();
    storage.flush(file).unwrap();
    let mut bytes = [7; 20];
    assert_eq!(storage.read_at(file, &mut bytes, 9_990).unwrap(), 13);
    assert_eq!(&bytes[..13], b"\0\0\0\0\0\0\0\0hello");
    storage.truncate(file, 3).unwrap();
    assert_eq!(storage.len(file).unwrap(), 3);
    storage.close(file);
    storage
        .rename("segments/events/b~", "segments/events/b")
        .unwrap();
    storage.close(storage.open("segments/events/a", NEW).unwrap());
    storage.flush_dir("segments/events").unwrap();
    storage.flush_dir("").unwrap();
    assert_eq!(storage.list("segments/events").unwrap(), ["a", "b"]);
    assert!(storage.exists("segments/events/a").unwrap());
    storage.unlink("segments/events/a").unwrap();
    assert!(!storage.exists("segments/events/a").unwrap());
    assert!(storage.remove_dir("segments").is_err());
    assert!(storage.free_bytes().unwrap() > 0);
}

#[test]
fn creating_what_exists_and_opening_what_does_not_are_errors() {
    let dir = Dir::new(&std::env::temp_dir(), "exists");
    let storage = OsStorage::new(&dir.0, true).unwrap();
    storage.close(storage.open("a", NEW).unwrap());
    for direct in [false, true] {
        let again = storage.open("a", Open { direct, ..NEW }).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        let absent = storage.open(
            "b",
            Open {
                create: false,
                direct,
                write: true,
            },
        );
        assert_eq!(absent.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn no_path_leaves_the_directory() {
    let dir = Dir::new(&std::env::temp_dir(), "paths");
    let storage = OsStorage::new(&dir.0, true).unwrap();
    for path in [
        "..",
        "a/../../b",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/",
        "a\0b",
    ] {
        let refused = storage.open(path, NEW).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        assert!(storage.unlink(path).is_err());
    }
}

#[test]
fn a_second_node_on_the_directory_is_refused_with_the_firsts_pid() {
    let dir = Dir::new(&std::env::temp_dir(), "lock");
    let storage = OsStorage::new(&dir.0, true).unwrap();
    let lock = storage.lock().unwrap();
    let refused = OsStorage::new(&dir.0, true).unwrap().lock().unwrap_err();
    let LockError::Held { pid, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(
        refused.to_string().contains("in use by process"),
        "{refused}"
    );
    drop(lock);
    assert!(storage.lock().is_ok());
}

#[test]
fn direct_files_bypass_the_cache_where_the_file_system_allows_it() {
    let dir = Dir::new(&std::env::temp_dir(), "direct");
    let storage = OsStorage::new(&dir.0, true).unwrap();
    let flags = |handle: Handle| {
        // SAFETY: plain system call on an open descriptor.
        unsafe { libc::fcntl(handle.0, libc::F_GETFL) }
    };
    let direct = storage
        .open(
            "a",
            Open {
                direct: true,
                ..NEW
            },
        )
        .unwrap();
    let refused = !storage.announcements().is_empty();
    assert_eq!(flags(direct) & libc::O_DIRECT == 0, refused);
    storage.close(direct);
    let cached = OsStorage::new(&dir.0, false).unwrap();
    let plain = cached
        .open(
            "b",
            Open {
                direct: true,
                ..NEW
            },
        )
        .unwrap();
    assert_eq!(flags(plain) & libc::O_DIRECT, 0);
    assert!(cached.announcements().is_empty());
    cached.close(plain);
}

#[test]
fn a_blank_file_reads_as_zeros_and_keeps_its_blocks() {
    let dir = Dir::new(&std::env::temp_dir(), "blank");
    let storage = OsStorage::new(&dir.0, true).unwrap();
    let file = storage.open("a", NEW).unwrap();
    storage.write_at(file, &[1; 100_000], 0).unwrap();
    storage.flush(file).unwrap();
    let blocks = || fs::metadata(dir.0.join("a")).unwrap().blocks();
    let before = blocks();
    match storage.blank(file, 102_400, 8_192) {
        Ok(()) => {
            assert_eq!(fs::read(dir.0.join("a")).unwrap(), [0; 102_400]);
            assert_eq!(blocks(), before);
        }
        // Memory as a disk.
        Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EOPNOTSUPP), "{e}"),
    }
    storage.close(file);
}

#[test]
fn a_file_tells_whether_somebody_else_can_see_it() {
    let dir = Dir::new(&std::env::temp_dir(), "others");
    let storage = OsStorage::new(&dir.0, true).unwrap();
    let file = storage.open("a", NEW).unwrap();
    assert_eq!(storage.others(file), Others::Nobody);
    for how in [
        Open::default(),
        Open {
            write: true,
            ..Open::default()
        },
    ] {
        let other = storage.open("a", how).unwrap();
        assert_eq!(storage.others(file), Others::Readers, "{how:?}");
        storage.close(other);
        assert_eq!(storage.others(file), Others::Nobody);
    }
    fs::hard_link(dir.0.join("a"), dir.0.join("backup")).unwrap();
    assert_eq!(storage.others(file), Others::Unknown);
    storage.close(file);
}
