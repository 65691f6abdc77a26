//! Deadlines, receipts and room in the queues, over real sockets.
#![allow(missing_docs)]

mod common;

use std::time::Duration;

use common::{World, client_of, end_of, messages, server};
use tme::{
    Channel, Client, Direction, Event, Expiry, LinkConditions, Payload, PeerId, SendError, SendOptions,
    Server, ServerBuilder,
};

#[derive(Clone, Copy, Debug)]
enum Drive {
    Inline,
    Threaded,
}

const DRIVES: [Drive; 2] = [Drive::Inline, Drive::Threaded];

fn start(builder: ServerBuilder, drive: Drive) -> Server {
    match drive {
        Drive::Inline => builder.start(),
        Drive::Threaded => builder.start_threaded(),
    }
    .unwrap()
}

fn channels() -> [Channel; 5] {
    [
        Channel::unreliable("unreliable"),
        Channel::sequenced("sequenced"),
        Channel::reliable_unordered("unordered"),
        Channel::reliable_ordered("ordered"),
        Channel::reliable_latest("latest"),
    ]
}

const ORDERED: u8 = 3;

/// A server with all modes and `count` clients, connected.
fn world(drive: Drive, count: usize) -> (World, Vec<PeerId>) {
    world_of(server().channels(channels()), drive, count)
}

fn world_of(builder: ServerBuilder, drive: Drive, count: usize) -> (World, Vec<PeerId>) {
    let world = World::connected(start(builder, drive), count);
    let peers = world.connected_peers();
    (world, peers)
}

fn receipt(token: u64) -> SendOptions {
    SendOptions::none().receipt(token)
}

/// Who has answered, for which token, and `None` for delivered.
type Word = (PeerId, u64, Option<(Expiry, bool)>);

fn words(events: &[Event]) -> Vec<Word> {
    let words = events.iter().filter_map(|event| match event {
        Event::Delivered { peer, token, .. } => Some((*peer, *token, None)),
        Event::Expired { peer, token, reason, never_sent, .. } => {
            Some((*peer, *token, Some((*reason, *never_sent))))
        }
        _ => None,
    });
    words.collect()
}

fn count_writable(events: &[Event], peer: PeerId) -> usize {
    events.iter().filter(|event| matches!(event, Event::Writable { .. }) && event.peer() == peer).count()
}

#[test]
fn a_receipt_comes_on_every_channel_and_from_every_peer() {
    for drive in DRIVES {
        let (mut world, peers) = world(drive, 2);
        for (channel, token) in (0u8..5).zip(10..) {
            world.server.send_with(peers[0], channel, "one", receipt(token)).unwrap();
        }
        let outcome = world.server.broadcast_with(None, ORDERED, "all", receipt(20)).unwrap();
        assert_eq!(outcome.sent, 2);
        world.server.multicast_with([peers[1]], ORDERED, "some", receipt(21)).unwrap();
        world.run_until(|world| words(&world.server_events).len() == 8);
        let mut given = words(&world.server_events);
        given.sort_by_key(|&(peer, token, _)| (token, peer));
        let mut expected: Vec<_> = (10..15).map(|token| (peers[0], token, None)).collect();
        expected.extend(peers.iter().map(|&peer| (peer, 20, None)));
        expected.push((peers[1], 21, None));
        expected.sort_by_key(|&(peer, token, _)| (token, peer));
        assert_eq!(given, expected, "{drive:?}");
        world.clients[0].send_with(ORDERED, "up", receipt(u64::MAX).flush()).unwrap();
        world.run_until(|world| !words(&world.client_events[0]).is_empty());
        assert_eq!(words(&world.client_events[0])[0].1, u64::MAX);
    }
}

#[test]
fn a_deadline_frees_what_stands_behind_it() {
    for drive in DRIVES {
        let (mut world, peers) = world(drive, 1);
        let dead = LinkConditions { loss: 1.0, ..LinkConditions::default() };
        world.server.set_conditions(peers[0], Direction::Outgoing, Some(dead)).unwrap();
        let late = SendOptions::none().deadline(Duration::from_millis(30)).receipt(1);
        world.server.send_with(peers[0], ORDERED, "late", late).unwrap();
        world.server.send_with(peers[0], ORDERED, "behind", receipt(2)).unwrap();
        world.run_until(|world| !words(&world.server_events).is_empty());
        assert_eq!(words(&world.server_events), [(peers[0], 1, Some((Expiry::Deadline, false)))]);
        world.server.set_conditions(peers[0], Direction::Outgoing, None).unwrap();
        world.run_until(|world| words(&world.server_events).len() == 2);
        assert_eq!(words(&world.server_events)[1], (peers[0], 2, None), "{drive:?}");
        world.run_until(|world| !messages(&world.client_events[0]).is_empty());
        assert_eq!(messages(&world.client_events[0]), [b"behind"], "{drive:?}");
    }
}

#[test]
fn every_receipt_is_settled_before_the_end_is_told() {
    for drive in DRIVES {
        let (mut world, peers) = world(drive, 2);
        let [leaving, staying] = peers[..] else { panic!("two clients") };
        // Some are on their way when the peer is thrown out, some have not reached the engine.
        for token in 0..200 {
            world.server.send_with(leaving, ORDERED, "x", receipt(token)).unwrap();
            world.server.broadcast_with(None, (token % 5) as u8, "all", receipt(1_000 + token)).unwrap();
            if token % 50 == 0 {
                world.step();
            }
        }
        world.server.kick(leaving, 0, "");
        assert_eq!(world.server.send(leaving, 0, "x"), Err(SendError::NotConnected));
        world.run_until(|world| {
            let of_staying = words(&world.server_events).iter().filter(|word| word.0 == staying).count();
            end_of(&world.server_events).is_some() && of_staying == 200
        });
        let mut of_leaving: Vec<u64> =
            words(&world.server_events).iter().filter(|word| word.0 == leaving).map(|word| word.1).collect();
        of_leaving.sort_unstable();
        let expected: Vec<u64> = (0..200).chain(1_000..1_200).collect();
        assert_eq!(of_leaving, expected, "{drive:?}");
        let last = world.server_events.iter().rposition(|event| event.peer() == leaving).unwrap();
        assert!(matches!(world.server_events[last], Event::Disconnected { .. }));
    }
}

#[test]
fn a_client_that_goes_away_unheard_leaves_no_receipt_open() {
    for drive in DRIVES {
        let (mut world, peers) = world(drive, 1);
        world.clients[0].disconnect(0, "");
        let mut token = 0;
        // Whatever the server still takes for it is answered.
        while end_of(&world.server_events).is_none() {
            for _ in 0..20 {
                let sent = world.server.send_with(peers[0], (token % 5) as u8, "x", receipt(token));
                token += u64::from(sent.is_ok());
            }
            world.step();
        }
        let mut given: Vec<u64> = words(&world.server_events).iter().map(|word| word.1).collect();
        given.sort_unstable();
        assert_eq!(given, (0..token).collect::<Vec<_>>(), "{drive:?}");
    }
}

#[test]
fn one_refusal_or_many_lead_to_one_writable_for_that_peer_and_channel() {
    let narrow = |name| Channel::reliable_ordered(name).queue_max(100_000, 1_000);
    for drive in DRIVES {
        let builder = server().channels([narrow("a"), narrow("b")]);
        let (mut world, peers) = world_of(builder, drive, 2);
        let message = Payload::from(vec![7; 10_000]);
        for round in 1..4 {
            while world.server.send(peers[0], 0, &message).is_ok() {}
            for _ in 0..3 {
                let refused = world.server.send(peers[0], 0, &message);
                assert!(matches!(refused, Err(SendError::WouldBlock { .. })));
            }
            // The others have room, and nobody tells them so.
            world.server.send(peers[0], 1, "b").unwrap();
            world.server.send(peers[1], 0, "a").unwrap();
            world.run_until(|world| count_writable(&world.server_events, peers[0]) == round);
            let statistics = world.server.channel_statistics(peers[0], 0).unwrap();
            assert!(statistics.queued_bytes <= 100_000, "{statistics:?}");
            // Half of it is free, so five go at once.
            for _ in 0..5 {
                world.server.send(peers[0], 0, &message).unwrap();
            }
            let sent = messages(&world.client_events[0]).len();
            world.run_until(|world| messages(&world.client_events[0]).len() > sent + 1);
            assert_eq!(count_writable(&world.server_events, peers[0]), round, "{drive:?}");
        }
        assert_eq!(count_writable(&world.server_events, peers[1]), 0);
    }
}

#[test]
fn receipts_not_taken_block_their_channel_until_they_are() {
    for drive in DRIVES {
        let builder = server().channel(Channel::unreliable("news").queue_max(1 << 20, 100));
        let (mut world, peers) = world_of(builder, drive, 1);
        let mut sent = 0;
        let start = std::time::Instant::now();
        // The game updates and sends, and never looks at its events.
        while start.elapsed() < Duration::from_secs(20) {
            match world.server.send_with(peers[0], 0, "x", receipt(sent)) {
                Ok(()) => sent += 1,
                Err(_) if sent >= 100 => break,
                Err(_) => {}
            }
            world.server.update(Duration::from_millis(1)).unwrap();
            let _ = world.clients[0].update(Duration::ZERO);
        }
        assert_eq!(sent, 100, "{drive:?}");
        world.run_until(|world| {
            words(&world.server_events).len() == 100 && count_writable(&world.server_events, peers[0]) == 1
        });
        world.server.send_with(peers[0], 0, "x", receipt(100)).unwrap();
    }
}

#[test]
fn keys_come_back_by_themselves() {
    for drive in DRIVES {
        let few = || Channel::reliable_latest("things").keys_max(8);
        let server = start(server().channel(few()), drive);
        let client = client_of(&server).channel(few()).start().unwrap();
        let mut world = World::new(server, vec![client]);
        world.run_until(|world| {
            world.connected_peers().len() == 1 && world.clients.iter().all(Client::is_connected)
        });
        let peer = world.connected_peers()[0];
        let (mut key, mut refused) = (0u32, 0);
        while key < 400 {
            match world.server.send_with(peer, 0, &key.to_le_bytes(), SendOptions::with_key(key)) {
                Ok(()) => key += 1,
                Err(error) => {
                    assert!(matches!(error, SendError::TooManyKeys { limit: 8, .. }), "{error}");
                    refused += 1;
                    world.run_until(|world| count_writable(&world.server_events, peer) == refused);
                }
            }
        }
        world.run_until(|world| messages(&world.client_events[0]).len() == 400);
        assert!(refused >= 10, "{refused} refusals, {drive:?}");
    }
}
