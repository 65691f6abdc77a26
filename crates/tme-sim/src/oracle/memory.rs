//! A receiver never holds more than it granted.

use std::collections::BTreeMap;

use tme_core::channel::{ChannelId, ChannelMode};
use tme_core::handshake::parameters::Limits;

use super::{Breach, Oracle};

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: u64,
    messages: u64,
}

/// What one end of a session has been handed and has not given back with `consume`.
#[derive(Clone, Debug)]
pub struct ReceiveMemory {
    limits: Limits,
    unreliable_max: u64,
    channels: BTreeMap<ChannelId, Held>,
    reliable_bytes: u64,
    unreliable_messages: u64,
}

impl ReceiveMemory {
    /// Nothing held. `limits` is what this end granted, `unreliable_max` how many unreliable messages it keeps.
    #[must_use]
    pub const fn new(limits: Limits, unreliable_max: u32) -> Self {
        Self {
            limits,
            unreliable_max: unreliable_max as u64,
            channels: BTreeMap::new(),
            reliable_bytes: 0,
            unreliable_messages: 0,
        }
    }

    /// A message was handed over.
    pub fn handle_delivered(
        &mut self,
        channel: ChannelId,
        mode: ChannelMode,
        bytes: usize,
    ) -> Result<(), Breach> {
        let limits = &self.limits;
        if !mode.is_reliable() {
            self.unreliable_messages += 1;
            return check("unreliable messages kept", self.unreliable_messages, self.unreliable_max);
        }
        let held = self.channels.entry(channel).or_default();
        held.bytes += bytes as u64;
        held.messages += 1;
        self.reliable_bytes += bytes as u64;
        let Held { bytes, messages } = *held;
        check("bytes of the channel", bytes, limits.channel_credit_bytes.into())?;
        check("messages of the channel", messages, limits.channel_credit_messages.into())?;
        check("bytes of the connection", self.reliable_bytes, limits.connection_credit_bytes.into())
    }

    /// The application gave messages back.
    pub fn handle_consumed(&mut self, channel: ChannelId, mode: ChannelMode, bytes: u64, messages: u64) {
        if !mode.is_reliable() {
            self.unreliable_messages = self.unreliable_messages.saturating_sub(messages);
            return;
        }
        let held = self.channels.entry(channel).or_default();
        held.bytes = held.bytes.saturating_sub(bytes);
        held.messages = held.messages.saturating_sub(messages);
        self.reliable_bytes = self.reliable_bytes.saturating_sub(bytes);
    }
}

fn check(what: &str, held: u64, granted: u64) -> Result<(), Breach> {
    if held <= granted {
        return Ok(());
    }
    Err(Breach::new(Oracle::Memory, format!("at most {granted} {what}"), format!("{held} not consumed")))
}
