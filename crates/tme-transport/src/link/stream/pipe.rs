//! One stream: bytes between its socket and its datagrams.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use tme_core::datagram::LinkKind;

use super::framing::Framing;
use super::tls::{TlsCertificate, TlsClient, TlsSession};
use super::{StreamFailure, StreamTarget};

/// With more than this waiting a stream takes no more from its connection, where it is put in order and grows stale.
const FULL_BYTES: usize = 64 << 10;
/// With less than this it does again.
const ROOM_BYTES: usize = 16 << 10;
/// More than this never waits: whoever is asked to stop and does not loses datagrams.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// A socket, what was read of a record, and what waits to be written.
#[derive(Debug)]
pub(super) struct Pipe {
    socket: TcpStream,
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
    /// A stream that was accepted; with a certificate it may be TLS.
    pub fn accepted(socket: TcpStream, certificate: Option<&TlsCertificate>) -> Self {
        let tls = certificate.cloned().map_or(Tls::None, Tls::Offered);
        Self::new(socket, Framing::accepted(), tls)
    }

    /// A stream that is opened. `None`: the server's name is none that a certificate could be for.
    pub fn opened(socket: TcpStream, target: &StreamTarget<'_>, tls: Option<&TlsClient>) -> Option<Self> {
        let tls = match tls {
            Some(client) => Tls::Session(Box::new(TlsSession::opened(client, target.authority)?)),
            None => Tls::None,
        };
        let mut plain = Vec::new();
        let framing = Framing::opened(target.kind, target.authority, &mut plain);
        let mut pipe = Self { plain, ..Self::new(socket, framing, tls) };
        pipe.encrypt();
        Some(pipe)
    }

    const fn new(socket: TcpStream, framing: Framing, tls: Tls) -> Self {
        Self { socket, framing, tls, plain: Vec::new(), read_bytes: 0, out: Vec::new(), written: 0 }
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

    /// What kind of link it makes.
    pub const fn kind(&self) -> LinkKind {
        self.framing.kind()
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
        mut handle: impl FnMut(&mut [u8], LinkKind, bool),
    ) -> Result<bool, StreamFailure> {
        let mut left = bytes_max;
        while left > 0 {
            match self.socket.read(scratch) {
                Ok(0) => return Err(StreamFailure::Closed),
                Ok(count) => {
                    left = left.saturating_sub(count);
                    let bytes = scratch.get_mut(..count).unwrap_or_default();
                    self.read_bytes += count as u64;
                    let result = self.take(bytes, &mut handle);
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

    /// Takes bytes of the socket in.
    fn take(
        &mut self,
        bytes: &mut [u8],
        handle: &mut dyn FnMut(&mut [u8], LinkKind, bool),
    ) -> Result<(), StreamFailure> {
        if let Tls::Session(session) = &mut self.tls {
            let (framing, plain) = (&mut self.framing, &mut self.plain);
            let handle: &mut dyn FnMut(&mut [u8], LinkKind) =
                &mut |datagram, kind| handle(datagram, kind, true);
            let result = session.read(bytes, &mut self.out, |bytes| framing.read(bytes, plain, &mut *handle));
            self.encrypt();
            return match &self.framing {
                Framing::Tls(_) => Err(StreamFailure::NotTme),
                _ => result,
            };
        }
        self.framing.read(bytes, &mut self.out, &mut |datagram, kind| handle(datagram, kind, false))?;
        let Framing::Tls(head) = &mut self.framing else { return Ok(()) };
        let mut head = std::mem::take(head);
        let Tls::Offered(certificate) = &self.tls else { return Err(StreamFailure::NotTme) };
        let session = TlsSession::accepted(certificate).ok_or(StreamFailure::TlsFailed)?;
        self.tls = Tls::Session(Box::new(session));
        self.framing = Framing::accepted();
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
