//! `tme keygen`, `tme query`, `tme bench`, `tme sim`.

mod common;

use common::{Folder, run, serve};
use tme::SecretKey;

#[test]
fn a_new_key_is_written_once_and_for_its_owner_only() {
    let folder = Folder::new("keygen");
    let path = folder.file("server.key");
    let made = run(&["keygen", "--out", &path]);
    assert_eq!(made.code, 0, "{made:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    let public = SecretKey::from_hex(&text).unwrap().public_key().to_string();
    assert!(made.out.contains(&format!("public key {public}")), "{made:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = run(&["keygen", "--out", &path]);
    assert_eq!(again.code, 7, "{again:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "not overwritten");
}

#[test]
fn a_printed_key_belongs_to_its_public_key() {
    let made = run(&["keygen"]);
    let word = |line: usize| made.out.lines().nth(line).unwrap().split_whitespace().nth(2).unwrap();
    assert_eq!(SecretKey::from_hex(word(0)).unwrap().public_key().to_string(), word(1));
}

#[test]
fn servers_are_asked_what_they_are() {
    let (_server, address, _) = serve(&["--max-peers", "7"]);
    let asked = run(&["query", &address]);
    assert_eq!(asked.code, 0, "{asked:?}");
    assert!(asked.out.contains("0 of 7 players"), "{asked:?}");
    let asked = run(&["query", &address, "127.0.0.1:9", "--timeout", "1", "--json"]);
    assert_eq!(asked.code, 4, "{asked:?}");
    let mut lines: Vec<serde_json::Value> =
        asked.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["error"].is_string());
    assert_eq!(
        (&lines[0]["peers_max"], &lines[1]["server"]),
        (&7.into(), &"127.0.0.1:9".into()),
        "{lines:?}"
    );
    assert_eq!(run(&["query", "nonsense"]).code, 2);
}

#[test]
fn a_benchmark_measures_every_workload() {
    let finished = run(&["bench", "--seconds", "1", "--json"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let report = finished.json();
    let workloads = report["workloads"].as_array().unwrap();
    assert_eq!(workloads.len(), 5, "{report}");
    for workload in workloads {
        assert!(workload["delivered"].as_u64() > Some(0), "{workload}");
        if workload["workload"] != "flood-unreliable" {
            assert_eq!(workload["sent"], workload["delivered"], "{workload}");
        }
    }
    assert!(workloads[4]["round_trip"]["p99_us"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_benchmark_prints_a_table_that_says_what_was_measured() {
    let finished = run(&["bench", "--seconds", "1", "--workload", "latency", "--threads"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    for part in ["a process each", "encrypted UDP over loopback", "round trip p50"] {
        assert!(finished.out.contains(part), "lacks {part:?}: {finished:?}");
    }
}

#[test]
fn simulated_worlds_keep_their_promises() {
    let finished = run(&["sim", "--seeds", "2", "--json"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let report = finished.json();
    assert_eq!(report["worlds"], 12, "{report}");
    for row in report["presets"].as_array().unwrap() {
        assert_eq!((&row["worlds"], &row["failed"]), (&2.into(), &0.into()), "{row}");
        assert!(row["messages_delivered"].as_u64() > Some(0), "{row}");
    }
}

#[test]
fn a_world_can_be_told_line_by_line() {
    let told = || run(&["sim", "--seeds", "1", "--start-seed", "3", "--net", "lan", "--trace"]);
    let (once, twice) = (told(), told());
    assert_eq!(once.code, 0, "{once:?}");
    let story = |finished: &common::Finished| {
        finished
            .out
            .lines()
            .take_while(|line| !line.contains("preset"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(story(&once).len() > 100);
    assert!(story(&once) == story(&twice), "the same seed gives the same story");
}
