//! Reset tokens: how a server that lost its memory tells a client so, and nobody else can.

use std::fmt;
use std::net::IpAddr;

use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keys::SecretKey;
use super::{SHORT_MAC_BYTES, address_bytes, hkdf_expand, hkdf_extract, short_mac};

/// Length of a reset token.
pub const RESET_TOKEN_BYTES: usize = SHORT_MAC_BYTES;

/// The secret that ends one connection, sent to its client in ACCEPT. Compared in constant time, never
/// printed.
#[derive(Clone, Copy)]
pub struct ResetToken([u8; RESET_TOKEN_BYTES]);

impl ResetToken {
    /// The token with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; RESET_TOKEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The token's bytes, as they travel.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; RESET_TOKEN_BYTES] {
        &self.0
    }
}

impl PartialEq for ResetToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ResetToken {}

impl fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetToken(..)")
    }
}

/// Makes reset tokens. Follows from the server's static key alone, so that a restarted server makes the same.
#[derive(Clone, Debug)]
pub struct ResetKey(hmac::Key);

impl ResetKey {
    /// The key that belongs to a server's static key.
    #[must_use]
    pub fn new(server: &SecretKey) -> Self {
        let key: Zeroizing<[u8; 32]> =
            Zeroizing::new(hkdf_expand(&hkdf_extract(b"TME reset", server.expose()), b"reset"));
        Self(hmac::Key::new(hmac::HMAC_SHA256, &*key))
    }

    /// The token of the connection with this id (the one the server chose) to this client.
    #[must_use]
    pub fn token(&self, connection_id: u32, client: IpAddr) -> ResetToken {
        ResetToken(short_mac(&self.0, &[&connection_id.to_le_bytes(), &address_bytes(client)]))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_restarted_server_makes_the_same_token_and_others_do_not() {
        let server = SecretKey::from_bytes([7; 32]);
        let client = IpAddr::from([192, 0, 2, 1]);
        let token = ResetKey::new(&server).token(5, client);
        assert_eq!(ResetKey::new(&server.clone()).token(5, client), token);
        let others = [
            ResetKey::new(&server).token(6, client),
            ResetKey::new(&server).token(5, IpAddr::from([192, 0, 2, 2])),
            ResetKey::new(&SecretKey::from_bytes([8; 32])).token(5, client),
        ];
        assert!(others.iter().all(|other| *other != token));
    }

    #[test]
    fn an_ipv4_client_has_one_token_on_both_kinds_of_socket() {
        let key = ResetKey::new(&SecretKey::from_bytes([7; 32]));
        let v4 = Ipv4Addr::new(192, 0, 2, 1);
        let mapped: Ipv6Addr = v4.to_ipv6_mapped();
        assert_eq!(key.token(1, v4.into()), key.token(1, mapped.into()));
    }
}
