//! Packets in flight: a record of each, from when it was sent until its fate is settled.

mod acked;
mod frame;
mod lost;

use std::collections::VecDeque;
use std::time::Duration;

pub use acked::AckOutcome;
pub use frame::SentFrame;
pub use lost::LossOutcome;
use lost::Thresholds;

use super::Provokes;
use super::delivery_meter::{DeliveryMeter, SentMark};
use super::rtt::RttEstimator;
use crate::time::Instant;

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

/// Most packets remembered: as many full ones as the largest congestion window holds. A peer that talks but never
/// acknowledges would make the list grow with every answer to it; beyond this the oldest count as lost.
const PACKETS_MAX: u64 = 1 << 16;

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
            thresholds: Thresholds::default(),
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

fn frames_of<'a>(
    frames: &'a VecDeque<SentFrame>,
    frames_base: u64,
    packet: &SentPacket,
) -> impl Iterator<Item = SentFrame> + use<'a> {
    let from = (packet.frames_from - frames_base) as usize;
    frames.range(from..from + usize::from(packet.frame_count)).copied()
}

#[cfg(test)]
mod tests;
