//! The handles that agents hold: one relaxed load and one relaxed store to count, nothing else.
//!
//! A handle is the only writer of its value: it is `Send` but neither `Sync` nor `Clone`, so no increment is ever lost
//! and none needs a locked instruction.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::buckets::{bucket_of, BUCKETS};
use super::layout::histogram;
use super::region::Region;

/// A run of 8-byte cells in a region that lives as long as this.
pub(super) struct Cells {
    first: NonNull<AtomicU64>,
    len: usize,
    _region: Arc<Region>,
    _one_writer: PhantomData<Cell<u64>>,
}

// SAFETY: the cells are atomics in a region that is kept alive; sending the handle moves the one writer.
unsafe impl Send for Cells {}

impl Cells {
    /// `len` cells (at least one) from byte `at` on.
    pub(super) fn new(region: Arc<Region>, at: usize, len: usize) -> Self {
        let last = region.cell(at + (len - 1) * 8);
        let first = NonNull::from(region.cell(at));
        assert_eq!(
            (std::ptr::from_ref(last) as usize - first.as_ptr() as usize) / 8,
            len - 1
        );
        Self {
            first,
            len,
            _region: region,
            _one_writer: PhantomData,
        }
    }
    fn detached(len: usize) -> Self {
        let region = Region::anonymous((len * 8).next_multiple_of(4096))
            .expect("memory for a counter outside of any file");
        Self::new(Arc::new(region), 0, len)
    }
    #[inline]
    pub(super) fn at(&self, i: usize) -> &AtomicU64 {
        assert!(i < self.len);
        // SAFETY: `first` starts `len` cells inside the region, which `_region` keeps alive; i < len.
        unsafe { self.first.add(i).as_ref() }
    }
    #[inline]
    pub(super) fn add(&self, i: usize, by: u64) {
        let cell = self.at(i);
        // One writer: a load and a store lose nothing, and wrap like the hardware does.
        cell.store(
            cell.load(Ordering::Relaxed).wrapping_add(by),
            Ordering::Relaxed,
        );
    }
}

/// A value that only grows.
pub struct Counter(Cells);

impl Counter {
    pub(super) fn new(region: Arc<Region>, at: usize) -> Self {
        Self(Cells::new(region, at, 1))
    }
    /// A counter that no file shows: for tests and tools.
    #[must_use]
    pub fn detached() -> Self {
        Self(Cells::detached(1))
    }
    /// Counts one.
    #[inline]
    pub fn inc(&self) {
        self.0.add(0, 1);
    }
    /// Counts `by`.
    #[inline]
    pub fn add(&self, by: u64) {
        self.0.add(0, by);
    }
    /// Shows a total that is counted elsewhere.
    #[inline]
    pub fn set(&self, total: u64) {
        self.0.at(0).store(total, Ordering::Relaxed);
    }
    /// The value now.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.at(0).load(Ordering::Relaxed)
    }
}

/// A value that goes up and down.
pub struct Gauge(Cells);

impl Gauge {
    pub(super) fn new(region: Arc<Region>, at: usize) -> Self {
        Self(Cells::new(region, at, 1))
    }
    /// A gauge that no file shows.
    #[must_use]
    pub fn detached() -> Self {
        Self(Cells::detached(1))
    }
    /// Shows `value`.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.at(0).store(value, Ordering::Relaxed);
    }
    /// Up by `by`.
    #[inline]
    pub fn add(&self, by: u64) {
        self.0.add(0, by);
    }
    /// Down by `by`.
    #[inline]
    pub fn sub(&self, by: u64) {
        self.0.add(0, by.wrapping_neg());
    }
    /// The value now.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.at(0).load(Ordering::Relaxed)
    }
}

const COUNT: usize = histogram::COUNT / 8;
const SUM: usize = histogram::SUM / 8;
const MIN: usize = histogram::MIN / 8;
const MAX: usize = histogram::MAX / 8;
const FIRST_BUCKET: usize = histogram::BUCKETS / 8;

/// Cells of a histogram's value.
pub(super) const HISTOGRAM_CELLS: usize = FIRST_BUCKET + BUCKETS;

/// A distribution with at most 1% relative error.
pub struct Histogram(Cells);

impl Histogram {
    pub(super) fn new(region: Arc<Region>, at: usize) -> Self {
        Self(Cells::new(region, at, HISTOGRAM_CELLS))
    }
    /// A histogram that no file shows.
    #[must_use]
    pub fn detached() -> Self {
        Self(Cells::detached(HISTOGRAM_CELLS))
    }
    /// Counts one value.
    #[inline]
    pub fn record(&self, value: u64) {
        self.record_n(value, 1);
    }
    /// Counts `n` times the same value.
    #[inline]
    pub fn record_n(&self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        self.0.add(FIRST_BUCKET + bucket_of(value), n);
        self.0.add(SUM, value.wrapping_mul(n));
        if value > self.0.at(MAX).load(Ordering::Relaxed) {
            self.0.at(MAX).store(value, Ordering::Relaxed);
        }
        let first = self.count() == 0;
        if first || value < self.0.at(MIN).load(Ordering::Relaxed) {
            self.0.at(MIN).store(value, Ordering::Relaxed);
        }
        self.0.add(COUNT, n);
    }
    /// Values counted so far.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.at(COUNT).load(Ordering::Relaxed)
    }
    /// The value below or at which `quantile` (0..=1) of the counted ones lie, within 1%; 0 when there are none.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> u64 {
        super::read::quantile(
            |bucket| self.0.at(FIRST_BUCKET + bucket).load(Ordering::Relaxed),
            self.0.at(MAX).load(Ordering::Relaxed),
            quantile,
        )
    }
}

/// Says that the process lives: the time of its last beat, wall clock.
pub struct Heartbeat(Cells);

impl Heartbeat {
    pub(super) fn new(region: Arc<Region>, at: usize) -> Self {
        Self(Cells::new(region, at, 1))
    }
    /// Beats; `wall_ns` since 1970.
    #[inline]
    pub fn beat(&self, wall_ns: u64) {
        self.0.at(0).store(wall_ns, Ordering::Relaxed);
    }
}

/// A counter or gauge of somebody else's, to look at.
pub struct Watched {
    region: Arc<Region>,
    at: usize,
}

impl Watched {
    pub(super) fn new(region: Arc<Region>, at: usize) -> Self {
        Self { region, at }
    }
    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.region.cell(self.at).load(Ordering::Relaxed)
    }
}
