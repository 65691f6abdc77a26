//! Deadlines, receipts, and the keys of reliable-latest channels.

use std::collections::BTreeMap;

use super::*;
use crate::channel::ChannelSettings;

const ALL: [ChannelId; 5] = [UNRELIABLE, SEQUENCED, UNORDERED, ORDERED, LATEST];
const RELIABLE: [ChannelId; 3] = [UNORDERED, ORDERED, LATEST];

/// What became of a message: `Ok` if it was delivered, else why not, and whether nothing of it was sent.
type Word = (u64, Result<(), (Expiry, bool)>);

impl Pair {
    fn send_with(&mut self, from: usize, channel: ChannelId, bytes: &[u8], options: SendOptions) {
        self.ends[from].connection.send(self.now, channel, Payload::from(bytes), options).unwrap();
    }

    fn cut(&mut self, from: usize, is_cut: bool) {
        self.ends[from].link.set_partitioned(is_cut);
    }

    /// Takes the receipts that came.
    fn words(&mut self, from: usize) -> Vec<Word> {
        self.ends[from].take_events();
        let events = std::mem::take(&mut self.ends[from].events);
        let word = |event| match event {
            Event::Delivered { token, .. } => Some((token, Ok(()))),
            Event::Expired { token, reason, never_sent, .. } => Some((token, Err((reason, never_sent)))),
            _ => None,
        };
        events.into_iter().filter_map(word).collect()
    }

    /// Whether both ends agree on what was sent, and nothing waits any more.
    fn check_settled(&mut self) {
        for Connection { channels, receivers, .. } in self.ends.iter_mut().map(|end| &mut end.connection) {
            for (position, receiver) in receivers.iter_mut().enumerate() {
                let (_, bytes, messages) = channels.counters(position).unwrap();
                assert_eq!((bytes, messages), (0, 0), "channel {position}");
                if let ReceiveChannel::Reliable(receiver) = receiver {
                    assert!(receiver.is_caught_up(), "channel {position}");
                }
            }
        }
    }
}

fn delayed(delay: u64) -> LinkConditions {
    LinkConditions { delay: ms(delay), ..LinkConditions::default() }
}

fn within(millis: u64) -> SendOptions {
    SendOptions::none().deadline(ms(millis))
}

#[test]
fn a_receipt_tells_when_the_other_side_has_the_message() {
    for channel in ALL {
        for bytes in [0, 5, 1_100, 5_000] {
            let mut pair = Pair::new(delayed(20), 1);
            pair.send_with(CLIENT, channel, &vec![7; bytes], SendOptions::none().receipt(42));
            pair.run_for(ms(39));
            assert_eq!(pair.words(CLIENT), [], "no round trip has passed");
            pair.run_for(ms(200));
            assert_eq!(pair.words(CLIENT), [(42, Ok(()))], "{bytes} bytes on channel {channel}");
            assert_eq!(pair.ends[SERVER].received[usize::from(channel.0)].len(), 1);
            pair.check_settled();
        }
    }
}

#[test]
fn what_is_too_late_is_skipped_and_holds_nothing_up() {
    for channel in RELIABLE {
        // Whole, cut into cells of which some have left, and never begun.
        for bytes in [5, 5_000, 300_000] {
            let mut pair = Pair::new(delayed(20), 2);
            pair.cut(CLIENT, true);
            pair.send_with(CLIENT, channel, &vec![1; bytes], within(30).key_if(channel, 1).receipt(1));
            pair.send_with(CLIENT, channel, b"next", SendOptions::none().key_if(channel, 2).receipt(2));
            pair.run_for(ms(29));
            assert_eq!(pair.words(CLIENT), []);
            pair.run_for(ms(1));
            // Seen with the first look after the deadline.
            pair.run_for(ms(1));
            assert_eq!(pair.words(CLIENT), [(1, Err((Expiry::Deadline, false)))], "{bytes} on {channel}");
            pair.cut(CLIENT, false);
            pair.run_for(Duration::from_secs(3));
            assert_eq!(pair.words(CLIENT), [(2, Ok(()))]);
            let received = &pair.ends[SERVER].received[usize::from(channel.0)];
            assert_eq!(*received, [Payload::from("next")], "{bytes} bytes on channel {channel}");
            pair.check_settled();
        }
    }
}

impl SendOptions {
    fn key_if(self, channel: ChannelId, key: u32) -> Self {
        if channel == LATEST { self.key(key) } else { self }
    }
}

#[test]
fn an_acknowledgement_after_the_deadline_changes_nothing_any_more() {
    for (deadline, expected) in [(150, Err((Expiry::Deadline, false))), (250, Ok(()))] {
        for channel in RELIABLE {
            let mut pair = Pair::new(delayed(100), 3);
            pair.send_with(CLIENT, channel, b"x", within(deadline).receipt(9));
            pair.run_for(Duration::from_secs(3));
            assert_eq!(pair.words(CLIENT), [(9, expected)], "{deadline} ms on channel {channel}");
            assert_eq!(
                pair.ends[SERVER].received[usize::from(channel.0)].len(),
                1,
                "it arrived all the same"
            );
            pair.check_settled();
        }
    }
}

#[test]
fn an_acknowledgement_that_is_read_before_the_deadline_is_looked_at_counts() {
    let mut pair = Pair::new(delayed(50), 3);
    pair.send_with(CLIENT, ORDERED, b"x", within(150).receipt(9));
    pair.run_for(ms(110));
    assert_eq!(pair.words(CLIENT), []);
    // A host that sleeps past the deadline finds the acknowledgement waiting.
    pair.now += ms(60);
    let now = pair.now;
    let [client, server] = &mut pair.ends;
    while let Some(delivery) = server.link.poll_delivery(now) {
        let path = client.connection.path();
        let workspace = &mut client.workspace;
        client.connection.handle_datagram(now, path, Ecn::NotCapable, delivery.bytes, workspace).unwrap();
    }
    client.connection.handle_timeout(now, &mut client.workspace);
    assert_eq!(pair.words(CLIENT), [(9, Ok(()))]);
}

#[test]
fn what_waits_for_credit_expires_unsent_and_costs_none() {
    for channel in RELIABLE {
        let limits = Limits {
            reliable_message_bytes_max: 1_100,
            channel_credit_bytes: 2_000,
            connection_credit_bytes: 2_000,
            ..Limits::default()
        };
        let mut pair = Pair::with(delayed(10), 4, ConnectionConfig::default(), limits);
        pair.ends[SERVER].is_reading = false;
        let of_key = |key, options: SendOptions| options.key_if(channel, key);
        pair.send_with(CLIENT, channel, &[1; 1_000], of_key(1, SendOptions::none().receipt(1)));
        pair.send_with(CLIENT, channel, &[2; 1_000], of_key(2, SendOptions::none().receipt(2)));
        pair.send_with(CLIENT, channel, &[3; 1_000], of_key(3, within(100).receipt(3)));
        pair.send_with(CLIENT, channel, &[4; 1_000], of_key(4, SendOptions::none().receipt(4)));
        pair.send_with(CLIENT, channel, &[5; 1_000], of_key(5, within(100).receipt(5)));
        pair.run_for(ms(500));
        let unsent = Err((Expiry::Deadline, true));
        assert_eq!(pair.words(CLIENT), [(1, Ok(())), (2, Ok(())), (3, unsent), (5, unsent)]);
        // The place of 3, which something stands behind, is kept; that of 5 is not.
        assert_eq!(pair.ends[CLIENT].connection.queued(usize::from(channel.0)).1, 1, "channel {channel}");
        pair.ends[SERVER].is_reading = true;
        pair.run_for(Duration::from_secs(2));
        assert_eq!(pair.words(CLIENT), [(4, Ok(()))]);
        let firsts: Vec<u8> =
            pair.ends[SERVER].received[usize::from(channel.0)].iter().map(|payload| payload[0]).collect();
        assert_eq!(firsts, [1, 2, 4]);
        pair.check_settled();
    }
}

#[test]
fn no_time_at_all_is_too_little() {
    for channel in ALL {
        let mut pair = Pair::new(delayed(10), 5);
        pair.send_with(CLIENT, channel, b"x", SendOptions::none().deadline(Duration::ZERO).receipt(1));
        pair.run_for(ms(1));
        assert_eq!(pair.words(CLIENT), [(1, Err((Expiry::Deadline, true)))], "channel {channel}");
        pair.check_settled();
    }
}

#[test]
fn deadlines_in_an_unreliable_queue_pass_one_by_one() {
    let mut pair = Pair::new(delayed(10), 6);
    pair.run_for(ms(100));
    // The window lets nothing out while nothing comes back, but for one datagram.
    pair.cut(SERVER, true);
    for token in 0..200 {
        pair.send_with(CLIENT, UNRELIABLE, &[7; 1_000], SendOptions::none().receipt(1_000 + token));
    }
    pair.run_for(ms(20));
    let sent_before = pair.ends[CLIENT].connection.channel_statistics(UNRELIABLE).unwrap().messages_sent;
    for (token, deadline) in [(1, 40), (2, 20), (3, 60), (4, 500)] {
        pair.send_with(CLIENT, UNRELIABLE, &[8; 1_000], within(deadline).receipt(token));
    }
    let mut order = Vec::new();
    for time in 0..150 {
        pair.run_for(ms(1));
        let words = pair.words(CLIENT).into_iter().filter(|(token, _)| *token < 1_000);
        order.extend(words.map(|(token, fate)| (token, fate, time)));
    }
    let statistics = pair.ends[CLIENT].connection.channel_statistics(UNRELIABLE).unwrap();
    assert!(statistics.messages_sent < sent_before + 10, "the queue did not move: {statistics:?}");
    let tokens: Vec<u64> = order.iter().map(|&(token, ..)| token).collect();
    assert_eq!(tokens, [2, 1, 3, 4], "{order:?}");
    assert!(order.iter().all(|&(_, fate, _)| fate == Err((Expiry::Deadline, true))), "{order:?}");
    let times: Vec<u64> = order.iter().map(|&(.., time)| time).collect();
    assert!(times.iter().zip([20, 40, 60, 100]).all(|(&time, at)| time.abs_diff(at) <= 1), "{times:?}");
}

#[test]
fn what_a_newer_message_replaces_is_reported() {
    for channel in [SEQUENCED, LATEST] {
        let mut pair = Pair::new(delayed(50), 7);
        pair.send_with(CLIENT, channel, b"old", SendOptions::none().receipt(1));
        pair.send_with(CLIENT, channel, b"new", SendOptions::none().receipt(2));
        pair.run_for(ms(10));
        assert_eq!(pair.words(CLIENT), [(1, Err((Expiry::Superseded, true)))]);
        // The one under way is superseded only where older values are given up.
        pair.send_with(CLIENT, channel, b"newest", SendOptions::none().receipt(3));
        pair.run_for(Duration::from_secs(1));
        let second = if channel == LATEST { Err((Expiry::Superseded, false)) } else { Ok(()) };
        assert_eq!(pair.words(CLIENT), [(2, second), (3, Ok(()))]);
        pair.check_settled();
    }
}

#[test]
fn an_unreliable_message_that_is_lost_is_reported_as_lost() {
    for bytes in [10, 4_000] {
        let mut pair = Pair::new(delayed(20), 8);
        pair.cut(CLIENT, true);
        pair.send_with(CLIENT, UNRELIABLE, &vec![7; bytes], SendOptions::none().receipt(1));
        pair.run_for(ms(5));
        pair.cut(CLIENT, false);
        for _ in 0..10 {
            pair.send(CLIENT, UNRELIABLE, b"later").unwrap();
            pair.run_for(ms(20));
        }
        pair.run_for(ms(300));
        assert_eq!(pair.words(CLIENT), [(1, Err((Expiry::Lost, false)))]);
        pair.check_settled();
    }
}

#[test]
fn the_end_of_the_connection_settles_every_receipt_before_it_is_told() {
    for is_remote in [false, true] {
        let mut pair = Pair::new(delayed(20), 9);
        pair.run_for(ms(100));
        pair.cut(CLIENT, true);
        for (token, channel) in (1..).zip(ALL) {
            pair.send_with(CLIENT, channel, b"never answered", SendOptions::none().receipt(token));
        }
        pair.run_for(ms(5));
        let farewell = Farewell::new(Reason::Closed);
        let ending = if is_remote { SERVER } else { CLIENT };
        let now = pair.now;
        pair.ends[ending].connection.close(now, CloseMode::Now, farewell);
        if !is_remote {
            pair.cut(CLIENT, false);
        }
        pair.run_for(Duration::from_secs(20));
        let is_last = matches!(pair.ends[CLIENT].events.last(), Some(Event::Disconnected { .. }));
        assert!(is_last, "{:?}", pair.ends[CLIENT].events);
        let mut words: BTreeMap<u64, _> = BTreeMap::new();
        for (token, fate) in pair.words(CLIENT) {
            assert_eq!(words.insert(token, fate), None, "twice");
        }
        assert_eq!(words.len(), ALL.len());
        for (token, fate) in words {
            let reason = fate.unwrap_err().0;
            assert!(matches!(reason, Expiry::Disconnected | Expiry::Lost), "{token}: {reason:?}");
        }
    }
}

#[test]
fn a_graceful_end_waits_until_nothing_is_held_up_any_more() {
    let mut pair = Pair::new(delayed(30), 10);
    pair.run_for(ms(100));
    pair.cut(CLIENT, true);
    pair.send_with(CLIENT, ORDERED, b"late", within(20));
    pair.run_for(ms(1));
    pair.cut(CLIENT, false);
    pair.send(CLIENT, ORDERED, b"behind it").unwrap();
    pair.run_for(ms(5));
    let now = pair.now;
    // The SKIP is lost with what carried the message: the one behind it is acknowledged, and held there.
    pair.ends[CLIENT].connection.close(now, CloseMode::Flush, Farewell::new(Reason::Closed));
    pair.run_for(ms(14));
    pair.cut(CLIENT, true);
    pair.run_for(ms(10));
    pair.cut(CLIENT, false);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.ends[SERVER].received[3], [Payload::from("behind it")]);
}

#[test]
fn receipts_that_nobody_takes_fill_the_queue_and_nothing_else() {
    let mut pair = Pair::new(delayed(5), 11);
    let limit = ChannelSettings::default().queue_messages_max;
    pair.ends[CLIENT].is_reading = false;
    let (mut sent, mut is_refused) = (0u64, false);
    while !is_refused {
        for _ in 0..64 {
            let options = SendOptions::none().receipt(sent);
            let now = pair.now;
            match pair.ends[CLIENT].connection.send(now, UNRELIABLE, Payload::empty(), options) {
                Ok(()) => sent += 1,
                Err(error) => {
                    assert_eq!(error, SendError::WouldBlock { channel: UNRELIABLE });
                    is_refused = true;
                }
            }
        }
        assert!(sent <= limit as u64);
        pair.run_for(ms(5));
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.ends[CLIENT].workspace.events.len(), limit + 1, "and Connected");
    assert_eq!(pair.ends[CLIENT].connection.queued(0), (0, limit));
    pair.ends[CLIENT].is_reading = true;
    pair.run_for(ms(100));
    let writable = |event: &&Event| matches!(event, Event::Writable { channel: UNRELIABLE, .. });
    assert_eq!(pair.ends[CLIENT].events.iter().filter(writable).count(), 1);
    assert_eq!(pair.words(CLIENT).len(), limit);
    pair.check_settled();
}

#[test]
fn every_receipt_is_true_and_comes_once_on_a_terrible_link() {
    for (seed, sequence) in [(1, 0), (2, (1 << 24) - 50), (3, (1 << 32) - 50), (4, 1 << 40)] {
        let mut pair = Pair::with(terrible(), seed, next_to_wrap(sequence), Limits::default());
        let mut random = SeededRandom::new(seed);
        let mut asked: BTreeMap<u64, (usize, ChannelId, Option<Duration>)> = BTreeMap::new();
        for token in 0..1_500u64 {
            let (from, channel) = (random.below(2) as usize, ALL[random.below(5) as usize]);
            let mut message = (token as u32).to_le_bytes().to_vec();
            message.resize([4, 100, 3_000, 30_000][random.below(4) as usize].min(17_600), 0xA5);
            let mut options = SendOptions::none().receipt(token).key_if(channel, random.below(3) as u32);
            if random.below(2) == 0 {
                options = options.deadline(Duration::from_micros(random.below(1_000_000)));
            }
            pair.send_with(from, channel, &message, options);
            asked.insert(token, (from, channel, options.deadline));
            pair.run_for(Duration::from_micros(random.below(20_000)));
        }
        pair.run_for(Duration::from_secs(60));
        pair.check_settled();
        for from in [CLIENT, SERVER] {
            let received = ALL.map(|channel| pair.ends[1 - from].numbers(channel));
            for (token, fate) in pair.words(from) {
                let (sender, channel, deadline) = asked.remove(&token).expect("asked for, and not answered");
                assert_eq!(sender, from);
                let has_arrived = received[usize::from(channel.0)].contains(&(token as u32));
                let is_true = match fate {
                    // Reassembly that was given up, and what came after a newer one.
                    Ok(()) => has_arrived || !RELIABLE.contains(&channel),
                    Err((_, true)) => !has_arrived,
                    Err((Expiry::Deadline, _)) => deadline.is_some() || !RELIABLE.contains(&channel),
                    Err((Expiry::Superseded, _)) => channel == LATEST || channel == SEQUENCED,
                    Err((Expiry::Lost, _)) => !RELIABLE.contains(&channel),
                    Err((Expiry::Disconnected, _)) => false,
                };
                assert!(is_true, "seed {seed}: {token} on {channel}, {deadline:?}: {fate:?}, {has_arrived}");
            }
        }
        assert!(asked.is_empty(), "seed {seed}: unanswered {asked:?}");
    }
}

#[test]
fn a_million_keys_pass_through_room_for_a_thousand() {
    let bad = LinkConditions {
        loss: 0.03,
        duplicate: 0.1,
        duplicate_delay_max: ms(300),
        jitter: Jitter::Uniform { half_width: ms(5) },
        jitter_reorders: true,
        ..delayed(10)
    };
    let mut pair = Pair::with(bad, 12, next_to_wrap((1 << 24) - 500_000), Limits::default());
    let limit = ChannelSettings::default().keys_max;
    let (mut key, mut refused) = (0u32, 0);
    let mut newest = vec![0u32; 1_000_000];
    while key < 1_000_000 {
        let now = pair.now;
        // Most keys are used once; some get another value while the first may be under way.
        let (of, value) = if key % 16 == 15 { (key - 12, key) } else { (key, key) };
        let message = [of.to_le_bytes(), value.to_le_bytes()].concat();
        let sent =
            pair.ends[CLIENT].connection.send(now, LATEST, Payload::from(message), SendOptions::with_key(of));
        if let Err(error) = sent {
            assert_eq!(error, SendError::TooManyKeys { channel: LATEST, limit });
            refused += 1;
            pair.ends[CLIENT].events.clear();
            pair.run_until(|pair| {
                pair.ends[CLIENT].events.iter().any(|event| matches!(event, Event::Writable { .. }))
            });
            let sender = pair.ends[CLIENT].connection.channels.keys_remembered(4);
            let Some(ReceiveChannel::Reliable(receiver)) = pair.ends[SERVER].connection.receivers.get(4)
            else {
                panic!()
            };
            let receiver = receiver.keys_remembered();
            assert!(sender <= limit as usize && receiver <= 8_192, "{sender} and {receiver} at {key}");
            continue;
        }
        newest[of as usize] = value;
        key += 1;
    }
    pair.run_for(Duration::from_secs(10));
    let mut delivered = vec![None; newest.len()];
    for payload in &pair.ends[SERVER].received[4] {
        let [of, value] = [0, 4].map(|at| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap()));
        let before = delivered[of as usize].replace(value);
        assert!(before < Some(value), "{of}: {value} after {before:?}");
    }
    for (of, &value) in newest.iter().enumerate().filter(|(of, _)| of % 16 != 15) {
        assert_eq!(delivered[of], Some(value), "{of}");
    }
    assert!(refused > 500, "{refused}");
    pair.check_settled();
}
