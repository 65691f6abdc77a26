//! The AEAD suites: keys of one direction, their generations, and the nonce.

use ring::aead::{self, Algorithm, LessSafeKey, NONCE_LEN, UnboundKey};
use zeroize::Zeroizing;

use super::super::noise::SessionSecrets;
use super::super::{hkdf_expand, hkdf_extract};
use super::{KEY_PHASE_BIT, KeyLimits, OpenError};
use crate::time::{Duration, Instant};

type Secret = Zeroizing<[u8; 32]>;

/// Probe time-outs for which the previous receiving keys outlive their successor's confirmation.
const RETENTION_PROBE_TIMEOUTS: u32 = 3;

/// One AEAD key with its IV. `ring` builds no erasing key, so the schedule stays in freed memory; the secret
/// it came from does not.
#[derive(Debug)]
struct PacketKey {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
}

impl PacketKey {
    fn nonce(&self, number: u64) -> aead::Nonce {
        let mut nonce = self.iv;
        for (byte, number_byte) in nonce[NONCE_LEN - 8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= number_byte;
        }
        aead::Nonce::assume_unique_for_key(nonce)
    }
}

/// A generation's key, and the secret of the generation after it.
struct Generation {
    key: PacketKey,
    next_secret: Secret,
}

impl Generation {
    fn derive(algorithm: &'static Algorithm, secret: &Secret) -> Self {
        let pseudo_random_key = hkdf_extract(b"TME packet", &**secret);
        let key: Secret = Zeroizing::new(hkdf_expand(&pseudo_random_key, b"key"));
        let unbound = UnboundKey::new(algorithm, &*key).expect("both ciphers take any key of 32 bytes");
        Self {
            key: PacketKey { key: LessSafeKey::new(unbound), iv: hkdf_expand(&pseudo_random_key, b"iv") },
            next_secret: Zeroizing::new(hkdf_expand(&pseudo_random_key, b"next")),
        }
    }
}

struct Sending {
    current: Generation,
    number: u64,
    /// The first packet number sealed with the current key.
    first_packet: Option<u64>,
    packets: u64,
    since: Instant,
    /// A packet of this generation was acknowledged: the other side has moved to it.
    is_confirmed: bool,
}

struct Receiving {
    current: Generation,
    number: u64,
    /// Lowest and highest packet number opened with the current key.
    opened: Option<(u64, u64)>,
    /// Packets that failed to open with the current and with the next key.
    failed: u64,
    failed_next: u64,
    /// Derived when the first packet asks for it, and kept: a forger must not make us derive it again and
    /// again.
    next: Option<Box<Generation>>,
    previous: Option<Box<Previous>>,
}

struct Previous {
    key: PacketKey,
    failed: u64,
    erase_at: Option<Instant>,
}

enum Choice {
    Current,
    Next,
    Previous,
}

pub(super) struct Aead {
    algorithm: &'static Algorithm,
    limits: KeyLimits,
    sending: Sending,
    receiving: Receiving,
}

impl std::fmt::Debug for Aead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aead")
            .field("algorithm", &self.algorithm)
            .field("send_generation", &self.sending.number)
            .field("receive_generation", &self.receiving.number)
            .finish_non_exhaustive()
    }
}

impl Aead {
    pub(super) fn new(
        algorithm: &'static Algorithm,
        secrets: &SessionSecrets,
        limits: KeyLimits,
        now: Instant,
    ) -> Self {
        Self {
            algorithm,
            limits,
            sending: Sending {
                current: Generation::derive(algorithm, &secrets.send),
                number: 0,
                first_packet: None,
                packets: 0,
                since: now,
                is_confirmed: false,
            },
            receiving: Receiving {
                current: Generation::derive(algorithm, &secrets.receive),
                number: 0,
                opened: None,
                failed: 0,
                failed_next: 0,
                next: None,
                previous: None,
            },
        }
    }

    pub(super) fn send_generation(&self) -> u64 {
        self.sending.number
    }

    pub(super) fn receive_generation(&self) -> u64 {
        self.receiving.number
    }

    #[inline]
    pub(super) fn seal(&mut self, now: Instant, number: u64, datagram: &mut [u8], header_bytes: usize) {
        if self.is_update_due(now) {
            self.advance_sending(now);
        }
        self.sending.first_packet.get_or_insert(number);
        self.sending.packets += 1;
        if self.sending.number % 2 == 1 {
            datagram[0] |= KEY_PHASE_BIT;
        } else {
            datagram[0] &= !KEY_PHASE_BIT;
        }
        let (header, rest) = datagram.split_at_mut(header_bytes);
        let (payload, tag) = rest.split_last_chunk_mut::<16>().expect("the caller leaves room for the tag");
        let key = &self.sending.current.key;
        let sealed = key
            .key
            .seal_in_place_separate_tag(key.nonce(number), aead::Aad::from(&*header), payload)
            .expect("a datagram is far below the length at which the ciphers refuse");
        tag.copy_from_slice(sealed.as_ref());
    }

    /// The generation is worn out, the other side is known to have it, and no update is under way. One is under way
    /// until the old receiving keys are erased: the other side would answer a further update with a third generation,
    /// and what it sent before with the oldest could not be opened any more.
    #[inline]
    fn is_update_due(&self, now: Instant) -> bool {
        let sending = &self.sending;
        let is_worn_out = sending.packets >= self.limits.packets_max
            || now.saturating_since(sending.since) >= self.limits.generation_time_max;
        is_worn_out
            && sending.is_confirmed
            && sending.number == self.receiving.number
            && self.receiving.previous.is_none()
    }

    #[cold]
    fn advance_sending(&mut self, now: Instant) {
        let sending = &mut self.sending;
        sending.current = Generation::derive(self.algorithm, &sending.current.next_secret);
        sending.number += 1;
        sending.first_packet = None;
        sending.packets = 0;
        sending.since = now;
        sending.is_confirmed = false;
    }

    #[inline]
    pub(super) fn open(
        &mut self,
        now: Instant,
        number: u64,
        datagram: &mut [u8],
        header_bytes: usize,
    ) -> Result<(), OpenError> {
        let phase = datagram[0] & KEY_PHASE_BIT != 0;
        let choice = self.receiving.choose(phase, number)?;
        let receiving = &mut self.receiving;
        let (key, failed) = match choice {
            Choice::Current => (&receiving.current.key, &mut receiving.failed),
            Choice::Next => {
                let (algorithm, secret) = (self.algorithm, &receiving.current.next_secret);
                let next =
                    receiving.next.get_or_insert_with(|| Box::new(Generation::derive(algorithm, secret)));
                (&next.key, &mut receiving.failed_next)
            }
            Choice::Previous => {
                let previous = receiving.previous.as_deref_mut().ok_or(OpenError::KeyErased)?;
                (&previous.key, &mut previous.failed)
            }
        };
        let nonce = key.nonce(number);
        let (header, sealed) = datagram.split_at_mut(header_bytes);
        if key.key.open_in_place(nonce, aead::Aad::from(&*header), sealed).is_err() {
            *failed += 1;
            return Err(if *failed >= self.limits.failed_opens_max {
                OpenError::KeyExhausted
            } else {
                OpenError::Unauthentic
            });
        }
        match choice {
            Choice::Current => receiving.note_opened(number),
            Choice::Next => self.follow(now, number),
            Choice::Previous => {}
        }
        Ok(())
    }

    /// The other side is one generation ahead, and proved it by packet `number`.
    #[cold]
    fn follow(&mut self, now: Instant, number: u64) {
        let receiving = &mut self.receiving;
        let Some(next) = receiving.next.take() else { return };
        let old = std::mem::replace(&mut receiving.current, *next);
        receiving.previous =
            Some(Box::new(Previous { key: old.key, failed: receiving.failed, erase_at: None }));
        receiving.failed = std::mem::take(&mut receiving.failed_next);
        receiving.opened = Some((number, number));
        receiving.number += 1;
        if self.sending.number < self.receiving.number {
            self.advance_sending(now);
        }
    }

    #[inline]
    pub(super) fn handle_acknowledged(&mut self, now: Instant, number: u64, probe_timeout: Duration) {
        if self.sending.is_confirmed || self.sending.first_packet.is_none_or(|first| number < first) {
            return;
        }
        self.sending.is_confirmed = true;
        if let Some(previous) = &mut self.receiving.previous {
            previous.erase_at = Some(now + probe_timeout * RETENTION_PROBE_TIMEOUTS);
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        if self.erase_at().is_some_and(|at| at <= now) {
            self.receiving.previous = None;
        }
    }

    #[cfg(test)]
    pub(super) fn confirm_for_test(&mut self) {
        self.sending.is_confirmed = true;
    }

    #[inline]
    pub(super) fn erase_at(&self) -> Option<Instant> {
        self.receiving.previous.as_ref()?.erase_at
    }
}

impl Receiving {
    /// Which key a packet was sealed with. The sender's numbers rise from one generation to the next, so the
    /// number tells the generation before from the one after, which have the same phase bit.
    #[inline]
    fn choose(&self, phase: bool, number: u64) -> Result<Choice, OpenError> {
        if phase == (self.number % 2 == 1) {
            return Ok(Choice::Current);
        }
        match self.opened {
            Some((lowest, _)) if number < lowest => Ok(Choice::Previous),
            Some((_, highest)) if number < highest => Err(OpenError::Unauthentic),
            _ => Ok(Choice::Next),
        }
    }

    #[inline]
    fn note_opened(&mut self, number: u64) {
        self.opened = Some(match self.opened {
            Some((lowest, highest)) => (lowest.min(number), highest.max(number)),
            None => (number, number),
        });
    }
}

#[cfg(test)]
mod tests {
    use ring::{hkdf, hmac};

    use super::*;
    use crate::crypto::vectors;

    const KEY_SCHEDULE: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/key_schedule.json"));
    const PACKET_NUMBERS: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/packet_numbers.json"));

    /// What a key makes of one fixed packet: `ring` shows no keys.
    fn fingerprint(key: &LessSafeKey) -> Vec<u8> {
        let mut sealed = b"fingerprint".to_vec();
        let nonce = aead::Nonce::assume_unique_for_key([7; NONCE_LEN]);
        key.seal_in_place_append_tag(nonce, aead::Aad::empty(), &mut sealed).unwrap();
        sealed
    }

    #[test]
    fn generations_are_derived_as_the_vectors_say() {
        for entry in vectors::entries(KEY_SCHEDULE) {
            let mut secret: Secret = Zeroizing::new(vectors::array(&entry, "secret"));
            for expected in entry["generations"].as_array().unwrap() {
                let salt = hmac::Key::new(hmac::HMAC_SHA256, b"TME packet");
                let pseudo_random_key = vectors::array::<32>(expected, "prk");
                assert_eq!(hmac::sign(&salt, &*secret).as_ref(), pseudo_random_key, "{expected}");
                let pseudo_random_key = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &pseudo_random_key);
                let key: [u8; 32] = hkdf_expand(&pseudo_random_key, b"key");
                assert_eq!(key, vectors::array::<32>(expected, "key"), "{expected}");

                for algorithm in [&aead::AES_256_GCM, &aead::CHACHA20_POLY1305] {
                    let derived = Generation::derive(algorithm, &secret);
                    let plain = LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap());
                    assert_eq!(fingerprint(&derived.key.key), fingerprint(&plain), "{expected}");
                    assert_eq!(derived.key.iv, vectors::array::<NONCE_LEN>(expected, "iv"), "{expected}");
                    assert_eq!(*derived.next_secret, vectors::array::<32>(expected, "next"), "{expected}");
                }
                secret = Zeroizing::new(vectors::array(expected, "next"));
            }
        }
    }

    #[test]
    fn nonces_are_those_of_the_vectors() {
        let mut count = 0;
        for entry in vectors::entries(PACKET_NUMBERS).iter().filter(|entry| entry["kind"] == "nonce") {
            let key = LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, &[0; 32]).unwrap());
            let key = PacketKey { key, iv: vectors::array(entry, "iv") };
            let nonce = key.nonce(entry["number"].as_u64().unwrap());
            assert_eq!(nonce.as_ref(), &vectors::array::<NONCE_LEN>(entry, "nonce"), "{entry}");
            count += 1;
        }
        assert!(count > 0);
    }
}
