//! A running node, its commands and the one thread that carries its events to JavaScript.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use lance_engine::named::spawn_named;
use lance_engine::node::{Event, Node};
use lance_engine::place::MemoryReport;
use napi::bindgen_prelude::AsyncTask;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status, Task};
use napi_derive::napi;

use crate::command::EngineCommand;
use crate::config::EngineConfig;
use crate::event::EngineEvent;
use crate::outcome::StartOutcome;
use crate::placement::PlacedMemory;
use crate::process;

/// How long the events thread waits for an event before it looks whether it is to end.
const EVENTS_TIMEOUT: Duration = Duration::from_millis(100);

/// Calls a JavaScript function with a list of events, from any thread, without waiting. Weak: it does not keep Node alive.
type Sink = ThreadsafeFunction<Vec<EngineEvent>, (), Vec<EngineEvent>, Status, false, true>;

struct Running {
    node: Arc<Node>,
    events: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
}

type Shared = Arc<Mutex<Option<Running>>>;

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Option<Running>> {
    // Nothing panics while it holds the lock; a poisoned one is as good.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node. It does nothing until `start`, and nothing more after `stop`.
#[napi]
pub struct EngineNode {
    running: Shared,
    sink: Arc<Sink>,
}

#[napi]
impl EngineNode {
    /// `onEvents` is called with what happened, in order.
    #[napi(constructor)]
    pub fn new(
        #[napi(ts_arg_type = "(events: Array<EngineEvent>) => void")] on_events: Arc<Sink>,
    ) -> Self {
        Self {
            running: Shared::default(),
            sink: on_events,
        }
    }

    /// Recovers the data directory, starts the agents and listens.
    #[napi(ts_return_type = "Promise<StartOutcome>")]
    pub fn start(&self, config: EngineConfig) -> AsyncTask<Start> {
        AsyncTask::new(Start {
            config: Some(config),
            running: self.running.clone(),
            sink: self.sink.clone(),
        })
    }

    /// Gives a command to the node. False when its queue is full or it does not run: nothing happened then.
    #[napi]
    pub fn command(&self, command: EngineCommand) -> bool {
        match &*lock(&self.running) {
            Some(running) => running.node.command(command.into()).is_ok(),
            None => false,
        }
    }

    /// Asks the kernel where the memory lies that belongs on a NUMA node. Empty when nothing does.
    #[napi(ts_return_type = "Promise<Array<PlacedMemory>>")]
    pub fn look_at_memory(&self) -> AsyncTask<LookAtMemory> {
        AsyncTask::new(LookAtMemory {
            running: self.running.clone(),
        })
    }

    /// Closes all connections and joins all threads of the node.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn stop(&self) -> AsyncTask<Stop> {
        AsyncTask::new(Stop {
            running: self.running.clone(),
        })
    }
}

/// Runs on a worker thread of libuv.
pub struct Start {
    config: Option<EngineConfig>,
    running: Shared,
    sink: Arc<Sink>,
}

impl Task for Start {
    type Output = StartOutcome;
    type JsValue = StartOutcome;

    fn compute(&mut self) -> Result<StartOutcome> {
        let Some(config) = self.config.take() else {
            return Err(napi::Error::from_reason("a node is started once"));
        };
        let (node, started) = match config.into_engine().and_then(Node::start) {
            Ok(node) => node,
            Err(error) => return Ok(error.into()),
        };
        let node = Arc::new(node);
        let stopping = Arc::new(AtomicBool::new(false));
        let events = spawn_named("lance-events", {
            let (node, stopping, sink) = (node.clone(), stopping.clone(), self.sink.clone());
            move || forward(&node, &stopping, &sink)
        })?;
        *lock(&self.running) = Some(Running {
            node,
            events,
            stopping,
        });
        Ok(started.into())
    }

    fn resolve(&mut self, _env: Env, outcome: StartOutcome) -> Result<StartOutcome> {
        Ok(outcome)
    }
}

/// The events thread: no agent, so it may wait and allocate.
fn forward(node: &Node, stopping: &AtomicBool, sink: &Sink) {
    process::block_signals();
    let mut events: Vec<Event> = Vec::new();
    while !stopping.load(Ordering::Acquire) && node.next_events(&mut events, EVENTS_TIMEOUT) {
        if !events.is_empty() {
            let events = events.drain(..).map(Into::into).collect();
            // Fails only when JavaScript is gone, and then nobody is left to tell.
            let _ = sink.call(events, ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// Runs on a worker thread of libuv.
pub struct LookAtMemory {
    running: Shared,
}

impl Task for LookAtMemory {
    type Output = Vec<MemoryReport>;
    type JsValue = Vec<PlacedMemory>;

    fn compute(&mut self) -> Result<Self::Output> {
        // Not under the lock: commands go on meanwhile.
        let node = lock(&self.running)
            .as_ref()
            .map(|running| running.node.clone());
        Ok(node.map_or_else(Vec::new, |node| node.look_at_memory()))
    }

    fn resolve(&mut self, _env: Env, reports: Self::Output) -> Result<Self::JsValue> {
        Ok(reports.into_iter().map(Into::into).collect())
    }
}

/// Runs on a worker thread of libuv.
pub struct Stop {
    running: Shared,
}

impl Task for Stop {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        let Some(running) = lock(&self.running).take() else {
            return Ok(());
        };
        running.stopping.store(true, Ordering::Release);
        running
            .events
            .join()
            .map_err(|_| napi::Error::from_reason("the events thread panicked"))?;
        // The events thread held one, a look at the memory may for some milliseconds.
        let mut node = running.node;
        loop {
            match Arc::try_unwrap(node) {
                Ok(last) => {
                    last.stop();
                    return Ok(());
                }
                Err(shared) => node = shared,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn resolve(&mut self, _env: Env, (): ()) -> Result<()> {
        Ok(())
    }
}
