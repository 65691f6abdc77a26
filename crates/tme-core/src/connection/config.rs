//! How connections are set up, and what their handshake has settled.

use std::sync::Arc;
use std::time::Duration;

use super::congestion::Congestion;
use super::event::Connected;
use super::mtu::{DATAGRAM_BYTES_MAX_DEFAULT, DATAGRAM_BYTES_SAFE};
use crate::channel::ChannelTable;
use crate::clock::ClockSync;
use crate::crypto::SessionSecrets;
use crate::crypto::packet::KeyLimits;
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::datagram::Path;
use crate::handshake::parameters::Limits;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
}

/// Settings that all connections of an endpoint share.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionConfig {
    /// Time without a packet in either direction after which a client sends PING; a server waits a second longer. A
    /// short idle time-out makes it a third of that, at a server two fifths. Default 5 s.
    pub keep_alive: Duration,
    /// Overdue answer and silence after which `Interrupted` is reported. Default 3 s.
    pub interrupted_after: Duration,
    /// How long a graceful close waits for queued reliable messages. Default 5 s.
    pub linger: Duration,
    /// Largest datagram to send without having asked the path, in bytes of UDP payload. 1,200 (default) to 65,527; a link
    /// may carry less (UDP over IPv4: 65,507). Never more than the other side takes.
    pub datagram_bytes: usize,
    /// Largest datagram that is tried on the path: 1,452 by default, what Ethernet leaves to UDP over IPv6, to 65,527.
    /// Not above [`datagram_bytes`](Self::datagram_bytes), nothing is tried. Never more than the other side takes.
    pub datagram_bytes_max: usize,
    /// Bytes of UDP payload that may leave in a second, at least 1,200, where the path would carry more. Acknowledgements,
    /// probes and signs of life count but are not held back. Default none.
    pub rate_max: Option<u64>,
    /// How the rate of sending follows what the path carries.
    pub congestion: Congestion,
    /// Undelivered unreliable messages kept for the application; more, or more than 16 MiB of them, are dropped and
    /// counted. Default 65,536.
    pub unreliable_backlog_max: u32,
    /// Whether a client asks for the server's time from the start. Default: not before it is told to.
    pub clock_sync: ClockSync,
    /// When keys are renewed.
    pub key_limits: KeyLimits,
    /// Where packet numbers and message sequences start. Both sides must agree; anything but 0 is for tests that
    /// start next to a wrap.
    pub start: StartNumbers,
}

/// First numbers of a connection; the protocol says 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartNumbers {
    /// First packet number.
    pub packet: u64,
    /// First sequence of every channel.
    pub sequence: u64,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(5),
            interrupted_after: Duration::from_secs(3),
            linger: Duration::from_secs(5),
            datagram_bytes: DATAGRAM_BYTES_SAFE,
            datagram_bytes_max: DATAGRAM_BYTES_MAX_DEFAULT,
            rate_max: None,
            congestion: Congestion::default(),
            unreliable_backlog_max: 65_536,
            clock_sync: ClockSync::default(),
            key_limits: KeyLimits::default(),
            start: StartNumbers::default(),
        }
    }
}

/// What the handshake has settled.
#[derive(Debug)]
pub struct Negotiated {
    /// Which end this is.
    pub side: Side,
    /// The way to the other side.
    pub path: Path,
    /// Id in packets we receive.
    pub local_id: u32,
    /// Id in packets we send.
    pub remote_id: u32,
    /// Cipher.
    pub suite: Suite,
    /// Keys.
    pub secrets: SessionSecrets,
    /// What we granted.
    pub local_limits: Limits,
    /// What the other side granted.
    pub remote_limits: Limits,
    /// The channels.
    pub table: Arc<ChannelTable>,
    /// Token with which a restarted server tells that it forgot us (client only).
    pub reset_token: Option<ResetToken>,
    /// Round trip that the handshake has measured.
    pub rtt: Option<Duration>,
    /// What [`Event::Connected`](super::Event::Connected) will say, once the connection is open.
    pub info: Box<Connected>,
}
