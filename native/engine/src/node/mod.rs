//! A whole node: agents, queues, memory and threads, put together.

mod agents;
mod api;
mod data_dir;
mod front;
mod helper;
mod limits_watch;
mod memory;
mod placed;
mod start;
#[cfg(test)]
mod tests;
mod threads;
mod wiring;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use api::{
    Backend, BarePayload, Command, Commit, ControlAnswer, ControlId, ControlRequest, Description,
    Event, HelloSettings, Idle, Layout, LogEvent, NodeConfig, Query, RunnerReport, StartError,
    Started,
};

use front::Front;
use helper::{Bell, Helper};
use limits_watch::LimitsWatch;
use placed::Placed;

use crate::clock::{Clock, SystemClock};
use crate::counters::CountersFile;
use crate::handoff::Shared;
use crate::network::NetworkDrain;
use crate::place::MemoryReport;
use crate::runner::Runner;
use crate::wake::WakeHandle;

/// How long `stop` waits for connections to take what they are owed.
const CLOSING: Duration = Duration::from_secs(1);

/// A running node, as the control plane holds it.
pub struct Node {
    front: Front,
    bell: Bell,
    wake: WakeHandle,
    network_wake: WakeHandle,
    io_wake: WakeHandle,
    shared: Arc<Shared>,
    drain: NetworkDrain,
    draining: AtomicBool,
    io_draining: AtomicBool,
    runners: Vec<Runner>,
    helpers: Vec<Helper>,
    placed: Placed,
    limits_watch: Mutex<LimitsWatch>,
    counters: CountersFile,
    /// The agent listens on it.
    _listener: OwnedFd,
}

impl Node {
    #[allow(clippy::result_large_err)] // the command itself comes back
    /// Gives a command to the engine; never blocks.
    ///
    /// # Errors
    /// The queue is full: the command comes back, nothing happened.
    #[allow(clippy::result_large_err)] // the command itself comes back
    pub fn command(&self, command: Command) -> Result<(), Command> {
        match command {
            Command::RefuseWrites(refuse) => {
                self.shared.refuse_writes.store(refuse, Ordering::Relaxed)
            }
            Command::Drain => {
                self.draining.store(true, Ordering::Release);
                self.drain.begin();
                self.front.wake(&self.network_wake);
                self.bell.ring();
            }
            command => {
                return self
                    .front
                    .command(command, &self.io_wake, &self.network_wake)
            }
        }
        Ok(())
    }

    /// Waits up to `timeout` for events and moves them to `out`. One thread at a time. False: the node is gone.
    pub fn next_events(&self, out: &mut Vec<Event>, timeout: Duration) -> bool {
        self.front.events(out);
        self.limits_watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .look(SystemClock.now().mono_ns, |event| {
                self.front.log(event, out);
            });
        if out.is_empty() {
            self.wake.raise();
            self.front.events(out);
            if out.is_empty() {
                // While the network agent finishes what is in flight, somebody has to look whether it has.
                let longest = if self.is_waiting_for_network() {
                    Duration::from_millis(2)
                } else {
                    timeout
                };
                self.bell
                    .sleep(longest.min(timeout).as_millis().min(i32::MAX as u128) as i32);
                self.front.events(out);
            }
            self.wake.lower();
        }
        if self.is_waiting_for_network() && self.drain.is_finished() {
            let told = self.front.drain(&self.io_wake);
            self.io_draining.store(told, Ordering::Release);
        }
        true
    }

    fn is_waiting_for_network(&self) -> bool {
        self.draining.load(Ordering::Acquire) && !self.io_draining.load(Ordering::Acquire)
    }

    /// Closes connections, ends and joins all threads. What was acknowledged is on the disk as promised, drained or not.
    pub fn stop(mut self) {
        self.drain.begin();
        self.drain.close();
        self.front.wake(&self.network_wake);
        let patience = Instant::now() + CLOSING;
        while !self.drain.is_closed() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        for runner in self.runners.drain(..) {
            drop(runner.join());
        }
        // After the agents, so that what these still asked is carried out.
        self.helpers.clear();
        self.counters.retire();
    }

    /// Asks the kernel where the memory is that belongs on a NUMA node, and brings the counters up to date. Blocks for a few
    /// milliseconds: for a thread of nobody.
    #[must_use]
    pub fn look_at_memory(&self) -> Vec<MemoryReport> {
        self.placed.look()
    }

    /// The counters, live.
    #[must_use]
    pub fn counters(&self) -> &CountersFile {
        &self.counters
    }
}
