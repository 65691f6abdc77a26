//! Browsers: a server that web pages connect to (`bindings/web`), with a channel of every mode. It sends back whatever it
//! gets, counts when it is told to, and has an answer for everybody whom it does not want.
//!
//! ```console
//! $ cargo run -p tme-examples --bin browsers -- server      # prints a line with the URL for the page
//! $ cargo run -p tme-examples --bin browsers -- server 0.0.0.0:7777 chain.pem key.pem   # the same over TLS
//! ```
//!
//! A page is turned away if it brings `banned` as user data. On the channel `chat`, `count 1000` is answered by a thousand
//! messages, `kick ` with a reason by that, and `quit` ends the server.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tme::{Channel, ChannelId, Event, Payload, PeerId, RefuseAs, SendError, SendOptions, Server};

const WAIT: Duration = Duration::from_millis(5);
const CHAT: ChannelId = ChannelId(3);
const STATE: ChannelId = ChannelId(4);
const KICK_CODE: u32 = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server"] => serve("127.0.0.1:7777", None),
        ["server", listen] => serve(listen, None),
        ["server", listen, chain, key] => serve(listen, Some((chain, key))),
        _ => Err("usage: browsers server [ADDRESS:PORT [CHAIN.pem KEY.pem]]".into()),
    }
}

/// `certificate`: the files of its chain and its key, for TLS.
fn serve(listen: &str, certificate: Option<(&str, &str)>) -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Server::builder()
        .application("browsers")
        .channels([
            Channel::unreliable("voice"),
            Channel::sequenced("pose"),
            Channel::reliable_unordered("events"),
            Channel::reliable_ordered("chat"),
            Channel::reliable_latest("state"),
        ])
        .listen(listen)
        .listen_tcp()
        .ask_before_admitting();
    if let Some((chain, key)) = certificate {
        builder = builder.tls(chain, key);
    }
    let mut server = builder.start()?;
    let scheme = if certificate.is_some() { "wss" } else { "ws" };
    println!("connect to {scheme}://{}/", server.tcp_addr().ok_or("no TCP")?);
    let mut outboxes = Outboxes::default();
    loop {
        server.update(WAIT)?;
        for event in server.events() {
            match event {
                Event::Admission { peer, info } if info.user_data.as_ref() == b"banned" => {
                    server.refuse(peer, RefuseAs::Banned, "until Monday");
                }
                Event::Admission { peer, .. } => {
                    server.accept_with(peer, "welcome")?;
                }
                Event::Message { peer, channel, key, payload } => {
                    match (channel, std::str::from_utf8(&payload).ok().and_then(|text| text.split_once(' ')))
                    {
                        (CHAT, Some(("kick", why))) => {
                            server.kick(peer, KICK_CODE, why);
                        }
                        (CHAT, Some(("count", to))) => outboxes.count(peer, to.parse().unwrap_or(0)),
                        (CHAT, None) if payload.as_ref() == b"quit" => {
                            server.shutdown(Duration::from_secs(2));
                            return Ok(());
                        }
                        _ => outboxes.push(peer, channel, key, payload),
                    }
                    outboxes.send(&server, peer);
                }
                Event::Writable { peer, .. } => outboxes.send(&server, peer),
                Event::Disconnected { peer, reason } => {
                    println!("{peer} left: {reason}");
                    outboxes.0.remove(&peer);
                }
                _ => {}
            }
        }
    }
}

/// What waits for peers whose queues are full. A game would drop it, or them, at some bound.
#[derive(Default)]
struct Outboxes(BTreeMap<PeerId, VecDeque<(ChannelId, u32, Payload)>>);

impl Outboxes {
    fn push(&mut self, peer: PeerId, channel: ChannelId, key: u32, payload: Payload) {
        self.0.entry(peer).or_default().push_back((channel, key, payload));
    }

    fn count(&mut self, peer: PeerId, to: u16) {
        for number in 0..to {
            self.push(peer, CHAT, 0, Payload::from(number.to_string().into_bytes()));
        }
    }

    fn send(&mut self, server: &Server, peer: PeerId) {
        let Some(outbox) = self.0.get_mut(&peer) else { return };
        while let Some((channel, key, payload)) = outbox.front() {
            let key = (*channel == STATE).then_some(*key);
            let options = SendOptions { key, ..SendOptions::default() };
            // A peer that has gone since takes nothing any more.
            if let Err(SendError::WouldBlock { .. }) =
                server.send_with(peer, *channel, payload.clone(), options)
            {
                return;
            }
            outbox.pop_front();
        }
    }
}
