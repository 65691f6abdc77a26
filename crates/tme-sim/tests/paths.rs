//! Clients whose network goes away, comes back, or becomes another one, while both sides go on sending: everything reliable
//! arrives once and in order (the worlds' own oracles look at that), in the session that was there before.

use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelMode};
use tme_core::connection::{ConnectionConfig, Side, StartNumbers};
use tme_core::link::{Jitter, LinkConditions};
use tme_sim::config::{ClientPlan, Deed, Flow, NewAddress, Rebinder, ScriptLine, WorldConfig, both_ways};
use tme_sim::{WorldOptions, WorldReport, run_config};

/// What an outage may last: 30 s without the time since the last packet before it, and until the next probe after it.
const OUTAGE: Duration = Duration::from_secs(27);

fn usual() -> LinkConditions {
    LinkConditions { delay: Duration::from_millis(25), ..LinkConditions::default() }
}

fn messy() -> LinkConditions {
    LinkConditions {
        loss: 0.05,
        duplicate: 0.05,
        reorder: 0.05,
        reorder_delay: Duration::from_millis(60),
        jitter: Jitter::Uniform { half_width: Duration::from_millis(10) },
        jitter_reorders: true,
        ..usual()
    }
}

/// All five channels both ways, a message each every `interval`.
fn flows(interval: Duration) -> Vec<Flow> {
    let mut flows = Vec::new();
    for from in [Side::Client, Side::Server] {
        for mode in ChannelMode::ALL {
            let mut flow = Flow::steady(0, from, ChannelId(mode as u8), interval, 60);
            flow.sizes = vec![20..=100, 20..=100, 20..=100, 200..=2_500];
            flow.keys = 5;
            flows.push(flow);
        }
    }
    flows
}

fn line(at: Duration, deed: Deed) -> ScriptLine {
    ScriptLine { at, deed }
}

fn world(seed: u64, path: LinkConditions, interval: Duration, time: Duration) -> WorldConfig {
    WorldConfig {
        clients: vec![ClientPlan::plain(both_ways(path))],
        flows: flows(interval),
        faulty_time: time,
        // What is sent without waiting for an answer wraps twice in an outage at a thousand messages a second.
        connection: ConnectionConfig {
            start: StartNumbers { packet: (1 << 16) - 2_000, sequence: (1 << 24) - 500 },
            ..ConnectionConfig::default()
        },
        ..WorldConfig::quiet(seed)
    }
}

/// Runs the world; both ends must see one connection, which ends in the world's parting only.
fn run(name: &str, config: WorldConfig) -> WorldReport {
    let report =
        run_config(config, WorldOptions::default()).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    assert_eq!((report.connections, report.endings), (1, 2), "{name}: {report}");
    for mode in [ChannelMode::ReliableOrdered, ChannelMode::ReliableUnordered] {
        assert_eq!(report.of(mode).sent, report.of(mode).delivered, "{name}: {report}");
    }
    for ending in ["end Local TimedOut", "end Remote Reset"] {
        assert_eq!(seen(&report, ending), 0, "{name}: {report}");
    }
    report
}

fn seen(report: &WorldReport, sight: &str) -> u64 {
    report.sights.get(sight).copied().unwrap_or(0)
}

#[test]
fn an_outage_of_half_a_minute_costs_nothing_but_time_at_any_rate() {
    let begin = Duration::from_secs(4);
    for (rate, interval) in [("1 Hz", 1_000_000), ("60 Hz", 16_667), ("1 kHz", 1_000)] {
        let interval = Duration::from_micros(interval);
        for (direction, up, down) in [("both", true, true), ("up", true, false), ("down", false, true)] {
            // A thousand messages a second on five channels both ways take long to simulate.
            if interval < Duration::from_millis(2) && direction == "down" && cfg!(debug_assertions) {
                continue;
            }
            let name = format!("{rate}, {direction}");
            let mut config = world(1, usual(), interval, begin + OUTAGE + Duration::from_secs(4));
            let cut = Deed::Partition { client: 0, up, down };
            let mend = Deed::Partition { client: 0, up: false, down: false };
            config.script.extend([line(begin, cut), line(begin + OUTAGE, mend)]);
            let report = run(&name, config);
            assert!(seen(&report, "Interrupted") >= 1 && seen(&report, "Resumed") >= 1, "{name}: {report}");
        }
    }
}

#[test]
fn whoever_comes_back_from_an_outage_with_another_address_is_the_same() {
    let begin = Duration::from_secs(4);
    for to in [NewAddress::Port, NewAddress::Network] {
        for by in [Rebinder::Program, Rebinder::Nat] {
            for when in [Duration::from_secs(1), OUTAGE / 2, OUTAGE] {
                let name = format!("{to:?} by {by:?} after {when:?}");
                let interval = Duration::from_millis(20);
                let mut config = world(2, messy(), interval, begin + OUTAGE + Duration::from_secs(4));
                config.script.extend([
                    line(begin, Deed::Partition { client: 0, up: true, down: true }),
                    line(begin + when, Deed::Rebind { client: 0, to, by }),
                    line(begin + OUTAGE, Deed::Partition { client: 0, up: false, down: false }),
                ]);
                let report = run(&name, config);
                assert_eq!(seen(&report, "address changed"), 1, "{name}: {report}");
            }
        }
    }
}

#[test]
fn a_client_may_change_its_address_every_few_seconds() {
    for (seed, by) in [(3, Rebinder::Program), (4, Rebinder::Nat)] {
        for every in [Duration::from_millis(700), Duration::from_secs(3)] {
            for path in [usual(), messy()] {
                let name = format!("by {by:?} every {every:?}, loss {}", path.loss);
                let time = Duration::from_secs(30);
                let mut config = world(seed, path, Duration::from_millis(16), time);
                let mut moves = 0;
                let mut at = Duration::from_secs(2);
                while at + every < time {
                    let to = if moves % 2 == 0 { NewAddress::Network } else { NewAddress::Port };
                    config.script.push(line(at, Deed::Rebind { client: 0, to, by }));
                    at += every;
                    moves += 1;
                }
                let report = run(&name, config);
                let changed = seen(&report, "address changed");
                assert!(changed >= moves * 9 / 10, "{name}: {changed} of {moves} moves: {report}");
                assert_eq!(seen(&report, "Interrupted"), 0, "{name}: {report}");
            }
        }
    }
}
