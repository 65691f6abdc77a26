//! A request to connect, and what an accepted one becomes.

use std::fmt;
use std::net::SocketAddr;

use super::tokens::Valid;
use super::{AnswerDatagrams, AttemptId};
use crate::crypto::SessionSecrets;
use crate::crypto::keys::PublicKey;
use crate::crypto::noise::Noise;
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::handshake::datagram::Offer;
use crate::handshake::parameters::{
    ClientParameters, ConnectionId, Limits, PeerNumber, ServerAnswer, UserData,
};
use crate::token::Token;

/// Somebody whose address is proven asks to connect. To be handed to
/// [`ServerHandshake::accept`](super::ServerHandshake::accept) or
/// [`refuse`](super::ServerHandshake::refuse); dropped, it leaves its client without an answer.
#[derive(Debug)]
pub struct ConnectRequest {
    pub(super) id: AttemptId,
    pub(super) serial: u64,
    pub(super) remote: SocketAddr,
    pub(super) offer: Offer,
    pub(super) version: u16,
    pub(super) suite: Suite,
    pub(super) parameters: ClientParameters,
    pub(super) token: Option<Box<Valid>>,
    pub(super) identity: Option<PublicKey>,
    pub(super) exchange: KeyExchange,
}

/// How the answer to a request is written, and where the connection's keys come from.
#[derive(Debug)]
pub(super) enum KeyExchange {
    Noise(Box<Noise>),
    /// A stream needs none.
    Carried {
        version: u16,
    },
}

impl KeyExchange {
    /// The identity key that the client uses.
    pub(super) fn remote_static(&self) -> Option<PublicKey> {
        match self {
            Self::Noise(noise) => noise.remote_static(),
            Self::Carried { .. } => None,
        }
    }

    pub(super) fn answer(&mut self, offer: &Offer, answer: &ServerAnswer) -> Option<AnswerDatagrams> {
        let mut payload = Vec::new();
        answer.encode(&mut payload);
        match self {
            Self::Noise(noise) => {
                let mut message = Vec::new();
                noise.write(&payload, &mut message).ok()?;
                Some(AnswerDatagrams::new(offer.client_nonce, &message))
            }
            Self::Carried { version } => {
                Some(AnswerDatagrams::opened(offer.client_nonce, *version, &payload))
            }
        }
    }

    /// After the answer.
    pub(super) fn into_secrets(self) -> Option<SessionSecrets> {
        match self {
            Self::Noise(noise) => noise.into_secrets().ok(),
            Self::Carried { .. } => Some(SessionSecrets::unused()),
        }
    }
}

impl ConnectRequest {
    /// Identifies the attempt.
    #[must_use]
    pub const fn id(&self) -> AttemptId {
        self.id
    }

    /// The client's proven address.
    #[must_use]
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The identity key the client uses, if any. Proven to be alive only by its first data packet.
    #[must_use]
    pub const fn identity(&self) -> Option<PublicKey> {
        self.identity
    }

    /// The client's connect token, if it has one. It can be used, and is used up by the client's first data packet.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref().map(|valid| &valid.token)
    }

    /// Bytes from the client's game.
    #[must_use]
    pub const fn user_data(&self) -> &UserData {
        &self.parameters.user_data
    }

    /// Everything the client said of itself.
    #[must_use]
    pub const fn parameters(&self) -> &ClientParameters {
        &self.parameters
    }

    /// The protocol version chosen.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// The suite chosen.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }
}

/// What the owner gives a connection.
#[derive(Clone, Debug)]
pub struct AcceptInfo {
    /// Will stand in every packet the client sends.
    pub connection_id: ConnectionId,
    /// The client's number in this run of the server.
    pub peer_number: PeerNumber,
    /// Bytes for the client's game.
    pub user_data: UserData,
}

/// What a connection is made of, as the server knows it.
#[derive(Debug)]
pub struct Accepted {
    /// For [`ServerHandshake::confirm`](super::ServerHandshake::confirm) and
    /// [`forget`](super::ServerHandshake::forget).
    pub id: AttemptId,
    /// The client's address.
    pub remote: SocketAddr,
    /// The ACCEPT datagrams, to be sent now.
    pub datagrams: AnswerDatagrams,
    /// Protocol version.
    pub version: u16,
    /// Suite chosen.
    pub suite: Suite,
    /// Where the packet keys come from.
    pub secrets: SessionSecrets,
    /// Stands in packets we receive.
    pub local_connection_id: ConnectionId,
    /// Stands in packets we send.
    pub remote_connection_id: ConnectionId,
    /// The client's number.
    pub peer_number: PeerNumber,
    /// What a RESET for this connection would contain.
    pub reset_token: ResetToken,
    /// What we are willing to receive.
    pub local_limits: Limits,
    /// What the client is willing to receive.
    pub remote_limits: Limits,
    /// The client's identity key, if it uses one.
    pub identity: Option<PublicKey>,
    /// The client's connect token, if it has one.
    pub token: Option<Token>,
    /// Bytes from the client's game.
    pub user_data: UserData,
}

/// Why a request can no longer be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// It was answered already, or it waited too long.
    Stale,
    /// The key exchange could not be finished.
    Failed,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "the request was answered before or waited too long",
            Self::Failed => "the key exchange could not be finished",
        })
    }
}

impl std::error::Error for AcceptError {}
