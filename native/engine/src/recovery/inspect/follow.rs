//! Batch after batch, as long as each is whole and continues the one before it: a *stretch*.

use std::collections::BTreeMap;
use std::io;

use super::super::batches::{batch_in_memory, read_header, Batch, Link, Owner, Wrong};
use super::super::lookahead::next_header;
use super::super::window::Window;
use super::LogFile;
use crate::format::batch::{BatchHeader, HeaderProblem, SortKey, BATCH_HEADER, TLV_HEADER};
use crate::lwp::tlv;

/// Bytes read at once; a larger batch is read by itself.
const PIECE: usize = 1024 * 1024;
/// Oddities listed of a stretch.
const MOST_ODD: usize = 100;

/// A batch and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSeen {
    /// Byte position of its header.
    pub position: u64,
    pub header: BatchHeader,
    /// Checksum of its header.
    pub checksum: u32,
}

/// What the first batch of a stretch must continue; what is not known is not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Topic id and epoch.
    pub owner: Option<(u32, u32)>,
    /// Offset and record.
    pub place: Option<(u64, u64)>,
    /// Key of the last record before it.
    pub key: Option<SortKey>,
    /// Header checksum of the batch before it.
    pub chain: Option<u32>,
}

/// Why a stretch ends.
#[derive(Debug)]
pub enum Stop {
    /// As many bytes as were asked for.
    Budget,
    /// The file ends with its last batch.
    End,
    /// Zeros where a header would stand.
    Fill,
    /// The file ends inside a header, or inside a payload whose header holds.
    Cut(Option<BatchSeen>),
    /// No batch header, or one whose checksum or fields do not hold.
    Header(HeaderProblem),
    /// The header holds, the payload does not.
    Payload {
        batch: BatchSeen,
        stored: u32,
        computed: u32,
    },
    /// A whole batch of another topic or epoch.
    Foreign(BatchSeen),
    /// A whole batch that does not continue the one before; the field that shows it.
    Chain(BatchSeen, &'static str),
    /// The device gave an error.
    Read(io::Error),
}

impl Stop {
    /// Stable and short: `budget`, `end`, `fill`, `cut`, `header`, `newer`, `payload`, `foreign`, `chain`, `read`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::End => "end",
            Self::Fill => "fill",
            Self::Cut(_) => "cut",
            Self::Header(HeaderProblem::NewerVersion(_)) => "newer",
            Self::Header(_) => "header",
            Self::Payload { .. } => "payload",
            Self::Foreign(_) => "foreign",
            Self::Chain(..) => "chain",
            Self::Read(_) => "read",
        }
    }
    /// The batch that the stretch ended at, if its header could be read.
    #[must_use]
    pub fn batch(&self) -> Option<&BatchSeen> {
        match self {
            Self::Cut(batch) => batch.as_ref(),
            Self::Payload { batch, .. } | Self::Foreign(batch) | Self::Chain(batch, _) => {
                Some(batch)
            }
            _ => None,
        }
    }
    /// One sentence for a person; empty where nothing is wrong.
    #[must_use]
    pub fn detail(&self) -> String {
        let wrong = match self {
            Self::Budget | Self::End => return String::new(),
            Self::Fill => Wrong::Header(HeaderProblem::Fill),
            Self::Cut(_) => Wrong::End,
            Self::Header(problem) => Wrong::Header(*problem),
            Self::Payload {
                stored, computed, ..
            } => Wrong::Payload {
                stored: *stored,
                computed: *computed,
            },
            Self::Foreign(batch) => Wrong::Foreign(Owner::of(&batch.header)),
            Self::Chain(_, field) => Wrong::Chain(field),
            Self::Read(error) => return format!("the device could not read it: {error}"),
        };
        wrong.to_string()
    }
}

/// Something about a batch that is whole which formats.md does not allow; it is read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    /// Of the batch.
    pub position: u64,
    /// `records` or `header`.
    pub kind: &'static str,
    /// One sentence for a person.
    pub detail: String,
}

/// Batches that hold and continue one another.
#[derive(Debug)]
pub struct Stretch {
    pub first: Option<BatchSeen>,
    pub last: Option<BatchSeen>,
    pub batches: u64,
    pub records: u64,
    /// Bytes of records, headers not counted.
    pub record_bytes: u64,
    /// Records by type.
    pub types: BTreeMap<u8, u64>,
    /// The highest durable offset that one of the headers tells.
    pub durable: u64,
    /// Behind the last batch; where it began if there is none.
    pub end: u64,
    /// At most 100 a stretch.
    pub odd: Vec<Odd>,
    pub stop: Stop,
}

impl LogFile {
    /// Follows batches from `from` on and checks everything about each: header, payload, records, chain. Stops at the first
    /// that does not hold, and behind `budget` bytes.
    #[must_use]
    pub fn follow(&self, from: u64, wanted: &Wanted, budget: u64) -> Stretch {
        let mut walk = Walk {
            file: self,
            buffer: Vec::new(),
            start: 0,
            types: [0; 256],
        };
        let mut stretch = Stretch {
            first: None,
            last: None,
            batches: 0,
            records: 0,
            record_bytes: 0,
            types: BTreeMap::new(),
            durable: 0,
            end: from,
            odd: Vec::new(),
            stop: Stop::Budget,
        };
        let mut owner = wanted.owner.map(|(topic, epoch)| Owner { topic, epoch });
        let mut link = None;
        while stretch.end - from < budget {
            let batch = match walk.batch(stretch.end) {
                Ok(batch) => batch,
                Err(stop) => {
                    stretch.stop = stop;
                    break;
                }
            };
            let seen = seen(&batch);
            let here = Owner::of(&batch.header);
            if *owner.get_or_insert(here) != here {
                stretch.stop = Stop::Foreign(seen);
                break;
            }
            let continues = match &link {
                Some(link) => Link::check(link, &batch.header),
                None => wanted.check(&batch.header),
            };
            if let Err(Wrong::Chain(field)) = continues {
                stretch.stop = Stop::Chain(seen, field);
                break;
            }
            walk.records(&batch, &mut stretch.odd);
            link = Some(Link::after(&batch));
            stretch.take(seen);
        }
        let types = walk.types.iter().enumerate().filter(|(_, &n)| n > 0);
        stretch.types = types.map(|(kind, &n)| (kind as u8, n)).collect();
        stretch
    }

    /// Up to `most` headers from `from` on, by hopping from one to the next; payloads are not read. Ends at what is none.
    ///
    /// # Errors
    /// The system's.
    pub fn headers(&self, from: u64, most: usize) -> io::Result<Vec<BatchSeen>> {
        let mut found = Vec::new();
        let mut at = from;
        let mut head = [0; BATCH_HEADER];
        while found.len() < most {
            if self.read_at(&mut head, at)? < BATCH_HEADER {
                break;
            }
            let Ok((header, checksum)) = BatchHeader::decode(&head) else {
                break;
            };
            found.push(BatchSeen {
                position: at,
                header,
                checksum,
            });
            at += header.batch_len();
        }
        Ok(found)
    }

    /// The first position from `from` on where a batch header stands that holds; of the given topic and epoch, if they are.
    ///
    /// # Errors
    /// The system's.
    pub fn find_header(
        &self,
        from: u64,
        owner: Option<(u32, u32)>,
    ) -> io::Result<Option<BatchSeen>> {
        let owner = owner.map(|(topic, epoch)| Owner { topic, epoch });
        let mut window = Window::new(self);
        let mut at = from;
        while let Some(position) = next_header(&mut window, at)? {
            match read_header(&mut window, position) {
                Ok((header, checksum)) if owner.is_none_or(|o| o == Owner::of(&header)) => {
                    return Ok(Some(BatchSeen {
                        position,
                        header,
                        checksum,
                    }))
                }
                Err(Wrong::Read(error)) => return Err(error),
                _ => at = position + 1,
            }
        }
        Ok(None)
    }

    /// The first position from `from` on with a byte other than zero.
    ///
    /// # Errors
    /// The system's.
    pub fn first_nonzero(&self, from: u64) -> io::Result<Option<u64>> {
        Window::new(self).first_nonzero(from)
    }
}

fn seen(batch: &Batch) -> BatchSeen {
    BatchSeen {
        position: batch.position,
        header: batch.header,
        checksum: batch.checksum,
    }
}

impl Wanted {
    fn check(&self, header: &BatchHeader) -> Result<(), Wrong> {
        let (offset, record) = self
            .place
            .unwrap_or((header.base_offset, header.base_record));
        let link = Link {
            offset,
            record,
            key: self.key,
            chain: self.chain,
        };
        link.check(header)
    }
}

impl Stretch {
    fn take(&mut self, batch: BatchSeen) {
        let header = &batch.header;
        self.batches += 1;
        self.records += u64::from(header.record_count);
        self.record_bytes += u64::from(header.payload_len);
        self.durable = self.durable.max(header.durable_offset);
        self.end = batch.position + header.batch_len();
        self.first.get_or_insert(batch);
        self.last = Some(batch);
    }
}

/// A walk's place in the file: one buffer, which holds whole batches.
struct Walk<'f> {
    file: &'f LogFile,
    buffer: Vec<u8>,
    start: u64,
    types: [u64; 256],
}

impl Walk<'_> {
    /// `len` bytes from `at` on; fewer at the end of the file.
    fn bytes(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let end = self.start + self.buffer.len() as u64;
        if at < self.start || at + len as u64 > end {
            self.buffer.resize(len.max(PIECE), 0);
            let got = self.file.read_at(&mut self.buffer, at)?;
            self.buffer.truncate(got);
            self.start = at;
        }
        let from = ((at - self.start) as usize).min(self.buffer.len());
        let to = (from + len).min(self.buffer.len());
        Ok(&self.buffer[from..to])
    }

    /// The batch at a position, its checksums checked.
    #[allow(clippy::result_large_err)] // one at the end of a stretch
    fn batch(&mut self, at: u64) -> Result<Batch, Stop> {
        let head = self.bytes(at, BATCH_HEADER).map_err(Stop::Read)?;
        if head.is_empty() {
            return Err(Stop::End);
        }
        let Some(head) = head.first_chunk::<BATCH_HEADER>() else {
            return Err(if head.iter().all(|&byte| byte == 0) {
                Stop::Fill
            } else {
                Stop::Cut(None)
            });
        };
        let (header, checksum) = BatchHeader::decode(head).map_err(|problem| match problem {
            HeaderProblem::Fill => Stop::Fill,
            problem => Stop::Header(problem),
        })?;
        // At most 16 MiB: MAX_BATCH_PAYLOAD, checked by `decode`.
        let len = header.batch_len() as usize;
        let bytes = self.bytes(at, len).map_err(Stop::Read)?;
        batch_in_memory(bytes, Owner::of(&header), at).map_err(|wrong| {
            let batch = BatchSeen {
                position: at,
                header,
                checksum,
            };
            match wrong {
                Wrong::Payload { stored, computed } => Stop::Payload {
                    batch,
                    stored,
                    computed,
                },
                Wrong::Header(problem) => Stop::Header(problem), // it changed between two reads
                _ => Stop::Cut(Some(batch)),
            }
        })
    }

    /// Counts the records of the batch that was read last, and says what is odd about it.
    fn records(&mut self, batch: &Batch, odd: &mut Vec<Odd>) {
        let start = (batch.position - self.start) as usize;
        let end = start + batch.header.batch_len() as usize;
        let (head, payload) = self.buffer[start..end].split_at(BATCH_HEADER);
        let (mut at, mut records, mut wrong) = (0usize, 0u32, None);
        while let Some((kind, len)) = tlv::header_at(payload, at) {
            let next = at + TLV_HEADER + len as usize;
            if next > payload.len() {
                break;
            }
            if kind == tlv::TYPE_ENGINE {
                wrong = Some("one of its records has type 0x00, the engine's own");
            } else if kind == tlv::TYPE_NULL && len != 0 {
                wrong = Some("one of its Null records has a length");
            }
            self.types[usize::from(kind)] += 1;
            at = next;
            records += 1;
        }
        let mut say = |kind, detail| {
            if odd.len() < MOST_ODD {
                odd.push(Odd {
                    position: batch.position,
                    kind,
                    detail,
                });
            }
        };
        let counted = batch.header.record_count;
        if at != payload.len() {
            let detail = format!(
                "the records do not fill the payload: {records} are whole, the header counts {counted}"
            );
            say("records", detail);
        } else if records != counted {
            let detail = format!("the batch holds {records} records, its header counts {counted}");
            say("records", detail);
        } else if let Some(wrong) = wrong {
            say("records", wrong.to_owned());
        }
        let value = &head[TLV_HEADER..];
        if [26..28, 36..40, 120..128]
            .into_iter()
            .any(|range| value[range].iter().any(|&b| b != 0))
        {
            say(
                "header",
                "bytes of the header that must be 0 are not".to_owned(),
            );
        }
        if batch.header.durable_offset > batch.header.base_offset {
            let detail = format!(
                "the durable offset {} lies beyond the batch's own base offset {}",
                batch.header.durable_offset, batch.header.base_offset
            );
            say("header", detail);
        }
    }
}
