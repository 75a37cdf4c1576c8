//! What the node answers, and whether it may.

use super::model::{CommitModel, Life};
use super::run::{Outcome, Run};
use crate::error::ErrorCode;
use crate::io::IoEvent;
use crate::messages::{FromIngest, FromIo, Source, Ticket};
use crate::node::LogEvent;
use crate::ring::RecvBuffer;

impl Run {
    /// Takes the answers of the node; crashes it there if they promise something.
    pub(super) fn hear(&mut self) -> Outcome<()> {
        let mut promised = false;
        while let Some(reply) = self.node.ingest_reply() {
            match reply {
                FromIngest::Consumed(Source::Shared(RecvBuffer(buffer))) => {
                    self.buffers.remove(&buffer);
                }
                FromIngest::Consumed(other) => panic!("{other:?} was never lent"),
                FromIngest::Refused { ticket, refusal } => {
                    let topic = self.answered(ticket)?;
                    self.model
                        .topics
                        .get_mut(&topic)
                        .expect("a known topic")
                        .refuse(ticket.0);
                    let fair = matches!(
                        refusal.code,
                        ErrorCode::TopicDeleted | ErrorCode::Backpressure
                    ) || self.is_excused(topic, refusal);
                    if !fair {
                        return Err(
                            self.violated(format!("ticket {} is refused: {refusal:?}", ticket.0))
                        );
                    }
                }
            }
        }
        while let Some(answer) = self.node.io_answer() {
            match answer {
                FromIo::Acked { ticket, .. } => {
                    let topic = self.answered(ticket)?;
                    let known = self.model.topics.get_mut(&topic).expect("a known topic");
                    known
                        .ack(ticket.0)
                        .map_err(|what| self.settings.violated(&self.disk, what))?;
                    self.report.acks += 1;
                    promised = true;
                }
                FromIo::Failed { ticket, refusal } => {
                    let topic = self.answered(ticket)?;
                    let excused = self.is_excused(topic, refusal);
                    if self.model.topics[&topic].life == Life::Live && !excused {
                        return Err(
                            self.violated(format!("ticket {} failed: {refusal:?}", ticket.0))
                        );
                    }
                }
                FromIo::Committed {
                    request,
                    consumer,
                    offset,
                } => {
                    let asked = self.commits.remove(&request.0);
                    let Some((topic, ..)) =
                        asked.filter(|asked| (asked.1, asked.2) == (consumer, offset))
                    else {
                        return Err(self.violated(format!(
                            "consumer {consumer} is told {offset}, asked was {asked:?}"
                        )));
                    };
                    let known = self.model.topics.get_mut(&topic).expect("a known topic");
                    let commit: &mut CommitModel = known.commits.entry(consumer).or_default();
                    if let Some(at) = commit.asked.iter().position(|asked| *asked == offset) {
                        commit.asked.drain(..=at);
                    }
                    commit.acked = Some(offset);
                    promised = true;
                }
                FromIo::Fetched { request, data } if self.harm.fetching == Some(request) => {
                    let bytes = self.node.fetched(data);
                    self.harm.fetched = Some(Ok((bytes, data.next_offset)));
                }
                FromIo::Refused { request, refusal } if self.harm.fetching == Some(request) => {
                    self.harm.fetched = Some(Err(refusal));
                }
                FromIo::Short => {}
                FromIo::Refused { request, refusal } => {
                    let asked = self.commits.remove(&request.0);
                    let gone =
                        asked.is_some_and(|asked| self.model.topics[&asked.0].life != Life::Live);
                    let excused = refusal.code == ErrorCode::Storage
                        && self.settings.faults
                        && (self.harm.journal_failed || !self.harm.healed);
                    if !gone && !excused {
                        return Err(
                            self.violated(format!("request {} is refused: {refusal:?}", request.0))
                        );
                    }
                }
                other => panic!("nobody asked for {other:?}"),
            }
        }
        while let Some(event) = self.node.event() {
            promised |= self.event(event)?;
        }
        for topic in self
            .model
            .topics
            .values_mut()
            .filter(|topic| topic.life == Life::Live)
        {
            topic.durable = self.node.durable_offset(topic.id).max(topic.durable);
        }
        if promised {
            self.promised()?;
        }
        Ok(())
    }

    pub(super) fn event(&mut self, event: IoEvent) -> Outcome<bool> {
        match event {
            IoEvent::Done { query: 0, result } => {
                result.map_err(|refusal| {
                    self.violated(format!("a recovered topic is refused: {refusal:?}"))
                })?;
                Ok(false)
            }
            IoEvent::Done { query, result } => {
                let topic = self
                    .queries
                    .remove(&query)
                    .and_then(|id| self.model.topics.get_mut(&id));
                let Some(topic) = topic else {
                    return Err(
                        self.violated(format!("an answer to query {query}, which was never asked"))
                    );
                };
                match (topic.life, result) {
                    (Life::Creating, Ok(())) => topic.life = Life::Live,
                    // A second order to seal while one is under way is refused.
                    (Life::Live, Err(_)) => {}
                    (Life::Creating, Err(refusal)) => {
                        return Err(self.violated(format!("query {query} failed: {refusal:?}")));
                    }
                    _ => {}
                }
                Ok(true)
            }
            IoEvent::Removed { query, .. } => {
                let topic = self
                    .queries
                    .remove(&query)
                    .and_then(|id| self.model.topics.get_mut(&id));
                let Some(topic) = topic.filter(|topic| topic.life == Life::Removing) else {
                    return Err(
                        self.violated(format!("query {query} removed a topic that should stay"))
                    );
                };
                topic.life = Life::Removed;
                Ok(true)
            }
            IoEvent::Drained => {
                self.drained = true;
                Ok(true)
            }
            IoEvent::Log(log) if self.settings.faults && !self.harm.healed => {
                self.harm.note(&log);
                Ok(false)
            }
            IoEvent::Log(LogEvent::TopicFrozen {
                topic, errno, what, ..
            }) => Err(self.violated(format!(
                "topic {topic} froze on a healthy disk: {what}, errno {errno}"
            ))),
            IoEvent::Log(LogEvent::JournalFailed { errno, what }) => Err(self.violated(format!(
                "the journal failed on a healthy disk: {what}, errno {errno}"
            ))),
            IoEvent::Log(LogEvent::Background { what, path, errno }) => Err(self.violated(
                format!("{what} {path} failed on a healthy disk: errno {errno}"),
            )),
            IoEvent::Log(_) => Ok(false),
            other => panic!("nobody asked for {other:?}"),
        }
    }

    pub(super) fn answered(&mut self, ticket: Ticket) -> Outcome<u32> {
        self.tickets.remove(&ticket.0).ok_or_else(|| {
            self.violated(format!(
                "ticket {} is answered twice or was never sent",
                ticket.0
            ))
        })
    }
}
