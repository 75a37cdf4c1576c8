//! The network agent: connections, frames in, acks and answers out (design.md, sections 3 and 4; lwp.md).
//!
//! Thread: one runner owns the agent and everything here except `NetworkDrain` and the requests of `control_plane`.

mod agent;
mod answers;
mod backpressure;
mod buffers;
mod chunks;
mod connection;
mod control;
pub mod control_plane;
mod counters;
mod deadlines;
mod drain;
mod frames;
mod framing;
mod inflight;
mod keepalive;
mod lifecycle;
mod links;
mod listen;
mod pins;
mod places;
mod receive;
mod requests;
mod send;
#[cfg(test)]
mod tests;

use std::os::fd::RawFd;
use std::sync::Arc;

pub use agent::NetworkAgent;
pub use counters::NetworkCounters;
pub use drain::NetworkDrain;
pub use listen::{listen, peer_of, Listener};

use crate::clock::Clock;
use crate::limits::Limits;
use crate::memory::{Pool, SlabTable};
use crate::messages::{FromIngest, FromIo, IngestFrame, ToIo};
use crate::node::LogEvent;
use crate::queue::{Receiver, Sender};
use crate::wake::WakeHandle;

use control_plane::{ControlAnswer, ControlRequest};

/// What a network agent is started with.
pub struct NetworkConfig {
    /// Its number on its runner, which its tokens carry.
    pub agent: u8,
    pub limits: Limits,
    /// Sockets that listen (`listen`); they stay the caller's, open until the agent is gone.
    pub listeners: Vec<RawFd>,
    /// For the stages of a frame, which a duty cycle's time is too coarse for.
    pub clock: Arc<dyn Clock>,
}

/// The ends of every queue and pool that a network agent owns.
///
/// `to_control` and `from_control` should hold `control_plane::CONTROL_SLOTS` messages, so that they are never what is full.
pub struct NetworkEnds {
    pub to_ingest: Sender<IngestFrame>,
    pub from_ingest: Receiver<FromIngest>,
    pub to_io: Sender<ToIo>,
    pub from_io: Receiver<FromIo>,
    pub to_control: Sender<ControlRequest>,
    pub from_control: Receiver<ControlAnswer>,
    /// Payloads of answers that were sent, to be freed where they were allocated.
    pub spent: Sender<Box<[u8]>>,
    pub log: Sender<LogEvent>,
    /// Memory of frames and responses.
    pub slabs: Arc<SlabTable>,
    /// The pool of `Limits::frame_classes`.
    pub frames: Pool,
    pub counters: NetworkCounters,
    pub drain: NetworkDrain,
    /// Whoever takes from `to_ingest`, `to_io`, `to_control` (and `log`), where that is another thread.
    pub wake_ingest: Option<WakeHandle>,
    pub wake_io: Option<WakeHandle>,
    pub wake_control: Option<WakeHandle>,
}
