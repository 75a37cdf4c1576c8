//! Looking things up: a topic by its id, a record by its index in a sealed segment's sparse index.

use crate::frames::batch;
use crate::Operation;
use lance_engine::format::index::IndexEntry;
use lance_engine::format::names::SegmentName;
use lance_engine::keeper::{Answer, Catalogue, Finder, Question, TopicFiles};
use lance_engine::messages::{LocateBy, RequestId};
use lance_engine::queue::{queue, Receiver, Sender};
use lance_engine::storage::OsStorage;
use lance_engine::topics::{TopicMap, TopicSlot};
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

/// Steps through numbers so that neighbours in time are none in place.
fn next(at: &mut u64, below: u64) -> u64 {
    *at = (*at + 0x9E37_79B9) % below;
    *at
}

/// The map from ids to slots.
pub struct Topics {
    map: TopicMap,
    at: u64,
    count: u64,
}

impl Topics {
    pub fn new(count: u32) -> Self {
        let mut map = TopicMap::new(count, 0);
        for id in 0..count {
            assert!(map.insert(id, TopicSlot(id)), "room for all");
        }
        Self {
            map,
            at: 0,
            count: u64::from(count),
        }
    }
}

impl Operation for Topics {
    fn run(&mut self) -> u64 {
        let id = next(&mut self.at, self.count) as u32;
        let slot = self.map.find(black_box(id)).expect("it is there");
        u64::from(slot.0) + 1
    }
}

const RECORDS: u32 = 4;
const RECORD_BYTES: u32 = 64;
const TOPIC: &str = "micro";

/// The finder over one sealed segment, asked as `Locate` by record index asks it: system calls and all.
pub struct Index {
    finder: Finder,
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    records: u64,
    at: u64,
    root: PathBuf,
}

impl Index {
    /// A segment of so many batches with an index entry each, in memory where the machine has such a file system.
    pub fn new(batches: u64) -> Self {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let root = parent.join(format!("lance-micro-{}", std::process::id()));
        let name = SegmentName {
            base_offset: 0,
            base_record: 0,
            start_ns: 1,
            end_ns: Some(u64::MAX),
        };
        fs::create_dir_all(root.join("segments").join(TOPIC)).expect("a folder in memory");
        let (mut segment, mut idx, mut pos) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..batches {
            let (bytes, header) = batch(number, RECORDS, RECORD_BYTES);
            let entry = IndexEntry {
                key: header.key,
                base_offset: header.base_offset,
                base_record: header.base_record,
                position: segment.len() as u64,
            };
            idx.extend_from_slice(&entry.idx());
            pos.extend_from_slice(&entry.pos());
            segment.extend_from_slice(&bytes);
        }
        for (extension, bytes) in [("lnc", &segment), ("idx", &idx), ("pos", &pos)] {
            fs::write(root.join(name.path(TOPIC, extension)), bytes).expect("room in memory");
        }
        let catalogue = Catalogue::new(1);
        let files = TopicFiles {
            id: 1,
            name: TOPIC.into(),
            sealed: vec![(name, segment.len() as u64)],
            active: Vec::new(),
            suspect: Vec::new(),
        };
        catalogue.add(TopicSlot(0), files);
        let storage = Arc::new(OsStorage::new(&root, false).expect("the folder is there"));
        let (questions, asked) = queue(1);
        let (found, answers) = queue(1);
        Self {
            finder: Finder::new(storage, catalogue, asked, found),
            questions,
            answers,
            records: batches * u64::from(RECORDS),
            at: 0,
            root,
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // Memory that nobody names any more: nothing to be done about a failure.
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Operation for Index {
    fn run(&mut self) -> u64 {
        let record = next(&mut self.at, self.records);
        let question = Question::Locate {
            request: RequestId(1),
            topic: 1,
            slot: TopicSlot(0),
            by: LocateBy::Record(black_box(record)),
            below: u64::MAX,
        };
        assert!(self.questions.push(question).is_ok());
        self.finder.work();
        match self.answers.pop() {
            Some(Answer::Locate {
                result: Ok(Some(located)),
                ..
            }) => {
                assert_eq!(located.record, record);
                located.record + 1
            }
            other => panic!("{other:?}"),
        }
    }
}
