//! Finishes a single declaration: comment, constants, line breaks, and what its name may be.

use crate::header::declaration::{Declaration, Kind, uncommented};
use crate::header::sources::Sources;

/// Longest line of code.
const COLUMNS: usize = 100;
/// Length of the line that begins a section.
const RULE_COLUMNS: usize = 100;

/// Signs that documentation has and a header must not: a compiler with an old code page would stumble.
const ASCII: [(&str, &str); 17] = [
    ("….", "..."),
    ("…", "..."),
    ("×", "x"),
    ("µ", "u"),
    ("–", "-"),
    ("—", "-"),
    ("−", "-"),
    ("→", "->"),
    ("≤", "<="),
    ("≥", ">="),
    ("≠", "!="),
    ("±", "+-"),
    ("·", "*"),
    ("“", "\""),
    ("”", "\""),
    ("’", "'"),
    ("\u{a0}", " "),
];

/// Finishes `declaration` in place.
pub fn polish(declaration: &mut Declaration, sources: &Sources) -> Result<(), String> {
    let Declaration { kind, name, comment, code } = declaration;
    check_name(*kind, name)?;
    for line in comment {
        *line = prose(line, name)?;
    }
    *code = match kind {
        Kind::Constant => constant(code, name, sources.primitive(name)),
        Kind::Handle => code.clone(),
        Kind::Type => structure(&untagged(code, name), name)?,
        Kind::Function => broken(&untagged(code, name)),
    };
    Ok(())
}

/// The declaration as it stands in the header.
pub fn text(Declaration { comment, code, .. }: &Declaration) -> String {
    commented(comment, "") + code
}

/// The line that begins a section.
pub fn rule(title: &str) -> String {
    let dashes = RULE_COLUMNS.saturating_sub(title.len() + 12).max(2);
    format!("/* ---- {title} {} */", "-".repeat(dashes))
}

fn check_name(kind: Kind, name: &str) -> Result<(), String> {
    let prefix = match kind {
        Kind::Constant => "TME_",
        Kind::Handle | Kind::Type => "Tme",
        Kind::Function => "tme_",
    };
    if name.starts_with(prefix) {
        Ok(())
    } else {
        Err(format!("{name} would be public in C: it must begin with {prefix}"))
    }
}

/// A line of documentation in ASCII, without links that only rustdoc follows.
pub fn prose(line: &str, name: &str) -> Result<String, String> {
    let mut line = line.replace("[`", "`").replace("`]", "`").replace("*/", "* /").replace("/*", "/ *");
    for (sign, ascii) in ASCII {
        line = line.replace(sign, ascii);
    }
    match line.chars().find(|c| !c.is_ascii()) {
        None => Ok(line),
        Some(c) => Err(format!("the header is ASCII, but the documentation of {name} has {c:?}: {line}")),
    }
}

fn commented(lines: &[String], indent: &str) -> String {
    match lines {
        [] => String::new(),
        [line] => format!("{indent}/** {line} */\n"),
        lines => {
            let line = |line: &String| format!("{indent} * {line}").trim_end().to_owned() + "\n";
            format!("{indent}/**\n{}{indent} */\n", lines.iter().map(line).collect::<String>())
        }
    }
}

/// Gives a macro the sign and width that the constant has in Rust, in any expression.
fn constant(code: &str, name: &str, of_type: &str) -> String {
    let value = code.strip_prefix("#define ").and_then(|rest| rest.strip_prefix(name)).unwrap_or(code).trim();
    let suffix = match of_type {
        "u32" => "u",
        "u64" => "ull",
        "i64" => "ll",
        _ => "",
    };
    let value = if value.starts_with('"') { value.to_owned() } else { suffixed(value, suffix) };
    let is_atom = value.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '('));
    if is_atom { format!("#define {name} {value}") } else { format!("#define {name} ({value})") }
}

/// The expression with `suffix` after each whole number that has none.
fn suffixed(value: &str, suffix: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let length = if is_word(c) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { c.len_utf8() };
        let (word, after) = rest.split_at(length);
        text.push_str(word);
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(suffix);
        }
        rest = after;
    }
    text
}

/// The code with plain names of types: `struct` stays only where the name is not yet declared.
fn untagged(code: &str, name: &str) -> String {
    let own = format!("struct {name} ");
    code.replace("struct Tme", "Tme").replace(&own["struct ".len()..], &own)
}

/// A structure with the comments of its members in one line where they fit.
fn structure(code: &str, name: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() != "/**" {
            text.push_str(line);
            text.push('\n');
            continue;
        }
        let inside: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "*/").collect();
        let inside = uncommented(&inside.join("\n"));
        let inside = inside.iter().map(|line| prose(line, name)).collect::<Result<Vec<_>, _>>()?;
        text.push_str(&commented(&inside, &line[..line.len() - "/**".len()]));
    }
    Ok(text.trim_end().to_owned())
}

/// A function with its parameters in lines of their own if it does not fit into one.
fn broken(code: &str) -> String {
    let parameters = code.split_once('(').and_then(|(head, rest)| Some((head, rest.strip_suffix(");")?)));
    match parameters {
        Some((head, parameters)) if code.len() > COLUMNS => {
            format!("{head}(\n    {});", split_outside_parentheses(parameters).join(",\n    "))
        }
        _ => code.to_owned(),
    }
}

fn split_outside_parentheses(parameters: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = parameters.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_safe_in_any_expression() {
        let table = [
            ("-101", "i32", "(-101)"),
            ("0", "i32", "0"),
            ("7", "u32", "7u"),
            ("(1 << 3)", "u32", "(1u << 3u)"),
            ("(TME_A2 | 2147483648)", "u32", "(TME_A2 | 2147483648u)"),
            ("UINT64_MAX", "u64", "UINT64_MAX"),
            ("5ull", "u64", "5ull"),
            ("281474976710655", "u64", "281474976710655ull"),
            ("32", "usize", "32"),
            ("0.5", "f64", "0.5"),
            ("\"7 and 8\"", "&str", "\"7 and 8\""),
            ("~0", "u32", "(~0u)"),
        ];
        for (value, of_type, expected) in table {
            let code = constant(&format!("#define TME_X {value}"), "TME_X", of_type);
            assert_eq!(code, format!("#define TME_X {expected}"));
        }
    }

    #[test]
    fn only_a_type_that_is_not_yet_declared_keeps_its_tag() {
        let code = "typedef struct TmeA {\n    struct TmeA *next;\n    const struct TmeB *other;\n} TmeA;";
        let expected = "typedef struct TmeA {\n    struct TmeA *next;\n    const TmeB *other;\n} TmeA;";
        assert_eq!(untagged(code, "TmeA"), expected);
    }

    #[test]
    fn short_comments_of_members_take_one_line() {
        let code = "typedef struct TmeA {\n    /**\n     * One [`TmeB`].\n     */\n    int a;\n    /**\n     * Two…\n     *\n     * more\n     */\n    int b;\n} TmeA;";
        let expected = "typedef struct TmeA {\n    /** One `TmeB`. */\n    int a;\n    /**\n     * Two...\n     *\n     * more\n     */\n    int b;\n} TmeA;";
        assert_eq!(structure(code, "TmeA").unwrap(), expected);
    }

    #[test]
    fn long_functions_have_a_line_for_each_parameter() {
        let short = "TME_C_API void tme_f(int a, int b);";
        assert_eq!(broken(short), short);
        let name = "tme_".to_owned() + &"f".repeat(80);
        let long = format!("TME_C_API void {name}(int a, void (*b)(int x, int y), const char *c);");
        let expected =
            format!("TME_C_API void {name}(\n    int a,\n    void (*b)(int x, int y),\n    const char *c);");
        assert_eq!(broken(&long), expected);
    }

    #[test]
    fn names_and_signs_that_do_not_belong_are_refused() {
        assert!(check_name(Kind::Constant, "TME_A").is_ok());
        assert!(check_name(Kind::Function, "send").unwrap_err().contains("begin with tme_"));
        assert!(check_name(Kind::Type, "TME_A").is_err());
        assert_eq!(prose("a ≤ [`TmeB`] */", "TmeA").unwrap(), "a <= `TmeB` * /");
        assert!(prose("漢", "TmeA").unwrap_err().contains("TmeA"));
    }

    #[test]
    fn rules_are_of_one_length() {
        assert_eq!(rule("A").len(), RULE_COLUMNS);
        assert_eq!(rule("Clients: one connection").len(), RULE_COLUMNS);
    }
}
