//! Runs the programs that checks are made of.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A command in `directory`, without what `cargo run` told this program about itself.
pub fn command(program: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null());
    for (name, _) in env::vars_os().filter(|(name, _)| is_about_this_crate(name)) {
        command.env_remove(name);
    }
    command
}

/// Runs it with its output where ours goes; an error says which command failed.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot run {}: {error}", words(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{status}: {}", words(command))) }
}

/// Runs it for its standard output; an error has all it wrote.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", words(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{}: {}\n{text}{}", output.status, words(command), String::from_utf8_lossy(&output.stderr)))
}

/// Runs it with its output where ours goes, and gives the standard output back as well.
pub fn run_and_read(command: &mut Command) -> Result<String, String> {
    let explain = |error: std::io::Error, words: &str| format!("cannot run {words}: {error}");
    let words = words(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| explain(error, &words))?;
    let mut text = String::new();
    for line in child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
        let line = line.map_err(|error| explain(error, &words))?;
        println!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    let status = child.wait().map_err(|error| explain(error, &words))?;
    if status.success() { Ok(text) } else { Err(format!("{status}: {words}")) }
}

/// The command as one would type it.
fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Variables that `cargo run` set for us. Build scripts (ring's) run again when these change, so that passing
/// them on would make this program and a plain `cargo build` rebuild each other's dependencies.
fn is_about_this_crate(name: &OsString) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_about_this_crate_are_not_passed_on() {
        assert!(is_about_this_crate(&"CARGO_PKG_NAME".into()));
        assert!(is_about_this_crate(&"CARGO_MANIFEST_DIR".into()));
        assert!(!is_about_this_crate(&"CARGO_TARGET_DIR".into()));
        assert!(!is_about_this_crate(&"PATH".into()));
    }

    #[test]
    fn a_failure_names_the_command() {
        let here = Path::new(".");
        assert!(output(command("cargo", here).arg("--version")).unwrap().starts_with("cargo "));
        let error = output(command("cargo", here).arg("no-such-command-of-tme")).unwrap_err();
        assert!(error.contains(": cargo no-such-command-of-tme\n"), "{error}");
        assert!(run_and_read(command("cargo", here).arg("--version")).unwrap().starts_with("cargo "));
        let error = run(&mut command("no-such-program-of-tme", here)).unwrap_err();
        assert!(error.starts_with("cannot run no-such-program-of-tme: "), "{error}");
    }
}
