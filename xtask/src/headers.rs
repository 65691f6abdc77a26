//! Compiles the C and C++ headers as programs of every supported standard see them.

use std::fs;
use std::iter;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

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

/// Macros that `<windows.h>`, Apple's headers and engines are known to leave behind. Not those of X11: the original
/// engine's interface has an enumerator `Success`.
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
    let mut compilations = Compilations::new(root)?;
    let programs = programs("tme.h", &uses(&header));
    compilations.add(&C, &programs, &[])?;
    compilations.add(&CPP, &programs, &[])?;
    compilations.add_for_windows(&C, "tme.h")?;
    compilations.add_for_windows(&CPP, "tme.h")?;
    for name in cpp_headers(root)? {
        let programs = self::programs(&name, "");
        compilations.add(&CPP17, &programs, &[])?;
        if name == PLAIN_CPP {
            compilations.add(&CPP17, &programs, &["-fno-exceptions", "-fno-rtti"])?;
            compilations.add_for_windows(&CPP17, &name)?;
        }
    }
    let count = compilations.commands.len();
    compilations.run()?;
    println!("{count} compilations without a warning");
    Ok(())
}

/// Programs that include a header alone, and twice after macros; each then does what `uses` says.
fn programs(header: &str, uses: &str) -> [Program; 2] {
    let include = format!("#include <{header}>\n");
    let end = format!("{uses}int main(void) {{ return 0; }}\n");
    [
        Program { name: format!("{header} alone"), text: format!("{include}{end}") },
        Program { name: format!("{header} polluted"), text: format!("{POLLUTION}{include}{include}{end}") },
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
pub fn cpp_headers(root: &Path) -> Result<Vec<String>, String> {
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
        if name.ends_with("/detail") {
            // Not for programs to include; what includes it is compiled.
        } else if path.is_dir() {
            collect(&path, &format!("{name}/"), names)?;
        } else if name.ends_with(".hpp") {
            names.push(name);
        }
    }
    Ok(())
}

/// What is to be compiled.
struct Compilations<'a> {
    root: &'a Path,
    directory: PathBuf,
    commands: Vec<Command>,
}

impl<'a> Compilations<'a> {
    fn new(root: &'a Path) -> Result<Self, String> {
        let directory = library::scratch_directory(root, "headers");
        fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(Self { root, directory, commands: Vec::new() })
    }

    fn add(&mut self, language: &Language, programs: &[Program], flags: &[&str]) -> Result<(), String> {
        for program in programs {
            for compiler in language.compilers {
                self.add_standards(compiler, language, program, flags)?;
            }
        }
        Ok(())
    }

    fn add_standards(
        &mut self,
        compiler: &str,
        language: &Language,
        program: &Program,
        flags: &[&str],
    ) -> Result<(), String> {
        let Language { name, extension, standards, warnings, .. } = language;
        let file = self.directory.join(format!("{}.{extension}", program.name.replace(['/', ' '], "-")));
        fs::write(&file, &program.text).map_err(|error| format!("{}: {error}", file.display()))?;
        for standard in *standards {
            let mut command = command(compiler, self.root);
            command.arg(format!("-std={standard}")).args(WARNINGS).args(*warnings).args(flags);
            command.args(INCLUDE.map(|directory| format!("-I{directory}"))).arg("-fsyntax-only").arg(&file);
            self.commands.push(command);
        }
        println!("{name} {}: {compiler} {} {}", program.name, standards.join(", "), flags.join(" "));
        Ok(())
    }

    /// After the real `<windows.h>`, where the cross compiler is there.
    fn add_for_windows(&mut self, language: &Language, header: &str) -> Result<(), String> {
        let compiler =
            if language.name == C.name { "x86_64-w64-mingw32-gcc" } else { "x86_64-w64-mingw32-g++" };
        if output(command(compiler, self.root).arg("--version")).is_err() {
            println!("{} {header} after <windows.h>: not tried, {compiler} is not there", language.name);
            return Ok(());
        }
        let text = format!("#include <windows.h>\n#include <{header}>\nint main(void) {{ return 0; }}\n");
        let program = Program { name: format!("{header} after windows.h"), text };
        self.add_standards(compiler, language, &program, &[])
    }

    /// Runs all, as many at a time as there are processors; an error has what each failed one said.
    fn run(self) -> Result<(), String> {
        let waiting = Mutex::new(self.commands);
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let work = || {
            let commands = iter::from_fn(next);
            commands.filter_map(|mut command| output(&mut command).err()).collect::<Vec<_>>()
        };
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        let errors: Vec<String> = thread::scope(|scope| {
            let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
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
        assert!(programs[1].text.starts_with(POLLUTION));
        assert_eq!(programs[0].text.matches("#include <TME/All.hpp>\n").count(), 1);
        assert_eq!(programs[1].text.matches("#include <TME/All.hpp>\n").count(), 2);
    }
}
