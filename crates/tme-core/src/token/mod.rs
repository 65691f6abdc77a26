//! Connect tokens: what a game's backend gives a player so that a server lets him in (`docs/PROTOCOL.md` §3.6).
//!
//! A backend that shares a [`TokenKey`] with its servers fills in a [`Token`] and seals it; the player's client carries
//! the [`SealedToken`] without being able to read or change it; a server opens it and uses it up.

mod key;
mod problem;
mod sealed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;

pub use key::{TOKEN_KEY_BYTES, TokenKey};
pub use problem::TokenProblem;
pub use sealed::{SealedToken, TOKEN_BYTES_MAX, TokenId, TokenTextError};

use crate::codec::{DecodeError, Put, Reader};
use crate::crypto::keys::{KEY_BYTES, PublicKey};
use crate::handshake::parameters::{BoundedBytes, TooLong};
use crate::time::{Duration, UnixTime};

/// Longest user id.
pub const USER_ID_BYTES_MAX: usize = 64;
/// Longest name of a server.
pub const SERVER_NAME_BYTES_MAX: usize = 64;
/// Most bytes of user data in a token.
pub const TOKEN_USER_DATA_BYTES_MAX: usize = 256;
/// Most addresses that a token can hint at.
pub const TOKEN_HINTS_MAX: usize = 8;

const AUDIENCE_ANY: u8 = 0;
const AUDIENCE_NAME: u8 = 1;
const AUDIENCE_KEY: u8 = 2;

/// Bytes that a backend adds to a token; the protocol does not look at them.
pub type TokenUserData = BoundedBytes<TOKEN_USER_DATA_BYTES_MAX>;

/// Who a player is, to the backend: 1 to 64 bytes, usually text. A number is its decimal digits, so that 42 and `"42"`
/// are the same player.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(BoundedBytes<USER_ID_BYTES_MAX>);

impl UserId {
    /// The id with these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TokenError> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(TokenError::NoUser);
        }
        BoundedBytes::new(bytes).map(Self).map_err(TokenError::UserTooLong)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The number, if it is one as [`From<u64>`] writes it.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        let number: u64 = std::str::from_utf8(self.as_bytes()).ok()?.parse().ok()?;
        // Neither "007" nor "+7" is the number 7: two ids must not become one.
        (Self::from(number) == *self).then_some(number)
    }
}

impl From<u64> for UserId {
    fn from(number: u64) -> Self {
        Self(BoundedBytes::from_text(&number.to_string()))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What servers are called in tokens: 1 to 64 bytes of text.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerName(BoundedBytes<SERVER_NAME_BYTES_MAX>);

impl ServerName {
    /// The name with these bytes.
    pub fn new(name: impl Into<Vec<u8>>) -> Result<Self, TokenError> {
        let name = name.into();
        if name.is_empty() {
            return Err(TokenError::NoServerName);
        }
        BoundedBytes::new(name).map(Self).map_err(TokenError::ServerNameTooLong)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Which servers may take a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Every server that holds the token key.
    #[default]
    Any,
    /// The server of this name.
    Name(ServerName),
    /// The server with this static key.
    Key(PublicKey),
}

/// What a backend says about a player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Who the player is.
    pub user: UserId,
    /// Bytes for the server's game.
    pub user_data: TokenUserData,
    /// Which servers may take it.
    pub audience: Audience,
    /// When it was made.
    pub issued: UnixTime,
    /// From when on it is not valid any more; later than `issued`.
    pub expires: UnixTime,
    /// Where the client could find a server, best first; at most eight. Nothing on the server depends on them.
    pub hints: Vec<SocketAddr>,
}

impl Token {
    /// A token for a player and any server, without data and hints. Minutes are enough for `lifetime`: it only has to
    /// last until the player has connected.
    #[must_use]
    pub fn new(user: UserId, issued: UnixTime, lifetime: Duration) -> Self {
        Self {
            user,
            user_data: TokenUserData::default(),
            audience: Audience::Any,
            issued,
            expires: issued + lifetime,
            hints: Vec::new(),
        }
    }

    /// Succeeds if this can be a token.
    pub fn check(&self) -> Result<(), TokenError> {
        if self.expires <= self.issued {
            return Err(TokenError::NoLifetime);
        }
        if self.hints.len() > TOKEN_HINTS_MAX {
            return Err(TokenError::TooManyHints { count: self.hints.len() });
        }
        if self.hints.iter().any(|hint| hint.port() == 0) {
            return Err(TokenError::HintWithoutPort);
        }
        Ok(())
    }

    fn encode_contents(&self, out: &mut Vec<u8>) {
        out.put_u64(self.issued.as_secs());
        out.put_u64(self.expires.as_secs());
        match &self.audience {
            Audience::Any => out.put_u8(AUDIENCE_ANY),
            Audience::Name(name) => {
                out.put_u8(AUDIENCE_NAME);
                put_short(out, name.as_bytes());
            }
            Audience::Key(key) => {
                out.put_u8(AUDIENCE_KEY);
                out.put_bytes(key.as_bytes());
            }
        }
        put_short(out, self.user.as_bytes());
        out.put_varint(self.user_data.as_bytes().len() as u64);
        out.put_bytes(self.user_data.as_bytes());
    }

    fn decode_contents(contents: &[u8], hints: Vec<SocketAddr>) -> Result<Self, DecodeError> {
        let out_of_range = |_| DecodeError::OutOfRange;
        let mut reader = Reader::new(contents);
        let issued = UnixTime::from_secs(reader.u64()?);
        let expires = UnixTime::from_secs(reader.u64()?);
        let audience = match reader.u8()? {
            AUDIENCE_ANY => Audience::Any,
            AUDIENCE_NAME => Audience::Name(ServerName::new(take_short(&mut reader)?).map_err(out_of_range)?),
            AUDIENCE_KEY => Audience::Key(PublicKey::from_bytes(reader.array::<KEY_BYTES>()?)),
            _ => return Err(DecodeError::UnknownType),
        };
        let user = UserId::new(take_short(&mut reader)?).map_err(out_of_range)?;
        let bytes = reader.varint_in(0..=TOKEN_USER_DATA_BYTES_MAX as u64)?;
        let user_data = TokenUserData::new(reader.bytes(bytes as usize)?);
        let user_data = user_data.map_err(|_| DecodeError::OutOfRange)?;
        reader.finish()?;
        let token = Self { user, user_data, audience, issued, expires, hints };
        token.check().map_err(out_of_range)?;
        Ok(token)
    }
}

fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u8(bytes.len() as u8);
    out.put_bytes(bytes);
}

fn take_short<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let bytes = reader.u8()?;
    reader.bytes(usize::from(bytes))
}

/// Why something cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The user id is empty.
    NoUser,
    /// The user id is too long.
    UserTooLong(TooLong),
    /// The server's name is empty.
    NoServerName,
    /// The server's name is too long.
    ServerNameTooLong(TooLong),
    /// It would expire before it is issued, or at that moment.
    NoLifetime,
    /// More hints than a token takes.
    TooManyHints {
        /// How many.
        count: usize,
    },
    /// A hint without a port.
    HintWithoutPort,
}

impl TokenError {
    /// Stable number of the kind, the same in every language.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::NoUser => 1,
            Self::UserTooLong(_) => 2,
            Self::NoServerName => 3,
            Self::ServerNameTooLong(_) => 4,
            Self::NoLifetime => 5,
            Self::TooManyHints { .. } => 6,
            Self::HintWithoutPort => 7,
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUser => f.write_str("a token needs a user id"),
            Self::UserTooLong(error) => write!(f, "user id: {error}"),
            Self::NoServerName => f.write_str("the name of a server must not be empty"),
            Self::ServerNameTooLong(error) => write!(f, "name of a server: {error}"),
            Self::NoLifetime => f.write_str("a token must expire at least a second after it is issued"),
            Self::TooManyHints { count } => {
                write!(f, "{count} address hints exceed the limit of {TOKEN_HINTS_MAX}")
            }
            Self::HintWithoutPort => f.write_str("an address hint needs a port"),
        }
    }
}

impl std::error::Error for TokenError {}
