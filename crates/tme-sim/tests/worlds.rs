//! Hundreds of seeded worlds: every preset, every fault.

use tme_sim::{Preset, run_world};

/// Worlds per preset; a debug build runs fewer, the release step of the test command all.
const WORLDS: u64 = if cfg!(debug_assertions) { 10 } else { 50 };

fn every_world_keeps_its_promises(preset: Preset) {
    let failures: Vec<String> = (0..WORLDS)
        .filter_map(|seed| run_world(seed, preset).err())
        .map(|failure| failure.to_string())
        .collect();
    assert!(failures.is_empty(), "{} of {WORLDS} worlds failed:\n{}", failures.len(), failures.join("\n"));
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
