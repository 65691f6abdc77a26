//! Where in the sources each name is defined, and what the files say of themselves.
//!
//! cbindgen keeps neither. A scan for the words before a name will do: rustfmt writes a definition's head in one
//! line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One source file.
#[derive(Debug)]
struct File {
    /// Its path from the crate's sources, with `/`.
    path: String,
    /// The first line of its documentation, without the full stop.
    title: String,
}

/// A name's definition.
#[derive(Debug)]
struct Definition {
    file: usize,
    /// Of a constant its type, of a type the one it is another name for, else empty.
    of_type: String,
}

/// The sources of a crate.
#[derive(Debug)]
pub struct Sources {
    /// In the order in which `lib.rs` names their modules.
    files: Vec<File>,
    definitions: BTreeMap<String, Definition>,
}

impl Sources {
    /// Reads all sources under a directory.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let mut texts = Vec::new();
        collect(directory, "", &mut texts)?;
        Ok(Self::of(texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))))
    }

    /// From the paths and texts themselves.
    pub fn of<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut texts: Vec<(&str, &str)> = texts.into_iter().collect();
        let library = texts.iter().find(|(path, _)| *path == "lib.rs").map_or("", |(_, text)| text);
        let modules: Vec<&str> = library.lines().filter_map(module).collect();
        let place = |path: &str| {
            let name = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
            // A folder's own file comes before the others in it.
            let in_folder = path.strip_suffix("mod.rs").unwrap_or(path).to_owned();
            (modules.iter().position(|module| *module == name), in_folder)
        };
        texts.sort_by_key(|(path, _)| place(path));
        let mut definitions = BTreeMap::new();
        for (file, (_, text)) in texts.iter().enumerate() {
            for (name, of_type) in text.lines().filter_map(definition) {
                definitions.insert(name.to_owned(), Definition { file, of_type: of_type.to_owned() });
            }
        }
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), title: title(text) };
        Self { files: texts.iter().map(file).collect(), definitions }
    }

    /// The number of the file that defines `name`: files are numbered in their order.
    pub fn file_of(&self, name: &str) -> Result<usize, String> {
        let definition = self.definitions.get(name);
        definition.map(|definition| definition.file).ok_or_else(|| format!("no source file defines {name}"))
    }

    /// How many files there are.
    pub const fn file_count(&self) -> usize {
        self.files.len()
    }

    /// What the file says of itself in its first line.
    pub fn title(&self, file: usize) -> Result<&str, String> {
        let File { path, title } = &self.files[file];
        if title.is_empty() { Err(format!("{path} does not begin with a line `//! …`")) } else { Ok(title) }
    }

    /// The primitive type of a constant, seen through names that stand for it.
    pub fn primitive<'a>(&'a self, constant: &'a str) -> &'a str {
        let mut name = constant;
        // A chain of names that does not end would not have compiled; the bound is for broken sources.
        for _ in 0..8 {
            match self.definitions.get(name) {
                Some(definition) => name = &definition.of_type,
                None => break,
            }
        }
        name
    }
}

fn collect(directory: &Path, prefix: &str, texts: &mut Vec<(String, String)>) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), texts)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            texts.push((name, text));
        }
    }
    Ok(())
}

/// The name in `mod name;`.
fn module(line: &str) -> Option<&str> {
    let line = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// The name that a line defines, with its type where it has one.
fn definition(line: &str) -> Option<(&str, &str)> {
    // At the left margin: what is indented is inside something, and no item of the interface.
    let is_head = |before: &str| {
        before.split(' ').all(|word| matches!(word, "" | "pub" | "const" | "unsafe" | "extern" | "\"C\""))
    };
    let rest = ["fn ", "struct ", "enum ", "union ", "const ", "type "].iter().find_map(|keyword| {
        let (before, rest) = line.split_once(keyword)?;
        (!line.starts_with(' ') && is_head(before)).then_some(rest)
    })?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return None;
    }
    let of_type = rest.strip_prefix(": ").and_then(|rest| rest.split_once(" =")).map(|(of_type, _)| of_type);
    let alias = || rest.strip_prefix(" = ").and_then(|rest| rest.strip_suffix(';'));
    Some((name, of_type.or_else(alias).unwrap_or_default()))
}

fn title(text: &str) -> String {
    let first = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or_default();
    first.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_found_with_their_types() {
        const LOG: &str = "Option<extern \"C\" fn(text: *const c_char)>";
        let table = [
            ("pub const TME_A: TmeResult = -1;", Some(("TME_A", "TmeResult"))),
            ("pub type TmeResult = i32;", Some(("TmeResult", "i32"))),
            ("pub type TmeLog = Option<extern \"C\" fn(text: *const c_char)>;", Some(("TmeLog", LOG))),
            ("pub struct TmeClient {", Some(("TmeClient", ""))),
            ("pub unsafe extern \"C\" fn tme_f(", Some(("tme_f", ""))),
            ("pub extern \"C\" fn tme_g() -> u32 {", Some(("tme_g", ""))),
            ("    pub const TME_B: u32 = 1;", None),
            ("pub(crate) const LIMIT: u32 = 1;", None),
            ("/// A const thing", None),
            ("use std::fmt;", None),
        ];
        for (line, expected) in table {
            assert_eq!(definition(line), expected, "{line}");
        }
    }

    #[test]
    fn a_folders_own_file_comes_before_the_others_in_it() {
        let sources = Sources::of([
            ("lib.rs", "//! L.\nmod a;\n"),
            ("a/first.rs", "//! First.\n"),
            ("a/second.rs", "//! Second.\n"),
            ("a/mod.rs", "//! The a.\n"),
        ]);
        let paths: Vec<&str> = sources.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["lib.rs", "a/mod.rs", "a/first.rs", "a/second.rs"]);
    }

    #[test]
    fn files_come_in_the_order_of_the_library() {
        let sources = Sources::of([
            ("lib.rs", "//! L.\nmod z;\n\npub mod a;\n"),
            ("a.rs", "//! The a.\npub type TmeA = TmeZ;\n"),
            ("z/two.rs", "//! Two.\n"),
            ("z.rs", "pub type TmeZ = u64;\npub const TME_Z: TmeA = 1;\n"),
        ]);
        let paths: Vec<&str> = sources.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["lib.rs", "z.rs", "z/two.rs", "a.rs"]);
        assert_eq!(sources.file_of("TmeA"), Ok(3));
        assert_eq!(sources.title(3), Ok("The a"));
        assert_eq!(sources.title(1).unwrap_err(), "z.rs does not begin with a line `//! …`");
        assert_eq!(sources.primitive("TME_Z"), "u64");
        assert!(sources.file_of("TmeB").is_err());
    }
}
