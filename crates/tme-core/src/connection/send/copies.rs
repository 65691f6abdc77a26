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
/// Most copies of a message.
const COPIES_MAX: u8 = 3;
/// Between two packets that carry the same message, so that one burst of losses does not take both.
const SPACING: Duration = Duration::from_millis(4);
/// The third copy waits a little longer: on a quick way the acknowledgement comes first, and it is not needed.
const LAST_SPACING: Duration = Duration::from_millis(12);

/// Share of lost packets, in thousandths, from which on there are so many copies.
const LOSS_OF_COPIES: [(u32, u8); 3] = [(150, 3), (110, 2), (1, 1)];
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
}

impl Default for CopyPolicy {
    /// Before anything is known of the way: one.
    fn default() -> Self {
        Self { copies: 1, calm_since: None, is_known: false, is_needless: false }
    }
}

impl CopyPolicy {
    /// Takes a new figure of loss in, in thousandths. More copies come at once, fewer after nine seconds, one by one.
    pub fn handle_loss(&mut self, now: Instant, loss_permille: u32) {
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

    const fn spacing(left: u8, all: u8) -> Duration {
        if left == 1 && all == COPIES_MAX { LAST_SPACING } else { SPACING }
    }
}

/// The messages of a channel that are to ride again, oldest first.
#[derive(Debug, Default)]
pub struct Copies {
    waiting: VecDeque<Copy>,
    /// How many copies messages get at the moment.
    all: u8,
}

impl Copies {
    /// How many copies messages get from now on.
    pub fn set_count(&mut self, copies: u8) {
        self.all = copies;
    }

    /// How many copies messages get.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.all
    }

    /// A message has left in this packet and is to ride again `copies` times.
    pub fn push(&mut self, now: Instant, sequence: u64, packet: u64, copies: u8) {
        let left = copies.min(COPIES_MAX);
        if left == 0 {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        let not_before = now + Copy::spacing(left, self.all);
        self.waiting.push_back(Copy { sequence, left, packet, not_before });
    }

    /// The message at `index`, oldest first.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Copy> {
        self.waiting.get(index).copied()
    }

    /// The message at `index` was written into this packet. `true`: it stays for another copy.
    pub fn handle_written(&mut self, now: Instant, index: usize, packet: u64) -> bool {
        let all = self.all;
        let Some(copy) = self.waiting.get_mut(index) else { return false };
        copy.left -= 1;
        copy.packet = packet;
        copy.not_before = now + Copy::spacing(copy.left, all);
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

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn the_loss_on_the_way_says_how_many_copies_there_are() {
        for (loss, expected) in [(0, 0), (1, 1), (10, 1), (109, 1), (110, 2), (149, 2), (150, 3), (1_000, 3)]
        {
            let mut policy = CopyPolicy::default();
            assert_eq!(policy.copies(Redundancy::Auto), 1, "before anything is known");
            policy.handle_loss(at(0), loss);
            assert_eq!(policy.copies(Redundancy::Auto), expected, "{loss} ‰");
            assert_eq!(policy.copies(Redundancy::Off), 0);
            assert_eq!(policy.copies(Redundancy::Copies(2)), 2);
            assert_eq!(policy.copies(Redundancy::Copies(200)), 3);
        }
    }

    #[test]
    fn more_copies_come_at_once_and_fewer_one_by_one_after_nine_calm_seconds() {
        let mut policy = CopyPolicy::default();
        policy.handle_loss(at(0), 200);
        let mut story = Vec::new();
        for second in 0..40 {
            policy.handle_loss(at(second * 1_000), 0);
            story.push(policy.copies(Redundancy::Auto));
        }
        assert_eq!((story[8], story[9], story[17], story[18], story[26], story[27]), (3, 2, 2, 1, 1, 0));
        policy.handle_loss(at(40_000), 5);
        assert_eq!(policy.copies(Redundancy::Auto), 1);
    }

    #[test]
    fn a_stream_needs_no_copies() {
        let mut policy = CopyPolicy::default();
        policy.handle_loss(at(0), 300);
        policy.handle_path(true);
        policy.handle_loss(at(0), 300);
        assert_eq!((policy.copies(Redundancy::Auto), policy.copies(Redundancy::Copies(2))), (0, 0));
        policy.handle_path(false);
        assert_eq!((policy.copies(Redundancy::Auto), policy.copies(Redundancy::Copies(2))), (1, 2));
    }

    #[test]
    fn calm_that_does_not_last_changes_nothing() {
        let mut policy = CopyPolicy::default();
        for second in 0..60 {
            policy.handle_loss(at(second * 1_000), if second % 6 == 0 { 200 } else { 0 });
            assert_eq!(policy.copies(Redundancy::Auto), 3, "second {second}");
        }
    }

    #[test]
    fn a_message_rides_once_per_packet_and_as_often_as_asked() {
        let mut copies = Copies::default();
        copies.set_count(2);
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
        copies.set_count(3);
        copies.push(at(0), 7, 100, 3);
        copies.handle_written(at(16), 0, 101);
        copies.handle_written(at(33), 0, 102);
        let last = copies.get(0).unwrap();
        assert!(!last.is_due(at(44), 103));
        assert!(last.is_due(at(45), 103));
    }

    #[test]
    fn a_flood_keeps_no_more_than_sixteen_waiting() {
        let mut copies = Copies::default();
        copies.set_count(1);
        (0..100).for_each(|sequence| copies.push(at(0), sequence, 1, 1));
        assert_eq!(copies.get(0).map(|copy| copy.sequence), Some(84));
        assert!(copies.get(16).is_none());
    }
}
