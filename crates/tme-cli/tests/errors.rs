//! What goes wrong says what to do, and ends with the exit code that the documentation names.

mod common;

use std::net::UdpSocket;

use common::{Folder, run, run_with, serve};

#[test]
fn nobody_answers() {
    // Bound and never read: datagrams vanish.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let finished = run(&["connect", &address, "--timeout", "1"]);
    let expected =
        format!("error: no answer from {address} after 1 s (is the server running? is the port open?)");
    assert_eq!(finished.failure(), (4, &*expected), "{finished:?}");
}

#[test]
fn a_name_leads_nowhere() {
    let finished = run(&["connect", "no-such-host.invalid:7777"]);
    let (code, text) = finished.failure();
    assert_eq!(code, 4, "{finished:?}");
    assert!(text.contains("no-such-host.invalid"), "{text}");
}

#[test]
fn a_port_is_in_use() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    for arguments in
        [&["serve", "--listen", &address.to_string()][..], &["demo", "--port", &port, "--bots", "1"]]
    {
        let finished = run(arguments);
        let (code, text) = finished.failure();
        assert_eq!(code, 3, "{finished:?}");
        assert!(text.contains(&port) && text.contains("in use"), "{text}");
    }
}

#[test]
fn a_port_in_use_for_tcp_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = run(&["serve", "--listen", "127.0.0.1:0", "--tcp-listen", &address]);
    let (code, text) = finished.failure();
    assert_eq!(code, 3, "{finished:?}");
    assert!(text.contains(&address) && text.contains("in use"), "{text}");
}

#[test]
fn a_proxy_that_cannot_be_one_is_told() {
    let cases = [
        (
            &["--tcp", "--trusted-proxy", "10.0.0.0/8"][..],
            2,
            "expected proxy-protocol or x-forwarded-for behind",
        ),
        (
            &["--tcp", "--trusted-proxy", "10.0.0.0/8=socks"],
            2,
            "expected proxy-protocol or x-forwarded-for behind",
        ),
        (&["--tcp", "--trusted-proxy", "10.0.0.0/99=proxy-protocol"], 2, "at most 32 bits"),
        (
            &["--trusted-proxy", "10.0.0.0/8=proxy-protocol"],
            2,
            "for TCP, which the server does not listen for",
        ),
    ];
    for (options, code, text) in cases {
        let finished = run(&[&["serve", "--listen", "127.0.0.1:0"], options].concat());
        assert_eq!(finished.code, code, "{finished:?}");
        assert!(finished.err.contains(text), "{finished:?}");
    }
}

#[test]
fn nobody_listens_for_tcp() {
    let (_server, address, key) = serve(&[]);
    let finished = run(&["connect", &address, "--key", &key, "--link", "tcp", "--timeout", "5"]);
    let (code, text) = finished.failure();
    assert_eq!(code, 4, "{finished:?}");
    assert!(text.contains("over TCP: cannot be opened"), "{text}");
}

#[test]
fn a_full_server_refuses_and_says_why() {
    let (mut server, address, key) = serve(&["--max-peers", "1"]);
    let mut first = common::start(&["connect", &address, "--key", &key]);
    first.expect("connected");
    server.expect("joined");
    let finished = run(&["connect", &address, "--key", &key]);
    let (code, text) = finished.failure();
    assert_eq!(code, 5, "{finished:?}");
    assert!(text.contains("refused") && text.contains("full"), "{text}");
}

#[test]
fn a_wrong_key_is_refused() {
    let (_server, address, key) = serve(&[]);
    let wrong = "12".repeat(32);
    let finished = run(&["connect", &address, "--key", &wrong, "--timeout", "1"]);
    let (code, text) = finished.failure();
    assert_eq!(code, 5, "{finished:?}");
    assert!(text.contains(&key), "the key that was seen is named: {text}");
}

#[test]
fn the_command_line_is_wrong() {
    let cases: [(&[&str], &str); 11] = [
        (&["connect", "localhost"], "has no port"),
        (&["connect", "localhost:1", "--key", "abc"], "64 hexadecimal digits"),
        (&["serve", "--listen", "nonsense"], "does not parse"),
        (&["demo", "--net", "wlan"], "wifi_bad"),
        (&["demo", "--bots", "0"], "1..=10000"),
        (&["sim", "--net", "wlan"], "satellite"),
        (&["demo", "--net", "wifi", "--link", "tcp"], "--net wifi cannot go with --link tcp"),
        (&["connect", "localhost:1", "--net", "lan", "--link", "tcp"], "--net lan cannot go with --link tcp"),
        (&["connect", "localhost:1", "--link", "quic"], "any, udp, tcp, websocket"),
        (&["serve", "--tcp", "--tcp-listen", "127.0.0.1:0"], "cannot be used with"),
        (&["dance"], "unrecognized subcommand"),
    ];
    for (arguments, expected) in cases {
        let finished = run(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}: {finished:?}");
        assert!(finished.err.contains(expected), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = Folder::new("files");
    let no_key = folder.file("no.key");
    std::fs::write(&no_key, "this is no key").unwrap();
    let missing = folder.file("missing/file");
    let cases: [&[&str]; 4] = [
        &["serve", "--listen", "127.0.0.1:0", "--key-file", &no_key],
        &["serve", "--listen", "127.0.0.1:0", "--log-file", &missing],
        &["connect", "127.0.0.1:9", "--send", &missing],
        &["keygen", "--out", &missing],
    ];
    for arguments in cases {
        let finished = run(arguments);
        let (code, text) = finished.failure();
        assert_eq!(code, 7, "{arguments:?}: {finished:?}");
        assert!(text.contains(arguments.last().unwrap()), "{text}");
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_and_the_others_delivered() {
    let (mut server, address, key) = serve(&[]);
    let text = format!("first\n{}\nlast\n", "x".repeat(20_000));
    let finished = run_with(&["connect", &address, "--key", &key, "--name", "ann"], &text);
    let (code, error) = finished.failure();
    assert_eq!(code, 1, "{finished:?}");
    assert!(error.contains("20000 bytes exceeds the limit of 16384"), "{error}");
    server.expect("ann: first");
    server.expect("ann: last");
}

#[test]
fn help_is_complete() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    for part in ["demo", "serve", "connect", "bench", "sim", "keygen", "Exit codes"] {
        assert!(help.out.contains(part), "{part}: {help:?}");
    }
    assert!(!help.out.contains("bench-server"), "{help:?}");
    for command in ["demo", "serve", "connect", "bench", "sim", "keygen"] {
        let help = run(&[command, "--help"]);
        assert_eq!(help.code, 0, "{help:?}");
        assert!(help.out.contains("Examples:") && help.out.contains(&format!("tme {command}")), "{help:?}");
    }
    assert!(run(&["--version"]).out.contains(env!("CARGO_PKG_VERSION")));
}
