//! What strangers and people on the path can try.

use super::*;
use crate::channel::Channel;
use crate::crypto::keys::PublicKey;
use crate::crypto::suite::{Suite, SuiteSet};
use crate::handshake::client::ConnectError;
use crate::handshake::datagram::{Connect, HELLO_BYTES, HandshakeDatagram, Part, Versions};
use crate::handshake::drops::DropReason;
use crate::random::Random;

#[test]
fn repeated_and_replayed_connects_cost_no_second_key_exchange() {
    let mut world = World::new(client_config(), server_config());
    let connect = world.connect_datagrams().remove(0);
    let first = world.deliver_to_server(&connect);
    let cost = world.server.statistics();
    for _ in 0..10 {
        world.advance(Duration::from_millis(400));
        assert_eq!(world.deliver_to_server(&connect), first, "the same bytes again");
    }
    assert_eq!(world.accepted.len(), 1);
    let id = world.accepted[0].id;
    world.server.confirm(&id).unwrap();
    assert!(world.deliver_to_server(&connect).is_empty(), "a client that is connected has its answer");
    world.server.forget(world.now, &id);
    assert!(world.deliver_to_server(&connect).is_empty(), "not even after the connection ended");
    let after = world.server.statistics();
    assert_eq!((after.shared_secrets, after.base_points), (cost.shared_secrets, cost.base_points));
    assert_eq!(after.answers_repeated, 10);

    world.advance(Duration::from_secs(6));
    let answers = world.deliver_to_server(&connect);
    assert_eq!(answers[0][4], 2, "later its cookie is too old: a new one, no key exchange");
    assert_eq!(world.server.statistics().shared_secrets, cost.shared_secrets);
    assert_eq!(world.server.statistics().attempts, 0);
}

#[test]
fn a_connection_outlives_its_cookie_in_the_servers_memory() {
    let mut world = World::new(client_config(), server_config());
    let connect = world.connect_datagrams().remove(0);
    let first = world.deliver_to_server(&connect);
    world.advance(Duration::from_secs(60));
    let cookie = world.deliver_to_server(&connect);
    assert_eq!(cookie[0][4], 2);
    world.deliver_to_client(&cookie);
    let renewed = world.sent_by_client();
    // The client gave up long ago; somebody else may still put the new cookie into the old datagram.
    assert!(renewed.is_empty());
    let mut replayed = connect.clone();
    replayed[66..86].copy_from_slice(&cookie[0][47..]);
    assert_eq!(world.deliver_to_server(&replayed), first);
    assert_eq!(world.server.statistics().exchanges, 1);
}

#[test]
fn only_part_zero_of_a_repeated_request_is_answered() {
    let mut world = World::new(client_config(), server_config());
    let parts = three_parts(&mut world);
    let answers: Vec<usize> = parts.iter().map(|part| world.deliver_to_server(part).len()).collect();
    assert_eq!(answers, [0, 0, 0], "a message of noise opens nothing");
    assert_eq!(world.server.statistics().exchanges, 1);
    assert_eq!(world.server.statistics().drops.of(DropReason::Unauthentic), 1);
}

/// Three parts of which each is well-formed and the whole is garbage, with a valid cookie.
fn three_parts(world: &mut World) -> Vec<Vec<u8>> {
    let connect = world.connect_datagrams().remove(0);
    let Ok(HandshakeDatagram::Connect(connect)) = HandshakeDatagram::parse(&connect) else { panic!() };
    let mut message = vec![0xA5; 3_300];
    message[..32].copy_from_slice(connect.offer.client_ephemeral.as_bytes());
    Part::split(&message)
        .map(|part| {
            let mut datagram = Vec::new();
            Connect { part, ..connect }.encode(&mut datagram);
            datagram
        })
        .collect()
}

#[test]
fn garbage_with_a_valid_cookie_is_tried_three_times_and_then_no_more() {
    let mut world = World::new(client_config(), server_config());
    let parts = three_parts(&mut world);
    for _ in 0..10 {
        for part in parts.iter().rev() {
            assert!(world.deliver_to_server(part).is_empty());
        }
    }
    let statistics = world.server.statistics();
    assert_eq!(statistics.exchanges, 3);
    assert_eq!(statistics.shared_secrets, 3);
    assert!(statistics.drops.of(DropReason::TooManyFailures) > 0);
    assert_eq!(statistics.attempts, 1);
    world.advance(Duration::from_secs(6));
    assert_eq!(world.server.statistics().attempts, 0);
}

#[test]
fn nothing_is_stored_or_computed_for_somebody_without_a_cookie() {
    let mut world = World::new(client_config(), server_config());
    let connect = world.connect_datagrams().remove(0);
    let hello = {
        let mut other = World::new(client_config(), server_config());
        other.sent_by_client().remove(0)
    };
    let base = world.server.statistics();
    for port in 0..500 {
        world.remote.set_port(port);
        assert_eq!(world.deliver_to_server(&hello)[0].len(), 67);
        assert!(world.deliver_to_server(&connect).is_empty(), "the cookie belongs to another port");
    }
    world.remote = "[2001:db8::1]:40000".parse().unwrap();
    assert!(world.deliver_to_server(&connect).is_empty());
    let statistics = world.server.statistics();
    assert_eq!((statistics.shared_secrets, statistics.base_points), (base.shared_secrets, base.base_points));
    assert_eq!((statistics.attempts, statistics.connections), (0, 0));
    assert_eq!(statistics.drops.of(DropReason::InvalidCookie), 501);
}

#[test]
fn no_answer_to_a_stranger_is_larger_than_the_question() {
    let mut world = World::new(client_config(), server_config());
    let connect = world.connect_datagrams().remove(0);
    world.now += Duration::from_secs(7);
    for question in [vec![0x54; 1_200], connect] {
        for answer in world.deliver_to_server(&question) {
            assert!(answer.len() < question.len());
        }
    }
}

/// Runs a handshake in which `tamper` may change each datagram; the stage counts them from HELLO on.
fn tampered(mut tamper: impl FnMut(usize, &mut Vec<u8>)) -> (World, Option<ClientEvent>) {
    let mut world = World::new(client_config(), server_config());
    for stage in [0, 2] {
        let Some(mut question) = world.sent_by_client().into_iter().next() else { break };
        tamper(stage, &mut question);
        let Some(mut answer) = world.deliver_to_server(&question).into_iter().next() else { break };
        tamper(stage + 1, &mut answer);
        world.deliver_to_client(&[answer]);
    }
    let event = world.client.poll_event();
    (world, event)
}

/// Nothing but success with what both sides meant, an unauthenticated refusal, or silence.
fn assert_harmless(world: &World, event: Option<ClientEvent>, what: &str) {
    match event {
        None => {}
        Some(ClientEvent::Failed(ConnectError::RefusedUnauthenticated { .. })) => {}
        Some(ClientEvent::Failed(error)) => panic!("{what}: {error}"),
        Some(ClientEvent::Established(established)) => {
            let accepted = &world.accepted[0];
            assert_eq!(established.secrets.send, accepted.secrets.receive, "{what}");
            assert_eq!(established.suite, Suite::Aes256Gcm, "{what}");
            assert_eq!(established.version, 1, "{what}");
            assert_eq!(established.remote_limits, accepted.local_limits, "{what}");
        }
    }
}

#[test]
fn no_changed_bit_leads_to_a_connection_that_either_side_did_not_mean() {
    for stage in 0..4 {
        let bits = match stage {
            // Of the padding a sample will do.
            0 => (0..66 * 8).chain((66 * 8..HELLO_BYTES * 8).step_by(101)).collect::<Vec<_>>(),
            1 => (0..67 * 8).collect(),
            2 => (0..159 * 8).collect(),
            _ => (0..118 * 8).collect(),
        };
        let mut established = 0;
        for bit in bits {
            let (world, event) = tampered(|at, datagram| {
                if at == stage {
                    datagram[bit / 8] ^= 1 << (bit % 8);
                }
            });
            established += u32::from(matches!(event, Some(ClientEvent::Established(_))));
            assert_harmless(&world, event, &format!("stage {stage}, bit {bit}"));
        }
        // HELLO decides nothing but the server's first guess: the server may still have answered usefully.
        assert!(stage == 0 || established == 0, "stage {stage}: {established} changed datagrams passed");
    }
}

#[test]
fn no_datagram_cut_short_or_made_longer_has_an_effect() {
    for stage in 0..4 {
        let length = [1_200, 67, 159, 118][stage];
        for bytes in (0..length).chain([length + 1]) {
            let (world, event) = tampered(|at, datagram| {
                if at == stage {
                    assert_eq!(datagram.len(), length);
                    datagram.resize(bytes, 0);
                }
            });
            assert!(event.is_none(), "stage {stage} cut to {bytes}: {event:?}");
            assert!(world.server.statistics().drops.total() + world.client.drops().total() > 0);
        }
    }
}

#[test]
fn an_offer_made_smaller_on_the_way_breaks_the_key_exchange() {
    let weaker: [fn(&mut Connect<'_>); 5] = [
        |connect| connect.offer.suites = SuiteSet::only(Suite::ChaCha20Poly1305),
        |connect| connect.offer.versions = Versions::new(&[1]).unwrap(),
        |connect| connect.offer.versions = Versions::new(&[1, 2]).unwrap(),
        |connect| connect.offer.pattern = Some(crate::crypto::Pattern::Ik),
        |connect| connect.offer.table_hash = None,
    ];
    for (index, weaken) in weaker.into_iter().enumerate() {
        let versions = Versions::new(&[2, 1]).unwrap();
        let client = ClientHandshakeConfig { versions, ..client_config() };
        let mut world = World::new(client, server_config());
        let datagram = world.connect_datagrams().remove(0);
        let Ok(HandshakeDatagram::Connect(mut connect)) = HandshakeDatagram::parse(&datagram) else {
            panic!()
        };
        weaken(&mut connect);
        let mut changed = Vec::new();
        connect.encode(&mut changed);
        assert!(world.deliver_to_server(&changed).is_empty(), "case {index}");
        assert_eq!(world.server.statistics().drops.of(DropReason::Unauthentic), 1, "case {index}");
        let answers = world.deliver_to_server(&datagram);
        world.deliver_to_client(&answers);
        assert!(matches!(world.client.poll_event(), Some(ClientEvent::Established(_))), "case {index}");
    }
}

#[test]
fn a_version_changed_in_the_cookie_breaks_the_key_exchange() {
    let versions = Versions::new(&[2, 1]).unwrap();
    let mut world = World::new(
        ClientHandshakeConfig { versions, ..client_config() },
        ServerHandshakeConfig { versions, ..server_config() },
    );
    let hello = world.sent_by_client().remove(0);
    let mut cookie = world.deliver_to_server(&hello).remove(0);
    assert_eq!(cookie[13], 2);
    cookie[13] = 1;
    world.deliver_to_client(&[cookie]);
    let connect = world.sent_by_client().remove(0);
    assert!(world.deliver_to_server(&connect).is_empty());
    assert!(world.client.poll_event().is_none());
}

#[test]
fn forged_answers_neither_stop_nor_flood_a_client() {
    let mut world = World::new(client_config(), server_config());
    let hello = world.sent_by_client().remove(0);
    let cookie = world.deliver_to_server(&hello).remove(0);
    world.deliver_to_client(std::slice::from_ref(&cookie));
    let connect = world.sent_by_client().remove(0);
    let answer = world.deliver_to_server(&connect).remove(0);
    // Somebody who sees the nonce forges cookies and answers.
    for number in 0..50 {
        let mut forged = cookie.clone();
        forged[50] ^= number + 1;
        let mut accept = answer.clone();
        accept[60] ^= number + 1;
        world.deliver_to_client(&[forged, accept]);
    }
    assert_eq!(world.sent_by_client().len(), 1, "one new cookie per round is believed");
    assert_eq!(world.client.drops().of(DropReason::Unauthentic), 50);
    world.deliver_to_client(&[answer]);
    assert!(matches!(world.client.poll_event(), Some(ClientEvent::Established(_))));
}

#[test]
fn a_forged_part_only_costs_a_repetition() {
    let channel = |n: u8| Channel::unreliable(format!("{n:064}"));
    let channels = ChannelTable::new((0..32).map(channel)).unwrap();
    let mut world = World::new(
        ClientHandshakeConfig { channels: None, ..client_config() },
        ServerHandshakeConfig { channels, ..server_config() },
    );
    let connect = world.connect_datagrams().remove(0);
    let parts = world.deliver_to_server(&connect);
    let mut forged = parts[1].clone();
    forged[500] ^= 1;
    world.deliver_to_client(&[forged]);
    world.deliver_to_client(&parts);
    assert!(world.client.poll_event().is_none());
    assert_eq!(world.client.drops().of(DropReason::Unauthentic), 1);
    world.advance(Duration::from_millis(250));
    let connect = world.sent_by_client().remove(0);
    let parts = world.deliver_to_server(&connect);
    world.deliver_to_client(&parts);
    assert!(matches!(world.client.poll_event(), Some(ClientEvent::Established(_))));
}

#[test]
fn keys_of_low_order_get_no_session() {
    // As the client's ephemeral: the server must not compute a session everybody knows.
    let mut world = World::new(client_config(), server_config());
    let hello = world.sent_by_client().remove(0);
    let mut weak = hello.clone();
    weak[34..66].fill(0);
    let cookie = world.deliver_to_server(&weak).remove(0);
    let mut connect = [&weak[..66], &cookie[47..], &[0, 1], &[0; 71]].concat();
    connect[4] = 3;
    assert!(world.deliver_to_server(&connect).is_empty());
    assert_eq!(world.server.statistics().drops.of(DropReason::Unauthentic), 1);
    // As the server's key: a client that trusts anybody must not either.
    let trust = Trust::Unverified;
    let mut world = World::new(ClientHandshakeConfig { trust, ..client_config() }, server_config());
    let hello = world.sent_by_client().remove(0);
    let mut cookie = world.deliver_to_server(&hello).remove(0);
    cookie[15..47].copy_from_slice(PublicKey::from_bytes([0; 32]).as_bytes());
    world.deliver_to_client(&[cookie]);
    assert!(world.sent_by_client().is_empty());
    assert_eq!(world.client.drops().of(DropReason::Unauthentic), 1);
}

#[test]
fn garbage_is_dropped_and_counted() {
    let mut random = SeededRandom::new(4);
    let mut world = World::new(client_config(), server_config());
    for count in 1..=20_000 {
        let mut garbage = vec![0; random.below(1_300) as usize];
        random.fill(&mut garbage);
        if garbage.len() > 5 && random.chance(0.9) {
            garbage[..4].copy_from_slice(b"TMED");
            garbage[4] = random.below(8) as u8;
        }
        assert!(matches!(world.offer_to_server(&garbage).0, Outcome::Drop(_)), "{garbage:02x?}");
        world.deliver_to_client(&[garbage]);
        assert_eq!(world.server.statistics().drops.total(), count);
        assert_eq!(world.client.drops().total(), count);
    }
    world.established();
}

#[test]
fn datagrams_of_the_wrong_direction_are_dropped() {
    let mut world = World::new(client_config(), server_config());
    let hello = world.sent_by_client().remove(0);
    let cookie = world.deliver_to_server(&hello).remove(0);
    world.deliver_to_client(&[hello]);
    assert_eq!(world.client.drops().of(DropReason::WrongDirection), 1);
    assert!(matches!(world.offer_to_server(&cookie).0, Outcome::Drop(DropReason::WrongDirection)));
}
