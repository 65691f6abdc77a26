//! Misuses the C interface for longer than the tests do: a new seed each time, unless one is to be repeated.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::arguments::{MisuseOptions, Sanitizer};

/// Runs the test `misuse` of `tme-capi`, optimised and with all checks.
pub fn run(root: &Path, options: &MisuseOptions) -> Result<(), String> {
    let seed = options.seed.unwrap_or_else(new_seed);
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args([
        "test",
        "--package",
        "tme-capi",
        "--test",
        "misuse",
        "--profile",
        "checked",
    ]);
    cargo.env("TME_MISUSE_SEED", seed.to_string()).env("TME_MISUSE_SECONDS", options.seconds.to_string());
    if options.sanitizer == Sanitizer::Address {
        // Without a target, build scripts and macros would be sanitized too, and fail to load.
        cargo.args(["--target", &host(root)?, "--target-dir"]).arg(sanitized_directory(root));
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    }
    cargo.args(["--", "--nocapture"]);
    let status = cargo.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let sanitize = if options.sanitizer == Sanitizer::Address { " --sanitize" } else { "" };
    Err(format!("to do it again: cargo xtask misuse --seconds {} --seed {seed}{sanitize}", options.seconds))
}

/// Any number that is not the one of the last run. Short, for somebody may have to type it.
fn new_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_millis() as u64 % 1_000_000_000)
}

/// The system that rustc builds for unless told otherwise.
fn host(root: &Path) -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root).output();
    let output = output.map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| format!("rustc -vV names no host:\n{text}"))
}

/// A directory of its own: other flags would have everything built again and again.
fn sanitized_directory(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("sanitize-address")
}
