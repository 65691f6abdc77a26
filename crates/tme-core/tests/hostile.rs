//! Whatever arrives: nothing panics, nothing is stored for strangers, every drop has its reason, and nobody suffers
//! but who sent it.
#![allow(missing_docs)]

#[path = "../../../tests/support/allocations.rs"]
mod allocations;
mod net;

use std::net::SocketAddr;
use std::time::Duration;

use net::raw::{self, Raw, close_reason, take_outside};
use net::{Net, Pair, SERVER, Tapped, address_of, all_modes, client_config, ms};
use tme_core::channel::ChannelMode;
use tme_core::connection::{Event, Origin, PacketDrop, SendOptions, TransmitLimits};
use tme_core::crypto::cookie::{COOKIE_BYTES, Cookie};
use tme_core::crypto::reset::ResetToken;
use tme_core::endpoint::EndpointStatistics;
use tme_core::handshake::client::ClientHandshake;
use tme_core::handshake::datagram::{Connect, HandshakeDatagram, Offer, Part, Reset};
use tme_core::handshake::drops::DropReason;
use tme_core::handshake::reason::Reason;
use tme_core::link::LinkConditions;
use tme_core::payload::Payload;
use tme_core::random::{Random, SeededRandom};
use tme_core::wire::ack::{Ack, AckDelay, AckRanges};
use tme_core::wire::frame::{Fragment, Frame, MessageFrame, SequenceField};

fn stranger() -> SocketAddr {
    "10.9.9.9:999".parse().unwrap()
}

/// Two clients and a server that have talked on every channel, and all datagrams that took.
fn talked() -> (Net, Vec<Pair>, Vec<Tapped>) {
    let mut net = Net::new(all_modes(), 2, LinkConditions::default());
    net.tap = Some(Vec::new());
    let mut pairs: Vec<Pair> = (1..=2).map(|node| Pair::connecting(&mut net, node)).collect();
    net.advance_for(ms(100));
    for pair in &mut pairs {
        pair.at_server = net.peer_of(pair.node);
        assert!(is_echoed(&mut net, *pair));
    }
    net.advance_for(ms(500));
    let tapped = net.tap.take().unwrap();
    (net, pairs, tapped)
}

/// Whether a message on each channel still goes to the server and one comes back.
fn is_echoed(net: &mut Net, pair: Pair) -> bool {
    let payload = Payload::from(vec![0xA5; 300]);
    for channel in 0..5 {
        for (node, peer) in [(pair.node, pair.at_client), (SERVER, pair.at_server)] {
            if net.send(node, peer, channel, payload.clone(), SendOptions::default()).is_err() {
                return false;
            }
        }
    }
    let (mut at_server, mut at_client) = (0, 0);
    for _ in 0..200 {
        net.advance(|_, node, event| match event {
            Event::Message { peer, .. } if node == SERVER && peer == pair.at_server => at_server += 1,
            Event::Message { .. } if node == pair.node => at_client += 1,
            Event::Disconnected { reason, .. } if node == pair.node => panic!("{reason}"),
            _ => {}
        });
        if (at_server, at_client) == (5, 5) {
            return true;
        }
    }
    false
}

fn statistics(net: &Net, node: usize) -> EndpointStatistics {
    net.nodes[node].endpoint.statistics()
}

/// Datagrams of which the endpoint says what became of them: dropped, answered, or a request of a new peer.
fn accounted(net: &Net, node: usize) -> u64 {
    let EndpointStatistics { drops, handshake, .. } = statistics(net, node);
    drops.total()
        + handshake.drops.total()
        + handshake.cookies
        + handshake.refused_total()
        + handshake.answers_repeated
}

/// Every truncation, and every byte damaged.
fn mutations(bytes: &[u8]) -> Vec<Vec<u8>> {
    let truncated = (0..bytes.len()).map(|length| bytes[..length].to_vec());
    let damaged = (0..bytes.len()).map(|index| {
        let mut damaged = bytes.to_vec();
        // Another bit each time, so that every bit of repeated fields gets its turn.
        damaged[index] ^= 1 << (index % 8);
        damaged
    });
    truncated.chain(damaged).collect()
}

#[test]
fn truncated_and_damaged_datagrams_change_nothing_and_are_counted() {
    let (mut net, pairs, tapped) = talked();
    for to in [SERVER, 1] {
        let to_address = address_of(to);
        let victim = if to == SERVER { address_of(1) } else { address_of(SERVER) };
        let originals = tapped.iter().filter(|tapped| tapped.to == to_address && tapped.from == victim);
        for original in originals {
            for from in [victim, stranger()] {
                let (received, before) = (statistics(&net, to).datagrams_received, accounted(&net, to));
                for mut bytes in mutations(&original.bytes) {
                    net.inject(from, to, &mut bytes);
                }
                let count = statistics(&net, to).datagrams_received - received;
                assert_eq!(count, 2 * original.bytes.len() as u64);
                assert_eq!(accounted(&net, to) - before, count, "{original:02x?} from {from}");
                net.advance(|_, _, _| ());
            }
        }
    }
    for pair in pairs {
        assert!(is_echoed(&mut net, pair), "{pair:?}");
    }
    assert_eq!(net.nodes[SERVER].endpoint.connection_count(), 2);
    assert_eq!(statistics(&net, SERVER).handshake.attempts, 0);
}

#[test]
fn replayed_datagrams_change_nothing_and_cost_no_key_exchange() {
    let (mut net, pairs, tapped) = talked();
    let exchanges = statistics(&net, SERVER).handshake.shared_secrets;
    for from in [None, Some(stranger())] {
        for to in [SERVER, 1] {
            let (received, before) = (statistics(&net, to).datagrams_received, accounted(&net, to));
            for original in tapped.iter().filter(|tapped| tapped.to == address_of(to)) {
                for _ in 0..3 {
                    let mut bytes = original.bytes.clone();
                    net.inject(from.unwrap_or(original.from), to, &mut bytes);
                }
            }
            let count = statistics(&net, to).datagrams_received - received;
            assert!(count >= 12, "{count} datagrams");
            assert_eq!(accounted(&net, to) - before, count);
            net.advance_for(ms(50));
        }
    }
    let handshake = statistics(&net, SERVER).handshake;
    assert_eq!((handshake.shared_secrets, handshake.attempts), (exchanges, 0));
    assert!(
        handshake.drops.of(DropReason::Repeated) > 0 && handshake.drops.of(DropReason::InvalidCookie) > 0
    );
    let [at_server, at_client] = [SERVER, 1].map(|node| statistics(&net, node).drops);
    assert!(at_server.of(PacketDrop::Replayed) > 0 && at_client.of(PacketDrop::Replayed) > 0);
    // A server's address does not change.
    assert!(at_server.of(PacketDrop::ForeignAddress) == 0 && at_client.of(PacketDrop::ForeignAddress) > 0);
    for pair in pairs {
        assert!(is_echoed(&mut net, pair), "{pair:?}");
    }
}

#[test]
fn a_repeated_connect_gets_the_same_answer_without_another_key_exchange() {
    let mut net = Net::new(all_modes(), 0, LinkConditions::default());
    let address = stranger();
    let (mut raw, sent) = Raw::connect_recorded(&mut net, address, 3);
    let before = statistics(&net, SERVER).handshake;
    let [hello, connect] = &sent[..] else { panic!("{} datagrams", sent.len()) };
    for _ in 0..50 {
        net.inject(address, SERVER, &mut hello.clone());
        net.inject(address, SERVER, &mut connect.clone());
        net.advance(|_, _, _| ());
    }
    let after = statistics(&net, SERVER).handshake;
    assert_eq!(after.shared_secrets, before.shared_secrets);
    assert_eq!((after.exchanges, after.answers_repeated), (before.exchanges, before.answers_repeated + 50));
    assert_eq!(net.nodes[SERVER].endpoint.connection_count(), 1);
    let answers = take_outside(&mut net, address);
    assert_eq!(answers.len(), 100);
    raw.send(&mut net, &[1]);
    net.advance(|_, _, _| ());
    net.inject(address, SERVER, &mut connect.clone());
    assert_eq!(statistics(&net, SERVER).handshake.drops.of(DropReason::Repeated), 1);
}

/// Datagrams of strangers by kind, each different from the others.
fn strangers_datagrams(kind: &str, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut random = SeededRandom::new(11);
    let datagrams = (0..count).map(|n| {
        let from = SocketAddr::from(([10, 9, (n >> 8) as u8, n as u8], 1_000 + n as u16));
        let mut bytes = vec![0; 1 + random.below(1_400) as usize];
        random.fill(&mut bytes);
        match kind {
            "HELLO" => {
                bytes.clear();
                let now = tme_core::time::Instant::ZERO;
                let mut handshake = ClientHandshake::new(client_config(), now, &mut random).unwrap();
                assert!(handshake.poll_transmit(now, &mut bytes));
            }
            "HELLO of another game" => {
                bytes.clear();
                let now = tme_core::time::Instant::ZERO;
                let mut config = client_config();
                config.application_id = 5;
                let mut handshake = ClientHandshake::new(config, now, &mut random).unwrap();
                assert!(handshake.poll_transmit(now, &mut bytes));
            }
            "forged CONNECT" => {
                let mut hello = Vec::new();
                let now = tme_core::time::Instant::ZERO;
                let mut handshake = ClientHandshake::new(client_config(), now, &mut random).unwrap();
                assert!(handshake.poll_transmit(now, &mut hello));
                let Ok(HandshakeDatagram::Hello(hello)) = HandshakeDatagram::parse(&hello) else { panic!() };
                let mut cookie = [0; COOKIE_BYTES];
                random.fill(&mut cookie);
                bytes.resize(100, 7);
                bytes.truncate(1_100);
                let part = Part::split(&bytes.clone()).next().map(|part| {
                    let offer: Offer = hello.offer;
                    let mut datagram = Vec::new();
                    Connect { offer, cookie: Cookie(cookie), part }.encode(&mut datagram);
                    datagram
                });
                bytes = part.unwrap();
            }
            "unknown data packet" => bytes[0] = 0x80,
            "handshake garbage" => {
                bytes.splice(0..1, [0x54, 0x4D, 0x45, 0x44, (n % 12) as u8]);
            }
            _ => {}
        }
        (from, bytes)
    });
    datagrams.collect()
}

#[test]
fn nothing_is_allocated_for_strangers() {
    let (mut net, pairs, _) = talked();
    let kinds = [
        "HELLO",
        "HELLO of another game",
        "forged CONNECT",
        "unknown data packet",
        "handshake garbage",
        "noise",
    ];
    for kind in kinds {
        // Two rounds, so that the first can make the buffers for answers that both need.
        let mut rounds = [strangers_datagrams(kind, 3_000), strangers_datagrams(kind, 3_000)];
        let mut counts = allocations::Counts::default();
        let before = accounted(&net, SERVER);
        for datagrams in &mut rounds {
            let answers = Vec::with_capacity(100_000);
            net.outside = answers;
            counts = allocations::measure(|| {
                for batch in datagrams.chunks_mut(100) {
                    for (from, bytes) in batch {
                        net.inject(*from, SERVER, bytes);
                    }
                    net.discard_replies();
                }
            });
        }
        println!("{kind}: {counts:?}");
        assert_eq!((counts.allocations, counts.live_bytes), (0, 0), "{kind}");
        assert_eq!(accounted(&net, SERVER) - before, 6_000, "{kind}");
        assert_eq!(net.nodes[SERVER].endpoint.connection_count(), 2);
        assert_eq!(statistics(&net, SERVER).handshake.attempts, 0, "{kind}");
    }
    for pair in pairs {
        assert!(is_echoed(&mut net, pair), "{pair:?}");
    }
}

#[test]
fn answers_that_nobody_collects_stay_within_their_bound() {
    let (mut net, _, _) = talked();
    let mut datagrams = strangers_datagrams("HELLO", 20_000);
    let counts = allocations::measure(|| {
        for (from, bytes) in &mut datagrams {
            net.inject(*from, SERVER, bytes);
        }
    });
    println!("20,000 HELLOs at once: {counts:?}");
    assert!(counts.live_bytes < 256 << 10, "{counts:?}");
    assert_eq!(statistics(&net, SERVER).replies_dropped, 20_000 - 1_024);
}

#[test]
fn an_answer_to_a_stranger_leaves_the_callers_buffer_its_room() {
    let (mut net, _, _) = talked();
    let mut buffer = Vec::with_capacity(65_000);
    for (from, mut bytes) in strangers_datagrams("HELLO", 100) {
        net.inject(from, SERVER, &mut bytes);
        let limits = TransmitLimits { segments: 1, bytes: 65_000 };
        let transmit = net.nodes[SERVER].endpoint.poll_transmit(net.now, limits, &mut buffer).unwrap();
        assert_eq!((transmit.path.remote, buffer.capacity()), (from, 65_000));
    }
}

/// A message frame on a channel of [`all_modes`].
fn message(position: u8, sequence: SequenceField, fragment: Option<Fragment>, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mode = ChannelMode::ALL[usize::from(position)];
    MessageFrame { position, sequence, key: 0, fragment, data }.encode(mode, &mut bytes);
    bytes
}

fn frame(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&ChannelMode::ALL, &mut bytes);
    bytes
}

fn ack(newest: u32) -> Vec<u8> {
    frame(&Frame::Ack(Ack { newest, delay: AckDelay(0), field: u64::MAX, ranges: AckRanges::default() }))
}

/// Authentic payloads that break a rule, with the reason that the connection must end with.
fn violations() -> Vec<(&'static str, Vec<u8>, Reason)> {
    use Reason::{FlowControl, ProtocolViolation};
    let low = SequenceField::Low;
    let cell = [7; 1_100];
    let of = |total| Some(Fragment { index: 0, total });
    let mut too_many = vec![0x80, 0];
    too_many = too_many.repeat(2_049);
    vec![
        ("reserved type", vec![0x0B], ProtocolViolation),
        ("challenge cut short", vec![0x09; 8], ProtocolViolation),
        ("unknown type", vec![0x7F], ProtocolViolation),
        ("varint cut short", vec![0x05, 0x80], ProtocolViolation),
        ("varint too long", vec![0x05, 0x80, 0x00], ProtocolViolation),
        ("PING, then garbage", vec![0x01, 0x55, 0x55], ProtocolViolation),
        ("ACK of what was never sent", ack(1_000_000), ProtocolViolation),
        ("two ACKs", [ack(0), ack(0)].concat(), ProtocolViolation),
        ("ACK longer than needed", vec![0x03, 0, 0, 0, 0, 0, 0, 0], ProtocolViolation),
        ("credit on an unknown channel", vec![0x06, 9, 1, 1], ProtocolViolation),
        ("credit on an unreliable channel", vec![0x06, 0, 1, 1], ProtocolViolation),
        ("SKIP on an unreliable channel", vec![0x07, 1, 0, 0, 0, 1], ProtocolViolation),
        ("message on an unknown channel", vec![0x89, 0], ProtocolViolation),
        ("message cut short", vec![0x80, 5, 1, 2], ProtocolViolation),
        ("implied sequence without a reference", vec![0xC3, 0], ProtocolViolation),
        ("fragment of a short message", message(3, low(0), of(1_000), &cell[..1_000]), ProtocolViolation),
        (
            "CLOSE with a long detail",
            [&[0x08, 100, 0, 0, 0, 0, 0, 0x81, 0x04][..], &[0; 513]].concat(),
            ProtocolViolation,
        ),
        ("2,049 messages", too_many, ProtocolViolation),
        (
            "whole message where a piece was",
            [message(3, low(5), of(5_000), &cell), message(3, low(5), None, b"x")].concat(),
            ProtocolViolation,
        ),
        (
            "pieces of different totals",
            [message(2, low(5), of(5_000), &cell), message(2, low(5), of(6_000), &cell)].concat(),
            ProtocolViolation,
        ),
        (
            "unreliable pieces of different totals",
            [message(0, low(5), of(5_000), &cell), message(0, low(5), of(6_000), &cell)].concat(),
            ProtocolViolation,
        ),
        ("message beyond the largest", message(3, low(0), of(1_048_577), &cell), FlowControl),
        ("message beyond the channel's messages", message(3, low(8_192), None, b"x"), FlowControl),
        (
            "SKIP beyond the channel's messages",
            frame(&Frame::Skip { position: 2, sequence: 9_000, bytes: 1 }),
            FlowControl,
        ),
        (
            "SKIP of a message beyond the largest",
            frame(&Frame::Skip { position: 2, sequence: 0, bytes: 1_048_577 }),
            FlowControl,
        ),
        ("messages beyond the channel's bytes", (0..3).flat_map(|n| long_skip(3, n)).collect(), FlowControl),
        (
            "messages beyond the connection's bytes",
            [2u8, 3, 4]
                .into_iter()
                .flat_map(|position| [long_skip(position, 0), long_skip(position, 1)].concat())
                .collect(),
            FlowControl,
        ),
    ]
}

/// A million bytes in a few: a skipped message counts whole.
fn long_skip(position: u8, sequence: u32) -> Vec<u8> {
    frame(&Frame::Skip { position, sequence, bytes: 1_000_000 })
}

#[test]
fn authentic_nonsense_ends_its_own_connection_with_the_right_reason() {
    let (mut net, pairs, _) = talked();
    let table = all_modes();
    for (n, (name, payload, reason)) in violations().into_iter().enumerate() {
        let address = SocketAddr::from(([10, 9, 9, n as u8], 999));
        let mut raw = Raw::connect(&mut net, address, 100 + n as u64);
        take_outside(&mut net, address);
        let dropped = statistics(&net, SERVER).drops;
        raw.send(&mut net, &payload);
        net.advance(|_, _, _| ());
        let told = raw.close_reason(&mut net, &table);
        assert_eq!(told, Some(reason.code()), "{name}");
        assert_eq!(statistics(&net, SERVER).drops, dropped, "{name}: the packet was authentic");
        let mut heard = None;
        for _ in 0..20_000 {
            net.advance(|_, node, event| {
                if let (SERVER, Event::Disconnected { reason, .. }) = (node, event) {
                    heard = Some((reason.reason, reason.origin));
                }
            });
            if heard.is_some() {
                break;
            }
        }
        assert_eq!(heard, Some((reason, Origin::Local)), "{name}");
        net.outside.clear();
    }
    for pair in pairs {
        assert!(is_echoed(&mut net, pair), "{pair:?}");
    }
    assert_eq!(net.nodes[SERVER].endpoint.connection_count(), 2);
}

#[test]
fn a_servers_authentic_nonsense_ends_the_clients_connection() {
    let table = all_modes();
    for (name, payload, reason) in violations() {
        let mut net = Net::new(table.clone(), 1, LinkConditions::default());
        // Nothing reaches the net's own server: another one answers in its place.
        net.cut(SERVER);
        let mut server = raw::serve(&mut net, 1, &table);
        net.advance_for(ms(5));
        net.tap = Some(Vec::new());
        let mut datagram = server.seal(net.now, &payload);
        net.inject(address_of(SERVER), 1, &mut datagram);
        net.advance_for(ms(5));
        let told = net.tap.take().unwrap().into_iter().find_map(|tapped| {
            let payload = server.open(net.now, tapped.bytes)?;
            close_reason(&payload, &table)
        });
        assert_eq!(told, Some(reason.code()), "{name}");
    }
}

#[test]
fn random_authentic_payloads_never_panic_and_hurt_nobody_else() {
    let (mut net, pairs, _) = talked();
    let mut random = SeededRandom::new(77);
    let mut raw = None;
    let mut connections = 0u8;
    for n in 0..5_000 {
        let sender = raw.get_or_insert_with(|| {
            connections = connections.wrapping_add(1);
            Raw::connect(&mut net, SocketAddr::from(([10, 8, connections, n as u8], 999)), 1_000 + n)
        });
        // A valid frame type first, so that its fields are what is random.
        let mut payload = vec![0; 1 + random.below(60) as usize];
        random.fill(&mut payload);
        payload[0] = match random.below(3) {
            0 => random.below(9) as u8,
            1 => 0x80 | random.below(5) as u8 | (random.below(8) as u8) << 5,
            _ => payload[0],
        };
        sender.send(&mut net, &payload);
        net.advance(|_, _, _| ());
        let is_over = sender.close_reason(&mut net, &all_modes()).is_some();
        if is_over {
            raw = None;
        }
        net.outside.clear();
        // Those that were closed never acknowledge it; their places come back after some seconds.
        if net.nodes[SERVER].endpoint.connection_count() > 60 {
            net.advance_for(Duration::from_secs(6));
        }
    }
    for pair in pairs {
        assert!(is_echoed(&mut net, pair), "{pair:?}");
    }
}

#[test]
fn clients_connect_over_links_that_damage_what_they_carry() {
    let conditions = LinkConditions { corrupt: 0.1, delay: ms(20), ..LinkConditions::default() };
    // Fails after twenty seconds if one of them gives up.
    let (mut net, pairs) = Net::connected(all_modes(), 200, conditions);
    assert_eq!(net.nodes[SERVER].endpoint.peers().count(), 200);
    net.set_conditions(LinkConditions::default());
    net.advance_for(ms(2_000));
    for pair in pairs.into_iter().take(20) {
        assert!(is_echoed(&mut net, pair), "{pair:?}");
    }
}

#[test]
fn a_client_that_connects_is_not_led_astray() {
    let mut net = Net::new(all_modes(), 1, LinkConditions { delay: ms(20), ..LinkConditions::default() });
    // Another client, or it would have the same seed and therefore the same nonce and keys.
    let mut other = Net::new(all_modes(), 2, LinkConditions::default());
    other.tap = Some(Vec::new());
    other.connect(2);
    other.advance_for(ms(50));
    let genuine = other.tap.take().unwrap();
    net.connect(1);
    let mut is_connected = false;
    let mut counted = 0;
    for _ in 0..100 {
        net.tap = Some(Vec::new());
        net.advance(|_, node, event| is_connected |= node == 1 && matches!(event, Event::Connected { .. }));
        // Answers that another client got; and what is on its way to us, cut short or with a byte damaged that tells
        // what it is and whose. Somebody on the path who leaves those intact can do more: of a hundred ACCEPTs that do
        // not verify the last is the last that is tried.
        let tapped = net.tap.take().unwrap();
        let to_us = tapped.iter().filter(|tapped| tapped.to == address_of(1));
        let others = genuine.iter().filter(|tapped| tapped.to == address_of(2));
        let damaged = to_us.flat_map(|tapped| {
            let whole = tapped.bytes.len();
            mutations(&tapped.bytes).into_iter().enumerate().filter(move |(n, bytes)| {
                let is_accept = bytes.get(4) == Some(&4);
                let is_cut = bytes.len() < if is_accept { 16 } else { whole };
                is_cut || (whole..whole + 13).contains(n)
            })
        });
        let damaged: Vec<Vec<u8>> = damaged.map(|(_, bytes)| bytes).collect();
        for mut bytes in others.map(|tapped| tapped.bytes.clone()).chain(damaged) {
            counted += 1;
            net.inject(address_of(SERVER), 1, &mut bytes);
        }
    }
    assert!(is_connected, "{:?}", statistics(&net, 1));
    let EndpointStatistics { drops, attempt_drops, .. } = statistics(&net, 1);
    assert_eq!(drops.total() + attempt_drops.total(), counted, "{drops:?}, {attempt_drops:?}");
    assert!(attempt_drops.of(DropReason::Malformed) > 0 && counted > 200, "{counted}");
}

#[test]
fn a_forged_reset_or_refusal_does_not_end_a_connection() {
    let (mut net, pairs, tapped) = talked();
    let mut random = SeededRandom::new(5);
    for _ in 0..1_000 {
        let mut token = [0; 16];
        random.fill(&mut token);
        let mut bytes = Vec::new();
        HandshakeDatagram::Reset(Reset { token: ResetToken::from_bytes(token) }).encode(&mut bytes);
        net.inject(address_of(SERVER), 1, &mut bytes);
    }
    for original in tapped.iter().filter(|tapped| tapped.to == address_of(1) && tapped.bytes[0] == 0x54) {
        net.inject(address_of(SERVER), 1, &mut original.bytes.clone());
    }
    assert!(statistics(&net, 1).drops.of(PacketDrop::UnknownConnection) >= 1_000);
    assert!(is_echoed(&mut net, pairs[0]));
}
