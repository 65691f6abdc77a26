//! How large datagrams may be: searching upwards with probes, and noticing when the path carries less than it did
//! (RFC 8899).

use std::time::Duration;

use crate::time::Instant;

/// Every path carries datagrams of this size: the padded HELLO has shown it.
pub const DATAGRAM_BYTES_SAFE: usize = 1_200;
/// Where the search ends unless set otherwise: what Ethernet leaves to UDP over IPv6. Over IPv4 it would be 20 bytes more, 1.4 %
/// that are not worth a search of their own on every path.
pub const DATAGRAM_BYTES_MAX_DEFAULT: usize = 1_452;

const ETHERNET: u32 = DATAGRAM_BYTES_MAX_DEFAULT as u32;
/// A size is too large when so many probes of it were lost.
const ATTEMPTS: u8 = 3;
/// Less than this is not worth the probes.
const STEP_MIN: u32 = 20;
/// After a lost probe: whatever made it vanish by chance may be over by then.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// The first probe waits for the connection to have begun, and a random part of this time more: the many who connect when a
/// server opens do not probe together.
const FIRST_AFTER: Duration = Duration::from_millis(500);
const FIRST_SPREAD_MS: u32 = 512;
/// A path that carried less may carry more by now (RFC 8899, section 5.1.1: PMTU_RAISE_TIMER).
const RAISE_AFTER: Duration = Duration::from_secs(600);
/// So many packets above [`DATAGRAM_BYTES_SAFE`] lost, none so large arrived since: a black hole, or bad luck, which costs a
/// round trip of smaller packets.
const VANISHED_MAX: u32 = 3;

/// Settings of the search.
#[derive(Clone, Copy, Debug)]
pub struct MtuLimits {
    /// Size to begin with.
    pub start: u16,
    /// Largest size to try; not above `start`: nothing is tried.
    pub ceiling: u16,
}

/// The size of datagrams in one direction of a path.
#[derive(Clone, Debug)]
pub struct PathMtu {
    limits: MtuLimits,
    current: u16,
    /// This size and those above are held to be too large; beyond 16 bits for the largest datagram there is.
    too_large: u32,
    /// The size just below was too large, too.
    is_top_tried: bool,
    attempts: u8,
    state: Search,
    /// Large packets lost since one as large as the smallest of them arrived.
    vanished: u32,
    vanished_bytes: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// Nothing is to be found.
    Over,
    /// A probe may leave at this time.
    Due(Instant),
    /// A probe is on its way.
    InFlight,
    /// Everything known is tried; again at this time.
    Rests(Instant),
}

impl PathMtu {
    /// A search that has not begun.
    #[must_use]
    pub const fn new(limits: MtuLimits) -> Self {
        Self {
            limits,
            current: limits.start,
            too_large: limits.ceiling as u32 + 1,
            is_top_tried: false,
            attempts: 0,
            state: Search::Over,
            vanished: 0,
            vanished_bytes: u16::MAX,
        }
    }

    /// Largest datagram that may be sent.
    #[must_use]
    #[inline]
    pub const fn current(&self) -> usize {
        self.current as usize
    }

    /// Largest datagram that may ever be sent, probes included.
    #[must_use]
    pub const fn ceiling(&self) -> usize {
        let MtuLimits { start, ceiling } = self.limits;
        (if ceiling > start { ceiling } else { start }) as usize
    }

    /// Begins on a new path, of which nothing is known. `salt` spreads many connections that begin together.
    pub fn begin(&mut self, now: Instant, salt: u32) {
        *self = Self::new(self.limits);
        let spread = salt.wrapping_mul(0x9E37_79B1) >> 16 & (FIRST_SPREAD_MS - 1);
        self.seek(now + FIRST_AFTER + Duration::from_millis(spread.into()), now);
    }

    /// When the search goes on.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            Search::Due(at) | Search::Rests(at) => Some(at),
            Search::Over | Search::InFlight => None,
        }
    }

    /// Starts over after a long rest.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.state, Search::Rests(at) if at <= now) {
            self.too_large = u32::from(self.limits.ceiling) + 1;
            self.is_top_tried = false;
            self.seek(now, now);
        }
    }

    /// Size of the probe that should leave now.
    #[must_use]
    pub fn probe_due(&self, now: Instant) -> Option<usize> {
        matches!(self.state, Search::Due(at) if at <= now).then(|| self.candidate())
    }

    /// The host has no room for larger datagrams than these.
    pub fn cap(&mut self, now: Instant, bytes: usize) {
        let limit = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(1);
        if limit < self.too_large {
            self.too_large = limit;
            self.seek(now, now);
        }
    }

    /// The probe that was due has left.
    pub fn handle_probe_sent(&mut self) {
        self.state = Search::InFlight;
    }

    /// A probe has arrived, maybe after it was counted as lost.
    pub fn handle_probe_acked(&mut self, now: Instant, bytes: u16) {
        if bytes <= self.current {
            return;
        }
        self.current = bytes;
        self.too_large = self.too_large.max(u32::from(bytes) + 1);
        self.attempts = 0;
        self.forget_vanished();
        self.seek(now, now);
    }

    /// The probe was lost.
    pub fn handle_probe_lost(&mut self, now: Instant) {
        if self.state != Search::InFlight {
            return;
        }
        self.attempts += 1;
        if self.attempts >= ATTEMPTS {
            self.too_large = self.candidate() as u32;
            self.is_top_tried = true;
            self.attempts = 0;
        }
        self.seek(now + RETRY_AFTER, now);
    }

    /// A packet of this size has arrived.
    #[inline]
    pub fn handle_carried(&mut self, bytes: u16) {
        if bytes >= self.vanished_bytes {
            self.forget_vanished();
        }
    }

    /// So many packets above the safe size were lost, the smallest of this size, and none so large sent later has arrived.
    /// Gives whether the path is held to carry less now.
    pub fn handle_vanished(&mut self, now: Instant, packets: u32, bytes_min: u16) -> bool {
        self.vanished += packets;
        self.vanished_bytes = self.vanished_bytes.min(bytes_min);
        self.vanished >= VANISHED_MAX && self.fall_back(now)
    }

    /// Goes back to the safe size; the first probe asks whether it had to be. `false`: it was there already.
    pub fn fall_back(&mut self, now: Instant) -> bool {
        self.forget_vanished();
        if self.current() <= DATAGRAM_BYTES_SAFE {
            return false;
        }
        self.too_large = u32::from(self.current) + 1;
        self.is_top_tried = false;
        self.current = DATAGRAM_BYTES_SAFE as u16;
        self.attempts = 0;
        self.seek(now, now);
        true
    }

    fn forget_vanished(&mut self) {
        self.vanished = 0;
        self.vanished_bytes = u16::MAX;
    }

    /// The largest size first, for most paths carry it; then halves of what is between.
    const fn candidate(&self) -> usize {
        let (lower, upper) = (self.current as u32, self.too_large);
        (match self.is_top_tried {
            false => upper - 1,
            // Where a game asks for far more than Ethernet carries, Ethernet is the first guess.
            true if lower < ETHERNET && ETHERNET < upper => ETHERNET,
            true => u32::midpoint(lower, upper),
        }) as usize
    }

    /// Goes on at `at` if there is something to find.
    fn seek(&mut self, at: Instant, now: Instant) {
        self.state = if self.current >= self.limits.ceiling {
            Search::Over
        } else if self.too_large <= u32::from(self.current) + STEP_MIN {
            Search::Rests(now + RAISE_AFTER)
        } else {
            Search::Due(at)
        };
    }
}
