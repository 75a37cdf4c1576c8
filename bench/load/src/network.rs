//! The loopback's floors: a round trip between two ends that spin, and the bandwidth of one stream.

use crate::arguments::Arguments;
use crate::error::LoadError;
use crate::events::Events;
use crate::latencies::Latencies;
use crate::stream::{connect, Clock};
use lance_engine::lwp::header::HEADER;
use serde_json::{json, Value};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

const SECOND: f64 = 1e9;
const KEPT: usize = 20_000;
const PIECE: usize = 256 << 10;

/// Runs it: half of the time round trips of a frame one way and an ack's bytes back, half a stream.
///
/// # Errors
/// Wrong flags, or a loopback that does not work.
pub fn run(mut arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    let frame = arguments.number("frame-bytes", 349_usize, 1, 1 << 20)?;
    let seconds = arguments.number("seconds", 2.0, 0.05, 3_600.0)?;
    let spin = arguments.number("spin", 1_u8, 0, 1)? == 1;
    arguments.finish()?;
    events.tell("floor", json!({ "part": "round trips" }));
    let (times, kept) = round_trips(frame, seconds / 2.0, spin, events)?;
    events.tell("floor", json!({ "part": "loopback" }));
    let bytes = stream(seconds / 2.0, events)?;
    Ok(
        json!({ "roundTrip": times.report(), "roundTripTimes": kept, "loopbackBytes": bytes, "spinning": spin }),
    )
}

fn pair() -> Result<(TcpStream, TcpStream), LoadError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(LoadError::system("listening"))?;
    let address = listener
        .local_addr()
        .map_err(LoadError::system("asking where it listens"))?;
    let near = connect(&address.to_string())?;
    let (far, _) = listener.accept().map_err(LoadError::system("accepting"))?;
    far.set_nodelay(true)
        .map_err(LoadError::system("setting TCP_NODELAY"))?;
    Ok((near, far))
}

/// Fills `to`, asking again and again without sleeping when the socket does not block.
fn fill(socket: &mut TcpStream, to: &mut [u8]) -> std::io::Result<bool> {
    let mut had = 0;
    while had < to.len() {
        match socket.read(&mut to[had..]) {
            Ok(0) => return Ok(false),
            Ok(count) => had += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn round_trips(
    frame: usize,
    seconds: f64,
    spin: bool,
    events: &Events,
) -> Result<(Latencies, Vec<u64>), LoadError> {
    let (mut near, mut far) = pair()?;
    for socket in [&near, &far] {
        socket
            .set_nonblocking(spin)
            .map_err(LoadError::system("making a socket non-blocking"))?;
    }
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let mut ping = vec![0; frame];
        while fill(&mut far, &mut ping)? {
            far.write_all(&[0; HEADER])?;
        }
        Ok(())
    });
    let mut times = Latencies::new()?;
    let mut kept = Vec::with_capacity(KEPT);
    let ping = vec![0; frame];
    let mut pong = [0; HEADER];
    let clock = Clock::start();
    let mut before = clock.now();
    // The first ones find cold caches.
    let warm = seconds * SECOND * 0.1;
    while (before as f64) < seconds * SECOND && !events.stopped() {
        near.write_all(&ping)
            .map_err(LoadError::system("sending a ping"))?;
        let alive = fill(&mut near, &mut pong).map_err(LoadError::system("waiting for a pong"))?;
        if !alive {
            return Err(LoadError::Protocol("the echo ended".into()));
        }
        let now = clock.now();
        if now as f64 >= warm {
            times.add(now - before);
            if kept.len() < KEPT {
                kept.push(now - before);
            }
        }
        before = now;
    }
    drop(near);
    match echo.join() {
        Ok(ended) => ended.map_err(LoadError::system("echoing"))?,
        Err(_) => return Err(LoadError::Protocol("the echo thread panicked".into())),
    }
    Ok((times, kept))
}

/// Bytes a second through one connection.
fn stream(seconds: f64, events: &Events) -> Result<f64, LoadError> {
    let (mut near, mut far) = pair()?;
    let sink = std::thread::spawn(move || -> std::io::Result<u64> {
        let mut piece = vec![0; PIECE];
        let mut all = 0;
        loop {
            match far.read(&mut piece)? {
                0 => return Ok(all),
                count => all += count as u64,
            }
        }
    });
    let piece = vec![0; PIECE];
    let clock = Clock::start();
    while (clock.now() as f64) < seconds * SECOND && !events.stopped() {
        near.write_all(&piece)
            .map_err(LoadError::system("sending"))?;
    }
    drop(near);
    let elapsed = || clock.now() as f64 / SECOND;
    match sink.join() {
        Ok(all) => Ok(all.map_err(LoadError::system("receiving"))? as f64 / elapsed()),
        Err(_) => Err(LoadError::Protocol("the sink thread panicked".into())),
    }
}
