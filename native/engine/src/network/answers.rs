//! Answers on their way in: from the io agent and from the control plane to the requests that they belong to.

use crate::lwp::control::code;
use crate::messages::{FromIo, RequestId, ToIo};

use super::agent::NetworkAgent;
use super::links::NONE;
use super::requests::{Answer, Order};

/// Answers of the control plane taken in one duty cycle.
const BURST: usize = 64;

impl NetworkAgent {
    /// An answer of the io agent.
    pub(super) fn answered_by_io(&mut self, message: &FromIo) {
        let (id, answer) = match *message {
            FromIo::Fetched { request, data } => {
                if data.slab.is_some() {
                    self.responses += 1;
                }
                (request, Answer::Fetched(data))
            }
            FromIo::Located {
                request,
                offset,
                record,
                timestamp_ns,
                node_actor_sequence,
            } => (
                request,
                Answer::Located {
                    offset,
                    record,
                    timestamp_ns,
                    node_actor_sequence,
                },
            ),
            FromIo::Resolved { request, offset } => (
                request,
                Answer::Consumer {
                    code: code::SUBSCRIBE_ACK,
                    consumer: 0,
                    offset,
                },
            ),
            FromIo::Committed {
                request,
                consumer,
                offset,
            } => (
                request,
                Answer::Consumer {
                    code: code::COMMIT_ACK,
                    consumer,
                    offset,
                },
            ),
            FromIo::Refused { request, refusal } => (request, Answer::Refused(refusal)),
            FromIo::Acked { .. } | FromIo::Failed { .. } | FromIo::Short => {
                unreachable!("handled by the caller")
            }
        };
        self.answered(id, answer);
    }

    fn answered(&mut self, id: RequestId, mut answer: Answer) {
        let Some((at, request)) = self.requests.get(id) else {
            // Its connection went away first.
            self.drop_answer(answer);
            return;
        };
        let c = request.connection;
        if let Answer::Consumer {
            code: code::SUBSCRIBE_ACK,
            consumer,
            ..
        } = &mut answer
        {
            *consumer = request.consumer;
        }
        let conn = &mut self.connections[c as usize];
        if let (true, Answer::Fetched(data)) = (request.pins_end, &answer) {
            self.pins
                .set(&mut conn.pins, request.topic, data.next_offset);
        }
        let waits = request.order == Order::Wait;
        request.answer = answer;
        if waits {
            self.requests.wait_is_ready(&mut conn.requests, at);
        }
        self.dirty.push(c);
    }

    /// Gives back what an answer that nobody gets holds.
    pub(super) fn drop_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Fetched(data) => {
                if let Some(slab) = data.slab {
                    self.responses -= 1;
                    self.tell_io(ToIo::Release(slab));
                }
            }
            Answer::Plane { payload, .. } => self.spend(payload),
            _ => {}
        }
    }

    /// Sends a payload back to be freed where it was allocated.
    pub(super) fn spend(&mut self, payload: Box<[u8]>) {
        // Where the way back is full, it is freed here: rare, and no worse than slow.
        let _ = self.ends.spent.push(payload);
        self.told.control = true;
    }

    pub(super) fn take_from_control(&mut self) -> usize {
        let mut done = 0;
        while done < BURST {
            let Some(answer) = self.ends.from_control.pop() else {
                break;
            };
            done += 1;
            let id = u64::from(answer.id.generation) << 32 | u64::from(answer.id.sequence);
            let Some((at, request)) = self.requests.get(RequestId(id)) else {
                self.spend(answer.payload);
                continue;
            };
            if let Some(slot) = request.slot.take() {
                self.free_slots.push(slot);
            }
            if answer.code == code::ERROR_RESPONSE {
                self.ends.counters.errors.count(code_of(&answer.payload));
            }
            let c = request.connection;
            let is_hello = request.code == code::HELLO;
            if c == NONE {
                self.requests.release(at);
                self.spend(answer.payload);
                continue;
            }
            request.answer = Answer::Plane {
                code: answer.code,
                payload: answer.payload,
            };
            let conn = self.conn(c);
            if is_hello {
                conn.hellos_pending -= 1;
                if let Some(settings) = answer.hello {
                    conn.hello = true;
                    conn.by_topic = settings.order_by_topic;
                }
            }
            self.dirty.push(c);
        }
        done
    }
}

/// The LWP code in an ErrorResponse's JSON, for the counters; 0 where it does not start with it.
fn code_of(json: &[u8]) -> u8 {
    let digits = json.strip_prefix(b"{\"code\":").unwrap_or_default();
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0u8, |code, digit| {
        code.wrapping_mul(10).wrapping_add(digit - b'0')
    })
}
