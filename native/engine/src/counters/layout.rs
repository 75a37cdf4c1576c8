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
