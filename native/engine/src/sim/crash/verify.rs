//! What a recovered data directory holds, read from the files alone and compared with what was promised.

use std::collections::BTreeMap;

use super::model::{Life, Model, TopicModel};
use crate::checksum::checksum;
use crate::format::batch::{BatchHeader, SortKey, BATCH_HEADER, TLV_HEADER};
use crate::format::index::{IndexEntry, ENTRY};
use crate::recovery::{Recovered, RecoveredTopic, SegmentInfo, Severity};
use crate::sim::SimDisk;

/// A topic's stream as the files have it.
pub struct Stream {
    pub first_offset: u64,
    pub bytes: Vec<u8>,
}

impl Stream {
    /// Offset behind the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first_offset + self.bytes.len() as u64
    }
}

type Check<T> = Result<T, String>;

/// Compares a recovered directory with the promises.
///
/// # Errors
/// The promise that is broken, as a sentence.
pub fn verify(
    disk: &SimDisk,
    recovered: &Recovered,
    model: &Model,
) -> Check<BTreeMap<u32, Stream>> {
    for finding in &recovered.findings {
        // What the journal has of a topic whose removal was cut short is kept and said; nothing of it was promised.
        if finding.severity == Severity::Error && finding.code != "unknown-topic" {
            return Err(format!(
                "a power cut alone was taken for worse: {finding:?}"
            ));
        }
    }
    let mut streams = BTreeMap::new();
    for topic in &recovered.topics {
        let known = model
            .topics
            .get(&topic.metadata.id)
            .filter(|known| known.life != Life::Removed && known.name == topic.metadata.name)
            .ok_or_else(|| format!("topic {:?} should not be there", topic.metadata))?;
        let stream =
            read_topic(disk, topic).map_err(|broken| format!("{}: {broken}", known.name))?;
        compare(known, topic, &stream).map_err(|broken| format!("{}: {broken}", known.name))?;
        streams.insert(known.id, stream);
    }
    for known in model.topics.values() {
        if known.life == Life::Live && !streams.contains_key(&known.id) {
            return Err(format!("{} is gone", known.name));
        }
        if streams.contains_key(&known.id) {
            commits(known, recovered)?;
        }
    }
    Ok(streams)
}

fn compare(known: &TopicModel, topic: &RecoveredTopic, stream: &Stream) -> Check<()> {
    if topic.frozen {
        return Err("frozen although nothing was damaged".into());
    }
    if stream.first_offset > known.retained_from.max(known.base) {
        return Err(format!(
            "starts at {}, retention was asked for below {}",
            stream.first_offset, known.retained_from
        ));
    }
    let mut at = known.base;
    for frame in &known.sent {
        let next = at + frame.stored.len() as u64;
        let from = at.max(stream.first_offset);
        let to = next.min(stream.end());
        if from < to {
            let sent = &frame.stored[(from - at) as usize..(to - at) as usize];
            let there = &stream.bytes
                [(from - stream.first_offset) as usize..(to - stream.first_offset) as usize];
            if sent != there {
                return Err(format!(
                    "the bytes of ticket {} at {from} are not those sent",
                    frame.ticket
                ));
            }
        }
        at = next;
    }
    if stream.end() < known.promised_end() {
        return Err(format!(
            "ends at {}, but everything below {} was promised ({:?}; acknowledged to {}, durable to {})",
            stream.end(),
            known.promised_end(),
            known.durability,
            known.acked_end,
            known.durable
        ));
    }
    if stream.end() > at {
        return Err(format!(
            "ends at {}, but only {at} bytes were ever sent",
            stream.end()
        ));
    }
    Ok(())
}

fn commits(known: &TopicModel, recovered: &Recovered) -> Check<()> {
    let found: BTreeMap<u64, u64> = recovered
        .commits
        .iter()
        .filter(|commit| commit.topic == known.id)
        .map(|commit| (commit.consumer, commit.offset))
        .collect();
    for (consumer, commit) in &known.commits {
        let there = found.get(consumer).copied();
        let allowed =
            there == commit.acked || there.is_some_and(|offset| commit.asked.contains(&offset));
        if !allowed {
            return Err(format!(
                "{}: consumer {consumer} committed {:?} (asked since: {:?}), found {there:?}",
                known.name, commit.acked, commit.asked
            ));
        }
    }
    match found
        .keys()
        .find(|consumer| !known.commits.contains_key(consumer))
    {
        Some(consumer) => Err(format!(
            "{}: consumer {consumer} never committed",
            known.name
        )),
        None => Ok(()),
    }
}

/// What the next batch must continue.
struct Chain {
    offset: u64,
    record: u64,
    key: SortKey,
    checksum: Option<u32>,
}

fn read_topic(disk: &SimDisk, topic: &RecoveredTopic) -> Check<Stream> {
    let segments: Vec<&SegmentInfo> = topic.sealed.iter().chain(&topic.active).collect();
    let start = segments
        .first()
        .map_or((topic.next.offset, topic.next.record), |first| {
            (first.name.base_offset, first.name.base_record)
        });
    let mut stream = Stream {
        first_offset: start.0,
        bytes: Vec::new(),
    };
    let mut chain = Chain {
        offset: start.0,
        record: start.1,
        key: SortKey::default(),
        checksum: (start.0 == 0).then_some(0),
    };
    for segment in segments {
        let path = segment.name.path(&topic.metadata.name, "lnc");
        let file = disk
            .contents(&path)
            .ok_or_else(|| format!("{path} is not there"))?;
        read_segment(topic, segment, &file, &mut chain, &mut stream)
            .map_err(|broken| format!("{path}: {broken}"))?;
        if segment.name.end_ns.is_some() {
            indexes(disk, topic, segment, &file)?;
        }
    }
    let next = topic.next;
    let agrees = (next.offset, next.record) == (chain.offset, chain.record)
        && (chain.key == SortKey::default() || next.key == chain.key)
        && chain.checksum.is_none_or(|checksum| checksum == next.chain);
    if !agrees {
        return Err(format!(
            "goes on at {next:?}, but the files end at offset {}, record {}, key {:?}",
            chain.offset, chain.record, chain.key
        ));
    }
    Ok(stream)
}

fn read_segment(
    topic: &RecoveredTopic,
    segment: &SegmentInfo,
    file: &[u8],
    chain: &mut Chain,
    stream: &mut Stream,
) -> Check<()> {
    let name = segment.name;
    if (name.base_offset, name.base_record) != (chain.offset, chain.record) {
        return Err(format!(
            "does not start at offset {}, record {}",
            chain.offset, chain.record
        ));
    }
    let mut at = 0;
    while at < segment.end as usize {
        let (header, own) = header_at(file, at)?;
        if at == 0 && header.key.timestamp_ns != name.start_ns {
            return Err(format!("its first key is of {}", header.key.timestamp_ns));
        }
        let continues = (header.topic, header.epoch) == (topic.metadata.id, topic.metadata.epoch)
            && (header.base_offset, header.base_record) == (chain.offset, chain.record)
            && header.key > chain.key
            && chain
                .checksum
                .is_none_or(|checksum| checksum == header.previous);
        if !continues {
            return Err(format!(
                "the batch at {at} does not continue the one before it: {header:?}"
            ));
        }
        let payload = &file[at + BATCH_HEADER..][..header.payload_len as usize];
        if checksum(header.payload_kind, payload) != header.payload_checksum {
            return Err(format!(
                "the payload of the batch at {at} does not match its checksum"
            ));
        }
        if count_records(payload) != Some(header.record_count) {
            return Err(format!(
                "the batch at {at} does not hold {} records",
                header.record_count
            ));
        }
        stream.bytes.extend_from_slice(payload);
        *chain = Chain {
            offset: header.next_offset(),
            record: header.next_record(),
            key: header.last_key(),
            checksum: Some(own),
        };
        at += header.batch_len() as usize;
    }
    if at as u64 != segment.end {
        return Err(format!(
            "its last batch ends at {at}, not at {}",
            segment.end
        ));
    }
    match name.end_ns {
        Some(end_ns) if end_ns != chain.key.timestamp_ns => {
            Err(format!("its last key is of {}", chain.key.timestamp_ns))
        }
        Some(_) if file.len() != at => Err(format!(
            "sealed with {} bytes behind the last batch",
            file.len() - at
        )),
        _ if file[at..].iter().any(|byte| *byte != 0) => {
            Err(format!("no zeros behind the last batch at {at}"))
        }
        _ => Ok(()),
    }
}

fn header_at(file: &[u8], at: usize) -> Check<(BatchHeader, u32)> {
    let bytes = file
        .get(at..at + BATCH_HEADER)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("ends inside the batch header at {at}"))?;
    let (header, own) =
        BatchHeader::decode(bytes).map_err(|problem| format!("no batch at {at}: {problem:?}"))?;
    if at as u64 + header.batch_len() > file.len() as u64 {
        return Err(format!("ends inside the batch at {at}"));
    }
    Ok((header, own))
}

fn count_records(payload: &[u8]) -> Option<u32> {
    let (mut at, mut records) = (0, 0);
    while at < payload.len() {
        let len = payload.get(at + 1..at + TLV_HEADER)?;
        at += TLV_HEADER + u32::from_le_bytes(len.try_into().ok()?) as usize;
        records += 1;
    }
    (at == payload.len()).then_some(records)
}

/// A sealed segment is read by its indexes alone: each entry points at the batch it describes, the first at the first.
fn indexes(
    disk: &SimDisk,
    topic: &RecoveredTopic,
    segment: &SegmentInfo,
    file: &[u8],
) -> Check<()> {
    let read = |extension| {
        let path = segment.name.path(&topic.metadata.name, extension);
        disk.contents(&path)
            .ok_or_else(|| format!("{path} is not there"))
    };
    let (idx, pos) = (read("idx")?, read("pos")?);
    if idx.len() != pos.len() || idx.len() % ENTRY != 0 || idx.is_empty() {
        return Err(format!("indexes of {} and {} bytes", idx.len(), pos.len()));
    }
    let mut last = None;
    for (idx, pos) in idx.chunks_exact(ENTRY).zip(pos.chunks_exact(ENTRY)) {
        let entry = idx
            .try_into()
            .ok()
            .zip(pos.try_into().ok())
            .and_then(|(idx, pos)| IndexEntry::decode(idx, pos))
            .ok_or("an index entry whose halves disagree")?;
        let (header, _) = header_at(file, entry.position as usize)
            .map_err(|broken| format!("an index entry: {broken}"))?;
        let agrees = (header.key, header.base_offset, header.base_record)
            == (entry.key, entry.base_offset, entry.base_record);
        let first = last.is_some() || entry.position == 0;
        if !agrees || !first || last.is_some_and(|last| entry.position <= last) {
            return Err(format!(
                "index entry {entry:?} does not describe the batch {header:?}"
            ));
        }
        last = Some(entry.position);
    }
    Ok(())
}
