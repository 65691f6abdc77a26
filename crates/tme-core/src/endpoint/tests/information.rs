//! What a server tells those who only ask what it is.

use super::*;
use crate::handshake::datagram::{INFO_QUERY_BYTES, InfoQuery, Information, ServerDemands};
use crate::handshake::server::IdentityPolicy;
use crate::query::{Queries, ServerInfo};

fn querier() -> SocketAddr {
    "10.0.3.1:4000".parse().unwrap()
}

fn info_server(change: impl FnOnce(&mut ServerSetup)) -> Node {
    let key = KeyPair::generate(&mut SeededRandom::new(99));
    let mut setup = ServerSetup::new(ServerHandshakeConfig::new(key, ChannelTable::default()));
    setup.handshake.application_id = 77;
    setup.information = Information::new("map=dust2").unwrap();
    change(&mut setup);
    Node::new(SERVER_ADDRESS, EndpointConfig { server: Some(setup), ..EndpointConfig::default() }, 1)
}

impl Net {
    /// Hands a datagram to the server and gives what it sends to the querier.
    fn ask(&mut self, mut datagram: Vec<u8>) -> Vec<Vec<u8>> {
        let (now, path) = (self.now, Path::to(querier()));
        let Node { endpoint, random, .. } = &mut self.nodes[0];
        endpoint.handle_datagram(now, path, Ecn::NotCapable, &mut datagram, random);
        let mut buffer = Vec::new();
        let limits = TransmitLimits { segments: 1, bytes: 65_000 };
        let mut answers = Vec::new();
        while let Some(transmit) = endpoint.poll_transmit(now, limits, &mut buffer) {
            assert_eq!(transmit.path.remote, querier());
            answers.push(buffer.clone());
        }
        answers
    }

    fn query(&mut self) -> Option<ServerInfo> {
        let mut queries = Queries::default();
        let mut datagram = Vec::new();
        let server = self.nodes[0].address;
        queries.ask(self.now, server, Duration::from_secs(1), &mut SeededRandom::new(3)).unwrap();
        queries.poll_transmit(self.now, &mut datagram).unwrap();
        for answer in self.ask(datagram) {
            assert!(queries.handle_datagram(self.now, server, &answer));
        }
        queries.poll_event()?.info
    }
}

fn query(nonce: u64) -> Vec<u8> {
    let mut datagram = Vec::new();
    InfoQuery { nonce }.encode(&mut datagram);
    datagram
}

#[test]
fn anybody_learns_what_a_server_is_and_nothing_is_kept_of_it() {
    let mut net =
        Net::new(vec![info_server(|setup| setup.handshake.identity = IdentityPolicy::Required), client(1)]);
    net.connect_with(1, |config| {
        config.identity = Some(KeyPair::generate(&mut SeededRandom::new(7)));
        config.application_id = 77;
    });
    net.run_for(ms(100));
    let info = net.query().unwrap();
    assert_eq!((info.application_id, info.peers, info.peers_max), (77, 1, 64));
    assert_eq!(info.demands, ServerDemands { identity: true, ..ServerDemands::default() });
    assert_eq!(info.information.as_bytes(), b"map=dust2");
    net.nodes[0].endpoint.set_information(Information::new([7; 512]).unwrap());
    assert_eq!(net.query().unwrap().information.as_bytes(), [7; 512]);
    let statistics = net.nodes[0].endpoint.statistics();
    assert_eq!((statistics.info_queries, statistics.handshake.attempts), (2, 0));
    assert_eq!(net.nodes[0].endpoint.slots.count(), 1);
}

#[test]
fn an_answer_is_never_longer_than_its_query_and_there_are_only_so_many() {
    let mut net = Net::new(vec![info_server(|setup| {
        setup.queries_per_second = 100;
        setup.information = Information::new([7; 512]).unwrap();
    })]);
    let answers: Vec<_> = (0..500).flat_map(|nonce| net.ask(query(nonce))).collect();
    assert_eq!(answers.len(), 10, "what comes at once");
    assert!(answers.iter().all(|answer| answer.len() <= INFO_QUERY_BYTES));
    let mut answered = 0;
    for nonce in 0..2_000 {
        net.now += ms(1);
        answered += net.ask(query(nonce)).len();
    }
    assert!((195..=205).contains(&answered), "{answered} in two seconds");
    let statistics = net.nodes[0].endpoint.statistics();
    assert_eq!(statistics.info_queries, 10 + answered as u64);
    assert_eq!(statistics.handshake.drops.of(DropReason::Limited) + statistics.info_queries, 2_500);
}

#[test]
fn whoever_uses_the_limit_up_sends_as_many_bytes_as_for_good_queries() {
    let mut net = Net::new(vec![info_server(|_| ())]);
    for bytes in 5..300 {
        assert!(net.ask(query(1)[..bytes].to_vec()).is_empty());
    }
    assert!(net.query().is_some(), "{:?}", net.nodes[0].endpoint.statistics());
}

#[test]
fn malformed_queries_and_servers_that_do_not_want_any_are_silent() {
    let mut net = Net::new(vec![info_server(|_| ())]);
    let mut padded = query(1);
    padded[599] = 1;
    for bad in [query(1)[..599].to_vec(), [query(1), vec![0]].concat(), padded, query(1)[..21].to_vec()] {
        assert!(net.ask(bad).is_empty());
    }
    assert_eq!(net.nodes[0].endpoint.statistics().handshake.drops.of(DropReason::Malformed), 4);
    let mut net = Net::new(vec![info_server(|setup| setup.queries_per_second = 0), client(1)]);
    assert!(net.ask(query(1)).is_empty());
    net.nodes.remove(0);
    assert!(net.ask(query(1)).is_empty(), "a client is no server");
}
