//! What arrives on the channels, and in which order, whatever the link does.

use super::*;

#[test]
fn a_message_goes_over_and_is_acknowledged() {
    let mut pair = Pair::new(LinkConditions { delay: ms(20), ..LinkConditions::default() }, 1);
    pair.send(CLIENT, ORDERED, b"hello").unwrap();
    pair.run_for(ms(200));
    assert_eq!(pair.ends[SERVER].received[3], [Payload::from("hello")]);
    let statistics = pair.statistics(CLIENT);
    assert_eq!((statistics.bytes_in_flight, statistics.queued_bytes), (0, 0));
    let rtt = statistics.rtt_smoothed;
    assert!(rtt >= ms(40) && rtt < ms(41), "{rtt:?}");
}

#[test]
fn reliable_channels_deliver_everything_once_and_in_order_on_a_terrible_link() {
    for (seed, sequence) in [(1, 0), (2, (1 << 24) - 50), (3, (1 << 32) - 50), (4, (1 << 40) - 1)] {
        let mut pair = Pair::with(terrible(), seed, next_to_wrap(sequence), Limits::default());
        for n in 0..300u32 {
            for channel in [UNORDERED, ORDERED] {
                for from in [CLIENT, SERVER] {
                    pair.send(from, channel, &n.to_le_bytes()).unwrap();
                }
            }
            pair.run_for(ms(10));
        }
        pair.run_until(|pair| {
            pair.ends.iter().all(|end| end.received[2].len() >= 300 && end.received[3].len() >= 300)
        });
        pair.run_for(Duration::from_secs(5));
        for end in &pair.ends {
            assert_eq!(end.numbers(ORDERED), (0..300).collect::<Vec<_>>(), "seed {seed}");
            let mut unordered = end.numbers(UNORDERED);
            unordered.sort_unstable();
            assert_eq!(unordered, (0..300).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}

#[test]
fn sequenced_only_rises_and_unreliable_never_repeats() {
    let mut pair = Pair::with(terrible(), 5, next_to_wrap((1 << 24) - 20), Limits::default());
    for n in 0..500u32 {
        pair.send(CLIENT, SEQUENCED, &n.to_le_bytes()).unwrap();
        pair.send(CLIENT, UNRELIABLE, &n.to_le_bytes()).unwrap();
        pair.run_for(ms(16));
    }
    pair.run_for(Duration::from_secs(2));
    let sequenced = pair.ends[SERVER].numbers(SEQUENCED);
    assert!(sequenced.len() > 50 && sequenced.is_sorted_by(|a, b| a < b), "{sequenced:?}");
    let mut unreliable = pair.ends[SERVER].numbers(UNRELIABLE);
    let count = unreliable.len();
    unreliable.sort_unstable();
    unreliable.dedup();
    assert_eq!(unreliable.len(), count);
    assert!(count > 300);
}

#[test]
fn latest_converges_to_the_newest_value_of_every_key() {
    let mut pair = Pair::new(terrible(), 6);
    for n in 0..600u32 {
        let options = SendOptions::with_key(n % 7);
        // Every third value is long enough to be cut into cells.
        let mut value = n.to_le_bytes().to_vec();
        value.resize(if n % 3 == 0 { 3_000 } else { 8 }, 0xA5);
        pair.ends[CLIENT].connection.send(pair.now, LATEST, Payload::from(value), options).unwrap();
        pair.run_for(ms(7));
    }
    pair.run_for(Duration::from_secs(20));
    let values = pair.ends[SERVER].numbers(LATEST);
    for key in 0..7 {
        let of_key: Vec<u32> = values.iter().copied().filter(|n| n % 7 == key).collect();
        assert!(of_key.is_sorted_by(|a, b| a < b), "{of_key:?}");
        assert_eq!(of_key.last(), (593..600).find(|n| n % 7 == key).as_ref());
    }
    assert_eq!(pair.statistics(CLIENT).queued_bytes, 0);
}

#[test]
fn a_lost_value_with_a_successor_is_skipped_without_delay() {
    let mut pair = Pair::new(LinkConditions { delay: ms(30), ..LinkConditions::default() }, 4);
    for _ in 0..20 {
        pair.send(SERVER, ORDERED, b"a round trip").unwrap();
        pair.run_for(ms(200));
    }
    pair.ends[SERVER].link.set_partitioned(true);
    pair.send(SERVER, LATEST, b"lost").unwrap();
    pair.run_for(ms(1));
    pair.ends[SERVER].link.set_partitioned(false);
    pair.send(SERVER, LATEST, b"successor").unwrap();
    // One round trip until the loss shows, 9/8 of one until it counts, and half of one for the SKIP.
    pair.run_for(ms(150));
    let Some(ReceiveChannel::Reliable(latest)) = pair.ends[CLIENT].connection.receivers.get(4) else {
        panic!()
    };
    assert_eq!(latest.reference(), 2);
}

#[test]
fn long_messages_are_cut_and_made_whole_again() {
    let mut pair = Pair::new(LinkConditions { loss: 0.05, delay: ms(10), ..LinkConditions::default() }, 7);
    let mut random = SeededRandom::new(7);
    let sizes = [1_100usize, 1_101, 2_200, 17_600, 300_000, 1 << 20, 0];
    let mut expected = Vec::new();
    for size in sizes {
        let mut message = vec![0; size];
        crate::random::Random::fill(&mut random, &mut message);
        pair.send(CLIENT, ORDERED, &message).unwrap();
        expected.push(Payload::from(message));
    }
    pair.run_until(|pair| pair.ends[SERVER].received[3].len() == sizes.len());
    assert_eq!(pair.ends[SERVER].received[3], expected);
}

#[test]
fn datagrams_larger_than_the_window_go_one_by_one() {
    let config = ConnectionConfig { datagram_bytes: 60_000, ..ConnectionConfig::default() };
    let limits = Limits { datagram_bytes_max: 65_527, ..Limits::default() };
    let conditions = LinkConditions { delay: ms(5), ..LinkConditions::default() };
    let mut pair = Pair::with(conditions, 8, config, limits);
    pair.run_for(Duration::from_secs(1));
    let message = vec![7; 1 << 20];
    pair.send(CLIENT, ORDERED, &message).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.ends[SERVER].received[3], [Payload::from(message)]);
}

#[test]
fn unreliable_messages_may_have_sixteen_cells() {
    let mut pair = Pair::new(LinkConditions { delay: ms(10), ..LinkConditions::default() }, 7);
    let message = vec![7; 17_600];
    pair.send(CLIENT, UNRELIABLE, &message).unwrap();
    pair.send(CLIENT, SEQUENCED, &message).unwrap();
    pair.run_for(ms(100));
    assert_eq!(pair.ends[SERVER].received[0], [Payload::from(&message)]);
    assert_eq!(pair.ends[SERVER].received[1], [Payload::from(&message)]);
}

#[test]
fn keys_change_in_flight_without_a_stall() {
    let key_limits = KeyLimits { packets_max: 50, ..KeyLimits::default() };
    let config = ConnectionConfig { key_limits, ..ConnectionConfig::default() };
    let conditions = LinkConditions { loss: 0.1, ..terrible() };
    let mut pair = Pair::with(conditions, 9, config, Limits::default());
    for n in 0..2_000u32 {
        pair.send(CLIENT, ORDERED, &n.to_le_bytes()).unwrap();
        pair.run_for(ms(5));
    }
    pair.run_until(|pair| pair.ends[SERVER].received[3].len() == 2_000);
    assert!(pair.ends[CLIENT].connection.protection.send_generation() > 5);
    assert_eq!(pair.ends[SERVER].numbers(ORDERED), (0..2_000).collect::<Vec<_>>());
}

#[test]
fn damaged_and_replayed_packets_are_dropped_and_counted() {
    let conditions =
        LinkConditions { corrupt: 0.2, duplicate: 0.2, delay: ms(10), ..LinkConditions::default() };
    let mut pair = Pair::new(conditions, 2);
    for n in 0..500u32 {
        pair.send(CLIENT, ORDERED, &n.to_le_bytes()).unwrap();
        pair.run_for(ms(5));
    }
    pair.run_until(|pair| pair.ends[SERVER].received[3].len() == 500);
    let drops = pair.statistics(SERVER).drops;
    assert!(drops.of(PacketDrop::Replayed) > 20, "{drops:?}");
    assert!(drops.of(PacketDrop::Unauthentic) > 20, "{drops:?}");
}

#[test]
fn five_percent_loss_keeps_the_99th_percentile_under_125_ms() {
    let mut delays = Vec::new();
    for seed in 0..10 {
        let conditions = LinkConditions {
            loss: 0.05,
            delay: ms(25),
            jitter: Jitter::Uniform { half_width: ms(5) },
            jitter_reorders: true,
            ..LinkConditions::default()
        };
        let mut pair = Pair::new(conditions, seed);
        pair.run_for(ms(500));
        let interval = Duration::from_micros(16_667);
        let start = pair.now;
        let mut seen = 0;
        for n in 0..1_800u32 {
            let mut message = [0; 100];
            message[..4].copy_from_slice(&n.to_le_bytes());
            pair.send(CLIENT, ORDERED, &message).unwrap();
            let until = start + interval * (n + 1);
            loop {
                let is_more = pair.step(until);
                let received = pair.ends[SERVER].received[3].len();
                for arrived in seen..received {
                    delays.push(pair.now.saturating_since(start + interval * arrived as u32));
                }
                seen = received;
                if !is_more {
                    break;
                }
            }
            pair.now = until;
        }
    }
    delays.sort_unstable();
    let p99 = delays[delays.len() * 99 / 100];
    println!("p50 {:?} p99 {p99:?} max {:?}", delays[delays.len() / 2], delays[delays.len() - 1]);
    assert!(p99 <= ms(125), "{p99:?}");
}
