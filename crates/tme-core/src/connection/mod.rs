//! One established connection as a state machine: packets and time in, packets and events out.
//!
//! Methods come in four families: getters; `handle_*` for what came from outside; verbs for what the application
//! wants; `poll_*` for what must go out. Any order of calls is legal.

pub mod acknowledge;
pub mod congestion;
mod errors;
mod event;
pub mod pacer;
pub mod receive;
pub mod rtt;
pub mod send;
pub mod sent;
mod statistics;
#[cfg(test)]
mod tests;
mod timers;
mod transmit;

use std::sync::Arc;
use std::time::Duration;

pub use errors::{SendError, SendOptions};
pub use event::{Connected, Disconnected, Event, Origin, PeerId};
pub use statistics::{
    ChannelStatistics, ConnectionStatistics, LossMeter, PacketDrop, PacketDrops, RateMeter,
};
pub use timers::{Timer, Timers};
pub use transmit::TransmitLimits;

use crate::channel::{ChannelId, ChannelMode, ChannelTable};
use crate::codec::expand_truncated;
use crate::crypto::SessionSecrets;
use crate::crypto::packet::{KeyLimits, OpenError, PacketProtection};
use crate::crypto::replay::{ReplayError, ReplayWindow};
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::datagram::{Ecn, Path};
use crate::handshake::parameters::Limits;
use crate::handshake::reason::Reason;
use crate::payload::{Payload, PayloadPool};
use crate::time::Instant;
use crate::wire::ack::Ack;
use crate::wire::frame::{Frame, Frames, MessageFrame, SEQUENCE_BITS, SequenceField};
use crate::wire::header::Header;
use acknowledge::{AckScheduler, Arrival};
use congestion::{AckedSample, CongestionController, LostSample, NewReno};
use pacer::Pacer;
use receive::{Accepted, Piece, ReceiveCredit, ReliableReceiver, UnreliableReassembly, Violation};
use rtt::RttEstimator;
use send::{PeerAllowance, SendChannels};
use sent::{SentFrame, SentPackets};

/// What a packet makes the other side do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provokes {
    /// No acknowledgement by itself.
    Nothing,
    /// An acknowledgement with the next packet, or after 100 ms or 16 packets.
    Lazily,
    /// An acknowledgement within 25 ms.
    Promptly,
}

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
    /// Idle time after which a client sends PING; a server waits a second longer. Default 5 s.
    pub keep_alive: Duration,
    /// Overdue answer and silence after which `Interrupted` is reported. Default 3 s.
    pub interrupted_after: Duration,
    /// How long a graceful close waits for queued reliable messages. Default 3 s.
    pub linger: Duration,
    /// Largest datagram to send, in bytes of UDP payload. 1,200 (default) to 65,527.
    pub datagram_bytes: usize,
    /// Undelivered unreliable messages kept for the application; more are dropped and counted. Default 65,536.
    pub unreliable_backlog_max: u32,
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
            linger: Duration::from_secs(3),
            datagram_bytes: 1_200,
            unreliable_backlog_max: 65_536,
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
    /// What [`Event::Connected`] will say, once the connection is open.
    pub info: Box<Connected>,
}

/// Buffers and the event queue that all connections of an endpoint share, so that an idle one keeps none.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) events: std::collections::VecDeque<Event>,
    pub(crate) pool: PayloadPool,
    acked: Vec<SentFrame>,
    lost: Vec<SentFrame>,
    frames: Vec<SentFrame>,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            events: std::collections::VecDeque::new(),
            // 1,024 datagrams' worth of messages may be in the hands of the game before buffers are made anew.
            pool: PayloadPool::new(1_024, 16_384),
            acked: Vec::new(),
            lost: Vec::new(),
            frames: Vec::new(),
        }
    }
}

impl Workspace {
    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

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
        attempts: u32,
        is_due: bool,
    },
    /// The other side has closed; its stragglers are acknowledged.
    Draining,
    Closed,
}

/// What CLOSE will say.
#[derive(Clone, Debug)]
pub struct Farewell {
    /// Why.
    pub reason: Reason,
    /// The application's own code.
    pub code: u32,
    /// The application's own bytes; at most 512 travel.
    pub detail: Payload,
}

impl Farewell {
    /// A reason without code and detail.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, code: 0, detail: Payload::empty() }
    }
}

/// What to do with queued reliable messages when closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// They are delivered first, for at most the configured linger time.
    Flush,
    /// They are dropped.
    Now,
}

/// How long a server waits for the first packet of a client it has accepted.
const UNCONFIRMED_TIME_MAX: Duration = Duration::from_secs(10);
const CLOSE_ATTEMPTS_MAX: u32 = 5;
const PROBES_BEFORE_SILENCE: u32 = 3;
const PROBE_BACKOFF_MAX: Duration = Duration::from_secs(1);

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
    config: ConnectionConfig,
    path: Path,
    local_id: u32,
    remote_id: u32,
    suite: Suite,
    table: Arc<ChannelTable>,
    modes: [ChannelMode; crate::channel::CHANNELS_MAX],
    reset_token: Option<ResetToken>,
    /// Taken when the connection opens.
    info: Option<Box<Connected>>,
    idle_timeout: Duration,
    datagram_bytes: usize,
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
    is_app_limited: bool,
    is_interrupted: bool,
    last_received_at: Instant,
    /// Unreliable messages in the event queue.
    unreliable_backlog: u32,
    timers: Timers,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    packets_received: u64,
    bytes_sent: u64,
    packets_sent: u64,
    bytes_received: u64,
    packets_lost: u64,
    packets_spuriously_lost: u64,
    messages_received: u64,
    messages_duplicate: u64,
    messages_overflowed: u64,
    probe_timeouts: u64,
    rate_sent: RateMeter,
    rate_received: RateMeter,
    loss_sent: LossMeter,
    loss_received: LossMeter,
    drops: PacketDrops,
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

impl Connection {
    /// A connection whose handshake is complete. A client's end is open at once, a server's with the first
    /// authentic packet; then [`Event::Connected`] is reported.
    #[must_use]
    pub fn new(
        now: Instant,
        peer: PeerId,
        config: ConnectionConfig,
        negotiated: Negotiated,
        workspace: &mut Workspace,
    ) -> Self {
        let Negotiated { side, path, local_id, remote_id, suite, secrets, .. } = negotiated;
        let (local, remote, table) = (negotiated.local_limits, negotiated.remote_limits, negotiated.table);
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
        );
        let receivers = table.entries().iter().map(|entry| match entry.mode {
            ChannelMode::Unreliable => ReceiveChannel::Unreliable { newest: start.sequence },
            ChannelMode::Sequenced => ReceiveChannel::Sequenced { next: start.sequence },
            mode => ReceiveChannel::Reliable(Box::new(ReliableReceiver::new(mode, start.sequence, credit))),
        });
        let mut modes = [ChannelMode::Unreliable; crate::channel::CHANNELS_MAX];
        modes.iter_mut().zip(table.entries()).for_each(|(mode, entry)| *mode = entry.mode);
        let datagram_bytes = config.datagram_bytes.min(usize::from(remote.datagram_bytes_max));
        let mut connection = Self {
            peer,
            side,
            state: State::Unconfirmed,
            config,
            path,
            local_id,
            remote_id,
            suite,
            modes,
            reset_token: negotiated.reset_token,
            info: Some(negotiated.info),
            idle_timeout: local.shared_idle_timeout(&remote),
            datagram_bytes,
            protection: PacketProtection::new(suite, &secrets, config.key_limits, now),
            received: ReplayWindow::new(),
            acks: AckScheduler::new(start.packet),
            sent: SentPackets::new(start.packet),
            rtt: RttEstimator::default(),
            congestion: Box::new(NewReno::default()),
            pacer: Pacer::new(now, datagram_bytes as u64),
            channels: SendChannels::new(&table, start.sequence, allowance),
            receivers: receivers.collect(),
            reassembly: UnreliableReassembly::default(),
            credit: ReceiveCredit::new(u64::from(local.connection_credit_bytes), u64::MAX),
            is_credit_due: false,
            channel_credit_due: 0,
            // The client's first packet proves to the server that it is fresh, whatever it carries.
            is_ping_due: side == Side::Client,
            probes_due: 0,
            probe_count: 0,
            is_app_limited: true,
            is_interrupted: false,
            last_received_at: now,
            unreliable_backlog: 0,
            timers: Timers::default(),
            counters: Counters::default(),
            table,
        };
        if side == Side::Client {
            connection.open(workspace);
        }
        connection.restart_idle_timers(now);
        connection
    }

    fn open(&mut self, workspace: &mut Workspace) {
        self.state = State::Open;
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

    /// All figures at `now`.
    #[must_use]
    pub fn statistics(&self, now: Instant) -> ConnectionStatistics {
        let counters = &self.counters;
        let expected = self.received.largest().map_or(0, |largest| largest + 1 - self.config.start.packet);
        ConnectionStatistics {
            rtt_latest: self.rtt.latest(),
            rtt_smoothed: self.rtt.smoothed(),
            rtt_variation: self.rtt.variation(),
            rtt_minimum: self.rtt.minimum(),
            jitter: self.rtt.jitter(),
            packets_sent: counters.packets_sent,
            packets_received: counters.packets_received,
            bytes_sent: counters.bytes_sent,
            bytes_received: counters.bytes_received,
            packets_lost: counters.packets_lost,
            packets_spuriously_lost: counters.packets_spuriously_lost,
            packets_missing: expected.saturating_sub(counters.packets_received),
            loss_sent: counters.loss_sent.share(),
            loss_received: counters.loss_received.share(),
            rate_sent: counters.rate_sent.rate(now),
            rate_received: counters.rate_received.rate(now),
            messages_received: counters.messages_received,
            messages_duplicate: counters.messages_duplicate,
            messages_overflowed: counters.messages_overflowed,
            retransmitted: (0..self.table.count())
                .filter_map(|position| self.channels.counters(position))
                .map(|(counters, ..)| counters.resent)
                .sum(),
            probe_timeouts: counters.probe_timeouts,
            congestion_window: self.congestion.window_bytes(),
            bytes_in_flight: self.sent.bytes_in_flight(),
            pacing_rate: self.congestion.pacing_rate(self.rtt.smoothed()),
            datagram_bytes: self.datagram_bytes,
            queued_bytes: self.channels.queued_bytes(),
            drops: counters.drops,
        }
    }

    /// Figures of one channel; `None` if the table has no such channel.
    #[must_use]
    pub fn channel_statistics(&self, channel: ChannelId) -> Option<ChannelStatistics> {
        let (counters, queued_bytes, queued_messages) =
            self.channels.counters(self.table.position(channel)?)?;
        Some(ChannelStatistics {
            channel,
            queued_bytes,
            queued_messages,
            queue_time: counters.queue_time,
            messages_sent: counters.messages_sent,
            retransmitted: counters.resent,
            expired: counters.expired,
            superseded: counters.superseded,
        })
    }

    /// Bytes and messages queued on the channel at this position: waiting, and for reliable channels unacknowledged.
    #[must_use]
    pub fn queued(&self, position: usize) -> (usize, usize) {
        self.channels.counters(position).map_or((0, 0), |(_, bytes, messages)| (bytes, messages))
    }

    /// Largest message that [`send`](Self::send) takes on the channel at this position, in bytes.
    #[must_use]
    pub fn message_bytes_max(&self, position: usize) -> usize {
        self.channels.message_bytes_max(position)
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    // ---- what the application wants ----

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
        self.channels.push(now, position, payload, options)
    }

    /// Ends the connection. Calling it again changes nothing, except that `Now` cuts a flush short.
    pub fn close(&mut self, now: Instant, mode: CloseMode, farewell: Farewell) {
        match (&self.state, mode) {
            (State::Open, CloseMode::Flush) if !self.channels.is_reliable_empty() => {
                self.timers.set(Timer::Close, Some(now + self.config.linger));
                self.state = State::Flushing(farewell);
            }
            (State::Open | State::Unconfirmed | State::Flushing(_), _) => self.begin_closing(farewell),
            _ => {}
        }
    }

    fn begin_closing(&mut self, farewell: Farewell) {
        self.timers.set(Timer::Close, None);
        self.state = State::Closing { farewell, attempts: 0, is_due: true };
    }

    /// Tells that the application took messages away, so that the other side may send more. Gives whether there is
    /// something to send because of it.
    pub fn consume(&mut self, channel: ChannelId, bytes: u64, messages: u64) -> bool {
        let Some(position) = self.table.position(channel) else { return false };
        match self.receivers.get_mut(position) {
            Some(ReceiveChannel::Reliable(_)) => self.return_credit(position, bytes, messages),
            Some(_) => self.unreliable_backlog = self.unreliable_backlog.saturating_sub(messages as u32),
            None => {}
        }
        self.is_credit_due || self.channel_credit_due != 0
    }

    fn return_credit(&mut self, position: usize, bytes: u64, messages: u64) {
        if messages == 0 {
            return;
        }
        self.is_credit_due |= self.credit.consume(bytes, 0);
        if let Some(ReceiveChannel::Reliable(receiver)) = self.receivers.get_mut(position)
            && receiver.credit_mut().consume(bytes, messages)
        {
            self.channel_credit_due |= 1 << position;
        }
    }

    // ---- what came from outside ----

    /// Takes a datagram that carries this connection's id. It is decrypted in place. Drops are counted here.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        workspace: &mut Workspace,
    ) -> Result<(), PacketDrop> {
        let result = self.receive_packet(now, path, ecn, datagram, workspace);
        if let Err(drop) = result {
            self.counters.drops.add(drop);
        }
        result
    }

    fn receive_packet(
        &mut self,
        now: Instant,
        path: Path,
        _ecn: Ecn,
        datagram: &mut [u8],
        workspace: &mut Workspace,
    ) -> Result<(), PacketDrop> {
        if self.is_closed() {
            return Err(PacketDrop::Closed);
        }
        let header = Header::decode(datagram).ok_or(PacketDrop::Malformed)?;
        if path.remote != self.path.remote {
            return Err(PacketDrop::ForeignAddress);
        }
        let reference = self.received.largest().or(self.config.start.packet.checked_sub(1));
        let number = header.number.expand(reference);
        self.received.check(number).map_err(|error| match error {
            ReplayError::Duplicate => PacketDrop::Replayed,
            ReplayError::TooOld => PacketDrop::TooOld,
        })?;
        let header_bytes = header.bytes();
        let payload_bytes = match self.protection.open_in_place(now, number, datagram, header_bytes) {
            Ok(bytes) => bytes,
            Err(OpenError::TooShort) => return Err(PacketDrop::Malformed),
            Err(OpenError::Unauthentic) => return Err(PacketDrop::Unauthentic),
            Err(OpenError::KeyErased) => return Err(PacketDrop::KeyErased),
            Err(OpenError::KeyExhausted) => {
                self.fail(Reason::KeyExhausted);
                return Err(PacketDrop::Unauthentic);
            }
        };
        let arrival = self.register_arrival(now, number, datagram.len());
        self.path.local = path.local.or(self.path.local);
        self.note_sign_of_life(now, workspace);
        let frames = datagram.get(header_bytes..header_bytes + payload_bytes).unwrap_or_default();
        let provokes = self.process_frames(now, frames, workspace);
        self.acks.handle_received(now, arrival, provokes);
        self.timers.set(Timer::Ack, self.acks.deadline());
        Ok(())
    }

    /// Moves the replay window; only for packets whose tag verified.
    fn register_arrival(&mut self, now: Instant, number: u64, bytes: usize) -> Arrival {
        let successor = self.received.largest().map_or(self.config.start.packet, |largest| largest + 1);
        let arrival = match number.cmp(&successor) {
            std::cmp::Ordering::Equal => Arrival::InOrder,
            std::cmp::Ordering::Greater => Arrival::Ahead,
            std::cmp::Ordering::Less => Arrival::Late(number),
        };
        let skipped = number.saturating_sub(successor);
        let (expected, missing) = match arrival {
            Arrival::Late(_) => (0, -1),
            _ => (skipped + 1, skipped as i64),
        };
        let accepted = self.received.accept(number);
        debug_assert!(accepted.is_ok(), "checked before opening");
        self.counters.packets_received += 1;
        self.counters.bytes_received += bytes as u64;
        self.counters.rate_received.add(now, bytes);
        self.counters.loss_received.add(now, expected, missing);
        arrival
    }

    fn note_sign_of_life(&mut self, now: Instant, workspace: &mut Workspace) {
        self.last_received_at = now;
        if self.is_interrupted {
            self.is_interrupted = false;
            workspace.events.push_back(Event::Resumed { peer: self.peer });
        }
        if self.is_unconfirmed() {
            self.open(workspace);
        }
        self.restart_idle_timers(now);
    }

    fn restart_idle_timers(&mut self, now: Instant) {
        // A short idle time-out needs more frequent signs of life: three chances for the client, then the server's.
        let (share, extra) = match self.side {
            Side::Client => (self.idle_timeout / 3, Duration::ZERO),
            Side::Server => (self.idle_timeout * 2 / 5, Duration::from_secs(1)),
        };
        self.timers.set(Timer::KeepAlive, Some(now + (self.config.keep_alive + extra).min(share)));
        let patience = if self.is_unconfirmed() { UNCONFIRMED_TIME_MAX } else { self.idle_timeout };
        self.timers.set(Timer::Idle, Some(self.last_received_at + patience.min(self.idle_timeout)));
    }

    /// Processes every frame; a malformed one closes the connection.
    fn process_frames(&mut self, now: Instant, frames: &[u8], workspace: &mut Workspace) -> Provokes {
        let mut provokes = Provokes::Nothing;
        let mut packet = PacketContents { bytes: frames, shared: None, last_sequence: [None; 32] };
        let channel_count = self.table.count();
        let modes = self.modes;
        let modes = modes.get(..channel_count).unwrap_or_default();
        let mut decoded = Frames::new(frames, modes);
        while let Some(frame) = decoded.next() {
            let outcome = match frame {
                Err(_) => Err(Violation::Protocol),
                Ok(Frame::Message(message)) => {
                    let is_reliable =
                        modes.get(usize::from(message.position)).is_some_and(|mode| mode.is_reliable());
                    provokes = provokes.max(if is_reliable { Provokes::Promptly } else { Provokes::Lazily });
                    let end = frames.len() - decoded.remaining();
                    self.handle_message(now, &message, end, &mut packet, workspace)
                }
                Ok(Frame::Padding) => Ok(()),
                Ok(Frame::Ack(ack)) => self.handle_ack(now, &ack, workspace),
                Ok(frame) => {
                    provokes = Provokes::Promptly;
                    self.handle_control(now, &frame, workspace)
                }
            };
            if let Err(violation) = outcome {
                self.fail(match violation {
                    Violation::Credit => Reason::FlowControl,
                    Violation::Protocol => Reason::ProtocolViolation,
                });
                break;
            }
        }
        if let Some(buffer) = packet.shared {
            workspace.pool.give(buffer);
        }
        provokes
    }

    fn handle_control(
        &mut self,
        now: Instant,
        frame: &Frame<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        match *frame {
            Frame::ConnectionCredit { bytes } => self.channels.handle_connection_credit(bytes),
            Frame::ChannelCredit { position, bytes, messages } => {
                self.channels.handle_channel_credit(position, bytes, messages);
            }
            Frame::Skip { position, sequence, bytes } => {
                return self.handle_skip(position, sequence, bytes, workspace);
            }
            Frame::Close { reason, code, detail } => self.handle_close(now, reason, code, detail, workspace),
            _ => {}
        }
        Ok(())
    }

    fn handle_close(
        &mut self,
        now: Instant,
        reason: u16,
        code: u32,
        detail: &[u8],
        workspace: &mut Workspace,
    ) {
        if matches!(self.state, State::Draining | State::Closed) {
            self.acks.demand(now);
            return;
        }
        let farewell = Farewell { reason: Reason::from_code(reason), code, detail: Payload::from(detail) };
        if self.info.is_none() {
            workspace.events.push_back(Event::disconnected(self.peer, Origin::Remote, farewell));
        }
        self.state = State::Draining;
        self.timers.clear();
        self.timers.set(Timer::Close, Some(now + self.rtt.probe_timeout() * 3));
        self.acks.demand(now);
    }

    fn handle_ack(
        &mut self,
        now: Instant,
        ack: &Ack<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        workspace.acked.clear();
        let outcome = self
            .sent
            .handle_ack(now, ack, &mut workspace.acked)
            .map_err(|sent::NeverSent| Violation::Protocol)?;
        if outcome.packets == 0 {
            return Ok(());
        }
        if let Some(sample) = outcome.rtt_sample {
            // Only prompt packets bound the delay that the other side may honestly claim.
            let claimed = Duration::from(ack.delay);
            self.rtt.handle_sample(sample, claimed);
        }
        if let Some(largest) = self.sent.largest_acked() {
            self.protection.handle_acknowledged(now, largest, self.rtt.probe_timeout());
            self.timers.set(Timer::Keys, self.protection.poll_timeout());
        }
        self.probe_count = 0;
        self.counters.packets_spuriously_lost += outcome.spurious;
        self.counters.loss_sent.add(now, outcome.packets, -(outcome.spurious as i64));
        self.congestion.handle_acked(AckedSample {
            now,
            bytes: outcome.bytes,
            newest_sent_at: outcome.newest_sent_at,
            is_app_limited: self.is_app_limited,
        });
        for index in 0..workspace.acked.len() {
            let Some(&frame) = workspace.acked.get(index) else { break };
            if frame == SentFrame::Close {
                self.finish_closing(workspace);
            } else {
                self.channels.handle_acked(frame);
            }
        }
        self.detect_losses(now, workspace);
        self.report_writable(workspace);
        Ok(())
    }

    fn report_writable(&mut self, workspace: &mut Workspace) {
        while let Some(channel) = self.channels.poll_writable() {
            workspace.events.push_back(Event::Writable { peer: self.peer, channel });
        }
    }

    fn detect_losses(&mut self, now: Instant, workspace: &mut Workspace) {
        workspace.lost.clear();
        let outcome = self.sent.detect_losses(now, &self.rtt, &mut workspace.lost);
        self.timers.set(Timer::Loss, outcome.check_at);
        if outcome.packets > 0 {
            self.counters.packets_lost += outcome.packets;
            self.counters.loss_sent.add(now, outcome.packets, outcome.packets as i64);
            self.congestion.handle_lost(LostSample {
                now,
                bytes: outcome.bytes,
                newest_sent_at: outcome.newest_sent_at,
            });
        }
        for index in 0..workspace.lost.len() {
            let Some(&frame) = workspace.lost.get(index) else { break };
            self.send_again(frame);
        }
        self.restart_probe_timer();
    }

    fn send_again(&mut self, frame: SentFrame) {
        match frame {
            SentFrame::ConnectionCredit => self.is_credit_due = true,
            SentFrame::ChannelCredit { position } => self.channel_credit_due |= 1 << position,
            // Repeated by the probe time-out, which also counts the attempts.
            SentFrame::Close => {}
            frame => self.channels.handle_lost(frame),
        }
    }

    fn restart_probe_timer(&mut self) {
        // A path whose round trip alone takes longer than the cap keeps its own time-out.
        let backoff = |timeout: Duration| {
            (timeout * 2u32.saturating_pow(self.probe_count.min(16))).min(PROBE_BACKOFF_MAX.max(timeout))
        };
        let timeout = self.rtt.probe_timeout();
        let at = match (self.sent.last_prompt_sent_at(), self.sent.last_lazy_sent_at()) {
            (Some(sent_at), _) => Some(sent_at + backoff(timeout)),
            (None, Some(sent_at)) => Some(sent_at + backoff(timeout + acknowledge::LAZY_DELAY_MAX)),
            (None, None) => None,
        };
        self.timers.set(Timer::Probe, at);
        let oldest = self.sent.oldest_in_flight_sent_at();
        let is_watched = matches!(self.state, State::Open | State::Flushing(_)) && !self.is_interrupted;
        let overdue = oldest.filter(|_| is_watched);
        self.timers.set(
            Timer::Interrupted,
            overdue.map(|sent_at| sent_at.max(self.last_received_at) + self.config.interrupted_after),
        );
    }

    // ---- messages ----

    fn handle_message(
        &mut self,
        now: Instant,
        message: &MessageFrame<'_>,
        end: usize,
        packet: &mut PacketContents<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        let position = usize::from(message.position);
        let Some(channel) = self.table.entries().get(position).map(|entry| entry.id) else {
            return Err(Violation::Protocol);
        };
        let peer = self.peer;
        let sequence = self.expand_sequence(message, packet)?;
        let range = end - message.data.len()..end;
        let key = message.key;
        match self.receivers.get_mut(position) {
            Some(ReceiveChannel::Reliable(receiver)) => {
                let mut delivered = 0;
                let events = &mut workspace.events;
                let mut deliver = |payload| {
                    delivered += 1;
                    events.push_back(Event::Message { peer, channel, key, payload });
                };
                let accepted = match message.fragment {
                    None => {
                        let payload =
                            packet.payload(range, &mut workspace.pool).ok_or(Violation::Protocol)?;
                        receiver.handle_message(sequence, key, payload, &mut deliver)?
                    }
                    Some(fragment) => receiver.handle_piece(
                        &Piece {
                            sequence,
                            key,
                            index: fragment.index as usize,
                            total: fragment.total as usize,
                            data: message.data,
                        },
                        &mut deliver,
                    )?,
                };
                self.counters.messages_received += delivered;
                self.settle_accepted(position, accepted)
            }
            Some(ReceiveChannel::Sequenced { next }) if sequence < *next => {
                self.counters.messages_duplicate += 1;
                Ok(())
            }
            Some(_) => {
                let payload = match message.fragment {
                    None => Some(packet.payload(range, &mut workspace.pool).ok_or(Violation::Protocol)?),
                    Some(fragment) => {
                        let piece = Piece {
                            sequence,
                            key,
                            index: fragment.index as usize,
                            total: fragment.total as usize,
                            data: message.data,
                        };
                        let whole = self.reassembly.insert(now, message.position, &piece);
                        whole?
                    }
                };
                if let Some(payload) = payload {
                    self.deliver_unreliable(position, sequence, channel, payload, workspace);
                }
                Ok(())
            }
            None => Err(Violation::Protocol),
        }
    }

    fn deliver_unreliable(
        &mut self,
        position: usize,
        sequence: u64,
        channel: ChannelId,
        payload: Payload,
        workspace: &mut Workspace,
    ) {
        match self.receivers.get_mut(position) {
            Some(ReceiveChannel::Sequenced { next }) => {
                *next = sequence + 1;
                self.reassembly.forget_older(position as u8, sequence);
            }
            Some(ReceiveChannel::Unreliable { newest }) => *newest = (*newest).max(sequence),
            _ => {}
        }
        if self.unreliable_backlog >= self.config.unreliable_backlog_max {
            self.counters.messages_overflowed += 1;
            return;
        }
        self.unreliable_backlog += 1;
        self.counters.messages_received += 1;
        workspace.events.push_back(Event::Message { peer: self.peer, channel, key: 0, payload });
    }

    /// The full sequence of a message; 0 for those that have none.
    fn expand_sequence(
        &self,
        message: &MessageFrame<'_>,
        packet: &mut PacketContents<'_>,
    ) -> Result<u64, Violation> {
        let position = usize::from(message.position);
        let place = packet.last_sequence.get_mut(position).ok_or(Violation::Protocol)?;
        let sequence = match message.sequence {
            SequenceField::Absent => return Ok(0),
            SequenceField::Implied => {
                place.ok_or(Violation::Protocol)?.checked_add(1).ok_or(Violation::Protocol)?
            }
            SequenceField::Low(low) => {
                let reference = match self.receivers.get(position) {
                    Some(ReceiveChannel::Reliable(receiver)) => receiver.reference(),
                    Some(ReceiveChannel::Sequenced { next }) => *next,
                    Some(ReceiveChannel::Unreliable { newest }) => *newest,
                    None => return Err(Violation::Protocol),
                };
                expand_truncated(u64::from(low), SEQUENCE_BITS, reference)
            }
        };
        *place = Some(sequence);
        Ok(sequence)
    }

    fn handle_skip(
        &mut self,
        position: u8,
        sequence: u32,
        bytes: u64,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        let peer = self.peer;
        let index = usize::from(position);
        let Some(channel) = self.table.entries().get(index).map(|entry| entry.id) else {
            return Err(Violation::Protocol);
        };
        let Some(ReceiveChannel::Reliable(receiver)) = self.receivers.get_mut(index) else {
            return Err(Violation::Protocol);
        };
        let sequence = expand_truncated(u64::from(sequence), SEQUENCE_BITS, receiver.reference());
        let mut delivered = 0;
        let accepted = receiver.handle_skip(sequence, bytes, &mut |payload| {
            delivered += 1;
            workspace.events.push_back(Event::Message { peer, channel, key: 0, payload });
        })?;
        self.counters.messages_received += delivered;
        self.settle_accepted(index, accepted)
    }

    fn settle_accepted(&mut self, position: usize, accepted: Accepted) -> Result<(), Violation> {
        self.counters.messages_duplicate += u64::from(accepted.is_duplicate);
        self.credit.receive(accepted.received_bytes)?;
        self.return_credit(position, accepted.consumed_bytes, accepted.consumed_messages);
        Ok(())
    }

    // ---- time ----

    /// Does what has become due. Call it when [`poll_timeout`](Self::poll_timeout) has passed; calling it more often is
    /// harmless.
    pub fn handle_timeout(&mut self, now: Instant, workspace: &mut Workspace) {
        if self.timers.take_expired(Timer::Keys, now) {
            self.protection.handle_timeout(now);
            self.timers.set(Timer::Keys, self.protection.poll_timeout());
        }
        if self.timers.take_expired(Timer::Loss, now) {
            self.detect_losses(now, workspace);
        }
        if self.timers.take_expired(Timer::Probe, now) {
            self.handle_probe_timeout(now, workspace);
        }
        if self.timers.take_expired(Timer::KeepAlive, now) {
            self.is_ping_due = true;
        }
        if self.timers.take_expired(Timer::Interrupted, now) {
            self.is_interrupted = true;
            workspace.events.push_back(Event::Interrupted { peer: self.peer });
        }
        if self.timers.take_expired(Timer::Idle, now) {
            self.end(Origin::Local, Farewell::new(Reason::TimedOut), workspace);
        }
        if self.timers.take_expired(Timer::Close, now) {
            match &self.state {
                State::Flushing(farewell) => {
                    let farewell = farewell.clone();
                    self.begin_closing(farewell);
                }
                State::Draining => self.end_silently(),
                _ => {}
            }
        }
        if let State::Flushing(farewell) = &self.state
            && self.channels.is_reliable_empty()
        {
            let farewell = farewell.clone();
            self.begin_closing(farewell);
        }
        self.channels.expire(now);
        self.report_writable(workspace);
    }

    fn handle_probe_timeout(&mut self, now: Instant, workspace: &mut Workspace) {
        if let State::Closing { attempts, is_due, .. } = &mut self.state {
            if *attempts >= CLOSE_ATTEMPTS_MAX {
                self.finish_closing(workspace);
                return;
            }
            *is_due = true;
        }
        self.counters.probe_timeouts += 1;
        self.probe_count += 1;
        self.probes_due = 1;
        if self.probe_count == PROBES_BEFORE_SILENCE {
            self.congestion.handle_outage(now);
        }
        workspace.lost.clear();
        self.sent.unanswered(1, &mut workspace.lost);
        for index in 0..workspace.lost.len() {
            let Some(&frame) = workspace.lost.get(index) else { break };
            self.send_again(frame);
        }
    }

    /// Whether enough probes went unanswered that only probes are sent.
    const fn is_probing_only(&self) -> bool {
        self.probe_count >= PROBES_BEFORE_SILENCE
    }

    // ---- endings ----

    /// The server told, with the right token, that it does not know this connection any more.
    pub fn handle_reset(&mut self, token: &ResetToken, workspace: &mut Workspace) -> bool {
        if self.is_closed() || self.reset_token.as_ref() != Some(token) {
            return false;
        }
        self.end(Origin::Remote, Farewell::new(Reason::Reset), workspace);
        true
    }

    /// Closes because the other side misbehaved; the application hears about it once CLOSE is through.
    fn fail(&mut self, reason: Reason) {
        if matches!(self.state, State::Open | State::Unconfirmed | State::Flushing(_)) {
            log::warn!("{}: closing: {reason}", self.peer);
            self.begin_closing(Farewell::new(reason));
        }
    }

    fn finish_closing(&mut self, workspace: &mut Workspace) {
        if let State::Closing { farewell, .. } = &self.state {
            let farewell = farewell.clone();
            self.end(Origin::Local, farewell, workspace);
        }
    }

    fn end(&mut self, origin: Origin, farewell: Farewell, workspace: &mut Workspace) {
        // Who was never announced does not leave either, and who has left does not leave twice.
        let was_announced = self.info.is_none();
        if was_announced && !matches!(self.state, State::Draining | State::Closed) {
            workspace.events.push_back(Event::disconnected(self.peer, origin, farewell));
        }
        self.end_silently();
    }

    fn end_silently(&mut self) {
        self.state = State::Closed;
        self.timers.clear();
    }
}

/// The frames of a packet while they are processed.
struct PacketContents<'a> {
    bytes: &'a [u8],
    /// A copy that the packet's messages share, made with the first of them.
    shared: Option<Arc<Vec<u8>>>,
    /// Sequence of the previous message per channel position.
    last_sequence: [Option<u64>; crate::channel::CHANNELS_MAX],
}

impl PacketContents<'_> {
    fn payload(&mut self, range: std::ops::Range<usize>, pool: &mut PayloadPool) -> Option<Payload> {
        if self.shared.is_none() {
            let mut buffer = pool.take();
            Arc::get_mut(&mut buffer)?.extend_from_slice(self.bytes);
            self.shared = Some(buffer);
        }
        Payload::from_shared(self.shared.as_ref()?, range)
    }
}
