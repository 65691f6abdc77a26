//! The handshake datagrams of `docs/PROTOCOL.md` §2 and §4, as types that cannot be malformed.
//!
//! [`HandshakeDatagram::parse`] is the border: what it lets through obeys the page. Encoders append exactly
//! the bytes that parse again to the same value.

mod discovery;
mod information;

pub use discovery::{
    DISCOVER_BYTES, DISPLAY_NAME_BYTES_MAX, Discover, DisplayName, DisplayNameError, HERE_BYTES_MAX, Here,
};
pub use information::{
    Description, INFO_QUERY_BYTES, INFORMATION_BYTES_MAX, InfoAnswer, InfoQuery, Information, ServerDemands,
    is_info_query,
};

use crate::codec::{DecodeError, Put, Reader};
use crate::crypto::Pattern;
use crate::crypto::cookie::{COOKIE_BYTES, Cookie};
use crate::crypto::keys::PublicKey;
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::SuiteSet;
use crate::handshake::reason::Reason;

/// First four bytes of every handshake datagram: `TMED`.
pub const MAGIC: [u8; 4] = *b"TMED";
/// Exact length of HELLO: what a path must carry, and more than any answer to it.
pub const HELLO_BYTES: usize = 1_200;
/// Exact length of COOKIE.
pub const COOKIE_DATAGRAM_BYTES: usize = 67;
/// Exact length of RESET.
pub const RESET_BYTES: usize = 21;
/// Most bytes of a Noise message in one datagram.
pub const PART_BYTES_MAX: usize = 1_100;
/// Most datagrams a Noise message may span.
pub const PARTS_MAX: usize = 3;
/// Longest Noise message.
pub const NOISE_MESSAGE_BYTES_MAX: usize = PARTS_MAX * PART_BYTES_MAX;
/// Most protocol versions in an offer or a refusal; with one more, a part of CONNECT would exceed 1,200
/// bytes.
pub const VERSIONS_MAX: usize = 7;
/// The protocol version this crate speaks.
pub const VERSION_1: u16 = 1;

const TYPE_HELLO: u8 = 1;
const TYPE_COOKIE: u8 = 2;
const TYPE_CONNECT: u8 = 3;
const TYPE_ACCEPT: u8 = 4;
const TYPE_REFUSE: u8 = 5;
const TYPE_RESET: u8 = 6;
const TYPE_INFO_QUERY: u8 = 7;
const TYPE_INFO_ANSWER: u8 = 8;
const TYPE_DISCOVER: u8 = 9;
const TYPE_HERE: u8 = 10;
const TYPE_OPEN: u8 = 11;
const TYPE_OPENED: u8 = 12;

/// What a datagram is, judged by its first bytes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// It has the magic; [`HandshakeDatagram::parse`] says more.
    Handshake,
    /// A data packet.
    Data,
    /// Reserved for STUN, which may share the socket.
    Stun,
    /// Nothing of ours.
    Unknown,
}

/// Tells what a datagram is by its first bytes (`docs/PROTOCOL.md` §1).
#[must_use]
#[inline]
pub fn classify(datagram: &[u8]) -> DatagramKind {
    match datagram.first() {
        Some(0x80..) => DatagramKind::Data,
        Some(0x00..=0x03) => DatagramKind::Stun,
        _ if datagram.starts_with(&MAGIC) => DatagramKind::Handshake,
        _ => DatagramKind::Unknown,
    }
}

/// One to seven protocol versions, preferred first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    count: u8,
    list: [u16; VERSIONS_MAX],
}

impl Versions {
    /// The versions this crate speaks.
    pub const OURS: Self = Self { count: 1, list: [VERSION_1, 0, 0, 0, 0, 0, 0] };

    /// A list of one to seven versions, preferred first; `None` for any other count.
    #[must_use]
    pub fn new(versions: &[u16]) -> Option<Self> {
        let mut list = [0; VERSIONS_MAX];
        list.get_mut(..versions.len()).filter(|list| !list.is_empty())?.copy_from_slice(versions);
        Some(Self { count: versions.len() as u8, list })
    }

    /// The versions, preferred first.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.list[..usize::from(self.count)]
    }

    /// The first version of this list that the other one contains.
    #[must_use]
    pub fn choose(&self, other: &Self) -> Option<u16> {
        self.as_slice().iter().copied().find(|version| other.as_slice().contains(version))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.count);
        self.as_slice().iter().for_each(|&version| out.put_u16(version));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.u8()?;
        if !(1..=VERSIONS_MAX).contains(&usize::from(count)) {
            return Err(DecodeError::OutOfRange);
        }
        let mut list = [0; VERSIONS_MAX];
        for version in &mut list[..usize::from(count)] {
            *version = reader.u16()?;
        }
        Ok(Self { count, list })
    }
}

impl std::fmt::Debug for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// What a client wants, in clear; part of the Noise prologue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Random; every answer echoes it.
    pub client_nonce: u64,
    /// Versions the client speaks, preferred first.
    pub versions: Versions,
    /// Which game.
    pub application_id: u64,
    /// Hash of the client's channel table; `None` (0 on the wire) if it takes the server's.
    pub table_hash: Option<std::num::NonZeroU64>,
    /// Suites the client accepts.
    pub suites: SuiteSet,
    /// Whether the client proves an identity; `None` where there is no key exchange, in [`Open`].
    pub pattern: Option<Pattern>,
    /// The public key that Noise message 1 begins with; in [`Open`] random bytes that tell attempts apart.
    pub client_ephemeral: PublicKey,
}

impl Offer {
    /// Appends the offer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.client_nonce);
        self.versions.encode(out);
        out.put_u64(self.application_id);
        out.put_u64(self.table_hash.map_or(0, std::num::NonZeroU64::get));
        out.put_u8(self.suites.bits());
        out.put_u8(match self.pattern {
            Some(Pattern::Nk) => 0,
            Some(Pattern::Ik) => 1,
            None => 2,
        });
        out.put_bytes(self.client_ephemeral.as_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            client_nonce: reader.u64()?,
            versions: Versions::decode(reader)?,
            application_id: reader.u64()?,
            table_hash: std::num::NonZeroU64::new(reader.u64()?),
            suites: SuiteSet::from_bits(reader.u8()?).ok_or(DecodeError::OutOfRange)?,
            pattern: match reader.u8()? {
                0 => Some(Pattern::Nk),
                1 => Some(Pattern::Ik),
                2 => None,
                _ => return Err(DecodeError::OutOfRange),
            },
            client_ephemeral: PublicKey::from_bytes(reader.array()?),
        })
    }

    /// An offer that a key exchange follows.
    fn decode_with_keys(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offer = Self::decode(reader)?;
        if offer.suites == SuiteSet::CARRIED || offer.pattern.is_none() {
            return Err(DecodeError::OutOfRange);
        }
        Ok(offer)
    }

    /// The Noise prologue of this offer and the version the server chose: both sides hash what they saw, so
    /// neither can have been changed on the way.
    #[must_use]
    pub fn prologue(&self, version: u16) -> Vec<u8> {
        let mut prologue = b"TME handshake".to_vec();
        self.encode(&mut prologue);
        prologue.put_u16(version);
        prologue
    }
}

/// A part of a Noise message: all but the last are full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    index: u8,
    count: u8,
    bytes: &'a [u8],
}

impl<'a> Part<'a> {
    /// Position among the parts, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index as usize
    }

    /// Number of parts, 1–3.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// The bytes of this part.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Cuts a message of 1–3,300 bytes into parts; longer or empty messages give none.
    pub fn split(message: &'a [u8]) -> impl Iterator<Item = Self> {
        let count = message.len().div_ceil(PART_BYTES_MAX);
        let fits = if count <= PARTS_MAX { message } else { &[] };
        fits.chunks(PART_BYTES_MAX).enumerate().map(move |(index, bytes)| Self {
            index: index as u8,
            count: count as u8,
            bytes,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.index);
        out.put_u8(self.count);
        out.put_bytes(self.bytes);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (index, count) = (reader.u8()?, reader.u8()?);
        if !(1..=PARTS_MAX).contains(&usize::from(count)) || index >= count {
            return Err(DecodeError::OutOfRange);
        }
        let bytes = reader.rest();
        let is_last = index + 1 == count;
        if bytes.is_empty() || bytes.len() > PART_BYTES_MAX || (!is_last && bytes.len() < PART_BYTES_MAX) {
            return Err(DecodeError::OutOfRange);
        }
        Ok(Self { index, count, bytes })
    }
}

/// HELLO: the offer, padded to 1,200 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What the client wants.
    pub offer: Offer,
}

impl Hello {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put_head(out, TYPE_HELLO);
        self.offer.encode(out);
        out.resize(start + HELLO_BYTES, 0);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offer = Offer::decode_with_keys(reader)?;
        if reader.rest().iter().any(|&byte| byte != 0) {
            return Err(DecodeError::Reserved);
        }
        Ok(Self { offer })
    }
}

/// COOKIE: the server's answer to HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieReply {
    /// Echo of the offer's nonce.
    pub client_nonce: u64,
    /// The version the server chose.
    pub version: u16,
    /// The server's static key.
    pub server_key: PublicKey,
    /// Proof that the client receives at its address.
    pub cookie: Cookie,
}

impl CookieReply {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_COOKIE);
        out.put_u64(self.client_nonce);
        out.put_u16(self.version);
        out.put_bytes(self.server_key.as_bytes());
        out.put_bytes(&self.cookie.0);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            client_nonce: reader.u64()?,
            version: reader.u16()?,
            server_key: PublicKey::from_bytes(reader.array()?),
            cookie: Cookie(reader.array::<COOKIE_BYTES>()?),
        })
    }
}

/// CONNECT: offer, cookie and a part of Noise message 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The offer, as in HELLO.
    pub offer: Offer,
    /// The cookie, as in COOKIE.
    pub cookie: Cookie,
    /// A part of Noise message 1.
    pub part: Part<'a>,
}

impl<'a> Connect<'a> {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_CONNECT);
        self.offer.encode(out);
        out.put_bytes(&self.cookie.0);
        self.part.encode(out);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            offer: Offer::decode_with_keys(reader)?,
            cookie: Cookie(reader.array::<COOKIE_BYTES>()?),
            part: Part::decode(reader)?,
        })
    }
}

/// ACCEPT: a part of Noise message 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept<'a> {
    /// Echo of the offer's nonce.
    pub client_nonce: u64,
    /// A part of Noise message 2.
    pub part: Part<'a>,
}

/// Bytes of ACCEPT before its part.
pub const ACCEPT_HEAD_BYTES: usize = 15;

impl<'a> Accept<'a> {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_ACCEPT);
        out.put_u64(self.client_nonce);
        self.part.encode(out);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { client_nonce: reader.u64()?, part: Part::decode(reader)? })
    }
}

/// REFUSE: decided before the key exchange, and therefore forgeable by whoever sees the client's datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Echo of the offer's nonce.
    pub client_nonce: u64,
    /// Why.
    pub reason: Reason,
    /// Versions the server speaks.
    pub versions: Versions,
}

impl Refuse {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_REFUSE);
        out.put_u64(self.client_nonce);
        out.put_u16(self.reason.code());
        self.versions.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            client_nonce: reader.u64()?,
            reason: Reason::from_code(reader.u16()?),
            versions: Versions::decode(reader)?,
        })
    }
}

/// OPEN: asks for a connection on a stream that needs no key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// What the client wants: suite carried, no pattern.
    pub offer: Offer,
    /// What else it says of itself, as in Noise message 1.
    pub payload: &'a [u8],
}

impl<'a> Open<'a> {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_OPEN);
        self.offer.encode(out);
        out.put_bytes(self.payload);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let offer = Offer::decode(reader)?;
        if offer.suites != SuiteSet::CARRIED || offer.pattern.is_some() {
            return Err(DecodeError::OutOfRange);
        }
        Ok(Self { offer, payload: bounded_payload(reader)? })
    }
}

/// OPENED: the server's answer to [`Open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Echo of the offer's nonce.
    pub client_nonce: u64,
    /// The version the server chose.
    pub version: u16,
    /// What it says to the client, as in Noise message 2.
    pub payload: &'a [u8],
}

impl<'a> Opened<'a> {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_OPENED);
        out.put_u64(self.client_nonce);
        out.put_u16(self.version);
        out.put_bytes(self.payload);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { client_nonce: reader.u64()?, version: reader.u16()?, payload: bounded_payload(reader)? })
    }
}

/// The rest, as long as a Noise message may be.
fn bounded_payload<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let payload = reader.rest();
    if payload.is_empty() || payload.len() > NOISE_MESSAGE_BYTES_MAX {
        return Err(DecodeError::OutOfRange);
    }
    Ok(payload)
}

/// RESET: the server knows nothing of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The token that only this server could have made.
    pub token: ResetToken,
}

impl Reset {
    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, TYPE_RESET);
        out.put_bytes(self.token.as_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { token: ResetToken::from_bytes(reader.array()?) })
    }
}

/// Any handshake datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeDatagram<'a> {
    /// Client to server, type 1.
    Hello(Hello),
    /// Server to client, type 2.
    Cookie(CookieReply),
    /// Client to server, type 3.
    Connect(Connect<'a>),
    /// Server to client, type 4.
    Accept(Accept<'a>),
    /// Server to client, type 5.
    Refuse(Refuse),
    /// Server to client, type 6.
    Reset(Reset),
    /// Client to server, type 7.
    InfoQuery(InfoQuery),
    /// Server to client, type 8.
    InfoAnswer(InfoAnswer<'a>),
    /// Client to server, type 11.
    Open(Open<'a>),
    /// Server to client, type 12.
    Opened(Opened<'a>),
    /// To all servers of a network, type 9.
    Discover(Discover),
    /// Server to whoever looks for one, type 10.
    Here(Here<'a>),
}

impl<'a> HandshakeDatagram<'a> {
    /// Parses a datagram, refusing everything the page calls malformed.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(datagram);
        if reader.array()? != MAGIC {
            return Err(DecodeError::UnknownType);
        }
        let parsed = match reader.u8()? {
            TYPE_HELLO if datagram.len() != HELLO_BYTES => return Err(DecodeError::OutOfRange),
            TYPE_HELLO => Self::Hello(Hello::decode(&mut reader)?),
            TYPE_COOKIE => Self::Cookie(CookieReply::decode(&mut reader)?),
            TYPE_CONNECT => Self::Connect(Connect::decode(&mut reader)?),
            TYPE_ACCEPT => Self::Accept(Accept::decode(&mut reader)?),
            TYPE_REFUSE => Self::Refuse(Refuse::decode(&mut reader)?),
            TYPE_RESET => Self::Reset(Reset::decode(&mut reader)?),
            TYPE_INFO_QUERY if datagram.len() != INFO_QUERY_BYTES => return Err(DecodeError::OutOfRange),
            TYPE_INFO_QUERY => Self::InfoQuery(InfoQuery::decode(&mut reader)?),
            TYPE_INFO_ANSWER => Self::InfoAnswer(InfoAnswer::decode(&mut reader)?),
            TYPE_OPEN => Self::Open(Open::decode(&mut reader)?),
            TYPE_OPENED => Self::Opened(Opened::decode(&mut reader)?),
            TYPE_DISCOVER if datagram.len() != DISCOVER_BYTES => return Err(DecodeError::OutOfRange),
            TYPE_DISCOVER => Self::Discover(Discover::decode(&mut reader)?),
            TYPE_HERE => Self::Here(Here::decode(&mut reader)?),
            _ => return Err(DecodeError::UnknownType),
        };
        reader.finish()?;
        Ok(parsed)
    }

    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => hello.encode(out),
            Self::Cookie(cookie) => cookie.encode(out),
            Self::Connect(connect) => connect.encode(out),
            Self::Accept(accept) => accept.encode(out),
            Self::Refuse(refuse) => refuse.encode(out),
            Self::Reset(reset) => reset.encode(out),
            Self::InfoQuery(query) => query.encode(out),
            Self::InfoAnswer(answer) => answer.encode(out),
            Self::Open(open) => open.encode(out),
            Self::Opened(opened) => opened.encode(out),
            Self::Discover(discover) => discover.encode(out),
            Self::Here(here) => here.encode(out),
        }
    }
}

fn put_head(out: &mut Vec<u8>, kind: u8) {
    out.put_bytes(&MAGIC);
    out.put_u8(kind);
}
