//! INFO_QUERY and INFO_ANSWER (`docs/PROTOCOL.md` §2.6): what a server says of itself to anybody.

use super::{MAGIC, TYPE_INFO_ANSWER, TYPE_INFO_QUERY, Versions, put_head};
use crate::codec::{DecodeError, Put, Reader};
use crate::handshake::parameters::BoundedBytes;

/// Exact length of INFO_QUERY: more than any answer to it.
pub const INFO_QUERY_BYTES: usize = 600;
/// Most bytes of the game's own in INFO_ANSWER and HERE.
pub const INFORMATION_BYTES_MAX: usize = 512;

/// INFO_QUERY: what are you?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoQuery {
    /// The answer echoes it.
    pub nonce: u64,
}

impl InfoQuery {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put_head(out, TYPE_INFO_QUERY);
        out.put_u64(self.nonce);
        out.resize(start + INFO_QUERY_BYTES, 0);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let nonce = reader.u64()?;
        if reader.rest().iter().any(|&byte| byte != 0) {
            return Err(DecodeError::Reserved);
        }
        Ok(Self { nonce })
    }
}

/// What a game tells those who ask its server.
pub type Information = BoundedBytes<INFORMATION_BYTES_MAX>;

/// What a server wants of its clients, for those who consider to become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerDemands {
    /// Only clients with an identity key.
    pub identity: bool,
    /// Only clients with a connect token.
    pub token: bool,
    /// It speaks plaintext, and with nobody else.
    pub plaintext: bool,
}

impl ServerDemands {
    const fn bits(self) -> u8 {
        self.identity as u8 | (self.token as u8) << 1 | (self.plaintext as u8) << 2
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        if bits > 0b111 {
            return None;
        }
        Some(Self { identity: bits & 1 != 0, token: bits & 2 != 0, plaintext: bits & 4 != 0 })
    }
}

/// What INFO_ANSWER and HERE have in common: everything a server says of itself but its name. Not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description<'a> {
    /// Versions the server speaks.
    pub versions: Versions,
    /// Which game.
    pub application_id: u64,
    /// Peers connected.
    pub peers: u32,
    /// Most peers at a time.
    pub peers_max: u32,
    /// What it wants of clients.
    pub demands: ServerDemands,
    /// The game's own bytes, at most 512.
    pub information: &'a [u8],
}

impl<'a> Description<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.versions.encode(out);
        out.put_u64(self.application_id);
        out.put_u32(self.peers);
        out.put_u32(self.peers_max);
        out.put_u8(self.demands.bits());
        out.put_bytes(self.information.get(..INFORMATION_BYTES_MAX).unwrap_or(self.information));
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let description = Self {
            versions: Versions::decode(reader)?,
            application_id: reader.u64()?,
            peers: reader.u32()?,
            peers_max: reader.u32()?,
            demands: ServerDemands::from_bits(reader.u8()?).ok_or(DecodeError::Reserved)?,
            information: reader.rest(),
        };
        if description.information.len() > INFORMATION_BYTES_MAX {
            return Err(DecodeError::OutOfRange);
        }
        Ok(description)
    }
}

/// INFO_ANSWER: the answer to INFO_QUERY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoAnswer<'a> {
    /// Echo of the query's nonce.
    pub nonce: u64,
    /// What the server says of itself.
    pub description: Description<'a>,
}

impl<'a> InfoAnswer<'a> {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_INFO_ANSWER);
        out.put_u64(self.nonce);
        self.description.encode(out);
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { nonce: reader.u64()?, description: Description::decode(reader)? })
    }
}

/// Whether a datagram says that it is an INFO_QUERY, and has the length of one.
#[must_use]
pub fn is_info_query(datagram: &[u8]) -> bool {
    datagram.len() == INFO_QUERY_BYTES && datagram.get(MAGIC.len()) == Some(&TYPE_INFO_QUERY)
}
