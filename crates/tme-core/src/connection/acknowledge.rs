//! When to acknowledge and what to say (`docs/PROTOCOL.md`, section 8).

use std::time::Duration;

use super::Provokes;
use super::rtt::ACK_DELAY_MAX;
use crate::crypto::replay::{REPLAY_WINDOW, ReplayWindow};
use crate::time::Instant;
use crate::wire::ack::{ACK_FIELD_BITS, Ack, AckDelay, AckRange, AckRangeBuffer};

/// Longest wait for packets that hold only unreliable messages.
pub const LAZY_DELAY_MAX: Duration = Duration::from_millis(100);
/// Reordering within this time is not reported as a gap.
pub const REORDER_GRACE: Duration = Duration::from_millis(1);
const LAZY_PACKETS_MAX: u32 = 16;
const PROMPT_PACKETS_MAX: u32 = 8;
/// What came in a stream has arrived for certain: its sender only wants to know when to forget it.
const STREAM_DELAY_MAX: Duration = Duration::from_millis(100);
const STREAM_BYTES_MAX: usize = 64 << 10;
/// Fewer than the replay window remembers, or the oldest could never be reported.
const STREAM_PACKETS_MAX: u32 = 1_000;
/// Everything received since this many ACKs ago is reported again, so that the loss of an ACK costs nothing.
const ACKS_REPEATED: usize = 3;
/// Packets after a gap that are acknowledged as quickly as the one that showed it: the sender gives a packet up
/// after three later ones, and an acknowledgement may be lost too.
const PACKETS_AFTER_GAP: u32 = 3;

/// Remembers what still has to be acknowledged, and until when.
#[derive(Clone, Debug)]
pub struct AckScheduler {
    prompt_waiting: u32,
    lazy_waiting: u32,
    /// Bytes that came in streams.
    stream_bytes_waiting: usize,
    deadline: Option<Instant>,
    /// Packets still to be acknowledged quickly because of a gap.
    hurried: u32,
    newest_received_at: Instant,
    /// For each of the last ACKs sent, oldest first, the lowest number that came in after it.
    untold_from: [u64; ACKS_REPEATED],
    /// First number of the connection.
    first: u64,
}

/// How a packet number relates to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The successor of the largest so far.
    InOrder,
    /// Above the successor: it shows a gap.
    Ahead,
    /// This number, below the largest: it fills a gap.
    Late(u64),
}

impl AckScheduler {
    /// Nothing received yet; `first` is the first number of the connection.
    #[must_use]
    pub const fn new(first: u64) -> Self {
        Self {
            prompt_waiting: 0,
            lazy_waiting: 0,
            stream_bytes_waiting: 0,
            deadline: None,
            hurried: 0,
            newest_received_at: Instant::ZERO,
            untold_from: [first; ACKS_REPEATED],
            first,
        }
    }

    /// An authentic packet came in.
    pub fn handle_received(&mut self, now: Instant, arrival: Arrival, provokes: Provokes) {
        match arrival {
            Arrival::Late(number) => {
                self.untold_from = self.untold_from.map(|from| from.min(number));
            }
            Arrival::InOrder | Arrival::Ahead => self.newest_received_at = now,
        }
        let deadline = match provokes {
            Provokes::Nothing => return,
            Provokes::Lazily => {
                self.lazy_waiting += 1;
                now + LAZY_DELAY_MAX
            }
            Provokes::Promptly => {
                self.prompt_waiting += 1;
                now + ACK_DELAY_MAX
            }
        };
        let is_hurried = arrival != Arrival::InOrder || (self.hurried > 0 && provokes == Provokes::Promptly);
        self.hurried =
            if arrival == Arrival::Ahead { PACKETS_AFTER_GAP } else { self.hurried.saturating_sub(1) };
        let deadline = if is_hurried { now + REORDER_GRACE } else { deadline };
        let is_full = self.lazy_waiting >= LAZY_PACKETS_MAX || self.prompt_waiting >= PROMPT_PACKETS_MAX;
        let deadline = if is_full { now } else { deadline };
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// When an acknowledgement must go out by itself.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether an acknowledgement must go out now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether an outgoing packet should carry an acknowledgement.
    #[must_use]
    pub const fn has_waiting(&self) -> bool {
        self.prompt_waiting + self.lazy_waiting > 0
    }

    /// An authentic packet of so many bytes came in a stream.
    pub fn handle_streamed(&mut self, now: Instant, arrival: Arrival, provokes: Provokes, bytes: usize) {
        match arrival {
            Arrival::Late(number) => {
                self.untold_from = self.untold_from.map(|from| from.min(number));
            }
            Arrival::InOrder | Arrival::Ahead => self.newest_received_at = now,
        }
        if provokes == Provokes::Nothing {
            return;
        }
        self.lazy_waiting += 1;
        self.stream_bytes_waiting += bytes;
        let is_full =
            self.stream_bytes_waiting >= STREAM_BYTES_MAX || self.lazy_waiting >= STREAM_PACKETS_MAX;
        let deadline = if is_full { now } else { now + STREAM_DELAY_MAX };
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// Asks for an acknowledgement at once (to answer a repeated CLOSE).
    pub fn demand(&mut self, now: Instant) {
        self.prompt_waiting += 1;
        self.deadline = Some(now);
    }

    /// Appends the ACK frame; nothing if nothing was received yet.
    pub fn write(&mut self, now: Instant, received: &ReplayWindow, packet: &mut Vec<u8>) {
        let Some(newest) = received.largest() else { return };
        let field = (0..ACK_FIELD_BITS).fold(0u64, |field, bit| {
            // Numbers below the first of the connection count as received.
            let was_received = newest
                .checked_sub(1 + bit)
                .is_none_or(|number| number < self.first || received.contains(number));
            field | (u64::from(was_received) << bit)
        });
        let mut ranges = AckRangeBuffer::default();
        self.collect_ranges(newest, received, &mut ranges);
        let delay = AckDelay::from(now.saturating_since(self.newest_received_at));
        Ack { newest: newest as u32, delay, field, ranges: ranges.ranges() }.encode(packet);
        self.untold_from.rotate_left(1);
        if let Some(last) = self.untold_from.last_mut() {
            *last = newest.saturating_add(1);
        }
        self.prompt_waiting = 0;
        self.lazy_waiting = 0;
        self.stream_bytes_waiting = 0;
        self.deadline = None;
    }

    /// Ranges from below the bit field down to the lowest number that came in after the third-last ACK, as far as the
    /// window remembers. Never below the first number, or they would tell of packets that were never sent.
    fn collect_ranges(&self, newest: u64, received: &ReplayWindow, ranges: &mut AckRangeBuffer) {
        let [lowest, ..] = self.untold_from;
        let lowest = lowest.max(newest.saturating_sub(REPLAY_WINDOW - 1));
        let Some(highest) = newest.checked_sub(ACK_FIELD_BITS + 1) else { return };
        let mut range = AckRange::default();
        for number in (lowest..=highest).rev() {
            if received.contains(number) {
                range.length += 1;
                continue;
            }
            if range.length > 0 && !ranges.push(std::mem::take(&mut range)) {
                return;
            }
            range.gap += 1;
        }
        if range.length > 0 {
            ranges.push(range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Reader;
    use crate::wire::frame::{self, Frame};

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn window_of(numbers: impl IntoIterator<Item = u64>) -> ReplayWindow {
        let mut window = ReplayWindow::default();
        numbers.into_iter().for_each(|number| window.accept(number).unwrap());
        window
    }

    fn written(scheduler: &mut AckScheduler, now: Instant, window: &ReplayWindow) -> (u32, Vec<u64>) {
        let mut bytes = Vec::new();
        scheduler.write(now, window, &mut bytes);
        let Ok(Frame::Ack(ack)) = frame::decode(&mut Reader::new(&bytes), &[]) else {
            panic!("{bytes:02x?}")
        };
        let newest = u64::from(ack.newest);
        let mut reported: Vec<u64> = (0..64)
            .filter(|bit| ack.field >> bit & 1 == 1)
            .filter_map(|bit| newest.checked_sub(bit + 1))
            .collect();
        let mut above = newest.saturating_sub(64);
        for range in ack.ranges.iter() {
            above -= range.gap;
            reported.extend((above - range.length..above).rev());
            above -= range.length;
        }
        (ack.newest, reported)
    }

    #[test]
    fn what_came_in_a_stream_waits_100_ms_or_for_64_kib_or_for_1000_packets() {
        let window = window_of(0..2_000);
        let streamed = |scheduler: &mut AckScheduler, bytes| {
            scheduler.handle_streamed(at(5), Arrival::InOrder, Provokes::Promptly, bytes);
        };
        let mut scheduler = AckScheduler::new(0);
        scheduler.handle_streamed(at(5), Arrival::InOrder, Provokes::Nothing, 100);
        assert_eq!(scheduler.deadline(), None);
        streamed(&mut scheduler, 100);
        assert_eq!(scheduler.deadline(), Some(at(105)));
        (0..4).for_each(|_| streamed(&mut scheduler, 16_384));
        assert!(scheduler.is_due(at(5)), "64 KiB");
        written(&mut scheduler, at(5), &window);
        (0..999).for_each(|_| streamed(&mut scheduler, 30));
        assert_eq!(scheduler.deadline(), Some(at(105)));
        streamed(&mut scheduler, 30);
        assert!(scheduler.is_due(at(5)), "1,000 packets");
        let (newest, reported) = written(&mut scheduler, at(5), &window);
        assert_eq!(newest, 1_999);
        assert!(reported.len() >= 1_000, "all of them are reported");
    }

    #[test]
    fn prompt_packets_wait_25_ms_and_lazy_ones_100() {
        let mut scheduler = AckScheduler::new(0);
        scheduler.handle_received(at(0), Arrival::InOrder, Provokes::Lazily);
        assert_eq!(scheduler.deadline(), Some(at(100)));
        scheduler.handle_received(at(10), Arrival::InOrder, Provokes::Promptly);
        assert_eq!(scheduler.deadline(), Some(at(35)));
        scheduler.handle_received(at(12), Arrival::Ahead, Provokes::Lazily);
        assert_eq!(scheduler.deadline(), Some(at(13)));
    }

    #[test]
    fn silence_is_never_acknowledged() {
        let mut scheduler = AckScheduler::new(0);
        scheduler.handle_received(at(0), Arrival::Ahead, Provokes::Nothing);
        assert_eq!(scheduler.deadline(), None);
        assert!(!scheduler.has_waiting());
    }

    #[test]
    fn enough_packets_make_it_due_at_once() {
        for (provokes, count) in
            [(Provokes::Lazily, LAZY_PACKETS_MAX), (Provokes::Promptly, PROMPT_PACKETS_MAX)]
        {
            let mut scheduler = AckScheduler::new(0);
            for n in 1..=count {
                scheduler.handle_received(at(0), Arrival::InOrder, provokes);
                assert_eq!(scheduler.is_due(at(0)), n == count);
            }
        }
    }

    #[test]
    fn a_late_packet_is_reported_however_far_below_the_newest_it_is() {
        let mut window = window_of((0..1_000).filter(|&n| n != 500));
        let mut scheduler = AckScheduler::new(0);
        (0..3).for_each(|_| drop(written(&mut scheduler, at(0), &window)));
        assert_eq!(written(&mut scheduler, at(0), &window).1.len(), 64);
        window.accept(500).unwrap();
        scheduler.handle_received(at(0), Arrival::Late(500), Provokes::Promptly);
        for _ in 0..3 {
            assert_eq!(written(&mut scheduler, at(0), &window), (999, (500..999).rev().collect()));
        }
        assert_eq!(written(&mut scheduler, at(0), &window).1.len(), 64, "told three times");
    }

    #[test]
    fn ranges_reach_down_to_the_first_packet_and_not_below() {
        for (first, newest) in [(0, 63), (0, 64), (0, 65), (0, 66), (0, 200), (7, 72), (7, 200)] {
            let window = window_of(first..=newest);
            let (_, reported) = written(&mut AckScheduler::new(first), at(0), &window);
            // What the field says of numbers below the first is not looked at.
            let reported: Vec<u64> = reported.into_iter().filter(|&number| number >= first).collect();
            assert_eq!(reported, (first..newest).rev().collect::<Vec<_>>(), "{first} to {newest}");
        }
    }

    #[test]
    fn an_ack_reports_all_since_the_third_last_one() {
        let numbers: Vec<u64> = (0..1_000).filter(|n| n % 50 != 7).collect();
        let mut scheduler = AckScheduler::new(0);
        for newest in [100, 400, 700] {
            let window = window_of(numbers.iter().copied().filter(|&n| n <= newest));
            written(&mut scheduler, at(0), &window);
        }
        let window = window_of(numbers.iter().copied());
        let (newest, reported) = written(&mut scheduler, at(0), &window);
        let expected: Vec<u64> = (101..999).rev().filter(|n| n % 50 != 7).collect();
        assert_eq!((newest, reported), (999, expected));
    }
}
