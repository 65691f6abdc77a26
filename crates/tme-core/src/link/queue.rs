//! The bottleneck's queue: datagrams leave it one after the other at a fixed rate.

use std::collections::VecDeque;

use super::conditions::Bottleneck;
use crate::time::{Duration, Instant};

/// A queue with one server. Time is exact: fractions of a microsecond are carried from one datagram to the
/// next, so that the rate holds in the long run whatever the sizes are.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Queued>,
    bytes: u64,
    /// How far the server's work has been reckoned.
    served_until: Instant,
    /// Work done by then on the datagram at the front. The unit is what a rate of one byte per second does in a
    /// microsecond: a rate of `n` does `n` units per microsecond, and a byte takes [`WORK_PER_BYTE`] of them.
    work_done: u64,
}

/// A datagram in the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) slot: usize,
    pub(super) number: u64,
    /// Its size with headers.
    pub(super) wire_bytes: u64,
}

const WORK_PER_BYTE: u64 = 1_000_000;

impl Queue {
    /// Bytes waiting, those of the datagram being sent included.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<Queued>()
    }

    /// Whether a datagram of this size may join.
    pub(super) fn has_room(&self, wire_bytes: u64, bottleneck: Option<Bottleneck>) -> bool {
        match bottleneck {
            None => true,
            Some(_) if self.waiting.is_empty() => true,
            Some(bottleneck) => self.bytes + wire_bytes <= bottleneck.queue_bytes,
        }
    }

    pub(super) fn push(&mut self, now: Instant, queued: Queued) {
        if self.waiting.is_empty() {
            self.served_until = self.served_until.max(now);
            self.work_done = 0;
        }
        self.bytes += queued.wire_bytes;
        self.waiting.push_back(queued);
    }

    /// The next datagram that has been sent by `now`, and when its last byte was.
    pub(super) fn pop_sent(
        &mut self,
        now: Instant,
        bottleneck: Option<Bottleneck>,
    ) -> Option<(Queued, Instant)> {
        let front = *self.waiting.front()?;
        let Some(bottleneck) = bottleneck else {
            self.pop_front();
            return Some((front, now));
        };
        let rate = bottleneck.bytes_per_second;
        let micros = self.micros_left(front, rate);
        let elapsed = micros_of(now.saturating_since(self.served_until));
        if elapsed < micros {
            // Less than the work that is left, so it cannot overflow.
            self.work_done += rate * elapsed;
            self.served_until = self.served_until.max(now);
            return None;
        }
        self.work_done = self.work_done + rate * micros - work(front);
        self.served_until += Duration::from_micros(micros);
        self.pop_front();
        Some((front, self.served_until))
    }

    /// When the datagram at the front will have been sent.
    pub(super) fn next_departure(&self, bottleneck: Option<Bottleneck>) -> Option<Instant> {
        let front = *self.waiting.front()?;
        // Without a bottleneck nothing waits here from one call to the next.
        let micros = bottleneck.map_or(0, |bottleneck| self.micros_left(front, bottleneck.bytes_per_second));
        Some(self.served_until + Duration::from_micros(micros))
    }

    fn micros_left(&self, front: Queued, rate: u64) -> u64 {
        work(front).saturating_sub(self.work_done).div_ceil(rate)
    }

    fn pop_front(&mut self) {
        if let Some(front) = self.waiting.pop_front() {
            self.bytes -= front.wire_bytes;
        }
    }
}

/// The work of sending a datagram. Fits with room to spare below 2^40 bytes, far more than memory limits admit.
fn work(queued: Queued) -> u64 {
    queued.wire_bytes * WORK_PER_BYTE
}

fn micros_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUED: Queued = Queued { slot: 0, number: 0, wire_bytes: 100 };

    fn at(bytes_per_second: u64) -> Option<Bottleneck> {
        Some(Bottleneck { bytes_per_second, queue_bytes: u64::MAX })
    }

    #[test]
    fn fractions_of_a_microsecond_add_up() {
        // 100 bytes at 3 MB/s take 33⅓ µs.
        let mut queue = Queue::default();
        (0..6).for_each(|_| queue.push(Instant::ZERO, QUEUED));
        let departures: Vec<u64> =
            std::iter::from_fn(|| queue.pop_sent(Instant::from_micros(1_000), at(3_000_000)))
                .map(|(_, departure)| departure.as_micros())
                .collect();
        assert_eq!(departures, [34, 67, 100, 134, 167, 200]);
    }

    #[test]
    fn looking_often_changes_nothing() {
        let mut queue = Queue::default();
        (0..3).for_each(|_| queue.push(Instant::ZERO, QUEUED));
        let mut departures = Vec::new();
        for now in 0..=110 {
            let expected = queue.next_departure(at(3_000_000));
            if let Some((_, departure)) = queue.pop_sent(Instant::from_micros(now), at(3_000_000)) {
                assert_eq!(Some(departure), expected);
                departures.push((now, departure.as_micros()));
            }
        }
        assert_eq!(departures, [(34, 34), (67, 67), (100, 100)]);
    }

    #[test]
    fn a_new_rate_applies_to_what_is_left_of_a_datagram() {
        let mut queue = Queue::default();
        queue.push(Instant::ZERO, QUEUED);
        assert!(queue.pop_sent(Instant::from_micros(500_000), at(100)).is_none());
        // Half of it is sent; the other 50 bytes take 50 ms at 1,000 bytes/s.
        assert_eq!(queue.next_departure(at(1_000)), Some(Instant::from_micros(550_000)));
    }

    #[test]
    fn a_rate_of_many_datagrams_per_microsecond_is_still_exact() {
        let mut queue = Queue::default();
        (0..2_500).for_each(|_| queue.push(Instant::ZERO, QUEUED));
        let departures: Vec<u64> =
            std::iter::from_fn(|| queue.pop_sent(Instant::from_micros(9), at(125_000_000_000)))
                .map(|(_, departure)| departure.as_micros())
                .collect();
        // 250,000 bytes at 125,000 bytes/µs.
        assert_eq!(
            (departures.len(), departures[1_249], departures[1_250], departures[2_499]),
            (2_500, 1, 2, 2)
        );
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut queue = Queue::default();
        queue.push(Instant::ZERO, Queued { wire_bytes: 1 << 40, ..QUEUED });
        assert!(queue.pop_sent(Instant::from_micros(u64::MAX / 2), at(125_000_000_000)).is_some());
        queue.push(Instant::ZERO, QUEUED);
        assert!(queue.pop_sent(Instant::from_micros(u64::MAX), at(1)).is_some());
        assert_eq!(queue.bytes(), 0);
    }
}
