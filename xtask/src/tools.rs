//! The programs that steps need: finds them, and installs what is missing where that is possible.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{self, End, Happening};

/// The longest an installation may take.
const INSTALL_BUDGET: Duration = Duration::from_secs(300);

/// A program that a step needs.
pub struct Tool {
    /// What steps call it.
    pub name: &'static str,
    /// A command that succeeds where the tool is there and works.
    probe: &'static [&'static str],
    /// The Debian package that brings it, if one does.
    package: Option<&'static str>,
    /// How to get it elsewhere.
    advice: &'static str,
    /// What to do without it.
    pub when_missing: WhenMissing,
}

/// What becomes of a run that lacks a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMissing {
    /// Nothing of worth can be built: name the tool and stop.
    Stop,
    /// Go on without the steps that need it.
    SkipSteps,
}

/// Every tool a step may name.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "cc",
        // On Windows there is none in the path: the build script of ring finds the compiler by itself.
        probe: if cfg!(windows) { &["cargo", "--version"] } else { &["cc", "--version"] },
        package: Some("gcc"),
        advice: "ring needs a C compiler: gcc, clang or the Visual C++ build tools",
        when_missing: WhenMissing::Stop,
    },
    Tool {
        name: "rustfmt",
        probe: &["cargo", "fmt", "--version"],
        package: None,
        advice: "rustup component add rustfmt",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "clippy",
        probe: &["cargo", "clippy", "--version"],
        package: None,
        advice: "rustup component add clippy",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "python3",
        probe: &["python3", "--version"],
        package: Some("python3"),
        advice: "Python 3.9 or newer, as python3",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "gcc",
        probe: &["gcc", "--version"],
        package: Some("gcc"),
        advice: "the GNU C compiler",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "g++",
        probe: &["g++", "--version"],
        package: Some("g++"),
        advice: "the GNU C++ compiler",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "clang",
        probe: &["clang++", "--version"],
        package: Some("clang"),
        advice: "clang with its C++ compiler",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "clang-rt",
        probe: &[
            "sh",
            "-c",
            "echo 'int main(void) { return 0; }' | clang -fsanitize=address -x c - -o /dev/null",
        ],
        package: Some("libclang-rt-dev"),
        advice: "the run-time library of clang's sanitizers",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "binutils",
        probe: &["readelf", "--version"],
        package: Some("binutils"),
        advice: "nm, objdump and readelf of GNU binutils",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "cmake",
        probe: &["cmake", "--version"],
        package: Some("cmake"),
        advice: "CMake 3.25 or newer",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "ninja",
        probe: &["ninja", "--version"],
        package: Some("ninja-build"),
        advice: "Ninja 1.10 or newer",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "make",
        probe: &["make", "--version"],
        package: Some("make"),
        advice: "GNU make",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "pkg-config",
        probe: &["pkg-config", "--version"],
        package: Some("pkg-config"),
        advice: "pkg-config or pkgconf",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "valgrind",
        probe: &["valgrind", "--version"],
        package: Some("valgrind"),
        advice: "valgrind with memcheck",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "node",
        probe: &["node", "--version"],
        package: Some("nodejs"),
        advice: "Node.js 18 or newer",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "tsc",
        probe: &["tsc", "--version"],
        package: Some("node-typescript"),
        advice: "the TypeScript compiler, 4.8 or newer",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "chromium",
        probe: &["chromium", "--version"],
        package: Some("chromium"),
        advice: "Chromium, as chromium",
        when_missing: WhenMissing::SkipSteps,
    },
    Tool {
        name: "cargo-deny",
        probe: &["cargo", "deny", "--version"],
        package: None,
        advice: "cargo install --locked cargo-deny",
        when_missing: WhenMissing::SkipSteps,
    },
];

/// A tool that is not there, and why it could not be installed where that was tried.
pub struct Missing {
    /// Which one.
    pub tool: &'static Tool,
    why: Option<String>,
}

impl Missing {
    /// One line for the table and for the reader.
    pub fn reason(&self) -> String {
        let why = self.why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
        format!("{} is missing ({}){why}", self.tool.name, self.tool.advice)
    }
}

/// Makes sure of the named tools: those still missing after an attempt to install them are returned.
pub fn provide(names: &[&str]) -> Vec<Missing> {
    let wanted = TOOLS.iter().filter(|tool| names.contains(&tool.name));
    let missing: Vec<&Tool> = wanted.filter(|tool| !works(tool.probe)).collect();
    let packages: Vec<&str> = missing.iter().filter_map(|tool| tool.package).collect();
    let installed = install_what_there_is(&packages);
    let still_missing = missing.into_iter().filter(|tool| tool.package.is_none() || !works(tool.probe));
    still_missing
        .map(|tool| {
            let why = match (&installed, tool.package) {
                (_, None) => None,
                (Ok(()), Some(package)) => Some(format!("the package {package} did not bring it")),
                (Err(error), Some(_)) => Some(error.clone()),
            };
            Missing { tool, why }
        })
        .collect()
}

/// Installs packages together, or one by one where that fails: apt-get installs none if it does not know one.
fn install_what_there_is(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let together = install(packages);
    if together.is_err() && packages.len() > 1 {
        for package in packages {
            // What is still missing afterwards is reported with the first error.
            let _ = install(&[package]);
        }
    }
    together
}

fn works(probe: &[&str]) -> bool {
    let mut command = Command::new(probe[0]);
    command.args(&probe[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Installs Debian packages, where this is a Debian or Ubuntu that lets us.
pub fn install(packages: &[&str]) -> Result<(), String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let prefix = apt_get(&release, is_root(), || works(&["sudo", "-n", "true"]))?;
    println!("installing {} with apt-get", packages.join(" "));
    // Old lists may do, and one unreachable source fails the update as a whole: the installation decides.
    let _ = run_to_the_end(prefix, &["update"]);
    let words = ["install", "--yes", "--no-install-recommends"];
    run_to_the_end(prefix, &[&words, packages].concat())
}

/// The words before apt-get's own arguments, or why there can be none.
fn apt_get(
    os_release: &str,
    is_root: bool,
    has_sudo: impl Fn() -> bool,
) -> Result<&'static [&'static str], String> {
    let names = os_release.lines().filter_map(|line| {
        line.strip_prefix("ID=")
            .or_else(|| line.strip_prefix("ID_LIKE="))
            .map(|value| value.trim_matches('"'))
    });
    let is_debian = names.flat_map(str::split_whitespace).any(|name| matches!(name, "debian" | "ubuntu"));
    if !is_debian {
        Err("only on Debian and Ubuntu is it installed for you".to_owned())
    } else if is_root {
        Ok(&["apt-get"])
    } else if has_sudo() {
        Ok(&["sudo", "-n", "apt-get"])
    } else {
        Err("installing it needs root, or sudo without a password".to_owned())
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn run_to_the_end(prefix: &[&str], arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    let mut last = String::new();
    let end = process::run(&mut command, INSTALL_BUDGET, |happening| {
        if let Happening::Line(line) = happening {
            last.clear();
            last.push_str(line);
        }
    });
    match end {
        Ok(End::Exited(status)) if status.success() => Ok(()),
        Ok(End::Exited(_)) => Err(format!("apt-get {} failed: {last}", arguments[0])),
        Ok(End::OverBudget) => Err(format!("apt-get {} took too long: {last}", arguments[0])),
        Err(error) => Err(format!("cannot run apt-get: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_installed_only_on_debian_and_only_with_the_right() {
        let table = [
            ("ID=debian", true, false, Ok(&["apt-get"][..])),
            (
                "NAME=Mint\nID=linuxmint\nID_LIKE=\"ubuntu debian\"",
                false,
                true,
                Ok(&["sudo", "-n", "apt-get"]),
            ),
            ("ID=ubuntu", false, false, Err("root")),
            ("ID=fedora", true, true, Err("Debian")),
            ("", true, true, Err("Debian")),
        ];
        for (release, is_root, has_sudo, expected) in table {
            match (apt_get(release, is_root, || has_sudo), expected) {
                (Ok(words), Ok(expected)) => assert_eq!(words, expected),
                (Err(error), Err(word)) => assert!(error.contains(word), "{error}"),
                (got, _) => panic!("{release:?} gave {got:?}"),
            }
        }
    }

    #[test]
    fn a_tool_works_if_its_probe_succeeds() {
        assert!(works(&["cargo", "--version"]));
        assert!(!works(&["cargo", "no-such-command-of-tme"]));
        assert!(!works(&["no-such-program-of-tme"]));
    }

    #[test]
    fn what_cannot_be_installed_is_returned_with_advice() {
        let missing = Missing { tool: &TOOLS[0], why: Some("because".to_owned()) };
        assert!(missing.reason().starts_with("cc is missing (ring needs a C compiler"));
        assert!(missing.reason().ends_with("because"));
    }
}
