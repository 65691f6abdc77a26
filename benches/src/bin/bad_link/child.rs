//! The other processes: how they are started and asked, and the relay.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use tme::{Jitter, LinkConditions, PathConditions};
use tme_transport::relay::{Relay, RelayConfig};

/// A process of this same program, asked a line at a time. Ends with its standard input.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts one; gives its first line, too.
    pub fn start(arguments: &[String]) -> Result<(Self, String), Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("the process has no output")?;
        let mut process = Self { child, stdin, stdout: BufReader::new(stdout) };
        let hello = process.line()?;
        Ok((process, hello))
    }

    /// Puts a question and waits for the answer.
    pub fn ask(&mut self, question: &str) -> Result<String, Box<dyn Error>> {
        writeln!(self.stdin.as_mut().ok_or("the process has no input")?, "{question}")?;
        self.line()
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err("a process of the measurement ended early".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Lines of standard input as they come; `wake` is called after each.
pub fn questions(wake: impl Fn() + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
            wake();
        }
        drop(sender);
        wake();
    });
    receiver
}

/// Relays until standard input ends; answers every line with the UDP payload bytes that came in from both sides.
pub fn relay(server: SocketAddr, seed: u64, loss: f64, jitter: u64) -> Result<(), Box<dyn Error>> {
    let conditions = LinkConditions {
        loss,
        delay: Duration::from_millis(25),
        jitter: Jitter::Uniform { half_width: Duration::from_millis(jitter) },
        jitter_reorders: true,
        ..LinkConditions::default()
    };
    let mut relay = Relay::bind(RelayConfig {
        listen: "127.0.0.1:0".parse()?,
        server,
        conditions: PathConditions { up: conditions, down: conditions },
        seed,
        rebind_every: None,
    })?;
    println!("{}", relay.local_address());
    let wake = relay.wake_handle();
    let questions = questions(move || wake.wake());
    loop {
        relay.run(Duration::from_secs(1))?;
        match questions.try_recv() {
            Ok(_) => {
                let statistics = relay.statistics();
                println!("{}", statistics.up.bytes + statistics.down.bytes);
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
}
