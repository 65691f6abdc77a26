//! Send queues: what they take, when they are full, who goes first.

use super::super::sent::SentFrame;
use super::*;

#[test]
fn too_large_and_unknown_are_errors_at_the_call() {
    let mut pair = Pair::new(LinkConditions::default(), 1);
    let unreliable = pair.send(CLIENT, UNRELIABLE, &[0; 17_601]).unwrap_err();
    assert_eq!(unreliable, SendError::TooLarge { channel: UNRELIABLE, bytes: 17_601, limit: 17_600 });
    let reliable = pair.send(CLIENT, ORDERED, &vec![0; (1 << 20) + 1]).unwrap_err();
    assert!(reliable.to_string().contains("1048577 bytes exceeds the limit of 1048576"), "{reliable}");
    assert_eq!(pair.send(CLIENT, ChannelId(9), b"x"), Err(SendError::UnknownChannel));
    let keyed =
        pair.ends[CLIENT].connection.send(pair.now, ORDERED, Payload::empty(), SendOptions::with_key(1));
    assert_eq!(keyed, Err(SendError::KeyNotAllowed { channel: ORDERED }));
}

#[test]
fn a_full_queue_would_block_and_says_when_it_is_writable_again() {
    let mut pair = Pair::new(LinkConditions { delay: ms(10), ..LinkConditions::default() }, 1);
    let message = [0; 1_000];
    let mut count = 0u32;
    while pair.send(CLIENT, ORDERED, &message).is_ok() {
        count += 1;
    }
    assert_eq!(pair.send(CLIENT, ORDERED, &message), Err(SendError::WouldBlock { channel: ORDERED }));
    assert_eq!(count, 4_194);
    pair.run_until(|pair| !pair.ends[CLIENT].events.is_empty());
    assert!(matches!(pair.ends[CLIENT].events[0], Event::Writable { channel: ORDERED, .. }));
    pair.send(CLIENT, ORDERED, &message).unwrap();
    pair.run_until(|pair| pair.ends[SERVER].received[3].len() == count as usize + 1);
}

#[test]
fn a_game_that_does_not_read_stops_the_sender_and_loses_nothing() {
    let limits = Limits {
        channel_credit_messages: 64,
        channel_credit_bytes: 1 << 20,
        connection_credit_bytes: 1 << 20,
        ..Limits::default()
    };
    let conditions = LinkConditions { delay: ms(10), ..LinkConditions::default() };
    let mut pair = Pair::with(conditions, 1, ConnectionConfig::default(), limits);
    pair.ends[SERVER].is_reading = false;
    for n in 0..1_000u32 {
        pair.send(CLIENT, ORDERED, &n.to_le_bytes()).unwrap();
    }
    pair.run_for(Duration::from_secs(3));
    let waiting = pair.ends[SERVER].workspace.events.iter();
    assert_eq!(waiting.filter(|event| matches!(event, Event::Message { .. })).count(), 64);
    pair.ends[SERVER].is_reading = true;
    pair.run_until(|pair| pair.ends[SERVER].received[3].len() == 1_000);
    assert_eq!(pair.ends[SERVER].numbers(ORDERED), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn channels_do_not_block_each_other() {
    // One stalled channel (its game does not read) must not hold another one back.
    let limits = Limits { channel_credit_messages: 8, ..Limits::default() };
    let conditions = LinkConditions { loss: 0.1, delay: ms(10), ..LinkConditions::default() };
    let mut pair = Pair::with(conditions, 3, ConnectionConfig::default(), limits);
    for n in 0..20u32 {
        pair.send(CLIENT, ORDERED, &n.to_le_bytes()).unwrap();
    }
    pair.ends[SERVER].is_reading = false;
    pair.run_for(Duration::from_secs(1));
    pair.send(CLIENT, UNORDERED, b"news").unwrap();
    pair.run_for(Duration::from_secs(1));
    pair.ends[SERVER].is_reading = true;
    pair.ends[SERVER].take_events();
    assert_eq!(pair.ends[SERVER].received[2], [Payload::from("news")]);
}

#[test]
fn old_unreliable_messages_expire_in_the_queue() {
    let bottleneck = crate::link::Bottleneck { bytes_per_second: 20_000, queue_bytes: 5_000 };
    let conditions =
        LinkConditions { bottleneck: Some(bottleneck), delay: ms(50), ..LinkConditions::default() };
    let mut pair = Pair::new(conditions, 1);
    for n in 0..2_000u32 {
        let mut message = vec![0; 1_000];
        message[..4].copy_from_slice(&n.to_le_bytes());
        let _ = pair.send(CLIENT, UNRELIABLE, &message);
        pair.run_for(ms(5));
    }
    let statistics = pair.ends[CLIENT].connection.channel_statistics(UNRELIABLE).unwrap();
    assert!(statistics.expired > 500, "{statistics:?}");
    assert!(statistics.queued_messages < 30, "{statistics:?}");
}

#[test]
fn strict_priority_goes_first_and_weights_share() {
    let channels = [
        Channel::reliable_unordered("bulk a").priority(1).weight(3),
        Channel::reliable_unordered("bulk b").priority(1).weight(1),
        Channel::reliable_unordered("urgent").priority(0),
    ];
    let table = ChannelTable::new(channels).unwrap();
    let allowance = PeerAllowance {
        message_bytes_max: 1 << 20,
        connection_bytes: 1 << 30,
        channel_bytes: 1 << 30,
        channel_messages: 1 << 18,
    };
    let mut channels = SendChannels::new(&table, 0, allowance);
    for position in [0, 1, 2] {
        for _ in 0..if position == 2 { 10 } else { 4_000 } {
            let payload = Payload::from(vec![position as u8; 100]);
            channels.push(Instant::ZERO, position, payload, SendOptions::default()).unwrap();
        }
    }
    let mut counts = [0u32; 3];
    for round in 0..100 {
        let (mut packet, mut frames) = (Vec::new(), Vec::new());
        channels.fill(Instant::ZERO, &mut send::PacketRoom::new(1, &mut packet, 1_175, &mut frames));
        for frame in frames {
            let SentFrame::Messages { position, count, .. } = frame else { panic!("{frame:?}") };
            counts[usize::from(position)] += u32::from(count);
        }
        assert!(round > 0 || counts[2] == 10, "urgent messages go first: {counts:?}");
    }
    assert_eq!(counts[2], 10);
    let ratio = f64::from(counts[0]) / f64::from(counts[1]);
    assert!((2.8..3.2).contains(&ratio), "{counts:?}");
}
