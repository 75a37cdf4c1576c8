//! `round-trip`: the loopback's own floor. A frame's bytes go to an echo thread of this program, an ack's bytes come back.

use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::samples::Samples;
use crate::stream::{connect, Clock};
use crate::wait::{precise_timers, wait_one};
use crate::wire::Batch;
use lance_engine::lwp::header::HEADER;
use serde_json::{json, Value};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Runs it: `latency` from the time a ping was due (with `--rate 0`: was sent) until its echo was read.
///
/// # Errors
/// Wrong flags, or a loopback that does not work.
pub fn run(mut arguments: Arguments) -> Result<Value, LoadError> {
    let rate = arguments.number("rate", 5_000_u64, 0, 1_000_000)?;
    let record_size = arguments.number("record-size", 300_u32, 0, 65_536)?;
    let warmup = arguments.number("warmup", 1_u64, 0, 3_600)?;
    let seconds = arguments.number("seconds", 5_u64, 1, 86_400)?;
    arguments.finish()?;

    let batch = Batch::new(record_size, 1);
    let ping = [&batch.header(1, 0)[..], batch.payload()].concat();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(LoadError::system("listening"))?;
    let address = listener
        .local_addr()
        .map_err(LoadError::system("asking where it listens"))?;
    let length = ping.len();
    let echo = std::thread::spawn(move || echo(&listener, length));

    let mut socket = connect(&address.to_string())?;
    precise_timers();
    let measured_from = warmup * SECOND;
    let until = measured_from + seconds * SECOND;
    let mut latency = Samples::with_room_for(1 << 20);
    let mut pong = [0; HEADER];
    let clock = Clock::start();
    let mut number = 0_u64;
    loop {
        let due = (number * SECOND)
            .checked_div(rate)
            .unwrap_or_else(|| clock.now());
        if due >= until {
            break;
        }
        while let Some(ahead) = due.checked_sub(clock.now()).filter(|&ahead| ahead > 0) {
            wait_one(socket.as_raw_fd(), false, Duration::from_nanos(ahead))?;
        }
        socket
            .write_all(&ping)
            .map_err(LoadError::system("sending a ping"))?;
        socket
            .read_exact(&mut pong)
            .map_err(LoadError::system("waiting for a pong"))?;
        if due >= measured_from {
            latency.add(clock.now() - due);
        }
        number += 1;
    }
    drop(socket);
    match echo.join() {
        Ok(result) => result.map_err(LoadError::system("echoing"))?,
        Err(_) => return Err(LoadError::Protocol("the echo thread panicked".into())),
    }
    Ok(json!({
        "scenario": "round-trip",
        "seconds": seconds,
        "config": { "rate": rate, "recordSize": record_size },
        "latency": latency.report(),
    }))
}

fn echo(listener: &TcpListener, length: usize) -> std::io::Result<()> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let mut ping = vec![0; length];
    loop {
        match socket.read_exact(&mut ping) {
            Ok(()) => socket.write_all(&[0; HEADER])?,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
