//! Prints what a running step does: chosen lines of its output, and a sign of life in between.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::arguments::Output;
use crate::process::Happening;
use crate::steps::Echo;

/// Time between signs of life where lines add up in a log.
const PERIOD_LOG: Duration = Duration::from_secs(30);
/// The same where the line is overwritten in place.
const PERIOD_TERMINAL: Duration = Duration::from_millis(200);
/// A sign of life has one line on a terminal of 80 columns.
const SIGN_CHARS_MAX: usize = 60;

/// Watches one step.
pub struct Progress {
    started: Instant,
    last_sign: Instant,
    last_line: String,
    echo: Echo,
    is_terminal: bool,
}

impl Progress {
    /// For a step that starts now.
    pub fn new(echo: Echo, output: Output) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last_sign: now,
            last_line: String::new(),
            echo: if output == Output::Everything { Echo::Everything } else { echo },
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Prints what `happening` is worth.
    pub fn observe(&mut self, happening: &Happening<'_>) {
        if let Happening::Line(line) = happening {
            if is_worth_printing(line, self.echo) {
                self.clear_sign();
                println!("{line}");
            }
            line.trim().clone_into(&mut self.last_line);
        }
        let period = if self.is_terminal { PERIOD_TERMINAL } else { PERIOD_LOG };
        if self.last_sign.elapsed() >= period {
            self.last_sign = Instant::now();
            self.print_sign();
        }
    }

    /// Leaves the terminal on a clean line.
    pub fn finish(&self) {
        self.clear_sign();
    }

    fn print_sign(&self) {
        let seconds = self.started.elapsed().as_secs();
        let doing: String = self.last_line.chars().take(SIGN_CHARS_MAX).collect();
        if self.is_terminal {
            self.clear_sign();
            print!("      {seconds} s: {doing}");
            let _ = io::stdout().flush();
        } else {
            println!("      {seconds} s: {doing}");
        }
    }

    fn clear_sign(&self) {
        if self.is_terminal {
            // Back to the first column, and erase the line.
            print!("\r\x1b[2K");
            let _ = io::stdout().flush();
        }
    }
}

fn is_worth_printing(line: &str, echo: Echo) -> bool {
    match echo {
        Echo::Everything => true,
        Echo::Nothing => false,
        Echo::TestResults => {
            let titles = ["     Running ", "   Doc-tests "];
            line.starts_with("test result: ") || titles.iter().any(|title| line.starts_with(title))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_test_run_the_closing_lines_and_their_titles_are_printed() {
        let table = [
            ("test result: ok. 3 passed; 0 failed; 0 ignored", true),
            ("test result: FAILED. 2 passed; 1 failed; 0 ignored", true),
            ("     Running unittests src/lib.rs (target/debug/deps/tme-0)", true),
            ("   Doc-tests tme", true),
            ("test something ... ok", false),
            ("   Compiling tme v0.1.0", false),
        ];
        for (line, expected) in table {
            assert_eq!(is_worth_printing(line, Echo::TestResults), expected, "{line}");
            assert!(is_worth_printing(line, Echo::Everything));
            assert!(!is_worth_printing(line, Echo::Nothing));
        }
    }
}
