//! `tme serve` and `tme connect`: two programs, a conversation.

mod common;

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use common::{Folder, run_with, serve, start};

#[test]
fn people_talk_and_leave() {
    let (mut server, address, key) = serve(&[]);
    let mut ann = start(&["connect", &address, "--key", &key, "--name", "ann"]);
    ann.expect("(as expected)");
    server.expect("ann (2) joined");
    let mut bob = start(&["connect", &address, "--key", &key, "--name", "bob"]);
    bob.expect("(as expected)");
    ann.expect("* bob joined");
    ann.say("hello bob\n");
    bob.expect("ann: hello bob");
    server.expect("ann: hello bob");
    server.say("welcome\n");
    ann.expect("server: welcome");
    bob.expect("server: welcome");
    bob.say("/stats\n");
    bob.expect("rtt ");
    server.say("/list\n/stats\n");
    server.expect("2 of at most 64 are here");
    server.expect("2 peers");
    ann.say("/clock\n");
    ann.expect("asking for the server's clock");
    ann.expect("server clock ");
    ann.say("/clock\n");
    let clock = ann.expect("server clock ");
    assert!(clock.contains("likely ±") && clock.contains("drift"), "{clock}");
    ann.say("/rebind\n");
    ann.expect("* sending from ");
    server.expect("* ann (2) goes on from 127.0.0.1:");
    ann.say("the same\n");
    bob.expect("ann: the same");
    ann.say("/quit\n");
    assert_eq!(ann.finish().code, 0);
    bob.expect("* ann left");
    server.say("/quit\n");
    let end = bob.wait();
    assert_eq!(end.code, 6, "{end:?}");
    assert!(end.failure().1.contains("the server shut down"), "{end:?}");
    assert_eq!(server.finish().code, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_room_over_several_network_threads_is_one_room() {
    let (mut server, address, key) = serve(&["--network-threads", "3"]);
    let mut guests: Vec<_> = ["ann", "bob", "cy", "dan"]
        .into_iter()
        .map(|name| {
            let mut guest = start(&["connect", &address, "--key", &key, "--name", name]);
            guest.expect("(as expected)");
            server.expect(&format!("{name} ("));
            guest
        })
        .collect();
    guests[0].say("hello all\n");
    for guest in &mut guests[1..] {
        guest.expect("ann: hello all");
    }
    server.say("/stats\n");
    let threads = server.expect("peers by network thread: ");
    assert_eq!(threads.matches("datagrams)").count(), 3, "{threads}");
    server.say("/quit\n");
    assert_eq!(server.finish().code, 0);
}

#[test]
fn a_server_that_is_told_to_end_tells_everybody() {
    let (mut server, address, key) = serve(&[]);
    let mut ann = start(&["connect", &address, "--key", &key, "--name", "ann"]);
    server.expect("ann (2) joined");
    ann.expect("(as expected)");
    server.say("/quit back at noon\n");
    let end = ann.wait();
    assert_eq!(end.code, 6, "{end:?}");
    let text = end.failure().1;
    assert!(text.contains("the server shut down") && text.contains("back at noon"), "{text}");
    server.expect("shut down: 1 of 1 clients were told");
    assert_eq!(server.finish().code, 0);
}

#[cfg(unix)]
#[test]
fn signals_drain_a_server_and_a_guest_that_hangs_costs_the_limit() {
    for signal in ["-INT", "-TERM"] {
        let (mut server, address, key) = serve(&["--drain", "1"]);
        let mut ann = start(&["connect", &address, "--key", &key, "--name", "ann"]);
        server.expect("ann (2) joined");
        let mut bob = start(&["connect", &address, "--key", &key, "--name", "bob"]);
        server.expect("bob (3) joined");
        ann.expect("* bob joined");
        bob.expect("(as expected)");
        bob.signal("-STOP");
        ann.say("hello\n");
        server.expect("ann: hello");
        server.signal(signal);
        server.expect("shut down: 1 of 2 clients were told, 1 did not answer; 1 messages were not delivered");
        assert_eq!(server.finish().code, 0);
        let end = ann.wait();
        assert!(end.code == 6 && end.failure().1.contains("the server shut down"), "{end:?}");
    }
}

#[test]
fn a_kicked_guest_learns_why() {
    let (mut server, address, key) = serve(&[]);
    let mut ann = start(&["connect", &address, "--key", &key, "--name", "ann"]);
    ann.expect("connected");
    server.expect("ann (2) joined");
    server.say("/kick 2 no shouting\n");
    server.expect("kicked ann (2)");
    let end = ann.wait();
    let (code, text) = end.failure();
    assert_eq!(code, 6, "{end:?}");
    assert!(text.contains("kicked") && text.contains("no shouting"), "{text}");
}

#[test]
fn a_pipe_is_delivered_to_the_last_line() {
    let (mut server, address, key) = serve(&[]);
    let text: String = (1..=500).map(|number| format!("line {number}\n")).collect();
    let finished = run_with(&["connect", &address, "--key", &key, "--name", "pipe"], &text);
    assert_eq!(finished.code, 0, "{finished:?}");
    server.expect("pipe: line 1");
    server.expect("pipe: line 500");
    server.expect("pipe (2) left");
}

#[test]
fn a_file_is_sent_over_a_bad_network() {
    let folder = Folder::new("send");
    let path = folder.file("poem.txt");
    let lines: Vec<String> =
        (1..=200).map(|number| format!("verse {number} of {}", "x".repeat(200))).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let (mut server, address, key) = serve(&["--net", "wifi_bad"]);
    let finished = run_with(&["connect", &address, "--key", &key, "--name", "file", "--send", &path], "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.out.contains("delivered 200 messages"), "{finished:?}");
    server.expect("file: verse 1 of");
    server.expect("file: verse 200 of");
}

#[test]
fn a_slow_link_gets_the_time_it_takes() {
    let folder = Folder::new("slow");
    let path = folder.file("book.txt");
    let lines: Vec<String> =
        (1..=100).map(|number| format!("page {number} of {}", "x".repeat(2_500))).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let (mut server, address, key) = serve(&[]);
    // 250 kB at 50 kB/s: more than the 3 s that a plain goodbye waits.
    let mut relay = start(&["relay", &address, "--rate", "400"]);
    let relayed = relay.expect("relaying ").split_whitespace().nth(1).unwrap().to_owned();
    let finished = run_with(&["connect", &relayed, "--key", &key, "--name", "file", "--send", &path], "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.out.contains("delivered 100 messages"), "{finished:?}");
    server.expect("file: page 100 of");
}

#[test]
fn a_servers_key_is_kept_in_its_file_and_remembered_by_clients() {
    let folder = Folder::new("keys");
    let (key_file, hosts) = (folder.file("server.key"), folder.file("hosts.txt"));
    let (mut server, address, key) = serve(&["--key-file", &key_file]);
    let known = ["connect", &address, "--known-hosts", &hosts, "--name", "ann"];
    let first = run_with(&known, "");
    assert!(first.out.contains("seen for the first time"), "{first:?}");
    let again = run_with(&known, "");
    assert!(again.out.contains(&format!("server key {key} (as in")), "{again:?}");
    server.say("/quit\n");
    assert_eq!(server.finish().code, 0);

    let mut arguments = vec!["serve", "--listen", &address, "--key-file", &key_file];
    let mut server = start(&arguments);
    assert!(server.expect("public key").contains(&key), "the same key as before");
    server.say("/quit\n");
    server.finish();
    arguments.truncate(3);
    let mut impostor = start(&arguments);
    impostor.expect("/help");
    let refused = run_with(&["connect", &address, "--known-hosts", &hosts, "--timeout", "1"], "");
    let (code, text) = refused.failure();
    assert_eq!(code, 5, "{refused:?}");
    assert!(text.contains("is remembered for it"), "{text}");
}

#[test]
fn without_a_key_the_client_warns() {
    let (_server, address, key) = serve(&[]);
    let finished = run_with(&["connect", &address, "--name", "ann"], "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.err.contains("not verified"), "{finished:?}");
    assert!(finished.out.contains(&key), "{finished:?}");
}

#[test]
fn people_talk_over_tcp_and_udp_together() {
    let (mut server, address, key) = serve(&["--tcp"]);
    let mut ann = start(&["connect", &address, "--key", &key, "--name", "ann", "--link", "tcp"]);
    ann.expect("as number 2 over TCP");
    assert!(server.expect("ann (2) joined").ends_with(" over TCP"));
    let mut bob = start(&["connect", &address, "--key", &key, "--name", "bob"]);
    bob.expect("(as expected)");
    assert!(!server.expect("bob (3) joined").contains(" over "));
    ann.expect("* bob joined");
    ann.say("by stream\n");
    bob.expect("ann: by stream");
    bob.say("by datagram\n/stats\n");
    bob.expect("UDP, rtt ");
    ann.expect("bob: by datagram");
    ann.say("/stats\n");
    ann.expect("TCP, rtt ");
    server.say("/list\n");
    assert!(server.expect("   2  ann  ").ends_with(" over TCP"));
    assert!(server.expect("   3  bob  ").ends_with(" over UDP"));
    server.say("/stats\n");
    server.expect("streams 1 open, 1 accepted, ended: none; datagrams ");
    server.expect("   2  ann: TCP, rtt ");
    server.say("/quit\n");
    let ends = [ann.wait(), bob.wait()];
    for end in ends {
        assert!(end.code == 6 && end.failure().1.contains("the server shut down"), "{end:?}");
    }
    assert_eq!(server.finish().code, 0);
}

#[test]
fn where_udp_leads_nowhere_tcp_is_found() {
    // Datagrams to this port vanish; streams to it reach the server.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let (mut server, _, key) = serve(&["--tcp-listen", &address]);
    let finished = run_with(&["connect", &address, "--key", &key, "--name", "ann"], "hello\n");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.out.contains("as number 2 over TCP"), "{finished:?}");
    server.expect("ann: hello");
}

#[test]
fn a_chat_goes_on_by_another_link() {
    // At this port there is TCP, and UDP only as long as the relay runs.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap().to_string();
    let (mut server, udp, key) = serve(&["--tcp-listen", &address]);
    let mut ann = start(&["connect", &address, "--key", &key, "--name", "ann"]);
    ann.expect("as number 2 over TCP");
    drop(port);
    let mut relay = start(&["relay", &udp, "--listen", &address]);
    relay.expect("relaying ");
    ann.expect("* goes on over UDP");
    server.expect("* ann (2) goes on over UDP from ");
    ann.say("by datagram\n");
    server.expect("ann: by datagram");
    drop(relay);
    ann.expect("* goes on over TCP");
    server.expect("* ann (2) goes on over TCP from ");
    ann.say("by stream\n/quit\n");
    server.expect("ann: by stream");
    assert_eq!(ann.finish().code, 0);
}

#[test]
fn behind_a_proxy_everybody_has_an_address_of_his_own() {
    let (mut server, address, key) = serve(&["--tcp", "--trusted-proxy", "127.0.0.1=proxy-protocol"]);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let through = proxy.local_addr().unwrap().to_string();
    // It passes on until one end closes, which is when its client or the server ends.
    std::thread::spawn(move || {
        let (mut near, _) = proxy.accept().unwrap();
        let mut far = TcpStream::connect(address).unwrap();
        far.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 7777\r\n").unwrap();
        let (mut from, mut to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut near, &mut far);
    });
    let mut ann = start(&["connect", &through, "--key", &key, "--name", "ann", "--link", "tcp"]);
    ann.expect("(as expected)");
    server.expect("ann (2) joined from 192.0.2.1:40000 over TCP");
    ann.say("/quit\n");
    assert_eq!(ann.finish().code, 0);
    server.say("/quit\n");
    assert_eq!(server.finish().code, 0);
}
