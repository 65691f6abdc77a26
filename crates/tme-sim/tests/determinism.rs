//! The same seed gives the same world, to the last byte.

use tme_sim::{Preset, run_world};

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    for (seed, preset) in (100..106).zip(Preset::ALL) {
        let [first, second] =
            [(); 2].map(|()| run_world(seed, preset).unwrap_or_else(|failure| panic!("{failure}")));
        assert_eq!(first, second);
    }
}

#[test]
fn another_seed_or_preset_gives_another_trace() {
    let hash = |seed, preset| run_world(seed, preset).map(|report| report.trace_hash);
    let hashes = [hash(100, Preset::Lan), hash(101, Preset::Lan), hash(100, Preset::Wifi)];
    assert!(hashes.iter().all(Result::is_ok), "{hashes:?}");
    assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2], "{hashes:?}");
}
