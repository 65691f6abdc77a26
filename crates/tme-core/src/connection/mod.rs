//! One established connection as a state machine: packets and time in, packets and events out.
//!
//! Methods come in four families: getters; `handle_*` for what came from outside; verbs for what the application
//! wants; `poll_*` for what must go out. Any order of calls is legal.

mod acknowledge;
mod budget;
mod clock;
mod closing;
mod config;
pub mod congestion;
mod delivery_meter;
mod event;
mod incoming;
mod messages;
mod meters;
mod mtu;
mod pacer;
mod path;
mod provokes;
mod receive;
mod recovery;
mod rtt;
mod send;
mod send_options;
pub mod sent;
mod statistics;
#[cfg(test)]
mod tests;
mod timeouts;
mod timers;
mod transmit;
mod workspace;

use std::sync::Arc;
use std::time::Duration;

pub use budget::{Allowance, Backlog, SendBudget};
pub use closing::{CloseMode, Farewell, Leave};
pub use config::{ConnectionConfig, Negotiated, Side, StartNumbers};
pub use event::{Applicant, Connected, Disconnected, Event, Origin, PeerId, TokenInfo};
pub use meters::{LossMeter, RateMeter};
pub use path::StreamEnd;
pub use provokes::Provokes;
pub use send_options::{Expiry, SendError, SendOptions};
use statistics::Counters;
pub use statistics::{ChannelStatistics, ConnectionStatistics, PacketDrop, PacketDrops};
pub(crate) use timeouts::SPARE_TIME_MAX;
pub use timers::{Timer, Timers};
pub use transmit::TransmitLimits;
pub use workspace::Workspace;

use crate::channel::{ChannelId, ChannelMode, ChannelTable};
use crate::clock::ClockSync;
use crate::crypto::packet::PacketProtection;
use crate::crypto::replay::ReplayWindow;
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::datagram::Path;
use crate::payload::Payload;
use crate::time::Instant;
use acknowledge::AckScheduler;
use clock::Clocks;
use congestion::CongestionController;
use mtu::{MtuLimits, PathMtu};
use pacer::Pacer;
use path::Paths;
use receive::{ReceiveCredit, ReliableReceiver, UnreliableReassembly};
use rtt::RttEstimator;
use send::{PeerAllowance, SendChannels};
use sent::SentPackets;

#[derive(Debug)]
enum State {
    /// A server's end before the client's first authentic packet.
    Unconfirmed,
    Open,
    /// Queued reliable messages go out before CLOSE.
    Flushing(Farewell),
    /// CLOSE goes out until acknowledged.
    Closing {
        farewell: Farewell,
        is_due: bool,
    },
    /// The other side has closed; its stragglers are acknowledged.
    Draining,
    Closed,
}

enum ReceiveChannel {
    Unreliable { newest: u64 },
    Sequenced { next: u64 },
    Reliable(Box<ReliableReceiver>),
}

/// One end of a connection.
pub struct Connection {
    peer: PeerId,
    side: Side,
    state: State,
    config: Arc<ConnectionConfig>,
    /// As configured, until it is changed.
    rate_max: Option<u64>,
    path: Path,
    local_id: u32,
    remote_id: u32,
    suite: Suite,
    table: Arc<ChannelTable>,
    modes: [ChannelMode; crate::channel::CHANNELS_MAX],
    reset_token: Option<ResetToken>,
    /// Taken when the connection opens.
    info: Option<Box<Connected>>,
    /// The application was told of the end before the other side was.
    is_end_reported: bool,
    leave: Leave,
    /// Reliable messages and bytes that the end has left undelivered.
    left_over: Option<(u64, u64)>,
    idle_timeout: Duration,
    mtu: PathMtu,
    paths: Paths,
    protection: PacketProtection,
    received: ReplayWindow,
    acks: AckScheduler,
    sent: SentPackets,
    rtt: RttEstimator,
    congestion: Box<dyn CongestionController>,
    pacer: Pacer,
    channels: SendChannels,
    receivers: Vec<ReceiveChannel>,
    reassembly: UnreliableReassembly,
    credit: ReceiveCredit,
    /// Frames that must go out: the connection's credit, and one bit per channel for its credit.
    is_credit_due: bool,
    channel_credit_due: u32,
    is_ping_due: bool,
    probes_due: u32,
    probe_count: u32,
    is_interrupted: bool,
    last_received_at: Instant,
    /// When a message was queued or came in; `None` once the queues have given back what they do not need.
    last_message_at: Option<Instant>,
    /// Unreliable messages in the event queue.
    unreliable_backlog: u32,
    unreliable_backlog_bytes: u64,
    timers: Timers,
    clocks: Clocks,
    counters: Counters,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .field("side", &self.side)
            .field("state", &self.state)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn at_most(bytes: usize, limit: u16) -> u16 {
    u16::try_from(bytes).unwrap_or(limit).min(limit)
}

impl Connection {
    /// A connection whose handshake is complete. A client's end is open at once, a server's with the first
    /// authentic packet; then [`Event::Connected`] is reported.
    #[must_use]
    pub fn new(
        now: Instant,
        peer: PeerId,
        config: impl Into<Arc<ConnectionConfig>>,
        negotiated: Negotiated,
        workspace: &mut Workspace,
    ) -> Self {
        let Negotiated { side, path, local_id, remote_id, suite, secrets, .. } = negotiated;
        let (local, remote, table) = (negotiated.local_limits, negotiated.remote_limits, negotiated.table);
        let config = config.into();
        let start = config.start;
        let allowance = PeerAllowance {
            message_bytes_max: remote.reliable_message_bytes_max as usize,
            connection_bytes: u64::from(remote.connection_credit_bytes),
            channel_bytes: u64::from(remote.channel_credit_bytes),
            channel_messages: u64::from(remote.channel_credit_messages),
        };
        let credit = ReceiveCredit::new(
            u64::from(local.channel_credit_bytes),
            u64::from(local.channel_credit_messages),
            u64::from(local.reliable_message_bytes_max),
        );
        let receivers = table.entries().iter().map(|entry| match entry.mode {
            ChannelMode::Unreliable => ReceiveChannel::Unreliable { newest: start.sequence },
            ChannelMode::Sequenced => ReceiveChannel::Sequenced { next: start.sequence },
            mode => ReceiveChannel::Reliable(Box::new(ReliableReceiver::new(
                mode,
                start.sequence,
                credit,
                local.reliable_message_bytes_max,
            ))),
        });
        let mut modes = [ChannelMode::Unreliable; crate::channel::CHANNELS_MAX];
        modes.iter_mut().zip(table.entries()).for_each(|(mode, entry)| *mode = entry.mode);
        let mtu = PathMtu::new(MtuLimits {
            start: at_most(config.datagram_bytes, remote.datagram_bytes_max),
            ceiling: at_most(config.datagram_bytes_max, remote.datagram_bytes_max),
        });
        let mut connection = Self {
            peer,
            side,
            state: State::Unconfirmed,
            rate_max: config.rate_max,
            config: Arc::clone(&config),
            path,
            local_id,
            remote_id,
            suite,
            modes,
            reset_token: negotiated.reset_token,
            info: Some(negotiated.info),
            is_end_reported: false,
            leave: Leave::default(),
            left_over: None,
            idle_timeout: local.shared_idle_timeout(&remote),
            protection: PacketProtection::new(suite, &secrets, config.key_limits, now),
            received: ReplayWindow::new(),
            acks: AckScheduler::new(start.packet),
            sent: SentPackets::new(start.packet),
            rtt: RttEstimator::default(),
            congestion: config.congestion.controller(now, mtu.ceiling()),
            pacer: Pacer::new(now, mtu.current() as u64),
            mtu,
            paths: Paths::default(),
            channels: SendChannels::new(&table, start.sequence, allowance),
            receivers: receivers.collect(),
            reassembly: UnreliableReassembly::default(),
            credit: ReceiveCredit::new(
                u64::from(local.connection_credit_bytes),
                u64::MAX,
                u64::from(local.reliable_message_bytes_max),
            ),
            is_credit_due: false,
            channel_credit_due: 0,
            // The client's first packet proves to the server that it is fresh, whatever it carries.
            is_ping_due: side == Side::Client,
            probes_due: 0,
            probe_count: 0,
            is_interrupted: false,
            last_received_at: now,
            last_message_at: Some(now),
            unreliable_backlog: 0,
            unreliable_backlog_bytes: 0,
            timers: Timers::default(),
            clocks: Clocks::default(),
            counters: Counters::default(),
            table,
        };
        if let Some(rtt) = negotiated.rtt {
            connection.take_first_rtt(now, rtt);
        }
        if side == Side::Client {
            connection.open(now, workspace);
        }
        if connection.config.clock_sync == ClockSync::FromStart && side == Side::Client {
            connection.synchronise_clock(now);
        }
        connection.restart_idle_timers(now);
        connection
    }

    /// The handshake has measured the round trip: sending need not begin with an assumption.
    fn take_first_rtt(&mut self, now: Instant, rtt: Duration) {
        self.rtt.handle_sample(rtt, Duration::ZERO);
        self.congestion.handle_first_rtt(now, self.rtt.latest());
    }

    fn open(&mut self, now: Instant, workspace: &mut Workspace) {
        self.state = State::Open;
        self.begin_search(now);
        if let Some(info) = self.info.take() {
            workspace.events.push_back(Event::Connected { peer: self.peer, info });
        }
    }

    // ---- getters ----

    /// The peer's id.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    /// The way to the other side.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Id in packets we receive.
    #[must_use]
    pub const fn local_id(&self) -> u32 {
        self.local_id
    }

    /// Cipher in use.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The channels.
    #[must_use]
    pub const fn table(&self) -> &Arc<ChannelTable> {
        &self.table
    }

    /// Token with which the server would tell that it forgot us.
    #[must_use]
    pub const fn reset_token(&self) -> Option<&ResetToken> {
        self.reset_token.as_ref()
    }

    /// Whether messages can be queued.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether the client has not yet proven that it is fresh (server only).
    #[must_use]
    pub const fn is_unconfirmed(&self) -> bool {
        matches!(self.state, State::Unconfirmed)
    }

    /// Whether the connection is on its way to its end, or there.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        !matches!(self.state, State::Open | State::Unconfirmed)
    }

    /// Whether the application was told that it is over (or was never told that it had begun).
    const fn has_ended(&self) -> bool {
        matches!(self.state, State::Draining | State::Closed)
    }

    /// Whether the application was told of the connection, and not yet of its end.
    const fn is_heard_of(&self) -> bool {
        self.info.is_none() && !self.is_end_reported
    }

    /// Whether nothing will come or go any more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether an answer is overdue and nothing is heard.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// Whether a value of this key, on the channel at this position, waits or is not acknowledged.
    #[must_use]
    pub fn is_key_in_use(&self, position: usize, key: u32) -> bool {
        self.channels.is_key_in_use(position, key)
    }

    /// Largest message that [`send`](Self::send) takes on the channel at this position, in bytes.
    #[must_use]
    pub fn message_bytes_max(&self, position: usize) -> usize {
        self.channels.message_bytes_max(position)
    }

    // ---- what the application wants ----

    /// Sets how many bytes of UDP payload may leave in a second; `None` leaves it to the path. See
    /// [`ConnectionConfig::rate_max`].
    pub fn set_rate_max(&mut self, rate: Option<u64>) {
        self.rate_max = rate;
        self.pacer.limit(self.rate_max(), self.mtu.current() as u64);
    }

    /// Queues a message. Nothing is sent before [`poll_transmit`](Self::poll_transmit).
    pub fn send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        payload: Payload,
        options: SendOptions,
    ) -> Result<(), SendError> {
        if !matches!(self.state, State::Open | State::Unconfirmed) {
            return Err(SendError::NotConnected);
        }
        let position = self.table.position(channel).ok_or(SendError::UnknownChannel)?;
        self.last_message_at = Some(now);
        self.channels.push(now, position, payload, options)?;
        if options.deadline.is_some() || options.receipt.is_some() {
            self.timers.set(Timer::Expiry, self.channels.next_deadline());
        }
        Ok(())
    }

    /// Tells that the application took so many `Delivered` and `Expired` events of a channel: until then their messages
    /// count as queued.
    pub fn consume_receipts(&mut self, channel: ChannelId, count: u64, workspace: &mut Workspace) {
        if let Some(position) = self.table.position(channel) {
            self.channels.consume_receipts(position, count);
            self.report_writable(workspace);
        }
    }

    // ---- time ----
}
