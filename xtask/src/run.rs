//! `cargo xtask test`: takes the chosen steps through their turns and reports.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{LineWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::arguments::{Output, TestOptions};
use crate::command;
use crate::library;
use crate::process::{self, End, Happening};
use crate::progress::Progress;
use crate::report::{Ci, Outcome, Report, Row};
use crate::steps::{self, STEPS, Step};
use crate::tally::Tally;
use crate::tools::{self, Missing, WhenMissing};

/// Lines printed of a failed step that names no failed tests.
const TAIL_LINES: usize = 80;
/// Lines printed of a step's failed tests.
const FAILURE_LINES_MAX: usize = 300;
/// Lines printed after its failed tests: there cargo lists the targets that failed.
const CLOSING_LINES: usize = 10;

/// Runs the steps that `options` choose; an error says why the run as a whole failed.
pub fn test(root: &Path, options: &TestOptions) -> Result<(), String> {
    let chosen = choose(STEPS, options);
    let running = chosen.iter().filter(|step| !is_left_out(step, options));
    let needs: Vec<&str> = running.flat_map(|step| step.needs).copied().collect();
    let missing = tools::provide(&needs);
    if missing.iter().any(|missing| missing.tool.when_missing == WhenMissing::Stop) {
        return Err(missing.iter().map(Missing::reason).collect::<Vec<_>>().join("\n"));
    }
    let runner = Runner::new(root, options)?;
    let mut report = Report { rows: Vec::new(), ci: Ci::from_variable(env::var("CI").ok().as_deref()) };
    for (index, step) in chosen.iter().enumerate() {
        let place = format!("[{}/{}] {}", index + 1, chosen.len(), step.name);
        let row = match why_skipped(step, options, &missing) {
            Some(reason) => {
                let outcome = Outcome::Skipped(reason);
                Row { step, outcome, took: Duration::ZERO, tests: Tally::default() }
            }
            None => runner.run(step, &place),
        };
        println!("{place}: {}", one_line(&row));
        report.rows.push(row);
    }
    print!("\n{}", report.table());
    if let Some(path) = &options.json {
        let text = format!("{:#}\n", report.json());
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let complaints = report.complaints();
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

fn choose<'a>(steps: &'a [Step], options: &TestOptions) -> Vec<&'a Step> {
    let is_chosen = |step: &&Step| options.only.is_empty() || names(&options.only, step);
    steps.iter().filter(is_chosen).collect()
}

fn is_left_out(step: &Step, options: &TestOptions) -> bool {
    names(&options.skip, step)
}

fn names(list: &[String], step: &Step) -> bool {
    list.iter().any(|name| name == step.name)
}

fn why_skipped(step: &Step, options: &TestOptions, missing: &[Missing]) -> Option<String> {
    if is_left_out(step, options) {
        return Some("--skip leaves it out".to_owned());
    }
    missing.iter().find(|missing| step.needs.contains(&missing.tool.name)).map(Missing::reason)
}

fn one_line(row: &Row<'_>) -> String {
    match &row.outcome {
        Outcome::Ran => format!("ran in {:.1} s", row.took.as_secs_f64()),
        Outcome::Skipped(reason) => format!("skipped because {reason}"),
        Outcome::Failed(reason) => format!("FAILED after {:.1} s: {reason}", row.took.as_secs_f64()),
    }
}

/// What all steps share.
struct Runner<'a> {
    root: &'a Path,
    options: &'a TestOptions,
    logs: PathBuf,
    ourselves: PathBuf,
}

impl<'a> Runner<'a> {
    fn new(root: &'a Path, options: &'a TestOptions) -> Result<Self, String> {
        let logs = library::target_directory(root).join("xtask");
        fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
        // Now: once a step has rebuilt this program, the running one no longer has a path.
        let ourselves = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        Ok(Self { root, options, logs, ourselves })
    }

    fn run<'b>(&self, step: &'b Step, place: &str) -> Row<'b> {
        println!("{place}: {} (at most {} s)", steps::words(step), step.budget.as_secs());
        let started = Instant::now();
        let path = self.logs.join(format!("{}.log", step.name));
        let mut tests = Tally::default();
        let outcome = self.watch(step, &path, &mut tests).unwrap_or_else(Outcome::Failed);
        if matches!(outcome, Outcome::Failed(_)) && self.options.output == Output::Brief {
            let log = fs::read_to_string(&path).unwrap_or_default();
            println!("--- from {}", path.display());
            excerpt(&log).into_iter().for_each(|line| println!("{line}"));
            println!("---");
        }
        Row { step, outcome, took: started.elapsed(), tests }
    }

    fn watch(&self, step: &Step, path: &Path, tests: &mut Tally) -> Result<Outcome, String> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut log = LineWriter::new(file);
        let mut written = Ok(());
        let mut progress = Progress::new(step.echo, self.options.output);
        let end = process::run(&mut self.command(step), step.budget, |happening| {
            if let Happening::Line(line) = happening {
                if written.is_ok() {
                    written = writeln!(log, "{line}");
                }
                *tests += Tally::of_line(line);
            }
            progress.observe(&happening);
        });
        progress.finish();
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        match end {
            Ok(End::Exited(status)) if status.success() => Ok(Outcome::Ran),
            Ok(End::Exited(status)) => Ok(Outcome::Failed(status.to_string())),
            Ok(End::OverBudget) => {
                Ok(Outcome::Failed(format!("killed at the end of its budget of {} s", step.budget.as_secs())))
            }
            Err(error) => Err(format!("cannot run {}: {error}", step.command[0])),
        }
    }

    fn command(&self, step: &Step) -> Command {
        let program = match step.command[0] {
            "xtask" => self.ourselves.as_os_str(),
            other => OsStr::new(other),
        };
        let mut command = command::command(program, self.root);
        command.args(&step.command[1..]).envs(step.environment.iter().copied());
        command.env("CARGO_TERM_COLOR", "never");
        command
    }
}

/// The part of a failed step's output that says what went wrong.
fn excerpt(log: &str) -> Vec<&str> {
    let mut is_inside = false;
    let failures = log.lines().filter(|line| {
        is_inside |= *line == "failures:";
        let is_part = is_inside;
        is_inside &= !line.starts_with("test result: ");
        is_part
    });
    let mut lines: Vec<&str> = failures.take(FAILURE_LINES_MAX).collect();
    let rest = if lines.is_empty() { TAIL_LINES } else { CLOSING_LINES };
    let all: Vec<&str> = log.lines().collect();
    lines.extend(&all[all.len().saturating_sub(rest)..]);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::{Echo, WhenSkipped};

    const fn step(name: &'static str, command: &'static [&'static str], budget: Duration) -> Step {
        Step {
            name,
            shows: "that it is a step",
            command,
            environment: &[("TME_STEP", "value")],
            budget,
            needs: &["python3"],
            echo: Echo::Nothing,
            when_skipped: WhenSkipped::FailsCi,
        }
    }

    fn outcome_of(
        name: &'static str,
        command: &'static [&'static str],
        budget: Duration,
    ) -> (Outcome, String) {
        let options = TestOptions::default();
        let logs = env::temp_dir().join(format!("tme-xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&logs).unwrap();
        let root = env::temp_dir();
        let runner =
            Runner { root: &root, options: &options, logs: logs.clone(), ourselves: PathBuf::from("cargo") };
        let outcome = runner.run(&step(name, command, budget), "[1/1]").outcome;
        let log = fs::read_to_string(logs.join(format!("{name}.log"))).unwrap();
        fs::remove_dir_all(&logs).unwrap();
        (outcome, log)
    }

    #[test]
    fn only_and_skip_choose_the_steps() {
        let steps = ["a", "b", "c"].map(|name| step(name, &["true"], Duration::ZERO));
        let options = |only: &[&str], skip: &[&str]| TestOptions {
            only: only.iter().map(|&name| name.to_owned()).collect(),
            skip: skip.iter().map(|&name| name.to_owned()).collect(),
            ..TestOptions::default()
        };
        let chosen = |options: &TestOptions| -> Vec<&str> {
            choose(&steps, options).iter().map(|step| step.name).collect()
        };
        assert_eq!(chosen(&options(&[], &[])), ["a", "b", "c"]);
        assert_eq!(chosen(&options(&["c", "a"], &[])), ["a", "c"]);
        let without_b = options(&[], &["b"]);
        assert_eq!(chosen(&without_b), ["a", "b", "c"], "a skipped step stays in the table");
        assert!(why_skipped(&steps[1], &without_b, &[]).is_some());
        assert!(why_skipped(&steps[0], &without_b, &[]).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_step_that_succeeds_ran_and_its_output_is_logged() {
        let command = &["sh", "-c", "echo $TME_STEP; echo $CARGO_PKG_NAME."];
        let (outcome, log) = outcome_of("succeeds", command, Duration::from_secs(60));
        assert_eq!(outcome, Outcome::Ran);
        assert_eq!(log, "value\n.\n", "the step's variable is set, and ours are not");
    }

    #[cfg(unix)]
    #[test]
    fn a_step_fails_by_its_exit_code_or_by_its_budget() {
        let minute = Duration::from_secs(60);
        let (outcome, log) = outcome_of("exits", &["sh", "-c", "echo wrong >&2; exit 3"], minute);
        assert_eq!(outcome, Outcome::Failed("exit status: 3".to_owned()));
        assert_eq!(log, "wrong\n");
        let (outcome, _) = outcome_of("hangs", &["sleep", "1000"], Duration::from_millis(200));
        assert_eq!(outcome, Outcome::Failed("killed at the end of its budget of 0 s".to_owned()));
        let (outcome, _) = outcome_of("absent", &["no-such-program-of-tme"], minute);
        assert!(
            matches!(outcome, Outcome::Failed(reason) if reason.starts_with("cannot run no-such-program"))
        );
    }

    #[test]
    fn the_excerpt_of_a_test_run_is_its_failed_tests() {
        let noise = "test fine ... ok\n".repeat(200);
        let log = format!(
            "{noise}failures:\n---- a stdout ----\npanicked\n\nfailures:\n    a\n\ntest result: FAILED. 1 failed\n\
             {noise}error: 1 target failed:\n"
        );
        let lines = excerpt(&log);
        assert_eq!(lines[..3], ["failures:", "---- a stdout ----", "panicked"]);
        assert_eq!(lines[7], "test result: FAILED. 1 failed");
        assert_eq!(lines.len(), 8 + CLOSING_LINES);
        assert_eq!(lines.last(), Some(&"error: 1 target failed:"));
    }

    #[test]
    fn the_excerpt_of_anything_else_is_its_end() {
        let log = "line\n".repeat(500) + "error: the last word\n";
        let lines = excerpt(&log);
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines.last(), Some(&"error: the last word"));
        assert!(excerpt("").is_empty());
    }
}
