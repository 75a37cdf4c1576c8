//! Frame headers, 44 bytes (lwp.md, "Header" and "Which checksum").

use crate::checksum::checksum;
use crate::messages::ChecksumKind;

/// Bytes of a header.
pub const HEADER: usize = 44;
/// How every frame starts.
pub const MAGIC: [u8; 4] = *b"LANC";
/// The only version there is.
pub const VERSION: u8 = 1;

/// Bits of the flags byte.
pub mod flag {
    pub const COMPRESSED: u8 = 0x01;
    pub const ENCRYPTED: u8 = 0x02;
    pub const BATCH: u8 = 0x04;
    pub const ACK: u8 = 0x08;
    pub const BACKPRESSURE: u8 = 0x10;
    pub const KEEPALIVE: u8 = 0x20;
    pub const CONTROL: u8 = 0x40;
}

/// A header whose magic, version and header checksum hold. Its checksum covers only the flags: every other field is for the
/// receiver to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Header {
    pub flags: u8,
    /// Control frames: the command code.
    pub batch_id: u64,
    pub timestamp_ns: u64,
    pub record_count: u32,
    pub payload_len: u32,
    pub payload_checksum: u32,
    pub topic: u32,
}

/// Why a connection is closed at once, without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// The first four bytes are not `LANC`.
    Magic,
    /// A version that we do not speak.
    Version,
    /// The header checksum is of neither kind, or not of the connection's.
    Checksum,
}

impl Broken {
    /// As the log names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Magic => "magic",
            Self::Version => "version",
            Self::Checksum => "header-checksum",
        }
    }
}

/// Whether what came so far can be a frame: judged as soon as there are four bytes.
#[must_use]
pub fn magic_holds(bytes: &[u8]) -> bool {
    bytes.get(..4).is_none_or(|magic| magic == MAGIC)
}

/// Decodes a header. `kind` is the connection's checksum, `None` before its first frame, which settles it.
///
/// # Errors
/// Magic, version or header checksum do not hold.
pub fn decode(
    bytes: &[u8; HEADER],
    kind: Option<ChecksumKind>,
) -> Result<(Header, ChecksumKind), Broken> {
    if !magic_holds(bytes) {
        return Err(Broken::Magic);
    }
    if bytes[4] != VERSION {
        return Err(Broken::Version);
    }
    let claimed = u32_at(bytes, 8);
    let kind = match kind {
        Some(kind) => Some(kind).filter(|&kind| checksum(kind, &bytes[..8]) == claimed),
        None => [ChecksumKind::Crc32c, ChecksumKind::Crc32]
            .into_iter()
            .find(|&kind| checksum(kind, &bytes[..8]) == claimed),
    };
    let kind = kind.ok_or(Broken::Checksum)?;
    let header = Header {
        flags: bytes[5],
        batch_id: u64_at(bytes, 12),
        timestamp_ns: u64_at(bytes, 20),
        record_count: u32_at(bytes, 28),
        payload_len: u32_at(bytes, 32),
        payload_checksum: u32_at(bytes, 36),
        topic: u32_at(bytes, 40),
    };
    Ok((header, kind))
}

impl Header {
    /// The header as it goes over the wire, its own checksum computed.
    #[must_use]
    pub fn encode(&self, kind: ChecksumKind) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.flags;
        let sum = checksum(kind, &bytes[..8]);
        bytes[8..12].copy_from_slice(&sum.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.batch_id.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.timestamp_ns.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.record_count.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.payload_checksum.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.topic.to_le_bytes());
        bytes
    }

    /// An ack: of an ingest, or of an Unsubscribe (then `batch_id` is the consumer and the timestamp is echoed).
    #[must_use]
    pub fn ack(batch_id: u64, timestamp_ns: u64) -> Self {
        Self {
            flags: flag::ACK,
            batch_id,
            timestamp_ns,
            ..Self::default()
        }
    }

    /// A control frame with a payload whose checksum is known.
    #[must_use]
    pub fn control(code: u64, timestamp_ns: u64, payload_len: u32, payload_checksum: u32) -> Self {
        Self {
            flags: flag::CONTROL,
            batch_id: code,
            timestamp_ns,
            payload_len,
            payload_checksum,
            ..Self::default()
        }
    }

    /// A frame that is nothing but its flags: keepalive, backpressure.
    #[must_use]
    pub fn bare(flags: u8) -> Self {
        Self {
            flags,
            ..Self::default()
        }
    }
}

fn u32_at(bytes: &[u8; HEADER], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8; HEADER], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ack() -> [u8; HEADER] {
        Header::ack(7, 0).encode(ChecksumKind::Crc32)
    }

    #[test]
    fn the_first_header_settles_the_checksum_and_later_ones_must_agree() {
        for kind in [ChecksumKind::Crc32, ChecksumKind::Crc32c] {
            let bytes = Header::ack(7, 9).encode(kind);
            let (header, settled) = decode(&bytes, None).expect("decodes");
            assert_eq!((header, settled), (Header::ack(7, 9), kind));
        }
        assert_eq!(
            decode(&ack(), Some(ChecksumKind::Crc32c)),
            Err(Broken::Checksum)
        );
    }

    #[test]
    fn each_broken_byte_of_the_first_twelve_is_named() {
        for at in 0..12 {
            let mut bytes = ack();
            bytes[at] ^= 0x80;
            let expected = match at {
                0..=3 => Broken::Magic,
                4 => Broken::Version,
                _ => Broken::Checksum,
            };
            assert_eq!(decode(&bytes, None), Err(expected), "byte {at}");
        }
    }

    #[test]
    fn magic_is_judged_at_four_bytes_and_not_before() {
        assert!(magic_holds(b"GET"));
        assert!(!magic_holds(b"GET "));
        assert!(magic_holds(b"LANC\x09"));
    }

    proptest! {
        #[test]
        fn any_header_comes_back_as_it_was(
            flags: u8, batch_id: u64, timestamp_ns: u64, record_count: u32,
            payload_len: u32, payload_checksum: u32, topic: u32, crc32: bool,
        ) {
            let kind = if crc32 { ChecksumKind::Crc32 } else { ChecksumKind::Crc32c };
            let header = Header {
                flags, batch_id, timestamp_ns, record_count, payload_len, payload_checksum, topic,
            };
            prop_assert_eq!(decode(&header.encode(kind), Some(kind)), Ok((header, kind)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), HEADER)) {
            let bytes: [u8; HEADER] = bytes.try_into().expect("44 bytes");
            let _ = decode(&bytes, None);
        }
    }
}
