//! What the process asks of the system once, at its start.

use std::io;

/// Raises the limit of open files to its hard value. Returns what it is now.
///
/// # Errors
/// The system refuses; the limit is as it was.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for the call to fill.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for the call to read.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Locks memory of ours, so that it is never paged out. False where the system does not allow it; it works all the same.
#[must_use]
pub(crate) fn lock_memory(at: *const u8, bytes: usize) -> bool {
    // SAFETY: mlock changes no contents, and a range that is not mapped is an error.
    unsafe { libc::mlock(at.cast(), bytes) == 0 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_of_open_files_is_the_hard_one() {
        let now = super::raise_open_files().unwrap();
        let text = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = text.lines().find(|l| l.starts_with("Max open files"));
        let hard = line.unwrap().split_whitespace().nth(4).unwrap();
        assert_eq!(now.to_string(), hard);
    }
}
