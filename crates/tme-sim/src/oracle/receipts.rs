//! Receipts of one channel in one direction of one session: each comes once, and none says what is not so.

use std::collections::{BTreeMap, BTreeSet};

use tme_core::channel::ChannelMode;
use tme_core::connection::{Event, Expiry};
use tme_core::time::Instant;

use super::{Breach, ChannelOracle, Oracle};

/// Watches the receipts of one channel in one direction. A message's token is its place in the order of sending.
#[derive(Clone, Debug, Default)]
pub struct ReceiptOracle {
    /// Messages whose sender waits for word, with their deadline.
    open: BTreeMap<u64, Option<Instant>>,
    /// Said to be delivered, and not seen at the other end yet.
    claimed: BTreeSet<u64>,
    /// Said never to have been sent.
    unsent: BTreeSet<u64>,
    /// The end of the connection was given as a reason.
    is_ending: bool,
}

impl ReceiptOracle {
    /// A receipt was asked for.
    pub fn handle_asked(&mut self, sequence: u64, expires_at: Option<Instant>) {
        self.open.insert(sequence, expires_at);
    }

    /// `Delivered` or `Expired` was reported.
    pub fn handle_word(
        &mut self,
        now: Instant,
        event: &Event,
        channel: &ChannelOracle,
    ) -> Result<(), Breach> {
        let (Event::Delivered { token, .. } | Event::Expired { token, .. }) = event else { return Ok(()) };
        let sequence = *token;
        let Some(expires_at) = self.open.remove(&sequence) else {
            return Err(breach("a receipt that was asked for, once", format!("{event:?}")));
        };
        let mode = channel.mode();
        let was_delivered = channel.was_delivered(sequence);
        let is_true = match event {
            Event::Expired { never_sent: true, .. } if was_delivered => false,
            Event::Expired { reason: Expiry::Deadline, .. } => match expires_at {
                Some(at) => now >= at || !mode.is_reliable(),
                None => !mode.is_reliable(),
            },
            Event::Expired { reason: Expiry::Superseded, .. } => {
                matches!(mode, ChannelMode::Sequenced | ChannelMode::ReliableLatest)
                    && sequence + 1 < channel.sent_count()
            }
            Event::Expired { reason: Expiry::Lost, .. } => !mode.is_reliable(),
            Event::Expired { reason: Expiry::Disconnected, .. } => {
                self.is_ending = true;
                true
            }
            _ => !self.is_ending,
        };
        if !is_true {
            let expected =
                format!("what is so of message {sequence}, {expires_at:?}, delivered {was_delivered}");
            return Err(breach(expected, format!("{event:?}")));
        }
        match event {
            Event::Delivered { .. } if !was_delivered => drop(self.claimed.insert(sequence)),
            Event::Expired { never_sent: true, .. } => drop(self.unsent.insert(sequence)),
            _ => {}
        }
        Ok(())
    }

    /// The other end's program has got this message.
    pub fn handle_delivered(&mut self, sequence: u64) -> Result<(), Breach> {
        self.claimed.remove(&sequence);
        if self.unsent.contains(&sequence) {
            let expected = format!("nothing of message {sequence}, of which nothing was sent");
            return Err(breach(expected, "the message"));
        }
        Ok(())
    }

    /// Whether every receipt has come.
    pub fn check_answered(&self) -> Result<(), Breach> {
        match self.open.first_key_value() {
            None => Ok(()),
            Some((sequence, _)) => {
                let found = format!("{} without, the first for message {sequence}", self.open.len());
                Err(breach("word of every message that was asked for", found))
            }
        }
    }

    /// Whether everything that was said to be delivered has been, on a channel that drops nothing.
    pub fn check_claims(&self) -> Result<(), Breach> {
        match self.claimed.first() {
            None => Ok(()),
            Some(sequence) => {
                let expected = format!("message {sequence}, which is said to have been delivered");
                Err(breach(expected, "nothing of it"))
            }
        }
    }

    /// Whether no receipt has told of an end that has not come.
    pub fn check_open(&self) -> Result<(), Breach> {
        if self.is_ending {
            Err(breach("the end that a receipt told of", "an open connection"))
        } else {
            Ok(())
        }
    }
}

fn breach(expected: impl Into<String>, found: impl Into<String>) -> Breach {
    Breach::new(Oracle::Receipts, expected, found)
}
