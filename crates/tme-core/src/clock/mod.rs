//! The other side's clock: who asks, who answers, what the answers say, and ticks counted on it
//! (`docs/PROTOCOL.md`, section 8.3).

mod answerer;
mod asker;
mod corridor;
mod estimator;
mod model;
mod tick;

pub use answerer::ClockAnswerer;
pub use asker::{ClockAsker, ClockChange};
pub use estimator::{ClockEstimate, ClockEstimator, DRIFT_MAX, Exchange, Verdict};
pub use model::{ClockModel, STEP_MIN, ServerTime};
pub use tick::{InvalidTickRate, TickPosition, TickRate};

/// Whether a side asks for the other's time. Answering costs nothing and is always on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockSync {
    /// It does not, until it is told to: a game without a use for it pays for no datagram.
    #[default]
    OnDemand,
    /// It asks from the first packet on.
    FromStart,
}

/// What was asked and answered, since the connection was established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockStatistics {
    /// Requests sent.
    pub requests: u64,
    /// Answers taken into the estimate.
    pub answers: u64,
    /// Answers to requests that were not made, or answered already, or too long ago.
    pub unasked: u64,
    /// Answers with times that cannot be: sent before received, or more time spent than passed.
    pub absurd: u64,
    /// Answers that contradict all others: one of the clocks jumped, or the other side lies.
    pub contradictions: u64,
    /// Times that the estimate was set instead of slewed, the first time apart.
    pub steps: u64,
    /// Requests of the other side that were answered.
    pub answered: u64,
    /// Requests of the other side beyond what is answered.
    pub refused: u64,
}
