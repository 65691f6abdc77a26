//! What the network may see: sizes, packet numbers, and how much a stranger gets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Breach, Oracle};

/// A datagram of `bytes` towards somebody who takes at most `limit`.
pub fn check_datagram_size(bytes: usize, limit: usize) -> Result<(), Breach> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Breach::new(Oracle::DatagramSize, format!("at most {limit} bytes"), format!("{bytes} bytes")))
}

/// The packet numbers that one sender has sealed, per receiver and connection id (which the receiver chose).
///
/// Only 16 or 32 bits of a number travel. They are expanded against the number before: a sender's numbers rise one by
/// one, so any repetition shows as a number that did not rise.
#[derive(Clone, Debug, Default)]
pub struct PacketNumbers {
    first: u64,
    last: BTreeMap<(SocketAddr, u32), u64>,
}

impl PacketNumbers {
    /// Nothing sealed yet; connections begin at the number `first`.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self { first, last: BTreeMap::new() }
    }

    /// The receiver of the packets with this connection id, if only one has it.
    #[must_use]
    pub fn receiver_of(&self, id: u32) -> Option<SocketAddr> {
        let mut receivers = self.last.keys().filter(|(_, other)| *other == id).map(|(to, _)| *to);
        receivers.next().filter(|_| receivers.next().is_none())
    }

    /// The sender handed a data packet to `to` out. Gives its connection id and full number.
    pub fn handle_sent(&mut self, to: SocketAddr, datagram: &[u8]) -> Result<(u32, u64), Breach> {
        let malformed = || {
            let found = format!("{:02x?}", datagram.get(..9).unwrap_or(datagram));
            Breach::new(Oracle::PacketNumbers, "a data packet's header", found)
        };
        let (&[flags, a, b, c, d, low0, low1], rest) = datagram.split_first_chunk().ok_or_else(malformed)?;
        let id = u32::from_le_bytes([a, b, c, d]);
        let (low, bits) = if flags & 1 == 0 {
            (u64::from(u16::from_le_bytes([low0, low1])), 16)
        } else {
            let &[high0, high1] = rest.first_chunk().ok_or_else(malformed)?;
            (u64::from(u32::from_le_bytes([low0, low1, high0, high1])), 32)
        };
        let next = self.last.get(&(to, id)).map_or(self.first, |last| last + 1);
        let number = nearest(low, bits, next);
        if number < next {
            let expected = format!("number {next} or above for connection {id:#010x}");
            return Err(Breach::new(Oracle::PacketNumbers, expected, format!("number {number}")));
        }
        self.last.insert((to, id), number);
        Ok((id, number))
    }
}

/// The number nearest to `reference` with these low bits.
fn nearest(low: u64, bits: u32, reference: u64) -> u64 {
    let range = 1i128 << bits;
    let base = i128::from(reference) & !(range - 1);
    let candidates = [base - range, base, base + range].map(|base| base + i128::from(low));
    let valid = candidates.into_iter().filter(|&number| number >= 0);
    let nearest = valid.min_by_key(|number| (number - i128::from(reference)).abs());
    nearest.and_then(|number| u64::try_from(number).ok()).unwrap_or(low)
}

#[derive(Clone, Debug, Default)]
struct Account {
    received: u64,
    sent: u64,
    /// Cookies that were sent to this address.
    cookies: Vec<[u8; COOKIE_BYTES]>,
    is_proven: bool,
}

const COOKIE_BYTES: usize = 20;
const MAGIC: [u8; 4] = *b"TMED";
const TYPE_COOKIE: u8 = 2;
const TYPE_CONNECT: u8 = 3;

/// Bytes to and from each address, until the address has proven itself by a CONNECT with a cookie that was sent to it.
#[derive(Clone, Debug, Default)]
pub struct Amplification {
    accounts: BTreeMap<SocketAddr, Account>,
}

impl Amplification {
    /// The server received this from `address`.
    pub fn handle_received(&mut self, address: SocketAddr, datagram: &[u8]) {
        let account = self.accounts.entry(address).or_default();
        account.received += datagram.len() as u64;
        if let Some(cookie) = connect_cookie(datagram) {
            account.is_proven |= account.cookies.contains(&cookie);
        }
    }

    /// Whether as much as it likes may be sent to this address.
    #[must_use]
    pub fn is_proven(&self, address: SocketAddr) -> bool {
        self.accounts.get(&address).is_some_and(|account| account.is_proven)
    }

    /// A connection has moved to this address, which is its client's.
    pub fn handle_moved(&mut self, address: SocketAddr) {
        self.accounts.entry(address).or_default().is_proven = true;
    }

    /// The server sent this to `address`.
    pub fn handle_sent(&mut self, address: SocketAddr, datagram: &[u8]) -> Result<(), Breach> {
        let account = self.accounts.entry(address).or_default();
        account.sent += datagram.len() as u64;
        if let Some(cookie) = offered_cookie(datagram) {
            account.cookies.push(cookie);
        }
        if account.is_proven || account.sent <= account.received {
            return Ok(());
        }
        Err(Breach::new(
            Oracle::Amplification,
            format!("at most {} bytes to {address}, which has not proven its address", account.received),
            format!("{} bytes", account.sent),
        ))
    }
}

/// The cookie in a COOKIE datagram (`docs/PROTOCOL.md`, section 2.3).
fn offered_cookie(datagram: &[u8]) -> Option<[u8; COOKIE_BYTES]> {
    let is_cookie = datagram.starts_with(&MAGIC) && datagram.get(4) == Some(&TYPE_COOKIE);
    datagram.get(47..).filter(|_| is_cookie)?.first_chunk().copied()
}

/// The cookie in a CONNECT datagram (section 2.4).
fn connect_cookie(datagram: &[u8]) -> Option<[u8; COOKIE_BYTES]> {
    let is_connect = datagram.starts_with(&MAGIC) && datagram.get(4) == Some(&TYPE_CONNECT);
    let versions = usize::from(*datagram.get(13)?);
    datagram.get(64 + 2 * versions..).filter(|_| is_connect)?.first_chunk().copied()
}
