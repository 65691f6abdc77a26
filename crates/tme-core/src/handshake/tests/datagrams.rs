//! Encodings of the handshake datagrams, and what is malformed about others.

use std::num::NonZeroU16;

use super::*;
use crate::codec::DecodeError;
use crate::crypto::Pattern;
use crate::crypto::cookie::Cookie;
use crate::crypto::keys::PublicKey;
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::SuiteSet;
use crate::handshake::datagram::*;
use crate::handshake::reason::Reason;
use crate::random::Random;

fn offer(random: &mut SeededRandom) -> Offer {
    let versions: Vec<u16> = (0..=random.below(7)).map(|_| random.next_u64() as u16).collect();
    let mut client_ephemeral = [0; 32];
    random.fill(&mut client_ephemeral);
    Offer {
        client_nonce: random.next_u64(),
        versions: Versions::new(&versions).unwrap(),
        application_id: random.next_u64(),
        table_hash: std::num::NonZeroU64::new(random.below(2)),
        suites: SuiteSet::from_bits([1, 2, 3, 0x80][random.below(4) as usize]).unwrap(),
        pattern: Some(if random.chance(0.5) { Pattern::Nk } else { Pattern::Ik }),
        client_ephemeral: PublicKey::from_bytes(client_ephemeral),
    }
}

fn here(random: &mut SeededRandom) -> Here<'static> {
    let description = Description {
        versions: Versions::OURS,
        application_id: random.next_u64(),
        peers: random.next_u64() as u32,
        peers_max: random.next_u64() as u32,
        demands: ServerDemands { token: true, ..ServerDemands::default() },
        information: &[],
    };
    let port = NonZeroU16::new(random.next_u64() as u16 | 1).unwrap();
    let (nonce, instance, table_hash) = (random.next_u64(), random.next_u64(), random.next_u64());
    Here { nonce, instance, table_hash, port, name: "Bärbels Höhle", description }
}

#[test]
fn the_longest_answer_to_a_search_is_shorter_than_the_question_and_its_name_harms_no_terminal() {
    let mut here = here(&mut SeededRandom::new(5));
    here.name = "n234567890123456789012345678901234567890123456789012345678901234";
    here.description.versions = Versions::new(&[1, 2, 3, 4, 5, 6, 7]).unwrap();
    here.description.information = &[7; 512];
    let (mut answer, mut question) = (Vec::new(), Vec::new());
    here.encode(&mut answer);
    Discover { nonce: 1, application_id: None }.encode(&mut question);
    assert_eq!((answer.len(), question.len()), (HERE_BYTES_MAX, DISCOVER_BYTES));
    assert_eq!(HandshakeDatagram::parse(&answer), Ok(HandshakeDatagram::Here(here)));
    for (position, value) in [(31, 65), (32, 0x1B), (40, 0x7F), (50, 0xFF), (29, 0)] {
        let mut bad = answer.clone();
        bad[position] = value;
        if position == 29 {
            bad[30] = 0;
        }
        assert_eq!(HandshakeDatagram::parse(&bad), Err(DecodeError::OutOfRange), "{position}: {value}");
    }
    for (position, value) in [(13, 2), (14, 1), (22, 1), (699, 1)] {
        let mut bad = question.clone();
        bad[position] = value;
        assert_eq!(HandshakeDatagram::parse(&bad), Err(DecodeError::Reserved), "{position}: {value}");
    }
    for text in ["\u{1b}[2J", "a\nb", "\u{9b}", &"ü".repeat(33)] {
        assert!(DisplayName::new(text).is_err(), "{text:?}");
    }
    assert_eq!(DisplayName::new("ü".repeat(32)).unwrap().as_str().len(), 64);
}

/// One datagram of every type, with random content; the message is cut into parts.
fn datagrams<'a>(random: &mut SeededRandom, message: &'a [u8]) -> Vec<HandshakeDatagram<'a>> {
    let offer = offer(random);
    let client_nonce = random.next_u64();
    let mut cookie = Cookie([0; 20]);
    random.fill(&mut cookie.0);
    let server_key = offer.client_ephemeral;
    let (version, reason) = (random.next_u64() as u16, Reason::from_code(random.below(200) as u16));
    let token = ResetToken::from_bytes([random.next_u64() as u8; 16]);
    let mut all = vec![
        HandshakeDatagram::Hello(Hello { offer }),
        HandshakeDatagram::Cookie(CookieReply { client_nonce, version, server_key, cookie }),
        HandshakeDatagram::Refuse(Refuse { client_nonce, reason, versions: offer.versions }),
        HandshakeDatagram::Reset(Reset { token }),
        HandshakeDatagram::InfoQuery(InfoQuery { nonce: client_nonce }),
        HandshakeDatagram::Discover(Discover { nonce: client_nonce, application_id: None }),
        HandshakeDatagram::Discover(Discover { nonce: 0, application_id: Some(client_nonce) }),
        HandshakeDatagram::Here(here(random)),
    ];
    for part in Part::split(message) {
        all.push(HandshakeDatagram::Connect(Connect { offer, cookie, part }));
        all.push(HandshakeDatagram::Accept(Accept { client_nonce, part }));
    }
    all
}

#[test]
fn every_datagram_round_trips_and_keeps_to_1200_bytes() {
    let mut random = SeededRandom::new(1);
    for bytes in [1, 50, 1_099, 1_100, 1_101, 2_200, 2_201, 3_300] {
        let mut message = vec![0; bytes];
        random.fill(&mut message);
        for _ in 0..50 {
            for datagram in datagrams(&mut random, &message) {
                let mut encoded = Vec::new();
                datagram.encode(&mut encoded);
                assert!(encoded.len() <= 1_200);
                assert_eq!(classify(&encoded), DatagramKind::Handshake);
                assert_eq!(HandshakeDatagram::parse(&encoded), Ok(datagram));
            }
        }
    }
}

/// What browsers say and hear; `payload` is of either side.
fn carried<'a>(random: &mut SeededRandom, payload: &'a [u8]) -> [HandshakeDatagram<'a>; 2] {
    let offer = Offer { suites: SuiteSet::CARRIED, pattern: None, ..offer(random) };
    let (client_nonce, version) = (random.next_u64(), random.next_u64() as u16);
    [
        HandshakeDatagram::Open(Open { offer, payload }),
        HandshakeDatagram::Opened(Opened { client_nonce, version, payload }),
    ]
}

#[test]
fn what_streams_open_with_round_trips_and_has_a_payload_of_bounded_length() {
    let mut random = SeededRandom::new(5);
    for (bytes, is_valid) in [(0, false), (1, true), (3_300, true), (3_301, false)] {
        for datagram in carried(&mut random, &vec![7; bytes]) {
            let mut encoded = Vec::new();
            datagram.encode(&mut encoded);
            assert_eq!(
                HandshakeDatagram::parse(&encoded),
                if is_valid { Ok(datagram) } else { Err(DecodeError::OutOfRange) }
            );
        }
    }
}

#[test]
fn no_offer_has_keys_and_none() {
    let mut random = SeededRandom::new(6);
    let [open, _] = carried(&mut random, &[7; 60]);
    let HandshakeDatagram::Open(Open { offer, payload }) = open else { unreachable!("the first is OPEN") };
    for wrong in [
        Offer { suites: SuiteSet::ENCRYPTED, ..offer },
        Offer { suites: SuiteSet::PLAINTEXT, ..offer },
        Offer { pattern: Some(Pattern::Nk), ..offer },
    ] {
        let mut bytes = Vec::new();
        Open { offer: wrong, payload }.encode(&mut bytes);
        assert_eq!(HandshakeDatagram::parse(&bytes), Err(DecodeError::OutOfRange), "{wrong:?}");
    }
    for wrong in
        [offer, Offer { suites: SuiteSet::ENCRYPTED, ..offer }, Offer { pattern: Some(Pattern::Nk), ..offer }]
    {
        let mut bytes = Vec::new();
        Hello { offer: wrong }.encode(&mut bytes);
        assert_eq!(HandshakeDatagram::parse(&bytes), Err(DecodeError::OutOfRange), "{wrong:?}");
    }
}

#[test]
fn whatever_parses_encodes_to_the_same_bytes() {
    let mut random = SeededRandom::new(2);
    let mut parsed = 0;
    for _ in 0..2_000 {
        let message = vec![0xA5; random.below(1_300) as usize + 1];
        for datagram in datagrams(&mut random, &message) {
            let mut bytes = Vec::new();
            datagram.encode(&mut bytes);
            let position = random.below(bytes.len().min(120) as u64) as usize;
            bytes[position] = random.next_u64() as u8;
            if let Ok(other) = HandshakeDatagram::parse(&bytes) {
                let mut again = Vec::new();
                other.encode(&mut again);
                assert_eq!(again, bytes);
                parsed += 1;
            }
        }
    }
    assert!(parsed > 5_000, "only {parsed} changed datagrams parsed; the test says little");
}

#[test]
fn fixed_lengths_are_exact_and_every_cut_is_malformed() {
    let mut random = SeededRandom::new(3);
    for datagram in datagrams(&mut random, &[7; 60]) {
        let mut bytes = Vec::new();
        datagram.encode(&mut bytes);
        let is_open_ended = matches!(datagram, HandshakeDatagram::Connect(_) | HandshakeDatagram::Accept(_));
        for length in 0..bytes.len() {
            let result = HandshakeDatagram::parse(&bytes[..length]);
            assert!(result.is_err() || (is_open_ended && length + 60 > bytes.len()), "{length}: {result:?}");
        }
        bytes.push(0);
        // A HERE with a byte more is one with information.
        let may_grow = is_open_ended || matches!(datagram, HandshakeDatagram::Here(_));
        assert_eq!(HandshakeDatagram::parse(&bytes).is_ok(), may_grow);
    }
}

#[test]
fn what_the_page_calls_malformed_is_refused() {
    let mut random = SeededRandom::new(4);
    let versions = Versions::new(&[1]).unwrap();
    let offer = Offer { versions, ..offer(&mut random) };
    let part = Part::split(&[1; 3]).next().unwrap();
    let mut hello = Vec::new();
    Hello { offer }.encode(&mut hello);
    let mut connect = Vec::new();
    Connect { offer, cookie: Cookie([0; 20]), part }.encode(&mut connect);
    let with = |bytes: &[u8], position: usize, value: u8| {
        let mut changed = bytes.to_vec();
        changed[position] = value;
        HandshakeDatagram::parse(&changed).unwrap_err()
    };
    assert_eq!(with(&hello, 0, b'X'), DecodeError::UnknownType);
    for kind in [0, 13, 255] {
        assert_eq!(with(&hello, 4, kind), DecodeError::UnknownType);
    }
    assert_eq!(with(&hello, 4, 7), DecodeError::OutOfRange, "a HELLO is no INFO_QUERY");
    for versions in [0, 8, 255] {
        assert_eq!(with(&hello, 13, versions), DecodeError::OutOfRange);
    }
    for suites in [0, 4, 0x81, 0x83, 0x40, 0xFF] {
        assert_eq!(with(&hello, 32, suites), DecodeError::OutOfRange);
    }
    assert_eq!(with(&hello, 33, 2), DecodeError::OutOfRange);
    for padding in [66, 700, 1_199] {
        assert_eq!(with(&hello, padding, 1), DecodeError::Reserved);
    }
    // Part index and count stand behind offer and cookie; a part that is not the last must be full.
    for (index, count) in [(0, 0), (1, 1), (3, 3), (0, 4), (0, 2)] {
        let mut changed = connect.clone();
        changed[86..88].copy_from_slice(&[index, count]);
        assert_eq!(HandshakeDatagram::parse(&changed), Err(DecodeError::OutOfRange), "{index} of {count}");
    }
    connect.resize(88 + 1_101, 0);
    assert_eq!(HandshakeDatagram::parse(&connect), Err(DecodeError::OutOfRange));
}

#[test]
fn first_bytes_tell_datagrams_apart() {
    assert_eq!(classify(&[]), DatagramKind::Unknown);
    for first in 0..=255u8 {
        let expected = match first {
            0..=3 => DatagramKind::Stun,
            0x80.. => DatagramKind::Data,
            _ => DatagramKind::Unknown,
        };
        assert_eq!(classify(&[first, 0, 0, 0, 0]), expected);
    }
    assert_eq!(classify(b"TMED"), DatagramKind::Handshake);
    assert_eq!(classify(b"TME1"), DatagramKind::Unknown);
}

#[test]
fn messages_too_long_or_empty_make_no_parts() {
    assert_eq!(Part::split(&[]).count(), 0);
    assert_eq!(Part::split(&[0; 3_301]).count(), 0);
    assert_eq!(Part::split(&[0; 3_300]).map(|part| part.bytes().len()).collect::<Vec<_>>(), [1_100; 3]);
}
