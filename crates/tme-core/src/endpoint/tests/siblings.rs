//! Several endpoints that are one server: what holds for the whole, whichever of them a client reaches.
//!
//! There are two here, at nodes 0 and 1: a client whose address ends with an even number shakes hands with the first, the others
//! with the second.

use super::*;
use crate::endpoint::unconfirmed::Network;
use crate::handshake::datagram::InfoQuery;
use crate::handshake::server::TokenRequirement;
use crate::token::{Token, TokenKey, UserId};

fn siblings(change: impl FnOnce(&mut ServerSetup)) -> Vec<Node> {
    let key = KeyPair::generate(&mut SeededRandom::new(99));
    let mut setup = ServerSetup::new(ServerHandshakeConfig::new(key, ChannelTable::default()));
    change(&mut setup);
    let config = EndpointConfig { server: Some(setup), ..EndpointConfig::default() };
    let endpoints = Endpoint::siblings(config, 2, &mut SeededRandom::new(1)).unwrap();
    let nodes = endpoints.into_iter().enumerate().map(|(index, endpoint)| Node {
        endpoint,
        ..Node::new(SERVER_ADDRESS, EndpointConfig::default(), 10 + index as u64)
    });
    nodes.collect()
}

/// Two siblings, and clients 1, 2, … at nodes 2, 3, ….
fn net(clients: usize, change: impl FnOnce(&mut ServerSetup)) -> Net {
    let mut nodes = siblings(change);
    nodes.extend((1..=clients).map(client));
    Net::new(nodes)
}

impl Net {
    fn peers_of_siblings(&self) -> [usize; 2] {
        [0, 1].map(|node| self.nodes[node].endpoint.statistics().peers)
    }

    fn connect_user(&mut self, node: usize, seed: u64) -> PeerId {
        let identity = KeyPair::generate(&mut SeededRandom::new(seed));
        self.connect_with(node, |config| config.identity = Some(identity))
    }

    fn connect_silently(&mut self, node: usize) {
        self.connect(node);
        self.run_for(ms(12));
        self.nodes[node].is_cut_off = true;
        self.run_for(ms(8));
    }
}

#[test]
fn clients_of_both_talk_and_have_ids_and_numbers_of_their_own() {
    let mut net = net(4, |_| ());
    let peers: Vec<PeerId> = (2..6).map(|node| net.connect(node)).collect();
    net.run_for(ms(100));
    assert_eq!(net.peers_of_siblings(), [2, 2]);
    for (node, peer) in (2..6).zip(peers) {
        net.send(node, peer, "hello").unwrap();
    }
    net.run_for(ms(100));
    let mut ids = Vec::new();
    let mut numbers = Vec::new();
    for node in &net.nodes[..2] {
        assert_eq!(node.messages().len(), 2);
        let shard = node.endpoint.shard();
        for event in &node.events {
            let Event::Connected { peer, info } = event else { continue };
            assert_eq!(shard.index_of_peer(*peer), shard.index());
            ids.push(*peer);
            numbers.push(info.number);
        }
    }
    ids.sort();
    ids.dedup();
    numbers.sort();
    assert_eq!((ids.len(), &numbers[..]), (4, &[2, 3, 4, 5][..]));
    for peer in ids {
        let known = [0, 1].map(|node: usize| net.nodes[node].endpoint.connection(peer).is_some());
        assert_eq!(known.iter().filter(|&&known| known).count(), 1, "an id of one names nobody at the other");
    }
}

#[test]
fn a_client_that_moves_stays_where_it_is() {
    let mut net = net(1, |_| ());
    let peer = net.connect(2);
    net.run_for(ms(100));
    assert_eq!(net.peers_of_siblings(), [0, 1]);
    net.nodes[2].address = "10.0.1.2:6000".parse().unwrap();
    net.send(2, peer, "from elsewhere").unwrap();
    net.run_for(ms(500));
    assert_eq!(net.nodes[1].messages().len(), 1);
    let moved = net.nodes[1].events.iter().any(|event| matches!(event, Event::AddressChanged { .. }));
    assert!(moved && net.nodes[2].disconnected().is_empty());
}

#[test]
fn the_limit_of_peers_is_that_of_both() {
    let mut net = net(5, |setup| setup.peers_max = 3);
    for node in 2..7 {
        net.connect(node);
        net.run_for(ms(50));
    }
    assert_eq!(net.peers_of_siblings().iter().sum::<usize>(), 3);
    assert_eq!(
        (net.nodes[5].disconnected(), net.nodes[6].disconnected()),
        (vec![Reason::Full], vec![Reason::Full])
    );
    let peer = net.nodes[2].connected()[0];
    let now = net.now;
    net.nodes[2].endpoint.disconnect(now, peer, CloseMode::Now, Farewell::new(Reason::Closed));
    net.run_for(ms(1_000));
    net.connect(5);
    net.run_for(ms(100));
    assert_eq!(net.nodes[5].connected().len(), 1, "a place that is free at one is free at the other");
}

#[test]
fn a_token_admits_once_at_both() {
    let key = TokenKey::generate(&mut SeededRandom::new(50));
    let mut net = net(3, |setup| {
        setup.handshake.tokens.keys = vec![key.clone()];
        setup.handshake.tokens.requirement = TokenRequirement::Required;
    });
    net.run_for(ms(1));
    let token = Token::new(UserId::from(7), net.unix_time(), Duration::from_secs(60));
    let sealed = key.seal(&token, &mut SeededRandom::new(5)).unwrap();
    for node in [2, 3] {
        net.connect_with(node, |config| config.token = Some(sealed.clone()));
    }
    net.run_for(ms(12));
    // Both were accepted; who confirms first has used it up.
    net.run_for(ms(200));
    assert_eq!(net.peers_of_siblings().iter().sum::<usize>(), 1);
    net.connect_with(4, |config| config.token = Some(sealed.clone()));
    net.run_for(ms(200));
    let refused = [2, 3, 4].iter().filter(|&&node| net.nodes[node].disconnected() == [Reason::Token]).count();
    assert_eq!(refused, 2);
}

#[test]
fn the_newest_of_an_identity_wins_wherever_the_older_is() {
    let mut net = net(3, |setup| setup.peers_max = 1);
    for (node, peers) in [(2, [0, 1]), (3, [1, 0]), (4, [0, 1])] {
        net.connect_user(node, 7);
        net.run_for(ms(200));
        assert_eq!(net.peers_of_siblings(), peers);
    }
    assert_eq!(net.nodes[2].disconnected(), [Reason::Replaced]);
    assert_eq!(net.nodes[3].disconnected(), [Reason::Replaced]);
    assert!(net.nodes[4].disconnected().is_empty());
    let replaced = |node: usize| net.nodes[node].endpoint.statistics().peers_replaced;
    assert_eq!((replaced(0), replaced(1)), (1, 1), "counted where the older was");
}

#[test]
fn of_two_with_one_identity_that_come_at_once_one_stays() {
    for millis in 0..20 {
        let mut net = net(2, |_| ());
        net.connect_user(2, 7);
        net.run_for(ms(millis));
        net.connect_user(3, 7);
        net.run_for(ms(300));
        assert_eq!(net.peers_of_siblings().iter().sum::<usize>(), 1, "after {millis} ms");
    }
}

#[test]
fn the_older_one_stays_if_that_is_wanted_unless_it_is_interrupted() {
    let mut net = net(2, |setup| setup.admission.newcomers = Newcomers::Refuse);
    net.connect_user(2, 7);
    net.run_for(ms(100));
    net.connect_user(3, 7);
    net.run_for(ms(100));
    assert_eq!(net.nodes[3].disconnected(), [Reason::Denied]);
    net.nodes[2].is_cut_off = true;
    net.run_for(Duration::from_secs(10));
    net.connect_user(3, 7);
    net.run_for(ms(200));
    assert_eq!(net.nodes[3].connected().len(), 1);
    assert_eq!(net.peers_of_siblings(), [1, 0]);
}

#[test]
fn whoever_says_nothing_gives_way_to_a_client_of_the_other() {
    let mut nodes = siblings(|setup| setup.peers_max = 2);
    nodes.extend([1, 3].map(client));
    nodes.push(Node::new("10.0.2.2:5000", EndpointConfig::default(), 9));
    let mut net = Net::new(nodes);
    net.connect_silently(2);
    net.connect_silently(3);
    assert_eq!(net.peers_of_siblings(), [0, 2]);
    net.connect(4);
    net.run_for(ms(100));
    assert_eq!(net.nodes[4].connected().len(), 1);
    assert_eq!(net.peers_of_siblings(), [1, 1]);
    // The one that gave way comes after all, to the other sibling's full server: it is told, and nothing is counted twice.
    net.nodes[2].is_cut_off = false;
    net.nodes[3].is_cut_off = false;
    net.run_for(Duration::from_secs(12));
    assert!(net.peers_of_siblings().iter().sum::<usize>() <= 2);
    let peer = net.nodes[4].connected()[0];
    let now = net.now;
    net.nodes[4].endpoint.disconnect(now, peer, CloseMode::Now, Farewell::new(Reason::Closed));
    net.run_for(Duration::from_secs(2));
    let connected = net.peers_of_siblings().iter().sum::<usize>();
    net.connect(4);
    net.run_for(ms(100));
    assert_eq!(net.peers_of_siblings().iter().sum::<usize>(), connected + 1);
}

#[test]
fn a_place_that_was_given_away_is_not_kept_by_who_confirms_before_the_order_arrives() {
    let mut nodes = siblings(|setup| setup.peers_max = 1);
    nodes.push(client(1));
    let mut net = Net::new(nodes);
    net.connect(2);
    net.run_for(ms(16));
    assert_eq!(net.nodes[1].endpoint.statistics().unconfirmed, 1);
    // What the other endpoint does under the lock; its order has not been read yet.
    let server = net.nodes[0].endpoint.server.as_ref().unwrap();
    let far = Network::of([192, 0, 2, 1].into());
    let victim = server.common.lock().evict(net.now + Duration::from_secs(3), far).unwrap();
    server.common.lock().reserve();
    assert!(net.nodes[1].endpoint.connection(victim).is_some());
    net.run_for(ms(200));
    assert_eq!(net.nodes[2].disconnected(), [Reason::Full]);
    assert!(net.nodes[1].events.is_empty(), "the game never hears of it");
    let server = net.nodes[0].endpoint.server.as_ref().unwrap();
    assert_eq!((server.common.lock().peers(), net.peers_of_siblings()), (1, [0, 0]));
}

#[test]
fn applicants_are_counted_together() {
    let mut net = net(4, |setup| {
        setup.admission.decision = Decision::Ask;
        setup.admission.applicants_max = 8;
    });
    (2..6).for_each(|node| {
        net.connect(node);
        net.run_for(ms(50));
    });
    let asked = [0, 1].map(|node: usize| net.nodes[node].endpoint.statistics().applicants);
    assert_eq!(asked, [1, 1], "a quarter of eight for one network");
    assert_eq!(net.nodes[4].disconnected(), [Reason::Busy]);
}

#[test]
fn queries_share_one_limit_and_tell_of_all_peers() {
    let mut net = net(2, |setup| setup.queries_per_second = 10);
    net.connect(2);
    net.connect(3);
    net.run_for(ms(100));
    for nonce in 0..20 {
        let mut datagram = Vec::new();
        InfoQuery { nonce }.encode(&mut datagram);
        let now = net.now;
        let Node { endpoint, random, .. } = &mut net.nodes[nonce as usize % 2];
        let path = Path::to("10.0.3.1:4000".parse().unwrap());
        endpoint.handle_datagram(now, path, Ecn::NotCapable, &mut datagram, random);
    }
    let answered = [0, 1].map(|node: usize| net.nodes[node].endpoint.statistics().info_queries);
    assert_eq!(answered.iter().sum::<u64>(), 1, "a tenth of a second's at once");
}

#[test]
fn a_query_that_reaches_both_is_answered_once_and_once_more_when_it_is_asked_again() {
    let mut net = net(0, |_| ());
    let mut asked = 0;
    for again in 1..=3 {
        for node in 0..2 {
            let mut datagram = Vec::new();
            InfoQuery { nonce: 7 }.encode(&mut datagram);
            let now = net.now;
            let Node { endpoint, random, .. } = &mut net.nodes[node];
            let path = Path::to("10.0.3.1:4000".parse().unwrap());
            endpoint.handle_datagram(now, path, Ecn::NotCapable, &mut datagram, random);
            asked += 1;
        }
        let answered = [0, 1].map(|node: usize| net.nodes[node].endpoint.statistics().info_queries);
        assert_eq!((answered.iter().sum::<u64>(), asked), (again, 2 * again));
        net.run_for(ms(200));
    }
}
