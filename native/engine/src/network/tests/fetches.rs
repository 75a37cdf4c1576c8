use super::world::*;
use crate::checksum::checksum;
use crate::lwp::control::{code, OFFSET_END, OFFSET_PINNED_END};
use crate::messages::{FetchMode, FetchRequest, FromIo, LocateBy, ToIo};
use crate::network::control_plane::HelloSettings;

fn only_fetch(world: &mut World) -> FetchRequest {
    let asked = world.asked();
    let [ToIo::Fetch(fetch)] = asked.as_slice() else {
        panic!("one fetch, not {asked:?}");
    };
    *fetch
}

#[test]
fn a_fetch_response_is_one_send_with_its_headers_before_the_data() {
    let mut world = World::new();
    let socket = world.connect();
    for data in [record(20, 3), record(200_000, 4), Vec::new()] {
        world.send(socket, &fetch(7, 4096, 65_536, 99));
        let asked = only_fetch(&mut world);
        assert_eq!(
            (asked.topic, asked.offset, asked.max_bytes),
            (7, 4096, 65_536)
        );
        assert_eq!((asked.min_bytes, asked.deadline_ns), (0, 0));
        assert_eq!(asked.mode, FetchMode::Records);
        let sends = world.ring.sends;
        let next = 4096 + data.len() as u64;
        world.fetched(asked.request, &data, next);
        assert_eq!(world.ring.sends, sends + 1);
        let answers = world.answers(socket);
        assert_eq!(answers.len(), 1);
        let (header, payload) = &answers[0];
        assert_eq!(
            (header.batch_id, header.timestamp_ns),
            (code::FETCH_RESPONSE, 99)
        );
        assert!(fetch_response(payload) == (next, data));
    }
    world.asked();
    assert_eq!(world.released, 2);
    world.assert_all_is_back();
}

#[test]
fn a_checksum_of_the_data_that_is_known_is_combined_with_that_of_the_fetch_header() {
    let mut world = World::new();
    let socket = world.connect();
    for data in [record(20, 3), record(200_000, 4)] {
        world.send(socket, &fetch(7, 4096, 65_536, 99));
        let asked = only_fetch(&mut world);
        assert_eq!(asked.kind, KIND);
        let sum = checksum(KIND, &data);
        world.fetched_with(asked.request, &data, 5000, Some(sum));
        // Checks the frame's checksum.
        let answers = world.answers(socket);
        assert!(fetch_response(&answers[0].1) == (5000, data));
    }
    world.asked();
    world.assert_all_is_back();
}

#[test]
fn max_bytes_is_capped_so_that_published_clients_take_the_frame() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &fetch(7, 0, u32::MAX, 0));
    assert_eq!(only_fetch(&mut world).max_bytes, 16 * 1024 * 1024 - 60);
    world.send(socket, &fetch(7, 0, 0, 0));
    assert_eq!(only_fetch(&mut world).max_bytes, 0);
}

#[test]
fn fetches_are_answered_in_order_and_do_not_wait_for_the_control_plane() {
    let mut world = World::new();
    let socket = world.connect();
    let bytes = [
        control(code::LIST_TOPICS, 1, &[]),
        fetch(7, 0, 10, 2),
        fetch(7, 10, 10, 3),
        control(code::GET_TOPIC, 4, &7u32.to_le_bytes()),
    ]
    .concat();
    world.send(socket, &bytes);
    let asked: Vec<_> = world
        .asked()
        .into_iter()
        .map(|message| match message {
            ToIo::Fetch(fetch) => fetch.request,
            other => panic!("{other:?}"),
        })
        .collect();
    world.fetched(asked[1], &record(5, 2), 20);
    assert!(world.answers(socket).is_empty());
    world.fetched(asked[0], &record(5, 1), 10);
    let times = |world: &mut World| -> Vec<u64> {
        world
            .answers(socket)
            .iter()
            .map(|(h, _)| h.timestamp_ns)
            .collect()
    };
    assert_eq!(times(&mut world), [2, 3]);
    let plane = world.asked_plane();
    world.answer_plane(plane[1].0, code::TOPIC_RESPONSE, b"{}");
    assert!(world.answers(socket).is_empty());
    world.answer_plane(plane[0].0, code::TOPIC_RESPONSE, &[b' '; 3000]);
    assert_eq!(times(&mut world), [1, 4]);
}

#[test]
fn pythons_end_is_pinned_by_its_first_use() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &fetch(7, OFFSET_PINNED_END, 100, 1));
    let asked = only_fetch(&mut world);
    assert_eq!(asked.offset, OFFSET_END);
    world.fetched(asked.request, &[], 500);
    assert_eq!(
        fetch_response(&world.answers(socket)[0].1),
        (500, Vec::new())
    );
    // From now on it means 500 here, and is asked for anew elsewhere.
    world.send(socket, &fetch(7, OFFSET_PINNED_END, 100, 1));
    let asked = only_fetch(&mut world);
    assert_eq!(asked.offset, 500);
    world.fetched(asked.request, &record(5, 1), 510);
    world.send(socket, &fetch(7, OFFSET_PINNED_END, 100, 1));
    assert_eq!(only_fetch(&mut world).offset, 500);
    world.send(socket, &fetch(8, OFFSET_PINNED_END, 100, 1));
    assert_eq!(only_fetch(&mut world).offset, OFFSET_END);
    let other = world.connect();
    world.send(other, &fetch(7, OFFSET_PINNED_END, 100, 1));
    assert_eq!(only_fetch(&mut world).offset, OFFSET_END);
}

#[test]
fn waiting_fetches_need_a_hello_which_may_still_be_pending() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &fetch_wait(7, 0, 1, 500, 6));
    let answers = world.answers(socket);
    assert_eq!(error(&answers[0])["code"], 1);
    assert_eq!(answers[0].0.timestamp_ns, 6);
    let bytes = [control(code::HELLO, 1, b"{}"), fetch_wait(7, 0, 1, 500, 7)].concat();
    world.send(socket, &bytes);
    let asked = only_fetch(&mut world);
    assert_eq!(asked.deadline_ns, world.now.mono_ns + 500_000_000);
    assert_eq!(asked.min_bytes, 1);
}

#[test]
fn waiting_fetches_are_matched_by_their_echo_and_hold_up_nothing() {
    let mut world = World::new();
    let socket = world.connect();
    world.hello(socket, HelloSettings::default());
    let bytes = [
        fetch_wait(7, 0, 1, 500, 1),
        fetch_wait(8, 0, 1, 500, 2),
        fetch(9, 0, 10, 3),
        control(code::LIST_TOPICS, 4, &[]),
    ]
    .concat();
    world.send(socket, &bytes);
    let requests: Vec<_> = world
        .asked()
        .into_iter()
        .map(|message| match message {
            ToIo::Fetch(fetch) => fetch.request,
            other => panic!("{other:?}"),
        })
        .collect();
    let times = |world: &mut World| -> Vec<u64> {
        world
            .answers(socket)
            .iter()
            .map(|(h, _)| h.timestamp_ns)
            .collect()
    };
    world.fetched(requests[2], &record(5, 1), 10);
    assert_eq!(times(&mut world), [3]);
    let (id, _, _) = world.asked_plane().pop().expect("ListTopics");
    world.answer_plane(id, code::TOPIC_RESPONSE, b"{}");
    assert_eq!(times(&mut world), [4]);
    world.fetched(requests[1], &record(5, 1), 10);
    assert_eq!(times(&mut world), [2]);
    world.fetched(requests[0], &[], 0);
    assert_eq!(times(&mut world), [1]);
}

#[test]
fn a_waiting_fetch_without_minimum_or_time_is_answered_at_once() {
    let mut world = World::new();
    let socket = world.connect();
    world.hello(socket, HelloSettings::default());
    for (min, wait) in [(0, 500), (1, 0)] {
        world.send(socket, &fetch_wait(7, 0, min, wait, 1));
        let asked = only_fetch(&mut world);
        assert_eq!(asked.deadline_ns, 0);
        world.fetched(asked.request, &[], 0);
        assert_eq!(world.answers(socket).len(), 1);
    }
    // The minimum is capped at max_bytes.
    world.send(socket, &fetch_wait(7, 0, u32::MAX, 500, 1));
    assert_eq!(only_fetch(&mut world).min_bytes, 65_536);
}

#[test]
fn more_waiting_fetches_than_the_node_keeps_are_refused_at_once() {
    let mut world = World::new();
    let socket = world.connect();
    world.hello(socket, HelloSettings::default());
    for i in 0..6 {
        world.send(socket, &fetch_wait(7, 0, 1, 500, i));
    }
    let asked = world.asked();
    assert_eq!(asked.len(), 4);
    let answers = world.answers(socket);
    assert_eq!(answers.len(), 2);
    assert_eq!(error(&answers[0])["code"], 0x31);
    assert_eq!(answers[0].0.timestamp_ns, 4);
    // Those that were taken are still answered.
    let ToIo::Fetch(first) = asked[0] else {
        panic!("a fetch");
    };
    world.fetched(first.request, &record(5, 1), 10);
    assert_eq!(world.answers(socket)[0].0.timestamp_ns, 0);
    world.send(socket, &fetch_wait(7, 0, 1, 500, 9));
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn fetch_batches_has_its_own_answer_code() {
    let mut world = World::new();
    let socket = world.connect();
    world.hello(socket, HelloSettings::default());
    let mut bytes = fetch_wait(7, 0, 1, 500, 3);
    bytes[12] = code::FETCH_BATCHES as u8;
    world.send(socket, &bytes);
    let asked = only_fetch(&mut world);
    assert_eq!(asked.mode, FetchMode::Batches);
    for data in [record(5, 1), Vec::new()] {
        world.fetched(asked.request, &data, 10);
        if data.is_empty() {
            continue;
        }
        assert_eq!(
            world.answers(socket)[0].0.batch_id,
            code::FETCH_BATCHES_RESPONSE
        );
    }
}

#[test]
fn the_other_commands_reach_the_io_agent_and_their_answers_the_client() {
    let mut world = World::new();
    let socket = world.connect();
    let topic = 7u32.to_le_bytes();
    let consumer = 1001u64.to_le_bytes();
    let offset = 4096u64.to_le_bytes();

    let payload = [
        &topic[..],
        &OFFSET_PINNED_END.to_le_bytes(),
        &[0; 4],
        &consumer,
    ]
    .concat();
    world.send(socket, &control(code::SUBSCRIBE, 1, &payload));
    let [ToIo::Subscribe {
        request,
        topic: 7,
        offset: OFFSET_END,
    }] = world.asked()[..]
    else {
        panic!("a subscription to the end");
    };
    world.answer_io(FromIo::Resolved {
        request,
        offset: 500,
    });
    let (header, payload) = world.answers(socket).remove(0);
    assert_eq!(
        (header.batch_id, header.timestamp_ns),
        (code::SUBSCRIBE_ACK, 1)
    );
    assert_eq!(payload, [consumer, 500u64.to_le_bytes()].concat());

    let payload = [&topic[..], &consumer, &offset].concat();
    world.send(socket, &control(code::COMMIT_OFFSET, 2, &payload));
    let [ToIo::Commit {
        request,
        topic: 7,
        consumer: 1001,
        offset: 4096,
    }] = world.asked()[..]
    else {
        panic!("a commit");
    };
    world.answer_io(FromIo::Committed {
        request,
        consumer: 1001,
        offset: 4096,
    });
    let (header, payload) = world.answers(socket).remove(0);
    assert_eq!(
        (header.batch_id, header.timestamp_ns),
        (code::COMMIT_ACK, 2)
    );
    assert_eq!(payload, [consumer, offset].concat());

    world.send(
        socket,
        &control(code::GET_COMMITTED, 3, &[&topic[..], &consumer].concat()),
    );
    let [ToIo::GetCommitted {
        request,
        topic: 7,
        consumer: 1001,
    }] = world.asked()[..]
    else {
        panic!("a question");
    };
    world.answer_io(FromIo::Committed {
        request,
        consumer: 1001,
        offset: 1,
    });
    assert_eq!(world.answers(socket)[0].0.batch_id, code::COMMIT_ACK);

    let payload = [&topic[..], &[2], &offset, &consumer].concat();
    world.send(socket, &control(code::LOCATE, 4, &payload));
    let [ToIo::Locate {
        request,
        topic: 7,
        by: LocateBy::Key(4096, 1001),
    }] = world.asked()[..]
    else {
        panic!("a locate");
    };
    world.answer_io(FromIo::Located {
        request,
        offset: 1,
        record: 2,
        timestamp_ns: 3,
        node_actor_sequence: 4,
    });
    let (header, payload) = world.answers(socket).remove(0);
    assert_eq!(
        (header.batch_id, header.timestamp_ns),
        (code::LOCATE_RESPONSE, 4)
    );
    assert_eq!(payload, [1u64, 2, 3, 4].map(u64::to_le_bytes).concat());
}
