//! Where datagrams begin and end in the bytes of a stream, whatever kind it is.

use std::net::IpAddr;

use tme_core::datagram::LinkKind;
use tme_core::stream::proxy::{TrustedProxies, looks_like_proxy_header};
use tme_core::stream::{RecordReader, STREAM_MAGIC, StreamKind, write_record};

use super::StreamFailure;
use super::websocket::WebSocketCodec;

/// What the framing knows of where a datagram comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provenance {
    pub kind: LinkKind,
    /// The client, if a proxy has named one in its request.
    pub client: Option<IpAddr>,
}

/// What the bytes of a stream mean.
#[derive(Debug)]
pub(super) enum Framing {
    /// Accepted here; these first bytes do not tell yet what it is.
    Unknown {
        head: Vec<u8>,
        /// It comes from one of these, which say by `X-Forwarded-For` for whom they speak.
        proxies: Option<TrustedProxies>,
    },
    Records {
        reader: RecordReader,
        /// What comes before the first record was written.
        has_begun: bool,
    },
    WebSocket(Box<WebSocketCodec>),
    /// These first bytes are of TLS, in which it begins anew.
    Tls(Vec<u8>),
}

impl Framing {
    /// Of a stream that is accepted; with `proxies` from one of them, who says by `X-Forwarded-For` for whom it speaks.
    pub const fn accepted(proxies: Option<TrustedProxies>) -> Self {
        Self::Unknown { head: Vec::new(), proxies }
    }

    /// Of a stream that is opened; what comes before all else goes to `out`. `authority` is `host:port` as the server is called.
    pub fn opened(kind: LinkKind, authority: &str, out: &mut Vec<u8>) -> Self {
        match kind {
            LinkKind::WebSocket => Self::WebSocket(Box::new(WebSocketCodec::client(authority, out))),
            LinkKind::Udp | LinkKind::Tcp => {
                out.extend_from_slice(&STREAM_MAGIC);
                Self::Records { reader: RecordReader::new(), has_begun: true }
            }
        }
    }

    /// What kind of link it makes, until that is known TCP, and whom a proxy speaks for.
    pub fn provenance(&self) -> Provenance {
        match self {
            Self::Unknown { .. } | Self::Records { .. } | Self::Tls(_) => {
                Provenance { kind: LinkKind::Tcp, client: None }
            }
            Self::WebSocket(codec) => Provenance { kind: LinkKind::WebSocket, client: codec.forwarded_for() },
        }
    }

    /// Takes bytes in as they come, and hands each datagram over. What is to be said by itself goes to `out`.
    pub fn read(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        handle: &mut dyn FnMut(&mut [u8], Provenance),
    ) -> Result<(), StreamFailure> {
        match self {
            Self::Unknown { head, proxies } => {
                head.extend_from_slice(bytes);
                let kind = StreamKind::of(head).map_err(|error| match looks_like_proxy_header(head) {
                    true => StreamFailure::UnlistedProxy,
                    false => error.into(),
                })?;
                let Some(kind) = kind else { return Ok(()) };
                let (mut head, proxies) = (std::mem::take(head), proxies.take());
                match kind {
                    StreamKind::Tls => *self = Self::Tls(head),
                    // It could not say for whom.
                    StreamKind::Records if proxies.is_some() => return Err(StreamFailure::ForwardedFor),
                    StreamKind::Records => {
                        *self = Self::Records { reader: RecordReader::new(), has_begun: false };
                        return self.read(&mut head, out, handle);
                    }
                    StreamKind::Http => {
                        *self = Self::WebSocket(Box::new(WebSocketCodec::server(proxies)));
                        return self.read(&mut head, out, handle);
                    }
                }
            }
            Self::Tls(head) => head.extend_from_slice(bytes),
            Self::Records { reader, .. } => {
                let provenance = Provenance { kind: LinkKind::Tcp, client: None };
                reader.read(bytes, |datagram| handle(datagram, provenance))?;
            }
            Self::WebSocket(codec) => codec.read(bytes, out, |datagram, client| {
                handle(datagram, Provenance { kind: LinkKind::WebSocket, client });
            })?,
        }
        Ok(())
    }

    /// Appends a datagram to `out`, or keeps it until it may be sent; `false`: it is lost.
    pub fn push(&mut self, datagram: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            // Nobody has asked for anything yet.
            Self::Unknown { .. } | Self::Tls(_) => false,
            Self::Records { has_begun, .. } => {
                if !std::mem::replace(has_begun, true) {
                    out.extend_from_slice(&STREAM_MAGIC);
                }
                write_record(datagram, out)
            }
            Self::WebSocket(codec) => codec.push(datagram, out),
        }
    }

    /// Bytes that are kept until they may be sent.
    pub fn kept_bytes(&self) -> usize {
        match self {
            Self::Unknown { .. } | Self::Records { .. } | Self::Tls(_) => 0,
            Self::WebSocket(codec) => codec.early_bytes(),
        }
    }

    /// Whether it is known what this is.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown { .. } | Self::Tls(_))
    }
}
