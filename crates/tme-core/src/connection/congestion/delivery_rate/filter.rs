//! The largest of the newest samples.

use std::time::Duration;

use crate::time::Instant;

/// A span has at least so many rounds.
const SPAN_ROUNDS: u64 = 6;
/// It is never shorter: on a local link a round takes microseconds.
const SPAN_TIME: Duration = Duration::from_millis(250);

/// Keeps the maximum over two successive spans, the present one and the one before it: samples count for one to two spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxFilter {
    previous: u64,
    present: u64,
    started_round: u64,
    started_at: Instant,
}

impl MaxFilter {
    pub(super) const fn new() -> Self {
        Self { previous: 0, present: 0, started_round: 0, started_at: Instant::ZERO }
    }

    /// The largest sample.
    pub(super) fn max(&self) -> u64 {
        self.previous.max(self.present)
    }

    /// Takes a sample that counts whatever it is.
    pub(super) fn add(&mut self, now: Instant, round: u64, sample: u64) {
        let is_over = round.saturating_sub(self.started_round) >= SPAN_ROUNDS
            && now.saturating_since(self.started_at) >= SPAN_TIME;
        if is_over {
            self.previous = self.present;
            self.present = sample;
            self.started_round = round;
            self.started_at = now;
        }
        self.present = self.present.max(sample);
    }

    /// Takes a sample that counts only if it is the largest.
    pub(super) fn raise(&mut self, sample: u64) {
        self.present = self.present.max(sample);
    }

    /// Forgets all samples but this one.
    pub(super) fn reset(&mut self, now: Instant, round: u64, sample: u64) {
        *self = Self { previous: sample, present: sample, started_round: round, started_at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_counts_for_one_to_two_spans_of_rounds_and_time() {
        let at = |millis: u64| Instant::from_micros(millis * 1_000);
        let mut filter = MaxFilter::new();
        filter.add(at(0), 0, 50);
        filter.add(at(1_000), SPAN_ROUNDS - 1, 10);
        assert_eq!(filter.max(), 50, "a round is missing");
        filter.add(at(1_010), SPAN_ROUNDS, 20);
        assert_eq!(filter.max(), 50, "one span");
        filter.add(at(1_259), 500, 5);
        assert_eq!(filter.max(), 50, "time is missing");
        filter.add(at(1_260), 501, 5);
        assert_eq!(filter.max(), 20, "two spans");
        filter.raise(70);
        filter.raise(60);
        assert_eq!(filter.max(), 70);
        filter.reset(at(1_300), 502, 30);
        assert_eq!(filter.max(), 30);
    }
}
