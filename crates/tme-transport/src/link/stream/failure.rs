//! Why streams end, and how often.

use std::fmt;

use tme_core::stream::StreamError;
use tme_core::stream::proxy::BadProxyHeader;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum StreamFailure {
    /// The other side has closed it.
    Closed = 0,
    /// The network or the system has cut it off.
    Broken = 1,
    /// It could not be opened.
    Unreachable = 2,
    /// The other side does not speak TME.
    NotTme = 3,
    /// A record was empty or too long.
    RecordLength = 4,
    /// It carried no connection in time.
    Unclaimed = 5,
    /// It took nothing for 30 s although something waited.
    TooSlow = 6,
    /// There were too many.
    TooMany = 7,
    /// Its connection is over, or goes on another way.
    Released = 8,
    /// An HTTP request that asks for no WebSocket, or not for ours.
    BadUpgrade = 9,
    /// Text where datagrams were due.
    TextMessage = 10,
    /// The server's certificate is for another name.
    CertificateName = 11,
    /// The server's certificate is not valid any more, or not yet.
    CertificateTime = 12,
    /// The server's certificate is of nobody who is trusted, or not the one that is expected.
    CertificateUntrusted = 13,
    /// The TLS handshake failed, or what came later was forged.
    TlsFailed = 14,
    /// A PROXY header by somebody who is no listed proxy.
    UnlistedProxy = 15,
    /// A listed proxy began without a PROXY header, or with a malformed one.
    ProxyHeader = 16,
    /// A listed proxy did not say by `X-Forwarded-For` for whom it speaks, or not so that it can be read.
    ForwardedFor = 17,
}

impl StreamFailure {
    /// Every cause, in the order of its number.
    pub const ALL: [Self; 18] = [
        Self::Closed,
        Self::Broken,
        Self::Unreachable,
        Self::NotTme,
        Self::RecordLength,
        Self::Unclaimed,
        Self::TooSlow,
        Self::TooMany,
        Self::Released,
        Self::BadUpgrade,
        Self::TextMessage,
        Self::CertificateName,
        Self::CertificateTime,
        Self::CertificateUntrusted,
        Self::TlsFailed,
        Self::UnlistedProxy,
        Self::ProxyHeader,
        Self::ForwardedFor,
    ];
}

impl From<StreamError> for StreamFailure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::NotTme => Self::NotTme,
            StreamError::RecordLength { .. } => Self::RecordLength,
        }
    }
}

impl From<BadProxyHeader> for StreamFailure {
    fn from(_: BadProxyHeader) -> Self {
        Self::ProxyHeader
    }
}

impl fmt::Display for StreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed by the other side",
            Self::Broken => "cut off",
            Self::Unreachable => "cannot be opened",
            Self::NotTme => "not TME",
            Self::RecordLength => "a record of impossible length",
            Self::Unclaimed => "carried no connection in time",
            Self::TooSlow => "took nothing for 30 s",
            Self::TooMany => "too many streams",
            Self::Released => "no longer needed",
            Self::BadUpgrade => "not a WebSocket request for TME",
            Self::TextMessage => "text where datagrams were due",
            Self::CertificateName => "the server's certificate is for another name",
            Self::CertificateTime => "the server's certificate is not valid now; look at the clocks, too",
            Self::CertificateUntrusted => "the server's certificate is not trusted",
            Self::TlsFailed => "no TLS session came about",
            Self::UnlistedProxy => "a PROXY header by somebody who is no listed proxy",
            Self::ProxyHeader => "a listed proxy without a proper PROXY header",
            Self::ForwardedFor => "a listed proxy without a usable X-Forwarded-For",
        })
    }
}

/// Streams that ended, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureCounts([u64; StreamFailure::ALL.len()]);

impl FailureCounts {
    /// How many ended for this reason.
    #[must_use]
    pub const fn of(&self, failure: StreamFailure) -> u64 {
        self.0[failure as usize]
    }

    pub(super) const fn add(&mut self, failure: StreamFailure) {
        self.0[failure as usize] += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}
