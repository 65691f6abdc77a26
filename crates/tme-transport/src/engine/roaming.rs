//! Which way a connected client goes: back to datagrams as soon as they get through, to a stream when nothing does
//! (`docs/PROTOCOL.md`, section 12.4).

use std::net::SocketAddr;
use std::time::Duration;

use tme_core::connection::{Event, PeerId};
use tme_core::datagram::{LinkKind, Path, StreamId};
use tme_core::endpoint::Endpoint;
use tme_core::random::Random;
use tme_core::time::Instant;

use super::connector::{LinkChoice, Ways};
use crate::link::stream::StreamTarget;

/// How often datagrams are tried while a stream carries the connection, at first and later.
const DATAGRAMS_EVERY: Duration = Duration::from_secs(5);
const DATAGRAMS_EVERY_LATER: Duration = Duration::from_secs(30);
/// So many times at first.
const FIRST_TRIES: u32 = 6;
/// How often another way is tried while nothing is heard.
const RESCUE_EVERY: Duration = Duration::from_secs(2);

/// The ways of a connected client.
#[derive(Debug)]
pub(super) struct Roaming {
    peer: PeerId,
    remote: SocketAddr,
    link: LinkKind,
    is_interrupted: bool,
    try_at: Option<Instant>,
    tries: u32,
    /// Whether datagrams may be used at all.
    may_use_datagrams: bool,
    /// Kinds of streams that may be used, and how many have been tried in need.
    kinds: &'static [LinkKind],
    rescues: usize,
    /// No other way is tried before: a server that takes streams and closes them again must not be run against.
    rescue_at: Instant,
    rescue: Option<Rescue>,
}

/// A stream that may take over.
#[derive(Clone, Copy, Debug)]
struct Rescue {
    stream: StreamId,
    /// It has reached the other side, and the server is asked whether it knows us there.
    is_open: bool,
}

impl Roaming {
    pub fn new(now: Instant, peer: PeerId, path: Path, choice: LinkChoice) -> Self {
        let link = path.link();
        let mut roaming = Self {
            peer,
            remote: path.remote,
            link,
            is_interrupted: false,
            try_at: None,
            tries: 0,
            may_use_datagrams: choice.has_datagrams(),
            kinds: choice.streams(),
            rescues: 0,
            rescue_at: now,
            rescue: None,
        };
        roaming.settle(now);
        roaming
    }

    /// A way works: on a stream, ask for datagrams now and then.
    fn settle(&mut self, now: Instant) {
        self.tries = 0;
        let wants_datagrams = self.may_use_datagrams && self.link != LinkKind::Udp;
        self.try_at = wants_datagrams.then(|| now + DATAGRAMS_EVERY);
    }

    /// What kind of stream is tried next: what works first, then each in turn.
    fn rescue_kind(&self) -> LinkKind {
        let first = self.kinds.iter().position(|kind| *kind == self.link).unwrap_or(0);
        let index = (first + self.rescues) % self.kinds.len().max(1);
        self.kinds.get(index).copied().unwrap_or(LinkKind::Tcp)
    }

    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.try_at
    }

    /// Tries what is due.
    pub fn handle_timeout(&mut self, now: Instant, ways: &mut Ways<'_>, authority: &str) {
        if self.try_at.is_none_or(|at| at > now) {
            return;
        }
        self.tries += 1;
        let pause = match self.tries {
            _ if self.is_interrupted => RESCUE_EVERY,
            0..FIRST_TRIES => DATAGRAMS_EVERY,
            _ => DATAGRAMS_EVERY_LATER,
        };
        self.try_at = Some(now + pause);
        let rescue = self.rescue.filter(|rescue| self.is_interrupted && rescue.is_open);
        // One way can be asked for at a time. A stream loses no question, but the answer to an old one does not count.
        let is_streams_turn =
            self.tries.is_multiple_of(2) || !self.may_use_datagrams || self.link == LinkKind::Udp;
        if let Some(Rescue { stream, .. }) = rescue.filter(|_| is_streams_turn) {
            ways.endpoint.try_path(now, self.peer, Path::through(stream, self.remote), ways.random);
        } else if self.may_use_datagrams && self.link != LinkKind::Udp && ways.links.can_reach(self.remote) {
            ways.endpoint.try_path(now, self.peer, Path::to(self.remote), ways.random);
        }
        if self.is_interrupted && self.rescue.is_none() {
            self.rescue_at = now + RESCUE_EVERY;
            let kind = self.rescue_kind();
            self.rescues = self.rescues.wrapping_add(1);
            let target = StreamTarget { remote: self.remote, kind, authority };
            match ways.streams.open(now, &target, ways.poller) {
                Ok(stream) => self.rescue = Some(Rescue { stream, is_open: false }),
                Err(error) => log::debug!("{}: no stream: {error}", self.remote),
            }
        }
    }

    /// A stream is there. `false`: it is not needed any more.
    pub fn handle_opened(
        &mut self,
        now: Instant,
        stream: StreamId,
        endpoint: &mut Endpoint,
        random: &mut dyn Random,
    ) -> bool {
        let Some(rescue) = self.rescue.as_mut().filter(|rescue| rescue.stream == stream) else {
            return false;
        };
        rescue.is_open = true;
        self.is_interrupted && endpoint.try_path(now, self.peer, Path::through(stream, self.remote), random)
    }

    /// A stream is gone.
    pub fn handle_ended(&mut self, stream: StreamId) {
        self.rescue.take_if(|rescue| rescue.stream == stream);
    }

    /// Takes note of what the endpoint reports.
    pub fn handle_event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Interrupted { .. } => {
                self.is_interrupted = true;
                self.try_at = Some(self.rescue_at.max(now));
            }
            Event::Resumed { .. } => {
                self.is_interrupted = false;
                self.settle(now);
            }
            Event::LinkChanged { link, remote, .. } => {
                self.link = *link;
                self.remote = *remote;
                self.rescue = None;
                self.rescues = 0;
                self.settle(now);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_server_that_closes_every_stream_is_not_run_against() {
        let (now, peer) = (Instant::from_micros(1_000_000), PeerId::from_u64(7));
        let remote = SocketAddr::from(([127, 0, 0, 1], 7));
        let stream =
            StreamId { number: NonZeroU32::MIN, kind: LinkKind::Tcp, is_secure: false, is_local: false };
        let mut roaming = Roaming::new(now, peer, Path::through(stream, remote), LinkChoice::Tcp);
        assert_eq!(roaming.poll_timeout(), None, "UDP is not asked for");
        roaming.handle_event(now, &Event::Interrupted { peer });
        assert_eq!(roaming.poll_timeout(), Some(now), "at once");
        // It was opened, taken over, and is gone again.
        roaming.rescue_at = now + RESCUE_EVERY;
        let later = now + Duration::from_millis(1);
        roaming.handle_event(later, &Event::Resumed { peer });
        roaming.handle_event(later, &Event::LinkChanged { peer, link: LinkKind::Tcp, remote });
        roaming.handle_event(later, &Event::Interrupted { peer });
        assert_eq!(roaming.poll_timeout(), Some(now + RESCUE_EVERY));
    }
}
