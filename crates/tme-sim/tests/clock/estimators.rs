//! Ways to estimate an offset from the same exchanges, side by side.

use std::time::Duration;

use tme_core::clock::{ClockEstimator, Exchange};
use tme_core::random::SeededRandom;
use tme_core::time::Instant;

const SEEDS: u64 = if cfg!(debug_assertions) { 20 } else { 200 };
/// By how much the server's clock is ahead when the first request leaves.
const AHEAD: i64 = 123_456_789;

/// How long one datagram takes, in microseconds.
type Delay = fn(&mut SeededRandom) -> f64;

const DELAYS: [(&str, Delay); 5] = [
    ("25 ± 5 ms uniform", |random| 20_000.0 + 10_000.0 * random.unit()),
    ("25 ± 10 ms uniform", |random| 15_000.0 + 20_000.0 * random.unit()),
    ("20 + exp. 5 ms", |random| 20_000.0 - 5_000.0 * (1.0 - random.unit()).ln()),
    ("25 ms, sigma 3 ms", |random| 25_000.0 + 3_000.0 * (gauss(random)).max(-8.0)),
    ("20 ms, 1 of 5 to +50", |random| {
        20_000.0 + if random.chance(0.2) { 50_000.0 } else { 1_000.0 } * random.unit()
    }),
];

fn gauss(random: &mut SeededRandom) -> f64 {
    (-2.0 * (1.0 - random.unit()).ln()).sqrt() * (std::f64::consts::TAU * random.unit()).cos()
}

/// Exchanges as a client makes them, and the true offset at the end.
fn exchanges(random: &mut SeededRandom, delay: Delay, ppm: f64, seconds: u64) -> (Vec<Exchange>, i64) {
    let ahead = |at: f64| AHEAD + (at * ppm / 1e6) as i64;
    let next = |asked: &u64| Some(asked + (asked / 45).clamp(100_000, 1_000_000));
    let requests = std::iter::successors(Some(0), next);
    let exchanges = requests.take_while(|&at| at < seconds * 1_000_000 - 100_000).map(|asked| {
        let there = asked as f64 + delay(random);
        let back = there + delay(random);
        let server = (there as i64 + ahead(there)) as u64;
        let (asked_at, answered_at) = (Instant::from_micros(asked), Instant::from_micros(back as u64));
        Exchange { asked_at, received: server, sent: server, answered_at }
    });
    let exchanges = exchanges.collect();
    (exchanges, ahead(seconds as f64 * 1e6))
}

/// Upper and lower bound of the offset.
fn bounds(exchange: &Exchange) -> (f64, f64) {
    let upper = exchange.received as f64 - exchange.asked_at.as_micros() as f64;
    (upper, exchange.sent as f64 - exchange.answered_at.as_micros() as f64)
}

fn middle(exchange: &Exchange) -> f64 {
    let (upper, lower) = bounds(exchange);
    (upper + lower) / 2.0
}

fn delay_of(exchange: &Exchange) -> f64 {
    let (upper, lower) = bounds(exchange);
    upper - lower
}

fn fastest(exchanges: &[Exchange]) -> f64 {
    middle(exchanges.iter().min_by(|a, b| delay_of(a).total_cmp(&delay_of(b))).unwrap())
}

/// The fastest of the last eight (RFC 5905, section 10).
fn clock_filter(exchanges: &[Exchange]) -> f64 {
    fastest(&exchanges[exchanges.len().saturating_sub(8)..])
}

/// A line through the faster half of the last 64, by least squares, at the end.
fn regression(exchanges: &[Exchange]) -> f64 {
    let mut chosen: Vec<&Exchange> = exchanges.iter().rev().take(64).collect();
    let end = chosen[0].answered_at.as_micros() as f64;
    chosen.sort_by(|a, b| delay_of(a).total_cmp(&delay_of(b)));
    chosen.truncate(chosen.len().div_ceil(2));
    let points: Vec<(f64, f64)> = chosen
        .iter()
        .map(|exchange| (exchange.answered_at.as_micros() as f64 - end, middle(exchange)))
        .collect();
    let count = points.len() as f64;
    let (mean_x, mean_y) =
        points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let slope = points.iter().map(|point| (point.0 - mean_x) * (point.1 - mean_y)).sum::<f64>()
        / points.iter().map(|point| (point.0 - mean_x).powi(2)).sum::<f64>();
    mean_y - slope * mean_x
}

fn mean(exchanges: &[Exchange]) -> f64 {
    let newest = exchanges.iter().rev().take(64);
    newest.clone().map(middle).sum::<f64>() / newest.count() as f64
}

/// The intersection of all intervals, whatever the drift.
fn intersection(exchanges: &[Exchange]) -> f64 {
    let newest = exchanges.iter().rev().take(64).map(bounds);
    let (upper, lower) =
        newest.fold((f64::MAX, f64::MIN), |(u, l), (upper, lower)| (u.min(upper), l.max(lower)));
    (upper + lower) / 2.0
}

fn ours(exchanges: &[Exchange], now: Instant) -> (f64, Duration) {
    let mut estimator = ClockEstimator::default();
    for exchange in exchanges {
        estimator.handle_exchange(exchange);
    }
    let estimate = estimator.estimate(now).unwrap();
    (estimate.offset as f64, estimate.error_likely)
}

fn p99(mut errors: Vec<f64>) -> f64 {
    errors.sort_by(f64::total_cmp);
    errors[errors.len() * 99 / 100] / 1_000.0
}

#[test]
fn the_corridor_beats_other_estimates() {
    println!(
        "p99 of the error in ms, {SEEDS} seeds; 10 Hz for 4.5 s, then more seldom, down to 1 Hz after 45 s"
    );
    println!(
        "{:21} {:>5} {:>5}  filter  fastest    mean  regress  intersect  corridor  (likely: covers)",
        "delay", "ppm", "s"
    );
    for (name, delay) in DELAYS {
        for (ppm, seconds) in [
            (0.0, 3),
            (100.0, 3),
            (500.0, 3),
            (0.0, 10),
            (100.0, 10),
            (500.0, 10),
            (0.0, 60),
            (100.0, 60),
            (-500.0, 60),
            (50.0, 300),
            (-500.0, 300),
        ] {
            let mut errors: [Vec<f64>; 6] = Default::default();
            let mut covered = 0;
            for seed in 0..SEEDS {
                let (exchanges, truth) = exchanges(&mut SeededRandom::new(seed), delay, ppm, seconds);
                let (corridor, likely) = ours(&exchanges, Instant::from_micros(seconds * 1_000_000));
                let error_of = |offset: f64| (offset - truth as f64).abs();
                covered += usize::from(error_of(corridor) <= likely.as_micros() as f64);
                let newest = &exchanges[exchanges.len().saturating_sub(64)..];
                let estimates = [
                    clock_filter(&exchanges),
                    fastest(newest),
                    mean(&exchanges),
                    regression(&exchanges),
                    intersection(&exchanges),
                    corridor,
                ];
                errors
                    .iter_mut()
                    .zip(estimates)
                    .for_each(|(errors, estimate)| errors.push(error_of(estimate)));
            }
            let [filter, fastest, mean, regress, intersect, corridor] = errors.map(p99);
            let covers = covered * 100 / SEEDS as usize;
            println!(
                "{name:21} {ppm:5} {seconds:5} {filter:7.2} {fastest:8.2} {mean:7.2} {regress:8.2} {intersect:10.2} {corridor:9.2}  ({covers} %)"
            );
        }
    }
}
