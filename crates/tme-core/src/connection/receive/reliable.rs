//! The receiving side of a reliable channel: every message once, in the order its mode promises.

use std::collections::{BTreeMap, VecDeque};

use super::keys::Keys;
use super::{Partial, Piece, Violation};
use crate::channel::ChannelMode;
use crate::payload::Payload;

/// Credit granted to the peer, in absolute numbers since the start.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveCredit {
    window_bytes: u64,
    window_messages: u64,
    granted_bytes: u64,
    granted_messages: u64,
    received_bytes: u64,
    consumed_bytes: u64,
    consumed_messages: u64,
    /// Used-up bytes and messages that are worth a frame.
    worthwhile_bytes: u64,
    worthwhile_messages: u64,
}

impl ReceiveCredit {
    /// Grants a whole window to begin with. More is granted once an eighth of it is used up, or earlier if the largest
    /// message would not fit into what is left: the sender would wait for ever.
    #[must_use]
    pub const fn new(bytes: u64, messages: u64, message_bytes_max: u64) -> Self {
        let spare_bytes = bytes.saturating_sub(message_bytes_max);
        let worthwhile_bytes = if spare_bytes < bytes / 8 { spare_bytes } else { bytes / 8 };
        Self {
            worthwhile_bytes: if worthwhile_bytes == 0 { 1 } else { worthwhile_bytes },
            worthwhile_messages: messages / 2 + 1,
            window_bytes: bytes,
            window_messages: messages,
            granted_bytes: bytes,
            granted_messages: messages,
            received_bytes: 0,
            consumed_bytes: 0,
            consumed_messages: 0,
        }
    }

    /// A message of this size has begun to arrive.
    pub const fn receive(&mut self, bytes: u64) -> Result<(), Violation> {
        self.received_bytes += bytes;
        if self.received_bytes > self.granted_bytes { Err(Violation::Credit) } else { Ok(()) }
    }

    /// The application took messages away. Gives whether more should be granted.
    pub const fn consume(&mut self, bytes: u64, messages: u64) -> bool {
        self.consumed_bytes += bytes;
        self.consumed_messages += messages;
        self.should_grant()
    }

    /// Whether so much was used up that telling the peer is worth a frame.
    #[must_use]
    pub const fn should_grant(&self) -> bool {
        // What was granted is never more than a window beyond what was consumed.
        let used_bytes = self.consumed_bytes + self.window_bytes - self.granted_bytes;
        let used_messages =
            self.consumed_messages.saturating_add(self.window_messages).saturating_sub(self.granted_messages);
        used_bytes >= self.worthwhile_bytes || used_messages >= self.worthwhile_messages
    }

    /// Grants a window beyond what was consumed; gives the absolute (bytes, messages).
    pub const fn grant(&mut self) -> (u64, u64) {
        self.granted_bytes = self.consumed_bytes + self.window_bytes;
        self.granted_messages = self.consumed_messages.saturating_add(self.window_messages);
        (self.granted_bytes, self.granted_messages)
    }

    /// Messages granted beyond what was consumed.
    #[must_use]
    pub const fn window_messages(&self) -> u64 {
        self.window_messages
    }

    /// What stands granted, as absolute (bytes, messages).
    #[must_use]
    pub const fn granted(&self) -> (u64, u64) {
        (self.granted_bytes, self.granted_messages)
    }
}

#[derive(Debug)]
enum Slot {
    Missing,
    /// There, waiting for older ones (ReliableOrdered).
    Held(Payload),
    Done,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Accepted {
    /// It had been received before.
    pub is_duplicate: bool,
    /// Bytes newly counted against the connection's credit.
    pub received_bytes: u64,
    /// Bytes and messages that need not wait for the application (skipped or superseded).
    pub consumed_bytes: u64,
    /// See `consumed_bytes`.
    pub consumed_messages: u64,
}

/// Receives one reliable channel.
#[derive(Debug)]
pub struct ReliableReceiver {
    mode: ChannelMode,
    first: u64,
    /// The lowest sequence not received.
    base: u64,
    /// Sequences from `base` on.
    slots: VecDeque<Slot>,
    partials: BTreeMap<u64, Partial>,
    /// ReliableLatest; made with the first value that is delivered or begins to arrive.
    keys: Option<Box<Keys>>,
    credit: ReceiveCredit,
    message_bytes_max: u32,
}

impl ReliableReceiver {
    /// Nothing received yet; `first` is the channel's first sequence.
    #[must_use]
    pub const fn new(mode: ChannelMode, first: u64, credit: ReceiveCredit, message_bytes_max: u32) -> Self {
        Self {
            mode,
            first,
            base: first,
            slots: VecDeque::new(),
            partials: BTreeMap::new(),
            keys: None,
            credit,
            message_bytes_max,
        }
    }

    /// What truncated sequences are expanded against.
    #[must_use]
    pub const fn reference(&self) -> u64 {
        self.base
    }

    /// Whether nothing is missing or held, and every key can be forgotten.
    #[cfg(test)]
    pub(in crate::connection) fn is_caught_up(&mut self) -> bool {
        self.forget_keys();
        self.slots.is_empty() && self.partials.is_empty() && self.keys.is_none()
    }

    /// Keys of which something is remembered.
    #[cfg(test)]
    pub(in crate::connection) fn keys_remembered(&self) -> usize {
        self.keys.as_ref().map_or(0, |keys| keys.count())
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        self.slots.shrink_to_fit();
        self.forget_keys();
    }

    /// The credit granted to the peer.
    pub const fn credit_mut(&mut self) -> &mut ReceiveCredit {
        &mut self.credit
    }

    /// Takes a whole message; `deliver` gets whatever can be handed to the application now.
    pub fn handle_message(
        &mut self,
        sequence: u64,
        key: u32,
        payload: Payload,
        deliver: &mut impl FnMut(Payload),
    ) -> Result<Accepted, Violation> {
        let mut accepted = Accepted::default();
        if self.is_received(sequence)? {
            accepted.is_duplicate = true;
            return Ok(accepted);
        }
        if self.partials.contains_key(&sequence) {
            return Err(Violation::Protocol);
        }
        self.account(payload.len() as u64, &mut accepted)?;
        self.complete(sequence, key, payload, &mut accepted, deliver);
        Ok(accepted)
    }

    /// Takes cells of a long message.
    pub fn handle_piece(
        &mut self,
        piece: &Piece<'_>,
        deliver: &mut impl FnMut(Payload),
    ) -> Result<Accepted, Violation> {
        let mut accepted = Accepted::default();
        if self.is_received(piece.sequence)? {
            accepted.is_duplicate = true;
            return Ok(accepted);
        }
        if !self.partials.contains_key(&piece.sequence) {
            self.account(piece.total as u64, &mut accepted)?;
            if self.is_stale(piece.sequence, piece.key) {
                self.settle(piece.sequence, piece.total as u64, &mut accepted, deliver);
                return Ok(accepted);
            }
            self.give_up_older(piece, &mut accepted, deliver);
            self.partials.insert(piece.sequence, Partial::new(piece.total, piece.key));
            if self.mode.is_keyed() {
                self.keys.get_or_insert_default().insert_partial(piece.key, piece.sequence);
            }
        }
        let Some(partial) = self.partials.get_mut(&piece.sequence) else { return Ok(accepted) };
        if !partial.insert(piece).ok_or(Violation::Protocol)? {
            return Ok(accepted);
        }
        if let Some(partial) = self.remove_partial(piece.sequence) {
            self.complete(piece.sequence, piece.key, partial.into_payload(), &mut accepted, deliver);
        }
        Ok(accepted)
    }

    /// The sender will not (completely) send this message.
    pub fn handle_skip(
        &mut self,
        sequence: u64,
        bytes: u64,
        deliver: &mut impl FnMut(Payload),
    ) -> Result<Accepted, Violation> {
        let mut accepted = Accepted::default();
        if self.is_received(sequence)? {
            accepted.is_duplicate = true;
            return Ok(accepted);
        }
        match self.remove_partial(sequence) {
            Some(partial) if partial.bytes.len() as u64 != bytes => return Err(Violation::Protocol),
            Some(_) => {}
            None => self.account(bytes, &mut accepted)?,
        }
        self.settle(sequence, bytes, &mut accepted, deliver);
        Ok(accepted)
    }

    /// Whether the sequence was received; an error if it lies beyond what was granted, or so far above the lowest one
    /// missing that remembering all between would take more memory than was offered: in channels that deliver out of
    /// order, credit comes back although that one is still missing.
    fn is_received(&self, sequence: u64) -> Result<bool, Violation> {
        let Some(index) = sequence.checked_sub(self.base) else { return Ok(true) };
        let (_, granted_messages) = self.credit.granted();
        if sequence - self.first >= granted_messages || index >= self.credit.window_messages() {
            return Err(Violation::Credit);
        }
        Ok(!matches!(self.slots.get(index as usize), None | Some(Slot::Missing)))
    }

    fn account(&mut self, bytes: u64, accepted: &mut Accepted) -> Result<(), Violation> {
        if bytes > u64::from(self.message_bytes_max) {
            return Err(Violation::Credit);
        }
        accepted.received_bytes += bytes;
        self.credit.receive(bytes)
    }

    fn is_stale(&self, sequence: u64, key: u32) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.is_stale(key, sequence))
    }

    /// A newer value of the key is on its way: what is there of older ones will not be delivered.
    fn give_up_older(
        &mut self,
        piece: &Piece<'_>,
        accepted: &mut Accepted,
        deliver: &mut impl FnMut(Payload),
    ) {
        let keys = self.keys.as_ref();
        if let Some(sequence) = keys.and_then(|keys| keys.older_partial(piece.key, piece.sequence))
            && let Some(partial) = self.remove_partial(sequence)
        {
            self.settle(sequence, partial.bytes.len() as u64, accepted, deliver);
        }
    }

    fn remove_partial(&mut self, sequence: u64) -> Option<Partial> {
        let partial = self.partials.remove(&sequence)?;
        if let Some(keys) = &mut self.keys {
            keys.remove_partial(partial.key, sequence);
        }
        Some(partial)
    }

    fn complete(
        &mut self,
        sequence: u64,
        key: u32,
        payload: Payload,
        accepted: &mut Accepted,
        deliver: &mut impl FnMut(Payload),
    ) {
        match self.mode {
            ChannelMode::ReliableOrdered if sequence == self.base => {
                deliver(payload);
                self.mark(sequence, Slot::Done);
                self.advance(deliver);
            }
            ChannelMode::ReliableOrdered => self.mark(sequence, Slot::Held(payload)),
            ChannelMode::ReliableLatest if self.is_stale(sequence, key) => {
                self.settle(sequence, payload.len() as u64, accepted, deliver);
            }
            ChannelMode::ReliableLatest => {
                self.keys.get_or_insert_default().handle_delivered(key, sequence, self.base);
                deliver(payload);
                self.mark(sequence, Slot::Done);
                self.advance(deliver);
            }
            _ => {
                deliver(payload);
                self.mark(sequence, Slot::Done);
                self.advance(deliver);
            }
        }
    }

    /// Forgets the keys of which nothing older can come any more.
    fn forget_keys(&mut self) {
        if let Some(keys) = &mut self.keys {
            keys.forget(self.base);
        }
        self.keys.take_if(|keys| keys.is_empty());
    }

    /// Counts a message as received and consumed without delivering it.
    fn settle(
        &mut self,
        sequence: u64,
        bytes: u64,
        accepted: &mut Accepted,
        deliver: &mut impl FnMut(Payload),
    ) {
        accepted.consumed_bytes += bytes;
        accepted.consumed_messages += 1;
        self.mark(sequence, Slot::Done);
        self.advance(deliver);
    }

    fn mark(&mut self, sequence: u64, slot: Slot) {
        // `is_received` has bounded the distance by the window of messages.
        let index = (sequence - self.base) as usize;
        while self.slots.len() <= index {
            self.slots.push_back(Slot::Missing);
        }
        if let Some(place) = self.slots.get_mut(index) {
            *place = slot;
        }
    }

    fn advance(&mut self, deliver: &mut impl FnMut(Payload)) {
        while !matches!(self.slots.front(), None | Some(Slot::Missing)) {
            if let Some(Slot::Held(payload)) = self.slots.pop_front() {
                deliver(payload);
            }
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::CELL_BYTES;

    const FIRST: u64 = (1 << 24) - 3;

    fn receiver(mode: ChannelMode) -> ReliableReceiver {
        ReliableReceiver::new(mode, FIRST, ReceiveCredit::new(10_000, 100, 4_000), 4_000)
    }

    /// Hands messages (offset, key) in; each one's payload is its offset. Gives what came out.
    fn run(mode: ChannelMode, arrivals: &[(u64, u32)]) -> Vec<u8> {
        let mut receiver = receiver(mode);
        let mut out = Vec::new();
        for &(offset, key) in arrivals {
            let payload = Payload::from(vec![offset as u8]);
            receiver
                .handle_message(FIRST + offset, key, payload, &mut |message| out.push(message[0]))
                .unwrap();
        }
        out
    }

    #[test]
    fn ordered_waits_for_what_is_missing_and_drops_repetitions() {
        let arrivals = [(1, 0), (3, 0), (1, 0), (0, 0), (0, 0), (2, 0), (3, 0), (4, 0)];
        assert_eq!(run(ChannelMode::ReliableOrdered, &arrivals), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn unordered_delivers_as_it_comes_but_once() {
        let arrivals = [(3, 0), (1, 0), (3, 0), (0, 0), (1, 0), (2, 0)];
        assert_eq!(run(ChannelMode::ReliableUnordered, &arrivals), [3, 1, 0, 2]);
    }

    #[test]
    fn latest_never_steps_back_within_a_key() {
        let arrivals = [(2, 7), (0, 7), (1, 8), (4, 8), (3, 7)];
        assert_eq!(run(ChannelMode::ReliableLatest, &arrivals), [2, 1, 4, 3]);
    }

    #[test]
    fn more_than_was_granted_is_a_violation() {
        let mut receiver = receiver(ChannelMode::ReliableOrdered);
        let deliver = &mut |_| ();
        let beyond = receiver.handle_message(FIRST + 100, 0, Payload::empty(), deliver);
        assert_eq!(beyond, Err(Violation::Credit));
        for sequence in FIRST..FIRST + 3 {
            let cell = Piece { sequence, key: 0, index: 0, total: 3_500, data: &[0; CELL_BYTES] };
            assert_eq!(receiver.handle_piece(&cell, deliver).is_ok(), sequence < FIRST + 2, "10,500 bytes");
        }
    }

    #[test]
    fn a_missing_message_bounds_how_far_ahead_the_others_may_run() {
        let mut receiver = receiver(ChannelMode::ReliableUnordered);
        let deliver = &mut |_| ();
        for sequence in FIRST + 1..FIRST + 100 {
            receiver.handle_message(sequence, 0, Payload::empty(), deliver).unwrap();
            receiver.credit_mut().consume(0, 1);
        }
        receiver.credit_mut().grant();
        let beyond = receiver.handle_message(FIRST + 100, 0, Payload::empty(), deliver);
        assert_eq!(beyond, Err(Violation::Credit), "granted, but {FIRST} is still missing");
        receiver.handle_message(FIRST, 0, Payload::empty(), deliver).unwrap();
        assert!(receiver.handle_message(FIRST + 100, 0, Payload::empty(), deliver).is_ok());
        assert_eq!(receiver.slots.len(), 0);
    }

    #[test]
    fn a_message_above_the_receivers_largest_is_a_violation() {
        let deliver = &mut |_| ();
        for (total, is_fine) in [(4_000, true), (4_001, false)] {
            let cell = Piece { sequence: FIRST, key: 0, index: 0, total, data: &[0; CELL_BYTES] };
            let outcome = receiver(ChannelMode::ReliableOrdered).handle_piece(&cell, deliver);
            assert_eq!(outcome.err(), (!is_fine).then_some(Violation::Credit));
            let outcome = receiver(ChannelMode::ReliableOrdered).handle_skip(FIRST, total as u64, deliver);
            assert_eq!(outcome.err(), (!is_fine).then_some(Violation::Credit));
        }
    }

    #[test]
    fn what_contradicts_an_incomplete_message_is_a_violation() {
        let deliver = &mut |_| ();
        let first = Piece { sequence: FIRST, key: 1, index: 0, total: 3_000, data: &[0; CELL_BYTES] };
        let started = || {
            let mut receiver = receiver(ChannelMode::ReliableLatest);
            receiver.handle_piece(&first, &mut |_| ()).unwrap();
            receiver
        };
        let second = Piece { index: 1, ..first };
        assert!(started().handle_piece(&second, deliver).is_ok());
        let other_total = started().handle_piece(&Piece { total: 3_500, ..second }, deliver);
        let other_key = started().handle_piece(&Piece { key: 2, ..second }, deliver);
        let whole = started().handle_message(FIRST, 1, Payload::from(b"short"), deliver);
        let skip = started().handle_skip(FIRST, 2_999, deliver);
        for outcome in [other_total, other_key, whole, skip] {
            assert_eq!(outcome, Err(Violation::Protocol));
        }
    }

    #[test]
    fn a_skip_closes_the_gap_and_returns_the_credit() {
        let mut receiver = receiver(ChannelMode::ReliableLatest);
        let cell = [1; CELL_BYTES];
        let piece = Piece { sequence: FIRST, key: 1, index: 0, total: 3_000, data: &cell };
        let accepted = receiver.handle_piece(&piece, &mut |_| ()).unwrap();
        assert_eq!(accepted.received_bytes, 3_000);
        let accepted = receiver.handle_skip(FIRST, 3_000, &mut |_| ()).unwrap();
        assert_eq!((accepted.received_bytes, accepted.consumed_bytes), (0, 3_000));
        assert_eq!(receiver.reference(), FIRST + 1);
        assert!(receiver.handle_piece(&piece, &mut |_| ()).unwrap().is_duplicate);
    }

    #[test]
    fn a_skip_of_what_was_never_seen_counts_once() {
        for mode in
            [ChannelMode::ReliableUnordered, ChannelMode::ReliableOrdered, ChannelMode::ReliableLatest]
        {
            let mut receiver = receiver(mode);
            let accepted = receiver.handle_skip(FIRST, 3_000, &mut |_| ()).unwrap();
            let counted = (accepted.received_bytes, accepted.consumed_bytes, accepted.consumed_messages);
            assert_eq!(counted, (3_000, 3_000, 1));
            let again = receiver.handle_skip(FIRST, 3_000, &mut |_| ()).unwrap();
            assert_eq!(again, Accepted { is_duplicate: true, ..Accepted::default() });
            let cell = Piece { sequence: FIRST, key: 0, index: 0, total: 3_000, data: &[0; CELL_BYTES] };
            assert_eq!(
                receiver.handle_piece(&cell, &mut |_| ()),
                Ok(again),
                "what comes late counts no more"
            );
        }
    }

    #[test]
    fn a_newer_value_of_a_key_ends_the_reassembly_of_an_older_one() {
        let mut receiver = receiver(ChannelMode::ReliableLatest);
        let cell = [1; CELL_BYTES];
        let piece = |sequence| Piece { sequence, key: 1, index: 0, total: 3_000, data: &cell };
        receiver.handle_piece(&piece(FIRST), &mut |_| ()).unwrap();
        let accepted = receiver.handle_piece(&piece(FIRST + 1), &mut |_| ()).unwrap();
        assert_eq!((accepted.consumed_bytes, receiver.partials.len()), (3_000, 1));
    }

    #[test]
    fn as_many_keys_as_partials_and_no_more_are_remembered() {
        let mut receiver = receiver(ChannelMode::ReliableLatest);
        let bytes = [1; CELL_BYTES + 1];
        let whole = |sequence, key| Piece { sequence, key, index: 0, total: bytes.len(), data: &bytes };
        let cell = |sequence, key| Piece { data: &bytes[..CELL_BYTES], ..whole(sequence, key) };
        for (offset, key) in [(0, 1), (1, 2), (2, 3), (4, 1), (3, 1), (5, 4)] {
            receiver.handle_piece(&cell(FIRST + offset, key), &mut |_| ()).unwrap();
        }
        receiver.handle_skip(FIRST + 1, bytes.len() as u64, &mut |_| ()).unwrap();
        receiver.handle_piece(&whole(FIRST + 5, 4), &mut |_| ()).unwrap();
        let expected = [(1, FIRST + 3), (1, FIRST + 4), (3, FIRST + 2)];
        assert_eq!(receiver.keys.as_ref().map(|keys| keys.partials()).unwrap_or_default(), expected);
        assert_eq!(receiver.partials.keys().copied().collect::<Vec<_>>(), [2, 3, 4].map(|n| FIRST + n));
    }

    #[test]
    fn credit_is_announced_after_an_eighth_of_a_window() {
        let mut credit = ReceiveCredit::new(1_000, 10, 100);
        assert!(!credit.consume(124, 1));
        assert!(credit.consume(1, 1));
        assert_eq!(credit.grant(), (1_125, 12));
        assert!(!credit.should_grant());
    }

    #[test]
    fn the_largest_message_always_fits_into_what_is_left() {
        for (window, largest) in [(1_000, 1_000), (1_000, 999), (1_000, 700), (1_000, 500), (1_000, 1)] {
            let mut credit = ReceiveCredit::new(window, u64::MAX, largest);
            let mut granted = window;
            for consumed in 1..5_000 {
                if credit.consume(1, 0) {
                    granted = credit.grant().0;
                }
                assert!(granted - consumed >= largest, "{window} {largest}: {consumed} consumed");
            }
        }
    }

    #[test]
    fn a_limit_that_cannot_be_reached_asks_for_no_frames() {
        let mut credit = ReceiveCredit::new(1_000_000, u64::MAX, 1_000);
        let frames = (0..100_000).filter(|_| credit.consume(10, 1) && credit.grant().0 > 0).count();
        assert_eq!(frames, 8);
    }
}
