//! The size of datagrams: found, lost, and found again.

use super::super::mtu::MtuLimits;
use super::*;

fn path(mtu_bytes: u32) -> LinkConditions {
    LinkConditions { delay: ms(20), mtu_bytes: Some(mtu_bytes), ..LinkConditions::default() }
}

fn sizes(pair: &Pair) -> [usize; 2] {
    [CLIENT, SERVER].map(|end| pair.statistics(end).datagram_bytes)
}

fn up_to(datagram_bytes_max: usize) -> (ConnectionConfig, Limits) {
    let limits = Limits { datagram_bytes_max: datagram_bytes_max as u16, ..Limits::default() };
    (ConnectionConfig { datagram_bytes_max, ..ConnectionConfig::default() }, limits)
}

/// Both sides send three messages of 450 bytes sixty times a second: more than 1,200 bytes at once.
fn play(pair: &mut Pair, ticks: u32, from: u32) {
    for tick in from..from + ticks {
        for end in [CLIENT, SERVER] {
            for part in 0..3 {
                let mut message = vec![0xA5; 450];
                message[..4].copy_from_slice(&(tick * 3 + part).to_le_bytes());
                pair.send(end, ORDERED, &message).unwrap();
            }
        }
        pair.run_for(Duration::from_micros(16_667));
    }
}

#[test]
fn the_search_finds_what_the_path_carries_to_a_few_bytes() {
    // Packets of the path, largest size that is tried, and what must be found at least and at most.
    let cases = [
        (1_228, 1_452, 1_200, 1_200),
        (1_280, 1_452, 1_232, 1_252),
        (1_400, 1_452, 1_352, 1_372),
        (1_500, 1_452, 1_452, 1_452),
        (1_500, 1_472, 1_472, 1_472),
        (9_000, 9_000, 8_952, 8_972),
        (1_500, 65_507, 1_452, 1_472),
        (1_500, 1_200, 1_200, 1_200),
    ];
    for (mtu, largest, at_least, at_most) in cases {
        let (config, limits) = up_to(largest);
        let mut pair = Pair::with(path(mtu), 1, config, limits);
        pair.run_for(Duration::from_secs(40));
        for found in sizes(&pair) {
            assert!((at_least..=at_most).contains(&found), "{mtu} up to {largest}: {found}");
        }
        for end in [CLIENT, SERVER] {
            let statistics = pair.statistics(end);
            assert_eq!((statistics.packets_lost, statistics.bytes_in_flight), (0, 0), "probes do not count");
        }
    }
}

#[test]
fn the_other_side_gets_no_datagram_larger_than_it_takes() {
    let (config, _) = up_to(9_000);
    let limits = Limits { datagram_bytes_max: 1_300, ..Limits::default() };
    let mut pair = Pair::with(path(9_000), 1, config, limits);
    pair.run_for(Duration::from_secs(15));
    assert_eq!(sizes(&pair), [1_300, 1_300]);
}

#[test]
fn chance_losses_neither_hide_what_the_path_carries_nor_cost_it_for_long() {
    let conditions = LinkConditions { loss: 0.1, ..path(1_500) };
    let mut pair = Pair::with(conditions, 5, ConnectionConfig::default(), Limits::default());
    play(&mut pair, 300, 0);
    let mut full = 0;
    for tick in 0..600 {
        play(&mut pair, 1, 300 + tick);
        full += sizes(&pair).into_iter().filter(|&size| size == 1_452).count();
    }
    assert!(full > 1_100, "{full} of 1,200");
}

#[test]
fn a_black_hole_holds_nothing_up_for_long_and_loses_nothing() {
    for narrow in [1_228, 1_300, 1_400] {
        let mut pair = Pair::new(path(1_500), 1);
        play(&mut pair, 120, 0);
        assert_eq!(sizes(&pair), [1_452, 1_452]);
        for end in &mut pair.ends {
            end.link.set_conditions(pair.now, path(narrow)).unwrap();
        }
        // A probe time-out (some 70 ms) and 100 ms without an answer, then smaller packets, whose answer brings the resend.
        play(&mut pair, 18, 120);
        let heard = pair.ends.each_ref().map(|end| end.numbers(ORDERED).len());
        assert!(heard.iter().all(|&count| count >= 3 * (120 + 4)), "{narrow}: {heard:?} after 300 ms");
        play(&mut pair, 300, 138);
        pair.run_for(Duration::from_secs(2));
        for (end, size) in sizes(&pair).into_iter().enumerate() {
            let carried = narrow as usize - 28;
            assert!((carried.saturating_sub(20).max(1_200)..=carried).contains(&size), "{narrow}: {size}");
            assert_eq!(pair.ends[end].numbers(ORDERED), (0..3 * 438).collect::<Vec<_>>(), "{narrow}");
        }
    }
}

#[test]
fn a_path_that_carries_more_again_is_found_out_after_ten_minutes() {
    let mut pair = Pair::new(path(1_300), 1);
    pair.run_for(Duration::from_secs(20));
    assert!(sizes(&pair).into_iter().all(|size| size < 1_300));
    for end in &mut pair.ends {
        end.link.set_conditions(pair.now, path(1_500)).unwrap();
    }
    pair.run_for(Duration::from_secs(560));
    assert!(sizes(&pair).into_iter().all(|size| size < 1_300));
    pair.run_for(Duration::from_secs(60));
    assert_eq!(sizes(&pair), [1_452, 1_452]);
}

#[test]
fn connections_that_begin_together_do_not_probe_together() {
    let limits = MtuLimits { start: 1_200, ceiling: 1_452 };
    let mut first = (1..=64u32).map(|slot| {
        let mut mtu = PathMtu::new(limits);
        mtu.begin(Instant::ZERO, 0x2A_0000 + slot);
        mtu.poll_timeout().unwrap().as_micros() / 1_000
    });
    let mut by_eighth = [0; 8];
    assert!(first.all(|millis| {
        by_eighth[(millis as usize - 500) / 64] += 1;
        (500..1_012).contains(&millis)
    }));
    assert!(by_eighth.iter().all(|&count| (4..=12).contains(&count)), "{by_eighth:?}");
}
