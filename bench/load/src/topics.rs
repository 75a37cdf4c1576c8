//! Topics for a run, created through LWP.

use crate::error::LoadError;
use crate::stream::connect;
use crate::wire::{control, Inbox, Reply};
use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CREATE_TOPIC: u64 = 0x01;
const TOPIC_RESPONSE: u64 = 0x80;
/// Creating a topic flushes several files: on a busy disk that takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Creates `count` topics with the node's default durability and returns their ids.
///
/// # Errors
/// The node refuses, answers nonsense, or does not answer for 30 s.
pub fn create(endpoint: &str, count: u32) -> Result<Vec<u32>, LoadError> {
    let mut socket = connect(endpoint)?;
    socket
        .set_read_timeout(Some(PATIENCE))
        .map_err(LoadError::system("setting a read timeout"))?;
    let mut inbox = Inbox::default();
    let mut ids = Vec::with_capacity(count as usize);
    // Names of one run do not meet those of another on the same node.
    let run = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    for number in 0..count {
        let name = format!("load-{run}-{number}");
        socket
            .write_all(&control(CREATE_TOPIC, name.as_bytes()))
            .map_err(LoadError::system("asking for a topic"))?;
        ids.push(topic_id(&mut socket, &mut inbox)?);
    }
    Ok(ids)
}

fn topic_id(socket: &mut impl Read, inbox: &mut Inbox) -> Result<u32, LoadError> {
    let mut received = [0; 4_096];
    loop {
        match inbox.next()? {
            Some(Reply::Control(TOPIC_RESPONSE, payload)) => {
                let json: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
                return json["id"]
                    .as_u64()
                    .and_then(|id| u32::try_from(id).ok())
                    .ok_or_else(|| LoadError::Protocol("a TopicResponse without an id".into()));
            }
            Some(Reply::Error(code, message)) => return Err(LoadError::Refused(code, message)),
            Some(other) => return Err(LoadError::Protocol(format!("{other:?} to CreateTopic"))),
            None => {}
        }
        let count = socket
            .read(&mut received)
            .map_err(LoadError::system("waiting for a topic"))?;
        if count == 0 {
            return Err(LoadError::Protocol("it closed a connection".into()));
        }
        inbox.push(&received[..count]);
    }
}
