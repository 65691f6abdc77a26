//! `tme serve`: a chat server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use tme::token::ServerName;
use tme::{
    Connected, Direction, EngineError, EngineStatistics, Event, LinkKind, PeerId, Server, ServerBuilder,
    ShutdownReport, StreamFailure, StreamStatistics,
};

use super::{APPLICATION, CHAT, MESSAGE_BYTES_MAX, NAME_BYTES_MAX, channel, cut, describe, printable};
use crate::arguments::ServeOptions;
use crate::input::{Input, read_lines};
use crate::{Failure, Output, format, interrupt, keys, logs, network, token};

/// Longest wait, so that Ctrl-C is seen.
const WAIT_MAX: Duration = Duration::from_millis(100);
const OUT: Output = Output::Stdout;
/// The code that a kicked client is told.
const KICK_CODE: u32 = 1;

const HELP: &str = "/list            who is here
/kick N [WHY]    throw number N out
/stats           figures of the server and of every connection
/quit [WHY]      stop the server, and tell everybody why
anything else is said to everybody";

/// Runs a chat server until `/quit`, Ctrl-C or a failure.
///
/// # Errors
/// [`Failure`]: the key file or the address cannot be had, or the network fails.
pub fn run(options: &ServeOptions) -> Result<(), Failure> {
    logs::install(&options.logs)?;
    interrupt::listen();
    let (key, key_note) = match &options.key_file {
        Some(path) => match keys::load_or_create(path)? {
            (key, true) => (key, format!(" (new, kept in {})", path.display())),
            (key, false) => (key, format!(" (from {})", path.display())),
        },
        None => (tme::generate_key()?, " (for this run only; --key-file FILE keeps one)".to_owned()),
    };
    let server = Server::builder()
        .application(APPLICATION)
        .channel(channel())
        .listen(options.listen_address())
        .max_peers(options.max_peers as usize)
        .browsers(options.browsers.browsers())
        .key(key);
    let server = match &options.tcp_listen {
        Some(address) => server.listen_tcp_on(address),
        None if options.tcp => server.listen_tcp(),
        None => server,
    };
    let server = match (&options.tls_chain, &options.tls_key) {
        (Some(chain), Some(key)) => server.tls(chain, key),
        _ => server,
    };
    let server = options
        .trusted_proxy
        .iter()
        .fold(server, |server, proxy| server.trusted_proxy(proxy.network.as_str(), proxy.header));
    let server = match &options.discoverable {
        Some(name) => server.discoverable(name).discovery_port(options.discovery_port),
        None => server,
    };
    let server = with_tokens(server, options)?;
    let mut server = match options.network_threads {
        Some(threads) => server.network_threads(threads as usize).start_threaded(),
        None => server.start(),
    }?;
    let address = server.local_addr();
    let public = server.public_key();
    OUT.line(&format!("listening on {address}"));
    if let Some(address) = server.tcp_addr() {
        OUT.line(&format!("TCP at {address}"));
    }
    if let Some(port) = server.discovery_port() {
        OUT.line(&format!("found by tme discover, at port {port}"));
    }
    match server.network_threads() {
        0 => {}
        1 => OUT.line("1 network thread"),
        threads => OUT.line(&format!("{threads} network threads")),
    }
    OUT.line(&format!("public key {public}{key_note}"));
    if options.net.is_some() {
        let note = if server.tcp_addr().is_some() { ", for clients over UDP" } else { "" };
        OUT.line(&format!("network {}{note}", network::describe(options.net)));
    }
    OUT.line(&format!("to join, run: tme connect {} --key {public}", reachable(address)));
    OUT.line("type to chat, /help for commands");
    let handle = server.handle();
    let input = read_lines(move || handle.wake());
    let mut room = Room::new(options.clone());
    let why = room.run(&mut server, input)?;
    room.drain(&mut server, &why)
}

fn with_tokens(mut server: ServerBuilder, options: &ServeOptions) -> Result<ServerBuilder, Failure> {
    for path in &options.token_key {
        server = server.token_key(token::load_key(path)?);
    }
    if let Some(name) = &options.server_name {
        server = server.server_name(ServerName::new(name.as_str()).map_err(tme::Error::from)?);
    }
    Ok(if options.require_token { server.require_token() } else { server })
}

/// An address that others on this network can use, as well as this machine can tell.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // Connecting a UDP socket sends nothing; it makes the system choose the interface towards that address, one of
    // those reserved for documentation (RFC 5737).
    let towards_others = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr())
    });
    let ip = towards_others.map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |local| local.ip());
    SocketAddr::new(ip, address.port())
}

struct Guest {
    name: String,
    number: u32,
}

struct Room {
    options: ServeOptions,
    guests: BTreeMap<PeerId, Guest>,
    started: Instant,
    messages: u64,
}

/// What a line typed at the server leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    /// The end, and what everybody is told of it.
    Stop(String),
}

impl Room {
    fn new(options: ServeOptions) -> Self {
        Self { options, guests: BTreeMap::new(), started: Instant::now(), messages: 0 }
    }

    /// Serves until the end is asked for. Gives what everybody is to be told.
    fn run(&mut self, server: &mut Server, input: Receiver<Input>) -> Result<String, Failure> {
        // Without standard input, as under a service manager, the server goes on until it is told to end.
        let mut input = Some(input);
        while !interrupt::is_asked() {
            server.update(WAIT_MAX)?;
            for event in server.events() {
                self.handle(server, event);
            }
            while let Some(lines) = &input {
                match lines.try_recv() {
                    Ok(Input::Line(line)) => {
                        if let Next::Stop(why) = self.obey(server, line.trim()) {
                            return Ok(why);
                        }
                    }
                    Ok(Input::End) | Err(TryRecvError::Disconnected) => input = None,
                    Err(TryRecvError::Empty) => break,
                }
            }
        }
        Ok(String::new())
    }

    /// Lets what is queued go through, tells everybody, and says what came of it. A second Ctrl-C ends the program at once.
    fn drain(&mut self, server: &mut Server, why: &str) -> Result<(), Failure> {
        server.begin_shutdown(Duration::from_secs(self.options.drain.into()), 0, why)?;
        OUT.line("* shutting down");
        loop {
            match server.update(WAIT_MAX) {
                Ok(()) => {}
                Err(tme::Error::Engine(EngineError::Closed)) => break,
                Err(error) => return Err(error.into()),
            }
            for event in server.events() {
                self.handle_last(event);
            }
        }
        OUT.line(&summary(&server.shutdown_report().unwrap_or_default()));
        Ok(())
    }

    /// What still comes is shown, and nobody is told of it any more.
    fn handle_last(&mut self, event: Event) {
        match event {
            Event::Message { peer, payload, .. } => {
                if let Some(guest) = self.guests.get(&peer) {
                    OUT.line(&format!("{}: {}", guest.name, printable(&payload)));
                }
            }
            Event::Disconnected { peer, .. } => {
                self.guests.remove(&peer);
            }
            _ => {}
        }
    }

    fn handle(&mut self, server: &Server, event: Event) {
        match event {
            Event::Connected { peer, info } => self.welcome(server, peer, &info),
            Event::Message { peer, payload, .. } => {
                let Some(guest) = self.guests.get(&peer) else { return };
                self.messages += 1;
                let text = format!("{}: {}", guest.name, printable(&payload));
                OUT.line(&text);
                announce(server, Some(peer), &text);
            }
            Event::Disconnected { peer, reason } => {
                let Some(guest) = self.guests.remove(&peer) else { return };
                OUT.line(&format!("* {} ({}) left: {reason}", guest.name, guest.number));
                announce(server, Some(peer), &format!("* {} left", guest.name));
            }
            Event::Interrupted { peer } => self.note(peer, "is not heard at the moment"),
            Event::Resumed { peer } => self.note(peer, "is heard again"),
            Event::AddressChanged { peer, remote } => self.note(peer, &format!("goes on from {remote}")),
            Event::LinkChanged { peer, link, remote } => {
                self.note(peer, &format!("goes on over {link} from {remote}"));
            }
            _ => {}
        }
    }

    fn note(&self, peer: PeerId, what: &str) {
        if let Some(guest) = self.guests.get(&peer) {
            OUT.line(&format!("* {} ({}) {what}", guest.name, guest.number));
        }
    }

    fn welcome(&mut self, server: &Server, peer: PeerId, info: &Connected) {
        let name = printable(&info.user_data);
        let name = match cut(name.trim(), NAME_BYTES_MAX) {
            "" => format!("guest {}", info.number),
            name => name.to_owned(),
        };
        if let Some(conditions) = self.options.net.map(tme::Preset::conditions) {
            let ways = [(Direction::Incoming, conditions.up), (Direction::Outgoing, conditions.down)];
            for (direction, conditions) in ways {
                if let Err(error) = server.set_conditions(peer, direction, Some(conditions)) {
                    log::warn!("{peer}: {error}");
                }
            }
        }
        let user = info.token.as_ref().map(|token| format!(" as user {}", token.user)).unwrap_or_default();
        let by = match server.peer(peer).map(|info| info.link) {
            None | Some(LinkKind::Udp) => String::new(),
            Some(link) => format!(" over {link}"),
        };
        OUT.line(&format!("* {name} ({}) joined from {}{by}{user}", info.number, info.remote));
        announce(server, Some(peer), &format!("* {name} joined"));
        self.guests.insert(peer, Guest { name, number: info.number });
    }

    fn obey(&self, server: &Server, line: &str) -> Next {
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match command {
            "" => {}
            "/quit" => return Next::Stop(cut(rest.trim(), 512).to_owned()),
            "/help" => OUT.line(HELP),
            "/list" => self.list(server),
            "/kick" => self.kick(server, rest.trim()),
            "/stats" => self.statistics(server),
            _ if command.starts_with('/') => OUT.line(&format!("no command {command}; /help lists them")),
            _ => announce(server, None, &format!("server: {line}")),
        }
        Next::GoOn
    }

    fn list(&self, server: &Server) {
        for (peer, guest) in &self.guests {
            let remote = server
                .peer(*peer)
                .map_or_else(|| "?".to_owned(), |info| format!("{} over {}", info.remote, info.link));
            OUT.line(&format!("{:>4}  {}  {remote}", guest.number, guest.name));
        }
        OUT.line(&format!("{} of at most {} are here", self.guests.len(), self.options.max_peers));
    }

    fn kick(&self, server: &Server, rest: &str) {
        let (number, why) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let guest = number.parse::<u32>().ok().and_then(|number| {
            self.guests.iter().find(|(_, guest)| guest.number == number).map(|(peer, guest)| (*peer, guest))
        });
        match guest {
            Some((peer, guest)) => {
                server.kick(peer, KICK_CODE, cut(why.trim(), 512));
                OUT.line(&format!("kicked {} ({})", guest.name, guest.number));
            }
            None => OUT.line("usage: /kick N [WHY], with a number from /list"),
        }
    }

    fn statistics(&self, server: &Server) {
        let all = server.statistics();
        OUT.line(&format!(
            "up {:.0} s, {} messages, {} peers; datagrams {} in ({} B) {} out ({} B)",
            self.started.elapsed().as_secs_f64(),
            format::count(self.messages),
            self.guests.len(),
            format::count(all.link.datagrams_in),
            format::count(all.link.bytes_in),
            format::count(all.link.datagrams_out),
            format::count(all.link.bytes_out),
        ));
        if server.tcp_addr().is_some() {
            OUT.line(&describe_streams(&all.streams));
        }
        if server.network_threads() > 1 {
            OUT.line(&describe_threads(&server.thread_statistics()));
        }
        for (peer, guest) in &self.guests {
            let figures = (server.peer(*peer), server.peer_statistics(*peer), server.send_budget(*peer));
            if let (Some(info), Some(statistics), Some(budget)) = figures {
                let text = describe(info.link, &statistics, &budget);
                OUT.line(&format!("{:>4}  {}: {text}", guest.number, guest.name));
            }
        }
    }
}

/// What `/stats` says about several network threads, in one line.
fn describe_threads(threads: &[EngineStatistics]) -> String {
    let each: Vec<String> = threads
        .iter()
        .map(|one| {
            let datagrams = one.endpoint.datagrams_received + one.endpoint.datagrams_sent;
            format!("{} ({} datagrams)", one.endpoint.peers, format::count(datagrams))
        })
        .collect();
    let passed_on: u64 = threads.iter().map(|one| one.post.datagrams_passed_on).sum();
    format!("peers by network thread: {}; {} datagrams passed on", each.join(", "), format::count(passed_on))
}

/// What `/stats` says about TCP, in one line.
fn describe_streams(streams: &StreamStatistics) -> String {
    let ends = StreamFailure::ALL.map(|failure| (failure, streams.ended.of(failure)));
    let ends: Vec<String> = ends
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(failure, count)| format!("{} {failure}", format::count(count)))
        .collect();
    let ends = if ends.is_empty() { "none".to_owned() } else { ends.join(", ") };
    format!(
        "streams {} open, {} accepted, ended: {ends}; datagrams {} in ({} B) {} out ({} B)",
        streams.open,
        format::count(streams.accepted),
        format::count(streams.datagrams_in),
        format::count(streams.bytes_in),
        format::count(streams.datagrams_out),
        format::count(streams.bytes_out),
    )
}

/// What the end came to, in one line.
fn summary(report: &ShutdownReport) -> String {
    let mut text = format!("shut down: {} of {} clients were told", report.told, report.peers);
    let others = [(report.left, "left before"), (report.unanswered, "did not answer")];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        text += &format!(", {count} {what}");
    }
    if report.messages_undelivered > 0 {
        text += &format!("; {} messages were not delivered", format::count(report.messages_undelivered));
    }
    if report.refused > 0 {
        text += &format!("; {} newcomers were refused", format::count(report.refused));
    }
    text
}

/// Says something to everybody (but one).
fn announce(server: &Server, except: Option<PeerId>, text: &str) {
    let text = cut(text, MESSAGE_BYTES_MAX);
    let outcome = match except {
        Some(peer) => server.broadcast_except(peer, CHAT, text),
        None => server.broadcast(CHAT, text),
    };
    match outcome {
        Ok(outcome) if outcome.would_block > 0 => {
            log::warn!("{} peers are too slow and missed a line", outcome.would_block);
        }
        Ok(_) => {}
        Err(error) => log::warn!("a line was not sent: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_was_left() {
        let report = ShutdownReport { peers: 3, told: 3, ..ShutdownReport::default() };
        assert_eq!(summary(&report), "shut down: 3 of 3 clients were told");
        let report = ShutdownReport {
            peers: 5,
            told: 2,
            left: 1,
            unanswered: 2,
            messages_undelivered: 1_234,
            refused: 1,
            ..ShutdownReport::default()
        };
        let expected = "shut down: 2 of 5 clients were told, 1 left before, 2 did not answer; \
                        1 234 messages were not delivered; 1 newcomers were refused";
        assert_eq!(summary(&report), expected);
    }

    #[test]
    fn the_address_to_paste_is_one_that_others_can_use() {
        let exact: SocketAddr = "127.0.0.1:7".parse().unwrap();
        assert_eq!(reachable(exact), exact);
        let any = reachable("0.0.0.0:7777".parse().unwrap());
        assert!(!any.ip().is_unspecified() && any.port() == 7777, "{any}");
    }
}
