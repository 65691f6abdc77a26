//! Clients without keys, in streams: browsers (`docs/PROTOCOL.md`, section 12.5).

use std::num::NonZeroU32;

use super::*;
use crate::channel::ChannelMode;
use crate::connection::{PacketDrop, StreamEnd};
use crate::crypto::keys::PublicKey;
use crate::crypto::suite::{Suite, SuiteSet};
use crate::datagram::{LinkKind, StreamId};
use crate::handshake::datagram::{Offer, Open, Opened, Versions};
use crate::handshake::parameters::{ClientParameters, Limits, SchemaHashes, ServerAnswer, UserData};
use crate::handshake::server::{Browsers, IdentityPolicy};
use crate::token::{SealedToken, Token, TokenKey, UserId};
use crate::wire::frame::{Frame, MessageFrame, SequenceField};
use crate::wire::header::{Header, KeyPhase, TruncatedNumber};

const NEAR: &str = "127.0.0.1:40000";
const FAR: &str = "192.0.2.1:40000";
const CLIENT_ID: u32 = 0x0BAD_CAFE;

fn stream_from(remote: &str, number: u32) -> Path {
    let stream = StreamId {
        number: NonZeroU32::new(number).unwrap(),
        kind: LinkKind::WebSocket,
        is_secure: false,
        is_local: remote == NEAR,
    };
    Path::through(stream, remote.parse().unwrap())
}

fn server(change: impl FnOnce(&mut ServerHandshakeConfig)) -> Node {
    let key = KeyPair::generate(&mut SeededRandom::new(99));
    let channels = ChannelTable::new([Channel::new("chat", ChannelMode::ReliableOrdered)]).unwrap();
    let mut handshake = ServerHandshakeConfig::new(key, channels);
    change(&mut handshake);
    let setup = ServerSetup::new(handshake);
    Node::new(SERVER_ADDRESS, EndpointConfig { server: Some(setup), ..EndpointConfig::default() }, 1)
}

fn open(client_nonce: u64) -> Vec<u8> {
    open_with(client_nonce, None)
}

fn open_with(client_nonce: u64, token: Option<SealedToken>) -> Vec<u8> {
    let mut payload = Vec::new();
    let parameters = ClientParameters {
        connection_id: ConnectionId::new(CLIENT_ID).unwrap(),
        limits: Limits::default(),
        token,
        user_data: UserData::new(b"a browser").unwrap(),
        schema_hashes: SchemaHashes::default(),
    };
    parameters.encode(&mut payload);
    let offer = Offer {
        client_nonce,
        versions: Versions::OURS,
        application_id: 0,
        table_hash: None,
        suites: SuiteSet::CARRIED,
        pattern: None,
        client_ephemeral: PublicKey::from_bytes([client_nonce as u8; 32]),
    };
    let mut datagram = Vec::new();
    Open { offer, payload: &payload }.encode(&mut datagram);
    datagram
}

impl Node {
    /// Hands a datagram in and gives what is said to it, by the same path.
    fn told(&mut self, path: Path, datagram: &[u8]) -> Vec<Vec<u8>> {
        let now = Instant::from_micros(1_000_000);
        let mut datagram = datagram.to_vec();
        self.endpoint.handle_datagram(now, path, Ecn::NotCapable, &mut datagram, &mut self.random);
        let (mut buffer, mut answers) = (Vec::new(), Vec::new());
        let limits = TransmitLimits { segments: 1, bytes: 16_384 };
        while let Some(transmit) = self.endpoint.poll_transmit(now, limits, &mut buffer) {
            assert!(transmit.path.leads_as(&path), "{transmit:?}");
            answers.push(std::mem::take(&mut buffer));
        }
        self.events.extend(std::iter::from_fn(|| self.endpoint.poll_event()));
        answers
    }

    fn refused(&mut self, path: Path, datagram: &[u8]) -> Reason {
        let answers = self.told(path, datagram);
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        match HandshakeDatagram::parse(answer) {
            Ok(HandshakeDatagram::Refuse(refuse)) => refuse.reason,
            other => panic!("{other:?}"),
        }
    }
}

/// The id that the server wants to see, from OPENED.
fn id_in(answers: &[Vec<u8>]) -> u32 {
    let [answer] = answers else { panic!("{answers:?}") };
    let Ok(HandshakeDatagram::Opened(Opened { payload, version: 1, .. })) = HandshakeDatagram::parse(answer)
    else {
        panic!("{answer:02x?}")
    };
    match ServerAnswer::decode(payload).unwrap() {
        ServerAnswer::Accepted(acceptance) => {
            assert_eq!(acceptance.suite, Suite::Carried);
            assert!(acceptance.channels.is_some(), "the client has declared none");
            acceptance.connection_id.get()
        }
        ServerAnswer::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn packet(id: u32, number: u16, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header { connection_id: id, number: TruncatedNumber::Short(number), phase: KeyPhase(false) }
        .encode(&mut bytes);
    let message = MessageFrame {
        position: 0,
        sequence: SequenceField::Low(u32::from(number)),
        fragment: None,
        key: 0,
        data: text.as_bytes(),
    };
    Frame::Message(message).encode(&[ChannelMode::ReliableOrdered], &mut bytes);
    bytes
}

#[test]
fn a_browser_on_this_machine_connects_in_one_round_trip_and_talks() {
    let mut server = server(|_| ());
    let path = stream_from(NEAR, 7);
    let id = id_in(&server.told(path, &open(5)));
    assert_eq!(id_in(&server.told(path, &open(5))), id, "a repetition is answered alike");
    server.told(path, &packet(id, 0, "hello"));
    let [peer] = server.connected()[..] else { panic!("{:?}", server.events) };
    assert_eq!(server.messages(), [(peer, b"hello".to_vec())]);
    let statistics = server.endpoint.statistics().handshake;
    assert_eq!((statistics.opens, statistics.accepted, statistics.exchanges), (2, 1, 0));
}

#[test]
fn packets_that_anybody_can_write_are_taken_from_their_own_stream_only() {
    let mut server = server(|_| ());
    let path = stream_from(NEAR, 7);
    let id = id_in(&server.told(path, &open(5)));
    server.told(path, &packet(id, 0, "mine"));
    for forged in [Path::to(NEAR.parse().unwrap()), Path::to(FAR.parse().unwrap()), stream_from(NEAR, 8)] {
        assert!(server.told(forged, &packet(id, 1, "forged")).is_empty());
    }
    assert_eq!(server.endpoint.statistics().drops.of(PacketDrop::ForeignAddress), 3);
    assert_eq!(server.messages().len(), 1);
}

#[test]
fn who_may_come_without_keys_is_the_servers_choice() {
    let cases = [
        (Browsers::Never, false, false),
        (Browsers::Loopback, true, false),
        (Browsers::Anywhere, true, true),
    ];
    for (browsers, near, far) in cases {
        for (remote, is_taken) in [(NEAR, near), (FAR, far)] {
            let mut server = server(|handshake| handshake.browsers = browsers);
            let path = stream_from(remote, 7);
            if is_taken {
                id_in(&server.told(path, &open(5)));
            } else {
                assert_eq!(server.refused(path, &open(5)), Reason::Suites, "{browsers:?} {remote}");
            }
        }
    }
    // A proxy on this machine, which names its client.
    let mut behind_proxy = server(|_| ());
    let through_proxy = Path { remote: FAR.parse().unwrap(), ..stream_from(NEAR, 7) };
    id_in(&behind_proxy.told(through_proxy, &open(5)));
    // Somebody far away whose proxy calls him local.
    let claims = Path { remote: NEAR.parse().unwrap(), ..stream_from(FAR, 8) };
    assert_eq!(behind_proxy.refused(claims, &open(6)), Reason::Suites);
    let mut open_to_all = server(|handshake| handshake.browsers = Browsers::Anywhere);
    let datagrams = Path::to(NEAR.parse().unwrap());
    assert_eq!(open_to_all.refused(datagrams, &open(5)), Reason::Suites, "its address is not proven");
    let mut strict = server(|handshake| handshake.identity = IdentityPolicy::Required);
    assert_eq!(strict.refused(stream_from(NEAR, 7), &open(5)), Reason::IdentityRequired);
    let mut other = server(|handshake| handshake.application_id = 9);
    assert_eq!(other.refused(stream_from(NEAR, 7), &open(5)), Reason::Application);
}

#[test]
fn a_browser_whose_stream_ends_has_left() {
    let mut server = server(|_| ());
    let path = stream_from(NEAR, 7);
    let id = id_in(&server.told(path, &open(5)));
    server.told(path, &packet(id, 0, "hello"));
    let now = Instant::from_micros(2_000_000);
    server.endpoint.handle_stream_end(now, path.stream.unwrap(), StreamEnd::Closed);
    server.events.extend(std::iter::from_fn(|| server.endpoint.poll_event()));
    assert_eq!(server.disconnected(), [Reason::LinkLost]);
}

#[test]
fn over_tls_browsers_come_from_anywhere_and_with_tokens() {
    let token_key = TokenKey::generate(&mut SeededRandom::new(7));
    let token = || {
        let token = Token::new(UserId::from(42), UnixTime::from_secs(1_000), Duration::from_secs(60));
        token_key.seal(&token, &mut SeededRandom::new(8)).unwrap()
    };
    let path_with = |is_secure| {
        let stream = StreamId { is_secure, ..stream_from(FAR, 7).stream.unwrap() };
        Path::through(stream, FAR.parse().unwrap())
    };
    let server_with = |browsers| {
        let mut node = server(|handshake| {
            handshake.browsers = browsers;
            handshake.tokens.keys = vec![token_key.clone()];
        });
        node.endpoint.handle_unix_time(UnixTime::from_secs(1_000));
        node
    };
    let mut secure = server_with(Browsers::Loopback);
    let id = id_in(&secure.told(path_with(true), &open_with(5, Some(token()))));
    secure.told(path_with(true), &packet(id, 0, "hello"));
    let Some(Event::Connected { info, .. }) = secure.events.first() else { panic!("{:?}", secure.events) };
    assert_eq!(info.token.as_ref().map(|token| token.user.clone()), Some(UserId::from(42)));

    let mut never = server_with(Browsers::Never);
    assert_eq!(never.refused(path_with(true), &open(5)), Reason::Suites);
    let mut open_to_all = server_with(Browsers::Anywhere);
    let answers = open_to_all.told(path_with(false), &open_with(5, Some(token())));
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    let Ok(HandshakeDatagram::Opened(opened)) = HandshakeDatagram::parse(answer) else {
        panic!("{answer:02x?}")
    };
    let Ok(ServerAnswer::Refused(refusal)) = ServerAnswer::decode(opened.payload) else {
        panic!("{opened:02x?}")
    };
    assert_eq!(refusal.reason, Reason::Token, "anybody on the way can read it");
}
