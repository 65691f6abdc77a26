//! A process that has no file descriptor left goes on accepting streams, as long as strangers can give theirs back. In a
//! process of its own: the limit is the process's.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tme_core::time::Instant;
use tme_transport::link::stream::{Belongs, StreamFailure, Streams, StreamsConfig};
use tme_transport::poller::{EVENTS_DEFAULT, Poller};

const SPARE: u64 = 8;
const KNOCKING: u64 = 60;

#[test]
fn where_descriptors_are_out_strangers_give_theirs_back_and_nothing_spins_where_none_can() {
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    let mut streams = Streams::new(StreamsConfig::default());
    let address = streams.listen(([127, 0, 0, 1], 0).into(), &poller).unwrap();
    // The system takes them for us, so that they need no descriptor on our side yet.
    let mut clients: Vec<TcpStream> = (0..KNOCKING).map(|_| TcpStream::connect(address).unwrap()).collect();
    for mut client in &clients {
        client.write_all(b"TME1\x05\0\0\0hello").unwrap();
    }
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, open + SPARE, hard).unwrap();

    // Time stands still: no pause ends.
    let now = Instant::from_micros(1_000_000);
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    let mut ids = Vec::new();
    let mut turn = |streams: &mut Streams| {
        assert!(std::time::Instant::now() < patience, "{:?}", streams.statistics());
        poller.wait(Some(Duration::from_millis(5))).unwrap();
        streams.handle_wait(&poller);
        streams.receive(now, &poller, |_, path, _| {
            ids.extend(path.stream);
            Belongs::Here
        });
    };
    let mut most = 0;
    while streams.statistics().accepted < KNOCKING || streams.is_any_receivable() {
        turn(&mut streams);
        most = most.max(streams.statistics().open);
    }
    assert!((SPARE..SPARE + 4).contains(&(most as u64)), "{most} streams found a descriptor");
    // The system does not say that nobody knocks any more as long as no descriptor is left: so one more has given way.
    let statistics = streams.statistics();
    assert_eq!(statistics.open, most - 1);
    assert_eq!(statistics.ended.of(StreamFailure::TooMany), KNOCKING - statistics.open as u64);

    // Whoever plays stays, and newcomers wait for a while.
    for _ in 0..10 {
        turn(&mut streams);
    }
    ids.into_iter().for_each(|id| streams.claim(id));
    // The first has given way long ago; its descriptor is for one more, and this is for what was left.
    drop(clients.remove(0));
    let _newcomer = TcpStream::connect(address).unwrap();
    let _last = std::fs::File::open("/dev/null").unwrap();
    while streams.poll_timeout().is_none() {
        assert!(std::time::Instant::now() < patience, "{:?}", streams.statistics());
        poller.wait(Some(Duration::from_millis(5))).unwrap();
        streams.handle_wait(&poller);
        streams.receive(now, &poller, |_, _, _| Belongs::Here);
    }
    assert_eq!(streams.statistics().open, most - 1);
    assert!(!streams.is_any_receivable(), "nobody can give way, and nothing is tried again at once");
    assert_eq!(streams.poll_timeout(), Some(now + Duration::from_millis(200)));
}
