//! Connect tokens in the handshake, and whoever would like to use another's.

use super::*;
use crate::crypto::suite::{Suite, SuitePreference, SuiteSet};
use crate::handshake::client::ClientConfigError;
use crate::handshake::datagram::{Connect, HandshakeDatagram};
use crate::handshake::drops::DropReason;
use crate::handshake::server::{ServerConfigError, TokenPolicy, TokenRequirement};
use crate::time::UnixTime;
use crate::token::{SealedToken, Token, TokenKey, TokenProblem, UserId};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn key() -> TokenKey {
    TokenKey::generate(&mut SeededRandom::new(300))
}

fn sealed() -> SealedToken {
    let token = Token::new(UserId::from(1), NOW, Duration::from_secs(60));
    key().seal(&token, &mut SeededRandom::new(301)).unwrap()
}

fn world() -> World {
    let tokens = TokenPolicy { keys: vec![key()], ..TokenPolicy::default() };
    let client = ClientHandshakeConfig { token: Some(sealed()), ..client_config() };
    let mut world = World::new(client, ServerHandshakeConfig { tokens, ..server_config() });
    world.server.handle_unix_time(NOW);
    world
}

impl World {
    /// What somebody at another address makes of a client's datagrams: the same CONNECT with a cookie of his own.
    fn replay(&mut self, hello: &[u8], connect: &[u8], from: &str) -> Outcome {
        let genuine = std::mem::replace(&mut self.remote, from.parse().unwrap());
        let (_, reply) = self.offer_to_server(hello);
        let Ok(HandshakeDatagram::Cookie(cookie)) = HandshakeDatagram::parse(&reply) else {
            panic!("no COOKIE")
        };
        let Ok(HandshakeDatagram::Connect(connect)) = HandshakeDatagram::parse(connect) else {
            panic!("no CONNECT")
        };
        let mut forged = Vec::new();
        Connect { cookie: cookie.cookie, ..connect }.encode(&mut forged);
        let (outcome, _) = self.offer_to_server(&forged);
        self.remote = genuine;
        outcome
    }
}

#[test]
fn a_replayed_request_neither_uses_a_token_up_nor_is_answered_later() {
    let mut world = world();
    let hello = world.sent_by_client().remove(0);
    let cookie = world.deliver_to_server(&hello);
    world.deliver_to_client(&cookie);
    let connect = world.sent_by_client().remove(0);

    let Outcome::Request(request) = world.replay(&hello, &connect, "198.51.100.1:1") else {
        panic!("refused")
    };
    let replayed = world.server.accept(request, accept_info()).unwrap();
    let (Outcome::Request(request), _) = world.offer_to_server(&connect) else { panic!("refused") };
    let genuine = world.server.accept(request, accept_info()).unwrap();
    world.server.confirm(&genuine.id).unwrap();
    // He cannot send a packet that opens; but if he could, the token would be used up.
    assert_eq!(world.server.confirm(&replayed.id), Err(TokenProblem::Used));

    let exchanges = world.server.statistics().exchanges;
    for _ in 0..2 {
        let outcome = world.replay(&hello, &connect, "198.51.100.2:1");
        assert!(matches!(outcome, Outcome::Drop(DropReason::Repeated)), "{outcome:?}");
    }
    assert_eq!(world.server.statistics().exchanges, exchanges + 1, "the second copy costs no key exchange");
    world.server.forget(world.now, &genuine.id);
    world.advance(Duration::from_secs(7));
    let outcome = world.replay(&hello, &connect, "198.51.100.3:1");
    assert!(matches!(outcome, Outcome::Drop(DropReason::Repeated)), "{outcome:?}");
}

#[test]
fn a_repeated_request_with_a_token_gets_the_same_answer() {
    let mut world = world();
    let connect = world.connect_datagrams().remove(0);
    let first = world.deliver_to_server(&connect);
    assert_eq!(world.deliver_to_server(&connect), first);
    assert_eq!(world.server.statistics().exchanges, 1);
    let token = world.accepted[0].token.as_ref().unwrap();
    assert_eq!(token.user, UserId::from(1));
}

#[test]
fn nothing_of_a_token_is_looked_at_before_the_cookie_and_the_key_exchange() {
    let mut world = world();
    world.remote = "198.51.100.9:9".parse().unwrap();
    let connect = world.connect_datagrams().remove(0);
    let genuine = std::mem::replace(&mut world.remote, "198.51.100.8:9".parse().unwrap());
    assert!(matches!(world.offer_to_server(&connect).0, Outcome::Drop(DropReason::InvalidCookie)));
    world.remote = genuine;
    let mut spoiled = connect;
    *spoiled.last_mut().unwrap() ^= 1;
    assert!(matches!(world.offer_to_server(&spoiled).0, Outcome::Drop(DropReason::Unauthentic)));
    let statistics = world.server.statistics();
    assert!(TokenProblem::ALL.iter().all(|&problem| statistics.token_problems(problem) == 0));
}

#[test]
fn tokens_and_plaintext_do_not_go_together() {
    let client =
        ClientHandshakeConfig { token: Some(sealed()), suites: SuiteSet::PLAINTEXT, ..client_config() };
    let client = ClientHandshake::new(client, START, &mut SeededRandom::new(1));
    assert_eq!(client.unwrap_err(), ClientConfigError::TokenOverPlaintext);

    let plaintext = SuitePreference::new(&[Suite::Plaintext]).unwrap();
    let with_keys = |count| TokenPolicy { keys: vec![key(); count], ..TokenPolicy::default() };
    let required = TokenPolicy { requirement: TokenRequirement::Required, ..TokenPolicy::default() };
    let cases = [
        (with_keys(1), plaintext, ServerConfigError::TokenOverPlaintext),
        (with_keys(17), SuitePreference::default(), ServerConfigError::TooManyTokenKeys { count: 17 }),
        (required, SuitePreference::default(), ServerConfigError::NoTokenKey),
    ];
    for (tokens, suites, error) in cases {
        let config = ServerHandshakeConfig { tokens, suites, ..server_config() };
        let server = ServerHandshake::new(config, &mut SeededRandom::new(1));
        assert_eq!(server.err(), Some(error), "{error}");
    }
}
