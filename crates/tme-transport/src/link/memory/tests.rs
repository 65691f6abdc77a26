use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use super::*;
use crate::poller::{EVENTS_DEFAULT, Poller};

fn transmit(remote: SocketAddr, bytes: usize, segment_bytes: Option<usize>) -> Transmit {
    Transmit { path: Path::to(remote), ecn: Ecn::Ect1, bytes, segment_bytes }
}

fn receive_all(link: &mut MemoryLink) -> Vec<Vec<u8>> {
    let mut received = Vec::new();
    while link.receive(3, |bytes, _, _| received.push(bytes.to_vec())).unwrap().more {}
    received
}

fn small(when_full: WhenFull) -> MemoryHub {
    MemoryHub::new(MemoryConfig { queue_datagrams_max: 4, when_full, ..MemoryConfig::hub() })
}

#[test]
fn datagrams_arrive_in_order_with_address_and_mark() {
    let (mut a, mut b) = pair();
    let buffer: Vec<u8> = (0..=24).collect();
    let outcome = a.send(&transmit(b.local_address(), 25, Some(10)), &buffer).unwrap();
    assert_eq!(outcome, SendOutcome::Sent);
    assert!(b.has_waiting());
    let mut received = Vec::new();
    let result = b.receive(10, |bytes, path, ecn| received.push((bytes.to_vec(), path, ecn))).unwrap();
    assert_eq!(result, Received { datagrams: 3, more: false });
    let path = Path { local: Some(b.local_address().ip()), ..Path::to(a.local_address()) };
    let expected: Vec<_> = buffer.chunks(10).map(|chunk| (chunk.to_vec(), path, Ecn::Ect1)).collect();
    assert_eq!(received, expected);
    assert_eq!((a.stats().datagrams_out, a.stats().bytes_out), (3, 25));
    assert_eq!((b.stats().datagrams_in, b.stats().bytes_in), (3, 25));
    assert!(!b.has_waiting());
}

#[test]
fn a_full_queue_blocks_the_sender_who_is_woken_when_it_is_read() {
    let hub = small(WhenFull::Block);
    let (mut a, mut b) = (hub.bind().unwrap(), hub.bind().unwrap());
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    a.set_wake(Some(WakeHandle::from_fn(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })));
    let to_b = transmit(b.local_address(), 6, Some(1));
    let outcome = a.send(&to_b, &[0, 1, 2, 3, 4, 5]).unwrap();
    assert_eq!(outcome, SendOutcome::WouldBlock { sent_bytes: 4 });
    let rest = Transmit { bytes: 2, ..to_b };
    assert_eq!(a.send(&rest, &[4, 5]).unwrap(), SendOutcome::WouldBlock { sent_bytes: 0 });
    assert_eq!(a.stats().would_block, 2);
    assert!(!a.take_writable());

    assert_eq!(receive_all(&mut b), [[0], [1], [2], [3]]);
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert!(a.take_writable());
    assert!(!a.take_writable(), "told once");
    assert_eq!(a.send(&rest, &[4, 5]).unwrap(), SendOutcome::Sent);
    assert_eq!(receive_all(&mut b), [[4], [5]]);
}

#[test]
fn a_full_queue_that_drops_counts_what_it_drops() {
    let hub = small(WhenFull::Drop);
    let (mut a, mut b) = (hub.bind().unwrap(), hub.bind().unwrap());
    let outcome = a.send(&transmit(b.local_address(), 6, Some(1)), &[0, 1, 2, 3, 4, 5]).unwrap();
    assert_eq!(outcome, SendOutcome::Sent);
    assert_eq!((a.stats().datagrams_out, a.stats().queue_full), (4, 2));
    assert_eq!(receive_all(&mut b), [[0], [1], [2], [3]]);
}

#[test]
fn the_byte_bound_holds_and_memory_stays_within_it() {
    let config = MemoryConfig { queue_bytes_max: 100_000, ..MemoryConfig::pair() };
    let hub = MemoryHub::new(config);
    let (mut a, b) = (hub.bind().unwrap(), hub.bind().unwrap());
    let buffer = vec![0xA5; 30_000];
    let outcomes: Vec<_> =
        (0..4).map(|_| a.send(&transmit(b.local_address(), 30_000, None), &buffer).unwrap()).collect();
    assert_eq!(outcomes[..3], [SendOutcome::Sent; 3]);
    assert_eq!(outcomes[3], SendOutcome::WouldBlock { sent_bytes: 0 });
    assert!(b.station.inbox.lock().queue.bytes.capacity() <= 100_000);
}

#[test]
fn whoever_is_gone_refuses_and_lets_no_one_wait() {
    let hub = small(WhenFull::Block);
    let (mut a, b) = (hub.bind().unwrap(), hub.bind().unwrap());
    let to_b = transmit(b.local_address(), 5, Some(1));
    assert_eq!(a.send(&to_b, &[0; 5]).unwrap(), SendOutcome::WouldBlock { sent_bytes: 4 });
    drop(b);
    assert!(a.take_writable(), "nothing to wait for");
    let refused = SendOutcome::Dropped(Hint::new(HintKind::Refused));
    assert_eq!(a.send(&to_b, &[0; 5]).unwrap(), refused);
    assert_eq!(a.send(&to_b, &[0; 5]).unwrap(), refused);
    assert_eq!(a.stats().hints.of(HintKind::Refused), 2);
    let next = hub.bind().unwrap();
    assert_ne!(next.local_address(), to_b.path.remote, "addresses are not used again");
}

#[test]
fn addresses_outside_the_hub_are_refused_by_type() {
    let (mut a, _b) = pair();
    let remote = SocketAddr::from(([127, 0, 0, 1], 7777));
    assert!(!a.can_reach(remote));
    let error = a.send(&transmit(remote, 1, None), &[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "127.0.0.1:7777 cannot be reached from this socket; bind one of its address family"
    );
}

#[test]
fn a_hub_has_a_limit_and_places_become_free() {
    let hub = MemoryHub::new(MemoryConfig { links_max: 2, ..MemoryConfig::hub() });
    let first = hub.bind().unwrap();
    let _second = hub.bind().unwrap();
    assert_eq!(hub.bind().unwrap_err().to_string(), "the memory hub has 2 links, its limit");
    drop(first);
    assert!(hub.bind().is_ok());
}

#[test]
fn datagrams_that_came_before_the_wake_handle_wake_at_once() {
    let (mut a, mut b) = pair();
    let _ = a.send(&transmit(b.local_address(), 1, None), &[7]).unwrap();
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    b.set_wake(Some(poller.wake_handle()));
    assert!(poller.wait(Some(Duration::from_secs(20))).unwrap().by_handle);
    assert_eq!(receive_all(&mut b), [[7]]);
}

#[test]
fn two_threads_exchange_more_than_the_queues_hold() {
    const COUNT: u32 = 20_000;
    let hub = small(WhenFull::Block);
    let (mut a, mut b) = (hub.bind().unwrap(), hub.bind().unwrap());
    let to_b = transmit(b.local_address(), 4, None);
    let sender = thread::spawn(move || {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        a.set_wake(Some(poller.wake_handle()));
        for number in 0..COUNT {
            while a.send(&to_b, &number.to_le_bytes()).unwrap() != SendOutcome::Sent {
                while !a.take_writable() {
                    assert!(poller.wait(Some(Duration::from_secs(20))).unwrap().by_handle, "sender stuck");
                }
            }
        }
        a
    });
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    b.set_wake(Some(poller.wake_handle()));
    let mut expected = 0;
    while expected < COUNT {
        let received = b.receive(3, |bytes, _, _| {
            assert_eq!(bytes, expected.to_le_bytes());
            expected += 1;
        });
        if !received.unwrap().more && expected < COUNT {
            assert!(poller.wait(Some(Duration::from_secs(20))).unwrap().by_handle, "receiver stuck");
        }
    }
    sender.join().unwrap();
}
