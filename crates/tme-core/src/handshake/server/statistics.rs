//! What a server's handshakes did and cost.

use crate::handshake::drops::DropCounts;
use crate::handshake::reason::Reason;
use crate::token::TokenProblem;

/// Highest reason of a refusal; closings begin at 100.
const REFUSAL_REASON_MAX: usize = 13;

/// Counts since the server began; some are of the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeStatistics {
    /// Well-formed HELLOs received.
    pub hellos: u64,
    /// COOKIEs sent.
    pub cookies: u64,
    /// Well-formed CONNECTs received, counting parts.
    pub connects: u64,
    /// Well-formed OPENs received in streams whose clients need no keys.
    pub opens: u64,
    /// Key exchanges begun: messages 1 that were complete and had a valid cookie.
    pub exchanges: u64,
    /// Requests handed to the owner.
    pub requests: u64,
    /// Requests accepted.
    pub accepted: u64,
    /// Answers repeated for repeated CONNECTs.
    pub answers_repeated: u64,
    /// Multiplications by the curve's base point (17 µs each).
    pub base_points: u64,
    /// Shared secrets computed (48 µs each).
    pub shared_secrets: u64,
    /// Datagrams dropped, by reason.
    pub drops: DropCounts,
    /// Attempts forgotten before their time, for others.
    pub attempts_forgotten: u64,
    /// Attempts remembered that are no connections.
    pub attempts: usize,
    /// Connections not yet forgotten.
    pub connections: usize,
    /// Used connect tokens remembered.
    pub tokens_remembered: usize,
    token_problems: [u64; TokenProblem::ALL.len()],
    refusals: [u64; REFUSAL_REASON_MAX + 1],
}

impl HandshakeStatistics {
    /// Refusals with this reason, in clear or encrypted. Reasons beyond the register of refusals count as
    /// one.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refusals[Self::slot(reason)]
    }

    /// Clients turned away because of their token, when they asked or when they were about to be connected.
    #[must_use]
    pub const fn token_problems(&self, problem: TokenProblem) -> u64 {
        self.token_problems[problem as usize]
    }

    pub(super) fn count_token_problem(&mut self, problem: TokenProblem) {
        self.token_problems[problem as usize] += 1;
    }

    /// All refusals.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refusals.iter().sum()
    }

    pub(super) fn count_refusal(&mut self, reason: Reason) {
        self.refusals[Self::slot(reason)] += 1;
    }

    /// Adds the figures of another endpoint of the same server. Used tokens are remembered once for all of them.
    pub(crate) fn merge(&mut self, other: &Self) {
        let Self {
            hellos,
            cookies,
            connects,
            exchanges,
            opens,
            requests,
            accepted,
            answers_repeated,
            base_points,
            shared_secrets,
            drops,
            attempts_forgotten,
            attempts,
            connections,
            tokens_remembered,
            token_problems,
            refusals,
        } = other;
        self.hellos += hellos;
        self.cookies += cookies;
        self.connects += connects;
        self.exchanges += exchanges;
        self.opens += opens;
        self.requests += requests;
        self.accepted += accepted;
        self.answers_repeated += answers_repeated;
        self.base_points += base_points;
        self.shared_secrets += shared_secrets;
        self.drops.merge(drops);
        self.attempts_forgotten += attempts_forgotten;
        self.attempts += attempts;
        self.connections += connections;
        self.tokens_remembered = self.tokens_remembered.max(*tokens_remembered);
        self.token_problems.iter_mut().zip(token_problems).for_each(|(count, more)| *count += more);
        self.refusals.iter_mut().zip(refusals).for_each(|(count, more)| *count += more);
    }

    /// Slot 0 is for reasons that are no refusals of the register: no reason has the number 0.
    fn slot(reason: Reason) -> usize {
        let code = usize::from(reason.code());
        if code <= REFUSAL_REASON_MAX { code } else { 0 }
    }
}
