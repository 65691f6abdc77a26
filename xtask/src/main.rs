//! The project's chores: `cargo xtask test`, and the checks it is made of that no other tool does.
#![forbid(unsafe_code)]

mod arguments;
mod cmake;
mod command;
mod deny;
mod group;
mod header;
mod headers;
mod library;
mod licence;
mod loom;
mod metadata;
mod misuse;
mod msrv;
mod native;
mod policy;
mod process;
mod progress;
mod report;
mod run;
mod static_libs;
mod steps;
mod symbols;
mod tally;
mod tools;
mod vectors;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use arguments::Chore;

/// Exit code of a check that found something.
const FAILED: u8 = 1;
/// Exit code of a command line that makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let chore = match arguments::parse(std::env::args().skip(1)) {
        Ok(chore) => chore,
        Err(error) => {
            eprintln!("{error}\n\n{}", arguments::USAGE);
            return ExitCode::from(USAGE);
        }
    };
    match carry_out(chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(FAILED)
        }
    }
}

fn carry_out(chore: Chore) -> Result<(), String> {
    let root = repository_root()?;
    match chore {
        Chore::Help => {
            println!("{}", arguments::USAGE);
            Ok(())
        }
        Chore::List => {
            print!("{}", steps::listing());
            Ok(())
        }
        Chore::Test(options) => run::test(&root, &options),
        Chore::Header(mode) => header::run(&root, mode),
        Chore::Headers => headers::check(&root),
        Chore::Symbols => symbols::check(&root),
        Chore::StaticLibs(mode) => static_libs::run(&root, mode),
        Chore::Cmake => cmake::check(&root),
        Chore::Native => native::check(&root),
        Chore::Policy => policy::check(&root),
        Chore::Msrv => msrv::check(&root),
        Chore::Loom => loom::check(&root),
        Chore::Misuse(options) => misuse::run(&root, &options),
        Chore::Vectors => vectors::check(&root),
        Chore::Web => web::check(&root),
    }
}

/// The nearest directory upward that holds this crate: a chore may be called from anywhere in the tree.
fn repository_root() -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    here.ancestors()
        .find(|directory| directory.join("xtask/Cargo.toml").is_file())
        .map(PathBuf::from)
        .ok_or_else(|| format!("{} is not inside the repository", here.display()))
}
