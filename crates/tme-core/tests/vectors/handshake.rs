//! The handshake: `handshake_datagrams`, `parameters`, `handshake_noise`.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use tme_core::channel::{Channel, ChannelMode, ChannelTable};
use tme_core::crypto::cookie::CookieKey;
use tme_core::crypto::keys::{KeyPair, PublicKey, SecretKey};
use tme_core::crypto::suite::{Suite, SuitePreference, SuiteSet};
use tme_core::crypto::{Pattern, SessionSecrets};
use tme_core::datagram::Carrier;
use tme_core::handshake::client::{
    ClientEvent, ClientHandshake, ClientHandshakeConfig, ConnectError, Established, Trust,
};
use tme_core::handshake::datagram::{
    DatagramKind, Description, HandshakeDatagram, Offer, Part, Versions, classify,
};
use tme_core::handshake::parameters::{
    ClientParameters, ConnectionId, Detail, Limits, PeerNumber, Refusal, SchemaHash, SchemaHashes,
    ServerAnswer, UserData,
};
use tme_core::handshake::reason::Reason;
use tme_core::handshake::server::{
    AcceptInfo, ConnectRequest, Outcome, ServerHandshake, ServerHandshakeConfig,
};
use tme_core::random::Random;
use tme_core::time::{Duration, Instant, UnixTime};
use tme_core::token::{Audience, SealedToken, ServerName, Token, TokenKey, TokenUserData, UserId};

use super::encodings::table_json;
use super::{Checked, Entry, for_each, hex, refused, require, unhex};

fn offer_json(offer: &Offer) -> Value {
    json!({
        "nonce": offer.client_nonce,
        "versions": offer.versions.as_slice(),
        "application_id": offer.application_id,
        "channel_table_hash": offer.table_hash.map_or(0, std::num::NonZeroU64::get),
        "suites": offer.suites.bits(),
        "pattern": match offer.pattern {
            Some(Pattern::Nk) => 0,
            Some(Pattern::Ik) => 1,
            None => 2,
        },
        "ephemeral": hex(offer.client_ephemeral.as_bytes()),
    })
}

fn part_json(part: &Part<'_>) -> Value {
    json!({"part_index": part.index(), "part_count": part.count(), "part": hex(part.bytes())})
}

fn datagram_json(datagram: &HandshakeDatagram<'_>) -> Value {
    match datagram {
        HandshakeDatagram::Hello(hello) => joined(&[json!({"datagram": "hello"}), offer_json(&hello.offer)]),
        HandshakeDatagram::Cookie(reply) => json!({
            "datagram": "cookie",
            "nonce": reply.client_nonce,
            "version": reply.version,
            "server_key": hex(reply.server_key.as_bytes()),
            "cookie": hex(&reply.cookie.0),
        }),
        HandshakeDatagram::Connect(connect) => joined(&[
            json!({"datagram": "connect", "cookie": hex(&connect.cookie.0)}),
            offer_json(&connect.offer),
            part_json(&connect.part),
        ]),
        HandshakeDatagram::Accept(accept) => {
            joined(&[json!({"datagram": "accept", "nonce": accept.client_nonce}), part_json(&accept.part)])
        }
        HandshakeDatagram::Refuse(refuse) => json!({
            "datagram": "refuse",
            "nonce": refuse.client_nonce,
            "reason": refuse.reason.code(),
            "versions": refuse.versions.as_slice(),
        }),
        HandshakeDatagram::Reset(reset) => {
            json!({"datagram": "reset", "token": hex(reset.token.as_bytes())})
        }
        HandshakeDatagram::InfoQuery(query) => json!({"datagram": "info_query", "nonce": query.nonce}),
        HandshakeDatagram::InfoAnswer(answer) => joined(&[
            json!({"datagram": "info_answer", "nonce": answer.nonce}),
            description_json(&answer.description),
        ]),
        HandshakeDatagram::Discover(discover) => json!({
            "datagram": "discover",
            "nonce": discover.nonce,
            "application_id": discover.application_id,
        }),
        HandshakeDatagram::Open(open) => {
            joined(&[json!({"datagram": "open", "payload": hex(open.payload)}), offer_json(&open.offer)])
        }
        HandshakeDatagram::Opened(opened) => json!({
            "datagram": "opened",
            "nonce": opened.client_nonce,
            "version": opened.version,
            "payload": hex(opened.payload),
        }),
        HandshakeDatagram::Here(here) => joined(&[
            json!({
                "datagram": "here",
                "nonce": here.nonce,
                "instance": here.instance,
                "channel_table_hash": here.table_hash,
                "port": here.port.get(),
                "name": here.name,
            }),
            description_json(&here.description),
        ]),
    }
}

fn description_json(description: &Description<'_>) -> Value {
    json!({
        "versions": description.versions.as_slice(),
        "application_id": description.application_id,
        "peers": description.peers,
        "peers_max": description.peers_max,
        "flags": u8::from(description.demands.identity)
            | u8::from(description.demands.token) << 1
            | u8::from(description.demands.plaintext) << 2,
        "information": hex(description.information),
    })
}

/// One object with the fields of all.
fn joined(objects: &[Value]) -> Value {
    let fields = objects.iter().flat_map(|object| object.as_object().expect("an object"));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn handshake_datagrams_decode_and_encode() {
    for_each("handshake_datagrams.json", |entry| {
        let bytes = entry.bytes("bytes");
        if let Some(class) = entry.0.get("class") {
            let found = match classify(&bytes) {
                DatagramKind::Handshake => "handshake",
                DatagramKind::Data => "data",
                DatagramKind::Stun | DatagramKind::Unknown => "foreign",
            };
            assert_eq!(found, class, "{entry}");
            return Ok(());
        }
        let datagram = HandshakeDatagram::parse(&bytes).map_err(refused)?;
        assert_eq!(datagram_json(&datagram), *entry.field("decoded"), "{entry}");
        let mut encoded = Vec::new();
        datagram.encode(&mut encoded);
        assert_eq!(encoded, bytes, "{entry}");
        Ok(())
    });
}

fn limits_json(limits: &Limits) -> Value {
    json!({
        "largest_reliable_message": limits.reliable_message_bytes_max,
        "connection_credit": limits.connection_credit_bytes,
        "channel_credit_bytes": limits.channel_credit_bytes,
        "channel_credit_messages": limits.channel_credit_messages,
        "largest_datagram": limits.datagram_bytes_max,
        "idle_timeout_ms": limits.idle_timeout.as_millis() as u64,
    })
}

fn limits_of(entry: Entry<'_>) -> Limits {
    Limits {
        reliable_message_bytes_max: entry.number("largest_reliable_message") as u32,
        connection_credit_bytes: entry.number("connection_credit") as u32,
        channel_credit_bytes: entry.number("channel_credit_bytes") as u32,
        channel_credit_messages: entry.number("channel_credit_messages") as u32,
        datagram_bytes_max: entry.number("largest_datagram") as u16,
        idle_timeout: Duration::from_millis(entry.number("idle_timeout_ms")),
    }
}

/// The extensions of a decoded form as (type, content).
fn extensions(decoded: Entry<'_>) -> Vec<(u64, Vec<u8>)> {
    let pair = |extension: &Entry<'_>| {
        let pair = extension.0.as_array().expect("a pair");
        (pair[0].as_u64().expect("a number"), unhex(pair[1].as_str().expect("a string")))
    };
    decoded.list("extensions").iter().map(pair).collect()
}

/// Content of the user-data extension; none and empty are the same to the game.
fn user_data(decoded: Entry<'_>) -> UserData {
    let content = extensions(decoded).into_iter().find(|(kind, _)| *kind == 2);
    UserData::new(content.map_or_else(Vec::new, |(_, content)| content)).expect("at most 512 bytes")
}

/// Content of the token extension.
fn token(decoded: Entry<'_>) -> Option<SealedToken> {
    let content = extensions(decoded).into_iter().find(|(kind, _)| *kind == 1);
    content.map(|(_, content)| SealedToken::from_bytes(content).expect("1 to 700 bytes"))
}

/// Whether we write these extensions too: unknown and empty ones we do not.
fn are_ours(decoded: Entry<'_>) -> bool {
    extensions(decoded).iter().all(|(kind, content)| [1, 2, 5].contains(kind) && !content.is_empty())
}

fn check_client_parameters(entry: Entry<'_>) -> Checked {
    let bytes = entry.bytes("bytes");
    let parameters = ClientParameters::decode(&bytes).map_err(|error| {
        assert_eq!(u64::from(error.reason().code()), entry.number("reason"), "{entry}");
        error.to_string()
    })?;
    let decoded = Entry(entry.field("decoded"));
    assert_eq!(u64::from(parameters.connection_id.get()), decoded.number("connection_id"), "{entry}");
    assert_eq!(limits_json(&parameters.limits), *decoded.field("limits"), "{entry}");
    assert_eq!(parameters.token, token(decoded), "{entry}");
    assert_eq!(parameters.user_data, user_data(decoded), "{entry}");
    let schemas = parameters.schema_hashes.as_slice().iter().map(|schema| json!([schema.tag, schema.hash]));
    assert_eq!(schemas.collect::<Value>(), *decoded.field("schemas"), "{entry}");
    if are_ours(decoded) {
        let mut encoded = Vec::new();
        parameters.encode(&mut encoded);
        assert_eq!(encoded, bytes, "{entry}");
    }
    Ok(())
}

fn check_server_answer(entry: Entry<'_>) -> Checked {
    let bytes = entry.bytes("bytes");
    let answer = ServerAnswer::decode(&bytes).map_err(|error| {
        if let Some(reason) = entry.0.get("reason") {
            assert_eq!(*reason, error.reason().code(), "{entry}");
        }
        error.to_string()
    })?;
    let mut encoded = Vec::new();
    answer.encode(&mut encoded);
    match &answer {
        ServerAnswer::Refused(refusal) => {
            let decoded = json!({
                "verdict": "refused",
                "reason": refusal.reason.code(),
                "detail": hex(refusal.detail.as_bytes()),
            });
            assert_eq!(decoded, *entry.field("decoded"), "{entry}");
            assert_eq!(encoded, bytes, "{entry}");
        }
        ServerAnswer::Accepted(acceptance) => {
            // What a client holds against its own offer.
            let offered = SuiteSet::from_bits(entry.number("offered_suites") as u8).expect("a good offer");
            require(offered.contains(acceptance.suite), "suite not offered")?;
            let is_declared = entry.field("table_declared").as_bool().expect("a bool");
            require(acceptance.channels.is_some() != is_declared, "a table too many or too few")?;
            let decoded = Entry(entry.field("decoded"));
            let found = json!({
                "verdict": "accepted",
                "connection_id": acceptance.connection_id.get(),
                "peer_number": acceptance.peer_number.get(),
                "suite": acceptance.suite.bit(),
                "reset_token": hex(acceptance.reset_token.as_bytes()),
                "limits": limits_json(&acceptance.limits),
                "channels": acceptance.channels.as_ref().map_or_else(|| json!([]), table_json),
                "extensions": decoded.field("extensions"),
                "schemas": [],
            });
            assert_eq!(found, *decoded.0, "{entry}");
            assert_eq!(acceptance.user_data, user_data(decoded), "{entry}");
            if are_ours(decoded) {
                assert_eq!(encoded, bytes, "{entry}");
            }
        }
    }
    Ok(())
}

#[test]
fn parameters_decode_and_encode() {
    for_each("parameters.json", |entry| match entry.number("message") {
        1 => check_client_parameters(entry),
        2 => check_server_answer(entry),
        other => panic!("{entry}: message {other}"),
    });
}

/// Randomness whose every byte was written down before.
struct Scripted(VecDeque<u8>);

impl Scripted {
    fn new(parts: &[&[u8]]) -> Self {
        Self(parts.concat().into())
    }
}

impl Random for Scripted {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.0.pop_front().expect("the script is long enough"));
    }
}

/// The table whose hash the offers of these vectors hold.
fn declared_table() -> ChannelTable {
    let names = ["voice", "pose", "events", "chat", "state"].iter().zip(ChannelMode::ALL).zip(10u8..);
    ChannelTable::new(names.map(|((name, mode), id)| Channel::new(*name, mode).id(id))).expect("a good table")
}

/// One whole handshake as a vector describes it.
struct Story<'a> {
    entry: Entry<'a>,
    offer: Offer,
    parameters: Entry<'a>,
    answer: Entry<'a>,
    now: Instant,
    remote: SocketAddr,
}

impl<'a> Story<'a> {
    fn new(entry: Entry<'a>) -> Self {
        let hello = entry.bytes("hello");
        let Ok(HandshakeDatagram::Hello(hello)) = HandshakeDatagram::parse(&hello) else {
            panic!("{entry}: no HELLO")
        };
        let address: IpAddr = entry.text("client_address").parse().expect("an address");
        Self {
            entry,
            offer: hello.offer,
            parameters: Entry(entry.field("client_parameters")),
            answer: Entry(entry.field("server_answer")),
            now: Instant::from_micros(entry.number("cookie_time") * 1_000_000),
            remote: (address, entry.number("client_port") as u16).into(),
        }
    }

    fn pair(&self, name: &str) -> KeyPair {
        KeyPair::from(SecretKey::from_bytes(self.entry.array(name)))
    }

    /// A client with the vector's keys, settings and nonce.
    fn client(&self) -> ClientHandshake {
        let connection_id = ConnectionId::new(self.parameters.number("connection_id") as u32).expect("not 0");
        let trust = Trust::Pinned(vec![PublicKey::from_bytes(self.entry.array("server_static_public"))]);
        let mut config = ClientHandshakeConfig::new(trust, connection_id);
        config.identity =
            (self.offer.pattern == Some(Pattern::Ik)).then(|| self.pair("client_static_private"));
        config.versions = self.offer.versions;
        config.application_id = self.offer.application_id;
        config.suites = self.offer.suites;
        config.channels = self.offer.table_hash.map(|hash| {
            assert_eq!(hash.get(), declared_table().hash());
            declared_table()
        });
        config.limits = limits_of(Entry(self.parameters.field("limits")));
        config.token = token(self.parameters);
        config.user_data = user_data(self.parameters);
        let schemas = self.parameters.list("schemas");
        let schemas = schemas.iter().map(|pair| SchemaHash {
            tag: pair.0[0].as_u64().expect("a number") as u32,
            hash: pair.0[1].as_u64().expect("a number"),
        });
        config.schema_hashes = SchemaHashes::new(schemas.collect()).expect("at most eight");
        let ephemeral = self.entry.bytes("client_ephemeral_private");
        let mut random = Scripted::new(&[&ephemeral, &self.offer.client_nonce.to_le_bytes()]);
        ClientHandshake::new(config, self.now, &mut random).expect("a good configuration")
    }

    /// A server with the vector's key and settings.
    fn server(&self) -> ServerHandshake {
        let key = self.pair("server_static_private");
        assert_eq!(key.public().as_bytes().to_vec(), self.entry.bytes("server_static_public"));
        let mut config = ServerHandshakeConfig::new(key, declared_table());
        config.versions = Versions::new(&[self.entry.number("version") as u16]).expect("one version");
        config.application_id = self.offer.application_id;
        if self.answer.text("verdict") == "accepted" {
            let suite = Suite::from_bit(self.answer.number("suite") as u8).expect("a suite");
            let preference = [suite, Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
            config.suites = SuitePreference::new(&preference).expect("not empty");
            config.limits = limits_of(Entry(self.answer.field("limits")));
            let channels = self.answer.list("channels");
            if !channels.is_empty() {
                let channel = |entry: &Entry<'_>| {
                    let mode = ChannelMode::from_wire(entry.number("mode") as u8).expect("a mode");
                    Channel::new(entry.text("name"), mode).id(entry.number("id") as u8)
                };
                config.channels = ChannelTable::new(channels.iter().map(channel)).expect("a good table");
            }
        }
        let token_key = self.entry.0.get("token_key").is_some();
        if token_key {
            config.tokens.keys.push(TokenKey::from_bytes(self.entry.array("token_key")));
            // The server has run for an hour.
            config.tokens.issued_before_start = Duration::from_secs(3_600);
        }
        let cookie_key = CookieKey::from_bytes(&self.entry.array("cookie_key"));
        let mut server = ServerHandshake::with_cookie_key(config, cookie_key).expect("a good configuration");
        if token_key {
            server.handle_unix_time(UnixTime::from_secs(self.entry.number("unix_time")));
        }
        server
    }

    /// Hands the vector's datagrams to the client; gives how it ended, if it did.
    fn run_client(&self) -> Option<ClientEvent> {
        let mut client = self.client();
        // Nothing here makes it start over.
        let mut random = Scripted::new(&[]);
        let mut datagram = Vec::new();
        assert!(client.poll_transmit(self.now, &mut datagram));
        if !self.entry.is_error() {
            assert_eq!(datagram, self.entry.bytes("hello"), "{}", self.entry);
        }
        client.handle_datagram(self.now, &self.entry.bytes("cookie"), &mut random);
        let mut connects = Vec::new();
        while client.poll_transmit(self.now, &mut datagram) {
            connects.push(datagram.clone());
        }
        if !self.entry.is_error() {
            assert_eq!(connects, self.entry.byte_strings("connect"), "{}", self.entry);
        }
        let accepts = self.entry.byte_strings("accept");
        for accept in accepts {
            client.handle_datagram(self.now, &accept, &mut random);
        }
        client.poll_event()
    }

    /// Hands the vector's datagrams to the server; gives the request that they make, if they do.
    fn run_server(&self, server: &mut ServerHandshake) -> Option<Box<ConnectRequest>> {
        let mut random = Scripted::new(&[&self.entry.bytes("server_ephemeral_private")]);
        let mut reply = Vec::new();
        let hello = self.entry.bytes("hello");
        let outcome = server.handle_datagram(
            self.now,
            (self.remote, Carrier::Datagrams),
            &hello,
            &mut random,
            &mut reply,
        );
        assert!(matches!(outcome, Outcome::Reply), "{}: {outcome:?}", self.entry);
        if !self.entry.is_error() {
            assert_eq!(reply, self.entry.bytes("cookie"), "{}", self.entry);
        }
        let mut request = None;
        for connect in self.entry.byte_strings("connect") {
            assert!(request.is_none());
            match server.handle_datagram(
                self.now,
                (self.remote, Carrier::Datagrams),
                &connect,
                &mut random,
                &mut reply,
            ) {
                Outcome::Request(complete) => request = Some(complete),
                Outcome::Incomplete => {}
                Outcome::Drop(_) if self.entry.is_error() => {}
                other => panic!("{}: {other:?}", self.entry),
            }
        }
        request
    }

    fn assert_secrets(&self, to_server: &[u8; 32], to_client: &[u8; 32]) {
        assert_eq!(to_server.to_vec(), self.entry.bytes("secret_c2s"), "{}", self.entry);
        assert_eq!(to_client.to_vec(), self.entry.bytes("secret_s2c"), "{}", self.entry);
    }

    fn assert_established(&self, established: &Established) {
        let SessionSecrets { send, receive } = &established.secrets;
        self.assert_secrets(send, receive);
        let answer = &self.answer;
        assert_eq!(u64::from(established.version), self.entry.number("version"));
        assert_eq!(u64::from(established.suite.bit()), answer.number("suite"));
        assert_eq!(u64::from(established.remote_connection_id.get()), answer.number("connection_id"));
        assert_eq!(u64::from(established.peer_number.get()), answer.number("peer_number"));
        assert_eq!(established.reset_token.as_bytes().to_vec(), answer.bytes("reset_token"));
        assert_eq!(limits_json(&established.remote_limits), *answer.field("limits"));
        assert_eq!(established.user_data, user_data(*answer));
        if !answer.list("channels").is_empty() {
            assert_eq!(table_json(&established.channels), *answer.field("channels"));
        }
    }

    /// The server answers the request; its datagrams must be the vector's.
    fn answer(&self, server: &mut ServerHandshake, request: Box<ConnectRequest>) {
        assert_eq!(
            request.identity().map(|key| hex(key.as_bytes())).map_or(Value::Null, Value::from),
            *self.entry.field("client_static_public"),
            "{}",
            self.entry
        );
        assert_eq!(limits_json(&request.parameters().limits), *self.parameters.field("limits"));
        assert_eq!(*request.user_data(), user_data(self.parameters));
        let datagrams = if self.answer.text("verdict") == "accepted" {
            let info = AcceptInfo {
                connection_id: ConnectionId::new(self.answer.number("connection_id") as u32).expect("not 0"),
                peer_number: PeerNumber::new(self.answer.number("peer_number") as u32).expect("in range"),
                user_data: user_data(self.answer),
            };
            let accepted = server.accept(request, info).expect("it waits for an answer");
            self.assert_secrets(&accepted.secrets.receive, &accepted.secrets.send);
            accepted.datagrams
        } else {
            server.refuse(self.now, request, self.refusal()).expect("it waits for an answer")
        };
        let datagrams: Vec<Vec<u8>> = datagrams.iter().map(<[u8]>::to_vec).collect();
        assert_eq!(datagrams, self.entry.byte_strings("accept"), "{}", self.entry);
    }

    fn refusal(&self) -> Refusal {
        Refusal {
            reason: Reason::from_code(self.answer.number("reason") as u16),
            detail: Detail::new(self.answer.bytes("detail")).expect("at most 512 bytes"),
        }
    }
}

fn audience_of(entry: Entry<'_>) -> Audience {
    match entry.number("kind") {
        0 => Audience::Any,
        1 => Audience::Name(ServerName::new(entry.bytes("name")).expect("a good name")),
        _ => Audience::Key(PublicKey::from_bytes(entry.array("key"))),
    }
}

fn hint_of(pair: &Entry<'_>) -> SocketAddr {
    let address: IpAddr = pair.0[0].as_str().expect("a string").parse().expect("an address");
    SocketAddr::new(address, pair.0[1].as_u64().expect("a number") as u16)
}

#[test]
fn connect_tokens_are_opened_and_sealed() {
    for_each("connect_tokens.json", |entry| {
        let key = TokenKey::from_bytes(entry.array("key"));
        let sealed = SealedToken::from_bytes(entry.bytes("bytes")).ok_or("not 1 to 700 bytes")?;
        let opened = key.open(&sealed).ok_or("it does not open")?;
        let form = Entry(entry.field("token"));
        let token = Token {
            user: UserId::new(form.bytes("user")).expect("a good id"),
            user_data: TokenUserData::new(form.bytes("user_data")).expect("at most 256 bytes"),
            audience: audience_of(Entry(form.field("audience"))),
            issued: UnixTime::from_secs(form.number("issued")),
            expires: UnixTime::from_secs(form.number("expires")),
            hints: form.list("hints").iter().map(hint_of).collect(),
        };
        assert_eq!(opened, token, "{entry}");
        assert_eq!(u64::from(key.id()), entry.number("key_id"), "{entry}");
        assert_eq!(sealed.id().expect("a token").as_bytes().to_vec(), entry.bytes("nonce"), "{entry}");
        assert_eq!(key.seal_with_nonce(&token, entry.array("nonce")), Ok(sealed.clone()), "{entry}");
        assert_eq!(sealed.to_string(), entry.text("text"), "{entry}");
        Ok(())
    });
}

#[test]
fn whole_handshakes_are_written_byte_by_byte() {
    for_each("handshake_noise.json", |entry| {
        let story = Story::new(entry);
        let mut server = story.server();
        let request = story.run_server(&mut server).ok_or("the server drops message 1")?;
        if !entry.is_error() {
            story.answer(&mut server, request);
        }
        if extensions(story.parameters).iter().any(|(kind, _)| ![1, 2, 5].contains(kind)) {
            // Our client does not write extensions it does not know, so this message 1 is not its own.
            return Ok(());
        }
        match story.run_client().ok_or("the client drops message 2")? {
            ClientEvent::Established(established) => story.assert_established(&established),
            ClientEvent::Failed(ConnectError::Refused(refusal)) => {
                assert_eq!(refusal, story.refusal(), "{entry}");
            }
            ClientEvent::Failed(error) => return Err(error.to_string()),
        }
        Ok(())
    });
}
