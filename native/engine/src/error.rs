//! What the engine refuses, and the codes it says it with (lwp.md, "Error codes").

/// LWP error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ErrorCode {
    Unknown = 0x01,
    PayloadTooLarge = 0x03,
    InvalidPayload = 0x04,
    Checksum = 0x05,
    TopicNotFound = 0x10,
    TopicExists = 0x11,
    InvalidTopicName = 0x12,
    TopicDeleted = 0x13,
    NotLeader = 0x20,
    QuorumNotReached = 0x21,
    LeaderUnknown = 0x22,
    ClusterNotReady = 0x23,
    RateLimited = 0x30,
    Backpressure = 0x31,
    ConnectionLimit = 0x32,
    AuthenticationRequired = 0x40,
    AuthenticationFailed = 0x41,
    AccessDenied = 0x42,
    InvalidOffset = 0x50,
    OffsetOutOfRange = 0x51,
    ConsumerNotFound = 0x52,
    Internal = 0x60,
    Storage = 0x61,
    Timeout = 0x62,
}

/// Why something was refused, as data: the network agent makes the sentence of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code on the wire.
    pub code: ErrorCode,
    /// Which sentence.
    pub reason: Reason,
    /// The number the sentence is about: a topic id, an offset, a length; see `Reason`.
    pub value: u64,
    /// The bound or the second number.
    pub bound: u64,
}

/// The sentences. The comments say what `value` and `bound` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// value: topic id.
    TopicUnknown,
    /// value: topic id.
    TopicDeleted,
    /// An ingest without payload.
    PayloadEmpty,
    /// TLVs do not tile the payload, and the node is set to refuse that. value: byte where the tiling broke.
    PayloadNotTlv,
    /// A Null record with a length. value: its byte position in the payload, bound: the length.
    NullWithLength,
    /// value: bytes of the stored record, bound: the most a record may have.
    RecordTooLarge,
    /// value: bytes declared or reached, bound: the most.
    InflatedTooLarge,
    /// The compressed data is garbage, truncated, or of another length than declared. value: declared length (0: none).
    InflateFailed,
    /// What was inflated is empty.
    InflatedEmpty,
    /// The topic is frozen after an I/O error. value: topic id, bound: its readable end.
    TopicFrozen,
    /// Recovery found damage in the topic and froze it. value: topic id.
    TopicQuarantined,
    /// A journal write or flush failed. value: topic id.
    JournalFailed,
    /// The disk is full, or less than `limits.min_free_disk` is left. value: topic id.
    DiskFull,
    /// Stored bytes are damaged. value: topic id, bound: offset.
    Damaged,
    /// A read failed. value: topic id, bound: offset.
    ReadFailed,
    /// The offset lies beyond the end. value: offset, bound: the end.
    BeyondEnd,
    /// The offset lies inside a record. value: offset, bound: where that record starts (`details.record_offset`).
    InsideRecord,
    /// A record index, time or key past the end. value: what was asked (first 8 bytes).
    PastEnd,
    /// No committed offset. value: consumer id.
    ConsumerUnknown,
    /// No room for another committed offset in the topic. value: consumer id, bound: the most.
    TooManyConsumers,
    /// A queue or pool is full; certainly not stored. value: topic id.
    Overloaded,
    /// The node is going down; certainly not stored.
    Draining,
    /// The payload is not what its header says. value: the checksum claimed, bound: the one found.
    ChecksumMismatch,
    /// The header claims more than a frame may have. value: payload bytes, bound: the most.
    FrameTooLarge,
    /// Flags that no client may send, or not together. value: the flags.
    FlagsUnknown,
    /// Flag 0x02. value: the flags.
    Encrypted,
    /// A control code that is no command. value: the code.
    CommandUnknown,
    /// A control payload that ends too early. value: its bytes, bound: the fewest there must be.
    RequestCut,
    /// A control payload with too much in it. value: its bytes, bound: the most.
    RequestTooLong,
    /// A way to locate that does not exist. value: the kind.
    LocateKindUnknown,
    /// A topic name that is empty, too long, or not of the allowed characters.
    NameInvalid,
    /// Hello while ingests are in flight. value: how many.
    HelloInFlight,
    /// A command that needs a Hello before it. value: the code.
    HelloNeeded,
    /// Too many connections. bound: the most.
    ConnectionLimit,
    /// No room for another waiting fetch or pinned end. bound: the most.
    TooManyWaiting,
}
