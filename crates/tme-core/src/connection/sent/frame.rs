//! What a packet carried, as far as its fate matters to somebody.

/// What a packet carried that matters when it is acknowledged or lost. Runs of messages are one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentFrame {
    /// Whole messages of one channel with successive sequences.
    Messages {
        /// Position of the channel.
        position: u8,
        /// How many.
        count: u16,
        /// Sequence of the first.
        first: u64,
    },
    /// Successive cells of one message.
    Cells {
        /// Position of the channel.
        position: u8,
        /// How many cells.
        count: u16,
        /// First cell.
        index: u32,
        /// Sequence of the message.
        sequence: u64,
    },
    /// A message given up.
    Skip {
        /// Position of the channel.
        position: u8,
        /// Sequence of the message.
        sequence: u64,
    },
    /// A piece of an unreliable message whose sender asked what becomes of it.
    Awaited {
        /// Position of the channel.
        position: u8,
        /// Which of the channel's messages with a receipt.
        ordinal: u64,
    },
    /// The connection's credit.
    ConnectionCredit,
    /// A channel's credit.
    ChannelCredit {
        /// Position of the channel.
        position: u8,
    },
    /// The server's newest reset token.
    ResetToken,
    /// The end of the connection.
    Close,
}
