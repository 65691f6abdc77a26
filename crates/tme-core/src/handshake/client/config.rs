//! What a client is set to before it connects.

use std::fmt;

use crate::channel::ChannelTable;
use crate::crypto::keys::{KeyPair, PublicKey};
use crate::crypto::suite::SuiteSet;
use crate::handshake::datagram::Versions;
use crate::handshake::parameters::{ConnectionId, LimitError, Limits, SchemaHashes, UserData};
use crate::time::Duration;
use crate::token::SealedToken;

/// Time before a datagram of the handshake is first repeated, unless set otherwise.
pub const RESEND_AFTER: Duration = Duration::from_millis(250);

/// Which server keys a client takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One of these keys, which came with the game or from its backend.
    Pinned(Vec<PublicKey>),
    /// The key remembered for this host; with `None` any key is taken, and
    /// [`Established::is_first_use`](super::Established::is_first_use) asks the caller to remember it.
    KnownHost(Option<PublicKey>),
    /// Any key: safe from listeners, not from somebody who stands in the way.
    Unverified,
}

impl Trust {
    /// Whether a server with this key may be talked to.
    #[must_use]
    pub fn admits(&self, key: &PublicKey) -> bool {
        match self {
            Self::Pinned(keys) => keys.contains(key),
            Self::KnownHost(Some(remembered)) => remembered == key,
            Self::KnownHost(None) | Self::Unverified => true,
        }
    }
}

/// Everything a client's handshake needs to know.
#[derive(Clone, Debug)]
pub struct ClientHandshakeConfig {
    /// Which server keys are taken.
    pub trust: Trust,
    /// The player's identity; with one the pattern is IK, else NK. Default none.
    pub identity: Option<KeyPair>,
    /// Protocol versions, preferred first. Default those of this crate.
    pub versions: Versions,
    /// Which game; the server's must be the same. Default 0.
    pub application_id: u64,
    /// The channel table; `None` takes the server's. Default none.
    pub channels: Option<ChannelTable>,
    /// Suites offered. Default every cipher.
    pub suites: SuiteSet,
    /// What this side is willing to receive.
    pub limits: Limits,
    /// What the game's backend gave the player to connect with. Default none.
    pub token: Option<SealedToken>,
    /// Bytes for the server's game. Default none.
    pub user_data: UserData,
    /// Message schemas to compare. Default none.
    pub schema_hashes: SchemaHashes,
    /// Will stand in every packet the server sends.
    pub connection_id: ConnectionId,
    /// Time before the first repetition ([`RESEND_AFTER`]); each further one waits 1.5 times as long. Default 250 ms.
    pub resend_after: Duration,
    /// Time after which the attempt fails. Default 10 s.
    pub give_up_after: Duration,
}

impl ClientHandshakeConfig {
    /// The defaults, with what has none.
    #[must_use]
    pub fn new(trust: Trust, connection_id: ConnectionId) -> Self {
        Self {
            trust,
            identity: None,
            versions: Versions::OURS,
            application_id: 0,
            channels: None,
            suites: SuiteSet::default(),
            limits: Limits::default(),
            token: None,
            user_data: UserData::default(),
            schema_hashes: SchemaHashes::default(),
            connection_id,
            resend_after: RESEND_AFTER,
            give_up_after: Duration::from_secs(10),
        }
    }

    pub(super) fn check(&self) -> Result<(), ClientConfigError> {
        self.limits.check().map_err(ClientConfigError::Limit)?;
        if matches!(&self.trust, Trust::Pinned(keys) if keys.is_empty()) {
            return Err(ClientConfigError::NothingPinned);
        }
        if self.suites.is_plaintext() && self.identity.is_some() {
            return Err(ClientConfigError::IdentityOverPlaintext);
        }
        if self.suites.is_plaintext() && self.token.is_some() {
            return Err(ClientConfigError::TokenOverPlaintext);
        }
        if self.resend_after.is_zero() {
            return Err(ClientConfigError::NoResendTime);
        }
        Ok(())
    }
}

/// Why a client's configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientConfigError {
    /// A limit is outside its range.
    Limit(LimitError),
    /// [`Trust::Pinned`] without a key would refuse every server.
    NothingPinned,
    /// Packets that anybody can write prove no identity.
    IdentityOverPlaintext,
    /// No server takes a token in plaintext.
    TokenOverPlaintext,
    /// Repeating without waiting would flood the network.
    NoResendTime,
}

impl fmt::Display for ClientConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::NothingPinned => f.write_str("no server key is pinned, so no server could be trusted"),
            Self::IdentityOverPlaintext => f.write_str(
                "an identity cannot be used in plaintext; offer a cipher or leave the identity out",
            ),
            Self::TokenOverPlaintext => {
                f.write_str("a token cannot be used in plaintext; offer a cipher or leave the token out")
            }
            Self::NoResendTime => f.write_str("the time before a repetition must not be zero"),
        }
    }
}

impl std::error::Error for ClientConfigError {}
