//! A token as it travels: bytes that only holders of its key can read, and their text form.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::TOKEN_HINTS_MAX;
use crate::codec::{DecodeError, Put, Reader};

/// Longest sealed token.
pub const TOKEN_BYTES_MAX: usize = 700;
/// Length of a token's nonce.
pub(super) const NONCE_BYTES: usize = 24;
/// Length of a token's tag.
pub(super) const TAG_BYTES: usize = 16;

const TOKEN_VERSION: u8 = 1;
const FAMILY_V4: u8 = 4;
const FAMILY_V6: u8 = 6;

/// Names a token: its nonce, which no other one has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; NONCE_BYTES]);

impl TokenId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; NONCE_BYTES] {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

/// A sealed token of at most 700 bytes. Written and parsed as base64url without padding.
///
/// Whoever has it can connect with it, once: it is printed by [`Display`](fmt::Display), never by
/// [`Debug`](fmt::Debug).
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken {
    bytes: Vec<u8>,
}

/// The parts of a well-formed token.
pub(super) struct Layout<'a> {
    pub key_id: u32,
    pub nonce: [u8; NONCE_BYTES],
    pub hints: Vec<SocketAddr>,
    /// Everything before the sealed contents.
    pub head: &'a [u8],
    pub contents: &'a [u8],
    pub tag: [u8; TAG_BYTES],
}

pub(super) fn put_head(out: &mut Vec<u8>, key_id: u32, nonce: &[u8; NONCE_BYTES], hints: &[SocketAddr]) {
    out.put_u8(TOKEN_VERSION);
    out.put_u32(key_id);
    out.put_bytes(nonce);
    out.put_u8(hints.len() as u8);
    for hint in hints {
        match hint.ip() {
            IpAddr::V4(v4) => {
                out.put_u8(FAMILY_V4);
                out.put_bytes(&v4.octets());
            }
            IpAddr::V6(v6) => {
                out.put_u8(FAMILY_V6);
                out.put_bytes(&v6.octets());
            }
        }
        out.put_u16(hint.port());
    }
}

fn take_hint(reader: &mut Reader<'_>) -> Result<SocketAddr, DecodeError> {
    let address = match reader.u8()? {
        FAMILY_V4 => IpAddr::from(reader.array::<4>()?),
        FAMILY_V6 => IpAddr::from(reader.array::<16>()?),
        _ => return Err(DecodeError::UnknownType),
    };
    match reader.u16()? {
        0 => Err(DecodeError::OutOfRange),
        port => Ok(SocketAddr::new(address, port)),
    }
}

impl SealedToken {
    /// Takes bytes that may be a token. Only their number is looked at: the server says whether they are one.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (1..=TOKEN_BYTES_MAX).contains(&bytes.len()).then_some(Self { bytes })
    }

    pub(super) fn assembled(bytes: Vec<u8>, head_bytes: usize) -> Self {
        debug_assert!(head_bytes < bytes.len() && bytes.len() <= TOKEN_BYTES_MAX, "bounded by its types");
        Self { bytes }
    }

    /// The bytes, as they travel.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where a server could be found, as the backend thought. Not authenticated to the client. Empty, too, if this is
    /// not a token.
    #[must_use]
    pub fn hints(&self) -> Vec<SocketAddr> {
        self.layout().map(|layout| layout.hints).unwrap_or_default()
    }

    /// The token's name, the same as the server sees; `None` if this is not a token.
    #[must_use]
    pub fn id(&self) -> Option<TokenId> {
        self.layout().map(|layout| TokenId(layout.nonce))
    }

    /// Which key has sealed it; `None` if this is not a token.
    #[must_use]
    pub fn key_id(&self) -> Option<u32> {
        self.layout().map(|layout| layout.key_id)
    }

    pub(super) fn layout(&self) -> Option<Layout<'_>> {
        self.parse().ok()
    }

    fn parse(&self) -> Result<Layout<'_>, DecodeError> {
        let mut reader = Reader::new(&self.bytes);
        if reader.u8()? != TOKEN_VERSION {
            return Err(DecodeError::UnknownType);
        }
        let key_id = reader.u32()?;
        let nonce = reader.array()?;
        let count = usize::from(reader.u8()?);
        if count > TOKEN_HINTS_MAX {
            return Err(DecodeError::OutOfRange);
        }
        let hints = (0..count).map(|_| take_hint(&mut reader)).collect::<Result<_, _>>()?;
        let head = &self.bytes[..self.bytes.len() - reader.remaining()];
        let (contents, tag) =
            reader.rest().split_last_chunk::<TAG_BYTES>().ok_or(DecodeError::UnexpectedEnd)?;
        Ok(Layout { key_id, nonce, hints, head, contents, tag: *tag })
    }
}

impl fmt::Display for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.bytes))
    }
}

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedToken({} bytes)", self.bytes.len())
    }
}

impl FromStr for SealedToken {
    type Err = TokenTextError;

    /// Surrounding white space, as in a file, is allowed.
    fn from_str(text: &str) -> Result<Self, TokenTextError> {
        let bytes = Base64UrlUnpadded::decode_vec(text.trim()).map_err(|_| TokenTextError::NotBase64)?;
        let count = bytes.len();
        Self::from_bytes(bytes).ok_or(TokenTextError::Length { bytes: count })
    }
}

/// Why a text is not a sealed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTextError {
    /// It is not base64url without padding.
    NotBase64,
    /// It stands for no bytes, or for more than a token has.
    Length {
        /// How many.
        bytes: usize,
    },
}

impl TokenTextError {
    /// Stable number of the kind, the same in every language.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::NotBase64 => 1,
            Self::Length { .. } => 2,
        }
    }
}

impl fmt::Display for TokenTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 => {
                f.write_str("a token is base64url without padding: letters, digits, - and _ only")
            }
            Self::Length { bytes } => {
                write!(f, "a token of {bytes} bytes is outside 1–{TOKEN_BYTES_MAX}")
            }
        }
    }
}

impl std::error::Error for TokenTextError {}
