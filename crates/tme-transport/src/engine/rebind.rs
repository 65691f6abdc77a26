//! Another socket in mid-game: asked for by the game, or because nothing can be sent through the one there is.

use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tme_core::datagram::LinkKind;
use tme_core::time::Instant;

use super::EngineError;
use crate::link::{Hint, HintKind, Link, LinkTemplate};

/// A socket through which nothing could be sent for so long is replaced.
const TROUBLE_MAX: Duration = Duration::from_secs(1);
/// Not more often than this: without a network a new socket is no better.
const INTERVAL_MIN: Duration = Duration::from_secs(5);

/// The address of an engine's link, and the next link that the driver is to take in its place.
#[derive(Debug)]
pub(super) struct Rebinding {
    state: Mutex<State>,
    template: Result<LinkTemplate, &'static str>,
}

#[derive(Debug)]
struct State {
    local: SocketAddr,
    /// Bound, and not yet taken by the driver.
    next: Option<Box<Link>>,
}

impl Rebinding {
    /// For the link at this address. `template`: how to make one like it, or why that cannot be.
    pub fn new(local: SocketAddr, template: Result<LinkTemplate, &'static str>) -> Self {
        Self { state: Mutex::new(State { local, next: None }), template }
    }

    /// The address it has, or will have once the driver has taken it.
    pub fn local(&self) -> SocketAddr {
        self.state.lock().local
    }

    /// Binds another one for the driver to take, from which `remote` can be reached: at this address, or at any port of the
    /// former one's.
    pub fn bind(&self, address: Option<SocketAddr>, remote: SocketAddr) -> Result<SocketAddr, EngineError> {
        let template = self.template.as_ref().map_err(|&why| EngineError::Config(why.to_owned()))?;
        let link = template.bind(address).map_err(|error| EngineError::bind(LinkKind::Udp, error))?;
        let local = link.local_address();
        if !link.can_reach(remote) {
            let text = format!("{remote} cannot be reached from {local}; bind an address of its family");
            return Err(EngineError::Config(text));
        }
        let mut state = self.state.lock();
        state.local = local;
        state.next = Some(Box::new(link));
        Ok(local)
    }

    /// What [`bind`](Self::bind) has made.
    pub fn take(&self) -> Option<Link> {
        self.state.lock().next.take().map(|link| *link)
    }
}

/// Notices a socket through which nothing can be sent any more, as when its network has gone.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    since: Option<Instant>,
    /// No other socket before this.
    next_at: Instant,
}

impl Trouble {
    /// Something was sent.
    pub fn handle_sent(&mut self) {
        self.since = None;
    }

    /// The system refused to send. Gives whether another socket may help.
    pub fn handle_refused(&mut self, now: Instant, hint: Hint) -> bool {
        let is_of_the_socket = matches!(
            hint.kind,
            HintKind::NetworkUnreachable | HintKind::HostUnreachable | HintKind::BadAddress | HintKind::Other
        );
        // What somebody on the network says is not the system's word.
        if !is_of_the_socket || hint.from.is_some() {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.saturating_since(since) >= TROUBLE_MAX && self.may_rebind(now)
    }

    /// Whether it is time for another socket, and if so, not again for a while.
    pub fn may_rebind(&mut self, now: Instant) -> bool {
        if now < self.next_at {
            return false;
        }
        (self.since, self.next_at) = (None, now + INTERVAL_MIN);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn a_second_without_a_network_asks_for_another_socket_and_again_five_later() {
        let gone = Hint::new(HintKind::NetworkUnreachable);
        let mut trouble = Trouble::default();
        let asked: Vec<u64> =
            (0..14_000).step_by(100).filter(|&millis| trouble.handle_refused(at(millis), gone)).collect();
        assert_eq!(asked, [1_000, 6_000, 11_000]);
    }

    #[test]
    fn what_can_be_sent_now_and_then_needs_no_other_socket() {
        let gone = Hint::new(HintKind::NetworkUnreachable);
        let mut trouble = Trouble::default();
        for millis in (0..20_000).step_by(100) {
            if millis % 900 == 0 {
                trouble.handle_sent();
            }
            assert!(!trouble.handle_refused(at(millis), gone));
        }
    }

    #[test]
    fn what_others_say_or_what_a_single_datagram_is_to_blame_for_needs_no_other_socket() {
        let mut trouble = Trouble::default();
        let said = Hint { from: Some([192, 0, 2, 1].into()), ..Hint::new(HintKind::NetworkUnreachable) };
        for millis in 0..5_000 {
            for hint in [said, Hint::new(HintKind::TooLarge), Hint::new(HintKind::NoBuffers)] {
                assert!(!trouble.handle_refused(at(millis), hint));
            }
        }
    }
}
