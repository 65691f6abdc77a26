//! Who is let in: connect tokens, the game's decision, newcomers with a known identity, places of those that never come.

use super::*;
use crate::connection::{Applicant, Connected, TokenInfo};
use crate::handshake::parameters::{Detail, UserData};
use crate::handshake::server::TokenRequirement;
use crate::token::{Audience, SealedToken, ServerName, Token, TokenKey, TokenProblem, TokenUserData, UserId};

fn server(seed: u64, change: impl FnOnce(&mut ServerSetup)) -> Node {
    let key = KeyPair::generate(&mut SeededRandom::new(99));
    let mut setup = ServerSetup::new(ServerHandshakeConfig::new(key, ChannelTable::default()));
    change(&mut setup);
    Node::new(SERVER_ADDRESS, EndpointConfig { server: Some(setup), ..EndpointConfig::default() }, seed)
}

fn asking(change: impl FnOnce(&mut AdmissionPolicy)) -> Node {
    server(1, |setup| {
        setup.admission.decision = Decision::Ask;
        change(&mut setup.admission);
    })
}

fn with_newcomers(newcomers: Newcomers) -> Node {
    server(1, |setup| setup.admission.newcomers = newcomers)
}

fn token_key() -> TokenKey {
    TokenKey::generate(&mut SeededRandom::new(50))
}

fn takes_tokens(setup: &mut ServerSetup) {
    setup.handshake.tokens.keys = vec![token_key()];
    setup.handshake.tokens.requirement = TokenRequirement::Required;
}

/// A token for a user that is valid for a minute.
fn token(net: &Net, user: u64) -> Token {
    Token::new(UserId::from(user), net.unix_time(), Duration::from_secs(60))
}

fn seal(token: &Token) -> SealedToken {
    let seed = u64::from_le_bytes(*token.user.as_bytes().first_chunk().unwrap_or(&[1; 8]));
    token_key().seal(token, &mut SeededRandom::new(seed)).unwrap()
}

fn identity(seed: u64) -> KeyPair {
    KeyPair::generate(&mut SeededRandom::new(seed))
}

impl Net {
    fn connect_with_token(&mut self, client: usize, token: &SealedToken) -> PeerId {
        self.connect_with(client, |config| config.token = Some(token.clone()))
    }

    fn connect_as(&mut self, client: usize, identity: &KeyPair) -> PeerId {
        self.connect_with(client, |config| config.identity = Some(identity.clone()))
    }

    fn accept(&mut self, peer: PeerId, data: &str) -> bool {
        let now = self.now;
        self.nodes[0].endpoint.accept(now, peer, UserData::new(data).unwrap())
    }

    fn refuse(&mut self, peer: PeerId, reason: Reason, text: &str) -> bool {
        let refusal = Refusal { reason, detail: Detail::from_text(text) };
        let now = self.now;
        self.nodes[0].endpoint.refuse(now, peer, refusal)
    }

    /// Connects a client that falls silent as soon as it has asked: it is accepted and never confirms.
    fn connect_in_vain(&mut self, client: usize) {
        self.nodes[client].is_cut_off = false;
        self.connect(client);
        self.run_for(ms(12));
        self.nodes[client].is_cut_off = true;
        self.run_for(ms(8));
    }
}

impl Node {
    fn applicants(&self) -> Vec<(PeerId, Applicant)> {
        let applicants = self.events.iter().filter_map(|event| match event {
            Event::Admission { peer, info } => Some((*peer, (**info).clone())),
            _ => None,
        });
        applicants.collect()
    }

    fn infos(&self) -> Vec<Connected> {
        let infos = self.events.iter().filter_map(|event| match event {
            Event::Connected { info, .. } => Some((**info).clone()),
            _ => None,
        });
        infos.collect()
    }

    /// Reasons and details of all ends.
    fn ends(&self) -> Vec<(Reason, String)> {
        let ends = self.events.iter().filter_map(|event| match event {
            Event::Disconnected { reason, .. } => {
                Some((reason.reason, String::from_utf8(reason.detail.to_vec()).unwrap()))
            }
            _ => None,
        });
        ends.collect()
    }
}

#[test]
fn a_token_tells_the_server_who_comes() {
    let mut net = Net::new(vec![server(1, takes_tokens), client(1)]);
    let user_data = TokenUserData::new("guest").unwrap();
    let token = Token { user_data: user_data.clone(), ..token(&net, 42) };
    net.connect_with_token(1, &seal(&token));
    net.run_for(ms(100));
    let (issued, expires) = (token.issued, token.expires);
    let expected = TokenInfo { user: UserId::from(42), user_data, issued, expires };
    assert_eq!(net.nodes[0].infos()[0].token.as_deref(), Some(&expected));
    assert_eq!(net.nodes[1].infos()[0].token, None, "a client knows its token");
    assert_eq!(net.nodes[0].endpoint.statistics().handshake.tokens_remembered, 1);
}

#[test]
fn every_problem_of_a_token_is_named_at_once() {
    let probe = Net::new(vec![]);
    let minute = Duration::from_secs(60);
    let later = probe.unix_time() + minute;
    let good = token(&probe, 1);
    let name = Audience::Name(ServerName::new("elsewhere").unwrap());
    let other_key = TokenKey::generate(&mut SeededRandom::new(51));
    let cases = [
        (TokenProblem::Missing, None),
        (TokenProblem::Invalid, SealedToken::from_bytes("garbage")),
        (TokenProblem::Invalid, other_key.seal(&good, &mut SeededRandom::new(1)).ok()),
        (TokenProblem::WrongAudience, Some(seal(&Token { audience: name, ..good.clone() }))),
        (TokenProblem::NotYetValid, Some(seal(&Token::new(UserId::from(1), later, minute)))),
        (TokenProblem::Expired, Some(seal(&Token::new(UserId::from(1), good.issued - minute, minute)))),
        (TokenProblem::Expired, Some(seal(&Token { issued: good.issued - minute, ..good.clone() }))),
    ];
    for (problem, token) in cases {
        let mut net = Net::new(vec![server(1, takes_tokens), client(1)]);
        net.connect_with(1, |config| config.token = token);
        net.run_for(ms(100));
        let [(Reason::Token, detail)] = &net.nodes[1].ends()[..] else { panic!("{problem}") };
        assert_eq!(TokenProblem::from_detail(detail.as_bytes()), Some(problem), "{detail}");
        let statistics = net.nodes[0].endpoint.statistics().handshake;
        assert_eq!((statistics.token_problems(problem), statistics.refused(Reason::Token)), (1, 1));
        assert!(net.nodes[0].events.is_empty());
        assert_eq!(net.nodes[0].endpoint.slots.count(), 0);
    }
}

#[test]
fn a_server_without_token_keys_takes_no_token_for_granted() {
    let mut net = Net::new(vec![server(1, |_| ()), client(1)]);
    let token = seal(&token(&net, 1));
    net.connect_with_token(1, &token);
    net.run_for(ms(100));
    assert_eq!(net.nodes[1].ends(), [(Reason::Token, "invalid: this server takes no tokens".to_owned())]);
}

#[test]
fn a_token_admits_once() {
    let mut net = Net::new(vec![server(1, takes_tokens), client(1), client(2)]);
    let token = seal(&token(&net, 1));
    net.connect_with_token(1, &token);
    net.run_for(ms(100));
    net.connect_with_token(2, &token);
    net.run_for(ms(100));
    assert_eq!(net.nodes[2].ends(), [(Reason::Token, "used".to_owned())]);
    assert_eq!(net.nodes[0].connected().len(), 1);
    assert!(net.nodes[0].disconnected().is_empty(), "a copy of the token replaces nobody");
}

#[test]
fn an_attempt_that_fails_on_the_way_leaves_the_token_good() {
    let mut net = Net::new(vec![server(1, takes_tokens), client(1)]);
    let token = seal(&token(&net, 1));
    let attempt = net.connect_with_token(1, &token);
    net.run_for(ms(12));
    net.nodes[1].is_cut_off = true;
    net.run_for(ms(200));
    let now = net.now;
    net.nodes[1].endpoint.disconnect(now, attempt, CloseMode::Now, Farewell::new(Reason::Closed));
    net.nodes[1].is_cut_off = false;
    net.connect_with_token(1, &token);
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].connected().len(), 1);
}

#[test]
fn of_two_clients_with_one_token_the_first_to_confirm_stays() {
    let mut net = Net::new(vec![server(1, takes_tokens), client(1), client(2)]);
    let token = seal(&token(&net, 1));
    net.connect_with_token(1, &token);
    net.connect_with_token(2, &token);
    net.run_for(ms(12));
    for client in [1, 2] {
        net.send_when_connected(client);
    }
    net.run_for(ms(200));
    assert_eq!(net.nodes[0].connected().len(), 1);
    assert_eq!(net.nodes[0].messages().len(), 1, "what the other one sent is nobody's");
    assert!(net.nodes[0].disconnected().is_empty(), "who was never announced does not leave");
    let ends: Vec<_> = [1, 2].iter().flat_map(|&client| net.nodes[client].ends()).collect();
    assert_eq!(ends, [(Reason::Token, "used".to_owned())]);
    let statistics = net.nodes[0].endpoint.statistics();
    assert_eq!((statistics.peers, statistics.handshake.token_problems(TokenProblem::Used)), (1, 1));
}

#[test]
fn a_restarted_server_takes_no_older_token_unless_told_to() {
    let restarted = |allow_secs| {
        server(2, move |setup| {
            takes_tokens(setup);
            setup.handshake.tokens.issued_before_start = Duration::from_secs(allow_secs);
        })
    };
    for (allow_secs, connected) in [(0, 1), (60, 2)] {
        let mut net = Net::new(vec![server(1, takes_tokens), client(1), client(2)]);
        let used = seal(&token(&net, 1));
        net.connect_with_token(1, &used);
        net.run_for(ms(3_000));
        net.nodes[0] = restarted(allow_secs);
        net.connect_with_token(2, &used);
        net.run_for(ms(100));
        let fresh = seal(&token(&net, 2));
        net.connect_with_token(2, &fresh);
        net.run_for(ms(100));
        assert_eq!(net.nodes[0].connected().len(), connected, "{allow_secs} s");
    }
}

#[test]
fn the_game_decides_and_its_words_reach_the_client() {
    let mut net = Net::new(vec![asking(|_| ()), client(1), client(2)]);
    let key = identity(7);
    net.connect_with(1, |config| {
        config.identity = Some(key.clone());
        config.user_data = UserData::new("please").unwrap();
    });
    net.run_for(ms(100));
    let [(peer, applicant)] = &net.nodes[0].applicants()[..] else { panic!("one applicant") };
    assert_eq!((applicant.key, &applicant.user_data[..]), (Some(key.public()), &b"please"[..]));
    assert_eq!(applicant.remote, net.nodes[1].address);
    let peer = *peer;
    assert!(net.accept(peer, "welcome"));
    assert!(!net.accept(peer, "again"));
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].connected(), [peer]);
    assert_eq!(net.nodes[1].infos()[0].user_data, Payload::from("welcome"));

    net.connect(2);
    net.run_for(ms(100));
    let (peer, _) = net.nodes[0].applicants()[1].clone();
    assert!(net.refuse(peer, Reason::Banned, "until Monday"));
    assert!(!net.refuse(peer, Reason::Banned, "") && !net.accept(peer, ""));
    net.run_for(ms(20));
    let banned = [(Reason::Banned, "until Monday".to_owned())];
    assert_eq!((net.nodes[2].ends(), net.nodes[0].ends()), (banned.to_vec(), banned.to_vec()));
    assert_eq!(net.nodes[0].endpoint.statistics().applicants, 0);
}

#[test]
fn the_game_is_asked_once_however_often_the_client_repeats() {
    let mut net = Net::new(vec![asking(|_| ()), client(1)]);
    net.connect(1);
    net.run_for(ms(3_000));
    assert_eq!(net.nodes[0].applicants().len(), 1);
    assert!(net.nodes[0].endpoint.statistics().handshake.drops.of(DropReason::Repeated) > 2);
    let (peer, _) = net.nodes[0].applicants()[0];
    net.accept(peer, "");
    net.run_for(ms(100));
    assert_eq!(net.nodes[1].connected().len(), 1);
}

#[test]
fn a_game_that_does_not_decide_costs_its_client_some_seconds() {
    let mut net = Net::new(vec![asking(|policy| policy.decision_time = ms(700)), client(1)]);
    net.connect(1);
    net.run_for(ms(800));
    let undecided = [(Reason::Busy, "the game did not decide in time".to_owned())];
    assert_eq!((net.nodes[0].ends(), net.nodes[1].ends()), (undecided.to_vec(), undecided.to_vec()));
    assert_eq!(net.nodes[0].endpoint.statistics().undecided, 1);
    let (peer, _) = net.nodes[0].applicants()[0];
    assert!(!net.accept(peer, ""));
    assert_eq!(net.nodes[0].endpoint.slots.count(), 0);
}

#[test]
fn only_so_many_wait_for_a_decision_and_a_quarter_of_one_network() {
    let mut nodes = vec![asking(|policy| policy.applicants_max = 8)];
    nodes.extend((1..=3).map(client));
    nodes
        .extend((1..=7).map(|n| Node::new(&format!("10.0.{}.1:5000", 10 + n), EndpointConfig::default(), n)));
    let mut net = Net::new(nodes);
    for client in 1..=10 {
        net.connect(client);
    }
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].applicants().len(), 8);
    let busy = (1..=10).filter(|&client| net.nodes[client].disconnected() == [Reason::Busy]);
    assert_eq!(busy.collect::<Vec<_>>(), [3, 10]);
}

#[test]
fn the_share_of_a_network_does_not_hold_for_this_machine() {
    let mut nodes = vec![asking(|policy| policy.applicants_max = 8)];
    nodes.extend(
        (1..=9).map(|n| Node::new(&format!("127.0.0.1:{}", 5_000 + n), EndpointConfig::default(), n)),
    );
    let mut net = Net::new(nodes);
    for client in 1..=9 {
        net.connect(client);
    }
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].applicants().len(), 8);
    assert_eq!(net.nodes[9].disconnected(), [Reason::Busy], "but all have one limit");
}

#[test]
fn an_applicant_that_has_gone_is_reported_when_its_place_is_free_again() {
    let mut net = Net::new(vec![asking(|_| ()), client(1)]);
    net.connect_in_vain(1);
    let (peer, _) = net.nodes[0].applicants()[0];
    assert!(net.accept(peer, ""));
    net.run_for(Duration::from_secs(11));
    assert_eq!(net.nodes[0].disconnected(), [Reason::TimedOut]);
    assert!(net.nodes[0].connected().is_empty());
    assert_eq!(net.nodes[0].endpoint.slots.count(), 0);
}

#[test]
fn a_server_that_fills_up_while_the_game_thinks_says_so() {
    let mut net = Net::new(vec![
        server(1, |setup| {
            setup.peers_max = 1;
            setup.admission.decision = Decision::Ask;
        }),
        client(1),
        client(2),
    ]);
    net.connect(1);
    net.connect(2);
    net.run_for(ms(100));
    let [(first, _), (second, _)] = net.nodes[0].applicants()[..] else { panic!("two applicants") };
    net.accept(first, "");
    net.run_for(ms(100));
    assert!(net.accept(second, ""));
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].disconnected(), [Reason::Full]);
    let ends: Vec<_> = [1, 2].iter().flat_map(|&client| net.nodes[client].disconnected()).collect();
    assert_eq!(ends, [Reason::Full]);
}

#[test]
fn the_newest_connection_of_a_player_wins_even_at_a_full_server() {
    let mut net = Net::new(vec![server_with(1, 1), client(1), client(2)]);
    net.connect_as(1, &identity(7));
    net.run_for(ms(100));
    net.connect_as(2, &identity(7));
    net.run_for(ms(100));
    let server = &net.nodes[0];
    let [older, newer] = server.connected()[..] else { panic!("two connections") };
    let told: Vec<_> =
        server.events.iter().map(|event| (event.peer(), std::mem::discriminant(event))).collect();
    let expected: Vec<_> = [(older, 0), (older, 1), (newer, 2)]
        .iter()
        .map(|&(peer, index)| (peer, std::mem::discriminant(&server.events[index])))
        .collect();
    assert_eq!(told, expected, "the older has left before the newer comes");
    assert_eq!(server.disconnected(), [Reason::Replaced]);
    assert_eq!(net.nodes[1].disconnected(), [Reason::Replaced]);
    assert_eq!(net.nodes[0].endpoint.statistics().peers, 1);
    net.run_for(Duration::from_secs(5));
    assert_eq!(net.nodes[0].disconnected(), [Reason::Replaced], "once");
    assert_eq!(net.nodes[0].endpoint.slots.count(), 1);
}

#[test]
fn a_player_who_has_vanished_comes_back_at_once() {
    let mut net = Net::new(vec![server(1, takes_tokens), client(1), client(2)]);
    let tokens = [1, 2].map(|seed| token_key().seal(&token(&net, 5), &mut SeededRandom::new(seed)).unwrap());
    net.connect_with_token(1, &tokens[0]);
    net.run_for(ms(100));
    net.nodes[1].is_cut_off = true;
    net.connect_with_token(2, &tokens[1]);
    net.run_for(ms(50));
    assert_eq!(net.nodes[0].disconnected(), [Reason::Replaced]);
    assert_eq!(net.nodes[0].connected().len(), 2);
}

#[test]
fn somebody_who_only_replays_a_request_replaces_nobody() {
    let mut net = Net::new(vec![server_with(1, 8), client(1), client(2)]);
    net.connect_as(1, &identity(7));
    net.run_for(ms(100));
    net.connect_as(2, &identity(7));
    net.run_for(ms(12));
    net.nodes[2].is_cut_off = true;
    net.run_for(Duration::from_secs(12));
    assert_eq!(net.nodes[0].connected().len(), 1);
    assert!(net.nodes[0].disconnected().is_empty());
}

#[test]
fn the_older_connection_stays_where_newcomers_are_refused() {
    let mut net = Net::new(vec![with_newcomers(Newcomers::Refuse), client(1), client(2)]);
    net.connect_as(1, &identity(7));
    net.run_for(ms(100));
    net.connect_as(2, &identity(7));
    net.run_for(ms(100));
    let denied = [(Reason::Denied, "already connected".to_owned())];
    assert_eq!(net.nodes[2].ends(), denied);
    assert!(net.nodes[0].disconnected().is_empty() && net.nodes[1].disconnected().is_empty());

    // Somebody who is not heard any more does not lock himself out.
    net.nodes[1].is_cut_off = true;
    let older = net.nodes[0].connected()[0];
    net.send(0, older, "are you there?").unwrap();
    net.run_for(ms(4_000));
    net.connect_as(2, &identity(7));
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].disconnected(), [Reason::Replaced]);
}

#[test]
fn of_two_newcomers_at_once_one_stays_where_newcomers_are_refused() {
    let mut net = Net::new(vec![with_newcomers(Newcomers::Refuse), client(1), client(2)]);
    net.connect_as(1, &identity(7));
    net.connect_as(2, &identity(7));
    net.run_for(ms(200));
    assert_eq!(net.nodes[0].connected().len(), 1);
    let ends: Vec<_> = [1, 2].iter().flat_map(|&client| net.nodes[client].disconnected()).collect();
    assert_eq!(ends, [Reason::Denied]);
}

#[test]
fn the_game_can_decide_about_newcomers_alone() {
    let mut net = Net::new(vec![with_newcomers(Newcomers::Ask), client(1), client(2)]);
    net.connect_as(1, &identity(7));
    net.run_for(ms(100));
    assert!(net.nodes[0].applicants().is_empty());
    let older = net.nodes[0].connected()[0];
    net.connect_as(2, &identity(7));
    net.run_for(ms(100));
    let (peer, applicant) = net.nodes[0].applicants()[0].clone();
    assert_eq!(applicant.same_identity, Some(older));
    net.accept(peer, "");
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].disconnected(), [Reason::Replaced]);
}

#[test]
fn everybody_stays_where_that_is_allowed() {
    let mut net = Net::new(vec![with_newcomers(Newcomers::Allow), client(1), client(2)]);
    for client in [1, 2] {
        net.connect_as(client, &identity(7));
    }
    net.run_for(ms(200));
    assert_eq!((net.nodes[0].connected().len(), net.nodes[0].disconnected().len()), (2, 0));
}

#[test]
fn one_network_that_says_nothing_does_not_keep_others_out() {
    let mut nodes = vec![server_with(1, 4)];
    nodes.extend((1..=5).map(client));
    nodes.push(Node::new("10.0.2.1:5000", EndpointConfig::default(), 9));
    let mut net = Net::new(nodes);
    (1..=4).for_each(|client| net.connect_in_vain(client));
    assert_eq!(net.nodes[0].endpoint.statistics().unconfirmed, 4);
    net.connect(5);
    net.run_for(ms(100));
    assert_eq!(net.nodes[5].disconnected(), [Reason::Full], "of its own network nobody gives way yet");
    net.connect(6);
    net.run_for(ms(100));
    assert_eq!(net.nodes[6].connected().len(), 1);
    assert_eq!(net.nodes[0].endpoint.statistics().unconfirmed_evicted, 1);
    net.run_for(ms(2_000));
    net.connect(5);
    net.run_for(ms(100));
    assert_eq!(net.nodes[5].connected().len(), 1, "but after two seconds");
    assert_eq!(net.nodes[0].endpoint.statistics().peers, 4);
}

#[test]
fn whoever_lost_its_place_is_told_so() {
    let mut net = Net::new(vec![
        server_with(1, 2),
        client(1),
        client(2),
        Node::new("10.0.2.1:5000", EndpointConfig::default(), 9),
    ]);
    net.connect_in_vain(1);
    // Its ACCEPT is under way while it gives way.
    net.connect(2);
    net.connect(3);
    net.run_for(ms(11));
    let places = |net: &Net| net.nodes[0].endpoint.statistics().unconfirmed;
    net.run_for(ms(200));
    assert_eq!(places(&net), 0, "the oldest has given way, the others have confirmed");
    assert_eq!(net.nodes[0].connected().len(), 2);
    net.nodes[1].is_cut_off = false;
    net.run_for(ms(2_000));
    assert_eq!(net.nodes[0].endpoint.slots.count(), 2);
}

#[test]
fn numbers_of_clients_that_never_came_are_given_again() {
    let mut net = Net::new(vec![server_with(1, 4), client(1), client(2)]);
    net.connect_in_vain(1);
    net.run_for(Duration::from_secs(11));
    net.connect(2);
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].infos()[0].number, 2);
}

#[test]
fn a_server_that_ends_leaves_no_applicant_without_an_end() {
    let mut net = Net::new(vec![asking(|_| ()), client(1), client(2)]);
    net.connect_in_vain(1);
    net.connect(2);
    net.run_for(ms(100));
    let (first, _) = net.nodes[0].applicants()[0];
    net.accept(first, "");
    let now = net.now;
    net.nodes[0].endpoint.refuse_applicants(now, Reason::Shutdown);
    net.nodes[0].endpoint.abandon_unconfirmed(now);
    net.run_for(ms(50));
    assert_eq!(net.nodes[0].disconnected(), [Reason::Shutdown, Reason::TimedOut]);
    assert_eq!(net.nodes[2].disconnected(), [Reason::Shutdown]);
    assert_eq!(net.nodes[0].endpoint.slots.count(), 0);
}
