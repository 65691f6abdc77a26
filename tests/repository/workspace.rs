//! The workspace as `cargo metadata` tells it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::tree;

/// What a dependency is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the crate itself.
    Normal,
    /// By its tests, examples and benchmarks.
    Dev,
    /// By its build script.
    Build,
}

/// One line of a crate's dependency tables.
#[derive(Debug)]
pub struct Dependency {
    /// The package's name, whatever the crate calls it.
    pub name: String,
    /// What for.
    pub kind: Kind,
    /// Whether it is part of this repository.
    pub is_ours: bool,
}

/// One member of the workspace.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The directory of its manifest.
    pub directory: PathBuf,
    /// The root source file of each library, program and procedural macro.
    pub roots: Vec<PathBuf>,
    /// What it depends on directly.
    pub dependencies: Vec<Dependency>,
}

/// All members.
pub fn members() -> Vec<Member> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(tree::root());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    array(&metadata["packages"]).iter().map(member).collect()
}

fn member(package: &Value) -> Member {
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    let is_root = |target: &&Value| {
        let kinds = array(&target["kind"]);
        kinds
            .iter()
            .any(|kind| matches!(text(kind), "lib" | "rlib" | "cdylib" | "staticlib" | "bin" | "proc-macro"))
    };
    let targets = array(&package["targets"]).iter().filter(is_root);
    Member {
        name: text(&package["name"]).to_owned(),
        directory: manifest.parent().expect("a manifest is in a directory").to_owned(),
        roots: targets.map(|target| PathBuf::from(text(&target["src_path"]))).collect(),
        dependencies: array(&package["dependencies"]).iter().map(dependency).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    let kind = match value["kind"].as_str() {
        None => Kind::Normal,
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        Some(other) => panic!("cargo knows a kind of dependency that this test does not: {other}"),
    };
    Dependency { name: text(&value["name"]).to_owned(), kind, is_ours: value["source"].is_null() }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
