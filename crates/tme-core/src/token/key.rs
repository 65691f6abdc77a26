//! The key that a backend and its servers share, and what is done with it: sealing and opening.

use std::fmt;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::sealed::{self, Layout, NONCE_BYTES, SealedToken, TAG_BYTES};
use super::{Token, TokenError};
use crate::crypto::keys::{KeyParseError, parse_hex, to_hex};
use crate::random::Random;

/// Length of a token key.
pub const TOKEN_KEY_BYTES: usize = 32;

const KEY_ID_LABEL: &[u8] = b"TME token key";
const ASSOCIATED_LABEL: &[u8] = b"TME token";

/// Seals tokens at the backend and opens them at the servers. Erased when dropped, never printed;
/// [`TokenKey::to_hex`] is the one way out.
///
/// Whoever has it can make a token for any player: it belongs on the backend and the game's own servers, and it is
/// never a server's static key.
#[derive(Clone)]
pub struct TokenKey {
    secret: Zeroizing<[u8; TOKEN_KEY_BYTES]>,
    id: u32,
}

impl TokenKey {
    /// A new key from the driver's randomness.
    #[must_use]
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut secret = Zeroizing::new([0; TOKEN_KEY_BYTES]);
        random.fill(&mut *secret);
        Self::from_secret(secret)
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; TOKEN_KEY_BYTES]) -> Self {
        Self::from_secret(Zeroizing::new(bytes))
    }

    fn from_secret(secret: Zeroizing<[u8; TOKEN_KEY_BYTES]>) -> Self {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        digest.update(KEY_ID_LABEL);
        digest.update(&*secret);
        let first = digest.finish().as_ref().first_chunk().copied();
        Self { id: u32::from_le_bytes(first.unwrap_or_default()), secret }
    }

    /// Parses 64 hexadecimal digits; surrounding white space, as in a file, is allowed.
    pub fn from_hex(text: &str) -> Result<Self, KeyParseError> {
        parse_hex(text).map(Self::from_secret)
    }

    /// The key as 64 hexadecimal digits, erased when dropped. For storing it; never for a log.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        to_hex(&self.secret)
    }

    /// Stands in every token that this key has sealed; follows from the key.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Seals a token. `random` is asked for the 24 bytes of its nonce, which is also its name.
    ///
    /// # Errors
    /// [`TokenError`] if it cannot be a token.
    pub fn seal(&self, token: &Token, random: &mut dyn Random) -> Result<SealedToken, TokenError> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        self.seal_with_nonce(token, nonce)
    }

    /// Seals a token with a nonce of the caller's. For vectors: used twice, it gives the key stream away.
    #[doc(hidden)]
    pub fn seal_with_nonce(
        &self,
        token: &Token,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<SealedToken, TokenError> {
        token.check()?;
        let mut bytes = Vec::new();
        sealed::put_head(&mut bytes, self.id, &nonce, &token.hints);
        let head_bytes = bytes.len();
        let mut contents = Zeroizing::new(Vec::new());
        token.encode_contents(&mut contents);
        let associated = associated_data(&bytes);
        let tag = self.cipher().encrypt_inout_detached(
            &XNonce::from(nonce),
            &associated,
            contents.as_mut_slice().into(),
        );
        let tag = tag.unwrap_or_else(|_| unreachable!("it fails only beyond 256 GB"));
        bytes.extend_from_slice(&contents);
        bytes.extend_from_slice(&tag);
        Ok(SealedToken::assembled(bytes, head_bytes))
    }

    /// Opens a token; `None` if this key did not seal it, or if its contents are malformed.
    #[must_use]
    pub fn open(&self, sealed: &SealedToken) -> Option<Token> {
        let Layout { key_id, nonce, hints, head, contents, tag } = sealed.layout()?;
        if key_id != self.id {
            return None;
        }
        let mut contents = Zeroizing::new(contents.to_vec());
        self.cipher()
            .decrypt_inout_detached(
                &XNonce::from(nonce),
                &associated_data(head),
                contents.as_mut_slice().into(),
                &Tag::from(tag),
            )
            .ok()?;
        Token::decode_contents(&contents, hints).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.secret).into())
    }
}

const _: () = assert!(TAG_BYTES == size_of::<Tag>() && NONCE_BYTES == size_of::<XNonce>());

fn associated_data(head: &[u8]) -> Vec<u8> {
    [ASSOCIATED_LABEL, head].concat()
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:08x})", self.id)
    }
}
