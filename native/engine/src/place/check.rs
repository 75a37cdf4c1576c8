//! Whether memory lies where it belongs, as the kernel tells it.

use super::numa::{nodes_of, policy_of, Policy};
use super::tables::{Kind, Region};

/// Pages asked after in one call.
const AT_ONCE: usize = 4096;

/// What the kernel says of all ranges of one kind that belong on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryReport {
    pub kind: Kind,
    pub node: u32,
    pub bytes: u64,
    /// Of all ranges, where they agree on one.
    pub policy: Option<Policy>,
    /// Pages that are there.
    pub pages: u64,
    /// Those of them on another node; `None` where the kernel does not say.
    pub elsewhere: Option<u64>,
}

/// Asks the kernel for policy and place of every page. Takes about a millisecond for 10,000 pages; not for agents.
#[must_use]
pub fn look_at(regions: &[Region]) -> Vec<MemoryReport> {
    let mut reports: Vec<MemoryReport> = Vec::new();
    for region in regions {
        let policy = policy_of(region.at as *const u8);
        let counted = count(region);
        let known = reports
            .iter_mut()
            .find(|r| r.kind == region.kind && r.node == region.node);
        if let Some(report) = known {
            report.bytes += region.bytes as u64;
            report.policy = report.policy.filter(|p| policy == Some(*p));
            report.pages += counted.map_or(0, |(pages, _)| pages);
            report.elsewhere = report
                .elsewhere
                .zip(counted)
                .map(|(so_far, (_, more))| so_far + more);
        } else {
            reports.push(MemoryReport {
                kind: region.kind,
                node: region.node,
                bytes: region.bytes as u64,
                policy,
                pages: counted.map_or(0, |(pages, _)| pages),
                elsewhere: counted.map(|(_, elsewhere)| elsewhere),
            });
        }
    }
    reports.sort_by_key(|report| (report.kind.name(), report.node));
    reports
}

/// Pages that are there, and those of them elsewhere.
fn count(region: &Region) -> Option<(u64, u64)> {
    let page = page_bytes();
    let pages: Vec<*const u8> = (region.at..region.at + region.bytes)
        .step_by(page)
        .map(|at| at as *const u8)
        .collect();
    let (mut present, mut elsewhere) = (0, 0);
    for some in pages.chunks(AT_ONCE) {
        for node in nodes_of(some)? {
            // Below zero: nothing is there yet.
            if let Ok(node) = u32::try_from(node) {
                present += 1;
                elsewhere += u64::from(node != region.node);
            }
        }
    }
    Some((present, elsewhere))
}

fn page_bytes() -> usize {
    // SAFETY: plain library call.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Backing, SlabClass, SlabTableBuilder};

    #[test]
    fn a_bound_pool_is_where_it_was_bound_to_and_pages_that_are_not_there_do_not_count() {
        let mut builder = SlabTableBuilder::default();
        builder.on_node(Some(0));
        let classes = [
            SlabClass {
                bytes: 4096,
                count: 100,
                backing: Backing::Start,
            },
            SlabClass {
                bytes: 8192,
                count: 50,
                backing: Backing::EachUse,
            },
        ];
        let _pool = builder.pool(&classes);
        let table = builder.build().unwrap();
        if !table.refused().is_empty() {
            return eprintln!("not run: {:?}", table.refused());
        }
        let regions: Vec<_> = table.regions().collect();
        let reports = look_at(&regions);
        assert_eq!(reports.len(), 2);
        let (lazy, eager) = (reports[0], reports[1]);
        assert_eq!((lazy.kind, eager.kind), (Kind::JumboSlabs, Kind::Slabs));
        assert_eq!((lazy.pages, lazy.elsewhere), (0, Some(0)));
        assert_eq!(eager.bytes, 100 * 4096);
        assert_eq!(eager.pages as usize, 100 * 4096 / page_bytes().max(4096));
        assert_eq!(eager.elsewhere, Some(0));
        assert_eq!(eager.policy, Some(Policy::Bind(0)));
        assert_eq!(lazy.policy, Some(Policy::Prefer(0)));
    }

    #[test]
    fn pages_of_another_node_are_counted() {
        let memory = vec![1u8; 16 * 65_536];
        let at = (memory.as_ptr() as usize).next_multiple_of(65_536);
        let region = Region {
            at,
            bytes: 8 * 65_536,
            node: 63,
            kind: Kind::Tables,
        };
        let report = look_at(&[region])[0];
        assert!(report.pages > 0);
        assert_eq!(report.elsewhere, Some(report.pages));
        assert_eq!(report.policy, Some(Policy::Local));
    }
}
