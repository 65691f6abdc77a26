//! What an ACK frame says of the packets that were sent.

use std::time::Duration;

use super::super::delivery::RateSample;
use super::super::mtu::DATAGRAM_BYTES_SAFE;
use super::{NeverSent, SentFrame, SentPacket, SentPackets, State, frames_of};
use crate::codec::expand_truncated;
use crate::time::Instant;
use crate::wire::ack::{ACK_FIELD_BITS, Ack};

/// What an ACK frame changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AckOutcome {
    /// Bytes newly acknowledged.
    pub bytes: u64,
    /// Packets newly acknowledged.
    pub packets: u64,
    /// When the newest of them was sent.
    pub newest_sent_at: Instant,
    /// Time from sending to now, if the newest number itself is new and was to be acknowledged.
    pub rtt_sample: Option<Duration>,
    /// How fast packets have been delivered since the newest of them was sent.
    pub rate: RateSample,
    /// Packets that had been counted as lost.
    pub spurious: u64,
    /// Their bytes.
    pub spurious_bytes: u64,
    /// Size of the largest packet newly acknowledged.
    pub bytes_max: u16,
    /// Size of the largest among them that asked for its size only; 0 if there was none.
    pub size_probe_bytes: u16,
}

impl SentPackets {
    /// Takes an ACK in; appends what the newly acknowledged packets carried to `acked`.
    pub fn handle_ack(
        &mut self,
        now: Instant,
        ack: &Ack<'_>,
        acked: &mut Vec<SentFrame>,
    ) -> Result<AckOutcome, NeverSent> {
        let largest_sent = self.next.checked_sub(1).ok_or(NeverSent)?;
        let newest = expand_truncated(u64::from(ack.newest), 32, largest_sent);
        if newest > largest_sent || newest < self.first {
            return Err(NeverSent);
        }
        let lowest = self.lowest_reported(newest, ack).ok_or(NeverSent)?;
        let mut outcome = AckOutcome::default();
        let mut newest_packet = None;
        let is_first_report = self.largest_acked.is_none_or(|largest| newest > largest);
        for number in lowest.max(self.base)..=newest {
            let Some(packet) = self.packets.get_mut((number - self.base) as usize) else { break };
            if matches!(packet.state, State::Acked | State::Silent) || !reports(newest, ack, number) {
                continue;
            }
            let previous = std::mem::replace(&mut packet.state, State::Acked);
            let packet = *packet;
            if previous == State::InFlight {
                self.land(&packet);
            } else if !packet.is_size_probe && number >= self.left_behind_to {
                outcome.spurious += 1;
                outcome.spurious_bytes += u64::from(packet.bytes);
                self.thresholds.widen(newest.saturating_sub(number));
            }
            outcome.bytes += u64::from(packet.bytes);
            outcome.packets += 1;
            outcome.bytes_max = outcome.bytes_max.max(packet.bytes);
            if packet.is_size_probe {
                outcome.size_probe_bytes = outcome.size_probe_bytes.max(packet.bytes);
            }
            if usize::from(packet.bytes) > DATAGRAM_BYTES_SAFE && number >= self.large_acked.0 {
                self.large_acked = (number, packet.bytes);
            }
            outcome.newest_sent_at = outcome.newest_sent_at.max(packet.sent_at);
            self.delivery.count(now, packet.sent_at, packet.bytes.into());
            newest_packet = Some(packet);
            if number == newest && is_first_report {
                outcome.rtt_sample = Some(now.saturating_since(packet.sent_at));
            }
            acked.extend(frames_of(&self.frames, self.frames_base, &packet));
        }
        if let Some(SentPacket { sent_at, delivery, is_app_limited, .. }) = newest_packet {
            outcome.rate = self.delivery.sample(now, sent_at, delivery, is_app_limited);
        }
        if is_first_report {
            self.largest_acked = Some(newest);
        }
        self.forget_settled(now);
        Ok(outcome)
    }

    /// Lowest number an ACK says anything about. `None` if a range reaches below the first number; the field may, its
    /// bits there mean nothing.
    fn lowest_reported(&self, newest: u64, ack: &Ack<'_>) -> Option<u64> {
        if ack.ranges.is_empty() {
            return Some(newest.saturating_sub(ACK_FIELD_BITS));
        }
        // At most 32 ranges of numbers below 2³² each: the sum cannot overflow.
        let reach: u64 = ack.ranges.iter().map(|range| range.gap + range.length).sum();
        newest.checked_sub(ACK_FIELD_BITS + reach).filter(|&lowest| lowest >= self.first)
    }
}

/// Whether an ACK whose newest number is `newest` says that `number` was received.
fn reports(newest: u64, ack: &Ack<'_>, number: u64) -> bool {
    let Some(distance) = newest.checked_sub(number) else { return false };
    if distance == 0 {
        return true;
    }
    if distance <= ACK_FIELD_BITS {
        return ack.field >> (distance - 1) & 1 == 1;
    }
    let mut below = ACK_FIELD_BITS + 1;
    for range in ack.ranges.iter() {
        below += range.gap;
        if distance < below {
            return false;
        }
        below += range.length;
        if distance < below {
            return true;
        }
    }
    false
}
