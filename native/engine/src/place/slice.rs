//! How long a thread runs before others get their turn.

use std::io;

/// Lets the thread `id` (0: the calling one) ask for turns of `ns` (the kernel takes 100 us to 100 ms), its class and niceness
/// as they are. Its share of a CPU stays, only its turns come later and last longer: whoever wakes with a shorter one, as
/// every thread has by itself, goes first. A kernel before Linux 6.12 takes the call and changes nothing.
///
/// # Errors
/// There is no such thread, or it is not permitted.
pub fn ask_for_turns(id: i32, ns: u64) -> io::Result<()> {
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
    attributes.sched_runtime = ns;
    // SAFETY: the structure is as long as it says, and only read.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, id, &raw const attributes, 0u32) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
