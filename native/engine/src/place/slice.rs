//! How long a thread runs before others get their turn.

use std::io;

/// Lets the thread `id` (0: the calling one) ask for turns of `ns` (the kernel takes 100 us to 100 ms), its class and niceness
/// as they are. Its share of a CPU stays, only its turns come later and last longer: whoever wakes with a shorter one, as
/// every thread has by itself, goes first. A kernel before Linux 6.12 takes the call and changes nothing, and a thread of
/// another class than the usual ones (SCHED_OTHER, SCHED_BATCH) is left alone.
///
/// # Errors
/// There is no such thread, or it is not permitted.
pub fn ask_for_turns(id: i32, ns: u64) -> io::Result<()> {
    let mut attributes = attributes(id)?;
    if ![libc::SCHED_OTHER, libc::SCHED_BATCH].contains(&(attributes.sched_policy as i32)) {
        return Ok(());
    }
    attributes.sched_runtime = ns;
    // SAFETY: the structure is as long as it says, and only read.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, id, &raw const attributes, 0u32) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How a thread is scheduled.
fn attributes(id: i32) -> io::Result<libc::sched_attr> {
    // SAFETY: plain numbers, for which zeros are values.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of_val(&attributes) as u32;
    // SAFETY: the kernel writes at most `size` bytes, which are there.
    let asked =
        unsafe { libc::syscall(libc::SYS_sched_getattr, id, &raw mut attributes, size, 0u32) };
    if asked != 0 {
        return Err(io::Error::last_os_error());
    }
    attributes.size = size;
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_turns_leave_class_and_niceness_as_they_are() {
        let (before, after) = std::thread::spawn(|| {
            // SAFETY: plain system call: this thread alone becomes nicer.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, libc::gettid() as libc::id_t, 19) };
            let before = attributes(0).expect("this thread is there");
            ask_for_turns(0, 100_000_000).expect("a thread may ask for itself");
            (before, attributes(0).expect("as before"))
        })
        .join()
        .expect("it ends by itself");
        let kept = |a: &libc::sched_attr| (a.sched_policy, a.sched_nice);
        assert_eq!(kept(&before), kept(&after));
        assert_eq!(before.sched_nice, 19);
        // Kernels that know of turns tell how long they are.
        if before.sched_runtime > 0 && before.sched_policy == libc::SCHED_OTHER as u32 {
            assert_eq!(after.sched_runtime, 100_000_000);
        }
    }

    #[test]
    fn a_thread_that_is_not_there_is_an_error() {
        let error = ask_for_turns(i32::MAX, 100_000_000).expect_err("no thread has that id");
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
    }
}
