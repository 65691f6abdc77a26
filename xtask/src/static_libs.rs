//! Asks rustc what a program that links the static library needs, and keeps the answer for CMake and pkg-config.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::command::{command, output};
use crate::header::Mode;

/// Where the answers are kept.
const FILE: &str = "cmake/TMEStaticLibs.cmake";
/// Where people read them, for the system that is shown there.
const PAGE: &str = "docs/BUILDING_C.md";
const SHOWN: &str = "linux_gnu";
/// How a line of it begins; a target's system follows.
const PREFIX: &str = "set(TME_STATIC_LIBS_";

/// A target that can be asked about: the name of its system, and of a C compiler for ring.
struct Target {
    triple: &'static str,
    system: &'static str,
    compiler: &'static str,
}

/// What is needed depends on the system, not on the processor. A target is asked about if its standard library
/// and its compiler are there; what is known of others stays.
const TARGETS: [Target; 2] = [
    Target { triple: "x86_64-unknown-linux-gnu", system: "linux_gnu", compiler: "cc" },
    Target { triple: "x86_64-pc-windows-gnu", system: "windows_gnu", compiler: "x86_64-w64-mingw32-gcc" },
];

/// `cargo xtask static-libs [--check]`: for every target that can be asked about here.
pub fn run(root: &Path, mode: Mode) -> Result<(), String> {
    let mut targets = Vec::new();
    for target in &TARGETS {
        if is_installed(root, target)? {
            targets.push(target);
        } else {
            let Target { triple, compiler, .. } = target;
            println!("{triple}: not asked; its standard library or {compiler} is missing");
        }
    }
    compare(root, &targets, mode)
}

/// Checks what is kept for this system: another one's library would have to be built first.
pub fn check_host(root: &Path) -> Result<(), String> {
    let mut targets = Vec::new();
    for target in &TARGETS {
        if is_host(root, target)? {
            targets.push(target);
        }
    }
    compare(root, &targets, Mode::Check)
}

fn compare(root: &Path, targets: &[&Target], mode: Mode) -> Result<(), String> {
    let path = root.join(FILE);
    let found = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = lines(&found);
    for target in targets {
        let libraries = ask(root, target)?;
        println!("{}: {libraries}", target.triple);
        lines.insert(target.system.to_owned(), libraries);
    }
    let expected = text(&lines);
    check_page(root, lines.get(SHOWN).map_or("", String::as_str))?;
    match mode {
        Mode::Write => fs::write(&path, expected).map_err(|error| format!("{FILE}: {error}")),
        Mode::Check if found == expected => Ok(()),
        Mode::Check => Err(format!("{FILE} should be (cargo xtask static-libs):\n{expected}")),
    }
}

/// The page shows the line for those who use neither CMake nor pkg-config.
fn check_page(root: &Path, libraries: &str) -> Result<(), String> {
    let page = fs::read_to_string(root.join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    if page.contains(libraries) { Ok(()) } else { Err(format!("{PAGE} should show {libraries}")) }
}

/// Whether rustc has a standard library for the target, and ring a C compiler.
fn is_installed(root: &Path, target: &Target) -> Result<bool, String> {
    let mut rustc = command("rustc", root);
    let directory = output(rustc.args(["--print", "target-libdir", "--target", target.triple]))?;
    let has_compiler = command(target.compiler, root)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    Ok(has_compiler && Path::new(directory.trim()).is_dir())
}

/// The libraries in rustc's own words: `-lgcc_s -lutil`.
fn ask(root: &Path, target: &Target) -> Result<String, String> {
    let mut cargo = command("cargo", root);
    cargo.args(["rustc", "--release", "--locked", "--package", "tme-ffi", "--crate-type", "staticlib"]);
    if !is_host(root, target)? {
        cargo.args(["--target", target.triple]);
    }
    // The answer comes as a note, on standard error, also when nothing had to be built.
    cargo.args(["--", "--print", "native-static-libs"]).env("CARGO_TERM_COLOR", "never");
    let done = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    answer(&said).ok_or_else(|| format!("rustc names no libraries for {}:\n{said}", target.triple))
}

fn is_host(root: &Path, target: &Target) -> Result<bool, String> {
    let version = output(command("rustc", root).arg("-vV"))?;
    Ok(version.lines().any(|line| line.strip_prefix("host: ") == Some(target.triple)))
}

fn answer(said: &str) -> Option<String> {
    let line = said.lines().rev().find_map(|line| line.strip_prefix("note: native-static-libs: "))?;
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn lines(text: &str) -> BTreeMap<String, String> {
    let entry = |line: &str| {
        let (system, libraries) = line.strip_prefix(PREFIX)?.strip_suffix(')')?.split_once(' ')?;
        Some((system.to_owned(), libraries.to_owned()))
    };
    text.lines().filter_map(entry).collect()
}

fn text(lines: &BTreeMap<String, String>) -> String {
    let head = "# What a program that links the static library needs of the system, as rustc tells it.\n\
        # Generated by `cargo xtask static-libs`; edit nothing here.\n";
    let line = |(system, libraries): (&String, &String)| format!("{PREFIX}{system} {libraries})\n");
    lines.iter().fold(head.to_owned(), |text, entry| text + &line(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_among_what_cargo_says() {
        let said = "   Compiling tme-ffi v0.1.0\nnote: link against the following native artifacts when linking \
            against this static library\n\nnote: native-static-libs: -lgcc_s  -lutil\n\n    Finished `release`\n";
        assert_eq!(answer(said).as_deref(), Some("-lgcc_s -lutil"));
        assert_eq!(answer("error: no\n"), None);
    }

    #[test]
    fn what_is_known_of_other_systems_stays() {
        let mut kept = lines("# head\nset(TME_STATIC_LIBS_windows_gnu -lws2_32 -l:libpthread.a)\n");
        kept.insert("linux_gnu".to_owned(), "-lgcc_s".to_owned());
        let text = text(&kept);
        assert!(text.ends_with(
            "set(TME_STATIC_LIBS_linux_gnu -lgcc_s)\nset(TME_STATIC_LIBS_windows_gnu -lws2_32 -l:libpthread.a)\n"
        ));
        assert_eq!(lines(&text), kept);
    }
}
