use super::world::*;
use crate::lwp::control::code;
use crate::messages::ToIo;
use crate::network::control_plane::HelloSettings;

#[test]
fn a_peer_that_closes_its_sending_side_still_gets_what_it_is_owed() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(
        socket,
        &[ingest(1, 7, &record(9, 1)), fetch(7, 0, 100, 1)].concat(),
    );
    world.ring.peer_closes(socket);
    world.run();
    assert!(!world.is_closed(socket));
    let ticket = world.taken()[0].frame.ticket;
    world.ack(ticket);
    assert_eq!(world.answers(socket).len(), 1);
    let Some(ToIo::Fetch(fetch)) = world.asked().pop() else {
        panic!("a fetch");
    };
    world.fetched(fetch.request, &record(10, 1), 15);
    assert_eq!(world.answers(socket).len(), 1);
    assert!(world.is_closed(socket));
    world.asked();
    world.assert_all_is_back();
}

#[test]
fn a_connection_that_said_nothing_closes_when_its_peer_does() {
    let mut world = World::new();
    let socket = world.connect();
    world.ring.peer_closes(socket);
    world.run();
    assert!(world.is_closed(socket));
    let socket = world.connect();
    world
        .ring
        .peer_sends(socket, &ingest(1, 7, &record(300, 1))[..200]);
    world.ring.peer_closes(socket);
    world.run();
    assert!(world.is_closed(socket));
    assert_eq!(world.count("connections_open", ""), 0);
    world.assert_all_is_back();
}

#[test]
fn what_a_gone_connection_held_comes_back_as_others_are_done_with_it() {
    let mut world = World::new();
    let socket = world.connect();
    world.hello(socket, HelloSettings::default());
    let bytes = [
        ingest(1, 7, &record(9, 1)),
        ingest(2, 7, &record(5000, 1)),
        fetch(7, 0, 100, 1),
        fetch_wait(7, 0, 1, 1000, 2),
        control(code::LIST_TOPICS, 3, &[]),
        ingest(3, 7, &record(9000, 1))[..5000].to_vec(),
    ]
    .concat();
    world.send(socket, &bytes);
    // A broken header kills it with everything under way.
    world.send(socket, &[0; 5000]);
    let other = world.connect();
    world.send(other, &[1; 44]);
    assert!(world.is_closed(other));
    world.ring.reset(socket);
    world.run();
    assert!(world.is_closed(socket));
    let taken = world.taken();
    for taken in &taken {
        world.ack(taken.frame.ticket);
    }
    let asked = world.asked();
    let requests: Vec<_> = asked
        .iter()
        .filter_map(|message| match message {
            ToIo::Fetch(fetch) => Some(fetch.request),
            _ => None,
        })
        .collect();
    assert_eq!(requests.len(), 2);
    let forgotten = asked
        .iter()
        .filter(|m| matches!(m, ToIo::Forget(id) if *id == requests[1]));
    assert_eq!(forgotten.count(), 1);
    // Late answers are released.
    world.fetched(requests[0], &record(10, 1), 15);
    world.fetched(requests[1], &record(10, 1), 15);
    world.asked();
    assert_eq!(world.released, 2);
    let (id, _, _) = world.asked_plane().pop().expect("ListTopics");
    world.answer_plane(id, code::TOPIC_RESPONSE, b"{}");
    assert!(world.spent.pop().is_some());
    assert_eq!(world.agent.tickets.in_flight(), 0);
    world.assert_all_is_back();
}

#[test]
fn a_drain_refuses_ingests_finishes_what_is_in_flight_and_then_closes() {
    let mut world = World::new();
    let socket = world.connect();
    world.send(socket, &ingest(1, 7, &record(9, 1)));
    let ticket = world.taken()[0].frame.ticket;
    world.drain.begin();
    world.run();
    assert!(!world.ring.accepts());
    assert!(!world.drain.is_finished());
    world.send(socket, &ingest(2, 7, &record(9, 1)));
    assert!(world.taken().is_empty());
    world.ack(ticket);
    let answers = world.answers(socket);
    assert_eq!(answers[0].0.batch_id, 1);
    let refused = error(&answers[1]);
    assert_eq!(refused["code"], 0x31);
    assert!(refused["message"]
        .as_str()
        .expect("text")
        .contains("FORWARD_FAILED"));
    assert!(world.drain.is_finished());
    assert!(!world.is_closed(socket));
    // Reads go on until the end.
    world.send(socket, &fetch(7, 0, 1, 1));
    let Some(ToIo::Fetch(fetch)) = world.asked().pop() else {
        panic!("a fetch");
    };
    world.drain.close();
    world.run();
    assert!(!world.drain.is_closed(), "a fetch is still owed");
    world.fetched(fetch.request, &record(10, 1), 15);
    assert_eq!(world.answers(socket).len(), 1);
    assert!(world.drain.is_closed());
}
