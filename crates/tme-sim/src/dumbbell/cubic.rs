//! A TCP sender and receiver as far as a rival at a bottleneck needs them: slow start and CUBIC (RFC 9438), selective
//! acknowledgements, delayed acknowledgements, losses found by the order of transmission (as RFC 8985 does), and a
//! retransmission time-out (RFC 6298). It always has something to send.

use std::collections::VecDeque;

use tme_core::time::{Duration, Instant};

/// What travels with a datagram of TCP: a segment downward, an acknowledgement upward.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    /// Number of the segment; upward that of the one that provoked the acknowledgement.
    number: u64,
    /// Upward: every segment below this has arrived.
    arrived_below: u64,
}

const WINDOW_INITIAL: f64 = 10.0;
const WINDOW_MIN: f64 = 2.0;
/// Multiplicative decrease and aggressiveness (RFC 9438, sections 4.6 and 5).
const BETA: f64 = 0.7;
const C: f64 = 0.4;
const REORDERING: u64 = 3;
const DELAYED_ACK: Duration = Duration::from_millis(40);
const TIMEOUT_MIN: Duration = Duration::from_millis(200);
const TIMEOUT_INITIAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct InFlight {
    transmission: u64,
    sent_at: Instant,
    is_acked: bool,
    is_lost: bool,
    was_repeated: bool,
}

/// Both ends of the connection.
#[derive(Debug)]
pub(super) struct Tcp {
    starts_at: Instant,
    // Sender.
    /// From `first` on.
    segments: VecDeque<InFlight>,
    first: u64,
    transmissions: u64,
    /// Newest transmission that was acknowledged.
    newest_acked: Option<u64>,
    in_flight: u64,
    window: f64,
    threshold: f64,
    /// Losses of segments below this belong to a reduction already made.
    recovery_below: u64,
    window_max: f64,
    /// Where the window would be by Reno's rules.
    window_reno: f64,
    epoch: Option<Epoch>,
    smoothed: Option<Duration>,
    variation: Duration,
    timeout_at: Option<Instant>,
    backoff: u32,
    // Receiver.
    received_below: u64,
    received: Vec<u64>,
    waiting: Option<(Segment, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// Seconds until the window is back where it was.
    k: f64,
    origin: f64,
}

impl Tcp {
    /// What a full segment is beside 28 bytes of IP and UDP: 1,500 bytes of IP in all.
    pub(super) const DATAGRAM_BYTES: usize = 1_472;
    pub(super) const ACK_BYTES: usize = 24;

    pub(super) fn new(starts_at: Instant) -> Self {
        Self {
            starts_at,
            segments: VecDeque::new(),
            first: 0,
            transmissions: 0,
            newest_acked: None,
            in_flight: 0,
            window: WINDOW_INITIAL,
            threshold: f64::INFINITY,
            recovery_below: 0,
            window_max: 0.0,
            window_reno: 0.0,
            epoch: None,
            smoothed: None,
            variation: Duration::ZERO,
            timeout_at: None,
            backoff: 0,
            received_below: 0,
            received: Vec::new(),
            waiting: None,
        }
    }

    // ---- receiver ----

    /// Takes a segment in; in order every second one is acknowledged, others at once (RFC 5681, section 4.2).
    pub(super) fn handle_segment(&mut self, now: Instant, segment: Segment) -> Option<Segment> {
        let is_in_order = segment.number == self.received_below && self.received.is_empty();
        if segment.number >= self.received_below && !self.received.contains(&segment.number) {
            self.received.push(segment.number);
        }
        while let Some(index) = self.received.iter().position(|&number| number == self.received_below) {
            self.received.swap_remove(index);
            self.received_below += 1;
        }
        let ack = Segment { arrived_below: self.received_below, ..segment };
        if is_in_order && self.waiting.is_none() {
            self.waiting = Some((ack, now + DELAYED_ACK));
            return None;
        }
        self.waiting = None;
        Some(ack)
    }

    pub(super) fn poll_delayed_ack(&mut self, now: Instant) -> Option<Segment> {
        self.waiting.take_if(|(_, at)| *at <= now).map(|(ack, _)| ack)
    }

    // ---- sender ----

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let start = (self.transmissions == 0).then_some(self.starts_at);
        let ack = self.waiting.map(|(_, at)| at);
        [start, ack, self.timeout_at].into_iter().flatten().min()
    }

    /// The next segment, if the window has room.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Segment> {
        if now < self.starts_at {
            return None;
        }
        if self.timeout_at.is_some_and(|at| at <= now) {
            self.handle_timeout(now);
        }
        if self.in_flight as f64 + 1.0 > self.window {
            return None;
        }
        let index = self.segments.iter().position(|segment| segment.is_lost).unwrap_or(self.segments.len());
        let sent = InFlight {
            transmission: self.transmissions,
            sent_at: now,
            is_acked: false,
            is_lost: false,
            was_repeated: index < self.segments.len(),
        };
        match self.segments.get_mut(index) {
            Some(place) => *place = sent,
            None => self.segments.push_back(sent),
        }
        self.transmissions += 1;
        self.in_flight += 1;
        self.timeout_at.get_or_insert(now + self.timeout());
        let number = self.first + index as u64;
        Some(Segment { number, arrived_below: 0 })
    }

    pub(super) fn handle_ack(&mut self, now: Instant, ack: Segment) {
        let mut acked = 0;
        let below = ack.arrived_below.saturating_sub(self.first) as usize;
        let own = ack.number.checked_sub(self.first).map(|index| index as usize);
        for index in (0..below.min(self.segments.len())).chain(own.filter(|&index| index >= below)) {
            let Some(segment) = self.segments.get_mut(index) else { continue };
            if std::mem::replace(&mut segment.is_acked, true) {
                continue;
            }
            acked += 1;
            self.in_flight -= u64::from(!std::mem::take(&mut segment.is_lost));
            self.newest_acked = self.newest_acked.max(Some(segment.transmission));
            if Some(index) == own && !segment.was_repeated {
                let sample = now.saturating_since(segment.sent_at);
                self.handle_rtt(sample);
            }
        }
        while self.segments.front().is_some_and(|segment| segment.is_acked) {
            self.segments.pop_front();
            self.first += 1;
        }
        if acked == 0 {
            return;
        }
        self.backoff = 0;
        self.timeout_at = (self.in_flight > 0).then(|| now + self.timeout());
        self.detect_losses();
        if self.first >= self.recovery_below {
            self.grow(now, f64::from(acked));
        }
    }

    fn handle_rtt(&mut self, sample: Duration) {
        match self.smoothed {
            None => (self.smoothed, self.variation) = (Some(sample), sample / 2),
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
        }
    }

    fn timeout(&self) -> Duration {
        let timeout = self.smoothed.map_or(TIMEOUT_INITIAL, |smoothed| smoothed + self.variation * 4);
        timeout.max(TIMEOUT_MIN) * 2u32.pow(self.backoff.min(6))
    }

    fn detect_losses(&mut self) {
        let Some(newest) = self.newest_acked else { return };
        let mut is_new_loss = false;
        for (number, segment) in (self.first..).zip(&mut self.segments) {
            if !segment.is_acked && !segment.is_lost && segment.transmission + REORDERING <= newest {
                segment.is_lost = true;
                self.in_flight -= 1;
                is_new_loss |= number >= self.recovery_below;
            }
        }
        if is_new_loss {
            self.recovery_below = self.first + self.segments.len() as u64;
            self.reduce();
            self.window = self.threshold;
        }
    }

    fn reduce(&mut self) {
        // Fast convergence: who has lost ground already leaves more of it to newcomers (RFC 9438, section 4.7).
        let is_shrinking = self.window < self.window_max;
        self.window_max = if is_shrinking { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * BETA).max(WINDOW_MIN);
        self.epoch = None;
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.reduce();
        self.window = 1.0;
        self.backoff += 1;
        self.recovery_below = self.first + self.segments.len() as u64;
        for segment in self.segments.iter_mut().filter(|segment| !segment.is_acked) {
            segment.is_lost = true;
        }
        self.in_flight = 0;
        self.timeout_at = Some(now + self.timeout());
    }

    fn grow(&mut self, now: Instant, acked: f64) {
        if self.window < self.threshold {
            self.window += acked;
            return;
        }
        let (window, window_max) = (self.window, self.window_max);
        let window_reno = &mut self.window_reno;
        let epoch = *self.epoch.get_or_insert_with(|| {
            *window_reno = window;
            let origin = window_max.max(window);
            Epoch { start: now, k: cube_root((origin - window) / C), origin }
        });
        let rtt = self.smoothed.unwrap_or_default();
        let t = (now.saturating_since(epoch.start) + rtt).as_secs_f64() - epoch.k;
        let target = (C * t * t * t + epoch.origin).clamp(window, window * 1.5);
        // Above the former maximum Reno's growth is 1 per window, below it 3(1 - β)/(1 + β).
        let alpha = if self.window_reno < self.window_max { 3.0 * (1.0 - BETA) / (1.0 + BETA) } else { 1.0 };
        self.window_reno += alpha * acked / self.window;
        self.window += (target - window) / window * acked;
        self.window = self.window.max(self.window_reno);
    }
}

/// By Newton's method: the same on every platform.
fn cube_root(number: f64) -> f64 {
    let mut root = number.max(1.0);
    for _ in 0..64 {
        root -= (root * root * root - number) / (3.0 * root * root);
    }
    if number > 0.0 { root } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cube_root_is_one() {
        for number in [0.001, 1.0, 2.0, 27.0, 1e6] {
            let root = cube_root(number);
            assert!((root * root * root / number - 1.0).abs() < 1e-9, "{number}: {root}");
        }
        assert_eq!(cube_root(0.0), 0.0);
    }
}
