//! Handshakes that succeed, with what both sides then agree on, and what they cost.

use super::*;
use crate::channel::{Channel, ChannelMode};
use crate::codec::Put;
use crate::crypto::Pattern;
use crate::crypto::noise::{CurveCounter, Noise};
use crate::crypto::packet::{KeyLimits, PacketProtection};
use crate::crypto::suite::{Suite, SuitePreference, SuiteSet};
use crate::handshake::datagram::{
    COOKIE_DATAGRAM_BYTES, Connect, HELLO_BYTES, HandshakeDatagram, Hello, Offer, Part, Versions,
};
use crate::handshake::drops::DropReason;
use crate::handshake::parameters::{ClientParameters, Limits, SchemaHashes, ServerAnswer};
use crate::handshake::reason::Reason;

/// Both sides have matching keys: a packet of either opens at the other.
fn assert_packets_flow(client: &Established, server: &Accepted) {
    assert_eq!(client.suite, server.suite);
    let limits = KeyLimits::default();
    let mut at_client = PacketProtection::new(client.suite, &client.secrets, limits, START);
    let mut at_server = PacketProtection::new(server.suite, &server.secrets, limits, START);
    for _ in 0..2 {
        let mut packet = vec![0x80; 40];
        at_client.seal_in_place(START, 0, &mut packet, 7);
        assert_eq!(at_server.open_in_place(START, 0, &mut packet, 7), Ok(33 - at_server.tag_bytes()));
        std::mem::swap(&mut at_client, &mut at_server);
    }
}

#[test]
fn both_patterns_end_with_the_same_keys_and_each_others_parameters() {
    for identity in [None, Some(identity())] {
        let user_data = UserData::new(*b"hello").unwrap();
        let client = ClientHandshakeConfig { identity: identity.clone(), user_data, ..client_config() };
        let mut world = World::new(client, server_config());
        let established = world.established();
        let accepted = &world.accepted[0];
        assert_packets_flow(&established, accepted);
        assert_eq!(accepted.user_data.as_bytes(), b"hello");
        assert_eq!(established.user_data.as_bytes(), b"welcome");
        assert_eq!(accepted.identity, identity.as_ref().map(KeyPair::public));
        assert_eq!(established.remote_connection_id, accepted.local_connection_id);
        assert_eq!(established.local_connection_id, accepted.remote_connection_id);
        assert_eq!(established.peer_number, accepted.peer_number);
        assert_eq!(established.reset_token, accepted.reset_token);
        assert_eq!(established.reset_token, world.server.reset_token(0x5E00_0001, world.remote.ip()));
        assert_eq!(established.channels, ChannelTable::default());
        assert!(!established.is_first_use);
        assert_eq!(world.client.poll_timeout(), None);
    }
}

#[test]
fn datagrams_have_the_sizes_of_the_page() {
    for (identity, connect_bytes) in [(None, 159), (Some(identity()), 207)] {
        let mut world = World::new(ClientHandshakeConfig { identity, ..client_config() }, server_config());
        let hello = world.sent_by_client().remove(0);
        let cookie = world.deliver_to_server(&hello).remove(0);
        world.deliver_to_client(std::slice::from_ref(&cookie));
        let connect = world.sent_by_client();
        assert_eq!((hello.len(), cookie.len()), (HELLO_BYTES, COOKIE_DATAGRAM_BYTES));
        assert_eq!((connect.len(), connect[0].len()), (1, connect_bytes));
        let (Outcome::Request(request), _) = world.offer_to_server(&connect[0]) else { panic!() };
        let info = AcceptInfo { user_data: UserData::default(), ..accept_info() };
        let accepted = world.server.accept(request, info).unwrap();
        assert_eq!(accepted.datagrams.iter().map(<[u8]>::len).collect::<Vec<_>>(), [109]);
    }
}

#[test]
fn a_server_spends_two_shared_secrets_on_nk_and_four_on_ik() {
    for (identity, shared_secrets) in [(None, 2), (Some(identity()), 4)] {
        let mut world = World::new(ClientHandshakeConfig { identity, ..client_config() }, server_config());
        world.established();
        let statistics = world.server.statistics();
        assert_eq!((statistics.base_points, statistics.shared_secrets), (1, shared_secrets));
        assert_eq!((statistics.hellos, statistics.cookies, statistics.connects), (1, 1, 1));
        assert_eq!((statistics.requests, statistics.accepted, statistics.connections), (1, 1, 1));
        assert_eq!((statistics.drops.total(), statistics.attempts), (0, 0));
    }
}

fn large_table() -> ChannelTable {
    let channel = |n: u8| Channel::new(format!("{n:064}"), ChannelMode::ALL[usize::from(n) % 5]).id(255 - n);
    ChannelTable::new((0..32).map(channel)).unwrap()
}

#[test]
fn a_client_without_a_table_adopts_even_the_largest_one_in_three_parts() {
    let mut world = World::new(
        ClientHandshakeConfig { channels: None, ..client_config() },
        ServerHandshakeConfig { channels: large_table(), ..server_config() },
    );
    let connect = world.connect_datagrams().remove(0);
    let mut parts = world.deliver_to_server(&connect);
    assert_eq!(
        parts.iter().map(Vec::len).collect::<Vec<_>>(),
        [1_115, 1_115, 15 + 48 + 28 + 18 + 2_176 + 9 - 2_200]
    );
    parts.reverse();
    parts.insert(1, parts[0].clone());
    world.deliver_to_client(&parts[..3]);
    assert!(world.client.poll_event().is_none(), "one part is still missing");
    world.deliver_to_client(&parts[3..]);
    let Some(ClientEvent::Established(established)) = world.client.poll_event() else { panic!() };
    assert_eq!(established.channels, large_table());
    assert_eq!(established.channels.hash(), large_table().hash());
    assert_eq!(world.client.drops().of(DropReason::Repeated), 1);
    assert_packets_flow(&established, &world.accepted[0]);
}

/// A client made by hand, whose message 1 carries this payload: the datagrams of CONNECT, and its Noise
/// state.
fn hand_made(world: &mut World, payload: &[u8]) -> (Vec<Vec<u8>>, Noise) {
    let ephemeral = KeyPair::generate(&mut world.random);
    let offer = Offer {
        client_nonce: 5,
        versions: Versions::OURS,
        application_id: 0,
        table_hash: None,
        suites: SuiteSet::ENCRYPTED,
        pattern: Some(Pattern::Nk),
        client_ephemeral: ephemeral.public(),
    };
    let mut hello = Vec::new();
    Hello { offer }.encode(&mut hello);
    let reply = world.deliver_to_server(&hello).remove(0);
    let Ok(HandshakeDatagram::Cookie(reply)) = HandshakeDatagram::parse(&reply) else { panic!() };
    let (prologue, counter) = (offer.prologue(1), CurveCounter::default());
    let mut noise = Noise::initiator(&prologue, &reply.server_key, None, &ephemeral, &counter).unwrap();
    let mut message = Vec::new();
    noise.write(payload, &mut message).unwrap();
    let connect = |part| {
        let mut datagram = Vec::new();
        Connect { offer, cookie: reply.cookie, part }.encode(&mut datagram);
        datagram
    };
    (Part::split(&message).map(connect).collect(), noise)
}

/// Client parameters with one more extension.
fn parameters_with(extension: u64, bytes: usize) -> Vec<u8> {
    let parameters = ClientParameters {
        connection_id: ConnectionId::new(7).unwrap(),
        limits: Limits::default(),
        token: None,
        user_data: UserData::default(),
        schema_hashes: SchemaHashes::default(),
    };
    let mut payload = Vec::new();
    parameters.encode(&mut payload);
    assert_eq!(payload.pop(), Some(0), "the count of extensions");
    payload.put_u8(1);
    payload.put_varint(extension);
    payload.put_varint(bytes as u64);
    payload.resize(payload.len() + bytes, 0xA5);
    payload
}

#[test]
fn a_request_in_three_parts_arrives_in_any_order_and_is_answered_once() {
    let orders: [&[usize]; 5] =
        [&[0, 1, 2], &[2, 1, 0], &[1, 1, 0, 0, 2], &[2, 0, 2, 1], &[0, 2, 1, 0, 1, 2]];
    for order in orders {
        let mut world = World::new(client_config(), server_config());
        let (parts, mut noise) = hand_made(&mut world, &parameters_with(1_000, 2_500));
        assert_eq!(
            parts.iter().map(Vec::len).collect::<Vec<_>>(),
            [1_188, 1_188, 88 + 48 + 23 + 4 + 2_500 - 2_200]
        );
        let answers: Vec<Vec<u8>> =
            order.iter().flat_map(|&index| world.deliver_to_server(&parts[index])).collect();
        let repetitions = usize::from(order.len() == 6);
        assert_eq!(answers.len(), 1 + repetitions, "only part 0 asks for the answer again");
        let Ok(HandshakeDatagram::Accept(accept)) = HandshakeDatagram::parse(&answers[0]) else { panic!() };
        let answer = ServerAnswer::decode(&noise.read(accept.part.bytes()).unwrap());
        assert!(matches!(answer, Ok(ServerAnswer::Accepted(_))));
        assert_eq!(world.server.statistics().exchanges, 1);
        assert_eq!(world.server.statistics().attempts, 0);
    }
}

#[test]
fn parameters_that_cannot_be_used_are_refused_encrypted() {
    let mut small = parameters_with(1_000, 0);
    small[4] = 1;
    let mut long = parameters_with(1_000, 0);
    long.push(0);
    let cases = [
        (parameters_with(1_001, 3), Reason::Extension, "extension 1001"),
        (parameters_with(3, 3), Reason::Extension, "extension 3 "),
        (parameters_with(1, 3), Reason::Token, "invalid"),
        (parameters_with(1, 701), Reason::Parameters, "parameters"),
        (parameters_with(2, 513), Reason::Parameters, "parameters"),
        (parameters_with(5, 13), Reason::Parameters, "parameters"),
        (small, Reason::Parameters, "largest reliable message in bytes of 1 "),
        (long, Reason::Parameters, "left over"),
        (vec![], Reason::Parameters, "ends inside"),
    ];
    for (payload, reason, text) in cases {
        let mut world = World::new(client_config(), server_config());
        let (connect, mut noise) = hand_made(&mut world, &payload);
        let answer = world.deliver_to_server(&connect[0]).remove(0);
        let Ok(HandshakeDatagram::Accept(accept)) = HandshakeDatagram::parse(&answer) else { panic!() };
        let Ok(ServerAnswer::Refused(refusal)) =
            ServerAnswer::decode(&noise.read(accept.part.bytes()).unwrap())
        else {
            panic!("{text}")
        };
        assert_eq!(refusal.reason, reason);
        let detail = String::from_utf8(refusal.detail.into_bytes()).unwrap();
        assert!(detail.contains(text), "{detail}");
        assert_eq!(world.deliver_to_server(&connect[0]), [answer], "the refusal is repeated");
        assert_eq!(world.server.statistics().exchanges, 1);
    }
}

#[test]
fn suites_are_chosen_by_the_server_and_plaintext_by_both() {
    let slow_server = SuitePreference::new(&[Suite::ChaCha20Poly1305, Suite::Aes256Gcm]).unwrap();
    let open_server = SuitePreference::new(&[Suite::Plaintext]).unwrap();
    let cases = [
        (SuiteSet::ENCRYPTED, SuitePreference::default(), Suite::Aes256Gcm),
        (SuiteSet::ENCRYPTED, slow_server, Suite::ChaCha20Poly1305),
        (SuiteSet::only(Suite::Aes256Gcm), slow_server, Suite::Aes256Gcm),
        (SuiteSet::PLAINTEXT, open_server, Suite::Plaintext),
    ];
    for (offered, preferred, expected) in cases {
        let mut world = World::new(
            ClientHandshakeConfig { suites: offered, ..client_config() },
            ServerHandshakeConfig { suites: preferred, ..server_config() },
        );
        let established = world.established();
        assert_eq!(established.suite, expected);
        assert_packets_flow(&established, &world.accepted[0]);
    }
}

#[test]
fn lost_datagrams_are_repeated_with_growing_pauses_and_the_same_bytes() {
    let mut world = World::new(client_config(), server_config());
    let first = world.sent_by_client();
    let mut pauses = Vec::new();
    let mut last = world.now;
    for _ in 0..5 {
        let at = world.client.poll_timeout().unwrap();
        pauses.push(at.saturating_since(last).as_millis());
        world.advance(at.saturating_since(world.now));
        last = world.now;
        assert_eq!(world.sent_by_client(), first);
    }
    assert_eq!(pauses, [250, 375, 562, 843, 1_265]);
    let cookies = world.deliver_to_server(&first[0]);
    world.deliver_to_client(&cookies);
    let connect = world.sent_by_client();
    assert_eq!(world.client.poll_timeout(), Some(world.now + Duration::from_millis(250)));
    world.advance(Duration::from_millis(250));
    assert_eq!(world.sent_by_client(), connect);
}

#[test]
fn only_an_unrepeated_hello_measures_the_round_trip() {
    let mut world = World::new(client_config(), server_config());
    let hello = world.sent_by_client().remove(0);
    world.now += Duration::from_millis(40);
    let cookie = world.deliver_to_server(&hello);
    world.deliver_to_client(&cookie);
    assert_eq!(world.established_after_connect().rtt, Some(Duration::from_millis(40)));

    let mut world = World::new(client_config(), server_config());
    let hello = world.sent_by_client().remove(0);
    world.advance(Duration::from_millis(250));
    world.sent_by_client();
    let cookie = world.deliver_to_server(&hello);
    world.deliver_to_client(&cookie);
    assert_eq!(world.established_after_connect().rtt, None);
}

impl World {
    fn established_after_connect(&mut self) -> Established {
        self.round();
        match self.client.poll_event() {
            Some(ClientEvent::Established(established)) => *established,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_handshake_succeeds_over_a_link_that_loses_repeats_and_reorders() {
    for seed in 0..100 {
        let mut link = SeededRandom::new(seed);
        let mut world = World::new(
            ClientHandshakeConfig {
                channels: None,
                give_up_after: Duration::from_secs(60),
                ..client_config()
            },
            ServerHandshakeConfig { channels: large_table(), ..server_config() },
        );
        let mut outcome = None;
        for _ in 0..100_000 {
            let mut sent = world.sent_by_client();
            if sent.len() > 1 && link.chance(0.5) {
                sent.reverse();
            }
            for datagram in sent {
                let copies = if link.chance(0.2) { 0 } else { 1 + link.below(2) };
                for _ in 0..copies {
                    for answer in world.deliver_to_server(&datagram) {
                        if link.chance(0.7) {
                            world.deliver_to_client(&[answer]);
                        }
                    }
                }
            }
            outcome = world.client.poll_event();
            if outcome.is_some() {
                break;
            }
            world.advance(Duration::from_millis(10));
        }
        let Some(ClientEvent::Established(established)) = outcome else { panic!("seed {seed}: {outcome:?}") };
        assert_eq!(world.accepted.len(), 1, "seed {seed}: one attempt makes one connection");
        assert_packets_flow(&established, &world.accepted[0]);
        assert_eq!(world.server.statistics().shared_secrets, 2, "seed {seed}");
    }
}

/// Flips up to three bits.
fn damage(datagram: &mut [u8], link: &mut SeededRandom) {
    for _ in 0..=link.below(3) {
        let bit = link.below(datagram.len() as u64 * 8) as usize;
        datagram[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Connects over a link that damages this share of the datagrams; gives how it ended.
fn over_a_damaging_link(client: ClientHandshakeConfig, seed: u64, share: f64) -> (World, ClientEvent) {
    let mut link = SeededRandom::new(seed);
    let mut world = World::new(client, server_config());
    loop {
        for mut datagram in world.sent_by_client() {
            if link.chance(share) {
                damage(&mut datagram, &mut link);
            }
            for mut answer in world.deliver_to_server(&datagram) {
                if link.chance(share) {
                    damage(&mut answer, &mut link);
                }
                world.deliver_to_client(&[answer]);
            }
        }
        if let Some(event) = world.client.poll_event() {
            return (world, event);
        }
        // Up to the next datagram, or the next time-out.
        let at = world.client.poll_timeout().unwrap().min(world.now + Duration::from_millis(20));
        world.advance(at.saturating_since(world.now));
    }
}

#[test]
fn a_damaged_datagram_costs_time_and_not_the_attempt() {
    let trusts = [Trust::Unverified, Trust::KnownHost(None), Trust::Pinned(vec![server_key().public()])];
    for (share, seeds) in [(0.02, 1_500), (0.1, 400)] {
        for trust in &trusts {
            for seed in 0..seeds {
                let client = ClientHandshakeConfig { trust: trust.clone(), ..client_config() };
                let (world, event) = over_a_damaging_link(client, seed, share);
                let ClientEvent::Established(established) = event else {
                    panic!("{trust:?}, {share}, seed {seed}: {event:?}")
                };
                assert_packets_flow(&established, world.accepted.last().unwrap());
                assert_eq!(established.server_key, server_key().public());
            }
        }
    }
}

#[test]
fn a_damaged_or_forged_first_cookie_is_corrected_by_another_one() {
    for (what, byte) in [("its cookie", 50), ("its key", 20)] {
        let mut world = World::new(
            ClientHandshakeConfig { trust: Trust::Unverified, ..client_config() },
            server_config(),
        );
        let hello = world.sent_by_client().remove(0);
        let mut cookie = world.deliver_to_server(&hello);
        cookie[0][byte] ^= 1;
        world.deliver_to_client(&cookie);
        let outcome = loop {
            // The last answer, and what it leads to.
            (0..3).for_each(|_| world.round());
            if let Some(outcome) = world.client.poll_event() {
                break outcome;
            }
            let at = world.client.poll_timeout().unwrap();
            world.advance(at.saturating_since(world.now));
        };
        let ClientEvent::Established(established) = outcome else { panic!("{what}: {outcome:?}") };
        assert_packets_flow(&established, &world.accepted[0]);
        assert!(
            world.now.saturating_since(START) < Duration::from_secs(2),
            "{what}: {:?}",
            world.now.saturating_since(START)
        );
    }
}

#[test]
fn one_contradicting_cookie_does_not_undo_an_exchange() {
    let mut world =
        World::new(ClientHandshakeConfig { trust: Trust::Unverified, ..client_config() }, server_config());
    let hello = world.sent_by_client().remove(0);
    let cookie = world.deliver_to_server(&hello).remove(0);
    world.deliver_to_client(std::slice::from_ref(&cookie));
    let connect = world.sent_by_client();
    let mut other = cookie.clone();
    other[20] ^= 1;
    // The server thinks about it, and somebody who sees the nonce answers in its place: often, but not whenever asked.
    for repetition in 1..=4 {
        let at = world.client.poll_timeout().unwrap();
        world.advance(at.saturating_since(world.now));
        let sent = world.sent_by_client();
        assert_eq!(sent.len(), if repetition < 2 { 1 } else { 2 }, "HELLO goes along from the second on");
        assert_eq!(sent[0], connect[0]);
        if repetition % 2 == 0 {
            for _ in 0..20 {
                world.deliver_to_client(std::slice::from_ref(&other));
            }
        }
        world.deliver_to_client(std::slice::from_ref(&cookie));
    }
    let answers = world.deliver_to_server(&connect[0]);
    world.deliver_to_client(&answers);
    assert!(matches!(world.client.poll_event(), Some(ClientEvent::Established(_))));
    assert_eq!(world.client.drops().of(DropReason::Unexpected), 40);
}

#[test]
fn a_cookie_that_grew_too_old_is_renewed_without_a_new_exchange() {
    let mut world = World::new(client_config(), server_config());
    let connect = world.connect_datagrams().remove(0);
    world.now += Duration::from_secs(7);
    let fresh = world.deliver_to_server(&connect);
    assert_eq!(fresh[0].len(), COOKIE_DATAGRAM_BYTES);
    world.deliver_to_client(&fresh);
    let renewed = world.sent_by_client();
    assert_eq!(renewed.len(), 1);
    assert_eq!(renewed[0][86..], connect[86..], "Noise message 1 stays as it was");
    let answers = world.deliver_to_server(&renewed[0]);
    world.deliver_to_client(&answers);
    assert!(matches!(world.client.poll_event(), Some(ClientEvent::Established(_))));
    assert_eq!(world.server.statistics().exchanges, 1);
}
