//! Where everything stands in a counters file (docs/formats.md, "Counters").

/// First bytes of the file.
pub const MAGIC: [u8; 4] = *b"LNCF";
/// Version that this engine writes.
pub const VERSION: u32 = 1;
/// Bytes of the header, and where the descriptors start.
pub const HEADER_BYTES: usize = 4096;
/// Bytes of one descriptor.
pub const DESCRIPTOR_BYTES: usize = 256;
/// Values start on multiples of this: none shares a cache line with another.
pub const CACHE_LINE: usize = 64;

/// Header fields, by byte position.
pub mod header {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 4;
    pub const PID: usize = 8;
    pub const DESCRIPTOR_BYTES: usize = 12;
    pub const START_NS: usize = 16;
    pub const DESCRIPTORS_AT: usize = 24;
    pub const VALUES_AT: usize = 32;
    pub const FILE_BYTES: usize = 40;
    pub const DESCRIPTOR_CAPACITY: usize = 48;
    /// Written with every registration, so on a cache line of its own.
    pub const DESCRIPTOR_COUNT: usize = 64;
    pub const VALUES_END: usize = 72;
    /// Written many times a second, so on a cache line of its own.
    pub const HEARTBEAT_NS: usize = 128;
    /// Of each table: where it starts, how many rows it has, and how many bytes a row. 0 where an older writer has none.
    pub const TOPICS: usize = 192;
    pub const COMMITS: usize = 208;
    pub const EVENTS: usize = 224;
    /// Events written so far. Written now and then, so on a cache line of its own.
    pub const EVENTS_WRITTEN: usize = 256;
}

/// A topic's row, by byte position inside it. All fields have 8 bytes.
pub mod topic {
    /// `id:4 | state:4`; state 0: nobody's row.
    pub const ID_STATE: usize = 0;
    /// Of the last record, ns.
    pub const LAST_TIMESTAMP_NS: usize = 8;
    pub const FIRST_OFFSET: usize = 16;
    pub const FIRST_RECORD: usize = 24;
    pub const END_OFFSET: usize = 32;
    pub const END_RECORD: usize = 40;
    pub const DURABLE_OFFSET: usize = 48;
    pub const BYTES: usize = 56;
    pub const SEGMENTS: usize = 64;
    pub const FETCHED_BYTES: usize = 72;
    pub const FETCHED_RECORDS: usize = 80;
    pub const FETCHES: usize = 88;
    /// Bytes of a row.
    pub const ROW: usize = 128;
}

/// A committed offset's row, by byte position inside it.
pub mod commit {
    /// `topic:4 | epoch:4`.
    pub const TOPIC_EPOCH: usize = 0;
    pub const CONSUMER: usize = 8;
    pub const OFFSET: usize = 16;
    /// Seconds since 1970; 0: nobody's row.
    pub const AT_S: usize = 24;
    /// Bytes of a row.
    pub const ROW: usize = 32;
}

/// An event, by byte position inside its row.
pub mod event {
    /// The event's number, counted from 1; 0 while the row is being written.
    pub const NUMBER: usize = 0;
    pub const AT_NS: usize = 8;
    /// `kind:4 | topic:4`.
    pub const KIND_TOPIC: usize = 16;
    /// Three numbers; what they are is the kind's.
    pub const NUMBERS: usize = 24;
    /// Bytes of the text.
    pub const TEXT_LEN: usize = 48;
    pub const TEXT: usize = 56;
    /// Most bytes of a text.
    pub const TEXT_MAX: usize = ROW - TEXT;
    /// Bytes of a row.
    pub const ROW: usize = 160;
}

/// Descriptor fields, by byte position inside the descriptor.
pub mod descriptor {
    pub const KEY: usize = 0;
    pub const KIND: usize = 4;
    pub const UNIT: usize = 5;
    pub const SUB_BITS: usize = 6;
    pub const VALUE_BITS: usize = 7;
    pub const VALUE_AT: usize = 8;
    pub const VALUE_BYTES: usize = 16;
    pub const NAME_LEN: usize = 20;
    pub const LABEL_LEN: usize = 21;
    pub const HELP_LEN: usize = 22;
    pub const NAME: usize = 32;
    pub const LABEL: usize = 80;
    pub const HELP: usize = 160;
    /// Most bytes of a name.
    pub const NAME_MAX: usize = LABEL - NAME;
    /// Most bytes of a label.
    pub const LABEL_MAX: usize = HELP - LABEL;
    /// Most bytes of a help text.
    pub const HELP_MAX: usize = super::DESCRIPTOR_BYTES - HELP;
}

/// Fields of a histogram's first cache line, by byte position inside the value.
pub mod histogram {
    pub const COUNT: usize = 0;
    pub const SUM: usize = 8;
    pub const MIN: usize = 16;
    pub const MAX: usize = 24;
    /// The buckets, 8 bytes each.
    pub const BUCKETS: usize = super::CACHE_LINE;
}

const _: () =
    assert!(HEADER_BYTES.is_multiple_of(CACHE_LINE) && DESCRIPTOR_BYTES.is_multiple_of(CACHE_LINE));
const _: () = assert!(descriptor::HELP + descriptor::HELP_MAX == DESCRIPTOR_BYTES);
const _: () = assert!(header::HEARTBEAT_NS + 8 <= HEADER_BYTES);
const _: () = assert!(header::EVENTS_WRITTEN + 8 <= HEADER_BYTES);
const _: () = assert!(topic::FETCHES + 8 <= topic::ROW && topic::ROW.is_multiple_of(CACHE_LINE));
const _: () = assert!(commit::AT_S + 8 == commit::ROW);
const _: () = assert!(event::ROW.is_multiple_of(8) && event::TEXT.is_multiple_of(8));
