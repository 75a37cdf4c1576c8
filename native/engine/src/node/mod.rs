//! A whole node: agents, queues, memory and threads, put together.

mod api;

pub use api::{
    Backend, BarePayload, Command, Commit, ControlAnswer, ControlId, ControlRequest, Description,
    Event, HelloSettings, Idle, Layout, LogEvent, NodeConfig, Query, StartError, Started,
};
