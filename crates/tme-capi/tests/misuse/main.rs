//! Misuse of the C interface: every function, in any order, with arguments that no sane program would pass.
//!
//! Wrong handles, stale ids, sizes that lie within what is really there, unknown flags, random bytes as settings, several
//! threads on one handle, engines used after they were closed, and the like. All that `docs/C_API.md` does not call
//! undefined must be answered with a result that the function's comment in `include/tme.h` names. No panic, no internal
//! error, no byte written where none belongs, nothing left behind; and the conversations that go on meanwhile must not
//! lose a message.
//!
//! `cargo xtask misuse` runs it for longer, optimised and with an address sanitizer if that is wanted. The variables
//! `TME_MISUSE_SECONDS` and `TME_MISUSE_SEED` do the same by hand. A seed repeats all choices; what the network and the
//! scheduler do between them it cannot repeat.
#![allow(missing_docs)]

mod calls;
mod chance;
mod misuser;
mod place;
mod promises;
mod round;
mod settings;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chance::Chance;
use misuser::{EVENT, Tally};
use promises::Promises;
use round::Report;
use watch::Census;

/// How long it may take to meet everybody who is to be met.
const PATIENCE: Duration = Duration::from_secs(120);

fn variable<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}"))
}

#[test]
fn misuse_is_answered_as_documented() {
    let seed: u64 = variable("TME_MISUSE_SEED", 1);
    let time = Duration::from_secs(variable("TME_MISUSE_SECONDS", 5));
    println!("misuse with seed {seed} for {time:?}");
    watch::notice_panics();
    let promises = Promises::read();
    let folder = round::make_folder();
    // Files with names such as a fuzzer gives are made there, not in the repository.
    std::env::set_current_dir(&folder).expect("a folder that was just made");
    round::install_log(&folder);
    let before = Census::take();

    let began = Instant::now();
    let mut all = Report::default();
    let mut chance = Chance::new(seed);
    let mut rounds = 0;
    // On a slow machine a short run meets nobody at the door; it goes on until it did.
    let is_to_go_on = |all: &Report| began.elapsed() < PATIENCE && !unmet(all).is_empty();
    while began.elapsed() < time || rounds < round::THREADS.len() || is_to_go_on(&all) {
        let left = time.saturating_sub(began.elapsed());
        all.add(round::play(&promises, &folder, chance.next(), rounds, left));
        rounds += 1;
        if let Some(before) = before {
            before.wait_for_return().unwrap_or_else(|error| panic!("round {rounds}: {error}"));
        }
        assert_eq!(*watch::LOG_FAULTS.lock(), Vec::<String>::new(), "seed {seed}, round {rounds}");
        assert_eq!(*watch::PANICS.lock(), Vec::<String>::new(), "seed {seed}, round {rounds}");
    }
    print(&promises, &all.tally);
    print_encounters(&promises, &all);
    let Report { tally, slowest, .. } = &all;
    let calls: u64 =
        tally.iter().filter(|((function, _), _)| *function != EVENT).map(|(_, count)| count).sum();
    let took = began.elapsed().as_secs_f64();
    println!(
        "{calls} calls in {rounds} rounds and {took:.1} s ({:.0} per second), slowest {} with {:?}, {} log lines",
        calls as f64 / took,
        slowest.1,
        slowest.0,
        watch::LOG_LINES.load(Ordering::Relaxed),
    );
    let _ = std::fs::remove_dir_all(&folder);
    let missed: Vec<&String> =
        promises.functions.keys().filter(|name| !tally.keys().any(|(called, _)| called == name)).collect();
    assert!(missed.is_empty(), "never called: {missed:?}");
    assert_eq!(unmet(&all), Vec::<&(&str, &str)>::new(), "never met with success");
}

/// What has to be met: without an applicant who can be let in, misuse of admissions misuses nothing.
const ENCOUNTERS: [(&str, &str); 9] = [
    ("tme_client_link", "over TCP"),
    ("tme_server_accept", "an applicant"),
    ("tme_server_refuse", "an applicant"),
    ("tme_server_applicant_info", "an applicant"),
    ("the token of an applicant", ""),
    ("the token of a peer", ""),
    ("admission", "with a token"),
    ("connected", "with a token"),
    ("disconnected for its token", "invalid"),
];

fn unmet(all: &Report) -> Vec<&'static (&'static str, &'static str)> {
    let is_met = |(what, whom)| all.encounters.contains_key(&(what, whom, tme_capi::TME_OK));
    ENCOUNTERS.iter().filter(|&&encounter| !is_met(encounter)).collect()
}

fn print_encounters(promises: &Promises, all: &Report) {
    for (&(what, whom, result), count) in &all.encounters {
        let result = promises.results.get(&result).map_or("1", String::as_str);
        let result = result.trim_start_matches("TME_").trim_start_matches("ERROR_");
        println!("met: {what:<28} {whom:<24} {result:<16} {count:>7}");
    }
}

fn event_name(kind: i32) -> &'static str {
    // SAFETY: these texts never go away.
    let name = unsafe { CStr::from_ptr(tme_capi::tme_event_string(kind as u32)) };
    name.to_str().expect("a name is UTF-8")
}

fn print(promises: &Promises, tally: &Tally) {
    let mut functions: BTreeMap<&str, Vec<(Option<i32>, u64)>> = BTreeMap::new();
    for (&(function, result), &count) in tally {
        functions.entry(function).or_default().push((result, count));
    }
    for (function, results) in functions {
        let sum: u64 = results.iter().map(|(_, count)| count).sum();
        let mut line = format!("{function:<34} {sum:>9} ");
        for (result, count) in results.iter().rev() {
            let name = match result {
                Some(kind) if function == EVENT => event_name(*kind),
                Some(result) => promises.results.get(result).map_or("1", String::as_str),
                None => continue,
            };
            line.push_str(&format!(
                " {} {count},",
                name.trim_start_matches("TME_").trim_start_matches("ERROR_")
            ));
        }
        println!("{}", line.trim_end_matches(','));
    }
}
