//! Where cargo builds, and the one libtme that all checks of the C side share.

use std::env;
use std::path::{Path, PathBuf};

use crate::command::{command, run};

/// The directory that cargo builds in.
pub fn target_directory(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |given| root.join(given))
}

/// The directory of a chore's own files, which only this program knows.
pub fn scratch_directory(root: &Path, chore: &str) -> PathBuf {
    target_directory(root).join("xtask").join(chore)
}

/// Builds the library as it would be released; its files are in the directory that is returned.
pub fn build(root: &Path) -> Result<PathBuf, String> {
    run(command("cargo", root).args(["build", "--release", "--locked", "--package", "tme-ffi"]))?;
    Ok(target_directory(root).join("release"))
}
