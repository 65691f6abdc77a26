//! Runs one command within a time budget, handing over its output line by line.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::group::Group;

/// Longest wait between two looks at the child.
const TICK: Duration = Duration::from_millis(100);
/// How long output may still come after the child ended: descendants of its may hold the pipes for ever.
const DRAIN: Duration = Duration::from_secs(2);
/// Lines in flight; a reader that is ahead of us by more waits.
const LINES_MAX: usize = 1_024;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed when its time was up.
    OverBudget,
}

/// What happens while a command runs.
#[derive(Debug)]
pub enum Happening<'a> {
    /// It wrote a line, without its end, to standard output or standard error.
    Line(&'a str),
    /// A tick passed in silence.
    Silence,
}

/// Runs `command` for at most `budget`. When this returns, nothing the command started is left running.
pub fn run(
    command: &mut Command,
    budget: Duration,
    mut observe: impl FnMut(Happening<'_>),
) -> io::Result<End> {
    let started = Instant::now();
    let mut group = Group::spawn(command)?;
    let lines = read_lines(&mut group);
    let mut exit = None;
    loop {
        let Some(left) = budget.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) else {
            group.kill();
            return Ok(exit.map_or(End::OverBudget, |(status, _)| End::Exited(status)));
        };
        let output_ended = match lines.recv_timeout(left.min(TICK)) {
            Ok(line) => {
                observe(Happening::Line(&line));
                continue;
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        observe(Happening::Silence);
        if exit.is_none() {
            exit = group.try_wait()?.map(|status| (status, Instant::now()));
        }
        match exit {
            Some((status, at)) if output_ended || at.elapsed() >= DRAIN => {
                group.kill();
                return Ok(End::Exited(status));
            }
            // The output ended before the child did, so there is no line to wait for.
            None if output_ended => thread::sleep(left.min(TICK)),
            _ => {}
        }
    }
}

/// Lines of both pipes as they come.
fn read_lines(group: &mut Group) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES_MAX);
    let child = group.child();
    if let Some(pipe) = child.stdout.take() {
        forward(pipe, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        forward(pipe, sender);
    }
    receiver
}

/// Ends when the pipe does, or when nobody listens any more.
fn forward(pipe: impl Read + Send + 'static, lines: SyncSender<String>) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while pipe.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let line = String::from_utf8_lossy(&bytes);
            if lines.send(line.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

// The children of these tests are shell scripts.
#[cfg(all(test, unix))]
mod tests {
    use std::process::Stdio;

    use super::*;

    const PLENTY: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn run_shell(script: &str, budget: Duration) -> (End, Vec<String>) {
        let mut lines = Vec::new();
        let end = run(&mut shell(script), budget, |happening| {
            if let Happening::Line(line) = happening {
                lines.push(line.to_owned());
            }
        });
        (end.unwrap(), lines)
    }

    /// Waits until no process of this id is left, but for an entry that a lazy init has not collected.
    fn is_gone_soon(process: &str) -> bool {
        let script = format!("kill -0 {process} && ! grep -q '^State:.*Z' /proc/{process}/status");
        let alive = || shell(&script).stderr(Stdio::null()).status().unwrap().success();
        (0..200).any(|_| {
            thread::sleep(Duration::from_millis(10));
            !alive()
        })
    }

    #[test]
    fn output_and_exit_code_come_back() {
        let (end, mut lines) = run_shell("echo one; echo two >&2; printf three; exit 7", PLENTY);
        lines.sort();
        assert_eq!(lines, ["one", "three", "two"]);
        assert!(matches!(end, End::Exited(status) if status.code() == Some(7)));
    }

    #[test]
    fn what_exceeds_its_budget_is_killed_with_its_descendants() {
        let started = Instant::now();
        let (end, lines) = run_shell("sleep 1000 & echo $!; sleep 1000", Duration::from_millis(300));
        assert_eq!(end, End::OverBudget);
        assert!(started.elapsed() < PLENTY);
        assert!(is_gone_soon(&lines[0]), "the grandchild {} survived", lines[0]);
    }

    #[test]
    fn a_descendant_that_holds_the_pipes_neither_delays_the_end_nor_survives_it() {
        let started = Instant::now();
        let (end, lines) = run_shell("sleep 1000 & echo $!", PLENTY);
        assert!(matches!(end, End::Exited(status) if status.success()));
        assert!(started.elapsed() < PLENTY);
        assert!(is_gone_soon(&lines[0]), "the grandchild {} survived", lines[0]);
    }

    #[test]
    fn a_child_that_closed_its_output_still_has_a_budget() {
        let (end, _) = run_shell("exec >&- 2>&-; sleep 1000", Duration::from_millis(300));
        assert_eq!(end, End::OverBudget);
    }

    #[test]
    fn a_child_that_never_stops_writing_still_has_a_budget() {
        let (end, _) = run_shell("while :; do echo again; done", Duration::from_millis(300));
        assert_eq!(end, End::OverBudget);
    }

    #[test]
    fn the_child_dies_with_us() {
        // Dropping is what happens to the guard's pipe when this process is killed.
        let mut group = Group::spawn(&mut shell("echo $$; sleep 1000")).unwrap();
        let process = read_lines(&mut group).recv().unwrap();
        drop(group);
        assert!(is_gone_soon(&process), "{process} survived");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(run(&mut Command::new("no-such-program-of-tme"), PLENTY, |_| {}).is_err());
    }
}
