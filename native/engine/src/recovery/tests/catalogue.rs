use super::files::Files;
use super::write::{metadata, put_segment, put_topic, segment, Batches};
use super::{one, options, recovered};
use crate::recovery::{
    metadata_from_json, metadata_to_json, read_metadata, recover, write_metadata, Durability,
    RecoveryError, Severity, TopicMetadata,
};

const LEN: usize = 16 * 1024;

fn refused(files: &Files) -> String {
    let error = recover(files, &options()).expect_err("refused");
    assert!(!error.hint().is_empty());
    error.to_string()
}

#[test]
fn metadata_reads_back_as_it_was_written() {
    let mut batches = Batches::new(1);
    batches.several(3);
    let full = TopicMetadata {
        durability: Durability::Written,
        retention: Some((60, 0)),
        resume: Some(batches.next),
        ..metadata(u32::MAX, "a.b_c-D")
    };
    for written in [full, metadata(0, "default")] {
        let json = metadata_to_json(&written);
        assert_eq!(metadata_from_json(&json, "x").expect("reads"), written);
        let files = Files::new();
        files.put(&format!("segments/{}/x", written.name), &[]);
        assert_eq!(read_metadata(&files, &written.name).expect("reads"), None);
        write_metadata(&files, &written).expect("writes");
        write_metadata(&files, &written).expect("writes again");
        assert_eq!(
            read_metadata(&files, &written.name).expect("reads"),
            Some(written)
        );
    }
}

#[test]
fn metadata_is_json_with_the_keys_of_the_format() {
    let mut full = metadata(7, "t");
    full.retention = Some((1, 2));
    let value: serde_json::Value = serde_json::from_slice(&metadata_to_json(&full)).expect("JSON");
    assert_eq!(
        value,
        serde_json::json!({
            "format": 1, "id": 7, "name": "t", "created_at": 1_700_000_000, "topic_epoch": 1,
            "retention": {"max_age_secs": 1, "max_bytes": 2}, "durability": "durable"
        })
    );
}

#[test]
fn a_missing_metadata_json_comes_back_from_the_first_batch() {
    let files = Files::new();
    let mut batches = Batches::new(42);
    let made = batches.several(3);
    put_segment(
        &files,
        "lost",
        &batches.segment,
        &segment(&made, LEN),
        &made[..1],
    );
    let (found, codes) = one(&files);
    assert_eq!(codes, ["metadata-rebuilt"]);
    assert_eq!((found.metadata.id, found.metadata.epoch), (42, 1));
    assert_eq!(found.metadata.name, "lost");
    assert_eq!(found.next, batches.next);
    assert_eq!(one(&files), (found, vec![]), "it is written");
}

#[test]
fn a_directory_that_tells_nothing_is_left_alone_and_what_may_be_its_is_kept() {
    let files = Files::new();
    files.put("segments/nothing/readme.txt", b"hello");
    files.put("segments/file", b"hello");
    let mut journal = super::write::Journal::new();
    journal.block(&[Batches::new(3).make(1, 10).entry()]);
    journal.put(&files);
    let found = recovered(&files);
    assert!(found.topics.is_empty());
    let codes: Vec<_> = found.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["no-topic", "no-topic", "unknown-topic"]);
    assert_eq!(files.get("segments/nothing/readme.txt"), b"hello");
}

#[test]
fn metadata_that_cannot_be_right_is_reported_and_a_strangers_or_newer_one_refused() {
    let path = "segments/t/metadata.json";
    for (bytes, what) in [
        (&b"{"[..], "no JSON"),
        (b"", "no JSON"),
        (br#"{"format":1}"#, "missing field `id`"),
        (br#"{"format":"1"}"#, "`format` is not 1"),
        (br#"{"format":1,"id":-1,"name":"t","created_at":0,"topic_epoch":1,"durability":"durable"}"#, "invalid value"),
        (br#"{"format":1,"id":1,"name":"t","created_at":0,"topic_epoch":1,"durability":"most"}"#, "unknown variant `most`"),
    ] {
        let files = Files::new();
        files.put(path, bytes);
        // One topic's trouble keeps no other from being served.
        let found = recover(&files, &options()).expect("the others are served");
        assert!(found.topics.is_empty());
        let said = &found.findings[0];
        assert!(said.path == "segments/t" && said.detail.contains(what), "{said:?}");
    }
    let files = Files::new();
    files.put(
        path,
        br#"{"format":1,"id":1,"name":"u","created_at":0,"topic_epoch":1,"durability":"durable"}"#,
    );
    assert!(refused(&files).contains("is called \"u\""));
    let files = Files::new();
    files.put(path, br#"{"format":2,"whatever":[]}"#);
    let said = refused(&files);
    assert_eq!(
        said,
        "segments/t/metadata.json: format 2, which is newer than this LANCE reads"
    );
}

#[test]
fn two_directories_with_one_id_are_refused() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "a"));
    put_topic(&files, &metadata(7, "b"));
    assert!(refused(&files).contains("segments/b/metadata.json: topic id 7 is a's already"));
}

#[test]
fn a_segment_of_a_newer_version_is_refused_and_left_as_it_is() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    let mut batches = Batches::new(7);
    let made = batches.several(3);
    let mut bytes = segment(&made, LEN);
    bytes[made[1].place.position as usize + 8] = b'2';
    put_segment(&files, "t", &batches.segment, &bytes, &made[..1]);
    let path = batches.segment.path("t", "lnc");
    let said = refused(&files);
    assert_eq!(
        said,
        format!(
            "{path} at byte {}: a batch of version '2', which is newer than this LANCE reads",
            made[1].place.position
        )
    );
    assert_eq!(files.get(&path), bytes);
}

#[test]
fn what_was_never_finished_is_removed() {
    let files = Files::new();
    put_topic(&files, &metadata(7, "t"));
    for path in [
        "segments/new~/metadata.json",
        "segments/t/x.lnc~",
        "spare/3",
        "journal/00000001.lnj~",
        "consumers/offsets.lco~",
    ] {
        files.put(path, b"half");
    }
    recovered(&files);
    assert_eq!(files.names("segments"), ["t"]);
    assert_eq!(files.names("segments/t"), ["metadata.json"]);
    assert_eq!(files.names("journal"), ["start.lns"]);
    for dir in ["spare", "consumers"] {
        assert!(files.names(dir).is_empty(), "{dir}");
    }
}

#[test]
fn an_id_that_node_json_has_not_given_yet_is_said() {
    let files = Files::new();
    put_topic(&files, &metadata(100, "t"));
    let (_, codes) = one(&files);
    assert_eq!(codes, ["topic-beyond-next-id"]);
    assert_eq!(recovered(&files).findings[0].severity, Severity::Warning);
}

#[test]
fn a_directory_that_takes_no_writes_is_an_error_that_names_it() {
    let files = Files::new();
    files.stop_after(0);
    match recover(&files, &options()) {
        Err(RecoveryError::Io {
            action: "make",
            path,
            ..
        }) => assert_eq!(path, "journal"),
        other => panic!("{other:?}"),
    }
}
