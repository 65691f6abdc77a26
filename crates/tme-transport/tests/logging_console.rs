//! The console sink, in a process of its own whose standard error we read.

use std::process::Command;

use tme_transport::logging::{self, LevelFilter};

/// Set for the process that does the logging.
const CHILD: &str = "TME_LOGGING_CONSOLE_CHILD";

#[test]
fn a_program_logs_to_the_console() {
    if std::env::var_os(CHILD).is_some() {
        log_as_a_program_would();
        return;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", "a_program_logs_to_the_console", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    // The first 24 characters are the time, for which see the file sink's test.
    let lines: Vec<_> = text.lines().map(|line| line.get(24..).unwrap_or(line)).collect();
    assert_eq!(
        lines,
        [" WARN  logging_console: a pipe gets no colours \\u{1b}[31m", " DEBUG game: wanted now"]
    );
}

fn log_as_a_program_would() {
    let installed = logging::install_console(LevelFilter::Info).unwrap();
    assert!(installed.console && !installed.file);
    assert_eq!(logging::install_console(LevelFilter::Info).unwrap_err().kind(), 1);
    log::warn!("a pipe gets no colours \u{1b}[31m");
    log::debug!(target: "game", "not wanted");
    logging::set_console_level(LevelFilter::Debug);
    log::debug!(target: "game", "wanted now");
    assert_eq!(logging::lost_lines(), 0);
}
