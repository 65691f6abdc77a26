//! What a server is set to before it answers strangers.

use std::fmt;

use crate::channel::ChannelTable;
use crate::crypto::keys::KeyPair;
use crate::crypto::suite::{Suite, SuitePreference, SuiteSet};
use crate::handshake::datagram::Versions;
use crate::handshake::parameters::{LimitError, Limits, SchemaHashes};
use crate::time::Duration;
use crate::token::{ServerName, TokenKey};

/// Whether clients must prove an identity key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityPolicy {
    /// Clients may prove one.
    #[default]
    Optional,
    /// Clients without one are refused (reason 5).
    Required,
}

/// From where browsers may connect: they come in a WebSocket, without keys of their own, so that nothing but the stream
/// protects them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Browsers {
    /// None.
    Never,
    /// Those on this machine, a proxy that ends TLS for others among them.
    #[default]
    Loopback,
    /// All. What they say can be read and changed by whoever is on the way.
    Anywhere,
}

/// Most token keys of one server.
pub const TOKEN_KEYS_MAX: usize = 16;

/// Whether clients must have a connect token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenRequirement {
    /// Clients may have one.
    #[default]
    Optional,
    /// Clients without one are refused (reason 10).
    Required,
}

/// Which connect tokens a server takes. By default it holds no key and takes none.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// The keys that seal tokens: at most 16, and two while one is being replaced.
    pub keys: Vec<TokenKey>,
    /// Whether clients must have a token. Default optional.
    pub requirement: TokenRequirement,
    /// What the server is called in tokens for it alone. Default nothing.
    pub server_name: Option<ServerName>,
    /// How much later than now a token may say that it was issued, because clocks differ. Default 5 s.
    pub clock_tolerance: Duration,
    /// Tokens issued so long before the server started are taken, too. A token used in an earlier run can then be used
    /// again, unless the earlier run ended before that time. Default zero.
    pub issued_before_start: Duration,
    /// Used tokens remembered. Beyond it the one issued first is forgotten, and none issued as early is taken any more.
    /// Default 65,536, about 10 MB.
    pub used_max: usize,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            requirement: TokenRequirement::default(),
            server_name: None,
            clock_tolerance: Duration::from_secs(5),
            issued_before_start: Duration::ZERO,
            used_max: 65_536,
        }
    }
}

/// Where a server says that it is too busy (reason 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyLimits {
    /// Attempts remembered that are no connections. Default 4,096: 1.2 MB as a rule, 15 MB if every one is as
    /// large as it can be. Beyond it the network with the most gives one up, and only if none can be, clients are refused.
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

impl BusyLimits {
    /// What one of `count` endpoints may do, so that all together do no more than this (rounded up).
    #[must_use]
    pub const fn share(self, count: usize) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self {
            attempts_max: self.attempts_max.div_ceil(count),
            attempts_per_network_max: self.attempts_per_network_max.div_ceil(count),
            exchanges_per_second: self.exchanges_per_second.div_ceil(count as u32),
            exchanges_burst: self.exchanges_burst.div_ceil(count as u32),
            decision_time_max: self.decision_time_max,
        }
    }
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
    /// From where browsers may connect. Default this machine.
    pub browsers: Browsers,
    /// Which connect tokens are taken. Default none.
    pub tokens: TokenPolicy,
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
            browsers: Browsers::default(),
            tokens: TokenPolicy::default(),
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
        let is_token_required = self.tokens.requirement == TokenRequirement::Required;
        match self.tokens.keys.len() {
            0 if is_token_required => return Err(ServerConfigError::NoTokenKey),
            count if count > TOKEN_KEYS_MAX => return Err(ServerConfigError::TooManyTokenKeys { count }),
            count if count > 0 && is_plaintext_only => return Err(ServerConfigError::TokenOverPlaintext),
            _ => {}
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
    /// Tokens are required, and no key could open one.
    NoTokenKey,
    /// More keys than a server tries.
    TooManyTokenKeys {
        /// How many.
        count: usize,
    },
    /// What anybody can read and write along is no place for tokens.
    TokenOverPlaintext,
}

impl fmt::Display for ServerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::IdentityOverPlaintext => {
                f.write_str("an identity cannot be required in plaintext; allow a cipher or make it optional")
            }
            Self::NoTokenKey => f.write_str("tokens are required, but there is no key to open them with"),
            Self::TooManyTokenKeys { count } => {
                write!(f, "{count} token keys exceed the limit of {TOKEN_KEYS_MAX}")
            }
            Self::TokenOverPlaintext => {
                f.write_str("tokens are not taken in plaintext; allow a cipher or leave the token keys out")
            }
        }
    }
}

impl std::error::Error for ServerConfigError {}
