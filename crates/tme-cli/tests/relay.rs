//! `tme relay`, between the chat's programs.

mod common;

use common::{run, run_with, serve, start};

/// Where the relay listens.
fn address(line: &str) -> String {
    line.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn a_chat_goes_through_a_lossy_relay_whole() {
    let (mut server, server_address, key) = serve(&[]);
    let mut relay = start(&["relay", &server_address, "--loss", "20", "--delay", "2", "--json"]);
    let through = address(&relay.expect_error("relaying "));
    let lines: String = (0..50).map(|line| format!("line {line}\n")).collect();
    let client = run_with(&["connect", &through, "--key", &key, "--name", "bot"], &lines);
    assert_eq!(client.code, 0, "{client:?}");
    for line in 0..50 {
        server.expect(&format!("line {line}"));
    }
    relay.say("/quit\n");
    let finished = relay.finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    let report = finished.json();
    assert_eq!(report["clients"], 1, "{report}");
    assert!(report["up"]["dropped"].as_u64() > Some(0), "{report}");
    assert!(report["up"]["delivered"].as_u64() > Some(0), "{report}");
}

#[test]
fn commands_are_obeyed_and_others_explained() {
    let mut relay = start(&["relay", "127.0.0.1:9"]);
    relay.expect("relaying ");
    relay.say("/what\n");
    relay.expect("/rebind");
    relay.say("/cut\n/heal\n/rebind\n/stats\n/quit\n");
    let finished = relay.finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.out.contains("clients 0"), "{finished:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    let cases: [(&[&str], i32, &str); 4] = [
        (&["relay", "no-port"], 4, "no-port leads to no address"),
        (&["relay", "127.0.0.1:9", "--listen", "192.0.2.1:1"], 3, "192.0.2.1"),
        (&["relay", "127.0.0.1:9", "--loss", "101"], 2, "101"),
        (&["relay", "127.0.0.1:9", "--delay", "5", "--jitter", "6"], 2, "jitter"),
    ];
    for (arguments, code, part) in cases {
        let finished = run(arguments);
        assert_eq!(finished.code, code, "{arguments:?}: {finished:?}");
        assert!(finished.err.contains(part), "{arguments:?}: {finished:?}");
    }
}
