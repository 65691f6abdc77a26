//! Tests the queues between threads under `loom`, which tries every order in which the threads could meet.

use std::path::Path;

use crate::command::{command, run};
use crate::library::target_directory;

/// Runs the models of `tme-transport`, in a directory of their own: with another flag everything is built again.
pub fn check(root: &Path) -> Result<(), String> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut cargo = command("cargo", root);
    cargo.args(["test", "--package", "tme-transport", "--lib", "--target-dir"]);
    cargo.arg(target_directory(root).join("loom"));
    cargo.args(["--", "model::"]);
    cargo.env("RUSTFLAGS", format!("{flags} --cfg loom"));
    run(&mut cargo)
}
