//! Whether the links between the repository's documents lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tree;

/// The targets of links in a Markdown text; code is not read.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let definitions =
        prose.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    let targets = inline.chain(definitions.map(|(_, link)| link.trim()));
    // A title may follow the target.
    targets.filter_map(|link| link.split_whitespace().next()).map(str::to_owned).collect()
}

/// The text without fenced blocks and code spans.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    let without_spans = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join("");
    lines.map(without_spans).collect::<Vec<_>>().join("\n")
}

/// The names by which headings can be linked to: lower case, words joined by hyphens, no punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.collect::<String>().to_lowercase().replace(' ', "-");
        // Headings with the same words are numbered from the second on.
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

/// What is wrong with a link that stands in `file`, if something is.
fn objection(file: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target =
        if path.is_empty() { file.to_owned() } else { file.parent().unwrap_or(Path::new("")).join(path) };
    if !target.exists() {
        return Some(format!("{}: {link} leads nowhere", tree::relative(file)));
    }
    let is_page = target.extension().is_some_and(|extension| extension == "md");
    if !anchor.is_empty() && is_page {
        let text = fs::read_to_string(&target).expect("a document is readable text");
        if !anchors(&text).contains(anchor) {
            return Some(format!("{}: {link} names a heading that is not there", tree::relative(file)));
        }
    }
    None
}

#[test]
fn relative_links_between_documents_resolve() {
    let documents: Vec<PathBuf> = tree::files_under("", "md");
    assert!(documents.iter().any(|file| file.ends_with("docs/DEPENDENCIES.md")));
    let mut objections = Vec::new();
    for file in &documents {
        let text = fs::read_to_string(file).expect("a document is readable text");
        objections.extend(links(&text).iter().filter_map(|link| objection(file, link)));
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn links_are_found_and_code_is_not_read() {
    let text = "[a](b.md#c) and ![i](i.png \"title\")\n```\n[x](y)\n```\n`[x](y)` [r][1]\n\n[1]: d.md\n";
    assert_eq!(links(text), ["b.md#c", "i.png", "d.md"]);
}

#[test]
fn anchors_are_made_as_the_usual_viewers_make_them() {
    let text = "# 4 Refusals, resets & `reasons`\n```\n# no heading\n```\n## Twice\n## Twice\n#no heading\n";
    let expected = ["4-refusals-resets--reasons", "twice", "twice-1"].map(str::to_owned).into();
    assert_eq!(anchors(text), expected);
}

#[test]
fn a_link_that_leads_nowhere_is_objected_to() {
    let file = tree::root().join("docs/DEPENDENCIES.md");
    let table = [
        ("https://example.org/x", true),
        ("../Cargo.toml", true),
        ("DEPENDENCIES.md", true),
        ("../Cargo.yaml", false),
        ("#no-such-heading", false),
        ("DEPENDENCIES.md#no-such-heading", false),
    ];
    for (link, is_right) in table {
        assert_eq!(objection(&file, link).is_none(), is_right, "{link}");
    }
}
