//! Splits what cbindgen wrote into single declarations.

use std::collections::BTreeSet;

/// What cbindgen writes before and after what is only there with the feature `panic-injection`.
const LEFT_OUT: &str = "#if defined(TME_PANIC_INJECTION)";

/// What is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A macro.
    Constant,
    /// A type whose inside is not told.
    Handle,
    /// A structure, an enumeration, or another name for a type.
    Type,
    /// A function.
    Function,
}

/// One declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// What it declares.
    pub kind: Kind,
    /// By which name.
    pub name: String,
    /// The lines of its comment, without the signs of one; empty if it has none.
    pub comment: Vec<String>,
    /// The code.
    pub code: String,
}

impl Declaration {
    /// All names in its code but its own.
    pub fn names(&self) -> BTreeSet<&str> {
        let names = words(&self.code).filter(|word| *word != self.name);
        names.collect()
    }
}

/// The declarations of a text in which empty lines, and nothing else, separate them.
pub fn read(text: &str) -> Result<Vec<Declaration>, String> {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let mut declarations =
        blocks.filter(|block| !block.starts_with(LEFT_OUT)).map(one).collect::<Result<Vec<_>, _>>()?;
    // cbindgen takes every `pub const`, of private modules too.
    declarations.retain(|Declaration { kind, name, .. }| *kind != Kind::Constant || name.starts_with("TME_"));
    Ok(declarations)
}

fn one(block: &str) -> Result<Declaration, String> {
    let (comment, code) = match block.strip_prefix("/**\n").and_then(|rest| rest.split_once("\n */\n")) {
        Some((comment, code)) => (uncommented(comment), code),
        None => (Vec::new(), block),
    };
    let (kind, name) =
        kind_and_name(code).ok_or_else(|| format!("cbindgen wrote what is no declaration:\n{block}"))?;
    Ok(Declaration { kind, name: name.to_owned(), comment, code: code.to_owned() })
}

/// The lines of a comment without what marks them as such.
pub fn uncommented(comment: &str) -> Vec<String> {
    let text = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix('*').unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
    };
    comment.lines().map(text).collect()
}

fn kind_and_name(code: &str) -> Option<(Kind, &str)> {
    if let Some(rest) = code.strip_prefix("#define ") {
        return Some((Kind::Constant, rest.split_whitespace().next()?));
    }
    if code.starts_with("TME_C_API ") {
        let (before, _) = code.split_once('(')?;
        return Some((Kind::Function, words(before).last()?));
    }
    let rest = code.strip_prefix("typedef ")?.strip_suffix(';')?;
    // A pointer to a function has its name inside: `typedef void (*TmeLog)(int level);`.
    if let Some((_, rest)) = rest.split_once("(*") {
        return Some((Kind::Type, words(rest).next()?));
    }
    // An array has its length behind it: `typedef uint8_t TmeKey[32];`.
    let head = if rest.contains('{') { rest } else { rest.split('[').next()? };
    let name = words(head).last()?;
    let is_handle = rest == format!("struct {name} {name}");
    Some((if is_handle { Kind::Handle } else { Kind::Type }, name))
}

/// The identifiers, keywords and numbers of some code without comments.
pub fn words(code: &str) -> impl DoubleEndedIterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_with_its_name() {
        let table = [
            ("#define TME_ERROR_BAD -101", Kind::Constant, "TME_ERROR_BAD"),
            ("typedef struct TmeClient TmeClient;", Kind::Handle, "TmeClient"),
            ("typedef int32_t TmeResult;", Kind::Type, "TmeResult"),
            ("typedef uint8_t TmeKey[32];", Kind::Type, "TmeKey"),
            ("typedef void (*TmeLog)(uint32_t level, void *user);", Kind::Type, "TmeLog"),
            ("typedef struct TmeEvent {\n    uint32_t type;\n} TmeEvent;", Kind::Type, "TmeEvent"),
            ("TME_C_API const char *tme_f(void (*g)(int x));", Kind::Function, "tme_f"),
        ];
        for (code, kind, name) in table {
            assert_eq!(kind_and_name(code), Some((kind, name)), "{code}");
        }
        assert_eq!(kind_and_name("static int x;"), None);
    }

    #[test]
    fn comments_are_taken_apart_from_code() {
        let read = read("/**\n * One.\n *\n *   - two\n */\n#define TME_ONE TME_TWO\n").unwrap();
        assert_eq!(read[0].comment, ["One.", "", "  - two"]);
        assert_eq!(read[0].code, "#define TME_ONE TME_TWO");
        assert_eq!(read[0].names(), ["TME_TWO", "define"].into());
    }

    #[test]
    fn constants_for_use_inside_the_crate_are_left_out() {
        let names = |text| read(text).unwrap().into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names("#define LIMIT 5\n\n#define TME_LIMIT 5\n"), ["TME_LIMIT"]);
    }

    #[test]
    fn what_only_a_test_library_has_is_left_out() {
        let text =
            format!("{LEFT_OUT}\n/**\n * Panics.\n */\nTME_C_API void tme_test_panic(void);\n#endif\n");
        assert_eq!(read(&text), Ok(vec![]));
    }
}
