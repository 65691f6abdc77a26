//! Runs the built program, with bounded waits; children end with the test, by their own handle.
#![allow(dead_code, missing_docs, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a finished program left.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Finished {
    /// The exit code and the line of the error.
    pub fn failure(&self) -> (i32, &str) {
        (self.code, self.err.lines().find(|line| line.starts_with("error: ")).unwrap_or(""))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A program that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
    seen: Vec<String>,
}

pub fn start(arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tme"));
    command.args(arguments).env("USER", "tester").env_remove("NO_COLOR");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let errors = lines_of(child.stderr.take().unwrap());
    Running { stdin: child.stdin.take(), child, lines, errors, seen: Vec::new() }
}

/// Runs to the end with this as standard input.
pub fn run_with(arguments: &[&str], input: &str) -> Finished {
    let mut running = start(arguments);
    running.say(input);
    running.finish()
}

pub fn run(arguments: &[&str]) -> Finished {
    run_with(arguments, "")
}

fn lines_of(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Running {
    /// Types something; a program that has ended does not hear it.
    pub fn say(&mut self, text: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(text.as_bytes());
            let _ = stdin.flush();
        }
    }

    /// Waits for a line of standard output that contains this.
    pub fn expect(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let errors: Vec<_> = self.errors.try_iter().collect();
                panic!("no line with {part:?} came: {:?}, {errors:?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for a line of standard error that contains this.
    pub fn expect_error(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.errors.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(_) => panic!("no line with {part:?} came on standard error"),
            }
        }
    }

    /// What Ctrl-C does.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    /// Sends a signal to this program alone.
    #[cfg(unix)]
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Closes standard input and waits for the end.
    pub fn finish(mut self) -> Finished {
        drop(self.stdin.take());
        self.wait()
    }

    /// Waits for the end, which must come by itself.
    pub fn wait(mut self) -> Finished {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "did not end: {:?}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        };
        let collect = |seen: Vec<String>, lines: &Receiver<String>| {
            let all: Vec<_> = seen.into_iter().chain(lines.iter()).collect();
            all.join("\n")
        };
        let out = collect(std::mem::take(&mut self.seen), &self.lines);
        let err = collect(Vec::new(), &self.errors);
        Finished { code: status.code().unwrap_or(-1), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of this test's own, removed with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tme-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A chat server on a free port, with its address and key.
pub fn serve(more: &[&str]) -> (Running, String, String) {
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
    arguments.extend(more);
    let mut server = start(&arguments);
    let address = server.expect("listening on ").replace("listening on ", "");
    let key = server.expect("public key ").split_whitespace().nth(2).unwrap().to_owned();
    server.expect("/help");
    (server, address, key)
}
