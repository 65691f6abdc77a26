//! Peers that were accepted and have not sent a packet yet, by network: whom to let go of when a server is full.
//!
//! Whoever completes a handshake and then says nothing holds a place for ten seconds. As long as there are others that
//! harms nobody. At a full server the network that holds the most such places gives one up to a network that holds fewer,
//! so that one line cannot keep a server full.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::connection::PeerId;
use crate::crypto::address_bytes;
use crate::time::{Duration, Instant};

/// After this time without a first packet a place may go to anybody: some round trips of a slow path, a probe
/// included.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is likely to be one customer's: an IPv4 /24 or an IPv6 /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network([u8; 16]);

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let mut bytes = address_bytes(address);
        bytes[if address.is_ipv4() { 15 } else { 7 }..].fill(0);
        Self(bytes)
    }
}

type Place = (Instant, PeerId);

/// A place that somebody is to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Victim {
    place: Place,
    network: Network,
}

/// The places in question, each with the time since when it is taken.
#[derive(Debug, Default)]
pub struct Unconfirmed {
    order: BTreeMap<Place, Network>,
    networks: BTreeMap<Network, BTreeSet<Place>>,
    /// Networks by how many places they hold.
    ranking: BTreeSet<(usize, Network)>,
}

impl Unconfirmed {
    /// Places in all.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// A place was taken at `since`.
    pub fn insert(&mut self, since: Instant, peer: PeerId, network: Network) {
        let place = (since, peer);
        self.order.insert(place, network);
        let places = self.networks.entry(network).or_default();
        let before = places.len();
        places.insert(place);
        let after = places.len();
        self.ranking.remove(&(before, network));
        self.ranking.insert((after, network));
    }

    /// A place is free, or its peer has confirmed. `false`: it is none of these any more.
    pub fn remove(&mut self, since: Instant, peer: PeerId, network: Network) -> bool {
        let place = (since, peer);
        if self.order.remove(&place).is_none() {
            return false;
        }
        let Some(places) = self.networks.get_mut(&network) else { return true };
        let before = places.len();
        places.remove(&place);
        let after = places.len();
        self.ranking.remove(&(before, network));
        if after == 0 {
            self.networks.remove(&network);
        } else {
            self.ranking.insert((after, network));
        }
        true
    }

    /// Which place to give to a newcomer from this network, if the server is full.
    pub fn victim(&self, now: Instant, network: Network) -> Option<Victim> {
        let own = self.networks.get(&network);
        let own_count = own.map_or(0, BTreeSet::len);
        let &(largest_count, largest) = self.ranking.last()?;
        // With one more the newcomer's network would still hold fewer.
        if own_count + 1 < largest_count {
            return self.networks.get(&largest)?.first().map(|&place| Victim { place, network: largest });
        }
        let own = own.and_then(BTreeSet::first).map(|&place| Victim { place, network });
        let oldest = self.order.first_key_value().map(|(&place, &network)| Victim { place, network });
        let is_overdue = |victim: &Victim| now.saturating_since(victim.place.0) >= PATIENCE;
        own.filter(is_overdue).or(oldest.filter(is_overdue))
    }

    /// Takes the place of a victim away; gives who had it.
    pub fn remove_victim(&mut self, victim: Victim) -> PeerId {
        let Victim { place: (since, peer), network } = victim;
        self.remove(since, peer, network);
        peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn a_network_is_a_24_or_a_56() {
        assert_eq!(network("192.0.2.1"), network("192.0.2.254"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.3.1"));
        assert_eq!(network("2001:db8:1:1::1"), network("2001:db8:1:ff::2"));
        assert_ne!(network("2001:db8:1:1::1"), network("2001:db8:1:100::1"));
    }

    #[test]
    fn the_network_with_the_most_places_gives_way_first() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let (flood, other, new) = (network("192.0.2.1"), network("198.51.100.1"), network("203.0.113.1"));
        let peer = PeerId::from_u64;
        let victim = |unconfirmed: &Unconfirmed, now, network| {
            unconfirmed.victim(now, network).map(|victim| victim.place.1.as_u64())
        };
        let mut unconfirmed = Unconfirmed::default();
        assert_eq!(victim(&unconfirmed, at(9), new), None);
        unconfirmed.insert(at(1), peer(7), other);
        (0..3).for_each(|n| unconfirmed.insert(at(1), peer(10 + n), flood));
        assert_eq!(victim(&unconfirmed, at(1), new), Some(10), "at once, and the oldest of the largest");
        assert_eq!(victim(&unconfirmed, at(1), other), Some(10), "two of three are still fewer");
        assert_eq!(victim(&unconfirmed, at(1), flood), None, "its own ones have time");
        assert_eq!(victim(&unconfirmed, at(3), flood), Some(10), "but not for ever");
        unconfirmed.remove(at(1), peer(10), flood);
        unconfirmed.remove(at(1), peer(11), flood);
        assert_eq!(victim(&unconfirmed, at(1), new), None, "one place each is nobody's excess");
        assert_eq!(victim(&unconfirmed, at(3), new), Some(7), "whoever says nothing for long gives way");
        unconfirmed.remove(at(1), peer(7), other);
        unconfirmed.remove(at(1), peer(12), flood);
        assert_eq!((unconfirmed.count(), unconfirmed.networks.len(), unconfirmed.ranking.len()), (0, 0, 0));
    }
}
