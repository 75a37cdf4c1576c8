use super::world::*;
use crate::lwp::header::flag;
use crate::messages::FromIngest;
use crate::network::control_plane::HelloSettings;

#[test]
fn a_full_way_to_the_ingest_agent_leaves_sockets_unread_and_everything_comes_through_later() {
    let mut world = World::new();
    let sockets: Vec<_> = (0..4).map(|_| world.connect()).collect();
    let per_socket = 300u64;
    for (s, socket) in sockets.iter().enumerate() {
        let bytes: Vec<u8> = (0..per_socket)
            .flat_map(|i| ingest(i, 7, &record(40 + s, i as u8)))
            .collect();
        world.send(*socket, &bytes);
    }
    // The queue has 64 places; nobody has taken anything yet.
    assert!(world.count("backpressure_pauses", "") >= 4);
    assert!(sockets.iter().any(|socket| world.ring.unread(*socket) > 0));
    // Fetches of a connection that sends no ingests go on meanwhile.
    let reader = world.connect();
    world.send(reader, &fetch(7, 0, 10, 1));
    assert_eq!(world.asked().len(), 1);
    let mut taken = Vec::new();
    loop {
        let more = world.taken();
        if more.is_empty() {
            break;
        }
        for one in &more {
            world.ack(one.frame.ticket);
        }
        taken.extend(more);
    }
    assert_eq!(taken.len() as u64, 4 * per_socket);
    for socket in sockets {
        let answers = world.answers(socket);
        assert!(
            answers.iter().all(|(h, _)| h.flags == flag::ACK),
            "no backpressure frames"
        );
        assert!(answers.iter().map(|(h, _)| h.batch_id).eq(0..per_socket));
    }
    assert_eq!(world.count("paused_connections", ""), 0);
    world.assert_all_is_back();
}

#[test]
fn only_connections_that_said_hello_get_a_backpressure_frame() {
    let mut world = World::with(crate::limits::Limits {
        inflight_frames: 4096,
        ..limits()
    });
    let hello = world.connect();
    world.hello(hello, HelloSettings::default());
    let plain = world.connect();
    let bytes: Vec<u8> = (0..100)
        .flat_map(|i| ingest(i, 7, &record(40, 1)))
        .collect();
    world.send(hello, &bytes);
    world.send(plain, &bytes);
    let answers = world.answers(hello);
    assert_eq!(answers.len(), 1);
    assert_eq!(
        (answers[0].0.flags, answers[0].0.payload_len),
        (flag::BACKPRESSURE, 0)
    );
    assert!(world.answers(plain).is_empty());
    assert_eq!(world.count("backpressure_frames", ""), 1);
}

#[test]
fn bytes_in_flight_are_bounded_over_all_connections() {
    let mut world = World::new();
    let sockets: Vec<_> = (0..4).map(|_| world.connect()).collect();
    for socket in &sockets {
        world.send(*socket, &ingest(1, 7, &record(30_000, 1)));
    }
    // 64 KiB are allowed: two of them.
    let mut held = Vec::new();
    while let Some(frame) = world.ingest.pop() {
        held.push(frame);
    }
    assert_eq!(held.len(), 2);
    for frame in held {
        let consumed = FromIngest::Consumed(frame.source);
        world.from_ingest.push(consumed).expect("room");
    }
    world.run();
    assert_eq!(world.taken().len(), 2);
    world.assert_all_is_back();
}

#[test]
fn one_connection_does_not_take_the_whole_window() {
    let mut world = World::new();
    let greedy = world.connect();
    let other = world.connect();
    let bytes: Vec<u8> = (0..2000)
        .flat_map(|i| ingest(i, 7, &record(9, 1)))
        .collect();
    world.ring.peer_sends(greedy, &bytes);
    let mut taken = Vec::new();
    loop {
        world.run();
        let more = world.taken();
        if more.is_empty() {
            break;
        }
        taken.extend(more);
    }
    // A sixteenth of 1,024.
    assert_eq!(taken.len(), 64);
    world.send(other, &ingest(1, 7, &record(9, 1)));
    assert_eq!(world.taken().len(), 1);
    // Each ack that leaves makes room for another frame.
    let mut acked = 0;
    while let Some(one) = taken.pop() {
        world.ack(one.frame.ticket);
        acked += 1;
        taken.extend(world.taken());
    }
    assert_eq!(acked, 2000);
    let ids = world.answers(greedy);
    assert!(ids.iter().map(|(h, _)| h.batch_id).eq(0..2000));
}

#[test]
fn a_peer_that_does_not_read_its_acks_is_not_read_and_holds_up_nobody() {
    let mut world = World::new();
    let stuck = world.connect();
    world.ring.sockets.get_mut(&stuck).expect("a socket").reads = Some(0);
    let fine = world.connect();
    let bytes: Vec<u8> = (0..500).flat_map(|i| ingest(i, 7, &record(9, 1))).collect();
    world.ring.peer_sends(stuck, &bytes);
    for _ in 0..20 {
        world.run();
        for one in world.taken() {
            world.ack(one.frame.ticket);
        }
    }
    let (unread, in_flight) = (world.ring.unread(stuck), world.agent.tickets.in_flight());
    assert!(in_flight <= 64, "{in_flight} of its frames are kept");
    assert!(unread > 0 || in_flight > 0);
    world.send(fine, &ingest(1, 7, &record(9, 1)));
    let ticket = world.taken()[0].frame.ticket;
    world.ack(ticket);
    assert_eq!(world.answers(fine).len(), 1);
    // It reads again: everything comes.
    world.ring.sockets.get_mut(&stuck).expect("a socket").reads = None;
    for _ in 0..20 {
        world.run();
        for one in world.taken() {
            world.ack(one.frame.ticket);
        }
    }
    assert!(world
        .answers(stuck)
        .iter()
        .map(|(h, _)| h.batch_id)
        .eq(0..500));
}

#[test]
fn when_shared_buffers_run_out_connections_go_on_with_their_own_memory() {
    let mut world = World::new();
    let busy = world.connect();
    // Eight buffers, all of them lent to the ingest agent.
    for i in 0..8 {
        world.send(busy, &ingest(i, 7, &record(9, 1)));
    }
    assert_eq!(world.ring.lent(), 8);
    let other = world.connect();
    world.send(other, &fetch(7, 0, 10, 1));
    assert_eq!(world.asked().len(), 1);
    world.send(other, &ingest(1, 7, &record(100, 2)));
    world.send(busy, &ingest(8, 7, &record(3000, 1)));
    assert!(world.count("recv_buffers_exhausted", "") >= 1);
    assert_eq!(world.taken().len(), 10);
    world.assert_all_is_back();
}

#[test]
fn a_frame_that_arrived_in_shared_buffers_gets_a_slab_though_half_sent_ones_hold_most() {
    let mut world = World::with(crate::limits::Limits {
        connections: 64,
        recv_buffers: 64,
        ..limits()
    });
    let frame = ingest(1, 7, &record(900, 1));
    // Cut within the header, and within the payload: the rest of both comes in shared buffers.
    let cuts = [20, 500];
    let late: Vec<_> = cuts.iter().map(|_| world.connect()).collect();
    for (socket, cut) in late.iter().zip(cuts) {
        world.send(*socket, &frame[..cut]);
    }
    // Half-sent frames take all slabs that are for frames which have not arrived; the last of them wait.
    for _ in 0..40 {
        let socket = world.connect();
        world.send(socket, &frame[..500]);
    }
    assert!(!world.agent.wants_slab.is_empty());
    assert!(world.ring.lent() < 64, "there are shared buffers left");
    for (socket, cut) in late.iter().zip(cuts) {
        // In two pieces, so that one shared buffer does not hold it all.
        let (one, two) = frame[cut..].split_at((frame.len() - cut) / 2);
        world.ring.peer_sends(*socket, one);
        world.run();
        world.send(*socket, two);
        for _ in 0..100 {
            world.pass(2_000_000);
        }
        assert_eq!(world.taken().len(), 1, "the frame that was cut at {cut}");
    }
}
