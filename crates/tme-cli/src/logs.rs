//! Where log lines of a command go.

use std::path::PathBuf;

use clap::Args;
use tme::logging::{FileSink, LevelFilter, LogBuilder};

use crate::{ExitReason, Failure};

/// Size at which a log file is set aside for a new one.
const FILE_BYTES_MAX: u64 = 10 << 20;
/// How many of those are kept.
const FILES_KEPT: u16 = 3;

/// Options of commands that log.
#[derive(Args, Clone, Debug)]
pub struct LogOptions {
    /// How much to log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log: LevelFilter,
    /// Log to this file instead of standard error; at 10 MiB a new one is begun, three old ones are kept
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// Installs the sinks.
pub(crate) fn install(options: &LogOptions) -> Result<(), Failure> {
    let level = options.log;
    let builder = match &options.log_file {
        Some(path) => LogBuilder::new().file(FileSink {
            path: path.clone(),
            level,
            max_bytes: FILE_BYTES_MAX,
            keep_files: FILES_KEPT,
        }),
        None => LogBuilder::new().console(level),
    };
    match builder.install() {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(ExitReason::File, error)),
    }
}
