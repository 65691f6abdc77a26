//! The host's own function as a log sink. One test, for a process has one logger.

use std::fs;
use std::sync::{Arc, Mutex};

use tme_transport::logging::{
    self, FILE_BYTES_MIN, FileSink, LINE_BYTES_MAX, Level, LevelFilter, LogBuilder,
};

#[test]
fn a_host_takes_lines_by_a_function_that_may_log_and_panic() {
    let path = std::env::temp_dir().join(format!("tme-logging-host-{}.log", std::process::id()));
    let _ = fs::remove_file(&path);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let taken = || std::mem::take(&mut *lines.lock().unwrap());
    let kept = Arc::clone(&lines);
    let installed = LogBuilder::new()
        .host(LevelFilter::Info, move |line| {
            log::warn!("said by the host");
            if line.text == "panic" {
                // Without the hook, which would write a stack trace into the test's output.
                std::panic::resume_unwind(Box::new("the host has a bug"));
            }
            kept.lock().unwrap().push((line.level, line.target.to_owned(), line.text.to_owned()));
        })
        .file(FileSink {
            path: path.clone(),
            level: LevelFilter::Warn,
            max_bytes: FILE_BYTES_MIN,
            keep_files: 0,
        })
        .install()
        .unwrap();
    assert!(installed.host && installed.file && !installed.console);

    // Level, target and text come apart, escaped; what the function logs goes to the other sinks only.
    log::info!(target: "game::\u{0}login", "player {:?} came\r\0\nforged", "Zoë");
    let text = "player \"Zoë\" came\\r\\u{0}\n    forged".to_owned();
    assert_eq!(taken(), [(Level::Info, "game::\\u{0}login".to_owned(), text)]);
    let file = fs::read_to_string(&path).unwrap();
    assert!(file.ends_with(" WARN  logging_host: said by the host\n"), "{file}");
    assert_eq!(file.lines().count(), 1);

    // A panic stays in the function, and does not spoil the next line.
    log::error!("panic");
    log::error!("after the panic");
    assert_eq!(taken(), [(Level::Error, "logging_host".to_owned(), "after the panic".to_owned())]);

    log::info!("{}", "x".repeat(100_000));
    let [(_, _, long)] = &taken()[..] else { panic!("one line") };
    assert!(long.len() <= LINE_BYTES_MAX && long.ends_with(" …"));

    // The level changes at run time.
    logging::set_host_level(LevelFilter::Trace);
    assert_eq!(log::max_level(), LevelFilter::Trace);
    log::trace!("wanted now");
    logging::set_host_level(LevelFilter::Off);
    assert_eq!(log::max_level(), LevelFilter::Warn, "the file's");
    log::error!("not wanted any more");
    assert_eq!(taken(), [(Level::Trace, "logging_host".to_owned(), "wanted now".to_owned())]);
    fs::remove_file(&path).unwrap();
}
