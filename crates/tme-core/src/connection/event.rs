//! What an endpoint reports to the application.

use std::fmt;
use std::net::SocketAddr;

use super::{Expiry, Farewell};
use crate::channel::ChannelId;
use crate::clock::ClockChange;
use crate::crypto::keys::PublicKey;
use crate::datagram::LinkKind;
use crate::handshake::reason::Reason;
use crate::payload::Payload;
use crate::time::UnixTime;
use crate::token::{Token, TokenProblem, TokenUserData, UserId};

/// Names a peer of an endpoint. Never 0, below 2^53 (exact in a JavaScript number), and never used again for
/// another peer in the endpoint's life: the id of a peer that left names nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(u64);

/// Bits of a peer id that hold the slot.
const SLOT_BITS: u32 = 20;

impl PeerId {
    /// Most slots an endpoint can have.
    pub const SLOTS_MAX: usize = (1 << SLOT_BITS) - 1;

    /// The id of the `generation`-th peer in `slot`. Slots count from 1, generations may use 32 bits.
    #[must_use]
    pub(crate) const fn new(slot: usize, generation: u32) -> Self {
        Self(((generation as u64) << SLOT_BITS) | slot as u64)
    }

    /// Where the peer stands in tables indexed by slot: 1 to [`SLOTS_MAX`](Self::SLOTS_MAX), used again after it left.
    #[must_use]
    pub const fn slot(self) -> usize {
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
    }

    /// The number, for other languages.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The id with this number. Any number is accepted; one that names nobody is an error where it is used.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This side: the application closed it, or it timed out here.
    Local,
    /// The other side, proven.
    Remote,
    /// Somebody who could see our datagrams said so; not proven to be the server (refusals before the key
    /// exchange).
    Unauthenticated,
}

/// How a connection ended or was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// Why.
    pub reason: Reason,
    /// Who ended it.
    pub origin: Origin,
    /// The application's own code, 0 if it gave none.
    pub code: u32,
    /// The application's own bytes, or a text that explains the reason.
    pub detail: Payload,
}

impl Disconnected {
    /// What was wrong with the connect token, if that is the reason and the server said so.
    #[must_use]
    pub fn token_problem(&self) -> Option<TokenProblem> {
        if self.reason == Reason::Token { TokenProblem::from_detail(&self.detail) } else { None }
    }
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)?;
        if self.code != 0 {
            write!(f, ", code {}", self.code)?;
        }
        match std::str::from_utf8(&self.detail) {
            Ok("") => {}
            Ok(text) => write!(f, ": {}", text.escape_debug())?,
            Err(_) => write!(f, ", {} bytes of detail", self.detail.len())?,
        }
        if self.origin == Origin::Unauthenticated {
            f.write_str(" (not authenticated)")?;
        }
        Ok(())
    }
}

/// Who has connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The peer's address.
    pub remote: SocketAddr,
    /// The number of the client in this connection: at the server the new peer's, at the client its own.
    pub number: u32,
    /// The other side's static key: the server's at the client; at the server the client's identity, if it has one.
    pub key: Option<PublicKey>,
    /// The server's key was not known before (known-hosts trust): the caller should remember it.
    pub is_first_use: bool,
    /// What the other side sent along, at most 512 bytes.
    pub user_data: Payload,
    /// At a server: what the game's backend says of the player, if he came with a connect token.
    pub token: Option<Box<TokenInfo>>,
}

/// Who asks to be let in. The connect token is valid and the address proven, but neither is the client proven to be there
/// now nor its token used up before `Connected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// The client's address.
    pub remote: SocketAddr,
    /// Its identity key, if it uses one.
    pub key: Option<PublicKey>,
    /// What its game sent along, at most 512 bytes.
    pub user_data: Payload,
    /// What the game's backend says of the player, if he has a connect token.
    pub token: Option<Box<TokenInfo>>,
    /// A peer that is connected with the same key or user.
    pub same_identity: Option<PeerId>,
}

/// What a connect token said of its player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Who he is.
    pub user: UserId,
    /// What the backend has added.
    pub user_data: TokenUserData,
    /// When the token was made.
    pub issued: UnixTime,
    /// When the token expires. It is used up: nothing depends on it any more.
    pub expires: UnixTime,
}

impl From<Token> for TokenInfo {
    fn from(token: Token) -> Self {
        let Token { user, user_data, issued, expires, .. } = token;
        Self { user, user_data, issued, expires }
    }
}

/// News from an endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Somebody asks to be let in (only where the game is to decide). Answer by
    /// [`accept`](crate::endpoint::Endpoint::accept) or [`refuse`](crate::endpoint::Endpoint::refuse), within the time
    /// that was set; `Connected` or `Disconnected` follows in any case.
    Admission {
        /// Stands for the client until it is decided, and will be the peer's id.
        peer: PeerId,
        /// Who it is.
        info: Box<Applicant>,
    },
    /// A peer is connected; messages can be sent and will come.
    Connected {
        /// The peer.
        peer: PeerId,
        /// Who it is.
        info: Box<Connected>,
    },
    /// A message came.
    Message {
        /// From whom.
        peer: PeerId,
        /// On which channel.
        channel: ChannelId,
        /// Its key, in reliable-latest channels.
        key: u32,
        /// Its bytes.
        payload: Payload,
    },
    /// A channel that answered `WouldBlock` takes messages again.
    Writable {
        /// Towards whom.
        peer: PeerId,
        /// Which channel.
        channel: ChannelId,
    },
    /// The other side's library has received a message that was sent with a
    /// [`receipt`](super::SendOptions::receipt): the game there has it, or gets it with one of its next looks, on an ordered
    /// channel behind the older ones. Only if it closes or stops looking it never sees it; and sequenced and unreliable
    /// messages may still be dropped there, for a newer one or for want of room.
    Delivered {
        /// Who has received it.
        peer: PeerId,
        /// On which channel.
        channel: ChannelId,
        /// The number that the sender gave.
        token: u64,
    },
    /// A message that was sent with a [`receipt`](super::SendOptions::receipt) was given up. Unless nothing of it was sent,
    /// it may have arrived all the same, or still arrive: that its acknowledgement did not come in time says no more.
    Expired {
        /// To whom it was sent.
        peer: PeerId,
        /// On which channel.
        channel: ChannelId,
        /// The number that the sender gave.
        token: u64,
        /// Why.
        reason: Expiry,
        /// Nothing of it was ever sent: it certainly does not arrive.
        never_sent: bool,
    },
    /// The peer has been silent for 3 s (unless [`interrupted_after`](super::ConnectionConfig::interrupted_after) is
    /// set) although an answer is due. Messages can still be queued; `Resumed` or `Disconnected` follows.
    Interrupted {
        /// The peer.
        peer: PeerId,
    },
    /// The peer is heard again.
    Resumed {
        /// The peer.
        peer: PeerId,
    },
    /// The server's time is known now, or was set where it only ran until then.
    Clock {
        /// The server.
        peer: PeerId,
        /// What happened.
        change: ClockChange,
    },
    /// A client goes on from another address, which has proven itself. At servers only.
    AddressChanged {
        /// The peer.
        peer: PeerId,
        /// Its address from now on.
        remote: SocketAddr,
    },
    /// The connection goes on by another kind of link, or by another stream: with nothing lost, and nothing twice.
    LinkChanged {
        /// The peer.
        peer: PeerId,
        /// What carries it from now on.
        link: LinkKind,
        /// The other side's address from now on.
        remote: SocketAddr,
    },
    /// The connection is over, or was never made.
    Disconnected {
        /// The peer; its id names nobody from now on.
        peer: PeerId,
        /// How it ended.
        reason: Box<Disconnected>,
    },
}

impl Event {
    pub(crate) fn disconnected(peer: PeerId, origin: Origin, farewell: Farewell) -> Self {
        let Farewell { reason, code, detail } = farewell;
        Self::Disconnected { peer, reason: Box::new(Disconnected { reason, origin, code, detail }) }
    }

    /// The peer that the event is about.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        match self {
            Self::Admission { peer, .. }
            | Self::Connected { peer, .. }
            | Self::Message { peer, .. }
            | Self::Writable { peer, .. }
            | Self::Delivered { peer, .. }
            | Self::Expired { peer, .. }
            | Self::Interrupted { peer }
            | Self::Resumed { peer }
            | Self::Clock { peer, .. }
            | Self::AddressChanged { peer, .. }
            | Self::LinkChanged { peer, .. }
            | Self::Disconnected { peer, .. } => *peer,
        }
    }
}
