//! Channels: what both sides must agree on (the table and its hash) and what each side sets for itself.

use std::fmt;
use std::time::Duration;

use ring::digest;

/// Most channels a table can have: a position is five bits on the wire.
pub const CHANNELS_MAX: usize = 32;
/// Longest channel name in bytes.
pub const CHANNEL_NAME_BYTES_MAX: usize = 64;

/// Most keys a reliable-latest channel can be set to.
pub const KEYS_MAX: u32 = 65_536;

/// How a channel treats its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChannelMode {
    /// May be lost or reordered, never delivered twice.
    Unreliable = 0,
    /// Newest wins: a message older than the last delivered one is dropped, and a newer one replaces a queued
    /// one.
    Sequenced = 1,
    /// Every message once, in any order.
    ReliableUnordered = 2,
    /// Every message once, in the order of sending.
    ReliableOrdered = 3,
    /// Per key only the newest value is guaranteed; an older one never follows a newer one.
    ReliableLatest = 4,
}

impl ChannelMode {
    /// All modes, in the order of their wire numbers.
    pub const ALL: [Self; 5] = [
        Self::Unreliable,
        Self::Sequenced,
        Self::ReliableUnordered,
        Self::ReliableOrdered,
        Self::ReliableLatest,
    ];

    /// The mode with this wire number.
    #[must_use]
    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether a lost message is sent again.
    #[must_use]
    #[inline]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::ReliableUnordered | Self::ReliableOrdered | Self::ReliableLatest)
    }

    /// Whether messages carry a key.
    #[must_use]
    #[inline]
    pub const fn is_keyed(self) -> bool {
        matches!(self, Self::ReliableLatest)
    }

    /// The ordering key's wire number: 0 orders the whole channel, 1 orders per message key.
    #[must_use]
    pub const fn ordering_key(self) -> u8 {
        self.is_keyed() as u8
    }
}

/// Identifies a channel in the API: 0–255, the position in the table unless set otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u8);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u8> for ChannelId {
    fn from(id: u8) -> Self {
        Self(id)
    }
}

/// How often small reliable messages ride along again in the packets that follow, so that a loss need not cost a round
/// trip. Copies ride in packets that leave anyway and cost bandwidth; messages above 256 bytes get none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Redundancy {
    /// By the loss on the way: none while it loses nothing, one copy while it loses little, three from 15 % on, and there
    /// a fourth for what is not acknowledged in time. Before anything is known, one.
    #[default]
    Auto,
    /// Never. A message that is lost is sent again.
    Off,
    /// This many, at most 3, whatever the loss.
    Copies(u8),
}

/// One channel: mode and name, which both sides must agree on, and local settings, which they need not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    id: Option<ChannelId>,
    name: String,
    mode: ChannelMode,
    settings: ChannelSettings,
}

/// What each side decides for its own sending; not compared with the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    /// Strict priority: lower goes first. Default 0 for all.
    pub priority: u8,
    /// Share among channels of equal priority. 1–1,000, default 1.
    pub weight: u16,
    /// Largest message this side will send here, in bytes. Default: the most the mode and the peer allow.
    pub message_bytes_max: usize,
    /// Bytes that may wait in the send queue before `send` answers `WouldBlock`. Default 4 MiB.
    pub queue_bytes_max: usize,
    /// Messages that may wait in the send queue. Default 16,384.
    pub queue_messages_max: usize,
    /// Age at which a queued unreliable or sequenced message expires unsent. Default 100 ms.
    pub queue_age_max: Duration,
    /// Different keys of a reliable-latest channel that may have values under way: queued, or sent and not acknowledged. A
    /// key is given back by itself once its newest value was acknowledged. 1–65,536, default 1,024.
    pub keys_max: u32,
    /// Copies of small messages, on reliable channels. Default [`Redundancy::Auto`].
    pub redundancy: Redundancy,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            priority: 0,
            weight: 1,
            message_bytes_max: usize::MAX,
            queue_bytes_max: 4 << 20,
            queue_messages_max: 16_384,
            queue_age_max: Duration::from_millis(100),
            keys_max: 1_024,
            redundancy: Redundancy::Auto,
        }
    }
}

impl Channel {
    /// A channel of the given mode; its id will be its position in the table.
    pub fn new(name: impl Into<String>, mode: ChannelMode) -> Self {
        Self { id: None, name: name.into(), mode, settings: ChannelSettings::default() }
    }

    /// May be lost or reordered, never delivered twice.
    pub fn unreliable(name: impl Into<String>) -> Self {
        Self::new(name, ChannelMode::Unreliable)
    }

    /// Newest wins; older messages are dropped.
    pub fn sequenced(name: impl Into<String>) -> Self {
        Self::new(name, ChannelMode::Sequenced)
    }

    /// Every message once, as soon as it is there.
    pub fn reliable_unordered(name: impl Into<String>) -> Self {
        Self::new(name, ChannelMode::ReliableUnordered)
    }

    /// Every message once, in the order of sending.
    pub fn reliable_ordered(name: impl Into<String>) -> Self {
        Self::new(name, ChannelMode::ReliableOrdered)
    }

    /// Per key the newest value arrives.
    pub fn reliable_latest(name: impl Into<String>) -> Self {
        Self::new(name, ChannelMode::ReliableLatest)
    }

    /// Sets the id (default: the position in the table).
    #[must_use]
    pub fn id(mut self, id: impl Into<ChannelId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the strict priority; lower goes first. Default 0.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.settings.priority = priority;
        self
    }

    /// Sets the share among channels of equal priority, 1–1,000. Default 1.
    #[must_use]
    pub fn weight(mut self, weight: u16) -> Self {
        self.settings.weight = weight;
        self
    }

    /// Limits the messages this side sends here, in bytes.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.settings.message_bytes_max = bytes;
        self
    }

    /// Limits the send queue in bytes (default 4 MiB) and messages (default 16,384).
    #[must_use]
    pub fn queue_max(mut self, bytes: usize, messages: usize) -> Self {
        self.settings.queue_bytes_max = bytes;
        self.settings.queue_messages_max = messages;
        self
    }

    /// Age at which a queued unreliable or sequenced message expires unsent. Default 100 ms.
    #[must_use]
    pub fn queue_age_max(mut self, age: Duration) -> Self {
        self.settings.queue_age_max = age;
        self
    }

    /// Sets how often small messages ride along again, on reliable channels. Default [`Redundancy::Auto`].
    #[must_use]
    pub fn redundancy(mut self, redundancy: Redundancy) -> Self {
        self.settings.redundancy = redundancy;
        self
    }

    /// Sets how many different keys of a reliable-latest channel may have values under way at a time, 1–65,536. Default
    /// 1,024. A key whose newest value was acknowledged is given back by itself, so every thing ever made may have its own.
    #[must_use]
    pub fn keys_max(mut self, keys: u32) -> Self {
        self.settings.keys_max = keys;
        self
    }
}

/// A channel as it stands in a [`ChannelTable`]: everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelEntry {
    /// Id used in the API.
    pub id: ChannelId,
    /// How messages are treated.
    pub mode: ChannelMode,
    /// Name, for people and for the table's hash.
    pub name: String,
    /// This side's own settings.
    pub settings: ChannelSettings,
}

/// Why a channel table was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelTableError {
    /// No channel at all.
    Empty,
    /// More than [`CHANNELS_MAX`] channels.
    TooMany {
        /// How many were given.
        count: usize,
    },
    /// Two channels with one id.
    DuplicateId {
        /// The id.
        id: ChannelId,
    },
    /// A name longer than [`CHANNEL_NAME_BYTES_MAX`] bytes.
    NameTooLong {
        /// The channel.
        id: ChannelId,
        /// Length of its name.
        bytes: usize,
    },
    /// A local setting outside its range.
    Setting {
        /// The channel.
        id: ChannelId,
        /// Which setting, with its range.
        what: &'static str,
    },
}

impl ChannelTableError {
    /// Stable number of the kind, the same in every language.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Empty => 1,
            Self::TooMany { .. } => 2,
            Self::DuplicateId { .. } => 3,
            Self::NameTooLong { .. } => 4,
            Self::Setting { .. } => 5,
        }
    }
}

impl fmt::Display for ChannelTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the channel table is empty; leave it out to use the default one"),
            Self::TooMany { count } => write!(f, "{count} channels exceed the limit of {CHANNELS_MAX}"),
            Self::DuplicateId { id } => write!(f, "two channels have the id {id}"),
            Self::NameTooLong { id, bytes } => {
                write!(f, "the name of channel {id} has {bytes} bytes; the limit is {CHANNEL_NAME_BYTES_MAX}")
            }
            Self::Setting { id, what } => write!(f, "channel {id}: {what}"),
        }
    }
}

impl std::error::Error for ChannelTableError {}

/// The channels of a connection, at most [`CHANNELS_MAX`]; position is what travels, id is what the API uses.
///
/// Its [`Default`] is 0 reliable-ordered, 1 unreliable, 2 sequenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelTable {
    entries: Vec<ChannelEntry>,
    hash: u64,
}

impl ChannelTable {
    /// Checks and numbers the channels.
    pub fn new(channels: impl IntoIterator<Item = Channel>) -> Result<Self, ChannelTableError> {
        let mut entries: Vec<ChannelEntry> = Vec::new();
        for (position, channel) in channels.into_iter().enumerate() {
            if position >= CHANNELS_MAX {
                return Err(ChannelTableError::TooMany { count: position + 1 });
            }
            let id = channel.id.unwrap_or(ChannelId(position as u8));
            if entries.iter().any(|entry| entry.id == id) {
                return Err(ChannelTableError::DuplicateId { id });
            }
            if channel.name.len() > CHANNEL_NAME_BYTES_MAX {
                return Err(ChannelTableError::NameTooLong { id, bytes: channel.name.len() });
            }
            let settings = channel.settings;
            if !(1..=1_000).contains(&settings.weight) {
                return Err(ChannelTableError::Setting { id, what: "the weight must be 1–1,000" });
            }
            if !(1..=KEYS_MAX).contains(&settings.keys_max) {
                return Err(ChannelTableError::Setting { id, what: "the number of keys must be 1–65,536" });
            }
            if settings.queue_bytes_max == 0 || settings.queue_messages_max == 0 {
                return Err(ChannelTableError::Setting { id, what: "the send queue must hold something" });
            }
            entries.push(ChannelEntry { id, mode: channel.mode, name: channel.name, settings });
        }
        if entries.is_empty() {
            return Err(ChannelTableError::Empty);
        }
        // Every client has a table of its own.
        entries.shrink_to_fit();
        let hash = Self::hash_of(&entries);
        Ok(Self { entries, hash })
    }

    /// Number both sides compare: over id, mode, ordering key and name of every channel. Never 0.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The channels by position.
    #[must_use]
    pub fn entries(&self) -> &[ChannelEntry] {
        &self.entries
    }

    /// Number of channels, 1–32.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Position of the channel with this id.
    #[must_use]
    #[inline]
    pub fn position(&self, id: ChannelId) -> Option<usize> {
        // Ids are positions in nearly every table.
        match self.entries.get(usize::from(id.0)) {
            Some(entry) if entry.id == id => Some(usize::from(id.0)),
            _ => self.entries.iter().position(|entry| entry.id == id),
        }
    }

    fn hash_of(entries: &[ChannelEntry]) -> u64 {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"TME channels");
        context.update(&[entries.len() as u8]);
        for entry in entries {
            let name = entry.name.as_bytes();
            context.update(&[entry.id.0, entry.mode as u8, entry.mode.ordering_key(), name.len() as u8]);
            context.update(name);
        }
        let digest = context.finish();
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_ref()[..8]);
        // 0 on the wire means "no table declared".
        u64::from_le_bytes(first).max(1)
    }
}

impl Default for ChannelTable {
    fn default() -> Self {
        let entry = |id: u8, name: &str, mode| ChannelEntry {
            id: ChannelId(id),
            mode,
            name: name.to_owned(),
            settings: ChannelSettings::default(),
        };
        let entries = vec![
            entry(0, "reliable", ChannelMode::ReliableOrdered),
            entry(1, "unreliable", ChannelMode::Unreliable),
            entry(2, "sequenced", ChannelMode::Sequenced),
        ];
        let hash = Self::hash_of(&entries);
        Self { entries, hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_id_mode_and_name_but_not_local_settings() {
        let table = |channel: Channel| ChannelTable::new([channel]).unwrap().hash();
        let base = table(Channel::unreliable("a"));
        assert_eq!(base, table(Channel::unreliable("a").priority(9).weight(7).queue_max(10, 10)));
        for other in [Channel::unreliable("b"), Channel::sequenced("a"), Channel::unreliable("a").id(5)] {
            assert_ne!(base, table(other));
        }
    }

    #[test]
    fn bad_tables_are_refused_with_the_numbers_in_the_message() {
        let cases: [(Vec<Channel>, &str); 5] = [
            (vec![], "empty"),
            (
                (0..33).map(|n| Channel::unreliable(n.to_string())).collect(),
                "33 channels exceed the limit of 32",
            ),
            (vec![Channel::unreliable("a").id(3), Channel::unreliable("b").id(3)], "the id 3"),
            (vec![Channel::unreliable("x".repeat(65))], "has 65 bytes"),
            (vec![Channel::unreliable("a").weight(0)], "1–1,000"),
        ];
        for ((channels, expected), kind) in cases.into_iter().zip(1..) {
            let error = ChannelTable::new(channels).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn ids_are_positions_unless_set() {
        let table = ChannelTable::new([Channel::unreliable("a"), Channel::sequenced("b").id(200)]).unwrap();
        assert_eq!(table.position(ChannelId(0)), Some(0));
        assert_eq!(table.position(ChannelId(200)), Some(1));
        assert_eq!(table.position(ChannelId(1)), None);
    }
}
