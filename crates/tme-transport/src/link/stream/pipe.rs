//! One stream: bytes between its socket and its datagrams.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;

use mio::net::TcpStream;
use tme_core::datagram::{LinkKind, Path, StreamId};
use tme_core::stream::proxy::{ProxiedFrom, ProxyHeader, TrustedProxies};

use super::framing::{Framing, Provenance};
use super::tls::{TlsCertificate, TlsClient, TlsSession};
use super::{StreamFailure, StreamTarget, StreamsConfig};

/// With more than this waiting a stream takes no more from its connection, where it is put in order and grows stale.
const FULL_BYTES: usize = 64 << 10;
/// With less than this it does again.
const ROOM_BYTES: usize = 16 << 10;
/// More than this never waits: whoever is asked to stop and does not loses datagrams.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// What those who know nothing of streams have to know of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    kind: LinkKind,
    is_secure: bool,
    is_local: bool,
    /// The client: the other end of the socket, or whom a proxy there speaks for.
    pub remote: SocketAddr,
}

impl Label {
    fn with(self, provenance: Provenance) -> Self {
        let Provenance { kind, client } = provenance;
        let remote = SocketAddr::new(client.unwrap_or(self.remote.ip()), self.remote.port());
        Self { kind, remote, ..self }
    }

    pub const fn id(&self, number: u32) -> StreamId {
        let number = match NonZeroU32::new(number) {
            Some(number) => number,
            None => NonZeroU32::MAX,
        };
        let Self { kind, is_secure, is_local, .. } = *self;
        StreamId { number, kind, is_secure, is_local }
    }

    pub const fn path(&self, number: u32) -> Path {
        Path::through(self.id(number), self.remote)
    }
}

/// Whether the word of a proxy comes before all else.
#[derive(Debug)]
enum Preface {
    Over,
    /// It does, and this much of it is there.
    Expected(Vec<u8>),
}

/// A socket, what was read of a record, and what waits to be written.
#[derive(Debug)]
pub(super) struct Pipe {
    socket: TcpStream,
    /// The other end of the socket, or whom its PROXY header has named.
    remote: SocketAddr,
    /// The other end of the socket is on this machine.
    is_local: bool,
    proxies: TrustedProxies,
    preface: Preface,
    framing: Framing,
    tls: Tls,
    /// What the framing says, before it is encrypted.
    plain: Vec<u8>,
    /// Bytes in.
    read_bytes: u64,
    out: Vec<u8>,
    /// Bytes of `out` that were written.
    written: usize,
}

/// What is between the socket and the framing.
#[derive(Debug)]
enum Tls {
    None,
    /// Nothing, unless the other side begins with TLS.
    Offered(TlsCertificate),
    Session(Box<TlsSession>),
}

impl Pipe {
    /// A stream that was accepted from `remote`; with a certificate it may be TLS, and proxies have to say for whom they speak.
    pub fn accepted(socket: TcpStream, remote: SocketAddr, config: &StreamsConfig) -> Self {
        let tls = config.certificate.clone().map_or(Tls::None, Tls::Offered);
        let mut pipe = Self::new(socket, remote, Framing::accepted(None), tls);
        pipe.proxies = config.proxies.clone();
        pipe.framing = pipe.begin();
        if pipe.proxies.header_of(remote.ip()) == Some(ProxyHeader::ProxyProtocol) {
            pipe.preface = Preface::Expected(Vec::new());
        }
        pipe
    }

    /// The framing of a stream of which nothing was read.
    fn begin(&self) -> Framing {
        let is_forwarded = self.proxies.header_of(self.remote.ip()) == Some(ProxyHeader::XForwardedFor);
        Framing::accepted(is_forwarded.then(|| self.proxies.clone()))
    }

    /// A stream that is opened. `None`: the server's name is none that a certificate could be for.
    pub fn opened(socket: TcpStream, target: &StreamTarget<'_>, tls: Option<&TlsClient>) -> Option<Self> {
        let tls = match tls {
            Some(client) => Tls::Session(Box::new(TlsSession::opened(client, target.authority)?)),
            None => Tls::None,
        };
        let mut plain = Vec::new();
        let framing = Framing::opened(target.kind, target.authority, &mut plain);
        let mut pipe = Self { plain, ..Self::new(socket, target.remote, framing, tls) };
        pipe.encrypt();
        Some(pipe)
    }

    fn new(socket: TcpStream, remote: SocketAddr, framing: Framing, tls: Tls) -> Self {
        Self {
            socket,
            remote,
            is_local: remote.ip().to_canonical().is_loopback(),
            proxies: TrustedProxies::default(),
            preface: Preface::Over,
            framing,
            tls,
            plain: Vec::new(),
            read_bytes: 0,
            out: Vec::new(),
            written: 0,
        }
    }

    /// Whether it is TLS.
    pub const fn is_secure(&self) -> bool {
        matches!(self.tls, Tls::Session(_))
    }

    /// Whether the TLS handshake is not over.
    pub fn is_shaking_hands(&self) -> bool {
        matches!(&self.tls, Tls::Session(session) if session.is_shaking_hands())
    }

    /// For whoever waits for it.
    pub const fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// What it is and from whom, as far as that is known.
    pub fn label(&self) -> Label {
        self.label_before_framing().with(self.framing.provenance())
    }

    const fn label_before_framing(&self) -> Label {
        let Self { remote, is_local, .. } = *self;
        Label { kind: LinkKind::Tcp, is_secure: self.is_secure(), is_local, remote }
    }

    /// Whether the socket is connected; an error if it will not be.
    pub fn connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Bytes that have come.
    pub const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Whether enough has come to know that it is TME.
    pub const fn has_begun(&self) -> bool {
        self.framing.is_known()
    }

    /// Reads at most about `bytes_max` and hands over each datagram. `true`: there may be more.
    pub fn read(
        &mut self,
        scratch: &mut [u8],
        bytes_max: usize,
        mut handle: impl FnMut(&mut [u8], Label),
    ) -> Result<bool, StreamFailure> {
        let mut left = bytes_max;
        while left > 0 {
            match self.socket.read(scratch) {
                Ok(0) => return Err(StreamFailure::Closed),
                Ok(count) => {
                    left = left.saturating_sub(count);
                    let bytes = scratch.get_mut(..count).unwrap_or_default();
                    self.read_bytes += count as u64;
                    let result = self.take_from_socket(bytes, &mut handle);
                    if result.is_err() {
                        // What there is to say about it, if the socket takes it at once.
                        let _ = self.write();
                    }
                    result?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(StreamFailure::Broken),
            }
        }
        Ok(true)
    }

    /// Takes bytes of the socket in, of which a proxy's word about its client may come first.
    fn take_from_socket(
        &mut self,
        bytes: &mut [u8],
        handle: &mut dyn FnMut(&mut [u8], Label),
    ) -> Result<(), StreamFailure> {
        let Preface::Expected(head) = &mut self.preface else { return self.take(bytes, handle) };
        head.extend_from_slice(bytes);
        let Some(ProxiedFrom { client, header_bytes }) = ProxiedFrom::parse(head)? else { return Ok(()) };
        let mut head = std::mem::take(head);
        self.preface = Preface::Over;
        if let Some(client) = client {
            log::debug!("{} speaks for {client}", self.remote);
            self.remote = client;
            self.framing = self.begin();
        }
        match head.get_mut(header_bytes..) {
            Some(rest) if !rest.is_empty() => self.take(rest, handle),
            _ => Ok(()),
        }
    }

    /// Takes bytes of the stream proper in.
    fn take(
        &mut self,
        bytes: &mut [u8],
        handle: &mut dyn FnMut(&mut [u8], Label),
    ) -> Result<(), StreamFailure> {
        let label = self.label_before_framing();
        let mut labelled =
            |datagram: &mut [u8], provenance: Provenance| handle(datagram, label.with(provenance));
        if let Tls::Session(session) = &mut self.tls {
            let (framing, plain) = (&mut self.framing, &mut self.plain);
            let handle: &mut dyn FnMut(&mut [u8], Provenance) = &mut labelled;
            let result = session.read(bytes, &mut self.out, |bytes| framing.read(bytes, plain, &mut *handle));
            self.encrypt();
            return match &self.framing {
                Framing::Tls(_) => Err(StreamFailure::NotTme),
                _ => result,
            };
        }
        self.framing.read(bytes, &mut self.out, &mut labelled)?;
        let Framing::Tls(head) = &mut self.framing else { return Ok(()) };
        let mut head = std::mem::take(head);
        let Tls::Offered(certificate) = &self.tls else { return Err(StreamFailure::NotTme) };
        let session = TlsSession::accepted(certificate).ok_or(StreamFailure::TlsFailed)?;
        self.tls = Tls::Session(Box::new(session));
        self.framing = self.begin();
        self.take(&mut head, handle)
    }

    /// Sends what the framing said through the session, if there is one, or as it is.
    fn encrypt(&mut self) {
        match &mut self.tls {
            Tls::Session(session) => {
                session.write(&self.plain, &mut self.out);
                self.plain.clear();
            }
            Tls::None | Tls::Offered(_) => self.out.append(&mut self.plain),
        }
    }

    /// Queues a datagram; `false`: there is no room, and it is lost.
    pub fn push(&mut self, datagram: &[u8]) -> bool {
        if self.waiting_bytes() + datagram.len() > WAITING_BYTES_MAX {
            return false;
        }
        if !self.is_secure() {
            return self.framing.push(datagram, &mut self.out);
        }
        let is_taken = self.framing.push(datagram, &mut self.plain);
        self.encrypt();
        is_taken
    }

    /// Writes as much as the socket takes; gives how much that was.
    pub fn write(&mut self) -> Result<usize, StreamFailure> {
        let before = self.written;
        let mut total = 0;
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(0) => return Err(StreamFailure::Broken),
                Ok(count) => {
                    self.written += count;
                    total += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(StreamFailure::Broken),
            }
        }
        debug_assert_eq!(before + total, self.written);
        if self.written == self.out.len() {
            self.out.clear();
            self.out.shrink_to(2 * FULL_BYTES);
            self.written = 0;
        } else if self.written > FULL_BYTES {
            self.out.drain(..self.written);
            self.written = 0;
        }
        Ok(total)
    }

    /// Bytes that the socket has not taken.
    pub fn waiting_bytes(&self) -> usize {
        self.out.len() - self.written + self.framing.kept_bytes()
    }

    /// Whether there is something that the socket could take.
    pub const fn has_unwritten(&self) -> bool {
        self.written < self.out.len()
    }

    pub fn is_full(&self) -> bool {
        self.waiting_bytes() > FULL_BYTES
    }

    pub fn has_room(&self) -> bool {
        self.waiting_bytes() < ROOM_BYTES
    }
}
