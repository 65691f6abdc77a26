//! What must be true of every history, as small state machines that watch one.
//!
//! Oracles know nothing of the engine's insides: they see what a game sees (calls and events) and what the network sees
//! (datagrams). Each is fed a history and answers with a [`Breach`] as soon as it is not one the protocol allows.

mod calls;
mod channel;
mod datagram;
mod drops;
mod end;
mod memory;
mod receipts;

use std::fmt;

pub use calls::{SendFacts, check_deadline, judge_send};
pub use channel::{ChannelOracle, Delivered};
pub use datagram::{Amplification, PacketNumbers, check_datagram_size};
pub use drops::{DatagramKind, DropFacts, DropTally, judge_drop};
pub use end::{EndFacts, EndOracle, EndState, Parting, judge_end};
pub use memory::ReceiveMemory;
pub use receipts::ReceiptOracle;

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Oracle {
    /// The bytes of a message are those that were sent.
    Contents,
    /// Reliable-ordered: an exact prefix of what was sent.
    Ordered,
    /// Reliable-unordered: each message at most once.
    Unordered,
    /// Sequenced: never older than the last delivered.
    Sequenced,
    /// Unreliable: a subset of what was sent, nothing twice.
    Unreliable,
    /// Reliable-latest: per key never older than the last delivered.
    Latest,
    /// Once the faults are over, everything promised arrives within a bounded time.
    Convergence,
    /// A receiver holds no more than it granted.
    Memory,
    /// No datagram is larger than the path and the peer allow.
    DatagramSize,
    /// No packet number is sealed twice under one connection id.
    PacketNumbers,
    /// A stranger's address gets no more bytes than came from it.
    Amplification,
    /// Every datagram is processed or counted as dropped, for a reason that fits.
    Drops,
    /// Events come in an order that makes sense.
    Lifecycle,
    /// Connections end only for reasons the script or the network gave.
    Ending,
    /// Send calls answer what they should.
    Sending,
    /// Receipts come once each and are true.
    Receipts,
    /// No deadline stays in the past, where it would be a busy loop.
    Deadline,
    /// The world itself could not be built.
    Setup,
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contents => "contents",
            Self::Ordered => "ordered",
            Self::Unordered => "unordered",
            Self::Sequenced => "sequenced",
            Self::Unreliable => "unreliable",
            Self::Latest => "latest",
            Self::Convergence => "convergence",
            Self::Memory => "receive memory",
            Self::DatagramSize => "datagram size",
            Self::PacketNumbers => "packet numbers",
            Self::Amplification => "amplification",
            Self::Drops => "drops",
            Self::Lifecycle => "lifecycle",
            Self::Ending => "ending",
            Self::Sending => "sending",
            Self::Receipts => "receipts",
            Self::Deadline => "deadline",
            Self::Setup => "setup",
        })
    }
}

/// A broken promise: which one, what it asked for and what happened instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The oracle that noticed.
    pub oracle: Oracle,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub found: String,
}

impl Breach {
    /// A breach with its two sides.
    pub fn new(oracle: Oracle, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { oracle, expected: expected.into(), found: found.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} oracle: expected {}, found {}", self.oracle, self.expected, self.found)
    }
}

impl std::error::Error for Breach {}
