//! Bytes of a file through a buffer, for reading onwards with small steps back. Memory stays constant.

use std::io;

/// Bytes read at once.
const WINDOW: usize = 256 * 1024;

/// Where the bytes come from: a file of the storage, or one that is only looked at.
pub(super) trait Source {
    /// Reads until `to` is full or the file ends.
    fn read_raw(&self, to: &mut [u8], at: u64) -> io::Result<usize>;
    /// The first position from `at` on that may hold anything but zeros, as far as the file system tells without reading
    /// (a sparse file's holes are passed over); `None` if there is none up to the end.
    fn next_data(&self, at: u64) -> io::Result<Option<u64>>;
}

/// A file and the part of it that is in memory.
pub(super) struct Window<'f> {
    source: &'f dyn Source,
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
}

impl<'f> Window<'f> {
    pub fn new(source: &'f dyn Source) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
        }
    }
    /// Most that `bytes` gives at once.
    pub const MOST: usize = WINDOW;

    /// `len` bytes from `at` on, fewer only at the end of the file. `len` is at most `MOST`.
    pub fn bytes(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        assert!(len <= WINDOW);
        let inside = at >= self.start && at + len as u64 <= self.start + self.filled as u64;
        if !inside {
            self.buffer.resize(WINDOW, 0);
            self.filled = 0;
            self.filled = self.source.read_raw(&mut self.buffer, at)?;
            self.start = at;
        }
        let from = (at - self.start) as usize;
        let to = (from + len).min(self.filled);
        Ok(&self.buffer[from.min(to)..to])
    }
    /// `Source::next_data`, never below `at`.
    pub fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        Ok(self.source.next_data(at)?.map(|data| data.max(at)))
    }
    /// The first byte at or after `at` that is not zero; `None` if zeros go on to the end of the file.
    pub fn first_nonzero(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        loop {
            match self.next_data(at)? {
                Some(data) => at = data,
                None => return Ok(None),
            }
            let bytes = self.bytes(at, WINDOW)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            if let Some(found) = nonzero(bytes) {
                return Ok(Some(at + found as u64));
            }
            at += bytes.len() as u64;
        }
    }
}

/// Position of the first byte that is not zero, by eight at a time.
pub(super) fn nonzero(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    if let Some(word) = words.iter().position(|&word| u64::from_ne_bytes(word) != 0) {
        return words[word]
            .iter()
            .position(|&byte| byte != 0)
            .map(|byte| word * 8 + byte);
    }
    rest.iter()
        .position(|&byte| byte != 0)
        .map(|byte| words.len() * 8 + byte)
}
