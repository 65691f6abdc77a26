//! Loss in bursts: the two-state model of Gilbert and Elliott.

use super::conditions::check_probability;
use super::error::ConditionsError;
use crate::random::SeededRandom;

/// Burst loss after Gilbert (1960) and Elliott (1963): a link that is *good* or *bad*, with a loss probability
/// for each, and that may change its state before every datagram.
///
/// The mean stay in the bad state is `1 / leave_bad` datagrams, the share of time spent there
/// `enter_bad / (enter_bad + leave_bad)`. A link starts in the good state. The chain steps per datagram that
/// reaches the wire, not per unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstLoss {
    /// Probability of going from good to bad, per datagram.
    pub enter_bad: f64,
    /// Probability of going from bad to good, per datagram.
    pub leave_bad: f64,
    /// Probability of losing a datagram in the good state.
    pub loss_in_good: f64,
    /// Probability of losing a datagram in the bad state.
    pub loss_in_bad: f64,
}

impl BurstLoss {
    /// A link that loses nothing and leaves a bad state at once.
    pub(super) const NONE: Self =
        Self { enter_bad: 0.0, leave_bad: 1.0, loss_in_good: 0.0, loss_in_bad: 0.0 };

    /// Gilbert's model (nothing is lost in the good state, everything in the bad one) with the given mean loss
    /// (0 to below 1) and mean number of datagrams lost in a row (1 or more).
    ///
    /// A burst of length 1 is not the same as independent loss: after a loss the next datagram is certain to
    /// come through.
    ///
    /// # Errors
    /// [`ConditionsError::BurstLength`] if the mean length is below 1 or not a number, or if so much loss does
    /// not fit into bursts so short: `mean_loss` may be at most `length / (length + 1)`.
    /// [`ConditionsError::Probability`] if `mean_loss` is none.
    pub fn from_mean(mean_loss: f64, mean_burst_datagrams: f64) -> Result<Self, ConditionsError> {
        check_probability("mean_loss", mean_loss)?;
        let unfit = ConditionsError::BurstLength { datagrams: mean_burst_datagrams, mean_loss };
        if !mean_burst_datagrams.is_finite() || mean_burst_datagrams < 1.0 || mean_loss == 1.0 {
            return Err(unfit);
        }
        // In the long run as many bursts begin as end: (1 - loss) · enter = loss · leave.
        let leave_bad = 1.0 / mean_burst_datagrams;
        let enter_bad = mean_loss / (mean_burst_datagrams * (1.0 - mean_loss));
        if enter_bad > 1.0 {
            return Err(unfit);
        }
        Ok(Self { enter_bad, leave_bad, loss_in_good: 0.0, loss_in_bad: 1.0 })
    }

    /// Loss in the long run.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        let steps = self.enter_bad + self.leave_bad;
        if steps == 0.0 {
            return self.loss_in_good;
        }
        (self.enter_bad * self.loss_in_bad + self.leave_bad * self.loss_in_good) / steps
    }

    pub(super) fn validate(&self) -> Result<(), ConditionsError> {
        check_probability("burst.enter_bad", self.enter_bad)?;
        check_probability("burst.leave_bad", self.leave_bad)?;
        check_probability("burst.loss_in_good", self.loss_in_good)?;
        check_probability("burst.loss_in_bad", self.loss_in_bad)
    }
}

/// The state a link is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BurstState {
    #[default]
    Good,
    Bad,
}

impl BurstState {
    /// Steps the chain for one datagram and says whether it is lost. Always draws two numbers.
    pub(super) fn loses_next(&mut self, burst: &BurstLoss, random: &mut SeededRandom) -> bool {
        *self = match *self {
            Self::Good if random.chance(burst.enter_bad) => Self::Bad,
            Self::Bad if random.chance(burst.leave_bad) => Self::Good,
            unchanged => unchanged,
        };
        random.chance(match self {
            Self::Good => burst.loss_in_good,
            Self::Bad => burst.loss_in_bad,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_loss_and_burst_length_make_the_chain() {
        for (loss, length) in [(0.0, 1.0), (0.01, 3.0), (0.05, 6.0), (0.5, 1.0), (0.9, 20.0)] {
            let burst = BurstLoss::from_mean(loss, length).expect("fits");
            assert!(burst.validate().is_ok());
            assert!((burst.mean_loss() - loss).abs() < 1e-12, "{burst:?}");
            assert!((1.0 / burst.leave_bad - length).abs() < 1e-9, "{burst:?}");
        }
    }

    #[test]
    fn impossible_means_are_refused() {
        for (loss, length) in [(0.01, 0.9), (0.01, f64::NAN), (0.01, f64::INFINITY), (1.0, 5.0), (0.6, 1.0)] {
            let refused = BurstLoss::from_mean(loss, length);
            assert!(matches!(refused, Err(ConditionsError::BurstLength { .. })), "{refused:?}");
        }
        assert!(matches!(BurstLoss::from_mean(-0.1, 3.0), Err(ConditionsError::Probability { .. })));
    }
}
