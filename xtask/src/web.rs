//! Tests the client for web pages: its types, its parts by themselves, and all of it in a browser against real servers.

use std::fs;
use std::path::Path;

use crate::command::{command, run, run_and_read};
use crate::library::target_directory;

const DIRECTORY: &str = "bindings/web";
/// Compiled as a game in TypeScript would be.
const TYPES: [&str; 7] =
    ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "test/types/usage.ts"];

/// In one go: the step `demo` has built most of it, with the same features of all dependencies.
const PROGRAMS: [&str; 11] = [
    "build",
    "--release",
    "--locked",
    "--package",
    "tme-cli",
    "--package",
    "tme-examples",
    "--bin",
    "tme",
    "--bin",
    "browsers",
];

/// `cargo xtask web`.
pub fn check(root: &Path) -> Result<(), String> {
    let directory = root.join(DIRECTORY);
    println!("--- types");
    run(command("tsc", &directory).args(TYPES))?;
    println!("--- by themselves");
    test(&directory, "test/unit", None)?;
    println!("--- in a browser");
    run(command("cargo", root).args(PROGRAMS))?;
    test(&directory, "test/browser", Some(&target_directory(root).join("release")))
}

/// Runs the tests of a folder, and says how many in the words by which whoever runs us counts tests.
fn test(directory: &Path, folder: &str, programs: Option<&Path>) -> Result<(), String> {
    let mut node = command("node", directory);
    // Not the folder: what node makes of one differs from version to version.
    node.args(["--test", "--test-reporter=tap"]).args(test_files(directory, folder)?);
    if let Some(programs) = programs {
        node.env("TME_PROGRAMS", programs);
    }
    let text = run_and_read(&mut node)?;
    let passed = count(&text, "pass").filter(|count| *count > 0).ok_or("node ran no tests")?;
    println!("test result: ok. {passed} passed; 0 failed; {} ignored", count(&text, "skipped").unwrap_or(0));
    Ok(())
}

fn test_files(directory: &Path, folder: &str) -> Result<Vec<String>, String> {
    let explain = |error: std::io::Error| format!("{folder}: {error}");
    let mut files = Vec::new();
    for entry in fs::read_dir(directory.join(folder)).map_err(explain)? {
        let name = entry.map_err(explain)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.js") {
            files.push(format!("{folder}/{name}"));
        }
    }
    files.sort();
    Ok(files)
}

/// The number in a line such as `# pass 12`.
fn count(text: &str, what: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted() {
        let text = "1..2\n# tests 14\n# pass 12\n# fail 0\n# skipped 2\n# duration_ms 5.1\n";
        assert_eq!((count(text, "pass"), count(text, "skipped")), (Some(12), Some(2)));
        assert_eq!(count("ok 1 - # passing\n", "pass"), None);
    }
}
