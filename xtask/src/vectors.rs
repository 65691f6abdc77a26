//! Lets the independent Python reader check the golden vectors.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tools;

const IMPORTS: &str = "import cryptography";

/// Runs reader and encoder over `tests/vectors`.
pub fn check(root: &Path) -> Result<(), String> {
    let python = python_with_cryptography(root)?;
    run(root, &python, &["tests/vectors/reader.py", "--check", "tests/vectors"])?;
    run(root, &python, &["tests/vectors/make_vectors.py", "--check"])
}

/// An interpreter that has the `cryptography` package: one that is there, one of our own under `target`, or the
/// system's after its package was installed.
fn python_with_cryptography(root: &Path) -> Result<PathBuf, String> {
    let own = root.join("target/xtask/python");
    let own_python = own.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let system = PathBuf::from("/usr/bin/python3");
    let candidates = [PathBuf::from("python3"), own_python.clone(), system.clone()];
    if let Some(python) = candidates.into_iter().find(|python| has_cryptography(python)) {
        return Ok(python);
    }
    println!("making an environment with the package cryptography in {}", own.display());
    let is_made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&own))
        && succeeds(Command::new(&own_python).args(["-m", "pip", "install", "--quiet", "cryptography"]));
    if is_made && has_cryptography(&own_python) {
        return Ok(own_python);
    }
    tools::install(&["python3-cryptography"]).map_err(|error| {
        format!("the reader needs Python's package cryptography (pip install cryptography): {error}")
    })?;
    if has_cryptography(&system) {
        Ok(system)
    } else {
        Err("python3-cryptography did not bring its module".to_owned())
    }
}

fn has_cryptography(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-c", IMPORTS]).stderr(Stdio::null()))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn run(root: &Path, python: &Path, arguments: &[&str]) -> Result<(), String> {
    if succeeds(Command::new(python).args(arguments).current_dir(root)) {
        return Ok(());
    }
    Err(format!("{} {} failed", python.display(), arguments.join(" ")))
}
