//! Whole connections: what the client shows against what the server's clock reads, at every moment.

use std::time::Duration;

use tme_core::clock::{ClockChange, ServerTime, TickRate};
use tme_core::link::{Jitter, LinkConditions};

use crate::rig::{CLIENT, Crystal, Host, Rig, SERVER, ms, path};

const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 300 };
const RATE: u32 = 60;

/// 25 ms each way, more or less.
fn jittery(half_width_ms: u64) -> LinkConditions {
    path(ms(25), Jitter::Uniform { half_width: ms(half_width_ms) })
}

/// The server is ahead by minutes or behind by hours, and its clock faster by `ppm`.
fn crystals(seed: u64, ppm: f64) -> [Crystal; 2] {
    let (client, server) = if seed.is_multiple_of(2) { (0, 123_456_789) } else { (36_000_000_000, 77) };
    [Crystal { ahead_us: client, ppm: -ppm / 2.0 }, Crystal { ahead_us: server, ppm: ppm / 2.0 }]
}

/// Watches what the client shows.
#[derive(Default)]
struct Watch {
    last: Option<(ServerTime, u64)>,
    last_input_tick: u64,
    steps: usize,
    /// Errors in µs at the moments looked at, and those beyond the likely one.
    errors: Vec<u64>,
    bounds: Vec<u64>,
    likely: usize,
}

impl Watch {
    /// The truth lies within the bound, and time goes on at nearly its own speed, unless it is set.
    fn look(&mut self, rig: &Rig) {
        let Some(shown) = rig.shown() else { return };
        // The speed is measured against the client's own clock, which the corrections are made on.
        let (truth, own) = (rig.truth(), rig.reading(CLIENT));
        let error = shown.micros.abs_diff(truth);
        assert!(
            u128::from(error) <= shown.error.as_micros(),
            "off by {error} µs with a bound of {:?} at {:?}",
            shown.error,
            rig.now
        );
        let steps = rig.nodes[CLIENT].changes.len();
        let input_tick = shown.input_tick(TickRate::new(RATE).unwrap()).tick;
        if let Some((last, then)) = self.last.filter(|(last, _)| last.is_synchronised && steps == self.steps)
        {
            let (moved, passed) = (shown.micros as i64 - last.micros as i64, (own - then) as i64);
            assert!(moved >= 0, "back by {moved} µs at {:?}", rig.now);
            assert!((moved - passed).abs() <= passed / 80 + 2, "{moved} in {passed} µs at {:?}", rig.now);
            assert!(input_tick >= self.last_input_tick, "the input tick goes back at {:?}", rig.now);
        }
        self.last = Some((shown, own));
        (self.last_input_tick, self.steps) = (input_tick, steps);
    }

    fn note(&mut self, rig: &Rig) {
        let shown = rig.shown().expect("answers came");
        let error = rig.error().unwrap().unsigned_abs();
        self.errors.push(error);
        self.bounds.push(shown.error.as_micros() as u64);
        self.likely += usize::from(u128::from(error) <= shown.error_likely.as_micros());
    }

    fn worst(&mut self) -> u64 {
        self.errors.sort_unstable();
        *self.errors.last().unwrap()
    }

    fn row(&mut self, what: &str) {
        self.worst();
        self.bounds.sort_unstable();
        let of = |values: &[u64], share: usize| values[(values.len() - 1) * share / 100] as f64 / 1_000.0;
        println!(
            "{what:48} {:6.2} {:6.2} {:6.2}  {:6.2} {:6.2}   {:3} %",
            of(&self.errors, 50),
            of(&self.errors, 99),
            of(&self.errors, 100),
            of(&self.bounds, 50),
            of(&self.bounds, 100),
            self.likely * 100 / self.errors.len(),
        );
    }
}

fn head(what: &str) {
    println!("{what}");
    println!("{:48}    p50    p99    max   bound    max   within the likely error", "error in ms");
}

/// One world: connects, runs for `time`, and is watched all the while.
fn watched(rig: &mut Rig, watch: &mut Watch, time: Duration) {
    if rig.nodes[CLIENT].peer.is_none() {
        rig.connect();
    }
    rig.run(time, |rig| watch.look(rig));
}

#[test]
fn after_three_seconds_the_time_is_right_to_two_milliseconds() {
    head("RTT 50 ms, uniform jitter each way, 3 s after Connected and later");
    for (jitter, ppm, seconds, worst_us) in [
        (5, 0.0, 3, 2_000),
        (5, 100.0, 3, 2_000),
        (5, -100.0, 3, 2_000),
        (5, 500.0, 3, 2_000),
        (10, 0.0, 3, 3_000),
        (10, 100.0, 3, 3_000),
        (10, -100.0, 3, 3_000),
        (10, 500.0, 3, 4_000),
        (5, 100.0, 10, 2_000),
        (5, -100.0, 60, 2_000),
        (10, 100.0, 60, 5_000),
        (10, -500.0, 60, 5_000),
    ] {
        let mut all = Watch::default();
        let seeds = if seconds > 3 { SEEDS / 4 } else { SEEDS };
        for seed in 0..seeds {
            let mut rig = Rig::new(seed, crystals(seed, ppm), [jittery(jitter); 2]);
            let mut watch = Watch::default();
            watched(&mut rig, &mut watch, Duration::from_secs(seconds));
            all.note(&rig);
            assert_eq!(rig.nodes[CLIENT].changes, [ClockChange::Synchronised], "seed {seed}");
            assert!(rig.shown().unwrap().is_synchronised);
        }
        all.row(&format!("± {jitter} ms, {ppm} ppm, after {seconds} s, {seeds} seeds"));
        let worst = all.worst();
        assert!(worst <= worst_us, "± {jitter} ms, {ppm} ppm, after {seconds} s: off by {worst} µs");
    }
}

/// Drift that is not known yet must not make the time worse while it is learnt.
#[test]
fn the_time_is_as_right_after_ten_and_thirty_seconds_as_after_three() {
    const MOMENTS: [u64; 5] = [3, 6, 10, 30, 60];
    /// Fewer say little about the worst of them.
    const SEEDS: u64 = 150;
    head("RTT 50 ms ± 5 ms each way, one world at several moments");
    for ppm in [0.0, 100.0, -100.0, 300.0, 500.0, -500.0] {
        let mut all = MOMENTS.map(|_| Watch::default());
        for seed in 0..SEEDS {
            let mut rig = Rig::new(seed, crystals(seed, ppm), [jittery(5); 2]);
            let (mut watch, mut passed) = (Watch::default(), 0);
            for (moment, all) in MOMENTS.iter().zip(&mut all) {
                watched(&mut rig, &mut watch, Duration::from_secs(moment - passed));
                all.note(&rig);
                passed = *moment;
            }
        }
        let at_first = all[0].worst();
        for (moment, all) in MOMENTS.iter().zip(&mut all) {
            all.row(&format!("{ppm} ppm, after {moment} s, {SEEDS} seeds"));
            let worst = all.worst();
            assert!(worst <= 2_000, "{ppm} ppm, after {moment} s: off by {worst} µs");
            let is_learning = *moment == 6;
            assert!(
                worst <= at_first || is_learning,
                "{ppm} ppm: {worst} µs after {moment} s, {at_first} at first"
            );
        }
    }
}

#[test]
fn bad_networks_and_busy_hosts_are_within_the_bound() {
    head("as above, 100 ppm, 8 s");
    let lossy = LinkConditions { loss: 0.2, ..jittery(10) };
    let messy = LinkConditions { reorder: 0.1, reorder_delay: ms(40), duplicate: 0.1, ..jittery(10) };
    let slower = LinkConditions { delay: ms(65), ..jittery(10) };
    let skewed = path(ms(20), Jitter::Skewed { median: ms(3), p99: ms(60), max: ms(200) });
    let framed = |has_timestamps, phase| Host::Framed { frame: ms(50), phase: ms(phase), has_timestamps };
    let cases: [(&str, [LinkConditions; 2], [Host; 2], u64); 9] = [
        ("20 % loss each way", [lossy; 2], [Host::Prompt; 2], 4_000),
        ("reordering and copies", [messy; 2], [Host::Prompt; 2], 4_000),
        ("a radio link: mostly 23, sometimes 200 ms", [skewed; 2], [Host::Prompt; 2], 2_000),
        ("40 ms longer there than back", [slower, jittery(10)], [Host::Prompt; 2], 24_000),
        ("40 ms longer back than there", [jittery(10), slower], [Host::Prompt; 2], 24_000),
        ("client at 20 Hz, arrival times known", [jittery(5); 2], [framed(true, 0), Host::Prompt], 3_000),
        ("client at 20 Hz, arrival times unknown", [jittery(5); 2], [framed(false, 0), Host::Prompt], 25_000),
        ("both at 20 Hz, arrival times known", [jittery(5); 2], [framed(true, 0), framed(true, 17)], 3_000),
        (
            "both at 20 Hz, arrival times unknown",
            [jittery(5); 2],
            [framed(false, 0), framed(false, 17)],
            50_000,
        ),
    ];
    for (name, conditions, hosts, worst_us) in cases {
        let mut all = Watch::default();
        for seed in 0..SEEDS {
            let mut rig = Rig::new(seed, crystals(seed, 100.0), conditions);
            for (node, host) in rig.nodes.iter_mut().zip(hosts) {
                node.host = host;
            }
            let mut watch = Watch::default();
            watched(&mut rig, &mut watch, Duration::from_secs(8));
            all.note(&rig);
            assert!(rig.shown().unwrap().is_synchronised, "{name}, seed {seed}");
        }
        all.row(name);
        let worst = all.worst();
        assert!(worst <= worst_us, "{name}: off by {worst} µs");
    }
}

#[test]
fn a_longer_way_and_an_outage_move_time_slowly_and_within_the_bound() {
    head("25 ± 5 ms each way, 100 ppm, something happens after 10 s");
    let longer = LinkConditions { delay: ms(65), ..jittery(5) };
    let shorter = LinkConditions { delay: ms(10), ..jittery(5) };
    let cases: [(&str, Option<[LinkConditions; 2]>, u64, u64); 4] = [
        ("40 ms longer there, 10 s later", Some([longer, jittery(5)]), 10, 4_000),
        ("40 ms longer there, 120 s later", Some([longer, jittery(5)]), 120, 24_000),
        ("15 ms shorter both ways, 10 s later", Some([shorter; 2]), 10, 3_000),
        ("silence for 10 s, at its end", None, 10, 4_000),
    ];
    for (name, conditions, seconds, worst_us) in cases {
        let mut all = Watch::default();
        for seed in 0..SEEDS / 10 {
            let mut rig = Rig::new(seed, crystals(seed, 100.0), [jittery(5); 2]);
            let mut watch = Watch::default();
            watched(&mut rig, &mut watch, Duration::from_secs(10));
            for index in [CLIENT, SERVER] {
                match &conditions {
                    Some(conditions) => {
                        let now = rig.now;
                        rig.nodes[index].link.set_conditions(now, conditions[index]).unwrap();
                    }
                    None => rig.nodes[index].link.set_partitioned(true),
                }
            }
            watched(&mut rig, &mut watch, Duration::from_secs(seconds));
            all.note(&rig);
            rig.nodes.iter_mut().for_each(|node| node.link.set_partitioned(false));
            watched(&mut rig, &mut watch, Duration::from_secs(10));
            assert_eq!(rig.nodes[CLIENT].changes, [ClockChange::Synchronised], "{name}: no step");
        }
        all.row(name);
        let worst = all.worst();
        assert!(worst <= worst_us, "{name}: off by {worst} µs");
    }
}

/// A client that sends inputs for the tick that it is told, against when they arrive.
#[test]
fn inputs_arrive_just_before_their_tick() {
    let rate = TickRate::new(RATE).unwrap();
    println!("inputs at {RATE} Hz over 25 ± 10 ms each way: lead, late inputs");
    for (name, there) in
        [("symmetric", jittery(10)), ("40 ms longer there", LinkConditions { delay: ms(65), ..jittery(10) })]
    {
        let mut leads = Vec::new();
        let (mut late, mut inputs) = (0, 0);
        for seed in 0..SEEDS / 5 {
            let mut rig = Rig::new(seed, crystals(seed, 50.0), [there, jittery(10)]);
            rig.connect();
            rig.run(Duration::from_secs(5), |_| ());
            let mut random = tme_core::random::SeededRandom::new(seed);
            for _ in 0..300 {
                rig.run(Duration::from_micros(16_667), |_| ());
                let shown = rig.shown().unwrap();
                let way = there.delay - ms(10) + Duration::from_micros(random.below(20_000));
                let arrives = rig.truth() + way.as_micros() as u64;
                // The server has until the tick begins.
                late += u64::from(arrives > rate.begin_of(shown.input_tick(rate).tick));
                inputs += 1;
                leads.push(shown.input_lead(rate).as_micros() as u64 / 1_000);
            }
        }
        leads.sort_unstable();
        let median = leads[leads.len() / 2];
        let share = late as f64 / f64::from(inputs);
        println!("{name:20} lead {median} ms, {:.1} % late", share * 100.0);
        assert!(share <= 0.05, "{name}: {share}");
        // The longest way is 10 ms more than the mean, and a tick takes 17.
        assert!(u128::from(median) <= (there.delay + ms(10 + 17 + 25)).as_millis(), "{name}: {median} ms");
    }
}

#[test]
fn an_idle_client_asks_ten_times_a_second_and_then_more_and_more_seldom() {
    let mut rig = Rig::new(1, crystals(0, 0.0), [path(ms(25), Jitter::None); 2]);
    rig.connect();
    rig.run(Duration::from_millis(2_990), |_| ());
    assert_eq!(rig.statistics(CLIENT).clock.requests, 30);
    rig.run(Duration::from_millis(47_000), |_| ());
    let before = rig.statistics(CLIENT);
    println!("{} requests in 50 s", before.clock.requests);
    assert!((145..=155).contains(&before.clock.requests), "{}", before.clock.requests);
    rig.run(Duration::from_secs(60), |_| ());
    let after = rig.statistics(CLIENT);
    assert_eq!(after.clock.requests - before.clock.requests, 60);
    assert_eq!(after.clock.answers, after.clock.requests);
    let (sent, received) =
        (after.bytes_sent - before.bytes_sent, after.bytes_received - before.bytes_received);
    println!("{} bytes/s up, {} down", sent / 60, received / 60);
    // A request takes 32 bytes, its answer with an acknowledgement 55.
    assert!(sent <= 60 * 34 && received <= 60 * 57, "{sent} and {received} bytes in a minute");
    assert_eq!(rig.statistics(SERVER).clock.answered, after.clock.requests);
}
