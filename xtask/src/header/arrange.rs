//! Puts declarations into sections, one for each source file, so that each name is declared before its use.

use std::collections::{BTreeMap, BTreeSet};

use crate::header::declaration::{Declaration, Kind};
use crate::header::polish::{prose, rule, text};
use crate::header::sources::Sources;

/// The declarations as the header has them.
///
/// Handles come first, for anything may name them. Then a file's constants, types and functions, in the order of
/// the library, except that a file comes after those whose types it uses. Where two files use each other's
/// types, a type moves to where it is first needed.
pub fn sections(declarations: Vec<Declaration>, sources: &Sources) -> Result<String, String> {
    let mut files = vec![Vec::new(); sources.file_count()];
    let mut handles = Vec::new();
    for declaration in &declarations {
        let file = sources.file_of(&declaration.name)?;
        let list = if declaration.kind == Kind::Handle { &mut handles } else { &mut files[file] };
        list.push(declaration);
    }
    // Stable: inside a kind cbindgen's order stays, which is that of the source.
    files.iter_mut().for_each(|file| file.sort_by_key(|declaration| declaration.kind));
    let mut writer = Writer::new(&declarations);
    writer.section("Handles", &handles);
    for file in order(&files, &declarations, sources)? {
        let title = prose(sources.title(file)?, "its file")?;
        writer.section(&title, &files[file]);
    }
    Ok(writer.blocks.join("\n\n"))
}

/// The files that declare anything, each after those it needs.
fn order(
    files: &[Vec<&Declaration>],
    declarations: &[Declaration],
    sources: &Sources,
) -> Result<Vec<usize>, String> {
    let mut needs = Vec::new();
    for file in files {
        let names = file.iter().flat_map(|declaration| needed(declaration));
        let declared = names.filter(|name| declarations.iter().any(|other| is_ordered(other, name)));
        needs.push(declared.map(|name| sources.file_of(name)).collect::<Result<BTreeSet<_>, _>>()?);
    }
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for file in 0..files.len() {
        visit(file, &needs, &mut seen, &mut order);
    }
    order.retain(|file| !files[*file].is_empty());
    Ok(order)
}

fn visit(file: usize, needs: &[BTreeSet<usize>], seen: &mut BTreeSet<usize>, order: &mut Vec<usize>) {
    if seen.insert(file) {
        for need in &needs[file] {
            visit(*need, needs, seen, order);
        }
        order.push(file);
    }
}

/// The names that must be declared before `declaration`. A macro is read only where it is used.
fn needed(declaration: &Declaration) -> BTreeSet<&str> {
    if declaration.kind == Kind::Constant { BTreeSet::new() } else { declaration.names() }
}

/// Whether this is the declaration of `name`, and its place matters.
fn is_ordered(declaration: &Declaration, name: &str) -> bool {
    declaration.name == name && matches!(declaration.kind, Kind::Constant | Kind::Type)
}

struct Writer<'a> {
    by_name: BTreeMap<&'a str, &'a Declaration>,
    written: BTreeSet<&'a str>,
    blocks: Vec<String>,
}

impl<'a> Writer<'a> {
    fn new(declarations: &'a [Declaration]) -> Self {
        let by_name = declarations.iter().map(|declaration| (declaration.name.as_str(), declaration));
        Self { by_name: by_name.collect(), written: BTreeSet::new(), blocks: Vec::new() }
    }

    fn section(&mut self, title: &str, declarations: &[&'a Declaration]) {
        if declarations.is_empty() {
            return;
        }
        self.blocks.push(rule(title));
        for declaration in declarations {
            self.write(declaration);
        }
    }

    /// Writes a declaration that is not there yet, after all it needs.
    fn write(&mut self, declaration: &'a Declaration) {
        if !self.written.insert(&declaration.name) {
            return;
        }
        for name in needed(declaration) {
            if let Some(other) = self.by_name.get(name) {
                self.write(other);
            }
        }
        let text = text(declaration);
        match self.blocks.last_mut() {
            Some(last) if is_short_constant(last) && is_short_constant(&text) => {
                last.push('\n');
                last.push_str(&text);
            }
            _ => self.blocks.push(text),
        }
    }
}

/// Whether a block ends in a constant with no comment or one of a line: such ones stand together.
fn is_short_constant(block: &str) -> bool {
    let mut lines = block.lines().rev();
    lines.next().is_some_and(|line| line.starts_with("#define"))
        && lines.next().is_none_or(|line| line.starts_with("/** ") || line.starts_with("#define"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::declaration;

    fn arranged(raw: &str, texts: &[(&str, &str)]) -> Vec<String> {
        let sources = Sources::of(texts.iter().copied());
        let sections = sections(declaration::read(raw).unwrap(), &sources).unwrap();
        let short = |block: &str| match block.strip_suffix(" */") {
            Some(rule) => rule.trim_end_matches('-').trim_end().to_owned(),
            None => block.to_owned(),
        };
        sections.split("\n\n").map(short).collect()
    }

    #[test]
    fn a_file_comes_after_those_whose_types_it_uses() {
        let raw = "TME_C_API TmeB tme_a(void);\n\ntypedef int32_t TmeB;\n\n#define TME_B 1\n";
        let texts = [("a.rs", "//! A.\npub fn tme_a("), ("b.rs", "//! B.\npub type TmeB\npub const TME_B:")];
        let expected = [
            "/* ---- B",
            "#define TME_B 1",
            "typedef int32_t TmeB;",
            "/* ---- A",
            "TME_C_API TmeB tme_a(void);",
        ];
        assert_eq!(arranged(raw, &texts), expected);
    }

    #[test]
    fn files_that_need_each_other_still_give_a_valid_order() {
        let raw = "TME_C_API TmeB tme_a(void);\n\nTME_C_API TmeA tme_b(void);\n\n\
            typedef int32_t TmeA;\n\ntypedef int32_t TmeB;\n";
        let texts = [
            ("a.rs", "//! A.\npub fn tme_a(\npub type TmeA"),
            ("b.rs", "//! B.\npub fn tme_b(\npub type TmeB"),
        ];
        let expected = [
            "/* ---- B",
            "typedef int32_t TmeB;",
            "typedef int32_t TmeA;",
            "TME_C_API TmeA tme_b(void);",
            "/* ---- A",
            "TME_C_API TmeB tme_a(void);",
        ];
        assert_eq!(arranged(raw, &texts), expected);
    }

    #[test]
    fn constants_with_short_comments_stand_together() {
        let raw = "/**\n * One.\n */\n#define TME_A 1\n\n#define TME_B 2\n\n/**\n * Three,\n * at length.\n */\n\
            #define TME_C 3\n";
        let texts = [(
            "a.rs",
            "//! A.\npub const TME_A: u8 = 1;\npub const TME_B: u8 = 2;\npub const TME_C: u8 = 3;\n",
        )];
        let expected = [
            "/* ---- A",
            "/** One. */\n#define TME_A 1\n#define TME_B 2",
            "/**\n * Three,\n * at length.\n */\n#define TME_C 3",
        ];
        assert_eq!(arranged(raw, &texts), expected);
    }

    #[test]
    fn handles_come_first_and_lengths_before_the_arrays_of_that_length() {
        let raw = "typedef struct TmeA {\n    uint8_t key[TME_KEY];\n} TmeA;\n\n#define TME_KEY 32\n\n\
            typedef struct TmeH TmeH;\n";
        let texts = [
            ("a.rs", "//! A.\npub struct TmeA"),
            ("h.rs", "//! H.\npub struct TmeH"),
            ("k.rs", "//! K.\npub const TME_KEY: usize = 32;"),
        ];
        let blocks = arranged(raw, &texts);
        let expected =
            ["/* ---- Handles", "typedef struct TmeH TmeH;", "/* ---- K", "#define TME_KEY 32", "/* ---- A"];
        assert_eq!(blocks[..5], expected);
    }
}
