//! The Noise handshake (revision 34, patterns NK and IK) with our own primitives under `snow`'s state
//! machine.
//!
//! Per connection each side performs one base-point multiplication (its ephemeral key, 17 µs) and two shared
//! secrets with NK, four with IK (36–48 µs each). Static public keys are computed once per process and handed
//! in as [`KeyPair`]s. With everything around it a handshake was measured at 97 µs with NK and 178 µs with IK
//! on the server, 10 µs more on the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::{aead, digest};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random as NoiseRandom};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::keys::{KEY_BYTES, KeyPair, PublicKey, SecretKey};

/// Length of the tag of every encrypted part of a Noise message.
pub(crate) const NOISE_TAG_BYTES: usize = 16;

/// Which Noise pattern a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The client stays anonymous.
    Nk,
    /// The client proves an identity key.
    Ik,
}

impl Pattern {
    fn name(self) -> &'static str {
        match self {
            Self::Nk => "Noise_NK_25519_ChaChaPoly_SHA256",
            Self::Ik => "Noise_IK_25519_ChaChaPoly_SHA256",
        }
    }

    /// What message 1 takes beside its payload.
    pub(crate) const fn overhead_1(self) -> usize {
        match self {
            Self::Nk => KEY_BYTES + NOISE_TAG_BYTES,
            Self::Ik => KEY_BYTES + KEY_BYTES + 2 * NOISE_TAG_BYTES,
        }
    }

    /// What message 2 takes beside its payload.
    pub(crate) const fn overhead_2(self) -> usize {
        KEY_BYTES + NOISE_TAG_BYTES
    }
}

/// The two secrets a session's packet keys come from, seen from one side. Erased when dropped.
#[derive(Clone)]
pub struct SessionSecrets {
    /// For what this side sends.
    pub send: Zeroizing<[u8; 32]>,
    /// For what this side receives.
    pub receive: Zeroizing<[u8; 32]>,
}

impl SessionSecrets {
    /// What a connection has whose suite uses no keys ([`Suite::Carried`](super::suite::Suite::Carried)).
    pub(crate) fn unused() -> Self {
        Self { send: [0; 32].into(), receive: [0; 32].into() }
    }
}

impl std::fmt::Debug for SessionSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionSecrets(..)")
    }
}

/// How many curve operations were done; shared by all handshakes of one endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct CurveCounter(Arc<CurveCounts>);

#[derive(Debug, Default)]
struct CurveCounts {
    base_points: AtomicU64,
    shared_secrets: AtomicU64,
}

impl CurveCounter {
    /// Multiplications by the base point (17 µs each).
    pub(crate) fn base_points(&self) -> u64 {
        self.0.base_points.load(Ordering::Relaxed)
    }

    /// Shared secrets computed (48 µs each).
    pub(crate) fn shared_secrets(&self) -> u64 {
        self.0.shared_secrets.load(Ordering::Relaxed)
    }
}

/// A Noise message did not fit, did not verify, or came at the wrong time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoiseError;

impl From<snow::Error> for NoiseError {
    fn from(_: snow::Error) -> Self {
        Self
    }
}

/// One side of one Noise handshake.
pub(crate) struct Noise {
    state: Box<snow::HandshakeState>,
    pattern: Pattern,
}

impl std::fmt::Debug for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Noise").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

impl Noise {
    /// The client's side. With an identity the pattern is IK, else NK. `ephemeral` is the pair whose public
    /// half stood in HELLO, and must not serve a second message 1.
    pub(crate) fn initiator(
        prologue: &[u8],
        server: &PublicKey,
        identity: Option<&KeyPair>,
        ephemeral: &KeyPair,
        counter: &CurveCounter,
    ) -> Result<Self, NoiseError> {
        let pattern = if identity.is_some() { Pattern::Ik } else { Pattern::Nk };
        let resolver = Resolver {
            known: [identity.cloned(), Some(ephemeral.clone())],
            ephemeral: ephemeral.secret().clone(),
            counter: counter.clone(),
        };
        let mut builder = snow::Builder::with_resolver(pattern.name().parse()?, Box::new(resolver))
            .prologue(prologue)?
            .remote_public_key(server.as_bytes())?;
        if let Some(identity) = identity {
            builder = builder.local_private_key(identity.secret().expose())?;
        }
        Ok(Self { state: Box::new(builder.build_initiator()?), pattern })
    }

    /// The server's side. `ephemeral` is 32 fresh random bytes; they are used if an answer is written.
    pub(crate) fn responder(
        pattern: Pattern,
        prologue: &[u8],
        server: &KeyPair,
        ephemeral: SecretKey,
        counter: &CurveCounter,
    ) -> Result<Self, NoiseError> {
        let resolver = Resolver { known: [Some(server.clone()), None], ephemeral, counter: counter.clone() };
        let state = snow::Builder::with_resolver(pattern.name().parse()?, Box::new(resolver))
            .prologue(prologue)?
            .local_private_key(server.secret().expose())?
            .build_responder()?;
        Ok(Self { state: Box::new(state), pattern })
    }

    /// Appends this side's message with the payload in it.
    pub(crate) fn write(&mut self, payload: &[u8], message: &mut Vec<u8>) -> Result<(), NoiseError> {
        let start = message.len();
        let overhead =
            if self.state.is_initiator() { self.pattern.overhead_1() } else { self.pattern.overhead_2() };
        message.resize(start + overhead + payload.len(), 0);
        let written = self.state.write_message(payload, &mut message[start..])?;
        if written == overhead + payload.len() { Ok(()) } else { Err(NoiseError) }
    }

    /// Opens the other side's message and returns its payload. After an error the next message may be tried.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut payload = vec![0; message.len()];
        let bytes = self.state.read_message(message, &mut payload)?;
        payload.truncate(bytes);
        Ok(payload)
    }

    /// The other side's static key, once message 1 of IK was read.
    pub(crate) fn remote_static(&self) -> Option<PublicKey> {
        let bytes = self.state.get_remote_static()?;
        bytes.get(..KEY_BYTES)?.try_into().ok().map(PublicKey::from_bytes)
    }

    /// The session's secrets, once both messages passed.
    pub(crate) fn into_secrets(mut self) -> Result<SessionSecrets, NoiseError> {
        if !self.state.is_handshake_finished() {
            return Err(NoiseError);
        }
        let (to_server, to_client) = self.state.dangerously_get_raw_split();
        let (to_server, to_client) = (Zeroizing::new(to_server), Zeroizing::new(to_client));
        Ok(if self.state.is_initiator() {
            SessionSecrets { send: to_server, receive: to_client }
        } else {
            SessionSecrets { send: to_client, receive: to_server }
        })
    }
}

/// Hands our primitives to `snow`. Its randomness is the one ephemeral key, drawn by the caller.
struct Resolver {
    /// Pairs whose public half need not be computed again.
    known: [Option<KeyPair>; 2],
    ephemeral: SecretKey,
    counter: CurveCounter,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn NoiseRandom>> {
        Some(Box::new(OneKey(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519 {
                pair: None,
                known: self.known.clone(),
                counter: self.counter.clone(),
            })),
            _ => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        match choice {
            HashChoice::SHA256 => Some(Box::new(Sha256(digest::Context::new(&digest::SHA256)))),
            _ => None,
        }
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::ChaChaPoly => Some(Box::new(ChaChaPoly(chacha_key(&[0; 32])))),
            _ => None,
        }
    }
}

/// Randomness that is drawn once; a second request fails the handshake rather than repeat a key.
struct OneKey(Option<SecretKey>);

impl NoiseRandom for OneKey {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), snow::Error> {
        let key = self.0.take().ok_or(snow::Error::Rng)?;
        if out.len() != KEY_BYTES {
            return Err(snow::Error::Rng);
        }
        out.copy_from_slice(key.expose());
        Ok(())
    }
}

struct X25519 {
    pair: Option<KeyPair>,
    known: [Option<KeyPair>; 2],
    counter: CurveCounter,
}

impl X25519 {
    fn adopt(&mut self, secret: SecretKey) {
        let known = self.known.iter().flatten().find(|pair| pair.secret().ct_eq(&secret).into());
        self.pair = Some(match known {
            Some(pair) => pair.clone(),
            None => {
                self.counter.0.base_points.fetch_add(1, Ordering::Relaxed);
                KeyPair::from(secret)
            }
        });
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY_BYTES
    }

    fn priv_len(&self) -> usize {
        KEY_BYTES
    }

    fn set(&mut self, secret: &[u8]) {
        let bytes = secret.try_into().expect("we only hand keys of 32 bytes to the builder");
        self.adopt(SecretKey::from_bytes(bytes));
    }

    fn generate(&mut self, random: &mut dyn NoiseRandom) -> Result<(), snow::Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random.try_fill_bytes(&mut *bytes)?;
        self.adopt(SecretKey::from_bytes(*bytes));
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        static NONE: [u8; KEY_BYTES] = [0; KEY_BYTES];
        self.pair.as_ref().map_or(&NONE, |pair| pair.public_ref().as_bytes())
    }

    fn privkey(&self) -> &[u8] {
        static NONE: [u8; KEY_BYTES] = [0; KEY_BYTES];
        self.pair.as_ref().map_or(&NONE, |pair| pair.secret().expose())
    }

    fn dh(&self, theirs: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let ours = self.pair.as_ref().ok_or(snow::Error::Dh)?;
        let theirs = theirs.first_chunk().copied().map(PublicKey::from_bytes).ok_or(snow::Error::Dh)?;
        self.counter.0.shared_secrets.fetch_add(1, Ordering::Relaxed);
        let shared = ours.secret().shared_secret(&theirs).ok_or(snow::Error::Dh)?;
        out.get_mut(..KEY_BYTES).ok_or(snow::Error::Dh)?.copy_from_slice(&*shared);
        Ok(())
    }
}

struct Sha256(digest::Context);

impl Hash for Sha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = digest::Context::new(&digest::SHA256);
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(self.0.clone().finish().as_ref());
    }
}

struct ChaChaPoly(aead::LessSafeKey);

fn chacha_key(key: &[u8; 32]) -> aead::LessSafeKey {
    let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key);
    aead::LessSafeKey::new(key.expect("ChaCha20-Poly1305 takes any key of 32 bytes"))
}

/// Noise's nonce for ChaChaPoly: 32 zero bits, then the counter, little-endian.
fn noise_nonce(counter: u64) -> aead::Nonce {
    let mut nonce = [0; aead::NONCE_LEN];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    aead::Nonce::assume_unique_for_key(nonce)
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = chacha_key(key);
    }

    fn encrypt(&self, nonce: u64, associated: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        let (text, rest) = out.split_at_mut(plain.len());
        text.copy_from_slice(plain);
        let tag = self
            .0
            .seal_in_place_separate_tag(noise_nonce(nonce), aead::Aad::from(associated), text)
            .expect("a handshake message is far below the 256 GiB at which ChaCha20 refuses");
        rest[..NOISE_TAG_BYTES].copy_from_slice(tag.as_ref());
        plain.len() + NOISE_TAG_BYTES
    }

    fn decrypt(
        &self,
        nonce: u64,
        associated: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, snow::Error> {
        let (text, tag) = sealed.split_last_chunk::<NOISE_TAG_BYTES>().ok_or(snow::Error::Decrypt)?;
        let out = out.get_mut(..text.len()).ok_or(snow::Error::Decrypt)?;
        out.copy_from_slice(text);
        self.0
            .open_in_place_separate_tag(
                noise_nonce(nonce),
                aead::Aad::from(associated),
                aead::Tag::from(*tag),
                out,
                0..,
            )
            .map_err(|_| snow::Error::Decrypt)?;
        Ok(text.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::crypto::vectors;
    use crate::handshake::datagram::HandshakeDatagram;
    use crate::random::SeededRandom;

    fn handshake(identity: Option<&KeyPair>) -> (CurveCounter, CurveCounter) {
        let mut random = SeededRandom::new(5);
        let (at_client, at_server) = (CurveCounter::default(), CurveCounter::default());
        let server = KeyPair::generate(&mut random);
        let ephemeral = KeyPair::generate(&mut random);
        let pattern = if identity.is_some() { Pattern::Ik } else { Pattern::Nk };
        let mut client =
            Noise::initiator(b"prologue", &server.public(), identity, &ephemeral, &at_client).unwrap();
        let secret = SecretKey::generate(&mut random);
        let mut answering = Noise::responder(pattern, b"prologue", &server, secret, &at_server).unwrap();

        let mut message = Vec::new();
        client.write(b"question", &mut message).unwrap();
        assert_eq!(message.len(), pattern.overhead_1() + 8);
        assert_eq!(&message[..32], ephemeral.public().as_bytes());
        assert_eq!(answering.read(&message).unwrap(), b"question");
        assert_eq!(answering.remote_static(), identity.map(KeyPair::public));
        let mut message = Vec::new();
        answering.write(b"answer", &mut message).unwrap();
        assert_eq!(message.len(), pattern.overhead_2() + 6);
        let mut broken = message.clone();
        broken[40] ^= 1;
        assert_eq!(client.read(&broken), Err(NoiseError));
        assert_eq!(
            client.read(&message).unwrap(),
            b"answer",
            "a forged answer must not spoil the genuine one"
        );

        let (client, server) = (client.into_secrets().unwrap(), answering.into_secrets().unwrap());
        assert_eq!(client.send, server.receive);
        assert_eq!(client.receive, server.send);
        assert_ne!(client.send, client.receive);
        (at_client, at_server)
    }

    #[test]
    fn nk_costs_two_shared_secrets_and_one_key_on_the_server() {
        let (client, server) = handshake(None);
        // One more at the client for the forged answer; its ephemeral was made before.
        assert_eq!((client.shared_secrets(), client.base_points()), (3, 0));
        assert_eq!((server.shared_secrets(), server.base_points()), (2, 1));
    }

    #[test]
    fn ik_costs_four_shared_secrets_and_one_key_on_the_server() {
        let identity = KeyPair::generate(&mut SeededRandom::new(9));
        let (client, server) = handshake(Some(&identity));
        assert_eq!((client.shared_secrets(), client.base_points()), (6, 0));
        assert_eq!((server.shared_secrets(), server.base_points()), (4, 1));
    }

    #[test]
    fn a_different_prologue_breaks_the_first_message() {
        let mut random = SeededRandom::new(5);
        let counter = CurveCounter::default();
        let (server, ephemeral) = (KeyPair::generate(&mut random), KeyPair::generate(&mut random));
        let mut client = Noise::initiator(b"one", &server.public(), None, &ephemeral, &counter).unwrap();
        let secret = SecretKey::generate(&mut random);
        let mut answering = Noise::responder(Pattern::Nk, b"two", &server, secret, &counter).unwrap();
        let mut message = Vec::new();
        client.write(b"", &mut message).unwrap();
        assert_eq!(answering.read(&message), Err(NoiseError));
    }

    const VECTORS: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/handshake_noise.json"));

    /// The Noise message that the parts in these datagrams make.
    fn message_of(datagrams: &[Vec<u8>]) -> Vec<u8> {
        let parts = datagrams.iter().flat_map(|datagram| match HandshakeDatagram::parse(datagram) {
            Ok(HandshakeDatagram::Connect(connect)) => connect.part.bytes().to_vec(),
            Ok(HandshakeDatagram::Accept(accept)) => accept.part.bytes().to_vec(),
            other => panic!("{other:?}"),
        });
        parts.collect()
    }

    /// Opens both messages of a vector; where nothing is spoiled, it also writes them.
    fn check(entry: &Value) -> Result<(), NoiseError> {
        let pair = |field| KeyPair::from(SecretKey::from_bytes(vectors::array(entry, field)));
        let hello = vectors::bytes(entry, "hello");
        let Ok(HandshakeDatagram::Hello(hello)) = HandshakeDatagram::parse(&hello) else { panic!("{entry}") };
        let cookie = vectors::bytes(entry, "cookie");
        let Ok(HandshakeDatagram::Cookie(cookie)) = HandshakeDatagram::parse(&cookie) else {
            panic!("{entry}")
        };
        let prologue = hello.offer.prologue(cookie.version);
        let is_spoiled = entry["error"] == true;

        let server = pair("server_static_private");
        let server_ephemeral = SecretKey::from_bytes(vectors::array(entry, "server_ephemeral_private"));
        let counter = CurveCounter::default();
        let pattern = hello.offer.pattern.expect("HELLO has one");
        let mut answering = Noise::responder(pattern, &prologue, &server, server_ephemeral, &counter)?;
        let message_1 = message_of(&vectors::byte_strings(entry, "connect"));
        let payload_1 = answering.read(&message_1)?;
        let identity = (hello.offer.pattern == Some(Pattern::Ik)).then(|| pair("client_static_private"));
        let ephemeral = pair("client_ephemeral_private");
        let mut client =
            Noise::initiator(&prologue, &server.public(), identity.as_ref(), &ephemeral, &counter)?;
        let mut written_1 = Vec::new();
        client.write(&payload_1, &mut written_1)?;
        let message_2 = message_of(&vectors::byte_strings(entry, "accept"));
        let payload_2 = client.read(&message_2)?;
        assert!(!is_spoiled, "{entry}");

        assert_eq!(prologue, vectors::bytes(entry, "prologue"));
        assert_eq!(payload_1, vectors::bytes(entry, "payload_1"));
        assert_eq!(payload_2, vectors::bytes(entry, "payload_2"));
        assert_eq!((&written_1, &message_1), (&vectors::bytes(entry, "message_1"), &written_1));
        assert_eq!(answering.remote_static(), identity.map(|identity| identity.public()));
        let mut written_2 = Vec::new();
        answering.write(&payload_2, &mut written_2)?;
        assert_eq!((&written_2, &message_2), (&vectors::bytes(entry, "message_2"), &written_2));
        for noise in [&client, &answering] {
            assert_eq!(noise.state.get_handshake_hash(), vectors::bytes(entry, "handshake_hash"));
        }
        let SessionSecrets { send, receive } = client.into_secrets()?;
        assert_eq!(*send, vectors::array::<32>(entry, "secret_c2s"));
        assert_eq!(*receive, vectors::array::<32>(entry, "secret_s2c"));
        Ok(())
    }

    #[test]
    fn both_sides_write_the_messages_of_the_vectors_and_open_no_spoiled_one() {
        for entry in vectors::entries(VECTORS) {
            assert_eq!(check(&entry).is_err(), entry["error"] == true, "{}", entry["name"]);
        }
    }
}
