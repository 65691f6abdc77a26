//! The bytes a game hands over for sending.

use tme_core::payload::Payload;

/// Bytes to send: a slice is copied by the call, a [`Payload`] (or a `Vec`) is passed on without a copy.
#[derive(Clone, Debug)]
pub enum MessageBytes<'a> {
    /// Copied by the call.
    Copied(&'a [u8]),
    /// Shared; a broadcast stores it once.
    Shared(Payload),
}

impl MessageBytes<'_> {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Shared(payload) => payload.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a [u8]> for MessageBytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Copied(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for MessageBytes<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Copied(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for MessageBytes<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Copied(bytes)
    }
}

impl<'a> From<&'a str> for MessageBytes<'a> {
    fn from(text: &'a str) -> Self {
        Self::Copied(text.as_bytes())
    }
}

impl<'a> From<&'a String> for MessageBytes<'a> {
    fn from(text: &'a String) -> Self {
        Self::Copied(text.as_bytes())
    }
}

impl From<String> for MessageBytes<'_> {
    fn from(text: String) -> Self {
        Self::Shared(Payload::from(text))
    }
}

impl From<Vec<u8>> for MessageBytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Shared(Payload::from(bytes))
    }
}

impl From<Payload> for MessageBytes<'_> {
    fn from(payload: Payload) -> Self {
        Self::Shared(payload)
    }
}

impl From<&Payload> for MessageBytes<'_> {
    fn from(payload: &Payload) -> Self {
        Self::Shared(payload.clone())
    }
}
