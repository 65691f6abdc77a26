//! WebSocket (RFC 6455) as bytes in and bytes out: the socket is somebody else's (`docs/PROTOCOL.md`, section 12.2).

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use tme_core::stream::STREAM_DATAGRAM_BYTES_MAX;
use tme_core::stream::proxy::TrustedProxies;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use super::StreamFailure;

/// The subprotocol that both sides ask for.
const SUBPROTOCOL: &str = "tme1";
/// What is said to an HTTP request that asks for something else.
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// Larger than any request or answer to it that we take.
const HANDSHAKE_BYTES_MAX: usize = 16 << 10;

/// What the codec reads from and writes to.
#[derive(Debug, Default)]
struct Duplex {
    input: Vec<u8>,
    /// Bytes of `input` that were read.
    taken: usize,
    output: Vec<u8>,
}

impl Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.input.get(self.taken..).unwrap_or_default();
        if rest.is_empty() {
            self.input.clear();
            self.taken = 0;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// By which proxies name their client.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Lets only those in who ask for our subprotocol, and proxies only if they say for whom.
#[derive(Clone, Debug)]
struct AsksForTme {
    /// The request comes from one of these.
    proxies: Option<TrustedProxies>,
    /// Whom it has named, if anybody.
    client: Arc<OnceLock<Option<IpAddr>>>,
}

impl Callback for AsksForTme {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let mut names = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let is_ours = names.any(|name| name.trim() == SUBPROTOCOL);
        if let Some(proxies) = self.proxies.as_ref().filter(|_| is_ours) {
            let lines: Vec<_> = request.headers().get_all(FORWARDED_FOR).iter().collect();
            let client = proxies.client_in(lines.iter().map(|line| line.as_bytes()));
            if self.client.get_or_init(|| client).is_none() {
                let mut refusal = ErrorResponse::new(Some("say for whom by X-Forwarded-For\n".to_owned()));
                *refusal.status_mut() = StatusCode::BAD_REQUEST;
                return Err(refusal);
            }
        }
        if is_ours {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some(format!("ask for the subprotocol {SUBPROTOCOL}\n")));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        Err(refusal)
    }
}

#[derive(Debug)]
enum State {
    Accepting(Box<MidHandshake<ServerHandshake<Duplex, AsksForTme>>>),
    Asking(Box<MidHandshake<ClientHandshake<Duplex>>>),
    Open(Box<WebSocket<Duplex>>),
    Broken,
}

/// One end of a WebSocket.
#[derive(Debug)]
pub(super) struct WebSocketCodec {
    state: State,
    /// Datagrams that wait for the handshake, and their bytes.
    early: Vec<Vec<u8>>,
    early_bytes: usize,
    handshake_bytes: usize,
    /// Whom a proxy has named in its request; nobody, if that is not there.
    client: Arc<OnceLock<Option<IpAddr>>>,
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(STREAM_DATAGRAM_BYTES_MAX))
        .max_frame_size(Some(STREAM_DATAGRAM_BYTES_MAX))
}

impl WebSocketCodec {
    fn new(state: State) -> Self {
        Self { state, early: Vec::new(), early_bytes: 0, handshake_bytes: 0, client: Arc::default() }
    }

    /// A server's end: the request comes in, with `proxies` from one of them.
    pub fn server(proxies: Option<TrustedProxies>) -> Self {
        let client = Arc::default();
        let judge = AsksForTme { proxies, client: Arc::clone(&client) };
        let handshake = ServerHandshake::start(Duplex::default(), judge, Some(config()));
        Self { client, ..Self::new(State::Accepting(Box::new(handshake))) }
    }

    /// The client that a proxy has named.
    pub fn forwarded_for(&self) -> Option<IpAddr> {
        self.client.get().copied().flatten()
    }

    /// A client's end; `authority` is `host:port` as the server is called. The request goes to `out`.
    pub fn client(authority: &str, out: &mut Vec<u8>) -> Self {
        let request = format!("ws://{authority}/").into_client_request().and_then(|mut request| {
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
            ClientHandshake::start(Duplex::default(), request, Some(config()))
        });
        let Ok(handshake) = request else { return Self::new(State::Broken) };
        let mut codec = Self::new(State::Asking(Box::new(handshake)));
        // Nothing has come: this only writes the request.
        let _ = codec.advance(out);
        codec
    }

    /// Takes bytes in as they come, and hands each datagram over. What is to be said goes to `out`.
    pub fn read(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        mut handle: impl FnMut(&mut [u8], Option<IpAddr>),
    ) -> Result<(), StreamFailure> {
        let duplex = match &mut self.state {
            State::Accepting(handshake) => handshake.get_mut().get_mut(),
            State::Asking(handshake) => handshake.get_mut().get_mut(),
            State::Open(socket) => socket.get_mut(),
            State::Broken => return Err(StreamFailure::NotTme),
        };
        duplex.input.extend_from_slice(bytes);
        if !matches!(self.state, State::Open(_)) {
            self.handshake_bytes += bytes.len();
            if self.handshake_bytes > HANDSHAKE_BYTES_MAX {
                return Err(StreamFailure::BadUpgrade);
            }
        }
        self.advance(out)?;
        let client = self.forwarded_for();
        self.take_messages(out, &mut |datagram| handle(datagram, client))
    }

    /// Appends a datagram to `out`, or keeps it until the handshake is over.
    pub fn push(&mut self, datagram: &[u8], out: &mut Vec<u8>) -> bool {
        match &mut self.state {
            State::Open(socket) => {
                let is_taken = socket.write(Message::binary(datagram.to_vec())).is_ok();
                out.append(&mut socket.get_mut().output);
                is_taken
            }
            State::Accepting(_) | State::Asking(_) => {
                self.early_bytes += datagram.len();
                self.early.push(datagram.to_vec());
                true
            }
            State::Broken => false,
        }
    }

    /// Bytes that wait for the handshake.
    pub const fn early_bytes(&self) -> usize {
        self.early_bytes
    }

    /// Goes on with the handshake, if it is not over.
    fn advance(&mut self, out: &mut Vec<u8>) -> Result<(), StreamFailure> {
        let opened = match std::mem::replace(&mut self.state, State::Broken) {
            State::Accepting(handshake) => match handshake.handshake() {
                Ok(socket) => socket,
                Err(HandshakeError::Interrupted(mut handshake)) => {
                    out.append(&mut handshake.get_mut().get_mut().output);
                    self.state = State::Accepting(Box::new(handshake));
                    return Ok(());
                }
                Err(HandshakeError::Failure(_)) => {
                    out.extend_from_slice(BAD_REQUEST);
                    let names_nobody = self.client.get() == Some(&None);
                    let failure =
                        if names_nobody { StreamFailure::ForwardedFor } else { StreamFailure::BadUpgrade };
                    return Err(failure);
                }
            },
            State::Asking(handshake) => match handshake.handshake() {
                Ok((socket, _)) => socket,
                Err(HandshakeError::Interrupted(mut handshake)) => {
                    out.append(&mut handshake.get_mut().get_mut().output);
                    self.state = State::Asking(Box::new(handshake));
                    return Ok(());
                }
                Err(HandshakeError::Failure(_)) => return Err(StreamFailure::NotTme),
            },
            other => {
                self.state = other;
                return Ok(());
            }
        };
        self.state = State::Open(Box::new(opened));
        self.early_bytes = 0;
        for datagram in std::mem::take(&mut self.early) {
            self.push(&datagram, out);
        }
        self.take_output(out);
        Ok(())
    }

    fn take_output(&mut self, out: &mut Vec<u8>) {
        if let State::Open(socket) = &mut self.state {
            out.append(&mut socket.get_mut().output);
        }
    }

    fn take_messages(
        &mut self,
        out: &mut Vec<u8>,
        handle: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), StreamFailure> {
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        let result = loop {
            match socket.read() {
                Ok(Message::Binary(bytes)) => handle(&mut bytes.to_vec()),
                Ok(Message::Text(_)) => {
                    refuse(socket, CloseCode::Unsupported, "only binary messages");
                    break Err(StreamFailure::TextMessage);
                }
                Ok(Message::Close(_)) => break Err(StreamFailure::Closed),
                // Pings are answered by the codec.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(Error::Capacity(_)) => {
                    refuse(socket, CloseCode::Size, "at most 16,384 bytes");
                    break Err(StreamFailure::RecordLength);
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => break Err(StreamFailure::Closed),
                Err(_) => {
                    refuse(socket, CloseCode::Protocol, "");
                    break Err(StreamFailure::NotTme);
                }
            }
        };
        let _ = socket.flush();
        self.take_output(out);
        result
    }
}

/// Says why this is the end.
fn refuse(socket: &mut WebSocket<Duplex>, code: CloseCode, reason: &'static str) {
    let _ = socket.close(Some(CloseFrame { code, reason: reason.into() }));
}
