//! A server that wants to be found: the sockets at the discovery port, and when to look at them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Interest, Token};
use tme_core::discovery::{DISCOVERY_PORT, Networks, Reach, Responder, ResponderStatistics};
use tme_core::endpoint::Endpoint;
use tme_core::handshake::datagram::{DISCOVER_BYTES, DisplayName};
use tme_core::random::Random;
use tme_core::time::Instant;

use crate::discovery::drain;
use crate::discovery::socket::{Family, Memberships, bind_shared};
use crate::interfaces::{Interface, interfaces};
use crate::link::Link;
use crate::link::udp::BindError;
use crate::poller::Poller;

/// Tokens of the discovery sockets; those of links and streams are lower.
const TOKENS_FROM: usize = 1 << 30;
/// Questions looked at in a turn.
const BATCH: usize = 32;
/// Pause after a full batch, in which the port is not even watched. Some 3,000 datagrams a second are looked at, more than are ever
/// answered, and who floods the port takes nothing from those who play: the rest falls out of the socket's buffer.
const PAUSE: Duration = Duration::from_millis(10);
/// How often the machine's networks are looked at: one that it has joined hears of the server after so long.
const REFRESH: Duration = Duration::from_secs(15);

/// What becomes of a server whose discovery port cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenUnavailable {
    /// It does not start.
    #[default]
    Fail,
    /// It starts, with a warning in the log, and is not found.
    Warn,
}

/// How a server wants to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoverySetup {
    /// What it is called.
    pub name: DisplayName,
    /// The port at which those who look for servers ask. 0: one that the system chooses, of no use but for tests.
    pub port: u16,
    /// What if that port cannot be had.
    pub when_unavailable: WhenUnavailable,
}

impl DiscoverySetup {
    /// Found under this name, at port 7776.
    #[must_use]
    pub const fn new(name: DisplayName) -> Self {
        Self { name, port: DISCOVERY_PORT, when_unavailable: WhenUnavailable::Fail }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Announcer {
    responder: Responder,
    reach: Reach,
    sockets: Vec<Hearing>,
    refresh_at: Instant,
    /// After a flood.
    paused_until: Option<Instant>,
    answer: Vec<u8>,
}

/// A socket at the discovery port.
#[derive(Debug)]
struct Hearing {
    socket: UdpSocket,
    family: Family,
    memberships: Memberships,
    is_receivable: bool,
    /// The poller tells when something comes.
    is_watched: bool,
}

impl Hearing {
    fn watch(&mut self, poller: &Poller, number: usize) -> io::Result<()> {
        let token = Token(TOKENS_FROM + number);
        poller.registry().register(&mut self.socket, token, Interest::READABLE)?;
        self.is_watched = true;
        // What came in the meantime may not be told.
        self.is_receivable = true;
        Ok(())
    }

    fn ignore(&mut self, poller: &Poller) {
        match poller.registry().deregister(&mut self.socket) {
            Ok(()) => self.is_watched = false,
            Err(error) => log::debug!("discovery: cannot look away: {error}"),
        }
    }
}

impl Announcer {
    /// Binds the discovery port for a server that listens on `link`.
    pub fn open(
        setup: DiscoverySetup,
        link: &Link,
        poller: &Poller,
        random: &mut dyn Random,
    ) -> Result<Self, BindError> {
        let listen = link.local_address();
        let mut sockets = Vec::new();
        let mut port = setup.port;
        for family in families(link) {
            match bind_shared(family, port) {
                Ok(socket) => {
                    let other = |cause| BindError::Other { address: listen, cause };
                    port = socket.local_addr().map_err(other)?.port();
                    let memberships = Memberships::default();
                    let (is_receivable, is_watched) = (false, false);
                    let mut hearing = Hearing { socket, family, memberships, is_receivable, is_watched };
                    hearing.watch(poller, sockets.len()).map_err(other)?;
                    sockets.push(hearing);
                }
                // A system with one family is found by that one.
                Err(BindError::FamilyUnavailable { .. }) if !sockets.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        let server_port = NonZeroU16::new(listen.port()).unwrap_or(NonZeroU16::MIN);
        let mut announcer = Self {
            responder: Responder::new(setup.name, server_port, random),
            reach: Reach::of(listen.ip()),
            sockets,
            refresh_at: Instant::ZERO,
            paused_until: None,
            answer: Vec::with_capacity(DISCOVER_BYTES),
        };
        announcer.look_around();
        Ok(announcer)
    }

    /// Where those who look for servers ask.
    pub fn port(&self) -> u16 {
        let first = self.sockets.first().and_then(|hearing| hearing.socket.local_addr().ok());
        first.map_or(0, |address| address.port())
    }

    pub const fn statistics(&self) -> &ResponderStatistics {
        self.responder.statistics()
    }

    pub fn set_name(&mut self, name: DisplayName) {
        self.responder.set_name(name);
    }

    /// When [`answer`](Self::answer) has something to do although no socket says so.
    pub fn poll_timeout(&self) -> Instant {
        self.paused_until.map_or(self.refresh_at, |until| until.min(self.refresh_at))
    }

    /// Notes what a wait has found.
    pub fn handle_wait(&mut self, poller: &Poller) {
        for event in poller.events() {
            let number = event.token().0.checked_sub(TOKENS_FROM);
            if let Some(hearing) = number.and_then(|number| self.sockets.get_mut(number)) {
                hearing.is_receivable = true;
            }
        }
    }

    /// Answers a batch of questions, if there may be any.
    pub fn answer(&mut self, now: Instant, endpoint: &Endpoint, poller: &Poller) {
        if self.refresh_at <= now {
            self.refresh_at = now + REFRESH;
            self.look_around();
        }
        if self.paused_until.is_some_and(|until| until > now) {
            return;
        }
        self.paused_until = None;
        let Self { sockets, responder, answer, .. } = self;
        // One more than a question has, so that a longer one is seen to be longer.
        let mut buffer = [0; DISCOVER_BYTES + 1];
        for (number, hearing) in sockets.iter_mut().enumerate() {
            if !hearing.is_watched
                && let Err(error) = hearing.watch(poller, number)
            {
                log::debug!("discovery: {error}");
                self.paused_until = Some(now + PAUSE);
                continue;
            }
            if !hearing.is_receivable {
                continue;
            }
            let socket = &hearing.socket;
            hearing.is_receivable = drain(socket, &mut buffer, BATCH, |remote, datagram| {
                let Some(described) = endpoint.description() else { return };
                if responder.handle_datagram(now, remote, datagram, described, answer)
                    && socket.send_to(answer, remote).is_err()
                {
                    responder.handle_unsent();
                }
            });
            if hearing.is_receivable {
                hearing.ignore(poller);
                self.paused_until = Some(now + PAUSE);
            }
        }
    }

    /// Finds out which networks there are, and joins the groups of those that are new.
    fn look_around(&mut self) {
        let all = match interfaces() {
            Ok(all) => all,
            Err(error) => return log::warn!("discovery: no list of interfaces: {error}"),
        };
        let reach = self.reach;
        let leads_here = |interface: &&Interface| reach.includes(interface.network.address);
        for Hearing { socket, family, memberships, .. } in &mut self.sockets {
            memberships.update(socket, *family, all.iter().filter(leads_here));
        }
        let networks = all.iter().map(|interface| interface.network);
        self.responder.set_networks(Networks::new(networks, reach));
    }
}

/// In which families players reach the server.
fn families(link: &Link) -> impl Iterator<Item = Family> {
    let is_v6 = link.local_address().is_ipv6();
    let has_v4 = link.can_reach(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
    [has_v4.then_some(Family::V4), is_v6.then_some(Family::V6)].into_iter().flatten()
}
