//! Receiving: many deliveries per system call, each cut back into datagrams.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quinn_udp::{EcnCodepoint, RecvMeta};
use tme_core::datagram::{Ecn, Path};

use super::failure::{self, Failure};
use super::{RECEIVE_SLOTS_MAX, UdpLink, address};
use crate::link::{Hint, HintKind, LinkStats, ReceiveError, Received};

/// Errors skipped in one call before the caller gets its turn back.
const ERRORS_PER_CALL: usize = 16;

/// Whether a system call that brought less than asked for proves the socket empty, so that the call that
/// only fetches "would block" can be saved.
///
/// `recvmmsg` stops early when the socket is empty, or on an error that is reported by the next call. The
/// latter happens only to those who asked for ICMP errors. On Windows the call that would block is what
/// re-arms the poll.
const SHORT_MEANS_EMPTY: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl UdpLink {
    /// See [`Link::receive`](crate::link::Link::receive).
    ///
    /// # Errors
    /// As [`receive_timed`](Self::receive_timed).
    pub fn receive(
        &mut self,
        datagrams_max: usize,
        mut handle: impl FnMut(&mut [u8], Path, Ecn),
    ) -> Result<Received, ReceiveError> {
        self.receive_timed(datagrams_max, |bytes, path, ecn, _| handle(bytes, path, ecn))
    }

    /// See [`Link::receive_timed`](crate::link::Link::receive_timed). The system tells if [`Arrivals::Noted`](super::Arrivals) was asked for.
    ///
    /// # Errors
    /// [`ReceiveError`] if the socket no longer works.
    pub fn receive_timed(
        &mut self,
        datagrams_max: usize,
        mut handle: impl FnMut(&mut [u8], Path, Ecn, Duration),
    ) -> Result<Received, ReceiveError> {
        let mut datagrams = 0;
        let mut errors = 0;
        let mut empty = false;
        loop {
            datagrams += self.batch.deliver(datagrams_max - datagrams, &mut self.stats, &mut handle);
            if empty && self.batch.is_empty() {
                return Ok(Received { datagrams, more: false });
            }
            if datagrams >= datagrams_max {
                return Ok(Received { datagrams, more: true });
            }
            match self.fetch(datagrams_max - datagrams)? {
                Fetched::Some => {}
                Fetched::All => empty = true,
                Fetched::Error(kind) => {
                    errors += 1;
                    if errors == ERRORS_PER_CALL {
                        // An error we do not understand and that does not go away must not keep us spinning.
                        return Ok(Received { datagrams, more: kind != HintKind::Other });
                    }
                }
            }
        }
    }

    /// One system call, for at most as many deliveries as there are datagrams wanted.
    fn fetch(&mut self, datagrams_wanted: usize) -> Result<Fetched, ReceiveError> {
        self.stats.syscalls_in += 1;
        let asked = self.batch.slots.min(datagrams_wanted);
        let (socket, state) = (&self.socket, &self.state);
        let result = self
            .batch
            .fill(asked, |slices, metas| socket.try_io(|| state.recv(socket.into(), slices, metas)));
        let error = match result {
            Ok(count) => {
                if !self.gone.is_empty() {
                    self.gone.forget(self.batch.metas[..count].iter().filter_map(|meta| meta.dst_ip));
                }
                let silent = self.icmp == super::IcmpHints::Ignore;
                let all = SHORT_MEANS_EMPTY && silent && count < asked;
                return Ok(if all { Fetched::All } else { Fetched::Some });
            }
            Err(error) => error,
        };
        match failure::classify(&error) {
            Failure::WouldBlock => Ok(Fetched::All),
            // Windows says so of a datagram that did not fit, and has thrown it away.
            Failure::Hint(HintKind::TooLarge) if cfg!(windows) => {
                self.stats.truncated += 1;
                Ok(Fetched::Error(HintKind::TooLarge))
            }
            Failure::Hint(kind) => {
                if self.drain_errors() == 0 {
                    self.queue_hint(Hint::new(kind));
                }
                Ok(Fetched::Error(kind))
            }
            Failure::Arguments => {
                self.queue_hint(Hint::new(HintKind::Other));
                Ok(Fetched::Error(HintKind::Other))
            }
            Failure::Fatal => Err(ReceiveError(error)),
        }
    }
}

enum Fetched {
    /// Something, and there may be more.
    Some,
    /// Something or nothing, and the socket is empty now.
    All,
    Error(HintKind),
}

/// Receive slots, and how far their contents have been handed on.
pub(super) struct Batch {
    bytes: Vec<u8>,
    slot_bytes: usize,
    slots: usize,
    metas: Box<[RecvMeta]>,
    /// Slots that hold a delivery.
    filled: usize,
    /// The slot whose datagrams are being handed on.
    current: usize,
    /// How far.
    offset: usize,
    /// The system's wall clock when the slots were filled, since 1970.
    filled_at: Duration,
}

impl Batch {
    pub(super) fn new(slots: usize, slot_bytes: usize) -> Self {
        Self {
            bytes: vec![0; slots * slot_bytes],
            slot_bytes,
            slots,
            metas: vec![RecvMeta::default(); slots].into(),
            filled: 0,
            current: 0,
            offset: 0,
            filled_at: Duration::ZERO,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current == self.filled
    }

    /// Lends the first `count` slots to `receive`, which says how many it filled.
    fn fill(
        &mut self,
        count: usize,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        debug_assert!(self.is_empty());
        (self.filled, self.current, self.offset) = (0, 0, 0);
        let mut parts = self.bytes.chunks_exact_mut(self.slot_bytes);
        let mut slices: [IoSliceMut<'_>; RECEIVE_SLOTS_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
        self.filled = receive(&mut slices[..count], &mut self.metas[..count])?;
        if self.metas[..self.filled].iter().any(|meta| meta.timestamp.is_some()) {
            self.filled_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        }
        Ok(self.filled)
    }

    /// Hands on up to `limit` datagrams.
    fn deliver(
        &mut self,
        limit: usize,
        stats: &mut LinkStats,
        handle: &mut impl FnMut(&mut [u8], Path, Ecn, Duration),
    ) -> usize {
        let mut count = 0;
        while count < limit && self.current < self.filled {
            let meta = &self.metas[self.current];
            if self.offset == 0 && !is_sound(meta, self.slot_bytes, stats) {
                self.current += 1;
                continue;
            }
            let path =
                Path { local: address::usable_local(meta.dst_ip), ..Path::to(address::canonical(meta.addr)) };
            let ecn = meta.ecn.map_or(Ecn::NotCapable, ecn_from_socket);
            let waited = meta.timestamp.map_or(Duration::ZERO, |at| self.filled_at.saturating_sub(at));
            let end = meta.len.min(self.offset + meta.stride.max(1));
            let slot = &mut self.bytes[self.current * self.slot_bytes..][..meta.len];
            let datagram = &mut slot[self.offset..end];
            stats.datagrams_in += 1;
            stats.bytes_in += datagram.len() as u64;
            count += 1;
            self.offset = end;
            if end == meta.len {
                (self.current, self.offset) = (self.current + 1, 0);
            }
            handle(datagram, path, ecn, waited);
        }
        count
    }
}

/// Whether a delivery can be used; counts it if not, or if it is a merged one.
fn is_sound(meta: &RecvMeta, slot_bytes: usize, stats: &mut LinkStats) -> bool {
    if meta.len >= slot_bytes {
        // It may have been cut off. Slots are larger than any datagram, so it was.
        stats.truncated += 1;
        return false;
    }
    if meta.addr.port() == 0 {
        stats.bad_source += meta.len.div_ceil(meta.stride.max(1)).max(1) as u64;
        return false;
    }
    if meta.len > meta.stride {
        stats.gro_batches += 1;
    }
    true
}

fn ecn_from_socket(ecn: EcnCodepoint) -> Ecn {
    Ecn::from_bits(ecn as u8)
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("slots", &self.slots)
            .field("filled", &self.filled)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn meta(port: u16, len: usize, stride: usize) -> RecvMeta {
        let mut meta = RecvMeta::default();
        meta.addr = SocketAddr::from(([192, 0, 2, 1], port));
        (meta.len, meta.stride) = (len, stride);
        meta
    }

    /// A batch of three slots of 100 bytes filled with these deliveries.
    fn batch(metas: &[RecvMeta]) -> Batch {
        let mut batch = Batch::new(3, 100);
        batch
            .fill(3, |slices, slots| {
                for slice in slices {
                    slice.fill(0xA5);
                }
                slots[..metas.len()].copy_from_slice(metas);
                Ok(metas.len())
            })
            .unwrap();
        batch
    }

    #[test]
    fn merged_deliveries_are_cut_at_their_stride_across_any_limits() {
        for limit in 1..=8 {
            let mut batch = batch(&[meta(1, 25, 10), meta(2, 10, 10), meta(3, 0, 0)]);
            let mut stats = LinkStats::default();
            let mut sizes = Vec::new();
            while !batch.is_empty() {
                let mut count = 0;
                batch.deliver(limit, &mut stats, &mut |bytes, path, _, _| {
                    sizes.push((path.remote.port(), bytes.len()));
                    count += 1;
                });
                assert!((1..=limit).contains(&count));
            }
            assert_eq!(sizes, [(1, 10), (1, 10), (1, 5), (2, 10), (3, 0)], "limit {limit}");
            assert_eq!((stats.datagrams_in, stats.bytes_in, stats.gro_batches), (5, 35, 1));
        }
    }

    #[test]
    fn datagrams_that_do_not_fit_or_cannot_be_answered_are_counted_and_skipped() {
        let mut batch = batch(&[meta(1, 100, 100), meta(0, 25, 10), meta(3, 99, 99)]);
        let mut stats = LinkStats::default();
        let mut ports = Vec::new();
        batch.deliver(9, &mut stats, &mut |_, path, _, _| ports.push(path.remote.port()));
        assert_eq!(ports, [3]);
        assert_eq!((stats.truncated, stats.bad_source, stats.datagrams_in), (1, 3, 1));
    }
}
