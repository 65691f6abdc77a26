//! The `tme` program: parses the command line and calls [`tme_cli::run`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = tme_cli::Arguments::parse();
    match tme_cli::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tme_cli::Output::Stderr.line(&format!("error: {failure}"));
            ExitCode::from(failure.reason().code())
        }
    }
}
