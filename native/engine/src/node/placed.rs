//! Where the node's memory lies, looked at from time to time and shown in the counters.

use std::sync::{Arc, Mutex, PoisonError};

use crate::counters::{keys, CountersFile, Gauge};
use crate::memory::SlabTable;
use crate::place::{look_at, regions, Kind, MemoryReport};

/// Everything that belongs on a NUMA node.
pub(super) struct Placed {
    table: Arc<SlabTable>,
    /// By kind: pages, and those of them elsewhere.
    gauges: Mutex<[(Kind, Gauge, Gauge); 4]>,
}

impl Placed {
    pub fn new(table: Arc<SlabTable>, counters: &CountersFile) -> Self {
        let kinds = [
            Kind::Slabs,
            Kind::JumboSlabs,
            Kind::Tables,
            Kind::ReceiveBuffers,
        ];
        let gauges = kinds.map(|kind| {
            let label = format!("memory={}", kind.name());
            (
                kind,
                counters.gauge(keys::PLACED_PAGES, &label),
                counters.gauge(keys::CROSS_NODE_PAGES, &label),
            )
        });
        Self {
            table,
            gauges: Mutex::new(gauges),
        }
    }

    /// Asks the kernel where every page is and shows it. Blocks for a few milliseconds.
    pub fn look(&self) -> Vec<MemoryReport> {
        let mut all: Vec<_> = self.table.regions().collect();
        all.extend(regions());
        let reports = look_at(&all);
        let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, pages, elsewhere) in gauges.iter() {
            let of_kind = || reports.iter().filter(|report| report.kind == *kind);
            pages.set(of_kind().map(|report| report.pages).sum());
            elsewhere.set(of_kind().filter_map(|report| report.elsewhere).sum());
        }
        reports
    }
}
