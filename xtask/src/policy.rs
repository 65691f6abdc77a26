//! Checks the dependency graph against `deny.toml`: licences, banned crates, and where crates come from.
//!
//! The same rules as `cargo deny check bans licenses sources`, without its compile time of many minutes and
//! without its reading of licence texts: a crate is believed what it declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::deny::Deny;
use crate::licence;
use crate::metadata::{self, Package};

/// How the source of a crate from the public registry ends in `cargo metadata`.
const REGISTRY: &str = "/crates.io-index";

/// `cargo xtask policy`: an error that lists every violation, or a summary on standard output.
pub fn check(root: &Path) -> Result<(), String> {
    let file = root.join("deny.toml");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let findings = examine(&metadata::packages(root)?, &Deny::parse(&text)?);
    for remark in &findings.remarks {
        println!("{remark}");
    }
    if findings.violations.is_empty() { Ok(()) } else { Err(findings.violations.join("\n")) }
}

/// What the check has to say.
#[derive(Debug, Default)]
struct Findings {
    violations: Vec<String>,
    remarks: Vec<String>,
}

fn examine(packages: &[Package], deny: &Deny) -> Findings {
    let mut met = BTreeSet::new();
    let violations = packages.iter().flat_map(|package| violations(package, deny, &mut met)).collect();
    let mut remarks = vec![format!("{} packages under {}", packages.len(), joined(&met))];
    remarks.extend(several_versions(packages));
    let exceptions =
        deny.exceptions.keys().filter(|name| packages.iter().all(|package| package.name != **name));
    let idle: BTreeSet<String> = exceptions.cloned().collect();
    if !idle.is_empty() {
        remarks.push(format!("excepted, but not in the graph: {}", joined(&idle)));
    }
    let unused: BTreeSet<String> = deny.allowed_licences.difference(&met).cloned().collect();
    if !unused.is_empty() {
        remarks.push(format!("allowed, but no longer needed: {}", joined(&unused)));
    }
    Findings { violations, remarks }
}

fn violations(package: &Package, deny: &Deny, met: &mut BTreeSet<String>) -> Vec<String> {
    let Package { name, version, licence, source, .. } = package;
    let mut violations = Vec::new();
    let mut complain = |what: String| violations.push(format!("{name} {version}: {what}"));
    let exception = deny.exceptions.get(name).cloned();
    let mut allowed = deny.allowed_licences.clone();
    allowed.extend(exception.clone());
    match licence.as_deref().map(|expression| licence::is_met(expression, &allowed, met)) {
        Some(Ok(true)) => {}
        Some(Ok(false)) => {
            let expression = licence.as_deref().unwrap_or_default();
            complain(format!("licence {expression:?} is not met by licenses.allow"));
        }
        Some(Err(error)) => complain(error),
        None => complain("declares no licence".to_owned()),
    }
    if let Some(licence) = exception.filter(|_| package.is_shipped) {
        complain(format!("{licence} is allowed to a tool, but a crate other than xtask leads to it"));
    }
    if deny.banned_crates.contains(name) {
        complain("is banned by bans.deny".to_owned());
    }
    if let Some(source) = source.as_deref().filter(|source| !source.ends_with(REGISTRY)) {
        complain(format!("comes from {source}, not from the public registry"));
    }
    violations
}

fn several_versions(packages: &[Package]) -> Option<String> {
    let mut versions = BTreeMap::<&str, Vec<&str>>::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let each = versions.iter().map(|(name, versions)| format!("{name} {}", versions.join(" and ")));
    let list: BTreeSet<String> = each.collect();
    (!list.is_empty()).then(|| format!("in several versions: {}", joined(&list)))
}

fn joined(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny() -> Deny {
        Deny {
            allowed_licences: ["MIT", "ISC"].map(str::to_owned).into(),
            exceptions: [("tool".to_owned(), "MPL-2.0".to_owned())].into(),
            banned_crates: ["openssl"].map(str::to_owned).into(),
        }
    }

    fn package(name: &str, licence: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            source: Some(format!("registry+https://example.org{REGISTRY}")),
            rust_version: None,
            is_shipped: true,
        }
    }

    #[test]
    fn a_clean_graph_gives_no_violation() {
        let ours = Package { source: None, ..package("ours", Some("MIT")) };
        let tool = Package { is_shipped: false, ..package("tool", Some("MPL-2.0")) };
        let findings = examine(&[ours, package("theirs", Some("ISC OR GPL-3.0-only")), tool], &deny());
        assert_eq!(findings.violations, [""; 0]);
        assert_eq!(findings.remarks, ["3 packages under ISC, MIT, MPL-2.0"]);
    }

    #[test]
    fn each_violation_names_the_crate_and_the_rule() {
        let foreign = "git+https://example.org/theirs".to_owned();
        let table = [
            (package("a", Some("GPL-3.0-only")), "a 1.0.0: licence \"GPL-3.0-only\""),
            (package("a", Some("MPL-2.0")), "a 1.0.0: licence \"MPL-2.0\""),
            (package("tool", Some("MPL-2.0")), "tool 1.0.0: MPL-2.0 is allowed to a tool, but"),
            (package("b", None), "b 1.0.0: declares no licence"),
            (package("c", Some("MIT OR")), "c 1.0.0: the expression ends"),
            (package("openssl", Some("MIT")), "openssl 1.0.0: is banned"),
            (Package { source: Some(foreign), ..package("d", Some("MIT")) }, "d 1.0.0: comes from git+"),
        ];
        for (package, start) in table {
            let findings = examine(&[package], &deny());
            assert_eq!(findings.violations.len(), 1);
            assert!(findings.violations[0].starts_with(start), "{:?}", findings.violations);
        }
    }

    #[test]
    fn duplicates_and_superfluous_licences_are_remarked() {
        let newer = Package { version: "2.0.0".to_owned(), ..package("a", Some("MIT")) };
        let findings = examine(&[package("a", Some("MIT")), newer], &deny());
        assert!(findings.violations.is_empty());
        assert_eq!(findings.remarks[1], "in several versions: a 1.0.0 and 2.0.0");
        assert_eq!(findings.remarks[2], "excepted, but not in the graph: tool");
        assert_eq!(findings.remarks[3], "allowed, but no longer needed: ISC");
    }
}
