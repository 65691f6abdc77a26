//! What may be sent, as far as the path is known: told to the game, so that it can send what fits.

use std::time::Duration;

use super::Connection;
use crate::channel::{CHANNELS_MAX, ChannelId};
use crate::time::Instant;

/// The lowest cap: a datagram a second, so that a connection always makes progress.
const RATE_MIN: u64 = 1_200;

/// What may be sent to a peer now, and how long messages would wait. An estimate: the path may change its mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendBudget {
    /// Bytes per second, headers of packets included, that the path is believed to carry, or the connection's rate cap if
    /// that is less. Until something has used the path to its limit nobody knows; then it is what may be tried.
    pub bytes_per_second: u64,
    /// Bytes that may be queued now and leave at once.
    pub bytes_now: u64,
    channels: [(ChannelId, Duration); CHANNELS_MAX],
    count: usize,
}

/// What waits on a channel to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The channel.
    pub channel: ChannelId,
    /// Its priority; lower goes first.
    pub priority: u8,
    /// Its share among equals.
    pub weight: u16,
    /// Bytes. `None`: they wait for the other side to take messages, and nobody knows how long.
    pub bytes: Option<u64>,
}

/// What the congestion controller and the pacer allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes per second believed in.
    pub bytes_per_second: u64,
    /// Bytes per second at which packets leave at the moment; 0 while the other side does not answer.
    pub pace: u64,
    /// Bytes that may leave now; negative if too many have.
    pub bytes: i64,
}

impl SendBudget {
    /// The budget under this allowance with so much waiting on the channels.
    #[must_use]
    pub fn new(allowance: Allowance, backlogs: impl Iterator<Item = Backlog> + Clone) -> Self {
        let waiting: u64 = backlogs.clone().filter_map(|backlog| backlog.bytes).sum();
        let now = allowance.bytes.saturating_sub_unsigned(waiting);
        let mut budget = Self {
            bytes_per_second: allowance.bytes_per_second,
            bytes_now: now.max(0).unsigned_abs(),
            channels: [(ChannelId(0), Duration::ZERO); CHANNELS_MAX],
            count: 0,
        };
        for (place, backlog) in budget.channels.iter_mut().zip(backlogs.clone()) {
            let ahead = backlog.bytes.map(|bytes| bytes + ahead_of(&backlog, bytes, backlogs.clone()));
            *place = (backlog.channel, ahead.map_or(Duration::MAX, |ahead| allowance.wait(ahead)));
            budget.count += 1;
        }
        budget
    }

    /// How long a message queued now would wait before its first byte leaves, with regard to priorities and what is
    /// queued. [`Duration::MAX`]: nobody knows, for the other side does not answer, or does not take what was sent
    /// before. `None`: there is no such channel.
    #[must_use]
    pub fn wait(&self, channel: impl Into<ChannelId>) -> Option<Duration> {
        let channel = channel.into();
        self.waits().find(|(id, _)| *id == channel).map(|(_, wait)| wait)
    }

    /// The same for all channels.
    pub fn waits(&self) -> impl Iterator<Item = (ChannelId, Duration)> {
        self.channels.iter().copied().take(self.count)
    }
}

impl Allowance {
    fn wait(&self, ahead: u64) -> Duration {
        let Some(missing) = i128::from(ahead).checked_sub(self.bytes.into()).filter(|&missing| missing > 0)
        else {
            return Duration::ZERO;
        };
        let micros = missing.unsigned_abs() * 1_000_000 / u128::from(self.pace.max(1));
        if self.pace == 0 {
            Duration::MAX
        } else {
            Duration::from_micros(micros.try_into().unwrap_or(u64::MAX))
        }
    }
}

/// Bytes of other channels that go before a message behind `own_bytes` on its own: everything of higher priority, and of
/// equal priority what their weights give them meanwhile.
fn ahead_of(own: &Backlog, own_bytes: u64, rivals: impl Iterator<Item = Backlog>) -> u64 {
    let ahead = rivals.filter(|rival| rival.channel != own.channel).map(|rival| {
        let bytes = rival.bytes.unwrap_or(0);
        match rival.priority.cmp(&own.priority) {
            std::cmp::Ordering::Less => bytes,
            std::cmp::Ordering::Equal => {
                bytes.min(own_bytes.saturating_mul(rival.weight.into()) / u64::from(own.weight.max(1)))
            }
            std::cmp::Ordering::Greater => 0,
        }
    });
    ahead.sum()
}

impl Connection {
    /// What may be sent at `now`, and how long messages would wait.
    #[must_use]
    pub fn send_budget(&self, now: Instant) -> SendBudget {
        let positions = 0..self.table.count();
        SendBudget::new(self.allowance(now), positions.filter_map(|position| self.backlog(position)))
    }

    /// What congestion control and the pacer allow at `now`.
    #[must_use]
    pub fn allowance(&self, now: Instant) -> Allowance {
        let pace = self.pacing_rate();
        let window = self.congestion.window_bytes() as i64 - self.sent.bytes_in_flight() as i64;
        let tokens = self.pacer.available(now, pace, self.mtu.current() as u64);
        Allowance {
            bytes_per_second: self.congestion.estimated_rate(self.rtt.smoothed()).min(self.rate_max()),
            pace: if self.is_probing_only() { 0 } else { pace },
            bytes: if self.is_probing_only() { window.min(tokens).min(-1) } else { window.min(tokens) },
        }
    }

    /// What waits on the channel at this position to be sent.
    #[must_use]
    pub fn backlog(&self, position: usize) -> Option<Backlog> {
        self.channels.backlog(position)
    }

    /// Bytes and messages queued on the channel at this position: waiting, and for reliable channels unacknowledged.
    /// Messages whose receipt is outstanding, or was not taken, are among them.
    #[must_use]
    pub fn queued(&self, position: usize) -> (usize, usize) {
        self.channels.counters(position).map_or((0, 0), |(_, bytes, messages)| (bytes, messages))
    }

    /// Bytes per second that data may leave at: what the path carries, and no more than the application wants.
    pub(super) fn pacing_rate(&self) -> u64 {
        self.congestion.pacing_rate(self.rtt.smoothed()).min(self.rate_max())
    }

    pub(super) fn rate_max(&self) -> u64 {
        self.rate_max.map_or(u64::MAX, |rate| rate.max(RATE_MIN))
    }

    /// Whether the application wants less than the path carries.
    pub(super) fn is_capped(&self) -> bool {
        self.rate_max() < self.congestion.pacing_rate(self.rtt.smoothed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn backlog(channel: u8, priority: u8, weight: u16, bytes: u64) -> Backlog {
        Backlog { channel: ChannelId(channel), priority, weight, bytes: Some(bytes) }
    }

    #[test]
    fn what_goes_before_decides_how_long_a_message_waits() {
        let allowance = Allowance { bytes_per_second: 900_000, pace: 1_000_000, bytes: 1_000 };
        let backlogs = [
            backlog(0, 0, 1, 11_000),
            backlog(1, 1, 1, 10_000),
            backlog(2, 1, 3, 20_000),
            backlog(3, 1, 1, 0),
            backlog(4, 2, 1, 5_000),
            Backlog { bytes: None, ..backlog(5, 0, 1, 0) },
        ];
        let budget = SendBudget::new(allowance, backlogs.into_iter());
        let wait = |channel: u8| budget.wait(channel).unwrap().as_micros();
        assert_eq!((budget.bytes_per_second, budget.bytes_now), (900_000, 0));
        // Itself; channel 0, itself, twice as much of channel 2 as there is; channel 0, itself, a third of channel 1.
        assert_eq!([wait(0), wait(1), wait(2)], [10_000, 40_000, 36_666]);
        assert_eq!([wait(3), wait(4)], [10_000, 45_000]);
        assert_eq!((budget.wait(5), budget.wait(6)), (Some(Duration::MAX), None));
    }

    #[test]
    fn an_empty_queue_may_be_filled_with_what_is_allowed() {
        let allowance = Allowance { bytes_per_second: 0, pace: 0, bytes: 3_000 };
        let budget = SendBudget::new(allowance, [backlog(7, 0, 1, 500)].into_iter());
        assert_eq!((budget.bytes_now, budget.wait(7)), (2_500, Some(Duration::ZERO)));
        let stuck = SendBudget::new(Allowance { bytes: -1, ..allowance }, [backlog(7, 0, 1, 0)].into_iter());
        assert_eq!((stuck.bytes_now, stuck.wait(7)), (0, Some(Duration::MAX)));
    }
}
