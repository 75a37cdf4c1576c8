//! Frames to send and replies to read, on the engine's own LWP types (lwp.md).

use crate::error::LoadError;
use lance_engine::checksum::checksum;
use lance_engine::lwp::header::{decode, flag, Header, HEADER};
use lance_engine::messages::ChecksumKind;

/// The checksum of every connection here, as our own client's.
pub const KIND: ChecksumKind = ChecksumKind::Crc32c;
/// `type:1 | length:4` before each record's value.
const TLV_HEADER: usize = 5;
const RAW_DATA: u8 = 0x01;
const ERROR_RESPONSE: u64 = 0xFF;

/// How payloads are compressed (lwp.md, "Compressed payloads").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Lz4,
    Zstd,
}

/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// The payload that every frame of a run carries: made once, so that the load costs no more than sending.
#[derive(Debug)]
pub struct Batch {
    flags: u8,
    payload: Vec<u8>,
    checksum: u32,
    records: u32,
    record_bytes: u32,
}

impl Batch {
    /// As many RawData records of `record_bytes` as fit `batch_bytes`, TLV headers counted; at least one. Values are random
    /// bytes, or with a compression bytes of which a quarter is random, which is what logs come to.
    ///
    /// # Errors
    /// The compressor refuses.
    pub fn new(
        record_bytes: u32,
        batch_bytes: u32,
        compression: Compression,
    ) -> Result<Self, LoadError> {
        let tile = record_bytes as usize + TLV_HEADER;
        let records = (batch_bytes as usize / tile).max(1);
        let mut payload = Vec::with_capacity(records * tile);
        let mut word = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..records {
            payload.push(RAW_DATA);
            payload.extend_from_slice(&record_bytes.to_le_bytes());
            for at in 0..record_bytes {
                // xorshift: bytes that neither compress nor repeat.
                word ^= word << 13;
                word ^= word >> 7;
                word ^= word << 17;
                let random = compression == Compression::None || at % 4 == 0;
                payload.push(if random {
                    (word >> 32) as u8
                } else {
                    b'a' + (at % 16) as u8
                });
            }
        }
        let payload = compress(payload, compression)?;
        let compressed = compression != Compression::None;
        Ok(Self {
            flags: flag::BATCH | if compressed { flag::COMPRESSED } else { 0 },
            checksum: checksum(KIND, &payload),
            payload,
            records: records as u32,
            record_bytes,
        })
    }

    /// What goes behind the header.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Records a frame.
    #[must_use]
    pub fn records(&self) -> u64 {
        u64::from(self.records)
    }

    /// Bytes of record values a frame: what throughput counts, without TLV and frame headers.
    #[must_use]
    pub fn value_bytes(&self) -> u64 {
        self.records() * u64::from(self.record_bytes)
    }

    /// The header of an ingest that carries this batch.
    #[must_use]
    pub fn header(&self, batch_id: u64, topic: u32) -> [u8; HEADER] {
        let header = Header {
            flags: self.flags,
            batch_id,
            record_count: self.records,
            payload_len: self.payload.len() as u32,
            payload_checksum: self.checksum,
            topic,
            ..Header::default()
        };
        header.encode(KIND)
    }
}

/// `format:1 | original length:4 | data` (lwp.md, "Compressed payloads").
fn compress(payload: Vec<u8>, compression: Compression) -> Result<Vec<u8>, LoadError> {
    let (format, data) = match compression {
        Compression::None => return Ok(payload),
        Compression::Lz4 => (1, lz4_flex::block::compress(&payload)),
        Compression::Zstd => {
            let mut data = vec![0; zstd_safe::compress_bound(payload.len())];
            let length =
                zstd_safe::compress(&mut data[..], &payload, ZSTD_LEVEL).map_err(|code| {
                    LoadError::Protocol(format!("zstd: {}", zstd_safe::get_error_name(code)))
                })?;
            data.truncate(length);
            (2, data)
        }
    };
    let mut framed = vec![format];
    framed.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    framed.extend_from_slice(&data);
    Ok(framed)
}

/// A control frame, header and payload.
#[must_use]
pub fn control(code: u64, payload: &[u8]) -> Vec<u8> {
    let header = Header::control(code, 0, payload.len() as u32, checksum(KIND, payload));
    let mut frame = header.encode(KIND).to_vec();
    frame.extend_from_slice(payload);
    frame
}

/// What a node sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// The batch with this id has reached its durability.
    Ack(u64),
    /// ErrorResponse: code and message.
    Error(u64, String),
    /// A control answer: its code and payload.
    Control(u64, Vec<u8>),
    Keepalive,
}

/// Bytes that came and are not yet whole replies.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    taken: usize,
}

impl Inbox {
    /// Takes what was received.
    pub fn push(&mut self, received: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(received);
    }

    /// The next whole reply.
    ///
    /// # Errors
    /// What came is no frame that a node sends.
    pub fn next(&mut self) -> Result<Option<Reply>, LoadError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(head) = rest.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (header, _) = decode(head, Some(KIND)).map_err(|broken| {
            LoadError::Protocol(format!("a reply whose {} is wrong", broken.name()))
        })?;
        let end = HEADER + header.payload_len as usize;
        let Some(payload) = rest.get(HEADER..end) else {
            return Ok(None);
        };
        let reply = match header.flags {
            flag::ACK => Reply::Ack(header.batch_id),
            flag::KEEPALIVE => Reply::Keepalive,
            flag::CONTROL if header.batch_id == ERROR_RESPONSE => refusal(payload),
            flag::CONTROL => Reply::Control(header.batch_id, payload.to_vec()),
            other => {
                return Err(LoadError::Protocol(format!(
                    "a reply with flags 0x{other:02x}"
                )))
            }
        };
        self.taken += end;
        Ok(Some(reply))
    }
}

/// What an ErrorResponse says.
#[must_use]
pub fn refusal(payload: &[u8]) -> Reply {
    let json: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let message = json["message"].as_str().unwrap_or("without a message");
    Reply::Error(json["code"].as_u64().unwrap_or(0), message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_as_many_whole_records_as_fit_and_at_least_one() {
        let batch = Batch::new(1_024, 65_536, Compression::None).expect("no compressor");
        assert_eq!((batch.records(), batch.value_bytes()), (63, 63 * 1_024));
        assert_eq!(batch.payload().len(), 63 * 1_029);
        let lone = Batch::new(300, 1, Compression::None).expect("no compressor");
        assert_eq!(lone.records(), 1);
    }

    #[test]
    fn a_compressed_batch_inflates_to_the_records_it_counts() {
        let plain = (1_024 + TLV_HEADER) * 63;
        for compression in [Compression::Lz4, Compression::Zstd] {
            let batch = Batch::new(1_024, 65_536, compression).expect("compresses");
            assert!(batch.payload().len() < plain * 3 / 4, "{compression:?}");
            let mut inflated = vec![0; plain];
            let mut inflater = lance_engine::lwp::inflate::Inflater::new(1 << 20);
            let length = inflater
                .inflate(batch.payload(), &mut inflated)
                .expect("inflates");
            assert_eq!((length, inflated[0]), (plain, RAW_DATA));
        }
    }

    #[test]
    fn replies_are_whole_whatever_the_pieces_they_come_in() {
        let mut sent = Header::ack(7, 0).encode(KIND).to_vec();
        sent.extend(control(0xFF, br#"{"code":16,"message":"no"}"#));
        sent.extend(Header::ack(8, 0).encode(KIND));
        let expected = [Reply::Ack(7), Reply::Error(16, "no".into()), Reply::Ack(8)];
        for piece in [1, 3, 43, 45, sent.len()] {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for bytes in sent.chunks(piece) {
                inbox.push(bytes);
                while let Some(reply) = inbox.next().expect("whole frames") {
                    seen.push(reply);
                }
            }
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }
}
