//! Builds and runs the C and C++ tests: as released, with sanitizers, and under valgrind.

use std::path::Path;

use crate::command::{command, run, run_and_read};
use crate::library::{scratch_directory, target_directory};

/// One way to run the tests.
struct Run {
    name: &'static str,
    /// Runs with the same compilers and flags have the same programs, which are built once.
    programs: &'static str,
    compilers: [&'static str; 2],
    options: &'static [&'static str],
}

const RUNS: [Run; 3] = [
    Run { name: "release", programs: "plain", compilers: ["cc", "c++"], options: &[] },
    Run {
        name: "valgrind",
        programs: "plain",
        compilers: ["cc", "c++"],
        // A process that leaks or misuses memory ends with a code that no test has. Valgrind runs one thread at a time;
        // only with the fair scheduler does a game that polls without a pause leave its network thread a turn.
        options: &[
            "-DTME_TEST_LAUNCHER=valgrind;--quiet;--fair-sched=try;--leak-check=full;--show-leak-kinds=definite,indirect;\
             --errors-for-leak-kinds=definite,indirect;--error-exitcode=99;--suppressions=@ROOT@/tests/valgrind.supp",
            "-DTME_TEST_TIMEOUT=240",
        ],
    },
    Run {
        name: "sanitizers",
        programs: "sanitized",
        compilers: ["clang", "clang++"],
        options: &["-DTME_SANITIZE=address,undefined", "-DTME_TEST_TIMEOUT=120"],
    },
];

/// `cargo xtask native`.
pub fn check(root: &Path) -> Result<(), String> {
    for Run { name, programs, compilers: [c, cpp], options } in &RUNS {
        println!("--- {name}");
        let directory = scratch_directory(root, "native").join(programs);
        let mut configure = command("cmake", root);
        configure.args(["--fresh", "-S", ".", "-G", "Ninja", "-B"]).arg(&directory);
        configure.args(options.iter().map(|option| option.replace("@ROOT@", &root.display().to_string())));
        // With lines for valgrind to name.
        configure.args(["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS=-g", "-DCMAKE_CXX_FLAGS=-g"]);
        configure.arg(format!("-DCMAKE_C_COMPILER={c}")).arg(format!("-DCMAKE_CXX_COMPILER={cpp}"));
        configure.arg(format!("-DTME_CARGO_TARGET_DIR={}", target_directory(root).display()));
        run(&mut configure)?;
        run(command("cmake", root).arg("--build").arg(&directory))?;
        test(root, &directory, None)?;
    }
    Ok(())
}

/// Runs the tests of a build directory, and says how many in the words by which whoever runs us counts tests.
pub fn test(root: &Path, directory: &Path, configuration: Option<&str>) -> Result<(), String> {
    let mut ctest = command("ctest", root);
    ctest.args(["--output-on-failure", "--no-tests=error", "--test-dir"]).arg(directory);
    if let Some(configuration) = configuration {
        ctest.args(["--build-config", configuration]);
    }
    let text = run_and_read(&mut ctest)?;
    let count = count(&text).ok_or("ctest does not say how many tests there were")?;
    println!("test result: ok. {count} passed; 0 failed; 0 ignored");
    Ok(())
}

/// The number in `100% tests passed, 0 tests failed out of 12`.
fn count(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("% tests passed, "))?;
    line.split_once(" out of ")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted() {
        let text = "2/2 Test #2: version_cpp ...   Passed    0.00 sec\n\n\
            100% tests passed, 0 tests failed out of 12\n\nTotal Test time (real) =   0.01 sec\n";
        assert_eq!(count(text), Some(12));
        assert_eq!(count("No tests were found!!!"), None);
    }
}
