//! Packets in flight: what each one carried, which are acknowledged and which count as lost (RFC 9002, section 6).

use std::collections::VecDeque;
use std::time::Duration;

use super::Provokes;
use super::delivery::{DeliveryMeter, RateSample, SentMark};
use super::mtu::DATAGRAM_BYTES_SAFE;
use super::rtt::{GRANULARITY, RttEstimator};
use crate::codec::expand_truncated;
use crate::time::Instant;
use crate::wire::ack::{ACK_FIELD_BITS, ACK_RANGES_MAX, Ack};

/// What a packet carried that matters when it is acknowledged or lost. Runs of messages are one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentFrame {
    /// Whole messages of one channel with successive sequences.
    Messages {
        /// Position of the channel.
        position: u8,
        /// How many.
        count: u16,
        /// Sequence of the first.
        first: u64,
    },
    /// Successive cells of one message.
    Cells {
        /// Position of the channel.
        position: u8,
        /// How many cells.
        count: u16,
        /// First cell.
        index: u32,
        /// Sequence of the message.
        sequence: u64,
    },
    /// A message given up.
    Skip {
        /// Position of the channel.
        position: u8,
        /// Sequence of the message.
        sequence: u64,
    },
    /// A piece of an unreliable message whose sender asked what becomes of it.
    Awaited {
        /// Position of the channel.
        position: u8,
        /// Which of the channel's messages with a receipt.
        ordinal: u64,
    },
    /// The connection's credit.
    ConnectionCredit,
    /// A channel's credit.
    ChannelCredit {
        /// Position of the channel.
        position: u8,
    },
    /// The server's newest reset token.
    ResetToken,
    /// The end of the connection.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing in it provokes an acknowledgement: not waited for.
    Silent,
    InFlight,
    Acked,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct SentPacket {
    sent_at: Instant,
    /// Its frames are `frames[frames_from..][..frame_count]`, counted since the start of the connection.
    frames_from: u64,
    delivery: SentMark,
    /// No datagram is larger than 65,527 bytes.
    bytes: u16,
    frame_count: u16,
    state: State,
    provokes: Provokes,
    is_app_limited: bool,
    /// Asks only whether its size passes: that it is lost says nothing else.
    is_size_probe: bool,
}

/// Packets and their frames, oldest first. Packet numbers are consecutive, so a number is an index.
#[derive(Debug)]
pub struct SentPackets {
    packets: VecDeque<SentPacket>,
    frames: VecDeque<SentFrame>,
    /// Frames forgotten so far: what `frames[0]` is counted as.
    frames_base: u64,
    first: u64,
    /// Number of `packets[0]`.
    base: u64,
    next: u64,
    largest_acked: Option<u64>,
    /// Every packet in flight has this number or a higher one.
    in_flight_from: u64,
    bytes_in_flight: u64,
    delivery: DeliveryMeter,
    prompt_in_flight: u32,
    lazy_in_flight: u32,
    last_prompt_sent_at: Instant,
    last_lazy_sent_at: Instant,
    thresholds: Thresholds,
    /// How long a lost packet is remembered after it was sent.
    lost_kept_for: Duration,
    /// Number and size of the newest packet above the safe size that was acknowledged.
    large_acked: (u64, u16),
    /// Packets with lower numbers were sent along another path: how large they were says nothing about this one.
    path_from: u64,
}

/// How much reordering is taken for loss; widened when a loss turns out not to be one.
#[derive(Clone, Copy, Debug)]
struct Thresholds {
    packets: u64,
    /// In eighths of the round-trip time.
    time_eighths: u32,
}

/// Most packets remembered: as many full ones as the largest congestion window holds. A peer that talks but never
/// acknowledges would make the list grow with every answer to it; beyond this the oldest count as lost.
const PACKETS_MAX: u64 = 1 << 16;
/// However slow the path, lost packets are not remembered for longer. A peer that answers late on purpose makes the probe
/// time-out as long as it likes, and with the oldest packet all the newer ones are kept, for each of its ACKs to look at.
const LOST_KEPT_MAX: Duration = Duration::from_secs(5);
const PACKET_THRESHOLD: u64 = 3;
const PACKET_THRESHOLD_MAX: u64 = 20;
const TIME_EIGHTHS: u32 = 9;
const TIME_EIGHTHS_MAX: u32 = 12;

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

/// An ACK named a packet that was never sent, above the newest or below the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeverSent;

impl SentPackets {
    /// Nothing sent yet; `first` will be the first number.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self {
            packets: VecDeque::new(),
            frames: VecDeque::new(),
            frames_base: 0,
            first,
            base: first,
            next: first,
            largest_acked: None,
            in_flight_from: first,
            bytes_in_flight: 0,
            delivery: DeliveryMeter::new(),
            prompt_in_flight: 0,
            lazy_in_flight: 0,
            last_prompt_sent_at: Instant::ZERO,
            last_lazy_sent_at: Instant::ZERO,
            thresholds: Thresholds { packets: PACKET_THRESHOLD, time_eighths: TIME_EIGHTHS },
            lost_kept_for: RttEstimator::default().probe_timeout() * 3,
            large_acked: (0, 0),
            path_from: first,
        }
    }

    /// What is sent from now on goes along another path.
    pub fn begin_path(&mut self) {
        self.path_from = self.next;
    }

    /// The number the next packet will have.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// The largest number acknowledged so far.
    #[must_use]
    pub const fn largest_acked(&self) -> Option<u64> {
        self.largest_acked
    }

    /// Bytes of packets that wait for an acknowledgement.
    #[must_use]
    pub const fn bytes_in_flight(&self) -> u64 {
        self.bytes_in_flight
    }

    /// Bytes acknowledged since the start of the connection.
    #[must_use]
    pub const fn delivered_bytes(&self) -> u64 {
        self.delivery.delivered()
    }

    /// The application has nothing more to send although it might: what is in flight says little about the path.
    pub fn limit_by_application(&mut self) {
        self.delivery.limit_by_application(self.bytes_in_flight);
    }

    /// When the newest packet that wants a prompt acknowledgement was sent, if one is in flight.
    #[must_use]
    pub fn last_prompt_sent_at(&self) -> Option<Instant> {
        (self.prompt_in_flight > 0).then_some(self.last_prompt_sent_at)
    }

    /// When the newest packet that wants a lazy acknowledgement was sent, if one is in flight.
    #[must_use]
    pub fn last_lazy_sent_at(&self) -> Option<Instant> {
        (self.lazy_in_flight > 0).then_some(self.last_lazy_sent_at)
    }

    /// When the oldest packet in flight was sent.
    #[must_use]
    pub fn oldest_in_flight_sent_at(&self) -> Option<Instant> {
        if self.prompt_in_flight + self.lazy_in_flight == 0 {
            return None;
        }
        let skip = (self.in_flight_from - self.base) as usize;
        let mut unanswered = self.packets.range(skip.min(self.packets.len())..);
        unanswered.find(|packet| packet.state == State::InFlight).map(|packet| packet.sent_at)
    }

    /// Records a packet under [`next_number`](Self::next_number); takes the frames out of `frames`.
    pub fn handle_sent(
        &mut self,
        now: Instant,
        bytes: usize,
        provokes: Provokes,
        frames: &mut Vec<SentFrame>,
    ) {
        let state = if provokes == Provokes::Nothing { State::Silent } else { State::InFlight };
        match provokes {
            Provokes::Nothing => {}
            Provokes::Lazily => {
                self.lazy_in_flight += 1;
                self.last_lazy_sent_at = now;
            }
            Provokes::Promptly => {
                self.prompt_in_flight += 1;
                self.last_prompt_sent_at = now;
            }
        }
        let delivery = self.delivery.mark_sent(now, self.bytes_in_flight);
        if state == State::InFlight {
            self.bytes_in_flight += bytes as u64;
        }
        self.packets.push_back(SentPacket {
            sent_at: now,
            frames_from: self.frames_base + self.frames.len() as u64,
            delivery,
            bytes: bytes as u16,
            frame_count: frames.len() as u16,
            state,
            provokes,
            is_app_limited: self.delivery.is_app_limited(),
            is_size_probe: false,
        });
        self.frames.extend(frames.drain(..));
        self.next += 1;
        self.forget_settled(now);
    }

    /// The newest packet asks only whether its size passes.
    pub fn mark_size_probe(&mut self) {
        if let Some(packet) = self.packets.back_mut() {
            packet.is_size_probe = true;
        }
    }

    /// Whether more packets are remembered than should be: [`detect_losses`](Self::detect_losses) gives the oldest up.
    #[must_use]
    pub fn is_overfull(&self) -> bool {
        self.packets.len() as u64 > PACKETS_MAX
    }

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
        } else if !packet.is_size_probe {
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

    /// What the packets in flight that want a prompt acknowledgement carry, oldest first, up to `frames_max`
    /// entries: material for a probe.
    pub fn unanswered(&self, frames_max: usize, out: &mut Vec<SentFrame>) {
        let skip = (self.in_flight_from - self.base) as usize;
        for packet in self.packets.range(skip.min(self.packets.len())..) {
            if packet.state == State::InFlight && packet.provokes == Provokes::Promptly {
                out.extend(frames_of(&self.frames, self.frames_base, packet));
                if out.len() >= frames_max {
                    return;
                }
            }
        }
    }

    /// Gives memory back that was needed at a busier time. What keep-alives need stays.
    pub fn release_spare(&mut self) {
        const KEPT: usize = 4;
        self.packets.shrink_to(KEPT);
        self.frames.shrink_to(KEPT);
    }

    /// Takes a packet out of what is in flight.
    fn land(&mut self, packet: &SentPacket) {
        self.bytes_in_flight -= u64::from(packet.bytes);
        match packet.provokes {
            Provokes::Nothing => {}
            Provokes::Lazily => self.lazy_in_flight -= 1,
            Provokes::Promptly => self.prompt_in_flight -= 1,
        }
    }

    const fn remembered_from(&self) -> u64 {
        self.next.saturating_sub(PACKETS_MAX)
    }

    fn skip_to_in_flight(&mut self) {
        let skip = (self.in_flight_from - self.base) as usize;
        let settled = self.packets.range(skip.min(self.packets.len())..);
        self.in_flight_from += settled.take_while(|packet| packet.state != State::InFlight).count() as u64;
    }

    /// Drops the oldest packets whose fate is settled. Lost ones are kept for three probe time-outs, so that a
    /// late acknowledgement can still say that they were not.
    fn forget_settled(&mut self, now: Instant) {
        let remembered_from = self.remembered_from();
        while let Some(packet) = self.packets.front() {
            let is_settled = match packet.state {
                State::Silent | State::Acked => true,
                State::InFlight => false,
                State::Lost => self.base < remembered_from || now > packet.sent_at + self.lost_kept_for,
            };
            if !is_settled {
                break;
            }
            self.frames.drain(..usize::from(packet.frame_count));
            self.frames_base += u64::from(packet.frame_count);
            self.packets.pop_front();
            self.base += 1;
        }
        self.in_flight_from = self.in_flight_from.max(self.base);
    }
}

impl Thresholds {
    fn widen(&mut self, distance: u64) {
        self.packets = self.packets.max(distance.saturating_add(1)).min(PACKET_THRESHOLD_MAX);
        self.time_eighths = (self.time_eighths + 1).min(TIME_EIGHTHS_MAX);
    }
}

fn frames_of<'a>(
    frames: &'a VecDeque<SentFrame>,
    frames_base: u64,
    packet: &SentPacket,
) -> impl Iterator<Item = SentFrame> + use<'a> {
    let from = (packet.frames_from - frames_base) as usize;
    frames.range(from..from + usize::from(packet.frame_count)).copied()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ack::{AckDelay, AckRange, AckRangeBuffer, AckRanges};

    const START: u64 = u32::MAX as u64 - 5;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn ack(newest: u64, field: u64) -> Ack<'static> {
        Ack { newest: newest as u32, delay: AckDelay(0), field, ranges: AckRanges::default() }
    }

    /// A connection's history: `count` packets a millisecond apart, each with one message.
    fn sent(count: u64) -> SentPackets {
        let mut packets = SentPackets::new(START);
        for n in 0..count {
            let mut frames = vec![SentFrame::Messages { position: 0, count: 1, first: n }];
            packets.handle_sent(at(n), 100, Provokes::Promptly, &mut frames);
        }
        packets
    }

    fn messages(frames: &[SentFrame]) -> Vec<u64> {
        frames
            .iter()
            .map(|frame| match frame {
                SentFrame::Messages { first, .. } => *first,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn rtt_of(millis: u64) -> RttEstimator {
        let mut rtt = RttEstimator::default();
        rtt.handle_sample(Duration::from_millis(millis), Duration::ZERO);
        rtt
    }

    #[test]
    fn acknowledged_packets_hand_back_what_they_carried_once() {
        let mut packets = sent(10);
        let mut acked = Vec::new();
        let outcome = packets.handle_ack(at(20), &ack(START + 4, !0b10), &mut acked).unwrap();
        assert_eq!(messages(&acked), [0, 1, 3, 4]);
        assert_eq!((outcome.bytes, outcome.rtt_sample), (400, Some(Duration::from_millis(16))));
        assert_eq!(packets.bytes_in_flight(), 600);
        acked.clear();
        packets.handle_ack(at(21), &ack(START + 4, u64::MAX), &mut acked).unwrap();
        assert_eq!(messages(&acked), [2]);
    }

    #[test]
    fn an_ack_for_the_future_is_an_attack() {
        let mut packets = sent(3);
        for newest in [START + 3, START + 1_000] {
            assert_eq!(packets.handle_ack(at(5), &ack(newest, 0), &mut Vec::new()).err(), Some(NeverSent));
        }
        assert!(packets.handle_ack(at(5), &ack(START + 2, 0), &mut Vec::new()).is_ok());
    }

    #[test]
    fn three_later_acknowledgements_make_a_loss() {
        let mut packets = sent(6);
        let mut lost = Vec::new();
        packets.handle_ack(at(6), &ack(START + 2, 0), &mut Vec::new()).unwrap();
        let outcome = packets.detect_losses(at(6), &rtt_of(50), &mut lost);
        assert!(lost.is_empty());
        assert_eq!(outcome.check_at, Some(at(0) + Duration::from_micros(56_250)));
        packets.handle_ack(at(7), &ack(START + 3, 0b1), &mut Vec::new()).unwrap();
        packets.detect_losses(at(7), &rtt_of(50), &mut lost);
        assert_eq!(messages(&lost), [0]);
        packets.detect_losses(at(58), &rtt_of(50), &mut lost);
        assert_eq!(messages(&lost), [0, 1]);
    }

    #[test]
    fn a_loss_that_was_none_widens_the_thresholds() {
        let mut packets = sent(10);
        let (mut acked, mut lost) = (Vec::new(), Vec::new());
        packets.handle_ack(at(10), &ack(START + 5, 0), &mut acked).unwrap();
        packets.detect_losses(at(10), &rtt_of(50), &mut lost);
        assert_eq!(messages(&lost), [0, 1, 2]);
        let outcome = packets.handle_ack(at(11), &ack(START + 6, u64::MAX), &mut acked).unwrap();
        assert_eq!(outcome.spurious, 3);
        assert!(packets.thresholds.packets > PACKET_THRESHOLD);
    }

    #[test]
    fn sizes_that_passed_on_a_former_path_say_nothing_about_this_one() {
        for is_lost in [false, true] {
            let mut packets = sent(1);
            packets.handle_sent(at(1), 1_452, Provokes::Promptly, &mut vec![]);
            packets.mark_size_probe();
            packets.handle_sent(at(2), 1_400, Provokes::Promptly, &mut vec![]);
            packets.begin_path();
            for n in 3..8 {
                packets.handle_sent(at(n), 100, Provokes::Promptly, &mut vec![]);
            }
            let field = if is_lost { 0b111 } else { u64::MAX };
            let outcome = packets.handle_ack(at(20), &ack(START + 7, field), &mut Vec::new()).unwrap();
            assert_eq!((outcome.size_probe_bytes, outcome.bytes_max), (0, 100));
            let outcome = packets.detect_losses(at(20), &rtt_of(50), &mut Vec::new());
            assert_eq!(outcome.packets, if is_lost { 3 } else { 0 }, "the probe does not count");
            assert_eq!((outcome.is_size_probe_lost, outcome.vanished), (false, 0));
        }
    }

    #[test]
    fn who_answers_late_on_purpose_does_not_make_us_remember_for_long() {
        let mut packets = sent(1);
        // Half a minute late: a probe time-out of a minute and a half.
        let rtt = rtt_of(30_000);
        for n in 0..60_000 {
            packets.handle_sent(at(30_000 + n), 30, Provokes::Nothing, &mut vec![]);
            if n == 10 {
                packets.handle_ack(at(30_010), &ack(START + 5, 0), &mut Vec::new()).unwrap();
                packets.detect_losses(at(30_010), &rtt, &mut Vec::new());
            }
        }
        assert!(packets.packets.len() < 5_000, "{} are remembered", packets.packets.len());
    }

    #[test]
    fn ranges_below_the_field_count() {
        let mut packets = sent(200);
        let mut buffer = AckRangeBuffer::default();
        assert!(buffer.push(AckRange { gap: 0, length: 10 }));
        assert!(buffer.push(AckRange { gap: 20, length: 5 }));
        let ack = Ack {
            newest: (START + 199) as u32,
            delay: AckDelay(0),
            field: u64::MAX,
            ranges: buffer.ranges(),
        };
        let mut acked = Vec::new();
        packets.handle_ack(at(300), &ack, &mut acked).unwrap();
        let expected: Vec<u64> = (100..105).chain(125..200).collect();
        assert_eq!(messages(&acked), expected);
    }

    #[test]
    fn a_range_below_the_first_packet_is_an_attack() {
        for (length, is_fine) in [(135, true), (136, false), (u64::from(u32::MAX) >> 4, false)] {
            let mut packets = sent(200);
            let mut buffer = AckRangeBuffer::default();
            assert!(buffer.push(AckRange { gap: 0, length }));
            let newest = (START + 199) as u32;
            let ack = Ack { newest, delay: AckDelay(0), field: 0, ranges: buffer.ranges() };
            let outcome = packets.handle_ack(at(300), &ack, &mut Vec::new());
            assert_eq!(outcome.is_ok(), is_fine, "{length}");
        }
    }

    #[test]
    fn a_lost_packet_does_not_keep_those_behind_it() {
        let mut packets = sent(6);
        let mut lost = Vec::new();
        packets.handle_ack(at(6), &ack(START + 5, !0b10), &mut Vec::new()).unwrap();
        packets.detect_losses(at(60), &rtt_of(50), &mut lost);
        assert_eq!(messages(&lost), [3]);
        for n in 0..10_000 {
            packets.handle_sent(at(61 + n), 30, Provokes::Nothing, &mut Vec::new());
        }
        assert!(packets.packets.is_empty(), "{}", packets.packets.len());
    }

    #[test]
    fn too_many_packets_behind_an_unanswered_one_make_it_lost() {
        let mut packets = sent(2);
        let mut lost = Vec::new();
        for n in 0..2 * PACKETS_MAX {
            packets.handle_sent(at(2), 30, Provokes::Nothing, &mut Vec::new());
            if packets.is_overfull() {
                let outcome = packets.detect_losses(at(2), &RttEstimator::default(), &mut lost);
                assert_eq!(outcome.packets, 1, "{n}");
            }
            assert!(!packets.is_overfull());
        }
        assert_eq!((messages(&lost), packets.bytes_in_flight()), (vec![0, 1], 0));
    }

    #[test]
    fn packets_nobody_acknowledges_are_not_kept() {
        let mut packets = SentPackets::new(0);
        for n in 0..10_000 {
            packets.handle_sent(at(n), 30, Provokes::Nothing, &mut Vec::new());
        }
        assert!(packets.packets.is_empty());
        assert_eq!(packets.next_number(), 10_000);
    }
}
