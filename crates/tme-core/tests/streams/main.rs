//! Connections in streams, and from streams to datagrams and back: nothing lost, nothing twice.
#![allow(missing_docs)]

mod rig;

use rig::{CLIENT, Rig, SERVER, ms};
use tme_core::connection::{Event, PacketDrop, PeerId, SendOptions, StreamEnd};
use tme_core::crypto::suite::SuiteSet;
use tme_core::datagram::{Ecn, LinkKind, StreamId};
use tme_core::handshake::reason::Reason;
use tme_core::link::LinkConditions;
use tme_core::random::{Random, SeededRandom};

const UNRELIABLE: u8 = 0;
const UNORDERED: u8 = 2;
const ORDERED: u8 = 3;
const BULK: u8 = 5;
const FAST: u64 = 10_000_000;

fn good() -> LinkConditions {
    LinkConditions { delay: ms(20), ..LinkConditions::default() }
}

fn encrypted(seed: u64) -> Rig {
    Rig::new(SuiteSet::ENCRYPTED, good(), seed)
}

/// What both sides got, by node.
#[derive(Debug, Default)]
struct Talk {
    ordered: [Vec<u32>; 2],
    unordered: [Vec<u32>; 2],
    unreliable: [Vec<u32>; 2],
    links: [Vec<LinkKind>; 2],
    receipts: Vec<u64>,
    interruptions: usize,
    sent: u32,
}

impl Talk {
    /// Both sides send numbered messages on three channels every 16 ms, so many times, while `at_step` does what it likes;
    /// then two seconds pass.
    fn hold(rig: &mut Rig, ids: [PeerId; 2], steps: u32, mut at_step: impl FnMut(&mut Rig, u32)) -> Self {
        let mut talk = Self::default();
        talk.go_on(rig, ids, steps, &mut at_step);
        talk.listen(rig, 2_000);
        talk
    }

    fn go_on(
        &mut self,
        rig: &mut Rig,
        ids: [PeerId; 2],
        steps: u32,
        at_step: &mut impl FnMut(&mut Rig, u32),
    ) {
        for step in self.sent..self.sent + steps {
            at_step(rig, step);
            for node in [SERVER, CLIENT] {
                for channel in [UNRELIABLE, UNORDERED, ORDERED] {
                    let asks = (node == CLIENT && channel == ORDERED).then_some(u64::from(step));
                    let options = SendOptions { receipt: asks, ..SendOptions::default() };
                    rig.send(node, ids[node], channel, &step.to_le_bytes(), options).unwrap();
                }
            }
            self.listen(rig, 16);
        }
        self.sent += steps;
    }

    fn listen(&mut self, rig: &mut Rig, millis: u32) {
        for _ in 0..millis {
            rig.advance(|node, event| match event {
                Event::Message { channel, payload, .. } => {
                    let Some(number) = payload.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)) else {
                        return;
                    };
                    match channel.0 {
                        UNRELIABLE => self.unreliable[node].push(number),
                        UNORDERED => self.unordered[node].push(number),
                        ORDERED => self.ordered[node].push(number),
                        _ => {}
                    }
                }
                Event::LinkChanged { link, .. } => self.links[node].push(link),
                Event::Delivered { token, .. } => self.receipts.push(token),
                Event::Expired { token, reason, .. } => panic!("{token}: {reason:?}"),
                Event::Interrupted { .. } => self.interruptions += 1,
                Event::Disconnected { reason, .. } => panic!("{node}: {reason}"),
                _ => {}
            });
        }
    }

    /// Every reliable message came once, ordered ones in order, each with its receipt, and no unreliable one twice.
    fn check(mut self, what: &str) {
        let all: Vec<u32> = (0..self.sent).collect();
        assert_eq!(self.ordered, [all.clone(), all.clone()], "{what}");
        for messages in self.unordered.iter_mut().chain(&mut self.unreliable) {
            messages.sort_unstable();
        }
        assert_eq!(self.unordered, [all.clone(), all.clone()], "{what}");
        for messages in &self.unreliable {
            assert!(messages.windows(2).all(|pair| pair[0] < pair[1]), "{what}: {messages:?}");
        }
        self.receipts.sort_unstable();
        assert_eq!(self.receipts, all.iter().map(|&step| u64::from(step)).collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn a_connection_lives_in_a_stream() {
    let mut rig = encrypted(1);
    rig.cut_datagrams(true);
    let stream = rig.open_stream(FAST);
    let ids = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    assert_eq!(rig.endpoint(SERVER).peer_in_stream(stream), Some(ids[SERVER]));
    assert_eq!(rig.endpoint(SERVER).poll_claimed_stream(), Some(stream));
    let talk = Talk::hold(&mut rig, ids, 200, |_, _| ());
    assert_eq!(talk.unreliable[SERVER].len(), 200, "a stream with room loses nothing");
    assert_eq!((talk.interruptions, talk.links.concat().len()), (0, 0));
    talk.check("in a stream");
    for node in [SERVER, CLIENT] {
        let now = rig.now;
        let figures = rig.endpoint(node).peer_statistics(now, ids[node]).unwrap();
        assert_eq!((figures.packets_lost, figures.probe_timeouts), (0, 0));
        assert!(figures.rtt_smoothed >= ms(40) && figures.rtt_smoothed < ms(60), "{figures:?}");
    }
}

#[test]
fn bulk_goes_in_large_packets_and_does_not_hold_a_stream_of_small_ones_up() {
    let mut rig = encrypted(2);
    // 1 MB/s: what waits in the stream is 64 ms of it at most.
    let stream = rig.open_stream(1_000_000);
    let ids = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    for _ in 0..30 {
        rig.send(CLIENT, ids[CLIENT], BULK, &[7; 60_000], SendOptions::default()).unwrap();
    }
    let (mut delays, mut bulk) = (Vec::new(), 0);
    for tick in 0u32..2_500 {
        if tick % 16 == 0 {
            let now = (rig.now.as_micros()).to_le_bytes();
            rig.send(CLIENT, ids[CLIENT], UNRELIABLE, &now, SendOptions::default()).unwrap();
        }
        let now = rig.now;
        rig.advance(|node, event| {
            if let (SERVER, Event::Message { channel, payload, .. }) = (node, event) {
                if channel.0 == BULK {
                    bulk += 1;
                } else {
                    let sent = u64::from_le_bytes(*payload.first_chunk().unwrap());
                    delays.push(now.as_micros() + 1_000 - sent);
                }
            }
        });
    }
    delays.sort_unstable();
    assert_eq!(bulk, 30);
    assert!(rig.large_packets >= 90, "{} packets were large", rig.large_packets);
    let worst = *delays.last().unwrap();
    assert!(worst < 130_000, "20 ms of way, 65 of queue, a packet of 16: {worst} µs");
}

#[test]
fn unreliable_messages_grow_stale_behind_a_stream_that_takes_nothing() {
    let mut rig = encrypted(3);
    let stream = rig.open_stream(2_000);
    let ids = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    let mut received = Vec::new();
    for tick in 0u32..30_000 {
        if tick % 10 == 0 && tick < 20_000 {
            let message = [tick.to_le_bytes().as_slice(), &[0; 500]].concat();
            rig.send(CLIENT, ids[CLIENT], UNRELIABLE, &message, SendOptions::default()).unwrap();
        }
        rig.advance(|node, event| {
            if let (SERVER, Event::Message { payload, .. }) = (node, event) {
                received.push(u32::from_le_bytes(*payload.first_chunk().unwrap()));
            }
        });
    }
    assert!(received.len() < 200, "of 50,000 bytes/s the stream takes 2,000: {}", received.len());
    assert!(received.windows(2).all(|pair| pair[0] < pair[1]));
    let now = rig.now;
    let queued = rig.endpoint(CLIENT).channel_statistics(ids[CLIENT], UNRELIABLE.into()).unwrap();
    assert_eq!(queued.queued_messages, 0, "{now:?}: {queued:?}");
}

#[test]
fn a_connection_goes_from_a_stream_to_datagrams_and_back() {
    let mut rig = encrypted(4);
    let first = rig.open_stream(FAST);
    let second = rig.open_stream(FAST);
    let ids = rig.connect(Some(first), SuiteSet::ENCRYPTED);
    let talk = Talk::hold(&mut rig, ids, 150, |rig, step| match step {
        40 => assert!(rig.try_path(ids[CLIENT], None)),
        100 => assert!(rig.try_path(ids[CLIENT], Some(second))),
        _ => {}
    });
    assert_eq!(talk.links, [vec![LinkKind::Udp, LinkKind::Tcp], vec![LinkKind::Udp, LinkKind::Tcp]]);
    assert_eq!(talk.interruptions, 0);
    talk.check("there and back");
    assert_eq!(rig.endpoint(CLIENT).poll_released_stream(), Some(first), "it is to be closed");
    assert_eq!(rig.endpoint(SERVER).poll_released_stream(), Some(first));
    assert_eq!(rig.endpoint(SERVER).poll_released_stream(), None);
    assert!(!rig.try_path(ids[CLIENT], Some(second)), "it is there already");
}

#[test]
fn datagrams_that_do_not_pass_change_nothing() {
    let mut rig = encrypted(5);
    rig.cut_datagrams(true);
    let stream = rig.open_stream(FAST);
    let ids = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    let talk = Talk::hold(&mut rig, ids, 500, |rig, step| {
        if step % 100 == 10 {
            assert!(rig.try_path(ids[CLIENT], None));
        }
    });
    assert_eq!((talk.links.concat().len(), talk.interruptions), (0, 0));
    talk.check("datagrams are blocked");
    let now = rig.now;
    let figures = rig.endpoint(CLIENT).peer_statistics(now, ids[CLIENT]).unwrap();
    assert_eq!((figures.address_changes, figures.address_changes_refused), (0, 0));
}

#[test]
fn a_stream_takes_over_where_datagrams_stop_passing() {
    let mut rig = encrypted(6);
    let stream = rig.open_stream(FAST);
    let ids = rig.connect(None, SuiteSet::ENCRYPTED);
    let talk = Talk::hold(&mut rig, ids, 400, |rig, step| match step {
        50 => rig.cut_datagrams(true),
        300 => assert!(rig.try_path(ids[CLIENT], Some(stream))),
        _ => {}
    });
    assert_eq!(talk.links, [vec![LinkKind::Tcp], vec![LinkKind::Tcp]]);
    assert_eq!(talk.interruptions, 2, "each side noticed the silence of four seconds");
    talk.check("datagrams were cut off");
}

#[test]
fn a_stream_that_ends_is_replaced_by_another() {
    let mut rig = encrypted(7);
    let (first, second) = (rig.open_stream(FAST), rig.open_stream(FAST));
    let ids = rig.connect(Some(first), SuiteSet::ENCRYPTED);
    let talk = Talk::hold(&mut rig, ids, 200, |rig, step| match step {
        50 => rig.end_stream(first, StreamEnd::Closed),
        100 => assert!(rig.try_path(ids[CLIENT], Some(second))),
        _ => {}
    });
    assert_eq!(talk.links, [vec![LinkKind::Tcp], vec![LinkKind::Tcp]]);
    assert_eq!(talk.interruptions, 2, "each side is told at once");
    talk.check("a stream ended");
}

#[test]
fn however_often_and_whenever_the_way_changes_nothing_is_lost_or_comes_twice() {
    for seed in 0..40 {
        let conditions = LinkConditions { loss: 0.03, ..good() };
        let mut rig = Rig::new(SuiteSet::ENCRYPTED, conditions, seed);
        let mut random = SeededRandom::new(seed);
        let begins_in_stream = seed % 2 == 0;
        let first = begins_in_stream.then(|| rig.open_stream(500_000));
        let ids = rig.connect(first, SuiteSet::ENCRYPTED);
        let mut streams: Vec<StreamId> = first.into_iter().collect();
        let talk = Talk::hold(&mut rig, ids, 600, |rig, step| {
            if step > 560 || step % 7 != 0 {
                // At the end there is a way that works.
                if step == 580 {
                    rig.cut_datagrams(false);
                    [SERVER, CLIENT].into_iter().for_each(|node| rig.fill_socket(node, false));
                    let last = rig.open_stream(FAST);
                    rig.try_path(ids[CLIENT], Some(last));
                }
                return;
            }
            match random.next_u64() % 8 {
                0 => rig.cut_datagrams(true),
                1 => rig.cut_datagrams(false),
                2 | 3 => {
                    rig.try_path(ids[CLIENT], None);
                }
                4 => {
                    let stream = rig.open_stream(50_000 + random.next_u64() % 500_000);
                    streams.push(stream);
                    rig.try_path(ids[CLIENT], Some(stream));
                }
                5 if !streams.is_empty() => {
                    let index = random.next_u64() as usize % streams.len();
                    rig.try_path(ids[CLIENT], Some(streams[index]));
                }
                6 if !streams.is_empty() => {
                    let index = random.next_u64() as usize % streams.len();
                    rig.end_stream(streams.swap_remove(index), StreamEnd::Closed);
                }
                7 => {
                    let dice = random.next_u64();
                    rig.fill_socket((dice % 2) as usize, dice % 4 < 2);
                }
                _ => {}
            }
        });
        talk.check(&format!("seed {seed}"));
    }
}

#[test]
fn a_full_socket_holds_up_those_who_need_it_and_nobody_in_a_stream() {
    let mut rig = encrypted(12);
    let stream = rig.open_stream(FAST);
    let in_stream = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    let by_datagrams = rig.connect(None, SuiteSet::ENCRYPTED);
    rig.advance_for(ms(200));
    rig.fill_socket(SERVER, true);
    let mut received = [0, 0];
    let mut listen = |rig: &mut Rig, millis: u32| {
        for _ in 0..millis {
            rig.advance(|node, event| {
                if let (CLIENT, Event::Message { peer, .. }) = (node, event) {
                    received[usize::from(peer == by_datagrams[CLIENT])] += 1;
                }
            });
        }
        received
    };
    for _ in 0..20 {
        for ids in [in_stream, by_datagrams] {
            rig.send(SERVER, ids[SERVER], ORDERED, b"news", SendOptions::default()).unwrap();
        }
        listen(&mut rig, 16);
    }
    assert_eq!(listen(&mut rig, 100), [20, 0]);
    // Somebody who comes by a stream now is let in: strangers are answered there, too.
    let newcomer = rig.open_stream(FAST);
    rig.connect(Some(newcomer), SuiteSet::ENCRYPTED);
    rig.fill_socket(SERVER, false);
    assert_eq!(listen(&mut rig, 500), [20, 20], "what waited leaves when there is room");
}

#[test]
fn a_connection_that_cannot_move_ends_with_its_stream() {
    let mut rig = Rig::new(SuiteSet::PLAINTEXT, good(), 8);
    let stream = rig.open_stream(FAST);
    let ids = rig.connect(Some(stream), SuiteSet::PLAINTEXT);
    rig.advance_for(ms(200));
    assert!(!rig.try_path(ids[CLIENT], None), "nobody could prove to be the same");
    rig.end_stream(stream, StreamEnd::Closed);
    assert_eq!(ends(&mut rig), [(SERVER, Reason::LinkLost), (CLIENT, Reason::LinkLost)]);
}

#[test]
fn a_peer_that_takes_nothing_is_told_apart_from_one_that_left() {
    let mut rig = encrypted(9);
    let stream = rig.open_stream(FAST);
    let ids = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    rig.advance_for(ms(200));
    let now = rig.now;
    rig.endpoint(SERVER).handle_stream_end(now, stream, StreamEnd::TooSlow);
    assert_eq!(ends(&mut rig), [(SERVER, Reason::TooSlow)]);
    assert!(rig.endpoint(SERVER).connection(ids[SERVER]).is_none());
}

/// Who is told of an end within the next 100 ms.
fn ends(rig: &mut Rig) -> Vec<(usize, Reason)> {
    let mut ends = Vec::new();
    for _ in 0..100 {
        rig.advance(|node, event| {
            if let Event::Disconnected { reason, .. } = event {
                ends.push((node, reason.reason));
            }
        });
    }
    ends
}

#[test]
fn a_stream_carries_one_connection_and_no_stranger_besides() {
    let mut rig = encrypted(10);
    let stream = rig.open_stream(FAST);
    let ids = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    let other = rig.connect(None, SuiteSet::ENCRYPTED);
    let before = rig.endpoint(SERVER).statistics().drops.of(PacketDrop::ForeignAddress);
    assert!(rig.try_path(other[CLIENT], Some(stream)));
    rig.advance_for(ms(500));
    let after = rig.endpoint(SERVER).statistics().drops.of(PacketDrop::ForeignAddress);
    assert!(after > before, "the second connection is not let into the first one's stream");
    let mut stranger = vec![0; 1_200];
    stranger[..5].copy_from_slice(b"TMED\x01");
    let now = rig.now;
    let path = Rig::path(Some(stream));
    rig.endpoint(SERVER).handle_datagram(
        now,
        path,
        Ecn::NotCapable,
        &mut stranger,
        &mut SeededRandom::new(1),
    );
    assert_eq!(rig.endpoint(SERVER).statistics().drops.of(PacketDrop::ForeignAddress), after + 1);
    Talk::hold(&mut rig, ids, 50, |_, _| ()).check("the first connection");
}

#[test]
fn goodbyes_are_heard_in_streams() {
    let mut rig = encrypted(11);
    let stream = rig.open_stream(FAST);
    let ids = rig.connect(Some(stream), SuiteSet::ENCRYPTED);
    rig.send(SERVER, ids[SERVER], ORDERED, b"last", SendOptions::default()).unwrap();
    let now = rig.now;
    let farewell = tme_core::connection::Farewell::new(Reason::Kicked);
    rig.endpoint(SERVER).disconnect(now, ids[SERVER], tme_core::connection::CloseMode::Flush, farewell);
    let (mut messages, mut ends) = (0, Vec::new());
    for _ in 0..500 {
        rig.advance(|node, event| match event {
            Event::Message { .. } => messages += 1,
            Event::Disconnected { reason, .. } => ends.push((node, reason.reason)),
            _ => {}
        });
    }
    assert_eq!(messages, 1);
    ends.sort_by_key(|(node, _)| *node);
    assert_eq!(ends, [(SERVER, Reason::Kicked), (CLIENT, Reason::Kicked)]);
    assert_eq!(rig.endpoint(SERVER).poll_released_stream(), Some(stream));
}
