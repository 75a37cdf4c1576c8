//! What a frame's payload is: TLVs, bare bytes, or compressed either way (lwp.md, "Payloads that are no TLV" and
//! "Compressed payloads").

use super::layout::Piece;
use crate::checksum::{checksum, checksum_of_parts};
use crate::error::{ErrorCode, Reason, Refusal};
use crate::limits::MAX_BATCH_PAYLOAD;
use crate::lwp::inflate::Inflater;
use crate::lwp::tlv::{self, Tiling};
use crate::messages::{ChecksumKind, IngestFrame};
use crate::node::BarePayload;

/// Inflates compressed payloads into memory of its own, populated on first use.
pub struct Scratch {
    inflater: Inflater,
    bytes: Vec<u8>,
}

impl Scratch {
    /// For payloads of at most `max` bytes.
    #[must_use]
    pub fn new(max: u32) -> Self {
        // Zeroed memory comes untouched from the system: no page is resident before it is used.
        Self {
            inflater: Inflater::new(max),
            bytes: vec![0; max as usize],
        }
    }
}

/// A payload that will be stored.
pub struct Accepted<'a> {
    pub piece: Piece<'a>,
    pub wrapped: bool,
}

/// Judges the payload of a frame.
///
/// # Errors
/// 0x04 for what is empty, refused as bare, a Null with length or garbage; 0x03 for a record or an inflated size over
/// the limit.
pub fn examine<'a>(
    frame: &IngestFrame,
    payload: &'a [u8],
    scratch: &'a mut Scratch,
    bare: BarePayload,
) -> Result<Accepted<'a>, Refusal> {
    if payload.is_empty() {
        return Err(refusal(
            ErrorCode::InvalidPayload,
            Reason::PayloadEmpty,
            0,
            0,
        ));
    }
    let (bytes, known) = if frame.compressed {
        let room = scratch.inflater.room(payload)?;
        let out = &mut scratch.bytes[..room];
        let len = scratch.inflater.inflate(payload, out)?;
        (&scratch.bytes[..len], None)
    } else {
        (payload, Some((frame.kind, frame.checksum)))
    };
    match tlv::walk(bytes) {
        Tiling::Empty => Err(refusal(
            ErrorCode::InvalidPayload,
            Reason::InflatedEmpty,
            0,
            0,
        )),
        Tiling::NullWithLength { at, len } => Err(refusal(
            ErrorCode::InvalidPayload,
            Reason::NullWithLength,
            u64::from(at),
            u64::from(len),
        )),
        Tiling::Records { count, largest } => {
            fits(u64::from(largest))?;
            // The client's own checksum, once verified, is the one stored.
            let (kind, checksum) = known
                .unwrap_or_else(|| (ChecksumKind::Crc32c, checksum(ChecksumKind::Crc32c, bytes)));
            Ok(Accepted {
                piece: Piece {
                    prefix: None,
                    bytes,
                    checksum,
                    kind,
                    records: count,
                },
                wrapped: false,
            })
        }
        Tiling::Bare { at } if bare == BarePayload::Reject => Err(refusal(
            ErrorCode::InvalidPayload,
            Reason::PayloadNotTlv,
            u64::from(at),
            0,
        )),
        Tiling::Bare { .. } => {
            fits(bytes.len() as u64 + tlv::TLV_HEADER as u64)?;
            let prefix = tlv::header(tlv::TYPE_RAW, bytes.len() as u32);
            let checksum = checksum_of_parts(ChecksumKind::Crc32c, &[&prefix, bytes]);
            let piece = Piece {
                prefix: Some(prefix),
                bytes,
                checksum,
                kind: ChecksumKind::Crc32c,
                records: 1,
            };
            Ok(Accepted {
                piece,
                wrapped: true,
            })
        }
    }
}

/// Cuts what is too large for one batch between records; each part gets a checksum of its own.
pub fn split<'a>(piece: Piece<'a>) -> impl Iterator<Item = Piece<'a>> {
    let mut rest = Some(piece);
    std::iter::from_fn(move || {
        let whole = rest.take()?;
        if whole.len() <= MAX_BATCH_PAYLOAD {
            return Some(whole);
        }
        let first = tlv::prefix(whole.bytes, MAX_BATCH_PAYLOAD as usize);
        assert!(
            first.records >= 1 && whole.prefix.is_none(),
            "every record fits in a batch: `examine` saw to it"
        );
        let (bytes, behind) = whole.bytes.split_at(first.bytes);
        rest = Some(Piece {
            bytes: behind,
            checksum: checksum(whole.kind, behind),
            records: whole.records - first.records,
            ..whole
        });
        Some(Piece {
            bytes,
            checksum: checksum(whole.kind, bytes),
            records: first.records,
            ..whole
        })
    })
}

fn fits(record: u64) -> Result<(), Refusal> {
    if record > u64::from(MAX_BATCH_PAYLOAD) {
        return Err(refusal(
            ErrorCode::PayloadTooLarge,
            Reason::RecordTooLarge,
            record,
            u64::from(MAX_BATCH_PAYLOAD),
        ));
    }
    Ok(())
}

fn refusal(code: ErrorCode, reason: Reason, value: u64, bound: u64) -> Refusal {
    Refusal {
        code,
        reason,
        value,
        bound,
    }
}
