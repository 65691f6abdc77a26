//! What bots and server say to each other: sizes, channels, and the stamp at the beginning of every message.

use std::time::Instant;

use tme::{Channel, ChannelId};

/// A bot's unreliable message, every tick.
pub(super) const INPUT_BYTES: usize = 48;
/// A bot's reliable message, once a second.
pub(super) const COMMAND_BYTES: usize = 32;
/// The server's unreliable message to each bot, every tick.
pub(super) const SNAPSHOT_BYTES: usize = 300;
/// The server's reliable message to each bot, once a second.
pub(super) const EVENT_BYTES: usize = 64;

/// Reliable messages.
pub(super) const RELIABLE: ChannelId = ChannelId(0);
/// Unreliable messages.
pub(super) const UNRELIABLE: ChannelId = ChannelId(1);

/// The table that both sides declare.
pub(super) fn channels() -> [Channel; 3] {
    [Channel::reliable_ordered("events"), Channel::unreliable("state"), super::watchers::channel()]
}

/// Time since the demo began. Bots and server live in one process, so they have one clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The first bytes of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When it was sent, by the [`Stopwatch`].
    pub sent_at_micros: u64,
    /// Counts the reliable messages of one sender to one receiver, from 0.
    pub sequence: u64,
}

impl Stamp {
    const BYTES: usize = 16;

    /// A message of `N` bytes that begins with this stamp; the rest is noise, as in a game's packed state.
    pub fn message<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        let stamp = self.sent_at_micros.to_le_bytes().into_iter().chain(self.sequence.to_le_bytes());
        let noise = (0..N).map(|index| (index as u8).wrapping_mul(151) ^ self.sequence as u8);
        let content = stamp.chain(noise.skip(Self::BYTES));
        bytes.iter_mut().zip(content).for_each(|(byte, value)| *byte = value);
        bytes
    }

    /// The stamp of a message.
    pub fn of(message: &[u8]) -> Option<Self> {
        let (sent_at, rest) = message.split_first_chunk::<8>()?;
        let sequence = rest.first_chunk::<8>()?;
        Some(Self { sent_at_micros: u64::from_le_bytes(*sent_at), sequence: u64::from_le_bytes(*sequence) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_its_message() {
        let stamp = Stamp { sent_at_micros: 123_456_789, sequence: 42 };
        assert_eq!(Stamp::of(&stamp.message::<COMMAND_BYTES>()), Some(stamp));
        assert_eq!(Stamp::of(&[0; 15]), None);
    }
}
