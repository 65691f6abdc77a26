//! Signs of life, pauses, and how long silence is borne.

use super::*;

#[test]
fn an_idle_connection_lives_on_keep_alives_of_at_most_56_bytes() {
    let mut pair = Pair::new(LinkConditions { delay: ms(30), ..LinkConditions::default() }, 1);
    pair.run_for(Duration::from_secs(2));
    let before: u64 = pair.ends.iter().map(|end| end.bytes).sum();
    pair.run_for(Duration::from_secs(60));
    let spent = pair.ends.iter().map(|end| end.bytes).sum::<u64>() - before;
    assert!(pair.ends.iter().all(|end| end.connection.is_open() && end.events.is_empty()));
    assert!(spent <= 12 * 56, "{spent} bytes in a minute");
}

#[test]
fn a_short_idle_timeout_is_met_by_asking_more_often() {
    let limits = Limits { idle_timeout: Duration::from_secs(3), ..Limits::default() };
    let conditions = LinkConditions { delay: ms(30), ..LinkConditions::default() };
    let mut pair = Pair::with(conditions, 1, ConnectionConfig::default(), limits);
    pair.run_for(Duration::from_secs(2));
    let before = pair.ends.each_ref().map(|end| end.datagrams);
    pair.run_for(Duration::from_secs(60));
    // The client asks after a second without a packet; the answer comes 60 ms later and begins the next one.
    for (end, before) in pair.ends.iter().zip(before) {
        assert!((55..=57).contains(&(end.datagrams - before)), "{} datagrams", end.datagrams - before);
        assert!(end.connection.is_open());
    }
    // Alone, the server asks 1.2 s after its last answer and gives up after 3 s.
    let answered = pair.ends[SERVER].datagrams;
    pair.run_until(|pair| pair.ends[SERVER].datagrams > answered);
    pair.ends[CLIENT].link.set_partitioned(true);
    let asked_from = pair.ends[SERVER].datagrams;
    pair.run_for(ms(1_000));
    assert_eq!(pair.ends[SERVER].datagrams, asked_from);
    pair.run_for(ms(1_200));
    assert!(pair.ends[SERVER].datagrams > asked_from);
    pair.run_for(ms(3_000));
    assert!(pair.ends[SERVER].connection.is_closed());
}

#[test]
fn silence_is_reported_and_its_end_too() {
    let mut pair = Pair::new(LinkConditions { delay: ms(30), ..LinkConditions::default() }, 1);
    pair.run_for(Duration::from_secs(1));
    for end in &mut pair.ends {
        end.link.set_partitioned(true);
    }
    for n in 0..20u32 {
        pair.send(CLIENT, ORDERED, &n.to_le_bytes()).unwrap();
        pair.run_for(ms(1_000));
    }
    assert!(
        matches!(pair.ends[CLIENT].events[..], [Event::Interrupted { .. }]),
        "{:?}",
        pair.ends[CLIENT].events
    );
    for end in &mut pair.ends {
        end.link.set_partitioned(false);
    }
    pair.run_for(Duration::from_secs(4));
    assert_eq!(pair.ends[SERVER].numbers(ORDERED), (0..20).collect::<Vec<_>>());
    assert!(
        matches!(pair.ends[CLIENT].events[..], [_, Event::Resumed { .. }]),
        "{:?}",
        pair.ends[CLIENT].events
    );
}

#[test]
fn a_pause_of_the_host_does_not_make_later_losses_wait() {
    let mut pair = Pair::new(LinkConditions { delay: ms(30), ..LinkConditions::default() }, 4);
    for _ in 0..20 {
        pair.send(SERVER, ORDERED, b"a round trip").unwrap();
        pair.run_for(ms(200));
    }
    pair.send(SERVER, ORDERED, b"acknowledged 20 s later").unwrap();
    pair.run_for(ms(1));
    pair.now += Duration::from_secs(20);
    pair.run_for(Duration::from_secs(3));
    assert!(pair.statistics(SERVER).rtt_smoothed > Duration::from_secs(1));
    pair.ends[SERVER].link.set_partitioned(true);
    pair.send(SERVER, ORDERED, b"lost").unwrap();
    pair.run_for(ms(1));
    pair.ends[SERVER].link.set_partitioned(false);
    let expected = pair.ends[CLIENT].received[3].len() + 1;
    let lost_at = pair.now;
    pair.run_until(|pair| pair.ends[CLIENT].received[3].len() == expected);
    let waited = pair.now.saturating_since(lost_at);
    assert!(waited < pair.statistics(SERVER).rtt_smoothed * 2, "{waited:?}");
}

#[test]
fn thirty_seconds_of_silence_end_the_connection_on_both_sides() {
    let mut pair = Pair::new(LinkConditions::default(), 1);
    pair.run_for(Duration::from_secs(1));
    for end in &mut pair.ends {
        end.link.set_partitioned(true);
    }
    pair.run_for(Duration::from_secs(40));
    for end in &pair.ends {
        assert!(end.connection.is_closed());
        let Some(Event::Disconnected { reason, .. }) = end.events.last() else { panic!("{:?}", end.events) };
        assert_eq!((reason.reason, reason.origin), (Reason::TimedOut, Origin::Local));
    }
}
