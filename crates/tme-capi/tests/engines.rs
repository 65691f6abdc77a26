//! What servers and clients do that is easier to see from Rust than from C.
#![allow(missing_docs)]

mod common;

use std::ffi::{CStr, CString};
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{PATIENCE, Pair, no_event};
use tme_capi::{
    TME_CONFIG_LISTEN_TCP, TME_CONFIG_THREADED, TME_ERROR_FILE, TME_EVENT_CONNECTED, TME_EVENT_DISCONNECTED,
    TME_EVENT_FLAG_UNAUTHENTICATED, TME_LINK_TCP, TME_OK, TME_REASON_VERSION, TmeClientConfig,
    TmeEngineStatistics, TmePeerInfo, TmeServer, TmeServerConfig, tme_client_create, tme_client_is_connected,
    tme_client_poll, tme_server_create, tme_server_flush, tme_server_peer_info, tme_server_poll,
    tme_server_port, tme_server_statistics, tme_server_tcp_port, tme_server_update,
};

#[test]
fn a_key_that_cannot_be_remembered_is_told_once_and_costs_no_event() {
    let nowhere = std::env::temp_dir().join(format!("tme-nowhere-{}/known_hosts", std::process::id()));
    let nowhere = CString::new(nowhere.to_str().unwrap()).unwrap();
    let pair = Pair::start(TME_CONFIG_THREADED, &[], |config| config.known_hosts = nowhere.as_ptr());
    let began = Instant::now();
    let mut results = Vec::new();
    let event = loop {
        assert!(began.elapsed() < PATIENCE, "not connected: {results:?}");
        let (mut event, mut count) = (no_event(), 7);
        // SAFETY: the handle lives as long as the pair.
        let result = unsafe { tme_client_poll(pair.client, &raw mut event, 1, &raw mut count) };
        if result != TME_OK {
            assert_eq!(count, 0);
            results.push(result);
        } else if count == 1 {
            break event;
        }
    };
    assert_eq!(results, [TME_ERROR_FILE]);
    assert_eq!(event.r#type, TME_EVENT_CONNECTED);
    // SAFETY: as above.
    assert_eq!(unsafe { tme_client_is_connected(pair.client) }, 1);
}

#[test]
fn versions_that_do_not_meet_are_counted_at_the_server_and_told_to_the_client() {
    // Offsets of `docs/PROTOCOL.md` §2.1 and §4.1; one version is offered.
    const NONCE: std::ops::Range<usize> = 5..13;
    const VERSION: std::ops::Range<usize> = 14..16;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = CString::new(stranger.local_addr().unwrap().to_string()).unwrap();
    let pair = Pair::start(TME_CONFIG_THREADED, &[], |config| config.address = address.as_ptr());
    let mut hello = [0; 1_500];
    let (bytes, client) = stranger.recv_from(&mut hello).unwrap();

    // To the server it is a client of version 7.
    let mut newer = hello[..bytes].to_vec();
    newer[VERSION].copy_from_slice(&7u16.to_le_bytes());
    // SAFETY: the handle lives as long as the pair.
    let port = unsafe { tme_server_port(pair.server) };
    stranger.send_to(&newer, ("127.0.0.1", port)).unwrap();
    let mut answer = [0; 1_500];
    let refusal = loop {
        // The client goes on saying hello meanwhile.
        let (bytes, from) = stranger.recv_from(&mut answer).unwrap();
        if from.port() == port {
            break answer[..bytes].to_vec();
        }
    };
    let mut expected = [&hello[..4], &[5], &hello[NONCE]].concat();
    expected.extend([1, 0, 1, 1, 0]);
    assert_eq!(refusal, expected, "REFUSE, the nonce, version, and that one is spoken: 1");
    let refused = || {
        // SAFETY: as above; zero is a value of every field.
        unsafe {
            let mut statistics: TmeEngineStatistics = std::mem::zeroed();
            let size = size_of_val(&statistics);
            assert_eq!(tme_server_statistics(pair.server, &raw mut statistics, size), TME_OK);
            statistics.clients_refused
        }
    };
    let began = Instant::now();
    while refused() != 1 {
        assert!(began.elapsed() < PATIENCE, "it was not counted");
    }

    // To the client it is a server of version 7, also when it asks once more: its question may have been damaged.
    let versions = refusal.len() - 2;
    expected[versions..].copy_from_slice(&7u16.to_le_bytes());
    stranger.send_to(&expected, client).unwrap();
    let (again, _) = stranger.recv_from(&mut answer).unwrap();
    assert_eq!(answer[..again], hello[..bytes]);
    stranger.send_to(&expected, client).unwrap();
    let began = Instant::now();
    let event = loop {
        assert!(began.elapsed() < PATIENCE, "the client was not told");
        if let Some(event) = pair.poll_client() {
            break event;
        }
    };
    assert_eq!((event.r#type, event.reason), (TME_EVENT_DISCONNECTED, TME_REASON_VERSION));
    assert_eq!(event.flags, TME_EVENT_FLAG_UNAUTHENTICATED);
}

#[test]
fn a_peer_has_the_address_that_its_proxy_tells() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let through = CString::new(proxy.local_addr().unwrap().to_string()).unwrap();
    // SAFETY: zero is a value of every field, and what the structs point to lives until the calls return.
    let (mut pair, port) = unsafe {
        let mut config: TmeServerConfig = std::mem::zeroed();
        config.struct_size = size_of_val(&config) as u32;
        config.flags = TME_CONFIG_LISTEN_TCP;
        config.listen = c"127.0.0.1:0".as_ptr();
        config.trusted_proxies = c"10.0.0.0/8=x-forwarded-for,127.0.0.1=proxy-protocol".as_ptr();
        let (mut server, mut client) = (null_mut(), null_mut());
        assert_eq!(tme_server_create(&raw const config, &raw mut server), TME_OK);
        let mut config: TmeClientConfig = std::mem::zeroed();
        config.struct_size = size_of_val(&config) as u32;
        config.address = through.as_ptr();
        config.links = TME_LINK_TCP;
        assert_eq!(tme_client_create(&raw const config, &raw mut client), TME_OK);
        (Pair { server, client, peer: 0 }, tme_server_tcp_port(server))
    };
    let passes_on = std::thread::spawn(move || {
        let (near, _) = proxy.accept().unwrap();
        let mut far = TcpStream::connect(("127.0.0.1", port)).unwrap();
        far.write_all(b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 7777\r\n").unwrap();
        let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
        let pumps =
            [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)].map(|(mut from, mut to)| {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                })
            });
        (ends, pumps)
    });
    let began = Instant::now();
    while pair.peer == 0 {
        assert!(began.elapsed() < PATIENCE, "not connected");
        pair.update(1);
        if let Some(event) = pair.poll_server() {
            assert_eq!(event.r#type, TME_EVENT_CONNECTED);
            pair.peer = event.peer;
        }
    }
    // SAFETY: as above; the library ends the text.
    let address = unsafe {
        let mut info: TmePeerInfo = std::mem::zeroed();
        let size = size_of_val(&info);
        assert_eq!(tme_server_peer_info(pair.server, pair.peer, &raw mut info, size), TME_OK);
        CStr::from_ptr(info.address.as_ptr()).to_owned()
    };
    assert_eq!(address.to_str(), Ok("[2001:db8::1]:40000"));
    let (ends, pumps) = passes_on.join().unwrap();
    ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
    pumps.into_iter().for_each(|pump| pump.join().unwrap());
}

#[test]
fn a_flush_turns_no_update_and_no_poll_away() {
    /// A server for several threads.
    struct Shared(*mut TmeServer);
    // SAFETY: any thread may use it, one at a time for updates and polls.
    unsafe impl Sync for Shared {}

    for flags in [0, TME_CONFIG_THREADED] {
        let pair = Pair::connected(flags, &[]);
        let (server, is_over) = (Shared(pair.server), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    // SAFETY: the handle lives as long as the pair.
                    assert_eq!(unsafe { tme_server_flush(server.0) }, TME_OK);
                }
            });
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(300) {
                let (mut event, mut count) = (no_event(), 0);
                // SAFETY: as above.
                let results = unsafe {
                    let update = tme_server_update(server.0, 0);
                    [update, tme_server_poll(server.0, &raw mut event, 1, &raw mut count)]
                };
                if results != [TME_OK; 2] {
                    is_over.store(true, Ordering::Relaxed);
                }
                assert_eq!(results, [TME_OK; 2]);
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}
