//! What a long command shows while it runs: a few lines that stay in place on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// With the results.
    Stdout,
    /// Apart from them, when standard output is for a program to read.
    Stderr,
}

impl Output {
    /// Progress belongs on standard output unless that is to hold JSON only.
    #[must_use]
    pub const fn beside_json(is_json: bool) -> Self {
        if is_json { Self::Stderr } else { Self::Stdout }
    }

    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => std::io::stdout().is_terminal(),
            Self::Stderr => std::io::stderr().is_terminal(),
        }
    }

    /// Prints a line. A reader that went away is no reason to stop.
    pub fn line(self, text: &str) {
        let _ = match self {
            Self::Stdout => writeln!(std::io::stdout(), "{text}"),
            Self::Stderr => writeln!(std::io::stderr(), "{text}"),
        };
    }
}

/// How often the lines are drawn anew on a terminal.
pub(crate) const REFRESH: Duration = Duration::from_millis(250);
/// How often a plain line is printed elsewhere.
const PLAIN_INTERVAL: Duration = Duration::from_secs(1);

/// Lines of figures over a progress bar.
pub(crate) struct View {
    output: Output,
    drawn: Option<Drawn>,
    plain_at: Instant,
}

struct Drawn {
    /// Keeps the lines together; dropping it would not clear them.
    _lines_on_screen: MultiProgress,
    lines: Vec<ProgressBar>,
    bar: ProgressBar,
}

impl View {
    /// A view of `lines` lines over a bar of `total` steps, with a unit such as `s`.
    pub fn new(output: Output, lines: usize, total: u64, unit: &str) -> Self {
        Self { output, drawn: draw(output, lines, total, unit), plain_at: Instant::now() + PLAIN_INTERVAL }
    }

    /// Shows new figures: `lines` on a terminal; elsewhere `plain`, at most once a second.
    pub fn show(&mut self, position: u64, lines: &[String], plain: impl FnOnce() -> String) {
        match &self.drawn {
            Some(drawn) => {
                for (line, text) in drawn.lines.iter().zip(lines) {
                    line.set_message(text.clone());
                }
                drawn.bar.set_position(position);
            }
            None if Instant::now() >= self.plain_at => {
                self.plain_at += PLAIN_INTERVAL;
                self.output.line(&plain());
            }
            None => {}
        }
    }

    /// Takes the lines off the screen, so that a summary can take their place.
    pub fn clear(self) {
        if let Some(drawn) = self.drawn {
            drawn.lines.iter().chain([&drawn.bar]).for_each(ProgressBar::finish_and_clear);
        }
    }
}

fn draw(output: Output, lines: usize, total: u64, unit: &str) -> Option<Drawn> {
    if !output.is_terminal() {
        return None;
    }
    let target = match output {
        Output::Stdout => ProgressDrawTarget::stdout(),
        Output::Stderr => ProgressDrawTarget::stderr(),
    };
    let screen = MultiProgress::with_draw_target(target);
    let text = ProgressStyle::with_template(" {msg}").ok()?;
    let lines = (0..lines).map(|_| screen.add(ProgressBar::new(1).with_style(text.clone()))).collect();
    let template = format!("[{{bar:40.cyan}}] {{pos}} / {{len}} {unit}");
    let style = ProgressStyle::with_template(&template).ok()?.progress_chars("=> ");
    let bar = screen.add(ProgressBar::new(total).with_style(style));
    Some(Drawn { _lines_on_screen: screen, lines, bar })
}
