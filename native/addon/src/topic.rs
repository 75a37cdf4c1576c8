//! A topic as `metadata.json` describes it (`lance_engine::recovery`).

use lance_engine::recovery;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::config::u64_of;

/// When an ack leaves.
#[napi(string_enum = "snake_case", skip_typescript)]
pub enum Durability {
    Durable,
    Written,
}

/// A topic as `metadata.json` describes it.
#[napi(object)]
pub struct TopicMetadata {
    pub id: u32,
    pub name: String,
    /// Seconds since 1970.
    pub created_at: i64,
    pub epoch: u32,
    #[napi(ts_type = "'durable' | 'written'")]
    pub durability: Durability,
    pub retention: Option<Retention>,
    pub resume: Option<Position>,
}

/// What a topic keeps; 0 is no limit.
#[napi(object)]
pub struct Retention {
    pub max_age_secs: BigInt,
    pub max_bytes: BigInt,
}

/// Where a topic goes on.
#[napi(object)]
pub struct Position {
    pub offset: BigInt,
    pub record: BigInt,
    /// 32 hexadecimal digits, timestamp first.
    pub key: String,
    /// Header checksum of the last batch, 0 if there was none.
    pub chain: u32,
}

impl From<recovery::TopicMetadata> for TopicMetadata {
    fn from(metadata: recovery::TopicMetadata) -> Self {
        Self {
            id: metadata.id,
            name: metadata.name,
            created_at: metadata.created_at.cast_signed(),
            epoch: metadata.epoch,
            durability: metadata.durability.into(),
            retention: metadata.retention.map(|(age, bytes)| Retention {
                max_age_secs: age.into(),
                max_bytes: bytes.into(),
            }),
            resume: metadata.resume.map(Into::into),
        }
    }
}

impl From<TopicMetadata> for recovery::TopicMetadata {
    fn from(metadata: TopicMetadata) -> Self {
        Self {
            id: metadata.id,
            name: metadata.name,
            created_at: metadata.created_at.cast_unsigned(),
            epoch: metadata.epoch,
            durability: metadata.durability.into(),
            retention: metadata
                .retention
                .map(|r| (u64_of(&r.max_age_secs), u64_of(&r.max_bytes))),
            resume: metadata.resume.map(Into::into),
        }
    }
}

impl From<recovery::Position> for Position {
    fn from(position: recovery::Position) -> Self {
        let key = position.key;
        Self {
            offset: position.offset.into(),
            record: position.record.into(),
            key: format!("{:016x}{:016x}", key.timestamp_ns, key.node_actor_sequence),
            chain: position.chain,
        }
    }
}

impl From<Position> for recovery::Position {
    fn from(position: Position) -> Self {
        // The facade passes on what it was given; anything else is no key.
        let key = u128::from_str_radix(&position.key, 16).unwrap_or(0);
        Self {
            offset: u64_of(&position.offset),
            record: u64_of(&position.record),
            key: lance_engine::format::batch::SortKey {
                timestamp_ns: (key >> 64) as u64,
                node_actor_sequence: key as u64,
            },
            chain: position.chain,
        }
    }
}

impl From<recovery::Durability> for Durability {
    fn from(durability: recovery::Durability) -> Self {
        match durability {
            recovery::Durability::Durable => Self::Durable,
            recovery::Durability::Written => Self::Written,
        }
    }
}

impl From<Durability> for recovery::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Durable => Self::Durable,
            Durability::Written => Self::Written,
        }
    }
}
