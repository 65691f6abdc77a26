//! Copies: small reliable messages ride again in the packets that follow, so that a loss need not cost a round trip.
//!
//! A copy never makes a packet of its own: it takes room that a packet has left, up to a budget, and while long messages fill
//! all packets, one of ten goes to copies first. It costs bandwidth and saves waiting, so how many there are follows the
//! loss on the way.

use std::collections::VecDeque;
use std::time::Duration;

use crate::channel::Redundancy;
use crate::time::Instant;

/// Largest message that is copied, in bytes: what a position, an input or a chat line takes.
pub const COPIED_BYTES_MAX: usize = 256;
/// Most bytes of copies in one packet, headers of their frames included.
pub const COPIES_PER_PACKET_BYTES_MAX: usize = 512;
/// Messages of a channel that wait for a copy; more come only in a flood, which needs none.
const WAITING_MAX: usize = 16;
/// Most copies of a message that come without question.
const COPIES_MAX: u8 = 3;
/// One more, on a path that loses a lot, for messages of which no acknowledgement has come in time.
const COPIES_WITH_DOUBT: u8 = COPIES_MAX + 1;
/// That time, in hundredths of the round trip: with the acknowledgement of the first copy, too, it would be there.
const DOUBT_PERCENT: u32 = 165;
/// Between two packets that carry the same message, so that one burst of losses does not take both.
const SPACING: Duration = Duration::from_millis(4);
/// The third copy waits a little longer: on a quick way the acknowledgement comes first, and it is not needed.
const LAST_SPACING: Duration = Duration::from_millis(12);

/// The same before a round trip is known.
const PATIENCE_UNKNOWN: Duration = Duration::from_secs(1);

/// Share of lost packets, in thousandths, from which on there are so many copies.
const LOSS_OF_COPIES: [(u32, u8); 3] = [(150, COPIES_WITH_DOUBT), (110, 2), (1, 1)];
/// How long fewer losses have to last before there are fewer copies.
const CALM: Duration = Duration::from_secs(9);

/// How many copies the loss on the way asks for.
#[derive(Clone, Copy, Debug)]
pub struct CopyPolicy {
    copies: u8,
    calm_since: Option<Instant>,
    is_known: bool,
    /// Nothing is lost on the way, whatever the settings.
    is_needless: bool,
    /// How long the acknowledgement of a message may take before there is doubt.
    patience: Duration,
}

impl Default for CopyPolicy {
    /// Before anything is known of the way: one.
    fn default() -> Self {
        Self { copies: 1, calm_since: None, is_known: false, is_needless: false, patience: PATIENCE_UNKNOWN }
    }
}

impl CopyPolicy {
    /// Takes a new figure of loss in, in thousandths. More copies come at once, fewer after nine seconds, one by one.
    pub fn handle_loss(&mut self, now: Instant, loss_permille: u32, rtt: Duration) {
        self.patience = rtt * DOUBT_PERCENT / 100;
        let wanted =
            LOSS_OF_COPIES.iter().find(|(from, _)| loss_permille >= *from).map_or(0, |&(_, copies)| copies);
        let is_first = !std::mem::replace(&mut self.is_known, true);
        if wanted >= self.copies || is_first {
            self.copies = wanted;
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_since(since) >= CALM {
            self.copies -= 1;
            self.calm_since = Some(now);
        }
    }

    /// Tells whether a stream carries the packets from now on, which loses none.
    pub fn handle_path(&mut self, is_stream: bool) {
        if self.is_needless != is_stream {
            *self = Self { is_needless: is_stream, ..Self::default() };
        }
    }

    /// How long the acknowledgement of a message may take before there is doubt.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// How many copies a message gets on a channel with this setting.
    #[must_use]
    pub fn copies(&self, redundancy: Redundancy) -> u8 {
        match redundancy {
            _ if self.is_needless => 0,
            Redundancy::Off => 0,
            Redundancy::Auto => self.copies,
            Redundancy::Copies(copies) => copies.min(COPIES_MAX),
        }
    }
}

/// A message that is to ride again.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// Which.
    pub sequence: u64,
    left: u8,
    /// When the message left for the first time.
    first_at: Instant,
    /// The packet that carried it last: not the one being filled.
    packet: u64,
    not_before: Instant,
}

impl Copy {
    /// Whether this packet may carry it.
    #[must_use]
    pub fn is_due(&self, now: Instant, packet: u64) -> bool {
        self.packet != packet && self.not_before <= now
    }

    /// When the next of `left` copies may ride.
    fn next_at(now: Instant, first_at: Instant, left: u8, all: u8, patience: Duration) -> Instant {
        match (all + 1).saturating_sub(left) {
            COPIES_WITH_DOUBT => (now + LAST_SPACING).max(first_at + patience),
            COPIES_MAX => now + LAST_SPACING,
            _ => now + SPACING,
        }
    }
}

/// The messages of a channel that are to ride again, oldest first.
#[derive(Debug, Default)]
pub struct Copies {
    waiting: VecDeque<Copy>,
    /// How many copies messages get at the moment.
    all: u8,
    /// How long there is no doubt about a message.
    patience: Duration,
}

impl Copies {
    /// How many copies messages get from now on, and after which time without an acknowledgement the one that goes in doubt.
    pub fn set_count(&mut self, copies: u8, patience: Duration) {
        self.all = copies;
        self.patience = patience;
    }

    /// How many copies messages get.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.all
    }

    /// A message has left in this packet and is to ride again `copies` times.
    pub fn push(&mut self, now: Instant, sequence: u64, packet: u64, copies: u8) {
        let left = copies.min(COPIES_WITH_DOUBT);
        if left == 0 {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        let not_before = Copy::next_at(now, now, left, self.all, self.patience);
        self.waiting.push_back(Copy { sequence, left, first_at: now, packet, not_before });
    }

    /// The message at `index`, oldest first.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Copy> {
        self.waiting.get(index).copied()
    }

    /// The message at `index` was written into this packet. `true`: it stays for another copy.
    pub fn handle_written(&mut self, now: Instant, index: usize, packet: u64) -> bool {
        let (all, patience) = (self.all, self.patience);
        let Some(copy) = self.waiting.get_mut(index) else { return false };
        copy.left -= 1;
        copy.packet = packet;
        copy.not_before = Copy::next_at(now, copy.first_at, copy.left, all, patience);
        if copy.left == 0 {
            self.waiting.remove(index);
            return false;
        }
        true
    }

    /// The message at `index` needs no copy any more.
    pub fn remove(&mut self, index: usize) {
        self.waiting.remove(index);
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        self.waiting.clear();
        self.waiting.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn the_loss_on_the_way_says_how_many_copies_there_are() {
        for (loss, expected) in [(0, 0), (1, 1), (10, 1), (109, 1), (110, 2), (149, 2), (150, 4), (1_000, 4)]
        {
            let mut policy = CopyPolicy::default();
            assert_eq!(policy.copies(Redundancy::Auto), 1, "before anything is known");
            policy.handle_loss(at(0), loss, ms(50));
            assert_eq!(policy.copies(Redundancy::Auto), expected, "{loss} ‰");
            assert_eq!(policy.copies(Redundancy::Off), 0);
            assert_eq!(policy.copies(Redundancy::Copies(2)), 2);
            assert_eq!(policy.copies(Redundancy::Copies(200)), 3);
        }
    }

    #[test]
    fn more_copies_come_at_once_and_fewer_one_by_one_after_nine_calm_seconds() {
        let mut policy = CopyPolicy::default();
        policy.handle_loss(at(0), 200, ms(50));
        let mut story = Vec::new();
        for second in 0..40 {
            policy.handle_loss(at(second * 1_000), 0, ms(50));
            story.push(policy.copies(Redundancy::Auto));
        }
        let changes = [8, 9, 17, 18, 26, 27, 35, 36].map(|second: usize| story[second]);
        assert_eq!(changes, [4, 3, 3, 2, 2, 1, 1, 0]);
        policy.handle_loss(at(40_000), 5, ms(50));
        assert_eq!(policy.copies(Redundancy::Auto), 1);
    }

    #[test]
    fn a_stream_needs_no_copies() {
        let mut policy = CopyPolicy::default();
        policy.handle_loss(at(0), 300, ms(50));
        policy.handle_path(true);
        policy.handle_loss(at(0), 300, ms(50));
        assert_eq!((policy.copies(Redundancy::Auto), policy.copies(Redundancy::Copies(2))), (0, 0));
        policy.handle_path(false);
        assert_eq!((policy.copies(Redundancy::Auto), policy.copies(Redundancy::Copies(2))), (1, 2));
    }

    #[test]
    fn calm_that_does_not_last_changes_nothing() {
        let mut policy = CopyPolicy::default();
        for second in 0..60 {
            policy.handle_loss(at(second * 1_000), if second % 6 == 0 { 200 } else { 0 }, ms(50));
            assert_eq!(policy.copies(Redundancy::Auto), 4, "second {second}");
        }
    }

    #[test]
    fn a_message_rides_once_per_packet_and_as_often_as_asked() {
        let mut copies = Copies::default();
        copies.set_count(2, ms(80));
        copies.push(at(0), 7, 100, 2);
        let copy = copies.get(0).unwrap();
        assert!(!copy.is_due(at(10), 100), "not in its own packet");
        assert!(!copy.is_due(at(3), 101), "not within 4 ms");
        assert!(copy.is_due(at(4), 101));
        assert!(copies.handle_written(at(4), 0, 101));
        assert!(!copies.handle_written(at(9), 0, 102));
        assert!(copies.get(0).is_none());
    }

    #[test]
    fn the_third_copy_waits_a_little_longer() {
        let mut copies = Copies::default();
        copies.set_count(3, ms(80));
        copies.push(at(0), 7, 100, 3);
        copies.handle_written(at(16), 0, 101);
        copies.handle_written(at(33), 0, 102);
        let last = copies.get(0).unwrap();
        assert!(!last.is_due(at(44), 103));
        assert!(last.is_due(at(45), 103));
    }

    #[test]
    fn the_fourth_copy_waits_until_the_acknowledgement_should_be_there() {
        for (patience, due_at) in [(80, 80), (10, 62)] {
            let mut copies = Copies::default();
            copies.set_count(4, ms(patience));
            copies.push(at(0), 7, 100, 4);
            for (millis, packet) in [(16, 101), (33, 102), (50, 103)] {
                assert!(copies.get(0).unwrap().is_due(at(millis), packet));
                assert!(copies.handle_written(at(millis), 0, packet));
            }
            let last = copies.get(0).unwrap();
            assert!(!last.is_due(at(due_at - 1), 104), "{patience} ms");
            assert!(last.is_due(at(due_at), 104), "{patience} ms");
            assert!(!copies.handle_written(at(due_at), 0, 104));
        }
    }

    #[test]
    fn a_flood_keeps_no_more_than_sixteen_waiting() {
        let mut copies = Copies::default();
        copies.set_count(1, ms(80));
        (0..100).for_each(|sequence| copies.push(at(0), sequence, 1, 1));
        assert_eq!(copies.get(0).map(|copy| copy.sequence), Some(84));
        assert!(copies.get(16).is_none());
    }
}
