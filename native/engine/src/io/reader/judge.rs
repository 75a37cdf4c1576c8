//! What was read is judged once: headers and checksums, before anything of it is handed out.

use super::Cursor;
use crate::checksum::checksum;
use crate::format::batch::{BatchHeader, HeaderProblem, BATCH_HEADER};
use crate::io::agent::IoAgent;
use crate::limits::BLOCK;

/// What stands at a cursor.
pub(super) enum AtCursor {
    /// A whole batch, verified.
    Batch(BatchHeader),
    /// More must be read for it: bytes from the cursor on.
    Missing(u64),
    /// The segment ends here.
    End,
    Damaged,
}

impl IoAgent {
    /// Judges what the buffer has at the cursor.
    pub(super) fn at_cursor(&self, cursor: &mut Cursor, topic: u32) -> AtCursor {
        let Some(buffer) = cursor.buffer.as_mut() else {
            return AtCursor::Missing(BATCH_HEADER as u64);
        };
        if cursor.base_offset >= buffer.below {
            // Read when these bytes were not written yet: they say nothing.
            return AtCursor::Missing(BATCH_HEADER as u64);
        }
        let end = buffer.base + u64::from(buffer.len);
        // As much as a read of its own would give.
        let fresh = buffer.base <= cursor.position && cursor.position - buffer.base < BLOCK;
        if cursor.position < buffer.base || cursor.position >= end {
            // A fresh read that has nothing at the cursor ended before it: the file does.
            return if fresh {
                AtCursor::End
            } else {
                AtCursor::Missing(BATCH_HEADER as u64)
            };
        }
        // A read that gave less than it asked for met the end of the file.
        let whole_file = buffer.len < buffer.asked;
        let bytes = {
            let at = buffer.at as usize + (cursor.position - buffer.base) as usize;
            // SAFETY: inside what was read into a slab of this agent.
            unsafe {
                std::slice::from_raw_parts(
                    self.table.at(buffer.slab).add(at),
                    (end - cursor.position) as usize,
                )
            }
        };
        let Some(header) = bytes.first_chunk::<BATCH_HEADER>() else {
            if !fresh {
                return AtCursor::Missing(BATCH_HEADER as u64);
            }
            return if bytes.iter().all(|&byte| byte == 0) {
                AtCursor::End
            } else {
                AtCursor::Damaged
            };
        };
        let header = match BatchHeader::decode(header) {
            Ok((header, _)) => header,
            Err(HeaderProblem::Fill) => return AtCursor::End,
            Err(_) => return AtCursor::Damaged,
        };
        if header.topic != topic || header.base_offset != cursor.base_offset {
            return AtCursor::Damaged;
        }
        let len = header.batch_len();
        cursor.batch = cursor.batch.max(len as u32);
        if header.next_offset() > buffer.below {
            return AtCursor::Missing(len);
        }
        if (bytes.len() as u64) < len {
            let cut = fresh && whole_file;
            return if cut {
                AtCursor::Damaged
            } else {
                AtCursor::Missing(len)
            };
        }
        if cursor.position >= buffer.verified {
            let payload = &bytes[BATCH_HEADER..len as usize];
            if checksum(header.payload_kind, payload) != header.payload_checksum {
                return AtCursor::Damaged;
            }
            buffer.verified = cursor.position + len;
        }
        AtCursor::Batch(header)
    }
}
