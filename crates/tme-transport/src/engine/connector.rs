//! How a client finds its server: a name becomes addresses, addresses are tried in turn until one answers.

use std::net::SocketAddr;
use std::time::Duration;

use tme_core::connection::{Disconnected, Event, Origin, PeerId};
use tme_core::endpoint::Endpoint;
use tme_core::handshake::client::ClientHandshakeConfig;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::random::Random;
use tme_core::time::Instant;

use crate::resolve::{Resolution, ResolveId};

/// Time between the attempts at two addresses of a name (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A client's way to its server.
#[derive(Debug)]
pub(super) struct Connector {
    config: ClientHandshakeConfig,
    state: State,
    target: String,
}

#[derive(Debug)]
enum State {
    Resolving(ResolveId),
    Trying { addresses: Vec<SocketAddr>, next: usize, next_at: Instant, attempts: Vec<PeerId> },
    Done,
}

impl Connector {
    pub fn resolving(target: String, id: ResolveId, config: ClientHandshakeConfig) -> Self {
        Self { config, state: State::Resolving(id), target }
    }

    /// Takes the answer of the resolver; an error ends the attempt.
    pub fn handle_resolution(&mut self, now: Instant, resolution: Resolution) -> Option<Event> {
        if !matches!(&self.state, State::Resolving(id) if *id == resolution.id) {
            return None;
        }
        match resolution.result {
            Ok(addresses) => {
                self.state = State::Trying { addresses, next: 0, next_at: now, attempts: Vec::new() };
                None
            }
            Err(error) => {
                self.state = State::Done;
                Some(failed(Reason::Unresolved, &format!("{}: {error}", self.target)))
            }
        }
    }

    /// Begins the attempts that are due.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        random: &mut dyn Random,
        can_reach: impl Fn(SocketAddr) -> bool,
    ) -> Option<Event> {
        let State::Trying { addresses, next, next_at, attempts } = &mut self.state else { return None };
        while *next_at <= now && *next < addresses.len() {
            let address = addresses.get(*next).copied();
            *next += 1;
            let Some(address) = address.filter(|&address| can_reach(address)) else { continue };
            *next_at = now + ATTEMPT_DELAY;
            // They race inside the endpoint: of two that succeed at once the server must see one alone.
            let rival = attempts.first().copied();
            match endpoint.connect_racing(now, address, self.config.clone(), random, rival) {
                Ok(peer) => attempts.push(peer),
                Err(error) => {
                    self.state = State::Done;
                    return Some(failed(Reason::Aborted, &error.to_string()));
                }
            }
        }
        if attempts.is_empty() && *next >= addresses.len() {
            let text = format!("{}: none of its addresses can be reached from this socket", self.target);
            self.state = State::Done;
            return Some(failed(Reason::Unresolved, &text));
        }
        None
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Trying { addresses, next, next_at, .. } if *next < addresses.len() => Some(*next_at),
            _ => None,
        }
    }

    /// Looks at an event of the endpoint before the game sees it. `false`: it concerns an attempt that others may still make
    /// good. Of attempts that were overtaken the endpoint says nothing.
    pub fn filter(&mut self, now: Instant, event: &Event) -> bool {
        let State::Trying { addresses, next, next_at, attempts } = &mut self.state else { return true };
        match event {
            Event::Connected { peer, .. } => {
                debug_assert!(attempts.contains(peer), "nobody else connects this endpoint");
                self.state = State::Done;
                true
            }
            Event::Disconnected { peer, .. } => {
                attempts.retain(|attempt| attempt != peer);
                let has_more = *next < addresses.len();
                if has_more {
                    *next_at = now;
                }
                let is_last = attempts.is_empty() && !has_more;
                if is_last {
                    self.state = State::Done;
                }
                is_last
            }
            _ => true,
        }
    }
}

/// A failure before there was a peer: its id is 0.
pub(super) fn failed(reason: Reason, detail: &str) -> Event {
    let reason = Disconnected { reason, origin: Origin::Local, code: 0, detail: Payload::from(detail) };
    Event::Disconnected { peer: PeerId::from_u64(0), reason: Box::new(reason) }
}
