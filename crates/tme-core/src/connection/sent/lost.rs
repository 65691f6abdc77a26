//! Which packets count as lost: those that others have overtaken by too much (RFC 9002, section 6.1).

use std::time::Duration;

use super::super::mtu::DATAGRAM_BYTES_SAFE;
use super::super::rtt::{GRANULARITY, RttEstimator};
use super::{SentFrame, SentPackets, State, frames_of};
use crate::time::Instant;

/// However slow the path, lost packets are not remembered for longer. A peer that answers late on purpose makes the probe
/// time-out as long as it likes, and with the oldest packet all the newer ones are kept, for each of its ACKs to look at.
const LOST_KEPT_MAX: Duration = Duration::from_secs(5);
pub(super) const PACKET_THRESHOLD: u64 = 3;
const PACKET_THRESHOLD_MAX: u64 = 20;
const TIME_EIGHTHS: u32 = 9;
const TIME_EIGHTHS_MAX: u32 = 12;

/// How much reordering is taken for loss; widened when a loss turns out not to be one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    pub(super) packets: u64,
    /// In eighths of the round-trip time.
    time_eighths: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { packets: PACKET_THRESHOLD, time_eighths: TIME_EIGHTHS }
    }
}

impl Thresholds {
    /// A packet so far below the newest was taken for lost and has arrived.
    pub(super) fn widen(&mut self, distance: u64) {
        self.packets = self.packets.max(distance.saturating_add(1)).min(PACKET_THRESHOLD_MAX);
        self.time_eighths = (self.time_eighths + 1).min(TIME_EIGHTHS_MAX);
    }
}

/// What a check for losses found.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossOutcome {
    /// Bytes newly lost.
    pub bytes: u64,
    /// Packets newly lost.
    pub packets: u64,
    /// When the oldest of them was sent, if there are any.
    pub oldest_sent_at: Option<Instant>,
    /// When the newest of them was sent.
    pub newest_sent_at: Instant,
    /// When to look again.
    pub check_at: Option<Instant>,
    /// Packets lost above the safe size while none as large that was sent later has arrived.
    pub vanished: u32,
    /// Size of the smallest of them.
    pub vanished_bytes_min: u16,
    /// Whether a packet was lost that asked for its size only; it is not counted above.
    pub is_size_probe_lost: bool,
}

impl SentPackets {
    /// Counts packets as lost that the thresholds give up; appends what they carried to `lost`.
    pub fn detect_losses(
        &mut self,
        now: Instant,
        rtt: &RttEstimator,
        lost: &mut Vec<SentFrame>,
    ) -> LossOutcome {
        let mut outcome = LossOutcome::default();
        self.lost_kept_for = (rtt.probe_timeout() * 3).min(LOST_KEPT_MAX);
        let largest_acked = self.largest_acked.unwrap_or(0);
        let remembered_from = self.remembered_from();
        let patience = rtt.smoothed().max(rtt.latest()) * self.thresholds.time_eighths / 8;
        let patience = patience.max(GRANULARITY);
        self.skip_to_in_flight();
        for number in self.in_flight_from..largest_acked.max(remembered_from) {
            let Some(packet) = self.packets.get_mut((number - self.base) as usize) else { break };
            if packet.state != State::InFlight {
                continue;
            }
            let is_late = number < remembered_from || now >= packet.sent_at + patience;
            if !is_late && largest_acked - number < self.thresholds.packets {
                outcome.check_at = Some(packet.sent_at + patience);
                break;
            }
            packet.state = State::Lost;
            let packet = *packet;
            self.land(&packet);
            if packet.is_size_probe {
                outcome.is_size_probe_lost |= number >= self.path_from;
                continue;
            }
            let (newest_large, largest) = self.large_acked;
            let has_passed_since =
                number < self.path_from || newest_large > number && largest >= packet.bytes;
            if usize::from(packet.bytes) > DATAGRAM_BYTES_SAFE && !has_passed_since {
                let smallest = if outcome.vanished == 0 { u16::MAX } else { outcome.vanished_bytes_min };
                outcome.vanished_bytes_min = smallest.min(packet.bytes);
                outcome.vanished += 1;
            }
            outcome.bytes += u64::from(packet.bytes);
            outcome.packets += 1;
            outcome.oldest_sent_at.get_or_insert(packet.sent_at);
            outcome.newest_sent_at = packet.sent_at;
            lost.extend(frames_of(&self.frames, self.frames_base, &packet));
        }
        self.forget_settled(now);
        outcome
    }
}
