use super::world::*;
use crate::lwp::control::code;
use crate::lwp::header::flag;
use crate::network::control_plane::HelloSettings;

#[test]
fn requests_for_the_control_plane_arrive_whole_and_are_answered_in_order() {
    let mut world = World::new();
    let socket = world.connect();
    let requests = [
        (code::CREATE_TOPIC, b"events".to_vec()),
        (
            code::SET_TOPIC,
            [&[7, 0, 0, 0], &b"{\"durability\":\"written\"}"[..]].concat(),
        ),
        (code::AUTHENTICATE, vec![b't'; 8192]),
        (code::GET_CLUSTER_STATUS, Vec::new()),
        (code::DESCRIBE_TOPIC, vec![7, 0, 0, 0]),
    ];
    for (i, (code, payload)) in requests.iter().enumerate() {
        world.send(socket, &control(*code, i as u64, payload));
    }
    let asked = world.asked_plane();
    for (asked, (code, payload)) in asked.iter().zip(&requests) {
        assert_eq!((asked.1, &asked.2), (*code, payload));
    }
    let answer = |len: usize| vec![b'a'; len];
    let lens = [10, 468, 469, 5000, 0];
    for i in (0..5).rev() {
        assert!(world.answers(socket).is_empty());
        world.answer_plane(asked[i].0, code::TOPIC_RESPONSE, &answer(lens[i]));
    }
    let answers = world.answers(socket);
    for (i, (header, payload)) in answers.iter().enumerate() {
        assert_eq!(
            (header.batch_id, header.timestamp_ns),
            (code::TOPIC_RESPONSE, i as u64)
        );
        assert_eq!(payload, &answer(lens[i]));
    }
    let spent: Vec<_> = std::iter::from_fn(|| world.spent.pop()).collect();
    assert_eq!(spent.len(), 5, "payloads go back to be freed");
}

#[test]
fn requests_without_the_right_form_never_reach_the_control_plane() {
    let mut world = World::new();
    let socket = world.connect();
    for (code, payload, expected) in [
        (code::CREATE_TOPIC, &b""[..], 0x12),
        (code::CREATE_TOPIC, b"../etc", 0x12),
        (code::GET_TOPIC, b"abc", 4),
        (code::LIST_TOPICS, b"x", 4),
        (code::AUTHENTICATE, &[0; 8193], 4),
        (code::SET_TOPIC, b"x", 4),
    ] {
        world.send(socket, &control(code, 3, payload));
        let answers = world.answers(socket);
        assert_eq!(error(&answers[0])["code"], expected, "{code:#x}");
        assert_eq!(answers[0].0.timestamp_ns, 3);
    }
    assert!(world.asked_plane().is_empty());
}

#[test]
fn a_refusal_stands_in_the_order_of_the_answers_of_its_kind() {
    let mut world = World::new();
    let socket = world.connect();
    let bytes = [
        control(code::LIST_TOPICS, 1, &[]),
        control(code::GET_TOPIC, 2, b"cut"),
        control(code::FETCH, 3, b"cut"),
    ]
    .concat();
    world.send(socket, &bytes);
    let times = |world: &mut World| -> Vec<u64> {
        world
            .answers(socket)
            .iter()
            .map(|(h, _)| h.timestamp_ns)
            .collect()
    };
    assert_eq!(times(&mut world), [3]);
    let (id, _, _) = world.asked_plane().pop().expect("ListTopics");
    world.answer_plane(id, code::TOPIC_RESPONSE, b"{}");
    assert_eq!(times(&mut world), [1, 2]);
}

#[test]
fn unsubscribe_is_answered_by_an_ack_frame_in_the_order_of_the_answers() {
    let mut world = World::new();
    let socket = world.connect();
    let payload = [&7u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    let bytes = [fetch(7, 0, 1, 1), control(code::UNSUBSCRIBE, 2, &payload)].concat();
    world.send(socket, &bytes);
    assert!(world.answers(socket).is_empty());
    let Some(crate::messages::ToIo::Fetch(fetch)) = world.asked().pop() else {
        panic!("a fetch");
    };
    world.fetched(fetch.request, &[], 0);
    let answers = world.answers(socket);
    assert_eq!(answers[0].0.batch_id, code::FETCH_RESPONSE);
    let ack = answers[1].0;
    assert_eq!(
        (ack.flags, ack.batch_id, ack.timestamp_ns),
        (flag::ACK, u64::MAX, 2)
    );
    assert_eq!((ack.payload_len, ack.payload_checksum), (0, 0));
}

#[test]
fn a_hello_with_ingests_in_flight_is_refused() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(
        socket,
        &[ingest(1, 7, &record(9, 1)), control(code::HELLO, 2, b"{}")].concat(),
    );
    let answers = world.answers(socket);
    assert_eq!(error(&answers[0])["code"], 1);
    assert!(world.asked_plane().is_empty());
    let ticket = world.taken()[0].frame.ticket;
    world.ack(ticket);
    world.answers(socket);
    world.hello(socket, HelloSettings::default());
}

#[test]
fn a_refused_hello_counts_for_nothing_afterwards() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &control(code::HELLO, 2, b"[]"));
    let (id, _, _) = world.asked_plane().pop().expect("a Hello");
    world.answer_plane(
        id,
        code::ERROR_RESPONSE,
        b"{\"code\":4,\"message\":\"no object\"}",
    );
    assert_eq!(error(&world.answers(socket)[0])["code"], 4);
    assert_eq!(world.count("errors", "code=0x04"), 1);
    world.send(socket, &fetch_wait(7, 0, 1, 500, 6));
    assert_eq!(error(&world.answers(socket)[0])["code"], 1);
}

#[test]
fn a_stalled_control_plane_holds_up_only_those_who_ask_it() {
    let mut world = World::new();
    let greedy: Vec<_> = (0..8).map(|_| world.connect()).collect();
    for socket in &greedy {
        let many: Vec<u8> = (0..60)
            .flat_map(|i| control(code::LIST_TOPICS, i, &[]))
            .collect();
        world.send(*socket, &many);
    }
    // 256 at most, and 32 a connection.
    let other = greedy[7];
    let mut asked = world.asked_plane();
    assert_eq!(asked.len(), 256);
    world.send(other, &keepalive());
    let fresh = greedy[0];
    assert!(world.answers(fresh).is_empty());
    // As answers come, everyone gets on.
    let mut answered = 0;
    while let Some((id, _, _)) = asked.pop() {
        world.answer_plane(id, code::TOPIC_RESPONSE, b"{}");
        answered += 1;
        asked.extend(world.asked_plane());
    }
    assert_eq!(answered, 8 * 60);
    for socket in greedy {
        let lists = world.answers(socket);
        let lists = lists.iter().filter(|(h, _)| h.flags == flag::CONTROL);
        assert!(lists.map(|(h, _)| h.timestamp_ns).eq(0..60));
    }
}
