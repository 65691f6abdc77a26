//! `tme demo`, as scripts use it.

mod common;

use common::run;

#[test]
fn every_reliable_message_of_a_demo_is_delivered() {
    for more in [&[][..], &["--threads"], &["--network-threads", "3"], &["--net", "wifi"], &["--link", "tcp"]]
    {
        let mut arguments = vec!["demo", "--bots", "4", "--seconds", "1", "--json"];
        arguments.extend(more);
        let finished = run(&arguments);
        assert_eq!(finished.code, 0, "{finished:?}");
        let report = finished.json();
        assert_eq!(report["reliable"]["all_delivered"], true, "{report}");
        for way in ["to_server", "to_bots"] {
            let flow = &report["reliable"][way];
            assert!(flow["sent"].as_u64() >= Some(4) && flow["sent"] == flow["delivered"], "{report}");
            let latency = &report["unreliable"][way]["latency"];
            assert!(latency["p50_us"].as_u64() > Some(0), "{report}");
            assert!(latency["p99_us"].as_u64() >= latency["p50_us"].as_u64(), "{report}");
        }
        assert!(finished.err.contains("TME demo"), "progress goes to standard error: {finished:?}");
    }
}

#[test]
fn over_tcp_nothing_is_lost_and_the_bytes_are_counted() {
    let finished = run(&["demo", "--bots", "4", "--seconds", "1", "--json", "--link", "tcp", "--threads"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let report = finished.json();
    assert_eq!(report["options"]["link"], "tcp", "{report}");
    let network = &report["network"];
    assert_eq!((&network["packets_lost"], &network["probe_timeouts"]), (&0.into(), &0.into()), "{report}");
    // Four bots get snapshots of 300 bytes, several a second.
    assert!(network["server_bytes_out"].as_u64() > Some(10_000), "{report}");
    assert!(finished.err.contains("encrypted over TCP"), "{finished:?}");
}

#[test]
fn modelled_delay_shows_in_the_latency() {
    let finished = run(&["demo", "--bots", "2", "--seconds", "1", "--json", "--net", "transatlantic"]);
    let report = finished.json();
    for way in ["to_server", "to_bots"] {
        assert!(report["unreliable"][way]["latency"]["p50_us"].as_u64() >= Some(38_000), "{report}");
    }
}

#[test]
fn without_a_terminal_lines_are_plain() {
    let finished = run(&["demo", "--bots", "2", "--seconds", "2"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(!finished.out.contains('\x1b'), "{finished:?}");
    for part in ["2 bots", "encrypted", "1 s  peers 2", "reliable p99", "once and in order"] {
        assert!(finished.out.contains(part), "lacks {part:?}: {finished:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_demo_ends_with_its_summary() {
    let mut demo = common::start(&["demo", "--bots", "4", "--seconds", "600"]);
    demo.expect("1 s  peers 4");
    demo.interrupt();
    let finished = demo.finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.out.contains("once and in order"), "{finished:?}");
}
