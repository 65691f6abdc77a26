//! `tme discover`: on this machine, and between two machines that are network namespaces.

mod common;

use common::{Finished, Running, run, serve};

/// A server that can be found, and the port at which.
fn findable(name: &str) -> (Running, String, String) {
    // The port is printed before the line that `serve` waits for.
    let mut server =
        common::start(&["serve", "--listen", "127.0.0.1:0", "--discoverable", name, "--discovery-port", "0"]);
    let address = server.expect("listening on ").replace("listening on ", "");
    let port = server.expect("found by tme discover").split_whitespace().last().unwrap().to_owned();
    (server, address, port)
}

fn discover(port: &str, more: &[&str]) -> Finished {
    let mut arguments = vec!["discover", "--this-machine", "--port", port];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn servers_are_listed_with_name_and_address() {
    let (_server, address, port) = findable("Bob's room");
    let listed = discover(&port, &["--application", "tme chat"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.out.starts_with(&format!("{address} \"Bob's room\": 0 of 64 players")), "{listed:?}");
    let listed = discover(&port, &["--json"]).json();
    assert_eq!((&listed["name"], &listed["address"]), (&"Bob's room".into(), &address.into()), "{listed}");
    assert_eq!(listed["addresses"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn nobody_there_is_said_so() {
    let (_server, _, port) = findable("another game");
    let listed = discover(&port, &["--application", "no such game", "--seconds", "1"]);
    let (code, text) = listed.failure();
    assert_eq!(code, 4, "{listed:?}");
    assert!(text.contains("no server answered in 1 s"), "{text}");
    // One that does not want to be found is not.
    let (_hidden, _, _) = serve(&[]);
    assert_eq!(discover(&port, &["--application", "no such game", "--seconds", "1"]).code, 4);
}

#[test]
fn a_name_that_cannot_be_is_told_at_once() {
    let finished = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--discoverable",
        &"n".repeat(65),
        "--discovery-port",
        "0",
    ]);
    let (code, text) = finished.failure();
    assert_eq!(code, 2, "{finished:?}");
    assert!(text.contains("65 bytes exceeds the limit of 64"), "{text}");
}

#[cfg(target_os = "linux")]
mod namespaces {
    use std::process::Command;

    /// Two machines on one wire, and a third that a router away is in another network. `$1` is the program. Everything ends with
    /// the namespace's first process, and no address here is of any network outside.
    const SCRIPT: &str = r#"
set -e
ip link set lo up
unshare -n sleep 60 & far=$!
trap 'kill $far $server 2>/dev/null || true' EXIT
# Until the other namespace is another one.
while [ "$(readlink /proc/$far/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add near type veth peer name far netns $far
[ "$4" = ipv6 ] || ip addr add 10.99.0.1/24 dev near
ip link set near up
in_far() { nsenter -t $far -n -- "$@"; }
in_far ip link set lo up
[ "$4" = ipv6 ] || in_far ip addr add 10.99.0.2/24 dev far
in_far ip link set far up
echo ready
"$1" serve --listen "$2" --discoverable "Over the wire" < /dev/null & server=$!
sleep 0.5
# IPv6 addresses are tentative for a while after the link is up; IPv4 answers at once.
for attempt in $(seq "$3"); do
    if in_far "$1" discover --json --seconds 2; then exit 0; fi
done
exit 9
"#;

    fn between_two_machines(listen: &str, attempts: &str, family: &str) -> Option<(i32, String, String)> {
        let probe = Command::new("unshare").args(["-rn", "ip", "link", "set", "lo", "up"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            println!("skipped: this user may make no network namespaces, or there is no `ip`");
            return None;
        }
        let program = env!("CARGO_BIN_EXE_tme");
        let script = [
            "-rn",
            "--kill-child",
            "--fork",
            "bash",
            "-c",
            SCRIPT,
            "script",
            program,
            listen,
            attempts,
            family,
        ];
        let output = Command::new("unshare").args(script).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !out.contains("ready") {
            println!("skipped: no pair of virtual network cards to be had: {err}");
            return None;
        }
        Some((output.status.code().unwrap_or(-1), out.into_owned(), err.into_owned()))
    }

    #[test]
    fn a_server_is_found_over_the_wire_by_all_its_addresses() {
        let Some((code, out, err)) = between_two_machines("[::]:7777", "9", "both") else { return };
        assert_eq!(code, 0, "{out}\n{err}");
        let found = out.lines().find(|line| line.contains("Over the wire")).unwrap();
        assert!(found.contains("\"10.99.0.1:7777\""), "{out}\n{err}");
    }

    #[test]
    fn a_server_is_found_where_there_is_ipv6_alone_and_no_router() {
        let Some((code, out, err)) = between_two_machines("[::]:7777", "9", "ipv6") else { return };
        if err.contains("no IPv6 here") || !std::path::Path::new("/proc/net/if_inet6").exists() {
            return println!("skipped: no IPv6 on this machine");
        }
        assert_eq!(code, 0, "{out}\n{err}");
        let found = out.lines().find(|line| line.contains("Over the wire")).unwrap();
        assert!(found.contains("\"[fe80::"), "{out}\n{err}");
    }

    #[test]
    fn a_server_that_listens_on_this_machine_alone_is_not_found_over_the_wire() {
        let Some((code, out, err)) = between_two_machines("127.0.0.1:7777", "1", "both") else { return };
        assert_eq!(code, 9, "{out}\n{err}");
        assert!(!out.contains("Over the wire"), "{out}");
        assert!(err.contains("no server answered"), "{err}");
    }
}
