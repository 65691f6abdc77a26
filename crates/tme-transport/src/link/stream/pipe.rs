//! One stream: bytes between its socket and its datagrams.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use tme_core::datagram::LinkKind;

use super::StreamFailure;
use super::framing::Framing;

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
    /// Bytes in.
    read_bytes: u64,
    out: Vec<u8>,
    /// Bytes of `out` that were written.
    written: usize,
}

impl Pipe {
    /// A stream that was accepted.
    pub const fn accepted(socket: TcpStream) -> Self {
        Self { socket, framing: Framing::accepted(), read_bytes: 0, out: Vec::new(), written: 0 }
    }

    /// A stream that is opened, to a server that is called `authority`, `host:port`.
    pub fn opened(socket: TcpStream, kind: LinkKind, authority: &str) -> Self {
        let mut out = Vec::new();
        let framing = Framing::opened(kind, authority, &mut out);
        Self { socket, framing, read_bytes: 0, out, written: 0 }
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
        mut handle: impl FnMut(&mut [u8], LinkKind),
    ) -> Result<bool, StreamFailure> {
        let mut left = bytes_max;
        while left > 0 {
            match self.socket.read(scratch) {
                Ok(0) => return Err(StreamFailure::Closed),
                Ok(count) => {
                    left = left.saturating_sub(count);
                    let bytes = scratch.get_mut(..count).unwrap_or_default();
                    self.read_bytes += count as u64;
                    let result = self.framing.read(bytes, &mut self.out, &mut handle);
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

    /// Queues a datagram; `false`: there is no room, and it is lost.
    pub fn push(&mut self, datagram: &[u8]) -> bool {
        if self.waiting_bytes() + datagram.len() > WAITING_BYTES_MAX {
            return false;
        }
        self.framing.push(datagram, &mut self.out)
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
