//! The examples run as their first lines say.
#![allow(missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// A server example on a free port; ended when dropped.
struct Server {
    child: Child,
    /// Address and key, as it printed them.
    address: String,
    key: String,
    /// What came after these.
    last: String,
}

impl Server {
    fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .args(["server", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().skip(2).map(str::to_owned);
        let (address, key) = (words.next().unwrap(), words.next().unwrap());
        Self { child, address, key, last: words.next().unwrap() }
    }

    fn client(&self, program: &str, last: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["client", &self.address, &self.key, last]);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn echo_comes_back() {
    let program = env!("CARGO_BIN_EXE_echo");
    let server = Server::start(program);
    let output = server.client(program, "hello").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
    assert!(output.status.success());
}

#[test]
fn chat_lines_reach_everybody() {
    let program = env!("CARGO_BIN_EXE_chat");
    let server = Server::start(program);
    let start = |name: &str| {
        let mut command = server.client(program, name);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut ada = start("ada");
    let mut heard = BufReader::new(ada.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(heard.next().unwrap(), "* ada is here");
    let mut bob = start("bob");
    assert_eq!(heard.next().unwrap(), "* bob is here");
    writeln!(bob.stdin.take().unwrap(), "good\x1b[2J evening").unwrap();
    assert_eq!(heard.next().unwrap(), "bob: good[2J evening");
    assert!(heard.next().unwrap().starts_with("* bob has left"));
    assert!(bob.wait().unwrap().success());
    drop(ada.stdin.take());
    assert!(ada.wait().unwrap().success());
}

#[test]
fn a_token_of_the_backend_admits_once() {
    let program = env!("CARGO_BIN_EXE_tokens");
    // It prints `tokens backend KEY ada ADDRESS`.
    let server = Server::start(program);
    let run = |arguments: &[&str]| Command::new(program).args(arguments).output().unwrap();
    let output = run(&["backend", &server.address, "ada", &server.last]);
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let output = run(&["client", &token]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("connected as number 2"), "{output:?}");
    let output = run(&["client", &token]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("used"), "{output:?}");
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
    let output = Command::new(env!("CARGO_BIN_EXE_echo")).arg("nonsense").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: echo server"));
}

#[test]
fn every_shot_has_a_receipt() {
    let output = Command::new(env!("CARGO_BIN_EXE_receipts")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("shot ")).count(), 20, "{text}");
}

#[test]
fn inputs_arrive_for_their_ticks() {
    let output = Command::new(env!("CARGO_BIN_EXE_clock")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = text.lines().collect();
    let [synchronised, shown, counts] = lines[..] else { panic!("{text}") };
    assert_eq!(synchronised, "the clock is synchronised");
    assert!(shown.contains(" s at the server, off by at most "), "{shown}");
    let counts: Vec<u64> = counts.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [inputs, in_time, late] = counts[..] else { panic!("{text}") };
    // How many are late is a matter of the machine's load; that they come is not.
    assert!(inputs == 120 && (1..=inputs).contains(&(in_time + late)), "{text}");
}

#[test]
fn clients_say_by_which_link_they_came() {
    let output = Command::new(env!("CARGO_BIN_EXE_links")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "UDP and TCP at one port: true",
            "Any: connected over UDP; the server says: you came over UDP",
            "Tcp: connected over TCP; the server says: you came over TCP",
            "streams accepted: 1",
        ]
    );
}

#[test]
fn a_server_is_found_on_its_own_machine_and_joined() {
    let output = Command::new(env!("CARGO_BIN_EXE_lan")).arg("alone").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = text.lines().collect();
    let [found, said] = lines[..] else { panic!("{text}") };
    assert!(found.starts_with("My own room at 127.0.0.1:") && found.ends_with(": 0 of 64 players"), "{text}");
    assert_eq!(said, "the server says: welcome");
}

#[test]
fn typed_messages_go_there_and_back() {
    let output = Command::new(env!("CARGO_BIN_EXE_typed")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("\n1 Fire {weapon:int(0..3),direction:["), "{text}");
    assert!(text.contains("Hit { points: 300, target: Player(\"Ann\") }"), "{text}");
}
