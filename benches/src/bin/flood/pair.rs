//! One run: a server process and a client process of the same language.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where a language's program is.
pub struct Pair {
    /// The language.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Where its shared library is, if it has one.
    pub library: Option<PathBuf>,
}

/// What a run came to.
pub struct Outcome {
    /// Messages the sender's engine took.
    pub sent: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages per second at the receiver.
    pub rate: f64,
}

impl Pair {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(library) = &self.library {
            command.env("LD_LIBRARY_PATH", library);
        }
        command
    }

    /// Floods for `seconds` and waits for both processes.
    pub fn run(&self, seconds: f64, channel: u8) -> Result<Outcome, Box<dyn std::error::Error>> {
        let mut server = self.command().arg("serve").stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(server.stdout.take().ok_or("the server has no output")?);
        let mut hello = String::new();
        lines.read_line(&mut hello)?;
        let (port, key) = hello.trim().split_once(' ').ok_or("the server did not say where it is")?;
        let client =
            self.command().args(["send", port, key, &seconds.to_string(), &channel.to_string()]).output()?;
        let sent = std::str::from_utf8(&client.stdout)?.trim().parse()?;
        let mut report = String::new();
        lines.read_to_string(&mut report)?;
        server.wait()?;
        let (delivered, span_us) = report.trim().split_once(' ').ok_or("the server did not report")?;
        let (delivered, span_us) = (delivered.parse::<u64>()?, span_us.parse::<u64>()?.max(1));
        Ok(Outcome { sent, delivered, rate: delivered as f64 * 1e6 / span_us as f64 })
    }
}
