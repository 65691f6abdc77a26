//! One channel in one direction of one session: what was sent, and what may therefore arrive.

use std::collections::{BTreeMap, VecDeque};

use tme_core::channel::ChannelMode;
use tme_core::time::{Duration, Instant};

use super::{Breach, Oracle};
use crate::content::Stream;

/// A message that was sent and may still arrive.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    bytes: u32,
    key: u32,
    is_delivered: bool,
    /// From then on its sender may have given it up.
    expires_at: Option<Instant>,
}

/// A message that arrived as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its place in the order of sending.
    pub sequence: u64,
    /// Time from the send call to the event.
    pub latency: Duration,
}

/// What was delivered last of a key.
#[derive(Clone, Debug)]
struct LastOfKey {
    sequence: u64,
    payload_if_nameless: Option<Vec<u8>>,
}

/// Watches one channel in one direction.
///
/// Messages are told apart by their contents ([`Stream`]). Those too short to carry a sequence are matched with the
/// oldest message they could be, which never accuses an honest history.
#[derive(Clone, Debug)]
pub struct ChannelOracle {
    mode: ChannelMode,
    stream: Stream,
    /// Messages from `first` on.
    sent: VecDeque<Sent>,
    first: u64,
    /// Sequenced and ordered: the lowest sequence that may come next.
    floor: u64,
    /// Latest: the same, per key.
    last_of_key: BTreeMap<u32, LastOfKey>,
    newest_of_key: BTreeMap<u32, u64>,
    /// Undelivered messages too short to name themselves, by content.
    nameless: BTreeMap<Vec<u8>, VecDeque<u64>>,
    delivered: u64,
}

impl ChannelOracle {
    /// Nothing sent yet.
    #[must_use]
    pub fn new(mode: ChannelMode, stream: Stream) -> Self {
        Self {
            mode,
            stream,
            sent: VecDeque::new(),
            first: 0,
            floor: 0,
            last_of_key: BTreeMap::new(),
            newest_of_key: BTreeMap::new(),
            nameless: BTreeMap::new(),
            delivered: 0,
        }
    }

    /// The channel's mode.
    #[must_use]
    pub const fn mode(&self) -> ChannelMode {
        self.mode
    }

    /// Messages sent.
    #[must_use]
    pub fn sent_count(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    /// Messages delivered.
    #[must_use]
    pub const fn delivered_count(&self) -> u64 {
        self.delivered
    }

    /// Whether this message was delivered. Nameless ones count as the oldest they could be.
    #[must_use]
    pub fn was_delivered(&self, sequence: u64) -> bool {
        sequence < self.first || self.entry(sequence).is_some_and(|entry| entry.is_delivered)
    }

    /// The bytes of the next message to send.
    #[must_use]
    pub fn next_message(&self, bytes: usize) -> Vec<u8> {
        self.stream.message(self.sent_count(), bytes)
    }

    /// The engine took [`next_message`](Self::next_message) of this size.
    pub fn handle_sent(&mut self, now: Instant, bytes: usize, key: u32) {
        self.handle_sent_until(now, bytes, key, None);
    }

    /// The same with a deadline. Only messages long enough to name themselves may have one.
    pub fn handle_sent_until(&mut self, now: Instant, bytes: usize, key: u32, expires_at: Option<Instant>) {
        let sequence = self.sent_count();
        self.sent.push_back(Sent { at: now, bytes: bytes as u32, key, is_delivered: false, expires_at });
        if self.mode.is_keyed() {
            self.newest_of_key.insert(key, sequence);
        }
        let is_set = matches!(self.mode, ChannelMode::Unreliable | ChannelMode::ReliableUnordered);
        let message = || self.stream.message(sequence, bytes);
        if is_set && bytes < crate::content::NAMED_BYTES_MIN {
            self.nameless.entry(message()).or_default().push_back(sequence);
        }
    }

    /// The engine delivered a message.
    pub fn handle_delivered(&mut self, now: Instant, key: u32, payload: &[u8]) -> Result<Delivered, Breach> {
        if key != 0 && !self.mode.is_keyed() {
            return Err(self.breach("no key in this mode", format!("key {key}")));
        }
        let sequence = match self.mode {
            ChannelMode::ReliableOrdered => self.find_ordered(now, payload)?,
            ChannelMode::Unreliable | ChannelMode::ReliableUnordered => self.find_in_set(payload)?,
            ChannelMode::Sequenced => self.find_rising(self.floor, None, payload)?,
            ChannelMode::ReliableLatest => {
                let floor = self.last_of_key.get(&key).map_or(self.first, |last| last.sequence + 1);
                self.find_rising(floor, Some(key), payload)?
            }
        };
        let Some(entry) = self.entry_mut(sequence) else {
            return Err(self.breach("a message not delivered before", format!("message {sequence} again")));
        };
        entry.is_delivered = true;
        let latency = now.saturating_since(entry.at);
        self.delivered += 1;
        self.floor = sequence + 1;
        if self.mode.is_keyed() {
            let payload_if_nameless = Stream::claimed_sequence(payload).is_none().then(|| payload.to_vec());
            self.last_of_key.insert(key, LastOfKey { sequence, payload_if_nameless });
        }
        while self.sent.front().is_some_and(|oldest| oldest.is_delivered) {
            self.sent.pop_front();
            self.first += 1;
        }
        Ok(Delivered { sequence, latency })
    }

    /// Whether everything that the mode promises has arrived; for unreliable modes always.
    pub fn check_complete(&self) -> Result<(), Breach> {
        let (sent, delivered) = (self.sent_count(), self.delivered);
        let incomplete =
            |expected: String, found: String| Err(Breach::new(Oracle::Convergence, expected, found));
        match self.mode {
            ChannelMode::Unreliable | ChannelMode::Sequenced => Ok(()),
            ChannelMode::ReliableOrdered | ChannelMode::ReliableUnordered => {
                let is_missing = |entry: &Sent| !entry.is_delivered && entry.expires_at.is_none();
                match self.sent.iter().position(is_missing) {
                    None => Ok(()),
                    Some(index) => incomplete(
                        format!("all {sent} messages of a {} channel", mode_name(self.mode)),
                        format!(
                            "{delivered} delivered, message {} is the first missing",
                            self.first + index as u64
                        ),
                    ),
                }
            }
            ChannelMode::ReliableLatest => {
                let may_expire = |newest| self.entry(newest).is_some_and(|entry| entry.expires_at.is_some());
                let stale = self
                    .newest_of_key
                    .iter()
                    .find(|&(key, &newest)| !self.is_newest(*key, newest) && !may_expire(newest));
                match stale {
                    None => Ok(()),
                    Some((key, newest)) => incomplete(
                        format!("message {newest}, the newest value of key {key}"),
                        self.last_of_key.get(key).map_or("no value".into(), |last| {
                            format!("message {} as the last", last.sequence)
                        }),
                    ),
                }
            }
        }
    }

    fn is_newest(&self, key: u32, newest: u64) -> bool {
        self.last_of_key.get(&key).is_some_and(|last| {
            let is_equal = |payload: &Vec<u8>| {
                let bytes = self.entry(newest).map(|entry| entry.bytes as usize);
                bytes == Some(payload.len()) && self.stream.is_message(newest, payload)
            };
            last.sequence == newest || last.payload_if_nameless.as_ref().is_some_and(is_equal)
        })
    }

    fn entry(&self, sequence: u64) -> Option<&Sent> {
        self.sent.get(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }

    fn entry_mut(&mut self, sequence: u64) -> Option<&mut Sent> {
        self.sent.get_mut(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }

    fn is_entry(&self, sequence: u64, payload: &[u8]) -> bool {
        self.entry(sequence).is_some_and(|entry| entry.bytes as usize == payload.len())
            && self.stream.is_message(sequence, payload)
    }

    fn find_ordered(&self, now: Instant, payload: &[u8]) -> Result<u64, Breach> {
        // What has expired may be missing, and nothing else.
        let is_expired = |sequence| {
            let expires_at = self.entry(sequence).and_then(|entry| entry.expires_at);
            expires_at.is_some_and(|at| at <= now)
        };
        let mut next = self.floor;
        while !self.is_entry(next, payload) && is_expired(next) {
            next += 1;
        }
        if self.is_entry(next, payload) {
            return Ok(next);
        }
        let found = match self.named(payload) {
            Ok(Some(other)) => format!("message {other}"),
            Ok(None) => format!("{} other bytes", payload.len()),
            Err(breach) => return Err(breach),
        };
        Err(self.breach(format!("message {next}"), found))
    }

    fn find_in_set(&mut self, payload: &[u8]) -> Result<u64, Breach> {
        match self.named(payload)? {
            Some(sequence) if self.entry(sequence).is_some_and(|entry| !entry.is_delivered) => Ok(sequence),
            Some(sequence) => Err(self.breach("each message once", format!("message {sequence} again"))),
            None => {
                let candidates = self.nameless.get_mut(payload).and_then(VecDeque::pop_front);
                candidates.ok_or_else(|| {
                    let found = format!("{payload:02x?}, which is none or came as often as it was sent");
                    self.breach("a message that was sent and not yet delivered", found)
                })
            }
        }
    }

    /// The oldest message at or above `floor` (of this key) that this payload can be.
    fn find_rising(&self, floor: u64, key: Option<u32>, payload: &[u8]) -> Result<u64, Breach> {
        let of_key =
            |sequence: u64| key.is_none_or(|key| self.entry(sequence).is_some_and(|entry| entry.key == key));
        match self.named(payload)? {
            Some(sequence) if sequence >= floor && of_key(sequence) => Ok(sequence),
            Some(sequence) if sequence >= floor => {
                Err(self
                    .breach(format!("a message of key {key:?}"), format!("message {sequence} of another")))
            }
            Some(sequence) => {
                Err(self.breach(format!("message {floor} or a newer one"), format!("message {sequence}")))
            }
            None => {
                let mut candidates = floor.max(self.first)..self.sent_count();
                let found = candidates.find(|&sequence| of_key(sequence) && self.is_entry(sequence, payload));
                let expected = format!("message {floor} or a newer one");
                found.ok_or_else(|| self.breach(expected, format!("{payload:02x?}, which is none of them")))
            }
        }
    }

    /// The message a payload names, once its bytes are checked; `None` if it is too short to name one.
    fn named(&self, payload: &[u8]) -> Result<Option<u64>, Breach> {
        let Some(sequence) = Stream::claimed_sequence(payload) else { return Ok(None) };
        let was_sent = sequence < self.sent_count()
            && self.entry(sequence).is_none_or(|entry| entry.bytes as usize == payload.len());
        if was_sent && self.stream.is_message(sequence, payload) {
            return Ok(Some(sequence));
        }
        let expected = format!("the bytes of one of the {} messages sent", self.sent_count());
        let found = format!("{} bytes that claim to be message {sequence} and are not", payload.len());
        Err(Breach::new(Oracle::Contents, expected, found))
    }

    fn breach(&self, expected: impl Into<String>, found: impl Into<String>) -> Breach {
        let oracle = match self.mode {
            ChannelMode::Unreliable => Oracle::Unreliable,
            ChannelMode::Sequenced => Oracle::Sequenced,
            ChannelMode::ReliableUnordered => Oracle::Unordered,
            ChannelMode::ReliableOrdered => Oracle::Ordered,
            ChannelMode::ReliableLatest => Oracle::Latest,
        };
        Breach::new(oracle, expected, found)
    }
}

const fn mode_name(mode: ChannelMode) -> &'static str {
    match mode {
        ChannelMode::Unreliable => "unreliable",
        ChannelMode::Sequenced => "sequenced",
        ChannelMode::ReliableUnordered => "reliable-unordered",
        ChannelMode::ReliableOrdered => "reliable-ordered",
        ChannelMode::ReliableLatest => "reliable-latest",
    }
}
