//! Batches as TypeScript sees them (formats.md, "Segment").

use lance_engine::format::batch::SortKey;
use lance_engine::recovery;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::config::u64_of;

/// A batch header and where it stands (formats.md, "Segment").
#[napi(object, object_from_js = false)]
pub struct BatchSeen {
    /// Byte position of the header.
    pub position: i64,
    /// Bytes of the whole batch, its header included.
    pub length: i64,
    /// The header's own checksum.
    pub checksum: u32,
    pub previous: u32,
    pub payload_checksum: u32,
    #[napi(ts_type = "'crc32' | 'crc32c'")]
    pub payload_kind: String,
    pub payload_length: u32,
    pub record_count: u32,
    pub topic: u32,
    pub epoch: u32,
    pub timestamp_ns: BigInt,
    pub node_actor_sequence: BigInt,
    pub base_record: BigInt,
    pub base_offset: BigInt,
    pub producer_ns: BigInt,
    pub durable_offset: BigInt,
    pub term: BigInt,
    pub log_index: BigInt,
    pub producer_id: BigInt,
    pub producer_sequence: BigInt,
}

impl From<&recovery::BatchSeen> for BatchSeen {
    fn from(batch: &recovery::BatchSeen) -> Self {
        let header = &batch.header;
        Self {
            position: batch.position.cast_signed(),
            length: header.batch_len().cast_signed(),
            checksum: batch.checksum,
            previous: header.previous,
            payload_checksum: header.payload_checksum,
            payload_kind: match header.payload_kind {
                lance_engine::messages::ChecksumKind::Crc32 => "crc32",
                lance_engine::messages::ChecksumKind::Crc32c => "crc32c",
            }
            .to_owned(),
            payload_length: header.payload_len,
            record_count: header.record_count,
            topic: header.topic,
            epoch: header.epoch,
            timestamp_ns: header.key.timestamp_ns.into(),
            node_actor_sequence: header.key.node_actor_sequence.into(),
            base_record: header.base_record.into(),
            base_offset: header.base_offset.into(),
            producer_ns: header.producer_ns.into(),
            durable_offset: header.durable_offset.into(),
            term: header.term.into(),
            log_index: header.log_index.into(),
            producer_id: header.producer_id.into(),
            producer_sequence: header.producer_sequence.into(),
        }
    }
}

/// What the first batch of a stretch must continue; what is left out is not asked for.
#[napi(object, object_to_js = false)]
pub struct WantedBatch {
    pub topic: Option<u32>,
    pub epoch: Option<u32>,
    pub offset: Option<BigInt>,
    pub record: Option<BigInt>,
    /// Key of the last record before it.
    pub timestamp_ns: Option<BigInt>,
    pub node_actor_sequence: Option<BigInt>,
    /// Header checksum of the batch before it.
    pub chain: Option<u32>,
}

impl From<WantedBatch> for recovery::Wanted {
    fn from(wanted: WantedBatch) -> Self {
        let number = |value: &Option<BigInt>| value.as_ref().map(u64_of);
        Self {
            owner: wanted.topic.zip(wanted.epoch),
            place: number(&wanted.offset).zip(number(&wanted.record)),
            key: number(&wanted.timestamp_ns)
                .zip(number(&wanted.node_actor_sequence))
                .map(|(timestamp_ns, node_actor_sequence)| SortKey {
                    timestamp_ns,
                    node_actor_sequence,
                }),
            chain: wanted.chain,
        }
    }
}

/// Records of one type.
#[napi(object, object_from_js = false)]
pub struct TypeCount {
    pub kind: u32,
    pub records: i64,
}

/// Something about a whole batch that formats.md does not allow.
#[napi(object, object_from_js = false)]
pub struct Odd {
    pub position: i64,
    #[napi(ts_type = "'records' | 'header'")]
    pub kind: String,
    pub detail: String,
}

/// Why a stretch ends.
#[napi(object, object_from_js = false)]
pub struct Stop {
    #[napi(
        ts_type = "'budget' | 'end' | 'fill' | 'cut' | 'header' | 'newer' | 'payload' | 'foreign' | 'chain' | 'read'"
    )]
    pub kind: String,
    /// One sentence; empty for `budget` and `end`.
    pub detail: String,
    /// The batch that it ended at, where its header could be read.
    pub batch: Option<BatchSeen>,
}

/// Batches that hold and continue one another.
#[napi(object, object_from_js = false)]
pub struct Stretch {
    pub first: Option<BatchSeen>,
    pub last: Option<BatchSeen>,
    pub batches: i64,
    pub records: i64,
    pub record_bytes: i64,
    pub types: Vec<TypeCount>,
    /// The highest durable offset that a header tells.
    pub durable: BigInt,
    /// Byte position behind the last batch.
    pub end: i64,
    pub odd: Vec<Odd>,
    pub stop: Stop,
}

impl From<recovery::Stretch> for Stretch {
    fn from(stretch: recovery::Stretch) -> Self {
        let types = stretch.types.iter().map(|(&kind, &records)| TypeCount {
            kind: u32::from(kind),
            records: records.cast_signed(),
        });
        Self {
            first: stretch.first.as_ref().map(Into::into),
            last: stretch.last.as_ref().map(Into::into),
            batches: stretch.batches.cast_signed(),
            records: stretch.records.cast_signed(),
            record_bytes: stretch.record_bytes.cast_signed(),
            types: types.collect(),
            durable: stretch.durable.into(),
            end: stretch.end.cast_signed(),
            odd: stretch
                .odd
                .into_iter()
                .map(|odd| Odd {
                    position: odd.position.cast_signed(),
                    kind: odd.kind.to_owned(),
                    detail: odd.detail,
                })
                .collect(),
            stop: Stop {
                kind: stretch.stop.kind().to_owned(),
                detail: stretch.stop.detail(),
                batch: stretch.stop.batch().map(Into::into),
            },
        }
    }
}
