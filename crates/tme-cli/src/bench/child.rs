//! The other process of a benchmark: a server that counts, answers and echoes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tme::{Event, PublicKey, Server};

use super::workload::{APPLICATION, BEGIN, CONTROL, ECHO, REPORT, channels};
use crate::arguments::BenchServerOptions;
use crate::input::{Input, read_lines};
use crate::process::{CpuOf, cpu_time};
use crate::{ExitReason, Failure, Output};

const WAIT_MAX: Duration = Duration::from_millis(100);
/// How long the other process may take to end by itself.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Runs the server process until standard input ends, which it does when the benchmark ends, however it ends.
///
/// # Errors
/// [`Failure`] if the server cannot start or its network fails.
pub fn run(options: &BenchServerOptions) -> Result<(), Failure> {
    let builder = Server::builder()
        .application(APPLICATION)
        .channels(channels(None))
        .listen("127.0.0.1:0")
        .max_peers(8);
    let mut server = if options.threads { builder.start_threaded() } else { builder.start() }?;
    let hello = json!({ "address": server.local_addr(), "key": server.public_key().to_string() });
    Output::Stdout.line(&hello.to_string());
    let handle = server.handle();
    let input = read_lines(move || handle.wake());
    let mut counter = Counter::default();
    loop {
        server.update(WAIT_MAX)?;
        for event in server.events() {
            counter.handle(&server, event);
        }
        if matches!(input.try_recv(), Ok(Input::End) | Err(TryRecvError::Disconnected)) {
            return Ok(());
        }
    }
}

/// What has arrived since the workload began.
#[derive(Debug, Default)]
struct Counter {
    messages: u64,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    cpu_before: Option<Duration>,
}

impl Counter {
    fn handle(&mut self, server: &Server, event: Event) {
        let Event::Message { peer, channel, payload, .. } = event else { return };
        if channel != CONTROL {
            self.messages += 1;
            let now = Instant::now();
            self.first_at.get_or_insert(now);
            self.last_at = Some(now);
        }
        let answer = match (channel, &*payload) {
            (ECHO, _) => server.send(peer, ECHO, payload),
            (CONTROL, question) if question == BEGIN.as_bytes() => {
                *self = Self { cpu_before: cpu_time(CpuOf::Process), ..Self::default() };
                server.send(peer, CONTROL, BEGIN)
            }
            (CONTROL, question) if question == REPORT.as_bytes() => {
                server.send(peer, CONTROL, self.report().to_string())
            }
            _ => Ok(()),
        };
        if let Err(error) = answer {
            log::warn!("{peer}: {error}");
        }
    }

    fn report(&self) -> Value {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let span = match (self.first_at, self.last_at) {
            (Some(first), Some(last)) => last.saturating_duration_since(first),
            _ => Duration::ZERO,
        };
        let cpu = match (self.cpu_before, cpu_time(CpuOf::Process)) {
            (Some(before), Some(now)) => Some(micros(now.saturating_sub(before))),
            _ => None,
        };
        json!({ "messages": self.messages, "span_us": micros(span), "cpu_us": cpu })
    }
}

/// The server process, as the benchmark holds it. Dropping it ends it.
pub(super) struct ServerProcess {
    child: Child,
    pub address: SocketAddr,
    pub key: PublicKey,
}

impl ServerProcess {
    /// Starts this same program as the server.
    pub fn start(is_threaded: bool) -> Result<Self, Failure> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(ExitReason::Other, format_args!("the benchmark's server process {what}: {error}"))
        };
        let program = std::env::current_exe().map_err(|error| failed("cannot be found", &error))?;
        let mut command = Command::new(program);
        command.arg("bench-server").args(is_threaded.then_some("--threads"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed("cannot be started", &error))?;
        let mut line = String::new();
        let read = match child.stdout.take() {
            Some(stdout) => BufReader::new(stdout).read_line(&mut line),
            None => Ok(0),
        };
        let hello = serde_json::from_str::<Value>(&line).unwrap_or_default();
        let text = |name: &str| hello.get(name).and_then(Value::as_str).unwrap_or_default();
        match (text("address").parse(), text("key").parse()) {
            (Ok(address), Ok(key)) if read.is_ok() => Ok(Self { child, address, key }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failed("did not say where it listens", &format_args!("{line:?}")))
            }
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + END_PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
