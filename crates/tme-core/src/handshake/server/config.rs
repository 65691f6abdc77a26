//! What a server is set to before it answers strangers.

use std::fmt;

use crate::channel::ChannelTable;
use crate::crypto::keys::KeyPair;
use crate::crypto::suite::{Suite, SuitePreference, SuiteSet};
use crate::handshake::datagram::Versions;
use crate::handshake::parameters::{LimitError, Limits, SchemaHashes};
use crate::time::Duration;

/// Whether clients must prove an identity key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityPolicy {
    /// Clients may prove one.
    #[default]
    Optional,
    /// Clients without one are refused (reason 5).
    Required,
}

/// Where a server says that it is too busy (reason 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyLimits {
    /// Attempts remembered that are no connections. Default 4,096: 1.2 MB as a rule, 15 MB if every one is as
    /// large as it can be.
    pub attempts_max: usize,
    /// The same from one IPv4 address or IPv6 /64, so that one line cannot use up the whole. Default 1,024.
    pub attempts_per_network_max: usize,
    /// Key exchanges per second in the long run. Default 2,000: about a fifth of one core with NK.
    pub exchanges_per_second: u32,
    /// Key exchanges that may come at once. Default 4,000.
    pub exchanges_burst: u32,
    /// How long a request may wait for the owner's decision. Default 15 s, longer than clients wait.
    pub decision_time_max: Duration,
}

impl Default for BusyLimits {
    fn default() -> Self {
        Self {
            attempts_max: 4_096,
            attempts_per_network_max: 1_024,
            exchanges_per_second: 2_000,
            exchanges_burst: 4_000,
            decision_time_max: Duration::from_secs(15),
        }
    }
}

/// Everything a server's handshakes need to know.
#[derive(Clone, Debug)]
pub struct ServerHandshakeConfig {
    /// The server's static key.
    pub key: KeyPair,
    /// Protocol versions the server speaks. Default those of this crate.
    pub versions: Versions,
    /// Which game; clients of others are refused. Default 0.
    pub application_id: u64,
    /// The channel table.
    pub channels: ChannelTable,
    /// Suites the server takes, preferred first. Default AES-256-GCM, then ChaCha20-Poly1305.
    pub suites: SuitePreference,
    /// Whether clients must prove an identity. Default optional.
    pub identity: IdentityPolicy,
    /// Message schemas to compare. Default none.
    pub schema_hashes: SchemaHashes,
    /// What this side is willing to receive.
    pub limits: Limits,
    /// Where the server says that it is too busy.
    pub busy: BusyLimits,
}

impl ServerHandshakeConfig {
    /// The defaults, with what has none.
    #[must_use]
    pub fn new(key: KeyPair, channels: ChannelTable) -> Self {
        Self {
            key,
            versions: Versions::OURS,
            application_id: 0,
            channels,
            suites: SuitePreference::default(),
            identity: IdentityPolicy::default(),
            schema_hashes: SchemaHashes::default(),
            limits: Limits::default(),
            busy: BusyLimits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ServerConfigError> {
        self.limits.check().map_err(ServerConfigError::Limit)?;
        let is_plaintext_only = self.suites.choose(SuiteSet::ENCRYPTED).is_none();
        if is_plaintext_only && self.identity == IdentityPolicy::Required {
            debug_assert_eq!(self.suites.choose(SuiteSet::PLAINTEXT), Some(Suite::Plaintext));
            return Err(ServerConfigError::IdentityOverPlaintext);
        }
        Ok(())
    }
}

/// Why a server's configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerConfigError {
    /// A limit is outside its range.
    Limit(LimitError),
    /// Packets that anybody can write prove no identity.
    IdentityOverPlaintext,
}

impl fmt::Display for ServerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::IdentityOverPlaintext => {
                f.write_str("an identity cannot be required in plaintext; allow a cipher or make it optional")
            }
        }
    }
}

impl std::error::Error for ServerConfigError {}
