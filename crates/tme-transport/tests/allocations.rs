//! The steady path allocates nothing, on either kind of link.

#[path = "../../../tests/support/allocations.rs"]
mod allocations;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tme_core::datagram::{Ecn, Path, Transmit};
use tme_core::random::Random;
use tme_transport::link::memory;
use tme_transport::link::udp::{UdpConfig, UdpLink};
use tme_transport::link::{Link, SendOutcome};
use tme_transport::poller::{EVENTS_DEFAULT, Poller, Token};
use tme_transport::random::SystemRandom;

const SEGMENTS: usize = 10;
const SEGMENT_BYTES: usize = 1_200;

/// Sends a batch, and waits at the other end until all of it is there.
fn transfer(from: &mut Link, to: &mut Link, poller: &mut Poller, buffer: &[u8]) {
    let path = Path { local: Some(from.local_address().ip()), ..Path::to(to.local_address()) };
    let transmit = Transmit { path, ecn: Ecn::Ect0, bytes: buffer.len(), segment_bytes: Some(SEGMENT_BYTES) };
    assert_eq!(from.send(&transmit, buffer).unwrap(), SendOutcome::Sent);
    let mut count = 0;
    loop {
        let more = to.receive(7, |_, _, _| count += 1).unwrap().more;
        if count == SEGMENTS {
            break;
        }
        if !more {
            poller.wait(Some(Duration::from_secs(20))).unwrap();
        }
    }
}

#[test]
fn sending_waiting_and_receiving_allocate_nothing_after_warm_up() {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (memory_a, memory_b) = memory::pair();
    let worlds = [
        (
            "udp",
            Link::from(UdpLink::bind(&UdpConfig::client(loopback)).unwrap()),
            Link::from(UdpLink::bind(&UdpConfig::server(loopback)).unwrap()),
        ),
        ("memory", Link::from(memory_a), Link::from(memory_b)),
    ];
    for (name, mut a, mut b) in worlds {
        let mut poller_a = Poller::new(EVENTS_DEFAULT).unwrap();
        let mut poller_b = Poller::new(EVENTS_DEFAULT).unwrap();
        a.register(&poller_a, Token(0)).unwrap();
        b.register(&poller_b, Token(0)).unwrap();
        let buffer = vec![0xA5; SEGMENTS * SEGMENT_BYTES];
        let mut run = |count: usize| {
            for _ in 0..count {
                transfer(&mut a, &mut b, &mut poller_b, &buffer);
                transfer(&mut b, &mut a, &mut poller_a, &buffer);
            }
        };
        run(10);
        let counts = allocations::measure(|| run(100));
        assert_eq!(counts.allocations, 0, "{name}: {counts:?}");
    }
}

#[test]
fn random_bytes_allocate_nothing() {
    let mut random = SystemRandom::new().unwrap();
    let counts = allocations::measure(|| {
        for _ in 0..1_000 {
            random.next_u64();
        }
    });
    assert_eq!(counts.allocations, 0);
}
