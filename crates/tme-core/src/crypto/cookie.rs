//! Cookies: how a client proves that it receives at its address before the server stores anything.

use std::fmt;
use std::net::SocketAddr;

use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keys::PublicKey;
use super::{SHORT_MAC_BYTES, address_bytes, short_mac};
use crate::random::Random;
use crate::time::{Duration, Instant};

/// Length of a cookie: 4 bytes of time, 16 of HMAC.
pub const COOKIE_BYTES: usize = 4 + SHORT_MAC_BYTES;

/// How long a cookie is accepted, in whole seconds of the server's clock.
const COOKIE_SECONDS: u32 = 5;

/// After this time no cookie made before is accepted: its seconds, and the one that counting in whole seconds
/// may add.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(COOKIE_SECONDS as u64 + 1);

/// A cookie as it travels; opaque to clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cookie(pub [u8; COOKIE_BYTES]);

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// What a cookie is bound to.
#[derive(Clone, Copy, Debug)]
pub struct CookieSubject {
    /// The client's address and port.
    pub client: SocketAddr,
    /// The nonce of its offer.
    pub client_nonce: u64,
    /// The ephemeral key of its offer.
    pub client_ephemeral: PublicKey,
}

/// What the server thinks of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieVerdict {
    /// Made by us for this client within the last seconds.
    Valid,
    /// Made by us for this client, but too long ago.
    Expired,
    /// Not made by us, or not for this client.
    Invalid,
}

/// Makes and verifies cookies, storing nothing.
///
/// One key serves a whole run. Rotating it would bring nothing: cookies carry their time and age within
/// seconds, HMAC-SHA256 does not wear out at any rate a network can ask for, and who could read the key from
/// our memory would find the static key beside it. Servers that share a port must share the key, hence
/// [`CookieKey::from_bytes`].
#[derive(Clone, Debug)]
pub struct CookieKey(hmac::Key);

impl CookieKey {
    /// A new key from the driver's randomness.
    #[must_use]
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes);
        Self::from_bytes(&bytes)
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A cookie for this client, valid from `now` on for 5 to 6 s: whole seconds are compared.
    #[must_use]
    pub fn issue(&self, now: Instant, subject: &CookieSubject) -> Cookie {
        let time = seconds(now).to_le_bytes();
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..4].copy_from_slice(&time);
        cookie[4..].copy_from_slice(&self.mac(time, subject));
        Cookie(cookie)
    }

    /// Checks a cookie that came from this client: one HMAC, constant time.
    #[must_use]
    pub fn verify(&self, now: Instant, subject: &CookieSubject, cookie: &Cookie) -> CookieVerdict {
        let [t0, t1, t2, t3, mac @ ..] = cookie.0;
        let time = [t0, t1, t2, t3];
        let is_ours: bool = self.mac(time, subject).ct_eq(&mac).into();
        if !is_ours {
            CookieVerdict::Invalid
        } else if seconds(now).wrapping_sub(u32::from_le_bytes(time)) <= COOKIE_SECONDS {
            CookieVerdict::Valid
        } else {
            CookieVerdict::Expired
        }
    }

    fn mac(&self, time: [u8; 4], subject: &CookieSubject) -> [u8; SHORT_MAC_BYTES] {
        short_mac(
            &self.0,
            &[
                &time,
                &address_bytes(subject.client.ip()),
                &subject.client.port().to_le_bytes(),
                &subject.client_nonce.to_le_bytes(),
                subject.client_ephemeral.as_bytes(),
            ],
        )
    }
}

/// Whole seconds of the clock; wraps after 136 years, and the subtraction above with it.
fn seconds(now: Instant) -> u32 {
    (now.as_micros() / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    fn subject() -> CookieSubject {
        CookieSubject {
            client: "192.0.2.1:4000".parse().unwrap(),
            client_nonce: 77,
            client_ephemeral: PublicKey::from_bytes([3; 32]),
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_cookie_is_bound_to_address_port_nonce_and_ephemeral() {
        let key = CookieKey::generate(&mut SeededRandom::new(1));
        let cookie = key.issue(at(9), &subject());
        assert_eq!(key.verify(at(9), &subject(), &cookie), CookieVerdict::Valid);
        let strangers = [
            CookieSubject { client: "192.0.2.2:4000".parse().unwrap(), ..subject() },
            CookieSubject { client: "192.0.2.1:4001".parse().unwrap(), ..subject() },
            CookieSubject { client_nonce: 78, ..subject() },
            CookieSubject { client_ephemeral: PublicKey::from_bytes([4; 32]), ..subject() },
        ];
        for stranger in strangers {
            assert_eq!(key.verify(at(9), &stranger, &cookie), CookieVerdict::Invalid);
        }
        let other_run = CookieKey::generate(&mut SeededRandom::new(2));
        assert_eq!(other_run.verify(at(9), &subject(), &cookie), CookieVerdict::Invalid);
    }

    #[test]
    fn a_cookie_ages_even_across_the_wrap_of_its_seconds() {
        let key = CookieKey::generate(&mut SeededRandom::new(1));
        for start in [0, 100, u64::from(u32::MAX) - 2] {
            let cookie = key.issue(at(start), &subject());
            for age in 0..10 {
                let expected = if age <= 5 { CookieVerdict::Valid } else { CookieVerdict::Expired };
                assert_eq!(key.verify(at(start + age), &subject(), &cookie), expected, "{age} s");
            }
            assert_eq!(key.verify(at(start) + COOKIE_LIFETIME, &subject(), &cookie), CookieVerdict::Expired);
        }
    }

    #[test]
    fn no_bit_of_a_cookie_can_be_changed() {
        let key = CookieKey::generate(&mut SeededRandom::new(1));
        let cookie = key.issue(at(9), &subject());
        for bit in 0..COOKIE_BYTES * 8 {
            let mut forged = cookie;
            forged.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.verify(at(9), &subject(), &forged), CookieVerdict::Invalid, "bit {bit}");
        }
    }
}
