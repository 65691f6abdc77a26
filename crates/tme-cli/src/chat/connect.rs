//! `tme connect`: a chat client, for people and for pipes.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use tme::{
    Client, Connected, Direction, Disconnected, Event, LinkKind, Origin, Preset, PublicKey, Reason,
    SendError, SendOptions, TlsTrust,
};

use super::{APPLICATION, CHAT, NAME_BYTES_MAX, channel, cut, describe, printable};
use crate::arguments::ConnectOptions;
use crate::failure::reason_of_end;
use crate::input::{Input, read_lines};
use crate::{ExitReason, Failure, Output, format, interrupt, logs, network, token};

/// Longest wait, so that Ctrl-C is seen.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// How long messages may take to be acknowledged at the end.
const FLUSH_PATIENCE: Duration = Duration::from_secs(30);
/// The same after Ctrl-C.
const FLUSH_PATIENCE_INTERRUPTED: Duration = Duration::from_secs(1);
/// Lines taken from the input before they are sent.
const LINES_AT_ONCE: usize = 256;
const OUT: Output = Output::Stdout;

const HELP: &str = "/stats   figures of the connection
/clock   the server's clock; asks for it from now on
/rebind  go on from another port, as after a change of the network
/quit    leave
anything else is said to everybody";

/// Connects, and chats until `/quit`, the end of the input, Ctrl-C or the end of the connection.
///
/// # Errors
/// [`Failure`]: no answer, a refusal, a connection that ended, messages not delivered.
pub fn run(options: &ConnectOptions) -> Result<(), Failure> {
    network::check(options.net, options.link.choice())?;
    logs::install(&options.logs)?;
    interrupt::listen();
    let file = options.send.as_deref().map(read_file).transpose()?;
    let mut client = start(options)?;
    let connected = wait_for_connection(&mut client, options)?;
    greet(&connected, client.link(), options);
    set_conditions(&client, options.net)?;
    let handle = client.handle();
    let mut talk = Talk { queue: Queue::default(), began: Instant::now() };
    match file {
        Some(lines) => {
            talk.queue.waiting = lines.into();
            talk.run(&mut client, None)
        }
        None => talk.run(&mut client, Some(read_lines(move || handle.wake()))),
    }
}

fn read_file(path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, error))?;
    Ok(String::from_utf8_lossy(&bytes).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn start(options: &ConnectOptions) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .application(APPLICATION)
        .channel(channel())
        .connect(&options.server)
        .links(options.link.choice())
        .connect_timeout(Duration::from_secs(u64::from(options.timeout)))
        .user_data(cut(&name(options), NAME_BYTES_MAX));
    builder = match &options.tls_authorities {
        Some(path) => builder.tls(TlsTrust::Authorities(path.as_path().into())),
        None if options.tls => builder.tls(TlsTrust::System),
        None => builder,
    };
    if let Some(name) = &options.tls_name {
        builder = builder.tls_name(name);
    }
    if let Some(key) = &options.key {
        let key = key.parse::<PublicKey>().map_err(|error| Failure::new(ExitReason::Usage, error))?;
        builder = builder.server_key(key);
    } else if let Some(path) = &options.known_hosts {
        builder = builder.known_hosts(path);
    }
    if let Some(text) = &options.token {
        builder = builder.token(token::parse(text)?);
    } else if let Some(path) = &options.token_file {
        builder = builder.token(token::read(path)?);
    }
    Ok(builder.start()?)
}

/// The name to appear under: as asked for, else the user's.
fn name(options: &ConnectOptions) -> String {
    let user = || std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    options.name.clone().unwrap_or_else(user)
}

fn wait_for_connection(client: &mut Client, options: &ConnectOptions) -> Result<Box<Connected>, Failure> {
    while !interrupt::is_asked() {
        client.update(WAIT_MAX)?;
        for event in client.events() {
            match event {
                Event::Connected { info, .. } => return Ok(info),
                Event::Disconnected { reason, .. } => return Err(not_connected(&reason, options)),
                _ => {}
            }
        }
    }
    Err(Failure::new(ExitReason::Other, "given up before the server answered"))
}

/// Why there is no connection, in words that help.
fn not_connected(end: &Disconnected, options: &ConnectOptions) -> Failure {
    let detail = printable(&end.detail);
    let server = &options.server;
    match end.reason {
        Reason::ConnectTimedOut if detail.is_empty() || detail.starts_with("no answer within") => {
            Failure::new(
                ExitReason::Unreachable,
                format_args!(
                    "no answer from {server} after {} s (is the server running? is the port open?)",
                    options.timeout
                ),
            )
        }
        // The server, or somebody in its place, did answer, but with another key.
        Reason::UntrustedKey => Failure::new(ExitReason::Refused, format_args!("{server}: {detail}")),
        Reason::ConnectTimedOut => Failure::new(ExitReason::Unreachable, format_args!("{server}: {detail}")),
        Reason::Unresolved => Failure::new(ExitReason::Unreachable, end),
        reason => Failure::new(reason_of_end(reason), format_args!("{server} refused: {end}")),
    }
}

fn greet(connected: &Connected, link: Option<LinkKind>, options: &ConnectOptions) {
    OUT.line(&format!(
        "connected to {} as number {}{}{}",
        connected.remote,
        connected.number,
        match link {
            None | Some(LinkKind::Udp) => String::new(),
            Some(link) => format!(" over {link}"),
        },
        if options.net.is_some() {
            format!(" over {}", network::describe(options.net))
        } else {
            String::new()
        },
    ));
    let Some(key) = connected.key else { return };
    match (&options.key, &options.known_hosts) {
        (Some(_), _) => OUT.line(&format!("server key {key} (as expected)")),
        (None, Some(path)) if connected.is_first_use => {
            OUT.line(&format!("server key {key} (seen for the first time, kept in {})", path.display()));
        }
        (None, Some(path)) => OUT.line(&format!("server key {key} (as in {})", path.display())),
        // The engine has warned in the log; this says what to do about it.
        (None, None) => {
            OUT.line(&format!(
                "server key {key} (not verified; if it is the one the server prints, use --key)"
            ));
        }
    }
}

fn set_conditions(client: &Client, net: Option<Preset>) -> Result<(), Failure> {
    let Some(conditions) = net.map(Preset::conditions) else { return Ok(()) };
    client.set_conditions(Direction::Outgoing, Some(conditions.up))?;
    client.set_conditions(Direction::Incoming, Some(conditions.down))?;
    Ok(())
}

/// Lines on their way to the server.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<String>,
    sent: u64,
    sent_bytes: u64,
    /// Lines that the server has acknowledged.
    delivered: u64,
    /// Lines that can never be sent.
    refused: u64,
    /// Why a line was refused.
    refusal: Option<SendError>,
}

impl Queue {
    /// Sends what the connection takes now.
    fn send(&mut self, client: &Client) -> Result<(), SendError> {
        while let Some(line) = self.waiting.front() {
            let receipt = SendOptions::none().receipt(self.sent + 1);
            match client.send_with(CHAT, line, receipt) {
                Ok(()) => {
                    self.sent += 1;
                    self.sent_bytes += line.len() as u64;
                }
                Err(SendError::WouldBlock { .. }) => return Ok(()),
                Err(error @ SendError::TooLarge { .. }) => {
                    OUT.line(&format!("not sent: {error}"));
                    self.refused += 1;
                    self.refusal = Some(error);
                }
                Err(error) => return Err(error),
            }
            self.waiting.pop_front();
        }
        Ok(())
    }
}

/// What the server's clock says. The first call begins to ask.
fn clock(client: &Client) -> String {
    let Some(time) = client.server_time() else {
        let is_asking = client.synchronise_clock();
        return if is_asking { "asking for the server's clock" } else { "not connected" }.to_owned();
    };
    let [error, likely] = [time.error, time.error_likely].map(format::time);
    let state = if time.is_synchronised { "" } else { ", not synchronised yet" };
    format!(
        "server clock {:.6} s ± {error} (likely ± {likely}), drift {:+.1} ppm, inputs take {}{state}",
        time.micros as f64 / 1e6,
        time.drift_ppm,
        format::time(time.input_delay)
    )
}

/// What the input is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Typing {
    /// Nothing more at the moment.
    Pausing,
    /// More lines are there than were taken.
    Waiting,
    /// Nothing more will come.
    Over,
}

/// A conversation.
struct Talk {
    queue: Queue,
    began: Instant,
}

impl Talk {
    /// Talks until the input ends; without input, until the queue is sent.
    fn run(&mut self, client: &mut Client, input: Option<Receiver<Input>>) -> Result<(), Failure> {
        let is_summary_wanted = input.is_none();
        let mut typing = if input.is_none() { Typing::Over } else { Typing::Pausing };
        while (typing != Typing::Over || !self.queue.waiting.is_empty()) && !interrupt::is_asked() {
            client.update(if typing == Typing::Waiting { Duration::ZERO } else { WAIT_MAX })?;
            if let Some(end) = self.take_events(client) {
                return Err(ended(&end));
            }
            // A pipe is read no faster than the server takes its lines.
            if let (Some(lines), true, true) = (&input, typing != Typing::Over, self.queue.waiting.is_empty())
            {
                typing = self.read(client, lines);
            }
            match self.queue.send(client) {
                // The end of the connection is told by an event, with its reason.
                Ok(()) | Err(SendError::NotConnected) => {}
                Err(error) => return Err(Failure::new(ExitReason::Other, error)),
            }
            if !self.queue.waiting.is_empty() && typing == Typing::Waiting {
                typing = Typing::Pausing;
            }
        }
        self.leave(client)?;
        let Queue { delivered, sent_bytes, refused, refusal, .. } = &self.queue;
        if is_summary_wanted {
            let took = self.began.elapsed();
            let (delivered, bytes) = (format::count(*delivered), format::count(*sent_bytes));
            OUT.line(&format!("delivered {delivered} messages ({bytes} bytes) in {}", format::time(took)));
        }
        match refusal {
            Some(error) if !std::io::stdin().is_terminal() || is_summary_wanted => Err(Failure::new(
                ExitReason::CheckFailed,
                format_args!("{refused} lines were not sent: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// Takes lines typed, at most [`LINES_AT_ONCE`] of them.
    fn read(&mut self, client: &Client, lines: &Receiver<Input>) -> Typing {
        while self.queue.waiting.len() < LINES_AT_ONCE {
            match lines.try_recv() {
                Ok(Input::Line(line)) => match line.trim() {
                    "" => {}
                    "/quit" => return Typing::Over,
                    "/help" => OUT.line(HELP),
                    "/stats" => match (client.link(), client.statistics(), client.send_budget()) {
                        (Some(link), Some(statistics), Some(budget)) => {
                            OUT.line(&describe(link, &statistics, &budget));
                        }
                        _ => OUT.line("not connected"),
                    },
                    "/clock" => OUT.line(&clock(client)),
                    "/rebind" => match client.rebind() {
                        Ok(address) => OUT.line(&format!("* sending from {address} now")),
                        Err(error) => OUT.line(&format!("* {error}")),
                    },
                    command if command.starts_with('/') => {
                        OUT.line(&format!("no command {command}; /help lists them"));
                    }
                    _ => self.queue.waiting.push_back(line),
                },
                Ok(Input::End) | Err(TryRecvError::Disconnected) => return Typing::Over,
                Err(TryRecvError::Empty) => return Typing::Pausing,
            }
        }
        Typing::Waiting
    }

    /// Takes what has come, and shows it; gives how the connection ended if it has.
    fn take_events(&mut self, client: &mut Client) -> Option<Box<Disconnected>> {
        let mut end = None;
        for event in client.events() {
            match event {
                Event::Message { payload, .. } => OUT.line(&printable(&payload)),
                Event::Delivered { .. } => self.queue.delivered += 1,
                Event::Interrupted { .. } => OUT.line("* the server is not heard at the moment"),
                Event::Resumed { .. } => OUT.line("* the server is heard again"),
                Event::LinkChanged { link, .. } => OUT.line(&format!("* goes on over {link}")),
                Event::Clock { .. } => OUT.line(&clock(client)),
                Event::Disconnected { reason, .. } => end = Some(reason),
                _ => {}
            }
        }
        end
    }

    /// Says goodbye once everything is acknowledged.
    fn leave(&mut self, client: &mut Client) -> Result<(), Failure> {
        let began = Instant::now();
        let mut is_leaving = false;
        loop {
            if !is_leaving && self.queue.delivered == self.queue.sent {
                is_leaving = client.disconnect(0, "");
            }
            let is_hurried = interrupt::is_asked();
            let patience = if is_hurried { FLUSH_PATIENCE_INTERRUPTED } else { FLUSH_PATIENCE };
            if began.elapsed() >= patience {
                let Queue { sent, delivered, .. } = &self.queue;
                let text = format!(
                    "the server acknowledged {delivered} of {sent} messages within {} s",
                    patience.as_secs()
                );
                return if is_hurried { Ok(()) } else { Err(Failure::new(ExitReason::Disconnected, text)) };
            }
            client.update(WAIT_MAX)?;
            if let Some(end) = self.take_events(client) {
                let is_ours = end.origin == Origin::Local && end.reason == Reason::Closed;
                return if is_ours { Ok(()) } else { Err(ended(&end)) };
            }
        }
    }
}

fn ended(end: &Disconnected) -> Failure {
    Failure::new(reason_of_end(end.reason), format_args!("disconnected: {end}"))
}
