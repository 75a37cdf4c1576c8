//! CPU sets of any width: `cpu_set_t` ends at 1,024 CPUs, machines do not.

use std::io;
use std::os::fd::RawFd;

/// No kernel is built for more.
const MOST_CPUS: usize = 65_536;
/// Bits of a word of the kernel's masks.
const WORD: usize = usize::BITS as usize;
/// `IORING_REGISTER_IOWQ_AFF` (Linux 5.14).
const REGISTER_IOWQ_AFF: libc::c_uint = 17;

/// A mask as the kernel reads it, as wide as its highest CPU asks for.
fn mask(cpus: &[u32]) -> io::Result<Vec<usize>> {
    let highest = cpus.iter().copied().max().unwrap_or(0) as usize;
    if cpus.is_empty() || highest >= MOST_CPUS {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut words = vec![0usize; highest / WORD + 1];
    for &cpu in cpus {
        words[cpu as usize / WORD] |= 1 << (cpu as usize % WORD);
    }
    Ok(words)
}

/// Lets the thread `id` (0: the calling one) run on `cpus` alone.
///
/// # Errors
/// There is no such thread, none of the CPUs is online and allowed, or it is not permitted.
pub fn pin_thread(id: i32, cpus: &[u32]) -> io::Result<()> {
    let words = mask(cpus)?;
    // SAFETY: the mask is as long as said and only read.
    let done =
        unsafe { libc::sched_setaffinity(id, size_of_val(&words[..]), words.as_ptr().cast()) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// CPUs that the thread `id` (0: the calling one) may run on, ascending. Empty when there is no such thread.
#[must_use]
pub fn allowed_cpus(id: i32) -> Vec<u32> {
    let mut words = vec![0usize; MOST_CPUS / WORD];
    // The system call, not the library's: it says how much of the mask it filled.
    // SAFETY: the mask is as long as said; the kernel writes at most so much.
    let filled = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            id,
            size_of_val(&words[..]),
            words.as_mut_ptr(),
        )
    };
    let Ok(filled) = usize::try_from(filled) else {
        return Vec::new();
    };
    let bits = words[..filled / size_of::<usize>()].iter().zip(0u32..);
    bits.flat_map(|(&word, at)| {
        (0..usize::BITS)
            .filter(move |bit| word >> bit & 1 == 1)
            .map(move |bit| at * usize::BITS + bit)
    })
    .collect()
}

/// Keeps the kernel's workers for the calling thread's io_uring requests on `cpus`: by itself the kernel lets them run
/// anywhere, on agents' cores too.
///
/// # Errors
/// The kernel is older than 5.14, or takes none of the CPUs.
pub fn keep_ring_workers_on(ring: RawFd, cpus: &[u32]) -> io::Result<()> {
    let words = mask(cpus)?;
    // SAFETY: the mask is as long as said and only read.
    let done = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring,
            REGISTER_IOWQ_AFF,
            words.as_ptr(),
            size_of_val(&words[..]),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_its_cpu_alone_and_those_it_starts_too() {
        std::thread::spawn(|| {
            let cpu = *allowed_cpus(0).last().unwrap();
            pin_thread(0, &[cpu]).unwrap();
            assert_eq!(allowed_cpus(0), [cpu]);
            let child = std::thread::spawn(|| allowed_cpus(0));
            assert_eq!(child.join().unwrap(), [cpu]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_cpu_beyond_1024_is_refused_by_the_kernel_and_not_by_us() {
        let words = mask(&[0, 63, 64, 1500]).unwrap();
        assert_eq!(
            (words.len(), words[0], words[1]),
            (24, 1 | 1 << 63, 1),
            "bits stand where the kernel looks for them"
        );
        assert!(pin_thread(0, &[1500]).is_err(), "no such CPU here");
        assert!(pin_thread(0, &[u32::MAX]).is_err());
        assert!(pin_thread(0, &[]).is_err());
    }

    #[test]
    fn a_thread_that_ended_has_no_cpus_and_cannot_be_pinned() {
        // SAFETY: plain system call.
        let tid = std::thread::spawn(|| unsafe { libc::gettid() });
        let tid = tid.join().unwrap();
        assert!(allowed_cpus(tid).is_empty());
        assert!(pin_thread(tid, &allowed_cpus(0)).is_err());
    }
}
