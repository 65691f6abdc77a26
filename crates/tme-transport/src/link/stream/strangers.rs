//! Accepted streams that nobody has claimed, by network: which of them gives way where there is no room.
//!
//! Whoever opens streams faster than newcomers can shake hands would push them all out if simply the oldest gave way. So the
//! network that has the most gives one up, its oldest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use tme_core::endpoint::Network;
use tme_core::time::Instant;

/// Since when, and its number.
type Place = (Instant, u32);

#[derive(Debug, Default)]
pub(super) struct Strangers {
    networks: BTreeMap<Network, BTreeSet<Place>>,
    /// Networks by how many they have; of equal ones whoever has the oldest comes last.
    ranking: BTreeSet<(usize, Reverse<Place>, Network)>,
    count: usize,
}

impl Strangers {
    pub const fn count(&self) -> usize {
        self.count
    }

    pub fn insert(&mut self, network: Network, since: Instant, number: u32) {
        self.change(network, |places| places.insert((since, number)));
    }

    pub fn remove(&mut self, network: Network, since: Instant, number: u32) {
        self.change(network, |places| places.remove(&(since, number)));
    }

    /// Who gives way next.
    pub fn victim(&self) -> Option<u32> {
        self.ranking.last().map(|&(_, Reverse((_, number)), _)| number)
    }

    fn change(&mut self, network: Network, change: impl FnOnce(&mut BTreeSet<Place>) -> bool) {
        let places = self.networks.entry(network).or_default();
        let rank =
            |places: &BTreeSet<Place>| places.first().map(|&oldest| (places.len(), Reverse(oldest), network));
        let (before, former) = (places.len(), rank(places));
        change(places);
        let (after, latter) = (places.len(), rank(places));
        if places.is_empty() {
            self.networks.remove(&network);
        }
        self.count = self.count - before + after;
        if let Some(rank) = former {
            self.ranking.remove(&rank);
        }
        self.ranking.extend(latter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn the_network_with_the_most_gives_up_its_oldest_and_among_equals_the_oldest_of_all_goes() {
        let at = Instant::from_micros;
        let (flood, old, new) = (network("192.0.2.1"), network("198.51.100.1"), network("2001:db8::1"));
        let mut strangers = Strangers::default();
        assert_eq!(strangers.victim(), None);
        strangers.insert(old, at(1), 10);
        strangers.insert(new, at(9), 11);
        assert_eq!(strangers.victim(), Some(10));
        for number in [22, 21, 20] {
            strangers.insert(flood, at(5), number);
        }
        strangers.insert(flood, at(5), 20);
        assert_eq!(strangers.count(), 5, "nobody twice");
        for (number, left) in [(20, 4), (21, 3)] {
            assert_eq!(strangers.victim(), Some(number));
            strangers.remove(flood, at(5), number);
            assert_eq!(strangers.count(), left);
        }
        assert_eq!(strangers.victim(), Some(10), "one each, and it came first");
        strangers.remove(old, at(1), 10);
        strangers.remove(old, at(1), 10);
        assert_eq!(strangers.victim(), Some(22));
        strangers.remove(flood, at(5), 22);
        strangers.remove(new, at(9), 11);
        assert!(strangers.networks.is_empty() && strangers.ranking.is_empty() && strangers.count() == 0);
    }
}
