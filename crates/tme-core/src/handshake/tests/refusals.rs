//! Every way to say no, and what the client makes of it.

use super::*;
use crate::channel::Channel;
use crate::crypto::Pattern;
use crate::crypto::keys::{PublicKey, SecretKey};
use crate::crypto::noise::{CurveCounter, Noise};
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::{Suite, SuitePreference, SuiteSet};
use crate::handshake::client::{ClientConfigError, ConnectError, ConnectStage};
use crate::handshake::datagram::{Accept, Connect, HandshakeDatagram, Part, Refuse, Versions};
use crate::handshake::drops::DropReason;
use crate::handshake::parameters::{
    Acceptance, Detail, Limits, Refusal, SchemaHash, SchemaHashes, ServerAnswer,
};
use crate::handshake::reason::Reason;
use crate::handshake::server::{AcceptError, BusyLimits, IdentityPolicy, ServerConfigError};

fn schemas(hash: u64) -> SchemaHashes {
    SchemaHashes::new(vec![SchemaHash { tag: 9, hash: 1 }, SchemaHash { tag: 7, hash }]).unwrap()
}

#[test]
fn what_the_offer_decides_is_refused_in_clear_before_any_key_exchange() {
    let versions = |list: &[u16]| Versions::new(list).unwrap();
    let open = SuitePreference::new(&[Suite::Plaintext]).unwrap();
    let cases = [
        (
            Reason::Version,
            ClientHandshakeConfig { versions: versions(&[2, 3]), ..client_config() },
            server_config(),
        ),
        (
            Reason::Application,
            ClientHandshakeConfig { application_id: 4, ..client_config() },
            server_config(),
        ),
        (
            Reason::Suites,
            ClientHandshakeConfig { suites: SuiteSet::PLAINTEXT, ..client_config() },
            server_config(),
        ),
        (Reason::Suites, client_config(), ServerHandshakeConfig { suites: open, ..server_config() }),
        (
            Reason::IdentityRequired,
            client_config(),
            ServerHandshakeConfig { identity: IdentityPolicy::Required, ..server_config() },
        ),
    ];
    for (reason, client, server) in cases {
        let mut world = World::new(client, server);
        world.round();
        assert!(world.client.poll_event().is_none(), "{reason}: perhaps the question was damaged on the way");
        world.round();
        let Some(ClientEvent::Failed(error)) = world.client.poll_event() else { panic!("{reason}") };
        assert!(matches!(error, ConnectError::RefusedUnauthenticated { .. }), "{error}");
        assert_eq!(error.reason(), reason);
        assert!(error.to_string().contains("unauthenticated"), "{error}");
        assert_eq!(world.server.statistics().refused(reason), 2);
        assert_eq!(world.server.statistics().shared_secrets, 0);
        assert!(world.sent_by_client().is_empty(), "a refused client offers nothing less");
    }
}

#[test]
fn what_only_the_request_shows_is_refused_encrypted() {
    let other_table = ChannelTable::new([Channel::unreliable("other")]).unwrap();
    let cases = [
        (
            Reason::ChannelTable,
            "channel table",
            ClientHandshakeConfig { channels: Some(other_table), ..client_config() },
        ),
        (
            Reason::Schema,
            "schema 0x00000007 differs",
            ClientHandshakeConfig { schema_hashes: schemas(2), ..client_config() },
        ),
    ];
    for (reason, text, client) in cases {
        let server = ServerHandshakeConfig { schema_hashes: schemas(3), ..server_config() };
        let mut world = World::new(client, server);
        let error = world.failure();
        let ConnectError::Refused(refusal) = &error else { panic!("{error}") };
        assert_eq!(refusal.reason, reason);
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(world.server.statistics().refused(reason), 1);
        assert!(world.accepted.is_empty());
    }
    let server = ServerHandshakeConfig { schema_hashes: schemas(3), ..server_config() };
    let client = ClientHandshakeConfig { schema_hashes: schemas(3), ..client_config() };
    World::new(client, server).established();
}

#[test]
fn the_owner_refuses_with_reason_and_detail_and_the_answer_is_repeated() {
    for reason in [Reason::Full, Reason::Banned, Reason::Denied, Reason::Token, Reason::Other(999)] {
        let mut world = World::new(client_config(), server_config());
        let connect = world.connect_datagrams().remove(0);
        let (Outcome::Request(request), _) = world.offer_to_server(&connect) else { panic!() };
        let refusal = Refusal { reason, detail: Detail::from_text("try tomorrow") };
        let answer = world.server.refuse(world.now, request, refusal.clone()).unwrap();
        let cost = world.server.statistics().shared_secrets;
        let (Outcome::ReplyCached(again), _) = world.offer_to_server(&connect) else { panic!() };
        assert_eq!(again, answer);
        assert_eq!(world.server.statistics().shared_secrets, cost);
        let answer: Vec<Vec<u8>> = answer.iter().map(<[u8]>::to_vec).collect();
        world.deliver_to_client(&answer);
        let Some(ClientEvent::Failed(error)) = world.client.poll_event() else { panic!() };
        assert_eq!(error, ConnectError::Refused(refusal));
        world.advance(Duration::from_secs(6));
        assert_eq!(world.server.statistics().attempts, 0, "a refusal is forgotten with its cookie");
    }
}

#[test]
fn a_request_is_answered_once_and_in_time() {
    let mut world = World::new(client_config(), server_config());
    let connect = world.connect_datagrams().remove(0);
    let (Outcome::Request(request), _) = world.offer_to_server(&connect) else { panic!() };
    assert!(matches!(world.offer_to_server(&connect).0, Outcome::Drop(DropReason::Repeated)));
    world.advance(Duration::from_secs(16));
    assert_eq!(world.server.accept(request, accept_info()).unwrap_err(), AcceptError::Stale);
}

#[test]
fn a_busy_server_says_so() {
    let crowd = |busy: BusyLimits, attempts: u8| {
        let mut world = World::new(client_config(), ServerHandshakeConfig { busy, ..server_config() });
        for number in 0..attempts {
            let mut other = SeededRandom::new(1_000 + u64::from(number));
            world.client = ClientHandshake::new(client_config(), world.now, &mut other).unwrap();
            world.remote = SocketAddr::from(([192, 0, 2, number], 1));
            world.request();
        }
        let mut other = SeededRandom::new(5_000);
        world.client = ClientHandshake::new(client_config(), world.now, &mut other).unwrap();
        world.round();
        world.round();
        let error = match world.client.poll_event() {
            Some(ClientEvent::Failed(error)) => Some(error.reason()),
            _ => None,
        };
        (error, world.server.statistics().refused(Reason::Busy))
    };
    let busy = BusyLimits::default();
    assert_eq!(crowd(BusyLimits { attempts_max: 3, ..busy }, 3), (Some(Reason::Busy), 1));
    assert_eq!(crowd(BusyLimits { attempts_max: 4, ..busy }, 3), (None, 0));
    let slow = BusyLimits { exchanges_per_second: 1, exchanges_burst: 3, ..busy };
    assert_eq!(crowd(slow, 3), (Some(Reason::Busy), 1));
    assert_eq!(crowd(slow, 2), (None, 0));
}

/// Three datagrams' worth of message 1, of which only the first ever comes: it costs whoever sends it nothing.
fn begun_and_left(world: &mut World, remote: &str, seed: u64) {
    let mut other = SeededRandom::new(seed);
    world.client = ClientHandshake::new(client_config(), world.now, &mut other).unwrap();
    world.remote = remote.parse().unwrap();
    let connect = world.connect_datagrams().remove(0);
    let Ok(HandshakeDatagram::Connect(connect)) = HandshakeDatagram::parse(&connect) else { panic!() };
    let part = Part::split(&[0xA5; 3_300]).next().unwrap();
    let mut datagram = Vec::new();
    Connect { part, ..connect }.encode(&mut datagram);
    assert!(matches!(world.offer_to_server(&datagram).0, Outcome::Incomplete));
}

#[test]
fn a_few_who_begin_and_do_not_go_on_keep_nobody_out() {
    let busy = BusyLimits { attempts_max: 8, attempts_per_network_max: 4, ..BusyLimits::default() };
    let mut world = World::new(client_config(), ServerHandshakeConfig { busy, ..server_config() });
    for number in 0..8 {
        begun_and_left(&mut world, &format!("192.0.2.{}:{}", number / 4, 1_000 + number), number);
    }
    assert_eq!(world.server.statistics().attempts, 8);
    // Another network, and a neighbour of theirs a second later.
    for (remote, wait) in [("198.51.100.1:1", 0), ("192.0.2.0:5", 1_000)] {
        world.advance(Duration::from_millis(wait));
        world.client = ClientHandshake::new(client_config(), world.now, &mut world.random).unwrap();
        world.remote = remote.parse().unwrap();
        world.established();
    }
    let statistics = world.server.statistics();
    assert_eq!((statistics.attempts_forgotten, statistics.attempts), (2, 6));
    assert_eq!(statistics.refused(Reason::Busy), 0);
}

#[test]
fn one_line_cannot_use_up_the_server() {
    let busy = BusyLimits { attempts_per_network_max: 2, ..BusyLimits::default() };
    let mut world = World::new(client_config(), ServerHandshakeConfig { busy, ..server_config() });
    for port in 1..=2 {
        world.client = ClientHandshake::new(client_config(), world.now, &mut world.random).unwrap();
        world.remote.set_port(port);
        world.request();
    }
    world.client = ClientHandshake::new(client_config(), world.now, &mut world.random).unwrap();
    world.remote.set_port(3);
    assert_eq!(world.failure().reason(), Reason::Busy);
    world.client = ClientHandshake::new(client_config(), world.now, &mut world.random).unwrap();
    world.remote = "192.0.2.8:3".parse().unwrap();
    world.established();
}

fn time_out(world: &mut World) -> ConnectError {
    loop {
        if let Some(ClientEvent::Failed(error)) = world.client.poll_event() {
            return error;
        }
        world.round();
        let at = world.client.poll_timeout().unwrap();
        world.advance(at.saturating_since(world.now));
        assert!(world.now <= START + Duration::from_secs(10));
    }
}

#[test]
fn a_client_ignores_servers_it_does_not_trust_and_names_their_key_when_it_gives_up() {
    let stranger = PublicKey::from_bytes([9; 32]);
    let mut world = World::new(
        ClientHandshakeConfig { trust: Trust::Pinned(vec![stranger, stranger]), ..client_config() },
        server_config(),
    );
    let error = time_out(&mut world);
    let seen = server_key().public();
    assert_eq!(error, ConnectError::ServerKeyNotPinned { pinned: 2, seen, waited: Duration::from_secs(10) });
    assert!(error.to_string().contains(&seen.to_string()));
    assert!(world.client.drops().of(DropReason::Untrusted) > 5);
    assert_eq!(world.server.statistics().connects, 0);

    let trust = Trust::KnownHost(Some(stranger));
    let mut world = World::new(ClientHandshakeConfig { trust, ..client_config() }, server_config());
    let error = time_out(&mut world);
    let waited = Duration::from_secs(10);
    assert_eq!(error, ConnectError::ServerKeyChanged { remembered: stranger, seen, waited });
}

#[test]
fn the_first_use_of_a_host_is_reported_so_that_its_key_can_be_remembered() {
    let with = |trust| World::new(ClientHandshakeConfig { trust, ..client_config() }, server_config());
    let first = with(Trust::KnownHost(None)).established();
    assert!(first.is_first_use);
    assert_eq!(first.server_key, server_key().public());
    assert!(!with(Trust::KnownHost(Some(first.server_key))).established().is_first_use);
    assert!(!with(Trust::Unverified).established().is_first_use);
}

#[test]
fn silence_is_a_time_out_that_says_how_far_it_got() {
    let mut world = World::new(client_config(), server_config());
    let waited = Duration::from_secs(10);
    while !world.client.is_done() {
        world.sent_by_client();
        let at = world.client.poll_timeout().unwrap();
        world.advance(at.saturating_since(world.now));
    }
    let Some(ClientEvent::Failed(error)) = world.client.poll_event() else { panic!() };
    assert_eq!(error, ConnectError::TimedOut { waited, stage: ConnectStage::AwaitingCookie });
    assert!(error.to_string().contains("10s"), "{error}");
    let waited = Duration::from_micros(3_000_025);
    let error = ConnectError::TimedOut { waited, stage: ConnectStage::AwaitingCookie };
    assert!(error.to_string().contains("within 3s;"), "{error}");
    let waited = Duration::from_secs(10);

    let mut world = World::new(client_config(), server_config());
    world.round();
    while !world.client.is_done() {
        world.sent_by_client();
        let at = world.client.poll_timeout().unwrap();
        world.advance(at.saturating_since(world.now));
    }
    let Some(ClientEvent::Failed(error)) = world.client.poll_event() else { panic!() };
    assert_eq!(error, ConnectError::TimedOut { waited, stage: ConnectStage::AwaitingAccept });
}

#[test]
fn a_refusal_with_another_nonce_is_not_ours() {
    let mut world = World::new(client_config(), server_config());
    let refuse = Refuse { client_nonce: 1, reason: Reason::Busy, versions: Versions::OURS };
    let mut datagram = Vec::new();
    HandshakeDatagram::Refuse(refuse).encode(&mut datagram);
    world.deliver_to_client(&[datagram]);
    assert_eq!(world.client.drops().of(DropReason::WrongNonce), 1);
    world.established();
}

#[test]
fn a_refusal_that_contradicts_itself_is_not_believed() {
    // No server that speaks our version refuses for it, unless what it read was not what we wrote.
    let mut world = World::new(client_config(), server_config());
    let hello = world.sent_by_client().remove(0);
    let mut damaged = hello.clone();
    damaged[14] ^= 4;
    let refusal = world.deliver_to_server(&damaged);
    assert_eq!(world.server.statistics().refused(Reason::Version), 1);
    for _ in 0..5 {
        world.deliver_to_client(&refusal);
    }
    assert_eq!(world.client.drops().of(DropReason::Unexpected), 5);
    let cookie = world.deliver_to_server(&hello);
    world.deliver_to_client(&cookie);
    world.established();
}

#[test]
fn configurations_that_cannot_work_are_refused_at_once() {
    let client = |config| ClientHandshake::new(config, START, &mut SeededRandom::new(1)).err();
    let suites = SuiteSet::PLAINTEXT;
    assert_eq!(
        client(ClientHandshakeConfig { suites, identity: Some(identity()), ..client_config() }),
        Some(ClientConfigError::IdentityOverPlaintext)
    );
    assert_eq!(
        client(ClientHandshakeConfig { trust: Trust::Pinned(vec![]), ..client_config() }),
        Some(ClientConfigError::NothingPinned)
    );
    let mut limits = client_config().limits;
    limits.datagram_bytes_max = 1_199;
    let error = client(ClientHandshakeConfig { limits, ..client_config() }).unwrap();
    assert_eq!(error.to_string(), "largest datagram in bytes of 1199 is outside 1200–65527");
    let server = |config| ServerHandshake::new(config, &mut SeededRandom::new(1)).err();
    let suites = SuitePreference::new(&[Suite::Plaintext]).unwrap();
    assert_eq!(
        server(ServerHandshakeConfig { suites, identity: IdentityPolicy::Required, ..server_config() }),
        Some(ServerConfigError::IdentityOverPlaintext)
    );
}

#[test]
fn a_server_that_requires_identities_takes_clients_that_have_one() {
    let server = ServerHandshakeConfig { identity: IdentityPolicy::Required, ..server_config() };
    let client = ClientHandshakeConfig { identity: Some(identity()), ..client_config() };
    World::new(client, server).established();
}

#[test]
fn an_identity_over_plaintext_is_refused_even_where_plaintext_is_allowed() {
    let suites = SuitePreference::new(&[Suite::Aes256Gcm, Suite::Plaintext]).unwrap();
    let client = ClientHandshakeConfig { suites: SuiteSet::PLAINTEXT, ..client_config() };
    let mut world = World::new(client, ServerHandshakeConfig { suites, ..server_config() });
    let mut hello = world.sent_by_client().remove(0);
    hello[33] = 1;
    let answer = world.deliver_to_server(&hello).remove(0);
    let Ok(HandshakeDatagram::Refuse(refuse)) = HandshakeDatagram::parse(&answer) else { panic!() };
    assert_eq!(refuse.reason, Reason::Suites);
}

/// The event of a client whose server, though authentic, gives this answer.
fn answered_by_hand(client: ClientHandshakeConfig, answer: &ServerAnswer) -> ConnectError {
    let mut world = World::new(client, server_config());
    let connect = world.connect_datagrams().remove(0);
    let Ok(HandshakeDatagram::Connect(connect)) = HandshakeDatagram::parse(&connect) else { panic!() };
    let (prologue, counter) = (connect.offer.prologue(1), CurveCounter::default());
    let ephemeral = SecretKey::generate(&mut world.random);
    let key = server_key();
    let mut noise = Noise::responder(Pattern::Nk, &prologue, &key, ephemeral, &counter).unwrap();
    noise.read(connect.part.bytes()).unwrap();
    let (mut payload, mut message, mut datagram) = (Vec::new(), Vec::new(), Vec::new());
    answer.encode(&mut payload);
    noise.write(&payload, &mut message).unwrap();
    let part = Part::split(&message).next().unwrap();
    Accept { client_nonce: connect.offer.client_nonce, part }.encode(&mut datagram);
    world.deliver_to_client(&[datagram]);
    match world.client.poll_event() {
        Some(ClientEvent::Failed(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_authentic_answer_that_makes_no_sense_ends_the_attempt() {
    let acceptance = Acceptance {
        connection_id: ConnectionId::new(1).unwrap(),
        peer_number: PeerNumber::new(2).unwrap(),
        suite: Suite::Aes256Gcm,
        reset_token: ResetToken::from_bytes([0; 16]),
        limits: Limits::default(),
        channels: None,
        user_data: UserData::default(),
    };
    let accepted = |acceptance: &Acceptance| ServerAnswer::Accepted(Box::new(acceptance.clone()));
    let plaintext = Acceptance { suite: Suite::Plaintext, ..acceptance.clone() };
    let with_table = Acceptance { channels: Some(ChannelTable::default()), ..acceptance.clone() };
    let out_of_range =
        Acceptance { limits: Limits { datagram_bytes_max: 1, ..Limits::default() }, ..acceptance.clone() };
    let adopting = ClientHandshakeConfig { channels: None, ..client_config() };
    let cases = [
        (client_config(), accepted(&plaintext), "chose plaintext"),
        (client_config(), accepted(&with_table), "not asked for"),
        (adopting, accepted(&acceptance), "no channel table"),
        (client_config(), accepted(&out_of_range), "largest datagram"),
    ];
    for (client, answer, text) in cases {
        let error = answered_by_hand(client, &answer);
        assert!(matches!(error, ConnectError::UnacceptableAnswer(_)), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}
