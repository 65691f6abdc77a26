//! Keys, ciphers and the small proofs that packets and handshakes are made of.
//!
//! Everything random comes in as bytes; nothing here asks the operating system. Secrets that we hold
//! ourselves are erased when dropped; the key schedules inside `ring` are not, because `ring` offers no way
//! to.

pub mod cookie;
pub mod keys;
pub(crate) mod noise;
pub mod packet;
pub mod replay;
pub mod reset;
pub mod suite;
#[cfg(test)]
mod vectors;

pub use noise::{Pattern, SessionSecrets};

use ring::{hkdf, hmac};

/// Length of a truncated HMAC-SHA256 as it stands in cookies and reset tokens: 128 bits are out of reach for
/// somebody who may only guess online.
const SHORT_MAC_BYTES: usize = 16;

/// One expansion of HKDF-SHA256 (RFC 5869) into `out`.
fn hkdf_expand<const N: usize>(pseudo_random_key: &hkdf::Prk, label: &[u8]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    pseudo_random_key.expand(&[label], Length(N)).and_then(|okm| okm.fill(&mut out)).expect(
        "N is far below the 255 × 32 bytes at which HKDF-Expand fails, and equals the length asked for",
    );
    out
}

/// HKDF-Extract with SHA-256 (RFC 5869).
fn hkdf_extract(salt: &[u8], secret: &[u8]) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret)
}

/// The first 16 bytes of HMAC-SHA256 over the concatenation of `parts`.
fn short_mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; SHORT_MAC_BYTES] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let tag = context.sign();
    let mut short = [0; SHORT_MAC_BYTES];
    short.copy_from_slice(&tag.as_ref()[..SHORT_MAC_BYTES]);
    short
}

/// A number for a name: the first 8 bytes of its SHA-256, little-endian. Application ids are made this way.
#[must_use]
pub fn name_hash(name: &str) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    let first = digest.as_ref().first_chunk().copied();
    u64::from_le_bytes(first.unwrap_or_default())
}

/// An IP address as 16 bytes, IPv4 mapped into IPv6, as cookies and reset tokens contain it.
#[must_use]
pub fn address_bytes(address: std::net::IpAddr) -> [u8; 16] {
    match address {
        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        std::net::IpAddr::V6(v6) => v6.octets(),
    }
}
