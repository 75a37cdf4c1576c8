use super::world::*;
use crate::error::{ErrorCode, Reason, Refusal};
use crate::lwp::header::flag;
use crate::messages::ChecksumKind;
use crate::network::control_plane::HelloSettings;

fn unknown(topic: u32) -> Refusal {
    Refusal {
        code: ErrorCode::TopicNotFound,
        reason: Reason::TopicUnknown,
        value: u64::from(topic),
        bound: 0,
    }
}

#[test]
fn an_ack_carries_the_batch_id_and_nothing_else_in_the_checksum_of_the_connection() {
    for kind in [ChecksumKind::Crc32, ChecksumKind::Crc32c] {
        let mut world = World::new();
        let socket = world.connect();
        let frame = frame_of(kind, flag::BATCH, u64::MAX, 5, 7, &record(9, 1));
        world.send(socket, &frame);
        let ticket = world.taken()[0].frame.ticket;
        assert!(
            world.answers(socket).is_empty(),
            "no ack before the storage says so"
        );
        world.ack(ticket);
        let sent = world.ring.sockets[&socket].outbound.clone();
        let expected = crate::lwp::header::Header::ack(u64::MAX, 0).encode(kind);
        assert_eq!(sent, expected);
    }
}

#[test]
fn acks_and_errors_leave_in_the_order_of_the_frames() {
    let mut world = World::new();
    let socket = world.connect();
    let mut bytes: Vec<u8> = (1..=3).flat_map(|i| ingest(i, 7, &record(9, 1))).collect();
    let mut damaged = ingest(4, 7, &record(9, 1));
    *damaged.last_mut().expect("bytes") ^= 1;
    bytes.extend(damaged);
    bytes.extend(ingest(5, 8, &record(9, 1)));
    world.send(socket, &bytes);
    let tickets: Vec<_> = world.taken().iter().map(|t| t.frame.ticket).collect();
    assert_eq!(tickets.len(), 4);
    world.ack(tickets[2]);
    world.refuse_ingest(tickets[3], unknown(8));
    world.ack(tickets[1]);
    assert!(world.answers(socket).is_empty());
    world.ack(tickets[0]);
    let answers = world.answers(socket);
    assert_eq!(answers.len(), 5);
    for (i, answer) in answers[..3].iter().enumerate() {
        assert_eq!(
            (answer.0.flags, answer.0.batch_id),
            (flag::ACK, i as u64 + 1)
        );
    }
    assert_eq!(error(&answers[3])["code"], 5);
    assert_eq!(error(&answers[3])["details"]["batch_id"], 4);
    assert_eq!(error(&answers[4])["code"], 0x10);
    assert_eq!(error(&answers[4])["details"]["batch_id"], 5);
    assert_eq!(world.count("acks", ""), 3);
    assert_eq!(world.count("errors", "code=0x05"), 1);
}

#[test]
fn after_hello_asked_for_it_topics_do_not_wait_for_each_other() {
    let mut world = World::new();
    let socket = world.connect();
    let settings = HelloSettings {
        order_by_topic: true,
        linearizable: false,
    };
    world.hello(socket, settings);
    let bytes: Vec<u8> = [(1, 7), (2, 8), (3, 7), (4, 8)]
        .into_iter()
        .flat_map(|(batch, topic)| ingest(batch, topic, &record(9, 1)))
        .collect();
    world.send(socket, &bytes);
    let tickets: Vec<_> = world.taken().iter().map(|t| t.frame.ticket).collect();
    world.ack(tickets[3]);
    assert!(world.answers(socket).is_empty());
    world.ack(tickets[1]);
    let ids = |world: &mut World| -> Vec<u64> {
        world
            .answers(socket)
            .iter()
            .map(|(h, _)| h.batch_id)
            .collect()
    };
    assert_eq!(ids(&mut world), [2, 4]);
    world.ack(tickets[0]);
    world.ack(tickets[2]);
    assert_eq!(ids(&mut world), [1, 3]);
}

#[test]
fn many_acks_leave_in_one_send() {
    let mut world = World::new();
    let socket = world.connect();
    let bytes: Vec<u8> = (0..50).flat_map(|i| ingest(i, 7, &record(9, 1))).collect();
    world.send(socket, &bytes);
    let tickets: Vec<_> = world.taken().iter().map(|t| t.frame.ticket).collect();
    for ticket in tickets {
        let acked = crate::messages::FromIo::Acked {
            ticket,
            stable_ns: 0,
        };
        world.from_io.push(acked).expect("room");
    }
    let before = world.count("bytes_out", "");
    world.run();
    assert_eq!(world.count("bytes_out", "") - before, 50 * 44);
    assert_eq!(world.answers(socket).len(), 50);
    assert_eq!(world.ring.sends, 1);
}
