//! What a peer that has the keys and bad intentions can cost (`docs/PROTOCOL.md`, section 10).

use super::*;
use crate::random::Random;
use crate::wire::ack::{Ack, AckDelay, AckRange, AckRangeBuffer, AckRanges};
use crate::wire::frame::{CELL_BYTES, Fragment, Frame, MessageFrame, SequenceField, UNRELIABLE_BYTES_MAX};
use crate::wire::header::{Header, KeyPhase, TruncatedNumber};

const PING: &[u8] = &[1];

/// A server's end, and the keys with which its client's packets are written by hand.
struct Foe {
    pair: Pair,
    sender: PacketProtection,
    next_number: u64,
}

impl Foe {
    fn new() -> Self {
        let secrets = SessionSecrets { send: [0; 32].into(), receive: [1; 32].into() };
        let sender = PacketProtection::new(Suite::Aes256Gcm, &secrets, KeyLimits::default(), Instant::ZERO);
        Self { pair: Pair::new(LinkConditions::default(), 1), sender, next_number: 0 }
    }

    fn end(&mut self) -> &mut End {
        &mut self.pair.ends[SERVER]
    }

    /// Seals the payload into the next packet and hands it in; then the server's end does what it can.
    fn send(&mut self, payload: &[u8]) {
        let path = self.end().connection.path();
        self.send_along(path, payload);
    }

    fn send_along(&mut self, path: Path, payload: &[u8]) {
        let number = TruncatedNumber::Long(self.next_number as u32);
        let mut datagram = Vec::new();
        Header { connection_id: 2, number, phase: KeyPhase(false) }.encode(&mut datagram);
        let header_bytes = datagram.len();
        datagram.extend_from_slice(payload);
        datagram.resize(datagram.len() + self.sender.tag_bytes(), 0);
        self.sender.seal_in_place(self.pair.now, self.next_number, &mut datagram, header_bytes);
        self.next_number += 1;
        let now = self.pair.now;
        let end = self.end();
        // The packets to a connection that is over are dropped.
        let _ = end.connection.handle_datagram(now, path, Ecn::NotCapable, &mut datagram, &mut end.workspace);
        self.settle();
    }

    fn settle(&mut self) {
        let now = self.pair.now;
        let end = self.end();
        end.take_events();
        let limits = TransmitLimits { segments: 1, bytes: 65_000 };
        let mut buffer = Vec::new();
        while end.connection.poll_transmit(now, limits, &mut buffer, &mut end.workspace).is_some() {
            end.datagrams += 1;
            buffer.clear();
        }
    }

    fn wait(&mut self, duration: Duration) {
        let until = self.pair.now + duration;
        while let Some(at) = self.end().connection.poll_timeout().filter(|&at| at <= until) {
            self.pair.now = at.max(self.pair.now);
            let now = self.pair.now;
            let end = self.end();
            end.connection.handle_timeout(now, &mut end.workspace);
            self.settle();
        }
        self.pair.now = until;
    }

    fn acknowledge(&mut self, newest: u32) {
        let ack = Ack { newest, delay: AckDelay(0), field: u64::MAX, ranges: AckRanges::default() };
        let mut payload = Vec::new();
        Frame::Ack(ack).encode(&[], &mut payload);
        self.send(&payload);
    }

    fn has_left(&mut self) -> bool {
        self.end().events.iter().any(|event| matches!(event, Event::Disconnected { .. }))
    }
}

#[test]
fn who_talks_and_never_acknowledges_costs_bounded_memory() {
    let mut foe = Foe::new();
    foe.send(PING);
    foe.pair.send(SERVER, ORDERED, b"never acknowledged").unwrap();
    // A gap before every packet, so that each one is answered within a millisecond.
    for _ in 0..67_000 {
        foe.next_number += 1;
        foe.send(PING);
        foe.wait(ms(1));
    }
    assert!(foe.end().datagrams > 65_536);
    assert!(!foe.end().connection.sent.is_overfull());
    assert!(foe.end().connection.is_open());
}

/// A server's end that takes the round trip for ten minutes long.
fn far_away() -> Foe {
    let mut foe = Foe::new();
    foe.send(PING);
    foe.pair.send(SERVER, ORDERED, b"acknowledged very late").unwrap();
    foe.settle();
    for _ in 0..60 {
        foe.wait(Duration::from_secs(10));
        foe.send(PING);
    }
    foe.acknowledge(0);
    assert!(foe.pair.statistics(SERVER).rtt_smoothed > Duration::from_secs(60));
    foe
}

#[test]
fn who_answers_late_does_not_put_off_the_end() {
    let mut foe = far_away();
    let now = foe.pair.now;
    foe.end().connection.close(now, CloseMode::Now, Farewell::new(Reason::Kicked));
    foe.settle();
    for _ in 0..3 {
        assert!(!foe.has_left());
        foe.send(PING);
        foe.wait(Duration::from_secs(10));
    }
    assert!(foe.has_left() && foe.end().connection.is_closed(), "the idle time-out has passed");
}

#[test]
fn who_answers_late_is_not_waited_for_after_it_closed() {
    let mut foe = far_away();
    let mut payload = Vec::new();
    Frame::Close { reason: 100, code: 0, detail: &[] }.encode(&[], &mut payload);
    foe.send(&payload);
    assert!(foe.has_left());
    for _ in 0..3 {
        foe.send(PING);
        foe.wait(Duration::from_secs(10));
    }
    assert!(foe.end().connection.is_closed(), "the idle time-out has passed");
}

#[test]
fn large_unreliable_messages_that_nobody_takes_are_dropped() {
    let mut foe = Foe::new();
    foe.end().is_reading = false;
    let data = [7; UNRELIABLE_BYTES_MAX];
    let count = 2_000;
    for n in 0..count {
        let fragment = Some(Fragment { index: 0, total: data.len() as u32 });
        let message =
            MessageFrame { position: 0, sequence: SequenceField::low(n), key: 0, fragment, data: &data };
        let mut payload = Vec::new();
        message.encode(ChannelMode::Unreliable, &mut payload);
        foe.send(&payload);
    }
    let overflowed = foe.pair.statistics(SERVER).messages_overflowed;
    foe.end().is_reading = true;
    foe.settle();
    let kept = foe.end().received[0].len();
    assert_eq!(kept as u64 + overflowed, count);
    assert!((16 << 20) - data.len() < kept * data.len() && kept * data.len() <= 16 << 20, "{kept}");
    foe.send(&[0x80, 1, 7]);
    assert_eq!(foe.end().received[0].len(), kept + 1, "there is room again once they were taken");
}

#[test]
fn unreliable_pieces_are_forgotten_although_no_others_follow() {
    let mut foe = Foe::new();
    let fragment = Some(Fragment { index: 15, total: UNRELIABLE_BYTES_MAX as u32 });
    let data = [7; CELL_BYTES];
    let message =
        MessageFrame { position: 0, sequence: SequenceField::low(0), key: 0, fragment, data: &data };
    let mut payload = Vec::new();
    message.encode(ChannelMode::Unreliable, &mut payload);
    foe.send(&payload);
    assert!(!foe.end().connection.reassembly.is_empty());
    foe.wait(Duration::from_secs(10));
    assert!(foe.end().connection.reassembly.is_empty());
}

/// What a liar tells about acknowledgements, paths and clocks: well-formed, and never of a packet that was not sent.
struct Liar {
    foe: Foe,
    random: SeededRandom,
    /// Receipts asked for, and what became of them.
    asked: u64,
    told: Vec<u64>,
}

impl Liar {
    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// The server's game goes on talking.
    fn talk(&mut self) {
        let now = self.foe.pair.now;
        for _ in 0..self.below(40) {
            let channel = ChannelId(self.below(5) as u8);
            let bytes_max = if self.random.chance(0.02) { 16_000 } else { 300 };
            let bytes = self.below(bytes_max) as usize;
            let deadline =
                self.random.chance(0.3).then(|| Duration::from_micros(self.random.below(3_000_000)));
            let receipt = self.random.chance(0.5).then_some(self.asked);
            let options = SendOptions { receipt, deadline, ..SendOptions::default() };
            let payload = Payload::from(vec![7; bytes]);
            if self.foe.end().connection.send(now, channel, payload, options).is_ok() && receipt.is_some() {
                self.asked += 1;
            }
        }
        self.foe.settle();
    }

    /// An ACK of whatever it likes, also of what cannot have arrived yet.
    fn acknowledge(&mut self) {
        let next = self.foe.end().connection.sent.next_number();
        if next == 0 {
            return;
        }
        let back = if self.random.chance(0.6) { 1 } else { 1 + self.below(next.min(3_000)) };
        let newest = next - back;
        let mut ranges = AckRangeBuffer::default();
        let mut left = newest.saturating_sub(64);
        while left > 2 && self.random.chance(0.8) {
            let gap = 1 + self.below(left.min(100) - 1);
            let length = 1 + self.below((left - gap).clamp(1, 2_000));
            if gap + length > left || !ranges.push(AckRange { gap, length }) {
                break;
            }
            left -= gap + length;
        }
        let field = match self.below(3) {
            0 => u64::MAX,
            1 => self.random.next_u64(),
            _ => self.random.next_u64() | self.random.next_u64() | self.random.next_u64(),
        };
        let delay = AckDelay(self.random.next_u64() as u16 >> self.below(17).min(15));
        let ack = Ack { newest: newest as u32, delay, field, ranges: ranges.ranges() };
        self.send(&Frame::Ack(ack));
    }

    fn send(&mut self, frame: &Frame<'_>) {
        let mut payload = Vec::new();
        frame.encode(&ChannelMode::ALL, &mut payload);
        if self.random.chance(0.3) {
            payload.push(PING[0]);
        }
        let mut path = self.foe.end().connection.path();
        if self.random.chance(0.1) {
            path.remote.set_port(self.below(3) as u16 + 1_000);
            if self.random.chance(0.5) {
                path.remote.set_ip([10, 0, 0, self.below(3) as u8].into());
            }
        }
        self.foe.next_number += if self.random.chance(0.1) { 1 + self.below(5_000) } else { 0 };
        self.foe.send_along(path, &payload);
        let connection = &mut self.foe.end().connection;
        if connection.needs_challenge() {
            // The endpoint throws dice; who has to answer could read them here.
            connection.challenge_path([7; 8]);
        }
    }

    fn lie(&mut self) {
        let wild = self.random.next_u64() >> self.below(64);
        match self.below(12) {
            0 => self.send(&Frame::Ping),
            1 => self.send(&Frame::PathResponse { data: [7; 8] }),
            2 => self.send(&Frame::PathChallenge { data: wild.to_le_bytes() }),
            3 => self.send(&Frame::ClockRequest { client_time: wild }),
            4 => {
                let client_time = self.foe.pair.now.as_micros().saturating_sub(self.below(3));
                let sent = wild.saturating_add(self.below(9));
                self.send(&Frame::ClockAnswer { client_time, received: wild, sent });
            }
            5 => self.send(&Frame::ConnectionCredit { bytes: wild }),
            6 => {
                let position = self.below(3) as u8 + 2;
                self.send(&Frame::ChannelCredit { position, bytes: wild, messages: wild >> 9 });
            }
            _ => self.acknowledge(),
        }
    }

    fn check(&mut self) {
        let statistics = self.foe.pair.statistics(SERVER);
        assert!(statistics.congestion_window >= 2 * 1_200, "{statistics:?}");
        assert!((1_200..=1_452).contains(&statistics.datagram_bytes), "{statistics:?}");
        assert!(statistics.pacing_rate > 0 && statistics.rtt_smoothed > Duration::ZERO, "{statistics:?}");
        let end = self.foe.end();
        assert!(end.connection.sent.next_number() < 1 << 40);
        for event in end.events.drain(..) {
            match event {
                Event::Delivered { token, .. } | Event::Expired { token, .. } => self.told.push(token),
                Event::Disconnected { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    }
}

#[test]
fn well_formed_lies_are_survived_and_every_receipt_is_given_once() {
    for seed in 0..100 {
        let mut liar = Liar { foe: Foe::new(), random: SeededRandom::new(seed), asked: 0, told: Vec::new() };
        let begun = liar.foe.pair.now;
        liar.foe.send(PING);
        liar.foe.end().connection.synchronise_clock(begun);
        for _ in 0..1_500 {
            if liar.random.chance(0.3) {
                liar.talk();
            }
            liar.lie();
            let pause = match liar.below(200) {
                0 => Duration::from_secs(20),
                1..5 => ms(liar.below(3_000)),
                _ => Duration::from_micros(liar.below(20_000)),
            };
            liar.foe.wait(pause);
            liar.check();
        }
        // In the end it tells the truth.
        for _ in 0..3_000 {
            let newest = liar.foe.end().connection.sent.next_number() - 1;
            liar.foe.acknowledge(newest as u32);
            liar.foe.wait(ms(20));
            liar.check();
        }
        liar.told.sort_unstable();
        let expected: Vec<u64> = (0..liar.asked).collect();
        assert!(liar.asked > 1_000 && liar.foe.end().connection.is_open(), "seed {seed}: {}", liar.asked);
        assert_eq!(liar.told, expected, "seed {seed}");
        // At most a request for the time has left since.
        let in_flight = liar.foe.pair.statistics(SERVER).bytes_in_flight;
        assert!(in_flight < 50, "seed {seed}: {in_flight}");
    }
}
