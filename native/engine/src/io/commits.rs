//! Committed offsets: journaled, acknowledged when that is durable, checkpointed before a chunk is used again.

mod table;

use std::collections::VecDeque;

use self::table::Table;
use super::agent::IoAgent;
use super::compose::Block;
use crate::counters::CommitRows;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::format::journal::Entry;
use crate::keeper::Job;
use crate::limits::Limits;
use crate::messages::{FromIo, RequestId};
use crate::node::Commit;
use crate::recovery::CommittedOffset;
use crate::topics::TopicSlot;

/// A commit that is not durable yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    request: RequestId,
    commit: CommittedOffset,
    journaled: bool,
}

/// All committed offsets of a node, and the commits that are not durable yet.
pub struct Commits {
    table: Table,
    waiting: VecDeque<Waiting>,
    /// Of `waiting`, how many are in the block being written.
    in_block: usize,
    /// Goes to the keeper and comes back.
    memory: Option<Vec<CommittedOffset>>,
    /// A checkpoint has everything of generations below this, once it is saved.
    checkpoint: u64,
    /// A checkpoint is due.
    due: bool,
    /// Something was committed that no checkpoint was asked for.
    changed: bool,
    /// When expired ones were last removed to make room, seconds.
    swept_s: u64,
    /// A checkpoint that failed is tried again then, monotonic ns.
    retry_ns: u64,
}

impl Commits {
    /// An empty table; all its memory is allocated here.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            table: Table::new(limits),
            waiting: VecDeque::with_capacity(limits.commits as usize),
            in_block: 0,
            memory: Some(Vec::with_capacity(limits.commits as usize)),
            checkpoint: 0,
            due: false,
            changed: false,
            swept_s: 0,
            retry_ns: 0,
        }
    }
    /// Shows every place of the table in `rows` from now on. Before the first commit.
    pub fn show_in(&mut self, rows: CommitRows) {
        self.table.show_in(rows);
    }
    /// Commits that no block has yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiting.len() - self.in_block
    }
    /// Whether every commit is answered.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.memory.is_some() && !self.due
    }
    /// Sets a committed offset. False: no room.
    pub fn set(&mut self, commit: CommittedOffset) -> bool {
        self.table.set(commit)
    }
    /// Whether another consumer of the topic fits, those on their way counted, and expired ones until a sweep.
    #[must_use]
    pub fn has_room(&self, topic: u32) -> bool {
        let waiting = self
            .waiting
            .iter()
            .filter(|waiting| waiting.commit.topic == topic);
        self.table.has_room(self.waiting.len()) && self.table.has_room_in(topic, waiting.count())
    }
    /// Whether anything was committed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl IoAgent {
    /// Takes a commit; it is answered when it is durable.
    pub(super) fn commit(
        &mut self,
        request: RequestId,
        topic: u32,
        consumer: u64,
        offset: u64,
        now_s: u64,
    ) {
        let slot = match self.map.find(topic) {
            Ok(slot) => slot,
            Err(refusal) => return self.refuse(request, refusal),
        };
        let commit = CommittedOffset {
            topic,
            epoch: self.topics[slot.index()].epoch,
            consumer,
            offset,
            at_s: now_s,
        };
        let fresh = !self.commits.table.has(topic, consumer);
        if fresh && !self.commits.has_room(topic) && now_s > self.commits.swept_s {
            // Expired ones and those of deleted topics go first; at most once a second.
            self.commits.swept_s = now_s;
            self.commits
                .table
                .sweep(now_s, |commit| self.map.find(commit.topic).is_ok());
        }
        let full = fresh && !self.commits.has_room(topic);
        if full {
            self.counters.commits_refused.inc();
        }
        if full || self.commits.waiting.len() == self.commits.waiting.capacity() {
            let bound = u64::from(self.commits.table.per_topic);
            let code = ErrorCode::RateLimited;
            return self.refuse(
                request,
                Refusal {
                    code,
                    reason: Reason::TooManyConsumers,
                    value: consumer,
                    bound,
                },
            );
        }
        if self
            .shared
            .journal_failed
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            return self.refuse(request, self.storage_refusal(slot));
        }
        self.commits.waiting.push_back(Waiting {
            request,
            commit,
            journaled: false,
        });
    }

    pub(super) fn committed(&mut self, request: RequestId, topic: u32, consumer: u64, now_s: u64) {
        if let Err(refusal) = self.map.find(topic) {
            return self.refuse(request, refusal);
        }
        match self.commits.table.find(topic, consumer, now_s) {
            Some(commit) => {
                self.answer(FromIo::Committed {
                    request,
                    consumer,
                    offset: commit.offset,
                });
            }
            None => {
                let refusal = Refusal {
                    code: ErrorCode::ConsumerNotFound,
                    reason: Reason::ConsumerUnknown,
                    value: consumer,
                    bound: 0,
                };
                self.refuse(request, refusal);
            }
        }
    }

    /// Puts waiting commits into a block.
    pub(super) fn compose_commits(&mut self, block: &mut Block) {
        for waiting in self.commits.waiting.iter_mut().skip(self.commits.in_block) {
            let CommittedOffset {
                topic,
                epoch,
                consumer,
                offset,
                at_s,
            } = waiting.commit;
            if !block.put(&Entry::Commit {
                topic,
                epoch,
                consumer,
                offset,
                at_s,
            }) {
                break;
            }
            waiting.journaled = true;
            self.commits.in_block += 1;
            block.durable = true;
        }
        if self.commits.in_block > 0 {
            self.journal.chunks.hold_commits();
        }
    }

    /// The block being written is durable: its commits count, and are answered.
    pub(super) fn commits_durable(&mut self) {
        for _ in 0..std::mem::take(&mut self.commits.in_block) {
            let Some(waiting) = self.commits.waiting.pop_front() else {
                break;
            };
            assert!(waiting.journaled);
            let CommittedOffset {
                consumer, offset, ..
            } = waiting.commit;
            if self.map.find(waiting.commit.topic).is_ok() {
                let room = self.commits.set(waiting.commit);
                debug_assert!(room, "room was looked for when it came");
            }
            self.counters.commits.inc();
            self.commits.changed = true;
            self.answer(FromIo::Committed {
                request: waiting.request,
                consumer,
                offset,
            });
        }
    }

    pub(super) fn commits_failed(&mut self) {
        self.commits.in_block = 0;
        while let Some(waiting) = self.commits.waiting.pop_front() {
            let value = u64::from(waiting.commit.topic);
            let refusal = Refusal {
                code: ErrorCode::Storage,
                reason: Reason::JournalFailed,
                value,
                bound: 0,
            };
            self.refuse(waiting.request, refusal);
        }
    }

    /// Asks for a checkpoint: the journal moved on to another chunk, or the node drains.
    pub(super) fn checkpoint_commits(&mut self) {
        self.commits.due = true;
    }

    /// Sends the checkpoint that is due to the keeper.
    pub(super) fn checkpoint_due(&mut self, now_s: u64) {
        let early = self.now_mono_ns < self.commits.retry_ns;
        if !self.commits.due || self.commits.in_block > 0 || early {
            return;
        }
        let Some(mut memory) = self.commits.memory.take() else {
            return;
        };
        self.commits
            .table
            .sweep(now_s, |commit| self.map.find(commit.topic).is_ok());
        memory.clear();
        memory.extend(self.commits.table.all());
        self.commits.checkpoint = self.journal.generation();
        match self.send_keeper(Job::Commits { all: memory }) {
            Ok(()) => self.commits.due = false,
            Err(Job::Commits { all }) => self.commits.memory = Some(all),
            Err(_) => unreachable!("the job comes back as it was"),
        }
    }

    pub(super) fn commits_saved(&mut self, result: Result<(), i32>, memory: Vec<CommittedOffset>) {
        self.commits.memory = Some(memory);
        match result {
            // What came after the checkpoint was taken is in the chunk that was current then, or later ones.
            Ok(()) => self.journal.chunks.release_commits(self.commits.checkpoint),
            Err(errno) => {
                self.log(crate::node::LogEvent::Background {
                    what: "saving committed offsets",
                    path: String::new(),
                    errno,
                });
                self.commits.due = true;
                self.commits.retry_ns = self.now_mono_ns + super::reports::RETRY_NS;
            }
        }
    }

    pub(super) fn list_commits(
        &mut self,
        slot: TopicSlot,
        mut memory: Vec<Commit>,
        now_s: u64,
    ) -> Vec<Commit> {
        let topic = self.topics[slot.index()].id;
        memory.clear();
        let room = memory.capacity();
        memory.extend(
            self.commits
                .table
                .of(topic, now_s)
                .take(room)
                .map(|commit| Commit {
                    consumer: commit.consumer,
                    offset: commit.offset,
                    at_s: commit.at_s,
                }),
        );
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(topic: u32, consumer: u64, at_s: u64) -> CommittedOffset {
        CommittedOffset {
            topic,
            epoch: 1,
            consumer,
            offset: consumer * 10,
            at_s,
        }
    }

    #[test]
    fn a_topic_has_room_for_its_consumers_and_again_once_some_of_them_are_swept() {
        let mut commits = Commits::new(&Limits {
            commits: 64,
            commits_per_topic: 4,
            commit_ttl_ns: 10_000_000_000,
            ..Limits::default()
        });
        for consumer in 0..4 {
            assert!(commits.has_room(1));
            assert!(commits.set(commit(1, consumer, 100 + consumer * 5)));
            assert!(
                commits.set(commit(1, consumer, 100 + consumer * 5)),
                "again"
            );
        }
        assert!(!commits.has_room(1));
        assert!(commits.has_room(2), "another topic has its own");

        commits.table.sweep(112, |_| true);
        assert!(commits.has_room(1));
        assert_eq!(commits.table.find(1, 0, 112), None);
        assert_eq!(commits.table.find(1, 1, 112).map(|c| c.offset), Some(10));

        commits.table.sweep(112, |commit| commit.topic != 1);
        assert_eq!(commits.table.of(1, 112).count(), 0);
        for consumer in 10..14 {
            assert!(commits.has_room(1));
            assert!(commits.set(commit(1, consumer, 112)));
        }
        assert!(!commits.has_room(1));
    }

    #[test]
    fn readers_of_the_counters_file_see_what_the_table_has() {
        let file = crate::counters::CountersFile::heap();
        let limits = Limits {
            commits: 64,
            commit_ttl_ns: 10_000_000_000,
            ..Limits::default()
        };
        let mut commits = Commits::new(&limits);
        commits.show_in(file.commit_rows());
        let seen = || {
            let rows = crate::counters::read_tables::commits(&file.snapshot()).unwrap();
            let mut seen: Vec<_> = rows
                .iter()
                .map(|c| (c.topic, c.consumer, c.offset))
                .collect();
            seen.sort_unstable();
            seen
        };
        let stored = |commits: &Commits| {
            let all = commits.table.all();
            let mut all: Vec<_> = all.map(|c| (c.topic, c.consumer, c.offset)).collect();
            all.sort_unstable();
            all
        };
        for consumer in 0..48 {
            assert!(commits.set(commit(1 + consumer as u32 % 3, consumer, 100 + consumer)));
        }
        assert_eq!(seen().len(), 48);
        assert_eq!(seen(), stored(&commits));
        // Those behind a removed one move up.
        commits.table.sweep(131, |commit| commit.topic != 2);
        assert!(seen().len() < 40);
        assert_eq!(seen(), stored(&commits));
    }
}
