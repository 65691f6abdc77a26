//! Congestion control: how many bytes may be in the air, and how fast they go.

mod delivery_rate;
mod new_reno;

use std::fmt;
use std::time::Duration;

pub use delivery_rate::DeliveryRate;
pub use new_reno::NewReno;

use super::delivery_meter::RateSample;
use crate::time::Instant;

/// Which controller a connection uses for what it sends. The other side need not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// Estimates the bandwidth by delivery rate and keeps queues short: the default.
    #[default]
    DeliveryRate,
    /// Fills the queue until it overflows, and takes every loss for that (RFC 9002, section 7).
    NewReno,
}

impl Congestion {
    /// A controller of this kind for a connection that starts now and sends datagrams up to this size.
    #[must_use]
    pub fn controller(self, now: Instant, datagram_bytes: usize) -> Box<dyn CongestionController> {
        match self {
            Self::DeliveryRate => Box::new(DeliveryRate::new(now, datagram_bytes)),
            Self::NewReno => Box::new(NewReno::new(datagram_bytes)),
        }
    }
}

/// What an acknowledgement tells a controller.
#[derive(Clone, Copy, Debug)]
pub struct AckedSample {
    /// When the acknowledgement came.
    pub now: Instant,
    /// Bytes newly acknowledged.
    pub bytes: u64,
    /// Those of them that had been counted as lost.
    pub spurious_bytes: u64,
    /// Bytes in flight from now on.
    pub in_flight_bytes: u64,
    /// Bytes acknowledged since the connection began, these included.
    pub delivered_bytes: u64,
    /// When the newest of the packets was sent.
    pub newest_sent_at: Instant,
    /// Round-trip time of the newest packet, without the other side's delay, if it is new.
    pub rtt: Option<Duration>,
    /// How fast packets have been delivered since the newest of these was sent.
    pub rate: RateSample,
}

/// What a loss tells a controller.
#[derive(Clone, Copy, Debug)]
pub struct LostSample {
    /// When the loss was noticed.
    pub now: Instant,
    /// Bytes newly counted as lost.
    pub bytes: u64,
    /// When the oldest of the lost packets was sent.
    pub oldest_sent_at: Instant,
    /// When the newest of them was sent.
    pub newest_sent_at: Instant,
}

/// Decides how many bytes may be unacknowledged at a time, and how fast they leave.
///
/// Called by one connection from one thread. Implementations are deterministic: same calls, same answers.
pub trait CongestionController: Send + fmt::Debug {
    /// The handshake has measured the round trip, before anything else was.
    fn handle_first_rtt(&mut self, _now: Instant, _rtt: Duration) {}

    /// Packets were acknowledged.
    fn handle_acked(&mut self, sample: AckedSample);

    /// Packets were lost.
    fn handle_lost(&mut self, sample: LostSample);

    /// Three probe time-outs passed without an answer: start over carefully.
    fn handle_outage(&mut self, now: Instant);

    /// Bytes that may be in flight: never less than two of the largest datagrams, or nothing might go at all.
    fn window_bytes(&self) -> u64;

    /// Bytes per second the pacer spreads sending to, for this smoothed round-trip time.
    fn pacing_rate(&self, smoothed_rtt: Duration) -> u64;

    /// Bytes per second that the path is believed to carry, for this smoothed round-trip time.
    fn estimated_rate(&self, smoothed_rtt: Duration) -> u64 {
        self.pacing_rate(smoothed_rtt)
    }
}

/// A full datagram, as far as windows are counted in such.
const SEGMENT: u64 = 1_200;
/// Window to start with: 32 datagrams.
pub const WINDOW_INITIAL: u64 = 32 * SEGMENT;
/// The window never falls below 10 datagrams of 1,200 bytes, the initial window of TCP (RFC 6928): game traffic on a
/// path that loses packets at random must not starve. Larger datagrams have room for two.
pub const WINDOW_MIN: u64 = 10 * SEGMENT;
/// The window never grows beyond 64 MiB.
pub const WINDOW_MAX: u64 = 64 << 20;

/// Bytes that a rate gives in a time.
fn bytes_in(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate) * time.as_micros() / 1_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The rate that gives so many bytes in a time.
fn rate_of(bytes: u64, time: Duration) -> u64 {
    let rate = u128::from(bytes) * 1_000_000 / time.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}
