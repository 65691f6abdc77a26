//! The dependency graph as `cargo metadata` tells it, parsed into what the checks ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::command::{command, output};

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
    /// Whether a crate other than this program leads to it, so that its code may be in what we ship.
    pub is_shipped: bool,
}

/// The crate that is only ever run here.
const TOOL: &str = "xtask";

/// Every package that any feature of any workspace crate needs on any platform.
pub fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let mut cargo = command("cargo", root);
    parse(output(cargo.args(["metadata", "--format-version", "1", "--all-features"]))?.as_bytes())
}

/// A text in the section `workspace.metadata.tme` of the root's manifest.
pub fn workspace_setting(root: &Path, key: &str) -> Result<String, String> {
    let mut cargo = command("cargo", root);
    let text = output(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let value = metadata["metadata"]["tme"][key].as_str().map(str::to_owned);
    value.ok_or_else(|| format!("Cargo.toml has no {key} in workspace.metadata.tme"))
}

fn parse(json: &[u8]) -> Result<Vec<Package>, String> {
    let metadata: Value =
        serde_json::from_slice(json).map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let tools = only_for_tools(&metadata);
    packages.iter().map(|value| package(value, &tools)).collect()
}

/// The ids of this program, and of what it alone leads to.
fn only_for_tools(metadata: &Value) -> BTreeSet<&str> {
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let leads_to: BTreeMap<&str, &Value> =
        nodes.filter_map(|node| Some((node["id"].as_str()?, &node["dependencies"]))).collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let tool = packages.filter(|package| package["name"] == TOOL).find_map(|package| package["id"].as_str());
    let mut shipped = BTreeSet::new();
    let members = texts(&metadata["workspace_members"]);
    let mut waiting: Vec<&str> = members.filter(|member| Some(*member) != tool).collect();
    while let Some(id) = waiting.pop() {
        if shipped.insert(id) {
            waiting.extend(leads_to.get(id).into_iter().flat_map(|dependencies| texts(dependencies)));
        }
    }
    leads_to.keys().copied().filter(|id| !shipped.contains(id)).collect()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn package(value: &Value, tools: &BTreeSet<&str>) -> Result<Package, String> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Ok(Package {
        name: text("name").ok_or("a package without a name")?,
        version: text("version").ok_or("a package without a version")?,
        licence: text("license"),
        source: text("source"),
        rust_version: text("rust_version"),
        is_shipped: value["id"].as_str().is_none_or(|id| !tools.contains(id)),
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
    fn what_only_this_program_needs_is_not_shipped() {
        let json = br#"{
            "packages": [
                {"name": "tme", "version": "1.0.0", "id": "1"}, {"name": "xtask", "version": "1.0.0", "id": "2"},
                {"name": "both", "version": "1.0.0", "id": "3"}, {"name": "tool", "version": "1.0.0", "id": "4"},
                {"name": "below", "version": "1.0.0", "id": "5"}
            ],
            "workspace_members": ["1", "2"],
            "resolve": {"nodes": [
                {"id": "1", "dependencies": ["3"]}, {"id": "2", "dependencies": ["3", "4"]},
                {"id": "3", "dependencies": []}, {"id": "4", "dependencies": ["5"]}, {"id": "5", "dependencies": []}
            ]}
        }"#;
        let shipped = parse(json).unwrap().into_iter().filter(|package| package.is_shipped);
        assert_eq!(shipped.map(|package| package.name).collect::<Vec<_>>(), ["tme", "both"]);
    }

    #[test]
    fn something_else_than_metadata_is_an_error() {
        assert!(parse(b"{}").is_err());
        assert!(parse(b"no json").is_err());
        assert!(parse(br#"{"packages": [{"name": "a"}]}"#).is_err());
    }
}
