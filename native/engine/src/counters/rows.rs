//! Tables of the counters file: rows of a fixed number of cells.

use std::sync::Arc;

use super::handle::Cells;
use super::region::Region;

/// As many rows as there is room for; there may be none. One writer.
pub(super) struct Rows<const CELLS: usize> {
    cells: Option<Cells>,
    rows: usize,
}

impl<const CELLS: usize> Rows<CELLS> {
    pub fn new(region: Arc<Region>, at: usize, rows: u32) -> Self {
        let rows = rows as usize;
        Self {
            cells: (rows > 0).then(|| Cells::new(region, at, rows * CELLS)),
            rows,
        }
    }
    /// The cells, and the first one of a row.
    #[inline]
    pub fn row(&self, row: usize) -> Option<(&Cells, usize)> {
        let cells = self.cells.as_ref()?;
        (row < self.rows).then_some((cells, row * CELLS))
    }
}
