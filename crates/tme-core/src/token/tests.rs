//! Tokens from the backend's side to the server's.

use super::*;
use crate::random::{Random, SeededRandom};

fn key(seed: u64) -> TokenKey {
    TokenKey::generate(&mut SeededRandom::new(seed))
}

fn full() -> Token {
    let at = UnixTime::from_secs(u64::MAX - 1);
    Token {
        user: UserId::new([0xA5; USER_ID_BYTES_MAX]).unwrap(),
        user_data: TokenUserData::new([0x5A; TOKEN_USER_DATA_BYTES_MAX]).unwrap(),
        audience: Audience::Name(ServerName::new([b'n'; SERVER_NAME_BYTES_MAX]).unwrap()),
        hints: vec!["[2001:db8::1]:65535".parse().unwrap(); TOKEN_HINTS_MAX],
        ..Token::new(UserId::from(1), at, Duration::from_secs(1))
    }
}

fn plain() -> Token {
    Token::new(UserId::from(42), UnixTime::from_secs(1_000), Duration::from_secs(60))
}

#[test]
fn what_is_sealed_is_opened_by_the_same_key_alone() {
    let hints = vec!["192.0.2.1:7777".parse().unwrap(), "[2001:db8::1]:1".parse().unwrap()];
    let audience = Audience::Key(PublicKey::from_bytes([7; 32]));
    let tokens = [plain(), full(), Token { hints: hints.clone(), ..plain() }, Token { audience, ..plain() }];
    for token in tokens {
        let sealed = key(1).seal(&token, &mut SeededRandom::new(2)).unwrap();
        assert!(sealed.as_bytes().len() <= TOKEN_BYTES_MAX);
        assert_eq!(key(1).open(&sealed), Some(token.clone()));
        assert_eq!(key(2).open(&sealed), None);
        assert_eq!((sealed.hints(), sealed.key_id()), (token.hints, Some(key(1).id())));
        assert_eq!(sealed.to_string().parse(), Ok(sealed));
    }
}

#[test]
fn the_largest_token_is_as_large_as_the_page_says() {
    let sealed = key(1).seal(&full(), &mut SeededRandom::new(2)).unwrap();
    assert_eq!(sealed.as_bytes().len(), 603);
}

#[test]
fn no_bit_of_a_token_can_be_changed_and_none_be_left_out() {
    let token = Token { hints: vec!["192.0.2.1:7777".parse().unwrap()], ..plain() };
    let sealed = key(1).seal(&token, &mut SeededRandom::new(2)).unwrap();
    let bytes = sealed.as_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut forged = bytes.to_vec();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key(1).open(&SealedToken::from_bytes(forged).unwrap()), None, "bit {bit}");
    }
    for length in 1..bytes.len() {
        assert_eq!(key(1).open(&SealedToken::from_bytes(&bytes[..length]).unwrap()), None, "{length} bytes");
    }
    assert_eq!(key(1).open(&SealedToken::from_bytes([bytes, &[0]].concat()).unwrap()), None);
}

#[test]
fn garbage_is_no_token_and_does_no_harm() {
    let mut random = SeededRandom::new(3);
    for _ in 0..2_000 {
        let mut bytes = vec![0; 1 + random.below(TOKEN_BYTES_MAX as u64) as usize];
        random.fill(&mut bytes);
        bytes[0] = 1;
        let sealed = SealedToken::from_bytes(bytes).unwrap();
        assert!(key(1).open(&sealed).is_none() && sealed.hints().len() <= TOKEN_HINTS_MAX);
    }
    assert!(SealedToken::from_bytes([]).is_none() && SealedToken::from_bytes([0; 701]).is_none());
}

#[test]
fn two_tokens_with_the_same_contents_have_different_names() {
    let mut random = SeededRandom::new(4);
    let [first, second] = [(); 2].map(|()| key(1).seal(&plain(), &mut random).unwrap());
    assert_ne!(first.id(), second.id());
    assert_ne!(first, second);
}

#[test]
fn what_cannot_be_a_token_is_refused_with_its_kind() {
    let hint = |port| SocketAddr::from(([192, 0, 2, 1], port));
    let at = UnixTime::from_secs(5);
    let cases = [
        (Token { expires: at, issued: at, ..plain() }, 5),
        (Token { hints: vec![hint(1); 9], ..plain() }, 6),
        (Token { hints: vec![hint(0)], ..plain() }, 7),
    ];
    for (token, kind) in cases {
        let error = key(1).seal(&token, &mut SeededRandom::new(2)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!(UserId::new("").unwrap_err().kind(), 1);
    assert_eq!(UserId::new([0; 65]).unwrap_err().kind(), 2);
    assert_eq!(ServerName::new("").unwrap_err().kind(), 3);
    assert_eq!(ServerName::new([0; 65]).unwrap_err().kind(), 4);
}

#[test]
fn a_number_and_its_digits_are_the_same_player() {
    assert_eq!(UserId::from(42), UserId::new("42").unwrap());
    assert_eq!(UserId::from(u64::MAX).as_u64(), Some(u64::MAX));
    for text in ["007", "+7", "seven", "18446744073709551616"] {
        assert_eq!(UserId::new(text).unwrap().as_u64(), None, "{text}");
    }
}

#[test]
fn texts_that_are_no_tokens_are_refused() {
    let long = "A".repeat(1_000);
    for (text, kind) in [("no token!", 1), ("AAAA=", 1), ("", 2), (&*long, 2)] {
        assert_eq!(text.parse::<SealedToken>().unwrap_err().kind(), kind, "{text}");
    }
    let sealed = key(1).seal(&plain(), &mut SeededRandom::new(2)).unwrap();
    assert_eq!(format!(" {sealed}\n").parse(), Ok(sealed.clone()));
    assert!(!format!("{sealed:?}").contains(&sealed.to_string()), "a log must not let anybody in");
}

#[test]
fn secrets_are_not_printed() {
    let key = key(1);
    assert_eq!(format!("{key:?}"), format!("TokenKey({:08x})", key.id()));
    let read = TokenKey::from_hex(&key.to_hex()).unwrap();
    assert_eq!(read.id(), key.id());
}

#[test]
fn a_detail_names_the_problem() {
    for problem in TokenProblem::ALL {
        assert_eq!(TokenProblem::from_detail(problem.text().as_bytes()), Some(problem));
        assert_eq!(TokenProblem::from_detail(format!("{problem}: because").as_bytes()), Some(problem));
    }
    for detail in [&b""[..], b"use", b"used up", b"\xff"] {
        assert_eq!(TokenProblem::from_detail(detail), None);
    }
}
