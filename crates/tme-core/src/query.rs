//! Asking servers what they are, many at a time and without connecting (`docs/PROTOCOL.md` §2.6).
//!
//! [`Queries`] is as pure as an endpoint: addresses, datagrams and time go in; datagrams and answers come out. Nothing in an
//! answer is authenticated.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use crate::handshake::datagram::{
    Description, HandshakeDatagram, InfoQuery, Information, ServerDemands, Versions,
};
use crate::random::Random;
use crate::rate::SteadyRate;
use crate::time::{Duration, Instant};

/// Queries open at a time.
pub const QUERIES_MAX: usize = 1_024;

/// Queries that leave in a second, repetitions included: 600 kB.
const RATE_PER_SECOND: u32 = 1_000;
/// Queries that leave at once.
const RATE_BURST: u32 = 64;
/// Time before the first repetition; each further one waits 1.5 times as long.
const RESEND_AFTER: Duration = Duration::from_millis(500);
/// Bits of a nonce that count repetitions; the others are random.
const ATTEMPT_BITS: u32 = 8;

/// Names a query; never used twice by one [`Queries`] as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(u64);

/// What a server says of itself to anybody. Not authenticated: believe the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Protocol versions it speaks.
    pub versions: Versions,
    /// Which game it runs, as [`name_hash`](crate::crypto::name_hash) of its name.
    pub application_id: u64,
    /// Peers connected.
    pub peers: u32,
    /// Most peers at a time.
    pub peers_max: u32,
    /// What it wants of clients.
    pub demands: ServerDemands,
    /// The game's own bytes.
    pub information: Information,
    /// The round trip of the query that was answered.
    pub rtt: Duration,
}

impl ServerInfo {
    pub(crate) fn new(description: &Description<'_>, rtt: Duration) -> Self {
        Self {
            versions: description.versions,
            application_id: description.application_id,
            peers: description.peers,
            peers_max: description.peers_max,
            demands: description.demands,
            information: Information::new(description.information).unwrap_or_default(),
            rtt,
        }
    }

    /// Whether it speaks a protocol version that this crate speaks, too.
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        Versions::OURS.choose(&self.versions).is_some()
    }
}

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryEvent {
    /// Which query.
    pub id: QueryId,
    /// Who was asked.
    pub remote: SocketAddr,
    /// The answer; `None` if there was none in time.
    pub info: Option<ServerInfo>,
}

/// [`QUERIES_MAX`] queries are open already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyQueries;

#[derive(Debug)]
struct Open {
    remote: SocketAddr,
    /// When each of the repetitions left that may still be answered.
    sent_at: Vec<Instant>,
    resend_after: Duration,
    give_up_at: Instant,
    /// When it is to be looked at next.
    due: Instant,
}

/// Open queries.
#[derive(Debug)]
pub struct Queries {
    open: BTreeMap<QueryId, Open>,
    deadlines: BTreeSet<(Instant, QueryId)>,
    /// To be sent, as soon as the rate allows it.
    waiting: VecDeque<QueryId>,
    rate: SteadyRate,
    events: VecDeque<QueryEvent>,
}

impl Default for Queries {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waiting: VecDeque::new(),
            rate: SteadyRate::new(RATE_PER_SECOND, RATE_BURST),
            events: VecDeque::new(),
        }
    }
}

impl Queries {
    /// Queries that have not ended.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) has something to do.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|&(at, _)| at);
        let departure = (!self.waiting.is_empty()).then(|| self.rate.next(now));
        [deadline, departure].into_iter().flatten().min()
    }

    /// Asks a server, for at most `patience` from now on.
    ///
    /// # Errors
    /// [`TooManyQueries`]: others have to end first.
    pub fn ask(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        patience: Duration,
        random: &mut dyn Random,
    ) -> Result<QueryId, TooManyQueries> {
        if self.open.len() >= QUERIES_MAX {
            return Err(TooManyQueries);
        }
        let id = loop {
            let id = QueryId(random.next_u64() >> ATTEMPT_BITS);
            if !self.open.contains_key(&id) {
                break id;
            }
        };
        let give_up_at = now + patience;
        let open =
            Open { remote, sent_at: Vec::new(), resend_after: RESEND_AFTER, give_up_at, due: give_up_at };
        self.open.insert(id, open);
        self.deadlines.insert((give_up_at, id));
        self.waiting.push_back(id);
        Ok(id)
    }

    /// Forgets a query: nothing will be heard of it.
    pub fn cancel(&mut self, id: QueryId) {
        if let Some(open) = self.open.remove(&id) {
            self.deadlines.remove(&(open.due, id));
        }
        self.waiting.retain(|&waiting| waiting != id);
        self.events.retain(|event| event.id != id);
    }

    /// Takes in a datagram; `false` if it answers no open query.
    pub fn handle_datagram(&mut self, now: Instant, remote: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(HandshakeDatagram::InfoAnswer(answer)) = HandshakeDatagram::parse(datagram) else {
            return false;
        };
        let id = QueryId(answer.nonce >> ATTEMPT_BITS);
        let attempt = (answer.nonce & ((1 << ATTEMPT_BITS) - 1)) as usize;
        let Some(open) = self.open.get(&id).filter(|open| open.remote == remote) else { return false };
        let Some(&sent_at) = open.sent_at.get(attempt) else { return false };
        let rtt = now.saturating_since(sent_at);
        self.end(id, Some(ServerInfo::new(&answer.description, rtt)));
        true
    }

    /// Repeats what is due, and gives up what has waited long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.deadlines.first() {
            if at > now {
                return;
            }
            self.deadlines.pop_first();
            match self.open.get_mut(&id) {
                Some(open) if open.give_up_at > now => {
                    open.due = open.give_up_at;
                    self.deadlines.insert((open.due, id));
                    self.waiting.push_back(id);
                }
                _ => self.end(id, None),
            }
        }
    }

    /// Puts the next query into `datagram`, which is cleared; gives where to send it. `None`: nothing to send now.
    pub fn poll_transmit(&mut self, now: Instant, datagram: &mut Vec<u8>) -> Option<SocketAddr> {
        datagram.clear();
        let id = *self.waiting.front()?;
        if !self.rate.admit(now) {
            return None;
        }
        self.waiting.pop_front();
        let open = self.open.get_mut(&id)?;
        let nonce = id.0 << ATTEMPT_BITS | open.sent_at.len() as u64;
        InfoQuery { nonce }.encode(datagram);
        open.sent_at.push(now);
        self.deadlines.remove(&(open.due, id));
        open.due = (now + open.resend_after).min(open.give_up_at);
        // An hour holds 17 repetitions: the count never outgrows its bits.
        open.resend_after = open.resend_after * 3 / 2;
        self.deadlines.insert((open.due, id));
        Some(open.remote)
    }

    /// Takes the oldest ended query.
    pub fn poll_event(&mut self) -> Option<QueryEvent> {
        self.events.pop_front()
    }

    fn end(&mut self, id: QueryId, info: Option<ServerInfo>) {
        let Some(open) = self.open.remove(&id) else { return };
        self.deadlines.remove(&(open.due, id));
        self.waiting.retain(|&waiting| waiting != id);
        self.events.push_back(QueryEvent { id, remote: open.remote, info });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::datagram::InfoAnswer;
    use crate::random::SeededRandom;

    fn remote(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1_000_000 + millis * 1_000)
    }

    fn answer_to(datagram: &[u8]) -> Vec<u8> {
        let Ok(HandshakeDatagram::InfoQuery(query)) = HandshakeDatagram::parse(datagram) else {
            panic!("no query")
        };
        let mut answer = Vec::new();
        let versions = Versions::OURS;
        let demands = ServerDemands { token: true, ..ServerDemands::default() };
        let information = &[7; 512];
        let description =
            Description { versions, application_id: 5, peers: 1, peers_max: 2, demands, information };
        InfoAnswer { nonce: query.nonce, description }.encode(&mut answer);
        assert!(answer.len() <= datagram.len());
        answer
    }

    #[test]
    fn an_answer_measures_the_query_it_answers() {
        let (mut queries, mut random) = (Queries::default(), SeededRandom::new(1));
        let id = queries.ask(at(0), remote(1), Duration::from_secs(3), &mut random).unwrap();
        let mut datagrams = vec![Vec::new(); 2];
        assert_eq!(queries.poll_transmit(at(0), &mut datagrams[0]), Some(remote(1)));
        assert_eq!(queries.poll_timeout(at(1)), Some(at(500)));
        queries.handle_timeout(at(500));
        assert_eq!(queries.poll_transmit(at(500), &mut datagrams[1]), Some(remote(1)));
        assert_ne!(datagrams[0], datagrams[1]);

        let answer = answer_to(&datagrams[1]);
        assert!(!queries.handle_datagram(at(530), remote(2), &answer), "from another address");
        let mut guessed = answer.clone();
        guessed[6] ^= 1;
        assert!(!queries.handle_datagram(at(530), remote(1), &guessed), "with another nonce");
        let mut early = answer.clone();
        early[5] = 2;
        assert!(!queries.handle_datagram(at(530), remote(1), &early), "to a query that was never sent");
        assert!(queries.handle_datagram(at(530), remote(1), &answer));
        let event = queries.poll_event().unwrap();
        let info = event.info.unwrap();
        assert_eq!((event.id, info.rtt, info.peers_max), (id, Duration::from_millis(30), 2));
        assert!(!queries.handle_datagram(at(531), remote(1), &answer), "once");
        assert_eq!((queries.count(), queries.poll_timeout(at(531))), (0, None));
    }

    #[test]
    fn silence_ends_a_query_in_time() {
        let (mut queries, mut random) = (Queries::default(), SeededRandom::new(1));
        queries.ask(at(0), remote(1), Duration::from_secs(2), &mut random).unwrap();
        let (mut now, mut sent) = (at(0), Vec::new());
        while queries.count() > 0 {
            queries.handle_timeout(now);
            let mut datagram = Vec::new();
            while queries.poll_transmit(now, &mut datagram).is_some() {
                sent.push(now);
            }
            now = queries.poll_timeout(now).unwrap_or(now);
        }
        assert_eq!(sent, [at(0), at(500), at(1_250)]);
        assert_eq!((now, queries.poll_event().unwrap().info), (at(2_000), None));
    }

    #[test]
    fn many_leave_evenly_and_no_more_than_so_many_are_open() {
        let (mut queries, mut random) = (Queries::default(), SeededRandom::new(1));
        let second = Duration::from_secs(1);
        let ids: Vec<_> = (0..QUERIES_MAX)
            .map(|n| queries.ask(at(0), remote(n as u16 + 1), second * 60, &mut random).unwrap())
            .collect();
        assert_eq!(queries.ask(at(0), remote(1), second, &mut random), Err(TooManyQueries));
        let mut datagram = Vec::new();
        let mut sent = |queries: &mut Queries, millis| {
            std::iter::from_fn(|| queries.poll_transmit(at(millis), &mut datagram)).count()
        };
        assert_eq!(sent(&mut queries, 0), 64);
        assert_eq!(sent(&mut queries, 100), 64, "a pause earns no more than a burst");
        assert_eq!(sent(&mut queries, 110), 10);
        ids.into_iter().for_each(|id| queries.cancel(id));
        assert_eq!((queries.count(), queries.poll_timeout(at(200)), sent(&mut queries, 300)), (0, None, 0));
    }

    #[test]
    fn garbage_answers_nothing() {
        let (mut queries, mut random) = (Queries::default(), SeededRandom::new(1));
        queries.ask(at(0), remote(1), Duration::from_secs(1), &mut random).unwrap();
        queries.poll_transmit(at(0), &mut Vec::new());
        for bytes in 0..600 {
            let mut garbage = vec![0; bytes];
            random.fill(&mut garbage);
            if let Some(head) = garbage.first_chunk_mut::<5>() {
                *head = *b"TMED\x08";
            }
            assert!(!queries.handle_datagram(at(1), remote(1), &garbage));
        }
    }
}
