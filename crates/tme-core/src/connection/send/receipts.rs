//! What senders asked for beyond sending: deadlines of messages, and word of what became of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::connection::Expiry;
use crate::time::Instant;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The other side has received it.
    Delivered,
    /// It was given up.
    Expired {
        /// Why.
        reason: Expiry,
        /// Nothing of it has left.
        never_sent: bool,
    },
}

/// Word of one message, for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Position of the channel.
    pub position: u8,
    /// The sender's number.
    pub token: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What the sender of one message asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// It wants to know, under this number.
    pub token: Option<u64>,
    /// From then on it is too late.
    pub expires_at: Option<Instant>,
}

impl Wish {
    /// Whether there is nothing to remember.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.token.is_none() && self.expires_at.is_none()
    }
}

/// The wishes for messages that are queued or in flight, beside the queue: messages without any cost nothing.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Rising sequences. `None`: taken, and kept only because it is neither the first nor the last.
    wishes: VecDeque<(u64, Option<Wish>)>,
    /// Deadlines, the next one on top; those of wishes taken meanwhile are left in until they are in the way.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
    /// How many of them still matter.
    deadline_count: usize,
}

impl Wishes {
    /// Deadlines that are not worth clearing up after.
    const DEADLINES_FEW: usize = 64;

    /// Remembers a wish for the message with this sequence, which has none.
    pub fn insert(&mut self, sequence: u64, wish: Wish) {
        if let Some(at) = wish.expires_at {
            self.deadlines.push(Reverse((at, sequence)));
            self.deadline_count += 1;
        }
        match self.find(sequence) {
            Ok(index) => {
                if let Some(place) = self.wishes.get_mut(index) {
                    place.1 = Some(wish);
                }
            }
            Err(index) => self.wishes.insert(index, (sequence, Some(wish))),
        }
    }

    /// Takes the wish for a message away, if there is one.
    pub fn take(&mut self, sequence: u64) -> Option<Wish> {
        let index = self.find(sequence).ok()?;
        let wish = self.wishes.get_mut(index)?.1.take()?;
        if wish.expires_at.is_some() {
            self.deadline_count -= 1;
            self.clear_up();
        }
        while self.wishes.front().is_some_and(|(_, wish)| wish.is_none()) {
            self.wishes.pop_front();
        }
        while self.wishes.back().is_some_and(|(_, wish)| wish.is_none()) {
            self.wishes.pop_back();
        }
        Some(wish)
    }

    /// Any message that still has a wish.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.wishes.front().map(|&(sequence, _)| sequence)
    }

    /// When to look for an expired message again; it may turn out that there is none.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// A message whose deadline has passed. Its wish is still there to be taken.
    pub fn poll_expired(&mut self, now: Instant) -> Option<u64> {
        while let Some(&Reverse((at, sequence))) = self.deadlines.peek()
            && at <= now
        {
            self.deadlines.pop();
            if self.has_deadline(sequence, at) {
                return Some(sequence);
            }
        }
        None
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        self.wishes.shrink_to_fit();
        self.deadlines.shrink_to_fit();
    }

    /// Deadlines may lie hours ahead and their messages be settled at once: without this they would pile up.
    fn clear_up(&mut self) {
        if self.deadlines.len() <= Self::DEADLINES_FEW + 2 * self.deadline_count {
            return;
        }
        let mut deadlines = std::mem::take(&mut self.deadlines);
        deadlines.retain(|&Reverse((at, sequence))| self.has_deadline(sequence, at));
        self.deadlines = deadlines;
    }

    fn has_deadline(&self, sequence: u64, at: Instant) -> bool {
        let wish = self.find(sequence).ok().and_then(|index| self.wishes.get(index)?.1);
        wish.is_some_and(|wish| wish.expires_at == Some(at))
    }

    fn find(&self, sequence: u64) -> Result<usize, usize> {
        match self.wishes.back() {
            Some(&(last, _)) if last >= sequence => {
                self.wishes.binary_search_by_key(&sequence, |&(sequence, _)| sequence)
            }
            _ => Err(self.wishes.len()),
        }
    }
}

/// Unreliable messages that were sent and whose senders wait for word.
#[derive(Debug, Default)]
pub struct Awaited {
    messages: VecDeque<Message>,
    /// Ordinal of `messages[0]`.
    base: u64,
    open: usize,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    token: u64,
    /// Packets under way that carry a piece.
    pieces: u16,
    /// All of it was sent.
    is_complete: bool,
    /// Its fate is known.
    is_settled: bool,
}

impl Awaited {
    /// Messages whose fate is not known.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.open
    }

    /// A message begins to leave; gives the ordinal that names it.
    pub fn start(&mut self, token: u64) -> u64 {
        self.open += 1;
        self.messages.push_back(Message { token, pieces: 0, is_complete: false, is_settled: false });
        self.base + self.messages.len() as u64 - 1
    }

    /// A packet carries a piece of it, the last one if it `is_complete` now.
    pub fn handle_sent(&mut self, ordinal: u64, is_complete: bool) {
        if let Some(message) = self.get_mut(ordinal) {
            message.pieces = message.pieces.saturating_add(1);
            message.is_complete = is_complete;
        }
    }

    /// A packet with a piece of it has arrived. Gives its token if that was the last one.
    pub fn handle_acked(&mut self, ordinal: u64) -> Option<u64> {
        let message = self.get_mut(ordinal)?;
        message.pieces = message.pieces.saturating_sub(1);
        if message.pieces > 0 || !message.is_complete {
            return None;
        }
        self.settle(ordinal)
    }

    /// Gives up on a message; gives its token if its fate was not known before.
    pub fn settle(&mut self, ordinal: u64) -> Option<u64> {
        let message = self.get_mut(ordinal)?;
        if std::mem::replace(&mut message.is_settled, true) {
            return None;
        }
        let token = message.token;
        self.open -= 1;
        while self.messages.front().is_some_and(|message| message.is_settled) {
            self.messages.pop_front();
            self.base += 1;
        }
        Some(token)
    }

    /// Gives up on the oldest message; gives its token.
    pub fn settle_oldest(&mut self) -> Option<u64> {
        self.settle(self.base)
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        self.messages.shrink_to_fit();
    }

    fn get_mut(&mut self, ordinal: u64) -> Option<&mut Message> {
        self.messages.get_mut(usize::try_from(ordinal.checked_sub(self.base)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    fn wish(token: u64, expires_at: u64) -> Wish {
        Wish { token: Some(token), expires_at: Some(at(expires_at)) }
    }

    #[test]
    fn deadlines_pass_in_their_own_order_and_only_once() {
        let mut wishes = Wishes::default();
        for (sequence, expires_at) in [(5, 300), (6, 100), (8, 200), (9, 100)] {
            wishes.insert(sequence, wish(sequence, expires_at));
        }
        assert_eq!(wishes.poll_expired(at(99)), None);
        wishes.take(6);
        let mut passed = Vec::new();
        while let Some(sequence) = wishes.poll_expired(at(250)) {
            passed.push((sequence, wishes.take(sequence).and_then(|wish| wish.token)));
        }
        assert_eq!(passed, [(9, Some(9)), (8, Some(8))]);
        assert_eq!((wishes.next_deadline(), wishes.first()), (Some(at(300)), Some(5)));
    }

    #[test]
    fn a_wish_may_come_back_for_a_sequence_between_others() {
        let mut wishes = Wishes::default();
        (1..4).for_each(|sequence| wishes.insert(sequence, wish(sequence, 100)));
        wishes.take(2);
        wishes.insert(2, wish(20, 50));
        assert_eq!(wishes.poll_expired(at(60)), Some(2));
        assert_eq!(wishes.take(2).unwrap().token, Some(20));
        assert_eq!(wishes.take(2), None);
    }

    #[test]
    fn distant_deadlines_of_settled_messages_do_not_pile_up() {
        let mut wishes = Wishes::default();
        wishes.insert(0, wish(0, u64::MAX));
        for sequence in 1..100_000 {
            wishes.insert(sequence, wish(sequence, 1 << 40));
            wishes.take(sequence);
        }
        assert!(wishes.deadlines.len() <= Wishes::DEADLINES_FEW + 3, "{}", wishes.deadlines.len());
        assert_eq!(wishes.wishes.len(), 1);
    }

    #[test]
    fn a_message_in_pieces_is_delivered_when_all_have_arrived_and_lost_with_any() {
        let mut awaited = Awaited::default();
        let (whole, cut) = (awaited.start(1), awaited.start(2));
        for (ordinal, is_complete) in [(whole, false), (cut, false), (whole, true), (cut, true)] {
            awaited.handle_sent(ordinal, is_complete);
        }
        assert_eq!((awaited.handle_acked(cut), awaited.settle(cut)), (None, Some(2)));
        assert_eq!(awaited.handle_acked(cut), None, "what was counted as lost may arrive late");
        assert_eq!((awaited.handle_acked(whole), awaited.handle_acked(whole)), (None, Some(1)));
        assert_eq!((awaited.count(), awaited.messages.len(), awaited.settle_oldest()), (0, 0, None));
    }
}
