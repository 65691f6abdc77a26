//! Encodings of what travels encrypted.

use super::*;
use crate::channel::Channel;
use crate::codec::{DecodeError, Put};
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::handshake::parameters::*;
use crate::handshake::reason::Reason;
use crate::random::Random;
use crate::token::SealedToken;

fn client_parameters() -> ClientParameters {
    ClientParameters {
        connection_id: ConnectionId::new(u32::MAX).unwrap(),
        limits: Limits::default(),
        token: SealedToken::from_bytes([2; 700]),
        user_data: UserData::new(vec![1; 512]).unwrap(),
        schema_hashes: SchemaHashes::new((0..8).map(|tag| SchemaHash { tag, hash: 9 }).collect()).unwrap(),
    }
}

fn answers() -> Vec<ServerAnswer> {
    let acceptance = Acceptance {
        connection_id: ConnectionId::new(1).unwrap(),
        peer_number: PeerNumber::new((1 << 31) - 1).unwrap(),
        suite: Suite::ChaCha20Poly1305,
        reset_token: ResetToken::from_bytes([3; 16]),
        limits: Limits { idle_timeout: Duration::from_millis(1_000), ..Limits::default() },
        channels: None,
        user_data: UserData::default(),
    };
    let with_table = Acceptance {
        channels: Some(ChannelTable::new([Channel::reliable_latest("ä").id(9)]).unwrap()),
        user_data: UserData::new([4; 512]).unwrap(),
        ..acceptance.clone()
    };
    let refusal = |detail: &[u8]| Refusal { reason: Reason::Full, detail: Detail::new(detail).unwrap() };
    vec![
        ServerAnswer::Accepted(Box::new(acceptance)),
        ServerAnswer::Accepted(Box::new(with_table)),
        ServerAnswer::Refused(refusal(b"")),
        ServerAnswer::Refused(refusal(&[7; 512])),
    ]
}

#[test]
fn payloads_round_trip_and_no_cut_or_longer_one_parses() {
    let mut encoded = Vec::new();
    client_parameters().encode(&mut encoded);
    assert_eq!(ClientParameters::decode(&encoded), Ok(client_parameters()));
    for bytes in 0..encoded.len() {
        assert!(ClientParameters::decode(&encoded[..bytes]).is_err(), "cut to {bytes}");
    }
    encoded.push(0);
    assert_eq!(ClientParameters::decode(&encoded), Err(ParameterError::Malformed(DecodeError::Reserved)));
    for answer in answers() {
        let mut encoded = Vec::new();
        answer.encode(&mut encoded);
        assert_eq!(ServerAnswer::decode(&encoded), Ok(answer));
        for bytes in 0..encoded.len() {
            assert!(ServerAnswer::decode(&encoded[..bytes]).is_err(), "cut to {bytes}");
        }
        encoded.push(0);
        assert!(ServerAnswer::decode(&encoded).is_err());
    }
}

#[test]
fn whatever_parses_without_unknown_extensions_encodes_to_the_same_bytes() {
    let mut random = SeededRandom::new(1);
    for answer in answers() {
        let mut encoded = Vec::new();
        answer.encode(&mut encoded);
        for _ in 0..5_000 {
            let mut changed = encoded.clone();
            let position = random.below(changed.len().min(60) as u64) as usize;
            changed[position] = random.next_u64() as u8;
            if let Ok(parsed) = ServerAnswer::decode(&changed) {
                let mut again = Vec::new();
                parsed.encode(&mut again);
                assert!(again == changed || again.len() < changed.len(), "{changed:02x?}");
            }
        }
    }
}

#[test]
fn limits_are_checked_at_both_ends_of_every_range() {
    let base = Limits::default();
    let ms = Duration::from_millis;
    let good = [
        base,
        Limits { reliable_message_bytes_max: 1_100, ..base },
        Limits {
            reliable_message_bytes_max: 1 << 24,
            connection_credit_bytes: 1 << 24,
            channel_credit_bytes: 1 << 30,
            ..base
        },
        Limits { connection_credit_bytes: 1 << 20, channel_credit_bytes: 1 << 20, ..base },
        Limits { channel_credit_messages: 1, datagram_bytes_max: 1_200, idle_timeout: ms(1_000), ..base },
        Limits {
            channel_credit_messages: 262_144,
            datagram_bytes_max: 65_527,
            idle_timeout: ms(3_600_000),
            ..base
        },
    ];
    let bad = [
        Limits { reliable_message_bytes_max: 1_099, ..base },
        Limits { reliable_message_bytes_max: (1 << 24) + 1, ..good[2] },
        Limits { connection_credit_bytes: (1 << 20) - 1, ..base },
        Limits { connection_credit_bytes: (1 << 30) + 1, ..base },
        Limits { channel_credit_bytes: (1 << 20) - 1, ..base },
        Limits { channel_credit_bytes: (1 << 30) + 1, ..base },
        Limits { channel_credit_messages: 0, ..base },
        Limits { channel_credit_messages: 262_145, ..base },
        Limits { datagram_bytes_max: 1_199, ..base },
        Limits { datagram_bytes_max: 65_528, ..base },
        Limits { idle_timeout: ms(999), ..base },
        Limits { idle_timeout: ms(3_600_001), ..base },
    ];
    let decode = |limits| {
        let mut encoded = Vec::new();
        ClientParameters { limits, ..client_parameters() }.encode(&mut encoded);
        ClientParameters::decode(&encoded).map(|parameters| parameters.limits)
    };
    for limits in good {
        assert_eq!(limits.check(), Ok(()));
        assert_eq!(decode(limits), Ok(limits));
    }
    for limits in bad {
        let error = limits.check().unwrap_err();
        assert_eq!(decode(limits), Err(ParameterError::Limit(error)));
    }
    assert_eq!(good[4].shared_idle_timeout(&base), ms(1_000));
}

/// Puts these extensions as raw bytes in the place of a payload's empty ones.
fn put_extensions(payload: &mut Vec<u8>, extensions: &[(u64, &[u8])]) {
    assert_eq!(payload.pop(), Some(0));
    payload.put_varint(extensions.len() as u64);
    for (extension, content) in extensions {
        payload.put_varint(*extension);
        payload.put_varint(content.len() as u64);
        payload.put_bytes(content);
    }
}

/// Client parameters with these extensions, encoded.
fn encoded_with_extensions(extensions: &[(u64, &[u8])]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let plain = ClientParameters {
        token: None,
        user_data: UserData::default(),
        schema_hashes: SchemaHashes::default(),
        ..client_parameters()
    };
    plain.encode(&mut encoded);
    put_extensions(&mut encoded, extensions);
    encoded
}

fn with_extensions(extensions: &[(u64, &[u8])]) -> Result<ClientParameters, ParameterError> {
    ClientParameters::decode(&encoded_with_extensions(extensions))
}

#[test]
fn what_cannot_be_parsed_is_refused_as_such_even_behind_an_unknown_extension() {
    let mut encoded = encoded_with_extensions(&[(7, b"")]);
    let refused = ClientParameters::decode(&encoded).unwrap_err();
    assert_eq!(refused.reason(), Reason::Extension);
    encoded.push(0);
    assert_eq!(ClientParameters::decode(&encoded).unwrap_err().reason(), Reason::Parameters);
}

#[test]
fn what_only_clients_send_is_an_unknown_extension_from_a_server() {
    for (extension, content) in [(1, &[1; 40][..]), (5, &[]), (5, &[1; 12]), (5, &[1; 11])] {
        let mut encoded = Vec::new();
        answers()[0].encode(&mut encoded);
        put_extensions(&mut encoded, &[(extension, content)]);
        let refused = ServerAnswer::decode(&encoded).unwrap_err();
        assert_eq!(refused, ParameterError::UnknownCritical { extension }, "{content:?}");
    }
}

#[test]
fn unknown_extensions_are_skipped_if_even_and_refused_if_odd() {
    let known = with_extensions(&[(0, b"x"), (2, b"user"), (4, b""), (u64::MAX - 1, b"far")]).unwrap();
    assert_eq!(known.user_data.as_bytes(), b"user");
    for extension in [3, 7, u64::MAX] {
        let result = with_extensions(&[(0, b""), (extension, b"what")]);
        assert_eq!(result, Err(ParameterError::UnknownCritical { extension }));
    }
    let malformed = Err(ParameterError::Malformed(DecodeError::OutOfRange));
    let cases: [&[(u64, &[u8])]; 8] = [
        &[(1, b"")],
        &[(1, &[0; 701])],
        &[(2, b""), (2, b"")],
        &[(4, b""), (2, b"")],
        &[(7, b""), (2, b"")],
        &[(u64::MAX, b""), (2, b"")],
        &[(2, &[0; 513])],
        &[(5, &[0; 11])],
    ];
    for extensions in cases {
        assert_eq!(with_extensions(extensions), malformed, "{extensions:?}");
    }
    let seventeen: Vec<(u64, &[u8])> = (0..17).map(|n| (2 * n, &b""[..])).collect();
    assert_eq!(with_extensions(&seventeen), malformed);
    assert!(with_extensions(&seventeen[..16]).is_ok());
}

#[test]
fn schema_hashes_must_ascend_and_be_few() {
    let pair = |tag: u32| [&tag.to_le_bytes()[..], &[1; 8]].concat();
    let content = |tags: &[u32]| tags.iter().flat_map(|&tag| pair(tag)).collect::<Vec<u8>>();
    for good in [&[][..], &[7], &[1, 2, 3, 4, 5, 6, 7, u32::MAX]] {
        assert_eq!(
            with_extensions(&[(5, &content(good))]).unwrap().schema_hashes.as_slice().len(),
            good.len()
        );
    }
    for bad in [&[2, 1][..], &[1, 1], &[1, 2, 3, 4, 5, 6, 7, 8, 9]] {
        assert!(with_extensions(&[(5, &content(bad))]).is_err());
    }
    let hashes = |pairs: &[(u32, u64)]| {
        SchemaHashes::new(pairs.iter().map(|&(tag, hash)| SchemaHash { tag, hash }).collect()).unwrap()
    };
    let ours = hashes(&[(1, 1), (2, 2)]);
    assert_eq!(ours.difference(&hashes(&[(2, 2), (3, 3)])), None);
    assert_eq!(ours.difference(&hashes(&[(2, 9), (1, 1)])), Some(2));
}

#[test]
fn texts_are_cut_at_characters_and_bytes_are_not_cut_at_all() {
    let text = "ä".repeat(300);
    assert_eq!(Detail::from_text(&text).as_bytes().len(), 512);
    assert_eq!(Detail::from_text(&format!("x{text}")).as_bytes().len(), 511);
    assert_eq!(UserData::new(vec![0; 513]).unwrap_err().to_string(), "513 bytes exceed the limit of 512");
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    assert_eq!(ConnectionId::new(0), None);
    assert!([0, 1, 1 << 31, u32::MAX].iter().all(|&number| PeerNumber::new(number).is_none()));
}
