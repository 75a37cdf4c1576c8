//! What the control plane asks of the I/O agent, and what it hears.

use crate::error::Refusal;
use crate::node::{Commit, Description, LogEvent, Query};
use crate::recovery::{Durability, RecoveredTopic};
use crate::topics::TopicSlot;

/// Control plane -> Io. The memory of a message is freed by the agent that takes it only for topics that come and go.
#[derive(Debug)]
pub enum IoCommand {
    Add {
        query: Query,
        slot: TopicSlot,
        topic: Box<RecoveredTopic>,
    },
    Remove {
        query: Query,
        topic: u32,
    },
    SetDurability {
        query: Query,
        topic: u32,
        durability: Durability,
    },
    Describe {
        query: Query,
        topic: u32,
    },
    Retain {
        query: Query,
        topic: u32,
        below_offset: u64,
    },
    Seal {
        query: Query,
        topic: u32,
    },
    /// `memory` comes back filled.
    ListCommits {
        query: Query,
        topic: u32,
        memory: Vec<Commit>,
    },
    Drain,
}

/// Io -> control plane.
#[derive(Debug)]
pub enum IoEvent {
    Done {
        query: Query,
        result: Result<(), Refusal>,
    },
    /// A topic is gone; its slot is free.
    Removed {
        query: Query,
        slot: TopicSlot,
    },
    Described {
        query: Query,
        result: Result<Description, Refusal>,
    },
    Commits {
        query: Query,
        result: Result<Vec<Commit>, Refusal>,
    },
    Log(LogEvent),
    Drained,
}
