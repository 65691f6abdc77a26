//! How connections end.

use super::*;

#[test]
fn a_graceful_close_delivers_what_was_queued_and_says_why() {
    let conditions = LinkConditions { loss: 0.2, delay: ms(30), ..LinkConditions::default() };
    let mut pair = Pair::new(conditions, 4);
    pair.run_for(Duration::from_secs(1));
    for n in 0..100u32 {
        pair.send(CLIENT, ORDERED, &n.to_le_bytes()).unwrap();
    }
    let farewell = Farewell { reason: Reason::Closed, code: 77, detail: Payload::from("see you") };
    pair.ends[CLIENT].connection.close(pair.now, CloseMode::Flush, farewell);
    assert_eq!(pair.send(CLIENT, ORDERED, b"late"), Err(SendError::NotConnected));
    pair.run_until(|pair| pair.ends.iter().all(|end| end.connection.is_closed()));
    assert_eq!(pair.ends[SERVER].numbers(ORDERED), (0..100).collect::<Vec<_>>());
    let Some(Event::Disconnected { reason, .. }) = pair.ends[SERVER].events.last() else { panic!() };
    assert_eq!((reason.code, &*reason.detail, reason.origin), (77, &b"see you"[..], Origin::Remote));
    let Some(Event::Disconnected { reason, .. }) = pair.ends[CLIENT].events.last() else { panic!() };
    assert_eq!(reason.origin, Origin::Local);
}

#[test]
fn a_close_that_counts_as_lost_goes_again() {
    // CLOSE is lost between a message and an acknowledgement that both arrive: the answer to the message says so.
    for moment in 0..40 {
        let mut pair = Pair::new(LinkConditions { delay: ms(30), ..LinkConditions::default() }, 4);
        pair.run_for(Duration::from_secs(1));
        pair.send(SERVER, ORDERED, b"to be acknowledged within 25 ms").unwrap();
        pair.run_for(ms(25 + moment));
        pair.send(CLIENT, UNRELIABLE, b"to be acknowledged within 100 ms").unwrap();
        pair.run_for(ms(1));
        pair.ends[CLIENT].link.set_partitioned(true);
        pair.ends[CLIENT].connection.close(pair.now, CloseMode::Now, Farewell::new(Reason::Closed));
        pair.run_for(ms(1));
        pair.ends[CLIENT].link.set_partitioned(false);
        pair.run_for(Duration::from_secs(10));
        assert!(pair.ends.iter().all(|end| end.connection.is_closed()), "after {moment} ms");
    }
}

#[test]
fn a_graceful_close_takes_no_longer_than_its_messages() {
    let mut pair = Pair::new(LinkConditions { delay: ms(30), ..LinkConditions::default() }, 4);
    pair.run_for(Duration::from_secs(1));
    pair.send(CLIENT, ORDERED, b"last words").unwrap();
    pair.ends[CLIENT].connection.close(pair.now, CloseMode::Flush, Farewell::new(Reason::Closed));
    // Two round trips of 60 ms, with at most 25 ms until each is acknowledged.
    pair.run_for(ms(2 * (60 + 25)));
    assert!(pair.ends[CLIENT].connection.is_closed());
    assert_eq!(pair.ends[SERVER].received[3], [Payload::from("last words")]);
}

#[test]
fn nothing_is_heard_of_a_peer_that_has_left() {
    let mut stragglers = 0;
    for seed in 0..20 {
        let mut pair = Pair::new(LinkConditions { loss: 0.0, ..terrible() }, seed);
        for n in 0..100u32 {
            for channel in [UNRELIABLE, UNORDERED] {
                pair.send(CLIENT, channel, &n.to_le_bytes()).unwrap();
            }
            pair.run_for(ms(5));
        }
        pair.ends[CLIENT].connection.close(pair.now, CloseMode::Now, Farewell::new(Reason::Closed));
        // The end's own check fails on the first message behind `Disconnected`.
        pair.run_until(|pair| pair.ends.iter().all(|end| end.connection.is_closed()));
        stragglers += 100 - pair.ends[SERVER].received[0].len();
    }
    assert!(stragglers > 0, "CLOSE overtook nothing: the test shows nothing");
}
