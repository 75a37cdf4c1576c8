//! Recovery through its public door, over directories written byte by byte with the formats' own encoders.

mod catalogue;
mod damage;
mod files;
mod indexes;
mod interrupted;
mod journal;
mod killed;
mod power;
mod rotation;
mod torn;
mod verify;
mod write;

use super::{recover, Recovered, RecoveredTopic, RecoveryOptions};
use files::Files;

/// A data directory of its own for each test.
pub(crate) fn options() -> RecoveryOptions {
    RecoveryOptions {
        next_topic_id: 100,
        node_id: 1,
        now_ns: 2_000_000_000_000_000_000,
        chunk_bytes: write::CHUNK,
        index_every_bytes: 1000,
        verify: false,
        discard: false,
    }
}

/// Recovers, and expects that it goes well.
fn recovered(files: &Files) -> Recovered {
    recover(files, &options()).expect("recovers")
}

/// Recovers a directory with one topic.
fn one(files: &Files) -> (RecoveredTopic, Vec<&'static str>) {
    let recovered = recovered(files);
    assert_eq!(recovered.topics.len(), 1);
    let codes = recovered
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect();
    let topic = recovered.topics.into_iter().next().expect("one topic");
    (topic, codes)
}
