//! Cipher suites: what protects a packet, and who chooses it.

use std::fmt;

/// How data packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-256-GCM: fastest where the processor has AES instructions, which is nearly everywhere.
    Aes256Gcm,
    /// ChaCha20-Poly1305: for processors without them.
    ChaCha20Poly1305,
    /// No encryption and no authentication, only a checksum. For debugging and closed networks; both sides
    /// must ask for it.
    Plaintext,
    /// Nothing at all: the stream that carries the packets protects them, or is on this machine. For browsers, which have TLS
    /// and no keys of ours; servers take it by [`Browsers`](crate::handshake::server::Browsers) alone.
    Carried,
}

impl Suite {
    /// All suites.
    pub const ALL: [Self; 4] = [Self::Aes256Gcm, Self::ChaCha20Poly1305, Self::Plaintext, Self::Carried];

    /// The suite's bit in offers and answers.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Aes256Gcm => 0b0000_0001,
            Self::ChaCha20Poly1305 => 0b0000_0010,
            Self::Plaintext => 0b1000_0000,
            Self::Carried => 0b0100_0000,
        }
    }

    /// The suite whose bit this is; `None` if no bit, several bits or a reserved bit is set.
    #[must_use]
    pub fn from_bit(bits: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.bit() == bits)
    }

    /// Length of the tag at the end of each packet.
    #[must_use]
    #[inline]
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 16,
            Self::Plaintext => 4,
            Self::Carried => 0,
        }
    }

    /// Whether outsiders can neither read nor change packets by what the packets themselves have.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        !matches!(self, Self::Plaintext | Self::Carried)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes256Gcm => "AES-256-GCM",
            Self::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Self::Plaintext => "plaintext",
            Self::Carried => "carried",
        })
    }
}

/// The suites a client offers: ciphers, or one that is none alone; never empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SuiteSet(u8);

impl SuiteSet {
    /// Every cipher; the default.
    pub const ENCRYPTED: Self = Self(Suite::Aes256Gcm.bit() | Suite::ChaCha20Poly1305.bit());
    /// Plaintext and nothing else.
    pub const PLAINTEXT: Self = Self::only(Suite::Plaintext);
    /// What a stream carries as it is, and nothing else.
    pub const CARRIED: Self = Self::only(Suite::Carried);

    /// One suite alone.
    #[must_use]
    pub const fn only(suite: Suite) -> Self {
        Self(suite.bit())
    }

    /// The set with these wire bits; `None` if it is empty, has a reserved bit, or mixes plaintext or carried with
    /// another suite.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        let ciphers = Self::ENCRYPTED.0;
        let is_alone = bits == Self::PLAINTEXT.0 || bits == Self::CARRIED.0;
        if is_alone || (bits != 0 && bits & !ciphers == 0) { Some(Self(bits)) } else { None }
    }

    /// The set's wire bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the suite is in the set.
    #[must_use]
    pub const fn contains(self, suite: Suite) -> bool {
        self.0 & suite.bit() != 0
    }

    /// Whether the set is plaintext.
    #[must_use]
    pub const fn is_plaintext(self) -> bool {
        self.0 == Self::PLAINTEXT.0
    }
}

impl Default for SuiteSet {
    fn default() -> Self {
        Self::ENCRYPTED
    }
}

impl fmt::Debug for SuiteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Suite::ALL.into_iter().filter(|&suite| self.contains(suite))).finish()
    }
}

/// The suites a server takes, the one it likes best first. Its [`Default`] is AES-256-GCM, then
/// ChaCha20-Poly1305, and no plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuitePreference {
    order: [Option<Suite>; Suite::ALL.len()],
}

impl SuitePreference {
    /// A preference from a list; repetitions are ignored. `None` if the list is empty.
    #[must_use]
    pub fn new(suites: &[Suite]) -> Option<Self> {
        let mut order = [None; Suite::ALL.len()];
        let mut count = 0;
        for &suite in suites {
            if !order.contains(&Some(suite)) {
                order[count] = Some(suite);
                count += 1;
            }
        }
        if count == 0 { None } else { Some(Self { order }) }
    }

    /// The first suite of this list that the client offers.
    #[must_use]
    pub fn choose(&self, offer: SuiteSet) -> Option<Suite> {
        self.order.into_iter().flatten().find(|&suite| offer.contains(suite))
    }
}

impl Default for SuitePreference {
    fn default() -> Self {
        Self { order: [Some(Suite::Aes256Gcm), Some(Suite::ChaCha20Poly1305), None, None] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ciphers_or_one_of_the_others_alone_make_a_set() {
        let valid: Vec<u8> = (0..=255).filter(|&bits| SuiteSet::from_bits(bits).is_some()).collect();
        assert_eq!(valid, [0x01, 0x02, 0x03, 0x40, 0x80]);
        for bits in valid {
            assert_eq!(SuiteSet::from_bits(bits).unwrap().bits(), bits);
        }
        let [aes, chacha, plaintext, carried] = Suite::ALL;
        assert_eq!(
            (0..=255).filter_map(Suite::from_bit).collect::<Vec<_>>(),
            [aes, chacha, carried, plaintext]
        );
    }

    #[test]
    fn the_server_chooses_and_plaintext_needs_both() {
        let default = SuitePreference::default();
        assert_eq!(default.choose(SuiteSet::ENCRYPTED), Some(Suite::Aes256Gcm));
        assert_eq!(default.choose(SuiteSet::only(Suite::ChaCha20Poly1305)), Some(Suite::ChaCha20Poly1305));
        assert_eq!(default.choose(SuiteSet::PLAINTEXT), None);
        let open = SuitePreference::new(&[Suite::Plaintext]).unwrap();
        assert_eq!(open.choose(SuiteSet::ENCRYPTED), None);
        assert_eq!(open.choose(SuiteSet::PLAINTEXT), Some(Suite::Plaintext));
        let slow = [Suite::ChaCha20Poly1305, Suite::ChaCha20Poly1305, Suite::Aes256Gcm];
        assert_eq!(
            SuitePreference::new(&slow).unwrap().choose(SuiteSet::ENCRYPTED),
            Some(Suite::ChaCha20Poly1305)
        );
        assert_eq!(SuitePreference::new(&[]), None);
    }
}
