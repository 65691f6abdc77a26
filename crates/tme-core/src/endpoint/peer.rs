//! What stands in a slot: an attempt, an applicant or a connection.

use super::admission::{Applying, Awaited};
use super::attempts::Connecting;
use super::identities::Identity;
use crate::connection::Connection;
use crate::handshake::server::AttemptId;

pub(super) struct Peer {
    pub(super) state: PeerState,
    pub(super) is_ready: bool,
    /// Stands in `withheld`.
    pub(super) is_withheld: bool,
    /// Stands in `changed`.
    pub(super) is_changed: bool,
    /// Counts against the server's limit.
    pub(super) is_counted: bool,
    /// Was there when the end of the endpoint began.
    pub(super) is_parting: bool,
    pub(super) attempt: Option<AttemptId>,
    /// Until the first packet (server only).
    pub(super) awaited: Option<Box<Awaited>>,
    /// By which newcomers are known to be this peer (server only).
    pub(super) identity: Option<Box<Identity>>,
    /// The other endpoints of the server were told that a peer with an identity is not heard of.
    pub(super) is_interrupted: bool,
}

impl Peer {
    pub(super) const fn new(state: PeerState) -> Self {
        Self {
            state,
            is_ready: false,
            is_withheld: false,
            is_changed: false,
            is_counted: false,
            is_parting: false,
            attempt: None,
            awaited: None,
            identity: None,
            is_interrupted: false,
        }
    }
}

// Boxed, so that a slot is small while it is vacant.
pub(super) enum PeerState {
    Connecting(Box<Connecting>),
    Connected(Box<Connection>),
    Applying(Box<Applying>),
}
