//! Control commands, decoded, and their answers (lwp.md, "Control commands").

mod answers;
pub mod code;

pub use answers::{consumer_offset, fetch_header, location, FETCH_HEADER};

use crate::error::{ErrorCode, Reason, Refusal};
use crate::messages::LocateBy;

/// Asks where the end is.
pub const OFFSET_END: u64 = u64::MAX;
/// The Python client's END, which the first use pins for its connection and topic.
pub const OFFSET_PINNED_END: u64 = (1 << 63) - 1;
/// Bytes of a topic name at most.
pub const MAX_NAME: usize = 249;
/// Bytes of the payload of a request that the control plane answers, at most.
pub const MAX_PLANE_REQUEST: usize = 8 * 1024;
/// Most data of one fetch response: the published clients take no frame above 16 MiB.
pub const MAX_FETCH_DATA: u32 = 16 * 1024 * 1024 - 60;

/// A command whose payload has the right form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// For the control plane, payload as it is.
    Plane,
    Fetch {
        topic: u32,
        offset: u64,
        max_bytes: u32,
    },
    /// FetchWait and, with `batches`, FetchBatches.
    FetchWait {
        topic: u32,
        offset: u64,
        max_bytes: u32,
        min_bytes: u32,
        max_wait_ms: u32,
        batches: bool,
    },
    Subscribe {
        topic: u32,
        offset: u64,
        consumer: u64,
    },
    Unsubscribe {
        consumer: u64,
    },
    Commit {
        topic: u32,
        consumer: u64,
        offset: u64,
    },
    Locate {
        topic: u32,
        by: LocateBy,
    },
    GetCommitted {
        topic: u32,
        consumer: u64,
    },
}

/// Whether the answer to a code takes the control plane: it then stands in that order, also where it is a refusal.
#[must_use]
pub fn is_plane(code: u64) -> bool {
    matches!(
        code,
        code::CREATE_TOPIC
            ..=code::AUTHENTICATE | code::HELLO | code::SET_TOPIC | code::DESCRIBE_TOPIC
    )
}

/// Whether a code is a fetch that waits: matched by its echo, outside of both orders, and only after Hello.
#[must_use]
pub fn is_wait(code: u64) -> bool {
    matches!(code, code::FETCH_WAIT | code::FETCH_BATCHES)
}

/// Decodes the payload of a command.
///
/// # Errors
/// 0x01: no command. 0x04: cut short, too long, an unknown Locate kind. 0x12: an empty or impossible topic name.
pub fn decode(code: u64, payload: &[u8]) -> Result<Request, Refusal> {
    let mut fields = Fields(payload);
    let request = match code {
        code::CREATE_TOPIC => {
            check_name(payload)?;
            return Ok(Request::Plane);
        }
        code::DELETE_TOPIC | code::GET_TOPIC | code::DESCRIBE_TOPIC => {
            fields.fixed(4)?;
            return Ok(Request::Plane);
        }
        code::LIST_TOPICS | code::GET_CLUSTER_STATUS => {
            fields.fixed(0)?;
            return Ok(Request::Plane);
        }
        code::SET_RETENTION => {
            fields.fixed(20)?;
            return Ok(Request::Plane);
        }
        code::CREATE_TOPIC_WITH_RETENTION => {
            fields.at_least(2)?;
            let name = fields.u16() as usize;
            Fields(payload).fixed(2 + name + 16)?;
            check_name(payload.get(2..2 + name).unwrap_or_default())?;
            return Ok(Request::Plane);
        }
        code::AUTHENTICATE | code::HELLO => {
            fields.at_most(MAX_PLANE_REQUEST)?;
            return Ok(Request::Plane);
        }
        code::SET_TOPIC => {
            fields.at_least(4)?;
            fields.at_most(MAX_PLANE_REQUEST)?;
            return Ok(Request::Plane);
        }
        code::FETCH => {
            fields.fixed(16)?;
            Request::Fetch {
                topic: fields.u32(),
                offset: fields.u64(),
                max_bytes: fields.u32(),
            }
        }
        code::FETCH_WAIT | code::FETCH_BATCHES => {
            fields.fixed(24)?;
            Request::FetchWait {
                topic: fields.u32(),
                offset: fields.u64(),
                max_bytes: fields.u32(),
                min_bytes: fields.u32(),
                max_wait_ms: fields.u32(),
                batches: code == code::FETCH_BATCHES,
            }
        }
        code::SUBSCRIBE => {
            fields.fixed(24)?;
            let topic = fields.u32();
            let offset = fields.u64();
            let _max_batch = fields.u32();
            Request::Subscribe {
                topic,
                offset,
                consumer: fields.u64(),
            }
        }
        code::UNSUBSCRIBE => {
            fields.fixed(12)?;
            let _topic = fields.u32();
            Request::Unsubscribe {
                consumer: fields.u64(),
            }
        }
        code::COMMIT_OFFSET => {
            fields.fixed(20)?;
            Request::Commit {
                topic: fields.u32(),
                consumer: fields.u64(),
                offset: fields.u64(),
            }
        }
        code::LOCATE => {
            fields.fixed(21)?;
            Request::Locate {
                topic: fields.u32(),
                by: fields.locate()?,
            }
        }
        code::GET_COMMITTED => {
            fields.fixed(12)?;
            Request::GetCommitted {
                topic: fields.u32(),
                consumer: fields.u64(),
            }
        }
        _ => {
            return Err(Refusal {
                code: ErrorCode::Unknown,
                reason: Reason::CommandUnknown,
                value: code,
                bound: 0,
            })
        }
    };
    Ok(request)
}

fn check_name(name: &[u8]) -> Result<(), Refusal> {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    if name.is_empty()
        || name.len() > MAX_NAME
        || !name.iter().all(allowed)
        || name == b"."
        || name == b".."
    {
        return Err(Refusal {
            code: ErrorCode::InvalidTopicName,
            reason: Reason::NameInvalid,
            value: name.len() as u64,
            bound: MAX_NAME as u64,
        });
    }
    Ok(())
}

/// Fields of a payload, taken from the front. The length is checked first; a field beyond it reads as 0.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn at_least(&self, bytes: usize) -> Result<(), Refusal> {
        self.form(self.0.len() >= bytes, Reason::RequestCut, bytes)
    }
    fn at_most(&self, bytes: usize) -> Result<(), Refusal> {
        self.form(self.0.len() <= bytes, Reason::RequestTooLong, bytes)
    }
    fn fixed(&self, bytes: usize) -> Result<(), Refusal> {
        self.at_least(bytes)?;
        self.at_most(bytes)
    }
    fn form(&self, holds: bool, reason: Reason, bound: usize) -> Result<(), Refusal> {
        if holds {
            return Ok(());
        }
        Err(Refusal {
            code: ErrorCode::InvalidPayload,
            reason,
            value: self.0.len() as u64,
            bound: bound as u64,
        })
    }
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else {
            return [0; N];
        };
        self.0 = rest;
        *field
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
    fn locate(&mut self) -> Result<LocateBy, Refusal> {
        let [kind] = self.take();
        let (first, second) = (self.u64(), self.u64());
        match kind {
            0 => Ok(LocateBy::Record(first)),
            1 => Ok(LocateBy::Time(first)),
            2 => Ok(LocateBy::Key(first, second)),
            3 => Ok(LocateBy::Offset(first)),
            _ => Err(Refusal {
                code: ErrorCode::InvalidPayload,
                reason: Reason::LocateKindUnknown,
                value: u64::from(kind),
                bound: 3,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
