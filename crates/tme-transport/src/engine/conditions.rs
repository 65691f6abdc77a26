//! Network conditions that a game switches on at run time: a modelled link per peer and direction.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tme_core::connection::PeerId;
use tme_core::datagram::{Ecn, Path};
use tme_core::link::{ConditionsError, Link as ModelLink, LinkStatistics};
use tme_core::time::Instant;

use super::outbox::{Change, Direction};

/// What travels beside a modelled datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub path: Path,
    pub ecn: Ecn,
}

#[derive(Debug)]
struct Shaped {
    peer: PeerId,
    incoming: Option<ModelLink<Meta>>,
    outgoing: Option<ModelLink<Meta>>,
}

/// What the modelled links towards a peer have counted; `None` where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConditionFigures {
    pub incoming: Option<LinkStatistics>,
    pub outgoing: Option<LinkStatistics>,
}

/// Modelled links by the other side's address. Empty as a rule, and then nothing is looked up.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    shaped: BTreeMap<SocketAddr, Shaped>,
    /// A link may have counted something since somebody took the figures of all.
    is_counting: bool,
}

impl Conditions {
    pub fn is_empty(&self) -> bool {
        self.shaped.is_empty()
    }

    /// Switches conditions on, changes them, or (`None`) off. What is in flight then is dropped.
    pub fn set(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        change: Change,
        seed: u64,
    ) -> Result<(), ConditionsError> {
        let Change { peer, direction, conditions } = change;
        let shaped = self.shaped.entry(remote).or_insert(Shaped { peer, incoming: None, outgoing: None });
        let link = match direction {
            Direction::Incoming => &mut shaped.incoming,
            Direction::Outgoing => &mut shaped.outgoing,
        };
        match (link.as_mut(), conditions) {
            (Some(link), Some(conditions)) => link.set_conditions(now, conditions)?,
            (None, Some(conditions)) => *link = Some(ModelLink::new(conditions, seed)?),
            (_, None) => *link = None,
        }
        if shaped.incoming.is_none() && shaped.outgoing.is_none() {
            self.shaped.remove(&remote);
        }
        Ok(())
    }

    /// Forgets a peer that left.
    pub fn remove(&mut self, remote: SocketAddr) {
        self.shaped.remove(&remote);
    }

    /// A peer goes on from another address, and its links with it.
    pub fn handle_moved(&mut self, former: SocketAddr, remote: SocketAddr) {
        if let Some(shaped) = self.shaped.remove(&former) {
            self.shaped.insert(remote, shaped);
        }
    }

    /// What the links towards this address have counted.
    pub fn figures(&self, remote: SocketAddr) -> ConditionFigures {
        self.shaped.get(&remote).map_or_else(ConditionFigures::default, Shaped::figures)
    }

    /// Whether figures may have changed since [`take_figures`](Self::take_figures).
    pub const fn is_counting(&self) -> bool {
        self.is_counting
    }

    /// The figures of every peer with a modelled link.
    pub fn take_figures(&mut self) -> impl Iterator<Item = (PeerId, ConditionFigures)> {
        self.is_counting = false;
        self.shaped.values().map(|shaped| (shaped.peer, shaped.figures()))
    }

    /// Takes a datagram in if its way, from or to this address, is modelled; `false` leaves it to the caller.
    pub fn handle(&mut self, now: Instant, way: (Direction, SocketAddr), bytes: &[u8], meta: Meta) -> bool {
        let (direction, remote) = way;
        let Some(link) = self.link(remote, direction) else { return false };
        link.handle_datagram(now, bytes, meta);
        self.is_counting = true;
        true
    }

    fn link(&mut self, remote: SocketAddr, direction: Direction) -> Option<&mut ModelLink<Meta>> {
        let shaped = self.shaped.get_mut(&remote)?;
        match direction {
            Direction::Incoming => shaped.incoming.as_mut(),
            Direction::Outgoing => shaped.outgoing.as_mut(),
        }
    }

    /// Hands over what arrives by now.
    pub fn deliver(&mut self, now: Instant, mut to: impl FnMut(Direction, &mut [u8], Meta)) {
        for shaped in self.shaped.values_mut() {
            for (direction, link) in
                [(Direction::Incoming, &mut shaped.incoming), (Direction::Outgoing, &mut shaped.outgoing)]
            {
                let Some(link) = link else { continue };
                let before = link.statistics();
                while let Some(delivery) = link.poll_delivery(now) {
                    to(direction, delivery.bytes, delivery.meta);
                }
                // Without a delivery, too: what left the queue of a bottleneck may have been lost behind it.
                self.is_counting |= link.statistics() != before;
            }
        }
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let links = self.shaped.values().flat_map(|shaped| [&shaped.incoming, &shaped.outgoing]);
        links.flatten().filter_map(ModelLink::poll_timeout).min()
    }
}

impl Shaped {
    fn figures(&self) -> ConditionFigures {
        ConditionFigures {
            incoming: self.incoming.as_ref().map(ModelLink::statistics),
            outgoing: self.outgoing.as_ref().map(ModelLink::statistics),
        }
    }
}
