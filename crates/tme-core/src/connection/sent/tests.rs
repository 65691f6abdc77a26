//! What acknowledgements and losses make of packets that were sent.

use super::lost::PACKET_THRESHOLD;
use super::*;
use crate::wire::ack::{Ack, AckDelay, AckRange, AckRangeBuffer, AckRanges};

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
    let ack =
        Ack { newest: (START + 199) as u32, delay: AckDelay(0), field: u64::MAX, ranges: buffer.ranges() };
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
