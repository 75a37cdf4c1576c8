//! Where a topic stands, for the control plane that asks and for readers of the counters file that do not.

use super::agent::IoAgent;
use super::topic::Phase;
use crate::counters::{TopicRow, TopicState};
use crate::node::Description;
use crate::topics::TopicSlot;

impl IoAgent {
    pub(super) fn describe(&self, slot: TopicSlot) -> Description {
        let topic = &self.topics[slot.index()];
        let mut active_bytes = 0;
        let mut next = topic.first_segment;
        while let Some(at) = next {
            let segment = &self.segments[at];
            active_bytes += segment.end.unwrap_or(topic.appended - segment.log_base);
            next = segment.next;
        }
        Description {
            first_offset: topic.first.offset,
            end_offset: topic.readable.offset,
            first_record: topic.first.record,
            end_record: topic.readable.record,
            bytes: topic.sealed_bytes + active_bytes,
            segments: topic.sealed_segments + topic.unsealed,
            last_timestamp_ns: topic.next.key.timestamp_ns,
            next: topic.next,
            frozen: topic.phase == Phase::Frozen,
        }
    }

    /// Brings the topic's row in the counters file up to date.
    pub(super) fn show_topic(&self, slot: TopicSlot) {
        self.counters.topics.show(slot, &self.row(slot));
    }

    /// The same for a topic that has just come.
    pub(super) fn show_added(&self, slot: TopicSlot) {
        self.counters.topics.begin(slot, &self.row(slot));
    }

    fn row(&self, slot: TopicSlot) -> TopicRow {
        let topic = &self.topics[slot.index()];
        let said = self.describe(slot);
        TopicRow {
            id: topic.id,
            state: match topic.phase {
                Phase::Live => TopicState::Live,
                Phase::Frozen => TopicState::Frozen,
                Phase::Removing => TopicState::Removing,
            },
            last_timestamp_ns: said.last_timestamp_ns,
            first: (said.first_offset, said.first_record),
            end: (said.end_offset, said.end_record),
            durable_offset: topic.durable_offset,
            bytes: said.bytes,
            segments: said.segments,
        }
    }
}
