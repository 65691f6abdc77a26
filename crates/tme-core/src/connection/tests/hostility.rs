//! What a peer that has the keys and bad intentions can cost (`docs/PROTOCOL.md`, section 10).

use super::*;
use crate::wire::ack::{Ack, AckDelay, AckRanges};
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
        let path = end.connection.path();
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
