//! Waiting, waking, and what there is to serve.

use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use super::*;
use crate::node::Backend;

#[test]
fn another_thread_ends_a_park() {
    each(SMALL, None, |driven| {
        let features = match driven.ring.backend() {
            "io_uring" => Some(features()),
            _ => None,
        };
        let waker = driven.ring.waker();
        let up = Arc::new(AtomicBool::new(false));
        let seen = up.clone();
        let other = std::thread::spawn(move || {
            let (mut ring, _) = Chosen { features }.open(&SMALL, None).unwrap();
            let mut control = ControlWaker::new(&Chosen { features }).unwrap();
            // Again and again, since one may come before the park: a wake-up is remembered by nobody but the queue.
            while !seen.load(Ordering::Acquire) {
                ring.wake(waker);
                ring.turn(&mut Vec::new());
                control.wake(waker).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let start = Instant::now();
        driven.ring.park(60_000_000_000);
        let waited = start.elapsed();
        up.store(true, Ordering::Release);
        other.join().unwrap();
        assert!(waited < Duration::from_secs(60), "woken, not timed out");
        driven.ring.turn(&mut driven.seen);
        assert!(driven.seen.is_empty(), "a wake-up is no completion");
    });
}

#[test]
fn a_wake_up_sent_before_the_park_ends_it_at_once() {
    each(SMALL, None, |driven| {
        let features = (driven.ring.backend() == "io_uring").then(features);
        let mut control = ControlWaker::new(&Chosen { features }).unwrap();
        control.wake(driven.ring.waker()).unwrap();
        let start = Instant::now();
        driven.ring.park(60_000_000_000);
        assert!(start.elapsed() < Duration::from_secs(60));
    });
}

#[test]
fn a_park_ends_by_itself_when_its_time_is_up() {
    each(SMALL, None, |driven| {
        let start = Instant::now();
        driven.ring.park(20_000_000);
        assert!(start.elapsed() >= Duration::from_millis(19));
        driven.ring.turn(&mut driven.seen);
        assert!(driven.seen.is_empty());
    });
}

#[test]
fn a_completion_ends_a_park() {
    each(SMALL, None, |driven| {
        let (mut client, server) = loopback();
        driven.ring.recv_shared(server.as_raw_fd(), true, token(1));
        driven.ring.turn(&mut driven.seen);
        let writer = std::thread::spawn(move || {
            client.write_all(b"x").unwrap();
            client
        });
        let start = Instant::now();
        driven.ring.park(60_000_000_000);
        assert!(start.elapsed() < Duration::from_secs(60));
        assert_eq!(driven.wait(token(1)).result, 1);
        drop(writer.join().unwrap());
    });
}

#[test]
fn an_idle_turn_makes_no_system_call() {
    let features = features();
    if features.lacking().is_some() || !features.defer_taskrun {
        eprintln!("skipped: io_uring with DEFER_TASKRUN is not to be had here");
        return;
    }
    let features = Some(features);
    let (mut ring, _) = Chosen { features }.open(&SMALL, None).unwrap();
    let (mut client, server) = loopback();
    let mut out = Vec::with_capacity(TURN_COMPLETIONS);
    ring.recv_shared(server.as_raw_fd(), true, token(1));
    ring.turn(&mut out);
    let before = ring.stats();
    for _ in 0..1000 {
        ring.turn(&mut out);
    }
    assert_eq!(ring.stats(), before);
    client.write_all(b"x").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while out.is_empty() && Instant::now() < deadline {
        ring.turn(&mut out);
    }
    assert_eq!(out.len(), 1, "and yet nothing is missed");
    assert_eq!(ring.stats().enters, before.enters + 1);
    drop(server);
}

#[test]
fn features_that_are_missing_are_named() {
    let starved = Features::default();
    assert!(starved.lacking().unwrap().contains("LimitMEMLOCK"));
    let none = Features {
        memory: true,
        ..starved
    };
    assert!(none.lacking().unwrap().contains("io_uring"));
    let (chosen, announced) = Chosen::by(Backend::Auto, &none).unwrap();
    assert_eq!(chosen.features, None);
    assert!(announced[0].contains("pwritev2"), "{announced:?}");
    let refused = Chosen::by(Backend::IoUring, &none).unwrap_err();
    assert!(refused.to_string().contains("io.backend"), "{refused}");
    let old = Features {
        io_uring: true,
        ext_arg: true,
        nodrop: true,
        buffer_ring: true,
        msg_ring: true,
        operations: true,
        ..none
    };
    let (chosen, announced) = Chosen::by(Backend::Auto, &old).unwrap();
    assert_eq!(chosen.features, Some(old));
    assert!(announced.iter().any(|a| a.contains("DEFER_TASKRUN")));
}
