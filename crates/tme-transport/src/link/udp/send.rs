//! Sending: many datagrams per system call, and what to do when the system does not like it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use quinn_udp::EcnCodepoint;
use tme_core::datagram::{Ecn, Transmit};

use super::failure::{self, Failure};
use super::{UdpLink, bind};
use crate::link::{DATAGRAM_BYTES_MAX, Hint, HintKind, Segments, SendError, SendOutcome};

/// Other hosts' errors that one send call sits out. Each made the system refuse this datagram in its place.
const RETRIES_MAX: usize = 2;

impl UdpLink {
    /// See [`Link::send`](crate::link::Link::send).
    ///
    /// # Errors
    /// [`SendError`] if the caller contradicts itself or the socket no longer works.
    pub fn send(&mut self, transmit: &Transmit, buffer: &[u8]) -> Result<SendOutcome, SendError> {
        let Segments { bytes, segment_bytes } = Segments::of(transmit, buffer)?;
        let remote = transmit.path.remote;
        let Some(destination) = self.family.outgoing(remote) else {
            return Err(SendError::WrongFamily { remote });
        };
        if destination.port() == 0 {
            // The system would answer EINVAL, which must not be mistaken for a fault of segmentation.
            return Ok(self.dropped(HintKind::BadAddress));
        }
        let mut envelope = self.address(destination, transmit);
        let mut per_call = self.segments_per_call(segment_bytes);
        let mut segmentation_suspected = false;
        let mut sent_bytes = 0;
        let mut dropped = None;
        while sent_bytes < bytes.len() {
            let end = bytes.len().min(sent_bytes + per_call * segment_bytes);
            match self.send_run(&mut envelope, &bytes[sent_bytes..end], segment_bytes)? {
                Run::Sent => {}
                Run::WouldBlock => return Ok(SendOutcome::WouldBlock { sent_bytes }),
                Run::Dropped(hint) => dropped = Some(hint),
                Run::NotSegmented => {
                    segmentation_suspected = true;
                    per_call = 1;
                    continue;
                }
            }
            sent_bytes = end;
        }
        // One by one, the same datagrams to the same place were fine: it was the segmentation.
        if segmentation_suspected && dropped.is_none() && !envelope.source_replaced {
            self.stop_segmenting();
        }
        Ok(dropped.map_or(SendOutcome::Sent, SendOutcome::Dropped))
    }

    fn address(&self, destination: SocketAddr, transmit: &Transmit) -> Envelope {
        let wanted = transmit.path.local.and_then(|local| self.family.outgoing_source(local));
        let source = wanted.filter(|source| !self.gone.contains(*source));
        Envelope {
            destination,
            source,
            source_replaced: source != wanted,
            source_in_doubt: None,
            ecn: ecn_to_socket(transmit.ecn),
        }
    }

    fn segments_per_call(&self, segment_bytes: usize) -> usize {
        // What is cut later still counts as one datagram's length on the way down.
        self.gso_segments.min(DATAGRAM_BYTES_MAX / segment_bytes).max(1)
    }

    /// Sends one datagram, or several of one size in one system call.
    fn send_run(
        &mut self,
        envelope: &mut Envelope,
        bytes: &[u8],
        segment_bytes: usize,
    ) -> Result<Run, SendError> {
        let several = bytes.len() > segment_bytes;
        let mut retries = 0;
        loop {
            let Err(error) = self.call_system(envelope, bytes, several.then_some(segment_bytes)) else {
                self.count_sent(envelope, bytes.len(), bytes.len().div_ceil(segment_bytes));
                return Ok(Run::Sent);
            };
            let failure = failure::classify(&error);
            match failure {
                Failure::WouldBlock => {
                    self.stats.would_block += 1;
                    return Ok(Run::WouldBlock);
                }
                Failure::Fatal => return Err(SendError::Socket(error)),
                Failure::Hint(_) => {
                    if self.drain_errors() > 0 && retries < RETRIES_MAX {
                        retries += 1;
                        continue;
                    }
                }
                Failure::Arguments => self.renew_state(),
            }
            if envelope.doubt_source(failure) {
                continue;
            }
            envelope.trust_source();
            return Ok(match failure {
                Failure::Hint(kind) => self.dropped_run(kind),
                _ if several => Run::NotSegmented,
                _ => self.dropped_run(HintKind::BadAddress),
            });
        }
    }

    fn call_system(
        &mut self,
        envelope: &Envelope,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        self.stats.syscalls_out += 1;
        let transmit = quinn_udp::Transmit {
            destination: envelope.destination,
            ecn: envelope.ecn,
            contents,
            segment_size,
            src_ip: envelope.source,
        };
        self.socket.try_io(|| self.state.try_send((&self.socket).into(), &transmit))
    }

    fn count_sent(&mut self, envelope: &mut Envelope, bytes: usize, datagrams: usize) {
        if let Some(source) = envelope.source_in_doubt.take() {
            // It was the source address that the system did not like.
            log::debug!("udp {}: source address {source} is gone", self.local);
            self.gone.remember(source);
            envelope.source_replaced = true;
        }
        self.stats.datagrams_out += datagrams as u64;
        self.stats.bytes_out += bytes as u64;
        self.stats.gso_batches += u64::from(datagrams > 1);
        self.stats.source_replaced += if envelope.source_replaced { datagrams as u64 } else { 0 };
    }

    fn dropped_run(&mut self, kind: HintKind) -> Run {
        self.stats.hints.count(kind);
        Run::Dropped(Hint::new(kind))
    }

    fn stop_segmenting(&mut self) {
        if self.gso_segments > 1 {
            log::info!("udp {}: segmentation offload does not work here; sending one by one", self.local);
            self.gso_segments = 1;
        }
    }

    /// Undoes what the socket's state concludes from an error like EINVAL: that the system is too old for an
    /// ECN mark on IPv4. Here it came from segmentation, a source address that is gone, or a bad destination.
    fn renew_state(&mut self) {
        if let Ok(state) = bind::set_up(&self.socket, self.icmp, self.arrivals) {
            self.state = state;
        }
    }
}

/// Where datagrams go, from where, and how marked.
struct Envelope {
    destination: SocketAddr,
    source: Option<IpAddr>,
    /// The system chooses the source, for we know the wanted one to be gone.
    source_replaced: bool,
    /// The source that was left out of the attempt going on, to see whether it was the problem.
    source_in_doubt: Option<IpAddr>,
    ecn: Option<EcnCodepoint>,
}

impl Envelope {
    /// Leaves the source out of the next attempt if it may be why this one failed: the address is not this
    /// machine's (any more). Linux calls that "no route" or "invalid", others "address not available".
    fn doubt_source(&mut self, failure: Failure) -> bool {
        let suspicious = matches!(failure, Failure::Arguments | Failure::Hint(HintKind::NetworkUnreachable));
        if suspicious && let Some(source) = self.source.take() {
            self.source_in_doubt = Some(source);
            return true;
        }
        false
    }

    /// It went no better without it.
    fn trust_source(&mut self) {
        if let Some(source) = self.source_in_doubt.take() {
            self.source = Some(source);
        }
    }
}

/// What became of one system call's datagrams.
enum Run {
    Sent,
    WouldBlock,
    Dropped(Hint),
    /// The system did not take several at once. None was sent.
    NotSegmented,
}

/// Source addresses that this machine no longer has (a VPN went down, say), as the socket writes them.
///
/// Connections go on naming them until they notice; trying each time would double the system calls. An
/// address is forgotten when a datagram arrives at it. Four: more interfaces do not vanish at a time, and if
/// they do, the oldest costs its failing calls again.
#[derive(Debug, Default)]
pub(super) struct GoneSources {
    sources: [Option<IpAddr>; 4],
    next: usize,
}

impl GoneSources {
    pub(super) fn is_empty(&self) -> bool {
        self.sources == [None; 4]
    }

    fn contains(&self, source: IpAddr) -> bool {
        self.sources.contains(&Some(source))
    }

    fn remember(&mut self, source: IpAddr) {
        self.sources[self.next] = Some(source);
        self.next = (self.next + 1) % self.sources.len();
    }

    pub(super) fn forget(&mut self, present: impl Iterator<Item = IpAddr>) {
        for address in present {
            for source in &mut self.sources {
                if source.is_some_and(|gone| gone.to_canonical() == address.to_canonical()) {
                    *source = None;
                }
            }
        }
    }
}

fn ecn_to_socket(ecn: Ecn) -> Option<EcnCodepoint> {
    EcnCodepoint::from_bits(ecn as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gone_source_is_remembered_until_it_is_seen_again_or_four_others_went() {
        let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut gone = GoneSources::default();
        assert!(gone.is_empty());
        gone.remember(ip(1));
        gone.remember(ip(2));
        let IpAddr::V4(second) = ip(2) else { unreachable!("made above") };
        gone.forget([ip(9), second.to_ipv6_mapped().into()].into_iter());
        assert!(gone.contains(ip(1)) && !gone.contains(ip(2)));
        (3..=6).for_each(|last| gone.remember(ip(last)));
        assert!(!gone.contains(ip(1)));
        assert!((3..=6).all(|last| gone.contains(ip(last))));
    }
}
