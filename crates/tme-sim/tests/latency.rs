//! What a game feels: 60 messages a second of 100 bytes, reliable and ordered, over 25 ± 5 ms each way.

use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelMode, Redundancy};
use tme_core::connection::Side;
use tme_core::link::{Jitter, LinkConditions};
use tme_sim::config::{ClientPlan, Flow, WorldConfig, both_ways, five_channels_with};
use tme_sim::{LatencySamples, WorldOptions, run_config};

const SEEDS: u64 = 10;
const SECONDS: u64 = 30;
const ORDERED: ChannelId = ChannelId(ChannelMode::ReliableOrdered as u8);

struct Row {
    latency: LatencySamples,
    wire_bytes: u64,
    message_bytes: u64,
}

fn measure(loss: f64, redundancy: Redundancy) -> Row {
    let conditions = LinkConditions {
        loss,
        delay: Duration::from_millis(25),
        jitter: Jitter::Uniform { half_width: Duration::from_millis(5) },
        jitter_reorders: true,
        ..LinkConditions::default()
    };
    let mut row = Row { latency: LatencySamples::default(), wire_bytes: 0, message_bytes: 0 };
    for seed in 0..SEEDS {
        let config = WorldConfig {
            channels: five_channels_with(redundancy),
            clients: vec![ClientPlan::plain(both_ways(conditions))],
            flows: vec![Flow::steady(0, Side::Client, ORDERED, Duration::from_micros(16_667), 100)],
            faulty_time: Duration::from_secs(SECONDS),
            ..WorldConfig::quiet(seed)
        };
        let report =
            run_config(config, WorldOptions::default()).unwrap_or_else(|failure| panic!("{failure}"));
        row.latency.merge(&report.ordered_latency);
        row.wire_bytes += report.faulty_packet_bytes;
        row.message_bytes += report.faulty_message_bytes;
    }
    row
}

/// Loss, redundancy, most milliseconds of delay for 99 of 100 messages, most wire bytes per payload byte.
const BOUNDS: [(f64, Redundancy, f64, f64); 8] = [
    (0.0, Redundancy::Auto, 31.0, 1.60),
    (0.01, Redundancy::Auto, 60.0, 2.60),
    (0.05, Redundancy::Auto, 60.0, 2.60),
    (0.20, Redundancy::Auto, 95.0, 4.50),
    (0.0, Redundancy::Off, 31.0, 1.60),
    (0.01, Redundancy::Off, 125.0, 1.60),
    (0.05, Redundancy::Off, 125.0, 1.60),
    (0.20, Redundancy::Off, 400.0, 2.00),
];

#[test]
fn a_steady_stream_stays_timely_under_loss() {
    println!("60 × 100 bytes/s, reliable-ordered, 25 ± 5 ms each way, {SEEDS} × {SECONDS} s");
    println!("copies   loss      p50      p95      p99      max   wire bytes per payload byte");
    for (loss, redundancy, p99_max, overhead_max) in BOUNDS {
        let row = measure(loss, redundancy);
        let millis = |share| row.latency.quantile(share).as_secs_f64() * 1_000.0;
        let overhead = row.wire_bytes as f64 / row.message_bytes as f64;
        println!(
            "{:6} {:4.0} % {:8.1} {:8.1} {:8.1} {:8.1}   {overhead:.3}",
            format!("{redundancy:?}"),
            loss * 100.0,
            millis(0.5),
            millis(0.95),
            millis(0.99),
            millis(1.0)
        );
        assert!(row.latency.count() as u64 > SEEDS * (SECONDS - 2) * 60, "the stream ran");
        let who = format!("{redundancy:?} at {} % loss", loss * 100.0);
        assert!(millis(0.99) <= p99_max, "{who}: p99 of {:.1} ms exceeds {p99_max} ms", millis(0.99));
        assert!(overhead <= overhead_max, "{who}: {overhead:.3} wire bytes per byte exceed {overhead_max}");
    }
}
