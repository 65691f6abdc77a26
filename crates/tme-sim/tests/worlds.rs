//! Hundreds of seeded worlds: every preset, every fault.

use std::collections::BTreeMap;

use tme_sim::{Preset, WorldReport, run_world};

/// Worlds per preset; a debug build runs fewer, the release step of the test command all.
const WORLDS: u64 = if cfg!(debug_assertions) { 10 } else { 50 };

/// What fifty worlds of any preset must have seen, or they show less than they claim.
const SIGHTS: [&str; 37] = [
    "Interrupted",
    "Resumed",
    "Writable",
    "answers repeated",
    "corrupted",
    "cut",
    "deadline receipt",
    "delivered receipt",
    "disconnected receipt",
    "duplicated",
    "end Local Aborted",
    "end Local Closed",
    "end Local ConnectTimedOut",
    "end Local Kicked",
    "end Local TimedOut",
    "end Remote Closed",
    "end Remote Full",
    "end Remote Kicked",
    "end Remote Reset",
    "expired",
    "handshake malformed",
    "handshake repeated",
    "key updates",
    "lost",
    "lost receipt",
    "overflowed",
    "packet foreign address",
    "packet malformed",
    "packet not TME",
    "packet replayed",
    "packet too old",
    "packet unauthentic",
    "packet unknown connection",
    "reordered",
    "resets",
    "superseded",
    "superseded receipt",
];

fn every_world_keeps_its_promises(preset: Preset) {
    let (reports, failures): (Vec<_>, Vec<_>) =
        (0..WORLDS).map(|seed| run_world(seed, preset)).partition(Result::is_ok);
    let failures: Vec<String> =
        failures.into_iter().filter_map(Result::err).map(|failure| failure.to_string()).collect();
    assert!(failures.is_empty(), "{} of {WORLDS} worlds failed:\n{}", failures.len(), failures.join("\n"));

    let mut seen = BTreeMap::<String, u64>::new();
    for WorldReport { sights, .. } in reports.into_iter().flatten() {
        sights.into_iter().for_each(|(sight, count)| *seen.entry(sight).or_default() += count);
    }
    if WORLDS >= 50 {
        // What is seldom may take a few worlds more.
        let is_whole = |seen: &BTreeMap<String, u64>| SIGHTS.iter().all(|&sight| seen.contains_key(sight));
        for seed in WORLDS..3 * WORLDS {
            if is_whole(&seen) {
                break;
            }
            let report = run_world(seed, preset).unwrap_or_else(|failure| panic!("{failure}"));
            report.sights.into_iter().for_each(|(sight, count)| *seen.entry(sight).or_default() += count);
        }
        let unseen: Vec<_> = SIGHTS.iter().filter(|&&sight| !seen.contains_key(sight)).collect();
        assert!(unseen.is_empty(), "{preset}: never seen: {unseen:?}; seen: {seen:?}");
    }
}

#[test]
fn every_lan_world_keeps_its_promises() {
    every_world_keeps_its_promises(Preset::Lan);
}

#[test]
fn every_wifi_world_keeps_its_promises() {
    every_world_keeps_its_promises(Preset::Wifi);
}

#[test]
fn every_bad_wifi_world_keeps_its_promises() {
    every_world_keeps_its_promises(Preset::WifiBad);
}

#[test]
fn every_lte_world_keeps_its_promises() {
    every_world_keeps_its_promises(Preset::Lte);
}

#[test]
fn every_transatlantic_world_keeps_its_promises() {
    every_world_keeps_its_promises(Preset::Transatlantic);
}

#[test]
fn every_satellite_world_keeps_its_promises() {
    every_world_keeps_its_promises(Preset::Satellite);
}
