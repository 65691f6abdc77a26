//! Checks `rust-version`, the minimum supported Rust version, against the toolchain in use and the graph.
//!
//! The promise is that the tests have run on that toolchain. A run on exactly that version is the proof
//! itself; a run on a newer one adds nothing to it, and says so.

use std::fmt;
use std::path::Path;
use std::process::Command;

use crate::metadata::{self, Package};

/// A Rust version as far as it matters here: a patch release removes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    fn parse(text: &str) -> Result<Self, String> {
        let mut numbers = text.split('.').map_while(|number| number.parse().ok());
        match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(format!("{text:?} is not a Rust version")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// `cargo xtask msrv`: an error that lists what is wrong, or what was verified on standard output.
pub fn check(root: &Path) -> Result<(), String> {
    println!("{}", examine(&metadata::packages(root)?, running(root)?)?);
    Ok(())
}

/// The version of the `rustc` that cargo would use.
fn running(root: &Path) -> Result<Version, String> {
    let output = Command::new("rustc").arg("--version").current_dir(root).output();
    let output = output.map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Version::parse(text.split_whitespace().nth(1).unwrap_or_default())
}

fn examine(packages: &[Package], running: Version) -> Result<String, String> {
    let declared = declared(packages)?;
    if running < declared {
        return Err(format!("rust-version is {declared}, but this is Rust {running}"));
    }
    let too_new = packages.iter().filter(|package| package.source.is_some()).filter_map(|package| {
        let theirs = Version::parse(package.rust_version.as_deref()?).ok()?;
        (theirs > declared).then(|| format!("{} {} needs Rust {theirs}", package.name, package.version))
    });
    let too_new: Vec<String> = too_new.collect();
    if !too_new.is_empty() {
        return Err(format!("rust-version is {declared}, but {}", too_new.join(", ")));
    }
    Ok(if running == declared {
        format!("rust-version is {declared}, and so is this toolchain: this run is the proof")
    } else {
        format!("rust-version is {declared}; this run is on {running} and proves nothing about {declared}")
    })
}

/// The one version that all crates of the workspace declare.
fn declared(packages: &[Package]) -> Result<Version, String> {
    let ours = packages.iter().filter(|package| package.source.is_none());
    let mut versions = ours.map(|package| match package.rust_version.as_deref() {
        Some(text) => Version::parse(text),
        None => Err(format!("{} has no rust-version; it should take the workspace's", package.name)),
    });
    let first = versions.next().ok_or("the workspace has no crate")??;
    for version in versions {
        let version = version?;
        if version != first {
            return Err(format!("rust-version is {first} in one crate and {version} in another"));
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: Version = Version { major: 1, minor: 95 };

    fn package(source: Option<&str>, rust_version: Option<&str>) -> Package {
        Package {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            licence: None,
            source: source.map(str::to_owned),
            rust_version: rust_version.map(str::to_owned),
            is_shipped: true,
        }
    }

    fn graph(theirs: &str) -> [Package; 2] {
        [package(None, Some("1.95")), package(Some("registry"), Some(theirs))]
    }

    #[test]
    fn versions_compare_by_number() {
        let parsed = ["1.9", "1.60.0", "1.95", "1.100.1-nightly"].map(|text| Version::parse(text).unwrap());
        assert!(parsed.is_sorted());
        assert!(Version::parse("stable").is_err());
    }

    #[test]
    fn a_run_on_the_declared_version_is_the_proof() {
        assert!(examine(&graph("1.60"), DECLARED).unwrap().ends_with("this run is the proof"));
    }

    #[test]
    fn a_run_on_a_newer_version_claims_nothing() {
        let newer = Version { major: 1, minor: 97 };
        assert!(examine(&graph("1.60"), newer).unwrap().ends_with("proves nothing about 1.95"));
    }

    #[test]
    fn a_promise_that_cannot_hold_is_an_error() {
        let older = Version { major: 1, minor: 94 };
        assert!(examine(&graph("1.60"), older).is_err());
        let error = examine(&graph("1.96"), Version { major: 1, minor: 97 }).unwrap_err();
        assert!(error.contains("a 1.0.0 needs Rust 1.96"), "{error}");
        assert!(examine(&[package(None, None)], DECLARED).is_err());
        assert!(examine(&[package(None, Some("1.95")), package(None, Some("1.94"))], DECLARED).is_err());
    }
}
