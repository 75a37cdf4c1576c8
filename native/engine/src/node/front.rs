//! The control plane's side of the queues.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::api::{Command, ControlRequest as Request, Event, Query};
use crate::clock::{Clock, SystemClock};
use crate::counters::EventRing;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::io::{IoCommand, IoEvent};
use crate::network::control_plane::{ControlAnswer, ControlRequest};
use crate::node::LogEvent;
use crate::queue::{Receiver, Sender};
use crate::recovery::{Position, RecoveredTopic, TopicMetadata};
use crate::ring::ControlWaker;
use crate::topics::TopicSlot;
use crate::wake::WakeHandle;

/// The ends that the control plane has.
pub struct FrontEnds {
    pub commands: Sender<IoCommand>,
    pub answers: Sender<ControlAnswer>,
    pub control: Receiver<ControlRequest>,
    pub io_events: Receiver<IoEvent>,
    pub network_log: Receiver<LogEvent>,
    pub spent: Receiver<Box<[u8]>>,
}

/// What commands need. Locked by the control plane's threads alone, never by an agent.
struct Sending {
    commands: Sender<IoCommand>,
    answers: Sender<ControlAnswer>,
    waker: ControlWaker,
    free_slots: Vec<TopicSlot>,
    commits_per_topic: u32,
}

struct Receiving {
    control: Receiver<ControlRequest>,
    io_events: Receiver<IoEvent>,
    network_log: Receiver<LogEvent>,
    spent: Receiver<Box<[u8]>>,
    /// Keeps what is for the log where other processes see it.
    ring: EventRing,
}

impl Receiving {
    fn log(&mut self, event: LogEvent, out: &mut Vec<Event>) {
        self.ring.write(SystemClock.now().wall_ns, &event);
        out.push(Event::Log(event));
    }
}

/// Takes commands and gives events.
pub struct Front {
    sending: Mutex<Sending>,
    receiving: Mutex<Receiving>,
    /// Recovered topics that the I/O agent has taken.
    loaded: AtomicUsize,
    /// Events by which commands are answered at once. Locked last.
    ready: Mutex<Vec<Event>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds a lock; what a poisoned one guards is whole all the same.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Front {
    /// For nodes of at most `topics` topics.
    #[must_use]
    pub fn new(
        ends: FrontEnds,
        waker: ControlWaker,
        ring: EventRing,
        topics: u32,
        commits_per_topic: u32,
    ) -> Self {
        let FrontEnds {
            commands,
            answers,
            control,
            io_events,
            network_log,
            spent,
        } = ends;
        let free_slots = (0..topics).rev().map(TopicSlot).collect();
        Self {
            sending: Mutex::new(Sending {
                commands,
                answers,
                waker,
                free_slots,
                commits_per_topic,
            }),
            receiving: Mutex::new(Receiving {
                control,
                io_events,
                network_log,
                spent,
                ring,
            }),
            loaded: AtomicUsize::new(0),
            ready: Mutex::new(Vec::new()),
        }
    }

    /// Gives the recovered topics to the agents. Their answers are nobody's business.
    pub fn load(&self, topics: &[RecoveredTopic], io: &WakeHandle) {
        let mut sending = lock(&self.sending);
        for topic in topics {
            // Slots ascend from 0, as the catalogue of files has them already.
            let Some(slot) = sending.free_slots.pop() else {
                break;
            };
            let command = IoCommand::Add {
                query: LOADED,
                slot,
                topic: Box::new(topic.clone()),
            };
            let room = sending.commands.push(command).is_ok();
            assert!(room, "the queue holds every topic there may be");
        }
        // A node that has just started runs.
        let _ = sending.waker.notify(io);
    }

    /// Waits until the I/O agent has taken that many recovered topics. Start-up only.
    pub fn wait_loaded(&self, topics: usize) {
        let mut early = Vec::new();
        while self.loaded.load(Ordering::Relaxed) < topics {
            self.events(&mut early);
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        // Whatever else was said meanwhile is for the control plane.
        lock(&self.ready).append(&mut early);
    }

    #[allow(clippy::result_large_err)] // the command itself comes back
    /// Hands a command over. `Err` gives it back: the queue is full.
    pub fn command(
        &self,
        command: Command,
        io: &WakeHandle,
        network: &WakeHandle,
    ) -> Result<(), Command> {
        let mut sending = lock(&self.sending);
        if sending.commands.room() == 0 || sending.answers.room() == 0 {
            return Err(command);
        }
        let command = match command {
            Command::Answer(answer) => {
                // Room was looked for, and only this side fills the queue.
                let _ = sending.answers.push(answer);
                let _ = sending.waker.notify(network);
                return Ok(());
            }
            Command::AddTopic { query, metadata } => match sending.free_slots.pop() {
                Some(slot) => IoCommand::Add {
                    query,
                    slot,
                    topic: Box::new(fresh(metadata)),
                },
                None => {
                    let refusal = Refusal {
                        code: ErrorCode::RateLimited,
                        reason: Reason::Overloaded,
                        value: u64::from(metadata.id),
                        bound: 0,
                    };
                    lock(&self.ready).push(Event::Done {
                        query,
                        result: Err(refusal),
                    });
                    return Ok(());
                }
            },
            Command::RemoveTopic { query, topic } => IoCommand::Remove { query, topic },
            Command::SetDurability {
                query,
                topic,
                durability,
            } => IoCommand::SetDurability {
                query,
                topic,
                durability,
            },
            Command::Describe { query, topic } => IoCommand::Describe { query, topic },
            Command::Retain {
                query,
                topic,
                below_offset,
            } => IoCommand::Retain {
                query,
                topic,
                below_offset,
            },
            Command::Seal { query, topic } => IoCommand::Seal { query, topic },
            Command::ListCommits { query, topic } => {
                let memory = Vec::with_capacity(sending.commits_per_topic as usize);
                IoCommand::ListCommits {
                    query,
                    topic,
                    memory,
                }
            }
            // Flags, not messages: `Node::command` sees to them.
            Command::RefuseWrites(_) | Command::Drain => return Ok(()),
        };
        let room = sending.commands.push(command).is_ok();
        assert!(
            room,
            "room was looked for, and only this side fills the queue"
        );
        let _ = sending.waker.notify(io);
        Ok(())
    }

    /// Tells the I/O agent to bring everything into the segments.
    /// False: the queue is full, try again.
    pub fn drain(&self, io: &WakeHandle) -> bool {
        let mut sending = lock(&self.sending);
        let pushed = sending.commands.push(IoCommand::Drain).is_ok();
        let _ = sending.waker.notify(io);
        pushed
    }

    /// Wakes an agent that has nothing to take, but a flag to look at.
    pub fn wake(&self, runner: &WakeHandle) {
        let _ = lock(&self.sending).waker.notify(runner);
    }

    /// Moves what has happened to `out`.
    pub fn events(&self, out: &mut Vec<Event>) {
        let mut receiving = lock(&self.receiving);
        while receiving.spent.pop().is_some() {}
        out.append(&mut lock(&self.ready));
        while let Some(request) = receiving.control.pop() {
            let payload = request.payload().to_vec();
            out.push(Event::Control(Request {
                id: request.id,
                code: request.code,
                payload,
            }));
        }
        while let Some(event) = receiving.io_events.pop() {
            match event {
                IoEvent::Done { query: LOADED, .. } => {
                    self.loaded.fetch_add(1, Ordering::Relaxed);
                }
                IoEvent::Done { query, result } => out.push(Event::Done { query, result }),
                IoEvent::Removed { query, slot } => {
                    lock(&self.sending).free_slots.push(slot);
                    out.push(Event::Done {
                        query,
                        result: Ok(()),
                    });
                }
                IoEvent::Described { query, result } => {
                    out.push(Event::Described { query, result })
                }
                IoEvent::Commits { query, result } => out.push(Event::Commits { query, result }),
                IoEvent::Log(event) => receiving.log(event, out),
                IoEvent::Drained => out.push(Event::Drained),
            }
        }
        while let Some(event) = receiving.network_log.pop() {
            receiving.log(event, out);
        }
    }

    /// An event that no agent tells.
    pub fn log(&self, event: LogEvent, out: &mut Vec<Event>) {
        lock(&self.receiving).log(event, out);
    }
}

/// The question of topics that are loaded at the start.
const LOADED: Query = Query::MAX;

fn fresh(metadata: TopicMetadata) -> RecoveredTopic {
    let next: Position = metadata.resume.unwrap_or_default();
    RecoveredTopic {
        metadata,
        next,
        sealed: Vec::new(),
        active: None,
        indexed_to: None,
        frozen: false,
    }
}
