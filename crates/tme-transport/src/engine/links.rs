//! The links of one driver, and what it remembers of each.
//!
//! An engine has one today. A server that listens over several kinds, and a client with a fallback, attach more: each has
//! its own range of tokens, its own unsent rest and its own troubles, and [`Links::route`] says which one a datagram
//! leaves by.

use std::io;
use std::net::SocketAddr;

use tme_core::datagram::{Ecn, Path, Transmit};
use tme_core::time::Instant;

use super::rebind::Trouble;
use crate::clock::Clock;
use crate::link::{Link, LinkStats, ReceiveError, SendError, SendOutcome, Watch};
use crate::poller::{Poller, Token};

/// Datagrams taken from a link before timers and sending get their turn.
const RECEIVE_BATCH: usize = 256;
/// Sockets that one link may have registered: a link of streams has one per stream.
const TOKENS_PER_LINK: usize = 1 << 24;

/// The index of the link that a client's rebinding replaces.
pub(super) const PRIMARY: usize = 0;

/// A link and what its driver remembers of it.
#[derive(Debug)]
pub(super) struct AttachedLink {
    link: Link,
    first_token: Token,
    /// It may hold datagrams that no event will announce.
    is_receivable: bool,
    /// When it was last found empty.
    emptied_at: Instant,
    /// The last wait has found room for what is blocked.
    is_writable: bool,
    /// What the system could not take yet, and where its bytes are.
    blocked: Option<Blocked>,
    kept: Vec<u8>,
    trouble: Trouble,
    /// What links in this place did before they were replaced.
    stats_before: LinkStats,
}

/// Datagrams that wait for room.
#[derive(Debug)]
struct Blocked {
    transmit: Transmit,
    sent_bytes: usize,
}

/// What became of datagrams that were to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handover {
    /// They are on their way, or lost as on the way.
    Done,
    /// The link keeps the rest until there is room.
    Blocked,
    /// They are lost, and nothing has left for so long that another link may help.
    Hopeless,
}

impl AttachedLink {
    fn attach(mut link: Link, poller: &Poller, first_token: Token) -> io::Result<Self> {
        link.register(poller, first_token)?;
        Ok(Self {
            link,
            first_token,
            is_receivable: true,
            emptied_at: Instant::ZERO,
            is_writable: false,
            blocked: None,
            kept: Vec::new(),
            trouble: Trouble::default(),
            stats_before: LinkStats::default(),
        })
    }

    pub fn local_address(&self) -> SocketAddr {
        self.link.local_address()
    }

    /// Puts another link in this one's place. What the old one did not take is lost with it.
    pub fn replace(&mut self, mut link: Link, poller: &Poller) -> io::Result<()> {
        link.register(poller, self.first_token)?;
        self.stats_before = self.stats();
        self.link = link;
        self.blocked = None;
        self.is_receivable = true;
        Ok(())
    }

    /// What this link and those before it have done.
    fn stats(&self) -> LinkStats {
        self.stats_before + *self.link.stats()
    }

    /// Whether it is time to put another link in this one's place, and if so, not again for a while.
    pub fn may_be_replaced(&mut self, now: Instant) -> bool {
        self.trouble.may_rebind(now)
    }

    /// Takes one batch of datagrams if there may be any, and hands each to `handle`, with the time it arrived.
    pub fn receive(
        &mut self,
        now: Instant,
        clock: &Clock,
        mut handle: impl FnMut(&mut [u8], Path, Ecn, Instant),
    ) -> Result<(), ReceiveError> {
        if !self.is_receivable {
            return Ok(());
        }
        let emptied_at = self.emptied_at;
        let received = self.link.receive_timed(RECEIVE_BATCH, |bytes, path, ecn, waited| {
            // It was not there yet when the link was last empty, whatever the wall clock says. `now` may be earlier than
            // its arrival, which would make the bounds of clocks untrue; later they are only wider.
            let arrived_at = (clock.now() - waited).max(emptied_at);
            handle(bytes, path, ecn, arrived_at);
        })?;
        self.is_receivable = received.more;
        if !received.more {
            self.emptied_at = now;
        }
        while let Some(hint) = self.link.poll_hint() {
            log::debug!("network says: {hint:?}");
        }
        Ok(())
    }

    /// Hands the datagrams in `buffer` to the link, which must not be blocked. If it keeps a rest, `buffer` is another one
    /// afterwards.
    pub fn send(
        &mut self,
        clock: &Clock,
        poller: &Poller,
        transmit: Transmit,
        buffer: &mut Vec<u8>,
    ) -> Result<Handover, SendError> {
        let handover = self.send_from(clock, poller, transmit, buffer, 0)?;
        if handover == Handover::Blocked {
            self.kept.clear();
            self.kept.reserve_exact(buffer.capacity());
            std::mem::swap(&mut self.kept, buffer);
        }
        Ok(handover)
    }

    /// Sends what was kept, if the last wait has found room for it.
    pub fn send_kept(&mut self, clock: &Clock, poller: &Poller) -> Result<Handover, SendError> {
        let Some(Blocked { transmit, sent_bytes }) = self.blocked.take_if(|_| self.is_writable) else {
            return Ok(Handover::Done);
        };
        let buffer = std::mem::take(&mut self.kept);
        let handover = self.send_from(clock, poller, transmit, &buffer, sent_bytes);
        self.kept = buffer;
        if self.blocked.is_none() && handover.is_ok() {
            self.link.watch_writable(poller, Watch::Off).map_err(SendError::Socket)?;
        }
        handover
    }

    /// Hands datagrams over, or loses them: a full link is one more queue that drops on a modelled path.
    pub fn send_or_drop(&mut self, transmit: &Transmit, bytes: &[u8]) -> Result<(), SendError> {
        self.link.send(transmit, bytes).map(drop)
    }

    fn send_from(
        &mut self,
        clock: &Clock,
        poller: &Poller,
        transmit: Transmit,
        buffer: &[u8],
        start: usize,
    ) -> Result<Handover, SendError> {
        let rest = buffer.get(start..transmit.bytes).unwrap_or_default();
        let part = Transmit { bytes: rest.len(), ..transmit };
        match self.link.send(&part, rest)? {
            SendOutcome::Sent => {
                self.trouble.handle_sent();
                Ok(Handover::Done)
            }
            SendOutcome::Dropped(hint) if self.trouble.handle_refused(clock.now(), hint) => {
                Ok(Handover::Hopeless)
            }
            SendOutcome::Dropped(_) => Ok(Handover::Done),
            SendOutcome::WouldBlock { sent_bytes } => {
                self.blocked = Some(Blocked { transmit, sent_bytes: start + sent_bytes });
                self.link.watch_writable(poller, Watch::On).map_err(SendError::Socket)?;
                Ok(Handover::Blocked)
            }
        }
    }

    /// Notes what a wait has found.
    fn handle_wait(&mut self, poller: &Poller) {
        self.is_writable = self.link.take_writable();
        self.is_receivable |= self.link.has_waiting();
        let tokens = self.first_token.0..self.first_token.0 + TOKENS_PER_LINK;
        for event in poller.events().filter(|event| tokens.contains(&event.token().0)) {
            // Whatever the event says: errors are fetched by receiving.
            self.is_receivable = true;
            self.is_writable |= event.is_writable();
        }
    }
}

/// The links of one driver.
#[derive(Debug, Default)]
pub(super) struct Links {
    all: Vec<AttachedLink>,
}

impl Links {
    /// Adds a link, which the poller watches from now on.
    pub fn attach(&mut self, link: Link, poller: &Poller) -> io::Result<()> {
        let first_token = Token(self.all.len() * TOKENS_PER_LINK);
        self.all.push(AttachedLink::attach(link, poller, first_token)?);
        Ok(())
    }

    /// Number of links; they are told apart by index.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut AttachedLink> {
        self.all.get_mut(index)
    }

    /// The link by which datagrams leave on this path: the first that reaches the other side. (Where several do, the path
    /// will have to say by which one it came.)
    pub fn route(&self, path: &Path) -> usize {
        match self.all.len() {
            1 => 0,
            _ => self.all.iter().position(|link| link.link.can_reach(path.remote)).unwrap_or(0),
        }
    }

    /// Whether any link can send to this address.
    pub fn can_reach(&self, remote: SocketAddr) -> bool {
        self.all.iter().any(|link| link.link.can_reach(remote))
    }

    /// Datagrams of one size that are worth handing over at a time.
    pub fn segments_max(&self) -> usize {
        self.all.iter().map(|link| link.link.max_gso_segments()).max().unwrap_or(1)
    }

    /// Whether datagrams may wait that no event will announce.
    pub fn is_any_receivable(&self) -> bool {
        self.all.iter().any(|link| link.is_receivable)
    }

    /// Whether a link keeps datagrams that it has no room for. Nobody sends any then: the endpoint says what goes next, and
    /// not for which link. What streams carry goes on.
    pub fn is_any_blocked(&self) -> bool {
        self.all.iter().any(|link| link.blocked.is_some())
    }

    /// Notes what a wait has found.
    pub fn handle_wait(&mut self, poller: &Poller) {
        for link in &mut self.all {
            link.handle_wait(poller);
        }
    }

    /// What all links have done.
    pub fn stats(&self) -> LinkStats {
        self.all.iter().fold(LinkStats::default(), |sum, link| sum + link.stats())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::link::memory::{self, MemoryConfig, MemoryHub, WhenFull};
    use crate::link::udp::{UdpConfig, UdpLink};
    use crate::poller::EVENTS_DEFAULT;

    fn transmit(to: SocketAddr, bytes: usize) -> Transmit {
        let path = Path::to(to);
        Transmit { path, ecn: Ecn::NotCapable, bytes, segment_bytes: None }
    }

    fn received(links: &mut Links, index: usize) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let link = links.get_mut(index).unwrap();
        link.receive(Instant::ZERO, &Clock::start(), |bytes, _, _, _| datagrams.push(bytes.to_vec()))
            .unwrap();
        datagrams
    }

    #[test]
    fn links_of_two_kinds_are_served_by_one_poller_each_with_its_own_datagrams() {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let udp = UdpLink::bind(&UdpConfig::server(any)).unwrap();
        let (memory, mut other_memory) = memory::pair();
        let mut other_udp = UdpLink::bind(&UdpConfig::client(any)).unwrap();
        let (to_udp, to_memory) = (udp.local_address(), memory.local_address());
        let mut links = Links::default();
        links.attach(Link::from(udp), &poller).unwrap();
        links.attach(Link::from(memory), &poller).unwrap();
        for index in 0..2 {
            assert_eq!(received(&mut links, index), Vec::<Vec<u8>>::new());
        }
        assert!(!links.is_any_receivable());

        let _ = other_udp.send(&transmit(to_udp, 3), b"udp").unwrap();
        let _ = other_memory.send(&transmit(to_memory, 6), b"memory").unwrap();
        let mut datagrams = [Vec::new(), Vec::new()];
        for _ in 0..100 {
            poller.wait(Some(Duration::from_millis(100))).unwrap();
            links.handle_wait(&poller);
            for (index, datagrams) in datagrams.iter_mut().enumerate() {
                datagrams.append(&mut received(&mut links, index));
            }
            if datagrams.iter().all(|datagrams| !datagrams.is_empty()) {
                break;
            }
        }
        assert_eq!(datagrams, [vec![b"udp".to_vec()], vec![b"memory".to_vec()]]);
        assert_eq!(links.stats().datagrams_in, 2);

        let routes = [other_udp.local_address(), other_memory.local_address()]
            .map(|remote| links.route(&Path::to(remote)));
        assert_eq!(routes, [0, 1]);
    }

    #[test]
    fn what_a_full_link_did_not_take_leaves_when_there_is_room() {
        let config =
            MemoryConfig { queue_datagrams_max: 1, when_full: WhenFull::Block, ..MemoryConfig::pair() };
        let hub = MemoryHub::new(config);
        let mut other = hub.bind().unwrap();
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let mut links = Links::default();
        links.attach(Link::from(hub.bind().unwrap()), &poller).unwrap();
        let clock = Clock::start();
        let mut send = |bytes: &[u8]| {
            let mut buffer = bytes.to_vec();
            let transmit = transmit(other.local_address(), bytes.len());
            links.get_mut(0).unwrap().send(&clock, &poller, transmit, &mut buffer).unwrap()
        };
        assert_eq!(send(b"one"), Handover::Done);
        assert_eq!(send(b"two"), Handover::Blocked);
        assert!(links.is_any_blocked());
        assert_eq!(links.get_mut(0).unwrap().send_kept(&clock, &poller).unwrap(), Handover::Done);
        assert!(links.is_any_blocked(), "no wait has found room");

        let mut datagrams = Vec::new();
        let mut read = |datagrams: &mut Vec<Vec<u8>>| {
            let _ = other.receive(8, |bytes, _, _| datagrams.push(bytes.to_vec())).unwrap();
        };
        read(&mut datagrams);
        poller.wait(Some(Duration::from_secs(20))).unwrap();
        links.handle_wait(&poller);
        assert_eq!(links.get_mut(0).unwrap().send_kept(&clock, &poller).unwrap(), Handover::Done);
        assert!(!links.is_any_blocked());
        read(&mut datagrams);
        assert_eq!(datagrams, [b"one".to_vec(), b"two".to_vec()]);
    }

    #[test]
    fn however_often_a_link_is_full_two_buffers_take_turns() {
        let config = MemoryConfig { queue_datagrams_max: 1, ..MemoryConfig::pair() };
        let hub = MemoryHub::new(config);
        let mut other = hub.bind().unwrap();
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let mut links = Links::default();
        links.attach(Link::from(hub.bind().unwrap()), &poller).unwrap();
        let clock = Clock::start();
        let mut buffer = Vec::with_capacity(2_000);
        let mut capacities = Vec::new();
        for _ in 0..10 {
            for expected in [Handover::Done, Handover::Blocked] {
                buffer.clear();
                buffer.resize(1_000, 0xA5);
                let link = links.get_mut(0).unwrap();
                let transmit = transmit(other.local_address(), 1_000);
                assert_eq!(link.send(&clock, &poller, transmit, &mut buffer).unwrap(), expected);
            }
            capacities.push(buffer.capacity());
            while links.is_any_blocked() {
                let _ = other.receive(8, |_, _, _| {}).unwrap();
                poller.wait(Some(Duration::from_secs(20))).unwrap();
                links.handle_wait(&poller);
                let _ = links.get_mut(0).unwrap().send_kept(&clock, &poller).unwrap();
            }
            let _ = other.receive(8, |_, _, _| {}).unwrap();
        }
        assert_eq!(capacities, [2_000; 10]);
    }
}
