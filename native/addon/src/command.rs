//! Control plane -> engine (`lance_engine::node::Command`).

use lance_engine::node as engine;
use napi::bindgen_prelude::{BigInt, Uint8Array};
use napi_derive::napi;

use crate::config::u64_of;
use crate::topic::{Durability, TopicMetadata};

/// What a node can be told. `query` comes back in the event that answers.
#[napi(
    discriminant = "kind",
    discriminant_case = "camelCase",
    object_to_js = false
)]
pub enum EngineCommand {
    AddTopic {
        query: i64,
        metadata: TopicMetadata,
    },
    RemoveTopic {
        query: i64,
        topic: u32,
    },
    SetDurability {
        query: i64,
        topic: u32,
        #[napi(ts_type = "'durable' | 'written'")]
        durability: Durability,
    },
    Describe {
        query: i64,
        topic: u32,
    },
    Retain {
        query: i64,
        topic: u32,
        below_offset: BigInt,
    },
    Seal {
        query: i64,
        topic: u32,
    },
    ListCommits {
        query: i64,
        topic: u32,
    },
    RefuseWrites {
        refuse: bool,
    },
    Answer {
        id: ControlId,
        code: u32,
        payload: Uint8Array,
        hello: Option<HelloSettings>,
    },
    Drain,
}

/// Names a control request to the network agent; given back as it came.
#[napi(object)]
#[derive(Clone, Copy)]
pub struct ControlId {
    pub connection: u32,
    pub generation: u32,
    pub sequence: u32,
}

/// What a Hello settles for its connection.
#[napi(object)]
pub struct HelloSettings {
    pub order_by_topic: bool,
    pub linearizable: bool,
}

impl From<EngineCommand> for engine::Command {
    fn from(command: EngineCommand) -> Self {
        let number = i64::cast_unsigned;
        match command {
            EngineCommand::AddTopic { query, metadata } => Self::AddTopic {
                query: number(query),
                metadata: metadata.into(),
            },
            EngineCommand::RemoveTopic { query, topic } => Self::RemoveTopic {
                query: number(query),
                topic,
            },
            EngineCommand::SetDurability {
                query,
                topic,
                durability,
            } => Self::SetDurability {
                query: number(query),
                topic,
                durability: durability.into(),
            },
            EngineCommand::Describe { query, topic } => Self::Describe {
                query: number(query),
                topic,
            },
            EngineCommand::Retain {
                query,
                topic,
                below_offset,
            } => Self::Retain {
                query: number(query),
                topic,
                below_offset: u64_of(&below_offset),
            },
            EngineCommand::Seal { query, topic } => Self::Seal {
                query: number(query),
                topic,
            },
            EngineCommand::ListCommits { query, topic } => Self::ListCommits {
                query: number(query),
                topic,
            },
            EngineCommand::RefuseWrites { refuse } => Self::RefuseWrites(refuse),
            EngineCommand::Answer {
                id,
                code,
                payload,
                hello,
            } => Self::Answer(engine::ControlAnswer {
                id: engine::ControlId {
                    connection: id.connection,
                    generation: id.generation,
                    sequence: id.sequence,
                },
                code: u64::from(code),
                payload: payload.as_ref().into(),
                hello: hello.map(|settings| engine::HelloSettings {
                    order_by_topic: settings.order_by_topic,
                    linearizable: settings.linearizable,
                }),
            }),
            EngineCommand::Drain => Self::Drain,
        }
    }
}
