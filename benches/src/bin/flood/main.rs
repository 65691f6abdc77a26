//! What the C interface costs: floods of 64-byte messages, by a Rust program and by the same program in C.
//!
//! Server and client are processes of their own over loopback, encrypted. The two languages take turns, so that what
//! the machine does meanwhile meets both; medians and their ratio are printed.
#![forbid(unsafe_code)]

mod pair;
mod programs;

use std::path::PathBuf;
use std::process::Command;

use clap::{Parser, Subcommand};
use pair::{Outcome, Pair};

/// Channels of the default table.
const CHANNELS: [(&str, u8); 2] = [("unreliable", 1), ("reliable ordered", 0)];

/// Floods of 64-byte messages in Rust and in C, side by side.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// Runs of each kind.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// How long each floods.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

#[derive(Subcommand)]
enum Role {
    /// The server of one run.
    Serve,
    /// The client of one run.
    Send { port: u16, key: String, seconds: f64, channel: u8 },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    match options.role {
        Some(Role::Serve) => programs::serve(),
        Some(Role::Send { port, key, seconds, channel }) => programs::send(port, &key, seconds, channel),
        None => compare(&options),
    }
}

fn compare(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let rust = Pair { name: "Rust", program: std::env::current_exe()?, library: None };
    let c = build_c()?;
    println!(
        "64-byte messages, {} runs of {} s each, server and client as processes",
        options.runs, options.seconds
    );
    for (name, channel) in CHANNELS {
        let mut outcomes: [Vec<Outcome>; 2] = [Vec::new(), Vec::new()];
        for run in 0..options.runs {
            for index in [run % 2, 1 - run % 2] {
                outcomes[index].push([&rust, &c][index].run(options.seconds, channel)?);
            }
        }
        let medians = [(&rust, &outcomes[0]), (&c, &outcomes[1])].map(|(pair, outcomes)| {
            let mut rates: Vec<f64> = outcomes.iter().map(|outcome| outcome.rate / 1e6).collect();
            rates.sort_by(f64::total_cmp);
            let [low, median, high] = [0, rates.len() / 2, rates.len() - 1].map(|index| rates[index]);
            let lost =
                outcomes.iter().map(|outcome| outcome.sent.saturating_sub(outcome.delivered)).sum::<u64>();
            println!(
                "{name:17} {:5} {median:6.2} M/s delivered ({low:.2}–{high:.2}), {lost} lost",
                pair.name
            );
            median
        });
        println!("{name:17} C / Rust {:.3}", medians[1] / medians[0]);
    }
    Ok(())
}

/// Builds libtme and the C program beside this one.
fn build_c() -> Result<Pair, Box<dyn std::error::Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let rust = std::env::current_exe()?;
    let library = rust.parent().ok_or("this program has no directory")?.to_owned();
    let target = library.parent().ok_or("the build directory has no parent")?.to_owned();
    let built = Command::new("cargo")
        .args(["build", "--release", "--package", "tme-ffi", "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        .status()?;
    let library = target.join("release");
    let program = library.join("flood-c");
    let soname = library.join("libtme.so.0");
    if !soname.exists() {
        std::os::unix::fs::symlink("libtme.so", &soname)?;
    }
    let compiled = Command::new("cc")
        .args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"])
        .arg("-I")
        .arg(root.join("include"))
        .arg(root.join("benches/c/flood.c"))
        .arg("-L")
        .arg(&library)
        .args(["-ltme", "-o"])
        .arg(&program)
        .status()?;
    if !built.success() || !compiled.success() {
        return Err("the C program could not be built".into());
    }
    Ok(Pair { name: "C", program, library: Some(library) })
}
