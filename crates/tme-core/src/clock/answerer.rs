//! Answering requests for the time, not more often than an honest peer asks.

use super::ClockStatistics;
use crate::time::{Duration, Instant};

/// Answers per second that a peer gets in the long run; an honest one asks ten times.
const ANSWERS_PER_SECOND: u64 = 20;
/// Answers that a peer gets at once after a pause.
const ANSWERS_BURST: u64 = 8;
/// What one answer costs, and the most that can be saved up, in microseconds.
const COST: u64 = 1_000_000 / ANSWERS_PER_SECOND;
const CREDIT_MAX: u64 = COST * ANSWERS_BURST;

/// Remembers the newest request until it is answered. A newer one takes its place: an answer says the more the less it
/// has waited, and a peer that asks a hundred times in a packet gets one answer.
#[derive(Clone, Debug, Default)]
pub struct ClockAnswerer {
    waiting: Option<Request>,
    /// An answer can be paid for as long as this lies at most [`CREDIT_MAX`] − [`COST`] ahead of now.
    paid_until: Instant,
    answered: u64,
    refused: u64,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    client_time: u64,
    received_at: Instant,
}

impl ClockAnswerer {
    /// A request came in. `arrived_at` is when it reached this machine, as far as that is known.
    pub fn handle_request(&mut self, arrived_at: Instant, client_time: u64) {
        let request = Request { client_time, received_at: arrived_at };
        if self.waiting.is_some() {
            self.refused += 1;
        } else {
            let paid_until = self.paid_until.max(arrived_at) + Duration::from_micros(COST);
            if paid_until > arrived_at + Duration::from_micros(CREDIT_MAX) {
                self.refused += 1;
                return;
            }
            self.paid_until = paid_until;
        }
        self.waiting = Some(request);
    }

    /// Whether an answer waits to leave.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Takes the answer that leaves at `now`: the request's own time, and when it was received, in microseconds.
    pub fn poll_answer(&mut self, now: Instant) -> Option<(u64, u64)> {
        let Request { client_time, received_at } = self.waiting.take()?;
        self.answered += 1;
        Some((client_time, received_at.min(now).as_micros()))
    }

    /// Adds what was counted.
    pub const fn add_to(&self, statistics: &mut ClockStatistics) {
        statistics.answered = self.answered;
        statistics.refused = self.refused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn the_newest_request_of_many_is_answered_once() {
        let mut answerer = ClockAnswerer::default();
        for client_time in 0..100 {
            answerer.handle_request(at(client_time), client_time);
        }
        assert_eq!(answerer.poll_answer(at(120)), Some((99, 99_000)));
        assert_eq!(answerer.poll_answer(at(120)), None);
        assert_eq!((answerer.answered, answerer.refused), (1, 99));
    }

    #[test]
    fn nobody_gets_more_than_twenty_answers_a_second() {
        let mut answerer = ClockAnswerer::default();
        let answered = (0..10_000u64).filter(|&millis| {
            answerer.handle_request(at(millis), millis);
            answerer.poll_answer(at(millis)).is_some()
        });
        let answered = answered.count() as u64;
        assert!((200..=200 + ANSWERS_BURST).contains(&answered), "{answered} answers in 10 s");
    }

    #[test]
    fn ten_requests_a_second_are_all_answered_even_if_they_come_in_clumps_of_five() {
        let mut answerer = ClockAnswerer::default();
        for clump in 0..100 {
            for request in 0..5 {
                answerer.handle_request(at(clump * 500 + request), request);
                assert!(answerer.poll_answer(at(clump * 500 + request)).is_some(), "{clump}, {request}");
            }
        }
    }
}
