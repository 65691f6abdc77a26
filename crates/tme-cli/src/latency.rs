//! Latencies in microseconds, as a histogram of constant size.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Longest latency told apart from longer ones: 60 s.
const MICROS_MAX: u64 = 60_000_000;
/// Three significant digits: 0.1 %.
const DIGITS: u8 = 3;

/// A histogram of latencies.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    histogram: Histogram<u64>,
}

impl Default for Latency {
    fn default() -> Self {
        // The bounds are constants within what the histogram documents: 1 ≤ low, 2 · low ≤ high, 0–5 digits.
        let histogram = Histogram::new_with_bounds(1, MICROS_MAX, DIGITS)
            .unwrap_or_else(|_| unreachable!("constant bounds of a histogram are valid"));
        Self { histogram }
    }
}

impl Latency {
    pub fn add_micros(&mut self, micros: u64) {
        self.histogram.saturating_record(micros.clamp(1, MICROS_MAX));
    }

    pub fn add(&mut self, latency: Duration) {
        self.add_micros(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so everything fits.
        let _ = self.histogram.add(&other.histogram);
    }

    pub fn clear(&mut self) {
        self.histogram.reset();
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that this share (0.0–1.0) does not exceed; zero if nothing was recorded.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.histogram.value_at_quantile(share))
    }

    pub fn max(&self) -> Duration {
        Duration::from_micros(self.histogram.max())
    }

    pub fn to_json(&self) -> Value {
        let micros = |share: f64| self.histogram.value_at_quantile(share);
        json!({
            "count": self.count(),
            "p50_us": micros(0.5),
            "p90_us": micros(0.9),
            "p99_us": micros(0.99),
            "p999_us": micros(0.999),
            "max_us": self.histogram.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_a_thousandth() {
        let mut latency = Latency::default();
        (1..=10_000).for_each(|micros| latency.add_micros(micros));
        let near = |share: f64, micros: f64| {
            let found = latency.quantile(share).as_micros() as f64;
            assert!((found / micros - 1.0).abs() < 0.002, "{share}: {found}");
        };
        near(0.5, 5_000.0);
        near(0.99, 9_900.0);
        near(1.0, 10_000.0);
    }

    #[test]
    fn what_is_out_of_range_is_recorded_at_the_end() {
        let mut latency = Latency::default();
        latency.add(Duration::from_secs(3_600));
        latency.add(Duration::ZERO);
        assert_eq!(latency.count(), 2);
        assert!(latency.max() <= Duration::from_secs(61));
    }
}
