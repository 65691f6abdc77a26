//! A game's own types between a server and a client, over real sockets.
#![allow(missing_docs)]

mod common;

use common::{World, client_of, end_of, server};
use tme::{
    Channel, Client, Decode, Encode, Event, Message, MessageSet, Messages, Payload, PeerId, Reason,
    SendError, SendMessageError, Server,
};

#[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
#[tme(id = 7)]
struct Fire {
    #[tme(range = 0..=3)]
    weapon: u8,
    #[tme(precision = 0.001)]
    direction: [f32; 3],
}

#[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
#[tme(id = 8, channel = "chat")]
struct Say {
    #[tme(max_len = 20)]
    text: String,
}

tme::messages! {
    #[derive(Debug, PartialEq)]
    enum Packet { Fire, Say }
}

fn channels() -> [Channel; 2] {
    [Channel::reliable_ordered("orders"), Channel::reliable_ordered("chat").id(9)]
}

fn world() -> (World, PeerId) {
    let server = server().channels(channels()).messages(Packet::messages()).start().unwrap();
    let client = client_of(&server).messages(Packet::messages()).start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| {
        world.connected_peers().len() == 1 && world.clients.iter().all(Client::is_connected)
    });
    let peer = world.connected_peers()[0];
    (world, peer)
}

/// Channel and content of the messages among events.
fn payloads(events: &[Event]) -> Vec<(u8, Payload)> {
    let messages = events.iter().filter_map(|event| match event {
        Event::Message { channel, payload, .. } => Some((channel.0, payload.clone())),
        _ => None,
    });
    messages.collect()
}

#[test]
fn messages_arrive_as_the_values_they_were() {
    let (mut world, peer) = world();
    let fire = Fire { weapon: 2, direction: [0.5, -0.25, 1.0] };
    let say = Say { text: "hello".to_owned() };
    world.clients[0].send_message(&fire).unwrap();
    world.clients[0].send_message(&say).unwrap();
    world.server.send_message(peer, &say).unwrap();
    assert_eq!(world.server.broadcast_message(&fire).unwrap().sent, 1);
    assert_eq!(world.server.broadcast_message_except(peer, &fire).unwrap().sent, 0);
    assert_eq!(world.server.multicast_message([peer], &fire).unwrap().sent, 1);
    world.run_until(|world| {
        payloads(&world.server_events).len() == 2 && payloads(&world.client_events[0]).len() == 3
    });
    let received = payloads(&world.server_events);
    assert_eq!(received.iter().map(|(channel, _)| *channel).collect::<Vec<_>>(), [0, 9]);
    assert_eq!(received[0].1.message::<Fire>(), Ok(Some(fire.clone())));
    assert_eq!(received[0].1.message::<Say>(), Ok(None));
    assert_eq!(Packet::read(&received[1].1), Ok(Packet::Say(say)));
    let received = payloads(&world.client_events[0]);
    assert!(received.iter().any(|(_, payload)| Packet::read(payload) == Ok(Packet::Fire(fire.clone()))));
}

#[test]
fn what_cannot_be_sent_says_why() {
    let (world, peer) = world();
    let wrong = Fire { weapon: 4, direction: [0.0; 3] };
    let text = |result: Result<(), SendMessageError>| result.unwrap_err().to_string();
    assert_eq!(text(world.server.send_message(peer, &wrong)), "message Fire: weapon: 4 is outside 0..=3");
    let long = Say { text: "x".repeat(21) };
    let client = &world.clients[0];
    assert_eq!(text(client.send_message(&long)), "message Say: text: 21 elements exceed the limit of 20");
    let nobody = Client::builder().connect("127.0.0.1:9").start().unwrap();
    let say = Say { text: String::new() };
    assert_eq!(nobody.send_message(&say), Err(SendMessageError::Send(SendError::NotConnected)));
}

#[test]
fn a_message_whose_channel_is_not_there_is_noticed_at_the_start() {
    let error = Server::builder().listen("127.0.0.1:0").messages(Packet::messages()).start().unwrap_err();
    assert_eq!(error.to_string(), "message Say goes by the channel \"chat\", which is not declared");
    // Who says nothing of messages finds out when they are sent.
    let world = World::connected(server().start().unwrap(), 1);
    let peer = world.connected_peers()[0];
    let say = Say { text: String::new() };
    let expected = SendMessageError::UnknownChannel { message: "Say", channel: "chat" };
    assert_eq!(world.server.send_message(peer, &say), Err(expected.clone()));
    assert_eq!(world.clients[0].send_message(&say), Err(expected));
}

mod other {
    use tme::{Decode, Encode, Message};

    /// As above, but more weapons: another base schema.
    #[derive(Encode, Decode, Message)]
    #[tme(id = 7)]
    pub struct Fire {
        #[tme(range = 0..=4)]
        pub weapon: u8,
        #[tme(precision = 0.001)]
        pub direction: [f32; 3],
    }
}

#[test]
fn programs_whose_messages_differ_find_out_when_they_connect() {
    let server = server().channels(channels()).messages(Packet::messages()).start().unwrap();
    let theirs = Messages::new().with::<other::Fire>().unwrap().with::<Say>().unwrap();
    let differs = client_of(&server).messages(&theirs).start().unwrap();
    let without = client_of(&server).start().unwrap();
    let mut world = World::new(server, vec![differs, without]);
    world.run_until(|world| end_of(&world.client_events[0]).is_some() && world.clients[1].is_connected());
    let end = end_of(&world.client_events[0]).unwrap();
    assert_eq!(end.reason, Reason::Schema);
    assert_eq!(end.detail.as_ref(), b"schema 0x00000001 differs");
}
