//! TLV records, `type:1 | length:4 | value` (lwp.md, "TLV records" and "Payloads that are no TLV").

/// Bytes in front of every value.
pub const TLV_HEADER: usize = 5;
/// The engine's own type; from a client it makes the payload bare bytes.
pub const TYPE_ENGINE: u8 = 0x00;
/// Bytes without a structure; what bare payloads are wrapped as.
pub const TYPE_RAW: u8 = 0x01;
/// The type whose length must be 0.
pub const TYPE_NULL: u8 = 0xFF;

/// What the bytes of an ingest payload are, judged by `type:1 | length:4` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiling {
    /// Nothing at all: 0x04.
    Empty,
    /// The records fill the payload exactly. Their number, and the bytes of the largest, header included.
    Records { count: u32, largest: u32 },
    /// They do not, or one has the engine's own type: bare bytes. `at` is where it broke.
    Bare { at: u32 },
    /// They tile, but a Null at `at` claims a length: 0x04.
    NullWithLength { at: u32, len: u32 },
}

/// Walks a payload once and says what it is. Payloads are at most `u32::MAX` bytes long.
#[must_use]
pub fn walk(payload: &[u8]) -> Tiling {
    if payload.is_empty() {
        return Tiling::Empty;
    }
    let mut at = 0usize;
    let mut count = 0u32;
    let mut largest = 0usize;
    let mut null = None;
    while at < payload.len() {
        let bare = Tiling::Bare { at: at as u32 };
        let Some((kind, len)) = header_at(payload, at) else {
            return bare;
        };
        let end = at + TLV_HEADER + len as usize;
        if kind == TYPE_ENGINE || end > payload.len() {
            return bare;
        }
        if kind == TYPE_NULL && len != 0 && null.is_none() {
            null = Some(Tiling::NullWithLength { at: at as u32, len });
        }
        largest = largest.max(end - at);
        count += 1;
        at = end;
    }
    null.unwrap_or(Tiling::Records {
        count,
        largest: largest as u32,
    })
}

/// One record of a payload that tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it starts in the payload.
    pub at: usize,
    /// Its type byte.
    pub kind: u8,
    /// Type, length and value.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The value alone.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.bytes.get(TLV_HEADER..).unwrap_or_default()
    }
}

/// The records of a payload, in order; ends at the first that is not whole.
#[must_use]
pub fn records(payload: &[u8]) -> Records<'_> {
    Records { payload, at: 0 }
}

/// See [`records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    /// How far whole records reach so far.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (kind, len) = header_at(self.payload, self.at)?;
        let at = self.at;
        let bytes = self.payload.get(at..at + TLV_HEADER + len as usize)?;
        self.at += bytes.len();
        Some(Record { at, kind, bytes })
    }
}

/// Whole records from the front of a payload that together have at most `most` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub bytes: usize,
    pub records: u32,
}

/// The longest prefix of whole records within `most` bytes: where a payload is cut that is too large for one batch, or for
/// what a client asked. Empty where the first record alone is larger.
#[must_use]
pub fn prefix(payload: &[u8], most: usize) -> Prefix {
    let mut prefix = Prefix {
        bytes: 0,
        records: 0,
    };
    for record in records(payload) {
        let end = record.at + record.bytes.len();
        if end > most {
            break;
        }
        prefix.bytes = end;
        prefix.records += 1;
    }
    prefix
}

/// What precedes a value of this type and length.
#[must_use]
pub fn header(kind: u8, len: u32) -> [u8; TLV_HEADER] {
    let [a, b, c, d] = len.to_le_bytes();
    [kind, a, b, c, d]
}

/// Type and length of the record at `at`, if five bytes are there.
#[must_use]
pub fn header_at(payload: &[u8], at: usize) -> Option<(u8, u32)> {
    match payload.get(at..at.checked_add(TLV_HEADER)?)? {
        &[kind, a, b, c, d] => Some((kind, u32::from_le_bytes([a, b, c, d]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tile(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (kind, value) in records {
            payload.extend(header(*kind, value.len() as u32));
            payload.extend(value);
        }
        payload
    }

    #[test]
    fn a_cut_record_makes_the_payload_bare_wherever_it_is_cut() {
        let payload = tile(&[(1, b"hello".to_vec()), (2, b"{}".to_vec())]);
        assert_eq!(
            walk(&payload),
            Tiling::Records {
                count: 2,
                largest: 10
            }
        );
        for cut in 1..payload.len() {
            let expected = match cut {
                10 => Tiling::Records {
                    count: 1,
                    largest: 10,
                },
                _ => Tiling::Bare {
                    at: if cut < 10 { 0 } else { 10 },
                },
            };
            assert_eq!(walk(&payload[..cut]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn tiling_and_the_engines_type_win_over_a_null_with_a_length() {
        let null = tile(&[(1, vec![]), (TYPE_NULL, vec![7])]);
        assert_eq!(walk(&null), Tiling::NullWithLength { at: 5, len: 1 });
        let cut = &[null.as_slice(), &[1]].concat();
        assert_eq!(walk(cut), Tiling::Bare { at: 11 });
        let engine = tile(&[(TYPE_NULL, vec![7]), (TYPE_ENGINE, vec![])]);
        assert_eq!(walk(&engine), Tiling::Bare { at: 6 });
        assert_eq!(
            walk(&tile(&[(TYPE_NULL, vec![])])),
            Tiling::Records {
                count: 1,
                largest: 5
            }
        );
    }

    #[test]
    fn an_empty_payload_is_its_own_case() {
        assert_eq!(walk(&[]), Tiling::Empty);
    }

    #[test]
    fn a_length_at_the_top_of_its_range_does_not_wrap_around() {
        assert_eq!(walk(&[1, 255, 255, 255, 255, 0]), Tiling::Bare { at: 0 });
        assert_eq!(records(&[1, 255, 255, 255, 255, 0]).next(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_and_the_records_agree_with_the_judgement(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(2), Just(255)], 0..300),
            ]
        ) {
            match walk(&bytes) {
                Tiling::Empty => prop_assert!(bytes.is_empty()),
                Tiling::Records { count, largest } => {
                    let all: Vec<_> = records(&bytes).collect();
                    prop_assert_eq!(all.len() as u32, count);
                    prop_assert_eq!(all.iter().map(|r| r.bytes.len()).max(), Some(largest as usize));
                    prop_assert_eq!(all.iter().map(|r| r.bytes.len()).sum::<usize>(), bytes.len());
                    prop_assert!(all.iter().all(|r| r.kind != TYPE_ENGINE));
                    prop_assert!(all.iter().all(|r| r.kind != TYPE_NULL || r.value().is_empty()));
                }
                Tiling::Bare { at } => prop_assert!((at as usize) < bytes.len()),
                Tiling::NullWithLength { at, len } => {
                    prop_assert_eq!(header_at(&bytes, at as usize), Some((TYPE_NULL, len)));
                }
            }
        }

        #[test]
        fn a_prefix_is_whole_records_and_the_next_one_would_be_too_much(
            lens in proptest::collection::vec(0usize..50, 1..20),
            most in 0usize..600,
        ) {
            let payload = tile(&lens.iter().map(|&len| (1u8, vec![9; len])).collect::<Vec<_>>());
            let found = prefix(&payload, most);
            prop_assert!(found.bytes <= most);
            let ends: Vec<usize> = records(&payload).map(|r| r.at + r.bytes.len()).collect();
            let expected = ends.iter().filter(|&&end| end <= most).count();
            prop_assert_eq!(found.records as usize, expected);
            prop_assert_eq!(found.bytes, if expected == 0 { 0 } else { ends[expected - 1] });
        }
    }
}
