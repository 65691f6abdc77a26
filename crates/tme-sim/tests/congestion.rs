//! What congestion control is judged by.

use std::time::Duration;

use tme_core::connection::ConnectionConfig;
use tme_sim::dumbbell::{Bulk, Dumbbell, DumbbellConfig, FlowPlan, Stream};

const RATE: u64 = 1_250_000;
const fn ms(n: u64) -> Duration { Duration::from_millis(n) }
const fn secs(n: u64) -> Duration { Duration::from_secs(n) }

fn config(seed: u64, queue: Duration, flows: Vec<FlowPlan>) -> DumbbellConfig {
    DumbbellConfig { seed, bytes_per_second: Some(RATE), queue_bytes: RATE * queue.as_millis() as u64 / 1000, connection: ConnectionConfig::default(), flows }
}

#[test]
fn a_utilisation() {
    for queue in [25, 50, 200, 1000] {
    for loss in [0.0, 0.01] {
        let mut d = Dumbbell::new(&config(1, ms(queue), vec![FlowPlan::bulk(ms(50)).with_loss(loss)]));
        let r = d.run_until(secs(60));
        let (mean, max) = r.queue_time(secs(3), secs(60));
        println!("queue {queue} loss {loss}: util {:.3} (0-3 s: {:.3}) goodput {:.3} MB/s queue mean {mean:.1?} max {max:.1?} drops {:.4}, start-up drops {:.4}",
            r.utilisation(secs(3), secs(60)), r.utilisation(secs(0), secs(3)), r.flows[0].goodput(secs(3), secs(60))/1e6, r.flows[0].drop_share(secs(3), secs(60)), r.flows[0].drop_share(secs(0), secs(3)));
    }}
}

#[test]
fn b_bufferbloat() {
    let mut p99 = vec![];
    for bulk in [None, Some(Bulk::ENDLESS)] {
        let mut d = Dumbbell::new(&config(1, secs(1), vec![FlowPlan::engine(ms(50), bulk, Some(Stream::GAME))]));
        let r = d.run_until(secs(60));
        let l = r.flows[0].latency(secs(3), secs(60));
        let s = r.flows[0].latency(secs(0), secs(3));
        println!("bulk {}: p50 {:.1?} p99 {:.1?} max {:.1?}; start-up p99 {:.1?} max {:.1?}; util {:.3}", bulk.is_some(), l.quantile(0.5), l.quantile(0.99), l.quantile(1.0), s.quantile(0.99), s.quantile(1.0), r.utilisation(secs(3), secs(60)));
        p99.push(l.quantile(0.99));
    }
}

#[test]
fn c_fairness() {
    for queue in [25, 50, 100, 200] {
        for (a, b) in [(50, 50)] {
        for seed in 0..12 {
            let mut d = Dumbbell::new(&config(seed, ms(queue), vec![FlowPlan::bulk(ms(a)), FlowPlan::bulk(ms(b)).starting_at(ms(10_000 + seed * 137))]));
            let r = d.run_until(secs(40));
            let (mean, max) = r.queue_time(secs(10), secs(40));
            println!("queue {queue} rtt {a}/{b} seed {seed}: first {:.3} (10-15 {:.2}, 15-20 {:.2}, 20-30 {:.2}, 30-40 {:.2}) util {:.3} queue {mean:.1?} {max:.1?} drops {:.4}", r.share(0, secs(10), secs(40)),
            r.share(0, secs(10), secs(15)), r.share(0, secs(15), secs(20)), r.share(0, secs(20), secs(30)), r.share(0, secs(30), secs(40)), r.utilisation(secs(10), secs(40)), r.flows[0].drop_share(secs(10), secs(40)));
        }}
    }
}

#[test]
fn d_cubic() {
    for queue in [25, 50, 200, 1000] {
        let mut d = Dumbbell::new(&config(1, ms(queue), vec![FlowPlan::tcp(ms(50))]));
        let r = d.run_until(secs(60));
        let (mean, max) = r.queue_time(secs(3), secs(60));
        println!("queue {queue} cubic alone util {:.3} queue {mean:.1?} {max:.1?}", r.utilisation(secs(3), secs(60)));
        for (a, b) in [(0, 0), (0, 10), (10, 0)] {
            let mut d = Dumbbell::new(&config(1, ms(queue), vec![FlowPlan::bulk(ms(50)).starting_at(secs(a)), FlowPlan::tcp(ms(50)).starting_at(secs(b))]));
            let r = d.run_until(secs(70));
            let (mean, max) = r.queue_time(secs(10), secs(70));
            println!("queue {queue} starts {a}/{b}: ours {:.3} (10-20 {:.2} 20-40 {:.2} 40-70 {:.2}) util {:.3} queue {mean:.1?} {max:.1?}", r.share(0, secs(10), secs(70)), r.share(0, secs(10), secs(20)), r.share(0, secs(20), secs(40)), r.share(0, secs(40), secs(70)), r.utilisation(secs(10), secs(70)));
        }
    }
}

#[test]
fn e_w4_bulk() {
    for seed in 0..10 {
        let bulk = Bulk { message_bytes: 16 << 10, messages: Some(320), after: secs(1) };
        let mut c = config(seed, ms(50), vec![FlowPlan::engine(ms(50), Some(bulk), None).with_loss(0.01)]);
        c.bytes_per_second = None;
        let mut d = Dumbbell::new(&c);
        let r = d.run_while(secs(30), |d| d.report().flows[0].bulk_bytes < 5 << 20);
        println!("{:.3?}", r.flows[0].bulk_at - secs(1));
    }
}

#[test]
fn g_golden() {
    for rtt in [10, 50, 150, 300] {
        for loss in [0.0, 0.01, 0.05, 0.1, 0.2] {
            let flow = |bulk, stream| vec![FlowPlan::engine(ms(rtt), bulk, stream).with_loss(loss)];
            let mut d = Dumbbell::new(&config(1, ms(200), flow(Some(Bulk::ENDLESS), None)));
            let r = d.run_until(secs(30));
            let (mean, max) = r.queue_time(secs(3), secs(30));
            let mut d2 = Dumbbell::new(&config(1, ms(200), flow(None, Some(Stream::GAME))));
            let r2 = d2.run_until(secs(30));
            let l = r2.flows[0].latency(secs(3), secs(30));
            println!("rtt {rtt} loss {loss}: util {:.3} goodput {:.3} queue {mean:.1?} {max:.1?} stream p50 {:.1?} p99 {:.1?}", r.utilisation(secs(3), secs(30)), r.flows[0].goodput(secs(3), secs(30))/1e6, l.quantile(0.5), l.quantile(0.99));
        }
    }
}

#[test]
#[ignore]
fn trace_e() {
    let bulk = Bulk { message_bytes: 16 << 10, messages: Some(320), after: secs(1) };
    let mut c = config(3, ms(50), vec![FlowPlan::engine(ms(50), Some(bulk), None).with_loss(0.01)]);
    c.bytes_per_second = None;
    let mut d = Dumbbell::new(&c);
    for t in 0..70 {
        d.run_until(ms(990 + 10*t));
        let s = d.connection(0).unwrap().statistics(std::mem::take(&mut tme_core::time::Instant::from_micros(1_990_000 + 10_000*t)));
        println!("{:4} ms: sent {:8} window {:8} rate {:8} in flight {:8} queued {:8} got {:8} {:?}", 10*t, s.bytes_sent, s.congestion_window, s.pacing_rate, s.bytes_in_flight, s.queued_bytes, d.report().flows[0].bulk_bytes, s.rtt_smoothed);
    }
}


