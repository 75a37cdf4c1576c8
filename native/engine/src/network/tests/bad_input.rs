use super::world::*;
use crate::lwp::control::code;
use crate::lwp::header::{flag, Header};
use crate::messages::ChecksumKind;
use crate::node::LogEvent;

/// The connection was closed without a word.
fn closed_silently(world: &mut World, bytes: &[u8]) {
    let socket = world.connect();
    world.send(socket, bytes);
    assert!(world.is_closed(socket));
    assert!(world.answers(socket).is_empty());
    world.assert_all_is_back();
}

#[test]
fn wrong_magic_is_judged_at_four_bytes_and_closes_without_a_reply() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, b"GET");
    assert!(!world.is_closed(socket));
    world.send(socket, b" ");
    assert!(world.is_closed(socket));
    assert!(world.answers(socket).is_empty());
    assert_eq!(world.count("bad_frames", "kind=magic"), 1);
    closed_silently(
        &mut world,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: everything\r\n\r\n",
    );
    assert_eq!(world.count("bad_frames", "kind=magic"), 2);
}

#[test]
fn a_wrong_version_or_header_checksum_closes_without_a_reply() {
    let mut world = World::new();
    let mut version = keepalive();
    version[4] = 2;
    closed_silently(&mut world, &version);
    let mut sum = keepalive();
    sum[9] ^= 0x10;
    closed_silently(&mut world, &sum);
    assert_eq!(world.count("bad_frames", "kind=version"), 1);
    assert_eq!(world.count("bad_frames", "kind=header-checksum"), 1);
}

#[test]
fn the_first_frame_settles_the_checksum_for_good() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &keepalive());
    let other = frame_of(ChecksumKind::Crc32c, flag::KEEPALIVE, 0, 0, 0, &[]);
    world.send(socket, &other);
    assert!(world.is_closed(socket));
}

#[test]
fn a_frame_over_the_limit_is_answered_thrown_away_and_closed() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &ingest(1, 7, &record(9, 1)));
    let ticket = world.taken()[0].frame.ticket;
    let header = Header {
        flags: flag::BATCH,
        batch_id: 2,
        payload_len: 16 * 1024 * 1024 - 43,
        topic: 7,
        ..Header::default()
    };
    world.send(socket, &header.encode(KIND));
    for _ in 0..20 {
        world.send(socket, &[7; 1000]);
    }
    assert_eq!(world.ring.unread(socket), 0, "what follows is read");
    assert!(!world.is_closed(socket));
    world.ack(ticket);
    let answers = world.answers(socket);
    assert_eq!((answers[0].0.flags, answers[0].0.batch_id), (flag::ACK, 1));
    assert_eq!(error(&answers[1])["code"], 3);
    assert_eq!(error(&answers[1])["details"]["batch_id"], 2);
    world.pass(SECOND / 2);
    assert!(!world.is_closed(socket));
    world.pass(SECOND);
    assert!(world.is_closed(socket));
    world.assert_all_is_back();
}

#[test]
fn the_largest_length_that_fits_32_bits_is_only_too_large() {
    let mut world = World::new();
    let socket = world.connect();
    let header = Header {
        flags: flag::CONTROL,
        batch_id: code::FETCH,
        timestamp_ns: 9,
        payload_len: u32::MAX,
        ..Header::default()
    };
    world.send(socket, &header.encode(KIND));
    let answers = world.answers(socket);
    assert_eq!(error(&answers[0])["code"], 3);
    assert_eq!(answers[0].0.timestamp_ns, 9);
    world.ring.peer_closes(socket);
    world.run();
    assert!(world.is_closed(socket));
}

#[test]
fn a_wrong_payload_checksum_is_an_error_and_the_connection_stays() {
    let mut world = World::new();
    let socket = world.connect();
    for len in [10, 3000, 70_000] {
        let mut damaged = ingest(5, 7, &record(len, 1));
        *damaged.last_mut().expect("bytes") ^= 1;
        world.send(socket, &damaged);
        let answers = world.answers(socket);
        assert_eq!(error(&answers[0])["code"], 5);
        assert_eq!(error(&answers[0])["details"]["batch_id"], 5);
    }
    let mut damaged = fetch(7, 0, 1, 33);
    *damaged.last_mut().expect("bytes") ^= 1;
    world.send(socket, &damaged);
    let answers = world.answers(socket);
    assert_eq!(error(&answers[0])["code"], 5);
    assert_eq!(answers[0].0.timestamp_ns, 33);
    world.send(socket, &ingest(6, 7, &record(9, 1)));
    assert_eq!(world.taken().len(), 1);
    assert_eq!(world.count("bad_frames", "kind=payload-checksum"), 4);
    world.assert_all_is_back();
}

#[test]
fn flags_that_no_client_may_send_are_errors_that_name_the_batch_where_there_is_one() {
    let mut world = World::new();
    let socket = world.connect();
    for flags in [
        0,
        flag::ACK,
        flag::BACKPRESSURE,
        flag::COMPRESSED,
        flag::ENCRYPTED,
        flag::BATCH | flag::ENCRYPTED,
        flag::BATCH | flag::CONTROL,
        flag::CONTROL | flag::KEEPALIVE,
        flag::BATCH | flag::ACK,
        0x80,
        0xFF,
    ] {
        world.send(socket, &frame(flags, 12, 0, 7, &record(9, 1)));
        let answers = world.answers(socket);
        assert_eq!(error(&answers[0])["code"], 1, "flags {flags:#x}");
        let names_batch = flags & flag::BATCH != 0;
        assert_eq!(error(&answers[0])["details"]["batch_id"] == 12, names_batch);
    }
    assert!(world.taken().is_empty());
    world.assert_all_is_back();
}

#[test]
fn unknown_commands_and_answers_sent_as_requests_are_errors_with_their_timestamp() {
    let mut world = World::new();
    let socket = world.connect();
    for code in [0x11, 0x80, 0xFF, 0x99, 1 << 32 | code::FETCH] {
        world.send(socket, &control(code, 44, &[0; 16]));
        let answers = world.answers(socket);
        assert_eq!(error(&answers[0])["code"], 1);
        assert_eq!(answers[0].0.timestamp_ns, 44);
    }
    assert!(world.asked().is_empty());
}

#[test]
fn what_lwp_says_to_ignore_is_ignored() {
    let mut world = World::new();
    let socket = world.connect();
    // A keepalive's payload, even with a wrong checksum.
    let mut alive = frame(flag::KEEPALIVE, 0, 0, 0, b"whatever");
    *alive.last_mut().expect("bytes") ^= 1;
    world.send(socket, &alive);
    // A payload checksum without payload.
    let mut sum = control(code::LIST_TOPICS, 0, &[]);
    sum[36] = 9;
    world.send(socket, &sum);
    // Reserved bytes other than 0.
    let mut reserved = keepalive();
    reserved[6] = 1;
    let header_sum = crate::checksum::checksum(KIND, &reserved[..8]);
    reserved[8..12].copy_from_slice(&header_sum.to_le_bytes());
    world.send(socket, &reserved);
    let answers = world.answers(socket);
    assert_eq!(answers.len(), 2);
    assert!(answers
        .iter()
        .all(|(header, _)| header.flags == flag::KEEPALIVE));
    assert_eq!(world.asked_plane().len(), 1);
}

#[test]
fn an_empty_ingest_is_refused_with_its_batch() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &ingest(3, 7, &[]));
    let answers = world.answers(socket);
    assert_eq!(error(&answers[0])["code"], 4);
    assert_eq!(error(&answers[0])["details"]["batch_id"], 3);
}

#[test]
fn bad_peers_are_logged_once_a_second() {
    // The fake ring's descriptors have no peer, so a real socket pair stands behind one.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let client =
        std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
    let accepted = listener.accept().expect("accepts").0;
    let mut world = World::new();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&accepted);
    for _ in 0..3 {
        world.ring.connect_as(descriptor);
        world.run();
        world.send(descriptor, b"HELO");
    }
    let Some(LogEvent::BadPeer {
        peer,
        what,
        unreported,
    }) = world.log.pop()
    else {
        panic!("an event");
    };
    assert_eq!(peer, client.local_addr().expect("connected"));
    assert_eq!((what, unreported), ("magic", 0));
    assert!(world.log.pop().is_none());
    world.pass(SECOND);
    world.ring.connect_as(descriptor);
    world.run();
    world.send(descriptor, b"HELO");
    assert!(matches!(
        world.log.pop(),
        Some(LogEvent::BadPeer { unreported: 2, .. })
    ));
}

#[test]
fn connections_above_the_limit_are_told_so_in_answer_to_their_first_frame() {
    let mut world = World::new();
    let open: Vec<_> = (0..8).map(|_| world.connect()).collect();
    let extra = world.connect();
    world.send(extra, &control(code::LIST_TOPICS, 5, &[]));
    let answers = world.answers(extra);
    assert_eq!(error(&answers[0])["code"], 0x32);
    assert_eq!(answers[0].0.timestamp_ns, 5);
    assert!(world.asked_plane().is_empty());
    world.pass(2 * SECOND);
    assert!(world.is_closed(extra));
    assert_eq!(world.count("connections_refused", ""), 1);
    // The others are served, and when one goes another may come.
    world.send(open[0], &keepalive());
    assert_eq!(world.answers(open[0]).len(), 1);
    world.ring.peer_closes(open[1]);
    world.run();
    let next = world.connect();
    world.send(next, &keepalive());
    assert_eq!(world.answers(next)[0].0.flags, flag::KEEPALIVE);
}

#[test]
fn two_thousand_silent_or_half_sent_connections_do_not_keep_others_from_being_served() {
    let mut world = World::with(crate::limits::Limits {
        connections: 2100,
        ..limits()
    });
    let healthy = world.connect();
    world.send(healthy, &ingest(1, 7, &record(100, 1)));
    assert_eq!(world.taken().len(), 1);
    let frames = [
        Vec::new(),
        ingest(1, 7, &record(300, 1))[..200].to_vec(),
        ingest(1, 7, &record(3000, 1))[..2000].to_vec(),
        ingest(1, 7, &record(60_000, 1))[..9000].to_vec(),
        ingest(1, 7, &record(1_000_000, 1))[..20_000].to_vec(),
    ];
    for i in 0..2000 {
        let socket = world.connect();
        world.send(socket, &frames[i % frames.len()]);
    }
    assert!(world.taken().is_empty());
    for len in [10, 400, 3000, 20_000, 200_000, 1_000_000] {
        world.send(healthy, &ingest(2, 7, &record(len, 2)));
        world.pass(2_000_000);
        let mut taken = world.taken();
        for _ in 0..100 {
            world.pass(2_000_000);
            taken.extend(world.taken());
        }
        assert_eq!(taken.len(), 1, "a frame of {len}");
        world.ack(taken[0].frame.ticket);
        world.send(healthy, &fetch(7, 0, 10, 1));
        let asked = world.asked();
        let [crate::messages::ToIo::Fetch(fetch)] = asked.as_slice() else {
            panic!("the fetch goes to the engine");
        };
        world.fetched(fetch.request, &record(5, 1), 1);
    }
    world.pass(31 * SECOND);
    world.pass(SECOND);
    world.pass(SECOND);
    assert!(!world.is_closed(healthy));
    assert_eq!(world.count("connections_open", ""), 1);
}
