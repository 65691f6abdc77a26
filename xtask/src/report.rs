//! What became of each step: as a table, as JSON, and as the verdict on the whole run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::steps::{Step, WhenSkipped};
use crate::tally::Tally;

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and succeeded.
    Ran,
    /// It did not run, because of this.
    Skipped(String),
    /// It ran and failed, in this way.
    Failed(String),
}

impl Outcome {
    fn cell(&self) -> String {
        match self {
            Self::Ran => "ran".to_owned(),
            Self::Skipped(reason) => format!("skipped because {reason}"),
            Self::Failed(reason) => format!("FAILED: {reason}"),
        }
    }
}

/// Whether continuous integration is looking: then a step may not quietly be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ci {
    /// `CI=true` is set.
    Yes,
    /// A person is looking.
    No,
}

impl Ci {
    /// Reads the value of the variable `CI`.
    pub fn from_variable(value: Option<&str>) -> Self {
        if value == Some("true") { Self::Yes } else { Self::No }
    }
}

/// One step and what became of it.
pub struct Row<'a> {
    /// The step.
    pub step: &'a Step,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// The tests it reported.
    pub tests: Tally,
}

/// A run of some steps, in order.
pub struct Report<'a> {
    /// What became of each.
    pub rows: Vec<Row<'a>>,
    /// Who is looking.
    pub ci: Ci,
}

impl Report<'_> {
    /// The rows under a heading, columns aligned, and lines of totals.
    pub fn table(&self) -> String {
        let heading = ["step".to_owned(), "outcome".to_owned(), "seconds".to_owned()];
        let rows = self.rows.iter().map(|row| {
            [row.step.name.to_owned(), row.outcome.cell(), format!("{:.1}", row.took.as_secs_f64())]
        });
        let cells: Vec<[String; 3]> = [heading].into_iter().chain(rows).collect();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (steps, outcomes, seconds) = (width(0), width(1), width(2));
        let line = |[step, outcome, took]: &[String; 3]| {
            format!("{step:steps$}  {outcome:outcomes$}  {took:>seconds$}\n")
        };
        cells.iter().map(line).chain([self.totals()]).collect()
    }

    fn totals(&self) -> String {
        let count = |is: fn(&Outcome) -> bool| self.rows.iter().filter(|row| is(&row.outcome)).count();
        let ran = count(|outcome| *outcome == Outcome::Ran);
        let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let took: Duration = self.rows.iter().map(|row| row.took).sum();
        let steps = format!("{ran} ran, {skipped} skipped, {failed} FAILED in {:.1} s\n", took.as_secs_f64());
        let Tally { passed, failed, ignored } =
            self.rows.iter().fold(Tally::default(), |sum, row| sum + row.tests);
        // In these words: those who run us read this line to learn whether anything was tested.
        let tests = format!("tests: {passed} passed, {failed} failed, {ignored} skipped\n");
        if passed + failed + ignored > 0 { steps + &tests } else { steps }
    }

    /// Why the run as a whole failed; empty if it did not.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |row: &Row<'_>| match (&row.outcome, self.ci, row.step.when_skipped) {
            (Outcome::Failed(reason), _, _) => Some(format!("{} FAILED: {reason}", row.step.name)),
            (Outcome::Skipped(reason), Ci::Yes, WhenSkipped::FailsCi) => {
                Some(format!("{} must not be skipped with CI=true, but {reason}", row.step.name))
            }
            _ => None,
        };
        self.rows.iter().filter_map(complaint).collect()
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let step = |row: &Row<'_>| {
            let (outcome, reason) = match &row.outcome {
                Outcome::Ran => ("ran", None),
                Outcome::Skipped(reason) => ("skipped", Some(reason)),
                Outcome::Failed(reason) => ("failed", Some(reason)),
            };
            json!({
                "name": row.step.name,
                "outcome": outcome,
                "reason": reason,
                "seconds": row.took.as_secs_f64(),
                "tests": { "passed": row.tests.passed, "failed": row.tests.failed, "ignored": row.tests.ignored },
                "budget_seconds": row.step.budget.as_secs_f64(),
            })
        };
        json!({
            "ci": self.ci == Ci::Yes,
            "ok": self.complaints().is_empty(),
            "steps": self.rows.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::Echo;

    const fn step(name: &'static str, when_skipped: WhenSkipped) -> Step {
        Step {
            name,
            shows: "that it is a step",
            command: &["true"],
            environment: &[],
            budget: Duration::from_secs(10),
            needs: &[],
            echo: Echo::Nothing,
            when_skipped,
        }
    }

    static NEEDED: Step = step("needed", WhenSkipped::FailsCi);
    static EXTRA: Step = step("extra", WhenSkipped::IsFine);

    fn report(ci: Ci, outcomes: impl IntoIterator<Item = (&'static Step, Outcome)>) -> Report<'static> {
        let tests = Tally { passed: 5, failed: 1, ignored: 2 };
        let row = |(step, outcome)| Row { step, outcome, took: Duration::from_millis(12_340), tests };
        Report { rows: outcomes.into_iter().map(row).collect(), ci }
    }

    fn skipped() -> Outcome {
        Outcome::Skipped("python3 is missing".to_owned())
    }

    fn failed() -> Outcome {
        Outcome::Failed("exit status: 101".to_owned())
    }

    #[test]
    fn the_table_aligns_its_columns() {
        let report = report(Ci::No, [(&NEEDED, Outcome::Ran), (&EXTRA, skipped()), (&NEEDED, failed())]);
        let expected = "\
step    outcome                             seconds
needed  ran                                    12.3
extra   skipped because python3 is missing     12.3
needed  FAILED: exit status: 101               12.3
1 ran, 1 skipped, 1 FAILED in 37.0 s
tests: 15 passed, 3 failed, 6 skipped
";
        assert_eq!(report.table(), expected);
    }

    #[test]
    fn a_run_fails_for_failed_steps_and_in_ci_for_skipped_ones_that_are_needed() {
        let table = [
            (Ci::No, &NEEDED, Outcome::Ran, false),
            (Ci::No, &NEEDED, skipped(), false),
            (Ci::No, &NEEDED, failed(), true),
            (Ci::No, &EXTRA, failed(), true),
            (Ci::Yes, &NEEDED, Outcome::Ran, false),
            (Ci::Yes, &NEEDED, skipped(), true),
            (Ci::Yes, &EXTRA, skipped(), false),
            (Ci::Yes, &EXTRA, failed(), true),
        ];
        for (ci, step, outcome, fails) in table {
            let report = report(ci, [(step, outcome.clone())]);
            assert_eq!(!report.complaints().is_empty(), fails, "{ci:?} {} {outcome:?}", step.name);
            assert_eq!(report.json()["ok"], !fails);
        }
    }

    #[test]
    fn a_complaint_names_the_step_and_the_reason() {
        let report = report(Ci::Yes, [(&NEEDED, skipped()), (&EXTRA, failed())]);
        let expected = [
            "needed must not be skipped with CI=true, but python3 is missing",
            "extra FAILED: exit status: 101",
        ];
        assert_eq!(report.complaints(), expected);
    }

    #[test]
    fn json_tells_the_same() {
        let json = report(Ci::Yes, [(&EXTRA, skipped())]).json();
        assert_eq!(json["ci"], true);
        assert_eq!(json["steps"][0]["name"], "extra");
        assert_eq!(json["steps"][0]["outcome"], "skipped");
        assert_eq!(json["steps"][0]["reason"], "python3 is missing");
        assert_eq!(json["steps"][0]["seconds"], 12.34);
        assert_eq!(json["steps"][0]["budget_seconds"], 10.0);
        assert_eq!(json["steps"][0]["tests"]["passed"], 5);
    }

    #[test]
    fn only_ci_equal_to_true_counts() {
        assert_eq!(Ci::from_variable(Some("true")), Ci::Yes);
        assert_eq!(Ci::from_variable(Some("false")), Ci::No);
        assert_eq!(Ci::from_variable(None), Ci::No);
    }
}
