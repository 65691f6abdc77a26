//! The relay: a bad network between programs, for tests and measurements.
//!
//! It takes the datagrams of any UDP program, whatever they say, and passes them on late, damaged, twice or not at all,
//! as the model in [`tme_core::link`] decides. Clients talk to the relay's address; for each of them it has a socket of
//! its own towards the server, as a NAT has, and can change it in mid-game, as a NAT does when it forgets.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tme_core::datagram::{Ecn, Path, Transmit};
use tme_core::link::{ConditionsError, Link as Model, LinkStatistics, PathConditions};
use tme_core::time::Instant;

use crate::clock::Clock;
use crate::link::udp::{BindError, IcmpHints, Segmentation, UdpConfig, UdpLink};
use crate::link::{ReceiveError, SendOutcome};
use crate::poller::{PollError, Poller, Token};
use crate::wake::WakeHandle;

#[cfg(test)]
mod tests;

/// Clients at a time; datagrams of further ones are dropped and counted. All sockets are looked at in every turn, which
/// is well for a test and not for a crowd.
pub const CLIENTS_MAX: usize = 256;
/// A client that neither sent nor received anything for so long is forgotten, as a NAT does (RFC 4787 asks for at least
/// two minutes).
const FORGET_AFTER: Duration = Duration::from_secs(150);
/// Datagrams taken from a socket before the others get their turn.
const TURN_DATAGRAMS: usize = 64;
const LISTENER: Token = Token(0);
/// Between the seeds of two clients: the golden ratio of 2⁶⁴, so that neighbouring seeds share nothing.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a relay is to be.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Where clients send to. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where their datagrams go.
    pub server: SocketAddr,
    /// What happens on the way up (to the server) and down.
    pub conditions: PathConditions,
    /// From it follows what happens to the n-th datagram of the k-th client, in each direction.
    pub seed: u64,
    /// Every client's address towards the server changes whenever so much time has passed. Default never.
    pub rebind_every: Option<Duration>,
}

/// What a relay has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayStatistics {
    /// Clients that are not forgotten.
    pub clients: usize,
    /// To the server.
    pub up: DirectionStatistics,
    /// To the clients.
    pub down: DirectionStatistics,
    /// Datagrams of clients for whom there was no room, or no socket.
    pub refused: u64,
    /// Times that a client's address towards the server changed.
    pub rebound: u64,
}

/// One direction, all clients together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionStatistics {
    /// Datagrams that came in.
    pub datagrams: u64,
    /// UDP payload of those.
    pub bytes: u64,
    /// Datagrams that the model dropped.
    pub dropped: u64,
    /// Datagrams passed on, copies included.
    pub delivered: u64,
    /// Datagrams that the system would not take.
    pub unsent: u64,
}

/// A running relay. It does nothing by itself: call [`run`](Self::run).
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    clock: Clock,
    poller: Poller,
    listener: UdpLink,
    clients: HashMap<SocketAddr, Client>,
    /// Clients there have ever been; the next one's token and seed.
    clients_ever: u64,
    next_rebind: Option<Instant>,
    is_cut: bool,
    totals: RelayStatistics,
    /// Where a datagram waits between two sockets.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    address: SocketAddr,
    token: Token,
    socket: UdpLink,
    up: Model<()>,
    down: Model<()>,
    active_at: Instant,
}

impl Relay {
    /// Binds the socket for clients.
    ///
    /// # Errors
    /// [`RelayError`]: the conditions contradict themselves, or the address cannot be had.
    pub fn bind(config: RelayConfig) -> Result<Self, RelayError> {
        config.conditions.up.validate().map_err(RelayError::Conditions)?;
        config.conditions.down.validate().map_err(RelayError::Conditions)?;
        let clock = Clock::start();
        let poller = Poller::new(CLIENTS_MAX).map_err(RelayError::Poll)?;
        let mut listener = UdpLink::bind(&UdpConfig::server(config.listen)).map_err(RelayError::Bind)?;
        listener.register(poller.registry(), LISTENER).map_err(RelayError::System)?;
        let next_rebind = config.rebind_every.map(|every| clock.now() + every);
        Ok(Self {
            config,
            clock,
            poller,
            listener,
            clients: HashMap::new(),
            clients_ever: 0,
            next_rebind,
            is_cut: false,
            totals: RelayStatistics::default(),
            scratch: Vec::new(),
        })
    }

    /// The address clients send to, with the real port.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.listener.local_address()
    }

    /// Ends a [`run`](Self::run) from another thread.
    #[must_use]
    pub fn wake_handle(&self) -> WakeHandle {
        self.poller.wake_handle()
    }

    /// What was counted so far.
    #[must_use]
    pub fn statistics(&self) -> RelayStatistics {
        let mut totals = self.totals;
        totals.clients = self.clients.len();
        for client in self.clients.values() {
            totals.up.add_model(&client.up.statistics());
            totals.down.add_model(&client.down.statistics());
        }
        totals
    }

    /// Passes datagrams on until `time` has passed or somebody wakes it.
    ///
    /// # Errors
    /// [`RelayError`] if the system refuses to go on. What the network does is never an error here.
    pub fn run(&mut self, time: Duration) -> Result<(), RelayError> {
        let end = self.clock.now() + time;
        loop {
            let has_more = self.receive()?;
            self.deliver();
            let now = self.clock.now();
            self.rebind_if_due(now);
            if now >= end {
                return Ok(());
            }
            let until = self.next_event(now).min(end);
            let wait = if has_more { Duration::ZERO } else { until.saturating_since(now) };
            let woken = self.poller.wait(Some(wait)).map_err(RelayError::Poll)?;
            if woken.by_handle {
                return Ok(());
            }
        }
    }

    /// Gives every client another address towards the server. Datagrams sent to the old one get lost.
    pub fn rebind(&mut self) {
        for client in self.clients.values_mut() {
            match upstream(&self.poller, client.token, self.config.server) {
                Ok(socket) => {
                    let _ = client.socket.deregister(self.poller.registry());
                    client.socket = socket;
                    self.totals.rebound += 1;
                }
                Err(error) => log::warn!("{}: keeps its address: {error}", client.address),
            }
        }
    }

    /// Cuts everybody's path in both directions, or heals it. What is under way still arrives.
    pub fn set_cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
        for client in self.clients.values_mut() {
            client.up.set_partitioned(is_cut);
            client.down.set_partitioned(is_cut);
        }
    }

    fn rebind_if_due(&mut self, now: Instant) {
        if let (Some(at), Some(every)) = (self.next_rebind, self.config.rebind_every)
            && now >= at
        {
            self.rebind();
            self.next_rebind = Some(now + every);
        }
    }

    /// Takes what has come, from all sockets; `true` if there is more.
    fn receive(&mut self) -> Result<bool, RelayError> {
        let now = self.clock.now();
        let mut has_more = false;
        let Self { config, poller, listener, clients, clients_ever, is_cut, totals, .. } = self;
        let received = listener.receive(TURN_DATAGRAMS, |bytes, path, _| {
            totals.up.count(bytes);
            if !clients.contains_key(&path.remote) {
                match admit(config, poller, clients.len(), *clients_ever, path.remote, now) {
                    Ok(mut client) => {
                        *clients_ever += 1;
                        client.up.set_partitioned(*is_cut);
                        client.down.set_partitioned(*is_cut);
                        clients.insert(path.remote, client);
                    }
                    Err(error) => {
                        totals.refused += 1;
                        log::debug!("{}: not relayed: {error}", path.remote);
                    }
                }
            }
            if let Some(client) = clients.get_mut(&path.remote) {
                client.active_at = now;
                client.up.handle_datagram(now, bytes, ());
            }
        });
        has_more |= received.map_err(RelayError::Receive)?.more;
        for client in clients.values_mut() {
            let Client { socket, down, active_at, .. } = client;
            let received = socket.receive(TURN_DATAGRAMS, |bytes, path, _| {
                // A NAT lets nobody in to whom nothing was sent.
                if path.remote == config.server {
                    totals.down.count(bytes);
                    *active_at = now;
                    down.handle_datagram(now, bytes, ());
                }
            });
            has_more |= received.map_err(RelayError::Receive)?.more;
        }
        Ok(has_more)
    }

    /// Sends what has arrived at the end of its model.
    fn deliver(&mut self) {
        let now = self.clock.now();
        let Self { config, listener, clients, totals, scratch, .. } = self;
        for client in clients.values_mut() {
            while let Some(delivery) = client.up.poll_delivery(now) {
                totals.up.unsent +=
                    u64::from(!send(&mut client.socket, config.server, delivery.bytes, scratch));
            }
            while let Some(delivery) = client.down.poll_delivery(now) {
                totals.down.unsent += u64::from(!send(listener, client.address, delivery.bytes, scratch));
            }
        }
        let registry = self.poller.registry();
        clients.retain(|_, client| {
            let stays = now.saturating_since(client.active_at) < FORGET_AFTER;
            if !stays {
                totals.up.add_model(&client.up.statistics());
                totals.down.add_model(&client.down.statistics());
                let _ = client.socket.deregister(registry);
            }
            stays
        });
    }

    /// When something is to be delivered or changed without a datagram coming in.
    fn next_event(&self, now: Instant) -> Instant {
        let models =
            self.clients.values().flat_map(|client| [client.up.poll_timeout(), client.down.poll_timeout()]);
        let earliest = models.chain([self.next_rebind]).flatten().min();
        earliest.unwrap_or(now + FORGET_AFTER)
    }
}

fn admit(
    config: &RelayConfig,
    poller: &Poller,
    clients: usize,
    number: u64,
    address: SocketAddr,
    now: Instant,
) -> Result<Client, RelayError> {
    if clients >= CLIENTS_MAX {
        return Err(RelayError::Full);
    }
    // A token names a client for ever; 2^63 of them are never reached.
    let token = Token(usize::try_from(number).unwrap_or(usize::MAX / 2).saturating_add(1));
    let seed = config.seed.wrapping_add(number.wrapping_mul(SEED_STEP));
    let model = |conditions, seed| Model::new(conditions, seed).map_err(RelayError::Conditions);
    Ok(Client {
        address,
        token,
        socket: upstream(poller, token, config.server)?,
        up: model(config.conditions.up, seed)?,
        down: model(config.conditions.down, !seed)?,
        active_at: now,
    })
}

/// A socket from which the server is reached.
fn upstream(poller: &Poller, token: Token, server: SocketAddr) -> Result<UdpLink, RelayError> {
    let any = match (server, server.ip().is_loopback()) {
        (SocketAddr::V4(_), true) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        (SocketAddr::V4(_), false) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        (SocketAddr::V6(_), true) => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        (SocketAddr::V6(_), false) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let config =
        UdpConfig { icmp: IcmpHints::Ignore, segmentation: Segmentation::Off, ..UdpConfig::client(any) };
    let mut socket = UdpLink::bind(&config).map_err(RelayError::Bind)?;
    socket.register(poller.registry(), token).map_err(RelayError::System)?;
    Ok(socket)
}

/// Whether the system took it. A full queue loses the datagram, as networks do.
fn send(socket: &mut UdpLink, remote: SocketAddr, bytes: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    scratch.extend_from_slice(bytes);
    let path = Path::to(remote);
    let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes: scratch.len(), segment_bytes: None };
    matches!(socket.send(&transmit, scratch), Ok(SendOutcome::Sent))
}

impl DirectionStatistics {
    fn count(&mut self, bytes: &[u8]) {
        self.datagrams += 1;
        self.bytes += bytes.len() as u64;
    }

    fn add_model(&mut self, model: &LinkStatistics) {
        self.dropped += model.dropped();
        self.delivered += model.delivered;
    }
}

/// Why there is no relay, or no longer one.
#[derive(Debug)]
pub enum RelayError {
    /// The network conditions contradict themselves.
    Conditions(ConditionsError),
    /// An address cannot be had.
    Bind(BindError),
    /// The system refuses to wait for sockets.
    Poll(PollError),
    /// A socket no longer works.
    Receive(ReceiveError),
    /// [`CLIENTS_MAX`] clients are there.
    Full,
    /// The system says so.
    System(io::Error),
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conditions(error) => write!(f, "network conditions: {error}"),
            Self::Bind(error) => error.fmt(f),
            Self::Poll(error) => error.fmt(f),
            Self::Receive(error) => error.fmt(f),
            Self::Full => write!(f, "there are {CLIENTS_MAX} clients already"),
            Self::System(error) => write!(f, "cannot register a socket: {error}"),
        }
    }
}

impl std::error::Error for RelayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Conditions(error) => Some(error),
            Self::Bind(error) => Some(error),
            Self::Poll(error) => Some(error),
            Self::Receive(error) => Some(error),
            Self::System(error) => Some(error),
            Self::Full => None,
        }
    }
}
