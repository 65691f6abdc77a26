//! Makes `include/tme.h` from `crates/tme-capi`, or checks that it is what that crate says.
//!
//! cbindgen reads the sources themselves: no `cargo metadata`, no build, no network. What it cannot do is done
//! here: one section for each noun, constants that are safe in any expression, lines of a readable length.

mod arrange;
mod declaration;
mod polish;
mod remarks;
mod sources;

use std::fs;
use std::path::Path;

use sources::Sources;

/// Where the header is, from the root.
pub const HEADER: &str = "include/tme.h";
/// Where the sources are.
const CRATE: &str = "crates/tme-capi/src";
/// What surrounds the declarations.
const FRAME: &str = include_str!("frame.h");

/// Whether to write or to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write the header.
    Write,
    /// Fail if the header that is there differs.
    Check,
}

/// `cargo xtask header [--check]`.
pub fn run(root: &Path, mode: Mode) -> Result<(), String> {
    let text = generate(root)?;
    let path = root.join(HEADER);
    match mode {
        Mode::Write => {
            let directory = path.parent().unwrap_or(root);
            fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        }
        Mode::Check => {
            let found = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            compare(&found, &text)
        }
    }
}

fn generate(root: &Path) -> Result<String, String> {
    let directory = root.join(CRATE);
    let raw = declarations(root, &directory.join("lib.rs"))?;
    assemble(&raw, &Sources::read(&directory)?)
}

/// What cbindgen makes of the crate: declarations with their comments, an empty line between any two.
fn declarations(root: &Path, library: &Path) -> Result<String, String> {
    remarks::collect();
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let bindings = cbindgen::Builder::new().with_config(config).with_src(library).generate();
    let bindings = bindings.map_err(|error| format!("cbindgen: {error}"))?;
    let mut raw = Vec::new();
    bindings.write(&mut raw);
    let remarks = remarks::take();
    if !remarks.is_empty() {
        return Err(format!("cbindgen leaves something out:\n{}", remarks.join("\n")));
    }
    String::from_utf8(raw).map_err(|error| format!("cbindgen: {error}"))
}

/// The header with these declarations.
fn assemble(raw: &str, sources: &Sources) -> Result<String, String> {
    let mut declarations = declaration::read(raw)?;
    for declaration in &mut declarations {
        polish::polish(declaration, sources)?;
    }
    let body = arrange::sections(declarations, sources)?;
    let has_bool = body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "bool");
    Ok(FRAME
        .replace("@STDBOOL@", if has_bool { "#include <stdbool.h>\n" } else { "" })
        .replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
        .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
        .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"))
        .replace("@DECLARATIONS@", &body))
}

/// An error that shows the first line in which the header differs from what it should be.
fn compare(found: &str, expected: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let mut lines = found.lines();
    let mut wanted = expected.lines();
    let mut number = 0;
    loop {
        number += 1;
        match (lines.next(), wanted.next()) {
            (Some(line), Some(other)) if line == other => {}
            (None, None) => {
                return Err(format!("{HEADER} differs in its line ends; run cargo xtask header"));
            }
            (line, other) => {
                let end = "(the end)";
                return Err(format!(
                    "{HEADER} is not what {CRATE} says; run cargo xtask header. Line {number} is\n{}\nand should be\n{}",
                    line.unwrap_or(end),
                    other.unwrap_or(end)
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = "//! Results.\n//!\n//! More.\npub type TmeResult = i32;\n\
        pub const TME_ERROR_BAD: TmeResult = -101;\n";
    const CLIENT: &str = "//! Clients: one connection.\npub struct TmeClient {\n}\n\
        pub extern \"C\" fn tme_client_create(a: bool) -> TmeResult {\n}\n";
    const RAW: &str = "\
/**
 * A client. See [`tme_client_create`].
 */
typedef struct TmeClient TmeClient;

typedef int32_t TmeResult;

#define TME_ERROR_BAD -101

#if defined(TME_PANIC_INJECTION)
/**
 * Panics.
 */
TME_C_API void tme_test_panic(void);
#endif

/**
 * Makes a client…
 */
TME_C_API TmeResult tme_client_create(struct TmeClient *client, bool is_new);
";

    fn sources() -> Sources {
        Sources::of([
            ("lib.rs", "//! Lib.\nmod client;\nmod result;\n"),
            ("client.rs", CLIENT),
            ("result.rs", RESULT),
        ])
    }

    #[test]
    fn the_header_has_a_section_for_each_noun_in_an_order_a_compiler_accepts() {
        let header = assemble(RAW, &sources()).unwrap();
        let (_, body) = header.split_once("extern \"C\" {\n#endif\n\n").unwrap();
        let (body, _) = body.split_once("\n\n#ifdef __cplusplus\n}").unwrap();
        let rule = |title: &str| polish::rule(title);
        let expected = format!(
            "{}\n\n/** A client. See `tme_client_create`. */\ntypedef struct TmeClient TmeClient;\n\n\
             {}\n\n#define TME_ERROR_BAD (-101)\n\ntypedef int32_t TmeResult;\n\n\
             {}\n\n/** Makes a client... */\n\
             TME_C_API TmeResult tme_client_create(TmeClient *client, bool is_new);",
            rule("Handles"),
            rule("Results"),
            rule("Clients: one connection")
        );
        assert_eq!(body, expected);
        assert!(header.contains("#include <stdbool.h>\n"));
        assert!(!header.contains("tme_test_panic") && !header.contains('@'.to_string().repeat(2).as_str()));
    }

    #[test]
    fn the_version_is_the_workspaces() {
        let header = assemble(RAW, &sources()).unwrap();
        let parts = env!("CARGO_PKG_VERSION").split('.').zip(["MAJOR", "MINOR", "PATCH"]);
        for (number, name) in parts {
            assert!(header.contains(&format!("#define TME_VERSION_{name} {number}\n")), "{name}");
        }
    }

    #[test]
    fn the_first_differing_line_is_shown() {
        assert_eq!(compare("a\nb\n", "a\nb\n"), Ok(()));
        let error = compare("a\nb\nc\n", "a\nx\nc\n").unwrap_err();
        assert!(error.ends_with("Line 2 is\nb\nand should be\nx"), "{error}");
        let error = compare("a\n", "a\nx\n").unwrap_err();
        assert!(error.ends_with("Line 2 is\n(the end)\nand should be\nx"), "{error}");
        assert!(compare("a\r\n", "a\n").unwrap_err().contains("line ends"));
    }

    #[test]
    fn the_crate_of_this_repository_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(generate(root).unwrap().contains("TME_C_API uint32_t tme_version(void);"));
    }
}
