//! What an ACK frame says of the packets that were sent.

use std::time::Duration;

use super::super::delivery_meter::RateSample;
use super::super::mtu::DATAGRAM_BYTES_SAFE;
use super::{NeverSent, SentFrame, SentPacket, SentPackets, State, frames_of};
use crate::codec::expand_truncated;
use crate::time::Instant;
use crate::wire::ack::{ACK_FIELD_BITS, ACK_RANGES_MAX, Ack};

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
        let runs = Runs::of(newest, ack).filter(|runs| runs.lowest() >= self.first).ok_or(NeverSent)?;
        let mut outcome = AckOutcome::default();
        let mut newest_packet = None;
        let is_first_report = self.largest_acked.is_none_or(|largest| newest > largest);
        for number in runs.numbers(self.base).chain(field_numbers(newest, ack.field, self.base)) {
            let Some(packet) = self.packets.get_mut((number - self.base) as usize) else { break };
            if matches!(packet.state, State::Acked | State::Silent) {
                continue;
            }
            let previous = std::mem::replace(&mut packet.state, State::Acked);
            let packet = *packet;
            if previous == State::InFlight {
                self.land(&packet);
            } else if !packet.is_size_probe {
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
}

/// What an ACK reports below its bit field, as runs of numbers.
struct Runs {
    /// First number and the one behind the last, highest run first.
    runs: [(u64, u64); ACK_RANGES_MAX],
    count: usize,
}

impl Runs {
    /// `None` if a range reaches below 0.
    fn of(newest: u64, ack: &Ack<'_>) -> Option<Self> {
        let mut runs = Self { runs: [(u64::MAX, u64::MAX); ACK_RANGES_MAX], count: 0 };
        if ack.ranges.is_empty() {
            return Some(runs);
        }
        let mut below = newest.checked_sub(ACK_FIELD_BITS)?;
        for (place, range) in runs.runs.iter_mut().zip(ack.ranges.iter()) {
            let end = below.checked_sub(range.gap)?;
            below = end.checked_sub(range.length)?;
            *place = (below, end);
            runs.count += 1;
        }
        Some(runs)
    }

    fn runs(&self) -> &[(u64, u64)] {
        self.runs.get(..self.count).unwrap_or_default()
    }

    /// The lowest number of all.
    fn lowest(&self) -> u64 {
        self.runs().last().map_or(u64::MAX, |&(from, _)| from)
    }

    /// The numbers from `base` on, rising.
    fn numbers(&self, base: u64) -> impl Iterator<Item = u64> {
        self.runs().iter().rev().flat_map(move |&(from, end)| from.max(base)..end)
    }
}

/// The numbers from `base` on that a bit field reports, and the newest, rising. Bits below the first number of all mean
/// nothing.
fn field_numbers(newest: u64, field: u64, base: u64) -> impl Iterator<Item = u64> {
    let reported = (1..=ACK_FIELD_BITS).rev().filter(move |distance| field >> (distance - 1) & 1 == 1);
    let numbers = reported.filter_map(move |distance| newest.checked_sub(distance));
    numbers.chain([newest]).filter(move |&number| number >= base)
}
