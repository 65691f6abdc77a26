//! X25519 keys as the people who run servers handle them: 32 bytes, written as 64 hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use curve25519_dalek::montgomery::MontgomeryPoint;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::random::Random;

/// Length of a public or secret key.
pub const KEY_BYTES: usize = 32;

/// An X25519 public key. Written and parsed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// The key with these bytes. Any 32 bytes are a public key; weak ones are found out in the key exchange.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, as they travel.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyParseError;

    fn from_str(text: &str) -> Result<Self, KeyParseError> {
        parse_hex(text).map(|bytes| Self(*bytes))
    }
}

/// An X25519 secret key. Erased when dropped, never printed; [`SecretKey::to_hex`] is the one way out.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_BYTES]>);

impl SecretKey {
    /// A new key from the driver's randomness.
    #[must_use]
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random.fill(&mut *bytes);
        Self(bytes)
    }

    /// The key with these bytes (clamped when used, RFC 7748).
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Parses 64 hexadecimal digits; surrounding white space, as in a file, is allowed.
    pub fn from_hex(text: &str) -> Result<Self, KeyParseError> {
        parse_hex(text).map(Self)
    }

    /// The key as 64 hexadecimal digits, erased when dropped. For storing it; never for a log.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        to_hex(&self.0)
    }

    /// The public key that belongs to this one: one multiplication by the base point, about 17 µs.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }

    /// The secret both owners of the two key pairs can compute: one multiplication, about 48 µs.
    ///
    /// `None` if the other side sent one of the few points that give zero whatever our key is (RFC 7748 §6.1):
    /// a session over such a "secret" would be readable to everybody.
    pub(crate) fn shared_secret(&self, theirs: &PublicKey) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let shared = Zeroizing::new(MontgomeryPoint(theirs.0).mul_clamped(*self.0).to_bytes());
        let is_zero: bool = shared.ct_eq(&[0; KEY_BYTES]).into();
        if is_zero { None } else { Some(shared) }
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl ConstantTimeEq for SecretKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&*other.0)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A secret key with its public key, so that the latter is computed once.
#[derive(Clone, Debug)]
pub struct KeyPair {
    secret: SecretKey,
    public: PublicKey,
}

impl KeyPair {
    /// A new pair from the driver's randomness: one multiplication by the base point.
    #[must_use]
    pub fn generate(random: &mut dyn Random) -> Self {
        Self::from(SecretKey::generate(random))
    }

    /// The secret half.
    #[must_use]
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) const fn public_ref(&self) -> &PublicKey {
        &self.public
    }
}

impl From<SecretKey> for KeyPair {
    fn from(secret: SecretKey) -> Self {
        let public = secret.public_key();
        Self { secret, public }
    }
}

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyParseError {
    /// Not 64 characters long.
    Length {
        /// How many characters it has.
        characters: usize,
    },
    /// A character that is no hexadecimal digit.
    NotHexadecimal {
        /// Where, counted from 0.
        position: usize,
    },
}

impl KeyParseError {
    /// Stable number of the kind, the same in every language.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Length { .. } => 1,
            Self::NotHexadecimal { .. } => 2,
        }
    }
}

impl fmt::Display for KeyParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { characters } => {
                write!(f, "a key is {} hexadecimal digits, not {characters} characters", 2 * KEY_BYTES)
            }
            Self::NotHexadecimal { position } => {
                write!(f, "character {position} of the key is no hexadecimal digit")
            }
        }
    }
}

impl std::error::Error for KeyParseError {}

/// The bytes of a secret as hexadecimal digits, erased when dropped.
pub(crate) fn to_hex(bytes: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    use fmt::Write as _;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

pub(crate) fn parse_hex(text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyParseError> {
    let text = text.trim();
    let characters = text.chars().count();
    if characters != 2 * KEY_BYTES {
        return Err(KeyParseError::Length { characters });
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    for (position, character) in text.chars().enumerate() {
        let digit = character.to_digit(16).ok_or(KeyParseError::NotHexadecimal { position })?;
        bytes[position / 2] = bytes[position / 2] << 4 | digit as u8;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn keys_and_secrets_are_those_of_rfc_7748() {
        let bob =
            SecretKey::from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb").unwrap();
        let alice = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a".parse().unwrap();
        assert_eq!(
            bob.public_key().to_string(),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
        );
        let shared = SecretKey(bob.shared_secret(&alice).unwrap());
        assert_eq!(*shared.to_hex(), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    }

    #[test]
    fn points_of_low_order_give_no_secret() {
        let secret = SecretKey::generate(&mut SeededRandom::new(1));
        let mut one = [0; 32];
        one[0] = 1;
        for weak in [[0; 32], one] {
            assert!(secret.shared_secret(&PublicKey::from_bytes(weak)).is_none());
        }
    }

    #[test]
    fn keys_survive_being_written_and_parsed() {
        let pair = KeyPair::generate(&mut SeededRandom::new(3));
        assert_eq!(pair.public().to_string().parse(), Ok(pair.public()));
        let read = SecretKey::from_hex(&format!(" {}\n", *pair.secret().to_hex())).unwrap();
        assert!(bool::from(read.ct_eq(pair.secret())));
        assert_eq!(format!("{:?}", pair.secret()), "SecretKey(..)");
    }

    #[test]
    fn texts_that_are_no_keys_are_refused_with_the_place() {
        let digits = |count| "0".repeat(count);
        let cases = [
            ("abc".to_owned(), KeyParseError::Length { characters: 3 }, 1),
            (format!("{}x{}", digits(10), digits(53)), KeyParseError::NotHexadecimal { position: 10 }, 2),
            ("é".repeat(64), KeyParseError::NotHexadecimal { position: 0 }, 2),
        ];
        for (text, error, kind) in cases {
            assert_eq!(text.parse::<PublicKey>(), Err(error));
            assert_eq!(error.kind(), kind);
        }
    }
}
