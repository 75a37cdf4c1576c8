//! Engine -> control plane (`lance_engine::node::Event`).

use lance_engine::error;
use lance_engine::node as engine;
use napi::bindgen_prelude::{BigInt, Buffer};
use napi_derive::napi;

use crate::command::ControlId;
use crate::topic::Position;

/// What a node tells.
// Some dozens a second at most, moved once: a box would cost more than the bytes.
#[allow(clippy::large_enum_variant)]
#[napi(
    discriminant = "kind",
    discriminant_case = "camelCase",
    object_from_js = false
)]
pub enum EngineEvent {
    /// A control frame that only the control plane can answer; `code` as on the wire.
    Control {
        id: ControlId,
        code: u32,
        payload: Buffer,
    },
    /// A command is carried out; or not, then `refusal` says why.
    Done {
        query: i64,
        refusal: Option<Refusal>,
    },
    Described {
        query: i64,
        description: Option<Description>,
        refusal: Option<Refusal>,
    },
    Commits {
        query: i64,
        commits: Option<Vec<Commit>>,
        refusal: Option<Refusal>,
    },
    Log {
        entry: LogEntry,
    },
    Drained,
}

/// Why something was refused (`lance_engine::error::Refusal`).
#[napi(object, object_from_js = false)]
pub struct Refusal {
    /// LWP error code.
    pub code: u32,
    /// Which sentence, as the engine names it: `TopicFrozen`.
    pub reason: String,
    pub value: BigInt,
    pub bound: BigInt,
}

/// What DescribeTopic tells of a topic.
#[napi(object, object_from_js = false)]
pub struct Description {
    pub first_offset: BigInt,
    pub end_offset: BigInt,
    pub first_record: BigInt,
    pub end_record: BigInt,
    pub bytes: BigInt,
    pub segments: u32,
    /// Timestamp of the last record, ns; 0: none.
    pub last_timestamp_ns: BigInt,
    pub next: Position,
    pub frozen: bool,
}

/// A committed offset.
#[napi(object, object_from_js = false)]
pub struct Commit {
    pub consumer: BigInt,
    pub offset: BigInt,
    /// Seconds since 1970.
    pub at: i64,
}

/// Something for the log; the control plane makes the sentence of it.
#[napi(
    discriminant = "event",
    discriminant_case = "camelCase",
    object_from_js = false
)]
pub enum LogEntry {
    BadPeer {
        peer: String,
        what: String,
        unreported: BigInt,
    },
    ConnectionLimit {
        peer: String,
        limit: u32,
    },
    SegmentOpened {
        topic: u32,
        base_offset: BigInt,
    },
    SegmentSealed {
        topic: u32,
        base_offset: BigInt,
        end: BigInt,
    },
    SegmentsRemoved {
        topic: u32,
        below_offset: BigInt,
        segments: u32,
        bytes: BigInt,
    },
    TopicFrozen {
        topic: u32,
        offset: BigInt,
        errno: i32,
        what: String,
    },
    JournalFailed {
        errno: i32,
        what: String,
    },
    DamageFound {
        topic: u32,
        offset: BigInt,
    },
    LimitHit {
        limit: String,
        times: BigInt,
    },
    Backpressure {
        pauses: BigInt,
        paused: BigInt,
    },
    Background {
        what: String,
        path: String,
        errno: i32,
    },
}

impl From<engine::Event> for EngineEvent {
    fn from(event: engine::Event) -> Self {
        let number = u64::cast_signed;
        match event {
            engine::Event::Control(request) => Self::Control {
                id: ControlId {
                    connection: request.id.connection,
                    generation: request.id.generation,
                    sequence: request.id.sequence,
                },
                // The network agent passes on the codes of lwp.md alone, all below 0x100.
                code: request.code as u32,
                payload: request.payload.into(),
            },
            engine::Event::Done { query, result } => Self::Done {
                query: number(query),
                refusal: result.err().map(Into::into),
            },
            engine::Event::Described { query, result } => {
                let (description, refusal) = split(result);
                Self::Described {
                    query: number(query),
                    description: description.map(Into::into),
                    refusal,
                }
            }
            engine::Event::Commits { query, result } => {
                let (commits, refusal) = split(result);
                Self::Commits {
                    query: number(query),
                    commits: commits.map(|list| list.into_iter().map(Into::into).collect()),
                    refusal,
                }
            }
            engine::Event::Log(entry) => Self::Log {
                entry: entry.into(),
            },
            engine::Event::Drained => Self::Drained,
        }
    }
}

fn split<T>(result: Result<T, error::Refusal>) -> (Option<T>, Option<Refusal>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(refusal) => (None, Some(refusal.into())),
    }
}

impl From<error::Refusal> for Refusal {
    fn from(refusal: error::Refusal) -> Self {
        Self {
            code: refusal.code as u32,
            reason: format!("{:?}", refusal.reason),
            value: refusal.value.into(),
            bound: refusal.bound.into(),
        }
    }
}

impl From<engine::Description> for Description {
    fn from(d: engine::Description) -> Self {
        Self {
            first_offset: d.first_offset.into(),
            end_offset: d.end_offset.into(),
            first_record: d.first_record.into(),
            end_record: d.end_record.into(),
            bytes: d.bytes.into(),
            segments: d.segments,
            last_timestamp_ns: d.last_timestamp_ns.into(),
            next: d.next.into(),
            frozen: d.frozen,
        }
    }
}

impl From<engine::Commit> for Commit {
    fn from(commit: engine::Commit) -> Self {
        Self {
            consumer: commit.consumer.into(),
            offset: commit.offset.into(),
            at: commit.at_s.cast_signed(),
        }
    }
}

impl From<engine::LogEvent> for LogEntry {
    fn from(event: engine::LogEvent) -> Self {
        use engine::LogEvent as E;
        match event {
            E::BadPeer {
                peer,
                what,
                unreported,
            } => Self::BadPeer {
                peer: peer.to_string(),
                what: what.to_owned(),
                unreported: unreported.into(),
            },
            E::ConnectionLimit { peer, limit } => Self::ConnectionLimit {
                peer: peer.to_string(),
                limit,
            },
            E::SegmentOpened { topic, base_offset } => Self::SegmentOpened {
                topic,
                base_offset: base_offset.into(),
            },
            E::SegmentSealed {
                topic,
                base_offset,
                end,
            } => Self::SegmentSealed {
                topic,
                base_offset: base_offset.into(),
                end: end.into(),
            },
            E::SegmentsRemoved {
                topic,
                below_offset,
                segments,
                bytes,
            } => Self::SegmentsRemoved {
                topic,
                below_offset: below_offset.into(),
                segments,
                bytes: bytes.into(),
            },
            E::TopicFrozen {
                topic,
                offset,
                errno,
                what,
            } => Self::TopicFrozen {
                topic,
                offset: offset.into(),
                errno,
                what: what.to_owned(),
            },
            E::JournalFailed { errno, what } => Self::JournalFailed {
                errno,
                what: what.to_owned(),
            },
            E::DamageFound { topic, offset } => Self::DamageFound {
                topic,
                offset: offset.into(),
            },
            E::LimitHit { limit, times } => Self::LimitHit {
                limit: limit.to_owned(),
                times: times.into(),
            },
            E::Backpressure { pauses, paused } => Self::Backpressure {
                pauses: pauses.into(),
                paused: paused.into(),
            },
            E::Background { what, path, errno } => Self::Background {
                what: what.to_owned(),
                path,
                errno,
            },
        }
    }
}
