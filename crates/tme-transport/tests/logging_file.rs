//! The file sink as a program uses it. One test, for a process has one logger.

use std::fs;

use tme_transport::logging::{self, FILE_BYTES_MIN, FileSink, LevelFilter, LogBuilder};

#[test]
fn a_program_logs_to_a_file_that_rotates() {
    let folder = std::env::temp_dir().join(format!("tme-logging-file-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let path = folder.join("game.log");
    let sink =
        FileSink { path: path.clone(), level: LevelFilter::Info, max_bytes: FILE_BYTES_MIN, keep_files: 2 };

    // A file that cannot be opened, or limits that make no sense: errors, after which one can try again.
    let error = logging::install_file(sink.clone()).unwrap_err();
    assert_eq!(error.kind(), 2);
    assert!(error.to_string().contains("game.log"), "{error}");
    let error = logging::install_file(FileSink { max_bytes: 10, ..sink.clone() }).unwrap_err();
    assert_eq!(error.to_string(), "log files of 10 bytes are too small; the least is 8192");
    let error = logging::install_file(FileSink { keep_files: 100, ..sink.clone() }).unwrap_err();
    assert_eq!(error.to_string(), "100 old log files are too many; the most is 99");

    fs::create_dir_all(&folder).unwrap();
    let installed = logging::install_file(sink.clone()).unwrap();
    assert!(installed.file && !installed.console);

    // A second logger is refused, and its file not touched.
    let other = FileSink { path: folder.join("other.log"), ..sink };
    let error = LogBuilder::new().console(LevelFilter::Trace).file(other).install().unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (1, "this process has a logger already"));
    assert!(!folder.join("other.log").exists());

    // Lines are there as soon as they are logged, with time, level and target.
    log::info!(target: "game::login", "player {:?} came", "Zoë");
    log::debug!("not wanted");
    let text = fs::read_to_string(&path).unwrap();
    let (time, rest) = text.split_at(24);
    assert_eq!(rest, " INFO  game::login: player \"Zoë\" came\n");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z");

    // The level changes at run time.
    logging::set_file_level(LevelFilter::Trace);
    assert_eq!(log::max_level(), LevelFilter::Trace);
    log::trace!("wanted now");
    logging::set_file_level(LevelFilter::Off);
    log::error!("not wanted any more");
    logging::set_console_level(LevelFilter::Info);
    assert_eq!(log::max_level(), LevelFilter::Off, "there is no console sink to take lines");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.ends_with(" TRACE logging_file: wanted now\n"), "{text}");

    // Full files are kept, but not more than asked for, and no line is cut in two.
    logging::set_file_level(LevelFilter::Info);
    for number in 0..1_000 {
        log::info!("line {number:04} {}", "x".repeat(50));
    }
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["game.log", "game.log.1", "game.log.2"]);
    let mut numbers = Vec::new();
    for name in names.iter().rev() {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.len() as u64 <= FILE_BYTES_MIN, "{name} has {} bytes", text.len());
        let lines = text.lines().map(|line| line.split("line ").nth(1).unwrap()[..4].parse::<u32>().unwrap());
        numbers.extend(lines);
    }
    let first = numbers[0];
    assert!(numbers.into_iter().eq(first..1_000), "the newest lines, each once and in order");
    assert_eq!(logging::lost_lines(), 0);
    fs::remove_dir_all(&folder).unwrap();
}
