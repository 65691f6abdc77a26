//! Who looks for servers: when to ask, which answers to believe, what is known of each server.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::Networks;
use crate::handshake::datagram::{Discover, DisplayName, HandshakeDatagram, Here};
use crate::query::ServerInfo;
use crate::random::Random;
use crate::time::{Duration, Instant};

/// Servers known at a time; others are counted, and found when one of these has gone.
pub const SERVERS_MAX: usize = 1_024;
/// Addresses of one server.
const ADDRESSES_MAX: usize = 8;
/// Rounds whose answers are taken.
const ROUNDS_MAX: usize = 4;
/// Pause after the first round; each further one is twice as long, up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A server that was silent for so long is gone: three rounds, and some.
const GONE_AFTER: Duration = Duration::from_secs(7);

/// Names a server that was found; never used twice by one [`Search`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FoundId(u64);

impl FoundId {
    /// The number, for other languages; never 0.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The id with this number.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

/// A server that has answered. Not authenticated: believe the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundServer {
    /// Names it within this search.
    pub id: FoundId,
    /// What it is called.
    pub name: DisplayName,
    /// Where it can be reached, the address that answered first in front; at least one, at most eight.
    pub addresses: Vec<SocketAddr>,
    /// What else it says of itself.
    pub info: ServerInfo,
    /// Hash of its channel table.
    pub table_hash: u64,
}

impl FoundServer {
    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Whether it says the same as another one, however long that took.
    fn says_the_same(&self, other: &Self) -> bool {
        let info = ServerInfo { rtt: other.info.rtt, ..self.info.clone() };
        info == other.info
            && (&self.name, &self.addresses, self.table_hash)
                == (&other.name, &other.addresses, other.table_hash)
    }
}

/// What has become known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscoveryEvent {
    /// A server has answered for the first time.
    Found(FoundServer),
    /// It says something else than before, or has another address, too.
    Changed(FoundServer),
    /// It has not answered for 7 s.
    Lost(FoundServer),
}

/// Figures of a [`Search`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchStatistics {
    /// Rounds of questions.
    pub rounds: u64,
    /// Answers taken.
    pub answers: u64,
    /// Datagrams that are no answers.
    pub malformed: u64,
    /// Answers to no question of the newest rounds, or for another game.
    pub unasked: u64,
    /// Answers from addresses that are not on-link.
    pub off_link: u64,
    /// Answers of servers beyond [`SERVERS_MAX`].
    pub too_many: u64,
}

/// What the game has not heard of a server yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Found,
    Changed,
}

#[derive(Debug)]
struct Known {
    server: FoundServer,
    heard_at: Instant,
    news: Option<News>,
}

/// A server's own words for which one it is.
type Identity = (u64, u16);

/// Asks, again and again, and remembers who has answered.
#[derive(Debug)]
pub struct Search {
    application_id: Option<u64>,
    networks: Networks,
    /// The newest rounds: nonce, and when it left.
    rounds: VecDeque<(u64, Instant)>,
    next_round_at: Instant,
    pause: Duration,
    servers: BTreeMap<Identity, Known>,
    last_id: u64,
    /// Servers with news, each once.
    news: VecDeque<Identity>,
    /// Servers gone of which the game has heard.
    lost: VecDeque<FoundServer>,
    statistics: SearchStatistics,
}

impl Search {
    /// Begins at `now` to look for servers of this game, or of any.
    #[must_use]
    pub fn new(now: Instant, application_id: Option<u64>) -> Self {
        Self {
            application_id,
            networks: Networks::default(),
            rounds: VecDeque::with_capacity(ROUNDS_MAX),
            next_round_at: now,
            pause: PAUSE_FIRST,
            servers: BTreeMap::new(),
            last_id: 0,
            news: VecDeque::new(),
            lost: VecDeque::new(),
            statistics: SearchStatistics::default(),
        }
    }

    /// Servers known at the moment, in no order that means anything.
    pub fn servers(&self) -> impl Iterator<Item = &FoundServer> {
        self.servers.values().map(|known| &known.server)
    }

    /// What it has done.
    #[must_use]
    pub const fn statistics(&self) -> &SearchStatistics {
        &self.statistics
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_question`](Self::poll_question) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let gone = self.servers.values().map(|known| known.heard_at + GONE_AFTER).min();
        gone.map_or(self.next_round_at, |gone| gone.min(self.next_round_at))
    }

    /// Whether a round is due; then it is time to look which networks there are.
    #[must_use]
    pub fn is_round_due(&self, now: Instant) -> bool {
        self.next_round_at <= now
    }

    /// Sets whose answers are taken; nobody's at first.
    pub fn set_networks(&mut self, networks: Networks) {
        self.networks = networks;
    }

    /// Puts the question of a round that is due into `datagram`, which is cleared, to be sent by every way there is. `false`:
    /// nothing to send now.
    pub fn poll_question(&mut self, now: Instant, random: &mut dyn Random, datagram: &mut Vec<u8>) -> bool {
        datagram.clear();
        if !self.is_round_due(now) {
            return false;
        }
        let nonce = random.next_u64();
        if self.rounds.len() >= ROUNDS_MAX {
            self.rounds.pop_front();
        }
        self.rounds.push_back((nonce, now));
        // From now on and not from when it was due: a host that was away does not catch up.
        self.next_round_at = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.statistics.rounds += 1;
        Discover { nonce, application_id: self.application_id }.encode(datagram);
        true
    }

    /// Forgets servers that have been silent for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_gone = |known: &Known| known.heard_at + GONE_AFTER <= now;
        if !self.servers.values().any(is_gone) {
            return;
        }
        let Self { servers, news, lost, .. } = self;
        servers.retain(|_, known| {
            let is_gone = is_gone(known);
            // Of whom nobody has heard, nobody hears that it is gone.
            if is_gone && known.news != Some(News::Found) {
                lost.push_back(known.server.clone());
            }
            !is_gone
        });
        // As many as there can be servers: who does not listen misses the oldest.
        while lost.len() > SERVERS_MAX {
            lost.pop_front();
        }
        news.retain(|identity| servers.contains_key(identity));
    }

    /// Takes in a datagram; `false` if it is no answer that can be believed.
    pub fn handle_datagram(&mut self, now: Instant, remote: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(HandshakeDatagram::Here(here)) = HandshakeDatagram::parse(datagram) else {
            self.statistics.malformed += 1;
            return false;
        };
        let asked = self.rounds.iter().find(|&&(nonce, _)| nonce == here.nonce);
        let is_wanted = self.application_id.is_none_or(|wanted| wanted == here.description.application_id);
        let Some(&(_, sent_at)) = asked.filter(|_| is_wanted) else {
            self.statistics.unasked += 1;
            return false;
        };
        if !self.networks.contains(remote.ip()) {
            self.statistics.off_link += 1;
            return false;
        }
        let identity = (here.instance, here.port.get());
        if !self.servers.contains_key(&identity) && self.servers.len() >= SERVERS_MAX {
            self.statistics.too_many += 1;
            return false;
        }
        self.statistics.answers += 1;
        let mut address = remote;
        address.set_port(here.port.get());
        self.learn(now, identity, address, &here, now.saturating_since(sent_at));
        true
    }

    fn learn(
        &mut self,
        now: Instant,
        identity: Identity,
        address: SocketAddr,
        here: &Here<'_>,
        rtt: Duration,
    ) {
        let mut fresh = FoundServer {
            id: FoundId(0),
            // Parsed: it is one.
            name: DisplayName::new(here.name).unwrap_or_default(),
            addresses: Vec::new(),
            info: ServerInfo::new(&here.description, rtt),
            table_hash: here.table_hash,
        };
        match self.servers.get_mut(&identity) {
            Some(known) => {
                fresh.id = known.server.id;
                fresh.addresses.clone_from(&known.server.addresses);
                if !fresh.addresses.contains(&address) && fresh.addresses.len() < ADDRESSES_MAX {
                    fresh.addresses.push(address);
                }
                known.heard_at = now;
                if !fresh.says_the_same(&known.server) && known.news.is_none() {
                    known.news = Some(News::Changed);
                    self.news.push_back(identity);
                }
                known.server = fresh;
            }
            None => {
                self.last_id += 1;
                fresh.id = FoundId(self.last_id);
                fresh.addresses.push(address);
                let known = Known { server: fresh, heard_at: now, news: Some(News::Found) };
                self.servers.insert(identity, known);
                self.news.push_back(identity);
            }
        }
    }

    /// Whether [`poll_event`](Self::poll_event) has something to give.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.lost.is_empty() || !self.news.is_empty()
    }

    /// Takes the next piece of news. What changes several times before it is taken is told once, as it is then.
    pub fn poll_event(&mut self) -> Option<DiscoveryEvent> {
        if let Some(server) = self.lost.pop_front() {
            return Some(DiscoveryEvent::Lost(server));
        }
        let known = self.servers.get_mut(&self.news.pop_front()?)?;
        let server = known.server.clone();
        match known.news.take()? {
            News::Found => Some(DiscoveryEvent::Found(server)),
            News::Changed => Some(DiscoveryEvent::Changed(server)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Network, Reach};
    use super::*;
    use crate::handshake::datagram::{Description, ServerDemands, Versions};
    use crate::random::SeededRandom;

    const GAME: u64 = 77;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1_000_000 + millis * 1_000)
    }

    fn remote(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 168, 1, last], 7_776))
    }

    fn search() -> (Search, SeededRandom) {
        let mut search = Search::new(at(0), Some(GAME));
        let network = Network { address: [192, 168, 1, 5].into(), prefix_bits: 24 };
        search.set_networks(Networks::new([network], Reach::Everywhere));
        (search, SeededRandom::new(1))
    }

    fn question(search: &mut Search, random: &mut SeededRandom, now: Instant) -> Option<Discover> {
        let mut datagram = Vec::new();
        search.poll_question(now, random, &mut datagram).then(|| {
            let Ok(HandshakeDatagram::Discover(discover)) = HandshakeDatagram::parse(&datagram) else {
                panic!("no DISCOVER")
            };
            discover
        })
    }

    fn here(nonce: u64, instance: u64, change: impl FnOnce(&mut Here<'_>)) -> Vec<u8> {
        let description = Description {
            versions: Versions::OURS,
            application_id: GAME,
            peers: 1,
            peers_max: 8,
            demands: ServerDemands::default(),
            information: b"map=dust2",
        };
        let port = 7_777.try_into().unwrap();
        let mut here = Here { nonce, instance, table_hash: 9, port, name: "Bob's game", description };
        change(&mut here);
        let mut datagram = Vec::new();
        here.encode(&mut datagram);
        datagram
    }

    fn events(search: &mut Search) -> Vec<DiscoveryEvent> {
        std::iter::from_fn(|| search.poll_event()).collect()
    }

    #[test]
    fn questions_come_often_at_first_and_then_every_two_seconds_each_with_another_nonce() {
        let (mut search, mut random) = search();
        let (mut times, mut nonces) = (Vec::new(), Vec::new());
        while times.len() < 6 {
            let now = search.poll_timeout();
            let discover = question(&mut search, &mut random, now).unwrap();
            assert_eq!(discover.application_id, Some(GAME));
            assert!(question(&mut search, &mut random, now).is_none());
            times.push(now.saturating_since(at(0)).as_millis());
            nonces.push(discover.nonce);
        }
        assert_eq!(times, [0, 250, 750, 1_750, 3_750, 5_750]);
        nonces.dedup();
        assert_eq!(nonces.len(), 6);
        assert!(question(&mut search, &mut random, at(3_600_000)).is_some());
        assert!(question(&mut search, &mut random, at(3_600_001)).is_none(), "nothing is caught up");
    }

    #[test]
    fn a_server_is_found_changes_and_is_lost() {
        let (mut search, mut random) = search();
        let nonce = question(&mut search, &mut random, at(0)).unwrap().nonce;
        assert!(search.handle_datagram(at(3), remote(9), &here(nonce, 1, |_| ())));
        let [DiscoveryEvent::Found(found)] = &events(&mut search)[..] else { panic!("not found") };
        assert_eq!(
            (found.name.as_str(), found.address()),
            ("Bob's game", "192.168.1.9:7777".parse().unwrap())
        );
        assert_eq!((found.info.rtt, found.table_hash, found.info.peers), (Duration::from_millis(3), 9, 1));
        assert_eq!(found.info.information.as_bytes(), b"map=dust2");

        assert!(search.handle_datagram(at(4), remote(9), &here(nonce, 1, |_| ())));
        assert_eq!(events(&mut search), [], "another round trip is no news");
        assert!(search.handle_datagram(at(5), remote(10), &here(nonce, 1, |_| ())));
        assert!(search.handle_datagram(at(5), remote(9), &here(nonce, 1, |here| here.name = "Bob's")));
        let [DiscoveryEvent::Changed(changed)] = &events(&mut search)[..] else {
            panic!("not changed, once")
        };
        let addresses = ["192.168.1.9:7777", "192.168.1.10:7777"].map(|address| address.parse().unwrap());
        assert_eq!(
            (changed.id, &changed.addresses[..], changed.name.as_str()),
            (found.id, &addresses[..], "Bob's")
        );
        assert_eq!(search.servers().count(), 1);

        search.handle_timeout(at(7_004));
        assert_eq!(events(&mut search), []);
        search.handle_timeout(at(7_005));
        assert_eq!(events(&mut search), [DiscoveryEvent::Lost(changed.clone())]);
        assert_eq!(search.servers().count(), 0);
    }

    #[test]
    fn answers_that_nobody_asked_for_or_from_afar_are_counted_and_dropped() {
        let (mut search, mut random) = search();
        let first = question(&mut search, &mut random, at(0)).unwrap().nonce;
        let good = here(first, 1, |_| ());
        assert!(!search.handle_datagram(at(1), remote(9), &here(first ^ 1, 1, |_| ())));
        let other_game = here(first, 1, |here| here.description.application_id = GAME + 1);
        assert!(!search.handle_datagram(at(1), remote(9), &other_game));
        assert!(!search.handle_datagram(at(1), "8.8.8.8:7776".parse().unwrap(), &good));
        for bytes in 0..good.len() - b"map=dust2".len() {
            assert!(!search.handle_datagram(at(1), remote(9), &good[..bytes]));
        }
        for round in 1..=4 {
            question(&mut search, &mut random, at(round * 3_000)).unwrap();
        }
        assert!(!search.handle_datagram(at(12_000), remote(9), &good), "of a round that is over");
        let SearchStatistics { answers, malformed, unasked, off_link, .. } = *search.statistics();
        assert_eq!((answers, malformed, unasked, off_link), (0, 62, 3, 1));
        assert_eq!((events(&mut search), search.servers().count()), (vec![], 0));
    }

    #[test]
    fn no_crowd_of_servers_and_no_silence_of_the_game_costs_memory_without_bound() {
        let (mut search, mut random) = search();
        for round in 0..5 {
            let now = at(round * 10_000);
            search.handle_timeout(now);
            let nonce = question(&mut search, &mut random, now).unwrap().nonce;
            for instance in 0..SERVERS_MAX as u64 + 50 {
                let datagram = here(nonce, round << 32 | instance, |_| ());
                let is_taken = search.handle_datagram(now, remote(9), &datagram);
                assert_eq!(is_taken, instance < SERVERS_MAX as u64);
            }
            for last in 1..100 {
                search.handle_datagram(now, remote(last), &here(nonce, round << 32, |_| ()));
            }
            assert!(search.servers().all(|server| server.addresses.len() <= ADDRESSES_MAX));
            if round == 1 {
                assert_eq!(events(&mut search).len(), SERVERS_MAX);
            }
        }
        assert_eq!((search.servers().count(), search.news.len(), search.lost.len()), (1_024, 1_024, 1_024));
        assert_eq!(search.statistics().too_many, 250);
    }
}
