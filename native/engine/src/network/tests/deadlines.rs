use super::world::*;
use crate::limits::Limits;
use crate::lwp::header::flag;

#[test]
fn a_connection_without_a_valid_first_frame_is_closed_in_time() {
    let mut world = World::new();
    let silent = world.connect();
    let partial = world.connect();
    world.send(partial, &keepalive()[..20]);
    let spoke = world.connect();
    world.send(spoke, &keepalive());
    world.pass(29 * SECOND);
    assert!(!world.is_closed(silent) && !world.is_closed(partial));
    let deadline = world.deadline().expect("there is something to wait for");
    assert!(deadline <= world.now.mono_ns + 2 * SECOND);
    world.pass(2 * SECOND);
    assert!(world.is_closed(silent) && world.is_closed(partial));
    assert!(!world.is_closed(spoke));
    assert_eq!(world.count("connections_timed_out", ""), 2);
    world.pass(1000 * SECOND);
    assert!(!world.is_closed(spoke), "idle connections stay");
}

#[test]
fn a_frame_that_stays_incomplete_closes_its_connection_and_slow_bytes_do_not_help() {
    for len in [100, 2000, 100_000] {
        let mut world = World::new();
        let socket = world.connect();
        world.send(socket, &keepalive());
        let bytes = ingest(1, 7, &record(len, 1));
        for i in 0..29 {
            world.send(socket, &bytes[i..=i]);
            world.pass(SECOND);
        }
        assert!(!world.is_closed(socket));
        for i in 29..32 {
            if !world.is_closed(socket) {
                world.send(socket, &bytes[i..=i]);
            }
            world.pass(SECOND);
        }
        assert!(world.is_closed(socket), "a frame of {len}");
        world.assert_all_is_back();
    }
}

#[test]
fn a_frame_that_is_completed_late_but_in_time_starts_the_clock_anew() {
    let mut world = World::new();
    let socket = world.connect();
    let bytes = ingest(1, 7, &record(100, 1));
    for _ in 0..5 {
        world.send(socket, &bytes[..60]);
        world.pass(25 * SECOND);
        world.send(socket, &bytes[60..]);
        assert_eq!(world.taken().len(), 1);
        world.pass(25 * SECOND);
    }
    assert!(!world.is_closed(socket));
}

#[test]
fn an_idle_connection_is_closed_only_where_that_is_set_and_nothing_is_owed() {
    let mut world = World::with(Limits {
        idle_timeout_ns: 5 * SECOND,
        ..limits()
    });
    let idle = world.connect();
    world.send(idle, &keepalive());
    let busy = world.connect();
    world.send(busy, &ingest(1, 7, &record(9, 1)));
    let ticket = world.taken()[0].frame.ticket;
    for _ in 0..4 {
        world.pass(2 * SECOND);
    }
    assert!(world.is_closed(idle));
    assert!(!world.is_closed(busy));
    world.ack(ticket);
    for _ in 0..4 {
        world.pass(2 * SECOND);
    }
    assert!(world.is_closed(busy));
}

#[test]
fn keepalives_are_answered_from_a_bucket_and_the_owed_answer_comes_later() {
    let mut world = World::new();
    let socket = world.connect();
    let many: Vec<u8> = (0..30).flat_map(|_| keepalive()).collect();
    world.send(socket, &many);
    let answers = world.answers(socket);
    assert_eq!(answers.len(), 10);
    for (header, payload) in &answers {
        assert_eq!(header.flags, flag::KEEPALIVE);
        assert!(payload.is_empty());
    }
    world.pass(SECOND + SECOND / 10);
    assert_eq!(world.answers(socket).len(), 1);
    world.pass(10 * SECOND);
    assert!(world.answers(socket).is_empty(), "the others were absorbed");
    assert_eq!(world.count("keepalives_absorbed", ""), 19);
}

#[test]
fn a_peer_that_does_not_read_makes_way_when_memory_is_short() {
    let mut world = World::new();
    let stuck = world.connect();
    let fine = world.connect();
    world.ring.sockets.get_mut(&stuck).expect("a socket").reads = Some(100);
    let mut served = 0;
    for i in 0..7 {
        world.send(stuck, &fetch(7, 0, 100, i));
        for message in world.asked() {
            let crate::messages::ToIo::Fetch(fetch) = message else {
                continue;
            };
            world.fetched(fetch.request, &record(10_000, 1), 1);
            served += 1;
        }
    }
    assert_eq!(
        served, 3,
        "one is being sent, two wait; the fourth is not asked for"
    );
    world.pass(2 * SECOND);
    assert!(!world.is_closed(stuck), "nobody lacks anything");
    assert!(world.from_io.push(crate::messages::FromIo::Short).is_ok());
    world.pass(SECOND / 10);
    world.pass(SECOND / 10);
    assert!(world.is_closed(stuck));
    world.asked();
    assert_eq!(world.released, 3);
    world.send(fine, &keepalive());
    assert_eq!(world.answers(fine).len(), 1);
}
