//! `idle`: connections that said one valid frame and then nothing, kept open.

use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::stream::connect;
use crate::wire::{Inbox, Reply, KIND};
use lance_engine::lwp::header::{flag, Header};
use serde_json::{json, Value};
use std::io::{Read, Write};
use std::time::Duration;

/// Opens them, says so on stdout (`{"event":"open","connections":N}`), keeps them for `--seconds` and then checks each.
///
/// # Errors
/// The node takes fewer, or does not answer the first frame.
pub fn run(mut arguments: Arguments) -> Result<Value, LoadError> {
    let endpoint = arguments.required("endpoint")?;
    let count = arguments.number("connections", 2_000_usize, 1, 60_000)?;
    let seconds = arguments.number("seconds", 10_u64, 0, 86_400)?;
    arguments.finish()?;

    let keepalive = Header::bare(flag::KEEPALIVE).encode(KIND);
    let mut sockets = Vec::with_capacity(count);
    for number in 0..count {
        let mut socket = connect(&endpoint)?;
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .map_err(LoadError::system("setting a read timeout"))?;
        // A connection without a valid first frame would be closed after `limits.frame_timeout`.
        socket
            .write_all(&keepalive)
            .map_err(LoadError::system(format!(
                "first frame of connection {number}"
            )))?;
        let mut answer = [0; 4_096];
        let length = socket.read(&mut answer).map_err(LoadError::system(format!(
            "first answer to connection {number}"
        )))?;
        let mut inbox = Inbox::default();
        inbox.push(&answer[..length]);
        match inbox.next()? {
            Some(Reply::Keepalive) => sockets.push(socket),
            other => return Err(LoadError::Protocol(format!("{other:?} to a keepalive"))),
        }
    }
    println!("{}", json!({ "event": "open", "connections": count }));
    std::thread::sleep(Duration::from_secs(seconds));

    let mut closed = 0_u64;
    for socket in &mut sockets {
        let quiet = socket
            .set_nonblocking(true)
            .and_then(|()| socket.read(&mut [0; 64]));
        let open = matches!(&quiet, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        closed += u64::from(!open);
    }
    Ok(
        json!({ "scenario": "idle", "seconds": seconds, "connections": count, "closedByNode": closed }),
    )
}
