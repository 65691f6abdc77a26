//! Clients whose address changes while they play, those who only say so, and what a server sends to whom.
#![allow(missing_docs)]

#[path = "../../../tests/support/allocations.rs"]
mod allocations;
mod net;

use std::net::SocketAddr;

use net::raw::{Raw, take_outside};
use net::{Net, Pair, SERVER, Tapped, address_of, all_modes, ms};
use tme_core::connection::{CloseMode, ConnectionStatistics, Event, Farewell, PacketDrop, SendOptions};
use tme_core::handshake::reason::Reason;
use tme_core::link::LinkConditions;
use tme_core::payload::Payload;
use tme_core::wire::frame::{Frame, Frames};

const ORDERED: u8 = 3;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn slow() -> LinkConditions {
    LinkConditions { delay: ms(20), ..LinkConditions::default() }
}

/// What came out of a conversation.
#[derive(Debug, Default)]
struct Talk {
    /// Numbers that each side got.
    at_server: Vec<u32>,
    at_client: Vec<u32>,
    /// Addresses that the server was told of.
    moves: Vec<SocketAddr>,
    interruptions: usize,
}

impl Talk {
    /// Both sides send a numbered message every 16 ms for `steps` such times; then half a second passes.
    fn hold(net: &mut Net, pair: Pair, steps: u32, mut at_step: impl FnMut(&mut Net, u32)) -> Self {
        let mut talk = Self::default();
        for step in 0..steps + 32 {
            at_step(net, step);
            for (node, peer) in [(pair.node, pair.at_client), (SERVER, pair.at_server)] {
                if step < steps {
                    let payload = Payload::from(&step.to_le_bytes()[..]);
                    net.send(node, peer, ORDERED, payload, SendOptions::default()).unwrap();
                }
            }
            for _ in 0..16 {
                net.advance(|_, node, event| match event {
                    Event::Message { payload, .. } => {
                        let number = u32::from_le_bytes(payload[..4].try_into().unwrap());
                        if node == SERVER { &mut talk.at_server } else { &mut talk.at_client }.push(number);
                    }
                    Event::AddressChanged { remote, .. } => talk.moves.push(remote),
                    Event::Interrupted { .. } => talk.interruptions += 1,
                    Event::Disconnected { reason, .. } => panic!("{node}: {reason}"),
                    _ => {}
                });
            }
        }
        talk
    }

    /// Everything came once, in order, both ways.
    fn is_whole(&self, steps: u32) -> bool {
        let expected: Vec<u32> = (0..steps).collect();
        self.at_server == expected && self.at_client == expected
    }
}

fn figures(net: &Net, pair: Pair) -> ConnectionStatistics {
    net.nodes[SERVER].endpoint.peer_statistics(net.now, pair.at_server).unwrap()
}

fn remote(net: &Net, pair: Pair) -> SocketAddr {
    net.nodes[SERVER].endpoint.connection(pair.at_server).unwrap().path().remote
}

/// Whether a program knows of its new address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowing {
    /// It has bound another socket.
    Yes,
    /// A NAT did it.
    No,
}

fn move_client(net: &mut Net, node: usize, to: SocketAddr, knowing: Knowing) {
    net.move_node(node, to);
    if knowing == Knowing::Yes {
        let now = net.now;
        net.nodes[node].endpoint.handle_rebind(now);
    }
}

#[test]
fn a_client_whose_address_changes_keeps_its_session() {
    for knowing in [Knowing::Yes, Knowing::No] {
        for to in ["10.0.0.2:9999", "10.7.7.7:7777"].map(address) {
            let (mut net, pairs) = Net::connected(all_modes(), 2, slow());
            let talk = Talk::hold(&mut net, pairs[0], 100, |net, step| {
                if step == 30 {
                    move_client(net, 1, to, knowing);
                }
            });
            assert!(talk.is_whole(100), "{knowing:?} {to}: {talk:?}");
            assert_eq!((&talk.moves[..], talk.interruptions), (&[to][..], 0), "{knowing:?}");
            assert_eq!(remote(&net, pairs[0]), to);
            let figures = figures(&net, pairs[0]);
            assert_eq!((figures.address_changes, figures.address_changes_refused), (1, 0));
            assert_eq!(remote(&net, pairs[1]), address_of(2), "the other client stays where it is");
        }
    }
}

#[test]
fn a_client_whose_address_changes_while_it_connects_gets_through() {
    // While HELLO, COOKIE or CONNECT is under way.
    for moved_after in [10, 30, 50] {
        let mut net = Net::new(all_modes(), 1, slow());
        net.connect(1);
        let mut connected = 0;
        for step in 0..3_000 {
            if step == moved_after {
                net.move_node(1, address("10.7.7.7:7777"));
            }
            net.advance(|_, _, event| connected += u32::from(matches!(event, Event::Connected { .. })));
        }
        assert_eq!(connected, 2, "one at each side, moved after {moved_after} ms");
    }
}

#[test]
fn an_idle_client_behind_a_nat_that_forgets_it_is_found_again() {
    let (mut net, pairs) = Net::connected(all_modes(), 1, slow());
    net.advance_for(ms(3_000));
    let to = address("10.0.0.2:40000");
    net.move_node(1, to);
    // The keep-alive of the client is not answered at once: it has 24 bytes, a challenge has 32.
    net.advance_for(ms(6_000));
    assert_eq!(remote(&net, pairs[0]), to);
}

#[test]
fn estimates_start_over_with_another_network_and_stay_with_another_port() {
    for (to, is_kept) in [("10.0.0.2:9999", true), ("10.7.7.7:7777", false)] {
        let (mut net, pairs) = Net::connected(all_modes(), 1, slow());
        Talk::hold(&mut net, pairs[0], 200, |_, _| ());
        let before = figures(&net, pairs[0]);
        assert_eq!(before.datagram_bytes, 1_452);
        net.move_node(1, address(to));
        let mut moved = false;
        net.send(1, pairs[0].at_client, ORDERED, Payload::from(vec![0; 100]), SendOptions::default())
            .unwrap();
        while !moved {
            net.advance(|_, _, event| moved |= matches!(event, Event::AddressChanged { .. }));
        }
        let after = figures(&net, pairs[0]);
        assert_eq!(
            (after.rtt_smoothed == before.rtt_smoothed, after.datagram_bytes == 1_452),
            (is_kept, is_kept)
        );
        Talk::hold(&mut net, pairs[0], 100, |_, _| ());
        let later = figures(&net, pairs[0]);
        assert!(later.rtt_smoothed < ms(45), "{:?}", later.rtt_smoothed);
        assert_eq!(later.datagram_bytes, 1_452);
    }
}

/// Everything the client sends from now on reaches an accomplice, too, who is quicker and sends it on from his own address.
/// Gives how much he got for how much.
fn forward_for(net: &mut Net, pair: Pair, thief: SocketAddr, steps: u32) -> (Talk, u64, u64) {
    let (mut given, mut got) = (0, 0);
    net.tap = Some(Vec::new());
    let talk = Talk::hold(net, pair, steps, |net, _| {
        let tapped = net.tap.replace(Vec::new()).unwrap();
        for Tapped { mut bytes, .. } in tapped.into_iter().filter(|tapped| tapped.from == address_of(1)) {
            given += bytes.len() as u64;
            net.inject(thief, SERVER, &mut bytes);
        }
        got += take_outside(net, thief).iter().map(|datagram| datagram.len() as u64).sum::<u64>();
    });
    net.tap = None;
    (talk, given, got)
}

#[test]
fn whoever_forwards_a_clients_packets_neither_steals_the_session_nor_makes_the_server_amplify() {
    let (mut net, pairs) = Net::connected(all_modes(), 1, slow());
    let thief = address("10.66.6.6:666");
    let (talk, given, got) = forward_for(&mut net, pairs[0], thief, 300);
    assert!(talk.is_whole(300), "{talk:?}");
    assert_eq!((talk.moves.len(), talk.interruptions, remote(&net, pairs[0])), (0, 0, address_of(1)));
    assert!(got > 0 && got <= given, "{got} bytes for {given}");
    let figures = figures(&net, pairs[0]);
    assert_eq!(figures.address_changes, 0);
    // Five seconds of it, four attempts a second.
    assert!((1..=25).contains(&figures.address_changes_refused), "{}", figures.address_changes_refused);
    assert!(figures.drops.of(PacketDrop::Replayed) > 0);
}

#[test]
fn replayed_packets_move_nobody() {
    let (mut net, pairs) = Net::connected(all_modes(), 1, slow());
    net.tap = Some(Vec::new());
    Talk::hold(&mut net, pairs[0], 50, |_, _| ());
    let tapped = net.tap.take().unwrap();
    let thief = address("10.66.6.6:666");
    for Tapped { mut bytes, .. } in tapped.into_iter().filter(|tapped| tapped.from == address_of(1)) {
        net.inject(thief, SERVER, &mut bytes);
    }
    net.advance_for(ms(1_000));
    assert_eq!(take_outside(&mut net, thief).len(), 0);
    let figures = figures(&net, pairs[0]);
    assert_eq!((figures.address_changes, figures.address_changes_refused), (0, 0));
    assert!(Talk::hold(&mut net, pairs[0], 10, |_, _| ()).is_whole(10));
}

/// The bytes of the challenges that came for this address.
fn challenges(raw: &mut Raw, net: &mut Net, address: SocketAddr) -> Vec<[u8; 8]> {
    let datagrams = take_outside(net, address);
    let payloads: Vec<_> = datagrams.into_iter().filter_map(|datagram| raw.open(net.now, datagram)).collect();
    let modes: Vec<_> = all_modes().entries().iter().map(|entry| entry.mode).collect();
    let frames =
        payloads.iter().flat_map(|payload| Frames::new(payload, &modes).flatten().collect::<Vec<_>>());
    frames
        .filter_map(|frame| if let Frame::PathChallenge { data } = frame { Some(data) } else { None })
        .collect()
}

fn response(data: [u8; 8]) -> Vec<u8> {
    [&[0x0A][..], &data].concat()
}

#[test]
fn a_peer_that_claims_somebody_elses_address_sends_him_no_more_than_it_sends_itself() {
    let mut net = Net::new(all_modes(), 0, LinkConditions::default());
    let (home, victim) = (address("10.5.5.5:55"), address("10.99.9.9:99"));
    let mut raw = Raw::connect(&mut net, home, 3);
    let peer = net.nodes[SERVER].endpoint.peers().next().unwrap();
    // Its packets claim to come from the victim, who does not answer; the server has a lot to say meanwhile.
    let mut sent = 0;
    for _ in 0..4_000 {
        let payload = Payload::from(vec![7; 300]);
        let _ = net.send(SERVER, peer, ORDERED, payload, SendOptions::default());
        let mut datagram = raw.seal(net.now, &[1]);
        sent += datagram.len();
        net.inject(victim, SERVER, &mut datagram);
        net.advance(|_, _, _| ());
    }
    let got: usize = take_outside(&mut net, victim).iter().map(Vec::len).sum();
    assert!(got > 0 && got <= sent && got < 5_000, "{got} bytes for {sent}");
    let statistics = net.nodes[SERVER].endpoint.peer_statistics(net.now, peer).unwrap();
    assert_eq!(statistics.address_changes, 0);
    assert!(statistics.address_changes_refused >= 1);
    assert_eq!(net.nodes[SERVER].endpoint.connection(peer).unwrap().path().remote, home);
}

#[test]
fn a_peer_that_claims_another_players_address_does_not_disturb_him() {
    let (mut net, pairs) = Net::connected(all_modes(), 1, slow());
    let mut raw = Raw::connect(&mut net, address("10.5.5.5:55"), 3);
    net.tap = Some(Vec::new());
    let mut sent = 0;
    let talk = Talk::hold(&mut net, pairs[0], 200, |net, _| {
        let mut claim = raw.seal(net.now, &[1]);
        sent += claim.len();
        net.inject(address_of(1), SERVER, &mut claim);
    });
    assert!(talk.is_whole(200) && talk.interruptions == 0);
    assert_eq!(talk.moves, []);
    // What the liar is asked carries its own connection id, which is 1.
    let is_question = |tapped: &&Tapped| tapped.to == address_of(1) && tapped.bytes[1..5] == [1, 0, 0, 0];
    let questions: Vec<Tapped> = net.tap.take().unwrap().iter().filter(is_question).cloned().collect();
    let got: usize = questions.iter().map(|tapped| tapped.bytes.len()).sum();
    assert!(got > 0 && got <= sent, "{got} bytes for {sent}");
    let drops = net.nodes[1].endpoint.statistics().drops;
    assert_eq!(drops.of(PacketDrop::UnknownConnection), questions.len() as u64);
}

#[test]
fn only_the_right_answer_from_the_new_address_completes_a_move() {
    let mut net = Net::new(all_modes(), 0, LinkConditions::default());
    let (home, other) = (address("10.5.5.5:55"), address("10.5.5.6:56"));
    let mut raw = Raw::connect(&mut net, home, 3);
    let peer = net.nodes[SERVER].endpoint.peers().next().unwrap();
    let at = |net: &Net| net.nodes[SERVER].endpoint.connection(peer).unwrap().path().remote;
    raw.address = other;
    raw.send(&mut net, &[1]);
    net.advance(|_, _, _| ());
    assert_eq!(challenges(&mut raw, &mut net, other).len(), 0, "24 bytes came, a challenge has 32");
    raw.send(&mut net, &[1]);
    net.advance(|_, _, _| ());
    let [data] = challenges(&mut raw, &mut net, other)[..] else { panic!("one challenge") };
    raw.send(&mut net, &response([!data[0]; 8]));
    assert_eq!(at(&net), home, "wrong bytes");
    raw.address = home;
    raw.send(&mut net, &response(data));
    assert_eq!(at(&net), home, "from elsewhere");
    raw.address = other;
    raw.send(&mut net, &response(data));
    assert_eq!(at(&net), other);
}

#[test]
fn a_packet_of_path_frames_alone_or_an_old_one_starts_no_move() {
    let mut net = Net::new(all_modes(), 0, LinkConditions::default());
    let (home, other) = (address("10.5.5.5:55"), address("10.5.5.6:56"));
    let mut raw = Raw::connect(&mut net, home, 3);
    let late = raw.seal(net.now, &[&[1][..], &[0; 100]].concat());
    raw.send(&mut net, &[1]);
    raw.address = other;
    net.inject(other, SERVER, &mut late.clone());
    let probe = [&[0x09][..], &[7; 8], &[0x0A], &[7; 8], &[0; 100]].concat();
    raw.send(&mut net, &probe);
    net.advance_for(ms(500));
    // The question is answered on the way it came (PROTOCOL §12.4); the server asks nothing and sends nothing else there.
    let answers = take_outside(&mut net, other);
    assert!(answers.iter().map(Vec::len).sum::<usize>() <= probe.len(), "no more than came from there");
    let payloads: Vec<_> = answers.into_iter().filter_map(|answer| raw.open(net.now, answer)).collect();
    assert_eq!(payloads, [response([7; 8])]);
    raw.send(&mut net, &[&[1][..], &[0; 100]].concat());
    net.advance_for(ms(10));
    assert_eq!(challenges(&mut raw, &mut net, other).len(), 1, "a PING does");
}

#[test]
fn moves_in_quick_succession_are_started_four_times_a_second() {
    let mut net = Net::new(all_modes(), 0, LinkConditions::default());
    let mut raw = Raw::connect(&mut net, address("10.5.5.5:55"), 3);
    let peer = net.nodes[SERVER].endpoint.peers().next().unwrap();
    for n in 0..2_000u16 {
        raw.address = SocketAddr::from(([10, 5, 5, 5], 1_000 + n));
        raw.send(&mut net, &[&[1][..], &[0; 100]].concat());
        net.advance(|_, _, _| ());
    }
    net.outside.retain(|(to, _)| to.ip() != raw.address.ip() || to.port() >= 1_000);
    for (to, datagram) in &net.outside {
        let got: usize =
            net.outside.iter().filter(|(other, _)| other == to).map(|(_, bytes)| bytes.len()).sum();
        assert!(got <= 124 && datagram.len() <= 34, "{got} bytes to {to}");
    }
    let statistics = net.nodes[SERVER].endpoint.peer_statistics(net.now, peer).unwrap();
    assert_eq!(statistics.address_changes_refused, 7);
}

#[test]
fn a_client_that_moves_while_it_is_thrown_out_learns_why() {
    for to in ["10.0.0.2:9999", "10.7.7.7:7777"].map(address) {
        let (mut net, pairs) = Net::connected(all_modes(), 1, slow());
        Talk::hold(&mut net, pairs[0], 10, |_, _| ());
        // A NAT gives it another address, and the goodbye goes to the former one.
        net.move_node(1, to);
        let now = net.now;
        let farewell = Farewell::new(Reason::Kicked);
        assert!(net.nodes[SERVER].endpoint.disconnect(now, pairs[0].at_server, CloseMode::Now, farewell));
        let mut ends = Vec::new();
        for _ in 0..60 {
            let payload = Payload::from(&b"unsuspecting"[..]);
            let _ = net.send(1, pairs[0].at_client, ORDERED, payload, SendOptions::default());
            for _ in 0..16 {
                net.advance(|_, node, event| {
                    if let Event::Disconnected { reason, .. } = event {
                        ends.push((node, reason.reason));
                    }
                });
            }
        }
        ends.sort_by_key(|(node, _)| *node);
        assert_eq!(ends, [(SERVER, Reason::Kicked), (1, Reason::Kicked)], "{to}");
    }
}

#[test]
fn a_client_that_has_moved_still_learns_at_once_that_its_server_forgot_it() {
    let (mut net, pairs) = Net::connected(all_modes(), 1, slow());
    Talk::hold(&mut net, pairs[0], 10, |net, step| {
        if step == 5 {
            move_client(net, 1, address("10.7.7.7:7777"), Knowing::Yes);
        }
    });
    let (endpoint, random) = net::endpoint(net::server_config(all_modes(), 8), 77);
    (net.nodes[SERVER].endpoint, net.nodes[SERVER].random) = (endpoint, random);
    net.send(1, pairs[0].at_client, ORDERED, Payload::from(vec![0; 100]), SendOptions::default()).unwrap();
    let mut reason = None;
    for _ in 0..50 {
        net.advance(|_, _, event| {
            if let Event::Disconnected { reason: why, .. } = event {
                reason = Some(why.reason);
            }
        });
    }
    assert_eq!(reason, Some(Reason::Reset));
}
