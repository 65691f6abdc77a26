//! The dependency graph as `cargo metadata` tells it, parsed into what the checks ask for.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// One crate of the graph: ours, or one we depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SPDX licence expression, if it declares one.
    pub licence: Option<String>,
    /// Where it comes from; `None` for a crate of this workspace.
    pub source: Option<String>,
    /// The oldest Rust it declares to build with.
    pub rust_version: Option<String>,
}

/// Every package that any feature of any workspace crate needs on any platform.
pub fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version", "1", "--all-features"]).current_dir(root);
    let output = command.output().map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    parse(&output.stdout)
}

fn parse(json: &[u8]) -> Result<Vec<Package>, String> {
    let metadata: Value =
        serde_json::from_slice(json).map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    packages.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package, String> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Ok(Package {
        name: text("name").ok_or("a package without a name")?,
        version: text("version").ok_or("a package without a version")?,
        licence: text("license"),
        source: text("source"),
        rust_version: text("rust_version"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_with_what_they_leave_out() {
        let json = br#"{"packages": [
            {"name": "a", "version": "1.2.3", "license": "MIT", "source": "registry+x", "rust_version": "1.60"},
            {"name": "b", "version": "0.1.0", "license": null, "source": null, "rust_version": null}
        ]}"#;
        let packages = parse(json).unwrap();
        assert_eq!(packages[0].licence.as_deref(), Some("MIT"));
        assert_eq!(packages[0].rust_version.as_deref(), Some("1.60"));
        assert_eq!((&packages[1].licence, &packages[1].source), (&None, &None));
    }

    #[test]
    fn something_else_than_metadata_is_an_error() {
        assert!(parse(b"{}").is_err());
        assert!(parse(b"no json").is_err());
        assert!(parse(br#"{"packages": [{"name": "a"}]}"#).is_err());
    }
}
