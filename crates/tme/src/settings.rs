//! Settings that servers and clients share.

use std::time::Duration;

use tme_core::channel::{Channel, ChannelTable};
use tme_core::connection::ConnectionConfig;
use tme_core::crypto::name_hash;
use tme_core::handshake::parameters::{Limits, SchemaHash, SchemaHashes};
use tme_core::serial::{MessageChannel, Messages, SCHEMA_TAG};
use tme_transport::engine::GATHERING_DEFAULT;
use tme_transport::link::DATAGRAM_BYTES_MAX;
use tme_transport::link::udp::Arrivals;

use crate::Error;

/// Whether traffic is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Security {
    /// Encrypted and authenticated: AES-256-GCM or ChaCha20-Poly1305 after a Noise handshake.
    #[default]
    Encrypted,
    /// Neither, with a checksum against damage. Both sides must ask for it. For development, and for networks that
    /// are already protected.
    Plaintext,
}

/// What both builders collect.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub application_id: u64,
    pub channels: Vec<Channel>,
    pub limits: Limits,
    pub connection: ConnectionConfig,
    pub security: Security,
    pub user_data: Vec<u8>,
    pub gathering: Duration,
    pub arrivals: Arrivals,
    pub schema_hash: Option<u64>,
    /// Named channels that messages go by: which message, which channel.
    pub message_channels: Vec<(&'static str, &'static str)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            application_id: 0,
            channels: Vec::new(),
            limits: Limits::default(),
            connection: ConnectionConfig::default(),
            security: Security::default(),
            user_data: Vec::new(),
            gathering: GATHERING_DEFAULT,
            arrivals: Arrivals::default(),
            schema_hash: None,
            message_channels: Vec::new(),
        }
    }
}

impl Settings {
    /// The declared table, if any channel was declared.
    pub fn table(&self) -> Result<Option<ChannelTable>, Error> {
        if self.channels.is_empty() {
            return Ok(None);
        }
        let table = ChannelTable::new(self.channels.iter().cloned())?;
        self.check_message_channels(&table)?;
        Ok(Some(table))
    }

    /// A message that could never be sent is noticed now.
    pub fn check_message_channels(&self, table: &ChannelTable) -> Result<(), Error> {
        let is_there = |name: &str| table.entries().iter().any(|entry| entry.name == name);
        match self.message_channels.iter().find(|(_, channel)| !is_there(channel)) {
            None => Ok(()),
            Some((message, channel)) => {
                let text =
                    format!("message {message} goes by the channel {channel:?}, which is not declared");
                Err(Error::Config(text))
            }
        }
    }

    pub fn set_messages(&mut self, messages: &Messages) {
        self.schema_hash = Some(messages.hash());
        self.message_channels = Vec::new();
        for form in messages.forms() {
            if let MessageChannel::Named(channel) = form.channel {
                self.message_channels.push((form.name, channel));
            }
        }
    }

    /// What the handshake compares.
    pub fn schema_hashes(&self) -> SchemaHashes {
        let hash = self.schema_hash.map(|hash| SchemaHash { tag: SCHEMA_TAG, hash });
        SchemaHashes::new(hash.into_iter().collect()).unwrap_or_default()
    }

    pub fn set_application(&mut self, name: &str) {
        self.application_id = name_hash(name);
    }

    /// Checks what only makes sense together.
    pub fn check(&self) -> Result<(), Error> {
        self.limits.check().map_err(|error| Error::Config(error.to_string()))?;
        for bytes in [self.connection.datagram_bytes, self.connection.datagram_bytes_max] {
            if !(1_200..=DATAGRAM_BYTES_MAX).contains(&bytes) {
                let text = format!("a datagram size of {bytes} bytes is outside 1200–{DATAGRAM_BYTES_MAX}");
                return Err(Error::Config(text));
            }
        }
        Ok(())
    }
}

/// The setters that a server's and a client's builder have in common.
macro_rules! shared_setters {
    () => {
        /// Names the game. Servers and clients of different games refuse each other. Default: no name.
        #[must_use]
        pub fn application(mut self, name: &str) -> Self {
            self.settings.set_application(name);
            self
        }

        /// Adds a channel. Its id is its position unless it says otherwise.
        #[must_use]
        pub fn channel(mut self, channel: $crate::Channel) -> Self {
            self.settings.channels.push(channel);
            self
        }

        /// Adds several channels.
        #[must_use]
        pub fn channels(mut self, channels: impl IntoIterator<Item = $crate::Channel>) -> Self {
            self.settings.channels.extend(channels);
            self
        }

        /// Says which messages the game has. Servers and clients whose messages differ refuse each other when they connect, with
        /// [`Reason::Schema`]($crate::Reason::Schema); what later versions have added is no difference. A side that does not
        /// say is let in. [`messages!`]($crate::messages) makes the argument.
        #[must_use]
        pub fn messages(mut self, messages: impl std::borrow::Borrow<$crate::Messages>) -> Self {
            self.settings.set_messages(messages.borrow());
            self
        }

        /// Sets the hash of the messages' schema, for a game whose messages are described elsewhere:
        /// [`messages`](Self::messages) does it by itself. See `docs/SERIALIZATION.md`, section 7.
        #[must_use]
        pub fn schema_hash(mut self, hash: u64) -> Self {
            self.settings.schema_hash = Some(hash);
            self
        }

        /// Sets what this side is willing to receive: message sizes, flow-control windows, idle time-out. Default:
        /// messages of 1 MiB, 2 MiB or 8,192 messages per channel, 4 MiB in all, 30 s.
        #[must_use]
        pub fn limits(mut self, limits: $crate::Limits) -> Self {
            self.settings.limits = limits;
            self
        }

        /// Sets after how much silence the connection counts as lost. 1 s to 1 h, default 30 s; the smaller of both
        /// sides' values is used.
        #[must_use]
        pub fn idle_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.settings.limits.idle_timeout = timeout;
            self
        }

        /// Sets after how much silence a sign of life is sent. Default 5 s, and at a client never more than a third of
        /// the idle time-out; a server waits a second longer, at most two fifths of it.
        #[must_use]
        pub fn keep_alive(mut self, interval: std::time::Duration) -> Self {
            self.settings.connection.keep_alive = interval;
            self
        }

        /// Sets the largest datagram to send without having asked the path, in bytes of UDP payload: 1,200 (default) to
        /// 65,507. More than 1,200 only where the whole way is known to carry it, and never more than the other side's
        /// [`Limits`]($crate::Limits) take (1,452 by default).
        #[must_use]
        pub fn datagram_bytes(mut self, bytes: usize) -> Self {
            self.settings.connection.datagram_bytes = bytes;
            self
        }

        /// Sets up to which size datagrams are tried on the path, 1,200 to 65,507; 1,452 by default, what Ethernet leaves.
        /// Probes find out what the path carries, and that it carries less than before. 1,200 tries nothing. More than
        /// 1,452 needs the other side's [`Limits`]($crate::Limits) to take it.
        #[must_use]
        pub fn datagram_bytes_max(mut self, bytes: usize) -> Self {
            self.settings.connection.datagram_bytes_max = bytes;
            self
        }

        /// Sets how many bytes of UDP payload may leave in a second on each connection, at least 1,200, where the path would
        /// carry more. Default: no limit but the path's.
        #[must_use]
        pub fn rate_cap(mut self, bytes_per_second: u64) -> Self {
            self.settings.connection.rate_max = Some(bytes_per_second);
            self
        }

        /// Chooses how the rate of sending follows what the path carries. Default:
        /// [`Congestion::DeliveryRate`]($crate::Congestion::DeliveryRate).
        #[must_use]
        pub fn congestion(mut self, congestion: $crate::Congestion) -> Self {
            self.settings.connection.congestion = congestion;
            self
        }

        /// Chooses between encrypted (default) and plaintext.
        #[must_use]
        pub fn security(mut self, security: $crate::Security) -> Self {
            self.settings.security = security;
            self
        }

        /// Lets the system note when datagrams arrive (Linux): a game that updates once a frame and knows the server's time
        /// ([`ServerTime`]($crate::ServerTime)) then has it as exactly as one with a network thread. Of use on both sides,
        /// each for itself; costs the merging of datagrams on their way in, which only bulk transfers notice. Default: no.
        #[must_use]
        pub fn note_arrivals(mut self) -> Self {
            self.settings.arrivals = tme_transport::link::udp::Arrivals::Noted;
            self
        }

        /// Sets how long a network thread gathers sends before they leave together. Default 200 µs.
        #[must_use]
        pub fn gathering(mut self, time: std::time::Duration) -> Self {
            self.settings.gathering = time;
            self
        }
    };
}
pub(crate) use shared_setters;
