//! Where datagrams begin and end in the bytes of a stream, whatever kind it is.

use tme_core::datagram::LinkKind;
use tme_core::stream::{RecordReader, STREAM_MAGIC, StreamKind, write_record};

use super::StreamFailure;
use super::websocket::WebSocketCodec;

/// What the bytes of a stream mean.
#[derive(Debug)]
pub(super) enum Framing {
    /// Accepted here; these first bytes do not tell yet what it is.
    Unknown(Vec<u8>),
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
    /// Of a stream that is accepted.
    pub const fn accepted() -> Self {
        Self::Unknown(Vec::new())
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

    /// What kind of link it makes; until that is known, TCP.
    pub const fn kind(&self) -> LinkKind {
        match self {
            Self::Unknown(_) | Self::Records { .. } | Self::Tls(_) => LinkKind::Tcp,
            Self::WebSocket(_) => LinkKind::WebSocket,
        }
    }

    /// Takes bytes in as they come, and hands each datagram over. What is to be said by itself goes to `out`.
    pub fn read(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        handle: &mut dyn FnMut(&mut [u8], LinkKind),
    ) -> Result<(), StreamFailure> {
        match self {
            Self::Unknown(head) => {
                head.extend_from_slice(bytes);
                let kind = StreamKind::of(head)?;
                let mut head = std::mem::take(head);
                match kind {
                    None => *self = Self::Unknown(head),
                    Some(StreamKind::Tls) => *self = Self::Tls(head),
                    Some(StreamKind::Records) => {
                        *self = Self::Records { reader: RecordReader::new(), has_begun: false };
                        return self.read(&mut head, out, handle);
                    }
                    Some(StreamKind::Http) => {
                        *self = Self::WebSocket(Box::new(WebSocketCodec::server()));
                        return self.read(&mut head, out, handle);
                    }
                }
            }
            Self::Tls(head) => head.extend_from_slice(bytes),
            Self::Records { reader, .. } => reader.read(bytes, |datagram| handle(datagram, LinkKind::Tcp))?,
            Self::WebSocket(codec) => {
                codec.read(bytes, out, |datagram| handle(datagram, LinkKind::WebSocket))?;
            }
        }
        Ok(())
    }

    /// Appends a datagram to `out`, or keeps it until it may be sent; `false`: it is lost.
    pub fn push(&mut self, datagram: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            // Nobody has asked for anything yet.
            Self::Unknown(_) | Self::Tls(_) => false,
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
            Self::Unknown(_) | Self::Records { .. } | Self::Tls(_) => 0,
            Self::WebSocket(codec) => codec.early_bytes(),
        }
    }

    /// Whether it is known what this is.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::Tls(_))
    }
}
