//! Which crate may depend on which, what the protocol's sources may name, and how long a file may get.

use std::fs;
use std::path::Path;

use crate::tree;
use crate::use_paths;
use crate::workspace::{self, Dependency, Kind, Member};

/// The crates in the order of the arrows: each may depend only on those before it.
const ROWS: [&str; 9] =
    ["tme-derive", "tme-core", "tme-sim", "tme-transport", "tme", "tme-capi", "tme-ffi", "tme-cli", "xtask"];

/// Crates that end up in a game: the simulator must not.
const RELEASED: [&str; 4] = ["tme-transport", "tme", "tme-capi", "tme-ffi"];

/// Crates where time, randomness and bytes are arguments.
const SANS_IO: [&str; 1] = ["tme-core"];

/// What a sans-IO crate must not name, with all that lies below it.
const OUTSIDE_WORLD: [&str; 15] = [
    "std::time::self",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "std::time::*",
    "std::net::self",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::ToSocketAddrs",
    "std::net::*",
    "std::thread",
    "std::fs",
    "std::env",
    // Randomness comes from the driver, or no run could be replayed from its seed.
    "ring::rand::SystemRandom",
];

/// Modules that must not be imported whole: what is then used of them could not be seen.
const IMPORTED_IN_PARTS: [&str; 2] = ["std::time", "std::net"];

/// Crates that may contain unsafe code, each with its reason.
const UNSAFE: [(&str, &str); 2] = [
    ("tme-capi", "a C caller's pointers can only be followed in unsafe code"),
    ("tme-ffi", "it exports the C functions of tme-capi"),
];

/// The most lines a file under `crates/` may have, its unit tests apart.
const LINES_MAX: usize = 1_000;

/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| *row == name)
}

/// What is wrong with `member` depending on `dependency`, if something is.
fn objection(member: &str, dependency: &Dependency) -> Option<String> {
    if !dependency.is_ours {
        return None;
    }
    let (name, kind) = (dependency.name.as_str(), dependency.kind);
    let Some(theirs) = row(name) else {
        return Some(format!("{member} depends on {name}, which has no row and may not be depended on"));
    };
    let ours = row(member)?;
    if theirs >= ours {
        Some(format!("{member} depends on {name}, which is not in a row above it"))
    } else if kind == Kind::Dev && member == "tme-core" {
        // Its unit tests would then see two copies of it: their own, and the one its sibling was built with.
        Some(format!("{member} has {name} as a dev-dependency; such tests live with {name}"))
    } else if kind == Kind::Normal && name == "tme-sim" && RELEASED.contains(&member) {
        Some(format!("{member} depends on {name}, which is never part of a release library"))
    } else {
        None
    }
}

#[test]
fn every_crate_depends_only_on_crates_above_it() {
    let members = workspace::members();
    let objections: Vec<String> = members
        .iter()
        .flat_map(|Member { name, dependencies, .. }| {
            dependencies.iter().filter_map(move |dependency| objection(name, dependency))
        })
        .collect();
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn every_crate_of_the_engine_has_a_row() {
    let crates = tree::root().join("crates");
    for member in workspace::members().iter().filter(|member| member.directory.starts_with(&crates)) {
        assert!(row(&member.name).is_some(), "{} has no row: where in the order is it?", member.name);
        assert!(
            member.directory.ends_with(&member.name),
            "{} lives in a directory of another name",
            member.name
        );
    }
}

#[test]
fn arrows_that_point_the_wrong_way_are_objected_to() {
    let table = [
        ("tme-transport", "tme-core", Kind::Normal, true),
        ("tme-core", "tme-derive", Kind::Normal, true),
        ("tme-cli", "tme-sim", Kind::Normal, true),
        ("tme-transport", "tme-sim", Kind::Dev, true),
        ("tme-examples", "tme", Kind::Normal, true),
        ("tme-core", "tme-transport", Kind::Normal, false),
        ("tme-core", "tme-sim", Kind::Dev, false),
        ("tme-core", "tme-derive", Kind::Dev, false),
        ("tme", "tme-sim", Kind::Normal, false),
        ("tme-sim", "tme-transport", Kind::Dev, false),
        ("tme", "tme", Kind::Dev, false),
        ("tme", "tme-tests", Kind::Dev, false),
    ];
    for (member, name, kind, is_right) in table {
        let dependency = Dependency { name: name.to_owned(), kind, is_ours: true };
        assert_eq!(objection(member, &dependency).is_none(), is_right, "{member} on {name} ({kind:?})");
    }
}

fn names_outside_world(path: &str) -> bool {
    let is_or_is_below = |forbidden: &str| {
        path.strip_prefix(forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    OUTSIDE_WORLD.iter().any(|forbidden| is_or_is_below(forbidden)) || IMPORTED_IN_PARTS.contains(&path)
}

#[test]
fn the_protocol_names_no_clock_socket_thread_or_generator() {
    for name in SANS_IO {
        let sources = tree::files_under(&format!("crates/{name}/src"), "rs");
        assert!(!sources.is_empty(), "{name} has no sources");
        for file in sources {
            let source = fs::read_to_string(&file).expect("a source is readable text");
            let named: Vec<String> =
                use_paths::paths(&source).into_iter().filter(|path| names_outside_world(path)).collect();
            assert!(named.is_empty(), "{} names {}", tree::relative(&file), named.join(", "));
        }
    }
}

#[test]
fn the_outside_world_is_recognised_in_any_spelling() {
    let table = [
        ("use std::time::Instant;", true),
        ("use std::{io, time::{Duration, SystemTime}};", true),
        ("use std::time;", true),
        ("use std::net::{self, IpAddr};", true),
        ("std::thread::spawn(work)", true),
        ("let random = ring::rand::SystemRandom::new();", true),
        ("pub use std::time::Duration;", false),
        ("use std::net::{IpAddr, SocketAddr};", false),
        ("use crate::time::Instant;", false),
        ("// std::time::Instant would be wrong here", false),
    ];
    for (source, expected) in table {
        assert_eq!(
            use_paths::paths(source).iter().any(|path| names_outside_world(path)),
            expected,
            "{source}"
        );
    }
}

/// Whether a crate's root has any code yet; an empty crate has nothing to forbid.
fn is_empty_root(source: &str) -> bool {
    let code = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    code.collect::<Vec<_>>().join(" ").replace("fn main() {}", "").is_empty()
}

#[test]
fn every_crate_forbids_unsafe_code_or_says_why_not() {
    for member in workspace::members() {
        let reason = UNSAFE.iter().find(|(name, _)| *name == member.name);
        for root in &member.roots {
            let source = fs::read_to_string(root).expect("a source is readable text");
            let forbids = source.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]");
            let path = tree::relative(root);
            match reason {
                None => assert!(forbids || is_empty_root(&source), "{path} does not forbid unsafe code"),
                Some((name, reason)) => {
                    assert!(
                        !forbids,
                        "{path} forbids unsafe code: remove {name} ({reason}) from the exceptions"
                    );
                }
            }
        }
    }
}

/// Lines of a source without the unit tests at its end.
fn line_count(source: &str) -> usize {
    let lines: Vec<&str> = source.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        matches!(pair[0], "#[cfg(test)]" | "#[cfg(all(test, unix))]") && pair[1].starts_with("mod tests {")
    });
    tests.unwrap_or(lines.len())
}

fn is_listed(file: &Path) -> bool {
    LONG_FILES.iter().any(|(name, _)| *name == tree::relative(file))
}

#[test]
fn no_file_is_too_long_without_a_reason() {
    let too_long: Vec<String> = tree::files_under("crates", "rs")
        .iter()
        .filter(|file| !is_listed(file))
        .map(|file| (file, line_count(&fs::read_to_string(file).expect("a source is readable text"))))
        .filter(|(_, count)| *count > LINES_MAX)
        .map(|(file, count)| format!("{} has {count} lines", tree::relative(file)))
        .collect();
    assert!(too_long.is_empty(), "more than {LINES_MAX} lines: {}", too_long.join(", "));
    for (name, reason) in LONG_FILES {
        assert!(tree::root().join(name).is_file(), "{name} ({reason}) is gone; remove it from the list");
    }
}

#[test]
fn unit_tests_do_not_count_as_lines() {
    assert_eq!(line_count("one\ntwo\n\n#[cfg(test)]\nmod tests {\n}\n"), 3);
    assert_eq!(line_count("one\n#[cfg(test)]\nuse two;\nthree\n"), 4);
}
