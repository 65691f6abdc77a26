//! What calls answer, and that an endpoint comes to rest.

use tme_core::connection::SendError;
use tme_core::time::Instant;

use super::{Breach, Oracle};

/// How often an endpoint may ask for another look at one instant.
const TURNS_MAX: u32 = 8;

/// What is known of a channel when a send call is made.
#[derive(Clone, Copy, Debug)]
pub struct SendFacts {
    /// The connection takes messages.
    pub is_open: bool,
    /// Size of the message.
    pub bytes: usize,
    /// Largest message that the mode and the other side allow.
    pub bytes_max: usize,
    /// Messages in the channel's queue.
    pub queued: usize,
}

/// Judges the answer of a send call.
pub fn judge_send(facts: &SendFacts, answer: &Result<(), SendError>) -> Result<(), Breach> {
    let fits = facts.bytes <= facts.bytes_max;
    let is_right = match answer {
        Ok(()) => facts.is_open && fits,
        Err(SendError::TooLarge { .. }) => facts.is_open && !fits,
        // An empty queue takes one message of any size that is allowed.
        Err(SendError::WouldBlock { .. }) => facts.is_open && fits && facts.queued > 0,
        Err(SendError::TooManyKeys { limit, .. }) => facts.is_open && fits && facts.queued >= *limit as usize,
        Err(SendError::NotConnected) => !facts.is_open,
        Err(_) => false,
    };
    if is_right {
        return Ok(());
    }
    Err(Breach::new(Oracle::Sending, "an answer that fits the call", format!("{answer:?}; {facts:?}")))
}

/// An endpoint that was given its turn `turns` times at one instant still has a deadline that has passed.
pub fn check_deadline(turns: u32, deadline: Option<Instant>) -> Result<(), Breach> {
    if turns <= TURNS_MAX {
        return Ok(());
    }
    let found = format!("{deadline:?} after {turns} turns");
    Err(Breach::new(Oracle::Deadline, "the next deadline in the future", found))
}
