//! The bytes of a file as sparse pages; a clone shares them until one side writes.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Bytes of a page.
pub const PAGE: u64 = 4096;

type Page = [u8; PAGE as usize];

/// What preallocation writes over and over: one page of it for all files.
static ZEROS: LazyLock<Arc<Page>> = LazyLock::new(|| Arc::new([0; PAGE as usize]));

/// Contents of a file. Pages that are not there read as zeros.
#[derive(Clone, Default)]
pub struct Pages {
    len: u64,
    pages: BTreeMap<u64, Arc<Page>>,
}

impl Pages {
    /// Bytes in the file.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// Whether the page was ever written.
    pub fn has_page(&self, page: u64) -> bool {
        self.pages.contains_key(&page)
    }
    /// Reads up to `to.len()` bytes, fewer at the end of the file.
    pub fn read(&self, at: u64, to: &mut [u8]) -> usize {
        let len = self.len.saturating_sub(at).min(to.len() as u64) as usize;
        for (page, within, range) in split(at, len) {
            let to = &mut to[range];
            match self.pages.get(&page) {
                Some(bytes) => to.copy_from_slice(&bytes[within..within + to.len()]),
                None => to.fill(0),
            }
        }
        len
    }
    /// Writes, extending the file where it must.
    pub fn write(&mut self, at: u64, from: &[u8]) {
        for (page, within, range) in split(at, from.len()) {
            let from = &from[range];
            if from.len() == PAGE as usize && *from == **ZEROS {
                self.pages.insert(page, Arc::clone(&ZEROS));
                continue;
            }
            let bytes = self.pages.entry(page).or_insert_with(|| Arc::clone(&ZEROS));
            Arc::make_mut(bytes)[within..within + from.len()].copy_from_slice(from);
        }
        if !from.is_empty() {
            self.len = self.len.max(at + from.len() as u64);
        }
    }
    /// Cuts, or extends with zeros.
    pub fn truncate(&mut self, len: u64) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE));
            if let Some(last) = self.pages.get_mut(&(len / PAGE)) {
                Arc::make_mut(last)[(len % PAGE) as usize..].fill(0);
            }
        }
        self.len = len;
    }
    /// Extends to at least `len`.
    pub fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }
}

/// The pages that `at..at+len` touches: number, first byte within it, and which part of the range it holds.
fn split(at: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        (done < len).then(|| {
            let position = at + done as u64;
            let within = (position % PAGE) as usize;
            let start = done;
            done = len.min(done + PAGE as usize - within);
            (position / PAGE, within, start..done)
        })
    })
}
