//! What a node says when it serves or does not, and what recovery found (`lance_engine::node`).

use lance_engine::node as engine;
use lance_engine::recovery::{self, Severity};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::placement::EngineRunner;
use crate::topic::{Position, TopicMetadata};

/// What recovery found of a topic.
#[napi(object, object_from_js = false)]
pub struct RecoveredTopic {
    pub metadata: TopicMetadata,
    pub next: Position,
    /// Takes no writes until it is repaired.
    pub frozen: bool,
}

/// What recovery did or saw.
#[napi(object, object_from_js = false)]
pub struct Finding {
    #[napi(ts_type = "'info' | 'warning' | 'error'")]
    pub severity: String,
    pub code: String,
    /// Relative to the data directory.
    pub path: String,
    pub at: Option<BigInt>,
    pub detail: String,
}

/// A thread beside the agents.
#[napi(object, object_from_js = false)]
pub struct EngineThread {
    pub name: String,
    pub id: i32,
}

/// A node that serves, or why it does not.
#[napi(
    discriminant = "kind",
    discriminant_case = "lowercase",
    object_from_js = false
)]
pub enum StartOutcome {
    Started {
        address: String,
        backend: String,
        /// The live counters' file; absent where they are in memory only.
        counters: Option<String>,
        topics: Vec<RecoveredTopic>,
        findings: Vec<Finding>,
        /// What this machine lacks and what serves instead.
        announcements: Vec<String>,
        /// The agents' threads.
        runners: Vec<EngineRunner>,
        helpers: Vec<EngineThread>,
    },
    Failed {
        code: String,
        message: String,
        hint: String,
    },
}

impl From<engine::Started> for StartOutcome {
    fn from(started: engine::Started) -> Self {
        Self::Started {
            address: started.address.to_string(),
            backend: started.backend.to_owned(),
            counters: started.counters.map(|path| path.display().to_string()),
            topics: started.topics.into_iter().map(Into::into).collect(),
            findings: started.findings.into_iter().map(Into::into).collect(),
            announcements: started.announcements,
            runners: started.runners.into_iter().map(Into::into).collect(),
            helpers: started
                .helpers
                .into_iter()
                .map(|(name, id)| EngineThread { name, id })
                .collect(),
        }
    }
}

impl From<engine::StartError> for StartOutcome {
    fn from(error: engine::StartError) -> Self {
        Self::Failed {
            code: error.code.to_owned(),
            message: error.message,
            hint: error.hint,
        }
    }
}

impl From<recovery::RecoveredTopic> for RecoveredTopic {
    fn from(topic: recovery::RecoveredTopic) -> Self {
        Self {
            metadata: topic.metadata.into(),
            next: topic.next.into(),
            frozen: topic.frozen,
        }
    }
}

impl From<recovery::Finding> for Finding {
    fn from(finding: recovery::Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Error => "error",
            }
            .to_owned(),
            code: finding.code.to_owned(),
            path: finding.path,
            at: finding.at.map(BigInt::from),
            detail: finding.detail,
        }
    }
}
