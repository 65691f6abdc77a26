//! DISCOVER and HERE (`docs/PROTOCOL.md` §2.8): who is there on this network?

use std::fmt;
use std::num::NonZeroU16;

use super::{Description, TYPE_DISCOVER, TYPE_HERE, put_head};
use crate::codec::{DecodeError, Put, Reader};

/// Exact length of DISCOVER: more than any answer to it.
pub const DISCOVER_BYTES: usize = 700;
/// Longest HERE: 32 bytes, a name of 64, and what an INFO_ANSWER of 557 has behind its first 13.
pub const HERE_BYTES_MAX: usize = 32 + DISPLAY_NAME_BYTES_MAX + 544;
/// Longest name of a server, in bytes of UTF-8.
pub const DISPLAY_NAME_BYTES_MAX: usize = 64;

const _: () = assert!(HERE_BYTES_MAX <= DISCOVER_BYTES, "nobody is sent more than he sent");

const ANY_APPLICATION: u8 = 1;

/// DISCOVER: who is there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discover {
    /// The answers echo it.
    pub nonce: u64,
    /// Of which game servers are to answer; `None`: all.
    pub application_id: Option<u64>,
}

impl Discover {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put_head(out, TYPE_DISCOVER);
        out.put_u64(self.nonce);
        out.put_u8(if self.application_id.is_none() { ANY_APPLICATION } else { 0 });
        out.put_u64(self.application_id.unwrap_or(0));
        out.resize(start + DISCOVER_BYTES, 0);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let nonce = reader.u64()?;
        let application_id = match (reader.u8()?, reader.u64()?) {
            (0, id) => Some(id),
            (ANY_APPLICATION, 0) => None,
            _ => return Err(DecodeError::Reserved),
        };
        if reader.rest().iter().any(|&byte| byte != 0) {
            return Err(DecodeError::Reserved);
        }
        Ok(Self { nonce, application_id })
    }
}

/// HERE: a server that wants to be found. Not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here<'a> {
    /// Echo of the nonce.
    pub nonce: u64,
    /// The same for a server's whole run, whichever of its addresses answers.
    pub instance: u64,
    /// Hash of the server's channel table.
    pub table_hash: u64,
    /// Where it listens for players.
    pub port: NonZeroU16,
    /// What it is called.
    pub name: &'a str,
    /// What else it says of itself.
    pub description: Description<'a>,
}

impl<'a> Here<'a> {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_HERE);
        out.put_u64(self.nonce);
        out.put_u64(self.instance);
        out.put_u64(self.table_hash);
        out.put_u16(self.port.get());
        let name = &self.name[..self.name.floor_char_boundary(DISPLAY_NAME_BYTES_MAX)];
        out.put_u8(name.len() as u8);
        out.put_bytes(name.as_bytes());
        self.description.encode(out);
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            nonce: reader.u64()?,
            instance: reader.u64()?,
            table_hash: reader.u64()?,
            port: NonZeroU16::new(reader.u16()?).ok_or(DecodeError::OutOfRange)?,
            name: decode_name(reader)?,
            description: Description::decode(reader)?,
        })
    }
}

fn decode_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let bytes = usize::from(reader.u8()?);
    if bytes > DISPLAY_NAME_BYTES_MAX {
        return Err(DecodeError::OutOfRange);
    }
    let name = std::str::from_utf8(reader.bytes(bytes)?).map_err(|_| DecodeError::OutOfRange)?;
    if name.contains(char::is_control) { Err(DecodeError::OutOfRange) } else { Ok(name) }
}

/// A server's name for people: at most 64 bytes of UTF-8 without control characters, so that it can be shown anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplayName(String);

impl DisplayName {
    /// Takes a name; it may be empty.
    ///
    /// # Errors
    /// [`DisplayNameError`]: too long, or with control characters.
    pub fn new(name: impl Into<String>) -> Result<Self, DisplayNameError> {
        let name = name.into();
        if name.len() > DISPLAY_NAME_BYTES_MAX {
            return Err(DisplayNameError::TooLong { bytes: name.len() });
        }
        match name.chars().find(|character| character.is_control()) {
            Some(character) => Err(DisplayNameError::Control { character }),
            None => Ok(Self(name)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text cannot be a server's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisplayNameError {
    /// More than 64 bytes.
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// A character that is an instruction to the terminal and not text.
    Control {
        /// Which.
        character: char,
    },
}

impl fmt::Display for DisplayNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "a name of {bytes} bytes exceeds the limit of {DISPLAY_NAME_BYTES_MAX}")
            }
            Self::Control { character } => write!(f, "control character {character:?} in a name"),
        }
    }
}

impl std::error::Error for DisplayNameError {}
