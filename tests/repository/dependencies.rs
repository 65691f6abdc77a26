//! Whether `docs/DEPENDENCIES.md` and the manifests tell the same story.

use std::collections::BTreeSet;
use std::fs;

use crate::tree;
use crate::workspace;

/// One row of the page's table.
#[derive(Debug, PartialEq)]
struct Row {
    /// The crates it is about: one, or the candidates for a planned one.
    crates: Vec<String>,
    /// The version requirement, or `planned`.
    version: String,
}

/// The rows of the table whose first heading is `crate`.
fn rows(page: &str) -> Vec<Row> {
    let table = page.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    table.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    assert!(cells.len() == 6 && cells.iter().all(|cell| !cell.is_empty()), "a cell is missing in {line}");
    let crates = cells[0].split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Row { crates, version: cells[1].trim_matches('`').to_owned() }
}

/// Names and version requirements in `[workspace.dependencies]`, our own crates left out.
fn workspace_dependencies(manifest: &str) -> Vec<(String, String)> {
    let section = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    let entries = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    entries
        .filter(|(_, value)| !value.contains("path = "))
        .map(|(name, value)| {
            let version = value.split_once("version = ").map_or(value, |(_, rest)| rest);
            (name.to_owned(), version.split('"').nth(1).expect("a version in quotes").to_owned())
        })
        .collect()
}

fn page() -> String {
    fs::read_to_string(tree::root().join("docs/DEPENDENCIES.md")).expect("the page exists")
}

fn manifest() -> String {
    fs::read_to_string(tree::root().join("Cargo.toml")).expect("the manifest exists")
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let explained: BTreeSet<String> = rows(&page()).into_iter().flat_map(|row| row.crates).collect();
    let shared = workspace_dependencies(&manifest()).into_iter().map(|(name, _)| name);
    let members = workspace::members();
    let direct = members.iter().flat_map(|member| &member.dependencies);
    let direct = direct.filter(|dependency| !dependency.is_ours).map(|dependency| dependency.name.clone());
    let missing: BTreeSet<String> = shared.chain(direct).filter(|name| !explained.contains(name)).collect();
    assert!(missing.is_empty(), "docs/DEPENDENCIES.md has no row for {missing:?}");
}

#[test]
fn every_row_is_about_a_dependency_with_its_version() {
    let dependencies = workspace_dependencies(&manifest());
    for Row { crates, version } in rows(&page()) {
        let known = dependencies.iter().find(|(name, _)| crates.contains(name));
        match known {
            None => assert_eq!(version, "planned", "{crates:?} is not in the manifest"),
            Some((name, required)) => {
                assert_eq!(&version, required, "{name} has another version in the manifest");
                assert_eq!(crates.len(), 1, "the choice among {crates:?} has been made");
            }
        }
    }
}

#[test]
fn the_page_names_the_minimum_rust_version() {
    let manifest = manifest();
    let line = manifest.lines().find(|line| line.starts_with("rust-version = ")).expect("there is one");
    assert!(page().contains(&format!("`{line}`")), "docs/DEPENDENCIES.md does not name `{line}`");
}

#[test]
fn both_tables_are_read() {
    let page = "text\n\n| crate | version | used by | why | licence | notes |\n|---|---|---|---|---|---|\n\
        | `a` | `1.2` | x | y | MIT | — |\n| `b` or `c` | planned | x | y | MIT | — |\n\ntext\n";
    let expected = [
        Row { crates: vec!["a".into()], version: "1.2".into() },
        Row { crates: vec!["b".into(), "c".into()], version: "planned".into() },
    ];
    assert_eq!(rows(page), expected);
    let manifest = "[workspace.dependencies]\nours = { path = \"x\", version = \"0.1\" }\n\n# why\n\
        a = \"1.2\"\nb = { version = \"3\", features = [\"c\"] }\n[lints]\nd = \"4\"\n";
    let expected = [("a".to_owned(), "1.2".to_owned()), ("b".to_owned(), "3".to_owned())];
    assert_eq!(workspace_dependencies(manifest), expected);
}
