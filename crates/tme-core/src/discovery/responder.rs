//! What a server that wants to be found answers, and to whom.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::Add;

use super::Networks;
use crate::handshake::datagram::{
    DISCOVER_BYTES, Description, Discover, DisplayName, HandshakeDatagram, Here,
};
use crate::random::Random;
use crate::rate::SteadyRate;
use crate::time::Instant;

/// Answers to one address. Somebody who looks around asks five times in the first four seconds, and a machine may have
/// several who do.
const SOURCE_PER_SECOND: u32 = 5;
const SOURCE_BURST: u32 = 10;
/// Answers to all addresses: at most 128 kB a second.
const TOTAL_PER_SECOND: u32 = 200;
const TOTAL_BURST: u32 = 50;
/// Addresses whose rates are remembered. The one silent for longest gives way; what it could gain by that, the limit of all
/// answers bounds.
const SOURCES_MAX: usize = 256;
/// Questions answered of which copies are known. More than the burst, so that all copies of those find theirs.
const ANSWERED_MAX: usize = 64;

/// Why a datagram at the discovery port had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DiscoveryDrop {
    /// It does not follow the layout: not TME, a wrong length, padding that is not zero.
    Malformed,
    /// A datagram of another kind.
    Unexpected,
    /// It comes from no network of this machine that leads to the server.
    OffLink,
    /// It asks for another game.
    OtherApplication,
    /// A copy of one that was answered.
    Repeated,
    /// Its source has asked too often.
    SourceLimited,
    /// There were too many from all sources.
    Limited,
}

impl DiscoveryDrop {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Unexpected,
        Self::OffLink,
        Self::OtherApplication,
        Self::Repeated,
        Self::SourceLimited,
        Self::Limited,
    ];
}

impl fmt::Display for DiscoveryDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Unexpected => "unexpected",
            Self::OffLink => "not on-link",
            Self::OtherApplication => "another application",
            Self::Repeated => "repeated",
            Self::SourceLimited => "above the limit of its source",
            Self::Limited => "above the limit of all",
        })
    }
}

/// How many datagrams had no answer, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryDrops([u64; DiscoveryDrop::ALL.len()]);

impl DiscoveryDrops {
    /// Datagrams dropped for this reason.
    #[must_use]
    pub const fn of(&self, reason: DiscoveryDrop) -> u64 {
        self.0[reason as usize]
    }

    /// Datagrams dropped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Figures of a [`Responder`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponderStatistics {
    /// Questions answered.
    pub answered: u64,
    /// Answers that the system did not take.
    pub unsent: u64,
    /// Datagrams without an answer.
    pub drops: DiscoveryDrops,
}

impl Add for ResponderStatistics {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        let Self { answered, unsent, drops } = other;
        self.answered += answered;
        self.unsent += unsent;
        self.drops.0.iter_mut().zip(drops.0).for_each(|(count, more)| *count += more);
        self
    }
}

/// How often one address was answered.
#[derive(Debug)]
struct Source {
    ip: IpAddr,
    rate: SteadyRate,
    heard_at: Instant,
}

/// Answers those who look for servers. Keeps nothing for them but what its limits need.
#[derive(Debug)]
pub struct Responder {
    name: DisplayName,
    instance: u64,
    port: NonZeroU16,
    networks: Networks,
    sources: Vec<Source>,
    total: SteadyRate,
    /// Questions answered, a ring.
    answered: Vec<(SocketAddr, u64)>,
    answered_next: usize,
    statistics: ResponderStatistics,
}

impl Responder {
    /// Answers for a server at this port, under this name.
    #[must_use]
    pub fn new(name: DisplayName, port: NonZeroU16, random: &mut dyn Random) -> Self {
        Self {
            name,
            instance: random.next_u64(),
            port,
            networks: Networks::default(),
            sources: Vec::with_capacity(SOURCES_MAX),
            total: SteadyRate::new(TOTAL_PER_SECOND, TOTAL_BURST),
            answered: Vec::with_capacity(ANSWERED_MAX),
            answered_next: 0,
            statistics: ResponderStatistics::default(),
        }
    }

    /// Changes the name.
    pub fn set_name(&mut self, name: DisplayName) {
        self.name = name;
    }

    /// Sets who is a neighbour; nobody at first.
    pub fn set_networks(&mut self, networks: Networks) {
        self.networks = networks;
    }

    /// What it has done.
    #[must_use]
    pub const fn statistics(&self) -> &ResponderStatistics {
        &self.statistics
    }

    /// Takes in what came to the discovery port. `true`: `answer`, which is cleared, is to go back to `remote`.
    ///
    /// `described` is what [`Endpoint::description`](crate::endpoint::Endpoint::description) gives.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        datagram: &[u8],
        described: (Description<'_>, u64),
        answer: &mut Vec<u8>,
    ) -> bool {
        answer.clear();
        let (description, table_hash) = described;
        match self.judge(now, remote, datagram, description.application_id) {
            Err(reason) => {
                self.statistics.drops.0[reason as usize] += 1;
                false
            }
            Ok(nonce) => {
                let (name, instance, port) = (self.name.as_str(), self.instance, self.port);
                Here { nonce, instance, table_hash, port, name, description }.encode(answer);
                debug_assert!(answer.len() <= DISCOVER_BYTES, "bounded by its fields");
                self.remember(remote, nonce);
                self.statistics.answered += 1;
                true
            }
        }
    }

    /// The system did not take an answer.
    pub fn handle_unsent(&mut self) {
        self.statistics.unsent += 1;
    }

    /// Whether to answer, and which nonce. The source's limit comes before that of all, or one could use up what is there for
    /// the others.
    fn judge(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        datagram: &[u8],
        application_id: u64,
    ) -> Result<u64, DiscoveryDrop> {
        let Discover { nonce, application_id: wanted } = match HandshakeDatagram::parse(datagram) {
            Ok(HandshakeDatagram::Discover(discover)) => discover,
            Ok(_) => return Err(DiscoveryDrop::Unexpected),
            Err(_) => return Err(DiscoveryDrop::Malformed),
        };
        if remote.port() == 0 || !self.networks.contains(remote.ip()) {
            return Err(DiscoveryDrop::OffLink);
        }
        if wanted.is_some_and(|wanted| wanted != application_id) {
            return Err(DiscoveryDrop::OtherApplication);
        }
        if self.answered.contains(&(remote, nonce)) {
            return Err(DiscoveryDrop::Repeated);
        }
        if !self.source(now, remote.ip().to_canonical()).rate.admit(now) {
            return Err(DiscoveryDrop::SourceLimited);
        }
        if self.total.admit(now) { Ok(nonce) } else { Err(DiscoveryDrop::Limited) }
    }

    fn source(&mut self, now: Instant, ip: IpAddr) -> &mut Source {
        let index = match self.sources.iter().position(|source| source.ip == ip) {
            Some(index) => index,
            None => {
                let rate = SteadyRate::new(SOURCE_PER_SECOND, SOURCE_BURST);
                let fresh = Source { ip, rate, heard_at: now };
                let oldest = (0..self.sources.len()).min_by_key(|&index| self.sources[index].heard_at);
                match oldest.filter(|_| self.sources.len() >= SOURCES_MAX) {
                    Some(oldest) => {
                        self.sources[oldest] = fresh;
                        oldest
                    }
                    None => {
                        self.sources.push(fresh);
                        self.sources.len() - 1
                    }
                }
            }
        };
        let source = &mut self.sources[index];
        source.heard_at = now;
        source
    }

    fn remember(&mut self, remote: SocketAddr, nonce: u64) {
        if self.answered.len() < ANSWERED_MAX {
            self.answered.push((remote, nonce));
        } else {
            self.answered[self.answered_next] = (remote, nonce);
            self.answered_next = (self.answered_next + 1) % ANSWERED_MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Network, Reach};
    use super::*;
    use crate::handshake::datagram::{InfoQuery, ServerDemands, Versions};
    use crate::random::SeededRandom;

    const GAME: u64 = 77;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1_000_000 + millis * 1_000)
    }

    fn remote(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 168, 1, last], 50_000))
    }

    fn responder() -> Responder {
        let port = NonZeroU16::new(7_777).unwrap();
        let name = DisplayName::new("Bob's game").unwrap();
        let mut responder = Responder::new(name, port, &mut SeededRandom::new(1));
        let network = Network { address: [192, 168, 1, 5].into(), prefix_bits: 24 };
        responder.set_networks(Networks::new([network], Reach::Everywhere));
        responder
    }

    fn discover(nonce: u64, application_id: Option<u64>) -> Vec<u8> {
        let mut datagram = Vec::new();
        Discover { nonce, application_id }.encode(&mut datagram);
        datagram
    }

    fn ask(responder: &mut Responder, now: Instant, remote: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let description = Description {
            versions: Versions::OURS,
            application_id: GAME,
            peers: 3,
            peers_max: 8,
            demands: ServerDemands::default(),
            information: &[7; 512],
        };
        let mut answer = vec![0xA5; 9];
        responder.handle_datagram(now, remote, datagram, (description, 99), &mut answer).then_some(answer)
    }

    fn drops(responder: &Responder) -> Vec<(DiscoveryDrop, u64)> {
        let drops = &responder.statistics().drops;
        let all = DiscoveryDrop::ALL.into_iter().map(|reason| (reason, drops.of(reason)));
        all.filter(|&(_, count)| count > 0).collect()
    }

    #[test]
    fn a_neighbour_who_asks_for_the_game_or_any_is_told_name_and_port_and_no_more_than_he_sent() {
        let mut responder = responder();
        for (nonce, wanted) in [(1, Some(GAME)), (2, None)] {
            let answer = ask(&mut responder, at(0), remote(9), &discover(nonce, wanted)).unwrap();
            assert!(answer.len() <= DISCOVER_BYTES);
            let Ok(HandshakeDatagram::Here(here)) = HandshakeDatagram::parse(&answer) else {
                panic!("no HERE")
            };
            assert_eq!(
                (here.nonce, here.name, here.port.get(), here.table_hash),
                (nonce, "Bob's game", 7_777, 99)
            );
            assert_eq!((here.description.peers, here.description.information.len()), (3, 512));
        }
        assert_eq!((responder.statistics().answered, drops(&responder)), (2, vec![]));
    }

    #[test]
    fn whatever_is_not_a_good_question_of_a_neighbour_is_counted_and_not_answered() {
        let mut responder = responder();
        let good = discover(1, None);
        let mut padded = good.clone();
        padded[699] = 1;
        let mut query = Vec::new();
        InfoQuery { nonce: 1 }.encode(&mut query);
        let here = ask(&mut responder, at(0), remote(9), &discover(5, None)).unwrap();
        for bad in
            [&good[..699], &[&good[..], &[0]].concat(), &padded, &good[..22], b"TMED", b"", &[0xFF; 700]]
        {
            assert_eq!(ask(&mut responder, at(0), remote(9), bad), None);
        }
        for unexpected in [&query, &here] {
            assert_eq!(
                ask(&mut responder, at(0), remote(9), unexpected),
                None,
                "servers do not answer each other"
            );
        }
        let strangers =
            ["192.168.2.9:50000", "8.8.8.8:53", "[2001:db8::1]:7", "192.168.1.9:0", "239.255.84.77:1"];
        for stranger in strangers {
            assert_eq!(ask(&mut responder, at(0), stranger.parse().unwrap(), &good), None);
        }
        assert_eq!(ask(&mut responder, at(0), remote(9), &discover(1, Some(GAME + 1))), None);
        let expected = [
            (DiscoveryDrop::Malformed, 7),
            (DiscoveryDrop::Unexpected, 2),
            (DiscoveryDrop::OffLink, 5),
            (DiscoveryDrop::OtherApplication, 1),
        ];
        assert_eq!(drops(&responder), expected);
        assert!(ask(&mut responder, at(0), remote(9), &good).is_some());
    }

    #[test]
    fn copies_that_came_by_other_ways_are_answered_once() {
        let mut responder = responder();
        for nonce in 0..20 {
            let now = at(nonce * 1_000);
            assert!(ask(&mut responder, now, remote(9), &discover(nonce, None)).is_some());
            assert!(ask(&mut responder, now, remote(9), &discover(nonce, None)).is_none());
            assert!(
                ask(&mut responder, now, remote(8), &discover(nonce, None)).is_some(),
                "another who asks"
            );
        }
        assert_eq!(drops(&responder), [(DiscoveryDrop::Repeated, 20)]);
    }

    #[test]
    fn who_asks_too_often_uses_up_his_own_limit_and_all_together_that_of_all() {
        let mut responder = responder();
        let mut asked = 0;
        let mut answers = |responder: &mut Responder, last: u8, count: u64, now: Instant| {
            let before = asked;
            asked += count;
            (before..asked)
                .filter(|&nonce| ask(responder, now, remote(last), &discover(nonce, None)).is_some())
                .count()
        };
        assert_eq!(answers(&mut responder, 1, 1_000, at(0)), 10);
        assert_eq!(answers(&mut responder, 2, 1, at(0)), 1, "somebody else has his own");
        assert_eq!(answers(&mut responder, 1, 1_000, at(1_000)), 5);
        let all: usize = (10..=250).map(|last| answers(&mut responder, last, 1, at(1_000))).sum();
        assert_eq!(all, 45);
        let limited = responder.statistics().drops.of(DiscoveryDrop::Limited);
        assert_eq!((limited, answers(&mut responder, 3, 9, at(1_100))), (241 - 45, 9));
    }

    #[test]
    fn more_sources_than_are_remembered_cost_no_more_memory() {
        let mut responder = responder();
        let network = Network { address: [10, 0, 0, 1].into(), prefix_bits: 8 };
        responder.set_networks(Networks::new([network], Reach::Everywhere));
        let mut now = at(0);
        // 10.0.0.0 is nobody.
        for number in 1..=5_000u32 {
            now += Duration::from_millis(10);
            let [_, b, c, d] = number.to_be_bytes();
            let source = SocketAddr::from(([10, b, c, d], 5));
            assert!(ask(&mut responder, now, source, &discover(1, None)).is_some());
        }
        assert_eq!((responder.sources.len(), responder.answered.len()), (SOURCES_MAX, ANSWERED_MAX));
        assert_eq!(responder.sources.capacity(), SOURCES_MAX);
    }
}
