//! Clients that need no server: what they send comes back.
#![allow(missing_docs)]

mod common;

use std::time::{Duration, Instant};

use common::{end_of, messages};
use tme::{
    Channel, Client, ClientBuilder, Direction, Event, Limits, LinkConditions, Origin, Reason, Security,
    SendError, SendOptions,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(builder: ClientBuilder, is_threaded: bool) -> Client {
    if is_threaded { builder.start_echo_threaded() } else { builder.start_echo() }.unwrap()
}

/// Drives the client until something happened; gives all its events.
fn run_until(client: &mut Client, mut is_done: impl FnMut(&Client, &[Event]) -> bool) -> Vec<Event> {
    let start = Instant::now();
    let mut events = Vec::new();
    while !is_done(client, &events) {
        assert!(start.elapsed() < PATIENCE, "not done after {PATIENCE:?}: {events:?}");
        client.update(Duration::from_millis(2)).unwrap();
        events.extend(client.events());
    }
    events
}

#[test]
fn messages_come_back_on_their_channel_with_their_key() {
    for is_threaded in [false, true] {
        let builder = Client::builder()
            .connect("this is no address")
            .server_key(tme::PublicKey::from_bytes([7; 32]))
            .application("echo")
            .identity(tme::generate_key().unwrap())
            .user_data("who I am")
            .channels([
                Channel::unreliable("effects").id(40).queue_age_max(PATIENCE),
                Channel::sequenced("state").queue_age_max(PATIENCE),
                Channel::reliable_unordered("facts"),
                Channel::reliable_ordered("chat"),
                Channel::reliable_latest("doors"),
            ]);
        let mut client = start(builder, is_threaded);
        assert_eq!(client.is_threaded(), is_threaded);
        let events = run_until(&mut client, |_, events| !events.is_empty());
        let [Event::Connected { peer, info }] = &events[..] else { panic!("{events:?}") };
        let listed = client.server_info().unwrap();
        assert_eq!((listed.peer, listed.remote, listed.key), (*peer, info.remote, info.key));
        assert_eq!(listed.number, info.number);

        let sent = [(40, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 77)];
        for (channel, key) in sent {
            let options = if channel == 4 { SendOptions::with_key(key) } else { SendOptions::default() };
            client.send_with(channel, format!("{channel} {key}").as_bytes(), options).unwrap();
        }
        let events = run_until(&mut client, |_, events| messages(events).len() == sent.len());
        let mut received: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Message { channel, key, payload, .. } => {
                    assert_eq!(**payload, *format!("{channel} {key}").as_bytes());
                    Some((channel.0, *key))
                }
                _ => None,
            })
            .collect();
        received.sort_unstable();
        assert_eq!(received, [(1, 0), (2, 0), (3, 0), (4, 0), (4, 77), (40, 0)]);
    }
}

#[test]
fn the_hidden_server_takes_over_whatever_both_sides_have_to_agree_on() {
    let limits = Limits {
        reliable_message_bytes_max: 3 << 20,
        connection_credit_bytes: 8 << 20,
        channel_credit_bytes: 8 << 20,
        datagram_bytes_max: 9_000,
        ..Limits::default()
    };
    for security in [Security::Encrypted, Security::Plaintext] {
        let builder = Client::builder().security(security).limits(limits).datagram_bytes(9_000);
        let mut client = start(builder, false);
        run_until(&mut client, |client, _| client.is_connected());
        client.send(0, vec![0xA5; 3 << 20]).unwrap();
        let events = run_until(&mut client, |_, events| !messages(events).is_empty());
        assert_eq!(messages(&events), [vec![0xA5; 3 << 20]]);
    }
}

#[test]
fn nothing_is_lost_while_the_game_does_not_read() {
    const COUNT: u32 = 1_000;
    for is_threaded in [false, true] {
        let limits = Limits { channel_credit_messages: 100, ..Limits::default() };
        let channel = Channel::reliable_ordered("bulk").queue_max(1 << 20, 10);
        let mut client = start(Client::builder().channel(channel).limits(limits), is_threaded);
        run_until(&mut client, |client, _| client.is_connected());
        // Not reading, until whatever holds messages on the way there and back is full.
        let (mut sent, mut refusals_in_a_row) = (0u32, 0);
        while refusals_in_a_row < 50 {
            match client.send(0, &sent.to_le_bytes()) {
                Ok(()) => (sent, refusals_in_a_row) = (sent + 1, 0),
                Err(SendError::WouldBlock { .. }) => refusals_in_a_row += 1,
                Err(error) => panic!("{error}"),
            }
            client.update(Duration::ZERO).unwrap();
            std::thread::yield_now();
        }
        assert!(sent < COUNT, "somebody has to be held back");
        let events = run_until(&mut client, |client, events| {
            while sent < COUNT && client.send(0, &sent.to_le_bytes()).is_ok() {
                sent += 1;
            }
            messages(events).len() >= COUNT as usize
        });
        let expected: Vec<_> = (0..COUNT).map(|n| n.to_le_bytes().to_vec()).collect();
        assert_eq!(messages(&events), expected);
    }
}

#[test]
fn conditions_statistics_and_disconnects_are_those_of_any_client() {
    let mut client = start(Client::builder(), true);
    run_until(&mut client, |client, _| client.is_connected());
    let deaf = LinkConditions { loss: 1.0, ..LinkConditions::default() };
    client.set_conditions(Direction::Incoming, Some(deaf)).unwrap();
    client.send(0, "into the void").unwrap();
    let packets_sent = |client: &Client| client.statistics().map_or(0, |figures| figures.packets_sent);
    let before = packets_sent(&client);
    let events = run_until(&mut client, |client, _| packets_sent(client) > before);
    assert!(messages(&events).is_empty());
    client.set_conditions(Direction::Incoming, None).unwrap();
    let events = run_until(&mut client, |_, events| !messages(events).is_empty());
    assert_eq!(messages(&events), [b"into the void"]);

    assert!(client.disconnect(5, "enough"));
    let events = run_until(&mut client, |_, events| end_of(events).is_some());
    let end = end_of(&events).unwrap();
    assert_eq!((end.reason, end.origin, end.code), (Reason::Closed, Origin::Local, 5));
    assert_eq!(client.send(0, "x"), Err(SendError::NotConnected));
}

#[test]
fn what_was_sent_is_acknowledged_before_a_polite_end() {
    for is_threaded in [false, true] {
        let mut client = start(Client::builder(), is_threaded);
        run_until(&mut client, |client, _| client.is_connected());
        client.send(0, "last words").unwrap();
        client.close(PATIENCE);
        let events: Vec<_> = client.events().collect();
        assert_eq!(
            end_of(&events).map(|end| (end.reason, end.origin)),
            Some((Reason::Closed, Origin::Local))
        );
        assert!(client.update(Duration::ZERO).is_err());
    }
}
