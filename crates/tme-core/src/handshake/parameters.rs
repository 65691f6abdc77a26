//! What both sides tell each other inside the encrypted handshake (`docs/PROTOCOL.md` §3.1–§3.4).

use std::fmt;
use std::num::NonZeroU32;

use crate::channel::{CHANNELS_MAX, Channel, ChannelMode, ChannelTable};
use crate::codec::{DecodeError, Put, Reader};
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::handshake::reason::Reason;
use crate::time::Duration;
use crate::token::SealedToken;

/// Most bytes of user data either side can put into the handshake.
pub const USER_DATA_BYTES_MAX: usize = 512;
/// Most bytes of detail in a refusal or a close.
pub const DETAIL_BYTES_MAX: usize = 512;
/// Most schema hashes a client can send.
pub const SCHEMA_HASHES_MAX: usize = 8;
/// Most extensions in one message.
pub const EXTENSIONS_MAX: u64 = 16;

const EXTENSION_TOKEN: u64 = 1;
const EXTENSION_USER_DATA: u64 = 2;
const EXTENSION_SCHEMA_HASHES: u64 = 5;
const SCHEMA_HASH_BYTES: usize = 12;

/// At most `MAX` bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoundedBytes<const MAX: usize>(Vec<u8>);

/// Bytes the game adds to its side of the handshake; the protocol does not look at them.
pub type UserData = BoundedBytes<USER_DATA_BYTES_MAX>;
/// Bytes the game adds to a refusal or a close.
pub type Detail = BoundedBytes<DETAIL_BYTES_MAX>;

impl<const MAX: usize> BoundedBytes<MAX> {
    /// Takes at most `MAX` bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TooLong> {
        let bytes = bytes.into();
        if bytes.len() > MAX { Err(TooLong { bytes: bytes.len(), bytes_max: MAX }) } else { Ok(Self(bytes)) }
    }

    /// As much of a text as fits, cut at a character.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.as_bytes()[..text.floor_char_boundary(MAX)].to_vec())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> fmt::Debug for BoundedBytes<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// More bytes than a field of the handshake takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes given.
    pub bytes: usize,
    /// Bytes allowed.
    pub bytes_max: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes exceed the limit of {}", self.bytes, self.bytes_max)
    }
}

impl std::error::Error for TooLong {}

/// A connection's id as one side chose it and the other writes it into packets; not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(NonZeroU32);

impl ConnectionId {
    /// The id with this number; `None` for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A client's number: 2–2³¹−1, never used twice in a server's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerNumber(u32);

impl PeerNumber {
    /// The number of every server.
    pub const SERVER: u32 = 1;

    /// The peer number with this value; `None` outside 2–2³¹−1.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number >= 2 && number < 1 << 31 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What one side is willing to receive. The defaults and ranges are those of `docs/PROTOCOL.md` §3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest reliable message in bytes. 1,100–16,777,216, default 1 MiB.
    pub reliable_message_bytes_max: u32,
    /// Bytes of reliable messages that may be in the air on all channels. Default 4 MiB.
    pub connection_credit_bytes: u32,
    /// Bytes of reliable messages that may be in the air on one channel. Default 2 MiB.
    pub channel_credit_bytes: u32,
    /// Reliable messages that may be in the air on one channel. 1–262,144, default 8,192.
    pub channel_credit_messages: u32,
    /// Largest datagram in bytes of UDP payload. 1,200–65,527, default 1,452.
    pub datagram_bytes_max: u16,
    /// Silence after which the connection is given up, in whole milliseconds. 1 s–1 h, default 30 s; both
    /// sides use the smaller of their two.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reliable_message_bytes_max: 1 << 20,
            connection_credit_bytes: 4 << 20,
            channel_credit_bytes: 2 << 20,
            channel_credit_messages: 8_192,
            datagram_bytes_max: 1_452,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// A limit outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// Which limit.
    pub limit: &'static str,
    /// Its value.
    pub value: u64,
    /// Smallest value allowed.
    pub min: u64,
    /// Largest value allowed.
    pub max: u64,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} is outside {}–{}", self.limit, self.value, self.min, self.max)
    }
}

impl std::error::Error for LimitError {}

impl Limits {
    const CREDIT_MAX: u64 = 1 << 30;

    /// The fields in wire order, with what each may be.
    fn fields(&self) -> [LimitError; 6] {
        let message = u64::from(self.reliable_message_bytes_max);
        let idle_ms = u64::try_from(self.idle_timeout.as_millis()).unwrap_or(u64::MAX);
        let field = |limit, value, min, max| LimitError { limit, value, min, max };
        [
            field("largest reliable message in bytes", message, 1_100, 1 << 24),
            field(
                "connection credit in bytes",
                u64::from(self.connection_credit_bytes),
                message,
                Self::CREDIT_MAX,
            ),
            field("channel credit in bytes", u64::from(self.channel_credit_bytes), message, Self::CREDIT_MAX),
            field("channel credit in messages", u64::from(self.channel_credit_messages), 1, 1 << 18),
            field("largest datagram in bytes", u64::from(self.datagram_bytes_max), 1_200, 65_527),
            field("idle time-out in milliseconds", idle_ms, 1_000, 3_600_000),
        ]
    }

    /// Succeeds if every limit is in its range.
    pub fn check(&self) -> Result<(), LimitError> {
        match self.fields().into_iter().find(|field| !(field.min..=field.max).contains(&field.value)) {
            Some(field) => Err(field),
            None => Ok(()),
        }
    }

    /// The idle time-out that both sides of a connection use.
    #[must_use]
    pub fn shared_idle_timeout(&self, other: &Self) -> Duration {
        self.idle_timeout.min(other.idle_timeout)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.fields().iter().for_each(|field| out.put_varint(field.value));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, ParameterError> {
        let mut number = || {
            let value = reader.varint()?;
            u32::try_from(value).map_err(|_| DecodeError::OutOfRange)
        };
        let limits = Self {
            reliable_message_bytes_max: number()?,
            connection_credit_bytes: number()?,
            channel_credit_bytes: number()?,
            channel_credit_messages: number()?,
            datagram_bytes_max: u16::try_from(number()?).map_err(|_| DecodeError::OutOfRange)?,
            idle_timeout: Duration::from_millis(u64::from(number()?)),
        };
        limits.check()?;
        Ok(limits)
    }
}

/// One (tag, hash) pair by which higher layers compare their message schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaHash {
    /// Which schema.
    pub tag: u32,
    /// Its hash.
    pub hash: u64,
}

/// At most eight schema hashes, tags ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaHashes(Vec<SchemaHash>);

impl SchemaHashes {
    /// Sorts the hashes by tag; `None` if there are more than eight or a tag comes twice.
    #[must_use]
    pub fn new(mut hashes: Vec<SchemaHash>) -> Option<Self> {
        hashes.sort_unstable();
        let is_valid = hashes.len() <= SCHEMA_HASHES_MAX && hashes.windows(2).all(|w| w[0].tag < w[1].tag);
        is_valid.then_some(Self(hashes))
    }

    /// The hashes, tags ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[SchemaHash] {
        &self.0
    }

    /// The first tag that both sides have with different hashes.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<u32> {
        let differs = |ours: &&SchemaHash| other.0.iter().any(|t| t.tag == ours.tag && t.hash != ours.hash);
        self.0.iter().find(differs).map(|ours| ours.tag)
    }
}

/// Whose extensions are read: some are for one direction only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
}

/// The extensions in use; others are skipped (even types) or refused (odd types).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extensions {
    token: Option<SealedToken>,
    user_data: UserData,
    schema_hashes: SchemaHashes,
}

impl Extensions {
    fn encode(
        token: Option<&SealedToken>,
        user_data: &UserData,
        schema_hashes: &SchemaHashes,
        out: &mut Vec<u8>,
    ) {
        let has_user_data = !user_data.0.is_empty();
        let has_schemas = !schema_hashes.0.is_empty();
        out.put_varint(u64::from(token.is_some()) + u64::from(has_user_data) + u64::from(has_schemas));
        if let Some(token) = token {
            out.put_varint(EXTENSION_TOKEN);
            out.put_varint(token.as_bytes().len() as u64);
            out.put_bytes(token.as_bytes());
        }
        if has_user_data {
            out.put_varint(EXTENSION_USER_DATA);
            out.put_varint(user_data.0.len() as u64);
            out.put_bytes(&user_data.0);
        }
        if has_schemas {
            out.put_varint(EXTENSION_SCHEMA_HASHES);
            out.put_varint((schema_hashes.0.len() * SCHEMA_HASH_BYTES) as u64);
            for schema in &schema_hashes.0 {
                out.put_u32(schema.tag);
                out.put_u64(schema.hash);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>, sender: Sender) -> Result<Self, ParameterError> {
        let mut extensions = Self::default();
        let mut unknown_critical = None;
        let mut previous = None;
        for _ in 0..reader.varint_in(0..=EXTENSIONS_MAX)? {
            let extension = reader.varint()?;
            if previous.is_some_and(|previous| extension <= previous) {
                return Err(DecodeError::OutOfRange.into());
            }
            previous = Some(extension);
            let bytes = usize::try_from(reader.varint()?).map_err(|_| DecodeError::UnexpectedEnd)?;
            let content = reader.bytes(bytes)?;
            match extension {
                EXTENSION_TOKEN if sender == Sender::Client => {
                    let token = SealedToken::from_bytes(content);
                    extensions.token = Some(token.ok_or(DecodeError::OutOfRange)?);
                }
                EXTENSION_USER_DATA => {
                    extensions.user_data = UserData::new(content).map_err(|_| DecodeError::OutOfRange)?;
                }
                EXTENSION_SCHEMA_HASHES if sender == Sender::Client => {
                    extensions.schema_hashes = decode_schema_hashes(content)?;
                }
                critical if critical % 2 == 1 => unknown_critical = unknown_critical.or(Some(critical)),
                _ => {}
            }
        }
        // Malformed beats unknown: what cannot even be parsed is not a matter of versions.
        match unknown_critical {
            Some(extension) => Err(ParameterError::UnknownCritical { extension }),
            None => Ok(extensions),
        }
    }
}

fn decode_schema_hashes(content: &[u8]) -> Result<SchemaHashes, DecodeError> {
    let (pairs, rest) = content.as_chunks::<SCHEMA_HASH_BYTES>();
    let mut hashes = Vec::with_capacity(pairs.len().min(SCHEMA_HASHES_MAX));
    for pair in pairs {
        let mut pair = Reader::new(pair);
        hashes.push(SchemaHash { tag: pair.u32()?, hash: pair.u64()? });
    }
    let is_ascending = hashes.is_sorted_by(|a, b| a.tag < b.tag);
    if !rest.is_empty() || !is_ascending {
        return Err(DecodeError::OutOfRange);
    }
    SchemaHashes::new(hashes).ok_or(DecodeError::OutOfRange)
}

/// Why the other side's parameters, though authentic, cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// They do not follow the layout.
    Malformed(DecodeError),
    /// A limit is outside its range.
    Limit(LimitError),
    /// A critical extension that we do not know.
    UnknownCritical {
        /// Its type.
        extension: u64,
    },
}

impl From<DecodeError> for ParameterError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<LimitError> for ParameterError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl ParameterError {
    /// The reason to refuse with.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) | Self::Limit(_) => Reason::Parameters,
            Self::UnknownCritical { .. } => Reason::Extension,
        }
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "connection parameters: {error}"),
            Self::Limit(error) => error.fmt(f),
            Self::UnknownCritical { extension } => write!(f, "extension {extension} is required but unknown"),
        }
    }
}

impl std::error::Error for ParameterError {}

/// Payload of Noise message 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientParameters {
    /// Stands in every packet the server will send.
    pub connection_id: ConnectionId,
    /// What the client is willing to receive.
    pub limits: Limits,
    /// The client's connect token.
    pub token: Option<SealedToken>,
    /// Bytes for the game.
    pub user_data: UserData,
    /// The client's message schemas.
    pub schema_hashes: SchemaHashes,
}

impl ClientParameters {
    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.connection_id.get());
        self.limits.encode(out);
        Extensions::encode(self.token.as_ref(), &self.user_data, &self.schema_hashes, out);
    }

    /// Parses the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, ParameterError> {
        let mut reader = Reader::new(payload);
        let connection_id = ConnectionId::new(reader.u32()?).ok_or(DecodeError::OutOfRange)?;
        let limits = Limits::decode(&mut reader)?;
        let extensions = Extensions::decode(&mut reader, Sender::Client);
        // Malformed beats unknown here too: what follows the extensions is not a matter of versions.
        if !matches!(extensions, Err(ParameterError::Malformed(_))) {
            reader.finish()?;
        }
        let Extensions { token, user_data, schema_hashes } = extensions?;
        Ok(Self { connection_id, limits, token, user_data, schema_hashes })
    }
}

/// What the server tells a client it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Stands in every packet the client will send.
    pub connection_id: ConnectionId,
    /// The client's number in this run of the server.
    pub peer_number: PeerNumber,
    /// The suite the server chose.
    pub suite: Suite,
    /// Ends the connection if the server loses its state.
    pub reset_token: ResetToken,
    /// What the server is willing to receive.
    pub limits: Limits,
    /// The channels, if the client declared none.
    pub channels: Option<ChannelTable>,
    /// Bytes for the game.
    pub user_data: UserData,
}

/// An encrypted refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// More about it, from the game.
    pub detail: Detail,
}

/// Payload of Noise message 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAnswer {
    /// The connection exists.
    Accepted(Box<Acceptance>),
    /// It does not.
    Refused(Refusal),
}

impl ServerAnswer {
    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Accepted(acceptance) => {
                out.put_u8(0);
                out.put_u32(acceptance.connection_id.get());
                out.put_u32(acceptance.peer_number.get());
                out.put_u8(acceptance.suite.bit());
                out.put_bytes(acceptance.reset_token.as_bytes());
                acceptance.limits.encode(out);
                encode_channels(acceptance.channels.as_ref(), out);
                Extensions::encode(None, &acceptance.user_data, &SchemaHashes::default(), out);
            }
            Self::Refused(refusal) => {
                out.put_u8(1);
                out.put_u16(refusal.reason.code());
                out.put_varint(refusal.detail.0.len() as u64);
                out.put_bytes(&refusal.detail.0);
            }
        }
    }

    /// Parses the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, ParameterError> {
        let mut reader = Reader::new(payload);
        let answer = match reader.u8()? {
            0 => Self::Accepted(Box::new(decode_acceptance(&mut reader)?)),
            1 => {
                let reason = Reason::from_code(reader.u16()?);
                let bytes = reader.varint_in(0..=DETAIL_BYTES_MAX as u64)?;
                Self::Refused(Refusal {
                    reason,
                    detail: BoundedBytes(reader.bytes(bytes as usize)?.to_vec()),
                })
            }
            _ => return Err(DecodeError::UnknownType.into()),
        };
        reader.finish()?;
        Ok(answer)
    }
}

fn decode_acceptance(reader: &mut Reader<'_>) -> Result<Acceptance, ParameterError> {
    let connection_id = ConnectionId::new(reader.u32()?).ok_or(DecodeError::OutOfRange)?;
    let peer_number = PeerNumber::new(reader.u32()?).ok_or(DecodeError::OutOfRange)?;
    let suite = Suite::from_bit(reader.u8()?).ok_or(DecodeError::OutOfRange)?;
    let reset_token = ResetToken::from_bytes(reader.array()?);
    let limits = Limits::decode(reader)?;
    let channels = decode_channels(reader)?;
    let Extensions { user_data, .. } = Extensions::decode(reader, Sender::Server)?;
    Ok(Acceptance { connection_id, peer_number, suite, reset_token, limits, channels, user_data })
}

fn encode_channels(table: Option<&ChannelTable>, out: &mut Vec<u8>) {
    let entries = table.map_or(&[][..], ChannelTable::entries);
    out.put_u8(entries.len() as u8);
    for entry in entries {
        out.put_u8(entry.id.0);
        out.put_u8(entry.mode as u8);
        out.put_u8(entry.mode.ordering_key());
        out.put_u8(entry.name.len() as u8);
        out.put_bytes(entry.name.as_bytes());
    }
}

fn decode_channels(reader: &mut Reader<'_>) -> Result<Option<ChannelTable>, DecodeError> {
    let count = usize::from(reader.u8()?);
    if count > CHANNELS_MAX {
        return Err(DecodeError::OutOfRange);
    }
    let mut channels = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.u8()?;
        let mode = ChannelMode::from_wire(reader.u8()?).ok_or(DecodeError::OutOfRange)?;
        if reader.u8()? != mode.ordering_key() {
            return Err(DecodeError::OutOfRange);
        }
        let name_bytes = reader.u8()?;
        let name = std::str::from_utf8(reader.bytes(usize::from(name_bytes))?);
        channels.push(Channel::new(name.map_err(|_| DecodeError::OutOfRange)?, mode).id(id));
    }
    if channels.is_empty() {
        return Ok(None);
    }
    ChannelTable::new(channels).map(Some).map_err(|_| DecodeError::OutOfRange)
}
