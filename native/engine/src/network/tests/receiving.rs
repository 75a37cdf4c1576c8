use super::world::*;
use crate::messages::Source;

#[test]
fn small_frames_are_handed_over_where_they_were_received() {
    let mut world = World::new();
    let socket = world.connect();
    let frames: Vec<u8> = (0..10)
        .flat_map(|i| ingest(i, 7, &record(50, i as u8)))
        .collect();
    world.send(socket, &frames);
    let taken = world.taken();
    assert_eq!(taken.len(), 10);
    for (i, taken) in taken.iter().enumerate() {
        assert_eq!(taken.payload, record(50, i as u8));
        assert!(matches!(taken.frame.source, Source::Shared(_)));
        let frame = taken.frame;
        assert_eq!((frame.topic, frame.records, frame.producer_ns), (7, 1, 77));
        assert_eq!(frame.received_ns, world.now.wall_ns);
        assert_eq!(frame.enqueued_mono_ns, world.now.mono_ns);
    }
    world.assert_all_is_back();
}

#[test]
fn a_shared_buffer_stays_lent_until_its_last_frame_is_consumed() {
    let mut world = World::new();
    let socket = world.connect();
    let two = [ingest(1, 7, &record(50, 1)), ingest(2, 7, &record(50, 2))].concat();
    world.send(socket, &two);
    let (first, second) = (world.ingest.pop(), world.ingest.pop());
    let sources = [first, second].map(|frame| frame.expect("a frame").source);
    for (i, source) in sources.into_iter().enumerate() {
        assert_eq!(world.ring.lent(), 1, "before frame {i} is consumed");
        world
            .from_ingest
            .push(crate::messages::FromIngest::Consumed(source))
            .expect("room");
        world.run();
    }
    world.assert_all_is_back();
}

#[test]
fn frames_of_every_size_come_through_in_any_pieces() {
    let sizes = [
        1, 100, 463, 464, 600, 3000, 4100, 9000, 70_000, 300_000, 100, 5000, 20, 20, 20, 20, 20,
    ];
    for trickle in [None, Some(1), Some(7), Some(44), Some(1000), Some(4096)] {
        let mut world = World::new();
        let socket = world.connect();
        world
            .ring
            .sockets
            .get_mut(&socket)
            .expect("a socket")
            .trickle = trickle;
        let bytes: Vec<u8> = sizes
            .iter()
            .enumerate()
            .flat_map(|(i, &len)| ingest(i as u64, 7, &record(len, i as u8)))
            .collect();
        world.ring.peer_sends(socket, &bytes);
        let mut taken = Vec::new();
        for _ in 0..2 * sizes.len() {
            world.run();
            taken.extend(world.taken());
        }
        assert_eq!(taken.len(), sizes.len(), "trickle {trickle:?}");
        for (i, (taken, &len)) in taken.iter().zip(&sizes).enumerate() {
            assert!(
                taken.payload == record(len, i as u8),
                "frame {i}, {trickle:?}"
            );
            world.ack(taken.frame.ticket);
        }
        let acks: Vec<u64> = world
            .answers(socket)
            .iter()
            .map(|(h, _)| h.batch_id)
            .collect();
        assert_eq!(acks, (0..sizes.len() as u64).collect::<Vec<_>>());
        world.assert_all_is_back();
    }
}

#[test]
fn large_frames_are_received_straight_into_their_slabs() {
    let mut world = World::new();
    let socket = world.connect();
    let payload = record(60_000, 5);
    for i in 0..4 {
        world.send(socket, &ingest(i, 7, &payload));
        assert!(world.taken()[0].payload == payload);
    }
    let (shared, into) = world.ring.submitted;
    // Once away from the shared buffers, a header and the rest of its frame are two receives each.
    assert_eq!(shared, 1);
    assert!(into <= 8, "{into} receives for 4 frames");
    // Small ones bring it back.
    for i in 0..6 {
        world.send(socket, &ingest(i, 7, &record(10, 1)));
    }
    assert_eq!(world.taken().len(), 6);
    assert_eq!(world.ring.submitted.0, 2);
    world.assert_all_is_back();
}

#[test]
fn a_frame_of_the_largest_size_is_taken() {
    let limits = limits();
    let mut world = World::with(crate::limits::Limits {
        inflight_bytes: 1,
        ..limits.clone()
    });
    let socket = world.connect();
    let payload = record(limits.max_frame as usize - 44 - 5, 9);
    world.send(socket, &ingest(1, 7, &payload));
    assert!(world.taken()[0].payload == payload);
    world.assert_all_is_back();
}

#[test]
fn control_frames_between_ingests_are_answered_whatever_their_place() {
    for trickle in [None, Some(3)] {
        let mut world = World::new();
        let socket = world.connect();
        world
            .ring
            .sockets
            .get_mut(&socket)
            .expect("a socket")
            .trickle = trickle;
        let bytes = [
            ingest(1, 7, &record(2000, 1)),
            keepalive(),
            fetch(7, 0, 100, 5),
            ingest(2, 7, &record(6000, 2)),
            keepalive(),
        ]
        .concat();
        world.send(socket, &bytes);
        assert_eq!(world.taken().len(), 2);
        assert_eq!(world.asked().len(), 1);
        assert_eq!(world.answers(socket).len(), 2);
        world.assert_all_is_back();
    }
}
