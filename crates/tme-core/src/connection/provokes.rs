//! What a packet makes the other side do.

use crate::channel::ChannelMode;
use crate::wire::frame::Frame;

/// What a packet makes the other side do: whether it is *ack-eliciting* (RFC 9000, section 13.2), and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provokes {
    /// No acknowledgement by itself.
    Nothing,
    /// An acknowledgement with the next packet, or after 100 ms or 16 such packets.
    Lazily,
    /// An acknowledgement with the next packet, or after 25 ms or 8 such packets.
    Promptly,
}

impl Provokes {
    /// What this frame makes the other side do. `modes` are the modes of the channels by position.
    #[must_use]
    #[inline]
    pub fn of(frame: &Frame<'_>, modes: &[ChannelMode]) -> Self {
        match frame {
            Frame::Padding | Frame::Ack(_) | Frame::ClockAnswer { .. } => Self::Nothing,
            Frame::PathChallenge { .. } | Frame::PathResponse { .. } => Self::Nothing,
            Frame::ClockRequest { .. } => Self::Lazily,
            Frame::Message(message) => match modes.get(usize::from(message.position)) {
                Some(mode) if mode.is_reliable() => Self::Promptly,
                _ => Self::Lazily,
            },
            _ => Self::Promptly,
        }
    }
}
