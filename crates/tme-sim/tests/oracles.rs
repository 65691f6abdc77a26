//! Every oracle lets honest histories pass and speaks up at the first event of a dishonest one.

use std::net::SocketAddr;
use std::time::Duration;

use ChannelMode::{ReliableLatest, ReliableOrdered, ReliableUnordered, Sequenced, Unreliable};
use tme_core::channel::{ChannelId, ChannelMode};
use tme_core::connection::PacketDrop;
use tme_core::connection::{Disconnected, Origin, SendError};
use tme_core::endpoint::EndpointStatistics;
use tme_core::handshake::parameters::Limits;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::time::Instant;
use tme_sim::content::Stream;
use tme_sim::oracle::{
    Amplification, Breach, ChannelOracle, DatagramKind, DropFacts, DropTally, EndFacts, EndOracle, Oracle,
    PacketNumbers, Parting, ReceiveMemory, SendFacts, check_datagram_size, check_deadline, judge_drop,
    judge_end, judge_send,
};

const NOW: Instant = Instant::from_micros(1_000_000);
const SIZES: [usize; 6] = [100, 2_000, 0, 3, 3, 8];

fn stream() -> Stream {
    Stream::new(1, 2, 0, 3)
}

/// Sends messages of [`SIZES`], with alternating keys where there are keys, and delivers those with these sequences.
fn deliver(mode: ChannelMode, delivered: &[u64]) -> (ChannelOracle, Result<(), Breach>) {
    let mut oracle = ChannelOracle::new(mode, stream());
    let key = |sequence: u64| if mode.is_keyed() { sequence as u32 % 2 } else { 0 };
    for (sequence, bytes) in (0..).zip(SIZES) {
        oracle.handle_sent(NOW, bytes, key(sequence));
    }
    let outcome = delivered.iter().try_for_each(|&sequence| {
        let payload = stream().message(sequence, SIZES[sequence as usize]);
        oracle.handle_delivered(NOW + Duration::from_millis(5), key(sequence), &payload).map(|delivered| {
            assert_eq!(delivered.latency, Duration::from_millis(5));
        })
    });
    (oracle, outcome)
}

fn oracle_of(outcome: Result<(), Breach>) -> Option<Oracle> {
    outcome.err().map(|breach| breach.oracle)
}

#[test]
fn honest_deliveries_pass() {
    let histories: [(ChannelMode, &[u64]); 8] = [
        (ReliableOrdered, &[0, 1, 2, 3, 4, 5]),
        (ReliableUnordered, &[5, 3, 0, 4, 2, 1]),
        (Unreliable, &[4, 0, 5]),
        (Sequenced, &[0, 2, 3, 5]),
        (Sequenced, &[4, 5]),
        (ReliableLatest, &[0, 1, 2, 3, 4, 5]),
        (ReliableLatest, &[1, 0, 5, 4]),
        (ReliableLatest, &[4, 5]),
    ];
    for (mode, delivered) in histories {
        let (oracle, outcome) = deliver(mode, delivered);
        assert_eq!(outcome, Ok(()), "{mode:?} {delivered:?}");
        assert_eq!(oracle.check_complete(), Ok(()), "{mode:?} {delivered:?}");
    }
}

#[test]
fn dishonest_deliveries_are_noticed() {
    let histories: [(ChannelMode, &[u64], Oracle); 11] = [
        (ReliableOrdered, &[1], Oracle::Ordered),
        (ReliableOrdered, &[0, 0], Oracle::Ordered),
        (ReliableOrdered, &[0, 1, 3], Oracle::Ordered),
        (ReliableUnordered, &[1, 5, 1], Oracle::Unordered),
        (ReliableUnordered, &[2, 2], Oracle::Unordered),
        (Unreliable, &[5, 0, 5], Oracle::Unreliable),
        (Unreliable, &[3, 3], Oracle::Unreliable),
        (Sequenced, &[1, 0], Oracle::Sequenced),
        (Sequenced, &[5, 2], Oracle::Sequenced),
        (ReliableLatest, &[0, 5, 1], Oracle::Latest),
        (ReliableLatest, &[4, 2], Oracle::Latest),
    ];
    for (mode, delivered, expected) in histories {
        assert_eq!(oracle_of(deliver(mode, delivered).1), Some(expected), "{mode:?} {delivered:?}");
    }
}

#[test]
fn damaged_alien_and_wrongly_keyed_messages_are_noticed() {
    for mode in ChannelMode::ALL {
        let mut damaged = stream().message(0, 100);
        damaged[50] ^= 1;
        let alien = Stream::new(1, 2, 1, 3).message(0, 100);
        let cut = stream().message(0, 100)[..99].to_vec();
        for payload in [damaged, alien, cut] {
            let mut oracle = deliver(mode, &[]).0;
            let outcome = oracle.handle_delivered(NOW, 0, &payload).map(|_| ());
            assert_eq!(oracle_of(outcome), Some(Oracle::Contents), "{mode:?}");
        }
        let outcome = deliver(mode, &[]).0.handle_delivered(NOW, 1, &stream().message(0, 100)).map(|_| ());
        assert!(outcome.is_err_and(|breach| breach.oracle != Oracle::Contents), "{mode:?}");
        let unsent = deliver(mode, &[]).0.handle_delivered(NOW, 0, &stream().message(6, 100)).map(|_| ());
        assert_eq!(oracle_of(unsent), Some(Oracle::Contents), "{mode:?}");
    }
}

#[test]
fn incomplete_histories_do_not_converge() {
    let histories: [(ChannelMode, &[u64]); 4] = [
        (ReliableOrdered, &[0, 1, 2, 3, 4]),
        (ReliableUnordered, &[0, 1, 2, 4, 5]),
        (ReliableLatest, &[0, 1, 2, 3, 4]),
        (ReliableLatest, &[1, 3, 5]),
    ];
    for (mode, delivered) in histories {
        let (oracle, outcome) = deliver(mode, delivered);
        assert_eq!(outcome, Ok(()));
        assert_eq!(oracle_of(oracle.check_complete()), Some(Oracle::Convergence), "{mode:?} {delivered:?}");
    }
}

#[test]
fn more_than_was_granted_is_noticed() {
    let limits = Limits {
        channel_credit_bytes: 2_000,
        channel_credit_messages: 3,
        connection_credit_bytes: 3_000,
        ..Limits::default()
    };
    // Channel, mode, bytes; the last one is too much.
    let histories: [&[(u8, ChannelMode, usize)]; 4] = [
        &[(0, ReliableOrdered, 1_500), (0, ReliableOrdered, 501)],
        &[(0, ReliableOrdered, 1), (0, ReliableOrdered, 1), (0, ReliableOrdered, 1), (0, ReliableOrdered, 1)],
        &[(0, ReliableOrdered, 1_500), (1, ReliableLatest, 1_500), (2, ReliableUnordered, 1)],
        &[(0, Unreliable, 9_000), (1, Sequenced, 9_000), (1, Sequenced, 9_000)],
    ];
    for history in histories {
        let mut memory = ReceiveMemory::new(limits, 2);
        let (last, first) = history.split_last().unwrap();
        for &(channel, mode, bytes) in first {
            assert_eq!(memory.handle_delivered(ChannelId(channel), mode, bytes), Ok(()));
        }
        let mut consumed = memory.clone();
        let outcome = memory.handle_delivered(ChannelId(last.0), last.1, last.2);
        assert_eq!(oracle_of(outcome), Some(Oracle::Memory), "{history:?}");
        for &(channel, mode, bytes) in first {
            consumed.handle_consumed(ChannelId(channel), mode, bytes as u64, 1);
        }
        assert_eq!(consumed.handle_delivered(ChannelId(last.0), last.1, last.2), Ok(()));
    }
}

#[test]
fn oversized_datagrams_and_restless_endpoints_are_noticed() {
    assert_eq!(check_datagram_size(1_200, 1_200), Ok(()));
    assert_eq!(oracle_of(check_datagram_size(1_201, 1_200)), Some(Oracle::DatagramSize));
    assert_eq!(check_deadline(3, Some(NOW)), Ok(()));
    assert_eq!(oracle_of(check_deadline(9, Some(NOW))), Some(Oracle::Deadline));
}

fn packet(id: u32, number: u64, is_long: bool) -> Vec<u8> {
    let mut datagram = vec![0x80 | u8::from(is_long)];
    datagram.extend(id.to_le_bytes());
    datagram.extend(&number.to_le_bytes()[..if is_long { 4 } else { 2 }]);
    datagram.resize(40, 0xA5);
    datagram
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 1))
}

#[test]
fn packet_numbers_rise_through_every_wrap() {
    for first in [0, 65_530, (1 << 32) - 5, (1 << 40) - 5] {
        for is_long in [false, true] {
            let mut numbers = PacketNumbers::new(first);
            for number in first..first + 20 {
                let found = numbers.handle_sent(address(1), &packet(7, number, is_long));
                assert_eq!(found, Ok((7, number)));
                assert_eq!(numbers.handle_sent(address(2), &packet(7, number, is_long)), Ok((7, number)));
                assert_eq!(numbers.handle_sent(address(1), &packet(8, number, is_long)), Ok((8, number)));
            }
        }
    }
}

#[test]
fn a_packet_number_used_twice_is_noticed() {
    for (first, again) in [(0, 3), (65_530, 65_535), ((1 << 32) - 2, (1 << 32) - 2)] {
        let mut numbers = PacketNumbers::new(first);
        for number in first..first + 10 {
            numbers.handle_sent(address(1), &packet(7, number, false)).unwrap();
        }
        for is_long in [false, true] {
            let outcome = numbers.clone().handle_sent(address(1), &packet(7, again, is_long)).map(|_| ());
            assert_eq!(oracle_of(outcome), Some(Oracle::PacketNumbers), "{first} {again}");
        }
    }
    let before_the_first =
        PacketNumbers::new(1_000).handle_sent(address(1), &packet(7, 999, true)).map(|_| ());
    assert_eq!(oracle_of(before_the_first), Some(Oracle::PacketNumbers));
    let short = PacketNumbers::new(0).handle_sent(address(1), &[0x80, 1, 2]).map(|_| ());
    assert_eq!(oracle_of(short), Some(Oracle::PacketNumbers));
}

fn cookie_reply(cookie: [u8; 20]) -> Vec<u8> {
    let mut datagram = b"TMED\x02".to_vec();
    datagram.resize(47, 0);
    datagram.extend(cookie);
    datagram
}

fn connect(cookie: [u8; 20]) -> Vec<u8> {
    let mut datagram = b"TMED\x03".to_vec();
    datagram.resize(13, 0);
    datagram.extend([1, 1, 0]);
    datagram.resize(66, 0);
    datagram.extend(cookie);
    datagram.resize(159, 0);
    datagram
}

#[test]
fn amplification_is_noticed_until_the_address_is_proven() {
    let (client, stranger) = (address(1), address(2));
    let mut account = Amplification::default();
    account.handle_received(client, &[0; 67]);
    assert_eq!(account.handle_sent(client, &cookie_reply([7; 20])), Ok(()));
    assert_eq!(oracle_of(account.clone().handle_sent(client, &[0; 1])), Some(Oracle::Amplification));
    assert_eq!(oracle_of(account.clone().handle_sent(stranger, &[0; 1])), Some(Oracle::Amplification));

    // A cookie that was sent to nobody, or to somebody else, proves nothing.
    for (from, cookie) in [(client, [8; 20]), (stranger, [7; 20])] {
        let mut account = account.clone();
        account.handle_received(from, &connect(cookie));
        let outcome = account.handle_sent(from, &[0; 1_000]);
        assert_eq!(oracle_of(outcome), Some(Oracle::Amplification));
    }
    account.handle_received(client, &connect([7; 20]));
    assert_eq!(account.handle_sent(client, &[0; 100_000]), Ok(()));
}

/// Counters after one datagram, dropped for these reasons.
fn tallies(received: u64, drops: &[PacketDrop]) -> (DropTally, DropTally) {
    let mut statistics = EndpointStatistics { datagrams_received: 5, ..EndpointStatistics::default() };
    let before = DropTally::of(&statistics);
    statistics.datagrams_received += received;
    drops.iter().for_each(|&reason| statistics.drops.add(reason));
    (before, DropTally::of(&statistics))
}

#[test]
fn datagrams_are_taken_or_counted_for_a_reason_that_fits() {
    let good = DropFacts {
        kind: DatagramKind::Data,
        is_forwarded: false,
        is_intact: true,
        is_first: true,
        is_open: true,
        behind: 0,
        generations_behind: 0,
        is_key_fresh: true,
    };
    let damaged = DropFacts { is_intact: false, is_first: false, ..good };
    let repeated = DropFacts { is_first: false, ..good };
    let late = DropFacts { behind: 2_048, ..good };
    let gone = DropFacts { is_open: false, ..good };
    let foreign = DropFacts { kind: DatagramKind::Foreign, ..good };
    let handshake = DropFacts { kind: DatagramKind::Handshake, ..good };
    let previous_key = DropFacts { behind: 5, generations_behind: 1, ..good };
    let late_key = DropFacts { is_key_fresh: false, ..previous_key };
    let lost_key = DropFacts { generations_behind: 2, ..previous_key };
    use PacketDrop::{KeyErased, NotTme, Replayed, TooOld, Unauthentic, UnknownConnection};
    let cases: [(DropFacts, &[PacketDrop], bool); 25] = [
        (good, &[], true),
        (good, &[Unauthentic], false),
        (good, &[Replayed], false),
        (good, &[UnknownConnection], false),
        (good, &[TooOld], false),
        (good, &[KeyErased], false),
        (good, &[Unauthentic, Unauthentic], false),
        (good, &[Unauthentic, Replayed], false),
        (damaged, &[Unauthentic], true),
        (damaged, &[], false),
        (repeated, &[Replayed], true),
        (repeated, &[], false),
        (late, &[TooOld], true),
        (late, &[], true),
        (gone, &[UnknownConnection], true),
        (gone, &[Unauthentic], false),
        (foreign, &[NotTme], true),
        (foreign, &[], false),
        (handshake, &[], true),
        (handshake, &[UnknownConnection], true),
        (late_key, &[KeyErased], true),
        (late_key, &[Replayed], false),
        (previous_key, &[KeyErased], false),
        (previous_key, &[Unauthentic], false),
        (lost_key, &[Unauthentic], true),
    ];
    for (facts, drops, is_right) in cases {
        let (before, after) = tallies(1, drops);
        let found = oracle_of(judge_drop(&facts, &before, &after));
        assert_eq!(found, (!is_right).then_some(Oracle::Drops), "{facts:?} {drops:?}");
    }
    let (before, after) = tallies(0, &[]);
    assert_eq!(oracle_of(judge_drop(&good, &before, &after)), Some(Oracle::Drops), "not even counted");
}

#[test]
fn events_out_of_order_are_noticed() {
    type Step = fn(&mut EndOracle) -> Result<(), Breach>;
    let connected: Step = |end| end.handle_connected(NOW);
    let message: Step = |end| end.handle_activity("a message");
    let interrupted: Step = EndOracle::handle_interrupted;
    let resumed: Step = EndOracle::handle_resumed;
    let disconnected: Step = |end| end.handle_disconnected(NOW);
    let vanished: Step = |end| {
        end.vanish(NOW);
        Ok(())
    };
    let honest: [&[Step]; 3] = [
        &[connected, message, interrupted, message, resumed, interrupted, resumed, message, disconnected],
        &[disconnected],
        &[connected, interrupted, disconnected],
    ];
    for (number, history) in honest.into_iter().enumerate() {
        let mut end = EndOracle::default();
        assert!(history.iter().all(|step| step(&mut end).is_ok()), "history {number}");
    }
    // The last step is the wrong one.
    let dishonest: [&[Step]; 10] = [
        &[message],
        &[interrupted],
        &[connected, connected],
        &[connected, resumed],
        &[connected, interrupted, interrupted],
        &[connected, disconnected, message],
        &[connected, disconnected, disconnected],
        &[connected, disconnected, connected],
        &[disconnected, connected],
        &[connected, vanished, message],
    ];
    for (number, history) in dishonest.into_iter().enumerate() {
        let mut end = EndOracle::default();
        let (last, first) = history.split_last().unwrap();
        assert!(first.iter().all(|step| step(&mut end).is_ok()), "history {number}");
        assert_eq!(oracle_of(last(&mut end)), Some(Oracle::Lifecycle), "history {number}");
    }
}

#[test]
fn connections_end_only_for_a_cause() {
    use Origin::{Local, Remote, Unauthenticated};
    let parting =
        Parting { at: NOW, reason: Reason::Closed, code: 7, detail: b"bye".to_vec(), is_flush: false };
    let facts = EndFacts {
        was_open: true,
        is_client: true,
        parting: None,
        other_parting: None,
        other_is_gone: false,
        has_successor: false,
        silence: Some(Duration::from_secs(1)),
        was_disturbed: false,
        idle_timeout: Duration::from_secs(10),
        waited: Duration::from_secs(1),
        give_up_after: Duration::from_secs(10),
        can_be_forged: false,
        was_full: false,
    };
    let attempt = EndFacts { was_open: false, ..facts.clone() };
    let leaving = EndFacts { parting: Some(parting.clone()), ..facts.clone() };
    let left = EndFacts { other_parting: Some(parting), other_is_gone: true, ..facts.clone() };
    let alone = EndFacts { other_is_gone: true, ..facts.clone() };
    let succeeded = EndFacts { is_client: false, has_successor: true, ..alone.clone() };
    let unsucceeded = EndFacts { has_successor: false, ..succeeded.clone() };
    let silent = EndFacts { silence: Some(Duration::from_secs(10)), was_disturbed: true, ..facts.clone() };
    let unheard = EndFacts { was_disturbed: false, ..silent.clone() };
    let disturbed = EndFacts { was_disturbed: true, ..facts.clone() };
    let waited = EndFacts { waited: Duration::from_secs(10), was_disturbed: true, ..attempt.clone() };
    let ignored = EndFacts { was_disturbed: false, ..waited.clone() };
    let forged = EndFacts { can_be_forged: true, ..attempt.clone() };
    let collected = EndFacts { can_be_forged: true, ..facts.clone() };
    let full = EndFacts { was_full: true, ..attempt.clone() };
    let given_up = EndFacts { was_open: false, ..leaving.clone() };
    let (code, detail) = (7, "bye");
    let cases = [
        (&leaving, Reason::Closed, Local, code, detail, true),
        (&leaving, Reason::Closed, Local, 8, detail, false),
        (&leaving, Reason::Closed, Local, code, "by", false),
        (&leaving, Reason::Kicked, Local, code, detail, false),
        (&leaving, Reason::Reset, Remote, 0, "", false),
        (&left, Reason::Closed, Remote, code, detail, true),
        (&left, Reason::Closed, Local, code, detail, false),
        (&facts, Reason::Closed, Local, code, detail, false),
        (&facts, Reason::Closed, Remote, code, detail, false),
        (&facts, Reason::ProtocolViolation, Local, 0, "", false),
        (&left, Reason::FlowControl, Remote, 0, "", false),
        (&facts, Reason::TimedOut, Local, 0, "", false),
        (&silent, Reason::TimedOut, Local, 0, "", true),
        (&unheard, Reason::TimedOut, Local, 0, "", false),
        (&disturbed, Reason::TimedOut, Local, 0, "", false),
        (&facts, Reason::Reset, Remote, 0, "", false),
        (&alone, Reason::Reset, Remote, 0, "", true),
        (&collected, Reason::Reset, Remote, 0, "", true),
        (&succeeded, Reason::Replaced, Local, 0, "", true),
        (&unsucceeded, Reason::Replaced, Local, 0, "", false),
        (&alone, Reason::Replaced, Remote, 0, "", false),
        (&waited, Reason::ConnectTimedOut, Local, 0, "", true),
        (&attempt, Reason::ConnectTimedOut, Local, 0, "", false),
        (&ignored, Reason::ConnectTimedOut, Local, 0, "", false),
        (&attempt, Reason::Version, Unauthenticated, 0, "", false),
        (&forged, Reason::Version, Unauthenticated, 0, "", true),
        (&attempt, Reason::Full, Remote, 0, "", false),
        (&full, Reason::Full, Remote, 0, "", true),
        (&given_up, Reason::Aborted, Local, code, detail, true),
        (&attempt, Reason::Aborted, Local, 0, "", false),
    ];
    for (facts, reason, origin, code, detail, is_right) in cases {
        let end = Disconnected { reason, origin, code, detail: Payload::from(detail) };
        let found = oracle_of(judge_end(facts, &end));
        assert_eq!(found, (!is_right).then_some(Oracle::Ending), "{end:?} {facts:?}");
    }
}

#[test]
fn answers_of_send_calls_fit_the_call() {
    let channel = ChannelId(0);
    let would_block = || Err(SendError::WouldBlock { channel });
    let too_large = || Err(SendError::TooLarge { channel, bytes: 11, limit: 10 });
    let open = SendFacts { is_open: true, bytes: 5, bytes_max: 10, queued: 0 };
    let busy = SendFacts { queued: 3, ..open };
    let large = SendFacts { bytes: 11, ..open };
    let shut = SendFacts { is_open: false, ..open };
    let cases = [
        (open, Ok(()), true),
        (open, would_block(), false),
        (busy, would_block(), true),
        (large, too_large(), true),
        (large, Ok(()), false),
        (open, too_large(), false),
        (shut, Err(SendError::NotConnected), true),
        (shut, Ok(()), false),
        (open, Err(SendError::NotConnected), false),
        (open, Err(SendError::UnknownChannel), false),
    ];
    for (facts, answer, is_right) in cases {
        let found = oracle_of(judge_send(&facts, &answer));
        assert_eq!(found, (!is_right).then_some(Oracle::Sending), "{facts:?} {answer:?}");
    }
}
