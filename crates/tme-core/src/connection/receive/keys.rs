//! What the receiver of a reliable-latest channel remembers of its keys: which values are in pieces, and what is too old.

use std::collections::{BTreeMap, BTreeSet};

/// So many keys are not worth forgetting.
const KEYS_FEW: usize = 64;

/// Keys of one channel. Channels of other modes have none of it.
#[derive(Debug)]
pub(super) struct Keys {
    /// Key and sequence of each value under reassembly.
    partials: BTreeSet<(u32, u64)>,
    /// Newest sequence delivered of each key, at least of those where an older one may still come: below the lowest sequence
    /// not received nothing does.
    newest: BTreeMap<u32, u64>,
    /// With so many keys it is worth while to forget the others.
    forget_at: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self { partials: BTreeSet::new(), newest: BTreeMap::new(), forget_at: KEYS_FEW }
    }
}

impl Keys {
    /// Whether a newer value of the key was delivered.
    pub fn is_stale(&self, key: u32, sequence: u64) -> bool {
        self.newest.get(&key).is_some_and(|&newest| sequence < newest)
    }

    /// The oldest value of the key under reassembly that is older than this one.
    pub fn older_partial(&self, key: u32, sequence: u64) -> Option<u64> {
        self.partials.range((key, 0)..(key, sequence)).next().map(|&(_, older)| older)
    }

    /// The first piece of a value came.
    pub fn insert_partial(&mut self, key: u32, sequence: u64) {
        self.partials.insert((key, sequence));
    }

    /// A value is no longer under reassembly.
    pub fn remove_partial(&mut self, key: u32, sequence: u64) {
        self.partials.remove(&(key, sequence));
    }

    /// A value was delivered; everything below `base` was received.
    pub fn handle_delivered(&mut self, key: u32, sequence: u64, base: u64) {
        self.newest.insert(key, sequence);
        if self.newest.len() >= self.forget_at {
            self.forget(base);
        }
    }

    /// Forgets the keys of which nothing older can come any more. The others are at most as many as the sequences that are
    /// told apart, so what is remembered is bounded whatever the peer does.
    pub fn forget(&mut self, base: u64) {
        self.newest.retain(|_, &mut sequence| sequence >= base);
        self.forget_at = KEYS_FEW.max(2 * self.newest.len());
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty() && self.partials.is_empty()
    }

    /// Keys of which a sequence is remembered.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.newest.len()
    }

    /// Keys and sequences of values under reassembly.
    #[cfg(test)]
    pub fn partials(&self) -> Vec<(u32, u64)> {
        self.partials.iter().copied().collect()
    }
}
