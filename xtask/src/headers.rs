//! Compiles the C and C++ headers as programs of every supported standard see them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{command, output};
use crate::header::HEADER;
use crate::library;

/// Where headers are found.
const INCLUDE: [&str; 2] = ["include", "bindings/cpp/include"];
/// The header that must also do without exceptions and run-time types.
const PLAIN_CPP: &str = "tme.hpp";

/// A language, as far as compilers are concerned.
struct Language {
    name: &'static str,
    extension: &'static str,
    compilers: [&'static str; 2],
    standards: &'static [&'static str],
    warnings: &'static [&'static str],
}

const C: Language = Language {
    name: "C",
    extension: "c",
    compilers: ["gcc", "clang"],
    standards: &["c99", "c11", "c17"],
    warnings: &["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wold-style-definition", "-Wredundant-decls"],
};
const CPP: Language = Language {
    name: "C++",
    extension: "cpp",
    compilers: ["g++", "clang++"],
    standards: &["c++11", "c++17", "c++20"],
    warnings: &["-Wold-style-cast", "-Wnon-virtual-dtor"],
};
/// What `tme.hpp` and its like are written in.
const CPP17: Language = Language { standards: &["c++17", "c++20"], ..CPP };

const WARNINGS: [&str; 7] =
    ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wundef", "-Wconversion", "-Werror"];

/// Macros that `<windows.h>`, X11, the Linux kernel's and Apple's headers are known to leave behind.
const POLLUTION: &str = "\
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define check(x) if (!(x)) return
#define verify(x) if (!(x)) return
#define TEXT(x) L##x
#define ERROR 0
#define PI 3.14159
#define near
#define far
#define small char
#define interface struct
#define IN
#define OUT
#define Status int
#define None 0L
#define Bool int
#define Always 2
#define Success 0
";

/// A program around a header.
struct Program {
    /// What is special about it.
    name: String,
    text: String,
}

/// `cargo xtask headers`.
pub fn check(root: &Path) -> Result<(), String> {
    let header = fs::read_to_string(root.join(HEADER)).map_err(|error| format!("{HEADER}: {error}"))?;
    let mut compiler = Compiler::new(root)?;
    let programs = programs("tme.h", &uses(&header));
    compiler.compile_all(&C, &programs, &[])?;
    compiler.compile_all(&CPP, &programs, &[])?;
    for name in cpp_headers(root)? {
        let programs = self::programs(&name, "");
        compiler.compile_all(&CPP17, &programs, &[])?;
        if name == PLAIN_CPP {
            compiler.compile_all(&CPP17, &programs, &["-fno-exceptions", "-fno-rtti"])?;
        }
    }
    compiler.compile_for_windows()?;
    println!("{} compilations without a warning", compiler.count);
    Ok(())
}

/// Programs that include a header alone, after macros, and twice; each then does what `uses` says.
fn programs(header: &str, uses: &str) -> Vec<Program> {
    let include = format!("#include <{header}>\n");
    let end = format!("{uses}int main(void) {{ return 0; }}\n");
    let program =
        |name: &str, start: String| Program { name: format!("{header}-{name}"), text: start + &end };
    vec![
        program("alone", include.clone()),
        program("polluted", format!("{POLLUTION}{include}")),
        program("twice", format!("{include}{include}")),
    ]
}

/// A function that mentions every constant: a macro is compiled only where it is used.
fn uses(header: &str) -> String {
    let constants = header.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        let is_value = !value.starts_with("__") && !name.contains('(');
        is_value.then(|| format!("    (void)({name});\n"))
    });
    format!("void uses(void);\nvoid uses(void)\n{{\n{}}}\n", constants.collect::<String>())
}

/// The C++ headers there are, as programs include them.
fn cpp_headers(root: &Path) -> Result<Vec<String>, String> {
    let directory = root.join(INCLUDE[1]);
    let mut names = Vec::new();
    if directory.is_dir() {
        collect(&directory, "", &mut names)?;
    }
    names.sort();
    Ok(names)
}

fn collect(directory: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), names)?;
        } else if name.ends_with(".hpp") {
            names.push(name);
        }
    }
    Ok(())
}

/// Compiles and counts.
struct Compiler<'a> {
    root: &'a Path,
    directory: PathBuf,
    count: u32,
}

impl<'a> Compiler<'a> {
    fn new(root: &'a Path) -> Result<Self, String> {
        let directory = library::scratch_directory(root, "headers");
        fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(Self { root, directory, count: 0 })
    }

    fn compile_all(
        &mut self,
        language: &Language,
        programs: &[Program],
        flags: &[&str],
    ) -> Result<(), String> {
        for program in programs {
            for compiler in language.compilers {
                for standard in language.standards {
                    self.compile(compiler, language, standard, program, flags)?;
                }
            }
            let Language { name, compilers, standards, .. } = language;
            println!(
                "{name} {}: {} {} {}",
                program.name,
                compilers.join(", "),
                standards.join(", "),
                flags.join(" ")
            );
        }
        Ok(())
    }

    fn compile(
        &mut self,
        compiler: &str,
        language: &Language,
        standard: &str,
        program: &Program,
        flags: &[&str],
    ) -> Result<(), String> {
        let file = self.directory.join(program.name.replace('/', "-")).with_extension(language.extension);
        fs::write(&file, &program.text).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut command = command(compiler, self.root);
        command.arg(format!("-std={standard}")).args(WARNINGS).args(language.warnings).args(flags);
        command.args(INCLUDE.map(|directory| format!("-I{directory}"))).arg("-fsyntax-only").arg(file);
        self.count += 1;
        output(&mut command).map(drop)
    }

    /// With the real `<windows.h>`, where the cross compiler is there.
    fn compile_for_windows(&mut self) -> Result<(), String> {
        for (language, compiler) in [(&C, "x86_64-w64-mingw32-gcc"), (&CPP, "x86_64-w64-mingw32-g++")] {
            if output(command(compiler, self.root).arg("--version")).is_err() {
                println!("{compiler} is not there; {} after <windows.h> was not tried", language.name);
                continue;
            }
            let text = "#include <windows.h>\n#include <tme.h>\nint main(void) { return 0; }\n";
            let program = Program { name: "tme.h-windows".to_owned(), text: text.to_owned() };
            for standard in language.standards {
                self.compile(compiler, language, standard, &program, &[])?;
            }
            println!("{} {}: {compiler} {}", language.name, program.name, language.standards.join(", "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_used_and_nothing_else() {
        let header = "#define TME_H\n#define TME_C_API\n#define TME_C_API __declspec(dllimport)\n\
            /** One. */\n#define TME_ERROR_BAD (-1)\n#define TME_TEXT \"text\"\n";
        let uses = uses(header);
        assert_eq!(uses.matches("(void)(TME_").count(), 2, "{uses}");
        assert!(uses.contains("    (void)(TME_ERROR_BAD);\n") && uses.contains("(void)(TME_TEXT)"));
    }

    #[test]
    fn a_header_is_included_in_every_way() {
        let programs = programs("TME/All.hpp", "");
        assert_eq!(programs.len(), 3);
        assert!(programs[1].text.starts_with(POLLUTION));
        assert_eq!(programs[2].text.matches("#include <TME/All.hpp>\n").count(), 2);
    }
}
