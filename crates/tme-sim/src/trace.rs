//! The story of a world, line by line, for debugging.

use std::fmt;

use tme_core::time::Instant;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct TraceLine {
    /// When.
    pub at: Instant,
    /// To whom: 0 the server, else the client with this number (counted from 1).
    pub node: usize,
    /// What.
    pub text: String,
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, node, text } = self;
        match node {
            0 => write!(f, "{at:?} server    {text}"),
            node => write!(f, "{at:?} client {:<2} {text}", node - 1),
        }
    }
}
