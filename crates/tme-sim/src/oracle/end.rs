//! One end of a session: the order of its events, and why it ended.

use tme_core::connection::{Disconnected, Origin};
use tme_core::handshake::reason::Reason;
use tme_core::time::{Duration, Instant};

use super::{Breach, Oracle};

/// How far one end of a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndState {
    /// Not announced to the application.
    Unannounced,
    /// `Connected` was reported.
    Open,
    /// `Disconnected` was reported.
    Ended,
    /// The process is gone, nothing more will be reported.
    Vanished,
}

/// How the script asked an end to close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// When.
    pub at: Instant,
    /// The reason it gave.
    pub reason: Reason,
    /// The application's code.
    pub code: u32,
    /// The application's bytes.
    pub detail: Vec<u8>,
    /// Queued reliable messages were to go first.
    pub is_flush: bool,
}

/// Watches the events of one end.
#[derive(Clone, Debug)]
pub struct EndOracle {
    state: EndState,
    is_interrupted: bool,
    opened_at: Option<Instant>,
    ended_at: Option<Instant>,
}

impl Default for EndOracle {
    fn default() -> Self {
        Self { state: EndState::Unannounced, is_interrupted: false, opened_at: None, ended_at: None }
    }
}

impl EndOracle {
    /// How far it has come.
    #[must_use]
    pub const fn state(&self) -> EndState {
        self.state
    }

    /// When it opened.
    #[must_use]
    pub const fn opened_at(&self) -> Option<Instant> {
        self.opened_at
    }

    /// When its end was reported.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Instant> {
        self.ended_at
    }

    /// Whether it was reported as open and not as ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == EndState::Open
    }

    /// The process went away without a word.
    pub fn vanish(&mut self, now: Instant) {
        if self.state != EndState::Ended {
            self.state = EndState::Vanished;
            self.ended_at = Some(now);
        }
    }

    /// `Connected` was reported.
    pub fn handle_connected(&mut self, now: Instant) -> Result<(), Breach> {
        if self.state != EndState::Unannounced {
            return Err(self.breach("one Connected", "another one"));
        }
        self.state = EndState::Open;
        self.opened_at = Some(now);
        Ok(())
    }

    /// A message or `Writable` was reported.
    pub fn handle_activity(&self, what: &str) -> Result<(), Breach> {
        if self.is_open() { Ok(()) } else { Err(self.breach("nothing outside a connection", what)) }
    }

    /// `Interrupted` was reported.
    pub fn handle_interrupted(&mut self) -> Result<(), Breach> {
        self.handle_activity("Interrupted")?;
        if std::mem::replace(&mut self.is_interrupted, true) {
            return Err(self.breach("Resumed before another Interrupted", "Interrupted again"));
        }
        Ok(())
    }

    /// `Resumed` was reported.
    pub fn handle_resumed(&mut self) -> Result<(), Breach> {
        self.handle_activity("Resumed")?;
        if !std::mem::replace(&mut self.is_interrupted, false) {
            return Err(self.breach("Interrupted before Resumed", "Resumed"));
        }
        Ok(())
    }

    /// `Disconnected` was reported.
    pub fn handle_disconnected(&mut self, now: Instant) -> Result<(), Breach> {
        if matches!(self.state, EndState::Ended | EndState::Vanished) {
            return Err(self.breach("one Disconnected", "another one"));
        }
        self.state = EndState::Ended;
        self.ended_at = Some(now);
        Ok(())
    }

    fn breach(&self, expected: &str, found: &str) -> Breach {
        Breach::new(Oracle::Lifecycle, expected, format!("{found} (this end is {:?})", self.state))
    }
}

/// What is known of an end when it reports that it is over.
#[derive(Clone, Debug)]
pub struct EndFacts {
    /// It had been announced as connected.
    pub was_open: bool,
    /// It is the client's end.
    pub is_client: bool,
    /// The script closed this end.
    pub parting: Option<Parting>,
    /// The script closed the other end.
    pub other_parting: Option<Parting>,
    /// The other end is gone, or on its way there.
    pub other_is_gone: bool,
    /// The client has opened a later connection with the same identity.
    pub has_successor: bool,
    /// How long nothing authentic was heard here, if that is known.
    pub silence: Option<Duration>,
    /// Since the last sign of life something kept the two from hearing each other: a partition, a lost or damaged
    /// datagram, a host that stalled or is gone.
    pub was_disturbed: bool,
    /// The time-out both sides agreed on.
    pub idle_timeout: Duration,
    /// How long the attempt took.
    pub waited: Duration,
    /// The attempt's patience.
    pub give_up_after: Duration,
    /// Datagrams are damaged or forged in this world.
    pub can_be_forged: bool,
    /// The server had as many peers as it takes.
    pub was_full: bool,
}

/// Judges the reason of a `Disconnected`.
pub fn judge_end(facts: &EndFacts, end: &Disconnected) -> Result<(), Breach> {
    let breach = |expected: String| {
        let found = format!("{end} ({:?}, {:?}); {facts:?}", end.reason, end.origin);
        Err(Breach::new(Oracle::Ending, expected, found))
    };
    let is_parting = |parting: &Option<Parting>| {
        parting.as_ref().is_some_and(|parting| {
            (parting.reason, parting.code, &*parting.detail) == (end.reason, end.code, &*end.detail)
        })
    };
    match (end.origin, end.reason) {
        (Origin::Local, Reason::Aborted) if !facts.was_open && facts.parting.is_some() => Ok(()),
        (Origin::Local, Reason::ConnectTimedOut) if !facts.was_open => {
            if facts.waited < facts.give_up_after {
                return breach(format!("no time-out before {:?}", facts.give_up_after));
            }
            if facts.was_disturbed || facts.other_is_gone {
                return Ok(());
            }
            breach("a connection: nothing stood in the way".into())
        }
        (Origin::Local, Reason::TimedOut) if facts.was_open => {
            if facts.silence.is_some_and(|silence| silence < facts.idle_timeout) {
                return breach(format!("no time-out before {:?} of silence", facts.idle_timeout));
            }
            if facts.was_disturbed || facts.other_is_gone {
                return Ok(());
            }
            breach("signs of life: nothing stood in the way".into())
        }
        (Origin::Remote, Reason::Reset) if facts.was_open && facts.is_client => {
            if facts.parting.as_ref().is_some_and(|parting| !parting.is_flush) {
                return breach("the closing that this end asked for".into());
            }
            // Connection ids can be guessed: who sees the answers to packets that he forges can collect the RESETs of
            // connections to come.
            if facts.other_is_gone || facts.can_be_forged {
                return Ok(());
            }
            breach("no reset: the server has the connection".into())
        }
        (Origin::Local, Reason::Replaced) if facts.was_open && !facts.is_client => {
            if facts.has_successor {
                return Ok(());
            }
            breach("the connection: its client has no newer one".into())
        }
        (Origin::Remote, Reason::Full) if !facts.was_open && facts.is_client => {
            if facts.was_full {
                Ok(())
            } else {
                breach("a place: the server is not full".into())
            }
        }
        (Origin::Unauthenticated, reason) if !facts.was_open && facts.is_client && reason.code() < 100 => {
            if facts.can_be_forged {
                Ok(())
            } else {
                breach("no refusal in clear".into())
            }
        }
        (Origin::Local, _) if facts.was_open && is_parting(&facts.parting) => Ok(()),
        (Origin::Remote, _) if facts.was_open && is_parting(&facts.other_parting) => Ok(()),
        _ => breach("an end that the script or the network caused".into()),
    }
}
