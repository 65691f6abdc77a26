//! Which peer has which proven identity: by key, and by the user id of a connect token.

use std::collections::BTreeMap;

use crate::connection::{Connected, PeerId};
use crate::crypto::keys::PublicKey;
use crate::token::UserId;

/// What a client has proven of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub key: Option<PublicKey>,
    pub user: Option<UserId>,
}

impl Identity {
    /// The identity of a client at a server; `None` if it has proven nothing.
    pub fn of(info: &Connected) -> Option<Self> {
        let user = info.token.as_ref().map(|token| token.user.clone());
        (info.key.is_some() || user.is_some()).then_some(Self { key: info.key, user })
    }
}

/// Connected peers by identity.
#[derive(Debug, Default)]
pub struct Identities {
    keys: BTreeMap<PublicKey, PeerId>,
    users: BTreeMap<UserId, PeerId>,
}

impl Identities {
    /// Peers that share something with this identity: two, if the key is one's and the user the other's.
    pub fn find(&self, identity: &Identity) -> [Option<PeerId>; 2] {
        let by_user = identity.user.as_ref().and_then(|user| self.users.get(user)).copied();
        let by_key = identity.key.as_ref().and_then(|key| self.keys.get(key)).copied();
        [by_user, by_key.filter(|_| by_key != by_user)]
    }

    pub fn insert(&mut self, identity: &Identity, peer: PeerId) {
        if let Some(key) = identity.key {
            self.keys.insert(key, peer);
        }
        if let Some(user) = &identity.user {
            self.users.insert(user.clone(), peer);
        }
    }

    /// Forgets a peer, unless somebody else has taken its place.
    pub fn remove(&mut self, identity: &Identity, peer: PeerId) {
        if let Some(key) = identity.key.filter(|key| self.keys.get(key) == Some(&peer)) {
            self.keys.remove(&key);
        }
        if let Some(user) = identity.user.as_ref().filter(|user| self.users.get(user) == Some(&peer)) {
            self.users.remove(user);
        }
    }
}
