//! What congestion control is judged by: flows through one bottleneck, in virtual time. Every test prints a table;
//! `docs/CONGESTION.md` shows them. Rates are IP and UDP bytes at the bottleneck unless they are called goodput.

use std::fmt::Write as _;
use std::time::Duration;

use tme_core::connection::ConnectionConfig;
use tme_core::connection::congestion::Congestion;
use tme_sim::dumbbell::{
    BACKGROUND, BULK, Bulk, Dumbbell, DumbbellConfig, FlowPlan, Report, STREAM, Stream, UNRELIABLE,
};

/// 10 Mbit/s.
const RATE: u64 = 1_250_000;
/// Start-up is shown apart.
const WARM: Duration = secs(3);
const END: Duration = secs(60);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Megabits from bytes.
fn mbit(bytes_per_second: f64) -> f64 {
    bytes_per_second * 8.0 / 1e6
}

fn config(seed: u64, queue: Duration, flows: Vec<FlowPlan>) -> DumbbellConfig {
    DumbbellConfig {
        seed,
        bytes_per_second: Some(RATE),
        queue_bytes: RATE * queue.as_millis() as u64 / 1_000,
        connection: ConnectionConfig::default(),
        flows,
    }
}

fn run(config: &DumbbellConfig, end: Duration) -> Report {
    Dumbbell::new(config).run_until(end).clone()
}

#[test]
fn random_loss_does_not_cost_the_rate() {
    println!("one bulk flow, 10 Mbit/s, 50 ms, {} s", END.as_secs());
    println!(
        " queue   loss  controller      used  goodput Mbit/s  queue mean/max ms  dropped   first 3 s: used  dropped"
    );
    for congestion in [Congestion::DeliveryRate, Congestion::NewReno] {
        for queue in [25, 50, 200, 1_000] {
            for loss in [0.0, 0.01] {
                let mut config = config(1, ms(queue), vec![FlowPlan::bulk(ms(50)).with_loss(loss)]);
                config.connection.congestion = congestion;
                let report = run(&config, END);
                let flow = &report.flows[0];
                let used = report.utilisation(WARM, END);
                let (mean, max) = report.queue_time(WARM, END);
                println!(
                    "{queue:5} {:4.0} %  {:13} {:5.1} % {:15.2} {:10.1} {:7.1} {:6.2} % {:17.1} % {:6.2} %",
                    loss * 100.0,
                    format!("{congestion:?}"),
                    used * 100.0,
                    mbit(flow.goodput(WARM, END)),
                    millis(mean),
                    millis(max),
                    flow.drop_share(WARM, END) * 100.0,
                    report.utilisation(Duration::ZERO, WARM) * 100.0,
                    flow.drop_share(Duration::ZERO, WARM) * 100.0,
                );
                if congestion == Congestion::DeliveryRate {
                    assert!(used >= 0.9, "queue of {queue} ms, loss {loss}: only {used:.3} was used");
                }
            }
        }
    }
}

#[test]
fn a_bulk_transfer_hardly_delays_a_stream_beside_it() {
    println!("60 messages/s of 100 bytes, 10 Mbit/s, 50 ms, a queue of 1 s; one-way delays in ms");
    println!(" loss  beside it  controller       p50    p99    max   first 3 s: p99    max   used");
    for loss in [0.0, 0.01] {
        let mut p99 = Vec::new();
        for (congestion, bulk) in [
            (Congestion::DeliveryRate, None),
            (Congestion::DeliveryRate, Some(Bulk::ENDLESS)),
            (Congestion::NewReno, Some(Bulk::ENDLESS)),
        ] {
            let flow = FlowPlan::engine(ms(50), bulk, Some(Stream::GAME)).with_loss(loss);
            let mut config = config(1, secs(1), vec![flow]);
            config.connection.congestion = congestion;
            let report = run(&config, END);
            let latency = report.flows[0].latency(WARM, END);
            let first = report.flows[0].latency(Duration::ZERO, WARM);
            println!(
                "{:3.0} %  {:9}  {:13} {:6.1} {:6.1} {:6.1} {:16.1} {:6.1} {:5.1} %",
                loss * 100.0,
                if bulk.is_some() { "bulk" } else { "nothing" },
                format!("{congestion:?}"),
                millis(latency.quantile(0.5)),
                millis(latency.quantile(0.99)),
                millis(latency.quantile(1.0)),
                millis(first.quantile(0.99)),
                millis(first.quantile(1.0)),
                report.utilisation(WARM, END) * 100.0,
            );
            p99.push(latency.quantile(0.99));
        }
        let added = p99[1].saturating_sub(p99[0]);
        assert!(added <= ms(15), "bulk adds {added:?} to the p99 at a loss of {loss}");
    }
}

#[test]
fn two_flows_share_a_bottleneck() {
    const SEEDS: u64 = 12;
    println!("two bulk flows, the second 10 s later, over the 30 s from then on; 10 Mbit/s, {SEEDS} seeds");
    println!("  queue      RTT  first's share: mean    least    most   used  queue mean/max ms  dropped");
    for rtts in [(50, 50), (20, 50), (50, 20), (10, 100), (100, 10)] {
        for queue in [25, 50, 100, 200, 1_000] {
            let (mut shares, mut used, mut queues, mut dropped) = (Vec::new(), 0.0, Vec::new(), 0.0);
            for seed in 0..SEEDS {
                // Which phase the first is in is chance.
                let joins = secs(10) + ms(seed * 137);
                let flows = vec![FlowPlan::bulk(ms(rtts.0)), FlowPlan::bulk(ms(rtts.1)).starting_at(joins)];
                let to = joins + secs(30);
                let report = run(&config(seed, ms(queue), flows), to);
                shares.push(report.share(0, joins, to));
                used += report.utilisation(joins, to) / SEEDS as f64;
                queues.push(report.queue_time(joins, to));
                let drops = report.flows.iter().map(|flow| flow.drop_share(joins, to)).sum::<f64>();
                dropped += drops / (2 * SEEDS) as f64;
            }
            let (least, most) = shares.iter().fold((1.0f64, 0.0f64), |(a, b), &x| (a.min(x), b.max(x)));
            let mean_queue = queues.iter().map(|(mean, _)| *mean).sum::<Duration>() / SEEDS as u32;
            println!(
                "{queue:4} ms {:4}/{:3} {:20.1} % {:6.1} % {:6.1} % {:5.1} % {:9.1} {:7.1} {:6.2} %",
                rtts.0,
                rtts.1,
                shares.iter().sum::<f64>() / SEEDS as f64 * 100.0,
                least * 100.0,
                most * 100.0,
                used * 100.0,
                millis(mean_queue),
                millis(queues.iter().map(|(_, max)| *max).max().unwrap_or_default()),
                dropped * 100.0,
            );
            if rtts == (50, 50) {
                assert!(least >= 0.4 && most <= 0.6, "queue of {queue} ms: {least:.3} to {most:.3}");
            }
        }
    }
}

#[test]
fn the_share_against_cubic_is_known() {
    println!("one bulk flow against TCP with CUBIC, 10 Mbit/s, 50 ms, from 10 s to 70 s");
    println!("  queue  starts (ours/TCP)   ours   TCP   used  queue mean ms   NewReno instead: ours");
    for queue in [25, 50, 200, 1_000] {
        let alone = run(&config(1, ms(queue), vec![FlowPlan::tcp(ms(50))]), END);
        println!("{queue:4} ms   TCP alone {:30.1} %", alone.utilisation(WARM, END) * 100.0);
        assert!(alone.utilisation(WARM, END) > 0.97, "the rival is worth its name");
        for starts in [(0, 0), (0, 10), (10, 0)] {
            let share = |congestion| {
                let flows = vec![
                    FlowPlan::bulk(ms(50)).starting_at(secs(starts.0)),
                    FlowPlan::tcp(ms(50)).starting_at(secs(starts.1)),
                ];
                let mut config = config(1, ms(queue), flows);
                config.connection.congestion = congestion;
                let report = run(&config, secs(70));
                (report.share(0, secs(10), secs(70)), report)
            };
            let (ours, report) = share(Congestion::DeliveryRate);
            println!(
                "{queue:4} ms {:10}/{:2} s {:10.1} % {:4.1} % {:5.1} % {:9.1} {:20.1} %",
                starts.0,
                starts.1,
                ours * 100.0,
                (1.0 - ours) * 100.0,
                report.utilisation(secs(10), secs(70)) * 100.0,
                millis(report.queue_time(secs(10), secs(70)).0),
                share(Congestion::NewReno).0 * 100.0,
            );
            assert!((0.03..0.9).contains(&ours), "nobody starves: {ours:.3}");
        }
    }
}

#[test]
fn five_mebibytes_are_across_in_half_a_second() {
    println!(
        "5 MiB in 16 KiB messages, 25 ms each way, no bottleneck, 1 % loss; ms from the first send to the last arrival"
    );
    for (connected_for, name) in [(Duration::ZERO, "at once"), (secs(1), "after 1 s")] {
        let mut times: Vec<Duration> = (0..20)
            .map(|seed| {
                let bulk =
                    Bulk { message_bytes: 16 << 10, messages: Some(320), after: ms(100) + connected_for };
                let flow = FlowPlan::engine(ms(50), Some(bulk), None).with_loss(0.01);
                let config = DumbbellConfig { bytes_per_second: None, ..config(seed, ms(50), vec![flow]) };
                let mut dumbbell = Dumbbell::new(&config);
                dumbbell.run_while(secs(30), |dumbbell| dumbbell.report().flows[0].bulk_bytes < 5 << 20);
                let flow = &dumbbell.report().flows[0];
                flow.bulk_at - flow.connected_at.unwrap_or_default().max(bulk.after)
            })
            .collect();
        times.sort_unstable();
        let median = times[times.len() / 2];
        println!(
            "{name:10} median {:6.1}, {:6.1} to {:6.1}",
            millis(median),
            millis(times[0]),
            millis(times[times.len() - 1])
        );
        assert!(median <= ms(450), "{median:?}");
    }
}

#[test]
fn paths_that_deceive_do_not_break_the_flow() {
    println!("one bulk flow, from 3 s to 30 s");
    println!(" path                                used  queue mean/max ms  dropped");
    let cases: [(&str, u64, u64, FlowPlan, f64, f64); 8] = [
        ("queue of 4 packets", RATE, 4_912, FlowPlan::bulk(ms(50)), 0.85, 0.03),
        ("the same, 10 ms", RATE, 4_912, FlowPlan::bulk(ms(10)), 0.85, 0.05),
        ("the same, 5 % loss", RATE, 4_912, FlowPlan::bulk(ms(50)).with_loss(0.05), 0.8, 0.05),
        ("jitter of ±5 ms, 50 ms", RATE, RATE / 5, FlowPlan::bulk(ms(50)).with_jitter(ms(5)), 0.85, 0.01),
        ("jitter of ±9 ms, 20 ms", RATE, RATE / 5, FlowPlan::bulk(ms(20)).with_jitter(ms(9)), 0.8, 0.01),
        ("100 Mbit/s, 5 ms", 12_500_000, 125_000, FlowPlan::bulk(ms(5)), 0.9, 0.02),
        ("100 Mbit/s, 100 ms", 12_500_000, 1_250_000, FlowPlan::bulk(ms(100)), 0.8, 0.02),
        ("500 kbit/s, 50 ms", 62_500, 62_500, FlowPlan::bulk(ms(50)), 0.85, 0.01),
    ];
    for (name, rate, queue_bytes, flow, used_min, dropped_max) in cases {
        let config =
            DumbbellConfig { bytes_per_second: Some(rate), queue_bytes, ..config(1, ms(0), vec![flow]) };
        let report = run(&config, secs(30));
        let used = report.utilisation(WARM, secs(30));
        let (mean, max) = report.queue_time(WARM, secs(30));
        let dropped = report.flows[0].drop_share(WARM, secs(30));
        println!(
            " {name:34} {:5.1} % {:9.1} {:7.1} {:6.2} %",
            used * 100.0,
            millis(mean),
            millis(max),
            dropped * 100.0
        );
        assert!(used >= used_min && dropped <= dropped_max, "{name}: {used:.3} used, {dropped:.3} dropped");
    }
}

#[test]
fn a_path_that_changes_is_followed() {
    println!("one bulk flow, 50 ms, a queue of 500 kB; the rate changes at 10 s and back at 20 s");
    for (first, then) in [(RATE, RATE / 5), (RATE / 5, RATE), (RATE, RATE / 2)] {
        let config = DumbbellConfig {
            bytes_per_second: Some(first),
            queue_bytes: 500_000,
            ..config(1, ms(0), vec![FlowPlan::bulk(ms(50))])
        };
        let mut dumbbell = Dumbbell::new(&config);
        dumbbell.run_until(secs(10));
        dumbbell.set_rate(then);
        dumbbell.run_until(secs(20));
        dumbbell.set_rate(first);
        let report = dumbbell.run_until(secs(30));
        print!(
            "{:4.1} to {:4.1} Mbit/s and back; Mbit/s per second from 9 s:",
            mbit(first as f64),
            mbit(then as f64)
        );
        let rate = |second: u64| report.flows[0].passed_bytes(secs(second), secs(second + 1)) as f64;
        (9..30).for_each(|second| print!(" {:.1}", mbit(rate(second))));
        println!();
        for (second, expected) in [(15, then), (28, first)] {
            assert!(rate(second) > 0.8 * expected as f64, "{:.0} of {expected} at {second} s", rate(second));
        }
        // Bytes are counted as time at the first rate.
        let queue = report.queue_time(secs(17), secs(20)).1;
        let wait = Duration::from_secs_f64(queue.as_secs_f64() * first as f64 / then as f64);
        assert!(wait < ms(150), "the queue is still {wait:?} long");
    }
}

#[test]
fn the_budget_tells_how_long_a_message_waits() {
    /// The rest of the bulk transfer fits into the queue by then.
    const AT: Duration = ms(2_500);
    println!(
        "10 Mbit/s, 50 ms, bulk on one channel, stream beside it; ms that a message waits before it leaves"
    );
    println!(" channel      predicted   actual   bytes/s estimated");
    let bulk = Bulk { message_bytes: 16 << 10, messages: Some(320), after: Duration::ZERO };
    for (channel, name) in
        [(STREAM, "stream"), (UNRELIABLE, "unreliable"), (BULK, "bulk"), (BACKGROUND, "background")]
    {
        // A stream message of this size is told apart by nobody: there is none beside it then.
        let stream = (channel != STREAM).then_some(Stream::GAME);
        let mut dumbbell =
            Dumbbell::new(&config(1, ms(200), vec![FlowPlan::engine(ms(50), Some(bulk), stream)]));
        dumbbell.run_until(AT);
        let budget = dumbbell.connection(0).expect("connected").send_budget(dumbbell.now());
        let predicted = budget.wait(channel).expect("the channel exists");
        assert_eq!(budget.bytes_now, 0, "a bulk transfer leaves no room");
        assert!((1_050_000..1_300_000).contains(&budget.bytes_per_second), "{budget:?}");
        // No smaller than the pieces of a long message: a smaller one may slip into the end of a packet.
        assert!(dumbbell.send_now(0, channel, 1_100));
        let end = dumbbell.elapsed() + secs(60);
        dumbbell.run_while(end, |dumbbell| {
            let flow = &dumbbell.report().flows[0];
            match channel {
                BULK => dumbbell.connection(0).is_some_and(|connection| connection.queued(1).1 > 0),
                STREAM => flow.latency(AT, end).count() == 0,
                _ => flow.single.is_none(),
            }
        });
        let flow = &dumbbell.report().flows[0];
        let one_way = ms(25) + Duration::from_micros(1_000);
        let age = match channel {
            STREAM => flow.latency(AT, end).quantile(1.0),
            // The last one behind all the others.
            BULK => flow.bulk_at - AT,
            _ => flow.single.expect("it has arrived").1,
        };
        let actual = age.saturating_sub(one_way);
        println!(
            " {name:12} {:8.1} {:8.1} {:18}",
            millis(predicted),
            millis(actual),
            budget.bytes_per_second
        );
        // The queue of the bottleneck is not the sender's to know.
        let error = predicted.abs_diff(actual);
        assert!(error < ms(15) + actual / 5, "{name}: {predicted:?} predicted, {actual:?} actual");
    }
}

#[test]
fn unreliable_messages_leave_at_once_however_long_the_round_trip_grows() {
    let flows = vec![FlowPlan::bulk(ms(50)), FlowPlan::tcp(ms(50))];
    let mut dumbbell = Dumbbell::new(&config(1, secs(1), flows));
    dumbbell.run_until(secs(2));
    const MESSAGES: u64 = 1_800;
    for message in 0..MESSAGES {
        dumbbell.run_until(secs(2) + Stream::GAME.interval * message as u32);
        assert!(dumbbell.send_now(0, UNRELIABLE, 100));
    }
    dumbbell.run_until(secs(33));
    let connection = dumbbell.connection(0).expect("connected");
    let rtt = connection.statistics(dumbbell.now()).rtt_smoothed;
    assert!(rtt > ms(500), "the rival fills the queue: {rtt:?}");
    let figures = connection.channel_statistics(UNRELIABLE).expect("the channel exists");
    assert_eq!((figures.messages_sent, figures.expired), (MESSAGES, 0));
    assert!(figures.queue_time < ms(10), "{figures:?}");
}

#[test]
fn packets_leave_evenly() {
    let config = config(1, ms(200), vec![FlowPlan::bulk(ms(50))]);
    let mut dumbbell = Dumbbell::new(&config);
    dumbbell.run_until(WARM);
    let (mut at, mut sent_before) = (WARM, dumbbell.report().flows[0].offered);
    let (mut most_in_ms, mut gain_most) = (0, 0.0f64);
    while at < secs(20) {
        at += ms(1);
        let sent = dumbbell.run_until(at).flows[0].offered;
        most_in_ms = most_in_ms.max(sent - sent_before);
        sent_before = sent;
        let connection = dumbbell.connection(0).expect("connected");
        let pace = connection.statistics(dumbbell.now()).pacing_rate as f64;
        gain_most = gain_most.max(pace / connection.send_budget(dumbbell.now()).bytes_per_second as f64);
    }
    println!("at most {most_in_ms} packets in a millisecond, {gain_most:.3} times the estimate");
    assert!(most_in_ms <= 3, "two packets at once, and one that is due");
    assert!(gain_most <= 1.151, "{gain_most}");
}

/// Where the golden table begins to count: at 300 ms start-up takes three seconds.
const GOLDEN_FROM: Duration = secs(6);
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/congestion.txt");

/// What bulk achieves and a stream feels, by loss and round trip.
fn golden_table() -> String {
    const SECONDS: u64 = 36;
    let mut table = String::from(
        "10 Mbit/s, a queue of 200 ms, 30 s, the first 6 s apart: goodput of a bulk flow in Mbit/s; p99 of the one-way delay of a\n\
         reliable stream of 60 messages/s of 100 bytes in ms, by itself and beside the bulk flow on the same connection.\n\
         TME_WRITE_GOLDEN=1 cargo test -p tme-sim --test congestion golden\n\n\
         \x20 RTT   loss   goodput   stream p99   beside bulk\n",
    );
    for rtt in [10, 50, 150, 300] {
        for loss in [0.0, 0.01, 0.05, 0.1, 0.2] {
            let run = |bulk| {
                let flow = FlowPlan::engine(ms(rtt), bulk, Some(Stream::GAME)).with_loss(loss);
                run(&config(1, ms(200), vec![flow]), secs(SECONDS))
            };
            let (alone, beside) = (run(None), run(Some(Bulk::ENDLESS)));
            let p99 =
                |report: &Report| millis(report.flows[0].latency(GOLDEN_FROM, secs(SECONDS)).quantile(0.99));
            let goodput = mbit(beside.flows[0].goodput(GOLDEN_FROM, secs(SECONDS)));
            let (alone, beside) = (p99(&alone), p99(&beside));
            let loss = loss * 100.0;
            writeln!(table, "{rtt:5} {loss:4.0} % {goodput:9.2} {alone:12.1} {beside:13.1}")
                .expect("a string grows");
        }
    }
    table
}

#[test]
fn larger_datagrams_do_not_delay_a_stream_beside_a_bulk_transfer() {
    const SEEDS: u64 = 11;
    const SECONDS: u64 = 36;
    println!("the golden table's 50 ms and 5 % loss, stream beside bulk, {SEEDS} seeds; p99 in ms");
    println!(" datagrams up to   median   least    most   goodput Mbit/s");
    let [small, large] = [1_200, 1_452].map(|datagram_bytes_max| {
        let (mut p99, mut goodput) = (Vec::new(), 0.0);
        for seed in 1..=SEEDS {
            let flow = FlowPlan::engine(ms(50), Some(Bulk::ENDLESS), Some(Stream::GAME)).with_loss(0.05);
            let mut config = config(seed, ms(200), vec![flow]);
            config.connection.datagram_bytes_max = datagram_bytes_max;
            let report = run(&config, secs(SECONDS));
            p99.push(report.flows[0].latency(GOLDEN_FROM, secs(SECONDS)).quantile(0.99));
            goodput += mbit(report.flows[0].goodput(GOLDEN_FROM, secs(SECONDS))) / SEEDS as f64;
        }
        p99.sort_unstable();
        let [median, least, most] = [p99[p99.len() / 2], p99[0], p99[p99.len() - 1]].map(millis);
        println!("{datagram_bytes_max:16} {median:8.1} {least:7.1} {most:7.1} {goodput:16.2}");
        median
    });
    assert!(large <= small + 5.0, "{small:.1} and {large:.1} ms");
}

#[test]
fn the_golden_table_has_not_changed() {
    let table = golden_table();
    println!("{table}");
    if std::env::var_os("TME_WRITE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(GOLDEN, &table).expect("the golden table can be written");
        return;
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("the golden table is there");
    assert_eq!(golden, table, "look at what changed, then write it again with TME_WRITE_GOLDEN=1");
}
