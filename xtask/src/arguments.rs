//! The command line: which chore is wanted, with which options.

use std::path::PathBuf;

use crate::header::Mode;
use crate::steps::STEPS;

/// What is printed for `help` and after a command line that makes no sense.
pub const USAGE: &str = "\
usage: cargo xtask <chore>

  test      run the test steps and print what became of each
              --only NAME    run this step (repeatable)
              --skip NAME    leave this step out (repeatable)
              --list         print the steps instead of running them
              --json PATH    also write the outcome as JSON
              --verbose      print the output of every step as it comes
            with CI=true, a step that is skipped although it should run counts as a failure
  header    make include/tme.h from crates/tme-capi
              --check        compare instead of writing
  headers   compile the C and C++ headers in every standard they promise
  symbols   compare what libtme exports and needs with the header and with what is promised
  static-libs  ask rustc what a program that links libtme.a needs, for CMake and pkg-config
              --check        compare instead of writing
  cmake     let outside projects use TME: installed, moved, with pkg-config, built along
  native    build and run the C and C++ tests: plain, with sanitizers, under valgrind
  policy    check licences, banned crates and crate sources against deny.toml
  msrv      check rust-version against the toolchain in use and the dependencies
  loom      try the queues between threads in every order of their steps
  misuse    misuse the C interface at random, for longer than the tests do
              --seconds N    for so long (60)
              --seed N       make the choices of an earlier run again
              --sanitize     with an address sanitizer
  vectors   let the independent Python reader check the golden vectors
  web       test the client for web pages, in a browser as well
  help      print this";

/// One thing this program can do.
#[derive(Debug, PartialEq)]
pub enum Chore {
    /// Print [`USAGE`].
    Help,
    /// Print the steps of `test`.
    List,
    /// Run the steps.
    Test(TestOptions),
    /// Write or check the C header.
    Header(Mode),
    /// Compile the headers.
    Headers,
    /// Check what the shared library shows to the outside.
    Symbols,
    /// Write or check what the static library needs.
    StaticLibs(Mode),
    /// Check that outside projects can use the library.
    Cmake,
    /// Run the C and C++ tests.
    Native,
    /// Check the dependency graph.
    Policy,
    /// Check the minimum supported Rust version.
    Msrv,
    /// Test the queues between threads under `loom`.
    Loom,
    /// Misuse the C interface.
    Misuse(MisuseOptions),
    /// Check the golden vectors.
    Vectors,
    /// Test the client for web pages.
    Web,
}

/// Options of `cargo xtask test`.
#[derive(Debug, Default, PartialEq)]
pub struct TestOptions {
    /// Names of the steps to run; empty means all.
    pub only: Vec<String>,
    /// Names of the steps to leave out.
    pub skip: Vec<String>,
    /// Where to write the outcome as JSON.
    pub json: Option<PathBuf>,
    /// Whether the whole output goes to the terminal.
    pub output: Output,
}

/// Options of `cargo xtask misuse`.
#[derive(Debug, PartialEq)]
pub struct MisuseOptions {
    /// For how long.
    pub seconds: u64,
    /// What to repeat; without it something new is tried.
    pub seed: Option<u64>,
    /// Whether an address sanitizer watches.
    pub sanitizer: Sanitizer,
}

/// Whether memory is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitizer {
    /// No.
    None,
    /// By rustc's address sanitizer.
    Address,
}

/// How much of the steps' output is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Output {
    /// Results, and the end of what failed.
    #[default]
    Brief,
    /// Every line as it comes.
    Everything,
}

/// Reads the arguments that follow the program's name.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Chore, String> {
    match words.next().as_deref() {
        None => Err("which chore?".to_owned()),
        Some("help" | "--help" | "-h") => Ok(Chore::Help),
        Some("test") => parse_test(words),
        Some("header") => Ok(Chore::Header(mode(words)?)),
        Some("headers") => alone(words, Chore::Headers),
        Some("symbols") => alone(words, Chore::Symbols),
        Some("static-libs") => Ok(Chore::StaticLibs(mode(words)?)),
        Some("cmake") => alone(words, Chore::Cmake),
        Some("native") => alone(words, Chore::Native),
        Some("policy") => alone(words, Chore::Policy),
        Some("msrv") => alone(words, Chore::Msrv),
        Some("loom") => alone(words, Chore::Loom),
        Some("misuse") => Ok(Chore::Misuse(parse_misuse(words)?)),
        Some("vectors") => alone(words, Chore::Vectors),
        Some("web") => alone(words, Chore::Web),
        Some(other) => Err(format!("no chore is called {other:?}")),
    }
}

fn alone<T>(mut words: impl Iterator<Item = String>, meaning: T) -> Result<T, String> {
    match words.next() {
        None => Ok(meaning),
        Some(word) => Err(format!("unexpected argument {word:?}")),
    }
}

fn mode(mut words: impl Iterator<Item = String>) -> Result<Mode, String> {
    match words.next().as_deref() {
        None => Ok(Mode::Write),
        Some("--check") => alone(words, Mode::Check),
        Some(word) => Err(format!("unexpected argument {word:?}")),
    }
}

fn parse_test(mut words: impl Iterator<Item = String>) -> Result<Chore, String> {
    let mut options = TestOptions::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => options.only.push(step_name(words.next())?),
            "--skip" => options.skip.push(step_name(words.next())?),
            "--json" => options.json = Some(words.next().ok_or("--json needs a path")?.into()),
            "--verbose" => options.output = Output::Everything,
            "--list" => return Ok(Chore::List),
            "--help" | "-h" => return Ok(Chore::Help),
            _ => return Err(format!("unexpected argument {word:?}")),
        }
    }
    Ok(Chore::Test(options))
}

fn parse_misuse(mut words: impl Iterator<Item = String>) -> Result<MisuseOptions, String> {
    let mut options = MisuseOptions { seconds: 60, seed: None, sanitizer: Sanitizer::None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => options.seconds = number(&word, words.next())?,
            "--seed" => options.seed = Some(number(&word, words.next())?),
            "--sanitize" => options.sanitizer = Sanitizer::Address,
            _ => return Err(format!("unexpected argument {word:?}")),
        }
    }
    Ok(options)
}

fn number(option: &str, word: Option<String>) -> Result<u64, String> {
    let word = word.ok_or_else(|| format!("{option} needs a number"))?;
    word.parse().map_err(|_| format!("{option} needs a number, not {word:?}"))
}

fn step_name(word: Option<String>) -> Result<String, String> {
    let names = || STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ");
    let name = word.ok_or_else(|| format!("which step? There are {}", names()))?;
    if STEPS.iter().any(|step| step.name == name) {
        Ok(name)
    } else {
        Err(format!("no step is called {name:?}; there are {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Chore, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_of_a_test_run_are_read() {
        let options = TestOptions {
            only: vec!["fmt".into(), "clippy".into()],
            skip: vec!["deny".into()],
            json: Some("out.json".into()),
            output: Output::Everything,
        };
        let line = "test --only fmt --only clippy --skip deny --json out.json --verbose";
        assert_eq!(parsed(line), Ok(Chore::Test(options)));
        assert_eq!(parsed("test"), Ok(Chore::Test(TestOptions::default())));
        assert_eq!(parsed("test --list"), Ok(Chore::List));
        assert_eq!(parsed("header"), Ok(Chore::Header(Mode::Write)));
        assert_eq!(parsed("header --check"), Ok(Chore::Header(Mode::Check)));
    }

    #[test]
    fn options_of_misuse_are_read() {
        let plain = MisuseOptions { seconds: 60, seed: None, sanitizer: Sanitizer::None };
        assert_eq!(parsed("misuse"), Ok(Chore::Misuse(plain)));
        let all = MisuseOptions { seconds: 5, seed: Some(7), sanitizer: Sanitizer::Address };
        assert_eq!(parsed("misuse --seconds 5 --seed 7 --sanitize"), Ok(Chore::Misuse(all)));
    }

    #[test]
    fn a_line_that_makes_no_sense_is_refused() {
        for line in [
            "",
            "dance",
            "policy now",
            "header --verify",
            "header --check now",
            "misuse --seed",
            "misuse --seconds long",
            "test fmt",
            "test --only",
            "test --skip nothing",
            "test --json",
        ] {
            assert!(parsed(line).is_err(), "{line:?} was accepted");
        }
    }

    #[test]
    fn an_unknown_step_is_answered_with_the_known_ones() {
        let error = parsed("test --only fmd").unwrap_err();
        assert!(error.contains("\"fmd\"") && error.contains("fmt"), "{error}");
    }
}
