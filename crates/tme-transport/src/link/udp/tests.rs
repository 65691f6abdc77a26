//! What only a test inside the crate can arrange: small receive slots, and sources that are gone.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tme_core::datagram::{Ecn, Path, Transmit};

use super::*;
use crate::link::Received;
use crate::poller::{EVENTS_DEFAULT, Poller};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn transmit(remote: SocketAddr, bytes: usize) -> Transmit {
    Transmit { path: Path::to(remote), ecn: Ecn::Ect0, bytes, segment_bytes: None }
}

/// Receives until `count` datagrams are there; returns them with their ECN marks.
fn receive(link: &mut UdpLink, count: usize) -> Vec<(Vec<u8>, Ecn)> {
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    link.register(poller.registry(), Token(1)).unwrap();
    let mut received = Vec::new();
    loop {
        let Received { more, .. } =
            link.receive(64, |bytes, _, ecn| received.push((bytes.to_vec(), ecn))).unwrap();
        if received.len() >= count {
            link.deregister(poller.registry()).unwrap();
            return received;
        }
        let timeout = if more { Duration::ZERO } else { Duration::from_secs(20) };
        let woken = poller.wait(Some(timeout)).unwrap();
        assert!(more || woken.ready_count > 0, "{} of {count} datagrams came", received.len());
    }
}

#[test]
fn a_datagram_larger_than_its_slot_is_counted_and_dropped() {
    let mut config = UdpConfig::server(LOOPBACK);
    config.receive_slots = 1;
    let mut receiver = UdpLink::bind_with_slots_of(1_000, &config).unwrap();
    let mut sender = UdpLink::bind(&UdpConfig::client(LOOPBACK)).unwrap();
    for bytes in [1_400, 999] {
        let sent = sender.send(&transmit(receiver.local_address(), bytes), &[0xA5; 1_400]).unwrap();
        assert_eq!(sent, SendOutcome::Sent);
    }
    let received = receive(&mut receiver, 1);
    assert_eq!(received[0].0.len(), 999);
    assert_eq!(receiver.stats().truncated, 1);
}

#[test]
fn a_source_address_that_is_gone_is_left_out_and_remembered() {
    // Addresses of the blocks for documentation: no machine has them.
    let worlds = [("0.0.0.0:0", "127.0.0.1:0", "192.0.2.77"), ("[::]:0", "[::1]:0", "2001:db8::77")];
    for (any, loopback, gone) in worlds {
        let Ok(mut receiver) = UdpLink::bind(&UdpConfig::server(loopback.parse().unwrap())) else {
            println!("skipped: no {loopback} here");
            continue;
        };
        let mut sender = UdpLink::bind(&UdpConfig::client(any.parse().unwrap())).unwrap();
        let gso_before = sender.max_gso_segments();
        let mut transmit = transmit(receiver.local_address(), 300);
        transmit.segment_bytes = Some(100);
        transmit.path.local = Some(gone.parse().unwrap());
        for _ in 0..2 {
            assert_eq!(sender.send(&transmit, &[0xA5; 300]).unwrap(), SendOutcome::Sent, "from {gone}");
        }
        let received = receive(&mut receiver, 6);
        let arrived: Vec<_> = received.iter().map(|(bytes, ecn)| (bytes.len(), *ecn)).collect();
        assert_eq!(arrived, [(100, Ecn::Ect0); 6], "from {any}");
        assert_eq!(sender.max_gso_segments(), gso_before, "segmentation was not to blame");
        assert_eq!(sender.stats().source_replaced, 6);
        assert_eq!(sender.stats().hints.total(), 0);
        if gso_before > 1 {
            // Once with the source, and from then on without.
            assert_eq!((sender.stats().syscalls_out, sender.stats().gso_batches), (3, 2));
        }
    }
}

#[test]
fn segmentation_that_was_switched_off_sends_the_same_datagrams_one_by_one() {
    let mut receiver = UdpLink::bind(&UdpConfig::server(LOOPBACK)).unwrap();
    let mut sender = UdpLink::bind(&UdpConfig::client(LOOPBACK)).unwrap();
    sender.gso_segments = 1;
    let mut transmit = transmit(receiver.local_address(), 250);
    transmit.segment_bytes = Some(100);
    assert_eq!(sender.send(&transmit, &[0xA5; 250]).unwrap(), SendOutcome::Sent);
    let sizes: Vec<_> = receive(&mut receiver, 3).iter().map(|(bytes, _)| bytes.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    let stats = sender.stats();
    assert_eq!((stats.syscalls_out, stats.datagrams_out, stats.gso_batches), (3, 3, 0));
}

#[test]
fn segmentation_that_the_system_refuses_is_switched_off_and_nothing_is_lost() {
    const COUNT: usize = 300;
    let mut receiver = UdpLink::bind(&UdpConfig::server(LOOPBACK)).unwrap();
    let mut sender = UdpLink::bind(&UdpConfig::client(LOOPBACK)).unwrap();
    if !cfg!(target_os = "linux") || sender.max_gso_segments() == 1 {
        println!("skipped: no segmentation here that could be refused");
        return;
    }
    // More than any kernel takes at once: it answers EINVAL, as it does where a device cannot do it.
    sender.gso_segments = COUNT;
    let mut transmit = transmit(receiver.local_address(), COUNT * 10);
    transmit.segment_bytes = Some(10);
    transmit.path.local = Some(LOOPBACK.ip());
    for calls in [COUNT + 2, COUNT] {
        let calls_before = sender.stats().syscalls_out;
        assert_eq!(sender.send(&transmit, &[0xA5; COUNT * 10]).unwrap(), SendOutcome::Sent);
        assert_eq!(sender.max_gso_segments(), 1);
        // Refused, refused without the source address too, then one by one; the second time at once.
        assert_eq!(sender.stats().syscalls_out - calls_before, calls as u64);
        let received = receive(&mut receiver, COUNT);
        assert!(received.iter().all(|(bytes, ecn)| bytes.len() == 10 && *ecn == Ecn::Ect0));
    }
    assert!(sender.gone.is_empty(), "the source address was not to blame");
}

#[test]
fn an_address_that_cannot_be_sent_to_is_a_hint_and_harms_nobody_else() {
    let mut sender = UdpLink::bind(&UdpConfig::client(LOOPBACK)).unwrap();
    let gso_before = sender.max_gso_segments();
    let port_zero = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let outcome = sender.send(&transmit(port_zero, 10), &[0xA5; 10]).unwrap();
    assert_eq!(outcome, SendOutcome::Dropped(Hint::new(HintKind::BadAddress)));
    assert_eq!(sender.max_gso_segments(), gso_before);
    assert_eq!(sender.stats().hints.of(HintKind::BadAddress), 1);
}

#[test]
fn hints_that_nobody_fetches_are_limited() {
    let mut link = UdpLink::bind(&UdpConfig::client(LOOPBACK)).unwrap();
    for _ in 0..HINTS_MAX + 3 {
        link.queue_hint(Hint::new(HintKind::Refused));
    }
    assert_eq!(link.stats().hints_lost, 3);
    assert_eq!(link.stats().hints.of(HintKind::Refused), HINTS_MAX as u64 + 3);
    assert_eq!(std::iter::from_fn(|| link.poll_hint()).count(), HINTS_MAX);
}
