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
    /// Size of the largest packet newly acknowledged that was sent along the present path.
    pub bytes_max: u16,
    /// Size of the largest among them that asked for its size only; 0 if there was none.
    pub size_probe_bytes: u16,
}

/// An ACK that is being taken in.
struct Taking<'a> {
    now: Instant,
    newest: u64,
    outcome: AckOutcome,
    /// The newest of the packets newly acknowledged.
    last: Option<SentPacket>,
    /// What they carried.
    acked: &'a mut Vec<SentFrame>,
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
        let is_first_report = self.largest_acked.is_none_or(|largest| newest > largest);
        let mut taking = Taking { now, newest, outcome: AckOutcome::default(), last: None, acked };
        // Oldest first, and only what the ACK names: it may reach far back, again and again.
        let mut spans = [(0, 0); ACK_RANGES_MAX];
        for &mut (from, to) in spans_of(newest, ack, &mut spans).iter_mut().rev() {
            (from.max(self.base)..=to).for_each(|number| self.take_acked(number, &mut taking));
        }
        for number in newest.saturating_sub(ACK_FIELD_BITS).max(lowest).max(self.base)..newest {
            if ack.field >> (newest - 1 - number) & 1 == 1 {
                self.take_acked(number, &mut taking);
            }
        }
        let acked_before = taking.outcome.packets;
        self.take_acked(newest, &mut taking);
        let Taking { mut outcome, last, .. } = taking;
        if let Some(SentPacket { sent_at, delivery, is_app_limited, .. }) = last {
            outcome.rate = self.delivery.sample(now, sent_at, delivery, is_app_limited);
            if is_first_report && outcome.packets > acked_before {
                outcome.rtt_sample = Some(now.saturating_since(sent_at));
            }
        }
        if is_first_report {
            self.largest_acked = Some(newest);
        }
        self.forget_settled(now);
        Ok(outcome)
    }

    /// A packet is acknowledged, maybe not for the first time.
    fn take_acked(&mut self, number: u64, taking: &mut Taking<'_>) {
        let Some(index) = number.checked_sub(self.base) else { return };
        let Some(packet) = self.packets.get_mut(index as usize) else { return };
        if matches!(packet.state, State::Acked | State::Silent) {
            return;
        }
        let previous = std::mem::replace(&mut packet.state, State::Acked);
        let packet = *packet;
        let outcome = &mut taking.outcome;
        if previous == State::InFlight {
            self.land(&packet);
        } else if !packet.is_size_probe && number >= self.path_from {
            outcome.spurious += 1;
            outcome.spurious_bytes += u64::from(packet.bytes);
            self.thresholds.widen(taking.newest.saturating_sub(number));
        }
        outcome.bytes += u64::from(packet.bytes);
        outcome.packets += 1;
        if number >= self.path_from {
            outcome.bytes_max = outcome.bytes_max.max(packet.bytes);
            if packet.is_size_probe {
                outcome.size_probe_bytes = outcome.size_probe_bytes.max(packet.bytes);
            }
        }
        if usize::from(packet.bytes) > DATAGRAM_BYTES_SAFE && number >= self.large_acked.0 {
            self.large_acked = (number, packet.bytes);
        }
        outcome.newest_sent_at = outcome.newest_sent_at.max(packet.sent_at);
        self.delivery.count(taking.now, packet.sent_at, packet.bytes.into());
        taking.acked.extend(frames_of(&self.frames, self.frames_base, &packet));
        taking.last = Some(packet);
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

/// First and last number of each range of an ACK that [`SentPackets::lowest_reported`] has checked, newest first.
fn spans_of<'a>(
    newest: u64,
    ack: &Ack<'_>,
    spans: &'a mut [(u64, u64); ACK_RANGES_MAX],
) -> &'a mut [(u64, u64)] {
    let mut above = newest.saturating_sub(ACK_FIELD_BITS);
    let mut count = 0;
    for (span, range) in spans.iter_mut().zip(ack.ranges.iter()) {
        let end = above.saturating_sub(range.gap);
        above = end.saturating_sub(range.length);
        // No range is empty.
        *span = (above, end.saturating_sub(1));
        count += 1;
    }
    spans.get_mut(..count).unwrap_or_default()
}
