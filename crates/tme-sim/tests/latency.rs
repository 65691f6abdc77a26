//! What a game feels: 60 messages a second of 100 bytes, reliable and ordered, over 25 ± 5 ms each way.

use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelMode};
use tme_core::connection::Side;
use tme_core::link::{Jitter, LinkConditions};
use tme_sim::config::{ClientPlan, Flow, WorldConfig, both_ways};
use tme_sim::{LatencySamples, WorldOptions, run_config};

const SEEDS: u64 = 10;
const SECONDS: u64 = 30;
const ORDERED: ChannelId = ChannelId(ChannelMode::ReliableOrdered as u8);

struct Row {
    latency: LatencySamples,
    wire_bytes: u64,
    message_bytes: u64,
}

fn measure(loss: f64) -> Row {
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

#[test]
fn a_steady_stream_stays_timely_under_loss() {
    println!("60 × 100 bytes/s, reliable-ordered, 25 ± 5 ms each way, {SEEDS} × {SECONDS} s");
    println!("  loss      p50      p95      p99      max   wire bytes per payload byte");
    for loss in [0.0, 0.01, 0.05, 0.2] {
        let row = measure(loss);
        let millis = |share| row.latency.quantile(share).as_secs_f64() * 1_000.0;
        let overhead = row.wire_bytes as f64 / row.message_bytes as f64;
        println!(
            "{:5.0} % {:8.1} {:8.1} {:8.1} {:8.1}   {overhead:.3}",
            loss * 100.0,
            millis(0.5),
            millis(0.95),
            millis(0.99),
            millis(1.0)
        );
        assert!(row.latency.count() as u64 > SEEDS * (SECONDS - 2) * 60, "the stream ran");
        if loss == 0.05 {
            assert!(millis(0.99) <= 125.0, "p99 of {:.1} ms at 5 % loss exceeds 125 ms", millis(0.99));
        }
    }
}
