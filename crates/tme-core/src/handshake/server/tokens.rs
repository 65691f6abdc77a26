//! Which connect tokens a server takes, and which it has taken (`docs/PROTOCOL.md` §3.6).
//!
//! A token is looked at after message 1 has opened and is used up when its client's first packet opens. In between
//! nothing is remembered of it: the connection that waits holds a [`Ticket`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::{TokenPolicy, TokenRequirement};
use crate::crypto::keys::PublicKey;
use crate::time::{Duration, UnixTime};
use crate::token::{Audience, SealedToken, Token, TokenId, TokenProblem};

/// What a connection must hand in to use its token up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    id: TokenId,
    issued: UnixTime,
    expires: UnixTime,
}

/// A token that may be used.
#[derive(Debug)]
pub(super) struct Valid {
    pub token: Token,
    pub ticket: Ticket,
}

/// Why a token may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// Its client is refused; the text is for people and may be empty.
    Refuse(TokenProblem, &'static str),
    /// It was used up by this very client: its request is a repetition.
    Repetition,
}

/// What the token is presented with.
pub(super) struct Presented {
    /// Whether nobody on the way can read or change it.
    pub is_secret: bool,
    pub client_ephemeral: PublicKey,
    pub server_key: PublicKey,
}

/// Judges tokens and remembers the used ones. A clone is another gate to the same place: what is used up at one is used up at all.
#[derive(Clone, Debug)]
pub(super) struct TokenGate {
    policy: TokenPolicy,
    now: Option<UnixTime>,
    memory: Arc<Mutex<Memory>>,
}

/// The used tokens.
///
/// The memory is ordered by time of issue, for at its bound the oldest must go and with it whatever was issued as early.
/// Every way of forgetting moves one of the two floors, so that nothing forgotten can be used again.
#[derive(Debug, Default)]
struct Memory {
    /// Somebody has told when the server started.
    has_start: bool,
    /// Tokens issued earlier are not taken.
    issued_floor: UnixTime,
    /// Tokens that expire at this time or earlier are not taken, even if the clock goes back.
    expires_floor: UnixTime,
    used: BTreeMap<(UnixTime, TokenId), Used>,
}

#[derive(Debug)]
struct Used {
    expires: UnixTime,
    by: PublicKey,
}

impl TokenGate {
    pub fn new(policy: TokenPolicy) -> Self {
        Self { policy, now: None, memory: Arc::default() }
    }

    /// Taken for single look-ups only; whoever panicked elsewhere meanwhile has left nothing half done.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the time matters here.
    pub const fn wants_time(&self) -> bool {
        !self.policy.keys.is_empty()
    }

    /// Learns what time it is; the first time, also when the server started.
    pub fn handle_unix_time(&mut self, now: UnixTime) {
        if self.now.replace(now).is_some() {
            return;
        }
        let floor = now - self.policy.issued_before_start;
        let mut memory = self.memory();
        if !std::mem::replace(&mut memory.has_start, true) {
            memory.issued_floor = floor;
        }
    }

    /// Used tokens remembered.
    pub fn count(&self) -> usize {
        self.memory().used.len()
    }

    /// Says whether a client may connect with this token, or without one.
    pub fn judge(
        &self,
        sealed: Option<&SealedToken>,
        presented: &Presented,
    ) -> Result<Option<Valid>, Objection> {
        let refuse = |problem, text| Err(Objection::Refuse(problem, text));
        let Some(sealed) = sealed else {
            return match self.policy.requirement {
                TokenRequirement::Required => refuse(TokenProblem::Missing, ""),
                TokenRequirement::Optional => Ok(None),
            };
        };
        if !presented.is_secret {
            return refuse(TokenProblem::Invalid, "tokens are not taken in plaintext");
        }
        if self.policy.keys.is_empty() {
            return refuse(TokenProblem::Invalid, "this server takes no tokens");
        }
        let opened = self.policy.keys.iter().find_map(|key| key.open(sealed));
        let (Some(token), Some(id)) = (opened, sealed.id()) else {
            return refuse(TokenProblem::Invalid, "");
        };
        if !self.is_meant(&token.audience, &presented.server_key) {
            return refuse(TokenProblem::WrongAudience, "");
        }
        let memory = self.memory();
        self.judge_time(&token, &memory)?;
        let ticket = Ticket { id, issued: token.issued, expires: token.expires };
        match memory.used.get(&(ticket.issued, id)) {
            None => Ok(Some(Valid { token, ticket })),
            Some(used) if used.by == presented.client_ephemeral => Err(Objection::Repetition),
            Some(_) => refuse(TokenProblem::Used, ""),
        }
    }

    fn is_meant(&self, audience: &Audience, server_key: &PublicKey) -> bool {
        match audience {
            Audience::Any => true,
            Audience::Name(name) => self.policy.server_name.as_ref() == Some(name),
            Audience::Key(key) => key == server_key,
        }
    }

    fn judge_time(&self, token: &Token, memory: &Memory) -> Result<(), Objection> {
        let refuse = |problem, text| Err(Objection::Refuse(problem, text));
        let Some(now) = self.now else {
            return refuse(TokenProblem::Invalid, "the server does not know what time it is");
        };
        if token.issued > now + self.policy.clock_tolerance {
            return refuse(TokenProblem::NotYetValid, "");
        }
        if token.expires <= now.max(memory.expires_floor) {
            return refuse(TokenProblem::Expired, "");
        }
        if token.issued < memory.issued_floor {
            return refuse(TokenProblem::Expired, "issued before the server started, or too long ago");
        }
        Ok(())
    }

    /// Uses a token up. Somebody else may have been faster since it was judged.
    pub fn consume(&mut self, ticket: &Ticket, by: PublicKey) -> Result<(), TokenProblem> {
        let now = self.now.unwrap_or_default();
        self.memory().consume(ticket, by, now, self.policy.used_max)
    }
}

impl Memory {
    fn consume(
        &mut self,
        ticket: &Ticket,
        by: PublicKey,
        now: UnixTime,
        used_max: usize,
    ) -> Result<(), TokenProblem> {
        let key = (ticket.issued, ticket.id);
        if self.used.contains_key(&key) {
            return Err(TokenProblem::Used);
        }
        // Forgotten in between: it may have been used.
        if ticket.issued < self.issued_floor || ticket.expires <= self.expires_floor {
            return Err(TokenProblem::Expired);
        }
        self.used.insert(key, Used { expires: ticket.expires, by });
        self.forget(now, used_max);
        Ok(())
    }

    /// Forgets what has expired, and beyond the bound what was issued first.
    fn forget(&mut self, now: UnixTime, used_max: usize) {
        while let Some(oldest) = self.used.first_entry() {
            let (issued, _) = *oldest.key();
            let expires = oldest.get().expires;
            if expires <= now {
                self.expires_floor = self.expires_floor.max(expires);
            } else if self.used.len() > used_max {
                self.issued_floor = self.issued_floor.max(issued + Duration::from_secs(1));
            } else {
                return;
            }
            self.used.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;
    use crate::token::{ServerName, TokenKey, UserId};

    const NOW: u64 = 1_000_000;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    fn key(seed: u64) -> TokenKey {
        TokenKey::generate(&mut SeededRandom::new(seed))
    }

    fn policy() -> TokenPolicy {
        TokenPolicy { keys: vec![key(1), key(2)], ..TokenPolicy::default() }
    }

    fn gate(policy: TokenPolicy) -> TokenGate {
        let mut gate = TokenGate::new(policy);
        gate.handle_unix_time(at(NOW));
        gate
    }

    fn token(issued: u64, expires: u64) -> Token {
        Token { expires: at(expires), ..Token::new(UserId::from(1), at(issued), Duration::from_secs(1)) }
    }

    fn sealed(token: &Token, seed: u64) -> SealedToken {
        key(1).seal(token, &mut SeededRandom::new(seed)).unwrap()
    }

    fn presented(ephemeral: u8) -> Presented {
        Presented {
            is_secret: true,
            client_ephemeral: PublicKey::from_bytes([ephemeral; 32]),
            server_key: PublicKey::from_bytes([0xA5; 32]),
        }
    }

    fn judge(gate: &TokenGate, sealed: &SealedToken, ephemeral: u8) -> Result<Ticket, Objection> {
        gate.judge(Some(sealed), &presented(ephemeral)).map(|valid| valid.unwrap().ticket)
    }

    fn problem(gate: &TokenGate, token: &Token) -> Option<TokenProblem> {
        match judge(gate, &sealed(token, 7), 1) {
            Ok(_) => None,
            Err(Objection::Refuse(problem, _)) => Some(problem),
            Err(Objection::Repetition) => panic!("nothing was used"),
        }
    }

    #[test]
    fn times_decide_to_the_second() {
        let gate = gate(TokenPolicy { issued_before_start: Duration::from_secs(100), ..policy() });
        let cases = [
            (NOW, NOW + 1, None),
            (NOW + 5, NOW + 9, None),
            (NOW + 6, NOW + 9, Some(TokenProblem::NotYetValid)),
            (NOW - 1, NOW, Some(TokenProblem::Expired)),
            (NOW - 100, NOW + 1, None),
            (NOW - 101, NOW + 1, Some(TokenProblem::Expired)),
        ];
        for (issued, expires, expected) in cases {
            assert_eq!(problem(&gate, &token(issued, expires)), expected, "{issued} to {expires}");
        }
    }

    #[test]
    fn the_audience_must_be_this_server() {
        let name = |name: &str| Audience::Name(ServerName::new(name).unwrap());
        let key = |byte| Audience::Key(PublicKey::from_bytes([byte; 32]));
        let wrong = Some(TokenProblem::WrongAudience);
        let named = TokenPolicy { server_name: Some(ServerName::new("eu-1").unwrap()), ..policy() };
        let cases = [
            (policy(), key(0xA5), None),
            (policy(), key(1), wrong),
            (policy(), name("eu-1"), wrong),
            (named.clone(), name("eu-1"), None),
            (named.clone(), name("eu-2"), wrong),
            (named, Audience::Any, None),
        ];
        for (policy, audience, expected) in cases {
            let token = Token { audience, ..token(NOW, NOW + 9) };
            assert_eq!(problem(&gate(policy), &token), expected, "{:?}", token.audience);
        }
    }

    #[test]
    fn keys_can_be_replaced_while_tokens_of_the_older_one_are_about() {
        let gate = gate(policy());
        for (seed, expected) in [(1, true), (2, true), (3, false)] {
            let sealed = key(seed).seal(&token(NOW, NOW + 9), &mut SeededRandom::new(7)).unwrap();
            assert_eq!(judge(&gate, &sealed, 1).is_ok(), expected, "key {seed}");
        }
    }

    #[test]
    fn a_token_is_used_once_and_its_own_client_is_no_other() {
        let mut gate = gate(policy());
        let sealed = sealed(&token(NOW, NOW + 9), 7);
        let [first, second] = [1, 2].map(|ephemeral| judge(&gate, &sealed, ephemeral).unwrap());
        let by = |byte| PublicKey::from_bytes([byte; 32]);
        gate.consume(&first, by(1)).unwrap();
        assert_eq!(
            gate.consume(&second, by(2)),
            Err(TokenProblem::Used),
            "both were accepted, one came first"
        );
        assert_eq!(gate.consume(&first, by(1)), Err(TokenProblem::Used), "a client cannot share it either");
        assert_eq!(judge(&gate, &sealed, 1), Err(Objection::Repetition));
        assert_eq!(judge(&gate, &sealed, 2), Err(Objection::Refuse(TokenProblem::Used, "")));
    }

    #[test]
    fn what_is_forgotten_cannot_be_used_again() {
        let mut gate =
            gate(TokenPolicy { used_max: 2, issued_before_start: Duration::from_secs(9), ..policy() });
        let by = PublicKey::from_bytes([1; 32]);
        let tokens: Vec<SealedToken> = (0..4).map(|n| sealed(&token(NOW - 4 + n, NOW + 50), n)).collect();
        let tickets: Vec<Ticket> = tokens.iter().map(|token| judge(&gate, token, 1).unwrap()).collect();
        for ticket in &tickets {
            gate.consume(ticket, by).unwrap();
        }
        assert_eq!(gate.count(), 2);
        for (n, token) in tokens.iter().enumerate() {
            assert!(judge(&gate, token, 2).is_err(), "token {n}");
        }
        assert_eq!(gate.consume(&tickets[0], by), Err(TokenProblem::Expired));
        assert_eq!(problem(&gate, &token(NOW, NOW + 50)), None, "a new one goes on working");
    }

    #[test]
    fn a_clock_that_goes_back_brings_no_used_token_back() {
        let mut gate = gate(policy());
        let first = sealed(&token(NOW, NOW + 10), 1);
        gate.consume(&judge(&gate, &first, 1).unwrap(), PublicKey::from_bytes([1; 32])).unwrap();
        gate.handle_unix_time(at(NOW + 20));
        let second = sealed(&token(NOW + 20, NOW + 90), 2);
        gate.consume(&judge(&gate, &second, 1).unwrap(), PublicKey::from_bytes([1; 32])).unwrap();
        assert_eq!(gate.count(), 1, "the first has expired");
        gate.handle_unix_time(at(NOW + 1));
        assert_eq!(judge(&gate, &first, 2), Err(Objection::Refuse(TokenProblem::Expired, "")));
    }

    #[test]
    fn without_a_clock_key_or_cipher_no_token_is_taken() {
        let sealed = sealed(&token(NOW, NOW + 9), 7);
        let is_invalid = |result: Result<Option<Valid>, Objection>| matches!(result, Err(Objection::Refuse(TokenProblem::Invalid, text)) if !text.is_empty());
        assert!(is_invalid(TokenGate::new(policy()).judge(Some(&sealed), &presented(1))));
        assert!(is_invalid(gate(TokenPolicy::default()).judge(Some(&sealed), &presented(1))));
        let plain = Presented { is_secret: false, ..presented(1) };
        assert!(is_invalid(gate(policy()).judge(Some(&sealed), &plain)));
        let required = TokenPolicy { requirement: TokenRequirement::Required, ..policy() };
        let missing = gate(required).judge(None, &presented(1));
        assert_eq!(missing.unwrap_err(), Objection::Refuse(TokenProblem::Missing, ""));
        assert!(gate(policy()).judge(None, &presented(1)).unwrap().is_none());
    }
}
