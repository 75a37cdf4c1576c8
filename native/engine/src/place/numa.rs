//! The kernel's memory policy: which NUMA node pages come from, and where they are.

use std::fs;
use std::io;

/// `MPOL_MF_MOVE`: pages that are there already move.
const MOVE: libc::c_uint = 1 << 1;
/// `MPOL_F_NODE` and `MPOL_F_ADDR` of get_mempolicy(2).
const OF_ADDRESS: libc::c_ulong = 1 << 1;
/// Nodes that a kernel can be built for.
const MOST_NODES: usize = 1024;
const WORD: usize = usize::BITS as usize;

type NodeMask = [usize; MOST_NODES / WORD];

/// Where the pages of a range come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// From this node alone.
    Bind(u32),
    /// From this node while it has some.
    Prefer(u32),
    /// From wherever the thread runs that touches them first.
    Local,
}

fn mask(node: u32) -> io::Result<NodeMask> {
    let mut words: NodeMask = [0; MOST_NODES / WORD];
    let word = words.get_mut(node as usize / WORD);
    *word.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))? |= 1 << (node as usize % WORD);
    Ok(words)
}

fn mode(policy: Policy) -> io::Result<(libc::c_int, Option<NodeMask>)> {
    Ok(match policy {
        Policy::Bind(node) => (libc::MPOL_BIND, Some(mask(node)?)),
        Policy::Prefer(node) => (libc::MPOL_PREFERRED, Some(mask(node)?)),
        Policy::Local => (libc::MPOL_DEFAULT, None),
    })
}

fn succeeded(result: libc::c_long) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets the policy of a page-aligned range of the caller's; pages that are there move.
///
/// # Errors
/// There is no such node for this process, the kernel knows no NUMA, or a container forbids the call.
pub(crate) fn bind(at: *mut u8, bytes: usize, policy: Policy) -> io::Result<()> {
    let (mode, nodes) = mode(policy)?;
    let nodes = nodes.as_ref().map_or(std::ptr::null(), |n| n.as_ptr());
    // SAFETY: mbind changes where pages lie, never what they hold; the mask is as long as said (the kernel counts one less).
    succeeded(unsafe {
        libc::syscall(
            libc::SYS_mbind,
            at,
            bytes,
            mode,
            nodes,
            MOST_NODES + 1,
            MOVE,
        )
    })
}

/// Sets where the calling thread's pages come from, as long as a range has no policy of its own.
///
/// # Errors
/// As `bind`.
pub(super) fn prefer_on_this_thread(node: Option<u32>) -> io::Result<()> {
    let (mode, nodes) = mode(node.map_or(Policy::Local, Policy::Prefer))?;
    let nodes = nodes.as_ref().map_or(std::ptr::null(), |n| n.as_ptr());
    // SAFETY: the mask is as long as said and only read.
    succeeded(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, nodes, MOST_NODES + 1) })
}

/// The policy that the kernel has for an address; `None` where it does not say.
pub(super) fn policy_of(at: *const u8) -> Option<Policy> {
    let mut mode: libc::c_int = 0;
    let mut nodes: NodeMask = [0; MOST_NODES / WORD];
    // SAFETY: mode and mask are valid for the kernel to fill, the mask as long as said.
    let done = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut mode,
            nodes.as_mut_ptr(),
            MOST_NODES,
            at,
            OF_ADDRESS,
        )
    };
    succeeded(done).ok()?;
    let first = nodes.iter().zip(0u32..).find(|(word, _)| **word != 0);
    let node = first.map(|(word, at)| at * usize::BITS + word.trailing_zeros());
    match (mode, node) {
        (libc::MPOL_BIND, Some(node)) => Some(Policy::Bind(node)),
        (libc::MPOL_PREFERRED, Some(node)) => Some(Policy::Prefer(node)),
        _ => Some(Policy::Local),
    }
}

/// On which node each page is, by its address; `-errno` for one that is not there. `None` where the kernel does not say.
pub(super) fn nodes_of(pages: &[*const u8]) -> Option<Vec<i32>> {
    let mut status = vec![0i32; pages.len()];
    // SAFETY: without a list of nodes move_pages only looks; both lists are as long as said.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0,
            pages.len(),
            pages.as_ptr(),
            std::ptr::null::<libc::c_int>(),
            status.as_mut_ptr(),
            0,
        )
    };
    succeeded(done).ok().map(|()| status)
}

/// CPU and NUMA node of the calling thread, now.
pub(super) fn here() -> (u32, u32) {
    let (mut cpu, mut node) = (0u32, 0u32);
    // SAFETY: both numbers are valid for the kernel to fill; the third argument is unused since Linux 2.6.24.
    unsafe {
        libc::syscall(
            libc::SYS_getcpu,
            &raw mut cpu,
            &raw mut node,
            std::ptr::null_mut::<libc::c_void>(),
        )
    };
    (cpu, node)
}

/// Whether a node has `bytes` free or easily freed, twice over. True where it does not say: then a binding is tried.
pub(crate) fn has_room(node: u32, bytes: usize) -> bool {
    let path = format!("/sys/devices/system/node/node{node}/meminfo");
    fs::read_to_string(path).map_or(true, |text| {
        easily_free(&text).is_none_or(|free| free >= 2 * bytes as u64)
    })
}

/// Bytes free and in the inactive half of the page cache, from a node's meminfo.
fn easily_free(meminfo: &str) -> Option<u64> {
    let of = |name: &str| {
        let line = meminfo.lines().find(|line| line.contains(name))?;
        line.split_whitespace().rev().nth(1)?.parse::<u64>().ok()
    };
    Some((of(" MemFree:")? + of(" Inactive(file):").unwrap_or(0)) * 1024)
}

/// Why memory is not bound, for an operator.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "the container forbids mbind (seccomp): grant CAP_SYS_NICE".into(),
        Some(libc::ENOSYS) => "the kernel is built without NUMA".into(),
        Some(libc::EINVAL) => "this process may not use that node's memory (cpuset.mems)".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_of_a_node_is_read_from_its_meminfo() {
        let text =
            "Node 1 MemTotal:  1031828 kB\nNode 1 MemFree:  900 kB\nNode 1 Inactive(anon):  7 kB\n\
                    Node 1 Inactive(file):  100 kB\n";
        assert_eq!(easily_free(text), Some(1000 * 1024));
        assert_eq!(easily_free("nonsense"), None);
        assert_eq!(easily_free("Node 0 MemFree: many kB"), None);
        assert!(has_room(900, 1 << 40), "an unknown node is tried");
    }

    #[test]
    fn the_calling_thread_is_on_a_cpu_it_may_use() {
        let (cpu, _) = here();
        assert!(super::super::allowed_cpus(0).contains(&cpu));
    }

    #[test]
    fn a_node_that_no_kernel_has_is_an_error() {
        assert!(prefer_on_this_thread(Some(5000)).is_err());
        assert!(bind(std::ptr::null_mut(), 4096, Policy::Bind(5000)).is_err());
    }
}
