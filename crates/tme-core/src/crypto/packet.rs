//! Packet protection: seals and opens the data packets of one connection, and renews its keys.
//!
//! Key generations follow `docs/PROTOCOL.md` §3.5. Which generation opens a packet follows from its phase bit
//! and number alone, so every packet is tried with exactly one key: opening in place destroys the ciphertext,
//! and a second trial would be a gift to whoever sends forged packets.

mod aead;
#[cfg(test)]
mod tests;

use std::fmt;

use aead::Aead;

use super::noise::SessionSecrets;
use super::suite::Suite;
use crate::time::{Duration, Instant};

/// Bit of a packet's first byte that carries the key phase: the key generation modulo 2.
pub const KEY_PHASE_BIT: u8 = 0b0000_0010;

/// When keys are renewed and given up. The default is what `docs/PROTOCOL.md` says; tests lower it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// Packets sealed in one generation before the next one is begun. Default 2²³: AES-GCM stays within its
    /// confidentiality bound at full-size packets (RFC 9001, appendix B.1).
    pub packets_max: u64,
    /// Time after which a generation is replaced however little was sent. Default one hour.
    pub generation_time_max: Duration,
    /// Packets that may fail to open with one key before the connection must close. Default 2³⁶: below the
    /// integrity bound of both ciphers (RFC 9001 §6.6) for packets of our sizes.
    pub failed_opens_max: u64,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self {
            packets_max: 1 << 23,
            generation_time_max: Duration::from_secs(3_600),
            failed_opens_max: 1 << 36,
        }
    }
}

/// Why a packet did not open. The datagram's bytes behind the header are worthless afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Shorter than its header, one byte of payload and the tag.
    TooShort,
    /// The tag does not verify: forged, damaged, or of another connection. Drop and count it.
    Unauthentic,
    /// It was sealed with an older generation whose keys are erased. Drop and count it.
    KeyErased,
    /// One more forgery than a key may see: the connection closes with reason 106.
    KeyExhausted,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "packet is shorter than header, payload and tag",
            Self::Unauthentic => "packet does not verify",
            Self::KeyErased => "packet was sealed with a key that is erased by now",
            Self::KeyExhausted => "too many forged packets for one key",
        })
    }
}

impl std::error::Error for OpenError {}

/// Seals and opens the packets of one connection, in place and without allocating.
///
/// Keys are renewed by themselves: sealing begins the next generation when [`KeyLimits`] says so, and opening
/// follows the other side. Only then is memory allocated, once for the next and once for the previous
/// generation.
#[derive(Debug)]
pub struct PacketProtection(Protection);

#[derive(Debug)]
enum Protection {
    /// Boxed: two key schedules of `ring` are 1,088 bytes, which a plaintext connection need not carry.
    Aead(Box<Aead>),
    Plaintext,
    Carried,
}

impl PacketProtection {
    /// Protection for a session that begins at `now`.
    #[must_use]
    pub fn new(suite: Suite, secrets: &SessionSecrets, limits: KeyLimits, now: Instant) -> Self {
        Self(match suite {
            Suite::Plaintext => Protection::Plaintext,
            Suite::Carried => Protection::Carried,
            Suite::Aes256Gcm => {
                Protection::Aead(Box::new(Aead::new(&ring::aead::AES_256_GCM, secrets, limits, now)))
            }
            Suite::ChaCha20Poly1305 => {
                Protection::Aead(Box::new(Aead::new(&ring::aead::CHACHA20_POLY1305, secrets, limits, now)))
            }
        })
    }

    /// Length of the tag at the end of each packet.
    #[must_use]
    #[inline]
    pub const fn tag_bytes(&self) -> usize {
        match self.0 {
            Protection::Aead(_) => 16,
            Protection::Plaintext => 4,
            Protection::Carried => 0,
        }
    }

    /// Seals a packet in its buffer: `datagram` is `header_bytes` of header, the payload, and
    /// [`tag_bytes`](Self::tag_bytes) of room for the tag.
    ///
    /// The key phase bit of the first byte is set here, after the next generation was begun if it is due. A
    /// number must never be sealed twice, and numbers must rise.
    ///
    /// # Panics
    /// If the buffer is shorter than header and tag.
    #[inline]
    pub fn seal_in_place(&mut self, now: Instant, number: u64, datagram: &mut [u8], header_bytes: usize) {
        match &mut self.0 {
            Protection::Aead(aead) => aead.seal(now, number, datagram, header_bytes),
            Protection::Plaintext => {
                datagram[0] &= !KEY_PHASE_BIT;
                let (packet, tag) =
                    datagram.split_last_chunk_mut::<4>().expect("the caller leaves room for the tag");
                *tag = checksum(number, packet).to_le_bytes();
            }
            Protection::Carried => datagram[0] &= !KEY_PHASE_BIT,
        }
    }

    /// Opens a packet in its buffer and returns the length of its payload, which then stands behind the
    /// header.
    ///
    /// The caller has checked the number against its replay window, and records it there only after this
    /// succeeded.
    #[inline]
    pub fn open_in_place(
        &mut self,
        now: Instant,
        number: u64,
        datagram: &mut [u8],
        header_bytes: usize,
    ) -> Result<usize, OpenError> {
        if datagram.len() <= header_bytes + self.tag_bytes() {
            return Err(OpenError::TooShort);
        }
        let payload_bytes = datagram.len() - header_bytes - self.tag_bytes();
        match &mut self.0 {
            Protection::Aead(aead) => aead.open(now, number, datagram, header_bytes)?,
            Protection::Plaintext => {
                let (packet, tag) = datagram.split_last_chunk::<4>().ok_or(OpenError::TooShort)?;
                let phase = packet[0] & KEY_PHASE_BIT;
                if phase != 0 || *tag != checksum(number, packet).to_le_bytes() {
                    return Err(OpenError::Unauthentic);
                }
            }
            Protection::Carried => {
                if datagram.first().is_none_or(|first| first & KEY_PHASE_BIT != 0) {
                    return Err(OpenError::Unauthentic);
                }
            }
        }
        Ok(payload_bytes)
    }

    /// Learns that the other side acknowledged packet `number`; `probe_timeout` is the current one.
    ///
    /// Confirms the generation the packet was sent in. The next update becomes possible by that, and the
    /// previous receiving keys are erased three probe time-outs later.
    #[inline]
    pub fn handle_acknowledged(&mut self, now: Instant, number: u64, probe_timeout: Duration) {
        if let Protection::Aead(aead) = &mut self.0 {
            aead.handle_acknowledged(now, number, probe_timeout);
        }
    }

    /// Erases the previous receiving keys if their time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Protection::Aead(aead) = &mut self.0 {
            aead.expire(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.0 {
            Protection::Aead(aead) => aead.erase_at(),
            Protection::Plaintext | Protection::Carried => None,
        }
    }

    /// The generation of the sending keys: how often they were renewed.
    #[must_use]
    pub fn send_generation(&self) -> u64 {
        match &self.0 {
            Protection::Aead(aead) => aead.send_generation(),
            Protection::Plaintext | Protection::Carried => 0,
        }
    }

    /// The generation of the receiving keys.
    #[must_use]
    pub fn receive_generation(&self) -> u64 {
        match &self.0 {
            Protection::Aead(aead) => aead.receive_generation(),
            Protection::Plaintext | Protection::Carried => 0,
        }
    }

    /// The phase bit of the next packet to be sealed, unless sealing it begins a new generation.
    #[must_use]
    pub fn send_phase(&self) -> bool {
        self.send_generation() % 2 == 1
    }
}

/// What a plaintext packet has instead of a tag: CRC-32C over the full number, header and payload.
fn checksum(number: u64, packet: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), packet)
}
