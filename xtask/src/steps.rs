//! The table of test steps. A new step is a new entry in [`STEPS`].

use std::time::Duration;

/// One step of `cargo xtask test`: a command that succeeds or fails within its budget.
pub struct Step {
    /// What `--only` and `--skip` call it; also names its log.
    pub name: &'static str,
    /// What a green step shows, for `--list`.
    pub shows: &'static str,
    /// Program and arguments, run in the repository's root; the program `xtask` is this one.
    pub command: &'static [&'static str],
    /// Variables set for the command, beside the inherited ones.
    pub environment: &'static [(&'static str, &'static str)],
    /// A run that takes longer is killed, with everything it started, and has failed.
    pub budget: Duration,
    /// Names in [`crate::tools::TOOLS`] without which the step cannot run.
    pub needs: &'static [&'static str],
    /// What of its output is worth printing while it succeeds.
    pub echo: Echo,
    /// Whether continuous integration may go without it.
    pub when_skipped: WhenSkipped,
}

/// Which lines of a succeeding step are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// None: the log has them.
    Nothing,
    /// The closing line of each test binary, by which whoever runs us counts tests.
    TestResults,
    /// All of them.
    Everything,
}

/// What a skipped step means to continuous integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenSkipped {
    /// The machine lacks something it should have.
    FailsCi,
    /// Another step covers the ground.
    IsFine,
}

/// Defaults that an entry of the table overrides.
const STEP: Step = Step {
    name: "",
    shows: "",
    command: &[],
    environment: &[],
    budget: Duration::from_secs(60),
    needs: &[],
    echo: Echo::Nothing,
    when_skipped: WhenSkipped::FailsCi,
};

/// All steps, in the order they run: cheap ones first, so that a slip shows early.
///
/// A budget is several times what the step takes on two cores with an empty target directory; together they
/// must leave room in a run of continuous integration, which a test checks.
pub const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        shows: "the sources are formatted",
        command: &["cargo", "fmt", "--all", "--check", "--", "--color", "never"],
        budget: Duration::from_secs(40),
        needs: &["rustfmt"],
        ..STEP
    },
    Step {
        name: "policy",
        shows: "licences, banned crates and sources are as deny.toml says",
        command: &["xtask", "policy"],
        budget: Duration::from_secs(40),
        echo: Echo::Everything,
        ..STEP
    },
    Step {
        name: "msrv",
        shows: "rust-version is no newer than this toolchain and no older than a dependency's",
        command: &["xtask", "msrv"],
        budget: Duration::from_secs(40),
        echo: Echo::Everything,
        ..STEP
    },
    Step {
        name: "header",
        shows: "include/tme.h is what crates/tme-capi says",
        command: &["xtask", "header", "--check"],
        budget: Duration::from_secs(20),
        ..STEP
    },
    Step {
        name: "headers",
        shows: "tme.h and tme.hpp compile in every standard, by gcc and clang, after other people's macros",
        command: &["xtask", "headers"],
        budget: Duration::from_secs(120),
        needs: &["gcc", "g++", "clang"],
        echo: Echo::Everything,
        ..STEP
    },
    Step {
        name: "deny",
        shows: "cargo-deny agrees with the policy step",
        // Not `advisories`: that database is fetched from outside, and changes without a commit of ours.
        command: &["cargo", "deny", "check", "bans", "licenses", "sources"],
        needs: &["cargo-deny"],
        when_skipped: WhenSkipped::IsFine,
        ..STEP
    },
    Step {
        name: "vectors",
        shows: "a reader written from the protocol's page alone decodes the golden vectors",
        command: &["xtask", "vectors"],
        budget: Duration::from_secs(120),
        needs: &["python3"],
        echo: Echo::TestResults,
        ..STEP
    },
    Step {
        name: "clippy",
        shows: "no warning from rustc or clippy, in any target",
        command: &["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        budget: Duration::from_secs(440),
        needs: &["clippy", "cc"],
        ..STEP
    },
    Step {
        name: "rustdoc",
        shows: "the documentation builds and its links resolve",
        command: &["cargo", "doc", "--workspace", "--no-deps"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
        budget: Duration::from_secs(190),
        needs: &["cc"],
        ..STEP
    },
    Step {
        name: "test",
        shows: "unit, integration and documentation tests of every crate",
        command: &["cargo", "test", "--workspace", "--no-fail-fast"],
        budget: Duration::from_secs(900),
        needs: &["cc"],
        echo: Echo::TestResults,
        ..STEP
    },
    Step {
        name: "loom",
        shows: "the queues between threads lose nothing and wake everybody, in whatever order their steps come",
        command: &["xtask", "loom"],
        budget: Duration::from_secs(240),
        needs: &["cc"],
        echo: Echo::TestResults,
        ..STEP
    },
    Step {
        name: "sim",
        shows: "the simulated worlds, at release speed",
        command: &["cargo", "test", "--release", "--package", "tme-sim", "--no-fail-fast"],
        budget: Duration::from_secs(660),
        needs: &["cc"],
        echo: Echo::TestResults,
        ..STEP
    },
    Step {
        name: "misuse",
        shows: "no misuse of the C interface goes beyond a documented error",
        command: &["xtask", "misuse", "--seconds", "60"],
        budget: Duration::from_secs(200),
        needs: &["cc"],
        echo: Echo::TestResults,
        ..STEP
    },
    Step {
        name: "demo",
        shows: "the demo runs, encrypted over loopback, and loses nothing reliable",
        command: &[
            "cargo",
            "run",
            "--release",
            "--package",
            "tme-cli",
            "--",
            "demo",
            "--bots",
            "8",
            "--seconds",
            "2",
            "--json",
        ],
        budget: Duration::from_secs(200),
        needs: &["cc"],
        ..STEP
    },
    Step {
        name: "examples",
        shows: "every example builds",
        command: &["cargo", "build", "--workspace", "--examples"],
        budget: Duration::from_secs(150),
        needs: &["cc"],
        ..STEP
    },
    Step {
        name: "web",
        shows: "web pages connect: the client's types, its parts, and all of it in a browser against real servers",
        command: &["xtask", "web"],
        budget: Duration::from_secs(180),
        needs: &["cc", "node", "tsc", "chromium"],
        echo: Echo::TestResults,
        ..STEP
    },
    // From here on all share the library that `symbols` builds, and its target directory.
    Step {
        name: "symbols",
        shows: "libtme exports what tme.h declares, and needs no newer glibc and no more libraries than we say",
        command: &["xtask", "symbols"],
        budget: Duration::from_secs(240),
        needs: &["cc", "binutils"],
        echo: Echo::Everything,
        ..STEP
    },
    Step {
        name: "cmake",
        shows: "outside projects find, link and run TME: CMake, pkg-config, shared, static, moved, built along",
        command: &["xtask", "cmake"],
        budget: Duration::from_secs(260),
        needs: &["cc", "gcc", "g++", "binutils", "cmake", "ninja", "make", "pkg-config"],
        echo: Echo::TestResults,
        ..STEP
    },
    Step {
        name: "native",
        shows: "the C and C++ tests pass: as released, with sanitizers, and under valgrind",
        command: &["xtask", "native"],
        budget: Duration::from_secs(900),
        needs: &["cc", "gcc", "g++", "clang", "clang-rt", "cmake", "ninja", "valgrind"],
        echo: Echo::TestResults,
        ..STEP
    },
];

/// The steps as `--list` prints them.
pub fn listing() -> String {
    let width = STEPS.iter().map(|step| step.name.len()).max().unwrap_or(0);
    let line = |step: &Step| {
        let optional = match step.when_skipped {
            WhenSkipped::FailsCi => "",
            WhenSkipped::IsFine => " (may be skipped)",
        };
        let (name, shows, seconds) = (step.name, step.shows, step.budget.as_secs());
        format!("{name:width$}  {shows}{optional}\n{:width$}  {} (at most {seconds} s)\n", "", words(step))
    };
    STEPS.iter().map(line).collect()
}

/// The step's command as one would type it.
pub fn words(step: &Step) -> String {
    let environment = step.environment.iter().map(|(name, value)| format!("{name}='{value}' "));
    environment.chain([step.command.join(" ")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::TOOLS;

    /// The longest that all steps may take together: a run of continuous integration has 90 minutes, from
    /// which building this program and half a step of slack are taken.
    const TOTAL_BUDGET: Duration = Duration::from_secs(5_000);

    #[test]
    fn the_budgets_together_fit_into_a_run_of_ci() {
        let total: Duration = STEPS.iter().map(|step| step.budget).sum();
        assert!(total <= TOTAL_BUDGET, "the budgets add up to {total:?}, more than {TOTAL_BUDGET:?}");
    }

    #[test]
    fn step_names_are_unique_and_fit_a_file_name() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(step.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{:?}", step.name);
            assert!(!step.name.is_empty() && !step.shows.is_empty() && !step.command.is_empty());
            assert!(STEPS[..index].iter().all(|other| other.name != step.name), "{} twice", step.name);
        }
    }

    #[test]
    fn every_tool_a_step_needs_is_in_the_table_of_tools() {
        for step in STEPS {
            for need in step.needs {
                assert!(TOOLS.iter().any(|tool| tool.name == *need), "{} needs unknown {need}", step.name);
            }
        }
    }

    #[test]
    fn the_listing_names_each_step_with_its_command() {
        let listing = listing();
        for step in STEPS {
            assert!(listing.contains(&words(step)), "{} is missing", step.name);
        }
    }
}
